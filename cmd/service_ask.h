/*
 * service_ask.h: what the service that runs here says of its mappers, for `status`.
 *
 * It is asked under http.listen, and must serve the same configuration file and state: something
 * else may listen there.
 */
#pragma once

#include <cjson/cJSON.h>

#include "ingest/base/log.h"
#include "ingest/loop/loop.h"
#include "ingest/pipeline/config.h"

#define SERVICE_ADDRESS_MAX 300

/** service_address() - where to ask the service of @config: "127.0.0.1:8090"
 * Return: false: nowhere, its port is the kernel's choice. */
bool service_address(const struct config *config, char out[SERVICE_ADDRESS_MAX]);

/** service_ask() - GET /api/v1/status; gives up after two seconds
 * @out: the reply, owned by the caller; NULL: no service of this configuration answers
 * Return: 0; -ERR_CANCEL; -ERR_NOMEM. */
int service_ask(const struct config *config, struct loop *loop, const struct log *log, cJSON **out,
        struct err *e) __attribute__((warn_unused_result));
