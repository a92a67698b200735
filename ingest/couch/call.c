/*
 * couch_call(): one request at a time, straight-line. The wait lives on the heap, because a
 * second cancellation leaves before on_done has come.
 *
 * Patience is a timer over the whole of an attempt, log-in and connecting included, because none
 * of the HTTP client's time-outs ends a server that accepts and is silent within seconds.
 */
#include "ingest/couch/client.h"

#include "ingest/base/clock.h"
#include "ingest/couch/meter.h"

#define LAST_TRY_MS 300 /* what is left of the patience must be worth another attempt */

struct wait {
        struct couch *couch;
        struct loop_timer *timer; /* of its patience; NULL: none */
        bool done;                /* replied, or its patience is over */
        bool replied;
        bool abandoned; /* whoever waited has left: on_done frees */
        bool unauthorized, not_json;
        int status;
        int rc; /* as couch_call() returns it */
        int64_t retry_after_ms;
        cJSON *json;
        const struct couch_request *request;
        struct session_waiter waiter;
        struct err err;
};

static void wait_free(struct wait *w)
{
        loop_timer_free(w->timer);
        cJSON_Delete(w->json);
        free(w);
}

static void on_reply(void *ctx, const struct http_reply *reply)
{
        struct wait *w = ctx;
        bool success = reply->rc == 0 && reply->status >= 200 && reply->status < 300;

        if (w->abandoned) {
                wait_free(w);
                return;
        }
        w->done = w->replied = true;
        w->status = reply->status;
        w->retry_after_ms = reply->retry_after_ms;
        w->unauthorized = reply->rc == 0 && reply->status == 401;
        if (success || (reply->rc == 0 && reply->status == 404)) {
                w->json = cJSON_ParseWithLength(reply->body.ptr, reply->body.len);
                w->not_json = success && !w->json && !w->request->on_body;
                w->rc = 0;
        } else {
                w->rc = couch_reply_error(reply, w->request->method, w->request->path, &w->err);
        }
}

/* Bytes of a stream go where the caller wants them, unless the caller has left. */
static int on_bytes(void *ctx, struct str bytes, struct err *e)
{
        struct wait *w = ctx;

        if (w->abandoned)
                return err_set(e, ERR_CANCEL, "cancelled");
        int rc = w->request->on_body(w->request->ctx, bytes, e);
        couch_patience_renew(w->couch); /* behind it: it may have taken its time */
        return rc;
}

static void on_session(void *ctx, int rc, const struct http_reply *reply, const struct err *e)
{
        struct wait *w = ctx;

        w->done = true;
        w->rc = rc;
        w->retry_after_ms = reply->retry_after_ms;
        if (rc < 0)
                w->err = *e;
}

/* Runs the loop until the wait is over. */
static int finish(struct couch *c, struct wait *w, struct err *e)
{
        int rc = loop_run_until(c->loop, &w->done, e);

        if (rc == 0 && w->rc < 0) {
                rc = w->rc;
                if (e)
                        *e = w->err;
        }
        return rc;
}

static int wait_for_session(struct couch *c, struct wait *w, int rc, struct err *e)
{
        if (rc != SESSION_WAIT)
                return rc;
        w->done = false;
        rc = finish(c, w, e);
        session_forget(c, &w->waiter);
        return rc;
}

static int send_once(struct couch *c, struct wait **slot, unsigned *generation, struct err *e)
{
        struct wait *w = *slot;
        struct couch_request request = *w->request;
        struct http_call *call;

        int rc = wait_for_session(c, w, session_ensure(c, &w->waiter, e), e);
        if (rc < 0)
                return rc;
        w->done = w->replied = w->not_json = w->unauthorized = false;
        w->rc = 0;
        request.on_body = request.on_body ? on_bytes : NULL;
        request.on_done = on_reply;
        request.ctx = w;
        rc = couch_send(c, &request, generation, &call, e);
        if (rc < 0)
                return rc;
        rc = finish(c, w, e);
        if (!w->replied) { /* cancelled, or given up */
                struct err ignored;
                http_cancel(call);
                if (loop_run_until_done(c->loop, &w->replied, &ignored) < 0) {
                        w->abandoned = true;
                        *slot = NULL;
                }
        }
        return rc;
}

/* Text instead of JSON: once CouchDB has spoken, a proxy's page that will pass. */
static int not_json(struct couch *c, const struct wait *w, struct err *e)
{
        if (c->speaks_json)
                return err_set_code(e, ERR_RETRY, w->status, "%s %s: the reply is not JSON",
                        w->request->method, w->request->path);
        return err_set_code(e, ERR_CONFIG, w->status,
                "%s %s: the reply is not JSON; is couchdb.url the address of a CouchDB?",
                w->request->method, w->request->path);
}

/* Once with new credentials where the first ones were refused. */
static int renew(struct couch *c, struct wait *w, unsigned generation, struct err *e)
{
        int rc = wait_for_session(c, w, session_refused(c, generation, &w->waiter, e), e);

        return rc < 0 ? err_wrap(e, rc, "%s %s", w->request->method, w->request->path) : 0;
}

