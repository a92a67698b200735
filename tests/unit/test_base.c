#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <time.h>

#include "ingest/base/arena.h"
#include "ingest/base/buf.h"
#include "ingest/base/clock.h"
#include "tests/support/alloc_fail.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- err ------------------------------------------------------------------------------------ */

static int fail_inside(struct err *e)
{
        return err_set_errno(e, ERR_RETRY, ECONNREFUSED, "connect %s", "couch:5984");
}

static void errors_read_from_the_action_to_the_cause(void **state)
{
        struct err e = {.sqlstate = "40001"};

        (void)state;
        int rc = err_wrap(&e, fail_inside(&e), "POST %s", "_bulk_docs");
        rc = err_wrap(&e, rc, "mapper %s", "product");
        rc = err_hint(&e, rc, "start %s", "CouchDB");
        assert_int_equal(rc, -ERR_RETRY);
        assert_int_equal(e.class, ERR_RETRY);
        assert_int_equal(e.code, ECONNREFUSED);
        assert_string_equal(e.sqlstate, "");
        assert_non_null(strstr(e.file, "test_base.c"));
        assert_true(e.line > 0);
        assert_string_equal(e.text, "mapper product: POST _bulk_docs: connect couch:5984: "
                                    "Connection refused; start CouchDB");
        assert_int_equal(err_set_code(&e, ERR_CONFIG, 401, "no"), -ERR_CONFIG);
        assert_int_equal(e.code, 401);
        assert_int_equal(err_set_errno(&e, ERR_CONFIG, ENOMEM, "x"), -ERR_NOMEM);
        assert_int_equal(e.class, ERR_NOMEM);
        assert_int_equal(err_nomem(&e, "the batch"), -ERR_NOMEM);
        assert_string_equal(e.text, "out of memory for the batch");
}

static void errors_without_a_place_only_return(void **state)
{
        (void)state;
        assert_int_equal(err_set(NULL, ERR_REJECT, "x"), -ERR_REJECT);
        assert_int_equal(err_set_errno(NULL, ERR_SYSTEM, EIO, "x"), -ERR_SYSTEM);
        assert_int_equal(err_set_errno(NULL, ERR_SYSTEM, ENOMEM, "x"), -ERR_NOMEM);
        assert_int_equal(err_nomem(NULL, "x"), -ERR_NOMEM);
        assert_int_equal(err_wrap(NULL, -7, "x"), -7);
        assert_int_equal(err_hint(NULL, -7, "x"), -7);
}

static void fill(char *out, size_t bytes, const char *unit)
{
        size_t n = strlen(unit), len = 0;

        for (; len + n <= bytes; len += n)
                memcpy(out + len, unit, n);
        out[len] = '\0';
}

/* Every length around the limits, with characters of one to four bytes: what remains is valid
 * UTF-8, and both ends are there. */
static void long_errors_are_cut_in_the_middle(void **state)
{
        static const char *const units[] = {"x", "\u00e9", "\u20ac", "\U0001F600"};
        char text[3000], prefix[3000];
        struct err e;

        (void)state;
        for (size_t u = 0; u < COUNT(units); u++)
                for (size_t n = 0; n<2200; n += n> 480 && n < 1100 ? 1 : 37) {
                        fill(text, n, units[u]);
                        err_set(&e, ERR_RETRY, "begin %s", text);
                        assert_true(str_utf8_valid(str_of(e.text)));
                        assert_memory_equal(e.text, "begin ", 6);
                        err_set_errno(&e, ERR_RETRY, ECONNREFUSED, "begin %s", text);
                        assert_true(str_utf8_valid(str_of(e.text)));
                        assert_non_null(strstr(e.text, ": Connection refused"));
                        assert_memory_equal(e.text, "begin ", 6);
                        fill(prefix, n % 700, units[u]);
                        err_wrap(&e, -1, "outer %s", prefix);
                        assert_true(str_utf8_valid(str_of(e.text)));
                        assert_memory_equal(e.text, "outer ", 6);
                        assert_non_null(strstr(e.text, ": Connection refused"));
                        err_hint(&e, -1, "do %s", prefix);
                        assert_true(str_utf8_valid(str_of(e.text)));
                        assert_memory_equal(e.text, "outer ", 6);
                        assert_non_null(strstr(e.text, "; do "));
                }
        /* Wraps without end keep the outermost and the innermost words. */
        for (int i = 0; i < 100; i++)
                err_wrap(&e, -1, "layer %d with some words", i);
        assert_memory_equal(e.text, "layer 99 with some words: ...", 29);
        assert_true(strlen(e.text) > ERR_TEXT_MAX - 5);
        assert_non_null(strstr(e.text, "; do "));
}

