/* `extract:` blocks and entries of `sources:`; decoded, or the exact message. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/source/source.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct bad {
        const char *text, *message;
};

struct loaded {
        struct ydoc *doc;
        struct arena *arena;
        struct source_config source;
        struct extract *x;
};

static void unload(struct loaded *l)
{
        ydoc_free(l->doc);
        arena_free(l->arena);
}

static int load(const char *text, struct loaded *l, struct err *e)
{
        *l = (struct loaded){
                .arena = arena_new(1 << 20), .source = {.name = "erp", .ops = &source_postgres}};
        if (ydoc_parse(str_of(text), "m.yaml", YDOC_EXPAND_MAPPER, &l->doc, e))
                fail_msg("%s", e->text);
        return extract_decode(&l->source, l->doc, l->doc->root, l->arena, &l->x, e);
}

static void expect_errors(const struct bad *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct loaded l;
                struct err e = {0};
                int rc = load(cases[i].text, &l, &e);
                if (rc == 0)
                        fail_msg("no error in: %s", cases[i].text);
                assert_string_equal(e.text, cases[i].message);
                assert_int_equal(rc, -ERR_CONFIG);
                assert_null(l.x);
                unload(&l);
        }
}

static void a_small_block_gets_the_defaults(void **state)
{
        struct loaded l;
        struct err e = {0};

        (void)state;
        if (load("table: product\nkey: id\n", &l, &e))
                fail_msg("%s", e.text);
        assert_string_equal(l.x->table, "product");
        assert_null(l.x->query);
        assert_int_equal(l.x->key.count, 1);
        assert_string_equal(l.x->key.items[0], "id");
        assert_int_equal(l.x->group.count, 0);
        assert_null(l.x->cursor);
        assert_int_equal(l.x->lookback_ms, 300000);
        assert_int_equal(l.x->child_count, 0);
        assert_true(l.x->deletes.sweep);
        assert_true(l.x->deletes.max_percent == 10);
        assert_int_equal(l.x->deletes.every_ms, 0);
        assert_int_equal(l.x->deletes.keep.count, 0);
        assert_ptr_equal(l.x->node, l.doc->root);
        unload(&l);
}

static void every_key_is_decoded(void **state)
{
        struct loaded l;
        struct err e = {0};

        (void)state;
        int rc = load("query: SELECT 1\nkey: [company, id]\ncursor: write_date\nlookback: 0s\n"
                      "children:\n"
                      "  lines: {table: line, key: seq, parent: [company, sale], cursor: w}\n"
                      "  notes: {query: SELECT 2, parent: [c, s]}\n"
                      "deletes: {max: 2.5%, keep: [type, rep], every: 1h, column: active, when: "
                      "false, query: SELECT 3, key: [c, i]}\n",
                &l, &e);
        if (rc)
                fail_msg("%s", e.text);
        assert_int_equal(l.x->key.count, 2);
        assert_string_equal(l.x->cursor, "write_date");
        assert_int_equal(l.x->lookback_ms, 0);
        assert_int_equal(l.x->child_count, 2);
        assert_string_equal(l.x->children[0].name, "lines");
        assert_string_equal(l.x->children[0].table, "line");
        assert_string_equal(l.x->children[0].cursor, "w");
        assert_int_equal(l.x->children[0].parent.count, 2);
        assert_int_equal(l.x->children[0].node->line, 6);
        assert_string_equal(l.x->children[1].query, "SELECT 2");
        assert_int_equal(l.x->children[1].key.count, 0);
        assert_true(l.x->deletes.max_percent == 2.5);
        assert_int_equal(l.x->deletes.keep.count, 2);
        assert_int_equal(l.x->deletes.every_ms, 3600000);
        assert_string_equal(l.x->deletes.column, "active");
        assert_string_equal(l.x->deletes.when, "false");
        assert_int_equal(l.x->deletes.key.count, 2);
        unload(&l);
}

static void a_group_stands_in_place_of_a_key(void **state)
{
        struct loaded l;
        struct err e = {0};

        (void)state;
        assert_int_equal(load("table: t\ngroup: [a, b]\ndeletes: {sweep: false}\n", &l, &e), 0);
        assert_int_equal(l.x->group.count, 2);
        assert_false(l.x->deletes.sweep);
        unload(&l);
}

static void wrong_blocks_are_refused(void **state)
{
        static const struct bad cases[] = {
                {"", "m.yaml:1:1: extract is empty: write its keys, indented below it"},
                {"key: id", "m.yaml:1:1: extract needs one of 'query' and 'table'; SQL, or the "
                            "name of a table"},
                {"table: t", "m.yaml:1:1: extract needs one of 'key' and 'group'; the columns that "
                             "tell one record from another"},
                {"query: q\ntable: t\nkey: id",
                        "m.yaml:2:1: extract has one of 'query' and 'table', not both"},
                {"table: t\nkey: id\ngroup: a",
                        "m.yaml:3:1: extract has one of 'key' and 'group', not both"},
                {"table: t\nkeys: id", "m.yaml:2:1: unknown key 'keys', did you mean 'key'?"},
                {"table: t\nkey: []", "m.yaml:2:6: 'key' must not be empty"},
                {"table: t\nkey:", "m.yaml:2:5: 'key' must be a string or a list of strings, not "
                                   "null"},
                {"table: t\nkey: [id, '']", "m.yaml:2:1: a column's name is empty"},
                {"table: t\nkey: [id, co, id]", "m.yaml:2:6: 'key' names column 'id' twice"},
                {"table: t\ngroup: [a, a]", "m.yaml:2:8: 'group' names column 'a' twice"},
                {"query: ''\nkey: id", "m.yaml:1:8: 'query' must not be empty"},
                {"query: [a]\nkey: id", "m.yaml:1:8: 'query' must be a string, not a list"},
                {"table: t\nkey: id\nlookback: 5m", "m.yaml:3:1: 'lookback' needs 'cursor'"},
                {"table: t\nkey: id\ncursor: w\nlookback: 5",
                        "m.yaml:4:11: 'lookback' must be a duration such as 500ms, 30s, 5m or "
                        "1h30m, not '5'"},
                {"table: t\nkey: id\ncursor: {field: f}",
                        "m.yaml:3:9: 'cursor' must be a string, not a map"},
                {"path: /products\nkey: id",
                        "m.yaml:1:1: 'path' is for REST sources; erp is postgres"},
                {"table: t\nkey: id\npaging: {}",
                        "m.yaml:3:1: 'paging' is for REST sources; erp is postgres"},
                {"table: t\nkey: id\nby_key: {}",
                        "m.yaml:3:1: 'by_key' is for REST sources; erp is postgres"},
                {"table: t\nkey: id\npagin: {}",
                        "m.yaml:3:1: unknown key 'pagin'; extract takes query, table, key, group, "
                        "cursor, lookback, children or deletes"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

#define HEAD "table: t\nkey: id\n"

static void wrong_children_are_refused(void **state)
{
        static const struct bad cases[] = {
                {HEAD "children: []", "m.yaml:3:11: 'children' must be a map, not a list; write "
                                      "NAME: {query: ..., parent: ...}"},
                {"table: t\ngroup: a\nchildren: {l: {table: u, parent: a}}",
                        "m.yaml:3:1: 'children' and 'group' cannot stand together"},
                {HEAD "children: {l: x}", "m.yaml:3:15: a child must be a map, not a string"},
                {HEAD "children: {'': {table: u, parent: t}}", "m.yaml:3:12: a child needs a name"},
                {HEAD "children: {l: {table: u}}",
                        "m.yaml:3:15: key 'parent' is missing in a child; add it: columns that "
                        "hold the parent's key, in its order"},
                {HEAD "children: {l: {parent: t}}", "m.yaml:3:15: a child needs one of 'query' and "
                                                    "'table'; SQL, or the name of a table"},
                {HEAD "children: {l: {table: u, query: q, parent: t}}",
                        "m.yaml:3:26: a child has one of 'query' and 'table', not both"},
                {HEAD "children: {l: {table: u, parent: []}}",
                        "m.yaml:3:34: 'parent' must not be empty"},
                {HEAD "children: {l: {table: u, parent: [t, v]}}",
                        "m.yaml:3:34: 'parent' names 2 columns, but the key of the record has 1"},
                {HEAD "children: {l: {table: u, parent: t, key: [a, a]}}",
                        "m.yaml:3:42: 'key' names column 'a' twice"},
                {HEAD "children: {l: {table: u, parnet: t}}",
                        "m.yaml:3:26: unknown key 'parnet', did you mean 'parent'?"},
                {HEAD "children: {l: {path: /l, parent: t}}",
                        "m.yaml:3:16: 'path' is for REST sources; erp is postgres"},
                {HEAD "children: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}, h: {}, i: {}, "
                      "j: {}, k: {}, l: {}, m: {}, n: {}, o: {}, p: {}, q: {}}",
                        "m.yaml:3:11: more than 16 children"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

#define PERCENT "'max' must be a percentage from 0% to 100%, such as 10%, not "

static void wrong_deletes_are_refused(void **state)
{
        static const struct bad cases[] = {
                {HEAD "deletes: false", "m.yaml:3:10: 'deletes' must be a map, not a boolean"},
                {HEAD "deletes: {max: 10}", "m.yaml:3:16: " PERCENT "'10'"},
                {HEAD "deletes: {max: '%'}", "m.yaml:3:16: " PERCENT "'%'"},
                {HEAD "deletes: {max: 101%}", "m.yaml:3:16: " PERCENT "'101%'"},
                {HEAD "deletes: {max: -1%}", "m.yaml:3:16: " PERCENT "'-1%'"},
                {HEAD "deletes: {max: 1.2.3%}", "m.yaml:3:16: " PERCENT "'1.2.3%'"},
                {HEAD "deletes: {max: .%}", "m.yaml:3:16: " PERCENT "'.%'"},
                {HEAD "deletes: {max: 10%%}", "m.yaml:3:16: " PERCENT "'10%%'"},
                {HEAD "deletes: {max: {a: b}}", "m.yaml:3:16: " PERCENT "a map"},
                {HEAD "deletes: {sweep: no}",
                        "m.yaml:3:18: 'sweep' must be true or false, not 'no'"},
                {HEAD "deletes: {sweep: false, every: 1h}",
                        "m.yaml:3:25: 'every' needs 'sweep: true'"},
                {HEAD "deletes: {column: active}",
                        "m.yaml:3:10: 'column' and 'when' stand together: the flag and its value"},
                {HEAD "deletes: {when: false}",
                        "m.yaml:3:10: 'column' and 'when' stand together: the flag and its value"},
                {HEAD "deletes: {query: q}",
                        "m.yaml:3:10: 'query' and 'key' stand together: deleted records and their "
                        "key"},
                {HEAD "deletes: {query: q, key: [a, b]}",
                        "m.yaml:3:26: 'key' names 2 columns, but the key of the record has 1"},
                {HEAD "deletes: {keeps: type}",
                        "m.yaml:3:11: unknown key 'keeps', did you mean 'keep'?"},
                {HEAD "deletes: {path: /d}",
                        "m.yaml:3:11: 'path' is for REST sources; erp is postgres"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

static void errors_of_a_block_stand_at_their_key(void **state)
{
        struct loaded l;
        struct err e = {0};

        (void)state;
        assert_int_equal(load("table: t\nkey: id\n", &l, &e), 0);
        assert_int_equal(extract_error(l.x, "key", &e, "no column '%s'", "id"), -ERR_CONFIG);
        assert_string_equal(e.text, "m.yaml:2:1: no column 'id'");
        assert_int_equal(extract_error(l.x, "query", &e, "x"), -ERR_CONFIG);
        assert_string_equal(e.text, "m.yaml:1:1: x");
        unload(&l);
}

static int load_source(const char *text, struct loaded *l, struct err *e)
{
        *l = (struct loaded){.arena = arena_new(1 << 20)};
        if (ydoc_parse(str_of(text), "c.yaml", YDOC_EXPAND_CONFIG, &l->doc, e))
                fail_msg("%s", e->text);
        return source_config_decode(l->doc, "erp", l->doc->root, l->arena, &l->source, e);
}

static void a_source_is_decoded_by_its_connector(void **state)
{
        struct loaded l;
        struct err e = {0};

        (void)state;
        if (load_source("type: postgres\ndsn: host=127.0.0.1 dbname=erp\n", &l, &e))
                fail_msg("%s", e.text);
        assert_string_equal(l.source.name, "erp");
        assert_ptr_equal(l.source.ops, &source_postgres);
        assert_non_null(l.source.own);
        assert_ptr_equal(l.source.node, l.doc->root);
        unload(&l);
}

static void wrong_sources_are_refused(void **state)
{
        static const struct bad cases[] = {
                {"[]", "c.yaml:1:1: source 'erp' must be a map, not a list: {type: postgres, ...}"},
                {"dsn: x", "c.yaml:1:1: key 'type' is missing in source 'erp'; add it: type: "
                           "postgres"},
                {"type: odbc\nurl: x",
                        "c.yaml:1:7: source type 'odbc' is not in this version; this version has: "
                        "postgres, rest"},
                {"type: rest\nurl: x",
                        "c.yaml:2:6: 'url' of a REST source: it must begin with http:// or "
                        "https://, such as https://erp.example.com/api"},
                {"type: rest\ndsn: x",
                        "c.yaml:2:1: unknown key 'dsn'; REST source takes url, auth, headers, "
                        "params, rate_limit, error_limit, max_concurrent, retry_for, timeout, "
                        "connect_timeout, idle_timeout, max_record, max_redirects, compressed, "
                        "tls, proxy or max_runs"},
                {"type: [postgres]",
                        "c.yaml:1:7: source type a list is not in this version; this version has: "
                        "postgres, rest"},
                {"type:", "c.yaml:1:6: source type null is not in this version; this version has: "
                          "postgres, rest"},
                {"type: postgres",
                        "c.yaml:1:1: key 'dsn' is missing in postgres source; add it: how to "
                        "connect: postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=... or "
                        "keywords and values, as libpq takes them"},
                {"type: postgres\ndns: x", "c.yaml:2:1: unknown key 'dns', did you mean 'dsn'?"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct loaded l;
                struct err e = {0};
                assert_int_equal(load_source(cases[i].text, &l, &e), -ERR_CONFIG);
                assert_string_equal(e.text, cases[i].message);
                assert_null(l.source.ops);
                unload(&l);
        }
}

static void a_wrong_dsn_does_not_show_its_password(void **state)
{
        static const char *const texts[] = {
                "type: postgres\ndsn: postgresql://u:hunter2@x@host/db\n",
                "type: postgres\ndsn: 'password=hunter2 nonsense'\n",
                "type: postgres\ndsn: {a: hunter2}\n",
                "type: postgres\ndsn: [hunter2]\n",
        };
        (void)state;
        for (size_t i = 0; i < COUNT(texts); i++) {
                struct loaded l;
                struct err e = {0};
                assert_int_equal(load_source(texts[i], &l, &e), -ERR_CONFIG);
                assert_memory_equal(e.text, "c.yaml:2:", 9);
                assert_null(strstr(e.text, "hunter2"));
                unload(&l);
        }
}

static void the_registry_names_each_connector_once(void **state)
{
        const struct source_ops *const *types = source_types();

        (void)state;
        assert_non_null(types[0]);
        for (size_t i = 0; types[i]; i++) {
                assert_non_null(types[i]->help);
                assert_non_null(types[i]->open);
                assert_non_null(types[i]->read_all);
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(types[i]->type, types[k]->type);
        }
}

/* Each allocation of ours fails once: the error says so, nothing leaks. */
static void running_out_of_memory_is_an_error(void **state)
{
        static const char text[] =
                "query: q\nkey: [a, b]\nchildren: {l: {table: t, key: k, parent: "
                "[a, b]}}\ndeletes: {keep: [x, y]}\n";
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        struct source_config source = {.ops = &source_postgres};

        (void)state;
        assert_int_equal(ydoc_parse(str_of(text), "m.yaml", YDOC_EXPAND_MAPPER, &d, NULL), 0);
        ALLOC_FAIL_EACH(i)
        {
                alloc_fail_at(i);
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
                struct extract *x = NULL;
                struct err e = {0};
                int rc = arena ? extract_decode(&source, d, d->root, arena, &x, &e) : -ERR_NOMEM;
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
                assert_true((rc == 0) == (x != NULL));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_small_block_gets_the_defaults),
                cmocka_unit_test(every_key_is_decoded),
                cmocka_unit_test(a_group_stands_in_place_of_a_key),
                cmocka_unit_test(wrong_blocks_are_refused),
                cmocka_unit_test(wrong_children_are_refused),
                cmocka_unit_test(wrong_deletes_are_refused),
                cmocka_unit_test(errors_of_a_block_stand_at_their_key),
                cmocka_unit_test(a_source_is_decoded_by_its_connector),
                cmocka_unit_test(wrong_sources_are_refused),
                cmocka_unit_test(a_wrong_dsn_does_not_show_its_password),
                cmocka_unit_test(the_registry_names_each_connector_once),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
