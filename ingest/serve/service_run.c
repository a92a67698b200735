/*
 * A run is handed to a thread with all that it needs: the configuration as it is now, a log, and
 * counters of its own. What comes back is its report; only then does the scheduler hear of it.
 */
#include "ingest/serve/service_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "ingest/base/clock.h"

/* A clock that was set, or a machine that slept, shows at the latest then. */
#define LOOK_EVERY_MS 60000

/* ---- on its thread ---- */

static void run_thread(struct work *w, struct loop *loop)
{
        struct running *r = (struct running *)w;

        run_mapper(
                r->config->config, r->mapper, &r->options, loop, r->log, &r->progress, &r->report);
        status_read_here(r->config->config, r->mapper, r->log, &r->here);
}

/* ---- what is seen of it ---- */

void run_refresh(struct running *r)
{
        r->view.counts.read = atomic_load(&r->progress.read);
        r->view.counts.rejected = atomic_load(&r->progress.rejected);
        r->view.written = atomic_load(&r->progress.written);
        r->view.expected = atomic_load(&r->progress.expected);
        r->view.in_flight = atomic_load(&r->progress.in_flight);
        r->view.phase = (enum run_phase)atomic_load(&r->progress.phase);
}

/* ---- it ends ---- */

/* Nothing is wrong with the mapper, or its servers. */
static bool is_mild(const struct running *r)
{
        bool is_refused_body = r->options.given && r->report.err.class == ERR_REJECT;

        return r->report.outcome == RUN_LOCKED || r->report.outcome == RUN_INTERRUPTED ||
               is_refused_body;
}

static void log_end(const struct running *r)
{
        const struct run_counts *n = &r->report.counts;
        uint64_t written = n->created + n->updated + n->moved + n->deleted;
        bool is_well = r->report.outcome == RUN_OK || r->report.outcome == RUN_REJECTS;
        enum log_level level = !is_well                ? LOG_LEVEL_INFO
                               : written + n->rejected ? LOG_LEVEL_INFO
                                                       : LOG_LEVEL_DEBUG;

        if (!is_well)
                log_at(r->log, is_mild(r) ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "%s",
                        r->report.err.text);
        log_at(r->log, level,
                "run ended: %s: read %" PRIu64 ", created %" PRIu64 ", updated %" PRIu64
                ", moved %" PRIu64 ", deleted %" PRIu64 ", unchanged %" PRIu64 ", rejected %" PRIu64
                " in %.1f s",
                run_outcome_name(r->report.outcome), n->read, n->created, n->updated, n->moved,
                n->deleted, n->unchanged, n->rejected, (double)r->report.elapsed_ms / 1000.0);
}

static void unlink_run(struct service *s, struct running *r)
{
        for (struct running **at = &s->running; *at; at = &(*at)->next)
                if (*at == r) {
                        *at = r->next;
                        break;
                }
        s->running_count--;
        s->request_runs -= r->request != NULL;
        r->served->running = NULL;
}

static void free_run(struct running *r)
{
        loop_timer_free(r->patience);
        log_free(r->log);
        free(r->request);
        shared_config_leave(r->config);
        free(r);
}

/* Interrupted because it took too long, not by somebody. */
static bool is_timed_out(const struct running *r)
{
        return r->took_too_long && r->report.outcome == RUN_INTERRUPTED;
}

/* What a run that was timed out was wanted for is still wanted: it is tried again. */
static void tell_scheduler(struct service *s, const struct running *r)
{
        enum run_outcome outcome = is_timed_out(r) ? RUN_FAILED : r->report.outcome;

        if (!r->served->is_gone)
                scheduler_ended(s->scheduler, r->served->index, r->request ? RUN_OUTCOMES : outcome,
                        wall_ms());
}

static void run_ended(struct work *w)
{
        struct running *r = (struct running *)w;
        struct service *s = r->service;

        if (is_timed_out(r))
                err_set(&r->report.err, ERR_CANCEL,
                        "interrupted: it took longer than schedule.timeout (%g s); what it wrote "
                        "stays, the next run goes on",
                        (double)r->mapper->spec->schedule.timeout_ms / 1000);
        log_end(r);
        s->schedule_first |= r->request != NULL;
        s->trim_wanted = true;
        unlink_run(s, r);
        facts_take_here(r->served, &r->here);
        ended_note(s, r);
        tell_scheduler(s, r);
        if (r->request)
                r->request->on_done(r->request->ctx, &r->report);
        served_leave(s, r->served);
        free_run(r);
        watch_changed(s);
        service_later(s);
}

/* ---- it takes too long ---- */

static void interrupt_run(struct running *r)
{
        r->interrupts++;
        work_interrupt(&r->work);
        loop_timer_set(r->patience, INTERRUPT_PATIENCE_MS);
}

