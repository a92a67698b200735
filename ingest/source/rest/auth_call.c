/* Requests for tokens and sessions, and what is said of those that fail. */
#include "ingest/source/rest/auth_internal.h"

#include <stdio.h>
#include <strings.h>

#include "ingest/base/text.h"
#include "ingest/loop/http_url.h"
#include "ingest/record/json_scan.h"
#include "ingest/source/rest/client.h"
#include "ingest/source/rest/json_at.h"

#define REPLY_MAX      (1u << 20) /* bytes: a log-in that answers more is a page of something else */
#define WORDS_MAX      1200       /* bytes of a server's words in an error: 300 characters */
#define LINE_MAX_BYTES 8192       /* of them before they are cut */
#define URL_MAX        2048

struct auth_call *auth_call_new(struct rest_auth *a)
{
        struct auth_call *c = calloc(1, sizeof(*c));

        if (c) {
                c->auth = a;
                buf_init(&c->body, AUTH_MAX_TEXT);
        }
        return c;
}

struct auth_call *auth_call_free(struct auth_call *c)
{
        if (c)
                auth_forget_buf(&c->body);
        free(c);
        return NULL;
}

static void on_header(void *ctx, struct str name, struct str value)
{
        struct auth_call *c = ctx;

        (void)value;
        if (name.len == 10 && strncasecmp(name.ptr, "Set-Cookie", 10) == 0)
                c->cookie = true;
}

static void on_done(void *ctx, const struct http_reply *reply)
{
        struct auth_call *c = ctx;
        struct rest_auth *a = c->auth;

        if (a) {
                a->call = NULL;
                c->on_reply(a, reply, c->cookie);
        }
        auth_call_free(c);
}

int auth_call_start(struct rest_auth *a, struct auth_call *c, const char *method, const char *url,
        const char *const *headers, int64_t timeout_ms, struct err *e)
{
        cleanup_(auth_call_freep) struct auth_call *owned = c;
        struct http_request r = {.method = method,
                .url = url,
                .timeout_ms = timeout_ms,
                .max_reply = REPLY_MAX,
                .on_header = on_header,
                .on_done = on_done,
                .ctx = c};
        int rc = buf_check(&c->body, "the log-in's body", e);

        if (rc < 0)
                return rc;
        if (c->body.len)
                r.body = buf_str(&c->body);
        for (size_t i = 0; headers[i] && i < HTTP_MAX_HEADERS - 1; i++)
                r.headers[i] = headers[i];
        rc = http_start(a->http, &r, &c->http, e);
        if (rc < 0)
                return rc;
        a->call = TAKE(owned);
        return 0;
}

void auth_call_forget(struct rest_auth *a)
{
        if (!a->call)
                return;
        a->call->auth = NULL;
        http_cancel(a->call->http);
        a->call = NULL;
}

static bool passes_by_itself(int status)
{
        return status == 408 || status == 425 || status == 429 || status >= 500;
}

/* What the body of a refusal says, in one line, without secrets: they are taken out before the line
 * is cut, so that no half of one is left. */
static void put_words(
        const struct rest_auth *a, const struct http_reply *reply, char *out, size_t size)
{
        cleanup_(freep) char *body = str_dup(reply->body);
        cleanup_buf_ struct buf cut = BUF_INIT(LINE_MAX_BYTES);
        char line[LINE_MAX_BYTES];

        out[0] = '\0';
        if (!body)
                return;
        for (char *p = body; p < body + reply->body.len; p++)
                if (*p == '\0')
                        *p = ' ';
        rest_auth_hide(a, body);
        rest_error_line(reply->content_type, str_of(body), line, sizeof(line));
        explicit_bzero(body, strlen(body));
        rest_auth_hide(a, line); /* what was written with escapes */
        text_put_line(&cut, str_of(line), size / 4 - 1);
        snprintf(out, size, "%.*s", STR_ARG(buf_str(&cut)));
}

static void put_names(struct str object, char *out, size_t size)
{
        cleanup_buf_ struct buf names = BUF_INIT(4096);
        cleanup_buf_ struct buf shown = BUF_INIT(4096);
        struct json_walk w;
        struct str key, value;

        if (json_walk_open(&w, object, '{'))
                while (names.len < WORDS_MAX && json_walk_next(&w, &key, &value)) {
                        buf_puts(&names, names.len ? ", " : "");
                        buf_put_str(&names, key);
                }
        text_put_line(&shown, buf_str(&names), WORDS_MAX / 4);
        snprintf(out, size, "JSON with %.*s", STR_ARG(buf_str(&shown)));
}

/* The body of a 2xx may hold what nobody may see, under names that we do not know: its kind alone
 * is told, unless it says that it is an error. */
static void put_kind(
        const struct rest_auth *a, const struct http_reply *reply, char *out, size_t size)
{
        struct str body = str_trim(reply->body);
        struct err e;
        bool json = rest_json_check(body, &e) == 0;

        if (body.len == 0)
                snprintf(out, size, "an empty reply");
        else if (body.ptr[0] == '<' || (json && rest_json_raw(body, "error").ptr))
                put_words(a, reply, out, size);
        else if (json && body.ptr[0] == '{')
                put_names(body, out, size);
        else
                snprintf(out, size, json ? "JSON that is no object" : "no JSON");
}

int auth_refusal(const struct rest_auth *a, const struct http_reply *reply, const char *what,
        const char *method, const char *url, enum err_class class, const char *words, struct err *e)
{
        cleanup_buf_ struct buf shown = BUF_INIT(URL_MAX);
        char said[WORDS_MAX];
        struct err own;
        int rc;

        e = e ? e : &own;
        if (reply->rc < 0) {
                *e = reply->err;
                if (reply->rc == -ERR_REJECT) /* of a log-in there is nothing to reject */
                        e->class = ERR_RETRY;
                rest_auth_hide(a, e->text);
                return err_wrap(e, -(int)e->class, "%s", what);
        }
        http_url_public(&shown, url);
        if (words)
                snprintf(said, sizeof(said), "%s", words);
        else if (reply->status / 100 == 2)
                put_kind(a, reply, said, sizeof(said));
        else
                put_words(a, reply, said, sizeof(said));
        rest_auth_hide(a, said);
        rc = err_set_code(e, passes_by_itself(reply->status) ? ERR_RETRY : class, reply->status,
                "%s: %s %s: %d%s%s", what, method, buf_cstr(&shown) ? buf_cstr(&shown) : "",
                reply->status, *said ? ": " : "", said);
        if (reply->retry_after_ms > 0)
                rc = err_hint(e, rc, "it asks to wait %lld s",
                        (long long)(reply->retry_after_ms + 999) / 1000);
        return rc;
}
