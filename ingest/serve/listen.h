/*
 * listen.h: mappers that are woken by their source (`schedule.notify`).
 *
 * For each source that a mapper has a channel of there is one thread with a loop and a connection
 * that only listens. It connects again when it was lost, after 1 s doubled up to a minute,
 * jittered, and wakes all its mappers then: some notification may have been missed. A notification
 * only wakes; what changed the cursor finds, and what it carries is never looked at. Of a storm one
 * in 100 ms is passed on.
 *
 * Everything but the threads belongs to the service's thread and its loop, which all callbacks come
 * from.
 */
#pragma once

#include "ingest/loop/loop.h"
#include "ingest/pipeline/config.h"

struct listeners;

struct listeners_options {
        struct loop *loop;
        const struct log *log;

        /* @mapper is to run. Never from inside a call of this module. */
        void (*on_notify)(void *ctx, const char *mapper);

        /* Optional: listeners_health() of some source says something else. Likewise. */
        void (*on_health)(void *ctx);
        void *ctx;
};

int listeners_new(const struct listeners_options *options, struct listeners **out, struct err *e)
        __attribute__((warn_unused_result));

/** listeners_set() - listens for the mappers of @config from now on, and for no others
 * Every source is connected to anew, so that its mappers are woken once.
 * @release: called when nobody uses @config any more: after the next listeners_set(), or the end;
 * where this fails, at once. Return: 0; -ERR_NOMEM, -ERR_SYSTEM no thread: nobody listens. */
int listeners_set(struct listeners *ls, const struct config *config, loop_fn release, void *ctx,
        struct err *e) __attribute__((warn_unused_result));

/** listeners_stop() - all connections are closed, @on_stopped (may be NULL) is called, once */
void listeners_stop(struct listeners *ls, loop_fn on_stopped, void *ctx);

/** listeners_free() - after on_stopped, or once the loop does not run any more: waits for threads
 */
struct listeners *listeners_free(struct listeners *ls);
DEFINE_CLEANUP(struct listeners *, listeners_free);

/** listeners_health() - why @source is not listened to
 * @why: "" where it is; "connecting" before the first try has ended
 * Return: false: no mapper listens to it. */
bool listeners_health(struct listeners *ls, const char *source, char *why, size_t size);
