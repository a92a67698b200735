/*
 * What happens inside somebody's call (a request of the API, a run that came back) only changes
 * what is known; what follows from it is done by one function, on_later(), in a turn of its own.
 * So no caller finds a run that began or a configuration that went in the middle of its own work.
 */
#include "ingest/serve/service_internal.h"

#include <malloc.h>
#include <stdio.h>

#include "ingest/base/clock.h"
#include "ingest/serve/listen.h"

#define TRIM_EVERY_MS 10000

int64_t wall_ms(void)
{
        return clock_wall_us() / 1000;
}

void replace_text(char **at, const char *text)
{
        free(*at);
        *at = text ? str_dup(str_of(text)) : NULL;
}

/* ---- configurations ---- */

static struct shared_config *shared_config_new(struct config *config)
{
        struct shared_config *c = calloc(1, sizeof(*c));

        if (c)
                *c = (struct shared_config){.config = config, .users = 1};
        return c;
}

struct shared_config *shared_config_use(struct shared_config *c)
{
        c->users++;
        return c;
}

void shared_config_leave(struct shared_config *c)
{
        if (!c || --c->users > 0)
                return;
        config_free(c->config);
        free(c);
}

void configured(struct service *s)
{
        s->current->config->couch.meter = &s->couch_meter;
        s->loaded_us = clock_wall_us();
}

/* ---- mappers ---- */

struct served *served_new(const char *name)
{
        struct served *m = calloc(1, sizeof(*m));

        if (!m)
                return NULL;
        m->name = str_dup(str_of(name));
        return m->name ? m : served_free(m);
}

struct served *served_free(struct served *m)
{
        if (!m)
                return NULL;
        cJSON_Delete(m->last);
        free(m->trouble);
        free(m->name);
        free(m);
        return NULL;
}

void served_leave(struct service *s, struct served *m)
{
        if (--m->users > 0 || !m->is_gone)
                return;
        for (size_t i = 0; i < s->gone_count; i++)
                if (s->gone[i] == m)
                        s->gone[i] = s->gone[--s->gone_count];
        served_free(m);
}

static int make_served(struct service *s, struct err *e)
{
        const struct config *config = current_config(s);
        cleanup_(freep) struct scheduler_past *past =
                calloc(config->mapper_count + 1, sizeof(*past));

        s->served = calloc(config->mapper_count + 1, sizeof(struct served *));
        if (!past || !s->served)
                return err_nomem(e, "mappers");
        for (; s->served_count < config->mapper_count; s->served_count++) {
                size_t i = s->served_count;
                s->served[i] = served_new(config->mappers[i].spec->name);
                if (!s->served[i])
                        return err_nomem(e, "mappers");
                s->served[i]->index = i;
                s->served[i]->ask_control = true;
                state_warn_former(config, &config->mappers[i], s->log);
                struct status here;
                facts_read(config, &config->mappers[i], s->log, &past[i], &here);
                facts_take_here(s->served[i], &here);
        }
        return scheduler_new(config, past, wall_ms(),
                (uint64_t)clock_wall_us() ^ (uint64_t)getpid(), &s->scheduler, e);
}

/* ---- the turn of everything that follows ---- */

/* No thread is at work; some may listen. */
static bool is_at_rest(const struct service *s)
{
        return !s->running && tasks_at_rest(s) && !s->facts && !s->questions && !s->reload;
}

static void finish_stop(struct service *s)
{
        if (s->is_stopped || !is_at_rest(s) || s->is_listening)
                return;
        s->is_stopped = true;
        log_info(s->log, "stopped");
        s->on_stopped(s->on_stopped_ctx);
}

/* The allocator keeps what a run once needed: a service that sleeps until the next should not. */
static void trim(struct service *s)
{
        int64_t now = clock_monotonic_ms();

        if (!s->trim_wanted || !is_at_rest(s) || now - s->trimmed_ms < TRIM_EVERY_MS)
                return;
        s->trim_wanted = false;
        s->trimmed_ms = now;
        malloc_trim(0);
}

static void on_later(void *ctx)
{
        struct service *s = ctx;

        if (s->schedule_first && !s->is_stopping)
                runs_pump(s);
        s->schedule_first = false;
        requests_pump(s);
        if (s->is_stopping) {
                tasks_end_waiting(s);
                finish_stop(s);
                return;
        }
        reload_pump(s);
        listen_pump(s);
        facts_pump(s); /* before runs: what is read must not run */
        runs_pump(s);
        control_pump(s);
        trim(s);
}

