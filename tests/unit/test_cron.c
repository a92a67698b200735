/* Expressions in; masks, messages and instants out: known ones, and all of a year by an oracle. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ingest/base/cron.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DAY_S        INT64_C(86400)

static int64_t utc(const char *text)
{
        struct tm tm = {0};
        const char *end = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);

        if (!end || *end)
                fail_msg("no time: %s", text);
        return timegm(&tm);
}

static const char *shown(int64_t t, char out[32])
{
        struct tm tm;
        time_t seconds = t;

        gmtime_r(&seconds, &tm);
        strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
        return out;
}

static struct tz *load(const char *name)
{
        struct tz *z = NULL;
        struct err e;

        if (tz_load(name, &z, &e) != 0)
                fail_msg("%s", e.text);
        return z;
}

static struct cron parse(const char *text)
{
        struct cron c;
        struct err e;

        if (cron_parse(str_of(text), &c, &e) != 0)
                fail_msg("%s: %s", text, e.text);
        return c;
}

/* --- syntax --------------------------------------------------------------------------------- */

#define ALL_MINUTES  (~UINT64_C(0) >> 4)
#define ALL_HOURS    0xffffffu
#define ALL_DAYS     0xfffffffeu
#define ALL_MONTHS   0x1ffeu
#define ALL_WEEKDAYS 0x7fu

static void expressions_become_masks(void **state)
{
        static const struct {
                const char *text;
                struct cron masks;
        } cases[] = {
                {"* * * * *",
                        {ALL_MINUTES, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, true}},
                {"0 0 1 1 0", {1, 1, 2, 2, 1, false, false}},
                {"59 23 31 12 6",
                        {UINT64_C(1) << 59, 1 << 23, 1u << 31, 1 << 12, 1 << 6, false, false}},
                {"  5\t4  *  *  * \n",
                        {1 << 5, 1 << 4, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, true}},
                {"1,2,3 0 * * *", {0xe, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, true}},
                {"1-3 0 * * *", {0xe, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, true}},
                {"4-4 0 * * *", {0x10, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, true}},
                {"1-8/3,2,2 0 * * *", {0x96, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, true}},
                {"*/20 */23 * * *", {1 | 1 << 20 | UINT64_C(1) << 40, 1 | 1 << 23, ALL_DAYS,
                                            ALL_MONTHS, ALL_WEEKDAYS, true, true}},
                {"0 0 */10 */4 *", {1, 1, 1 << 1 | 1 << 11 | 1 << 21 | 1u << 31,
                                           1 << 1 | 1 << 5 | 1 << 9, ALL_WEEKDAYS, true, true}},
                {"0 0 *,1 * 1,*", {1, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, false}},
                {"0 0 * jan,Jun-AUG *", {1, 1, ALL_DAYS, 0x1c2, ALL_WEEKDAYS, true, true}},
                {"0 0 * dec sat", {1, 1, ALL_DAYS, 1 << 12, 1 << 6, true, false}},
                {"00 007 * * mon-fri", {1, 1 << 7, ALL_DAYS, ALL_MONTHS, 0x3e, true, false}},
                {"0 0 * * 7", {1, 1, ALL_DAYS, ALL_MONTHS, 1, true, false}},
                {"0 0 * * sun", {1, 1, ALL_DAYS, ALL_MONTHS, 1, true, false}},
                {"0 0 * * 0-7", {1, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, false}},
                {"0 0 * * 5-7", {1, 1, ALL_DAYS, ALL_MONTHS, 0x61, true, false}},
                {"0 0 * * fri-sun", {1, 1, ALL_DAYS, ALL_MONTHS, 0x61, true, false}},
                {"0 0 * * */2", {1, 1, ALL_DAYS, ALL_MONTHS, 0x55, true, true}},
                {"@hourly", {1, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, true}},
                {" @daily ", {1, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, true}},
                {"@midnight", {1, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, true}},
                {"@weekly", {1, 1, ALL_DAYS, ALL_MONTHS, 1, true, false}},
                {"@monthly", {1, 1, 2, ALL_MONTHS, ALL_WEEKDAYS, false, true}},
                {"@yearly", {1, 1, 2, 2, ALL_WEEKDAYS, false, true}},
                {"@annually", {1, 1, 2, 2, ALL_WEEKDAYS, false, true}},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct cron got = parse(cases[i].text);
                const struct cron *want = &cases[i].masks;
                if (got.minutes != want->minutes || got.hours != want->hours ||
                        got.days != want->days || got.months != want->months ||
                        got.weekdays != want->weekdays || got.any_day != want->any_day ||
                        got.any_weekday != want->any_weekday)
                        fail_msg("%s: %llx %x %x %x %x %d %d", cases[i].text,
                                (unsigned long long)got.minutes, got.hours, got.days, got.months,
                                got.weekdays, got.any_day, got.any_weekday);
        }
}

