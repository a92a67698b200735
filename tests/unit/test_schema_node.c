/* JSON as a tree: what is refused, pointers both ways, equality; names; URIs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "schemas/names.h"
#include "schemas/node.h"
#include "schemas/uri.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
        struct arena *arena;
        struct buf scratch;
};

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){.arena = arena_new(64 << 20), .scratch = BUF_INIT(1 << 20)};
        *state = &f;
        return f.arena ? 0 : -1;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        arena_free(f->arena);
        buf_deinit(&f->scratch);
        return 0;
}

static struct node *parsed(struct fixture *f, const char *text)
{
        struct node *n = NULL;
        struct err e;

        if (node_parse(str_of(text), f->arena, &f->scratch, &n, NULL, &e))
                fail_msg("%s: %s", text, e.text);
        return n;
}

static void what_is_not_json_is_refused(void **state)
{
        static const struct {
                const char *text, *why;
        } cases[] = {{"", "byte 0: more expected where it ends"},
                {"[1,]", "byte 3: a value expected here"},
                {"{\"a\":1,}", "byte 7: a key in quotes expected here"},
                {"{\"a\" 1}", "byte 5: ':' expected here"},
                {"[1 2]", "byte 3: ',' or ']' expected here"},
                {"{\"a\":1 \"b\":2}", "byte 7: ',' or '}' expected here"},
                {"[1}", "byte 2: ',' or ']' expected here"},
                {"1 1", "byte 2: the end expected here"}, {"tru", "byte 0: a value expected here"},
                {"01", "byte 0: a number expected here"},
                {"{\"a\":1,\"b\":2,\"a\":3}", "byte 18: an object holds the key \"a\" twice"},
                {"{\"a\":1,\"\\u0061\":3}", "byte 17: an object holds the key \"a\" twice"},
                {"\"\\ud800\"", "byte 0: byte 7 of the string: half of a surrogate pair stands for "
                                "no character"},
                {"\"a\nb\"", "byte 0: byte 2 of the string: a control character must be escaped"},
                {"\"\xff\"", "byte 0: byte 2 of the string: it is not UTF-8"},
                {"\"abc", "byte 0: byte 4 of the string: it does not end"},
                {"1e9999999999", "byte 0: an exponent beyond 1000000000"}};
        struct fixture *f = *state;

        for (size_t i = 0; i < COUNT(cases); i++) {
                struct node *n = NULL;
                struct err e = {0};
                int rc = node_parse(str_of(cases[i].text), f->arena, &f->scratch, &n, NULL, &e);
                assert_int_equal(rc, -ERR_REJECT);
                assert_null(n);
                assert_string_equal(e.text, cases[i].why);
        }
}

static void depth_and_keys_have_their_limits(void **state)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
        struct fixture *f = *state;
        struct node *n = NULL;
        struct err e = {0};

        for (int i = 0; i < 201; i++)
                buf_putc(&text, '[');
        assert_int_equal(
                node_parse(buf_str(&text), f->arena, &f->scratch, &n, NULL, &e), -ERR_REJECT);
        assert_non_null(strstr(e.text, "nested deeper than 200 levels"));
        buf_clear(&text);
        buf_putc(&text, '{');
        for (int i = 0; i < 1000; i++)
                buf_printf(&text, "\"key %d\":%d,", i, i);
        buf_puts(&text, "\"key 500\":0}");
        assert_int_equal(
                node_parse(buf_str(&text), f->arena, &f->scratch, &n, NULL, &e), -ERR_REJECT);
        assert_non_null(strstr(e.text, "the key \"key 500\" twice"));
}

static void pointers_lead_there_and_back(void **state)
{
        static const struct {
                const char *pointer, *raw; /* NULL: nothing there */
        } cases[] = {{"", NULL}, {"/a", "[1, {\"b\": 2}]"}, {"/a/1/b", "2"}, {"/a~1b", "3"},
                {"/m~0n", "4"}, {"/", "5"}, {"/a/2", ""}, {"/a/01", ""}, {"/a/-1", ""}, {"/x", ""},
                {"a", ""}, {"/m~2", ""}, {"/a/", ""}, {"/ ", "6"}, {"/a/18446744073709551616", ""}};
        struct fixture *f = *state;
        struct node *root =
                parsed(f, "{\"a\": [1, {\"b\": 2}], \"a/b\": 3, \"m~n\": 4, \"\": 5, \" \": 6}");
        cleanup_buf_ struct buf back = BUF_INIT(1 << 10);

        for (size_t i = 0; i < COUNT(cases); i++) {
                struct node *n = node_follow(root, str_of(cases[i].pointer), &f->scratch);
                if (cases[i].raw && !*cases[i].raw) {
                        if (n)
                                fail_msg("%s leads somewhere", cases[i].pointer);
                        continue;
                }
                if (!n || (cases[i].raw && !str_is(n->raw, cases[i].raw)))
                        fail_msg("%s: nothing, or something else", cases[i].pointer);
                buf_clear(&back);
                node_put_pointer(n, &back);
                assert_string_equal(buf_cstr(&back), cases[i].pointer);
        }
}

