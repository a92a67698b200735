/*
 * What is on this machine: the state, and the file that the last run left. A run's own thread reads
 * it at its end. Here it is read for mappers that do not run: after a reload, and now and then,
 * because commands in other processes change it. A state cannot be open twice in a process: so
 * those that are read are held, and no run of theirs begins meanwhile.
 */
#include "ingest/serve/service_internal.h"

#include <string.h>

#include "ingest/base/clock.h"
#include "ingest/serve/past.h"

#define REFRESH_MS 600000

struct fact {
        struct served *served;
        const struct config_mapper *mapper;
        struct status status;
};

struct facts {
        struct work work;
        struct service *service;
        struct shared_config *config;
        size_t count;
        struct fact list[];
};

static const char *text_of(const cJSON *object, const char *name)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

        return text ? text : "";
}

void facts_read(const struct config *config, const struct config_mapper *mapper,
        const struct log *log, struct scheduler_past *past, struct status *status)
{
        status_read_here(config, mapper, log, status);
        *past = past_of(status);
        past->paused = pause_read(config, mapper->spec->name);
}

static void take_last(struct served *m, struct status *status)
{
        int64_t us = 0;

        if (status->last &&
                strcmp(text_of(status->last, "started"), text_of(m->last, "started")) >= 0) {
                cJSON_Delete(m->last);
                m->last = TAKE(status->last);
        }
        clock_rfc3339_parse(status->success, &us);
        if (us > m->success_us)
                m->success_us = us;
}

void facts_take_here(struct served *m, struct status *status)
{
        take_last(m, status);
        m->records = status->records;
        m->state_bytes = status->state_bytes;
        m->state = status->state;
        m->busy = status->busy;
        status_deinit(status);
}

void facts_take_control(struct served *m, struct status *status)
{
        take_last(m, status);
        m->rejects = status->rejects;
        m->rejects_known = true;
        status_deinit(status);
}

/* Also when a run proves that CouchDB is back, the count is that of before. */
void facts_lose_control(struct served *m)
{
        m->rejects_known = false;
        m->ask_control = true;
}

/* ---- on the thread ---- */

static void facts_thread(struct work *w, struct loop *loop)
{
        struct facts *f = (struct facts *)w;

        for (size_t i = 0; i < f->count && !loop_cancelled(loop); i++) {
                struct fact *fact = &f->list[i];
                status_read_here(f->config->config, fact->mapper, f->service->log, &fact->status);
        }
}

/* ---- back ---- */

static void release(struct service *s, struct facts *f)
{
        for (size_t i = 0; i < f->count; i++) {
                struct served *m = f->list[i].served;
                m->is_read = false;
                if (!m->is_gone)
                        scheduler_ended(s->scheduler, m->index, RUN_OUTCOMES, wall_ms());
                served_leave(s, m);
        }
        shared_config_leave(f->config);
        free(f);
}

static void facts_ended(struct work *w)
{
        struct facts *f = (struct facts *)w;
        struct service *s = f->service;

        s->facts = NULL;
        for (size_t i = 0; i < f->count; i++)
                facts_take_here(f->list[i].served, &f->list[i].status);
        release(s, f);
        watch_changed(s);
        service_later(s);
}

/* ---- asked ---- */

void facts_want_all(struct service *s)
{
        s->facts_ms = clock_monotonic_ms();
        for (size_t i = 0; i < s->served_count; i++)
                s->served[i]->is_stale = s->served[i]->ask_control = true;
}

static void hold(struct service *s, struct facts *f)
{
        for (size_t i = 0; i < s->served_count; i++) {
                struct served *m = s->served[i];
                /* A run that is under way reads them at its end. */
                if (m->is_stale && !m->running && scheduler_hold(s->scheduler, i)) {
                        m->users++;
                        m->is_read = true;
                        f->list[f->count++] = (struct fact){
                                .served = m, .mapper = &current_config(s)->mappers[i]};
                }
                m->is_stale = false;
        }
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
        if (!count)
                return;
        struct facts *f = calloc(1, sizeof(*f) + count * sizeof(f->list[0]));
        if (!f)
                return; /* with the next look */
        *f = (struct facts){.work = {.run = facts_thread, .ended = facts_ended},
                .service = s,
                .config = shared_config_use(s->current)};
        hold(s, f);
        s->facts = f;
        if (work_start(&f->work, s->loop, &e) == 0)
                return;
        log_warn(s->log, "reading what runs left: %s", e.text);
        s->facts = NULL;
        release(s, f);
}

void facts_stop(struct service *s)
{
        if (s->facts)
                work_interrupt(&s->facts->work);
}
