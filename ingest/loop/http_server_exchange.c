/*
 * An exchange is ours, not evhttp's: it begins with the first byte of a request and ends with its
 * answer, whatever becomes of the connection. Headers of the reply are set in evhttp's request at
 * once; where the connection is gone there is none, and nothing to be kept.
 */
#include <stdio.h>
#include <sys/queue.h>

#include <event2/keyvalq_struct.h>

#include "ingest/loop/http_server_internal.h"

#define STREAM_MAX                                                                                 \
        (256 << 10) /* bytes of a stream that wait for a client: what it missed is old             \
                     */

static const char *peer_of(struct evhttp_connection *evcon)
{
        const struct sockaddr *a = evhttp_connection_get_addr(evcon);
        char *address = NULL;
        ev_uint16_t port;

        if (a && a->sa_family == AF_UNIX)
                return "unix";
        evhttp_connection_get_peer(evcon, &address, &port);
        if (address && strncmp(address, "::ffff:", 7) == 0 && strchr(address, '.'))
                return address + 7; /* IPv4 on a socket of IPv6 */
        return address ? address : "";
}

struct http_exchange *http_exchange_new(struct http_connection *c)
{
        struct http_server *s = c->server;
        struct http_exchange *x = calloc(1, sizeof(*x));

        if (!x)
                return NULL;
        x->server = s;
        x->connection = c;
        http_head_init(&x->head, s->options.max_head);
        snprintf(x->peer, sizeof(x->peer), "%s", peer_of(c->evcon));
        x->next = s->exchanges;
        if (x->next)
                x->next->prev = x;
        s->exchanges = x;
        return x;
}

struct http_exchange *http_exchange_free(struct http_exchange *x)
{
        struct http_server *s = x->server;

        if (x->next)
                x->next->prev = x->prev;
        if (x->prev)
                x->prev->next = x->next;
        else
                s->exchanges = x->next;
        if (x->connection)
                x->connection->exchange = NULL;
        s->stats.open_exchanges -= x->handed;
        s->body_bytes -= x->counted;
        http_head_deinit(&x->head);
        http_body_deinit(&x->body);
        http_target_deinit(&x->target);
        free(x);
        return NULL;
}

/* ---- the request ---- */

const char *http_exchange_method(const struct http_exchange *x)
{
        return x->head.method;
}

struct str http_exchange_path(const struct http_exchange *x)
{
        return x->target.path;
}

size_t http_exchange_segments(const struct http_exchange *x, struct str *out, size_t max)
{
        return http_target_segments(&x->target, out, max);
}

struct str http_exchange_query(const struct http_exchange *x, const char *name)
{
        return http_target_param(&x->target, name);
}

struct str http_exchange_query_name(const struct http_exchange *x, size_t index)
{
        return http_target_param_name(&x->target, index);
}

const char *http_exchange_header(const struct http_exchange *x, const char *name)
{
        return http_head_field(&x->head, name);
}

struct str http_exchange_body(struct http_exchange *x)
{
        return buf_str(&x->body.bytes);
}

const char *http_exchange_peer(const struct http_exchange *x)
{
        return x->peer;
}

/* ---- the reply ---- */

