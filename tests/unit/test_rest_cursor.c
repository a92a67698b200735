/*
 * Cursors of REST sources, in tables: spellings of times, values of records, positions from run to
 * run, each printed and parsed in between. Random schedules are in test_rest_cursor_model.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "ingest/source/rest/cursor.h"
#include "ingest/source/rest/time.h"
#include "tests/support/alloc_fail.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND_US    INT64_C(1000000)
#define T0           (INT64_C(1785585600) * SECOND_US) /* 2026-08-01T12:00:00Z */
#define MINUTE_MS    60000

static struct tz *load(const char *name)
{
        struct tz *z = NULL;
        struct err e;

        if (name && tz_load(name, &z, &e) != 0)
                fail_msg("%s", e.text);
        return z;
}

/* ---- spellings of times ---- */

static const struct {
        const char *format, *text, *zone;
        const char *want; /* RFC 3339 with microseconds; NULL: bad; "": no time */
} times[] = {
        {"rfc3339", "2026-08-01T12:00:00Z", NULL, "2026-08-01T12:00:00.000000Z"},
        {"rfc3339", "2026-08-01 12:00:00", NULL, "2026-08-01T12:00:00.000000Z"},
        {"rfc3339", "2026-08-01T12:00:00.1234567Z", NULL, "2026-08-01T12:00:00.123456Z"},
        {"rfc3339", "2026-08-01T12:00:00.5+02:00", NULL, "2026-08-01T10:00:00.500000Z"},
        {"rfc3339", "2026-08-01T12:00:00-0330", NULL, "2026-08-01T15:30:00.000000Z"},
        {"rfc3339", "2026-08-01T12:00+01", NULL, "2026-08-01T11:00:00.000000Z"},
        {"rfc3339", "2026-08-01T12:00:00", "Europe/Dublin", "2026-08-01T11:00:00.000000Z"},
        {"rfc3339", "2026-08-01", "Europe/Dublin", "2026-07-31T23:00:00.000000Z"},
        {"rfc3339", "2026-10-25T01:30:00", "Europe/Dublin", "2026-10-25T00:30:00.000000Z"},
        {"rfc3339", "2026-03-29T01:30:00", "Europe/Dublin", ""},
        {"rfc3339", "2026-08-01T24:00:00Z", NULL, "2026-08-02T00:00:00.000000Z"},
        {"rfc3339", "2016-12-31T23:59:60Z", NULL, "2016-12-31T23:59:59.000000Z"},
        {"rfc3339", " 2026-08-01T12:00:00Z ", NULL, "2026-08-01T12:00:00.000000Z"},
        {"rfc3339", "1969-12-31T23:59:59.5Z", NULL, "1969-12-31T23:59:59.500000Z"},
        {"rfc3339", "2024-02-29T00:00:00Z", NULL, "2024-02-29T00:00:00.000000Z"},
        {"rfc3339", "9999-12-31T23:59:59.999999Z", NULL, "9999-12-31T23:59:59.999999Z"},
        {"rfc3339", "0001-01-01T00:00:00Z", NULL, ""},
        {"rfc3339", "0001-01-01", NULL, ""},
        {"rfc3339", "0000-00-00 00:00:00", NULL, ""},
        {"rfc3339", "2026-02-29", NULL, NULL},
        {"rfc3339", "2026-13-01", NULL, NULL},
        {"rfc3339", "2026-08-01T24:00:01Z", NULL, NULL},
        {"rfc3339", "2026-08-01T12:00:00+25:00", NULL, NULL},
        {"rfc3339", "2026-08-01T12:00:00.Z", NULL, NULL},
        {"rfc3339", "2026-08-01T12:00:00Zx", NULL, NULL},
        {"rfc3339", "2026-08-01T", NULL, NULL},
        {"rfc3339", "", NULL, NULL},
        {"rfc3339", "1785585600", NULL, NULL},
        {"unix", "1785585600", NULL, "2026-08-01T12:00:00.000000Z"},
        {"unix", "1785585600.25", NULL, "2026-08-01T12:00:00.250000Z"},
        {"unix", "-0.25", NULL, "1969-12-31T23:59:59.749999Z"}, /* down, by a hair too much */
        {"unix", "1e9", NULL, NULL},
        {"unix", "99999999999999999999", NULL, NULL},
        {"unix", "-99999999999999", NULL, NULL},
        {"unix_ms", "1785585600123", NULL, "2026-08-01T12:00:00.123000Z"},
        {"odata", "/Date(1785585600123)/", NULL, "2026-08-01T12:00:00.123000Z"},
        {"odata", "/Date(1785585600123+0200)/", NULL, "2026-08-01T12:00:00.123000Z"},
        {"odata", "/Date(-1)/", NULL, "1969-12-31T23:59:59.999000Z"},
        {"odata", "2026-08-01T12:00:00Z", NULL, "2026-08-01T12:00:00.000000Z"},
        {"odata", "/Date()/", NULL, NULL},
        {"odata", "/Date(1)", NULL, NULL},
        {"http", "Sat, 01 Aug 2026 12:00:00 GMT", NULL, "2026-08-01T12:00:00.000000Z"},
        {"%Y-%m-%d %H:%M:%S", "2026-08-01 12:00:00", "Europe/Dublin",
                "2026-08-01T11:00:00.000000Z"},
        {"%Y-%m-%d %H:%M:%S.%f", "2026-08-01 12:00:00.5", NULL, "2026-08-01T12:00:00.500000Z"},
        {"%d/%m/%Y %I:%M %p", "1/8/2026 12:05 am", NULL, "2026-08-01T00:05:00.000000Z"},
        {"%Y%m%d%H%M%S", "20260801120000", NULL, "2026-08-01T12:00:00.000000Z"},
        {"%F %T %z", "2026-08-01 12:00:00 -01:00", NULL, "2026-08-01T13:00:00.000000Z"},
        {"%d %B %y", "01 august 69", NULL, "1969-08-01T00:00:00.000000Z"},
        {"%Y %j", "2024 366", NULL, "2024-12-31T00:00:00.000000Z"},
        {"%Y-%m-%d", "2026-08-01x", NULL, NULL},
        {"%Y-%m-%d", "2026-08", NULL, NULL},
};

