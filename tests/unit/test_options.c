/* One table with every type; texts in, fields or the exact message out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/base/options.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct inner {
        int64_t depth;
        const char *label;
};

struct outer {
        const char *name, *secret;
        bool flag, has_count;
        int64_t count, size, wait;
        int colour;
        struct string_list list, filled;
        struct inner inner;
        const struct ynode *node;
        int handled;
};

#define AT(member) offsetof(struct outer, member)

static int decode_even(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        int64_t value;

        if (!str_to_int64(n->text, &value) || value % 2)
                return ynode_error(cx->doc, n, e, "'even' must be even");
        *(int *)field = (int)value;
        return 0;
}

static const struct option inner_options[] = {
        {.name = "depth",
                .type = OPTION_INT,
                .offset = offsetof(struct inner, depth),
                .default_text = "3"},
        {.name = "label",
                .type = OPTION_STRING,
                .offset = offsetof(struct inner, label),
                .required = true},
};
static OPTION_TABLE(inner_table, "inner", inner_options);

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct option outer_options[] = {
        {.name = "name", .type = OPTION_STRING, .offset = AT(name), .required = true, .min = 1},
        {.name = "secret", .type = OPTION_STRING, .offset = AT(secret), .secret = true, .min = 8},
        {.name = "flag", .type = OPTION_BOOL, .offset = AT(flag), .default_text = "true"},
        {.name = "count",
                .type = OPTION_INT,
                .offset = AT(count),
                .present_offset = AT(has_count),
                .min = 1,
                .max = 64,
                .default_text = "8"},
        {.name = "size",
                .type = OPTION_SIZE,
                .offset = AT(size),
                .default_text = "4MiB",
                .min = 1024,
                .max = 1 << 30},
        {.name = "wait", .type = OPTION_DURATION, .offset = AT(wait), .default_text = "1h30m"},
        {.name = "colour",
                .type = OPTION_CHOICE,
                .offset = AT(colour),
                .choices = colours,
                .default_text = "green"},
        {.name = "list", .type = OPTION_STRINGS, .offset = AT(list)},
        {.name = "filled",
                .type = OPTION_STRINGS,
                .offset = AT(filled),
                .min = 1,
                .default_text = "one"},
        {.name = "inner", .type = OPTION_MAP, .offset = AT(inner), .table = &inner_table},
        {.name = "node", .type = OPTION_NODE, .offset = AT(node)},
        {.name = "even",
                .type = OPTION_HANDLER,
                .offset = AT(handled),
                .handler = decode_even,
                .default_text = "2"},
        {.name = "expr", .type = OPTION_LATER},
};
static OPTION_TABLE(outer_table, "outer", outer_options);

struct loaded {
        struct ydoc *doc;
        struct arena *arena;
        struct outer target;
};

static int load(const char *text, struct loaded *l, struct err *e)
{
        struct option_context cx = {0};

        *l = (struct loaded){.arena = arena_new(1 << 16)};
        if (ydoc_parse(str_of(text), "f.yaml", YDOC_EXPAND_CONFIG, &l->doc, e))
                fail_msg("%s", e->text);
        cx.doc = l->doc;
        cx.arena = l->arena;
        return options_decode(&cx, &outer_table, l->doc->root, &l->target, e);
}

static void unload(struct loaded *l)
{
        ydoc_free(l->doc);
        arena_free(l->arena);
}

static void defaults_are_as_an_operator_would_write_them(void **state)
{
        struct loaded l;
        struct err e;

        (void)state;
        assert_int_equal(load("name: x\n", &l, &e), 0);
        assert_string_equal(l.target.name, "x");
        assert_null(l.target.secret);
        assert_true(l.target.flag);
        assert_int_equal(l.target.count, 8);
        assert_false(l.target.has_count);
        assert_int_equal(l.target.size, 4 << 20);
        assert_int_equal(l.target.wait, 5400000);
        assert_int_equal(l.target.colour, 1);
        assert_int_equal(l.target.list.count, 0);
        assert_int_equal(l.target.filled.count, 1);
        assert_string_equal(l.target.filled.items[0], "one");
        assert_int_equal(l.target.inner.depth, 3);
        assert_null(l.target.inner.label);
        assert_null(l.target.node);
        assert_int_equal(l.target.handled, 2);
        unload(&l);
}

static void without_a_map_there_are_defaults_only(void **state)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 16);
        struct ydoc doc = {.name = "f.yaml"};
        struct option_context cx = {&doc, arena, NULL};
        struct outer target = {0};
        struct err e;

        (void)state;
        assert_int_equal(options_decode(&cx, &outer_table, NULL, &target, &e), 0);
        assert_null(target.name);
        assert_int_equal(target.count, 8);
}

static void values_are_decoded(void **state)
{
        struct loaded l;
        struct err e = {0};

        (void)state;
        int rc = load("name: 007\nsecret: '12345678'\nflag: false\ncount: 64\nsize: 1024\n"
                      "wait: 0\ncolour: blue\nlist: [a, 1, true, '']\nfilled: single\n"
                      "inner: {label: 1.50}\nnode: {any: [thing]}\neven: 4\n",
                &l, &e);
        if (rc)
                fail_msg("%s", e.text);
        assert_string_equal(l.target.name, "007");
        assert_string_equal(l.target.secret, "12345678");
        assert_false(l.target.flag);
        assert_int_equal(l.target.count, 64);
        assert_true(l.target.has_count);
        assert_int_equal(l.target.size, 1024);
        assert_int_equal(l.target.wait, 0);
        assert_int_equal(l.target.colour, 2);
        assert_int_equal(l.target.list.count, 4);
        assert_string_equal(l.target.list.items[2], "true");
        assert_string_equal(l.target.list.items[3], "");
        assert_int_equal(l.target.filled.count, 1);
        assert_string_equal(l.target.filled.items[0], "single");
        assert_string_equal(l.target.inner.label, "1.50");
        assert_int_equal(l.target.inner.depth, 3);
        assert_int_equal(l.target.node->kind, YNODE_MAP);
        assert_int_equal(l.target.handled, 4);
        unload(&l);
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"", "f.yaml:1:1: outer is empty: write its keys, indented below it"},
                {"[a]", "f.yaml:1:1: outer must be a map, not a list"},
                {"flag: true\n", "f.yaml:1:1: key 'name' is missing in outer"},
                {"nmae: x\n", "f.yaml:1:1: unknown key 'nmae', did you mean 'name'?"},
                {"name: x\ncolor: red\n",
                        "f.yaml:2:1: unknown key 'color', did you mean 'colour'?"},
                {"name: x\nweight: 1\n",
                        "f.yaml:2:1: unknown key 'weight'; outer takes name, secret, flag, count, "
                        "size, wait, colour, list, filled, inner, node or even"},
                {"name: x\n\"a\\nb\": 1\n",
                        "f.yaml:2:1: unknown key 'a...'; outer takes name, secret, flag, count, "
                        "size, wait, colour, list, filled, inner, node or even"},
                {"name: x\nexpr: 1\n", "f.yaml:2:1: 'expr' is not in this version"},
                {"name: x\nexpt: 1\n",
                        "f.yaml:2:1: unknown key 'expt'; outer takes name, secret, flag, count, "
                        "size, wait, colour, list, filled, inner, node or even"},
                {"name:\n", "f.yaml:1:6: 'name' must be a string, not null; nothing stands there: "
                            "a value that begins with # or is ~ or null needs quotes"},
                {"name: []\n", "f.yaml:1:7: 'name' must be a string, not a list"},
                {"name: ''\n", "f.yaml:1:7: 'name' must not be empty"},
                {"name: x\nsecret: abc\n", "f.yaml:2:9: 'secret' must have at least 8 characters"},
                {"name: x\nflag: yes\n", "f.yaml:2:7: 'flag' must be true or false, not 'yes'"},
                {"name: x\nflag: 1\n", "f.yaml:2:7: 'flag' must be true or false, not '1'"},
                {"name: x\nflag: {}\n", "f.yaml:2:7: 'flag' must be true or false, not a map"},
                {"name: x\ncount: many\n", "f.yaml:2:8: 'count' must be an integer, not 'many'"},
                {"name: x\ncount: 1.0\n", "f.yaml:2:8: 'count' must be an integer, not '1.0'"},
                {"name: x\ncount: 0x10\n", "f.yaml:2:8: 'count' must be an integer, not '0x10'"},
                {"name: x\ncount: '8'\n",
                        "f.yaml:2:8: 'count' must be an integer without quotes, not a string"},
                {"name: x\ncount: 65\n", "f.yaml:2:8: 'count' must be from 1 to 64, not '65'"},
                {"name: x\ncount: 0\n", "f.yaml:2:8: 'count' must be from 1 to 64, not '0'"},
                {"name: x\ncount: 99999999999999999999\n",
                        "f.yaml:2:8: 'count' must be an integer, not '99999999999999999999'"},
                {"name: x\nsize: 4 MB\n",
                        "f.yaml:2:7: 'size' must be a size such as 4MiB, 512KiB or 100000 "
                        "(bytes), not '4 MB'"},
                {"name: x\nsize: 1kB\n",
                        "f.yaml:2:7: 'size' must be from 1024 to 1073741824 bytes, not '1kB'"},
                {"name: x\nwait: 5\n",
                        "f.yaml:2:7: 'wait' must be a duration such as 500ms, 30s, 5m or 1h30m, "
                        "not '5'"},
                {"name: x\nwait: -5m\n",
                        "f.yaml:2:7: 'wait' must be a duration such as 500ms, 30s, 5m or 1h30m, "
                        "not '-5m'"},
                {"name: x\ncolour: gren\n",
                        "f.yaml:2:9: 'colour' must be red, green or blue, not 'gren'; did you "
                        "mean 'green'?"},
                {"name: x\ncolour: 7\n",
                        "f.yaml:2:9: 'colour' must be red, green or blue, not '7'"},
                {"name: x\ncolour: [red]\n",
                        "f.yaml:2:9: 'colour' must be red, green or blue, not a list"},
                {"name: x\nlist:\n",
                        "f.yaml:2:6: 'list' must be a string or a list of strings, not null"},
                {"name: x\nlist: {a: b}\n",
                        "f.yaml:2:7: 'list' must be a string or a list of strings, not a map"},
                {"name: x\nlist: [a, [b]]\n",
                        "f.yaml:2:11: 'list' must be a string or a list of strings, not a list "
                        "with a list"},
                {"name: x\nfilled: []\n", "f.yaml:2:9: 'filled' must not be empty"},
                {"name: x\ninner: 1\n", "f.yaml:2:8: 'inner' must be a map, not an integer"},
                {"name: x\ninner: {}\n", "f.yaml:2:8: key 'label' is missing in inner"},
                {"name: x\ninner:\n  labl: y\n",
                        "f.yaml:3:3: unknown key 'labl', did you mean 'label'?"},
                {"name: x\neven: 3\n", "f.yaml:2:7: 'even' must be even"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct loaded l;
                struct err e = {0};
                int rc = load(cases[i].text, &l, &e);
                if (rc == 0)
                        fail_msg("no error in: %s", cases[i].text);
                assert_string_equal(e.text, cases[i].message);
                assert_int_equal(rc, -ERR_CONFIG);
                unload(&l);
        }
}

/* Neither what came from a variable nor a secret option is in any message. */
static void secrets_are_never_shown(void **state)
{
        static const char *const texts[] = {
                "name: x\ncount: ${O_SECRET}\n",
                "name: x\ncount: 1${O_SECRET}\n",
                "name: x\nflag: '${O_SECRET}'\n",
                "name: x\nsize: ${O_SECRET}\n",
                "name: x\nwait: ${O_SECRET}\n",
                "name: x\ncolour: ${O_SECRET}\n",
                "name: x\nsecret: hunter2\n",
                "name: x\neven: ${O_SECRET}\n",
                "name: x\ninner: ${O_SECRET}\n",
                "name: x\nlist: {a: hunter2}\n",
        };
        (void)state;
        setenv("O_SECRET", "hunter2", 1);
        for (size_t i = 0; i < COUNT(texts); i++) {
                struct loaded l;
                struct err e = {0};
                assert_int_equal(load(texts[i], &l, &e), -ERR_CONFIG);
                assert_null(strstr(e.text, "hunter2"));
                unload(&l);
        }
}

