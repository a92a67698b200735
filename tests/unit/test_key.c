/* Source keys: order, unambiguity, and what people and JSON see of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/record/key.h"

static const struct column columns[] = {
        {.name = "id", .kind = COL_INT},
        {.name = "code", .kind = COL_TEXT},
};
static const size_t by_id[] = {0}, by_code[] = {1}, by_both[] = {0, 1};

static struct shape shape_of(const size_t *key, size_t count)
{
        return (struct shape){.columns = {columns, 2}, .key = key, .key_count = count};
}

static struct value value_of(struct str s)
{
        return (struct value){s.ptr, (uint32_t)s.len};
}

static void encode(const struct shape *shape, struct str id, struct str code, struct buf *out)
{
        struct value row[] = {value_of(id), value_of(code)};
        struct err e;

        buf_clear(out);
        assert_int_equal(key_encode(shape, row, out, &e), 0);
}

static void integers_sort_by_value(void **state)
{
        static const char *const ascending[] = {"-9223372036854775808", "-1000", "-2", "-1", "0",
                "1", "2", "10", "255", "256", "9007199254740993", "9223372036854775807"};
        struct shape shape = shape_of(by_id, 1);
        cleanup_buf_ struct buf a, b;

        buf_init(&a, 100);
        buf_init(&b, 100);
        for (size_t i = 1; i < sizeof(ascending) / sizeof(ascending[0]); i++) {
                encode(&shape, str_of(ascending[i - 1]), STR(""), &a);
                encode(&shape, str_of(ascending[i]), STR(""), &b);
                assert_true(str_cmp(buf_str(&a), buf_str(&b)) < 0);
                assert_int_equal(a.len, 9);
        }
}

static void integers_beyond_64_bits_are_texts(void **state)
{
        struct shape shape = shape_of(by_id, 1);
        cleanup_buf_ struct buf key, text;

        buf_init(&key, 100);
        buf_init(&text, 100);
        encode(&shape, STR("9223372036854775808"), STR(""), &key);
        assert_int_equal(key.data[0], 't');
        key_text(buf_str(&key), &text);
        assert_string_equal(buf_cstr(&text), "9223372036854775808");
}

/* Components that would run together as plain text stay apart, zero bytes included. */
static void composite_keys_are_unambiguous(void **state)
{
        static const size_t twice[] = {0, 1};
        static const struct column texts[] = {
                {.name = "a", .kind = COL_TEXT}, {.name = "b", .kind = COL_TEXT}};
        struct shape shape = {.columns = {texts, 2}, .key = twice, .key_count = 2};
        static const struct str pairs[][2] = {
                {STR("a"), STR("bc")},
                {STR("ab"), STR("c")},
                {STR("a\0"), STR("c")},
                {STR("a"), STR("\0c")},
                {STR("a\0\x01"), STR("")},
                {STR(""), STR("a\0\x01")},
                {STR("\0\xFF"), STR("\0")},
                {STR("\0"), STR("\xFF\0")},
        };
        size_t count = sizeof(pairs) / sizeof(pairs[0]);
        struct buf keys[8];

        for (size_t i = 0; i < count; i++) {
                buf_init(&keys[i], 100);
                encode(&shape, pairs[i][0], pairs[i][1], &keys[i]);
                for (size_t k = 0; k < i; k++)
                        assert_false(str_eq(buf_str(&keys[i]), buf_str(&keys[k])));
        }
        for (size_t i = 0; i < count; i++)
                buf_deinit(&keys[i]);
}

static void text_order_is_byte_order(void **state)
{
        static const struct str ascending[] = {STR(""), STR("\0"), STR("\0\0"), STR("\0a"),
                STR("a"), STR("a\0"), STR("a\0b"), STR("aa"), STR("b")};
        struct shape shape = shape_of(by_code, 1);
        cleanup_buf_ struct buf a, b;

        buf_init(&a, 100);
        buf_init(&b, 100);
        for (size_t i = 1; i < sizeof(ascending) / sizeof(ascending[0]); i++) {
                encode(&shape, STR("1"), ascending[i - 1], &a);
                encode(&shape, STR("1"), ascending[i], &b);
                assert_true(str_cmp(buf_str(&a), buf_str(&b)) < 0);
        }
}

static void assert_shown(const struct shape *shape, struct str id, struct str code,
        const char *text, const char *json)
{
        cleanup_buf_ struct buf key, out;

        buf_init(&key, 1000);
        buf_init(&out, 1000);
        encode(shape, id, code, &key);
        key_text(buf_str(&key), &out);
        assert_string_equal(buf_cstr(&out), text);
        buf_clear(&out);
        buf_puts(&out, "x");
        key_json(buf_str(&key), &out);
        assert_string_equal(buf_cstr(&out) + 1, json);
}

