/*
 * Dates and numbers in local notations: what each format reads and refuses, zones with gaps and
 * overlaps, and each day of 800 years.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "mappers/format.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/mapper_fixture.h"

#define MAX_TEXT     (1 << 20)
#define ARENA_BYTES  (1 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- through a mapper ---- */

/* One field `v`, in flow form; what follows from @row: the JSON of v, "" none, "!part of reject" */
struct value_case {
        const char *field, *row, *expected;
};

static void open_field(struct fixture *f, const char *head, const char *field)
{
        cleanup_buf_ struct buf yaml = {.max = MAX_TEXT}, fields = {.max = MAX_TEXT};
        struct err e;

        buf_printf(&fields, "v: {%s}", field);
        fixture_yaml(&yaml, head, "db", "t:${row.id}", buf_cstr(&fields));
        if (fixture_load(f, buf_cstr(&yaml), &e))
                fail_msg("%s: %s", field, e.text);
}

static void check_value(const char *head, const struct value_case *c)
{
        struct fixture f;
        struct mapped m;
        struct mapper_reject why;
        struct err e;
        char wanted[1024];

        open_field(&f, head, c->field);
        int rc = fixture_render(&f, c->row, "", &m, &why, &e);
        if (rc < 0)
                fail_msg("%s with %s: %s", c->field, c->row, e.text);
        if (*c->expected == '!') {
                if (rc != MAPPER_REJECT)
                        fail_msg("%s with %s: not rejected: %.*s", c->field, c->row,
                                STR_ARG(m.body));
                if (!strstr(why.reason, c->expected + 1) || strchr(why.reason, '\n') ||
                        !str_utf8_valid(str_of(why.reason)))
                        fail_msg("%s with %s:\n    %s\n    does not say\n    %s", c->field, c->row,
                                why.reason, c->expected + 1);
                fixture_close(&f);
                return;
        }
        if (rc)
                fail_msg("%s with %s: %s", c->field, c->row, why.reason);
        snprintf(wanted, sizeof(wanted), "%s%s", *c->expected ? "\"v\":" : "", c->expected);
        if (!str_is(m.body, wanted))
                fail_msg("%s with %s:\n    %.*s\n    is not\n    %s", c->field, c->row,
                        STR_ARG(m.body), wanted);
        fixture_close(&f);
}

static void check_values(const char *head, const struct value_case *cases, size_t count)
{
        for (size_t i = 0; i < count; i++)
                check_value(head, &cases[i]);
}

#define CHECK(head, cases) check_values(head, cases, COUNT(cases))

#define DATE(pattern)     "from: code, type: date, format: '" pattern "'"
#define DATETIME(pattern) "from: code, type: datetime, format: '" pattern "'"
#define DECIMAL(example)  "from: code, type: decimal, format: \"" example "\""

static void patterns_read_dates(void **state)
{
        static const struct value_case cases[] = {
                {DATE("%d.%m.%Y"), "code=31.12.2026", "\"2026-12-31\""},
                {DATE("%d.%m.%Y"), "code=1.2.2026", "\"2026-02-01\""},
                {DATE("%d.%m.%Y"), "code=29.02.2024", "\"2024-02-29\""},
                {DATE("%d.%m.%Y"), "code=01.01.0001", "\"0001-01-01\""},
                {DATE("%d.%m.%Y"), "code=31.12.9999", "\"9999-12-31\""},
                {DATE("%m/%d/%Y"), "code=12/31/2026", "\"2026-12-31\""},
                {DATE("%D"), "code=12/31/26", "\"2026-12-31\""},
                {DATE("%F"), "code=2026-12-31", "\"2026-12-31\""},
                {DATE("%Y%m%d"), "code=20261231", "\"2026-12-31\""},
                {DATE("%y%m%d"), "code=261231", "\"2026-12-31\""},
                {DATE("%d.%m.%y"), "code=31.12.68", "\"2068-12-31\""},
                {DATE("%d.%m.%y"), "code=31.12.69", "\"1969-12-31\""},
                {DATE("%Y%j"), "code=2024366", "\"2024-12-31\""},
                {DATE("%Y/%j"), "code=2026/60", "\"2026-03-01\""},
                {DATE("%d %b %Y"), "code=31 Dec 2026", "\"2026-12-31\""},
                {DATE("%d %b %Y"), "code=31 december 2026", "\"2026-12-31\""},
                {DATE("%d-%b-%y"), "code=01-SEP-26", "\"2026-09-01\""},
                {DATE("%d-%b-%y"), "code=01-Sept-26", "\"2026-09-01\""},
                {DATE("%d-%B-%y"), "code=01-September-26", "\"2026-09-01\""},
                {DATE("%d-%h-%Y"), "code=1-May-2026", "\"2026-05-01\""},
                {DATE("%a, %d %b %Y"), "code=Thu, 31 Dec 2026", "\"2026-12-31\""},
                {DATE("%A %d %b %Y"), "code=thursday 31 Dec 2026", "\"2026-12-31\""},
                {DATE("%b %e %Y"), "code=Dec  1 2026", "\"2026-12-01\""},
                {DATE("%Y-%m-%e"), "code=2026-12- 1", "\"2026-12-01\""},
                {DATE("%Y\xE5\xB9\xB4%m\xE6\x9C\x88%d\xE6\x97\xA5"),
                        "code=2026\xE5\xB9\xB4\x31\x32\xE6\x9C\x88\x33\x31\xE6\x97\xA5",
                        "\"2026-12-31\""},
                {DATE("%d%%%m%%%Y"), "code=31%12%2026", "\"2026-12-31\""},
                {DATE("%d.%m.%Y %H:%M"), "code=31.12.2026 00:00", "\"2026-12-31\""},
                {DATE("%d.%m.%Y%n%H:%M"), "code=31.12.2026 00:00", "\"2026-12-31\""},
                {DATE("%d.%m.%Y %I:%M%p"), "code=31.12.2026 12:00am", "\"2026-12-31\""},
                /* spaces of any kind where the pattern has one */
                {DATE("%d %m %Y"), "code=31  12\t2026", "\"2026-12-31\""},
                {DATE("%d %m %Y"), "code=31\xC2\xA0\x31\x32\xE2\x80\xAF\x32\x30\x32\x36",
                        "\"2026-12-31\""},
        };

        (void)state;
        CHECK("", cases);
}

