/* Dates and times: every day of 10,000 years against the C library, strict texts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mappers/calendar.h"

#define DAY_S 86400

static void every_day_agrees_with_the_c_library(void **state)
{
        struct civil first = {.year = 1, .month = 1, .day = 1};
        struct civil last = {.year = 9999, .month = 12, .day = 31};

        for (int64_t s = civil_seconds(&first); s <= civil_seconds(&last); s += DAY_S) {
                int64_t at = s + (s / DAY_S * 7919 % DAY_S + DAY_S) % DAY_S;
                time_t t = (time_t)at;
                struct civil c = {.year = 0};
                struct tm tm;

                gmtime_r(&t, &tm);
                civil_set_seconds(&c, at);
                if (c.year != tm.tm_year + 1900 || c.month != tm.tm_mon + 1 ||
                        c.day != tm.tm_mday || c.hour != tm.tm_hour || c.minute != tm.tm_min ||
                        c.second != tm.tm_sec || civil_seconds(&c) != at)
                        fail_msg("%lld: %d-%d-%d", (long long)at, c.year, c.month, c.day);
        }
}

/* Every day of four centuries: exactly the days that exist are read, and written back. */
static void only_days_that_exist_are_dates(void **state)
{
        char text[16], back[CIVIL_DATE_BYTES];
        int days = 0;

        for (int year = 1601; year <= 2000; year++)
                for (int month = 0; month <= 13; month++)
                        for (int day = 0; day <= 32; day++) {
                                struct civil c;
                                snprintf(text, sizeof(text), "%04d-%02d-%02d", year, month, day);
                                if (civil_parse_date(str_of(text), &c) != CIVIL_OK)
                                        continue;
                                days++;
                                assert_ptr_equal(civil_put_date(back, &c), back + sizeof(back));
                                assert_memory_equal(back, text, sizeof(back));
                        }
        assert_int_equal(days, 146097);
}

static void texts_are_read_strictly(void **state)
{
        static const struct {
                const char *text;
                enum civil_result result;
                int offset_s;
                const char *fraction;
        } cases[] = {
                {"2024-01-02 03:04:05", CIVIL_OK, 0, ""},
                {"2024-01-02T03:04:05Z", CIVIL_OK, 0, ""},
                {"2024-01-02 03:04:05.10", CIVIL_OK, 0, "1"},
                {"2024-01-02 03:04:05.000", CIVIL_OK, 0, ""},
                {"2024-01-02 03:04:05.123456789+05:30", CIVIL_OK, 19800, "123456789"},
                {"2024-01-02 03:04:05-03", CIVIL_OK, -10800, ""},
                {"2024-01-02 03:04:05-0330", CIVIL_OK, -12600, ""},
                {"2024-01-02 03:04:05-00:25:21", CIVIL_OK, -1521, ""},
                {"2024-01-02 24:00:00", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:04", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:04:05.", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:04:61", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:60:00", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02  03:04:05", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02t03:04:05", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:04:05+", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:04:05+1", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:04:05+16", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:04:05+05:", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:04:05+05:60", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:04:05 +05", CIVIL_MALFORMED, 0, ""},
                {"2024-01-02 03:04:05ZZ", CIVIL_MALFORMED, 0, ""},
                {"24-01-02 03:04:05", CIVIL_MALFORMED, 0, ""},
                {"0000-01-02 03:04:05", CIVIL_MALFORMED, 0, ""},
                {"", CIVIL_MALFORMED, 0, ""},
                {"x", CIVIL_MALFORMED, 0, ""},
                {"-", CIVIL_MALFORMED, 0, ""},
                {"infinity", CIVIL_INFINITE, 0, ""},
                {"-infinity", CIVIL_INFINITE, 0, ""},
                {"0044-03-15 12:00:00 BC", CIVIL_BC, 0, ""},
                {"0044-03-15 12:00:00+00:53:28 BC", CIVIL_BC, 0, ""},
                {"10000-01-01 00:00:00", CIVIL_YEAR, 0, ""},
                {"294276-12-31 23:59:59.999999+00", CIVIL_YEAR, 0, ""},
                {"99999999999999999999-12-31 23:59:59", CIVIL_YEAR, 0, ""},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct civil c;

                if (civil_parse(str_of(cases[i].text), &c) != cases[i].result)
                        fail_msg("%s", cases[i].text);
                if (cases[i].result != CIVIL_OK)
                        continue;
                assert_int_equal(c.offset_s, cases[i].offset_s);
                assert_true(str_is(c.fraction, cases[i].fraction));
        }
}

/* Every cut of good texts, copied exactly: nothing is read behind the end. */
static void cut_texts_are_refused(void **state)
{
        static const char *const texts[] = {"2024-01-02 03:04:05.123456+05:30:15",
                "0044-03-15 12:00:00+00 BC", "-infinity", "99999-01-01 00:00:00Z"};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                for (size_t n = 0; n < strlen(texts[i]); n++) {
                        char *cut = malloc(n ? n : 1);
                        struct str s = {cut, n};
                        struct civil c;

                        memcpy(cut, texts[i], n);
                        (void)civil_parse(s, &c);
                        (void)civil_parse_date(s, &c);
                        (void)civil_parse_time(s, &c);
                        free(cut);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_day_agrees_with_the_c_library),
                cmocka_unit_test(only_days_that_exist_are_dates),
                cmocka_unit_test(texts_are_read_strictly),
                cmocka_unit_test(cut_texts_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
