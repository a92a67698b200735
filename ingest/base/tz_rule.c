/*
 * Summer time is a set of intervals, one a year: from its start to the first end behind it,
 * which south of the equator is in the next year. An instant is in summer time if one of the
 * intervals that begin around its year holds it.
 */
#include "ingest/base/tz_rule.h"

#define DAY_S        86400
#define OFFSET_HOURS 24  /* POSIX: hours of an offset */
#define CHANGE_HOURS 167 /* RFC 8536: hours of a change, either way */

/* --- calendar ------------------------------------------------------------------------------- */

static bool is_leap(int64_t year)
{
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
        return a / b - (a % b < 0);
}

int64_t tz_year_start(int64_t year)
{
        int64_t y = year - 1;
        int64_t days = 365 * (year - 1970) + (floor_div(y, 4) - 492) - (floor_div(y, 100) - 19) +
                       (floor_div(y, 400) - 4);

        return days * DAY_S;
}

static int64_t year_of(int64_t utc_s)
{
        int64_t year = 1970 + floor_div(utc_s, INT64_C(31556952)); /* the mean Gregorian year */

        while (tz_year_start(year) > utc_s)
                year--;
        while (tz_year_start(year + 1) <= utc_s)
                year++;
        return year;
}

/* Day of the year, from 0, on which month @month (1..12) begins. */
static int month_start(int month, bool leap)
{
        static const int starts[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

        return starts[month - 1] + (leap && month > 2);
}

/* Day of @year, from 0, that Mm.w.d names. */
static int month_day(const struct tz_change *c, int64_t year)
{
        bool leap = is_leap(year);
        int first = month_start(c->month, leap), next = month_start(c->month + 1, leap);
        int64_t day_number = tz_year_start(year) / DAY_S + first; /* 1970-01-01 was a Thursday */
        int weekday = (int)(((day_number + 4) % 7 + 7) % 7);
        int day = first + (c->day - weekday + 7) % 7 + (c->week - 1) * 7;

        return day < next ? day : day - 7;
}

/* The instant of @c in @year, as seconds of the local clock that is in use before it. */
static int64_t change_local(const struct tz_change *c, int64_t year)
{
        int day = c->day;

        if (c->kind == TZ_DAY_MONTH)
                day = month_day(c, year);
        else if (c->kind == TZ_DAY_JULIAN)
                day = c->day - 1 + (is_leap(year) && c->day > 59);
        return tz_year_start(year) + (int64_t)day * DAY_S + c->time_s;
}

int32_t tz_rule_offset(const struct tz_rule *r, int64_t utc_s, int64_t *until)
{
        bool summer = false;
        int64_t next = INT64_MAX, year;

        if (!r->has_summer) {
                *until = INT64_MAX;
                return r->standard_s;
        }
        year = year_of(utc_s);
        /* A change may fall a week outside its year: look two years ahead. */
        for (int64_t y = year - 2; y <= year + 2; y++) {
                int64_t start = change_local(&r->start, y) - r->standard_s;
                int64_t end = change_local(&r->end, y) - r->summer_s;
                int64_t end_behind =
                        end >= start ? end : change_local(&r->end, y + 1) - r->summer_s;
                summer = summer || (utc_s >= start && utc_s < end_behind);
                if (start > utc_s && start < next)
                        next = start;
                if (end > utc_s && end < next)
                        next = end;
        }
        *until = next;
        return summer ? r->summer_s : r->standard_s;
}

/* --- text ----------------------------------------------------------------------------------- */

static bool take(struct str *s, char c)
{
        if (s->len == 0 || *s->ptr != c)
                return false;
        s->ptr++;
        s->len--;
        return true;
}

static bool is_letter(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* At least three letters, or anything in <>. */
static bool take_name(struct str *s)
{
        size_t n = 0;

        if (take(s, '<')) {
                while (s->len > 0 && *s->ptr != '>') {
                        s->ptr++;
                        s->len--;
                }
                return take(s, '>');
        }
        while (n < s->len && is_letter(s->ptr[n]))
                n++;
        s->ptr += n;
        s->len -= n;
        return n >= 3;
}

/* A number of at most three digits in @min..@max. */
static bool take_number(struct str *s, int min, int max, int *out)
{
        int value = 0, digits = 0;

        while (s->len > 0 && digits < 4 && *s->ptr >= '0' && *s->ptr <= '9') {
                value = value * 10 + (*s->ptr - '0');
                s->ptr++;
                s->len--;
                digits++;
        }
        *out = value;
        return digits > 0 && digits < 4 && value >= min && value <= max;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct str *s, int max_hours, int32_t *out)
{
        bool negative = take(s, '-');
        int parts[3] = {0, 0, 0};

        if (!negative)
                take(s, '+');
        if (!take_number(s, 0, max_hours, &parts[0]))
                return false;
        for (int i = 1; i < 3 && take(s, ':'); i++)
                if (!take_number(s, 0, 59, &parts[i]))
                        return false;
        int32_t seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
        *out = negative ? -seconds : seconds;
        return true;
}

static bool take_day(struct str *s, struct tz_change *c)
{
        if (take(s, 'J')) {
                c->kind = TZ_DAY_JULIAN;
                return take_number(s, 1, 365, &c->day);
        }
        if (take(s, 'M')) {
                c->kind = TZ_DAY_MONTH;
                return take_number(s, 1, 12, &c->month) && take(s, '.') &&
                       take_number(s, 1, 5, &c->week) && take(s, '.') &&
                       take_number(s, 0, 6, &c->day);
        }
        c->kind = TZ_DAY_ZERO;
        return take_number(s, 0, 365, &c->day);
}

static bool take_change(struct str *s, struct tz_change *c)
{
        c->time_s = 2 * 3600;
        return take(s, ',') && take_day(s, c) &&
               (!take(s, '/') || take_time(s, CHANGE_HOURS, &c->time_s));
}

bool tz_rule_parse(struct str s, struct tz_rule *out)
{
        struct tz_rule r = {0};
        int32_t west;

        if (!take_name(&s) || !take_time(&s, OFFSET_HOURS, &west))
                return false;
        r.standard_s = -west;
        r.has_summer = s.len > 0;
        if (r.has_summer) {
                r.summer_s = r.standard_s + 3600;
                if (!take_name(&s))
                        return false;
                if (s.len > 0 && *s.ptr != ',') {
                        if (!take_time(&s, OFFSET_HOURS, &west))
                                return false;
                        r.summer_s = -west;
                }
                if (!take_change(&s, &r.start) || !take_change(&s, &r.end) || s.len > 0)
                        return false;
        }
        *out = r;
        return true;
}