void service_later(struct service *s)
{
        loop_timer_soon(s->later);
}

static void on_tick(void *ctx)
{
        watch_changed(ctx); /* not everything that matters has an event */
        on_later(ctx);
}

/* ---- made ---- */

static int make_timers(struct service *s, struct err *e)
{
        int rc = loop_timer_new(s->loop, on_tick, s, &s->tick, e);

        rc = rc ? rc : loop_timer_new(s->loop, on_later, s, &s->later, e);
        return rc ? rc : loop_timer_new(s->loop, control_on_timer, s, &s->control_timer, e);
}

static void warn_without_schedules(const struct service *s)
{
        const struct config *config = current_config(s);

        for (size_t i = 0; i < config->mapper_count; i++) {
                const struct mapper_spec *spec = config->mappers[i].spec;
                if (spec->schedule.is_set || spec->schedule.notify || spec->full.is_set ||
                        spec->after.count)
                        return;
        }
        log_warn(s->log, "no mapper has a schedule: runs start only when somebody asks for them; "
                         "write schedule: {every: 1m} or schedule: \"*/5 * * * *\" in a mapper");
}

int service_new(struct loop *l, const struct service_options *options, const struct log *log,
        struct service **out, struct err *e)
{
        cleanup_(service_freep) struct service *s = calloc(1, sizeof(*s));

        if (!s)
                return err_nomem(e, "the service");
        s->loop = l;
        s->log = log;
        s->options = *options;
        s->requests_end = &s->requests;
        tasks_init(s);
        s->config_path = str_dup(str_of(options->config_path));
        s->current = shared_config_new(NULL);
        if (!s->current || !s->config_path)
                return err_nomem(e, "the service");
        s->current->config = options->config;
        configured(s);
        int rc = make_served(s, e);
        rc = rc ? rc : make_timers(s, e);
        rc = rc ? rc : listen_new(s, e);
        if (rc) {
                options->config->couch.meter = NULL;
                s->current->config = NULL; /* it stays the caller's */
                return rc;
        }
        warn_without_schedules(s);
        s->facts_ms = clock_monotonic_ms();
        service_later(s);
        *out = TAKE(s);
        return 0;
}

struct service *service_free(struct service *s)
{
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->served_count; i++)
                served_free(s->served[i]);
        for (size_t i = 0; i < s->gone_count; i++)
                served_free(s->gone[i]);
        free(s->served);
        free(s->gone);
        listeners_free(s->listeners);
        scheduler_free(s->scheduler);
        ended_free(s);
        watch_free(s);
        loop_timer_free(s->tick);
        loop_timer_free(s->later);
        loop_timer_free(s->control_timer);
        loop_timer_free(s->stop_timer);
        free(s->config_path);
        free(s->couch_trouble);
        free(s->reload_trouble);
        shared_config_leave(s->current);
        free(s);
        return NULL;
}

/* ---- stopped ---- */

static void interrupt_all(void *ctx)
{
        struct service *s = ctx;

        runs_interrupt(s);
        tasks_interrupt(s, false);
}

static void begin_stop(struct service *s)
{
        int64_t patience = current_config(s)->serve.stop_timeout_ms;

        s->is_stopping = true;
        loop_timer_stop(s->tick);
        loop_timer_stop(s->control_timer);
        facts_stop(s);
        control_stop(s);
        listen_stop(s);
        reload_stop(s);
        requests_stop(s);
        tasks_interrupt(s, true);
        if (s->running_count)
                log_info(s->log, "stopping: %u run%s may go on for %g s", s->running_count,
                        s->running_count == 1 ? "" : "s", (double)patience / 1000);
        if (loop_timer_new(s->loop, interrupt_all, s, &s->stop_timer, NULL) == 0)
                loop_timer_set(s->stop_timer, patience);
        else
                interrupt_all(s);
}

void service_stop(struct service *s, loop_fn on_stopped, void *ctx)
{
        s->on_stopped = on_stopped;
        s->on_stopped_ctx = ctx;
        if (s->is_stopping) {
                if (s->stop_timer) /* it would interrupt what is being flushed */
                        loop_timer_stop(s->stop_timer);
                interrupt_all(s);
        } else {
                begin_stop(s);
        }
        watch_changed(s);
        service_later(s);
}

/* ---- its condition ---- */

static bool is_bad(const struct served *m)
{
        return m->is_unavailable || m->bad_runs >= BAD_RUNS;
}

