/*
 * The parts of a client: client_queue.c decides what goes out, client_transmit.c how, and
 * client_answer.c what to make of what came.
 */
#include "ingest/source/rest/client_internal.h"

#include "ingest/base/clock.h"

/* base 500 ms: who answers 503 needs some time. cap 30 s: an outage is noticed as over soon. */
#define RETRY_BASE_MS 500
#define RETRY_CAP_MS  30000

#define PAUSED_MAX 16         /* connections beside max_concurrent, for bodies that are paused */
#define URL_MAX    (64 << 10) /* bytes; servers refuse addresses that are much shorter */
#define TEXT_MAX   (16 << 10) /* of a parameter, of all headers */

/* ---- open and close ---- */

static size_t origin_length(const char *url)
{
        const char *authority = strstr(url, "://");

        return authority ? (size_t)(authority - url) + 3 + strcspn(authority + 3, "/?#") : 0;
}

static int copy_params(struct rest_client *c, struct err *e)
{
        const struct rest_pairs *params = &c->options->params;
        int rc = 0;

        c->params = calloc(params->count + 1, sizeof(*c->params));
        if (!c->params)
                return err_nomem(e, "a REST client");
        for (size_t i = 0; i < params->count && rc == 0; i++) {
                buf_init(&c->params[i], TEXT_MAX);
                http_url_encode(&c->params[i], str_of(params->items[i].name));
                buf_putc(&c->params[i], '=');
                http_url_encode(&c->params[i], str_of(params->items[i].value));
                rc = buf_cstr(&c->params[i]) ? 0 : buf_check(&c->params[i], "`params`", e);
        }
        return rc;
}

static int copy_headers(struct rest_client *c, struct err *e)
{
        const struct rest_pairs *headers = &c->options->headers;

        buf_init(&c->header_lines, TEXT_MAX);
        for (size_t i = 0; i < headers->count; i++) {
                buf_printf(&c->header_lines, "%s: %s", headers->items[i].name,
                        headers->items[i].value);
                buf_putc(&c->header_lines, '\0');
        }
        return buf_check(&c->header_lines, "`headers`", e);
}

static int open_http(struct rest_client *c, struct err *e)
{
        const struct rest_options *o = c->options;
        const struct http_options http = {.ca_file = o->ca_file,
                .cert_file = o->cert_file,
                .key_file = o->key_file,
                .proxy = o->proxy,
                .connect_timeout_ms = o->connect_timeout_ms,
                .timeout_ms = o->timeout_ms,
                .idle_timeout_ms = o->idle_timeout_ms,
                .max_connections = (long)o->max_concurrent + PAUSED_MAX,
                .cookies = o->auth.kind == REST_AUTH_SESSION,
                .compressed = o->compressed};

        return http_new(c->loop, &http, &c->http, e);
}

static int open_parts(struct rest_client *c, const char *folder, struct err *e)
{
        int rc = copy_params(c, e);

        if (rc == 0)
                rc = copy_headers(c, e);
        if (rc == 0)
                rc = loop_timer_new(c->loop, rest_queue_turn, c, &c->timer, e);
        if (rc == 0)
                rc = open_http(c, e);
        if (rc == 0)
                rc = rest_budget_open(c->options, folder, &c->budget, e);
        if (rc == 0)
                rest_budget_log(c->budget, c->log);
        if (rc == 0)
                rc = rest_auth_open(
                        c->options, c->source, folder, c->http, c->loop, c->log, &c->auth, e);
        return rc;
}

int rest_client_open(const struct rest_options *o, const char *source, const char *folder,
        struct loop *loop, const struct log *log, struct rest_client **out, struct err *e)
{
        cleanup_(rest_client_closep) struct rest_client *c = calloc(1, sizeof(*c));

        if (!c)
                return err_nomem(e, "a REST client");
        c->options = o;
        c->retry_for_ms = o->retry_for_ms;
        c->loop = loop;
        c->log = log;
        c->all = &c->alone;
        c->origin = origin_length(o->url);
        buf_init(&c->url, URL_MAX);
        arc4random_buf(&c->seed, sizeof(c->seed));
        c->source = strdup(source);
        if (!c->source)
                return err_nomem(e, "a REST client");
        int rc = open_parts(c, folder, e);
        if (rc < 0)
                return rc;
        *out = TAKE(c);
        return 0;
}