static void on_patience(void *ctx)
{
        struct running *r = ctx;

        if (r->interrupts == 0) {
                r->took_too_long = true;
                log_warn(r->log, "the run takes longer than schedule.timeout (%g s): interrupted",
                        (double)r->mapper->spec->schedule.timeout_ms / 1000);
        }
        interrupt_run(r);
}

void runs_interrupt(struct service *s)
{
        for (struct running *r = s->running; r; r = r->next)
                interrupt_run(r);
}

/* ---- it begins ---- */

static int64_t next_start_us(struct served *m)
{
        int64_t now = clock_wall_us();

        /* Ids have milliseconds. */
        if (now < m->started_us + 1000 && now > m->started_us - 1000)
                now = m->started_us + 1000;
        m->started_us = now;
        return now;
}

static void describe(struct running *r, enum run_trigger trigger)
{
        char started[CLOCK_RFC3339_MAX];

        r->view = (struct service_run){.trigger = trigger,
                .pushed = r->options.given != NULL,
                .retry = r->options.key_count > 0,
                .full = r->options.full,
                .started_us = r->options.started_us};
        snprintf(r->view.mapper, sizeof(r->view.mapper), "%s", r->served->name);
        snprintf(r->view.id, sizeof(r->view.id), "%s:%s", r->served->name,
                clock_rfc3339(r->view.started_us, started));
}

static int prepare(struct running *r, const struct scheduler_start *start, struct err *e)
{
        struct service *s = r->service;

        r->served = s->served[start->mapper];
        r->served->users++;
        r->mapper = &current_config(s)->mappers[start->mapper];
        r->config = shared_config_use(s->current);
        r->options = r->request ? r->request->options
                                : (struct run_options){.full = start->full,
                                          .allow_deletes = start->allow_deletes,
                                          .trigger = run_trigger_name(start->trigger)};
        r->options.started_us = next_start_us(r->served);
        r->log = log_child(s->log, "mapper", r->served->name);
        if (!r->log)
                return err_nomem(e, "a run");
        describe(r, start->trigger);
        return loop_timer_new(s->loop, on_patience, r, &r->patience, e);
}

int run_start(struct service *s, const struct scheduler_start *start,
        struct service_request *request, struct err *e)
{
        struct running *r = calloc(1, sizeof(*r));

        if (!r)
                return err_nomem(e, "a run");
        *r = (struct running){
                .work = {.run = run_thread, .ended = run_ended}, .service = s, .request = request};
        int rc = prepare(r, start, e);
        if (!rc)
                rc = work_start(&r->work, s->loop, e);
        if (rc) {
                r->request = NULL; /* it stays the caller's */
                served_leave(s, r->served);
                free_run(r);
                return rc;
        }
        r->next = s->running;
        s->running = r;
        s->running_count++;
        s->request_runs += request != NULL;
        r->served->running = r;
        if (r->mapper->spec->schedule.timeout_ms)
                loop_timer_set(r->patience, r->mapper->spec->schedule.timeout_ms);
        log_debug(r->log, "run begins: %s", run_trigger_name(start->trigger));
        watch_changed(s);
        return 0;
}

static void set_tick(struct service *s)
{
        int64_t now = wall_ms();
        int64_t next = scheduler_next_change(s->scheduler, now);
        int64_t delay =
                next == INT64_MAX || next - now > LOOK_EVERY_MS ? LOOK_EVERY_MS : next - now;

        loop_timer_set(s->tick, delay < 1 ? 1 : delay);
}

void runs_pump(struct service *s)
{
        struct scheduler_start start;
        struct err e;

        while (scheduler_take(s->scheduler, wall_ms(), &start)) {
                if (run_start(s, &start, NULL, &e) == 0)
                        continue;
                log_error(s->log, "mapper %s: %s", s->served[start.mapper]->name, e.text);
                scheduler_ended(s->scheduler, start.mapper, RUN_FAILED, wall_ms());
        }
        set_tick(s);
}

/* ---- those under way and those that ended ---- */

void service_runs(
        const struct service *s, bool (*fn)(void *ctx, const struct service_run *run), void *ctx)
{
        for (struct running *r = s->running; r; r = r->next) {
                run_refresh(r);
                if (!fn(ctx, &r->view))
                        return;
        }
        for (size_t i = 1; i <= s->ended_count; i++)
                if (!fn(ctx, &s->ended[(s->ended_at + ENDED_KEPT - i) % ENDED_KEPT]))
                        return;
}

const struct service_run *service_run_find(const struct service *s, struct str id)
{
        for (struct running *r = s->running; r; r = r->next)
                if (str_is(id, r->view.id)) {
                        run_refresh(r);
                        return &r->view;
                }
        for (size_t i = 1; i <= s->ended_count; i++) {
                const struct service_run *run =
                        &s->ended[(s->ended_at + ENDED_KEPT - i) % ENDED_KEPT];
                if (str_is(id, run->id))
                        return run;
        }
        return NULL;
}
