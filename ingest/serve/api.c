/*
 * A request is judged in the same order whatever it asks for: Host, Origin, path, method, token,
 * then its own handler. Before its body is read, how large that may be is asked for: whoever may
 * not ask for something gets no memory for it.
 */
#include "ingest/serve/api_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#define READS           "GET, HEAD, OPTIONS"
#define CONNECTIONS_MAX 2000

/* JSON loads nothing and is shown in no frame. */
#define API_POLICY "default-src 'none'; frame-ancestors 'none'"

const struct api_route api_routes[] = {
        {"GET", "/healthz", false, 0, api_get_healthz},
        {"GET", "/readyz", false, 0, api_get_readyz},
        {"GET", "/metrics", false, 0, api_get_metrics},
        {"GET", "/api/v1/openapi.json", false, 0, api_get_openapi},
        {"GET", "/api/v1/status", false, 0, api_get_status},
        {"GET", "/api/v1/mappers", false, 0, api_get_mappers},
        {"GET", "/api/v1/mappers/{name}", false, 0, api_get_mapper},
        {"POST", "/api/v1/mappers/{name}/run", true, API_BODY_SMALL, api_post_run},
        {"POST", "/api/v1/mappers/{name}/pause", true, API_BODY_SMALL, api_post_pause},
        {"POST", "/api/v1/mappers/{name}/resume", true, API_BODY_SMALL, api_post_resume},
        {"POST", "/api/v1/mappers/{name}/records", true, API_BODY_PUSH, api_post_records},
        {"GET", "/api/v1/runs", false, 0, api_get_runs},
        {"GET", "/api/v1/runs/{id}/events", false, 0, api_get_events},
        {"GET", "/api/v1/rejects", false, 0, api_get_rejects},
        {"POST", "/api/v1/rejects/{id}/retry", true, API_BODY_SMALL, api_post_retry},
        {"POST", "/api/v1/rejects/{id}/drop", true, API_BODY_SMALL, api_post_drop},
        {"POST", "/api/v1/reload", true, API_BODY_SMALL, api_post_reload},
};
const size_t api_route_count = sizeof(api_routes) / sizeof(api_routes[0]);

/* ---- routes ---- */

bool api_route_match(const struct api_route *route, struct str path, struct str *part)
{
        const char *open = strchr(route->path, '{');
        const char *close = open ? strchr(open, '}') : NULL;

        *part = STR("");
        if (!close)
                return str_is(path, route->path);
        struct str before = {route->path, (size_t)(open - route->path)};
        struct str behind = str_of(close + 1);
        if (path.len <= before.len + behind.len || !str_starts(path, before) ||
                memcmp(path.ptr + path.len - behind.len, behind.ptr, behind.len) != 0)
                return false;
        *part = (struct str){path.ptr + before.len, path.len - before.len - behind.len};
        return strncmp(open, "{id}", 4) == 0 || !memchr(part->ptr, '/', part->len);
}