static void times_are_read(void **state)
{
        for (size_t i = 0; i < COUNT(times); i++) {
                cleanup_(tz_freep) struct tz *zone = load(times[i].zone);
                cleanup_buf_ struct buf found = BUF_INIT(64);
                int64_t us = 0;
                enum rest_time_result r =
                        rest_time_read(times[i].format, str_of(times[i].text), zone, &us);
                if (r == REST_TIME_OK)
                        rest_time_print("rfc3339", us, 1, 0, NULL, &found);
                bool ok = !times[i].want             ? r == REST_TIME_BAD
                          : times[i].want[0] == '\0' ? r == REST_TIME_NONE
                                                     : str_is(buf_str(&found), times[i].want);
                if (!ok)
                        fail_msg("%s '%s': %d %s", times[i].format, times[i].text, r,
                                buf_cstr(&found));
        }
}

static const struct {
        const char *format, *zone, *time; /* RFC 3339 */
        int64_t precision_ms;
        const char *want;
} prints[] = {
        {"rfc3339", NULL, "2026-08-01T12:00:00.987654Z", 0, "2026-08-01T12:00:00Z"},
        {"rfc3339", NULL, "2026-08-01T12:00:00.987654Z", 1, "2026-08-01T12:00:00.987Z"},
        {"rfc3339", NULL, "2026-08-01T12:34:56Z", 60000, "2026-08-01T12:34:00Z"},
        {"rfc3339", "Europe/Dublin", "2026-08-01T12:00:00Z", 0, "2026-08-01T12:00:00Z"},
        {"rfc3339", NULL, "1969-12-31T23:59:59.5Z", 0, "1969-12-31T23:59:59Z"},
        {"unix", NULL, "2026-08-01T12:00:00.9Z", 0, "1785585600"},
        {"unix_ms", NULL, "2026-08-01T12:00:00.987654Z", 0, "1785585600987"},
        {"unix_ms", NULL, "2026-08-01T12:00:00.987654Z", 1000, "1785585600000"},
        {"odata", NULL, "2026-08-01T12:00:00.987654Z", 0, "/Date(1785585600987)/"},
        {"http", "Europe/Dublin", "2026-08-01T12:00:00.9Z", 0, "Sat, 01 Aug 2026 12:00:00 GMT"},
        {"%Y-%m-%d %H:%M:%S", NULL, "2026-08-01T12:00:00.9Z", 0, "2026-08-01 12:00:00"},
        {"%Y-%m-%d %H:%M:%S", "Europe/Dublin", "2026-08-01T12:00:00.9Z", 0, "2026-08-01 13:00:00"},
        {"%Y-%m-%d %H:%M:%S.%f", NULL, "2026-08-01T12:00:00.987654Z", 0,
                "2026-08-01 12:00:00.987654"},
        {"%Y-%m-%d %H:%M:%S.%f", NULL, "2026-08-01T12:00:00.987654Z", 1, "2026-08-01 12:00:00.987"},
        {"%Y-%m-%d", "Europe/Dublin", "2026-08-01T23:30:00Z", 0, "2026-08-02"},
        {"%H:%M %d.%m.%y", NULL, "2026-08-01T12:34:56Z", 0, "12:34 01.08.26"},
        {"%I:%M %p %j %a %b %A %B %%", NULL, "2026-08-01T00:05:00Z", 0,
                "12:05 AM 213 Sat Aug Saturday August %"},
        {"%FT%T%z", "Europe/Dublin", "2026-08-01T12:00:00Z", 0, "2026-08-01T12:00:00+00:00"},
        /* clocks go back at 01:00 UTC: 01:00 local comes again */
        {"%F %T", "Europe/Dublin", "2026-10-25T00:30:00Z", 0, "2026-10-25 01:00:00"},
        {"%F %T", "Europe/Dublin", "2026-10-25T01:30:00Z", 0, "2026-10-25 01:30:00"},
};