/* Of those that are sent the HTTP calls end later: they only free them. */
static void end_all(struct rest_client *c)
{
        struct pending_list *lists[] = {&c->queued, &c->sent, &c->ended};
        struct err e;
        int rc = err_set(&e, ERR_CANCEL, "cancelled");

        for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
                while (lists[i]->first) {
                        struct rest_pending *p = lists[i]->first;
                        rest_list_remove(p);
                        rest_pending_report(p, 0, (struct str){0}, rc, &e);
                }
}

struct rest_client *rest_client_close(struct rest_client *c)
{
        if (!c)
                return NULL;
        c->closing = true;
        end_all(c);
        rest_auth_close(c->auth); /* may log out, by http */
        http_free(c->http);
        rest_budget_close(c->budget);
        loop_timer_free(c->timer);
        for (size_t i = 0; c->params && i < c->options->params.count; i++)
                buf_deinit(&c->params[i]);
        free(c->params);
        buf_deinit(&c->header_lines);
        buf_deinit(&c->url);
        free((void *)c->source);
        free(c);
        return NULL;
}

/* ---- the interface ---- */

void rest_client_share(struct rest_client *c, _Atomic int64_t *running)
{
        c->all = running;
}

void rest_client_hurry(struct rest_client *c, int64_t retry_for_ms)
{
        if (c->retry_for_ms > retry_for_ms)
                c->retry_for_ms = retry_for_ms;
}

int rest_client_send(struct rest_client *c, const struct rest_request *r, struct rest_pending **out,
        struct err *e)
{
        const struct retry_policy policy = {RETRY_BASE_MS, RETRY_CAP_MS, c->retry_for_ms};
        struct rest_pending *p;

        if (c->closing)
                return err_set(e, ERR_CANCEL, "the source is being closed");
        int rc = rest_pending_new(c->options->url, r, &p, e);
        if (rc < 0)
                return rc;
        p->client = c;
        c->seed += UINT64_C(0x9E3779B97F4A7C15);
        retry_init(&p->retry, &policy, c->seed | 1);
        p->state = REST_QUEUED;
        rest_list_append(p);
        if (out)
                *out = p;
        rest_queue_pump(c);
        return 0;
}

void rest_client_resume(struct rest_pending *p)
{
        if (!p->call)
                return;
        if (p->paused) {
                p->paused = false;
                rest_turn_take_back(p->client);
        }
        http_resume(p->call);
}

void rest_client_cancel(struct rest_pending *p)
{
        struct err e;

        if (p->cancelled || p->state == REST_ENDED)
                return;
        p->cancelled = true;
        if (p->call)
                http_cancel(p->call);
        else
                rest_queue_end(p, err_set(&e, ERR_CANCEL, "cancelled"), &e);
}

int64_t rest_client_server_us(const struct rest_pending *p)
{
        return p->server_us;
}

struct fetching {
        bool done;
        struct buf *body;
        struct rest_reply reply;
};

static void on_forgotten(void *ctx, const struct rest_reply *reply)
{
        (void)ctx;
        (void)reply;
}

static void on_fetched(void *ctx, const struct rest_reply *reply)
{
        struct fetching *f = ctx;

        f->done = true;
        f->reply = *reply;
        if (f->body)
                buf_put_str(f->body, reply->body);
        f->reply.url = f->reply.link = f->reply.etag = f->reply.content_type = "";
        f->reply.body = (struct str){"", 0};
}

int rest_client_fetch(struct rest_client *c, const struct rest_request *r, struct buf *body,
        struct rest_reply *out, struct err *e)
{
        struct fetching f = {.body = body};
        struct rest_request q = *r;
        struct rest_pending *p;

        q.on_body = NULL;
        q.on_done = on_fetched;
        q.ctx = &f;
        int rc = rest_client_send(c, &q, &p, e);
        if (rc < 0)
                return rc;
        rc = loop_run_until(c->loop, &f.done, e);
        if (rc < 0) {
                struct err late;
                rest_client_cancel(p);
                if (loop_run_until_done(c->loop, &f.done, &late) < 0)
                        p->on_done = on_forgotten;
                return rc;
        }
        if (out)
                *out = f.reply;
        if (f.reply.rc < 0 && e)
                *e = f.reply.err;
        if (f.reply.rc == 0 && body)
                return buf_check(body, "the reply", e);
        return f.reply.rc;
}