static void a_variable_that_reads_as_null_is_text(void **state)
{
        static const char *const values[] = {"null", "~", ""};

        (void)state;
        for (size_t i = 0; i < COUNT(values); i++) {
                struct loaded l;
                struct err e = {0};
                setenv("O_NULL", values[i], 1);
                assert_int_equal(
                        load("name: x\ninner: {label: 'y'}\nlist: [\"${O_NULL}\"]\n", &l, &e), 0);
                assert_string_equal(l.target.list.items[0], values[i]);
                unload(&l);
                assert_int_equal(load("name: x\ninner:\n  label: ${O_NULL}\n", &l, &e), 0);
                assert_string_equal(l.target.inner.label, values[i]);
                unload(&l);
        }
        struct loaded l;
        struct err e = {0};
        assert_int_equal(load("name: ${O_NULL}\n", &l, &e), -ERR_CONFIG);
        assert_string_equal(e.text, "f.yaml:1:7: 'name' must not be empty");
        unload(&l);
}

static void a_variable_resolves_to_any_type(void **state)
{
        struct loaded l;
        struct err e = {0};

        (void)state;
        setenv("O_COUNT", "16", 1);
        setenv("O_FLAG", "false", 1);
        assert_int_equal(load("name: ${O_COUNT}\ncount: ${O_COUNT}\nflag: ${O_FLAG}\n"
                              "size: ${O_UNSET:-1MiB}\n",
                                 &l, &e),
                0);
        assert_string_equal(l.target.name, "16");
        assert_int_equal(l.target.count, 16);
        assert_false(l.target.flag);
        assert_int_equal(l.target.size, 1 << 20);
        unload(&l);
}

