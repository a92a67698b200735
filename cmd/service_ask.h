/*
 * service_ask.h: what the service that runs here says of its mappers, for `status`.
 *
 * It is asked where it says in its state folder that it listens (service_file.h), else under
 * http.listen, and must serve the same configuration file and state: something else may listen
 * there.
 */
#pragma once

#include <cjson/cJSON.h>

#include "ingest/base/log.h"
#include "ingest/loop/loop.h"
#include "ingest/pipeline/config.h"

#define SERVICE_ADDRESS_MAX 300

/** service_address() - from this machine, where who listens at @listen is found: "127.0.0.1:8090"
 * @port: what the kernel made of a port 0; 0: not known
 * Return: false: nowhere, its port is the kernel's choice. */
bool service_address(const char *listen, int port, char out[SERVICE_ADDRESS_MAX]);

/** service_ask() - GET /api/v1/status; gives up after two seconds
 * @address: who was asked last      @out: the reply, owned by the caller; NULL: no service of this
 * configuration answers
 * Return: 0; -ERR_CANCEL; -ERR_NOMEM. */
int service_ask(const struct config *config, struct loop *loop, const struct log *log,
        char address[SERVICE_ADDRESS_MAX], cJSON **out, struct err *e)
        __attribute__((warn_unused_result));
