/* Exact arithmetic on the text of numbers: order, whole numbers, divisibility. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/base/buf.h"
#include "schemas/number.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct number parsed(const char *text)
{
        struct number n;

        if (!number_parse(str_of(text), &n))
                fail_msg("%s was not read", text);
        return n;
}

/* Ascending; what stands in one line, apart by blanks, is equal. */
static const char *const ascending[][4] = {
        {"-1e999999999"},
        {"-18446744073709551616"},
        {"-18446744073709551615", "-18446744073709551615.0"},
        {"-100", "-1e2", "-1.00E+2", "-1000e-1"},
        {"-99.999999999999999999999999999999"},
        {"-0.1", "-1e-1"},
        {"-1e-999999999"},
        {"0", "-0", "0.000", "0e17"},
        {"1e-999999999"},
        {"0.05", "0.050", "5e-2", "0.0005e2"},
        {"0.051"},
        {"0.5"},
        {"1", "1.0", "1e0", "10e-1"},
        {"9"},
        {"10", "1e1"},
        {"972783798187987123879878123.18878137"},
        {"972783798187987123879878123.188781371"},
        {"1e400"},
        {"1.0000000000000000000000000000000001e400"},
};

static void numbers_are_ordered_by_value(void **state)
{
        for (size_t i = 0; i < COUNT(ascending); i++)
                for (size_t k = 0; k < COUNT(ascending); k++)
                        for (size_t j = 0; j < 4 && ascending[k][j]; j++) {
                                struct number a = parsed(ascending[i][0]);
                                struct number b = parsed(ascending[k][j]);
                                int order = number_compare(&a, &b);
                                if ((order > 0) - (order < 0) != (i > k) - (i < k))
                                        fail_msg("%s and %s: %d", ascending[i][0], ascending[k][j],
                                                order);
                                if (i == k)
                                        assert_int_equal(number_hash(&a), number_hash(&b));
                        }
}

static void whole_numbers_are_known_by_value(void **state)
{
        static const struct {
                const char *text;
                bool whole, counts;
                uint64_t count;
        } cases[] = {{"0", true, true, 0}, {"1.0", true, true, 1}, {"12e2", true, true, 1200},
                {"1.5e1", true, true, 15}, {"1.5", false, false, 0}, {"1e-1", false, false, 0},
                {"-3", true, false, 0}, {"999999999999999999", true, true, 999999999999999999},
                {"1e18", true, true, INT64_MAX}, {"1e999999", true, true, INT64_MAX},
                {"123456789012345678901234567890", true, true, INT64_MAX},
                {"0.1e1", true, true, 1}};

        for (size_t i = 0; i < COUNT(cases); i++) {
                struct number n = parsed(cases[i].text);
                uint64_t count = 0;
                if (number_is_integer(&n) != cases[i].whole ||
                        number_to_count(&n, &count) != cases[i].counts || count != cases[i].count)
                        fail_msg("%s: %llu", cases[i].text, (unsigned long long)count);
        }
}

static void what_is_no_number_ends_the_scan(void **state)
{
        static const struct {
                const char *text;
                int bytes; /* -1: no number */
        } cases[] = {{"12,", 2}, {"-0.5e+10]", 8}, {"0", 1}, {"01", -1}, {"-", -1}, {"", -1},
                {"1.", -1}, {".5", -1}, {"1e", -1}, {"1e+", -1}, {"+1", -1}, {"1.e5", -1},
                {"0.0E-0 ", 6}, {"NaN", -1}, {"--1", -1}};

        for (size_t i = 0; i < COUNT(cases); i++) {
                const char *p = cases[i].text, *stop = number_scan(p, p + strlen(p));
                int bytes = stop ? (int)(stop - p) : -1;
                if (bytes != cases[i].bytes)
                        fail_msg("%s: %d", p, bytes);
        }
}

static void exponents_have_a_limit(void **state)
{
        struct number n;

        assert_true(number_parse(STR("1e1000000000"), &n));
        assert_false(number_parse(STR("1e1000000001"), &n));
        assert_false(number_parse(STR("1e-99999999999999999999999999"), &n));
}

