/*
 * What is known of each mapper, and what events do to it. Nothing is queued: whether a mapper is
 * due follows from its timers and one wish, in which everything that woke it adds up, so that many
 * reasons make one run. A run serves whatever stood there when it began.
 */
#include "ingest/serve/scheduler_internal.h"

#include <string.h>

#include "ingest/base/random.h"

/* A clock that goes back by less was adjusted, not set: waiting for it does no harm, and a firing
 * just served does not come twice. */
#define CLOCK_STEP_MS 10000

static const struct retry_policy back_off_policy = {
        .base_ms = 10000,             /* 5 s to 10 s: drawn from the upper half */
        .cap_ms = 600000,             /* an ERP that is down all night is asked 100 times */
        .budget_ms = INT64_C(1) << 60 /* it never gives up */
};

const char *run_trigger_name(enum run_trigger t)
{
        static const char *const names[TRIGGERS] = {
                [TRIGGER_SCHEDULE] = "schedule",
                [TRIGGER_CATCH_UP] = "catch-up",
                [TRIGGER_AFTER] = "after",
                [TRIGGER_NOTIFY] = "notify",
                [TRIGGER_MANUAL] = "manual",
                [TRIGGER_RETRY] = "retry",
        };

        return names[t];
}

/* ---- wishes ---- */

static void add_wish(struct entry *m, enum run_trigger trigger, int64_t since_ms)
{
        m->wish.manual |= trigger == TRIGGER_MANUAL;
        if (m->wish.is_set && m->wish.since_ms <= since_ms)
                return;
        m->wish.is_set = true;
        m->wish.trigger = trigger;
        m->wish.since_ms = since_ms;
}

/* What ended well and was not followed: the service went down before, or with the run that did. One
 * that began before that end may have missed what was written last. */
static void follow_past(struct scheduler *s, struct entry *m)
{
        for (size_t i = 0; m->follows && i < m->mapper->after_count; i++) {
                int64_t good_ms = s->entries[m->mapper->after[i]].good_ms;
                if (good_ms > m->last_ms)
                        add_wish(m, TRIGGER_CATCH_UP, least_ms(good_ms, s->now_ms));
        }
}

/* ---- making one ---- */

static size_t find_mapper(const struct config *config, const char *name)
{
        size_t i = 0;

        while (i < config->mapper_count && strcmp(config->mappers[i].spec->name, name) != 0)
                i++;
        return i;
}

static int begin_entry(struct scheduler *s, size_t i, const struct scheduler_past *past,
        int64_t now_ms, struct err *e)
{
        const struct config_mapper *mapper = &s->config->mappers[i];
        const struct mapper_spec *spec = mapper->spec;
        struct entry *m = &s->entries[i];

        m->mapper = mapper;
        m->source = (size_t)(mapper->source - s->config->sources);
        m->schedule.schedule = &spec->schedule;
        m->full.schedule = &spec->full;
        m->schedule.jitter_ms = m->full.jitter_ms = spec->schedule.jitter_ms;
        m->follows = mapper->after_count > 0 && !schedule_is_set(&spec->schedule);
        m->paused = past->paused;
        m->last_ms = past->last_ms;
        m->good_ms = past->good_ms;
        retry_init(&m->retry, &back_off_policy, random_next(&s->random));
        int rc = zone_find(&s->zones, &spec->schedule, spec->timezone, &m->schedule.zone, e);
        if (rc == 0)
                rc = zone_find(&s->zones, &spec->full, spec->timezone, &m->full.zone, e);
        if (rc)
                return err_wrap(e, rc, "mapper %s", spec->name);
        timer_begin(&m->schedule, past->last_ms, past->tried_ms, now_ms, &s->random);
        timer_begin(&m->full, past->last_full_ms ? past->last_full_ms : past->last_ms,
                past->tried_ms, now_ms, &s->random);
        return 0;
}

int scheduler_new(const struct config *config, const struct scheduler_past *past, int64_t now_ms,
        uint64_t seed, struct scheduler **out, struct err *e)
{
        cleanup_(scheduler_freep) struct scheduler *s = calloc(1, sizeof(*s));
        int rc = 0;

        if (!s)
                return err_nomem(e, "the scheduler");
        s->config = config;
        s->count = config->mapper_count;
        s->random = seed;
        s->now_ms = now_ms;
        s->entries = calloc(s->count + 1, sizeof(*s->entries));
        s->source_runs = calloc(config->source_count + 1, sizeof(*s->source_runs));
        s->coming = calloc(1, sizeof(*s->coming));
        if (!s->entries || !s->source_runs || !s->coming)
                return err_nomem(e, "the scheduler");
        for (size_t i = 0; i < s->count && rc == 0; i++)
                rc = begin_entry(s, i, &past[i], now_ms, e);
        if (rc)
                return rc;
        for (size_t i = 0; i < s->count; i++)
                follow_past(s, &s->entries[i]);
        *out = TAKE(s);
        return 0;
}