static void patterns_read_times(void **state)
{
        static const struct value_case cases[] = {
                {DATETIME("%d.%m.%Y %H:%M:%S"), "code=31.12.2026 23:59:58",
                        "\"2026-12-31T23:59:58Z\""},
                {DATETIME("%d.%m.%Y %T"), "code=31.12.2026 23:59:58", "\"2026-12-31T23:59:58Z\""},
                {DATETIME("%F %R"), "code=2026-12-31 7:05", "\"2026-12-31T07:05:00Z\""},
                {DATETIME("%F %H"), "code=2026-12-31 7", "\"2026-12-31T07:00:00Z\""},
                {DATETIME("%F"), "code=2026-12-31", "\"2026-12-31T00:00:00Z\""},
                {DATETIME("%Y%m%d%H%M%S"), "code=20261231235958", "\"2026-12-31T23:59:58Z\""},
                {DATETIME("%Y%m%d%H%M%S%f"), "code=20261231235958120",
                        "\"2026-12-31T23:59:58.12Z\""},
                {DATETIME("%F %T.%f"), "code=2026-12-31 23:59:58.000", "\"2026-12-31T23:59:58Z\""},
                {DATETIME("%F %T,%f"), "code=2026-12-31 23:59:58,1234567",
                        "\"2026-12-31T23:59:58.1234567Z\""},
                {DATETIME("%m/%d/%Y %I:%M %p"), "code=12/31/2026 12:30 AM",
                        "\"2026-12-31T00:30:00Z\""},
                {DATETIME("%m/%d/%Y %I:%M %p"), "code=12/31/2026 12:30 pm",
                        "\"2026-12-31T12:30:00Z\""},
                {DATETIME("%m/%d/%Y %I:%M %p"), "code=12/31/2026 11:30 PM",
                        "\"2026-12-31T23:30:00Z\""},
                {DATETIME("%b %e %Y %I:%M%p"), "code=Dec  1 2026  9:05AM",
                        "\"2026-12-01T09:05:00Z\""},
                {DATETIME("%d.%m.%Y %H:%M %z"), "code=01.01.2026 00:30 +0100",
                        "\"2025-12-31T23:30:00Z\""},
                {DATETIME("%d.%m.%Y %H:%M%z"), "code=01.01.2026 00:30-05:30",
                        "\"2026-01-01T06:00:00Z\""},
                {DATETIME("%d.%m.%Y %H:%M %Z"), "code=01.01.2026 00:30 UTC",
                        "\"2026-01-01T00:30:00Z\""},
                {DATETIME("%d.%m.%Y %H:%M %Z"), "code=01.01.2026 00:30 gmt",
                        "\"2026-01-01T00:30:00Z\""},
                {DATETIME("%FT%T%z"), "code=2026-01-01T00:30:00Z", "\"2026-01-01T00:30:00Z\""},
                {DATETIME("%FT%T%z"), "code=2026-01-01T00:30:00+14", "\"2025-12-31T10:30:00Z\""},
                {DATETIME("%a, %d %b %Y %T %z"), "code=Thu, 01 Jan 2026 12:00:00 GMT",
                        "\"2026-01-01T12:00:00Z\""},
        };

        (void)state;
        CHECK("timezone: UTC\n", cases);
}

static void days_and_hours_that_are_none_are_rejects(void **state)
{
        static const struct value_case cases[] = {
                {DATE("%d.%m.%Y"), "code=31.02.2026", "!\"31.02.2026\" is a day that the calendar"},
                {DATE("%d.%m.%Y"), "code=29.02.2100", "!is a day that the calendar"},
                {DATE("%d.%m.%Y"), "code=31.04.2026", "!is a day that the calendar"},
                {DATE("%Y-%j"), "code=2026-366", "!is a day that the calendar"},
                {DATE("%Y-%j"), "code=2026-367", "!the day of the year (%j) at character 6 is out"},
                {DATE("%d.%m.%Y"), "code=32.01.2026",
                        "!the day (%d) at character 1 is out of range"},
                {DATE("%d.%m.%Y"), "code=00.00.0000", "!null_if"},
                {DATE("%d.%m.%Y"), "code=31.13.2026", "!the month (%m) at character 4 is out"},
                {DATE("%d.%m.%Y"), "code=31.00.2026", "!the month (%m) at character 4 is out"},
                {DATE("%d.%m.%Y"), "code=31.12.0000", "!lies before year 1"},
                {DATE("%d.%m.%Y"), "code=31.12.10000", "!lies beyond year 9999"},
                {DATE("%d.%m.%Y"), "code=31.12.26", "!the year (%Y) is missing at character 7"},
                {DATE("%d.%m.%Y"), "code=31.12.02026", "!the year (%Y) is missing at character 7"},
                {DATE("%d.%m.%Y"), "code=31.12.-001", "!the year (%Y) is missing"},
                {DATE("%d.%m.%y"), "code=31.12.2026", "!goes on behind what format"},
                {DATE("%d.%m.%Y"), "code=31/12/2026", "!\".\" is missing at character 3"},
                {DATE("%d.%m.%Y"), "code=", "!is empty: write null_if: \"\""},
                {DATE("%d.%m.%Y"), "code= 31.12.2026", "!has blanks around it: write trim: true"},
                {DATE("%d.%m.%Y"), "code=31.12.2026 ", "!has blanks around it: write trim: true"},
                {DATE("%d.%m.%Y"), "code=31.12.2026\xC2\xA0", "!has blanks around it"},
                {DATE("%d.%m.%Y"), "code=31.12.2026 00:00",
                        "!\"%d.%m.%Y\" describes, at character 11"},
                {DATE("%d.%m.%Y"), "code=31.12.2026x", "!goes on behind"},
                {DATE("%d.%m.%Y"), "code=31.12", "!\".\" is missing at character 6"},
                {DATE("%d.%m.%Y"), "code=123.1.2026", "!\".\" is missing at character 3"},
                {DATE("%d.%m.%Y"), "code=+1.01.2026", "!the day (%d) is missing at character 1"},
                {DATE("%d.%m.%Y"), "code=infinity", "!the day (%d) is missing at character 1"},
                {DATE("%d %b %Y"), "code=31 Dez 2026", "!the English name of the month (%b)"},
                {DATE("%d\xC3\xA9%b"
                      " %Y"),
                        "code=31\xC3\xA9X 2026", "!(%b) is missing at character 4"},
                {DATE("%a %d.%m.%Y"), "code=Fri 31.12.2026",
                        "!names a weekday that its day is not"},
                {DATE("%d %m %Y"), "code=31122026", "!a blank is missing at character 3"},
                /* numbers that touch have all their digits */
                {DATE("%d%m%Y"), "code=112026", "!is out of range"},
                {DATE("%d%m%Y"), "code=1122026", "!is out of range"},
                {DATE("%Y%m%d"), "code=2026121", "!the day (%d) is missing at character 7"},
                {DATE("%d%m%y"), "code=10126", "!is missing at character"},
                {DATE("%d.%m.%Y %H:%M"), "code=31.12.2026 00:01",
                        "!would lose its time of day as a date"},
                {DATETIME("%F %T"), "code=2026-12-31 24:00:00", "!has an hour 24"},
                {DATETIME("%F %T"), "code=2026-12-31 25:00:00", "!the hour (%H) at character 12"},
                {DATETIME("%F %T"), "code=2026-12-31 23:60:00", "!the minute (%M) at character 15"},
                {DATETIME("%F %T"), "code=2026-12-31 23:59:60", "!has a leap second, 60"},
                {DATETIME("%F %T"), "code=2026-12-31 23:59:61", "!the second (%S) at character 18"},
                {DATETIME("%F %T.%f"), "code=2026-12-31 23:59:59.", "!a fraction of a second (%f)"},
                {DATETIME("%F%H%M%S"), "code=2026-12-3112345", "!the second (%S) is missing"},
                {DATETIME("%F %I:%M %p"), "code=2026-12-31 13:00 PM",
                        "!1 to 12, (%I) at character 12"},
                {DATETIME("%F %I:%M %p"), "code=2026-12-31 0:00 AM",
                        "!1 to 12, (%I) at character 12"},
                {DATETIME("%F %I:%M %p"), "code=2026-12-31 1:00 xm", "!AM or PM (%p) is missing"},
                {DATETIME("%F %T %z"), "code=2026-12-31 23:59:59 CET",
                        "!names a zone by letters that mean several"},
                {DATETIME("%F %T %Z"), "code=2026-12-31 23:59:59 UTCX", "!names a zone by letters"},
                {DATETIME("%F %T%z"), "code=2026-12-31 23:59:59", "!Z or an offset"},
                {DATETIME("%F %T%z"), "code=2026-12-31 23:59:59+1", "!Z or an offset"},
                {DATETIME("%F %T%z"), "code=2026-12-31 23:59:59+16:00", "!Z or an offset"},
                {DATETIME("%F %T%z"), "code=2026-12-31 23:59:59+01:60", "!Z or an offset"},
                {DATETIME("%F %T%z"), "code=0001-01-01 00:00:00+01:00",
                        "!outside the years 1 to 9999"},
                {DATETIME("%F %T%z"), "code=9999-12-31 23:59:59-01:00",
                        "!outside the years 1 to 9999"},
        };

        (void)state;
        CHECK("timezone: UTC\n", cases);
}

