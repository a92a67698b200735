/*
 * metrics.h: the Prometheus text of `GET /metrics` (text format 0.0.4).
 *
 * Names begin with erp2couch_ (those of the process with process_, as everywhere) and have base
 * units; counters end in _total. Made anew for each request from service.h and from couch_meter
 * (ingest/couch/meter.h), which all clients of CouchDB add to. docs/metrics.md has all of them.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/loop/http_server.h"
#include "ingest/serve/service.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/** metrics_write() - appends all families, sorted by name
 * @server: may be NULL
 * Return: 0; -ERR_NOMEM; -ERR_REJECT more than @out may hold. */
int metrics_write(const struct service *s, const struct http_server *server, struct buf *out,
        struct err *e) __attribute__((warn_unused_result));