struct scheduler *scheduler_free(struct scheduler *s)
{
        if (s) {
                zone_list_deinit(&s->zones);
                free(s->entries);
                free(s->source_runs);
                free(s->coming);
                free(s);
        }
        return NULL;
}

static void count_run(struct scheduler *s, const struct entry *m, int by)
{
        s->runs += (size_t)by;
        s->source_runs[m->source] += (size_t)by;
}

/* ---- a reload ---- */

static void inherit(struct scheduler *s, struct entry *m, const struct entry *old, int64_t now_ms)
{
        struct due due = entry_due(old, now_ms);

        m->wish = old->wish;
        m->good_ms = old->good_ms;
        m->running = old->running;
        m->held = old->held;
        m->paused = old->paused;
        m->run_since_ms = old->run_since_ms;
        m->run_full = old->run_full;
        m->retry = old->retry;
        m->back_off_ms = old->back_off_ms;
        m->not_before_ms = old->not_before_ms;
        timer_inherit(&m->schedule, &old->schedule, now_ms);
        timer_inherit(&m->full, &old->full, now_ms);
        if (due.is_due && !entry_due(m, now_ms).is_due)
                add_wish(m, due.trigger, due.since_ms);
        if (m->running)
                count_run(s, m, 1);
}

void scheduler_inherit(struct scheduler *s, const struct scheduler *old)
{
        for (size_t i = 0; i < old->count; i++) {
                size_t at = find_mapper(s->config, old->entries[i].mapper->spec->name);
                if (at < s->count)
                        inherit(s, &s->entries[at], &old->entries[i], s->now_ms);
        }
        for (size_t i = 0; i < s->count; i++)
                if (find_mapper(old->config, s->entries[i].mapper->spec->name) == old->count)
                        follow_past(s, &s->entries[i]);
        s->coming->valid = false;
}

/* ---- the clock ---- */

static void set_back(struct entry *m, int64_t before_ms, int64_t now_ms)
{
        struct due due = entry_due(m, before_ms);
        struct timer *const timers[] = {&m->schedule, &m->full};

        for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
                timer_set(timers[i], least_ms(timers[i]->base_ms, now_ms));
        if (due.is_due)
                add_wish(m, due.trigger, now_ms);
        m->wish.since_ms = least_ms(m->wish.since_ms, now_ms);
        m->run_since_ms = least_ms(m->run_since_ms, now_ms);
        m->not_before_ms = least_ms(m->not_before_ms, now_ms + m->back_off_ms);
}

static void notice_time(struct scheduler *s, int64_t now_ms)
{
        if (now_ms < s->now_ms && s->now_ms - now_ms < CLOCK_STEP_MS)
                return;
        for (size_t i = 0; now_ms < s->now_ms && i < s->count; i++)
                set_back(&s->entries[i], s->now_ms, now_ms);
        if (now_ms < s->now_ms)
                s->coming->valid = false;
        s->now_ms = now_ms;
}

/* ---- runs ---- */

static void start(struct scheduler *s, struct entry *m, const struct due *due, int64_t now_ms,
        struct scheduler_start *out)
{
        const struct extract *x = m->mapper->extract;
        bool reads_all = m->wish.full || m->full.fire_ms <= now_ms || (x && !x->cursor);

        *out = (struct scheduler_start){
                (size_t)(m - s->entries), due->trigger, m->wish.full, m->wish.allow_deletes};
        m->running = true;
        m->run_since_ms = due->since_ms;
        m->run_full = m->wish.full;
        m->wish = (struct wish){0};
        timer_serve(&m->schedule, now_ms, &s->random);
        if (reads_all)
                timer_serve(&m->full, now_ms, &s->random);
        count_run(s, m, 1);
        s->coming->valid = false;
}

bool scheduler_take(struct scheduler *s, int64_t now_ms, struct scheduler_start *out)
{
        struct entry *first = NULL;
        struct due since = {0};
        size_t after;

        notice_time(s, now_ms);
        for (size_t i = 0; i < s->count; i++) {
                struct entry *m = &s->entries[i];
                struct due due = entry_due(m, now_ms);
                if (!due.is_due || m->running || m->held)
                        continue;
                if (first && since.since_ms <= due.since_ms)
                        continue;
                if (rules_wait(s, m, &due, now_ms, &after) != WAIT_NOTHING)
                        continue;
                first = m;
                since = due;
        }
        if (first)
                start(s, first, &since, now_ms, out);
        return first != NULL;
}