static void times_are_printed_and_cut_down(void **state)
{
        for (size_t i = 0; i < COUNT(prints); i++) {
                cleanup_(tz_freep) struct tz *zone = load(prints[i].zone);
                cleanup_buf_ struct buf text = BUF_INIT(128);
                int64_t us, unit = rest_time_unit(prints[i].format, prints[i].precision_ms);
                assert_int_equal(
                        rest_time_read("rfc3339", str_of(prints[i].time), NULL, &us), REST_TIME_OK);
                rest_time_print(prints[i].format, us, unit, 0, zone, &text);
                if (!str_is(buf_str(&text), prints[i].want))
                        fail_msg("%s %s: %s", prints[i].format, prints[i].time, buf_cstr(&text));
        }
}

static const struct {
        const char *format, *error;
} checks[] = {
        {"rfc3339", NULL},
        {"unix_ms", NULL},
        {"%Y-%m-%d", NULL},
        {"%F %T", NULL},
        {"%Y %j", NULL},
        {"iso", "'iso' is no format of times"},
        {"%Y-%m-%Q", "'%Q' in '%Y-%m-%Q' is no directive"},
        {"%Y-%m-%d %", "'%' in '%Y-%m-%d %' is no directive"},
        {"%H:%M", "names no day"},
        {"%Y-%m", "names no day"},
};

static void formats_are_checked(void **state)
{
        for (size_t i = 0; i < COUNT(checks); i++) {
                struct err e = {0};
                int rc = rest_time_check(checks[i].format, &e);
                if ((rc != 0) != (checks[i].error != NULL) ||
                        (rc && !strstr(e.text, checks[i].error)))
                        fail_msg("%s: %s", checks[i].format, e.text);
        }
}

/* From the year 2 on: a year 1 is no time. */
static void days_come_back(void **state)
{
        for (int64_t day = -718700; day < 2932896; day += 17) {
                char text[64] = "";
                struct buf out = BUF_INIT(64);
                int64_t us = day * 86400 * SECOND_US + 43200 * SECOND_US, back;
                rest_time_print("rfc3339", us, 1, 0, NULL, &out);
                snprintf(text, sizeof(text), "%.*s", STR_ARG(buf_str(&out)));
                buf_deinit(&out);
                if (rest_time_read("rfc3339", str_of(text), NULL, &back) != REST_TIME_OK ||
                        back != us)
                        fail_msg("%s", text);
        }
}

/* ---- values of records ---- */

#define TIME(f) .kind = REST_CURSOR_TIME, .fields = {"updated"}, .field_count = 1, .format = (f)
#define TWO(f)  .kind = REST_CURSOR_TIME, .fields = {"Date", "Time"}, .field_count = 2, .format = (f)
#define INTEGER .kind = REST_CURSOR_INTEGER, .fields = {"version"}, .field_count = 1
#define TEXT    .kind = REST_CURSOR_TEXT, .fields = {"stamp"}, .field_count = 1
#define GE      .filter = "x ge ${cursor}"

