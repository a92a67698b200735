/* split, replace, upper and lower: what they do, in which order, to which values; type: bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/alloc_fail.h"
#include "tests/support/render_case.h"

static void split_makes_arrays(void **state)
{
        static const struct render_case cases[] = {
                {"v: {from: code, split: \",\"}", "code=a,b", "\"v\":[\"a\",\"b\"]"},
                {"v: {from: code, split: \",\"}", "code=a", "\"v\":[\"a\"]"},
                {"v: {from: code, split: \",\"}", "code=", "\"v\":[]"},
                {"v: {from: code, split: \",\"}", "", ""},
                {"v: {from: code, split: \",\", default: []}", "", "\"v\":[]"},
                {"v: {from: code, split: \",\", required: true}", "", "!v: required but null"},
                {"v: {from: code, split: \",\"}", "code=,a,,", "\"v\":[\"\",\"a\",\"\",\"\"]"},
                {"v: {from: code, split: \"->\"}", "code=a->b>-c", "\"v\":[\"a\",\"b>-c\"]"},
                {"v: {from: code, split: \",\", trim: true, null_if: \"\"}", "code=a , , b",
                        "\"v\":[\"a\",null,\"b\"]"},
                {"v: {from: code, split: \",\", type: integer}", "code=1,02", "\"v\":[1,2]"},
                {"v: {from: code, split: \",\", type: integer}", "code=1,x",
                        "!v: \"x\" is not a number"},
                {"v: {from: code, split: \",\", map: {a: 1, b: {c: d}}}", "code=b,a",
                        "\"v\":[{\"c\":\"d\"},1]"},
                {"v: {from: code, split: \",\", map: {a: 1}, default: 0}", "code=a,z",
                        "\"v\":[1,null]"},
                {"v: {from: code, split: \",\", type: json}", "code=1,null,\"x\"",
                        "\"v\":[1,null,\"x\"]"},
                {"v: {from: code, split: {pattern: '\\s*[;/]\\s*'}}", "code=a ;b/ c d",
                        "\"v\":[\"a\",\"b\",\"c d\"]"},
                {"v: {from: code, split: {pattern: ' *'}}", "code=a b", "\"v\":[\"a\",\"b\"]"},
                {"v: {from: code, split: {pattern: ' *'}}", "code=", "\"v\":[]"},
                {"v: {from: padded, split: \" \"}", "padded=a b       ", "\"v\":[\"a\",\"b\"]"},
                {"v: {from: data, split: \",\"}", "data=\"a,\\u0062\"", "\"v\":[\"a\",\"b\"]"},
                {"v: {from: data, split: \",\", type: json}", "data=\"1,2\"",
                        "\"v\":[\"1\",\"2\"]"},
                {"v: {from: data, split: \",\"}", "data=[\"a,b\",null,\"\"]",
                        "\"v\":[[\"a\",\"b\"],null,[]]"},
                {"v: {from: data, split: \",\"}", "data=5",
                        "!v: 5\" is not text, which split needs"},
                {"v: {from: data, split: \",\"}", "data=true",
                        "!v: is not text, which split needs"},
                {"v: {from: data, split: \",\"}", "data={}", "!v: is not text, which split needs"},
                {"v: {from: data, split: \",\"}", "data=null", ""},
                {"v: {from: tags, split: \"-\"}", "tags={a-b,NULL,c}",
                        "\"v\":[[\"a\",\"b\"],null,[\"c\"]]"},
                {"v: {template: \"${code},${id}\", split: \",\"}", "code=a", "\"v\":[\"a\",\"1\"]"},
                {"v: {value: \"a b\", split: \" \"}", "", "\"v\":[\"a\",\"b\"]"},
                {"v: {from: code, split: \",\"}", "code=a,\xFF", "!v: is not valid UTF-8"},
                {"v: {from: code, split: {pattern: ','}}", "code=a,\xFF", "!v: is not valid UTF-8"},
                {"v: {from: id, split: \",\"}", "",
                        "?m.yaml:6:6: field 'v': 'split' works on text, and column 'id' is bigint"},
                {"v: {template: \"${w}\"}\nw: {from: code, split: \",\"}", "",
                        "?${w}: split makes an array, which has no text"},
        };

        RENDER_CASES(cases);
}

static void replace_replaces_every_match(void **state)
{
        static const struct render_case cases[] = {
                {"v: {from: code, replace: {pattern: '\\s+', with: ' '}}", "code=a \t b  c",
                        "\"v\":\"a b c\""},
                {"v: {from: code, replace: {pattern: '\\D'}}", "code=+353 (1) 22",
                        "\"v\":\"353122\""},
                {"v: {from: code, replace: {pattern: '^0+(?=\\d)'}}", "code=0010", "\"v\":\"10\""},
                {"v: {from: code, replace: {pattern: '^a', with: b}}", "code=aaa", "\"v\":\"baa\""},
                {"v: {from: code, replace: {pattern: '(\\d+)\\.(\\d+)', with: '$2,${1}'}}",
                        "code=1.2 33.44", "\"v\":\"2,1 44,33\""},
                {"v: {from: code, replace: {pattern: '(?<y>\\d{4})-(?<m>\\d\\d)', with: "
                 "'${m}/${y}'}}",
                        "code=2024-05", "\"v\":\"05/2024\""},
                {"v: {from: code, replace: {pattern: '[ab]', with: '<$0>$$'}}", "code=axb",
                        "\"v\":\"<a>$x<b>$\""},
                {"v: {from: code, replace: {pattern: '(a)|(b)', with: '[$1|$2]'}}", "code=ab",
                        "\"v\":\"[a|][|b]\""},
                /* empty matches: between all characters, never twice in one place */
                {"v: {from: code, replace: {pattern: 'x*', with: '-'}}", "code=a\xC3\xA9x",
                        "\"v\":\"-a-\xC3\xA9--\""},
                {"v: {from: code, replace: {pattern: '|a', with: '-'}}", "code=a", "\"v\":\"---\""},
                {"v: {from: code, replace: {pattern: '$', with: '!'}}", "code=", "\"v\":\"!\""},
                {"v: {from: code, replace: {pattern: 'a\\Kb', with: '!'}}", "code=abab",
                        "\"v\":\"a!a!\""},
                {"v: {from: code, replace: {pattern: '(?<=a)b', with: ''}}", "code=abb",
                        "\"v\":\"ab\""},
                /* one after the other */
                {"v: {from: code, replace: [{pattern: a, with: b}, {pattern: b, with: cc}, "
                 "{pattern: c}, {pattern: '^$', with: none}]}",
                        "code=ab", "\"v\":\"none\""},
                /* Unicode */
                {"v: {from: code, replace: {pattern: '(?i)\xC3\xA9\\b', with: e}}",
                        "code=\xC3\x89 \xC3\xA9\xC3\xA9",
                        "\"v\":\"e \xC3\xA9"
                        "e\""},
                {"v: {from: code, replace: {pattern: '\\W', with: _}}", "code=\xC3\x89-\xCE\xB1",
                        "\"v\":\"\xC3\x89_\xCE\xB1\""},
                {"v: {from: code, replace: {pattern: '\xC2\xA0', with: ' '}}", "code=a\xC2\xA0z",
                        "\"v\":\"a z\""},
                {"v: {from: code, replace: {pattern: a}}", "code=a\xFF",
                        "!v: \"a\xEF\xBF\xBD\" is not valid UTF-8"},
                /* every kind of text */
                {"v: {from: tags, replace: {pattern: a, with: b}}", "tags={a,NULL,\"a b\"}",
                        "\"v\":[\"b\",null,\"b b\"]"},
                {"v: {from: data, replace: {pattern: a, with: b}}",
                        "data=[\"a\",{\"a\":\"a\"},1,true,null,[\"aa\"]]",
                        "\"v\":[\"b\",{\"a\":\"a\"},1,true,null,[\"bb\"]]"},
                {"v: {from: data, replace: {pattern: a, with: b}, type: json}", "data=\"a\"",
                        "\"v\":\"b\""},
                {"v: {from: padded, replace: {pattern: ' ', with: _}}", "padded=a b    ",
                        "\"v\":\"a_b\""},
                {"v: {template: \"${code}\", replace: {pattern: a, with: b}}", "code=a",
                        "\"v\":\"b\""},
                {"v: {value: [a, 1], replace: {pattern: a, with: b}}", "", "\"v\":[\"b\",1]"},
                {"v: {each: tags, fields: {t: {from: value, replace: {pattern: a, with: b}}}}",
                        "tags={a}", "\"v\":[{\"t\":\"b\"}]"},
                {"v: {from: amounts, replace: {pattern: a}}", "",
                        "?'replace' works on text, and column 'amounts' is numeric[]"},
                {"v: {from: day, replace: {pattern: a}}", "", "?CAST(... AS text)"},
        };

        RENDER_CASES(cases);
}

