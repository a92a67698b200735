/*
 * A few threads at a time; who comes later waits in order. What anybody may ask for has a lane of
 * its own: however many ask while CouchDB is slow, a push finds its thread.
 */
#include "ingest/serve/service_internal.h"

#include "ingest/base/clock.h"

#define WAITING_MAX    64   /* a page that is open in many browsers asks for as much */
#define PUBLIC_WAIT_MS 3000 /* then those before it ask in vain as a rule, and so would it */

static void run_thread(struct work *w, struct loop *loop)
{
        struct task *t = (struct task *)w;

        t->rc = t->what.work(t->what.ctx, t->config->config, loop, t->service->log, &t->err);
}

static void let_go(struct service *s, struct served *m)
{
        m->is_held = false;
        s->schedule_first = true; /* as after the run of a request */
        if (!m->is_gone)
                scheduler_ended(s->scheduler, m->index, RUN_OUTCOMES, wall_ms());
        served_leave(s, m);
        service_later(s);
}

static void free_task(struct task *t)
{
        if (t->held)
                let_go(t->service, t->held);
        shared_config_leave(t->config);
        free(t);
}

static struct task_lane *lane_of(struct service *s, const struct service_task *what)
{
        return &s->lanes[what->is_public ? LANE_OF_ANYBODY : LANE_OF_TOKEN];
}

static void start_waiting(struct service *s, struct task_lane *lane);

static void unlink_task(struct task_lane *lane, struct task *t)
{
        for (struct task **at = &lane->tasks; *at; at = &(*at)->next)
                if (*at == t) {
                        *at = t->next;
                        break;
                }
        lane->count--;
}

static void finish(struct task *t)
{
        if (t->rc && t->what.what)
                err_wrap(&t->err, t->rc, "%s", t->what.what);
        t->what.on_done(t->what.ctx, t->rc, &t->err);
}

static void task_ended(struct work *w)
{
        struct task *t = (struct task *)w;
        struct service *s = t->service;
        struct task_lane *lane = lane_of(s, &t->what);

        unlink_task(lane, t);
        finish(t);
        free_task(t);
        if (!s->is_stopping)
                start_waiting(s, lane);
        service_later(s);
}

static struct task *take_waiting(struct task_lane *lane)
{
        struct task *t = lane->waiting;

        if (!t)
                return NULL;
        lane->waiting = t->next;
        if (!lane->waiting)
                lane->waiting_end = &lane->waiting;
        lane->waiting_count--;
        return t;
}

/* From its start the task's result is the thread's. */
static int start(struct service *s, struct task *t, struct err *e)
{
        struct task_lane *lane = lane_of(s, &t->what);
        int rc = work_start(&t->work, s->loop, e);

        if (rc)
                return rc;
        t->next = lane->tasks;
        lane->tasks = t;
        lane->count++;
        return 0;
}

static int start_late(struct service *s, struct task *t, struct err *e)
{
        if (t->what.is_public && clock_monotonic_ms() - t->asked_ms >= PUBLIC_WAIT_MS)
                return err_set(e, ERR_RETRY, "too many ask at a time: try again later");
        return start(s, t, e);
}

static void start_waiting(struct service *s, struct task_lane *lane)
{
        struct err e;

        while (lane->waiting && lane->count < TASKS_MAX) {
                struct task *t = take_waiting(lane);
                int rc = start_late(s, t, &e);
                if (!rc)
                        continue;
                t->rc = rc;
                t->err = e;
                finish(t);
                free_task(t);
        }
}

static void hold(struct task *t, struct served *m)
{
        if (!m)
                return;
        t->held = m;
        m->users++;
        m->is_held = true;
}

int task_start(
        struct service *s, const struct service_task *task, struct served *held, struct err *e)
{
        struct task_lane *lane = lane_of(s, task);

        if (s->is_stopping)
                return err_set(e, ERR_CANCEL, "the service is stopping");
        if (lane->count >= TASKS_MAX && lane->waiting_count >= WAITING_MAX)
                return err_set(e, ERR_RETRY, "%s: %d questions wait already: try again later",
                        task->what ? task->what : "a question", WAITING_MAX);
        struct task *t = calloc(1, sizeof(*t));
        if (!t)
                return err_nomem(e, "a question");
        *t = (struct task){.work = {.run = run_thread, .ended = task_ended},
                .service = s,
                .config = shared_config_use(s->current),
                .what = *task,
                .asked_ms = clock_monotonic_ms()};
        if (lane->count < TASKS_MAX) {
                int rc = start(s, t, e);
                if (rc)
                        free_task(t);
                else
                        hold(t, held);
                return rc;
        }
        hold(t, held);
        *lane->waiting_end = t;
        lane->waiting_end = &t->next;
        lane->waiting_count++;
        return 0;
}

int service_task_start(struct service *s, const struct service_task *task, struct err *e)
{
        return task_start(s, task, NULL, e);
}

void tasks_init(struct service *s)
{
        for (size_t i = 0; i < TASK_LANES; i++)
                s->lanes[i].waiting_end = &s->lanes[i].waiting;
}

bool tasks_at_rest(const struct service *s)
{
        return !s->lanes[LANE_OF_TOKEN].tasks && !s->lanes[LANE_OF_ANYBODY].tasks;
}

static void end_waiting(struct task_lane *lane)
{
        struct task *t;

        while ((t = take_waiting(lane))) {
                t->rc = err_set(&t->err, ERR_CANCEL, "the service is stopping");
                finish(t);
                free_task(t);
        }
}

void tasks_end_waiting(struct service *s)
{
        for (size_t i = 0; i < TASK_LANES; i++)
                end_waiting(&s->lanes[i]);
}

void tasks_interrupt(struct service *s, bool only_reads)
{
        for (size_t i = 0; i < TASK_LANES; i++)
                for (struct task *t = s->lanes[i].tasks; t; t = t->next)
                        if (!only_reads || t->what.only_reads)
                                work_interrupt(&t->work);
}