static const struct {
        const char *name;
        struct rest_cursor_spec spec;
        const char *values[4][REST_CURSOR_FIELDS]; /* JSON of records; the last one may be bad */
        const char *want;                          /* ${cursor}; NULL: from the beginning */
        const char *error;
} values[] = {
        {"the largest counts", {TIME("rfc3339"), GE},
                {{"\"2026-08-01T10:00:00.5Z\""}, {"\"2026-08-01T11:00:00.5Z\""},
                        {"\"2026-08-01T13:30:00.5+03:00\""}},
                "2026-08-01T11:00:00Z", NULL},
        {"no format is rfc3339", {TIME(NULL), GE}, {{"\"2026-08-01T10:00:00.5Z\""}},
                "2026-08-01T10:00:00Z", NULL},
        {"one second less for `later than`", {TIME("rfc3339"), .param = "since"},
                {{"\"2026-08-01T10:00:00.9Z\""}}, "2026-08-01T09:59:59Z", NULL},
        {"another value is compared by ge",
                {TIME("rfc3339"), .filter = "a ge 1 and x gt ${cursor}"},
                {{"\"2026-08-01T10:00:00.9Z\""}}, "2026-08-01T09:59:59Z", NULL},
        {"ge, in a literal", {TIME("rfc3339"), .filter = "x GE  datetime'${cursor}'"},
                {{"\"2026-08-01T10:00:00.9Z\""}}, "2026-08-01T10:00:00Z", NULL},
        {"tight", {TIME("rfc3339"), .filter = "a>1 and x>='${cursor}'"},
                {{"\"2026-08-01T10:00:00.9Z\""}}, "2026-08-01T10:00:00Z", NULL},
        {"one day less", {TIME("rfc3339"), .send = "%Y-%m-%d"}, {{"\"2026-08-01T10:00:00.5Z\""}},
                "2026-07-31", NULL},
        {"no values", {TIME("rfc3339")}, {{NULL}, {"null"}, {"\"\""}, {"false"}}, NULL, NULL},
        {"the year 1 is no value", {TIME("rfc3339"), GE},
                {{"\"0001-01-01T00:00:00Z\""}, {"\"2026-08-01T10:00:00.5Z\""}},
                "2026-08-01T10:00:00Z", NULL},
        {"unix seconds, as text", {TIME("unix"), GE}, {{"\"1785578400\""}, {"1785578300"}},
                "1785578399", NULL},
        {"/Date()/ with escaped slashes", {TIME("odata"), .send = "rfc3339", GE},
                {{"\"\\/Date(1785578400123+0000)\\/\""}}, "2026-08-01T10:00:00Z", NULL},
        {"not of the format", {TIME("rfc3339")}, {{"\"yesterday\""}}, NULL,
                "updated: the cursor's value \"yesterday\" is not a time by the format rfc3339"},
        {"an object", {TIME("rfc3339")}, {{"{\"a\":1}"}}, NULL, "updated: the cursor's value {"},
        {"true", {TIME("rfc3339")}, {{"true"}}, NULL, "is not a time"},

        {"date and time", {TWO(NULL), .send = "rfc3339", GE}, {{"\"2026-08-01\"", "\"10:45:59\""}},
                "2026-08-01T10:45:58Z", NULL},
        {"date with a midnight, time without seconds", {TWO(NULL), .send = "rfc3339", GE},
                {{"\"2026-08-01T00:00:00Z\"", "1045"}}, "2026-08-01T10:44:00Z", NULL},
        {"before ten", {TWO(NULL), .send = "rfc3339", GE}, {{"\"2026-08-01\"", "945"}},
                "2026-08-01T09:44:00Z", NULL},
        {"with seconds", {TWO(NULL), .send = "rfc3339", GE}, {{"\"2026-08-01\"", "94501"}},
                "2026-08-01T09:45:00Z", NULL},
        {"no time of day", {TWO(NULL), .send = "rfc3339", GE}, {{"\"2026-08-01\"", "null"}},
                "2026-07-31T00:00:00Z", NULL},
        {"no date", {TWO(NULL), .send = "rfc3339"}, {{"null", "945"}}, NULL, NULL},
        {"OData v2", {TWO("odata"), .send = "rfc3339", GE},
                {{"\"/Date(1785542400000)/\"", "\"PT9H05M\""}}, "2026-08-01T09:04:00Z", NULL},
        {"a pattern, with zeros lost", {TWO("%Y-%m-%d %H%M%S"), .send = "rfc3339", GE},
                {{"\"2026-08-01\"", "501"}}, "2026-08-01T00:05:00Z", NULL},
        {"sent as a date", {TWO(NULL), GE}, {{"\"2026-08-01\"", "945"}}, "2026-08-01", NULL},
        {"no time of day that is one", {TWO(NULL)}, {{"\"2026-08-01\"", "2561"}}, NULL,
                "Date: the cursor's value 2026-08-01 25:61:00 is not"},

        {"integers by value", {INTEGER}, {{"9"}, {"\"10\""}, {"-11"}}, "10", NULL},
        {"integers beyond 64 bits", {INTEGER},
                {{"99999999999999999999"}, {"100000000000000000000"},
                        {"\"00099999999999999999999\""}},
                "100000000000000000000", NULL},
        {"negative integers", {INTEGER}, {{"-20"}, {"-3"}, {"-100"}}, "-3", NULL},
        {"a fraction", {INTEGER}, {{"1.5"}}, NULL,
                "version: the cursor's value 1.5 is not an integer"},
        {"words", {INTEGER}, {{"\"0x10\""}}, NULL, "not an integer"},
        {"texts by bytes", {TEXT}, {{"\"a9\""}, {"\"b1\""}, {"\"a99\""}}, "b1", NULL},
};

