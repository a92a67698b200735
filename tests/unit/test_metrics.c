/* The text of samples: escapes, numbers, histograms; and the table of families. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ingest/serve/metrics_internal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct metric_family family = {"x_seconds", "Help.", METRIC_HISTOGRAM};

static void labels_are_escaped(void **state)
{
        static const struct {
                const char *value, *expected;
        } cases[] = {{"", "x_seconds{a=\"\"} 1\n"}, {"plain", "x_seconds{a=\"plain\"} 1\n"},
                {"a\"b", "x_seconds{a=\"a\\\"b\"} 1\n"}, {"a\\b", "x_seconds{a=\"a\\\\b\"} 1\n"},
                {"a\nb", "x_seconds{a=\"a\\nb\"} 1\n"}, {"\\n", "x_seconds{a=\"\\\\n\"} 1\n"}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(1000);
                struct metrics m = {.out = &out};
                metrics_labelled(&m, &family, "a", cases[i].value, 1);
                assert_string_equal(buf_cstr(&out), cases[i].expected);
        }
}

static void numbers_keep_what_matters(void **state)
{
        static const struct {
                double value;
                const char *expected;
        } cases[] = {{0, "x_seconds 0\n"}, {9007199254740991.0, "x_seconds 9007199254740991\n"},
                {-1, "x_seconds -1\n"}, {0.25, "x_seconds 0.250000\n"},
                {1772000000.123, "x_seconds 1772000000.123000\n"}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(1000);
                struct metrics m = {.out = &out};
                metrics_plain(&m, &family, cases[i].value);
                assert_string_equal(buf_cstr(&out), cases[i].expected);
        }
}

static void buckets_are_cumulative(void **state)
{
        static const double bounds[] = {0.5, 10};
        static const uint64_t counts[] = {2, 0, 3};
        cleanup_buf_ struct buf out = BUF_INIT(1000);
        struct metrics m = {.out = &out};

        (void)state;
        metrics_histogram(&m, &family, bounds, COUNT(bounds), counts, 40);
        assert_string_equal(buf_cstr(&out), "x_seconds_bucket{le=\"0.5\"} 2\n"
                                            "x_seconds_bucket{le=\"10\"} 2\n"
                                            "x_seconds_bucket{le=\"+Inf\"} 5\n"
                                            "x_seconds_sum 40\n"
                                            "x_seconds_count 5\n");
}

static void the_table_is_sorted_and_whole(void **state)
{
        (void)state;
        for (size_t i = 0; i < metric_family_count; i++) {
                const struct metric_family *f = &metric_families[i];
                if (i && strcmp(f[-1].name, f->name) >= 0)
                        fail_msg("%s stands behind %s", f->name, f[-1].name);
                if (!f->put == !f->value || strpbrk(f->help, "\\\n"))
                        fail_msg("%s", f->name);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(labels_are_escaped),
                cmocka_unit_test(numbers_keep_what_matters),
                cmocka_unit_test(buckets_are_cumulative),
                cmocka_unit_test(the_table_is_sorted_and_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
