/*
 * rest_queue_pump() decides what goes out: it is run whenever something changed (a request came,
 * one ended, a wait is over, credentials are there) and sends as many as may go. Nothing is
 * reported from inside it: what cannot be sent is moved to `ended`, which the timer reports in a
 * turn of its own. So callers' callbacks run from the loop alone, and may send, resume and cancel
 * as they like.
 *
 * One timer serves all waits: the next try of a request, a budget, a report.
 */
#include "ingest/source/rest/client_internal.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "ingest/base/clock.h"

/* A budget that the operator gave is waited for, unless it is one of a day: then the run ends, and
 * the next one goes on at its mark. What the server says, and an error budget, is waited for as
 * long as an outage is. */
#define BUDGET_WAIT_MAX_MS INT64_C(3600000)
#define LOGGED_WAIT_MS     5000  /* shorter waits are no news */
#define LOG_EVERY_MS       60000 /* nor are more of them */
#define TURN_MS            20    /* until we look again whether others have given theirs back */

/* ---- lists ---- */

static struct pending_list *list_of(struct rest_pending *p)
{
        struct pending_list *lists[] = {[REST_QUEUED] = &p->client->queued,
                [REST_SENT] = &p->client->sent,
                [REST_ENDED] = &p->client->ended};

        return lists[p->state];
}

void rest_list_append(struct rest_pending *p)
{
        struct pending_list *list = list_of(p);

        p->next = NULL;
        p->prev = list->last;
        *(list->last ? &list->last->next : &list->first) = p;
        list->last = p;
}

static void list_prepend(struct rest_pending *p)
{
        struct pending_list *list = list_of(p);

        p->prev = NULL;
        p->next = list->first;
        *(list->first ? &list->first->prev : &list->last) = p;
        list->first = p;
}

void rest_list_remove(struct rest_pending *p)
{
        struct pending_list *list = list_of(p);

        *(p->prev ? &p->prev->next : &list->first) = p->next;
        *(p->next ? &p->next->prev : &list->last) = p->prev;
        p->next = p->prev = NULL;
}

/* In front of those that were never sent: it came before them. */
void rest_queue_again(struct rest_pending *p, int64_t delay_ms)
{
        rest_list_remove(p);
        p->state = REST_QUEUED;
        p->due_ms = clock_monotonic_ms() + delay_ms;
        rest_pending_clear(p);
        list_prepend(p);
}

/* ---- ends ---- */

void rest_queue_finish(
        struct rest_pending *p, int status, struct str body, int rc, const struct err *e)
{
        rest_list_remove(p);
        rest_pending_report(p, status, body, rc, e);
}

void rest_queue_end(struct rest_pending *p, int rc, const struct err *e)
{
        struct rest_client *c = p->client;

        rest_list_remove(p);
        p->state = REST_ENDED;
        p->rc = rc;
        p->err = *e;
        rest_list_append(p);
        loop_timer_soon(c->timer);
}

/* Those that end meanwhile come in the next turn: who asks again at once must not hang the loop. */
static void report_ended(struct rest_client *c)
{
        size_t n = 0;

        for (struct rest_pending *p = c->ended.first; p; p = p->next)
                n++;
        for (; n > 0; n--) {
                struct rest_pending *p = c->ended.first;
                rest_queue_finish(p, 0, (struct str){0}, p->rc, &p->err);
        }
}

/* ---- credentials ---- */

bool rest_queue_retry(struct rest_pending *p, int64_t retry_after_ms)
{
        int64_t delay;

        if (p->delivered || p->cancelled ||
                !retry_failure(&p->retry, clock_monotonic_ms(), retry_after_ms, &delay))
                return false;
        rest_queue_again(p, delay);
        return true;
}

static void on_auth(void *ctx, int rc, const struct err *e)
{
        struct rest_client *c = ctx;

        c->getting = false;
        if (c->closing)
                return;
        if (rc == 0) {
                rest_queue_pump(c);
                return;
        }
        if (rc != -ERR_RETRY) { /* asking again with what was refused locks accounts */
                c->auth_rc = rc;
                c->auth_err = *e;
                rest_queue_pump(c);
                return;
        }
        int64_t now = clock_monotonic_ms();
        struct rest_pending *next;
        for (struct rest_pending *p = c->queued.first; p; p = next) {
                next = p->next;
                if (p->own && p->due_ms <= now && !rest_queue_retry(p, -1))
                        rest_queue_end(p, rc, e);
        }
        rest_queue_pump(c);
}