static struct rest_position *advance(const struct rest_position *before,
        const struct rest_cursor_spec *spec, const struct tz *zone,
        const struct rest_progress *seen, int64_t began_s, bool full, struct arena *arena)
{
        struct rest_finished done = {.origin = "https://erp.example",
                .began_us = T0 + began_s * SECOND_US,
                .ended_us = T0 + began_s * SECOND_US,
                .lookback_ms = spec->kind == REST_CURSOR_TIME ? 0 : 5 * MINUTE_MS,
                .full = full};
        struct rest_position *p = NULL;
        struct err e = {0};

        if (rest_position_advance(before, spec, zone, seen, &done, arena, &p, &e) != 0)
                fail_msg("%s", e.text);
        return p;
}

/* Printed and parsed: the same text again. */
static struct rest_position *stored(const struct rest_position *p, struct arena *arena)
{
        cleanup_buf_ struct buf once = BUF_INIT(1 << 20), twice = BUF_INIT(1 << 20);
        struct rest_position *again = NULL;
        struct err e = {0};

        assert_int_equal(rest_position_print(p, &once, &e), 0);
        if (rest_position_parse(buf_str(&once), arena, &again, &e) != 0)
                fail_msg("%s: %s", e.text, buf_cstr(&once));
        assert_int_equal(rest_position_print(again, &twice, &e), 0);
        assert_true(str_eq(buf_str(&once), buf_str(&twice)));
        assert_null(memchr(once.data, '\n', once.len));
        return again;
}

static void expect_from(const char *name, const struct rest_position *p,
        const struct rest_cursor_spec *spec, int64_t lookback_ms, const struct tz *zone,
        int64_t now_s, const char *want)
{
        cleanup_buf_ struct buf from = BUF_INIT(4096);
        struct err e = {0};
        int rc = rest_position_from(p, spec, lookback_ms, zone, T0 + now_s * SECOND_US, &from, &e);

        if (rc != (want ? 0 : REST_ABSENT) || (want && !str_is(buf_str(&from), want)))
                fail_msg("%s: from '%s' (%d), not '%s'", name, buf_cstr(&from), rc,
                        want ? want : "the beginning");
}

/* A crash in the middle of a read: what was seen comes from its mark. */
static void through_a_mark(const struct rest_progress *p, struct rest_progress *again)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16);
        struct err e = {0};

        assert_int_equal(rest_progress_print(p, &text, &e), 0);
        if (rest_progress_parse(again, buf_str(&text), &e) != 0)
                fail_msg("%s: %s", e.text, buf_cstr(&text));
}

static void values_become_the_cursor(void **state)
{
        for (size_t i = 0; i < COUNT(values); i++) {
                const struct rest_cursor_spec *spec = &values[i].spec;
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
                struct err e = {0};
                cleanup_(rest_progress_freep) struct rest_progress *p =
                        rest_progress_new(spec, NULL, &e);
                cleanup_(rest_progress_freep) struct rest_progress *q =
                        rest_progress_new(spec, NULL, &e);
                int rc = 0;
                for (size_t k = 0; !rc && k < 4; k++) {
                        struct str v[] = {
                                str_of(values[i].values[k][0]), str_of(values[i].values[k][1])};
                        rc = rest_progress_see(p, v, &e);
                }
                if (values[i].error) {
                        if (rc != -ERR_REJECT || !strstr(e.text, values[i].error))
                                fail_msg("%s: %s", values[i].name, e.text);
                        continue;
                }
                if (rc)
                        fail_msg("%s: %s", values[i].name, e.text);
                through_a_mark(p, q);
                struct rest_position *at =
                        stored(advance(NULL, spec, NULL, q, 0, true, arena), arena);
                expect_from(values[i].name, at, spec, 0, NULL, 0, values[i].want);
        }
}

/* ---- positions from run to run ---- */

struct step {
        int64_t at_s, took_s;
        const char *seen; /* JSON; NULL: no records */
        bool full;
        const char *from; /* ${cursor} a minute later */
        bool ahead;
};