/* Each allocation of ours fails once: the error says so, and an arena that is full is named. */
static void running_out_of_memory_is_an_error(void **state)
{
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        struct outer target = {0};
        struct err e = {0};

        (void)state;
        assert_int_equal(ydoc_parse(STR("name: x\nlist: [a, b]\ninner: {label: y}\n"), "f.yaml",
                                 YDOC_EXPAND_NONE, &d, NULL),
                0);
        ALLOC_FAIL_EACH(i)
        {
                alloc_fail_at(i);
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 16);
                struct option_context cx = {d, arena, NULL};
                int rc = arena ? options_decode(&cx, &outer_table, d->root, &target, &e)
                               : -ERR_NOMEM;
                assert_true(rc == 0 || rc == -ERR_NOMEM);
        }
        cleanup_(arena_freep) struct arena *small = arena_new(64);
        struct option_context cx = {d, small, NULL};
        assert_int_equal(options_decode(&cx, &outer_table, d->root, &target, &e), -ERR_CONFIG);
        assert_string_equal(e.text, "f.yaml is larger than this program reads");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(defaults_are_as_an_operator_would_write_them),
                cmocka_unit_test(without_a_map_there_are_defaults_only),
                cmocka_unit_test(values_are_decoded),
                cmocka_unit_test(what_is_wrong_is_named_with_its_place),
                cmocka_unit_test(secrets_are_never_shown),
                cmocka_unit_test(a_variable_that_reads_as_null_is_text),
                cmocka_unit_test(a_variable_resolves_to_any_type),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
