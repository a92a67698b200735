/*
 * Worker threads take the next job under one mutex. The calling thread waits in sigtimedwait() for
 * SIGINT, SIGTERM, and SIGUSR1, which a worker sends when it ends.
 */
#include "cmd/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define MAX_WORKERS 16
#define TICK_MS     200

struct pool {
        pthread_mutex_t mutex; /* guards everything below */
        pthread_t caller;
        struct job *jobs;
        size_t count, next, working;
        struct loop *loops[MAX_WORKERS]; /* of running jobs, by worker */
        int cancelled;
        struct err failure; /* of a loop that could not be made */
};

struct worker {
        struct pool *pool;
        size_t index;
        pthread_t thread;
};

static struct job *take_job(struct pool *p, size_t worker, struct loop *loop)
{
        struct job *job = NULL;

        pthread_mutex_lock(&p->mutex);
        if (p->next < p->count && !p->cancelled) {
                job = &p->jobs[p->next++];
                job->started = true;
                p->loops[worker] = loop;
        } else {
                p->loops[worker] = NULL;
        }
        pthread_mutex_unlock(&p->mutex);
        return job;
}

static void leave(struct pool *p, size_t worker, const struct err *failure)
{
        pthread_mutex_lock(&p->mutex);
        p->loops[worker] = NULL;
        p->working--;
        if (failure)
                p->failure = *failure;
        pthread_mutex_unlock(&p->mutex);
        pthread_kill(p->caller, SIGUSR1);
}

static void *work(void *arg)
{
        struct worker *w = arg;
        struct pool *p = w->pool;
        struct err e;

        for (;;) {
                cleanup_(loop_freep) struct loop *loop = NULL;
                if (loop_new(&loop, &e)) {
                        leave(p, w->index, &e);
                        return NULL;
                }
                struct job *job = take_job(p, w->index, loop);
                if (!job)
                        break;
                job->run(job->ctx, loop);
                pthread_mutex_lock(&p->mutex);
                p->loops[w->index] = NULL; /* before the loop is freed */
                pthread_mutex_unlock(&p->mutex);
        }
        leave(p, w->index, NULL);
        return NULL;
}

static void cancel_all(struct pool *p)
{
        pthread_mutex_lock(&p->mutex);
        p->cancelled++;
        for (size_t i = 0; i < MAX_WORKERS; i++)
                if (p->loops[i])
                        loop_cancel(p->loops[i]);
        pthread_mutex_unlock(&p->mutex);
}

static bool all_left(struct pool *p)
{
        pthread_mutex_lock(&p->mutex);
        bool done = p->working == 0;
        pthread_mutex_unlock(&p->mutex);
        return done;
}

static void wait_for_workers(struct pool *p, const sigset_t *set, void (*tick)(void *),
        void *tick_ctx, int *signal_number)
{
        const struct timespec period = {.tv_nsec = TICK_MS * 1000000L};

        while (!all_left(p)) {
                int number = sigtimedwait(set, NULL, &period);
                if (number == SIGINT || number == SIGTERM) {
                        if (*signal_number == 0)
                                *signal_number = number;
                        cancel_all(p);
                }
                if (tick)
                        tick(tick_ctx);
        }
}

static int start_workers(struct pool *p, struct worker *workers, size_t wanted, struct err *e)
{
        for (size_t i = 0; i < wanted; i++) {
                workers[i] = (struct worker){.pool = p, .index = i};
                pthread_mutex_lock(&p->mutex);
                p->working++;
                pthread_mutex_unlock(&p->mutex);
                int errnum = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
                if (errnum == 0)
                        continue;
                pthread_mutex_lock(&p->mutex);
                p->working--;
                pthread_mutex_unlock(&p->mutex);
                if (i == 0)
                        return err_set_errno(e, ERR_SYSTEM, errnum, "starting a thread");
                return (int)i;
        }
        return (int)wanted;
}

int jobs_run(struct job *jobs, size_t count, size_t parallel, void (*tick)(void *ctx),
        void *tick_ctx, int *signal_number, struct err *e)
{
        struct pool pool = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                .caller = pthread_self(),
                .jobs = jobs,
                .count = count};
        struct worker workers[MAX_WORKERS];
        sigset_t set, before;

        *signal_number = 0;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &set, &before);
        signal(SIGPIPE, SIG_IGN); /* a closed connection is an error code, not a death */
        if (parallel > MAX_WORKERS)
                parallel = MAX_WORKERS;
        int started = start_workers(&pool, workers, parallel < count ? parallel : count, e);
        if (started > 0) {
                wait_for_workers(&pool, &set, tick, tick_ctx, signal_number);
                for (int i = 0; i < started; i++)
                        pthread_join(workers[i].thread, NULL);
        }
        sigaddset(&before, SIGUSR1); /* one of the last worker's may still be pending */
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (started >= 0 && pool.failure.class != ERR_NONE) {
                *e = pool.failure;
                return -(int)pool.failure.class;
        }
        return started < 0 ? started : 0;
}
