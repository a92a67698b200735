/*
 * loop.h: one libevent loop, owned by the thread that runs it.
 *
 * A run of a mapper is straight-line code on a thread of its own with a loop of its own: it
 * starts something and calls loop_run_until() until a flag is set. Callbacks only set flags and
 * step state machines; they never call loop_run_until() (loops do not nest; it returns
 * -ERR_BUG). Everything but loop_cancel() and loop_post() belongs to the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"

struct event_base;
struct loop;
struct loop_timer;
struct loop_fd;

typedef void (*loop_fn)(void *ctx);
typedef void (*loop_fd_fn)(void *ctx, bool readable, bool writable);

int loop_new(struct loop **out, struct err *e) __attribute__((warn_unused_result));
struct loop *loop_free(struct loop *l);
DEFINE_CLEANUP(struct loop *, loop_free);

/** loop_run_until() - runs events until *@done, or the loop was cancelled
 * @done: set by a callback of this loop; checked after each turn
 * Return: 0 (*@done is set); -ERR_CANCEL cancelled first; -ERR_BUG nested call. */
int loop_run_until(struct loop *l, const bool *done, struct err *e)
        __attribute__((warn_unused_result));

/** loop_run_until_done() - the same, but cancellation does not end it: for clean-up that must
 * finish (flushing what is in flight). A second loop_cancel() still does. */
int loop_run_until_done(struct loop *l, const bool *done, struct err *e)
        __attribute__((warn_unused_result));

/** loop_cancel() - makes the current and later loop_run_until() return; any thread
 * The second call also ends loop_run_until_done(). */
void loop_cancel(struct loop *l);

/** loop_cancelled() - how often loop_cancel() was called */
int loop_cancelled(const struct loop *l);

/** loop_post() - calls @fn(@ctx) on the loop's thread, in a later turn; any thread
 * Calls come in the order in which they were posted. What was not called when the loop is freed is
 * forgotten: its owner frees @ctx. Return: 0; -ERR_NOMEM. */
int loop_post(struct loop *l, loop_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

/** loop_sleep() - runs events for @ms (or until cancelled) */
int loop_sleep(struct loop *l, int64_t ms, struct err *e) __attribute__((warn_unused_result));

/** loop_now_ms() - monotonic time, read once per turn */
int64_t loop_now_ms(const struct loop *l);

/** loop_timer_new() - a timer that calls @fn(@ctx); not armed yet */
int loop_timer_new(struct loop *l, loop_fn fn, void *ctx, struct loop_timer **out, struct err *e)
        __attribute__((warn_unused_result));
void loop_timer_set(struct loop_timer *t, int64_t delay_ms); /* (re-)arms, once */
void loop_timer_stop(struct loop_timer *t);
struct loop_timer *loop_timer_free(struct loop_timer *t);
DEFINE_CLEANUP(struct loop_timer *, loop_timer_free);

/** loop_timer_soon() - fires in the next turn: to leave a callback of somebody else first */
void loop_timer_soon(struct loop_timer *t);

/** loop_fd_new() - watches @fd (borrowed); nothing is watched until loop_fd_set() */
int loop_fd_new(struct loop *l, int fd, loop_fd_fn fn, void *ctx, struct loop_fd **out,
        struct err *e) __attribute__((warn_unused_result));
void loop_fd_set(struct loop_fd *f, bool readable, bool writable); /* persistent */
struct loop_fd *loop_fd_free(struct loop_fd *f);
DEFINE_CLEANUP(struct loop_fd *, loop_fd_free);

/** loop_base() - for the HTTP client and the HTTP server only */
struct event_base *loop_base(struct loop *l);