/* evhttp knows the phrases of RFC 2616. */
static const char *phrase(int status)
{
        static const struct {
                int status;
                const char *text;
        } phrases[] = {{408, "Request Timeout"}, {413, "Content Too Large"}, {414, "URI Too Long"},
                {422, "Unprocessable Content"}, {428, "Precondition Required"},
                {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
                {505, "HTTP Version Not Supported"}};

        for (size_t i = 0; i < sizeof(phrases) / sizeof(*phrases); i++)
                if (phrases[i].status == status)
                        return phrases[i].text;
        return NULL;
}

static void set_header(struct http_connection *c, const char *name, const char *value)
{
        struct evkeyvalq *headers = evhttp_request_get_output_headers(c->request);

        evhttp_remove_header(headers, name);
        if (evhttp_add_header(headers, name, value) < 0)
                c->failed = true;
}

void http_exchange_set_header(struct http_exchange *x, const char *name, const char *value)
{
        struct http_connection *c = x->connection;

        if (!http_field_is_clean(name, value))
                log_error(x->server->log, "http: a header of a reply holds a line break or another "
                                          "control character and is left out");
        else if (c && c->request)
                set_header(c, name, value);
}

static bool has_body(int status)
{
        return status >= 200 && status != 204 && status != 304;
}

static struct evbuffer *copy(struct str body)
{
        struct evbuffer *b = evbuffer_new();

        if (b && evbuffer_add(b, body.ptr, body.len) < 0) {
                evbuffer_free(b);
                b = NULL;
        }
        return b;
}

static void set_reply_headers(struct http_connection *c, const char *content_type)
{
        c->close = c->close || c->server->stopping;
        if (c->close)
                set_header(c, "Connection", "close"); /* evhttp closes after it, too */
        if (content_type)
                set_header(c, "Content-Type", content_type);
}

/* The bytes that evhttp has to write where it had memory for all of them; it does not say. */
static size_t waiting(const struct http_connection *c)
{
        return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static size_t head_length(struct evhttp_request *q)
{
        const char *text = evhttp_request_get_response_code_line(q);
        size_t len = strlen("HTTP/1.1 200 \r\n\r\n") + (text ? strlen(text) : 0);
        const struct evkeyval *h;

        TAILQ_FOREACH(h, evhttp_request_get_output_headers(q), next)
        len += strlen(h->key) + strlen(h->value) + strlen(": \r\n");
        return len;
}

/* @c may be gone. */
static void reply(struct http_connection *c, bool head_only, int status, const char *content_type,
        struct str body)
{
        struct evbuffer *bytes = NULL;
        char length[32];

        set_reply_headers(c, has_body(status) ? content_type : NULL);
        if (has_body(status)) { /* evhttp leaves it out for HEAD and HTTP/1.0 */
                snprintf(length, sizeof(length), "%zu", body.len);
                set_header(c, "Content-Length", length);
        }
        if (has_body(status) && !head_only && body.len > 0) { /* evhttp would send HEAD's */
                bytes = copy(body);
                c->failed = c->failed || !bytes;
        }
        if (!c->failed) {
                size_t expected = bytes ? body.len : 0;
                evhttp_send_reply(c->request, status, phrase(status), bytes);
                c->failed = waiting(c) != expected + head_length(c->request);
        }
        if (c->failed)
                http_connection_close(c);
        else
                http_connection_replying(c);
        if (bytes)
                evbuffer_free(bytes);
}

static bool is_head(const struct http_exchange *x)
{
        return x && x->head.method && strcmp(x->head.method, "HEAD") == 0;
}

void http_exchange_reply(
        struct http_exchange *x, int status, const char *content_type, struct str body)
{
        struct http_connection *c = x->connection;
        bool head_only = is_head(x);

        if (c)
                c->exchange = NULL;
        x->connection = NULL;
        if (c)
                reply(c, head_only, status, content_type, body); /* @body may be the request's */
        http_exchange_free(x);
}

void http_exchange_refuse(struct http_connection *c)
{
        const struct http_server_options *o = &c->server->options;
        bool head_only = is_head(c->exchange);
        struct str body = STR("");

        if (o->error_body)
                body = o->error_body(o->ctx, c->refusal);
        if (c->exchange)
                http_exchange_free(c->exchange);
        for (const struct http_server_header *h = o->error_headers; h && h->name; h++)
                set_header(c, h->name, h->value);
        if (c->refusal == 503)
                set_header(c, "Retry-After", "1");
        reply(c, head_only, c->refusal, o->error_body ? o->error_type : NULL, body);
}

/* ---- streams ---- */

void http_exchange_stream(
        struct http_exchange *x, const char *content_type, void (*on_close)(void *ctx), void *ctx)
{
        struct http_connection *c = x->connection;

        x->streaming = true;
        x->on_close = on_close;
        x->on_close_ctx = ctx;
        if (!c) {
                x->server->closed_streams = true;
                http_server_later(x->server);
                return;
        }
        c->close = true; /* what comes meanwhile is not kept */
        set_reply_headers(c, content_type);
        if (!c->failed) {
                evhttp_send_reply_start(c->request, 200, NULL);
                c->failed = waiting(c) != head_length(c->request);
        }
        if (c->failed)
                http_connection_close(c);
        else
                http_connection_replying(c);
}

static size_t chunk_length(const struct http_exchange *x, size_t n)
{
        return is_head(x)       ? 0
               : x->head.http10 ? n
                                : n + (size_t)snprintf(NULL, 0, "%zx\r\n\r\n", n);
}

bool http_exchange_send(struct http_exchange *x, struct str bytes)
{
        struct http_connection *c = x->connection;
        struct evbuffer *chunk;

        if (!c || bytes.len == 0)
                return true;
        size_t before = waiting(c);
        if (before + bytes.len > STREAM_MAX || !(chunk = copy(bytes)))
                return false;
        evhttp_send_reply_chunk(c->request, chunk);
        evbuffer_free(chunk);
        if (waiting(c) != before + chunk_length(x, bytes.len))
                http_connection_close(c); /* what has gone out of it can't be taken back */
        return true;
}

void http_exchange_end(struct http_exchange *x)
{
        struct http_connection *c = x->connection;
        bool chunked = !is_head(x) && !x->head.http10;

        http_exchange_free(x); /* the connection has none any more */
        if (!c)
                return;
        http_connection_replying(c);
        bool gone = !chunked && waiting(c) == 0;
        evhttp_send_reply_end(c->request);
        if (!gone) /* evhttp reads again; see http_connection_replying() */
                bufferevent_disable(c->bev, EV_READ);
}