static int attempt(struct couch *c, struct wait **slot, struct err *e)
{
        unsigned generation = 0;
        int rc = send_once(c, slot, &generation, e);

        for (int i = 0; i < 2 && *slot && (*slot)->unauthorized; i++) {
                rc = renew(c, *slot, generation, e);
                if (rc < 0)
                        return rc;
                rc = send_once(c, slot, &generation, e);
        }
        if (rc == 0 && (*slot)->not_json)
                return not_json(c, *slot, e);
        if (rc == 0)
                c->speaks_json = true;
        return rc;
}

/* ---- patience ---- */

void couch_patience_renew(struct couch *c)
{
        if (!c->patience_is_renewed)
                return;
        c->asked_ms = clock_monotonic_ms();
        c->deadline_ms = c->asked_ms + c->patience_ms;
}

void couch_patience(struct couch *c, int64_t ms, bool renewed)
{
        c->patience_ms = ms;
        c->patience_is_renewed = renewed && ms > 0;
        c->asked_ms = clock_monotonic_ms();
        c->deadline_ms = c->asked_ms + ms;
}

static void on_patience(void *ctx)
{
        struct wait *w = ctx;
        int64_t now = clock_monotonic_ms();

        if (w->done)
                return;
        if (now < w->couch->deadline_ms) { /* it was renewed */
                loop_timer_set(w->timer, w->couch->deadline_ms - now);
                return;
        }
        w->done = true;
        w->retry_after_ms = -1;
        w->rc = err_set(&w->err, ERR_RETRY, "%s %s: no answer within %.1f s", w->request->method,
                w->request->path, (double)(now - w->couch->asked_ms) / 1000);
}

static int set_patience(struct wait *w, struct err *e)
{
        const struct couch *c = w->couch;
        int64_t left = c->deadline_ms - clock_monotonic_ms();

        if (!c->patience_ms)
                return 0;
        int rc = loop_timer_new(c->loop, on_patience, w, &w->timer, e);
        if (rc == 0)
                loop_timer_set(w->timer, left > 0 ? left : 0);
        return rc;
}

static int wait_new(
        struct couch *c, const struct couch_request *request, struct wait **out, struct err *e)
{
        struct wait *w = calloc(1, sizeof(*w));

        if (!w)
                return err_nomem(e, "a request");
        w->couch = c;
        w->request = request;
        w->waiter.fn = on_session;
        w->waiter.ctx = w;
        w->retry_after_ms = -1;
        int rc = set_patience(w, e);
        if (rc)
                wait_free(w);
        else
                *out = w;
        return rc;
}

int couch_try(struct couch *c, const struct couch_request *request, struct couch_result *out,
        struct err *e)
{
        struct wait *w;
        int rc = wait_new(c, request, &w, e);

        *out = (struct couch_result){.retry_after_ms = -1};
        if (rc)
                return rc;
        rc = attempt(c, &w, e);
        if (w) {
                out->status = w->status;
                out->retry_after_ms = w->retry_after_ms;
                out->json = rc == 0 ? TAKE(w->json) : NULL;
                wait_free(w);
        }
        return rc;
}

void couch_retry_init(struct couch *c, struct retry *retry)
{
        couch_patience_renew(c);
        const struct retry_policy policy = {RETRY_BASE_MS, RETRY_CAP_MS, c->options->retry_for_ms};

        retry_init(retry, &policy, 0);
}

/* So that the last try is made before the patience is over. Return: false: no time for one. */
static bool fit_patience(const struct couch *c, int64_t retry_after_ms, int64_t *delay_ms)
{
        int64_t left = c->deadline_ms - clock_monotonic_ms();

        if (!c->patience_ms)
                return true;
        if (*delay_ms > left / 2)
                *delay_ms = left / 2 > retry_after_ms ? left / 2 : retry_after_ms;
        return *delay_ms + LAST_TRY_MS <= left;
}

int couch_back_off(struct couch *c, struct retry *retry, int64_t retry_after_ms, struct err *e)
{
        struct err cancelled;
        int64_t delay_ms;

        if (!retry_failure(retry, loop_now_ms(c->loop), retry_after_ms, &delay_ms) ||
                !fit_patience(c, retry_after_ms, &delay_ms)) {
                int64_t since_ms = c->patience_ms ? c->asked_ms : retry->first_failure_ms;
                return err_wrap(e, -ERR_RETRY, "gave up after %u tries in %lld s", retry->failures,
                        (long long)(clock_monotonic_ms() - since_ms) / 1000);
        }
        if (retry->failures == 1)
                log_warn(c->log, "CouchDB: %s; trying again", e->text);
        c->stats.retries++;
        meter_retry(c->options->meter);
        int rc = loop_sleep(c->loop, delay_ms, &cancelled);
        if (rc < 0)
                *e = cancelled;
        return rc;
}

int couch_call(struct couch *c, const struct couch_request *request, int *status, cJSON **json,
        struct err *e)
{
        struct couch_result result;
        struct retry retry;
        struct err own;
        int rc;

        e = e ? e : &own;
        couch_retry_init(c, &retry);
        while ((rc = couch_try(c, request, &result, e)) == -ERR_RETRY) {
                rc = couch_back_off(c, &retry, result.retry_after_ms, e);
                if (rc < 0)
                        return rc;
        }
        if (status)
                *status = result.status;
        if (json && rc == 0)
                *json = result.json;
        else
                cJSON_Delete(result.json);
        return rc;
}
