/*
 * An expression becomes one bit mask for each field, so that a next hour or minute is one count of
 * trailing zeros, and a month without firings is passed over whole.
 *
 * The search runs in local minutes, where the expression is plain. A local minute comes at the
 * first instant at which clocks show it or more: in an overlap that is the first of the two, in a
 * gap its end. So later minutes never come at earlier instants, and the first one that comes after
 * @after_s is the answer.
 */
#include "ingest/base/cron.h"

#include <strings.h>
#include <time.h>

#define MINUTE_S    60
#define DAY_MINUTES (24 * 60)
#define DAY_S       (DAY_MINUTES * MINUTE_S)
#define REACH_S     (2 * DAY_S) /* more than the offsets of a zone and a day that was skipped */
#define MAX_MONTHS  (8 * 12)    /* the rarest date, 29 February, was 8 years away in 1896 */
#define LAST_S      INT64_C(253402300799) /* of the year 9999, as for all dates here; also back */

/* --- parsing -------------------------------------------------------------------------------- */

struct field {
        const char *name;
        int64_t min, max;
        const char *words; /* three letters each, from min on; "" where there are none */
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
        [MINUTE] = {"minute", 0, 59, ""},
        [HOUR] = {"hour", 0, 23, ""},
        [DAY] = {"day of month", 1, 31, ""},
        [MONTH] = {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
        [WEEKDAY] = {"day of week", 0, 7, "sunmontuewedthufrisat"},
};

#define SUNDAY_AGAIN 7

static const struct {
        const char *name, *text;
} short_forms[] = {
        {"@hourly", "0 * * * *"},
        {"@daily", "0 0 * * *"},
        {"@midnight", "0 0 * * *"},
        {"@weekly", "0 0 * * 0"},
        {"@monthly", "0 0 1 * *"},
        {"@yearly", "0 0 1 1 *"},
        {"@annually", "0 0 1 1 *"},
};

static bool parse_number(struct str s, int64_t min, int64_t max, int64_t *out)
{
        return s.len > 0 && s.ptr[0] >= '0' && s.ptr[0] <= '9' && str_to_int64(s, out) &&
               *out >= min && *out <= max;
}

static bool parse_value(const struct field *f, struct str s, int64_t *out)
{
        size_t words = strlen(f->words) / 3;

        for (size_t i = 0; i < words && s.len == 3; i++) {
                if (strncasecmp(s.ptr, f->words + 3 * i, 3) == 0) {
                        *out = f->min + (int64_t)i;
                        return true;
                }
        }
        return parse_number(s, f->min, f->max, out);
}

/* What stands before the first of @set, which is taken off @s with it; else all of @s. */
static struct str cut(struct str *s, const char *set, bool *found)
{
        size_t n = 0;