static bool is_read(const char *method)
{
        return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* @known: whether there is such a path      @allow: the methods that it has */
static const struct api_route *find_route(
        struct http_exchange *x, struct str *part, const char **allow)
{
        const char *method = http_exchange_method(x);
        struct str path = http_exchange_path(x);

        *allow = NULL;
        for (size_t i = 0; i < api_route_count; i++) {
                if (!api_route_match(&api_routes[i], path, part))
                        continue;
                bool reads = is_read(api_routes[i].method);
                *allow = reads ? READS : "POST, OPTIONS";
                if (reads ? is_read(method) : strcmp(method, "POST") == 0)
                        return &api_routes[i];
        }
        return NULL;
}

/* ---- who is let in ---- */

/* A request of a page: that of this service, or no page's. Return: false: it was answered. */
static bool check_origin(struct api *a, struct http_exchange *x)
{
        const struct config *config = service_config(a->service);
        const struct string_list *names = &config->http.hosts;
        const char *host = http_exchange_header(x, "Host");

        if (!api_host_allowed(host, names) && !api_host_is(host, config->http.listen)) {
                api_error(x, API_FORBIDDEN,
                        "Host \"%.200s\" is no address of this service: name it in http.hosts",
                        host ? host : "");
                return false;
        }
        if (api_origin_allowed(http_exchange_header(x, "Origin"), host, names) &&
                api_fetch_allowed(http_exchange_header(x, "Sec-Fetch-Site"),
                        http_exchange_header(x, "Sec-Fetch-Mode"),
                        http_exchange_header(x, "Sec-Fetch-Dest"),
                        is_read(http_exchange_method(x))))
                return true;
        api_error(x, API_FORBIDDEN, "requests from pages of other sites are refused");
        return false;
}

static enum api_token token_of(struct api *a, struct http_exchange *x)
{
        const char *token = service_config(a->service)->http.token;

        return token && *token ? api_token_check(http_exchange_header(x, "Authorization"), token)
                               : API_TOKEN_NONE;
}

/* How large a body that is going to be is told by its head alone. */
static bool is_large(struct http_exchange *x)
{
        const char *length = http_exchange_header(x, "Content-Length");
        int64_t bytes;

        if (length)
                return !str_to_int64(str_trim(str_of(length)), &bytes) ||
                       bytes > (int64_t)API_BODY_SMALL;
        return http_exchange_header(x, "Transfer-Encoding") != NULL;
}

/* A large body with a wrong token is refused by its head: that is a guess like any other. Of a
 * chunked one nobody knows the size yet. */
static bool counts_by_head(const struct api_route *route, struct http_exchange *x)
{
        return route->max_body > API_BODY_SMALL && is_large(x);
}

static void note_wrong(struct api *a, const char *peer, int64_t now_ms)
{
        api_limiter_note(&a->limiter, peer, now_ms);
        if (api_limiter_wait_s(&a->limiter, peer, now_ms))
                log_warn(a->log, "%d wrong tokens from %s within a minute: refused for now",
                        API_WRONG_MAX, peer);
}

/* Return: false: it was answered. */
static bool check_token(struct api *a, struct http_exchange *x, const struct api_route *route)
{
        const char *token = service_config(a->service)->http.token;
        const char *peer = http_exchange_peer(x);
        int64_t now_ms = loop_now_ms(a->loop);
        int64_t wait_s = api_limiter_wait_s(&a->limiter, peer, now_ms);
        char seconds[32];

        if (!token || !*token) {
                api_error(x, API_FORBIDDEN,
                        "nothing can be changed over HTTP: http.token is not configured");
                return false;
        }
        if (wait_s) {
                snprintf(seconds, sizeof(seconds), "%lld", (long long)wait_s);
                http_exchange_set_header(x, "Retry-After", seconds);
                api_error(x, API_TOO_MANY_REQUESTS,
                        "%d wrong tokens from this address: wait %s seconds", API_WRONG_MAX,
                        seconds);
                return false;
        }
        switch (token_of(a, x)) {
        case API_TOKEN_RIGHT:
                return true;
        case API_TOKEN_WRONG:
                if (!counts_by_head(route, x))
                        note_wrong(a, peer, now_ms);
                api_error(x, API_UNAUTHORIZED,
                        "the token is wrong: this needs that of http.token, as Authorization: "
                        "Bearer TOKEN");
                return false;
        default:
                api_error(x, API_UNAUTHORIZED,
                        "this needs the token of the configuration: Authorization: Bearer TOKEN");
                return false;
        }
}

static size_t body_limit(void *ctx, struct http_exchange *x)
{
        struct api *a = ctx;
        const char *allow, *peer = http_exchange_peer(x);
        struct str part;
        const struct api_route *route = find_route(x, &part, &allow);
        int64_t now_ms = loop_now_ms(a->loop);

        if (!route || !route->token || route->max_body <= API_BODY_SMALL)
                return API_BODY_SMALL;
        if (api_limiter_wait_s(&a->limiter, peer, now_ms))
                return API_BODY_SMALL;
        enum api_token token = token_of(a, x);
        if (token == API_TOKEN_RIGHT)
                return route->max_body;
        if (token == API_TOKEN_WRONG && counts_by_head(route, x))
                note_wrong(a, peer, now_ms);
        return API_BODY_SMALL;
}

/* ---- requests ---- */

static const struct http_server_header headers[] = {{"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"}, {"Content-Security-Policy", API_POLICY},
        {"Referrer-Policy", "no-referrer"}, {NULL, NULL}};

static void set_headers(struct http_exchange *x)
{
        for (const struct http_server_header *h = headers; h->name; h++)
                http_exchange_set_header(x, h->name, h->value);
}

static void refuse_method(struct http_exchange *x, const char *allow)
{
        const char *method = http_exchange_method(x);

        http_exchange_set_header(x, "Allow", allow);
        if (strcmp(method, "OPTIONS") == 0)
                http_exchange_reply(x, 204, NULL, STR(""));
        else
                api_error(x, API_METHOD_NOT_ALLOWED, "%.20s is not what can be done here: %s",
                        method, allow);
}

static bool is_packed(const struct http_exchange *x)
{
        const char *coding = http_exchange_header(x, "Content-Encoding");

        return coding && strcasecmp(coding, "identity") != 0;
}

static void on_request(void *ctx, struct http_exchange *x)
{
        struct api *a = ctx;
        struct str path = http_exchange_path(x), part;
        const char *allow;

        set_headers(x);
        if (!check_origin(a, x))
                return;
        const struct api_route *route = find_route(x, &part, &allow);
        if (str_is(path, "*")) /* of no path: what there is at all */
                allow = "GET, HEAD, POST, OPTIONS";
        if (!route && !allow && api_is_asset(path)) {
                if (is_read(http_exchange_method(x))) {
                        api_reply_asset(x, path);
                        return;
                }
                allow = READS;
        }
        if (!route && allow)
                refuse_method(x, allow);
        else if (!route)
                api_error(x, API_NOT_FOUND,
                        "there is nothing of this name here: /api/v1/openapi.json lists what "
                        "there is");
        if (!route)
                return;
        if (route->token && !check_token(a, x, route))
                return;
        if (route->token && is_packed(x)) {
                api_error(x, API_UNSUPPORTED_MEDIA_TYPE,
                        "bodies are taken as they are: send it without a Content-Encoding");
                return;
        }
        if (route->token)
                log_info(a->log, "%s %.*s, asked for by %s", route->method,
                        (int)(path.len < 300 ? path.len : 300), path.ptr, http_exchange_peer(x));
        route->fn(a, x, part);
}

/* ---- life ---- */

/* Of the descriptors that the process may have, half are for runs, whoever connects. */
static int connections_max(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 2 > CONNECTIONS_MAX)
                return CONNECTIONS_MAX;
        return (int)(limit.rlim_cur / 2);
}