bool scheduler_hold(struct scheduler *s, size_t mapper)
{
        struct entry *m = &s->entries[mapper];

        if (m->running || m->held)
                return false;
        m->held = true;
        return true;
}

/* It had documents to write, and some run whenever it has. They are due since it was: who comes
 * after them has waited for them so far, and goes on to. */
static void wake_followers(struct scheduler *s, size_t mapper)
{
        int64_t since_ms = s->entries[mapper].run_since_ms;

        for (size_t i = 0; i < s->count; i++) {
                struct entry *m = &s->entries[i];
                for (size_t k = 0; m->follows && k < m->mapper->after_count; k++)
                        if (m->mapper->after[k] == mapper)
                                add_wish(m, TRIGGER_AFTER, since_ms);
        }
}

/* Tried again by itself. What an operator permitted was for that run alone. */
static void back_off(struct entry *m, int64_t now_ms)
{
        if (!retry_failure(&m->retry, now_ms, -1, &m->back_off_ms))
                m->back_off_ms = back_off_policy.cap_ms;
        m->not_before_ms = now_ms + m->back_off_ms;
        add_wish(m, TRIGGER_RETRY, now_ms);
        m->wish.full |= m->run_full;
}

static void succeed(struct entry *m)
{
        retry_success(&m->retry);
        m->back_off_ms = m->not_before_ms = 0;
}

void scheduler_ended(struct scheduler *s, size_t mapper, enum run_outcome outcome, int64_t now_ms)
{
        struct entry *m = &s->entries[mapper];
        bool was_run = m->running;

        notice_time(s, now_ms);
        s->coming->valid = false;
        m->running = m->held = false;
        if (!was_run)
                return;
        count_run(s, m, -1);
        switch (outcome) {
        case RUN_OK:
        case RUN_REJECTS:
                succeed(m);
                m->good_ms = now_ms;
                wake_followers(s, mapper);
                break;
        case RUN_REFUSED: /* source and CouchDB answered; it is for an operator to look */
                succeed(m);
                break;
        case RUN_UNAVAILABLE:
        case RUN_LOCKED:
        case RUN_FAILED:
                back_off(m, now_ms);
                break;
        default: /* interrupted: the service stops */
                break;
        }
}

/* ---- events ---- */

void scheduler_wake(struct scheduler *s, size_t mapper, enum run_trigger trigger, bool full,
        bool allow_deletes, int64_t now_ms)
{
        struct entry *m = &s->entries[mapper];

        notice_time(s, now_ms);
        add_wish(m, trigger, now_ms);
        m->wish.full |= full;
        m->wish.allow_deletes |= allow_deletes;
        s->coming->valid = false;
}

void scheduler_pause(struct scheduler *s, size_t mapper, bool paused)
{
        s->entries[mapper].paused = paused;
        s->coming->valid = false;
}

/* ---- looking ---- */

/* When time alone may let @m start; NEVER: an event must come first. */
static int64_t entry_change(const struct scheduler *s, const struct entry *m, int64_t now_ms)
{
        struct due due = entry_due(m, now_ms);
        size_t after;

        if (m->running || m->held)
                return NEVER;
        if (!due.is_due)
                return m->paused ? NEVER : least_ms(m->schedule.next_ms, m->full.next_ms);
        switch (rules_wait(s, m, &due, now_ms, &after)) {
        case WAIT_NOTHING:
                return now_ms;
        case WAIT_BACK_OFF:
                return m->not_before_ms;
        default:
                return NEVER;
        }
}

int64_t scheduler_next_change(const struct scheduler *s, int64_t now_ms)
{
        int64_t next = NEVER;

        for (size_t i = 0; i < s->count; i++)
                next = least_ms(next, entry_change(s, &s->entries[i], now_ms));
        return next;
}

void scheduler_look(
        const struct scheduler *s, size_t mapper, int64_t now_ms, struct scheduler_view *out)
{
        const struct entry *m = &s->entries[mapper];
        struct due due = entry_due(m, now_ms);

        *out = (struct scheduler_view){
                .running = m->running,
                .due = due.is_due,
                .paused = m->paused,
                .next_ms = least_ms(m->schedule.next_ms, m->full.next_ms),
                .next_full_ms = m->full.next_ms,
                .failures = m->retry.failures,
        };
        if (due.is_due && !m->running && !m->held)
                out->wait = rules_wait(s, m, &due, now_ms, &out->after);
        if (due.is_due)
                out->next_ms = out->wait == WAIT_BACK_OFF ? m->not_before_ms : due.since_ms;
        if (m->paused && !due.manual)
                out->next_ms = out->next_full_ms = NEVER;
}
