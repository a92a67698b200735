/*
 * What is in the control database: how many rejects there are, and what runs elsewhere left. One
 * thread at a time asks, for all mappers that want it: those whose run may have changed it. So it
 * is also seen whether CouchDB answers; where it does not, it is asked again until it does.
 */
#include "ingest/serve/service_internal.h"

#define RETRY_FIRST_MS 5000 /* while CouchDB does not answer; doubled up to RETRY_MOST_MS */
#define RETRY_MOST_MS  60000

struct question {
        struct served *served;
        const struct config_mapper *mapper;
        struct status status;
};

struct questions {
        struct work work;
        struct service *service;
        struct shared_config *config;
        int rc;
        struct err err;
        size_t count;
        struct question list[];
};

/* ---- on the thread ---- */

static void ask_thread(struct work *w, struct loop *loop)
{
        struct questions *q = (struct questions *)w;
        struct control control;

        q->rc = control_open(q->config->config, loop, q->service->log, &control, &q->err);
        for (size_t i = 0; i < q->count && !q->rc; i++)
                q->rc = status_add_control(
                        &control, q->list[i].mapper, &q->list[i].status, &q->err);
        control_close(&control);
}

/* ---- back ---- */

static void ask_later(struct service *s)
{
        int64_t wait = RETRY_FIRST_MS;

        for (unsigned i = 0; i < s->control_failures && wait < RETRY_MOST_MS; i++)
                wait *= 2;
        s->control_failures++;
        s->control_waits = true;
        loop_timer_set(s->control_timer, wait < RETRY_MOST_MS ? wait : RETRY_MOST_MS);
}

static void note_couch(struct service *s, const struct questions *q)
{
        if (q->rc) {
                if (!s->couch_trouble)
                        log_warn(s->log, "%s", q->err.text);
                replace_text(&s->couch_trouble, q->err.text);
                ask_later(s);
                return;
        }
        if (s->couch_trouble)
                log_info(s->log, "CouchDB answers again");
        s->control_failures = 0;
        replace_text(&s->couch_trouble, NULL);
}

static void release(struct service *s, struct questions *q)
{
        for (size_t i = 0; i < q->count; i++) {
                status_deinit(&q->list[i].status);
                served_leave(s, q->list[i].served);
        }
        shared_config_leave(q->config);
        free(q);
}

static void ask_ended(struct work *w)
{
        struct questions *q = (struct questions *)w;
        struct service *s = q->service;

        s->questions = NULL;
        if (!s->is_stopping) {
                for (size_t i = 0; i < q->count; i++) {
                        if (q->list[i].status.asked)
                                facts_take_control(q->list[i].served, &q->list[i].status);
                        else
                                facts_lose_control(q->list[i].served);
                }
                note_couch(s, q);
        }
        s->control_known = true;
        release(s, q);

        watch_changed(s);
        service_later(s);
}

/* ---- asked ---- */

void control_on_timer(void *ctx)
{
        struct service *s = ctx;

        s->control_waits = false;
        service_later(s);
}

void control_pump(struct service *s)
{
        struct err e;
        size_t count = 0;

        for (size_t i = 0; i < s->served_count; i++)
                count += s->served[i]->ask_control;
        if (s->questions || s->control_waits || (!count && s->control_known))
                return;
        struct questions *q = calloc(1, sizeof(*q) + count * sizeof(q->list[0]));
        if (!q)
                return; /* with the next look */
        *q = (struct questions){.work = {.run = ask_thread, .ended = ask_ended},
                .service = s,
                .config = shared_config_use(s->current)};
        for (size_t i = 0; i < s->served_count; i++) {
                struct served *m = s->served[i];
                if (!m->ask_control)
                        continue;
                m->ask_control = false;
                m->users++;
                q->list[q->count++] =
                        (struct question){.served = m, .mapper = &current_config(s)->mappers[i]};
        }
        s->questions = q;
        if (work_start(&q->work, s->loop, &e) == 0)
                return;
        log_warn(s->log, "asking the control database: %s", e.text);
        s->questions = NULL;
        for (size_t i = 0; i < q->count; i++)
                q->list[i].served->ask_control = true;
        ask_later(s);
        release(s, q);
}

void control_stop(struct service *s)
{
        if (s->questions)
                work_interrupt(&s->questions->work);
}
