/* Decimals on text, against 128-bit integers and against rules that hold for any of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "mappers/decimal.h"

#define MAX_TEXT 100000

static uint64_t random_next(uint64_t *state)
{
        uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return z ^ (z >> 31);
}

static int64_t power(int exponent)
{
        int64_t p = 1;

        while (exponent-- > 0)
                p *= 10;
        return p;
}

/* n / unit rounded, by the schoolbook definition of each mode. */
static __int128 divide(__int128 n, __int128 unit, enum field_rounding rounding)
{
        __int128 low = n / unit - (n % unit < 0); /* floor */
        __int128 rest = n - low * unit;

        if (rest == 0)
                return low;
        switch (rounding) {
        case ROUND_FLOOR:
                return low;
        case ROUND_CEILING:
                return low + 1;
        case ROUND_DOWN:
                return n < 0 ? low + 1 : low;
        case ROUND_UP:
                return n < 0 ? low : low + 1;
        case ROUND_HALF_UP: /* away from zero */
                if (rest * 2 == unit)
                        return n < 0 ? low : low + 1;
                return rest * 2 > unit ? low + 1 : low;
        default:
                if (rest * 2 == unit)
                        return low % 2 ? low + 1 : low;
                return rest * 2 > unit ? low + 1 : low;
        }
}

static void put_scaled(char *text, size_t size, __int128 n, int scale)
{
        __int128 magnitude = n < 0 ? -n : n;
        int64_t unit = power(scale);

        if (scale)
                snprintf(text, size, "%s%lld.%0*lld", n < 0 ? "-" : "",
                        (long long)(magnitude / unit), scale, (long long)(magnitude % unit));
        else
                snprintf(text, size, "%s%lld", n < 0 ? "-" : "", (long long)magnitude);
}

static void rounding_agrees_with_integers(void **state)
{
        uint64_t seed = 1;
        char text[64], expected[64];

        for (int i = 0; i < 300000; i++) {
                cleanup_buf_ struct buf out = {.max = MAX_TEXT}, minor = {.max = MAX_TEXT};
                int from = (int)(random_next(&seed) % 8), to = (int)(random_next(&seed) % 8);
                int64_t n = (int64_t)(random_next(&seed) % 40000) - 20000;
                enum field_rounding rounding = 1 + random_next(&seed) % 6;
                struct decimal d;

                if (i % 3 == 0)
                        n *= 9999999;
                put_scaled(text, sizeof(text), n, from);
                assert_true(decimal_parse(str_of(text), NULL, &d));
                assert_true(decimal_put(&d, to, rounding, &out));
                assert_true(decimal_minor(&d, to, rounding, &minor));
                __int128 result = to >= from ? (__int128)n * power(to - from)
                                             : divide(n, power(from - to), rounding);
                put_scaled(expected, sizeof(expected), result, to);
                if (strcmp(buf_cstr(&out), expected) != 0)
                        fail_msg("%s to %d by %d: %s is not %s", text, to, rounding, buf_cstr(&out),
                                expected);
                put_scaled(expected, sizeof(expected), result, 0);
                assert_string_equal(buf_cstr(&minor), expected);
                bool exact = to >= from || n % power(from - to) == 0;
                buf_clear(&out);
                assert_int_equal(decimal_put(&d, to, ROUND_NONE, &out), exact);
        }
}

static void texts_are_parsed_strictly(void **state)
{
        static const struct {
                const char *in, *out; /* NULL: refused */
        } cases[] = {
                {"0", "0"},
                {"-0", "0"},
                {"-0.0", "0.0"},
                {"007", "7"},
                {"1.50", "1.50"},
                {"1e2", "100"},
                {"1.5E+2", "150"},
                {"1.234e2", "123.4"},
                {"-1.5e-3", "-0.0015"},
                {"12e-1", "1.2"},
                {"0e400", "0"},
                {"1e-05", "0.00001"},
                {"", NULL},
                {"-", NULL},
                {"+1", NULL},
                {".5", NULL},
                {"5.", NULL},
                {"1.2.3", NULL},
                {"1e", NULL},
                {"1e+", NULL},
                {"1e401", NULL},
                {"1e-401", NULL},
                {"1e9999999999999999999", NULL},
                {"1e5x", NULL},
                {"1 ", NULL},
                {" 1", NULL},
                {"1,5", NULL},
                {"NaN", NULL},
                {"0x1", NULL},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                cleanup_buf_ struct buf out = {.max = MAX_TEXT}, expanded = {.max = MAX_TEXT};
                struct decimal d;

                bool ok = decimal_parse(str_of(cases[i].in), &expanded, &d);
                if (ok != (cases[i].out != NULL))
                        fail_msg("%s", cases[i].in);
                if (!ok)
                        continue;
                assert_true(decimal_put(&d, DECIMAL_AS_IS, ROUND_NONE, &out));
                const char *expected = cases[i].out;
                if (strcmp(cases[i].in, "0e400") == 0)
                        assert_int_equal(strspn(buf_cstr(&out), "0"), out.len);
                else
                        assert_string_equal(buf_cstr(&out), expected);
        }
}

/* 100,000 nines round up to one more digit. */
static void any_length_is_rounded(void **state)
{
        cleanup_buf_ struct buf out = {.max = 2 * MAX_TEXT};
        char *text = malloc(MAX_TEXT + 3);
        struct decimal d;

        memset(text, '9', MAX_TEXT);
        memcpy(text + MAX_TEXT, ".5", 3);
        assert_true(decimal_parse(str_of(text), NULL, &d));
        assert_true(decimal_put(&d, 0, ROUND_HALF_EVEN, &out));
        assert_int_equal(out.len, MAX_TEXT + 1);
        assert_int_equal(out.data[0], '1');
        assert_int_equal(strspn(buf_cstr(&out) + 1, "0"), MAX_TEXT);
        free(text);
}

static void safe_integers_end_at_2_to_53(void **state)
{
        assert_true(decimal_is_safe_integer(STR("9007199254740991")));
        assert_true(decimal_is_safe_integer(STR("-9007199254740991")));
        assert_false(decimal_is_safe_integer(STR("9007199254740992")));
        assert_false(decimal_is_safe_integer(STR("-9007199254740992")));
        assert_true(decimal_is_safe_integer(STR("999999999999999")));
        assert_false(decimal_is_safe_integer(STR("10000000000000000")));
        assert_true(decimal_is_safe_integer(STR("0")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rounding_agrees_with_integers),
                cmocka_unit_test(texts_are_parsed_strictly),
                cmocka_unit_test(any_length_is_rounded),
                cmocka_unit_test(safe_integers_end_at_2_to_53),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
