/*
 * metrics.h: the Prometheus text of `GET /metrics` (text format 0.0.4).
 *
 * Names begin with erp2couch_ and have base units; counters end in _total. Made anew for each
 * request from service.h and from couch_meter (ingest/couch/meter.h), which all clients of CouchDB
 * add to.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/loop/http_server.h"
#include "ingest/serve/service.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/** metrics_write() - appends all families; @server may be NULL */
void metrics_write(const struct service *s, const struct http_server *server, struct buf *out);
