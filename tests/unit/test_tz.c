#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ingest/base/tz.h"
#include "ingest/base/tz_file.h"
#include "ingest/base/tz_rule.h"
#include "tests/support/alloc_fail.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define DAY_S         INT64_C(86400)
#define Y1900         INT64_C(-2208988800)
#define Y2001         INT64_C(978307200)
#define BOUNDS_STEP_S 600
#define Y2030         INT64_C(1893456000)
#define Y2101         INT64_C(4133980800)

static int64_t local(int year, int month, int day, int hour, int minute, int second)
{
        struct tm tm = {.tm_year = year - 1900,
                .tm_mon = month - 1,
                .tm_mday = day,
                .tm_hour = hour,
                .tm_min = minute,
                .tm_sec = second};

        return timegm(&tm);
}

static struct tz *load(const char *name)
{
        struct tz *z = NULL;
        struct err e;

        if (tz_load(name, &z, &e) != 0)
                fail_msg("%s", e.text);
        return z;
}

static void known_moments_are_right(void **state)
{
        static const struct {
                const char *zone;
                int local[6];
                int utc[6]; /* year 0: the gap */
        } cases[] = {
                {"Europe/Dublin", {2026, 1, 15, 12, 0, 0}, {2026, 1, 15, 12, 0, 0}},
                {"Europe/Dublin", {2026, 7, 15, 12, 0, 0}, {2026, 7, 15, 11, 0, 0}},
                {"Europe/Dublin", {2026, 3, 29, 0, 59, 59}, {2026, 3, 29, 0, 59, 59}},
                {"Europe/Dublin", {2026, 3, 29, 1, 0, 0}, {0}},
                {"Europe/Dublin", {2026, 3, 29, 1, 59, 59}, {0}},
                {"Europe/Dublin", {2026, 3, 29, 2, 0, 0}, {2026, 3, 29, 1, 0, 0}},
                {"Europe/Dublin", {2026, 10, 25, 0, 59, 59}, {2026, 10, 24, 23, 59, 59}},
                {"Europe/Dublin", {2026, 10, 25, 1, 0, 0}, {2026, 10, 25, 0, 0, 0}}, /* the first */
                {"Europe/Dublin", {2026, 10, 25, 1, 59, 59}, {2026, 10, 25, 0, 59, 59}},
                {"Europe/Dublin", {2026, 10, 25, 2, 0, 0}, {2026, 10, 25, 2, 0, 0}},
                {"Europe/Dublin", {1916, 5, 21, 1, 59, 59}, {1916, 5, 21, 2, 25, 20}},
                {"Europe/Dublin", {2080, 7, 1, 0, 0, 0}, {2080, 6, 30, 23, 0, 0}},
                {"Europe/Dublin", {2150, 7, 1, 0, 0, 0}, {2150, 6, 30, 23, 0, 0}},
                {"America/New_York", {2026, 3, 8, 2, 30, 0}, {0}},
                {"America/New_York", {2026, 3, 8, 3, 0, 0}, {2026, 3, 8, 7, 0, 0}},
                {"America/New_York", {2026, 11, 1, 1, 30, 0}, {2026, 11, 1, 5, 30, 0}},
                {"Asia/Kolkata", {2026, 7, 1, 5, 30, 0}, {2026, 7, 1, 0, 0, 0}},
                {"Australia/Lord_Howe", {2026, 10, 4, 2, 0, 0}, {0}}, /* half an hour */
                {"Australia/Lord_Howe", {2026, 10, 4, 2, 29, 59}, {0}},
                {"Australia/Lord_Howe", {2026, 10, 4, 2, 30, 0}, {2026, 10, 3, 15, 30, 0}},
                {"Australia/Lord_Howe", {2026, 4, 5, 1, 30, 0}, {2026, 4, 4, 14, 30, 0}},
                {"Pacific/Apia", {2011, 12, 30, 12, 0, 0}, {0}}, /* a day that was not */
                {"Pacific/Apia", {2011, 12, 31, 0, 0, 0}, {2011, 12, 30, 10, 0, 0}},
                {"UTC", {2026, 3, 29, 1, 30, 0}, {2026, 3, 29, 1, 30, 0}},
                {"Etc/UTC", {1, 1, 1, 0, 0, 0}, {1, 1, 1, 0, 0, 0}},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(tz_freep) struct tz *z = load(cases[i].zone);
                const int *l = cases[i].local, *u = cases[i].utc;
                int64_t got = -1;
                enum tz_result r = tz_to_utc(z, local(l[0], l[1], l[2], l[3], l[4], l[5]), &got);
                int64_t wanted = u[0] ? local(u[0], u[1], u[2], u[3], u[4], u[5]) : -1;
                if (r != (u[0] ? TZ_OK : TZ_GAP) || got != wanted)
                        fail_msg("case %zu: %s: %d, %lld instead of %lld", i, cases[i].zone, r,
                                (long long)got, (long long)wanted);
        }
}

