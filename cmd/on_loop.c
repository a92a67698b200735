#include "cmd/on_loop.h"

#include "cmd/jobs.h"

struct work {
        on_loop_fn fn;
        void *ctx;
        int rc;
        struct err err;
};

static void run(void *ctx, struct loop *loop)
{
        struct work *w = ctx;

        w->rc = w->fn(w->ctx, loop, &w->err);
}

int on_loop(on_loop_fn fn, void *ctx, int *signal_number, struct err *e)
{
        struct work w = {.fn = fn, .ctx = ctx};
        struct job job = {.run = run, .ctx = &w};
        int rc = jobs_run(&job, 1, 1, NULL, NULL, signal_number, e);

        if (rc)
                return rc;
        if (!job.started)
                return err_set(e, ERR_CANCEL, "interrupted before it began");
        if (w.rc)
                *e = w.err;
        return w.rc;
}