static void keys_can_be_shown(void **state)
{
        struct shape id = shape_of(by_id, 1), code = shape_of(by_code, 1),
                     both = shape_of(by_both, 2);

        assert_shown(&id, STR("7"), STR(""), "7", "7");
        assert_shown(&id, STR("-70"), STR(""), "-70", "-70");
        assert_shown(&id, STR("9223372036854775807"), STR(""), "9223372036854775807",
                "\"9223372036854775807\"");
        assert_shown(&code, STR("7"), STR("A \"1\""), "A \"1\"", "\"A \\\"1\\\"\"");
        assert_shown(&code, STR("7"), STR(""), "", "\"\"");
        assert_shown(&code, STR("7"), STR("a\xFF"), "a\xFF", "\"a\xEF\xBF\xBD\"");
        assert_shown(&both, STR("7"), STR("A1"), "7,A1", "[7,\"A1\"]");
}

static void null_keys_are_refused(void **state)
{
        struct shape shape = shape_of(by_both, 2);
        struct value row[] = {value_of(STR("7")), {NULL, 0}};
        cleanup_buf_ struct buf key;
        struct err e;

        buf_init(&key, 100);
        assert_int_equal(key_encode(&shape, row, &key, &e), -ERR_REJECT);
        assert_non_null(strstr(e.text, "key column \"code\" is null"));
}

/* Keys come back from a state file that may be damaged: any bytes are shown, none are overrun. */
static void damaged_keys_are_shown_somehow(void **state)
{
        static const char bytes[] = {'i', 't', '\0', '\xFF', '\x01', 'a'};
        cleanup_buf_ struct buf out;

        buf_init(&out, 10000);
        for (unsigned n = 1; n < 6 * 6 * 6 * 6 * 6; n++) {
                size_t len = 0;
                char *key = malloc(5);
                for (unsigned rest = n; rest > 0; rest /= 6)
                        key[len++] = bytes[rest % 6];
                buf_clear(&out);
                key_text((struct str){key, len}, &out);
                key_json((struct str){key, len}, &out);
                assert_int_equal(out.error, 0);
                free(key);
        }
}

/* JSON, parts and back: reads by key find the record that a reject names. */
static void keys_survive_json_and_parts(void **state)
{
        static const struct {
                struct str id, code;
                const char *json;
        } cases[] = {
                {STR("7"), STR("A1"), "[7,\"A1\"]"},
                {STR("-9007199254740993"), STR("a\"\\\n"),
                        "[\"-9007199254740993\",\"a\\\"\\\\\\n\"]"},
                {STR("0"), STR(""), "[0,\"\"]"},
                {STR("1"), STR("a\0b"), "[1,\"a\\u0000b\"]"},
        };
        struct shape shape = shape_of(by_both, 2);
        cleanup_buf_ struct buf key = BUF_INIT(1000), json = BUF_INIT(1000), back = BUF_INIT(1000),
                                again = BUF_INIT(1000), space = BUF_INIT(1000);
        struct value parts[2];
        struct err e;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                encode(&shape, cases[i].id, cases[i].code, &key);
                buf_clear(&json), buf_clear(&back), buf_clear(&again);
                key_json(buf_str(&key), &json);
                assert_string_equal(buf_cstr(&json), cases[i].json);
                assert_int_equal(key_of_json(buf_str(&json), &back, &e), 0);
                assert_int_equal(key_values(buf_str(&back), &space, parts, 2, &e), 0);
                assert_true(str_eq((struct str){parts[0].ptr, parts[0].len}, cases[i].id));
                assert_true(str_eq((struct str){parts[1].ptr, parts[1].len}, cases[i].code));
                assert_int_equal(key_recode(&shape, buf_str(&back), &again, &e), 0);
                assert_true(str_eq(buf_str(&again), buf_str(&key)));
        }
}

static void json_that_is_no_key_is_refused(void **state)
{
        static const char *const bad[] = {
                "null", "", "{}", "true", "1.5", "[1,null]", "[[1]]", "[1"};
        struct shape shape = shape_of(by_both, 2);
        cleanup_buf_ struct buf out = BUF_INIT(1000);
        struct err e;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                buf_clear(&out);
                assert_int_equal(key_of_json(str_of(bad[i]), &out, &e), -ERR_REJECT);
        }
        buf_clear(&out);
        assert_int_equal(key_of_json(STR("[1,2,3]"), &out, &e), 0);
        assert_int_equal(key_recode(&shape, buf_str(&out), &out, &e), -ERR_REJECT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(integers_sort_by_value),
                cmocka_unit_test(integers_beyond_64_bits_are_texts),
                cmocka_unit_test(composite_keys_are_unambiguous),
                cmocka_unit_test(text_order_is_byte_order),
                cmocka_unit_test(keys_can_be_shown),
                cmocka_unit_test(null_keys_are_refused),
                cmocka_unit_test(damaged_keys_are_shown_somehow),
                cmocka_unit_test(keys_survive_json_and_parts),
                cmocka_unit_test(json_that_is_no_key_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
