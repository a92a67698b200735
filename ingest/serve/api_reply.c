/* Errors have one form whoever finds them; their status is their code's, but for reloads. */
#include "ingest/serve/api_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ingest/record/json.h"
#include "ingest/record/json_scan.h"

#define REPLY_MAX   ((size_t)64 << 20)
#define RETRY_AFTER "5" /* seconds: the pause after the first failure of a run */
#define JSON_TYPE   "application/json"

static const struct {
        int status;
        const char *name;
} codes[API_CODES] = {
        [API_BAD_REQUEST] = {400, "bad_request"},
        [API_UNAUTHORIZED] = {401, "unauthorized"},
        [API_FORBIDDEN] = {403, "forbidden"},
        [API_NOT_FOUND] = {404, "not_found"},
        [API_METHOD_NOT_ALLOWED] = {405, "method_not_allowed"},
        [API_CONFLICT] = {409, "conflict"},
        [API_TOO_LARGE] = {413, "too_large"},
        [API_UNSUPPORTED_MEDIA_TYPE] = {415, "unsupported_media_type"},
        [API_CONFIG] = {422, "config"},
        [API_TOO_MANY_REQUESTS] = {429, "too_many_requests"},
        [API_UNAVAILABLE] = {503, "unavailable"},
        [API_INTERNAL] = {500, "internal"},
};

void api_reply_json(struct http_exchange *x, int status, cJSON *json)
{
        char *text = cJSON_PrintUnformatted(json);

        cJSON_Delete(json);
        if (text)
                http_exchange_reply(x, status, JSON_TYPE, str_of(text));
        else
                http_exchange_reply(x, 500, JSON_TYPE, api_server_error(NULL, 500));
        cJSON_free(text);
}

void api_reply_buf(struct http_exchange *x, int status, struct buf *json)
{
        if (json->error)
                http_exchange_reply(x, 500, JSON_TYPE, api_server_error(NULL, 500));
        else
                http_exchange_reply(x, status, JSON_TYPE, buf_str(json));
}

void api_error(struct http_exchange *x, enum api_code code, const char *fmt, ...)
{
        cleanup_buf_ struct buf body = BUF_INIT(REPLY_MAX);
        char message[2 * ERR_TEXT_MAX];
        va_list args;

        va_start(args, fmt);
        vsnprintf(message, sizeof(message), fmt, args);
        va_end(args);
        buf_printf(&body, "{\"error\":{\"code\":\"%s\",\"message\":", codes[code].name);
        json_put_lossy(&body, str_of(message));
        buf_puts(&body, "}}");
        if (code == API_UNAVAILABLE)
                http_exchange_set_header(x, "Retry-After", RETRY_AFTER);
        if (code == API_UNAUTHORIZED)
                http_exchange_set_header(x, "WWW-Authenticate", "Bearer");
        api_reply_buf(x, codes[code].status, &body);
}

void api_fail(struct http_exchange *x, const struct err *e)
{
        static const enum api_code of[ERR_CLASSES] = {
                [ERR_NONE] = API_INTERNAL,
                [ERR_RETRY] = API_UNAVAILABLE,
                [ERR_REJECT] = API_BAD_REQUEST,
                [ERR_CONFIG] = API_CONFIG,
                [ERR_CANCEL] = API_UNAVAILABLE,
                [ERR_NOMEM] = API_INTERNAL,
                [ERR_BUG] = API_INTERNAL,
                [ERR_SYSTEM] = API_INTERNAL,
                [ERR_GUARD] = API_CONFLICT,
                [ERR_LOCKED] = API_CONFLICT,
                [ERR_USAGE] = API_BAD_REQUEST,
        };

        api_error(x, of[e->class], "%s", e->text);
}

struct str api_server_error(void *ctx, int status)
{
        static const struct {
                int status;
                const char *body;
        } bodies[] = {
                {400, "{\"error\":{\"code\":\"bad_request\",\"message\":\"this is no HTTP/1.1 "
                      "request\"}}"},
                {408, "{\"error\":{\"code\":\"bad_request\",\"message\":\"the request did not "
                      "come in time\"}}"},
                {413, "{\"error\":{\"code\":\"too_large\",\"message\":\"the body is larger than "
                      "this request may have: 16 MiB of records with the right token, else 16 "
                      "KiB\"}}"},
                {414, "{\"error\":{\"code\":\"too_large\",\"message\":\"the address is too "
                      "long\"}}"},
                {431, "{\"error\":{\"code\":\"too_large\",\"message\":\"the headers are too "
                      "long\"}}"},
                {501, "{\"error\":{\"code\":\"method_not_allowed\",\"message\":\"this method is "
                      "not known here\"}}"},
                {505, "{\"error\":{\"code\":\"bad_request\",\"message\":\"this service speaks "
                      "HTTP/1.1\"}}"},
                {503, "{\"error\":{\"code\":\"unavailable\",\"message\":\"there are too many "
                      "connections\"}}"},
        };

        (void)ctx;
        for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
                if (bodies[i].status == status)
                        return str_of(bodies[i].body);
        if (status >= 500)
                return STR("{\"error\":{\"code\":\"internal\",\"message\":\"the service could not "
                           "answer\"}}");
        return STR("{\"error\":{\"code\":\"bad_request\",\"message\":\"the request was "
                   "refused\"}}");
}

