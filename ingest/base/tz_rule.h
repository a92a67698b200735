/*
 * tz_rule.h: the rule of a POSIX TZ string, "IST-1GMT0,M10.5.0,M3.5.0/1".
 *
 * The last line of a TZif file: which offset holds after its table ends, for ever. With the
 * extensions of RFC 8536 (version 3): hours of a change may be -167..167. For tz.c only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/str.h"

enum tz_day_kind {
        TZ_DAY_JULIAN, /* Jn: 1..365, 29 February is never counted */
        TZ_DAY_ZERO,   /* n: 0..365, 29 February is counted */
        TZ_DAY_MONTH   /* Mm.w.d: weekday d of week w (5: the last) of month m */
};

struct tz_change {
        enum tz_day_kind kind;
        int day, month, week; /* month and week of TZ_DAY_MONTH only */
        int32_t time_s;       /* local time of that day */
};

struct tz_rule {
        int32_t standard_s, summer_s; /* east of UTC */
        bool has_summer;
        struct tz_change start, end; /* of summer time */
};

/** tz_rule_parse() - reads the whole of @s. Return: false where it is no such rule. */
bool tz_rule_parse(struct str s, struct tz_rule *out);

/** tz_rule_offset() - seconds east of UTC at the instant @utc_s
 * @until: set to the next instant at which the rule may change the offset; INT64_MAX: never */
int32_t tz_rule_offset(const struct tz_rule *r, int64_t utc_s, int64_t *until);

/** tz_year_start() - the instant at which @year begins in UTC */
int64_t tz_year_start(int64_t year);
