/*
 * One question after the other: a whole reply? one that was asked for? a redirect? other
 * credentials? And last, an error: does it pass, and is there time left for another try?
 */
#include "ingest/source/rest/client_internal.h"

#include <inttypes.h>

#include "ingest/base/clock.h"

#define WORDS_MAX 500 /* bytes of the server's words in an error */

static int note_limits(struct rest_client *c, const struct rest_pending *p, struct err *e)
{
        int64_t now = clock_wall_us(), remaining, reset_us;

        if (!rest_limits_get(&p->limits, now, p->server_us, &remaining, &reset_us))
                return 0;
        return rest_budget_note(c->budget, now, remaining, reset_us, e);
}

/* Who says when to come back means all that use the source. */
static int note_refusal(struct rest_client *c, const struct http_reply *reply, struct err *e)
{
        if (reply->retry_after_ms < 0 || (reply->status != 429 && reply->status != 503))
                return 0;
        return rest_budget_refuse(c->budget, clock_wall_us(), reply->retry_after_ms, e);
}

/* What the server says, without secrets: they are hidden before words are cut, where a half of one
 * would stay, and behind, where one stood with escapes. */
static void server_words(struct rest_client *c, const struct http_reply *reply, char *out)
{
        cleanup_(freep) char *body = str_dup(reply->body);

        *out = '\0';
        if (!body)
                return;
        for (size_t i = 0; i < reply->body.len; i++)
                if (body[i] == '\0')
                        body[i] = ' ';
        rest_auth_hide(c->auth, body);
        rest_error_line(reply->content_type, str_of(body), out, WORDS_MAX);
        rest_auth_hide(c->auth, out);
}

static int status_error(struct rest_client *c, const struct rest_pending *p,
        const struct http_reply *reply, struct err *e)
{
        struct rest_status s = rest_status_of(reply->status);
        char words[WORDS_MAX];

        server_words(c, reply, words);
        int rc = err_set_code(e, s.class, reply->status, "%d%s%s%s%s", reply->status,
                *s.name ? " " : "", s.name, *words ? ": " : "", words);
        return rest_pending_wrap(p, rc, e);
}

/* The last error of @p, with how often it was tried. */
static void finish_failed(struct rest_pending *p, int status, int rc, struct err *e)
{
        if (p->tries > 1)
                err_hint(e, rc, "tried %u times", p->tries);
        rest_queue_finish(p, status, (struct str){0}, rc, e);
}

/* A 429 without Retry-After: what we wait, all wait. */
static void spare_others(
        struct rest_client *c, const struct rest_pending *p, const struct http_reply *reply)
{
        struct err e;

        if (reply->status != 429 || reply->retry_after_ms >= 0)
                return;
        if (rest_budget_refuse(c->budget, clock_wall_us(), p->due_ms - clock_monotonic_ms(), &e) <
                0)
                log_warn(c->log, "source %s: %s", c->source, e.text);
}

static void log_retry(struct rest_client *c, const struct rest_pending *p, const struct err *e)
{
        log_debug(c->log, "source %s: %s; again in %" PRId64 " ms", c->source, e->text,
                p->due_ms - clock_monotonic_ms());
}

/* @left: 0, or why no request may go out now (@budget). */
static void on_status_error(struct rest_client *c, struct rest_pending *p,
        const struct http_reply *reply, int left, const struct err *budget)
{
        struct rest_status s = rest_status_of(reply->status);
        struct err e;
        int rc = status_error(c, p, reply, &e);

        if (left == 0 && s.again && rest_queue_retry(p, reply->retry_after_ms)) {
                spare_others(c, p, reply);
                log_retry(c, p, &e);
                return;
        }
        if (left < 0)
                err_hint(&e, rc, "%s", budget->text);
        else if (s.again && reply->retry_after_ms > 0)
                err_hint(&e, rc, "it asks to come back in %" PRId64 " s",
                        (reply->retry_after_ms + 999) / 1000);
        if (s.hint)
                err_hint(&e, rc, "%s", s.hint);
        finish_failed(p, reply->status, rc, &e);
}

/* Return: whether @p is asked again with other credentials. */
static bool renew(struct rest_client *c, struct rest_pending *p, int status)
{
        if (status != 401 || !p->own || p->renewed || !rest_auth_can_renew(c->auth))
                return false;
        p->renewed = true;
        /* Else there are newer ones already, or soon. */
        if (p->generation == rest_auth_generation(c->auth) && !c->getting)
                c->refused = true;
        rest_queue_again(p, 0);
        return true;
}

static bool is_redirect(int status)
{
        return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void follow(struct rest_client *c, struct rest_pending *p, int status)
{
        struct err e;
        int rc = rest_pending_redirect(p, c->options->url, status, c->options->max_redirects, &e);

        if (rc < 0) {
                rc = rest_pending_wrap(p, err_wrap(&e, rc, "%d", status), &e);
                rest_queue_finish(p, status, (struct str){0}, rc, &e);
                return;
        }
        if (!c->redirect_logged && (status == 301 || status == 308))
                log_warn(c->log,
                        "source %s: requests are redirected for good, each costs two; write the "
                        "new address as `url`",
                        c->source);
        c->redirect_logged = c->redirect_logged || status == 301 || status == 308;
        p->bare = !rest_client_is_own(c, rest_pending_url(p));
        rest_queue_again(p, 0);
}

/* Without a whole reply. */
static void on_broken(struct rest_client *c, struct rest_pending *p, const struct http_reply *reply)
{
        struct err e = reply->err;
        int rc = reply->rc;

        if (rc == -ERR_RETRY && p->body_rc == 0 && rest_queue_retry(p, -1)) {
                log_retry(c, p, &e);
                return;
        }
        if (rc == -ERR_REJECT && p->body_rc == 0) { /* too large: no record is to blame */
                e.class = ERR_CONFIG;
                rc = -ERR_CONFIG;
        }
        finish_failed(p, reply->status, rc, &e);
}

static void on_refused(
        struct rest_client *c, struct rest_pending *p, const struct http_reply *reply)
{
        struct err budget;
        int left = rest_budget_error(c->budget, clock_wall_us(), &budget);

        if (left == 0)
                left = note_refusal(c, reply, &budget);
        if (left < 0 || !renew(c, p, reply->status))
                on_status_error(c, p, reply, left, &budget);
}

static void on_reply(struct rest_client *c, struct rest_pending *p, const struct http_reply *reply)
{
        struct err e;
        int rc = note_limits(c, p, &e);

        buf_puts(&p->type, reply->content_type);
        if (rc < 0)
                rest_queue_finish(p, reply->status, (struct str){0}, rc, &e);
        else if (reply->rc < 0)
                on_broken(c, p, reply);
        else if (rest_pending_accepts(p, reply->status))
                rest_queue_finish(p, reply->status,
                        p->body.len > 0 ? buf_str(&p->body) : reply->body, 0, NULL);
        else if (is_redirect(reply->status))
                follow(c, p, reply->status);
        else
                on_refused(c, p, reply);
}

void rest_client_answer(void *ctx, const struct http_reply *reply)
{
        struct rest_pending *p = ctx;
        struct rest_client *c = p->client;

        p->call = NULL;
        if (!p->paused)
                rest_turn_give(c);
        p->paused = false;
        if (p->abandoned) {
                rest_pending_free(p);
                return;
        }
        on_reply(c, p, reply);
        rest_queue_pump(c);
}
