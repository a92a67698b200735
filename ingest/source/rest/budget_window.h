/*
 * budget_window.h: one sliding window of events, in constant memory.
 *
 * The events of the window stand in marks: a count, and the time of the newest of them, at which
 * all of them are taken to have happened. So a window forgets an event late, never early, and what
 * it lets through is never more than its limit in any window. Where the limit is at most
 * BUDGET_MARKS, each event has a mark of its own: exact; else a mark holds what came within 1/64 of
 * the window, which costs at most as much of the rate. Plain data (it is written to a file as it
 * is); times are microseconds and never go back (budget.c sees to it).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_MARKS 64

enum budget_kind { BUDGET_REQUESTS = 1, BUDGET_ERRORS = 2 };

struct budget_mark {
        int64_t last_us, count;
};

struct budget_window {
        int64_t window_us;
        int64_t begin_us; /* the first event of the newest mark */
        uint32_t kind;    /* enum budget_kind; 0: unused */
        uint32_t first, len;
        uint32_t reserved;
        struct budget_mark marks[BUDGET_MARKS]; /* a ring, oldest first */
};

/** budget_window_used() - events in the window that ends at @now_us; forgets older ones */
int64_t budget_window_used(struct budget_window *w, int64_t now_us);

/** budget_window_due() - when one more event may happen, of at most @limit in any window
 * In a window of up to a second events are evenly spaced where that is worth a timer: servers with
 * such limits (leaky buckets) refuse bursts. In others the last tenth of a limit is not let out at
 * once but spread over the time until the oldest events leave the window: after a burst, who comes
 * later waits for a part of the window only.
 * Return: a time; not after @now_us: now. */
int64_t budget_window_due(struct budget_window *w, int64_t limit, int64_t now_us);

/** budget_window_free_at() - when fewer than @limit events are in the window, without spreading */
int64_t budget_window_free_at(struct budget_window *w, int64_t limit, int64_t now_us);

/** budget_window_add() - one event at @now_us; @limit: what decides whether marks are merged */
void budget_window_add(struct budget_window *w, int64_t limit, int64_t now_us);

/** budget_window_shift() - the clock went back by @us: the events keep their age */
void budget_window_shift(struct budget_window *w, int64_t us);

/** budget_window_is_sane() - whether it can have been written by us: for what comes from a file */
bool budget_window_is_sane(const struct budget_window *w);