static void mapper_reason(const struct service *s, struct service_health *out)
{
        const struct served *first = NULL;
        unsigned others = 0;
        char more[40] = "";

        for (size_t i = 0; i < s->served_count; i++) {
                if (!is_bad(s->served[i]))
                        continue;
                if (first)
                        others++;
                else
                        first = s->served[i];
        }
        if (!first)
                return;
        out->condition = SERVICE_DEGRADED;
        if (others)
                snprintf(more, sizeof(more), "%u more mapper%s failed; ", others,
                        others == 1 ? "" : "s");
        snprintf(out->reason, sizeof(out->reason), "mapper %s: %s%s", first->name, more,
                first->trouble ? first->trouble : "its last runs failed");
}

const char *service_condition_name(enum service_condition condition)
{
        static const char *const names[SERVICE_CONDITIONS] = {[SERVICE_STARTING] = "starting",
                [SERVICE_READY] = "ready",
                [SERVICE_DEGRADED] = "degraded",
                [SERVICE_STOPPING] = "stopping"};

        return names[condition];
}

/* Where schedules do the work all the same, it is a remark: nothing stands still. */
static void listener_reason(const struct service *s, struct service_health *out)
{
        bool alone;

        if (out->condition == SERVICE_READY &&
                listen_trouble(s, out->reason, sizeof(out->reason), &alone) && alone)
                out->condition = SERVICE_DEGRADED;
}

void service_health(const struct service *s, struct service_health *out)
{
        *out = (struct service_health){.condition = SERVICE_READY};
        if (s->is_stopping) {
                out->condition = SERVICE_STOPPING;
        } else if (!s->control_known) {
                out->condition = SERVICE_STARTING;
        } else if (s->reload_trouble || s->couch_trouble) {
                out->condition = SERVICE_DEGRADED;
                snprintf(out->reason, sizeof(out->reason), "%s",
                        s->couch_trouble ? s->couch_trouble : s->reload_trouble);
        } else {
                mapper_reason(s, out);
                listener_reason(s, out);
        }
}

const struct config *service_config(const struct service *s)
{
        return current_config(s);
}

int64_t service_started_us(const struct service *s)
{
        return s->options.started_us;
}

/* ---- mappers, as others see them ---- */

size_t service_mapper_count(const struct service *s)
{
        return s->served_count;
}

void service_mapper_at(const struct service *s, size_t index, struct service_mapper *out)
{
        const struct config_mapper *mapper = &current_config(s)->mappers[index];
        const struct served *m = s->served[index];

        *out = (struct service_mapper){.name = m->name,
                .source = mapper->source->name,
                .run = m->running ? &m->running->view : NULL,
                .last = m->last,
                .success_us = m->success_us,
                .rejects = m->rejects,
                .records = m->records,
                .rejects_known = m->rejects_known && !s->couch_trouble,
                .state_bytes = m->state_bytes,
                .state = state_condition_name(m->state),
                .totals = m->totals};
        if (m->running)
                run_refresh(m->running);
        scheduler_look(s->scheduler, index, wall_ms(), &out->schedule);
}

bool service_mapper_find(const struct service *s, struct str name, size_t *index)
{
        for (size_t i = 0; i < s->served_count; i++) {
                if (!str_is(name, s->served[i]->name))
                        continue;
                *index = i;
                return true;
        }
        return false;
}

void service_look_again(struct service *s, size_t mapper)
{
        s->served[mapper]->ask_control = true;
        service_later(s);
}

int service_start_run(
        struct service *s, size_t mapper, bool full, bool allow_deletes, struct err *e)
{
        const struct served *m = s->served[mapper];

        if (s->is_stopping)
                return err_set(e, ERR_CANCEL, "the service is stopping");
        if (m->running && !m->running->request)
                return SERVICE_BUSY;
        scheduler_wake(s->scheduler, mapper, TRIGGER_MANUAL, full, allow_deletes, wall_ms());
        watch_changed(s);
        service_later(s);
        return 0;
}

int service_pause(struct service *s, size_t mapper, bool paused, struct err *e)
{
        struct scheduler_view view;

        scheduler_look(s->scheduler, mapper, wall_ms(), &view);
        if (view.paused == paused)
                return 0;
        int rc = pause_write(current_config(s), s->served[mapper]->name, paused, e);
        if (rc)
                return rc;
        scheduler_pause(s->scheduler, mapper, paused);
        if (paused)
                requests_pause(s, s->served[mapper]);
        log_info(s->log, "mapper %s: %s", s->served[mapper]->name, paused ? "paused" : "resumed");
        watch_changed(s);
        service_later(s);
        return 0;
}
