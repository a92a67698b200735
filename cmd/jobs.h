/*
 * jobs.h: pieces of work side by side, each on a thread and a loop of its own.
 *
 * The calling thread keeps the signals: SIGINT and SIGTERM cancel the loops of what is running
 * (what has not begun is skipped), a second one cancels again, and then the clean-up stops too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ingest/base/err.h"
#include "ingest/loop/loop.h"

struct job {
        void (*run)(void *ctx, struct loop *loop);
        void *ctx;
        bool started; /* set by jobs_run() */
};

/** jobs_run() - runs @jobs, @parallel at a time, in order
 * @tick: called now and then on the calling thread; may be NULL
 * @signal_number: the first signal that came, 0 for none
 * Return: 0 when all that were started have ended; -ERR_SYSTEM no thread could be started. */
int jobs_run(struct job *jobs, size_t count, size_t parallel, void (*tick)(void *ctx),
        void *tick_ctx, int *signal_number, struct err *e) __attribute__((warn_unused_result));