static const struct {
        const char *name;
        struct rest_cursor_spec spec;
        int64_t lookback_ms;
        struct step steps[6];
} runs[] = {
        {"times follow the largest stamp", {TIME("rfc3339"), GE}, 0,
                {{0, 0, "\"2026-08-01T11:00:00.5Z\"", true, "2026-08-01T11:00:00Z"},
                        {60, 0, "\"2026-08-01T11:30:00.5Z\"", false, "2026-08-01T11:30:00Z"}}},
        {"the step of stamps is taken off", {TIME("rfc3339"), GE}, 0,
                {{0, 0, "\"2026-08-01T11:30:01Z\"", true, "2026-08-01T11:30:00Z"},
                        {60, 0, "\"2026-08-01T11:40:00Z\"", false, "2026-08-01T11:39:00Z"}}},
        {"the lookback is taken off", {TIME("rfc3339"), GE}, 5 * MINUTE_MS,
                {{0, 0, "\"2026-08-01T11:00:00.5Z\"", true, "2026-08-01T10:55:00Z"}}},
        {"no records leave it", {TIME("rfc3339"), GE}, 0,
                {{0, 0, "\"2026-08-01T11:00:00.5Z\"", true, "2026-08-01T11:00:00Z"},
                        {60, 0, NULL, false, "2026-08-01T11:00:00Z"},
                        {60, 0, NULL, true, "2026-08-01T11:00:00Z"}}},
        {"none yet", {TIME("rfc3339")}, 0, {{0, 0, NULL, true, NULL}}},
        {"stamps of the read's own time do not count", {TIME("rfc3339"), GE}, 0,
                {{0, 600, "\"2026-08-01T12:09:00.5Z\"", true, "2026-08-01T11:59:00Z"}}},
        {"a future is told, not followed", {TIME("rfc3339"), GE}, 0,
                {{0, 0, "\"2099-01-01T00:00:00.5Z\"", true, "2026-08-01T11:59:59Z", true}}},
        {"clocks may differ by seconds", {TIME("rfc3339"), GE}, 0,
                {{0, 0, "\"2026-08-01T12:00:30.5Z\"", true, "2026-08-01T11:59:59Z", false}}},
        {"only a full read goes back", {TIME("rfc3339"), GE}, 0,
                {{0, 0, "\"2026-08-01T11:00:00.5Z\"", true, "2026-08-01T11:00:00Z"},
                        {60, 0, "\"2026-08-01T10:00:00.5Z\"", false, "2026-08-01T11:00:00Z"},
                        {60, 0, "\"2026-08-01T10:00:00.5Z\"", true, "2026-08-01T10:00:00Z"}}},
        {"If-Modified-Since", {.kind = REST_CURSOR_HEADER}, 5 * MINUTE_MS,
                {{0, 0, NULL, true, "Sat, 01 Aug 2026 11:54:59 GMT"},
                        {3600, 0, NULL, false, "Sat, 01 Aug 2026 12:54:59 GMT"}}},

        {"integers without lookback", {INTEGER}, 0,
                {{0, 0, "5", true, NULL}, {60, 0, "7", true, "5"}, {120, 0, "9", false, "7"},
                        {180, 0, NULL, false, "9"}}},
        /* 5 serves until five minutes have passed; then all once more; then it is sure */
        {"integers with lookback", {INTEGER}, 5 * MINUTE_MS,
                {{0, 0, "5", true, "5"}, {60, 0, "7", false, "5"}, {241, 0, "8", false, NULL},
                        {310, 0, "9", true, "5"}, {420, 0, "9", false, "7"},
                        {700, 0, NULL, false, "9"}}},
        {"integers begin anew", {INTEGER}, 0,
                {{0, 0, "5000", true, NULL}, {60, 0, "5001", true, "5000"},
                        {120, 0, "10", true, "10"}, {180, 0, "20", false, "10"}}},
        {"texts", {TEXT}, 0,
                {{0, 0, "\"a\"", true, NULL}, {60, 0, "\"b\"", true, "a"},
                        {120, 0, "\"c\"", false, "b"}}},
};

