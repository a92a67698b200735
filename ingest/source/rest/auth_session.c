/*
 * Sessions: a log-in whose reply sets cookies (the HTTP client keeps them) or names a token, which
 * goes into headers of later requests. A log-in anew after 401, and before the time is over for
 * which the server keeps an idle session (SAP Business One: SessionTimeout, in minutes).
 *
 * Sessions are not shared with other processes: their cookies live in the HTTP client.
 */
#include "ingest/source/rest/auth_internal.h"

#include <stdio.h>
#include <strings.h>

#include "ingest/base/clock.h"
#include "ingest/source/rest/json_at.h"

#define WHAT            "auth.session"
#define LOGIN_MS        60000 /* of a log-in; SAP takes its time for the first one of a company */
#define LOGOUT_MS       2000  /* nobody waits longer for a good bye */
#define MARGIN_MS       60000 /* before its end a session is replaced; half of a short one */
#define MAX_MINUTES     INT64_C(525600)
#define URL_MAX         8192
#define PLACEHOLDER     "${token}"
#define DEFAULT_CONTENT "application/x-www-form-urlencoded"

static const struct rest_session_options *options(const struct rest_auth *a)
{
        return &a->options->auth.session;
}

/* The token is not there yet, but what is around it is looked at before anything is sent. */
static int session_open(struct rest_auth *a, struct err *e)
{
        const struct rest_pairs *p = &options(a)->send;

        for (size_t i = 0; i < p->count; i++)
                if (!auth_is_line(str_of(p->items[i].value)))
                        return err_set(e, ERR_CONFIG,
                                "session.send: the value of '%s' has a line break or another "
                                "control character in it",
                                p->items[i].name);
        return 0;
}

static bool session_ready(const struct rest_auth *a)
{
        const struct auth_session_state *s = &a->session;
        int64_t now_ms = loop_now_ms(a->loop);

        return s->logged_in && (s->idle_ms == 0 || now_ms - s->used_ms < s->idle_ms) &&
               (s->expires_ms == 0 || now_ms < s->expires_ms);
}

static bool is_absolute(const char *path)
{
        return strncasecmp(path, "http://", 7) == 0 || strncasecmp(path, "https://", 8) == 0;
}

/* Parameters of every request belong to those under the source's address alone. */
static int put_url(const struct rest_auth *a, const char *path, struct buf *url, struct err *e)
{
        const struct rest_pairs *p = &a->options->params;
        bool own = !is_absolute(path);

        if (own) {
                buf_puts(url, a->options->url);
                buf_puts(url, *path == '/' || *path == '\0' ? "" : "/");
        }
        buf_puts(url, path);
        char mark = strchr(path, '?') ? '&' : '?';
        for (size_t i = 0; own && i < p->count; i++, mark = '&') {
                buf_putc(url, mark);
                http_url_encode(url, str_of(p->items[i].name));
                buf_putc(url, '=');
                http_url_encode(url, str_of(p->items[i].value));
        }
        if (!buf_cstr(url))
                return buf_check(url, "address of the log-in", e);
        return 0;
}

/* Header lines of a request of ours; owned. */
struct lines {
        char *items[HTTP_MAX_HEADERS];
        size_t count;
};

static void lines_clear(struct lines *l)
{
        for (size_t i = 0; i < l->count; i++)
                auth_forget_text(&l->items[i]);
        l->count = 0;
}

static bool lines_have(const struct lines *l, const char *name)
{
        size_t n = strlen(name);

        for (size_t i = 0; i < l->count; i++)
                if (strncasecmp(l->items[i], name, n) == 0 && l->items[i][n] == ':')
                        return true;
        return false;
}

static int lines_add(struct lines *l, const char *name, const char *value, struct err *e)
{
        if (lines_have(l, name))
                return 0; /* the first one counts: the log-in's own before the source's */
        if (!auth_is_line(str_of(value)))
                return err_set(e, ERR_CONFIG,
                        "the value of header '%s' has a line break or another control character "
                        "in it",
                        name);
        if (l->count == HTTP_MAX_HEADERS - 1)
                return err_set(e, ERR_CONFIG, "more than %d headers", HTTP_MAX_HEADERS - 1);
        char *line = NULL;
        if (asprintf(&line, "%s: %s", name, value) < 0)
                return err_nomem(e, "a request");
        l->items[l->count++] = line;
        return 0;
}

static int lines_add_pairs(struct lines *l, const struct rest_pairs *p, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < p->count && rc == 0; i++)
                rc = lines_add(l, p->items[i].name, p->items[i].value, e);
        return rc;
}

/* @content: NULL: no body */
static int put_lines(const struct rest_auth *a, const char *path, const char *content,
        struct lines *l, struct err *e)
{
        int rc = lines_add_pairs(l, &options(a)->headers, e);