#define NUMERIC_TIME(word) "from: money, type: datetime, format: " word

static void unix_times(void **state)
{
        static const struct value_case cases[] = {
                {DATETIME("unix"), "code=0", "\"1970-01-01T00:00:00Z\""},
                {DATETIME("unix"), "code=1798761599", "\"2026-12-31T23:59:59Z\""},
                {DATETIME("unix"), "code=-1", "\"1969-12-31T23:59:59Z\""},
                {DATETIME("unix"), "code=-0.25", "\"1969-12-31T23:59:59.75Z\""},
                {DATETIME("unix"), "code=1798761599.1230", "\"2026-12-31T23:59:59.123Z\""},
                {DATETIME("unix"), "code=1798761599.123456789",
                        "\"2026-12-31T23:59:59.123456789Z\""},
                {DATETIME("unix"), "code=1798761599.1234567891", "!counts parts of a nanosecond"},
                {DATETIME("unix"), "code=1.798761599e9", "\"2026-12-31T23:59:59Z\""},
                {DATETIME("unix"), "code=253402300799", "\"9999-12-31T23:59:59Z\""},
                {DATETIME("unix"), "code=253402300800",
                        "!beyond year 9999 as seconds since 1970: milliseconds are format: "
                        "unix_ms"},
                {DATETIME("unix"), "code=-62135596800", "\"0001-01-01T00:00:00Z\""},
                {DATETIME("unix"), "code=-62135596800.5", "!lies before year 1"},
                {DATETIME("unix"), "code=99999999999999999999999", "!beyond year 9999"},
                {DATETIME("unix"), "code=-99999999999999999999999", "!lies before year 1"},
                {DATETIME("unix"), "code=", "!is empty"},
                {DATETIME("unix"), "code= 1", "!write trim: true"},
                {DATETIME("unix"), "code=+1", "!is not as format: unix says"},
                {DATETIME("unix"), "code=12h", "!is not as format: unix says"},
                {DATETIME("unix"), "code=NaN", "!is not as format: unix says"},
                {DATETIME("unix_ms"), "code=1798761599999", "\"2026-12-31T23:59:59.999Z\""},
                {DATETIME("unix_ms"), "code=1798761599000", "\"2026-12-31T23:59:59Z\""},
                {DATETIME("unix_ms"), "code=-1", "\"1969-12-31T23:59:59.999Z\""},
                {DATETIME("unix_ms"), "code=1798761599999.25", "\"2026-12-31T23:59:59.99925Z\""},
                {DATETIME("unix_ms"), "code=1798761599999.0000001", "!parts of a nanosecond"},
                {DATETIME("unix_ms"), "code=253402300800000", "!lies beyond year 9999, which"},
                {"from: id, type: datetime, format: unix", "id=1798761599",
                        "\"2026-12-31T23:59:59Z\""},
                {"from: id, type: datetime, format: unix_ms", "id=5",
                        "\"1970-01-01T00:00:00.005Z\""},
                {NUMERIC_TIME("unix"), "money=1798761599.50", "\"2026-12-31T23:59:59.5Z\""},
                {"from: weight, type: datetime, format: unix", "weight=1798761599.5",
                        "\"2026-12-31T23:59:59.5Z\""},
                {"from: data, type: datetime, format: unix", "data=1798761599",
                        "\"2026-12-31T23:59:59Z\""},
                {"from: data, type: datetime, format: unix", "data=\"1798761599\"",
                        "\"2026-12-31T23:59:59Z\""},
                {"from: data, type: datetime, format: unix, null_if: '0'", "data=0", ""},
                {"from: data, type: datetime, format: unix", "data=true",
                        "!is a boolean and cannot become a datetime"},
                {"from: data, type: datetime, format: unix", "data={}",
                        "!is an object and cannot become a datetime"},
                /* the day of an instant: in UTC, or in the field's own zone */
                {"from: id, type: date, format: unix", "id=1798675200", "\"2026-12-31\""},
                {"from: id, type: date, format: unix", "id=1798671600",
                        "!would lose its time of day"},
                {"from: id, type: date, format: unix, timezone: Europe/Paris", "id=1798671600",
                        "\"2026-12-31\""},
                {"from: id, type: date, format: unix, timezone: Europe/Paris", "id=1798675200",
                        "!would lose its time of day"},
        };

        (void)state;
        CHECK("timezone: America/New_York\n", cases);
}