int api_new(struct loop *l, struct service *s, int fd, const struct log *log, struct api **out,
        struct err *e)
{
        cleanup_(api_freep) struct api *a = calloc(1, sizeof(*a));
        const struct config *config = service_config(s);
        struct http_server_options options = {.listen = config->http.listen,
                .fd = fd,
                .max_body = API_BODY_PUSH,
                .max_connections = connections_max(),
                .body_limit = body_limit,
                .on_request = on_request,
                .error_body = api_server_error,
                .error_headers = headers,
                .ctx = a};

        if (!a)
                return err_nomem(e, "the HTTP interface");
        *a = (struct api){.loop = l, .service = s, .log = log};
        int rc = http_server_new(l, &options, log, &a->server, e);
        if (rc)
                return rc;
        *out = TAKE(a);
        return 0;
}

void api_stop(struct api *a)
{
        api_streams_end(a);
        http_server_stop(a->server);
}

bool api_is_idle(const struct api *a)
{
        struct http_server_stats stats;

        http_server_stats(a->server, &stats);
        return stats.open == 0;
}

struct api *api_free(struct api *a)
{
        if (!a)
                return NULL;
        if (a->server)
                api_streams_end(a);
        while (a->calls)
                (void)api_call_end(a->calls);
        http_server_free(a->server);
        free(a);
        return NULL;
}

int api_port(const struct api *a)
{
        return http_server_port(a->server);
}