static void values_are_equal_as_the_draft_says(void **state)
{
        static const struct {
                const char *a, *b;
                bool equal;
        } cases[] = {{"1", "1.0", true}, {"100", "1e2", true}, {"1", "true", false},
                {"0", "false", false}, {"\"a\"", "\"\\u0061\"", true}, {"[1,2]", "[2,1]", false},
                {"{\"a\":1,\"b\":[2.0]}", "{\"b\":[2],\"a\":1}", true},
                {"{\"a\":1}", "{\"a\":1,\"b\":1}", false}, {"{\"a\":1}", "{\"b\":1}", false},
                {"null", "null", true}, {"\"1\"", "1", false}, {"[]", "{}", false}};
        struct fixture *f = *state;

        for (size_t i = 0; i < COUNT(cases); i++) {
                struct node *a = parsed(f, cases[i].a), *b = parsed(f, cases[i].b);
                if (node_equal(a, b) != cases[i].equal)
                        fail_msg("%s and %s", cases[i].a, cases[i].b);
                if (cases[i].equal != (node_hash(a) == node_hash(b)))
                        fail_msg("hashes of %s and %s", cases[i].a, cases[i].b);
        }
}

static void names_are_found_among_few_and_many(void **state)
{
        struct fixture *f = *state;
        static char text[1000][8];
        static struct str list[1000];
        struct names n;

        for (uint32_t count = 0; count <= 1000; count += count < 10 ? 1 : 330) {
                for (uint32_t i = 0; i < count; i++) {
                        snprintf(text[i], sizeof(text[i]), "n%u", i);
                        list[i] = str_of(text[i]);
                }
                assert_true(names_init(&n, list, count, f->arena));
                for (uint32_t i = 0; i < count; i++)
                        assert_int_equal(names_find(&n, list[i]), i);
                assert_int_equal(names_find(&n, STR("n1000")), NAMES_NONE);
                assert_int_equal(names_find(&n, STR("")), NAMES_NONE);
        }
}

/* RFC 3986, section 5.4, without fragments; and URNs. */
static void references_are_resolved(void **state)
{
        static const struct {
                const char *reference, *resolved;
        } cases[] = {{"g:h", "g:h"}, {"g", "http://a/b/c/g"}, {"./g", "http://a/b/c/g"},
                {"g/", "http://a/b/c/g/"}, {"/g", "http://a/g"}, {"//g", "http://g"},
                {"?y", "http://a/b/c/d;p?y"}, {"g?y", "http://a/b/c/g?y"},
                {"#s", "http://a/b/c/d;p?q"}, {"g#s", "http://a/b/c/g"}, {";x", "http://a/b/c/;x"},
                {"", "http://a/b/c/d;p?q"}, {".", "http://a/b/c/"}, {"./", "http://a/b/c/"},
                {"..", "http://a/b/"}, {"../g", "http://a/b/g"}, {"../..", "http://a/"},
                {"../../g", "http://a/g"}, {"../../../g", "http://a/g"}, {"/./g", "http://a/g"},
                {"/../g", "http://a/g"}, {"g.", "http://a/b/c/g."}, {"..g", "http://a/b/c/..g"},
                {"./../g", "http://a/b/g"}, {"g/./h", "http://a/b/c/g/h"},
                {"g/../h", "http://a/b/c/h"}, {"g;x=1/../y", "http://a/b/c/y"},
                {"g?y/../x", "http://a/b/c/g?y/../x"}, {"urn:uuid:1-2#/a", "urn:uuid:1-2"}};
        cleanup_buf_ struct buf out = BUF_INIT(1 << 10);

        for (size_t i = 0; i < COUNT(cases); i++) {
                buf_clear(&out);
                uri_resolve(STR("http://a/b/c/d;p?q"), str_of(cases[i].reference), &out);
                if (strcmp(buf_cstr(&out), cases[i].resolved) != 0)
                        fail_msg("%s: %s", cases[i].reference, buf_cstr(&out));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_not_json_is_refused),
                cmocka_unit_test(depth_and_keys_have_their_limits),
                cmocka_unit_test(pointers_lead_there_and_back),
                cmocka_unit_test(values_are_equal_as_the_draft_says),
                cmocka_unit_test(names_are_found_among_few_and_many),
                cmocka_unit_test(references_are_resolved),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