static void classes_have_names(void **state)
{
        (void)state;
        for (int c = 0; c < ERR_CLASSES; c++) {
                assert_non_null(err_class_name((enum err_class)c));
                assert_string_not_equal(err_class_name((enum err_class)c), "unknown");
        }
        assert_string_equal(err_class_name(ERR_LOCKED), "locked");
        assert_string_equal(err_class_name(ERR_CLASSES), "unknown");
        assert_string_equal(err_class_name((enum err_class) - 1), "unknown");
}

/* --- buf ------------------------------------------------------------------------------------ */

static void buf_stops_at_its_maximum(void **state)
{
        cleanup_buf_ struct buf b;
        struct err e;

        (void)state;
        buf_init(&b, 8);
        buf_puts(&b, "12345678");
        assert_int_equal(buf_check(&b, "test", &e), 0);
        assert_string_equal(buf_cstr(&b), "12345678");
        assert_int_equal(b.len, 8);
        buf_putc(&b, '9');
        assert_int_equal(buf_check(&b, "test", &e), -ERR_REJECT);
        assert_string_equal(e.text, "test is larger than its limit of 8 bytes");
        assert_null(buf_cstr(&b));
        buf_clear(&b);
        buf_puts(&b, "again");
        assert_string_equal(buf_cstr(&b), "again");
        buf_puts(&b, "12345");
        buf_puts(&b, "1"); /* would fit, but the error is sticky */
        assert_int_equal(b.len, 5);
        assert_int_equal(buf_check(&b, "test", &e), -ERR_REJECT);
}

static void buf_takes_every_way_of_appending(void **state)
{
        cleanup_buf_ struct buf b, none;
        struct err e;
        char expected[2048];

        (void)state;
        buf_init(&b, 1 << 20);
        buf_put_str(&b, STR("str "));
        buf_put_str(&b, (struct str){NULL, 0});
        buf_put(&b, "\0", 1);
        buf_printf(&b, "%d ", 42);
        buf_printf(&b, "%s", "");
        buf_printf(&b, "%01500d", 7); /* grows on the way */
        memset(expected, '0', 1499);
        assert_int_equal(b.len, 4 + 1 + 3 + 1500);
        assert_memory_equal(b.data,
                "str \0"
                "42 ",
                8);
        assert_memory_equal(b.data + 8, expected, 1499);
        assert_int_equal(b.data[8 + 1499], '7');
        assert_int_equal(buf_check(&b, "test", &e), 0);

        buf_init(&none, 0);
        assert_string_equal(buf_cstr(&none), "");
        assert_int_equal(buf_str(&none).len, 0);
        buf_put(&none, "", 0);
        assert_int_equal(buf_check(&none, "test", &e), 0);
        buf_printf(&none, "x");
        assert_int_equal(buf_check(&none, "test", &e), -ERR_REJECT);
}

/* Every maximum, filled in steps of every size: never more than it, never less. */
static void buf_maximum_is_exact(void **state)
{
        (void)state;
        for (size_t max = 0; max < 1100; max += max < 20 ? 1 : 93)
                for (size_t step = 1; step < 300; step += 7) {
                        cleanup_buf_ struct buf b;
                        char bytes[300] = {0};
                        size_t room = max;
                        buf_init(&b, max);
                        for (; room >= step; room -= step)
                                buf_put(&b, bytes, step);
                        buf_put(&b, bytes, room);
                        assert_int_equal(b.error, 0);
                        assert_int_equal(b.len, max);
                        assert_true(b.cap <= max || max == 0);
                        assert_non_null(buf_cstr(&b));
                        buf_putc(&b, 'x');
                        assert_int_equal(b.error, -ERR_REJECT);
                        assert_int_equal(b.len, max);
                }
}

