/*
 * work.h: something that takes time, on a thread and a loop of its own, for a loop that must not
 * wait.
 *
 * The thread lives as long as its work. It comes back by a call on the loop that it was started
 * from; until then only work_interrupt() may touch it.
 */
#pragma once

#include <pthread.h>

#include "ingest/loop/loop.h"

struct work {
        void (*run)(struct work *w, struct loop *loop); /* on the thread */
        void (*ended)(struct work *w);                  /* at home; the thread is gone */

        /* Of work.c. */
        struct loop *home, *loop;
        pthread_t thread;
};

/** work_start() - @w stays where it is until @w->ended was called
 * The thread may have ended before this returns: what it writes is not written here any more.
 * @home: whose thread this is      Return: 0; -ERR_SYSTEM no thread, no descriptor; -ERR_NOMEM. */
int work_start(struct work *w, struct loop *home, struct err *e)
        __attribute__((warn_unused_result));

/** work_interrupt() - cancels its loop, once more with each call */
void work_interrupt(struct work *w);

/** work_post() - loop_post() from a thread for what must arrive: waits where there is no memory */
void work_post(struct loop *home, loop_fn fn, void *ctx);