static void case_follows_unicode(void **state)
{
        static const struct render_case cases[] = {
                {"v: {from: code, upper: true}", "code=azAZ@[`{09", "\"v\":\"AZAZ@[`{09\""},
                {"v: {from: code, lower: true}", "code=azAZ@[`{09", "\"v\":\"azaz@[`{09\""},
                {"v: {from: code, upper: true}", "code=", "\"v\":\"\""},
                {"v: {from: code, upper: true}",
                        "code=stra\xC3\x9F"
                        "e \xC3\xA9 \xD1\x8F",
                        "\"v\":\"STRASSE \xC3\x89 \xD0\xAF\""},
                {"v: {from: code, upper: true}", "code=\xEF\xAC\x83", "\"v\":\"FFI\""},
                {"v: {from: code, lower: true}", "code=\xCE\x9F\xCE\xA3 \xC4\xB0I",
                        "\"v\":\"\xCE\xBF\xCF\x82 i\xCC\x87i\""},
                {"v: {from: code, upper: true}", "code=\xC2\xB5", "\"v\":\"\xCE\x9C\""},
                {"v: {from: code, upper: true}", "code=i\xC3\xBF", "\"v\":\"I\xC5\xB8\""},
                {"v: {from: code, upper: true}", "code=\xFF", "!v: is not valid UTF-8"},
                {"v: {from: tags, upper: true}", "tags={a,NULL}", "\"v\":[\"A\",null]"},
                {"v: {from: data, lower: true}", "data=[\"A\",1.50,{\"B\":\"C\"}]",
                        "\"v\":[\"a\",1.5,{\"B\":\"C\"}]"},
                {"v: {from: active, upper: true}", "", "?'upper' works on text"},
                {"v: {from: id, lower: true}", "", "?'lower' works on text"},
                {"v: {from: code, upper: true, lower: true}", "",
                        "?m.yaml:6:32: 'upper' and 'lower': one of them"},
                {"v: {from: code, upper: false, lower: true}", "code=A", "\"v\":\"a\""},
        };

        RENDER_CASES(cases);
}