/* --- against the C library ------------------------------------------------------------------ */

static long library_offset(int64_t utc_s)
{
        time_t t = utc_s;
        struct tm tm;

        localtime_r(&t, &tm);
        return tm.tm_gmtoff;
}

/* The first instant that shows @local_s, among the offsets seen within a day and a bit of it. */
static bool library_to_utc(int64_t local_s, int64_t step, int64_t *utc_s)
{
        bool found = false;
        long last = LONG_MIN;

        for (int64_t u = local_s - 26 * 3600; u <= local_s + 26 * 3600; u += step) {
                long offset = library_offset(u);
                if (offset == last)
                        continue;
                last = offset;
                int64_t candidate = local_s - offset;
                if (library_offset(candidate) == offset && (!found || candidate < *utc_s)) {
                        *utc_s = candidate;
                        found = true;
                }
        }
        return found;
}

/* By the C library, step by step: the least time shown in the day from @utc_s on, and the greatest
 * in the day before. */
static void compare_bounds(const struct tz *z, const char *name, int64_t utc_s)
{
        int64_t least = INT64_MAX, most = INT64_MIN;

        for (int64_t d = 0; d <= DAY_S; d += BOUNDS_STEP_S) {
                int64_t shown = utc_s + d + library_offset(utc_s + d);
                least = shown < least ? shown : least;
                shown = utc_s - d + library_offset(utc_s - d);
                most = shown > most ? shown : most;
        }
        int64_t floor = tz_local_floor(z, utc_s), ceiling = tz_local_ceiling(z, utc_s);
        if (floor > least || floor < least - BOUNDS_STEP_S || ceiling < most ||
                ceiling > most + BOUNDS_STEP_S)
                fail_msg("%s at %lld: %lld to %lld, the C library says %lld to %lld", name,
                        (long long)utc_s, (long long)floor, (long long)ceiling, (long long)least,
                        (long long)most);
}

static void compare(const struct tz *z, const char *name, int64_t local_s, int64_t step)
{
        int64_t ours = INT64_MIN, theirs = INT64_MIN;
        bool found = tz_to_utc(z, local_s, &ours) == TZ_OK;

        if (found != library_to_utc(local_s, step, &theirs) || ours != theirs)
                fail_msg("%s at %lld: %d %lld, the C library says %lld", name, (long long)local_s,
                        found, (long long)ours, (long long)theirs);
}

/* The changes of a zone, found by looking at the offset every six hours and then halving. */
static void compare_around_changes(const struct tz *z, const char *name)
{
        long before = library_offset(Y1900 - 30 * DAY_S);

        for (int64_t t = Y1900 - 30 * DAY_S; t < Y2101; t += DAY_S / 4) {
                long after = library_offset(t);
                if (after == before)
                        continue;
                int64_t low = t - DAY_S / 4, high = t;
                while (high - low > 1) {
                        int64_t middle = low + (high - low) / 2;
                        if (library_offset(middle) == before)
                                low = middle;
                        else
                                high = middle;
                }
                const int64_t edges[] = {high + before, high + after, high};
                for (size_t i = 0; i < COUNT(edges); i++)
                        for (int64_t d = -2; d <= 2; d++)
                                compare(z, name, edges[i] + d, 3600);
                for (int64_t d = -4 * 3600; d <= 4 * 3600; d += 613)
                        compare(z, name, high + before + d, 3600);
                for (int64_t d = -27; high > Y2001 && high < Y2030 && d <= 27; d += 9)
                        compare_bounds(z, name, high + d * 3600 + (d % 2) * 1801);
                before = after;
        }
}