/* The sanitizer would end the program where the system says no. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
        return "allocator_may_return_null=1";
}

static void buf_survives_absurd_sizes(void **state)
{
        cleanup_buf_ struct buf b;
        struct err e;

        (void)state;
        buf_init(&b, SIZE_MAX);
        buf_putc(&b, 'x');
        assert_null(buf_room(&b, SIZE_MAX));
        assert_int_equal(b.error, -ERR_REJECT);
        buf_clear(&b);
        assert_null(buf_room(&b, PTRDIFF_MAX - 1000)); /* no system gives so much */
        assert_int_equal(buf_check(&b, "huge", &e), -ERR_NOMEM);
        assert_string_equal(e.text, "out of memory for huge");
}

static void buf_allocations_may_fail(void **state)
{
        struct err e;

        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                cleanup_buf_ struct buf b;
                buf_init(&b, 1 << 20);
                alloc_fail_at(i);
                for (int k = 0; k < 300; k++)
                        buf_puts(&b, "0123456789");
                buf_printf(&b, "%0600d", 1);
                size_t len = b.len;
                int rc = buf_check(&b, "test", &e);
                bool whole = buf_cstr(&b) != NULL;
                assert_true(rc == 0 || rc == -ERR_NOMEM);
                assert_true(whole == (rc == 0 && len == 3600 && b.error == 0));
                assert_true(len <= 3600);
        }
}

/* --- arena ---------------------------------------------------------------------------------- */

static void arena_hands_out_zeroed_aligned_memory(void **state)
{
        cleanup_(arena_freep) struct arena *a = arena_new(10 << 20);

        (void)state;
        for (int round = 0; round < 3; round++) {
                for (size_t n = 0; n < 5000; n += 13) {
                        unsigned char *p = arena_alloc(a, n);
                        assert_non_null(p);
                        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
                        for (size_t i = 0; i < n; i++)
                                assert_int_equal(p[i], 0);
                        memset(p, 0xAA, n); /* overlaps would show as something not zero */
                }
                assert_true(arena_used(a) > 0);
                arena_reset(a);
                assert_int_equal(arena_used(a), 0);
        }
        unsigned char *large = arena_alloc(a, 5 << 20); /* larger than any chunk */
        assert_non_null(large);
        large[(5 << 20) - 1] = 1;
}

static void arena_copies_are_terminated(void **state)
{
        cleanup_(arena_freep) struct arena *a = arena_new(1000);

        (void)state;
        struct str s = arena_dup(a, (struct str){"a\0b", 3});
        assert_int_equal(s.len, 3);
        assert_memory_equal(s.ptr, "a\0b", 4);
        assert_string_equal(arena_strdup(a, STR("")), "");
        assert_string_equal(arena_strdup(a, (struct str){NULL, 0}), "");
        uint64_t *numbers = arena_array(a, 4, sizeof(*numbers));
        assert_int_equal(numbers[3], 0);
        assert_null(arena_array(a, SIZE_MAX / 4, 8));
}

static void arena_stops_at_its_maximum(void **state)
{
        cleanup_(arena_freep) struct arena *a = arena_new(100);
        struct err e;

        (void)state;
        assert_non_null(arena_alloc(a, 60));
        assert_null(arena_alloc(a, 60));
        assert_int_equal(arena_failed(a, "a mapper", &e), -ERR_REJECT);
        assert_string_equal(e.text, "a mapper needs more than the limit of 100 bytes");
        assert_non_null(arena_alloc(a, 10));
        assert_null(arena_alloc(a, SIZE_MAX));
        assert_null(arena_alloc(a, SIZE_MAX - 8));
        assert_int_equal(arena_failed(a, "a mapper", &e), -ERR_REJECT);
        assert_true(arena_used(a) <= 100);
        arena_reset(a);
        assert_non_null(arena_alloc(a, 100));

        cleanup_(arena_freep) struct arena *endless = arena_new(SIZE_MAX);
        assert_non_null(arena_alloc(endless, 1));
        assert_null(arena_alloc(endless, SIZE_MAX));
        assert_null(arena_alloc(endless, SIZE_MAX - 64));
        assert_null(arena_alloc(endless, PTRDIFF_MAX - 1000)); /* the system refuses this one */
        assert_int_equal(arena_failed(endless, "x", &e), -ERR_NOMEM);
        assert_null(arena_array(endless, SIZE_MAX / 4, 8));
        assert_true(arena_failed(endless, "x", &e) < 0);
}