static void spreadsheets(void **state)
{
        static const struct value_case cases[] = {
                {DATE("excel"), "code=1", "\"1900-01-01\""},
                {DATE("excel"), "code=59", "\"1900-02-28\""},
                {DATE("excel"), "code=60", "!is 1900-02-29, a day that only spreadsheets have"},
                {DATE("excel"), "code=61", "\"1900-03-01\""},
                {DATE("excel"), "code=25569", "\"1970-01-01\""},
                {DATE("excel"), "code=46387", "\"2026-12-31\""},
                {DATE("excel"), "code=46387.0", "\"2026-12-31\""},
                {DATE("excel"), "code=2958465", "\"9999-12-31\""},
                {DATE("excel"), "code=2958466", "!lies beyond year 9999"},
                {DATE("excel"), "code=99999999", "!lies beyond year 9999"},
                {DATE("excel"), "code=0", "!is no day of a spreadsheet"},
                {DATE("excel"), "code=-1", "!is no day of a spreadsheet"},
                {DATE("excel"), "code=46387.5", "!would lose its time of day"},
                {DATE("excel"), "code=46386.99999999999", "\"2026-12-31\""},
                {DATE("excel"), "code=31.12.2026", "!is not as format: excel says"},
                {DATE("excel"), "code=", "!is empty"},
                {DATE("excel_1904"), "code=0", "\"1904-01-01\""},
                {DATE("excel_1904"), "code=44925", "\"2026-12-31\""},
                {DATE("excel_1904"), "code=2957003", "\"9999-12-31\""},
                {DATE("excel_1904"), "code=2957004", "!lies beyond year 9999"},
                {DATETIME("excel"), "code=46387.75", "\"2026-12-31T18:00:00Z\""},
                {DATETIME("excel"), "code=46387.347222222222222", "\"2026-12-31T08:20:00Z\""},
                {DATETIME("excel"), "code=46387.34722222222", "\"2026-12-31T08:20:00Z\""},
                {DATETIME("excel"), "code=46387.000011574", "\"2026-12-31T00:00:01Z\""},
                {DATETIME("excel"), "code=46387.0000000116", "\"2026-12-31T00:00:00.001Z\""},
                {DATETIME("excel"), "code=4.638775e4", "\"2026-12-31T18:00:00Z\""},
                {DATETIME("excel"), "code=46387.99999999999999", "\"2027-01-01T00:00:00Z\""},
                {NUMERIC_TIME("excel"), "money=46387.50", "\"2026-12-31T12:00:00Z\""},
                {"from: weight, type: datetime, format: excel", "weight=46387.25",
                        "\"2026-12-31T06:00:00Z\""},
                {"from: id, type: date, format: excel", "id=46387", "\"2026-12-31\""},
                {"from: data.d, type: date, format: excel", "data={\"d\":46387.0}",
                        "\"2026-12-31\""},
                {"from: code, type: datetime, format: excel, timezone: Europe/Dublin",
                        "code=46204.5", "\"2026-07-01T11:00:00Z\""},
        };

        (void)state;
        CHECK("timezone: UTC\n", cases);
}

static void odata_dates(void **state)
{
        static const struct value_case cases[] = {
                {DATETIME("odata"), "code=/Date(1130168212000)/", "\"2005-10-24T15:36:52Z\""},
                {DATETIME("odata"), "code=/Date(1550793549320+0000)/",
                        "\"2019-02-21T23:59:09.32Z\""},
                {DATETIME("odata"), "code=/Date(1550793549320+0100)/",
                        "\"2019-02-21T23:59:09.32Z\""},
                {DATETIME("odata"), "code=/Date(1550793549320-0530)/",
                        "\"2019-02-21T23:59:09.32Z\""},
                {DATETIME("odata"), "code=/Date(-1)/", "\"1969-12-31T23:59:59.999Z\""},
                {DATETIME("odata"), "code=/Date(-1+0100)/", "\"1969-12-31T23:59:59.999Z\""},
                {DATETIME("odata"), "code=/Date(-62135596800000)/", "\"0001-01-01T00:00:00Z\""},
                {DATETIME("odata"), "code=/Date(-62135596800001)/", "!lies before year 1"},
                {DATETIME("odata"), "code=/Date(253402300800000)/", "!lies beyond year 9999"},
                {DATETIME("odata"), "code=/Date(9999999999999999999999)/", "!beyond year 9999"},
                {DATETIME("odata"), "code=/Date()/", "!is not as format: odata says"},
                {DATETIME("odata"), "code=/Date(1)", "!is not as format: odata says"},
                {DATETIME("odata"), "code=/Date(1)/x", "!is not as format: odata says"},
                {DATETIME("odata"), "code=/Date(1+1)/", "!is not as format: odata says"},
                {DATETIME("odata"), "code=/Date(1+9900)/", "!is not as format: odata says"},
                {DATETIME("odata"), "code=/Date(1.5)/", "!is not as format: odata says"},
                {DATETIME("odata"), "code=", "!is empty"},
                {DATETIME("odata"), "code=2026-07-01T12:00:00Z", "\"2026-07-01T12:00:00Z\""},
                {DATETIME("odata"), "code=2026-07-01T12:00:00.1230000+02:00",
                        "\"2026-07-01T10:00:00.123Z\""},
                {DATETIME("odata"), "code=2026-07-01T12:00:00", "\"2026-07-01T11:00:00Z\""},
                {DATETIME("odata"), "code=2026-07-01", "\"2026-06-30T23:00:00Z\""},
                {DATETIME("odata"), "code=2026-02-30", "!is not as format: odata says"},
                {DATE("odata"), "code=2026-07-01", "\"2026-07-01\""},
                {DATE("odata"), "code=2026-07-01T00:00:00", "\"2026-07-01\""},
                {DATE("odata"), "code=2026-07-01T00:00:01", "!would lose its time of day"},
                {DATE("odata"), "code=/Date(1130112000000)/", "\"2005-10-24\""},
                {DATE("odata"), "code=/Date(1130108400000+0100)/", "\"2005-10-24\""},
                {DATE("odata"), "code=/Date(1130108400000)/", "!would lose its time of day"},
                {"from: code, type: date, format: odata, timezone: Europe/Paris",
                        "code=/Date(1130104800000)/", "\"2005-10-24\""},
                {"from: data.a, type: datetime, format: odata",
                        "data={\"a\":\"\\/Date(1130168212000)\\/\"}", "\"2005-10-24T15:36:52Z\""},
        };
        static const struct value_case without[] = {
                {DATETIME("odata"), "code=2026-07-01T12:00:00",
                        "!has no time zone: write timezone:"},
                {DATETIME("odata"), "code=2026-07-01T12:00:00Z", "\"2026-07-01T12:00:00Z\""},
        };

        (void)state;
        CHECK("timezone: Europe/Dublin\n", cases);
        CHECK("", without);
}