static void zones_agree_with_the_c_library(void **state)
{
        static const char *const zones[] = {"Europe/Dublin", "America/New_York", "Asia/Kolkata",
                "Australia/Lord_Howe", "UTC", "Africa/Casablanca", "America/Nuuk", "Asia/Gaza",
                "Antarctica/Troll", "America/St_Johns", "Pacific/Apia", "Africa/Monrovia",
                "EST5EDT", "Etc/GMT+5", "Asia/Pyongyang", "America/Caracas"};

        (void)state;
        for (size_t i = 0; i < COUNT(zones); i++) {
                cleanup_(tz_freep) struct tz *z = load(zones[i]);
                setenv("TZ", zones[i], 1);
                tzset();
                for (int64_t t = Y1900; t < Y2101; t += 8 * DAY_S + 12347)
                        compare(z, zones[i], t, 6 * 3600);
                compare_around_changes(z, zones[i]);
        }
        setenv("TZ", "UTC", 1);
        tzset();
}

/* --- rules ---------------------------------------------------------------------------------- */

static void rules_are_read_whole(void **state)
{
        static const struct {
                const char *text;
                bool ok;
        } cases[] = {
                {"IST-1GMT0,M10.5.0,M3.5.0/1", true},
                {"EST5EDT,M3.2.0,M11.1.0", true},
                {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", true},
                {"UTC0", true},
                {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", true},
                {"IST-5:30", true},
                {"EET-2EEST,M3.4.4/50,M10.4.4/50", true},
                {"XXX3EDT4,0/0,J365/23", true},
                {"AAA+1:02:03", true},
                {"AAA24", true},
                {"AAA1BBB,J1/167,J365/-167", true},
                {"", false},
                {"UTC", false},
                {"AB0", false},
                {"AAA25", false},
                {"AAA1:60", false},
                {"AAA1:1:1:1", false},
                {"<AAA", false},
                {"AAA1BBB", false},
                {"AAA1BBB,J1", false},
                {"AAA1BBB,J0,J1", false},
                {"AAA1BBB,J366,J1", false},
                {"AAA1BBB,366,1", false},
                {"AAA1BBB,M0.1.0,M1.1.0", false},
                {"AAA1BBB,M13.1.0,M1.1.0", false},
                {"AAA1BBB,M1.6.0,M1.1.0", false},
                {"AAA1BBB,M1.1.7,M1.1.0", false},
                {"AAA1BBB,M1.1,M1.1.0", false},
                {"AAA1BBB,J1/168,J2", false},
                {"AAA1BBB,J1,J2,", false},
                {"AAA1BBB,J1,J2 ", false},
                {"AAA0x", false},
                {"AAA99999999999", false},
                {"AAA-", false},
                {"AAA1BBB,J0001,J2", false},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct tz_rule r;
                if (tz_rule_parse(str_of(cases[i].text), &r) != cases[i].ok)
                        fail_msg("%s", cases[i].text);
        }
}

/* Rules of every kind against the C library, which reads the same text from TZ. */
static void rules_agree_with_the_c_library(void **state)
{
        static const char *const rules[] = {"IST-1GMT0,M10.5.0,M3.5.0/1", "EST5EDT,M3.2.0,M11.1.0",
                "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "AAA-3:30BBB,J60,J300/4",
                "AAA3BBB,59/1,299/1:02:03", "AAA8BBB7,M2.5.6/23,M9.2.3/0",
                "EET-2EEST,M3.4.4/50,M10.4.4/50", "CCC12"};

        (void)state;
        for (size_t i = 0; i < COUNT(rules); i++) {
                struct tz_rule r;
                assert_true(tz_rule_parse(str_of(rules[i]), &r));
                setenv("TZ", rules[i], 1);
                tzset();
                for (int64_t t = 0; t < 3 * Y2101; t += 9 * DAY_S / 4 + 1237) {
                        int64_t until;
                        int32_t offset = tz_rule_offset(&r, t, &until);
                        if (offset != library_offset(t))
                                fail_msg("%s at %lld: %d", rules[i], (long long)t, offset);
                        assert_true(until > t);
                        int64_t unused;
                        if (until < INT64_MAX && (t & 7) == 0)
                                assert_int_equal(tz_rule_offset(&r, until - 1, &unused), offset);
                }
        }
        setenv("TZ", "UTC", 1);
        tzset();
}

static void summer_time_may_last_the_whole_year(void **state)
{
        struct tz_rule r;
        int64_t until;

        (void)state;
        assert_true(tz_rule_parse(STR("XXX3EDT4,0/0,J365/23"), &r)); /* of RFC 8536 */
        for (int64_t t = 0; t < Y2101; t += DAY_S * 3 + 1)
                assert_int_equal(tz_rule_offset(&r, t, &until), -4 * 3600);
}

static void years_begin_where_they_should(void **state)
{
        (void)state;
        for (int year = -9999; year <= 9999; year++) {
                struct tm tm = {.tm_year = year - 1900, .tm_mday = 1};
                assert_int_equal(tz_year_start(year), timegm(&tm));
        }
}

/* --- files ---------------------------------------------------------------------------------- */

/* A file with @count changes 1000 s apart and the given rule. */
struct maker {
        unsigned char bytes[8192];
        size_t len;
};

static void put32(struct maker *m, uint32_t value)
{
        for (int shift = 24; shift >= 0; shift -= 8)
                m->bytes[m->len++] = (unsigned char)(value >> shift);
}

static void put_header(struct maker *m, char version, uint32_t times, uint32_t types)
{
        memcpy(m->bytes + m->len, "TZif", 4);
        m->bytes[m->len + 4] = (unsigned char)version;
        memset(m->bytes + m->len + 5, 0, 15);
        m->len += 20;
        put32(m, 0);
        put32(m, 0);
        put32(m, 0);
        put32(m, times);
        put32(m, types);
        put32(m, 4);
}

static void put_data(struct maker *m, uint32_t times, bool wide)
{
        for (uint32_t i = 0; i < times; i++) {
                if (wide)
                        put32(m, 0);
                put32(m, 1000000 * (i + 1));
        }
        for (uint32_t i = 0; i < times; i++)
                m->bytes[m->len++] = (unsigned char)(1 - i % 2);
        for (uint32_t i = 0; i < 2; i++) {
                put32(m, i * 3600);
                m->bytes[m->len++] = (unsigned char)i;
                m->bytes[m->len++] = 0;
        }
        memcpy(m->bytes + m->len, "AAA", 4);
        m->len += 4;
}

static void make_file(struct maker *m, char version, uint32_t times, const char *rule)
{
        m->len = 0;
        put_header(m, version, times, 2);
        put_data(m, times, false);
        if (!version)
                return;
        put_header(m, version, times, 2);
        put_data(m, times, true);
        m->len += (size_t)snprintf((char *)m->bytes + m->len, 100, "\n%s\n", rule);
}

static int parse_bytes(const unsigned char *bytes, size_t len, struct tz_table *t, struct err *e)
{
        /* A copy of exactly that size: the sanitizer sees every read beyond it. */
        char *exact = malloc(len ? len : 1);

        memcpy(exact, bytes, len);
        int rc = tz_file_parse((struct str){exact, len}, t, e);
        free(exact);
        return rc;
}

static void table_free(struct tz_table *t)
{
        free(t->times);
        free(t->offsets);
}

static void files_of_all_versions_are_read(void **state)
{
        struct maker m;
        struct tz_table t;
        struct err e;

        (void)state;
        for (int v = 0; v < 3; v++) {
                make_file(&m,
                        "\0"
                        "23"[v],
                        4, v ? "AAA-1BBB,J60,J300" : "");
                assert_int_equal(parse_bytes(m.bytes, m.len, &t, &e), 0);
                assert_int_equal(t.count, 4);
                assert_int_equal(t.offsets[0], 0);
                for (int i = 0; i < 4; i++) {
                        assert_int_equal(t.times[i], 1000000 * (i + 1));
                        assert_int_equal(t.offsets[i + 1], i % 2 ? 0 : 3600);
                }
                assert_int_equal(t.has_rule, v > 0);
                table_free(&t);
        }
}

static void every_cut_of_a_file_is_refused(void **state)
{
        struct maker m;
        struct tz_table t = {0};
        struct err e;

        (void)state;
        for (int v = 0; v < 2; v++) {
                make_file(&m, v ? '2' : '\0', 4, "AAA-1");
                for (size_t len = 0; len < m.len; len++) {
                        assert_int_equal(parse_bytes(m.bytes, len, &t, &e), -ERR_CONFIG);
                        assert_null(t.times);
                        assert_int_equal(strncmp(e.text, "not a usable TZif file: ", 24), 0);
                }
        }
}

/* Whatever one byte becomes, the parser ends with a table that can be used, or an error. */
static void every_changed_byte_is_survived(void **state)
{
        struct maker m;
        struct err e;

        (void)state;
        make_file(&m, '2', 4, "AAA-1BBB,M3.5.0,M10.5.0/3");
        for (size_t at = 0; at < m.len; at++)
                for (int value = 0; value < 256; value++) {
                        unsigned char was = m.bytes[at];
                        struct tz_table t;
                        m.bytes[at] = (unsigned char)value;
                        int rc = parse_bytes(m.bytes, m.len, &t, &e);
                        m.bytes[at] = was;
                        if (rc == 0) {
                                assert_true(t.count <= TZ_MAX_CHANGES);
                                for (size_t i = 1; i < t.count; i++)
                                        assert_true(t.times[i] > t.times[i - 1]);
                                table_free(&t);
                        } else {
                                assert_int_equal(rc, -ERR_CONFIG);
                        }
                }
}

static void hostile_fields_are_refused(void **state)
{
        /* In the second copy of a file of version 2 with four changes: the header takes 44 bytes,
         * the times 32, their types 4. */
        static const struct {
                size_t at, width;
                uint32_t value;
                const char *text;
        } cases[] = {
                {20, 4, 0xFFFFFFFF, "cut off"},                    /* isutcnt */
                {24, 4, 0xFFFFFFFF, "cut off"},                    /* isstdcnt */
                {28, 4, 0xFFFFFFFF, "cut off"},                    /* leapcnt */
                {32, 4, 0xFFFFFFFF, "larger than any honest one"}, /* timecnt */
                {36, 4, 0, "larger than any honest one"},          /* typecnt */
                {36, 4, 257, "larger than any honest one"},
                {40, 4, 0xFFFFFFFF, "cut off"},       /* charcnt */
                {44, 4, 0x7FFFFFFF, "do not ascend"}, /* the upper half of the first time */
                {44 + 32, 1, 2, "type that is not there"},
                {44 + 36, 4, 0x7FFFFFFF, "larger than a day"}, /* an offset */
                {44 + 36, 4, 0x80000000, "larger than a day"},
        };
        const size_t first_copy = 44 + 4 * 5 + 12 + 4;
        struct maker m;
        struct tz_table t;
        struct err e;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                make_file(&m, '2', 4, "AAA-1");
                unsigned char *field = m.bytes + first_copy + cases[i].at;
                for (size_t k = 0; k < cases[i].width; k++)
                        field[k] = (unsigned char)(cases[i].value >> 8 * (cases[i].width - 1 - k));
                assert_int_equal(parse_bytes(m.bytes, m.len, &t, &e), -ERR_CONFIG);
                if (!strstr(e.text, cases[i].text))
                        fail_msg("case %zu: %s", i, e.text);
        }
        /* "right" zones count leap seconds: a correct file, but not in our time. */
        make_file(&m, '2', 4, "AAA-1");
        m.bytes[first_copy + 31] = 1;
        memmove(m.bytes + first_copy + 44 + 52 + 12, m.bytes + first_copy + 44 + 52, 50);
        m.len += 12;
        assert_int_equal(parse_bytes(m.bytes, m.len, &t, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "leap seconds"));
}

/* A folder of zones of our own. */
struct folder {
        char path[64];
};

static void folder_make(struct folder *f)
{
        snprintf(f->path, sizeof(f->path), "/tmp/test_tz.XXXXXX");
        assert_non_null(mkdtemp(f->path));
        setenv("TZDIR", f->path, 1);
}

static void folder_put(struct folder *f, const char *name, const struct maker *m)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", f->path, name);
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fwrite(m->bytes, 1, m->len, out);
        fclose(out);
}