static void steps_keep_their_order(void **state)
{
        static const struct render_case cases[] = {
                /* split, trim, replace, upper, null_if, map, type */
                {"v: {from: code, type: integer, map: {A: 1, C: 3}, null_if: B, upper: true, "
                 "replace: {pattern: '^-'}, trim: true, split: ';'}",
                        "code= -a; -b;c ", "\"v\":[1,null,3]"},
                {"v: {from: code, replace: {pattern: A, with: x}, upper: true}", "code=aA",
                        "\"v\":\"AX\""},
                {"v: {from: code, lower: true, null_if: none, required: true}", "code=NONE",
                        "!v: required but null"},
                {"v: {from: code, lower: true, map: {a: A}}", "code=A", "\"v\":\"A\""},
                {"v: {from: code, map: {a: 'x y'}, split: ' ', upper: true}", "code=a",
                        "!v: \"A\" is not in map"},
                {"v: {from: code, lower: true, default: X}", "", "\"v\":\"X\""},
                {"v: {from: code, replace: {pattern: ',', with: .}, type: decimal, scale: 2}",
                        "code=12,5", "\"v\":\"12.50\""},
                {"v: {from: code, replace: [{pattern: a, with: b}, {pattern: b, with: c}], upper: "
                 "true}\nw: {template: \"${v}-${doc.v}\", lower: true}",
                        "code=ab", "\"v\":\"CC\",\"w\":\"cc-cc\""},
        };

        RENDER_CASES(cases);
}

static void bytes_are_base64(void **state)
{
        static const struct render_case cases[] = {
                {"v: {from: raw, type: bytes}", "raw=\\x00ff", "\"v\":\"AP8=\""},
                {"v: {from: code, type: bytes}", "code=foobar", "\"v\":\"Zm9vYmFy\""},
                {"v: {from: code, type: bytes}", "code=\xC3\xA9", "\"v\":\"w6k=\""},
                {"v: {from: code, type: bytes}", "code=", "\"v\":\"\""},
                {"v: {from: code, type: bytes}", "code=\xFF",
                        "!v: is not valid UTF-8: mend the value in the ERP, or convert it in the "
                        "query (to bytea"},
                {"v: {from: code, type: bytes, upper: true}", "code=a", "\"v\":\"QQ==\""},
                {"v: {from: padded, type: bytes}", "padded=f         ", "\"v\":\"Zg==\""},
                {"v: {from: tags, type: bytes}", "tags={fo,NULL,\"\"}",
                        "\"v\":[\"Zm8=\",null,\"\"]"},
                {"v: {from: data, type: bytes}", "data=[\"f\",null,[\"\\u0000\"]]",
                        "\"v\":[\"Zg==\",null,[\"AA==\"]]"},
                {"v: {from: data, type: bytes}", "data=5", "!v: is a number and cannot become"},
                {"v: {from: data, type: bytes}", "data=true", "!v: is a boolean and cannot become"},
                {"v: {from: data, type: datetime, null_if: 'false'}", "data=false", ""},
                {"v: {from: data, type: date, null_if: 'false'}", "data=true",
                        "!v: is a boolean and cannot become a date"},
                {"v: {from: data, type: bytes}", "data={}", "!v: is an object and cannot become"},
                {"v: {from: code, split: ',', type: bytes}", "code=a,b",
                        "\"v\":[\"YQ==\",\"Yg==\"]"},
                {"v: {template: '${id}', type: bytes}", "id=12", "\"v\":\"MTI=\""},
                {"v: {from: id, type: bytes}", "", "?is bigint and can never become a bytes"},
                {"v: {from: amounts, type: bytes}", "", "?can never become a bytes"},
                {"v: {from: day, type: bytes}", "", "?can never become a bytes"},
        };

        RENDER_CASES(cases);
}

