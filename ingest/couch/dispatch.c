/*
 * Which batch may send when. Slots are what adapt.c allows; after trouble a batch waits on its
 * own, or everybody waits; while a log-in is under way nobody sends. There is one timer: for the
 * earliest batch that waits for a time.
 */
#include <inttypes.h>

#include "ingest/base/clock.h"
#include "ingest/couch/meter.h"
#include "ingest/couch/writer.h"

#define PARKED_MAX      1000 /* documents that wait for another one with their id */
/* CouchDB commits what several requests brought at once, and then answers them all at once: so
 * many batches are wanted together. Two mebibytes of them, or as many as are in flight. */
#define READY_BYTES     (2 << 20)
/* A writer that has failed waits so long for the replies that are under way: what they say was
 * written counts. A batch takes a second where there are many. */
#define LAST_REPLIES_MS 5000

static void arm(struct bulk *bulk, int64_t now_ms, int64_t wake_ms)
{
        if (wake_ms == INT64_MAX)
                loop_timer_stop(bulk->timer);
        else
                loop_timer_set(bulk->timer, wake_ms > now_ms ? wake_ms - now_ms : 0);
}

static void start(struct bulk *bulk, struct batch *b)
{
        struct err e;
        int rc = session_ensure(bulk->couch, &bulk->waiter, &e);

        if (rc == 0)
                rc = batch_start(b, &e);
        if (rc < 0)
                dispatch_fail(bulk, rc, &e);
}

static void start_due(struct bulk *bulk)
{
        int64_t now_ms = loop_now_ms(couch_loop(bulk->couch));
        int64_t wake_ms = INT64_MAX;
        struct batch *next;

        if (bulk->failed)
                return;
        for (struct batch *b = bulk->closed.first; b; b = next) {
                next = b->next;
                if (bulk->failed || bulk->waiter.waiting || bulk->running >= bulk->adapt.in_flight)
                        return; /* a reply, a log-in or the sweep comes and calls again */
                if (b->state != BATCH_WAITING)
                        continue;
                int64_t due_ms =
                        b->wake_ms > bulk->pause_until_ms ? b->wake_ms : bulk->pause_until_ms;
                if (due_ms <= now_ms)
                        start(bulk, b);
                else if (due_ms < wake_ms)
                        wake_ms = due_ms;
        }
        if (!bulk->failed)
                arm(bulk, now_ms, wake_ms);
}

static bool has_room(const struct bulk *bulk)
{
        size_t bytes = 0;

        if (bulk->failed)
                return true;
        if (bulk->parked_count >= PARKED_MAX || bulk->parked_bytes >= bulk->soft_bytes)
                return false;
        if (bulk->closed.count <= bulk->adapt.in_flight)
                return true;
        for (const struct batch *b = bulk->closed.first; b; b = b->next)
                bytes += b->state == BATCH_WAITING ? b->body.len : 0;
        return bytes < READY_BYTES && bulk->closed.count < 2 * (size_t)bulk->adapt.in_flight;
}

void dispatch(struct bulk *bulk)
{
        bulk->undispatched = false;
        start_due(bulk);
        bulk->room = has_room(bulk);
}

void dispatch_room(struct bulk *bulk)
{
        if (bulk->full && bulk->room) {
                bulk->full = false;
                bulk->callbacks.on_drain(bulk->callbacks.ctx);
        }
        if (bulk->flushing && bulk->open.count > 0 && bulk->room && !bulk->failed) {
                bulk_close(bulk->open.first);
                dispatch(bulk);
        }
        bulk->idle = bulk->open.count == 0 && bulk->closed.count == 0 && !bulk->parked;
}

void dispatch_timer(void *ctx)
{
        struct bulk *bulk = ctx;

        if (bulk->failed) {
                bulk->hurry = bulk->hurry || bulk->swept;
                dispatch_sweep(bulk);
        }
        dispatch(bulk);
        dispatch_room(bulk);
}

void dispatch_replies(void *ctx)
{
        struct bulk *bulk = ctx;
        struct batch *next;

        for (struct batch *b = bulk->closed.first; b && !bulk->failed; b = next) {
                next = b->next; /* of those that come meanwhile none has a reply yet */
                if (b->state == BATCH_REPLIED)
                        batch_read_reply(b);
        }
        if (bulk->failed)
                dispatch_sweep(bulk);
        dispatch(bulk);
        dispatch_room(bulk);
}