#define SHAPE                                                                                      \
        "a cron expression is five fields (minute hour day month weekday) or @hourly, @daily, "    \
        "@weekly, @monthly, @yearly"
#define WRONG(name, range) "the " name " of a cron expression is from " range ", with * , - and /"
#define WRONG_MINUTE       WRONG("minute", "0 to 59")
#define WRONG_WEEKDAY      WRONG("day of week", "0 to 7")

static void mistakes_are_named(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"", SHAPE},
                {"   ", SHAPE},
                {"5", SHAPE},
                {"* * * *", SHAPE},
                {"* * * * * *", SHAPE},
                {"99 * * * * root", SHAPE},
                {"@reboot",
                        "@reboot is no time: a service that starts runs what it missed by itself"},
                {" @reboot ",
                        "@reboot is no time: a service that starts runs what it missed by itself"},
                {"@Daily", SHAPE},
                {"@daily *", SHAPE},
                {"@daily * * * *", WRONG_MINUTE},
                {"60 * * * *", WRONG_MINUTE},
                {"-1 * * * *", WRONG_MINUTE},
                {"+1 * * * *", WRONG_MINUTE},
                {"1.5 * * * *", WRONG_MINUTE},
                {"99999999999999999999 * * * *", WRONG_MINUTE},
                {"x * * * *", WRONG_MINUTE},
                {"jan * * * *", WRONG_MINUTE},
                {", * * * *", WRONG_MINUTE},
                {"1, * * * *", WRONG_MINUTE},
                {",1 * * * *", WRONG_MINUTE},
                {"1- * * * *", WRONG_MINUTE},
                {"- * * * *", WRONG_MINUTE},
                {"3-1 * * * *", WRONG_MINUTE},
                {"1-2-3 * * * *", WRONG_MINUTE},
                {"*-5 * * * *", WRONG_MINUTE},
                {"** * * * *", WRONG_MINUTE},
                {"*5 * * * *", WRONG_MINUTE},
                {"/ * * * *", WRONG_MINUTE},
                {"*/ * * * *", WRONG_MINUTE},
                {"*/0 * * * *", WRONG_MINUTE},
                {"*/60 * * * *", WRONG_MINUTE},
                {"*/+5 * * * *", WRONG_MINUTE},
                {"*/-5 * * * *", WRONG_MINUTE},
                {"*/5/2 * * * *", WRONG_MINUTE},
                {"5/2 * * * *", WRONG_MINUTE},
                {"* 24 * * *", WRONG("hour", "0 to 23")},
                {"* * 0 * *", WRONG("day of month", "1 to 31")},
                {"* * 32 * *", WRONG("day of month", "1 to 31")},
                {"* * L * *", WRONG("day of month", "1 to 31")},
                {"* * * 0 *", WRONG("month", "1 to 12")},
                {"* * * 13 *", WRONG("month", "1 to 12")},
                {"* * * janu *", WRONG("month", "1 to 12")},
                {"* * * nov-feb *", WRONG("month", "1 to 12")},
                {"* * * * 8", WRONG_WEEKDAY},
                {"* * * * su", WRONG_WEEKDAY},
                {"* * * * jan", WRONG_WEEKDAY},
                {"* * * * fri-mon", WRONG_WEEKDAY},
                {"* * * * mon#2", WRONG_WEEKDAY},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct cron c = {.hours = 77};
                struct err e = {0};
                int rc = cron_parse(str_of(cases[i].text), &c, &e);
                if (rc != -ERR_CONFIG || strcmp(e.text, cases[i].message) != 0 || c.hours != 77)
                        fail_msg("%s: %d %s", cases[i].text, rc, e.text);
        }
}