static void numbers_are_read_by_their_example(void **state)
{
        static const struct value_case cases[] = {
                {DECIMAL("1.234,56"), "code=1.234,56", "\"1234.56\""},
                {DECIMAL("1.234,56"), "code=1234,56", "\"1234.56\""},
                {DECIMAL("1.234,56"), "code=12.345.678,9", "\"12345678.9\""},
                {DECIMAL("1.234,56"), "code=12", "\"12\""},
                {DECIMAL("1.234,56"), "code=-1.234,56", "\"-1234.56\""},
                {DECIMAL("1.234,56"), "code=+1.234,56", "\"1234.56\""},
                {DECIMAL("1.234,56"), "code=1.234,56-", "\"-1234.56\""},
                {DECIMAL("1.234,56"), "code=12,50-", "\"-12.50\""},
                {DECIMAL("1.234,56"), "code=12,50+", "\"12.50\""},
                {DECIMAL("1.234,56"), "code=\xE2\x88\x92\x31\x32,50", "\"-12.50\""},
                {DECIMAL("1.234,56"), "code=007,50", "\"7.50\""},
                {DECIMAL("1.234,56"), "code=0,00-", "\"0.00\""},
                {DECIMAL("1.234.567,8"), "code=1.234,56", "\"1234.56\""},
                {DECIMAL("-1.234,56"), "code=1.234,56", "\"1234.56\""},
                {DECIMAL("1.234,56-"), "code=1.234,56-", "\"-1234.56\""},
                {DECIMAL("1,234.56"), "code=1,234.56", "\"1234.56\""},
                {DECIMAL("1,234.56"), "code=1,234,567", "\"1234567\""},
                {DECIMAL("1 234,56"), "code=1 234,56", "\"1234.56\""},
                {DECIMAL("1 234,56"), "code=1\xC2\xA0\x32\x33\x34,56", "\"1234.56\""},
                {DECIMAL("1 234,56"), "code=1\xE2\x80\xAF\x32\x33\x34,56", "\"1234.56\""},
                {DECIMAL("1\xC2\xA0\x32\x33\x34,56"), "code=1 234,56", "\"1234.56\""},
                {DECIMAL("1'234.56"), "code=1'234.56", "\"1234.56\""},
                {DECIMAL("1'234.56"), "code=1\xE2\x80\x99\x32\x33\x34.56", "\"1234.56\""},
                {DECIMAL("1234,56"), "code=1234,56", "\"1234.56\""},
                {DECIMAL("1234.56"), "code=-5.5", "\"-5.5\""},
                {DECIMAL("0,000"), "code=1,234", "\"1.234\""},
                {DECIMAL("1 234"), "code=1 234 567", "\"1234567\""},
                {DECIMAL("12,34,567.89"), "code=12,34,567.89", "\"1234567.89\""},
                {DECIMAL("12,34,567.89"), "code=567.89", "\"567.89\""},
                {DECIMAL("(1,234.56)"), "code=(1,234.56)", "\"-1234.56\""},
                {DECIMAL("(1,234.56)"), "code=-1,234.56", "\"-1234.56\""},
                {DECIMAL("(1,234.56)"), "code=1,234.56", "\"1234.56\""},
                {DECIMAL("1.234,56") ", scale: 2", "code=1.234,5", "\"1234.50\""},
                {DECIMAL("1.234,56") ", scale: 2", "code=1.234,505",
                        "!\"1.234,505\" has digits beyond scale: 2"},
                {DECIMAL("1.234,56") ", scale: 2, rounding: half_even", "code=1.234,505",
                        "\"1234.50\""},
                {DECIMAL("1.234,56") ", scale: 2, as: minor", "code=1.234,5-", "-123450"},
                {DECIMAL("1.234,56") ", as: number", "code=1.234,5", "1234.5"},
                {DECIMAL("1.234,56"), "code=123.456.789.012.345.678.901.234.567.890,123456789",
                        "\"123456789012345678901234567890.123456789\""},
                {"from: code, type: number, format: '1.234,56'", "code=1.234,50", "1234.5"},
                {"from: code, type: integer, format: '1.234'", "code=1.234.567", "1234567"},
                {"from: code, type: integer, format: '1.234,56'", "code=1.234,00", "1234"},
                {"from: code, type: integer, format: '1.234,56'", "code=1.234,50",
                        "!\"1.234,50\" is not a whole number"},
                {"from: code, type: integer, format: '1.234,56'", "code=9.007.199.254.740.992",
                        "!is beyond 2^53-1"},
                {"from: padded, type: decimal, format: '1.234,56'", "padded=1.234,56  ",
                        "\"1234.56\""},
                {"from: data.a, type: decimal, format: '1.234,56'", "data={\"a\":\"1.234,56\"}",
                        "\"1234.56\""},
                {"from: data.a, type: decimal, format: '1.234,56'", "data={\"a\":1234.56}",
                        "\"1234.56\""},
                {"from: tags, type: decimal, format: '1.234,56'", "tags={\"1.234,56\",NULL,\"-1\"}",
                        "[\"1234.56\",null,\"-1\"]"},
                {"from: data, type: decimal, format: '1.234,56'", "data=[\"1,5\",[2.5,null]]",
                        "[\"1.5\",[\"2.5\",null]]"},
                {"template: '${row.code},${row.name}', type: decimal, format: '1.234,56'",
                        "code=1.234|name=56", "\"1234.56\""},
                {"from: code, map: {none: '0,00', a: '1.000,5'}, type: decimal, format: '1.234,56'",
                        "code=a", "\"1000.5\""},
        };

        (void)state;
        CHECK("", cases);
}

static void what_the_example_does_not_show_is_a_reject(void **state)
{
        static const struct value_case cases[] = {
                {DECIMAL("1.234,56"), "code=", "!is empty: write null_if"},
                {DECIMAL("1.234,56"), "code= 1", "!has blanks around it: write trim: true"},
                {DECIMAL("1.234,56"), "code=1 ", "!has blanks around it: write trim: true"},
                {DECIMAL("1.234,56"), "code=1,234.56",
                        "!is not a number as format \"1.234,56\" shows, at character 6"},
                {DECIMAL("1.234,56"), "code=12.34", "!has separators of groups in other places"},
                {DECIMAL("1.234,56"), "code=1234.567,89", "!has separators of groups"},
                {DECIMAL("1.234,56"), "code=1.2345,00", "!has separators of groups"},
                {DECIMAL("1.234,56"), "code=1.23.456,00", "!has separators of groups"},
                {DECIMAL("1.234,56"), "code=1..234", "!at character 2"},
                {DECIMAL("1.234,56"), "code=1.234.", "!at character 6"},
                {DECIMAL("1.234,56"), "code=1.234,", "!at character 7"},
                {DECIMAL("1.234,56"), "code=,50", "!at character 1"},
                {DECIMAL("1.234,56"), "code=.234", "!at character 1"},
                {DECIMAL("1.234,56"), "code=1,5,5", "!at character 4"},
                {DECIMAL("1.234,56"), "code=1.234,56 EUR", "!take currency and units off"},
                {DECIMAL("1.234,56"), "code=\xE2\x82\xAC 1.234,56", "!at character 1"},
                {DECIMAL("1.234,56"), "code=-12,50-", "!at character 7"},
                {DECIMAL("1.234,56"), "code=--1", "!at character 2"},
                {DECIMAL("1.234,56"), "code=- 1", "!at character 2"},
                {DECIMAL("1.234,56"), "code=-", "!at character 2"},
                {DECIMAL("1.234,56"), "code=(1,5)", "!at character 1"},
                {DECIMAL("(1.234,56)"), "code=(1,5", "!at character 5"},
                {DECIMAL("(1.234,56)"), "code=1,5)", "!at character 4"},
                {DECIMAL("(1.234,56)"), "code=(-1,5)", "!at character 2"},
                {DECIMAL("(1.234,56)"), "code=-(1,5)", "!at character 2"},
                {DECIMAL("1.234,56"), "code=1e5", "!at character 2"},
                {DECIMAL("1.234,56"), "code=NaN", "!at character 1"},
                {DECIMAL("1.234,56"), "code=0x1F", "!at character 2"},
                {DECIMAL("1.234,56"), "code=\xD9\xA1\xD9\xA2", "!at character 1"},
                {DECIMAL("1234,56"), "code=1.234,56", "!at character 2"},
                {DECIMAL("1234"), "code=1234,56", "!at character 5"},
                {DECIMAL("12,34,567.89"), "code=1,234,567", "!has separators of groups"},
                {DECIMAL("1,234.56"), "code=12,34,567", "!has separators of groups"},
                {DECIMAL("1 234,56"), "code=1  234,56", "!at character 2"},
                {DECIMAL("1.234,56"), "code=1 234,56", "!at character 2"},
        };

        (void)state;
        CHECK("", cases);
}