static void folder_remove(struct folder *f)
{
        char command[128];

        snprintf(command, sizeof(command), "rm -r %s", f->path);
        assert_int_equal(system(command), 0);
        unsetenv("TZDIR");
}

static void names_cannot_leave_the_folder(void **state)
{
        static const struct {
                const char *name, *text;
        } cases[] = {
                {"", "not a name of a zone"},
                {"/etc/localtime", "not a name of a zone"},
                {"../zoneinfo/UTC", "not a name of a zone"},
                {"Europe/../UTC", "not a name of a zone"},
                {"Europe/./Dublin", "not a name of a zone"},
                {"Europe\\Dublin", "not a name of a zone"},
                {"Europe/Dublin\n", "not a name of a zone"},
                {"Europe/Dublim", "no such zone in"},
                {"Europe", "no such zone in"},
                {"Europe/Dublin/x", "no such zone in"},
        };
        char longer[400];

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct tz *z = NULL;
                struct err e;
                assert_int_equal(tz_load(cases[i].name, &z, &e), -ERR_CONFIG);
                assert_null(z);
                assert_int_equal(strncmp(e.text, "time zone \"", 11), 0);
                if (!strstr(e.text, cases[i].text) || !strstr(e.text, "Europe/Dublin"))
                        fail_msg("%s: %s", cases[i].name, e.text);
        }
        memset(longer, 'a', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        struct tz *z;
        assert_int_equal(tz_load(longer, &z, NULL), -ERR_CONFIG);
}