static void arena_allocations_may_fail(void **state)
{
        struct err e;

        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                alloc_fail_at(i);
                cleanup_(arena_freep) struct arena *a = arena_new(1 << 20);
                int given = 0, refused = 0;
                for (int k = 0; a && k < 100; k++) {
                        if (arena_strdup(a, STR("a name that takes some bytes")))
                                given++;
                        else if (arena_failed(a, "a name", &e) == -ERR_NOMEM)
                                refused++;
                }
                assert_true(!a || given + refused == 100);
                assert_true(refused <= 1); /* it works again afterwards */
        }
}

/* --- str ------------------------------------------------------------------------------------ */

static void strings_compare_as_bytes(void **state)
{
        static const struct {
                struct str a, b;
                int order;
        } cases[] = {
                {{NULL, 0}, {"", 0}, 0},
                {{"", 0}, {"a", 1}, -1},
                {{"a", 1}, {"b", 1}, -1},
                {{"ab", 2}, {"a", 1}, 1},
                {{"a\0b", 3}, {"a\0c", 3}, -1},
                {{"\xff", 1}, {"a", 1}, 1},
                {{"abc", 3}, {"abc", 3}, 0},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                int c = str_cmp(cases[i].a, cases[i].b), d = str_cmp(cases[i].b, cases[i].a);
                assert_int_equal((c > 0) - (c < 0), cases[i].order);
                assert_int_equal((d > 0) - (d < 0), -cases[i].order);
                assert_int_equal(str_eq(cases[i].a, cases[i].b), cases[i].order == 0);
        }
        assert_true(str_starts(STR("product:1"), STR("product:")));
        assert_true(str_starts(STR("x"), STR("")));
        assert_false(str_starts(STR("pro"), STR("product:")));
        assert_true(str_is(STR("a"), "a"));
        assert_false(str_is(STR("a"), "ab"));
        assert_int_equal(str_of(NULL).len, 0);
}

static void strings_are_trimmed_and_copied(void **state)
{
        static const char *const cases[][2] = {{"", ""}, {" \t\r\n\v\f", ""}, {"  a b  ", "a b"},
                {"a", "a"}, {"\u00a0a", "\u00a0a"}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                assert_true(str_is(str_trim(str_of(cases[i][0])), cases[i][1]));
        cleanup_(freep) char *copy = str_dup((struct str){"abcdef", 3});
        assert_string_equal(copy, "abc");
        cleanup_(freep) char *empty = str_dup((struct str){NULL, 0});
        assert_string_equal(empty, "");
        alloc_fail_at(1);
        assert_null(str_dup(STR("x")));
        assert_true(alloc_fail_hit());
}

/* The definition, written another way: decode, then check the code point. */
static bool utf8_reference(const unsigned char *p, size_t n)
{
        for (size_t i = 0; i < n;) {
                unsigned c = p[i];
                size_t len = c < 0x80       ? 1
                             : c >> 5 == 6  ? 2
                             : c >> 4 == 14 ? 3
                             : c >> 3 == 30 ? 4
                                            : 0;
                static const unsigned masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
                static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
                if (len == 0 || i + len > n)
                        return false;
                unsigned point = c & masks[len];
                for (size_t k = 1; k < len; k++) {
                        if (p[i + k] >> 6 != 2)
                                return false;
                        point = point << 6 | (p[i + k] & 0x3F);
                }
                if (point < smallest[len] || point > 0x10FFFF ||
                        (point >= 0xD800 && point < 0xE000))
                        return false;
                i += len;
        }
        return true;
}

static void utf8_is_checked_byte_by_byte(void **state)
{
        static const unsigned char edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4,
                0xF5, 0xFF};
        const size_t n = COUNT(edges);
        unsigned char bytes[20];

        (void)state;
        /* Every sequence of four edge bytes, at each place around the eight-byte steps. */
        for (size_t at = 0; at < 12; at += 3)
                for (size_t i = 0; i < n * n * n * n; i++) {
                        memset(bytes, 'a', sizeof(bytes));
                        bytes[at] = edges[i % n];
                        bytes[at + 1] = edges[i / n % n];
                        bytes[at + 2] = edges[i / n / n % n];
                        bytes[at + 3] = edges[i / n / n / n];
                        size_t len = i % 2 ? at + 4 : sizeof(bytes);
                        struct str s = {(const char *)bytes, len};
                        if (str_utf8_valid(s) != utf8_reference(bytes, len))
                                fail_msg("%02x %02x %02x %02x", bytes[at], bytes[at + 1],
                                        bytes[at + 2], bytes[at + 3]);
                }
        assert_true(str_utf8_valid((struct str){NULL, 0}));
        assert_int_equal(str_utf8_prefix(STR("caf\xC3\xA9 of ten: \xFF")), 14);
}