static void check_run(size_t i)
{
        const struct rest_cursor_spec *spec = &runs[i].spec;
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        struct rest_position *at = NULL;
        struct err e = {0};

        for (size_t k = 0; k < 6 && (k == 0 || runs[i].steps[k].at_s); k++) {
                const struct step *s = &runs[i].steps[k];
                cleanup_(rest_progress_freep) struct rest_progress *p =
                        rest_progress_new(spec, NULL, &e);
                struct str v[2] = {str_of(s->seen)};
                struct rest_finished done = {.origin = "o",
                        .began_us = T0 + s->at_s * SECOND_US,
                        .ended_us = T0 + (s->at_s + s->took_s) * SECOND_US,
                        .lookback_ms = runs[i].lookback_ms,
                        .full = s->full};
                assert_int_equal(rest_progress_see(p, v, &e), 0);
                assert_int_equal(
                        rest_position_advance(at, spec, NULL, p, &done, arena, &at, &e), 0);
                if (!*rest_position_ahead(at) == s->ahead)
                        fail_msg("%s: step %zu: '%s'", runs[i].name, k, rest_position_ahead(at));
                at = stored(at, arena);
                expect_from(
                        runs[i].name, at, spec, runs[i].lookback_ms, NULL, s->at_s + 60, s->from);
        }
}

static void positions_move_from_run_to_run(void **state)
{
        for (size_t i = 0; i < COUNT(runs); i++)
                check_run(i);
}

/* A thousand runs: the text stays small, and any lookback still finds a value near it. */
static void the_past_is_thinned(void **state)
{
        static const struct rest_cursor_spec spec = {INTEGER};
        cleanup_(arena_freep) struct arena *arena = arena_new(8 << 20);
        static const int64_t lookbacks_s[] = {60, 300, 3600, 6 * 3600};
        struct rest_position *at = NULL;
        struct err e = {0};

        for (int run = 0; run < 1000; run++) {
                cleanup_(rest_progress_freep) struct rest_progress *p =
                        rest_progress_new(&spec, NULL, &e);
                char text[24];
                snprintf(text, sizeof(text), "%d", run);
                struct str v[2] = {str_of(text)};
                assert_int_equal(rest_progress_see(p, v, &e), 0);
                at = stored(advance(at, &spec, NULL, p, run * 60, run % 100 == 0, arena), arena);
        }
        for (size_t i = 0; i < COUNT(lookbacks_s); i++) {
                cleanup_buf_ struct buf from = BUF_INIT(64);
                assert_int_equal(rest_position_from(at, &spec, lookbacks_s[i] * 1000, NULL,
                                         T0 + 1000 * 60 * SECOND_US, &from, &e),
                        0);
                long run = strtol(buf_cstr(&from), NULL, 10), ideal = 998 - lookbacks_s[i] / 60;
                if (run > ideal + 1 || run < ideal - lookbacks_s[i] / 60 - 8)
                        fail_msg("lookback %lld s: run %ld", (long long)lookbacks_s[i], run);
        }
}

/* ---- what does not fit ---- */

static void positions_of_something_else_are_refused(void **state)
{
        struct rest_cursor_spec spec = {TIME("rfc3339")}, other = spec, text = {TEXT};
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        cleanup_(tz_freep) struct tz *zone = load("Europe/Dublin");
        struct err e = {0};
        cleanup_(rest_progress_freep) struct rest_progress *p = rest_progress_new(&spec, NULL, &e);
        const char *origin = "https://erp.example";
        struct rest_position *at = stored(advance(NULL, &spec, NULL, p, 0, true, arena), arena);

        assert_null(rest_position_refused(at, origin, &spec, NULL));
        assert_string_equal(rest_position_refused(at, "https://other", &spec, NULL),
                "the source is another one now");
        assert_string_equal(
                rest_position_refused(at, origin, &text, NULL), "the cursor is another one now");
        other.fields[0] = "created";
        assert_string_equal(
                rest_position_refused(at, origin, &other, NULL), "the cursor is another one now");
        other = spec;
        other.format = "unix";
        assert_string_equal(rest_position_refused(at, origin, &other, NULL),
                "the cursor's format is another one now");
        assert_string_equal(rest_position_refused(at, origin, &spec, zone),
                "the time zone of the cursor is another one now");
}

#define HEAD                                                                                       \
        "{\"version\":\"1\",\"origin\":\"o\",\"kind\":\"integer\",\"fields\":[\"v\"],"             \
        "\"format\":\"\",\"zone\":\"\",\"began_us\":\"1\",\"proof_us\":\"0\",\"past\":"

static const char *const bad_positions[] = {"", "null", "[]", "{", "{}", "7", "\"x\"",
        "{\"version\":1}", HEAD "[]", HEAD "{}}", HEAD "[7]}", HEAD "[{\"at_us\":\"1\"}]}",
        HEAD "[{\"at_us\":\"1\",\"value\":\"1x\"}]}", HEAD "[{\"at_us\":1,\"value\":\"1\"}]}",
        HEAD "[{\"at_us\":\"99999999999999999999\",\"value\":\"1\"}]}",
        HEAD "[{\"at_us\":\"9223372036854775807\",\"value\":\"1\"}]}",
        "{\"system\":\"7\",\"cursors\":[]}", "\xff"};

