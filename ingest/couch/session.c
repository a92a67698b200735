/* A log-in is a request like others, so that it never blocks a writer that has others in flight. */
#include "ingest/couch/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "ingest/couch/client.h"
#include "ingest/couch/meter.h"
#include "ingest/record/json.h"

#define SECRET_MAX (16 << 10) /* bytes of a token or password: headers are limited to that */

static char *header_line(const char *scheme, struct str secret)
{
        char *line = NULL;

        if (asprintf(&line, "Authorization: %s %.*s", scheme, STR_ARG(secret)) < 0)
                return NULL;
        return line;
}

static void forget_secret(char **text)
{
        if (*text)
                explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
}

static void forget_buf(struct buf *b)
{
        if (b->data)
                explicit_bzero(b->data, b->cap);
        buf_deinit(b);
}

static int use_basic(struct couch *c, struct err *e)
{
        struct buf plain, coded;

        buf_init(&plain, SECRET_MAX);
        buf_init(&coded, 2 * SECRET_MAX);
        buf_put_str(&plain, str_of(c->options->user));
        buf_putc(&plain, ':');
        buf_put_str(&plain, str_of(c->options->password));
        buf_put_base64(&coded, buf_str(&plain));
        int rc = buf_check(&plain, "couchdb: user name and password", e);
        if (rc == 0)
                rc = buf_check(&coded, "couchdb: user name and password", e);
        if (rc == 0 && !(c->session.authorization = header_line("Basic", buf_str(&coded))))
                rc = err_nomem(e, "credentials");
        forget_buf(&plain);
        forget_buf(&coded);
        return rc;
}

static int use_token(struct couch *c, struct str token, struct err *e)
{
        char *line = header_line("Bearer", token);

        if (!line)
                return err_nomem(e, "credentials");
        forget_secret(&c->session.authorization);
        c->session.authorization = line;
        return 0;
}

static int read_file(const char *path, struct buf *out, struct err *e)
{
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return err_set_errno(e, ERR_CONFIG, errno, "couchdb.auth.jwt_file %s", path);
        for (;;) {
                char *room = buf_room(out, 1024);
                if (!room)
                        return err_set(e, ERR_CONFIG,
                                "couchdb.auth.jwt_file %s is larger than %d bytes: not a token",
                                path, SECRET_MAX);
                ssize_t n = read(fd, room, 1024);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return err_set_errno(
                                e, ERR_CONFIG, errno, "couchdb.auth.jwt_file %s", path);
                if (n == 0)
                        return 0;
                out->len += (size_t)n;
        }
}

#define TOKEN_SAME 1

/* The token file into the header. Return: 0; TOKEN_SAME as it was; -ERR_CONFIG. */
static int use_token_file(struct couch *c, struct err *e)
{
        const char *before = c->session.authorization;
        struct buf text;

        buf_init(&text, SECRET_MAX);
        int rc = read_file(c->options->jwt_file, &text, e);
        struct str token = str_trim(buf_str(&text));
        if (rc == 0 && token.len == 0)
                rc = err_set(
                        e, ERR_CONFIG, "couchdb.auth.jwt_file %s is empty", c->options->jwt_file);
        if (rc == 0 && before && str_is(token, before + strlen("Authorization: Bearer ")))
                rc = TOKEN_SAME;
        if (rc == 0)
                rc = use_token(c, token, e);
        forget_buf(&text);
        return rc;
}

int session_init(struct couch *c, struct err *e)
{
        c->session = (struct session){.generation = 1};
        buf_init(&c->session.login, 4 * SECRET_MAX);
        switch (c->options->auth) {
        case COUCH_AUTH_BASIC:
                return use_basic(c, e);
        case COUCH_AUTH_BEARER:
                return use_token(c, str_of(c->options->bearer), e);
        case COUCH_AUTH_JWT_FILE:
                return use_token_file(c, e);
        case COUCH_AUTH_SESSION:
        case COUCH_AUTH_NONE:
                break;
        }
        return 0;
}

void session_deinit(struct couch *c)
{
        forget_secret(&c->session.authorization);
        forget_buf(&c->session.login);
}

void session_accepted(struct couch *c, unsigned generation)
{
        if (generation == c->session.generation)
                c->session.accepted = true;
}

static void next_generation(struct session *s)
{
        s->generation++;
        s->accepted = false;
}

