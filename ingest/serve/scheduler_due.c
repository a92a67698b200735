/*
 * The firings of one schedule, to the millisecond. The next one is computed when the one before it
 * was served, and kept: looking costs a comparison. What a mapper's `full` means is decided once
 * more by its run (plan.c), which counts in whole seconds; so no firing comes earlier than that
 * agrees to.
 */
#include "ingest/serve/scheduler_internal.h"

#include <string.h>

#include "ingest/base/random.h"

#define JITTER_SCALE 32 /* bits: the fraction of the jitter that was drawn */

static int64_t floor_s(int64_t ms)
{
        return ms / 1000 - (ms % 1000 < 0);
}

static int64_t next_firing(const struct timer *t)
{
        int64_t next_s, next_ms, counted_ms;

        if (!schedule_next(t->schedule, t->zone, floor_s(t->base_ms), &next_s) ||
                __builtin_mul_overflow(next_s, 1000, &next_ms))
                return NEVER;
        if (t->schedule->is_cron)
                return next_ms;
        if (__builtin_add_overflow(t->base_ms, t->schedule->every_ms, &counted_ms))
                return NEVER;
        return counted_ms > next_ms ? counted_ms : next_ms;
}

void timer_set(struct timer *t, int64_t base_ms)
{
        uint64_t fraction = t->draw >> (64 - JITTER_SCALE);

        t->base_ms = base_ms;
        t->fire_ms = next_firing(t);
        t->next_ms = t->fire_ms;
        t->missed = false;
        /* jitter_ms has at most 31 bits: see spec_schedule.c */
        if (t->fire_ms != NEVER)
                t->next_ms += (int64_t)((uint64_t)t->jitter_ms * fraction >> JITTER_SCALE);
}

void timer_serve(struct timer *t, int64_t now_ms, uint64_t *random)
{
        t->draw = random_next(random);
        timer_set(t, now_ms);
}

void timer_begin(
        struct timer *t, int64_t last_ms, int64_t tried_ms, int64_t now_ms, uint64_t *random)
{
        /* A last time that is still to come tells nothing: the clock went back since. */
        timer_serve(t, last_ms > 0 && last_ms < now_ms ? last_ms : now_ms, random);
        if (last_ms == 0 && t->fire_ms != NEVER) {
                if (tried_ms)
                        t->fire_ms = least_ms(tried_ms, now_ms);
                else if (!t->schedule->is_cron)
                        t->fire_ms = t->next_ms = now_ms;
        }
        t->missed = (last_ms || tried_ms) && t->fire_ms <= now_ms;
        if (t->missed)
                t->next_ms = t->fire_ms; /* it is late enough */
}

static bool is_same(const struct schedule *a, const struct schedule *b)
{
        return a->is_cron == b->is_cron && a->every_ms == b->every_ms &&
               a->cron.minutes == b->cron.minutes && a->cron.hours == b->cron.hours &&
               a->cron.days == b->cron.days && a->cron.months == b->cron.months &&
               a->cron.weekdays == b->cron.weekdays && a->cron.any_day == b->cron.any_day &&
               a->cron.any_weekday == b->cron.any_weekday;
}

void timer_inherit(struct timer *t, const struct timer *old, int64_t now_ms)
{
        bool same_zone =
                t->zone == old->zone ||
                (t->zone && old->zone && strcmp(tz_name(t->zone), tz_name(old->zone)) == 0);
        bool same = same_zone && is_same(t->schedule, old->schedule);

        if (!schedule_is_set(t->schedule) || !schedule_is_set(old->schedule))
                return;
        t->draw = old->draw;
        timer_set(t, same || !t->schedule->is_cron ? old->base_ms : now_ms);
        if (!same || old->fire_ms > now_ms)
                return;
        t->fire_ms = old->fire_ms;
        t->next_ms = old->next_ms;
        t->missed = old->missed;
}

/* ---- time zones ---- */

int zone_find(struct zone_list *zones, const struct schedule *schedule, const char *fallback,
        const struct tz **out, struct err *e)
{
        const char *name = schedule->timezone ? schedule->timezone : fallback;

        *out = NULL;
        if (!name || !schedule->is_set || !schedule->is_cron)
                return 0;
        for (size_t i = 0; i < zones->count; i++) {
                if (strcmp(tz_name(zones->items[i]), name) == 0) {
                        *out = zones->items[i];
                        return 0;
                }
        }
        if (zones->count == zones->room) {
                size_t room = zones->room ? 2 * zones->room : 8;
                struct tz **grown = reallocarray(zones->items, room, sizeof(struct tz *));
                if (!grown)
                        return err_nomem(e, "time zones");
                zones->items = grown;
                zones->room = room;
        }
        int rc = tz_load(name, &zones->items[zones->count], e);
        if (rc == 0)
                *out = zones->items[zones->count++];
        return rc;
}

void zone_list_deinit(struct zone_list *zones)
{
        for (size_t i = 0; i < zones->count; i++)
                tz_free(zones->items[i]);
        free(zones->items);
        *zones = (struct zone_list){0};
}

/* ---- for people ---- */

static int timer_of(struct zone_list *zones, const struct schedule *schedule, const char *zone,
        struct timer *out, struct err *e)
{
        *out = (struct timer){.schedule = schedule};
        return zone_find(zones, schedule, zone, &out->zone, e);
}

int scheduler_firings(const struct config_mapper *mapper, const struct scheduler_past *past,
        int64_t now_ms, size_t max, struct firing *out, size_t *count, struct err *e)
{
        const struct mapper_spec *spec = mapper->spec;
        struct zone_list zones = {0};
        struct timer own, full;
        uint64_t random = 0; /* there is no jitter */

        int rc = timer_of(&zones, &spec->schedule, spec->timezone, &own, e);
        if (rc == 0)
                rc = timer_of(&zones, &spec->full, spec->timezone, &full, e);
        if (rc) {
                zone_list_deinit(&zones);
                return rc;
        }
        timer_begin(&own, past->last_ms, past->tried_ms, now_ms, &random);
        timer_begin(&full, past->last_full_ms ? past->last_full_ms : past->last_ms, past->tried_ms,
                now_ms, &random);
        for (*count = 0; *count < max; (*count)++) {
                int64_t at = own.next_ms < full.next_ms ? own.next_ms : full.next_ms;
                if (at == NEVER)
                        break;
                at = at > now_ms ? at : now_ms;
                out[*count] = (struct firing){at, own.fire_ms <= at, full.fire_ms <= at,
                        (own.missed && own.fire_ms <= at) || (full.missed && full.fire_ms <= at)};
                timer_serve(&own, at, &random);
                if (out[*count].full)
                        timer_serve(&full, at, &random);
        }
        zone_list_deinit(&zones);
        return 0;
}
