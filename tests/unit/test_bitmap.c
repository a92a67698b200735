#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "ingest/base/bitmap.h"
#include "ingest/base/cleanup.h"

static void an_empty_set_holds_nothing(void **state)
{
        cleanup_bitmap_ struct bitmap m;

        bitmap_init(&m, 1024);
        assert_false(bitmap_test(&m, 0));
        assert_false(bitmap_test(&m, UINT64_MAX));
        assert_int_equal(bitmap_count(&m), 0);
        bitmap_clear(&m);
}

static void numbers_are_set_once(void **state)
{
        static const uint64_t numbers[] = {0, 1, 63, 64, 65, 32767, 32768, 1000000};
        cleanup_bitmap_ struct bitmap m;
        struct err e;

        bitmap_init(&m, BITMAP_MAX_BYTES);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                assert_false(bitmap_test(&m, numbers[i]));
                assert_int_equal(bitmap_set(&m, numbers[i], &e), 0);
                assert_true(bitmap_test(&m, numbers[i]));
                assert_int_equal(bitmap_set(&m, numbers[i], &e), BITMAP_ALREADY);
                assert_int_equal(bitmap_count(&m), i + 1);
        }
        assert_false(bitmap_test(&m, 2));
        assert_false(bitmap_test(&m, 999999));
        uint64_t count = bitmap_count(&m);
        assert_false(bitmap_unset(&m, 2));
        assert_false(bitmap_unset(&m, UINT64_MAX));
        assert_true(bitmap_unset(&m, 1000000));
        assert_false(bitmap_test(&m, 1000000));
        assert_int_equal(bitmap_count(&m), count - 1);
        bitmap_clear(&m);
        assert_int_equal(bitmap_count(&m), 0);
        assert_false(bitmap_test(&m, 1000000));
        assert_int_equal(bitmap_set(&m, 1000000, &e), 0);
}

static void random_numbers_agree_with_an_array(void **state)
{
        enum { RANGE = 320000 };
        cleanup_(freep) uint8_t *model = calloc(RANGE, 1);
        cleanup_bitmap_ struct bitmap m;
        struct err e;
        uint64_t count = 0;

        assert_non_null(model);
        bitmap_init(&m, RANGE / 8);
        srandom(7);
        for (int i = 0; i < 200000; i++) {
                uint64_t n = (uint64_t)random() % RANGE;
                assert_int_equal(bitmap_set(&m, n, &e), model[n] ? BITMAP_ALREADY : 0);
                count += !model[n];
                model[n] = 1;
        }
        for (uint64_t n = 0; n < RANGE; n++)
                assert_int_equal(bitmap_test(&m, n), model[n]);
        assert_int_equal(bitmap_count(&m), count);
}

static void the_maximum_is_kept(void **state)
{
        cleanup_bitmap_ struct bitmap m;
        struct err e;

        bitmap_init(&m, 16 << 10);
        assert_int_equal(bitmap_set(&m, (16 << 13) - 1, &e), 0);
        assert_int_equal(bitmap_set(&m, 16 << 13, &e), -ERR_SYSTEM);
        assert_int_equal(bitmap_set(&m, UINT64_MAX, &e), -ERR_SYSTEM);
        assert_true(m.capacity * 8 <= 16 << 10);
        assert_int_equal(bitmap_count(&m), 1);
        assert_false(bitmap_test(&m, 16 << 13));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_set_holds_nothing),
                cmocka_unit_test(numbers_are_set_once),
                cmocka_unit_test(random_numbers_agree_with_an_array),
                cmocka_unit_test(the_maximum_is_kept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