static void the_nearest_name_is_found(void **state)
{
        static const char *const names[] = {
                "from", "value", "template", "required", "default", "significant", "type", "as"};
        static const struct {
                const char *word, *nearest;
        } cases[] = {
                {"form", "from"},
                {"frm", "from"},
                {"vlaue", "value"},
                {"templat", "template"},
                {"requierd", "required"},
                {"defualt", "default"},
                {"signifcant", "significant"},
                {"tpye", "type"},
                {"from", "from"},
                {"xyz", NULL},
                {"", NULL},
                {"zzzzzzzzzz", NULL},
                {"f", NULL},
        };
        char huge[200];

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const char *got = str_nearest(str_of(cases[i].word), names, COUNT(names));
                if (!got != !cases[i].nearest || (got && strcmp(got, cases[i].nearest) != 0))
                        fail_msg("%s: %s", cases[i].word, got ? got : "none");
        }
        fill(huge, 190, "x");
        const char *const long_names[] = {huge};
        assert_null(str_nearest(str_of(huge), names, COUNT(names)));
        assert_null(str_nearest(STR("xxx"), long_names, 1));
        assert_null(str_nearest(STR("x"), NULL, 0));
}

struct number_case {
        const char *text;
        int64_t value; /* NONE: refused */
};
#define NONE INT64_C(-4242424242)

static void check_numbers(
        bool (*parse)(struct str, int64_t *), const struct number_case *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                int64_t value = NONE;
                bool ok = parse(str_of(cases[i].text), &value);
                if (value != cases[i].value || ok != (cases[i].value != NONE))
                        fail_msg("\"%s\": %d %lld", cases[i].text, ok, (long long)value);
        }
}

static void integers_are_read_whole(void **state)
{
        static const struct number_case cases[] = {{"0", 0}, {"-0", 0}, {"+7", 7}, {"007", 7},
                {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN},
                {"9223372036854775808", NONE}, {"-9223372036854775809", NONE},
                {"18446744073709551616", NONE}, {"99999999999999999999", NONE}, {"", NONE},
                {"-", NONE}, {"+", NONE}, {"1 ", NONE}, {" 1", NONE}, {"1.0", NONE}, {"0x1", NONE},
                {"--1", NONE}, {"1e3", NONE}};

        (void)state;
        check_numbers(str_to_int64, cases, COUNT(cases));
}

static void sizes_have_units(void **state)
{
        static const struct number_case cases[] = {{"4096", 4096}, {"4MiB", 4 << 20},
                {"512KiB", 512 << 10}, {"1GiB", 1 << 30}, {"100kB", 100000}, {"1MB", 1000000},
                {"2GB", 2000000000}, {"0", 0}, {"1B", 1}, {"", NONE}, {"MiB", NONE},
                {"4 MiB", NONE}, {"4mib", NONE}, {"1.5MiB", NONE}, {"4MiBx", NONE}, {"4MiB4", NONE},
                {"9223372036854775807", INT64_MAX}, {"9223372036854775807KiB", NONE},
                {"8589934592GiB", NONE}};

        (void)state;
        check_numbers(str_to_size, cases, COUNT(cases));
}

static void durations_have_units(void **state)
{
        static const struct number_case cases[] = {{"500ms", 500}, {"30s", 30000}, {"5m", 300000},
                {"1h", 3600000}, {"2d", 172800000}, {"1h30m", 5400000}, {"0", 0}, {"0s", 0},
                {"1h0m5s", 3605000}, {"5", NONE}, {"", NONE}, {"m", NONE}, {"5 m", NONE},
                {"5M", NONE}, {"1h30", NONE}, {"00", NONE}, {"-5m", NONE}, {"1.5h", NONE},
                {"5min", NONE}, {"106751991168d", NONE}, {"9223372036854775807ms1ms", NONE}};

        (void)state;
        check_numbers(str_to_duration, cases, COUNT(cases));
}

