/*
 * The thread's loop is made before the thread and freed after it, both at home: so it may be
 * cancelled at any time without a lock. What a thread wrote is seen at home by the join.
 */
#include "ingest/serve/work.h"

#include <time.h>

#define POST_AGAIN_MS 100 /* no memory for a message that must arrive: it is tried again */

void work_post(struct loop *home, loop_fn fn, void *ctx)
{
        const struct timespec pause = {.tv_nsec = POST_AGAIN_MS * 1000000L};

        while (loop_post(home, fn, ctx, NULL) != 0)
                nanosleep(&pause, NULL);
}

static void come_back(void *ctx)
{
        struct work *w = ctx;

        pthread_join(w->thread, NULL);
        w->loop = loop_free(w->loop);
        w->ended(w);
}

static void *run_thread(void *arg)
{
        struct work *w = arg;

        w->run(w, w->loop);
        work_post(w->home, come_back, w);
        return NULL;
}

int work_start(struct work *w, struct loop *home, struct err *e)
{
        w->home = home;
        int rc = loop_new(&w->loop, e);
        if (rc)
                return rc;
        int errnum = pthread_create(&w->thread, NULL, run_thread, w);
        if (errnum == 0)
                return 0;
        w->loop = loop_free(w->loop);
        return err_set_errno(e, ERR_SYSTEM, errnum, "starting a thread");
}

void work_interrupt(struct work *w)
{
        if (w->loop)
                loop_cancel(w->loop);
}