static void any_bytes_are_safe(void **state)
{
        static const char alphabet[] = "*/-,0123456789 \t@janfrisundaily\0\xff";
        struct cron c;
        struct err e;
        unsigned seed = 4;

        (void)state;
        for (int i = 0; i < 20000; i++) {
                size_t n = (size_t)rand_r(&seed) % 24;
                char *text = malloc(n ? n : 1); /* exactly: the sanitizer sees a step too far */
                assert_non_null(text);
                for (size_t k = 0; k < n; k++)
                        text[k] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
                int rc = cron_parse((struct str){text, n}, &c, &e);
                assert_true(rc == 0 || rc == -ERR_CONFIG);
                free(text);
        }
        assert_int_equal(cron_parse((struct str){"* *\0* * * *", 11}, &c, &e), -ERR_CONFIG);
}

/* --- known firings -------------------------------------------------------------------------- */

static const struct firing {
        const char *text, *zone, *after, *next; /* times in UTC; next NULL: none */
} firings[] = {
        /* always later, at whole minutes */
        {"* * * * *", NULL, "2026-01-01 00:00:00", "2026-01-01 00:01:00"},
        {"* * * * *", NULL, "2025-12-31 23:59:59", "2026-01-01 00:00:00"},
        {"*/15 * * * *", NULL, "2026-01-01 10:46:00", "2026-01-01 11:00:00"},
        {"30 6 * * *", NULL, "2026-01-01 06:30:00", "2026-01-02 06:30:00"},
        {"30 6 * * *", NULL, "2026-01-01 06:29:59", "2026-01-01 06:30:00"},
        {"50 8-10 * * *", NULL, "2026-01-01 09:55:00", "2026-01-01 10:50:00"},
        {"@hourly", NULL, "2026-12-31 23:10:00", "2027-01-01 00:00:00"},
        {"@yearly", NULL, "2026-01-01 00:00:00", "2027-01-01 00:00:00"},
        {"@weekly", NULL, "2026-01-01 00:00:00", "2026-01-04 00:00:00"},
        {"0 3 * * *", NULL, "1970-01-01 00:00:00", "1970-01-01 03:00:00"},
        {"0 3 * * *", NULL, "1969-12-31 02:59:59", "1969-12-31 03:00:00"},
        {"0 3 * * *", NULL, "9999-12-31 02:59:59", "9999-12-31 03:00:00"},
        /* ends of months, and leap days */
        {"0 0 31 * *", NULL, "2026-03-31 00:00:00", "2026-05-31 00:00:00"},
        {"0 0 30 * *", NULL, "2026-01-30 00:00:00", "2026-03-30 00:00:00"},
        {"59 23 28-31 2 *", NULL, "2026-02-28 23:59:00", "2027-02-28 23:59:00"},
        {"59 23 28-31 2 *", NULL, "2028-02-28 23:59:00", "2028-02-29 23:59:00"},
        {"0 0 29 2 *", NULL, "2026-01-01 00:00:00", "2028-02-29 00:00:00"},
        {"0 0 29 2 *", NULL, "2096-02-29 00:00:00", "2104-02-29 00:00:00"},
        {"0 0 29 2 *", NULL, "2196-03-01 00:00:00", "2204-02-29 00:00:00"},
        {"0 0 29 2 *", NULL, "1996-03-01 00:00:00", "2000-02-29 00:00:00"},
        {"0 0 30 2 *", NULL, "2026-01-01 00:00:00", NULL},
        {"* * 31 2,4,6,9,11 *", NULL, "2026-01-01 00:00:00", NULL},
        {"0 0 1 12 *", NULL, "2026-12-01 00:00:00", "2027-12-01 00:00:00"},
        /* both day fields restricted: either; one of them with a star: both */
        {"0 0 13 * 5", NULL, "2026-02-13 00:00:00", "2026-02-20 00:00:00"},
        {"0 0 13 * 5", NULL, "2026-03-06 00:00:00", "2026-03-13 00:00:00"},
        {"0 0 13 * 5", NULL, "2026-04-10 00:00:00", "2026-04-13 00:00:00"},
        {"0 0 30 2 1", NULL, "2026-01-01 00:00:00", "2026-02-02 00:00:00"},
        {"0 0 */2 * 1", NULL, "2026-01-01 00:00:00", "2026-01-05 00:00:00"},
        {"0 0 */2 * 1", NULL, "2026-01-05 00:00:00", "2026-01-19 00:00:00"},
        {"0 0 1 * */2", NULL, "2026-01-01 00:00:00", "2026-02-01 00:00:00"},
        {"0 0 13 * *", NULL, "2026-01-13 00:00:00", "2026-02-13 00:00:00"},
        /* Sunday both ways */
        {"0 0 * * 0", NULL, "2026-01-01 00:00:00", "2026-01-04 00:00:00"},
        {"0 0 * * 7", NULL, "2026-01-01 00:00:00", "2026-01-04 00:00:00"},
        {"0 0 * * 6-7", NULL, "2026-01-03 00:00:00", "2026-01-04 00:00:00"},
        /* zones */
        {"0 3 * * *", "UTC", "2026-07-01 00:00:00", "2026-07-01 03:00:00"},
        {"0 3 * * *", "Europe/Dublin", "2026-07-01 00:00:00", "2026-07-01 02:00:00"},
        {"0 3 * * *", "America/New_York", "2026-07-01 00:00:00", "2026-07-01 07:00:00"},
        {"0 0 * * *", "Asia/Kolkata", "2026-07-01 00:00:00", "2026-07-01 18:30:00"},
        {"0 0 1 * *", "Pacific/Auckland", "2026-06-15 00:00:00", "2026-06-30 12:00:00"},
        {"0 0 * * sun", "Pacific/Auckland", "2026-01-01 00:00:00", "2026-01-03 11:00:00"},
        {"0 3 * * *", "Europe/Dublin", "2150-07-01 00:00:00", "2150-07-01 02:00:00"},
        /* gaps: at the end, and once */
        {"30 1 * * *", "Europe/Dublin", "2026-03-28 12:00:00", "2026-03-29 01:00:00"},
        {"30 1 * * *", "Europe/Dublin", "2026-03-29 01:00:00", "2026-03-30 00:30:00"},
        {"*/10 * * * *", "Europe/Dublin", "2026-03-29 00:50:00", "2026-03-29 01:00:00"},
        {"*/10 * * * *", "Europe/Dublin", "2026-03-29 01:00:00", "2026-03-29 01:10:00"},
        {"0 1 29 3 *", "Europe/Dublin", "2026-03-29 00:59:59", "2026-03-29 01:00:00"},
        {"15 2 * * *", "America/New_York", "2026-03-08 00:00:00", "2026-03-08 07:00:00"},
        {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00:00", "2026-10-03 15:30:00"},
        {"45 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00:00", "2026-10-03 15:45:00"},
        {"0 12 30 12 *", "Pacific/Apia", "2011-12-30 00:00:00", "2011-12-30 10:00:00"},
        /* overlaps: the first of the two */
        {"30 1 * * *", "Europe/Dublin", "2026-10-24 12:00:00", "2026-10-25 00:30:00"},
        {"30 1 * * *", "Europe/Dublin", "2026-10-25 00:30:00", "2026-10-26 01:30:00"},
        {"30 1 * * *", "Europe/Dublin", "2026-10-25 01:15:00", "2026-10-26 01:30:00"},
        {"*/10 * * * *", "Europe/Dublin", "2026-10-25 00:50:00", "2026-10-25 02:00:00"},
        {"*/10 * * * *", "Europe/Dublin", "2026-10-25 01:30:00", "2026-10-25 02:00:00"},
        {"30 1 * * *", "America/New_York", "2026-11-01 00:00:00", "2026-11-01 05:30:00"},
        {"30 1 * * *", "America/New_York", "2026-11-01 05:30:00", "2026-11-02 06:30:00"},
        {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00:00", "2026-04-04 14:45:00"},
        {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04 14:45:00", "2026-04-05 15:15:00"},
};

static void known_firings_are_right(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(firings); i++) {
                const struct firing *f = &firings[i];
                cleanup_(tz_freep) struct tz *z = f->zone ? load(f->zone) : NULL;
                struct cron c = parse(f->text);
                int64_t got = -1, want = f->next ? utc(f->next) : -1;
                bool found = cron_next(&c, z, utc(f->after), &got);
                char text[32];
                if (found != (f->next != NULL) || got != want)
                        fail_msg("case %zu: %s in %s after %s: %d %s, not %s", i, f->text, f->zone,
                                f->after, found, shown(got, text), f->next);
        }
}

static void times_out_of_reach_have_no_firing(void **state)
{
        static const int64_t times[] = {
                INT64_MIN, INT64_MAX, INT64_MIN / 2, INT64_C(253402300800), -INT64_C(253402300800)};
        cleanup_(tz_freep) struct tz *z = load("Europe/Dublin");
        struct cron c = parse("* * * * *"), never = {0};
        int64_t got = 77;

        (void)state;
        for (size_t i = 0; i < COUNT(times); i++)
                assert_false(cron_next(&c, i % 2 ? z : NULL, times[i], &got));
        assert_false(cron_next(&never, z, 0, &got));
        assert_int_equal(got, 77);
}

/* --- the oracle ----------------------------------------------------------------------------- */

/* What stands in the fields, read anew: numbers only. */
struct plain {
        bool fields[5][60];
        bool either_day;
};

static void plain_field(const char *text, int min, int max, bool *out)
{
        char copy[320], *save, *item;

        snprintf(copy, sizeof(copy), "%s", text);
        for (item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
                int from = min, to = max, step = 1;
                if (sscanf(item, "*/%d", &step) != 1 && strcmp(item, "*") != 0) {
                        int n = sscanf(item, "%d-%d/%d", &from, &to, &step);
                        assert_true(n >= 1);
                        if (n == 1)
                                to = from;
                }
                for (int i = from; i <= to; i += step)
                        out[i] = true;
        }
}

static void plain_read(const char *text, struct plain *p)
{
        static const int limits[5][2] = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}};
        char parts[5][64];

        assert_int_equal(sscanf(text, "%63s %63s %63s %63s %63s", parts[0], parts[1], parts[2],
                                 parts[3], parts[4]),
                5);
        *p = (struct plain){.either_day = parts[2][0] != '*' && parts[4][0] != '*'};
        for (int i = 0; i < 5; i++)
                plain_field(parts[i], limits[i][0], limits[i][1], p->fields[i]);
        p->fields[4][0] |= p->fields[4][7];
}