/* --- clock ---------------------------------------------------------------------------------- */

static void times_are_written_as_rfc3339(void **state)
{
        static const struct {
                int64_t us;
                const char *text;
        } cases[] = {
                {0, "1970-01-01T00:00:00.000Z"},
                {-1, "1969-12-31T23:59:59.999Z"},
                {1769860800123456, "2026-01-31T12:00:00.123Z"},
                {951782400000000, "2000-02-29T00:00:00.000Z"},
                {-2203891200000000, "1900-03-01T00:00:00.000Z"},
                {4107542399999999, "2100-02-28T23:59:59.999Z"},
                {INT64_MAX, "9999-12-31T23:59:59.999Z"},
                {INT64_MIN, "0000-01-01T00:00:00.000Z"},
        };
        char out[CLOCK_RFC3339_MAX], expected[64];

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                assert_string_equal(clock_rfc3339(cases[i].us, out), cases[i].text);
        for (int64_t s = -62167219200; s < 253402300800; s += 86400 * 17 + 4241) { /* 0000..9999 */
                time_t t = s;
                struct tm tm;
                gmtime_r(&t, &tm);
                snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.007Z",
                        tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                        tm.tm_sec);
                assert_string_equal(clock_rfc3339(s * 1000000 + 7999, out), expected);
                int64_t us = 0;
                assert_true(clock_rfc3339_parse(out, &us));
                assert_int_equal(us, s * 1000000 + 7000);
        }
}

static void no_other_times_are_parsed(void **state)
{
        static const char *const texts[] = {"", "2026", "2026-01-31T12:00:00Z",
                "2026-01-31T12:00:00.12Z", "2026-01-31T12:00:00.1234Z", "2026-01-31T12:00:00.123",
                "2026-01-31T12:00:00.123Zx", "2026-01-31T12:00:00.123+02:00",
                "2026-13-31T12:00:00.123Z", "2026-01-31T25:00:00.123Z"};
        int64_t us = 5;

        (void)state;
        for (size_t i = 0; i < COUNT(texts); i++)
                assert_false(clock_rfc3339_parse(texts[i], &us));
        assert_false(clock_rfc3339_parse(NULL, &us));
        assert_int_equal(us, 5);
}

static void clocks_go_forward(void **state)
{
        int64_t us = clock_monotonic_us(), wall = clock_wall_us();

        (void)state;
        assert_true(clock_monotonic_us() >= us);
        assert_in_range(clock_monotonic_ms() - us / 1000, 0, 60000);
        assert_in_range(wall / 1000000 - time(NULL) + 60, 0, 120);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(errors_read_from_the_action_to_the_cause),
                cmocka_unit_test(errors_without_a_place_only_return),
                cmocka_unit_test(long_errors_are_cut_in_the_middle),
                cmocka_unit_test(classes_have_names),
                cmocka_unit_test(buf_stops_at_its_maximum),
                cmocka_unit_test(buf_takes_every_way_of_appending),
                cmocka_unit_test(buf_maximum_is_exact),
                cmocka_unit_test(buf_survives_absurd_sizes),
                cmocka_unit_test(buf_allocations_may_fail),
                cmocka_unit_test(arena_hands_out_zeroed_aligned_memory),
                cmocka_unit_test(arena_copies_are_terminated),
                cmocka_unit_test(arena_stops_at_its_maximum),
                cmocka_unit_test(arena_allocations_may_fail),
                cmocka_unit_test(strings_compare_as_bytes),
                cmocka_unit_test(strings_are_trimmed_and_copied),
                cmocka_unit_test(utf8_is_checked_byte_by_byte),
                cmocka_unit_test(the_nearest_name_is_found),
                cmocka_unit_test(integers_are_read_whole),
                cmocka_unit_test(sizes_have_units),
                cmocka_unit_test(durations_have_units),
                cmocka_unit_test(times_are_written_as_rfc3339),
                cmocka_unit_test(no_other_times_are_parsed),
                cmocka_unit_test(clocks_go_forward),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