static void formats_follow_the_other_steps(void **state)
{
        static const struct value_case cases[] = {
                {"from: code, trim: true, type: date, format: '%d.%m.%Y'", "code= 31.12.2026 ",
                        "\"2026-12-31\""},
                {"from: code, null_if: ['', '00.00.0000'], type: date, format: '%d.%m.%Y'",
                        "code=00.00.0000", ""},
                {"from: code, null_if: '', type: date, format: '%d.%m.%Y', default: none",
                        "code=", "\"none\""},
                {"from: code, type: date, format: '%d.%m.%Y', keep_null: true", "id=1", "null"},
                {"from: code, map: {today: 31.12.2026}, type: date, format: '%d.%m.%Y'",
                        "code=today", "\"2026-12-31\""},
                {"value: 31.12.2026, type: date, format: '%d.%m.%Y'", "id=1", "\"2026-12-31\""},
                {"value: 46387, type: date, format: excel", "id=1", "\"2026-12-31\""},
                {"template: '01.${row.code}', type: date, format: '%d.%m/%Y'", "code=12/2026",
                        "\"2026-12-01\""},
                {"from: tags, type: date, format: '%d.%m.%Y'", "tags={31.12.2026,NULL,1.1.2027}",
                        "[\"2026-12-31\",null,\"2027-01-01\"]"},
                {"from: tags, type: date, format: '%d.%m.%Y'", "tags={31.12.2026,x}",
                        "!\"x\" is not as format"},
                {"from: data.d, type: date, format: '%d.%m.%Y'", "data={\"d\":\"31.12.2026\"}",
                        "\"2026-12-31\""},
                {"from: data.d, type: date, format: '%Y%m%d'", "data={\"d\":20261231}",
                        "\"2026-12-31\""},
                {"from: id, type: date, format: '%Y%m%d'", "id=20261231", "\"2026-12-31\""},
                {"from: money, type: date, format: '%Y%m%d'", "money=20261231", "\"2026-12-31\""},
                {"from: padded, type: date, format: '%d.%m.%Y'", "padded=31.12.2026",
                        "\"2026-12-31\""},
                {"from: padded, type: date, format: '%d.%m.%Y'", "padded=1.1.2027  ",
                        "\"2027-01-01\""},
                {"each: data, fields: {d: {from: d, type: date, format: '%d.%m.%Y'}}",
                        "data=[{\"d\":\"31.12.2026\"}]", "[{\"d\":\"2026-12-31\"}]"},
                {"each: tags, fields: {d: {from: value, type: decimal, format: '1.234,5'}}",
                        "tags={\"1,5\"}", "[{\"d\":\"1.5\"}]"},
        };

        (void)state;
        CHECK("", cases);
}

/* ---- zones ---- */

#define AT(zone) "from: code, type: datetime, format: '%d.%m.%Y %H:%M', timezone: " zone
#define GAP      "!never was in its time zone"

