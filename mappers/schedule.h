/*
 * schedule.h: when a mapper runs, or reads everything: a cron expression, or an interval.
 *
 * Plain data, decoded with the mapper; immutable, any thread. Whoever runs mappers keeps the time
 * of the last run.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/cron.h"

struct schedule {
        bool is_set;      /* false: the mapper has none */
        const char *text; /* "0 3 * * *", "every 30s"; NULL: it does not fire by itself */
        bool is_cron;
        struct cron cron;
        int64_t every_ms; /* where it is no cron expression: at least 1000 */

        const char *timezone; /* of the cron expression; NULL: the mapper's, else UTC */

        /* Of `schedule` alone, and of serve alone. */
        const char *notify; /* channel whose notifications wake the mapper; NULL: none */
        int64_t jitter_ms;  /* each firing comes up to so much later */
        int64_t timeout_ms; /* a run that takes longer is interrupted; 0: none is */
};

/** schedule_is_set() - whether it fires by itself; one that only names a channel does not */
bool schedule_is_set(const struct schedule *s);

/** schedule_next() - when @s is due again
 * @zone: of the cron expression; NULL: UTC
 * @last_s: the last time it was, in seconds since 1970 UTC as *@next_s
 * An interval counts from @last_s, to the next whole second.
 * Return: false where it never is: not set, or a date that never comes. */
bool schedule_next(
        const struct schedule *s, const struct tz *zone, int64_t last_s, int64_t *next_s);

/** schedule_is_due() - whether @s is due at @now_s, as schedule_next()
 * A last time that is still to come says nothing: the clock went back since. Then it is due, or it
 * would not be until the clock is there again. */
bool schedule_is_due(
        const struct schedule *s, const struct tz *zone, int64_t last_s, int64_t now_s);
