/* What is visible, and what becomes of the rest on one line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/base/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_visible(void **state)
{
        static const struct {
                const char *text;
                bool visible;
        } cases[] = {
                {"", true},
                {"Sale-Order ~", true},
                {"\xC3\xBCn\xC3\xAF \xE2\x98\x83", true}, /* ü, ï, snowman */
                {"\xF0\x9F\x98\x80", true},               /* emoji */
                {"\xE6\xBC\xA2", true},                   /* Han */
                {"a\nb", false},
                {"\x1B[2J", false},
                {"\x7F", false},
                {"\xC2\x85", false},         /* NEL */
                {"\xC2\xA0", false},         /* no-break space */
                {"\xE2\x80\xA8", false},     /* line separator */
                {"\xE2\x80\xAE", false},     /* right-to-left override */
                {"\xEF\xBB\xBF", false},     /* byte order mark */
                {"\xEF\xBF\xBF", false},     /* U+FFFF */
                {"\xF0\x9F\xBF\xBF", false}, /* U+1FFFF */
                {"\xFF", false},
                {"\xC3", false},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                assert_int_equal(text_is_visible(str_of(cases[i].text)), cases[i].visible);
}

static void test_next(void **state)
{
        static const struct {
                const char *text;
                size_t bytes;
                uint32_t character;
        } cases[] = {
                {"", 0, 0},
                {"a", 1, 'a'},
                {"\xC3\xA9\xA9", 2, 0xE9}, /* a stray byte behind it */
                {"\xE2\x82\xAC", 3, 0x20AC},
                {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
                {"\xED\xA0\x80", 0, 0}, /* a surrogate */
                {"\xC0\x80", 0, 0},
                {"\x80", 0, 0},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                uint32_t c = 0;
                assert_int_equal(text_next(str_of(cases[i].text), &c), cases[i].bytes);
                assert_int_equal(c, cases[i].character);
        }
        assert_int_equal(text_width(STR("\xC3\xA9-\xFF\xE2\x82\xAC")), 4);
}

static void test_line(void **state)
{
        static const struct {
                const char *text;
                size_t max;
                const char *line;
        } cases[] = {
                {"", 10, ""},
                {" a  b ", 10, "a b"},
                {"a\r\n# b: \x1B[2J c", 40, "a # b: [2J c"},
                {"a\xE2\x80\xA8"
                 "b",
                        40, "a b"},
                {"a\xFF"
                 "b",
                        40,
                        "a\xEF\xBF\xBD"
                        "b"},
                {"abcdef", 3, "abc..."},
                {"abc", 3, "abc"},
                {"ab cd", 3, "ab..."},
                {"\xC3\xA9\xC3\xA9\xC3\xA9", 2, "\xC3\xA9\xC3\xA9..."},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf line = BUF_INIT(100);
                text_put_line(&line, str_of(cases[i].text), cases[i].max);
                assert_string_equal(buf_cstr(&line), cases[i].line);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_visible),
                cmocka_unit_test(test_next),
                cmocka_unit_test(test_line),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
