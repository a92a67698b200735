/* ECMA-262 expressions: what they match, what is refused, and that none runs away. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "schemas/regex.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void expressions_match_as_in_ecmascript(void **state)
{
        static const struct {
                const char *pattern, *text;
                bool matches;
        } cases[] = {{"", "", true}, {"b", "abc", true}, {"^b", "abc", false},
                {"^abc$", "abc\n", false}, {"^\\d+$", "12", true}, {"^\\d$", "\xDF\x80", false},
                {"^\\w$", "\xC3\xA9", false}, {"^\\s$", "\xE2\x80\x83", true},
                {"^\\s$", "\xEF\xBB\xBF", true}, {"^\\S$", "\xC2\xA0", false},
                {"^[\\s]$", "\xC2\xA0", true}, {"^[^\\S]$", "\xC2\xA0", true},
                {"^[\\Sx]+$", "ax", true}, {"^.$", "\xF0\x9F\x90\xB2", true},
                {"^.$", "\xE2\x80\xA8", false}, {"^.$", "\n", false},
                {"^\\p{Letter}+$",
                        "\xC3\xA9"
                        "a",
                        true},
                {"^\\p{gc=Lu}$", "A", true}, {"^\\P{Lu}$", "A", false},
                {"^\\p{Script=Greek}$", "\xCE\xB1", true},
                {"^\\u{1F432}$", "\xF0\x9F\x90\xB2", true},
                {"^\\uD83D\\uDC32$", "\xF0\x9F\x90\xB2", true}, {"^\\x41\\u0042$", "AB", true},
                {"^\\cC$", "\x03", true}, {"^[]$", "", false}, {"^[^]$", "\n", true},
                {"^[[:x]+$", "[:x", true}, {"^a{,2}$", "a{,2}", true}, {"^a{2,3}?$", "aa", true},
                {"^{$", "{", true}, {"^]}$", "]}", true}, {"^\\-\\/$", "-/", true},
                {"(?<y>a)\\k<y>", "aa", true}, {"^(a)|b\\1$", "b", true}, {"(?<!x)a", "xa", false},
                {"a(?!b)", "ab", false}, {"^\\0$", "x", false}, {"^[\\b]$", "\b", true},
                {"\\bfoo\\B", "food", true}, {"^\\v$", "\v", true}, {"(?:ab)+", "ab", true}};

        cleanup_(regex_room_freep) struct regex_room *room = regex_room_new();
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(regex_freep) struct regex *r = NULL;
                struct err e = {0};
                if (regex_compile(str_of(cases[i].pattern), &r, &e))
                        fail_msg("%s: %s", cases[i].pattern, e.text);
                enum regex_verdict v = regex_match(r, room, str_of(cases[i].text));
                if (v != (cases[i].matches ? REGEX_YES : REGEX_NO))
                        fail_msg("%s on %s: %d", cases[i].pattern, cases[i].text, v);
        }
}

static void what_only_pcre_knows_is_refused(void **state)
{
        static const char *const patterns[] = {"(?i)a", "(?#x)a", "(?P<n>a)", "(?>a)", "(?|a)",
                "(?R)", "(*ACCEPT)", "(*LIMIT_MATCH=1)a", "a++", "a*+", "a??+", "a{2}+", "\\A",
                "\\Z", "\\z", "\\G", "\\K", "\\Qa\\E", "\\R", "\\X", "\\h", "\\a", "\\e", "\\g{1}",
                "\\C", "\\N", "\\u12", "\\x1", "\\u{110000}", "\\u{}", "\\uD800", "\\c1", "\\p",
                "\\p{^L}", "\\p{Nothing}", "\\k", "\\1", "\\00", "(", ")", "[a", "a**", "+", "^*",
                "(?", "(?<", "[b-a]", "\\", "[\\1]", "(?<n>a)(?<n>b)", "(?:*)", "\\8", "(?<=a+)b"};

        for (size_t i = 0; i < COUNT(patterns); i++) {
                cleanup_(regex_freep) struct regex *r = NULL;
                struct err e = {0};
                if (regex_compile(str_of(patterns[i]), &r, &e) != -ERR_CONFIG || r)
                        fail_msg("%s was taken: %s", patterns[i], e.text);
        }
        assert_true(regex_is_valid(STR("(?<=a+)b"))); /* ECMA-262 has it, PCRE2 cannot */
        assert_false(regex_is_valid(STR("(a")));
}

/* Repetitions within repetitions, on text that almost matches. */
static void no_match_runs_away(void **state)
{
        static const char *const patterns[] = {"^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^([a-z]+)*$",
                "^(.*)(.*)(.*)(.*)(.*)(.*)(.*)[xy]$", "^((a*)*)*[bc]$"};
        cleanup_(regex_room_freep) struct regex_room *room = regex_room_new();
        char text[2000];

        memset(text, 'a', sizeof(text));
        text[sizeof(text) - 1] = '!';
        for (size_t i = 0; i < COUNT(patterns); i++) {
                cleanup_(regex_freep) struct regex *r = NULL;
                struct err e = {0};
                assert_int_equal(regex_compile(str_of(patterns[i]), &r, &e), 0);
                enum regex_verdict v = regex_match(r, room, (struct str){text, sizeof(text)});
                if (v != REGEX_LIMIT)
                        fail_msg("%s: %d", patterns[i], v);
        }
}

static void patterns_have_a_length(void **state)
{
        static char pattern[REGEX_MAX_PATTERN + 1];
        cleanup_(regex_freep) struct regex *r = NULL;
        struct err e = {0};

        memset(pattern, 'a', sizeof(pattern));
        assert_int_equal(
                regex_compile((struct str){pattern, sizeof(pattern)}, &r, &e), -ERR_CONFIG);
        assert_int_equal(regex_compile((struct str){pattern, sizeof(pattern) - 1}, &r, &e), 0);
}

static void running_out_of_memory_is_an_error(void **state)
{
        ALLOC_FAIL_EACH(i)
        {
                struct err e = {0};
                alloc_fail_at(i);
                cleanup_(regex_freep) struct regex *r = NULL;
                cleanup_(regex_room_freep) struct regex_room *room = NULL;
                int rc = regex_compile(STR("^(a|b)+[\\s\\d]$"), &r, &e);
                assert_true(rc == 0 || rc == -ERR_NOMEM);
                if (rc)
                        continue;
                room = regex_room_new();
                if (room)
                        assert_int_equal(regex_match(r, room, STR("ab1")), REGEX_YES);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(expressions_match_as_in_ecmascript),
                cmocka_unit_test(what_only_pcre_knows_is_refused),
                cmocka_unit_test(no_match_runs_away),
                cmocka_unit_test(patterns_have_a_length),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