static int refuse(struct couch *c, struct err *e)
{
        static const char *const hints[] = {
                [COUCH_AUTH_NONE] = "CouchDB wants credentials: set couchdb.auth",
                [COUCH_AUTH_BASIC] = "check user and password in couchdb.auth (or in couchdb.url)",
                [COUCH_AUTH_SESSION] = "check user and password in couchdb.auth.session",
                [COUCH_AUTH_JWT_FILE] = "the token is wrong or has expired: renew the file, and "
                                        "check CouchDB's [jwt_keys] and [jwt_auth]",
                [COUCH_AUTH_BEARER] = "the token is wrong or has expired: renew it, and check "
                                      "CouchDB's [jwt_keys] and [jwt_auth]",
        };

        if (c->session.refusal.code == 401)
                err_hint(&c->session.refusal, 0, "%s", hints[c->options->auth]);
        c->session.refused = -ERR_CONFIG;
        if (e)
                *e = c->session.refusal;
        return c->session.refused;
}

/* A waiter may wait for the next log-in from its callback: that goes into the other list. */
static void wake_waiters(
        struct couch *c, int rc, const struct http_reply *reply, const struct err *e)
{
        c->session.waking = TAKE(c->session.waiters);
        while (c->session.waking) {
                struct session_waiter *w = c->session.waking;
                c->session.waking = w->next;
                w->waiting = false;
                w->fn(w->ctx, rc, reply, e);
        }
}

static void on_login(void *ctx, const struct http_reply *reply)
{
        struct couch *c = ctx;
        struct err e;
        int rc = 0;

        c->session.renewing = false;
        forget_buf(&c->session.login);
        if (reply->rc == 0 && reply->status == 200) {
                next_generation(&c->session);
                c->session.logged_in = true;
        } else {
                rc = couch_reply_error(reply, "POST", "/_session", &e);
                if (rc == -ERR_CONFIG && reply->rc == 0) {
                        c->session.refusal = e;
                        rc = refuse(c, &e);
                }
        }
        wake_waiters(c, rc, reply, rc < 0 ? &e : NULL);
}

static int put_login(struct couch *c, struct err *e)
{
        struct buf *b = &c->session.login;

        buf_clear(b);
        buf_puts(b, "{\"name\":");
        bool ok = json_put_string(b, str_of(c->options->user));
        buf_puts(b, ",\"password\":");
        ok = ok && json_put_string(b, str_of(c->options->password));
        buf_putc(b, '}');
        if (!ok)
                return err_set(
                        e, ERR_CONFIG, "couchdb.auth.session: user or password is not UTF-8");
        return buf_check(b, "couchdb.auth.session", e);
}

static int log_in(struct couch *c, struct session_waiter *waiter, struct err *e)
{
        struct session *s = &c->session;

        if (!s->renewing) {
                int rc = put_login(c, e);
                if (rc < 0)
                        return rc;
                struct couch_request request = {.method = "POST",
                        .path = "/_session",
                        .body = buf_str(&s->login),
                        .on_done = on_login,
                        .ctx = c};
                rc = couch_start(c, &request, NULL, e);
                if (rc < 0)
                        return rc;
                s->renewing = true;
                meter_login(c->options->meter);
        }
        waiter->next = s->waiters;
        waiter->waiting = true;
        s->waiters = waiter;
        return SESSION_WAIT;
}

static void list_remove(struct session_waiter **at, struct session_waiter *waiter)
{
        while (*at && *at != waiter)
                at = &(*at)->next;
        if (*at)
                *at = waiter->next;
}

void session_forget(struct couch *c, struct session_waiter *waiter)
{
        if (!waiter->waiting)
                return;
        list_remove(&c->session.waiters, waiter);
        list_remove(&c->session.waking, waiter);
        waiter->waiting = false;
}

int session_ensure(struct couch *c, struct session_waiter *waiter, struct err *e)
{
        struct session *s = &c->session;

        if (s->refused) {
                if (e)
                        *e = s->refusal;
                return s->refused;
        }
        if (c->options->auth == COUCH_AUTH_SESSION && (!s->logged_in || s->renewing))
                return log_in(c, waiter, e);
        return 0;
}

int session_refused(
        struct couch *c, unsigned generation, struct session_waiter *waiter, struct err *e)
{
        struct session *s = &c->session;

        if (s->refused || s->renewing || generation != s->generation)
                return session_ensure(c, waiter, e);
        err_set_code(&s->refusal, ERR_CONFIG, 401, "CouchDB refuses the credentials (401)");
        if (c->options->auth == COUCH_AUTH_SESSION && s->accepted)
                return log_in(c, waiter, e);
        if (c->options->auth == COUCH_AUTH_JWT_FILE) {
                int rc = use_token_file(c, e);
                if (rc == 0)
                        next_generation(s);
                if (rc != TOKEN_SAME)
                        return rc;
        }
        return refuse(c, e);
}
