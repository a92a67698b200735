/*
 * api_internal.h: what the rooms of the HTTP interface share. For api*.c only.
 *
 *   api.c         server, routes, who is let in        api_auth.c     the rules for that
 *   api_reply.c   replies and errors, bodies           api_json.c     MAPPER and RUN
 *   api_health.c  healthz, readyz, metrics, the page and openapi.json
 *   api_mappers.c api_runs.c api_events.c api_rejects.c api_push.c    what their names say
 *
 * A request whose answer takes time is a struct api_call until it is answered: embedded first in
 * what its task or run works on. Where the interface ends before the work does, the call has lost
 * its exchange, and what comes back is only freed.
 */
#pragma once

#include <cjson/cJSON.h>

#include "ingest/base/buf.h"
#include "ingest/serve/api.h"
#include "ingest/serve/api_auth.h"

#define API_BODY_SMALL                                                                             \
        ((size_t)16 << 10) /* options of a request; and whoever may not ask at all                 \
                            */
#define API_BODY_PUSH   ((size_t)16 << 20)
#define API_PATIENCE_MS 4000 /* for CouchDB: somebody looks at an empty page meanwhile */
#define API_NAME_MAX    64   /* a mapper's name with its NUL */

struct api_call {
        struct api *api;
        struct http_exchange *x; /* NULL: the interface has ended */
        struct api_call *prev, *next;
};

struct api {
        struct loop *loop;
        struct service *service; /* borrowed */
        struct http_server *server;
        const struct log *log;
        struct api_limiter limiter;
        struct api_call *calls;
        struct api_stream *streams;
        unsigned stream_count;
};

struct api_route {
        const char *method;
        const char *path; /* {name} stands for one segment, {id} for anything */
        bool token;
        size_t max_body;

        /* @part: what {...} stood for; borrowed until the exchange is answered */
        void (*fn)(struct api *a, struct http_exchange *x, struct str part);
};
extern const struct api_route api_routes[];
extern const size_t api_route_count;

/** api_route_match() - whether @path is one of @route, whatever the method */
bool api_route_match(const struct api_route *route, struct str path, struct str *part);

/* ---- api_reply.c ---- */

enum api_code {
        API_BAD_REQUEST,
        API_UNAUTHORIZED,
        API_FORBIDDEN,
        API_NOT_FOUND,
        API_METHOD_NOT_ALLOWED,
        API_CONFLICT,
        API_TOO_LARGE,
        API_UNSUPPORTED_MEDIA_TYPE,
        API_CONFIG,
        API_TOO_MANY_REQUESTS,
        API_UNAVAILABLE,
        API_INTERNAL,
        API_CODES
};

/** api_reply_json() - answers with @json, which is freed */
void api_reply_json(struct http_exchange *x, int status, cJSON *json);
void api_reply_buf(struct http_exchange *x, int status, struct buf *json);
void api_error(struct http_exchange *x, enum api_code code, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/** api_fail() - answers with the error that @e stands for */
void api_fail(struct http_exchange *x, const struct err *e);

/** api_server_error() - the body of an error that the server itself answers with */
struct str api_server_error(void *ctx, int status);

/** api_add_text() - a member; bytes that are not UTF-8 become U+FFFD; NULL is null */
void api_add_text(cJSON *json, const char *name, const char *text);

struct api_flag {
        const char *name;
        bool *value;
};

/** api_body_flags() - the JSON object of @x's body, if it has one: booleans, and no others
 * Return: false: it was answered. */
bool api_body_flags(struct http_exchange *x, const struct api_flag *flags, size_t count);

/** api_media_type() - whether the body is said to be of @type, whatever its parameters */
bool api_media_type(const struct http_exchange *x, const char *type);

/** api_query_names() - whether all parameters are among @names: a misspelt filter filters nothing
 * Return: false: it was answered. */
bool api_query_names(struct http_exchange *x, const char *const *names, size_t count);

/** api_query_limit() - the parameter `limit`. Return: false: it was answered. */
bool api_query_limit(struct http_exchange *x, size_t standard, size_t most, size_t *out);

void api_call_begin(struct api *a, struct http_exchange *x, struct api_call *c);

/** api_call_end() - @c is on no list any more. Return: its exchange, to be answered; NULL: gone. */
struct http_exchange *api_call_end(struct api_call *c);

/** api_call_task() - begins @c, whose memory is the task's context, as a task of the service
 * Return: false: it was answered; the caller frees what it made. */
bool api_call_task(struct api *a, struct http_exchange *x, struct api_call *c,
        const struct service_task *task);

/* ---- api_json.c ---- */

cJSON *api_run_json(const struct service_run *run);

/** api_history_json() - a run of the history, of its document (run_list.h) */
cJSON *api_history_json(const cJSON *document);
cJSON *api_mapper_json(const struct service *s, size_t index);

/* ---- what routes lead to ---- */

void api_get_healthz(struct api *a, struct http_exchange *x, struct str part);
void api_get_readyz(struct api *a, struct http_exchange *x, struct str part);
void api_get_metrics(struct api *a, struct http_exchange *x, struct str part);
void api_get_openapi(struct api *a, struct http_exchange *x, struct str part);
void api_get_status(struct api *a, struct http_exchange *x, struct str part);
void api_get_mappers(struct api *a, struct http_exchange *x, struct str part);
void api_get_mapper(struct api *a, struct http_exchange *x, struct str part);
void api_post_run(struct api *a, struct http_exchange *x, struct str part);
void api_post_pause(struct api *a, struct http_exchange *x, struct str part);
void api_post_resume(struct api *a, struct http_exchange *x, struct str part);
void api_post_reload(struct api *a, struct http_exchange *x, struct str part);
void api_post_records(struct api *a, struct http_exchange *x, struct str part);
void api_get_runs(struct api *a, struct http_exchange *x, struct str part);
void api_get_events(struct api *a, struct http_exchange *x, struct str part);
void api_get_rejects(struct api *a, struct http_exchange *x, struct str part);
void api_post_retry(struct api *a, struct http_exchange *x, struct str part);
void api_post_drop(struct api *a, struct http_exchange *x, struct str part);

/** api_is_asset() - whether @path is a file of the status page */
bool api_is_asset(struct str path);
void api_reply_asset(struct http_exchange *x, struct str path);

/** api_mapper_find() - Return: false: there is none of that name, which was answered. */
bool api_mapper_find(struct api *a, struct http_exchange *x, struct str name, size_t *index);

/** api_no_mapper() - answers 404 with the nearest name */
void api_no_mapper(struct api *a, struct http_exchange *x, struct str name);

/** api_name_take() - @name as text. Return: false: no mapper can be named so. */
bool api_name_take(struct str name, char out[API_NAME_MAX]);

/** api_query_mapper() - the parameter `mapper`, "" for none. Return: false: it was answered. */
bool api_query_mapper(struct http_exchange *x, char out[API_NAME_MAX]);

/** api_reply_report() - answers a run that was asked for and did not end well
 * Return: false: it did; nothing was answered. */
bool api_reply_report(struct http_exchange *x, const struct run_report *report);

/** api_streams_end() - the event streams end */
void api_streams_end(struct api *a);
