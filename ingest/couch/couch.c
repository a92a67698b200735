/* The client: one HTTP client, one session; every request of this folder passes couch_send(). */
#include "ingest/couch/client.h"
#include "ingest/couch/meter.h"

/* Beside the batches: single requests and scans. */
#define EXTRA_CONNECTIONS 2

/* Between a request and its reply: what the session and the counters want to know. */
struct pass {
        struct couch *c;
        unsigned generation;
        size_t sent_bytes, received_bytes;
        int (*on_body)(void *ctx, struct str bytes, struct err *e);
        void (*on_done)(void *ctx, const struct http_reply *reply);
        void *ctx;
};

int couch_open(const struct couch_options *options, struct loop *loop, const struct log *log,
        struct couch **out, struct err *e)
{
        cleanup_(couch_closep) struct couch *c = calloc(1, sizeof(*c));
        size_t n = strlen(options->url);

        if (!c)
                return err_nomem(e, "the CouchDB client");
        c->options = options;
        c->loop = loop;
        c->log = log;
        while (n > 0 && options->url[n - 1] == '/')
                n--;
        c->base = str_dup((struct str){options->url, n});
        if (!c->base)
                return err_nomem(e, "the CouchDB client");
        int rc = session_init(c, e);
        if (rc < 0)
                return rc;
        struct http_options http = {.ca_file = options->ca_file,
                .cert_file = options->cert_file,
                .key_file = options->key_file,
                .max_connections = (long)options->max_in_flight + EXTRA_CONNECTIONS,
                .cookies = options->auth == COUCH_AUTH_SESSION};
        rc = http_new(loop, &http, &c->http, e);
        if (rc < 0)
                return rc;
        *out = TAKE(c);
        return 0;
}

struct couch *couch_close(struct couch *c)
{
        if (!c)
                return NULL;
        http_free(c->http); /* first: what still runs is reported to c */
        session_deinit(c);
        free(c->base);
        free(c);
        return NULL;
}

void couch_path_put(struct buf *path, struct str segment)
{
        buf_putc(path, '/');
        http_url_encode(path, segment);
}

static int pass_body(void *ctx, struct str bytes, struct err *e)
{
        struct pass *p = ctx;

        p->received_bytes += bytes.len;
        return p->on_body(p->ctx, bytes, e);
}

static void pass_done(void *ctx, const struct http_reply *reply)
{
        struct pass *p = ctx;

        p->received_bytes += reply->body.len;
        if (reply->sent)
                p->c->stats.bytes_sent += p->sent_bytes;
        p->c->stats.bytes_received += p->received_bytes;
        meter_request(p->c->options->meter, reply, p->sent_bytes, p->received_bytes);
        if (reply->rc == 0 && reply->status != 401)
                session_accepted(p->c, p->generation);
        p->on_done(p->ctx, reply);
        free(p);
}

int couch_send(struct couch *c, const struct couch_request *request, unsigned *generation,
        struct http_call **out, struct err *e)
{
        cleanup_buf_ struct buf url = BUF_INIT(strlen(c->base) + COUCH_PATH_MAX);
        struct pass *p = malloc(sizeof(*p));

        if (!p)
                return err_nomem(e, "a request");
        *p = (struct pass){.c = c,
                .generation = c->session.generation,
                .sent_bytes = request->body.len,
                .on_body = request->on_body,
                .on_done = request->on_done,
                .ctx = request->ctx};
        buf_puts(&url, c->base);
        buf_puts(&url, request->path);
        struct http_request http = {.method = request->method,
                .url = buf_cstr(&url),
                .headers = {"Accept: application/json", "Content-Type: application/json",
                        c->session.authorization},
                .body = request->body,
                .timeout_ms = request->timeout_ms,
                .max_reply = request->max_reply,
                .on_body = request->on_body ? pass_body : NULL,
                .on_done = pass_done,
                .ctx = p};
        int rc = buf_check(&url, "the path of a request", e);
        if (rc == 0)
                rc = http_start(c->http, &http, out, e);
        if (rc < 0) {
                free(p);
                return rc;
        }
        c->stats.requests++;
        if (generation)
                *generation = c->session.generation;
        return 0;
}

int couch_start(
        struct couch *c, const struct couch_request *request, struct http_call **out, struct err *e)
{
        return couch_send(c, request, NULL, out, e);
}

const struct couch_stats *couch_stats(const struct couch *c)
{
        return &c->stats;
}

const struct couch_options *couch_options(const struct couch *c)
{
        return c->options;
}

struct loop *couch_loop(const struct couch *c)
{
        return c->loop;
}