static bool plain_fires(const struct plain *p, int64_t local_s)
{
        int64_t minutes = local_s / 60; /* the years of the test begin after 1970 */
        time_t seconds = local_s;
        struct tm tm;

        if (!p->fields[0][minutes % 60] || !p->fields[1][minutes / 60 % 24])
                return false;
        gmtime_r(&seconds, &tm);
        bool day = p->fields[2][tm.tm_mday], weekday = p->fields[4][tm.tm_wday];
        return p->fields[3][tm.tm_mon + 1] && (p->either_day ? day || weekday : day && weekday);
}

static int64_t library_local(int64_t utc_s)
{
        time_t t = utc_s;
        struct tm tm;

        localtime_r(&t, &tm);
        return utc_s + tm.tm_gmtoff;
}

/* Walks the minutes of @from..@to by the C library's clock: each minute that it shows for the first
 * time, or skips, may fire. Every firing must be the next one after the one before. */
static int compare_firings(const char *text, const char *zone, int64_t from, int64_t to)
{
        cleanup_(tz_freep) struct tz *z = load(zone);
        struct cron c = parse(text);
        struct plain p;
        int64_t last = from, next, highest = library_local(from - 2 * DAY_S);
        int count = 0;

        plain_read(text, &p);
        for (int64_t u = from - 2 * DAY_S; u <= to; u += 60) {
                bool fires = false;
                int64_t local = library_local(u);
                for (; highest < local; highest += 60)
                        fires |= plain_fires(&p, highest + 60);
                if (!fires || u <= from)
                        continue;
                char a[32], b[32];
                if (!cron_next(&c, z, last, &next) || next != u)
                        fail_msg("%s in %s after %lld: %s, not %s", text, zone, (long long)last,
                                shown(next, a), shown(u, b));
                last = next;
                count++;
        }
        if (cron_next(&c, z, last, &next))
                assert_true(next > to);
        return count;
}

