/*
 * One thread at a time reads them, for all mappers that want it. CouchDB is asked where rejects may
 * have come or gone; after most runs the files on this machine say all. Commands in other processes
 * change things too, so everything is read again now and then.
 */
#include "ingest/serve/service_internal.h"

#include <malloc.h>
#include <string.h>

#include "ingest/base/clock.h"
#include "ingest/pipeline/last_run.h"

#define REFRESH_MS     600000
#define RETRY_FIRST_MS 5000 /* while CouchDB does not answer; doubled up to RETRY_MOST_MS */
#define RETRY_MOST_MS  60000

struct fact {
        struct served *served;
        const struct config_mapper *mapper;
        bool ask_couch;
        struct status status;
};

struct facts {
        struct work work;
        struct service *service;
        struct shared_config *config;
        bool first, any_couch;
        int rc; /* of CouchDB */
        struct err err;
        size_t count;
        struct fact list[];
};

static const char *text_of(const cJSON *object, const char *name)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

        return text ? text : "";
}

void facts_past(
        const struct config *config, const struct config_mapper *mapper, struct scheduler_past *out)
{
        struct last_run last;
        int64_t success_us = 0, refused_us = 0;

        /* A run that failed or was killed did not serve its firing: it is due again. */
        last_run_read(config, mapper->spec->name, &last);
        clock_rfc3339_parse(last.success, &success_us);
        if (strcmp(text_of(last.run, "outcome"), run_outcome_name(RUN_REFUSED)) == 0)
                clock_rfc3339_parse(text_of(last.run, "started"), &refused_us);
        last_run_deinit(&last);
        *out = (struct scheduler_past){
                .last_ms = (success_us > refused_us ? success_us : refused_us) / 1000,
                .paused = pause_read(config, mapper->spec->name)};
}

/* ---- on the thread ---- */

static void read_one(struct facts *f, struct fact *fact, struct control *control)
{
        struct err e;

        if (f->first)
                state_warn_former(f->config->config, fact->mapper, f->service->log);
        int rc = status_read(f->config->config, fact->mapper,
                fact->ask_couch && !f->rc ? control : NULL, f->service->log, &fact->status, &e);
        if (!rc || f->rc)
                return;
        f->rc = rc;
        f->err = e;
}

static void facts_thread(struct work *w, struct loop *loop)
{
        struct facts *f = (struct facts *)w;
        struct control control;

        if (f->any_couch)
                f->rc = control_open(f->config->config, loop, f->service->log, &control, &f->err);
        for (size_t i = 0; i < f->count && !loop_cancelled(loop); i++)
                read_one(f, &f->list[i], &control);
        if (f->any_couch)
                control_close(&control);
}

/* ---- back ---- */

static void take(struct service *s, struct fact *fact)
{
        struct served *m = fact->served;
        struct status *status = &fact->status;

        cJSON_Delete(m->last);
        m->last = TAKE(status->last);
        clock_rfc3339_parse(status->success, &m->success_us);
        m->records = status->records;
        m->state_bytes = status->state_bytes;
        m->state = status->state;
        if (status->asked) {
                m->rejects = status->rejects;
                m->rejects_known = true;
        }
        if (fact->ask_couch && !status->asked) /* next time */
                m->ask_couch = true;
}

static void note_couch(struct service *s, const struct facts *f)
{
        if (!f->rc) {
                s->facts_failures = 0;
                replace_text(&s->couch_trouble, NULL);
                return;
        }
        int64_t wait = RETRY_FIRST_MS;
        for (unsigned i = 0; i < s->facts_failures && wait < RETRY_MOST_MS; i++)
                wait *= 2;
        s->facts_failures++;
        if (!s->couch_trouble)
                log_warn(s->log, "%s", f->err.text);
        replace_text(&s->couch_trouble, f->err.text);
        loop_timer_set(s->facts_timer, wait < RETRY_MOST_MS ? wait : RETRY_MOST_MS);
}

static void facts_ended(struct work *w)
{
        struct facts *f = (struct facts *)w;
        struct service *s = f->service;

        s->facts = NULL;
        for (size_t i = 0; i < f->count; i++) {
                if (!s->is_stopping)
                        take(s, &f->list[i]);
                status_deinit(&f->list[i].status);
                served_leave(s, f->list[i].served);
        }
        if (!s->is_stopping && f->any_couch)
                note_couch(s, f);
        if (!s->facts_known)
                log_info(s->log, "%zu mapper%s: ready", s->served_count,
                        s->served_count == 1 ? "" : "s");
        s->facts_known = true;
        shared_config_leave(f->config);
        free(f);
        if (!s->running)
                malloc_trim(0); /* what the runs took is not needed until the next */
        watch_changed(s);
        service_later(s);
}

/* ---- asked ---- */

void facts_want(struct service *s, struct served *m, bool ask_couch)
{
        m->is_stale = true;
        m->ask_couch |= ask_couch;
}

void facts_want_all(struct service *s)
{
        s->facts_ms = clock_monotonic_ms();
        for (size_t i = 0; i < s->served_count; i++)
                facts_want(s, s->served[i], true);
}

static void put_fact(struct facts *f, struct served *m, const struct config_mapper *mapper)
{
        f->list[f->count++] =
                (struct fact){.served = m, .mapper = mapper, .ask_couch = m->ask_couch};
        f->any_couch |= m->ask_couch;
        m->users++;
        m->is_stale = m->ask_couch = false;
}

void facts_pump(struct service *s)
{
        struct err e;
        size_t count = 0;

        if (s->facts)
                return;
        if (clock_monotonic_ms() - s->facts_ms >= REFRESH_MS)
                facts_want_all(s);
        for (size_t i = 0; i < s->served_count; i++)
                count += s->served[i]->is_stale;
        if (!count && s->facts_known)
                return;
        struct facts *f = calloc(1, sizeof(*f) + count * sizeof(f->list[0]));
        if (!f)
                return; /* with the next look */
        *f = (struct facts){.work = {.run = facts_thread, .ended = facts_ended},
                .service = s,
                .first = !s->facts_known,
                .config = shared_config_use(s->current)};
        for (size_t i = 0; i < s->served_count; i++)
                if (s->served[i]->is_stale)
                        put_fact(f, s->served[i], &current_config(s)->mappers[i]);
        s->facts = f;
        if (work_start(&f->work, s->loop, &e) == 0)
                return;
        log_warn(s->log, "reading what runs left: %s", e.text);
        s->facts = NULL;
        for (size_t i = 0; i < f->count; i++) {
                facts_want(s, f->list[i].served, f->list[i].ask_couch);
                served_leave(s, f->list[i].served);
        }
        shared_config_leave(f->config);
        free(f);
}

void facts_stop(struct service *s)
{
        if (s->facts)
                work_interrupt(&s->facts->work);
}