static void local_times_of_many_zones(void **state)
{
        static const struct value_case cases[] = {
                {AT("Europe/Dublin"), "code=29.03.2026 00:59", "\"2026-03-29T00:59:00Z\""},
                {AT("Europe/Dublin"), "code=29.03.2026 01:00", GAP},
                {AT("Europe/Dublin"), "code=29.03.2026 01:59", GAP},
                {AT("Europe/Dublin"), "code=29.03.2026 02:00", "\"2026-03-29T01:00:00Z\""},
                {AT("Europe/Dublin"), "code=25.10.2026 01:30", "\"2026-10-25T00:30:00Z\""},
                {AT("Europe/Dublin"), "code=25.10.2026 02:00", "\"2026-10-25T02:00:00Z\""},
                {AT("America/New_York"), "code=08.03.2026 02:30", GAP},
                {AT("America/New_York"), "code=01.11.2026 01:30", "\"2026-11-01T05:30:00Z\""},
                {AT("America/New_York"), "code=01.11.2026 02:00", "\"2026-11-01T07:00:00Z\""},
                /* south of the equator clocks go forward in October */
                {AT("Australia/Sydney"), "code=04.10.2026 02:30", GAP},
                {AT("Australia/Sydney"), "code=05.04.2026 02:30", "\"2026-04-04T15:30:00Z\""},
                {AT("Australia/Sydney"), "code=05.04.2026 03:00", "\"2026-04-04T17:00:00Z\""},
                {AT("Australia/Sydney"), "code=15.01.2026 12:00", "\"2026-01-15T01:00:00Z\""},
                /* half an hour */
                {AT("Australia/Lord_Howe"), "code=04.10.2026 01:59", "\"2026-10-03T15:29:00Z\""},
                {AT("Australia/Lord_Howe"), "code=04.10.2026 02:15", GAP},
                {AT("Australia/Lord_Howe"), "code=04.10.2026 02:30", "\"2026-10-03T15:30:00Z\""},
                {AT("Australia/Lord_Howe"), "code=05.04.2026 01:45", "\"2026-04-04T14:45:00Z\""},
                {AT("Australia/Lord_Howe"), "code=05.04.2026 02:00", "\"2026-04-04T15:30:00Z\""},
                /* whole days that were not */
                {AT("Pacific/Apia"), "code=29.12.2011 23:59", "\"2011-12-30T09:59:00Z\""},
                {AT("Pacific/Apia"), "code=30.12.2011 00:00", GAP},
                {AT("Pacific/Apia"), "code=30.12.2011 12:00", GAP},
                {AT("Pacific/Apia"), "code=31.12.2011 00:00", "\"2011-12-30T10:00:00Z\""},
                {AT("Pacific/Kwajalein"), "code=21.08.1993 12:00", GAP},
                /* midnight that was not: the day alone has no beginning there */
                {AT("America/Sao_Paulo"), "code=04.11.2018 00:00", GAP},
                {"from: code, type: datetime, format: '%d.%m.%Y', timezone: America/Sao_Paulo",
                        "code=04.11.2018", GAP},
                {"from: code, type: datetime, format: '%d.%m.%Y', timezone: America/Sao_Paulo",
                        "code=05.11.2018", "\"2018-11-05T02:00:00Z\""},
                {"from: code, type: date, format: '%d.%m.%Y', timezone: America/Sao_Paulo",
                        "code=04.11.2018", "\"2018-11-04\""},
                {"from: local, timezone: America/Sao_Paulo", "local=2018-11-04 00:30:00", GAP},
                {"from: local, timezone: Australia/Lord_Howe", "local=2026-10-04 02:15:00", GAP},
                {"from: local, timezone: Pacific/Apia", "local=2011-12-30 12:00:00", GAP},
                {"from: local, timezone: Australia/Lord_Howe", "local=2026-04-05 01:45:00",
                        "\"2026-04-04T14:45:00Z\""},
                {"from: local, timezone: America/Sao_Paulo", "local=2018-02-17 23:30:00",
                        "\"2018-02-18T01:30:00Z\""},
                {"from: code, type: datetime, timezone: Australia/Sydney",
                        "code=2026-04-05 02:30:00", "\"2026-04-04T15:30:00Z\""},
                {"from: code, type: datetime, timezone: Australia/Sydney",
                        "code=2026-10-04T02:30:00", GAP},
                {"from: code, type: datetime, format: excel, timezone: America/New_York",
                        "code=46089.104166666667", GAP},
                {"from: code, type: datetime, format: excel, timezone: America/New_York",
                        "code=46327.0625", "\"2026-11-01T05:30:00Z\""},
                {"from: code, type: datetime, format: odata, timezone: America/New_York",
                        "code=2026-03-08T02:30:00", GAP},
                {"from: day, type: datetime, timezone: Pacific/Apia", "day=2011-12-30", GAP},
                /* before 1900, and by the rule after 2037 */
                {AT("Europe/Paris"), "code=01.01.1850 12:00", "\"1850-01-01T11:50:39Z\""},
                {AT("America/New_York"), "code=18.11.1883 12:30", "\"1883-11-18T17:30:00Z\""},
                {AT("Asia/Kolkata"), "code=01.01.1800 00:00", "\"1799-12-31T18:06:32Z\""},
                {AT("Europe/Dublin"), "code=01.07.2080 12:00", "\"2080-07-01T11:00:00Z\""},
                {AT("Europe/Dublin"), "code=31.03.2150 12:00", "\"2150-03-31T11:00:00Z\""},
                {AT("Europe/Dublin"), "code=31.03.2080 01:30", GAP},
                {AT("America/New_York"), "code=15.07.2400 12:00", "\"2400-07-15T16:00:00Z\""},
                {AT("Australia/Sydney"), "code=15.01.2300 12:00", "\"2300-01-15T01:00:00Z\""},
                {AT("Asia/Kathmandu"), "code=01.01.2026 05:45", "\"2026-01-01T00:00:00Z\""},
                {AT("Asia/Tokyo"), "code=01.01.0001 00:00", "!outside the years 1 to 9999"},
                {AT("America/New_York"), "code=31.12.9999 23:00", "!outside the years 1 to 9999"},
        };

        (void)state;
        CHECK("timezone: UTC\n", cases);
}

/* ---- each day ---- */

static const struct format *compile(struct arena *arena, const char *text, enum field_type type)
{
        const struct format *f = NULL;
        struct err e;

        if (format_compile(arena, str_of(text), type, &f, &e))
                fail_msg("%s: %s", text, e.text);
        return f;
}

#define FIRST_YEAR 1600
#define LAST_YEAR  2400

/* A calendar that only adds one to a day, in the way that children learn it. */
struct day {
        int year, month, day, of_year, weekday; /* 0: Sunday */
        long since_1970;
};

static void next_day(struct day *d)
{
        static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = d->year % 400 == 0 || (d->year % 4 == 0 && d->year % 100 != 0);

        d->weekday = (d->weekday + 1) % 7;
        d->since_1970++;
        d->of_year++;
        if (d->day++ < lengths[d->month - 1] + (d->month == 2 && leap))
                return;
        d->day = 1;
        if (d->month++ < 12)
                return;
        d->month = 1;
        d->year++;
        d->of_year = 1;
}

/* Whether @text, by @f, is the day @d at noon, or has no time. */
static void check_day(const struct format *f, const char *text, const struct day *d, int hour)
{
        cleanup_buf_ struct buf scratch = {.max = 4096};
        struct format_time t;

        enum format_result result = format_read_time(f, str_of(text), &scratch, &t);
        const struct civil *c = &t.civil;
        if (result != FORMAT_OK || c->year != d->year || c->month != d->month || c->day != d->day ||
                c->hour != hour || c->minute || c->second || c->fraction.len)
                fail_msg("%s by %s: result %d, %d-%d-%d %d:%d:%d", text, f->text, result, c->year,
                        c->month, c->day, c->hour, c->minute, c->second);
}