/* Return: whether @p can go out with credentials now. */
static bool has_credentials(struct rest_client *c, struct rest_pending *p)
{
        struct err e;

        if (!p->own || (!c->getting && !c->refused && c->auth_rc == 0 && rest_auth_ready(c->auth)))
                return true;
        if (c->getting)
                return false;
        if (c->auth_rc < 0) {
                rest_queue_end(p, c->auth_rc, &c->auth_err);
                return false;
        }
        int rc = rest_auth_get(c->auth, c->refused, on_auth, c, &e);
        c->refused = false;
        if (rc < 0)
                rest_queue_end(p, rc, &e);
        else
                c->getting = true;
        return false;
}
/* ---- budgets ---- */

static void log_wait(struct rest_client *c, int64_t wait_ms, const char *why)
{
        int64_t now = clock_monotonic_ms();

        if (wait_ms < LOGGED_WAIT_MS || now < c->logged_ms)
                return;
        c->logged_ms = now + LOG_EVERY_MS;
        log_info(c->log, "source %s: the next request waits %" PRId64 " s: %s", c->source,
                (wait_ms + 999) / 1000, why);
}

static int refuse_wait(const struct rest_client *c, int64_t wait_ms, const char *why, struct err *e)
{
        char until[CLOCK_RFC3339_MAX];

        return err_set(e, ERR_RETRY,
                "source %s: no request may go out before %s: %s; a later run goes on from there",
                c->source, clock_rfc3339(clock_wall_us() + wait_ms * 1000, until), why);
}

static int64_t longest_wait(const struct rest_options *o)
{
        int64_t longest = o->retry_for_ms;

        for (size_t i = 0; i < o->budget_count; i++) {
                int64_t window = o->budgets[i].window_ms;
                if (window > longest && window <= BUDGET_WAIT_MAX_MS)
                        longest = window;
        }
        return longest;
}

/* Return: 0 it may go; 1 not yet (the timer is set); -class. */
static int take_budget(struct rest_client *c, struct err *e)
{
        int64_t wait_ms = 0;
        const char *why = "";
        int rc = rest_budget_take(c->budget, clock_wall_us(), &wait_ms, &why, e);

        if (rc < 0 || wait_ms <= 0)
                return rc;
        if (wait_ms > longest_wait(c->options))
                return refuse_wait(c, wait_ms, why, e);
        log_wait(c, wait_ms, why);
        loop_timer_set(c->timer, wait_ms);
        return 1;
}
/* ---- turns ---- */

bool rest_turn_take(struct rest_client *c)
{
        int64_t all = atomic_load(c->all);

        while (all < c->options->max_concurrent)
                if (atomic_compare_exchange_weak(c->all, &all, all + 1)) {
                        c->running++;
                        return true;
                }
        loop_timer_set(c->timer, TURN_MS);
        return false;
}

void rest_turn_give(struct rest_client *c)
{
        atomic_fetch_sub(c->all, 1);
        c->running--;
}

void rest_turn_take_back(struct rest_client *c)
{
        atomic_fetch_add(c->all, 1);
        c->running++;
}

/* ---- the pump ---- */

/* The first that may go; else the timer is set for it. */
static struct rest_pending *first_due(struct rest_client *c)
{
        int64_t now = clock_monotonic_ms(), soonest = INT64_MAX;

        for (struct rest_pending *p = c->queued.first; p; p = p->next) {
                if (p->due_ms <= now)
                        return p;
                if (p->due_ms < soonest)
                        soonest = p->due_ms;
        }
        if (soonest < INT64_MAX)
                loop_timer_set(c->timer, soonest - now);
        return NULL;
}

void rest_queue_pump(struct rest_client *c)
{
        struct rest_pending *p;
        struct err e;

        while (!c->closing && c->running < c->options->max_concurrent && (p = first_due(c))) {
                p->own = rest_client_is_own(c, rest_pending_url(p));
                if (!has_credentials(c, p)) {
                        if (c->getting)
                                break;
                        continue; /* it has ended */
                }
                if (!rest_turn_take(c))
                        break;
                int rc = take_budget(c, &e);
                if (rc == 0)
                        rc = rest_client_transmit(c, p, &e);
                if (rc != 0)
                        rest_turn_give(c);
                if (rc > 0)
                        break;
                if (rc < 0)
                        rest_queue_end(p, rest_pending_wrap(p, rc, &e), &e);
        }
        if (c->ended.first)
                loop_timer_soon(c->timer);
}

void rest_queue_turn(void *ctx)
{
        struct rest_client *c = ctx;

        report_ended(c);
        rest_queue_pump(c);
}