static void folders_may_hold_anything(void **state)
{
        struct folder f;
        struct maker m;
        struct err e;
        struct tz *z = NULL;
        char path[128];

        (void)state;
        folder_make(&f);
        m.len = (size_t)snprintf((char *)m.bytes, 100, "no zone at all");
        folder_put(&f, "text", &m);
        assert_int_equal(tz_load("text", &z, &e), -ERR_CONFIG);
        assert_string_equal(
                e.text, "time zone \"text\": not a usable TZif file: it does not begin with TZif");
        m.len = 0;
        folder_put(&f, "empty", &m);
        assert_int_equal(tz_load("empty", &z, &e), -ERR_CONFIG);
        snprintf(path, sizeof(path), "%s/fifo", f.path);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(tz_load("fifo", &z, &e), -ERR_CONFIG); /* and does not wait */
        folder_remove(&f);
        setenv("TZDIR", "/nonexistent", 1);
        assert_int_equal(tz_load("Europe/Dublin", &z, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "install the package tzdata"));
        z = load("UTC"); /* needs no file */
        z = tz_free(z);
        unsetenv("TZDIR");
}

/* Files that are nothing but a rule, end early or late, or have absurd times. */
static void odd_tables_are_usable(void **state)
{
        struct folder f;
        struct maker m;
        int64_t u;

        (void)state;
        folder_make(&f);
        make_file(&m, '2', 0, "AAA-1BBB,J60/0,J300/0");
        folder_put(&f, "bare", &m);
        struct tz *z = load("bare");
        setenv("TZ", "AAA-1BBB,J60/0,J300/0", 1);
        tzset();
        for (int year = 1971; year < 2400; year++) { /* the C library has no rules before 1970 */
                compare(z, "bare", local(year, 3, 1, 0, 30, 0), 3600); /* the gap */
                compare(z, "bare", local(year, 10, 26, 23, 30, 0), 3600);
                compare(z, "bare", local(year, 7, 1, 0, 0, 0), 3600);
        }
        for (int year = -9999; year < 9999; year += 7) {
                assert_int_equal(tz_to_utc(z, local(year, 3, 1, 0, 30, 0), &u), TZ_GAP);
                assert_int_equal(tz_to_utc(z, local(year, 7, 1, 0, 0, 0), &u), TZ_OK);
                assert_int_equal(u, local(year, 6, 30, 22, 0, 0));
                assert_int_equal(tz_to_utc(z, local(year, 12, 1, 0, 0, 0), &u), TZ_OK);
                assert_int_equal(u, local(year, 11, 30, 23, 0, 0));
        }
        tz_free(z);
        static const uint32_t highs[] = {0x80000000, 0xF0000000, 0xFFFFFF00, 0, 1, 0x0000FFFF,
                0x0FFFFFFF, 0x1FFFFFFF, 0x20000000, 0x7FFFFFFF};
        for (size_t i = 0; i < COUNT(highs); i++) {
                make_file(&m, '2', 1, "AAA-1BBB,J60/0,J300/0");
                size_t len = m.len;
                m.len = 44 + 5 + 12 + 4 + 44; /* the time in the second copy */
                put32(&m, highs[i]);
                m.len = len;
                folder_put(&f, "odd", &m);
                z = load("odd");
                static const int64_t locals[] = {
                        INT64_MIN, INT64_MIN / 4, Y1900, 0, Y2101, INT64_MAX / 4, INT64_MAX};
                for (size_t k = 0; k < COUNT(locals); k++)
                        assert_int_equal(tz_to_utc(z, locals[k], &u), TZ_OK);
                for (int64_t t = 0; t < 4 * Y2101; t += 40 * DAY_S)
                        assert_true(tz_to_utc(z, t, &u) == TZ_GAP || labs(t - u) <= 2 * 3600);
                tz_free(z);
        }
        folder_remove(&f);
        setenv("TZ", "UTC", 1);
        tzset();
}