/* Writes @d at noon by the pattern @i of those below. */
static void put_day(char *out, size_t size, size_t i, const struct day *d)
{
        static const char *const months[] = {"January", "February", "March", "April", "May", "June",
                "July", "August", "September", "October", "November", "December"};
        static const char *const weekdays[] = {
                "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
        const char *month = months[d->month - 1], *weekday = weekdays[d->weekday];

        if (i == 0)
                snprintf(out, size, "%04d-%02d-%02d 12:00:00", d->year, d->month, d->day);
        else if (i == 1)
                snprintf(out, size, "%d.%d.%d 12 PM", d->day, d->month, d->year);
        else if (i == 2)
                snprintf(out, size, "%04d%03d12", d->year, d->of_year);
        else if (i == 3)
                snprintf(out, size, "%.3s %.3s %2d %d 12:00:00", weekday, month, d->day, d->year);
        else
                snprintf(out, size, "%s, %d %s %d 12:00", weekday, d->day, month, d->year);
}

/* Days are written by hand and read by patterns in turns; serials are counted. */
static void each_day_of_800_years(void **state)
{
        static const char *const patterns[] = {"%Y-%m-%d %H:%M:%S", "%d.%m.%Y %I %p", "%Y%j%H",
                "%a %b %e %Y %T", "%A, %d %B %Y %R"};
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
        const struct format *formats[COUNT(patterns)];
        const struct format *unix_s = compile(arena, "unix", FIELD_TYPE_DATETIME);
        const struct format *unix_ms = compile(arena, "unix_ms", FIELD_TYPE_DATETIME);
        const struct format *odata = compile(arena, "odata", FIELD_TYPE_DATETIME);
        const struct format *excel = compile(arena, "excel", FIELD_TYPE_DATETIME);
        const struct format *excel_1904 = compile(arena, "excel_1904", FIELD_TYPE_DATETIME);
        struct day d = {FIRST_YEAR, 1, 1, 1, 6, -135140};
        char text[128];
        long serial = 0, serial_1904 = -1;

        (void)state;
        for (size_t i = 0; i < COUNT(patterns); i++)
                formats[i] = compile(arena, patterns[i], FIELD_TYPE_DATETIME);
        for (; d.year <= LAST_YEAR; next_day(&d)) {
                size_t i = (size_t)(d.since_1970 + 135140) % COUNT(patterns);
                put_day(text, sizeof(text), i, &d);
                check_day(formats[i], text, &d, 12);
                snprintf(text, sizeof(text), "%ld", d.since_1970 * 86400 + 43200);
                check_day(unix_s, text, &d, 12);
                snprintf(text, sizeof(text), "%ld000", d.since_1970 * 86400 + 43200);
                check_day(unix_ms, text, &d, 12);
                snprintf(text, sizeof(text), "/Date(%ld)/", d.since_1970 * 86400000);
                check_day(odata, text, &d, 0);
                if (d.year >= 1900) {
                        serial += 1 + (serial == 59); /* Excel's 29 February 1900 */
                        snprintf(text, sizeof(text), "%ld.5", serial);
                        check_day(excel, text, &d, 12);
                }
                if (d.year >= 1904) {
                        snprintf(text, sizeof(text), "%ld", ++serial_1904);
                        check_day(excel_1904, text, &d, 0);
                }
        }
        assert_int_equal(d.since_1970, 157420); /* 2401-01-01, by another calendar */
}

/* Days that no month has are refused, whatever the year. */
static void no_other_day_is_read(void **state)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
        cleanup_buf_ struct buf scratch = {.max = 4096};
        const struct format *f = compile(arena, "%Y%m%d", FIELD_TYPE_DATE);
        struct format_time t;
        char text[32];
        long read = 0;

        (void)state;
        for (int year = FIRST_YEAR; year < LAST_YEAR; year++)
                for (int month = 0; month < 14; month++)
                        for (int day = 0; day < 33; day++) {
                                snprintf(text, sizeof(text), "%04d%02d%02d", year, month, day);
                                read += format_read_time(f, str_of(text), &scratch, &t) ==
                                        FORMAT_OK;
                        }
        assert_int_equal(read, 2 * 146097); /* days of 400 years */
}

/* Every millisecond of a day that a serial can show comes back, from the double's own text. */
static void serials_keep_milliseconds(void **state)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
        cleanup_buf_ struct buf scratch = {.max = 4096};
        const struct format *f = compile(arena, "excel", FIELD_TYPE_DATETIME);
        struct format_time t;
        char text[64];

        (void)state;
        for (int ms = 0; ms < 86400000; ms += 997) {
                snprintf(text, sizeof(text), "%.17g", 46387 + ms / 86400000.0);
                assert_int_equal(format_read_time(f, str_of(text), &scratch, &t), FORMAT_OK);
                int seconds = (t.civil.hour * 60 + t.civil.minute) * 60 + t.civil.second;
                int fraction = 0;
                for (size_t i = 0; i < 3; i++)
                        fraction = fraction * 10 +
                                   (i < t.civil.fraction.len ? t.civil.fraction.ptr[i] - '0' : 0);
                if (seconds * 1000 + fraction != ms || t.civil.fraction.len > 3)
                        fail_msg("%s is not %d ms", text, ms);
        }
}

/* Any amount, written in any notation, comes back. */
static void written_numbers_come_back(void **state)
{
        static const struct {
                const char *example, *group, *decimal;
                bool by_two;
        } notations[] = {
                {"1.234,56", ".", ",", false},
                {"1,234.56", ",", ".", false},
                {"1 234,56", "\xE2\x80\xAF", ",", false},
                {"1'234.56", "\xE2\x80\x99", ".", false},
                {"1234,56", "", ",", false},
                {"12,34,567.89", ",", ".", true},
        };
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
        uint64_t seed = 1;

        (void)state;
        for (int i = 0; i < 60000; i++) {
                size_t n = (size_t)i % COUNT(notations);
                cleanup_buf_ struct buf scratch = {.max = 4096}, text = {.max = 4096};
                cleanup_buf_ struct buf back = {.max = 4096};
                char digits[32], plain[64];
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                int len = snprintf(digits, sizeof(digits), "%llu",
                        (unsigned long long)(seed >> (8 + seed % 50)));
                snprintf(plain, sizeof(plain), "%s%s.%02d", seed & 1 << 20 ? "-" : "", digits,
                        i % 100);
                if (*plain == '-')
                        buf_puts(&text, i & 4 ? "-" : "\xE2\x88\x92");
                for (int k = 0; k < len; k++) {
                        int left = len - k;
                        bool cut = notations[n].by_two ? left == 3 || (left > 3 && left % 2 == 1)
                                                       : left % 3 == 0;
                        if (k && cut)
                                buf_puts(&text, notations[n].group);
                        buf_putc(&text, digits[k]);
                }
                buf_printf(&text, "%s%02d", notations[n].decimal, i % 100);
                struct decimal d;
                size_t at;
                const struct format *f = compile(arena, notations[n].example, FIELD_TYPE_DECIMAL);
                if (format_read_number(f, buf_str(&text), &scratch, &d, &at) != FORMAT_OK)
                        fail_msg("%s: stopped at %zu", buf_cstr(&text), at);
                assert_true(decimal_put(&d, DECIMAL_AS_IS, ROUND_NONE, &back));
                if (strcmp(plain, "-0.00") != 0)
                        assert_string_equal(buf_cstr(&back), plain);
                arena_reset(arena);
        }
}

static void every_allocation_may_fail(void **state)
{
        static const char *const formats[] = {"%d.%m.%Y %H:%M:%S", "unix", "excel"};

        (void)state;
        for (size_t i = 0; i < COUNT(formats); i++)
                ALLOC_FAIL_EACH(n)
                {
                        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
                        const struct format *f = NULL;
                        struct err e;
                        alloc_fail_at(n);
                        int rc = format_compile(arena, str_of(formats[i]), FIELD_TYPE_DATE, &f, &e);
                        assert_true((rc == 0 && f) || (rc == -ERR_NOMEM && !f));
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(patterns_read_dates),
                cmocka_unit_test(patterns_read_times),
                cmocka_unit_test(days_and_hours_that_are_none_are_rejects),
                cmocka_unit_test(unix_times),
                cmocka_unit_test(spreadsheets),
                cmocka_unit_test(odata_dates),
                cmocka_unit_test(numbers_are_read_by_their_example),
                cmocka_unit_test(what_the_example_does_not_show_is_a_reject),
                cmocka_unit_test(formats_follow_the_other_steps),
                cmocka_unit_test(local_times_of_many_zones),
                cmocka_unit_test(each_day_of_800_years),
                cmocka_unit_test(no_other_day_is_read),
                cmocka_unit_test(serials_keep_milliseconds),
                cmocka_unit_test(written_numbers_come_back),
                cmocka_unit_test(every_allocation_may_fail),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
