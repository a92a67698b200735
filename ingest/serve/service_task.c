/* A few threads at a time; who comes later waits in order. */
#include "ingest/serve/service_internal.h"

#define WAITING_MAX 64 /* a page that is open in many browsers asks for as much */

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

static void start_waiting(struct service *s);

static void unlink_task(struct service *s, struct task *t)
{
        for (struct task **at = &s->tasks; *at; at = &(*at)->next)
                if (*at == t) {
                        *at = t->next;
                        break;
                }
        s->task_count--;
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

        unlink_task(s, t);
        finish(t);
        free_task(t);
        if (!s->is_stopping)
                start_waiting(s);
        service_later(s);
}

static struct task *take_waiting(struct service *s)
{
        struct task *t = s->waiting_tasks;

        if (!t)
                return NULL;
        s->waiting_tasks = t->next;
        if (!s->waiting_tasks)
                s->waiting_tasks_end = &s->waiting_tasks;
        s->waiting_task_count--;
        return t;
}

/* From its start the task's result is the thread's. */
static int start(struct service *s, struct task *t, struct err *e)
{
        int rc = work_start(&t->work, s->loop, e);

        if (rc)
                return rc;
        t->next = s->tasks;
        s->tasks = t;
        s->task_count++;
        return 0;
}

static void start_waiting(struct service *s)
{
        struct err e;

        while (s->waiting_tasks && s->task_count < TASKS_MAX) {
                struct task *t = take_waiting(s);
                int rc = start(s, t, &e);
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
        if (s->is_stopping)
                return err_set(e, ERR_CANCEL, "the service is stopping");
        if (s->task_count >= TASKS_MAX && s->waiting_task_count >= WAITING_MAX)
                return err_set(e, ERR_RETRY, "%s: %d questions wait already: try again later",
                        task->what ? task->what : "a question", WAITING_MAX);
        struct task *t = calloc(1, sizeof(*t));
        if (!t)
                return err_nomem(e, "a question");
        *t = (struct task){.work = {.run = run_thread, .ended = task_ended},
                .service = s,
                .config = shared_config_use(s->current),
                .what = *task};
        if (s->task_count < TASKS_MAX) {
                int rc = start(s, t, e);
                if (rc)
                        free_task(t);
                else
                        hold(t, held);
                return rc;
        }
        hold(t, held);
        *s->waiting_tasks_end = t;
        s->waiting_tasks_end = &t->next;
        s->waiting_task_count++;
        return 0;
}

int service_task_start(struct service *s, const struct service_task *task, struct err *e)
{
        return task_start(s, task, NULL, e);
}

void tasks_end_waiting(struct service *s)
{
        struct task *t;

        while ((t = take_waiting(s))) {
                t->rc = err_set(&t->err, ERR_CANCEL, "the service is stopping");
                finish(t);
                free_task(t);
        }
}

void tasks_interrupt(struct service *s)
{
        for (struct task *t = s->tasks; t; t = t->next)
                work_interrupt(&t->work);
}