        if (rc == 0 && !is_absolute(path))
                rc = lines_add_pairs(l, &a->options->headers, e);
        if (rc == 0 && content)
                rc = lines_add(l, "Content-Type", content, e);
        if (rc == 0)
                rc = lines_add(l, "Accept", "application/json", e);
        return rc;
}

/* Return: what kind of body it is; NULL: none. */
static const char *put_body(const struct ynode *n, struct buf *out)
{
        if (!n || n->kind == YNODE_NULL)
                return NULL;
        if (!ynode_is_scalar(n)) {
                ynode_json(n, out);
                return "application/json";
        }
        buf_put_str(out, n->text);
        struct str text = str_trim(n->text);
        return text.len && (text.ptr[0] == '{' || text.ptr[0] == '[') ? "application/json"
                                                                      : DEFAULT_CONTENT;
}

static void on_login(struct rest_auth *a, const struct http_reply *reply, bool cookie);

static int log_in(struct rest_auth *a, struct err *e)
{
        const struct rest_session_options *o = options(a);
        cleanup_buf_ struct buf url = BUF_INIT(URL_MAX);
        struct auth_call *c = auth_call_new(a);
        struct lines l = {0};

        if (!c)
                return err_nomem(e, "a request");
        c->on_reply = on_login;
        const char *content = put_body(o->body, &c->body);
        int rc = put_url(a, o->path, &url, e);
        if (rc == 0)
                rc = put_lines(a, o->path, content, &l, e);
        if (rc < 0)
                auth_call_free(c);
        else
                rc = auth_call_start(
                        a, c, o->method, url.data, (const char *const *)l.items, LOGIN_MS, e);
        lines_clear(&l);
        return rc;
}

static void session_get(struct rest_auth *a)
{
        struct err e;

        a->session.logged_in = false;
        int rc = log_in(a, &e);
        if (rc < 0) {
                rest_auth_hide(a, e.text);
                auth_finish(a, err_wrap(&e, rc, WHAT), &e);
        }
}

/* @pattern with the token in the place of ${token}; $$ is a dollar sign, as in all templates */
static int add_send(struct rest_auth *a, const char *name, const char *pattern, struct err *e)
{
        struct buf value = BUF_INIT(AUTH_MAX_TEXT);
        const char *token = a->session.token ? a->session.token : "";

        while (*pattern) {
                size_t n = strcspn(pattern, "$");
                buf_put(&value, pattern, n);
                pattern += n;
                if (strncmp(pattern, PLACEHOLDER, strlen(PLACEHOLDER)) == 0) {
                        buf_puts(&value, token);
                        pattern += strlen(PLACEHOLDER);
                } else if (*pattern) {
                        buf_putc(&value, '$');
                        pattern += pattern[1] == '$' ? 2 : 1;
                }
        }
        int rc = buf_check(&value, "headers with the token", e);
        if (rc == 0)
                rc = auth_line_add(a, name, buf_str(&value), e);
        auth_forget_buf(&value);
        return rc;
}

static int use(struct rest_auth *a, struct err *e)
{
        const struct rest_pairs *p = &options(a)->send;
        int rc = 0;

        auth_lines_clear(a);
        if (p->count == 0 && a->session.token)
                return add_send(a, "Authorization", "Bearer " PLACEHOLDER, e);
        for (size_t i = 0; i < p->count && rc == 0; i++)
                rc = add_send(a, p->items[i].name, p->items[i].value, e);
        return rc;
}

static int64_t number_at(struct str body, const char *path)
{
        cleanup_buf_ struct buf text = BUF_INIT(64);
        int64_t n;

        return rest_json_at(body, path, &text) && str_to_int64(buf_str(&text), &n) && n > 0 &&
                               n <= MAX_MINUTES
                       ? n
                       : 0;
}

static int64_t without_margin(int64_t ms)
{
        return ms > 2 * MARGIN_MS ? ms - MARGIN_MS : ms / 2;
}

static void take_times(struct rest_auth *a, struct str body)
{
        struct auth_session_state *s = &a->session;
        int64_t now_ms = loop_now_ms(a->loop);
        int64_t idle = number_at(body, "SessionTimeout"), life = number_at(body, "expires_in");

        s->used_ms = now_ms;
        s->idle_ms = without_margin(idle * 60000);
        s->expires_ms = life ? now_ms + without_margin(life * 1000) : 0;
}

/* JSON-RPC and others say it with a 200. */
static bool says_error(struct str body)
{
        struct str error = rest_json_raw(body, "error");

        return error.ptr && error.len > 0 &&
               (error.ptr[0] == '{' || error.ptr[0] == '"' || error.ptr[0] == '[') &&
               !str_is(error, "\"\"") && !str_is(error, "{}") && !str_is(error, "[]");
}

/* Return: 0; -class it is no log-in. */
static int take_token(
        struct rest_auth *a, const struct http_reply *reply, bool json, bool cookie, struct err *e)
{
        const struct rest_session_options *o = options(a);
        struct buf token = BUF_INIT(REST_TOKEN_MAX);
        int rc = 0;