void dispatch_session(void *ctx, int rc, const struct http_reply *reply, const struct err *e)
{
        struct bulk *bulk = ctx;

        if (rc == -ERR_RETRY && bulk->closed.first)
                dispatch_trouble(bulk->closed.first, TROUBLE_SERVER, reply->retry_after_ms, e);
        else if (rc < 0)
                dispatch_fail(bulk, rc, e);
        dispatch(bulk);
        dispatch_room(bulk);
}

static void warn_once(struct bulk *bulk, const struct err *why)
{
        if (!bulk->warned)
                log_warn(bulk->log, "CouchDB: %s; trying again for %" PRId64 " s at most",
                        why->text, bulk->retry.policy.budget_ms / 1000);
        bulk->warned = true;
}

static void give_up(struct bulk *bulk, int64_t since_ms, int64_t now_ms, const struct err *why)
{
        struct err e = *why;

        e.class = ERR_RETRY;
        err_wrap(&e, 0, "gave up after %" PRId64 " s without success", (now_ms - since_ms) / 1000);
        bulk->hurry = true; /* nothing came for so long */
        dispatch_fail(bulk, -ERR_RETRY, &e);
}

void dispatch_trouble(
        struct batch *b, enum trouble kind, int64_t retry_after_ms, const struct err *why)
{
        struct bulk *bulk = b->bulk;
        int64_t now_ms = loop_now_ms(couch_loop(bulk->couch));
        int64_t now_us = clock_monotonic_us();
        int64_t delay_ms = retry_after_ms;

        bulk->stats.retries++;
        bulk->couch->stats.retries++;
        meter_retry(bulk->couch->options->meter);
        log_debug(bulk->log, "CouchDB: %s; trying again", why->text);
        if (kind == TROUBLE_SERVER)
                warn_once(bulk, why);
        adapt_trouble(&bulk->adapt, now_us, b->sent_us);
        if (!b->trouble_since_ms)
                b->trouble_since_ms = now_ms;
        if (now_ms - b->trouble_since_ms > bulk->retry.policy.budget_ms) {
                give_up(bulk, b->trouble_since_ms, now_ms, why);
                return;
        }
        /* Requests that fail together count as one failure. */
        if (b->sent_us >= bulk->trouble_us) {
                bulk->trouble_us = now_us;
                if (!retry_failure(&bulk->retry, now_ms, retry_after_ms, &delay_ms)) {
                        give_up(bulk, bulk->retry.first_failure_ms, now_ms, why);
                        return;
                }
        }
        if (now_ms + delay_ms > b->wake_ms)
                b->wake_ms = now_ms + delay_ms;
        if (kind == TROUBLE_SERVER && b->wake_ms > bulk->pause_until_ms)
                bulk->pause_until_ms = b->wake_ms;
}

void dispatch_success(struct bulk *bulk)
{
        if (bulk->warned)
                log_info(bulk->log, "CouchDB: writes are going through again");
        bulk->warned = false;
        retry_success(&bulk->retry);
}

void dispatch_fail(struct bulk *bulk, int rc, const struct err *e)
{
        if (bulk->failed)
                return;
        bulk->failed = rc;
        bulk->failure = *e;
        loop_timer_soon(bulk->timer);
}

static bool may_be_answered(const struct batch *b)
{
        return b->state == BATCH_RUNNING && b->step == STEP_SEND && !b->bulk->hurry;
}

static void abandon(struct batch *b)
{
        struct bulk *bulk = b->bulk;
        struct answer answer;

        if (may_be_answered(b))
                return;
        if (b->state == BATCH_REPLIED) /* what CouchDB said before counts */
                answer_read(b, buf_str(&b->reply), &answer);
        for (size_t n = 0; n < b->count; n++)
                if (b->items[n].state != ITEM_DONE)
                        bulk_settle(b, &b->items[n], BULK_ABANDONED, STR(""), bulk->failure.text);
        if (b->state == BATCH_RUNNING)
                http_cancel(b->call); /* on_reply() comes back here */
        else
                bulk_retire(b);
}

void dispatch_sweep(struct bulk *bulk)
{
        struct batch *next;

        if (!bulk->swept)
                loop_timer_set(bulk->timer, LAST_REPLIES_MS);
        bulk->swept = true;
        session_forget(bulk->couch, &bulk->waiter);
        for (struct batch *b = bulk->closed.first; b; b = next) {
                next = b->next;
                abandon(b);
        }
        while (bulk->open.first) {
                struct batch *b = bulk->open.first;
                bulk_close(b);
                abandon(b);
        }
        bulk_abandon_parked(bulk);
}