static const char *const zones[] = {"Europe/Dublin", "America/New_York", "Australia/Lord_Howe"};

static void set_library_zone(const char *name)
{
        setenv("TZ", name, 1);
        tzset();
}

/* Counts from the calendar of 2026: clocks skip and repeat an hour, Lord Howe's half of one, at 1
 * or 2 o'clock. */
static void a_year_fires_as_the_oracle_says(void **state)
{
        static const struct {
                const char *text;
                int counts[COUNT(zones)];
        } cases[] = {
                {"* * * * *", {525600 - 60, 525600 - 60, 525600 - 30}},
                {"*/7 * * * *", {365 * 24 * 9 - 9, 365 * 24 * 9 - 9, 365 * 24 * 9 - 4}},
                {"0 * * * *", {8760 - 1, 8760 - 1, 8760 - 0}},
                {"30 1 * * *", {365, 365, 365}},
                {"15,45 2 * * *", {730, 730 - 1, 730}},
                {"0 0 * * *", {365, 365, 365}},
                {"0 12 1-7 * 1", {124, 124, 124}},
                {"0 12 */2 * 1-5/2", {78, 78, 78}},
                {"59 23 31 * *", {7, 7, 7}},
                {"0 0 29 2 *", {0, 0, 0}},
                {"5 4 13 1-12/3 *", {4, 4, 4}},
                {"30 6 * * 0,7", {52, 52, 52}},
        };

        (void)state;
        for (size_t k = 0; k < COUNT(zones); k++) {
                set_library_zone(zones[k]);
                struct tm start = {.tm_year = 126, .tm_mday = 1, .tm_isdst = -1};
                struct tm end = {.tm_year = 127, .tm_mday = 1, .tm_isdst = -1};
                int64_t from = mktime(&start) - 60, to = mktime(&end) - 60;
                for (size_t i = 0; i < COUNT(cases); i++) {
                        int count = compare_firings(cases[i].text, zones[k], from, to);
                        if (count != cases[i].counts[k])
                                fail_msg("%s in %s: %d firings, not %d", cases[i].text, zones[k],
                                        count, cases[i].counts[k]);
                }
        }
        set_library_zone("UTC");
}

