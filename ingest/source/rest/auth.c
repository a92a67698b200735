/*
 * Callers who need credentials wait in a list; one renewal serves all of them, and they hear of it
 * from a timer in a turn of its own. What differs between the kinds stands in struct auth_kind.
 */
#include "ingest/source/rest/auth_internal.h"

#include <stdio.h>

void auth_lines_clear(struct rest_auth *a)
{
        for (size_t i = 0; i < a->line_count; i++)
                auth_forget_text(&a->lines[i]);
        a->line_count = 0;
}

bool auth_is_line(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == '\177')
                        return false;
        return true;
}

int auth_line_add(struct rest_auth *a, const char *name, struct str value, struct err *e)
{
        if (!auth_is_line(str_of(name)) || !auth_is_line(value))
                return err_set(e, ERR_CONFIG,
                        "the value of header '%s' has a line break or another control character "
                        "in it: take it out (a file given as ${file:...} may end with one)",
                        auth_is_line(str_of(name)) ? name : "?");
        if (a->line_count == AUTH_LINES)
                return err_set(e, ERR_CONFIG, "more than %d headers", AUTH_LINES);
        char *line = NULL;
        if (asprintf(&line, "%s: %.*s", name, STR_ARG(value)) < 0)
                return err_nomem(e, "credentials");
        a->lines[a->line_count++] = line;
        return 0;
}

/* The kinds that need no request. */

static int authorize(struct rest_auth *a, const char *scheme, struct str secret, struct err *e)
{
        struct buf value = BUF_INIT(AUTH_MAX_TEXT);

        buf_printf(&value, "%s ", scheme);
        buf_put_str(&value, secret);
        int rc = buf_check(&value, "credentials", e);
        if (rc == 0)
                rc = auth_line_add(a, "Authorization", buf_str(&value), e);
        auth_forget_buf(&value);
        return rc;
}

static int open_none(struct rest_auth *a, struct err *e)
{
        (void)a;
        (void)e;
        return 0;
}

static int open_basic(struct rest_auth *a, struct err *e)
{
        const struct rest_auth_options *o = &a->options->auth;
        struct buf plain = BUF_INIT(AUTH_MAX_TEXT / 2), coded = BUF_INIT(AUTH_MAX_TEXT);

        buf_printf(&plain, "%s:%s", o->user ? o->user : "", o->password ? o->password : "");
        int rc = buf_check(&plain, "credentials", e);
        buf_put_base64(&coded, buf_str(&plain));
        if (rc == 0)
                rc = buf_check(&coded, "credentials", e);
        if (rc == 0)
                rc = authorize(a, "Basic", buf_str(&coded), e);
        auth_forget_buf(&plain);
        auth_forget_buf(&coded);
        return rc;
}

static int open_bearer(struct rest_auth *a, struct err *e)
{
        return authorize(a, "Bearer", str_of(a->options->auth.bearer), e);
}

static int open_header(struct rest_auth *a, struct err *e)
{
        const struct rest_pairs *p = &a->options->auth.pairs;
        int rc = 0;

        for (size_t i = 0; i < p->count && rc == 0; i++)
                rc = auth_line_add(a, p->items[i].name, str_of(p->items[i].value), e);
        return rc;
}

static int open_query(struct rest_auth *a, struct err *e)
{
        const struct rest_pairs *p = &a->options->auth.pairs;

        for (size_t i = 0; i < p->count; i++) {
                buf_puts(&a->query, i ? "&" : "");
                http_url_encode(&a->query, str_of(p->items[i].name));
                buf_putc(&a->query, '=');
                http_url_encode(&a->query, str_of(p->items[i].value));
        }
        return buf_check(&a->query, "credentials", e);
}

static bool always_ready(const struct rest_auth *a)
{
        (void)a;
        return true;
}

static void get_static(struct rest_auth *a)
{
        struct err e;

        if (!a->refused) {
                auth_finish(a, 0, NULL);
                return;
        }
        int rc = err_set_code(
                &e, ERR_CONFIG, 401, "the server refuses the credentials: check 'auth'");
        auth_finish(a, rc, &e);
}

static const struct auth_kind kinds[] = {
        [REST_AUTH_NONE] = {open_none, always_ready, get_static, NULL, false},
        [REST_AUTH_BASIC] = {open_basic, always_ready, get_static, NULL, false},
        [REST_AUTH_BEARER] = {open_bearer, always_ready, get_static, NULL, false},
        [REST_AUTH_HEADER] = {open_header, always_ready, get_static, NULL, false},
        [REST_AUTH_QUERY] = {open_query, always_ready, get_static, NULL, false},
};

static const struct auth_kind *kind_of(enum rest_auth_kind kind)
{
        return kind == REST_AUTH_OAUTH2    ? &auth_oauth2
               : kind == REST_AUTH_SESSION ? &auth_session
                                           : &kinds[kind];
}