static void hostile_positions_are_refused(void **state)
{
        cleanup_buf_ struct buf many = BUF_INIT(1 << 20);
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        struct rest_position *p = NULL;
        struct err e = {0};

        for (size_t i = 0; i < COUNT(bad_positions); i++)
                if (rest_position_parse(str_of(bad_positions[i]), arena, &p, &e) != -ERR_CONFIG ||
                        p)
                        fail_msg("taken: %s", bad_positions[i]);
        assert_int_equal(rest_position_parse(
                                 STR(HEAD "[{\"at_us\":\"1\",\"value\":\"1\"}]}"), arena, &p, &e),
                0);
        p = NULL;
        buf_puts(&many, HEAD "[");
        for (int i = 0; i < 33; i++)
                buf_printf(&many, "%s{\"at_us\":\"1\",\"value\":\"1\"}", i ? "," : "");
        buf_puts(&many, "]}");
        assert_int_equal(rest_position_parse(buf_str(&many), arena, &p, &e), -ERR_CONFIG);
        buf_clear(&many);
        for (int i = 0; i < 100000; i++)
                buf_putc(&many, '[');
        assert_int_equal(rest_position_parse(buf_str(&many), arena, &p, &e), -ERR_CONFIG);
}

static void progress_of_another_cursor_is_refused(void **state)
{
        static const char *const bad[] = {"", "{}", "[]",
                "{\"kind\":\"time\",\"largest_us\":\"1\"}",
                "{\"kind\":\"integer\",\"largest\":\"x\"}",
                "{\"kind\":\"integer\",\"largest_us\":\"1\"}", "{\"kind\":\"nothing\"}"};
        struct rest_cursor_spec spec = {INTEGER};
        struct err e = {0};
        cleanup_(rest_progress_freep) struct rest_progress *p = rest_progress_new(&spec, NULL, &e);

        for (size_t i = 0; i < COUNT(bad); i++)
                if (rest_progress_parse(p, str_of(bad[i]), &e) != -ERR_CONFIG)
                        fail_msg("taken: %s", bad[i]);
}

/* ---- memory ---- */

static int one_run(struct err *e)
{
        static const struct rest_cursor_spec spec = {INTEGER};
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16), from = BUF_INIT(64);
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        struct rest_finished done = {.origin = "o", .began_us = T0, .ended_us = T0, .full = true};
        struct rest_position *at, *again;
        struct str v[] = {STR("\"17\""), {0}};

        if (!arena)
                return err_nomem(e, "an arena");
        cleanup_(rest_progress_freep) struct rest_progress *p = rest_progress_new(&spec, NULL, e);
        if (!p)
                return -ERR_NOMEM;
        int rc = rest_progress_see(p, v, e);
        if (!rc)
                rc = rest_progress_print(p, &text, e);
        if (!rc)
                rc = rest_progress_parse(p, buf_str(&text), e);
        buf_clear(&text);
        if (!rc)
                rc = rest_position_advance(NULL, &spec, NULL, p, &done, arena, &at, e);
        if (!rc)
                rc = rest_position_print(at, &text, e);
        if (!rc)
                rc = rest_position_parse(buf_str(&text), arena, &again, e);
        if (!rc)
                rc = rest_position_from(again, &spec, 0, NULL, T0, &from, e);
        if (!rc)
                assert_string_equal(buf_cstr(&from) ? from.data : "17", "17");
        return rc;
}

static void a_failed_allocation_is_an_error(void **state)
{
        ALLOC_FAIL_EACH(i)
        {
                struct err e = {0};
                alloc_fail_at(i);
                int rc = one_run(&e);
                if (rc != 0 && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %d %s", i, rc, e.text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(times_are_read),
                cmocka_unit_test(times_are_printed_and_cut_down),
                cmocka_unit_test(formats_are_checked),
                cmocka_unit_test(days_come_back),
                cmocka_unit_test(values_become_the_cursor),
                cmocka_unit_test(positions_move_from_run_to_run),
                cmocka_unit_test(the_past_is_thinned),
                cmocka_unit_test(positions_of_something_else_are_refused),
                cmocka_unit_test(hostile_positions_are_refused),
                cmocka_unit_test(progress_of_another_cursor_is_refused),
                cmocka_unit_test(a_failed_allocation_is_an_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