static void mistakes_are_found_before_the_first_row(void **state)
{
        static const struct render_case cases[] = {
                {"v: {from: code, replace: {pattern: 'a(b'}}", "",
                        "?m.yaml:6:38: 'pattern' is no regular expression: behind its character "
                        "3: missing closing parenthesis"},
                {"v: {from: code, replace: {pattern: '\xC3\xA9[z-a]'}}", "",
                        "?behind its character 4: range out of order"},
                {"v: {from: code, replace: {pattern: 'a\\C'}}", "", "?'pattern' is no regular"},
                {"v: {from: code, replace: {pattern: '\\Ga'}}", "", "?\\G is not known here"},
                {"v: {from: code, replace: {pattern: '((((a{999}){999}){999}){999})'}}", "",
                        "?too large"},
                {"v: {from: code, replace: {pattern: ''}}", "", "?pattern"},
                {"v: {from: code, replace: {with: x}}", "",
                        "?m.yaml:6:28: key 'pattern' is missing in 'replace'"},
                {"v: {from: code, replace: {pattern: a, wiht: x}}", "",
                        "?m.yaml:6:41: unknown key 'wiht', did you mean 'with'?"},
                {"v: {from: code, replace: x}", "",
                        "?m.yaml:6:28: 'replace' must be {pattern: ..., with: ...} or a list"},
                {"v: {from: code, replace: []}", "", "?'replace' is an empty list"},
                {"v: {from: code, replace: [{pattern: a}, {pattern: '('}]}", "",
                        "?m.yaml:6:53: 'pattern' is no"},
                {"v: {from: code, replace: {pattern: a, with: '$1'}}", "",
                        "?m.yaml:6:47: 'with': the pattern has no group 1"},
                {"v: {from: code, replace: {pattern: '(?<n>a)', with: '${m}'}}", "",
                        "?'with': the pattern has no group m"},
                {"v: {from: code, replace: {pattern: a, with: 'x$'}}", "",
                        "?write $$ for a dollar sign"},
                {"v: {from: code, replace: {pattern: a, with: '${'}}", "", "?write $$ for"},
                {"v: {from: code, replace: {pattern: a, with: '${}'}}", "", "?write $$ for"},
                {"v: {from: code, split: \"\"}", "",
                        "?m.yaml:6:26: 'split' must be the text between two elements, or "
                        "{pattern: ...}, not an empty text"},
                {"v: {from: code, split: 1}", "", "?not an integer"},
                {"v: {from: code, split: {pattern: '['}}", "",
                        "?m.yaml:6:36: 'pattern' is no regular"},
                {"v: {from: code, split: {by: ','}}", "", "?unknown key 'by'"},
                {"v: {each: tags, fields: {x: value}, split: ','}", "",
                        "?'split' means nothing beside 'each'"},
                {"v: {object: {x: code}, upper: true}", "", "?'upper' means nothing beside"},
        };

        RENDER_CASES(cases);
}

/* Also with allocations that fail, and again without. */
static void memory_is_given_back(void **state)
{
        static const char fields[] =
                "v: {from: code, split: {pattern: '[;,]'}, replace: [{pattern: '(a)', with: "
                "'$1b'}, {pattern: c}], upper: true}";

        ALLOC_FAIL_EACH(i)
        {
                struct mapper_reject why;
                struct fixture f;
                struct mapped m;
                struct err e = {0};

                alloc_fail_at(i);
                int rc = fixture_open(&f, fields, &e);
                if (rc == 0) {
                        rc = fixture_render(&f, "code=a,c", "", &m, &why, &e);
                        if (rc == 0)
                                assert_true(str_is(m.body, "\"v\":[\"AB\",\"\"]"));
                        fixture_close(&f);
                }
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %d %s", i, rc, e.text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(split_makes_arrays),
                cmocka_unit_test(replace_replaces_every_match),
                cmocka_unit_test(case_follows_unicode),
                cmocka_unit_test(steps_keep_their_order),
                cmocka_unit_test(bytes_are_base64),
                cmocka_unit_test(mistakes_are_found_before_the_first_row),
                cmocka_unit_test(memory_is_given_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