        auth_secret_past(a, TAKE(a->session.token));
        bool found = o->token && json && rest_json_at(reply->body, o->token, &token) &&
                     token.len > 0 && !str_is(buf_str(&token), "false");
        if (found)
                rc = rest_token_set(&a->session.token, buf_str(&token), e);
        else if (token.error == -ERR_NOMEM)
                rc = err_nomem(e, "a token");
        auth_forget_buf(&token);
        if (rc < 0 || found || (!o->token && cookie) || (!o->token && o->send.count > 0))
                return rc;
        rc = auth_refusal(a, reply, WHAT, o->method, o->path, ERR_CONFIG, NULL, e);
        return o->token ? err_hint(e, rc,
                                  "there is no token at '%s' in the reply: check the credentials "
                                  "in auth.session.body, and auth.session.token",
                                  o->token)
                        : err_hint(e, rc,
                                  "the reply sets no cookie: check auth.session, and name the "
                                  "place of a token in the reply with 'token'");
}

static int take_reply(
        struct rest_auth *a, const struct http_reply *reply, bool cookie, struct err *e)
{
        const struct rest_session_options *o = options(a);
        bool good = reply->rc == 0 && reply->status >= 200 && reply->status < 300;
        int check = good ? rest_json_check(reply->body, e) : REST_JSON_NOT;
        bool json = check == 0;

        if (check < 0)
                return check;
        if (!good || (json && says_error(reply->body))) {
                int rc = auth_refusal(a, reply, WHAT, o->method, o->path, ERR_CONFIG, NULL, e);
                return rc == -ERR_CONFIG && reply->rc == 0
                               ? err_hint(e, rc,
                                         reply->status == 404 || reply->status == 405 ||
                                                         reply->status / 100 == 3
                                                 ? "check auth.session: path and method"
                                                 : "check the credentials in auth.session.body")
                               : rc;
        }
        int rc = take_token(a, reply, json, cookie, e);
        if (rc == 0 && (rc = use(a, e)) < 0)
                err_wrap(e, rc, WHAT);
        if (rc == 0)
                take_times(a, json ? reply->body : STR("{}"));
        return rc;
}

static void on_login(struct rest_auth *a, const struct http_reply *reply, bool cookie)
{
        struct err e;
        int rc = take_reply(a, reply, cookie, &e);

        if (rc < 0) {
                auth_finish(a, rc, &e);
                return;
        }
        a->session.logged_in = true;
        a->generation++;
        log_debug(a->log, "source %s: " WHAT ": logged in", a->source);
        auth_finish(a, 0, NULL);
}

/* Logging out: nobody minds how it ends, but for how long it takes. */

static void on_time(void *ctx)
{
        ((struct rest_auth *)ctx)->session.gone = true;
}

static void on_logout(struct rest_auth *a, const struct http_reply *reply, bool cookie)
{
        (void)reply;
        (void)cookie;
        a->session.gone = true;
}

static int start_logout(struct rest_auth *a, struct err *e)
{
        const struct rest_session_options *o = options(a);
        cleanup_buf_ struct buf url = BUF_INIT(URL_MAX);
        struct auth_call *c = auth_call_new(a);
        const char *headers[HTTP_MAX_HEADERS] = {0};
        struct lines l = {0};
        size_t n = 0;

        if (!c)
                return err_nomem(e, "a request");
        c->on_reply = on_logout;
        int rc = put_url(a, o->logout, &url, e);
        if (rc == 0)
                rc = put_lines(a, o->logout, NULL, &l, e);
        for (size_t i = 0; i < a->line_count && n < HTTP_MAX_HEADERS - 1; i++)
                headers[n++] = a->lines[i];
        for (size_t i = 0; i < l.count && n < HTTP_MAX_HEADERS - 1; i++)
                headers[n++] = l.items[i];
        if (rc < 0)
                auth_call_free(c);
        else
                rc = auth_call_start(a, c, o->method, url.data, headers, LOGOUT_MS, e);
        lines_clear(&l);
        return rc;
}

static int log_out(struct rest_auth *a, struct err *e)
{
        cleanup_(loop_timer_freep) struct loop_timer *timer = NULL;
        int rc = loop_timer_new(a->loop, on_time, a, &timer, e);

        if (rc == 0)
                rc = start_logout(a, e);
        if (rc < 0)
                return rc;
        loop_timer_set(timer, LOGOUT_MS);
        rc = loop_run_until_done(a->loop, &a->session.gone, e);
        auth_call_forget(a); /* where it took too long */
        return rc;
}

static void session_close(struct rest_auth *a)
{
        struct err e;

        if (a->session.logged_in && options(a)->logout && log_out(a, &e) < 0)
                log_debug(a->log, "source %s: " WHAT ": not logged out: %s", a->source, e.text);
        auth_forget_text(&a->session.token);
}

const struct auth_kind auth_session = {
        session_open, session_ready, session_get, session_close, true};
