/*
 * api.h: the HTTP interface: paths of DESIGN.md section 4 onto service.h.
 *
 * One table of routes says method, path, whether a token is needed, and how large a body may be.
 * Errors are {"error": {"code", "message"}}. Whatever changes something needs the bearer token of
 * http.token, compared in constant time; without a configured one it is refused. Ten wrong tokens
 * a minute from one address are followed by 429. openapi.json, which is embedded, describes every
 * route; a test holds the server against it.
 *
 * Pages of other origins get nothing: requests with a foreign Origin or Sec-Fetch-Site are
 * refused, and names in Host other than addresses, localhost, that of http.listen and http.hosts
 * too (DNS rebinding).
 */
#pragma once

#include "ingest/loop/http_server.h"
#include "ingest/serve/service.h"

struct api;

/** api_new() - listens
 * @fd: a socket given from outside; -1: http.listen of the service's configuration */
int api_new(struct loop *l, struct service *s, int fd, const struct log *log, struct api **out,
        struct err *e) __attribute__((warn_unused_result));

/** api_stop() - no new requests; those under way are answered, event streams end */
void api_stop(struct api *a);

/** api_is_idle() - nobody waits for a reply, and all replies have left */
bool api_is_idle(const struct api *a);
struct api *api_free(struct api *a); /* before the service */
DEFINE_CLEANUP(struct api *, api_free);
int api_port(const struct api *a);
