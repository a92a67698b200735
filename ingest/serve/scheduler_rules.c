/*
 * Who may start. A mapper that comes after others lets those go first that are *coming*: running,
 * due and free to start, about to fire (only their jitter delays them), or following one that is.
 * But only where they have been so for as long as it is due itself: one that is always due again
 * would otherwise hold up those after it for ever. All of that is one pass over the mappers in an
 * order in which none stands before one that it comes after; `check` refuses cycles.
 *
 * One that is paused or in its back-off is not coming: others do not wait for its repair.
 */
#include "ingest/serve/scheduler_internal.h"

static void earliest(struct due *due, enum run_trigger trigger, int64_t since_ms)
{
        if (due->is_due && due->since_ms <= since_ms)
                return;
        due->is_due = true;
        due->trigger = trigger;
        due->since_ms = since_ms;
}

static void add_timer(struct due *due, const struct timer *t, int64_t now_ms)
{
        if (t->next_ms <= now_ms)
                earliest(due, t->missed ? TRIGGER_CATCH_UP : TRIGGER_SCHEDULE, t->fire_ms);
}

struct due entry_due(const struct entry *m, int64_t now_ms)
{
        struct due due = {.manual = m->wish.manual};

        if (m->wish.is_set)
                earliest(&due, m->wish.trigger, m->wish.since_ms);
        add_timer(&due, &m->schedule, now_ms);
        add_timer(&due, &m->full, now_ms);
        if (m->wish.manual)
                due.trigger = TRIGGER_MANUAL;
        return due;
}

static bool is_free(const struct entry *m, int64_t now_ms)
{
        return m->wish.manual || (!m->paused && m->not_before_ms <= now_ms);
}

static int64_t coming_since(const struct scheduler *s, const struct entry *m, int64_t now_ms)
{
        struct due due = entry_due(m, now_ms);
        int64_t since = m->running ? m->run_since_ms : NEVER;

        if (!is_free(m, now_ms))
                return since;
        if (due.is_due)
                since = least_ms(since, due.since_ms);
        if (m->schedule.fire_ms <= now_ms)
                since = least_ms(since, m->schedule.fire_ms);
        if (m->full.fire_ms <= now_ms)
                since = least_ms(since, m->full.fire_ms);
        for (size_t i = 0; m->follows && i < m->mapper->after_count; i++)
                since = least_ms(since, s->entries[m->mapper->after[i]].coming_ms);
        return since;
}

static void find_coming(const struct scheduler *s, int64_t now_ms)
{
        if (s->coming->valid && s->coming->at_ms == now_ms)
                return;
        for (size_t i = 0; i < s->count; i++) {
                struct entry *m = &s->entries[s->config->after_order[i]];
                m->coming_ms = coming_since(s, m, now_ms);
        }
        s->coming->valid = true;
        s->coming->at_ms = now_ms;
}

static bool waits_for(const struct scheduler *s, const struct entry *m, int64_t since_ms,
        int64_t now_ms, size_t *after)
{
        if (m->mapper->after_count)
                find_coming(s, now_ms);
        for (size_t i = 0; i < m->mapper->after_count; i++) {
                if (s->entries[m->mapper->after[i]].coming_ms <= since_ms) {
                        *after = m->mapper->after[i];
                        return true;
                }
        }
        return false;
}

enum scheduler_wait rules_wait(const struct scheduler *s, const struct entry *m,
        const struct due *due, int64_t now_ms, size_t *after)
{
        int64_t limit = s->config->serve.max_runs;
        int64_t of_source = m->mapper->source->max_runs;

        if (!due->manual && m->paused)
                return WAIT_PAUSED;
        if (!due->manual && m->not_before_ms > now_ms)
                return WAIT_BACK_OFF;
        if (waits_for(s, m, due->since_ms, now_ms, after))
                return WAIT_AFTER;
        if (of_source > 0 && s->source_runs[m->source] >= (size_t)of_source)
                return WAIT_SOURCE;
        if (limit > 0 && s->runs >= (size_t)limit)
                return WAIT_LIMIT;
        return WAIT_NOTHING;
}