        while (n < s->len && (s->ptr[n] == '\0' || !strchr(set, s->ptr[n])))
                n++;
        struct str head = {s->ptr, n};
        *found = n < s->len;
        s->ptr += n + *found;
        s->len -= n + *found;
        return head;
}

static bool parse_range(
        const struct field *f, struct str text, bool *is_range, int64_t *from, int64_t *to)
{
        if (str_is(text, "*")) {
                *is_range = true;
                *from = f->min;
                *to = f->max;
                return true;
        }
        struct str first = cut(&text, "-", is_range);
        if (!parse_value(f, first, from))
                return false;
        *to = *from;
        if (*is_range && !parse_value(f, text, to))
                return false;
        if (f == &fields[WEEKDAY] && *to == 0 && *from > 0)
                *to = SUNDAY_AGAIN; /* fri-sun */
        return *from <= *to;
}

/* One of a comma list: star, value or range, then maybe a step. */
static bool parse_item(const struct field *f, struct str item, uint64_t *mask)
{
        bool has_step, is_range;
        int64_t from, to, step = 1;

        struct str range = cut(&item, "/", &has_step);
        if (!parse_range(f, range, &is_range, &from, &to))
                return false;
        if (has_step && (!is_range || !parse_number(item, 1, f->max, &step)))
                return false;
        for (int64_t i = from; i <= to; i += step)
                *mask |= UINT64_C(1) << i;
        return true;
}

static bool parse_field(const struct field *f, struct str text, uint64_t *mask)
{
        bool more = true;

        *mask = 0;
        while (more)
                if (!parse_item(f, cut(&text, ",", &more), mask))
                        return false;
        return true;
}

static int no_expression(struct err *e)
{
        return err_set(e, ERR_CONFIG,
                "a cron expression is five fields (minute hour day month weekday) or @hourly, "
                "@daily, @weekly, @monthly, @yearly");
}

static struct str without_short_form(struct str text)
{
        for (size_t i = 0; i < sizeof(short_forms) / sizeof(short_forms[0]); i++)
                if (str_is(text, short_forms[i].name))
                        return str_of(short_forms[i].text);
        return text;
}

/* Exactly five, or what is wrong with one of them would hide that their number is. */
static int split(struct str text, struct str parts[FIELDS], struct err *e)
{
        struct str rest = without_short_form(str_trim(text));
        bool more = rest.len > 0;
        size_t count = 0;

        if (str_is(rest, "@reboot"))
                return err_set(e, ERR_CONFIG,
                        "@reboot is no time: a service that starts runs what it missed by itself");
        for (; more; rest = str_trim(rest)) {
                struct str part = cut(&rest, " \t\r\n\v\f", &more);
                if (count == FIELDS)
                        return no_expression(e);
                parts[count++] = part;
        }
        return count == FIELDS ? 0 : no_expression(e);
}

int cron_parse(struct str text, struct cron *out, struct err *e)
{
        struct str parts[FIELDS];
        uint64_t masks[FIELDS];
        int rc = split(text, parts, e);

        if (rc)
                return rc;
        for (size_t i = 0; i < FIELDS; i++)
                if (!parse_field(&fields[i], parts[i], &masks[i]))
                        return err_set(e, ERR_CONFIG,
                                "the %s of a cron expression is from %lld to %lld, with * , - and "
                                "/",
                                fields[i].name, (long long)fields[i].min, (long long)fields[i].max);
        if (masks[WEEKDAY] & 1 << SUNDAY_AGAIN)
                masks[WEEKDAY] = (masks[WEEKDAY] | 1) & ~(UINT64_C(1) << SUNDAY_AGAIN);
        *out = (struct cron){
                .minutes = masks[MINUTE],
                .hours = (uint32_t)masks[HOUR],
                .days = (uint32_t)masks[DAY],
                .months = (uint32_t)masks[MONTH],
                .weekdays = (uint32_t)masks[WEEKDAY],
                /* As cron(8) has it: a day field that begins with a star, even one with a step,
                 * is not restricted. */
                .any_day = parts[DAY].ptr[0] == '*',
                .any_weekday = parts[WEEKDAY].ptr[0] == '*',
        };
        return 0;
}

/* --- local time ----------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
        return a / b - (a % b < 0);
}

static int month_length(int year, int month)
{
        static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return lengths[month - 1] + (month == 2 && leap);
}

/* @date: of the month; @day: since 1970-01-01, which was a Thursday */
static bool fires_on(const struct cron *c, int date, int64_t day)
{
        int64_t weekday = day + 4 - 7 * floor_div(day + 4, 7);
        bool by_date = c->days >> date & 1, by_weekday = c->weekdays >> weekday & 1;

        return c->any_day || c->any_weekday ? by_date && by_weekday : by_date || by_weekday;
}

/* The first day from @day on with firings; days since 1970-01-01. */
static bool find_day(const struct cron *c, int64_t day, int64_t *out)
{
        time_t seconds = day * DAY_S;
        struct tm start;

        gmtime_r(&seconds, &start); /* cannot fail for the years that cron_next() lets through */
        int year = start.tm_year + 1900, month = start.tm_mon + 1, date = start.tm_mday;
        for (int i = 0; i <= MAX_MONTHS; i++) {
                int length = month_length(year, month);
                bool has_firings = c->months >> month & 1;
                for (int d = date; has_firings && d <= length; d++) {
                        if (fires_on(c, d, day + d - date)) {
                                *out = day + d - date;
                                return true;
                        }
                }
                day += length - date + 1;
                date = 1;
                year += month == 12;
                month = month == 12 ? 1 : month + 1;
        }
        return false;
}

/* The first firing from minute @from of a day on. Return: -1 where there is none left. */
static int find_minute(const struct cron *c, int from)
{
        int hour = from / 60;
        uint64_t minutes = c->hours >> hour & 1 ? c->minutes >> from % 60 << from % 60 : 0;
        uint32_t later = c->hours >> (hour + 1) << (hour + 1);

        if (minutes)
                return hour * 60 + __builtin_ctzll(minutes);
        return later && c->minutes ? __builtin_ctz(later) * 60 + __builtin_ctzll(c->minutes) : -1;
}

/* The first firing from local minute @from on; minutes since 1970 as if local time were UTC. */
static bool find_local(const struct cron *c, int64_t from, int64_t *out)
{
        int64_t today = floor_div(from, DAY_MINUTES), day;
        int minute = -1;

        if (!find_day(c, today, &day))
                return false;
        if (day == today)
                minute = find_minute(c, (int)(from - today * DAY_MINUTES));
        if (day == today && minute < 0 && !find_day(c, today + 1, &day))
                return false;
        if (minute < 0)
                minute = find_minute(c, 0);
        *out = day * DAY_MINUTES + minute;
        return minute >= 0;
}

/* --- instants ------------------------------------------------------------------------------- */

/* The first instant at which clocks show @local_s or more. */
static int64_t instant_of(const struct tz *zone, int64_t local_s)
{
        int64_t u = local_s - REACH_S, until;

        if (!zone)
                return local_s;
        for (;; u = until) {
                int64_t shown = local_s - tz_offset(zone, u, &until);
                if (shown < until)
                        return shown > u ? shown : u;
        }
}

bool cron_next(const struct cron *c, const struct tz *zone, int64_t after_s, int64_t *out)
{
        int64_t until, next, instant;

        if (after_s < -LAST_S || after_s > LAST_S)
                return false;
        int64_t offset = zone ? tz_offset(zone, after_s, &until) : 0;
        int64_t minute = floor_div(after_s + offset, MINUTE_S);
        /* More than once only while clocks show again what they showed before: at most a day. */
        do {
                if (!find_local(c, minute + 1, &next))
                        return false;
                minute = next;
                instant = instant_of(zone, minute * MINUTE_S);
        } while (instant <= after_s);
        *out = instant;
        return true;
}