/* Waiters. */

void auth_finish(struct rest_auth *a, int rc, const struct err *e)
{
        a->rc = rc;
        if (rc < 0)
                a->err = *e;
        loop_timer_soon(a->deliver);
}

/* One of them may wait again from its callback, or forget others. */
static void on_deliver(void *ctx)
{
        struct rest_auth *a = ctx;
        struct auth_waiter *w = a->waiters, *last = NULL;
        struct err e = a->err;
        int rc = a->rc;

        a->busy = false;
        for (; w; w = w->next)
                last = w;
        while (last && (w = a->waiters)) {
                bool end = w == last;
                rest_auth_fn fn = w->fn;
                void *to = w->ctx;
                a->waiters = w->next;
                free(w);
                if (fn)
                        fn(to, rc, rc < 0 ? &e : NULL);
                if (end)
                        break;
        }
}

static void on_wait(void *ctx)
{
        struct rest_auth *a = ctx;

        a->kind->get(a);
}

int rest_auth_open(const struct rest_options *o, const char *source, const char *folder,
        struct http *http, struct loop *loop, const struct log *log, struct rest_auth **out,
        struct err *e)
{
        cleanup_(rest_auth_closep) struct rest_auth *a = calloc(1, sizeof(*a));

        if (!a)
                return err_nomem(e, "credentials");
        *a = (struct rest_auth){.options = o,
                .kind = kind_of(o->auth.kind),
                .http = http,
                .loop = loop,
                .log = log,
                .query = BUF_INIT(AUTH_MAX_TEXT)};
        a->source = str_dup(str_of(source));
        a->folder = folder ? str_dup(str_of(folder)) : NULL;
        if (!a->source || (folder && !a->folder))
                return err_nomem(e, "credentials");
        int rc = loop_timer_new(loop, on_deliver, a, &a->deliver, e);
        if (rc == 0)
                rc = loop_timer_new(loop, on_wait, a, &a->wait, e);
        if (rc == 0)
                rc = auth_secrets_init(a, e);
        if (rc == 0)
                rc = a->kind->open(a, e);
        if (rc < 0)
                return err_wrap(e, rc, "auth");
        *out = TAKE(a);
        return 0;
}

struct rest_auth *rest_auth_close(struct rest_auth *a)
{
        if (!a)
                return NULL;
        auth_call_forget(a);
        if (a->kind->close && a->deliver && a->wait)
                a->kind->close(a);
        loop_timer_free(a->deliver);
        loop_timer_free(a->wait);
        while (a->waiters) {
                struct auth_waiter *w = a->waiters;
                a->waiters = w->next;
                free(w);
        }
        auth_lines_clear(a);
        auth_forget_buf(&a->query);
        auth_secrets_deinit(a);
        free(a->source);
        free(a->folder);
        free(a);
        return NULL;
}

bool rest_auth_ready(const struct rest_auth *a)
{
        return a->kind->ready(a);
}

bool rest_auth_can_renew(const struct rest_auth *a)
{
        return a->kind->renews;
}

unsigned rest_auth_generation(const struct rest_auth *a)
{
        return a->generation;
}

int rest_auth_get(struct rest_auth *a, bool refused, rest_auth_fn fn, void *ctx, struct err *e)
{
        struct auth_waiter **at = &a->waiters, *w = calloc(1, sizeof(*w));

        if (!w)
                return err_nomem(e, "credentials");
        *w = (struct auth_waiter){.fn = fn, .ctx = ctx};
        while (*at)
                at = &(*at)->next;
        *at = w;
        if (a->busy)
                return 0;
        a->busy = true;
        a->refused = refused;
        a->kind->get(a);
        return 0;
}

void rest_auth_forget(struct rest_auth *a, const void *ctx)
{
        for (struct auth_waiter *w = a->waiters; w; w = w->next)
                if (w->ctx == ctx)
                        w->fn = NULL;
}

int rest_auth_put(struct rest_auth *a, const char **headers, struct buf *url, struct err *e)
{
        size_t n = 0;

        while (headers[n])
                n++;
        if (n + a->line_count >= HTTP_MAX_HEADERS)
                return err_set(
                        e, ERR_CONFIG, "more than %d headers in a request", HTTP_MAX_HEADERS - 1);
        for (size_t i = 0; i < a->line_count; i++)
                headers[n + i] = a->lines[i];
        headers[n + a->line_count] = NULL;
        if (a->query.len) {
                bool more = url->len && memchr(url->data, '?', url->len);
                buf_putc(url, more ? '&' : '?');
                buf_put_str(url, buf_str(&a->query));
        }
        a->session.used_ms = loop_now_ms(a->loop);
        return buf_check(url, "address", e);
}