void api_add_text(cJSON *json, const char *name, const char *text)
{
        cleanup_buf_ struct buf quoted = BUF_INIT(REPLY_MAX);

        if (text && str_utf8_valid(str_of(text))) {
                cJSON_AddStringToObject(json, name, text);
                return;
        }
        if (text)
                json_put_lossy(&quoted, str_of(text));
        if (text && buf_cstr(&quoted))
                cJSON_AddRawToObject(json, name, quoted.data);
        else
                cJSON_AddNullToObject(json, name);
}

/* ---- requests ---- */

bool api_media_type(const struct http_exchange *x, const char *type)
{
        const char *given = http_exchange_header(x, "Content-Type");
        size_t n = strlen(type);

        if (!given || strncasecmp(given, type, n) != 0)
                return false;
        return given[n] == 0 || given[n] == ';' || given[n] == ' ' || given[n] == '\t';
}

static bool take_flag(
        struct http_exchange *x, const cJSON *item, const struct api_flag *flags, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                if (strcmp(item->string, flags[i].name) != 0)
                        continue;
                if (!cJSON_IsBool(item)) {
                        api_error(x, API_BAD_REQUEST, "%s: true or false", item->string);
                        return false;
                }
                *flags[i].value = cJSON_IsTrue(item);
                return true;
        }
        api_error(x, API_BAD_REQUEST,
                "the body has a member \"%.100s\", which this request has not", item->string);
        return false;
}

bool api_body_flags(struct http_exchange *x, const struct api_flag *flags, size_t count)
{
        struct str body = json_trim(http_exchange_body(x));
        const char *end = NULL;

        if (body.len == 0)
                return true;
        if (!api_media_type(x, JSON_TYPE)) {
                api_error(x, API_UNSUPPORTED_MEDIA_TYPE, "the body must be " JSON_TYPE);
                return false;
        }
        cJSON *json = str_utf8_valid(body)
                              ? cJSON_ParseWithLengthOpts(body.ptr, body.len, &end, false)
                              : NULL;
        bool good = cJSON_IsObject(json) && end == body.ptr + body.len;
        if (!good)
                api_error(x, API_BAD_REQUEST, "the body is not one JSON object");
        for (const cJSON *item = good ? json->child : NULL; item && good; item = item->next)
                good = take_flag(x, item, flags, count);
        cJSON_Delete(json);
        return good;
}

bool api_query_names(struct http_exchange *x, const char *const *names, size_t count)
{
        struct str name;

        for (size_t i = 0; (name = http_exchange_query_name(x, i)).ptr; i++) {
                size_t at = 0;
                while (at < count && !str_is(name, names[at]))
                        at++;
                if (at < count)
                        continue;
                const char *near = str_nearest(name, names, count);
                api_error(x, API_BAD_REQUEST,
                        near ? "there is no parameter \"%.*s\" here; did you mean \"%s\"?"
                             : "there is no parameter \"%.*s\" here",
                        (int)(name.len < API_NAME_MAX ? name.len : API_NAME_MAX), name.ptr, near);
                return false;
        }
        return true;
}

bool api_query_limit(struct http_exchange *x, size_t standard, size_t most, size_t *out)
{
        struct str text = http_exchange_query(x, "limit");
        int64_t limit = (int64_t)standard;

        if (text.ptr && (!str_to_int64(text, &limit) || limit < 1 || limit > (int64_t)most)) {
                api_error(x, API_BAD_REQUEST, "limit: a number from 1 to %zu", most);
                return false;
        }
        *out = (size_t)limit;
        return true;
}

bool api_name_take(struct str name, char out[API_NAME_MAX])
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

        if (name.len == 0 || name.len >= API_NAME_MAX)
                return false;
        for (size_t i = 0; i < name.len; i++)
                if (!memchr(letters, name.ptr[i], sizeof(letters) - 1))
                        return false;
        memcpy(out, name.ptr, name.len);
        out[name.len] = 0;
        return true;
}

bool api_query_mapper(struct http_exchange *x, char out[API_NAME_MAX])
{
        struct str name = http_exchange_query(x, "mapper");

        out[0] = 0;
        if (!name.ptr || api_name_take(name, out))
                return true;
        api_error(x, API_BAD_REQUEST, "mapper: not the name of a mapper");
        return false;
}

/* ---- requests that take time ---- */

void api_call_begin(struct api *a, struct http_exchange *x, struct api_call *c)
{
        *c = (struct api_call){.api = a, .x = x, .next = a->calls};
        if (a->calls)
                a->calls->prev = c;
        a->calls = c;
}

struct http_exchange *api_call_end(struct api_call *c)
{
        struct http_exchange *x = c->x;

        if (!x)
                return NULL;
        if (c->prev)
                c->prev->next = c->next;
        else
                c->api->calls = c->next;
        if (c->next)
                c->next->prev = c->prev;
        c->x = NULL;
        return x;
}

bool api_call_task(
        struct api *a, struct http_exchange *x, struct api_call *c, const struct service_task *task)
{
        struct err e;

        api_call_begin(a, x, c);
        if (service_task_start(a->service, task, &e) == 0)
                return true;
        api_call_end(c);
        api_fail(x, &e);
        return false;
}

bool api_reply_report(struct http_exchange *x, const struct run_report *report)
{
        if (report->outcome == RUN_OK || report->outcome == RUN_REJECTS)
                return false;
        if (report->outcome == RUN_UNAVAILABLE || report->outcome == RUN_INTERRUPTED)
                api_error(x, API_UNAVAILABLE, "%s", report->err.text);
        else if (report->outcome == RUN_LOCKED || report->outcome == RUN_REFUSED)
                api_error(x, API_CONFLICT, "%s", report->err.text);
        else
                api_fail(x, &report->err);
        return true;
}