static void random_field(char out[16], int min, int max, unsigned *seed)
{
        int a = min + rand_r(seed) % (max - min + 1), b = a + rand_r(seed) % (max - a + 1);
        int step = 1 + rand_r(seed) % max;

        switch (rand_r(seed) % 6) {
        case 0:
                snprintf(out, 16, "%d", a);
                break;
        case 1:
                snprintf(out, 16, "%d,%d", b, a);
                break;
        case 2:
                snprintf(out, 16, "%d-%d/%d", a, b, step);
                break;
        case 3:
                snprintf(out, 16, "*/%d", step);
                break;
        default:
                snprintf(out, 16, "*");
        }
}

/* Days around the changes of clocks, from any second. */
static void random_expressions_fire_as_the_oracle_says(void **state)
{
        static const char *const changes[COUNT(zones)][2] = {
                {"2026-03-29 01:00:00", "2026-10-25 01:00:00"},
                {"2026-03-08 07:00:00", "2026-11-01 06:00:00"},
                {"2026-10-03 15:30:00", "2026-04-04 15:00:00"},
        };
        unsigned seed = 20261;
        int count = 0;

        (void)state;
        for (int i = 0; i < 600; i++) {
                size_t zone = (size_t)i % COUNT(zones);
                char fields[5][16], text[96];
                random_field(fields[0], 0, 59, &seed);
                random_field(fields[1], 0, 23, &seed);
                random_field(fields[2], 1, 31, &seed);
                random_field(fields[3], 1, 12, &seed);
                random_field(fields[4], 0, 7, &seed);
                snprintf(text, sizeof(text), "%s %s %s %s %s", fields[0], fields[1], fields[2],
                        i % 2 ? "*" : fields[3], fields[4]);
                set_library_zone(zones[zone]);
                int64_t at = utc(changes[zone][rand_r(&seed) % 2]);
                int64_t from = at - DAY_S + rand_r(&seed) % (DAY_S + 7200);
                /* the oracle walks whole minutes */
                count += compare_firings(text, zones[zone], from - from % 60, at + 2 * DAY_S);
                struct cron c = parse(text);
                cleanup_(tz_freep) struct tz *z = load(zones[zone]);
                int64_t by_second = -1, by_minute = -1;
                bool found = cron_next(&c, z, from, &by_second);
                assert_int_equal(found, cron_next(&c, z, from - from % 60, &by_minute));
                assert_int_equal(by_second, by_minute);
        }
        set_library_zone("UTC");
        assert_true(count > 3000); /* or the test would prove little */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(expressions_become_masks),
                cmocka_unit_test(mistakes_are_named),
                cmocka_unit_test(any_bytes_are_safe),
                cmocka_unit_test(known_firings_are_right),
                cmocka_unit_test(times_out_of_reach_have_no_firing),
                cmocka_unit_test(a_year_fires_as_the_oracle_says),
                cmocka_unit_test(random_expressions_fire_as_the_oracle_says),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
