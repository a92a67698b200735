/*
 * cron.h: five-field cron expressions and when they fire.
 *
 * minute hour day-of-month month day-of-week, with * , - / and three-letter names; @hourly,
 * @daily (@midnight), @weekly, @monthly, @yearly (@annually); Sunday is 0 and 7. As in cron(8):
 * where both day fields are restricted, either may match. Times are of a zone: in the gap of
 * daylight saving a firing that falls into it comes at its end, in an overlap only the first of the
 * two counts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/str.h"
#include "ingest/base/tz.h"

struct cron {
        uint64_t minutes;
        uint32_t hours, days, months, weekdays;
        bool any_day, any_weekday;
};

/** cron_parse() - Return: 0; -ERR_CONFIG naming the field that is wrong and its range. */
int cron_parse(struct str text, struct cron *out, struct err *e)
        __attribute__((warn_unused_result));

/** cron_next() - the first firing after @after_s, both in seconds since 1970 UTC
 * @zone: NULL: UTC
 * Return: false where there is none (30 February). */
bool cron_next(const struct cron *c, const struct tz *zone, int64_t after_s, int64_t *out);
