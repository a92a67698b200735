/*
 * Requests, and tasks that no run may disturb, wait in one queue, in the order in which they came.
 * When a mapper becomes free its requests go first, but after one of them the schedule does: so a
 * flood of pushes does not hold it back for ever.
 */
#include "ingest/serve/service_internal.h"

#define WAITING_MAX 64 /* each may hold megabytes of records */
#define PATIENCE_MS 60000

static void give_up(struct waiting_request *w, enum err_class class, const char *why)
{
        if (w->is_over)
                return;
        w->is_over = true;
        err_set(&w->why, class, "mapper %s: %s", w->served->name, why);
        service_later(w->service);
}

static void on_timer(void *ctx)
{
        give_up(ctx, ERR_LOCKED, "another run has been under way for a minute: try again later");
}

static int enqueue(struct service *s, const struct waiting_request *what, struct err *e)
{
        if (s->is_stopping)
                return err_set(e, ERR_CANCEL, "the service is stopping");
        if (s->request_count >= WAITING_MAX)
                return err_set(e, ERR_RETRY,
                        "%d requests wait for their runs already: try again "
                        "in a few seconds",
                        WAITING_MAX);
        struct waiting_request *w = calloc(1, sizeof(*w));
        if (!w)
                return err_nomem(e, "a request");
        *w = *what;
        int rc = loop_timer_new(s->loop, on_timer, w, &w->timer, e);
        if (rc) {
                free(w);
                return rc;
        }
        loop_timer_set(w->timer, PATIENCE_MS);
        w->served->users++;
        *s->requests_end = w;
        s->requests_end = &w->next;
        s->request_count++;
        service_later(s);
        return 0;
}

int service_request_run(struct service *s, const struct service_request *request, struct err *e)
{
        const struct waiting_request what = {
                .service = s, .served = s->served[request->mapper], .request = *request};
        struct scheduler_view view;

        scheduler_look(s->scheduler, request->mapper, wall_ms(), &view);
        if (!s->is_stopping && view.paused && !request->although_paused)
                return err_set(e, ERR_LOCKED, "mapper %s is paused", what.served->name);
        return enqueue(s, &what, e);
}

int service_task_hold(
        struct service *s, size_t mapper, const struct service_task *task, struct err *e)
{
        const struct waiting_request what = {.service = s,
                .served = s->served[mapper],
                .request = {.although_paused = true},
                .task = *task};

        return enqueue(s, &what, e);
}

static void unlink_request(struct service *s, struct waiting_request **at)
{
        struct waiting_request *w = *at;

        *at = w->next;
        if (s->requests_end == &w->next)
                s->requests_end = at;
        s->request_count--;
}

static void tell_failure(const struct waiting_request *w)
{
        static const enum run_outcome outcomes[ERR_CLASSES] = {[ERR_NONE] = RUN_FAILED,
                [ERR_RETRY] = RUN_UNAVAILABLE,
                [ERR_REJECT] = RUN_FAILED,
                [ERR_CONFIG] = RUN_FAILED,
                [ERR_CANCEL] = RUN_INTERRUPTED,
                [ERR_NOMEM] = RUN_FAILED,
                [ERR_BUG] = RUN_FAILED,
                [ERR_SYSTEM] = RUN_FAILED,
                [ERR_GUARD] = RUN_REFUSED,
                [ERR_LOCKED] = RUN_LOCKED,
                [ERR_USAGE] = RUN_FAILED};
        struct run_report report = {.outcome = outcomes[w->why.class], .err = w->why};

        if (w->task.work) {
                w->task.on_done(w->task.ctx, -(int)w->why.class, &w->why);
                return;
        }
        w->request.on_done(w->request.ctx, &report);
}

static int start_run(struct service *s, struct waiting_request *w)
{
        struct scheduler_start how = {.mapper = w->served->index, .trigger = TRIGGER_MANUAL};
        struct service_request *request = malloc(sizeof(*request));

        if (!request)
                return err_nomem(&w->why, "a request");
        *request = w->request;
        int rc = run_start(s, &how, request, &w->why);
        if (rc)
                free(request);
        return rc;
}

enum attempt { HAS_BEGUN, MUST_WAIT, HAS_FAILED };

static enum attempt start(struct service *s, struct waiting_request *w)
{
        if (w->is_over)
                return HAS_FAILED;
        if (w->served->running || s->request_runs >= REQUEST_RUNS_MAX ||
                !scheduler_hold(s->scheduler, w->served->index))
                return MUST_WAIT;
        int rc = w->task.work ? task_start(s, &w->task, w->served, &w->why) : start_run(s, w);
        if (!rc)
                return HAS_BEGUN;
        scheduler_ended(s->scheduler, w->served->index, RUN_OUTCOMES, wall_ms());
        return HAS_FAILED;
}

void requests_pump(struct service *s)
{
        struct waiting_request **at = &s->requests;

        while (*at) {
                struct waiting_request *w = *at;
                enum attempt how = start(s, w);
                if (how == MUST_WAIT) {
                        at = &w->next;
                        continue;
                }
                unlink_request(s, at);
                if (how == HAS_FAILED)
                        tell_failure(w);
                loop_timer_free(w->timer);
                served_leave(s, w->served);
                free(w);
        }
}

void requests_stop(struct service *s)
{
        for (struct waiting_request *w = s->requests; w; w = w->next)
                give_up(w, ERR_CANCEL, "the service is stopping");
}

void requests_reload(struct service *s)
{
        for (struct waiting_request *w = s->requests; w; w = w->next)
                if (w->served->is_gone)
                        give_up(w, ERR_CONFIG, "it is not configured any more");
}

void requests_pause(struct service *s, const struct served *m)
{
        for (struct waiting_request *w = s->requests; w; w = w->next)
                if (w->served == m && !w->request.although_paused)
                        give_up(w, ERR_LOCKED, "it was paused meanwhile");
}