static bool is_multiple(const char *number, const char *of)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        struct number n = parsed(number), by = parsed(of);
        struct divisor d;
        bool nomem;

        assert_true(divisor_init(&d, &by, arena, &nomem));
        return number_is_multiple(&n, &d);
}

static void multiples_are_exact(void **state)
{
        static const struct {
                const char *number, *of;
                bool is;
        } cases[] = {{"10", "5", true}, {"7", "2", false}, {"0", "3", true}, {"-9", "3", true},
                {"4.5", "1.5", true}, {"35", "1.5", false}, {"0.0075", "0.0001", true},
                {"0.00751", "0.0001", false}, {"1e308", "0.123456789", false},
                {"1e308", "0.5", true}, {"19.99", "0.01", true}, {"19.995", "0.01", false},
                {"0.1", "0.3", false}, {"0.3", "0.1", true}, {"1e999999999", "7", false},
                {"7e999999999", "7", true}, {"1e999999999", "1e-999999999", true},
                {"1", "1e1", false}, {"1e-5", "1", false}, {"25", "2.5e1", true},
                {"1e3", "125", true}, {"1e2", "125", false},
                /* products and neighbours of primes beyond 64 bits */
                {"121932631112635269000000000000000000", "987654321000000000000000000", true},
                {"1524157875323883675049535156256668194500533455762536198787501905199875019052100",
                        "1234567890123456789012345678901234567890", true},
                {"1524157875323883675049535156256668194500533455762536198787501905199875019052101",
                        "1234567890123456789012345678901234567890", false},
                {"170141183460469231731687303715884105727",
                        "170141183460469231731687303715884105727", true},
                {"170141183460469231731687303715884105728",
                        "170141183460469231731687303715884105727", false},
                {"1e60", "9007199254740993.5", false}};

        for (size_t i = 0; i < COUNT(cases); i++)
                if (is_multiple(cases[i].number, cases[i].of) != cases[i].is)
                        fail_msg("%s of %s", cases[i].number, cases[i].of);
}

/* Against the machine's own remainder: with short divisors, and the same with long ones. */
static void multiples_agree_with_integers(void **state)
{
        uint64_t random = 88172645463325252;

        for (int i = 0; i < 20000; i++) {
                char number[64], of[64];
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                uint64_t b = random % 997 + 1, a = b * (random >> 40) + (random >> 20) % 3;
                snprintf(number, sizeof(number), "%llu", (unsigned long long)a);
                snprintf(of, sizeof(of), "%llu", (unsigned long long)b);
                assert_int_equal(is_multiple(number, of), a % b == 0);
                /* times 10^19 + 1, which makes the divisor a long one */
                snprintf(number, sizeof(number), "%llu%019llu", (unsigned long long)a,
                        (unsigned long long)a);
                snprintf(of, sizeof(of), "%llu%019llu", (unsigned long long)b,
                        (unsigned long long)b);
                assert_int_equal(is_multiple(number, of), a % b == 0);
        }
}

static void divisors_have_a_limit(void **state)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        cleanup_buf_ struct buf text = BUF_INIT(4096);
        struct divisor d;
        bool nomem;

        for (int i = 0; i < DIVISOR_MAX_DIGITS; i++)
                buf_putc(&text, '7');
        struct number n = parsed(buf_cstr(&text));
        assert_true(divisor_init(&d, &n, arena, &nomem));
        assert_true(number_is_multiple(&n, &d));
        buf_putc(&text, '7');
        n = parsed(buf_cstr(&text));
        assert_false(divisor_init(&d, &n, arena, &nomem));
        assert_false(nomem);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_are_ordered_by_value),
                cmocka_unit_test(whole_numbers_are_known_by_value),
                cmocka_unit_test(what_is_no_number_ends_the_scan),
                cmocka_unit_test(exponents_have_a_limit),
                cmocka_unit_test(multiples_are_exact),
                cmocka_unit_test(multiples_agree_with_integers),
                cmocka_unit_test(divisors_have_a_limit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