static void every_allocation_may_fail(void **state)
{
        static const char *const zones[] = {"Europe/Dublin", "UTC", "Asia/Kolkata"};

        (void)state;
        for (size_t i = 0; i < COUNT(zones); i++)
                ALLOC_FAIL_EACH(n)
                {
                        struct tz *z = NULL;
                        struct err e;
                        alloc_fail_at(n);
                        int rc = tz_load(zones[i], &z, &e);
                        assert_true(rc == 0 || (rc == -ERR_NOMEM && !z));
                        tz_free(z);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(known_moments_are_right),
                cmocka_unit_test(zones_agree_with_the_c_library),
                cmocka_unit_test(rules_are_read_whole),
                cmocka_unit_test(rules_agree_with_the_c_library),
                cmocka_unit_test(summer_time_may_last_the_whole_year),
                cmocka_unit_test(years_begin_where_they_should),
                cmocka_unit_test(files_of_all_versions_are_read),
                cmocka_unit_test(every_cut_of_a_file_is_refused),
                cmocka_unit_test(every_changed_byte_is_survived),
                cmocka_unit_test(hostile_fields_are_refused),
                cmocka_unit_test(names_cannot_leave_the_folder),
                cmocka_unit_test(folders_may_hold_anything),
                cmocka_unit_test(odd_tables_are_usable),
                cmocka_unit_test(every_allocation_may_fail),
        };

        unsetenv("TZDIR");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
