/*
 * Incremental reads from a real server: which rows, groups and children come, how a position goes
 * from run to run, keys alone, and what an operator is told. Late commits are in
 * test_since_late.c.
 */
#include "tests/unit/pg_fixture.h"

#include <stdio.h>

#include "ingest/source/postgres/postgres.h"
#include "ingest/source/postgres/describe.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void fresh(const char *sql)
{
        pg_sql(NULL, "SET client_min_messages = warning; DROP SCHEMA public CASCADE; "
                     "CREATE SCHEMA public");
        pg_sql(NULL, sql);
}

/* ---- which rows ---- */

struct stage {
        const char *sql;  /* before the run; NULL: nothing */
        const char *text; /* what it reads */
        bool full;        /* everything is asked for */
};

struct story {
        const char *name, *setup, *yaml, *zone;
        struct stage stages[7];
};

/* Stamps are old, so that the clock is no limit. */
#define OLD(day) "timestamptz '2026-01-" day " 12:00+00'"

static const struct story rows[] = {
        {"ties, NULL, updates and new rows",
                "CREATE TABLE t (id int, w timestamptz);"
                "INSERT INTO t VALUES (1, " OLD("01") "), (2, " OLD("02") "), (3, " OLD(
                        "02") "), (4, NULL)",
                "{table: t, key: id, cursor: w, lookback: 0s}", NULL,
                {{NULL, "1|2026-01-01 12:00:00+00;2|2026-01-02 12:00:00+00;"
                        "3|2026-01-02 12:00:00+00;4|-;"},
                        {NULL, "2|2026-01-02 12:00:00+00;3|2026-01-02 12:00:00+00;4|-;"},
                        {"INSERT INTO t VALUES (5, " OLD("02") ")",
                                "2|2026-01-02 12:00:00+00;3|2026-01-02 12:00:00+00;4|-;"
                                "5|2026-01-02 12:00:00+00;"},
                        {"UPDATE t SET w = " OLD("03") " WHERE id IN (1, 4)",
                                "2|2026-01-02 12:00:00+00;3|2026-01-02 12:00:00+00;"
                                "5|2026-01-02 12:00:00+00;1|2026-01-03 12:00:00+00;"
                                "4|2026-01-03 12:00:00+00;"},
                        {"DELETE FROM t WHERE id IN (1, 4)", ""}, {NULL, ""}}},
        {"lookback",
                "CREATE TABLE t (id int, w timestamptz);"
                "INSERT INTO t SELECT n, " OLD("01") " + n * interval '1 min' "
                                                     "FROM generate_series(1, 9) n",
                "{query: SELECT id FROM t, key: id, cursor: '(SELECT w FROM t t2 WHERE t2.id = "
                "q.id)', lookback: 2m}",
                NULL, {{NULL, "1;2;3;4;5;6;7;8;9;"}, {NULL, "7;8;9;"}}},
        {"local times",
                "CREATE TABLE t (id int, w timestamp);"
                "INSERT INTO t VALUES (1, '2026-01-01'), (2, '2026-01-02 00:00:00.5')",
                "{table: t, key: id, cursor: w, lookback: 1s}", "Europe/Dublin",
                {{NULL, "1|2026-01-01 00:00:00;2|2026-01-02 00:00:00.5;"},
                        {NULL, "2|2026-01-02 00:00:00.5;"}}},
        {"of less precision",
                "CREATE TABLE t (id int, w timestamp(0));"
                "INSERT INTO t VALUES (1, '2026-01-01'), (2, '2026-01-02 00:00:00.5')",
                "{table: t, key: id, cursor: w}", "Europe/Dublin",
                {{NULL, "1|2026-01-01 00:00:00;2|2026-01-02 00:00:01;"},
                        {NULL, "2|2026-01-02 00:00:01;"}}},
        {"dates",
                "CREATE TABLE t (id int, w date);"
                "INSERT INTO t VALUES (1, '2026-01-01'), (2, '2026-01-02'), (3, '2026-01-03')",
                "{table: t, key: id, cursor: w, lookback: 1h}", NULL,
                {{NULL, "1|2026-01-01;2|2026-01-02;3|2026-01-03;"},
                        {NULL, "2|2026-01-02;3|2026-01-03;"}}},
        {"integers",
                "CREATE TABLE t (id int, w int); INSERT INTO t VALUES (1, 9), (2, 10), (3, NULL)",
                "{table: t, key: id, cursor: w}", NULL,
                {{NULL, "1|9;2|10;3|-;"}, {"INSERT INTO t VALUES (4, 11)", "2|10;3|-;4|11;"},
                        {NULL, "2|10;3|-;4|11;"}}},
        {"integers without lookback",
                "CREATE TABLE t (id int, w bigint);"
                "INSERT INTO t VALUES (1, 9), (2, 10)",
                "{table: t, key: id, cursor: w, lookback: 0s}", NULL,
                {{NULL, "1|9;2|10;"}, {"INSERT INTO t VALUES (4, 11)", "2|10;4|11;"},
                        {NULL, "2|10;4|11;"}, {NULL, "4|11;"}}},
        {"decimals, with what nothing comes behind",
                "CREATE TABLE t (id int, w numeric); INSERT INTO t VALUES (1, -1.5), (2, 'NaN'), "
                "(3, -2), (4, 'Infinity'), (5, '-Infinity')",
                "{table: t, key: id, cursor: w, lookback: 0s}", NULL,
                {{NULL, "1|-1.5;2|NaN;3|-2;4|Infinity;5|-Infinity;"},
                        {NULL, "1|-1.5;2|NaN;3|-2;4|Infinity;5|-Infinity;"},
                        {NULL, "1|-1.5;2|NaN;4|Infinity;"},
                        {"INSERT INTO t VALUES (6, 10.01)", "1|-1.5;2|NaN;4|Infinity;6|10.01;"}}},
        {"text",
                "CREATE TABLE t (id int, w text COLLATE \"en-x-icu\");"
                "INSERT INTO t VALUES (1, 'a'), (2, 'B'), (3, 'it''s \\'), (4, '')",
                "{table: t, key: id, cursor: w, lookback: 0s}", NULL,
                {{NULL, "1|a;2|B;3|it's \\;4|;"}, {NULL, "3|it's \\;"},
                        {"INSERT INTO t VALUES (5, 'i'), (6, 'Z'), (7, 'ix')", "3|it's \\;7|ix;"}}},
        {"padded text",
                "CREATE TABLE t (id int, w char(4));"
                "INSERT INTO t VALUES (1, 'ab'), (2, 'b'), (3, 'abc')",
                "{table: t, key: id, cursor: w, lookback: 0s}", NULL,
                {{NULL, "1|ab  ;2|b   ;3|abc ;"}, {NULL, "2|b   ;"}}},
        {"a domain",
                "CREATE DOMAIN stamp AS timestamptz; CREATE TABLE t (id int, w stamp);"
                "INSERT INTO t VALUES (1, " OLD("01") "), (2, " OLD("02") ")",
                "{table: t, key: id, cursor: w}", NULL,
                {{NULL, "1|2026-01-01 12:00:00+00;2|2026-01-02 12:00:00+00;"},
                        {NULL, "2|2026-01-02 12:00:00+00;"}}},
        {"an expression",
                "CREATE TABLE t (id int, c timestamptz, w timestamptz);"
                "INSERT INTO t VALUES (1, " OLD("01") ", NULL), (2, " OLD("01") ", " OLD(
                        "05") "), (3, NULL, NULL)",
                "{query: 'SELECT id, c, w FROM t', key: id, cursor: 'coalesce(w, q.c) -- changed'}",
                NULL,
                {{NULL, "1|2026-01-01 12:00:00+00|-;2|2026-01-01 12:00:00+00|2026-01-05 "
                        "12:00:00+00;"
                        "3|-|-;"},
                        {NULL, "2|2026-01-01 12:00:00+00|2026-01-05 12:00:00+00;3|-|-;"}}},
        {"an expression of another type",
                "CREATE TABLE t (id int, w text);"
                "INSERT INTO t VALUES (1, '7'), (2, '12')",
                "{table: t, key: id, cursor: \"w::int\"}", NULL,
                {{NULL, "1|7;2|12;"}, {NULL, "2|12;"}}},
        {"a column with a name like an expression",
                "CREATE TABLE t (id int, \"a + id\" int); INSERT INTO t VALUES (1, 1), (2, 2)",
                "{table: t, key: id, cursor: 'a + id'}", NULL,
                {{NULL, "1|1;2|2;"}, {NULL, "2|2;"}}},
        {"other eras",
                "CREATE TABLE t (id int, w timestamptz);"
                "INSERT INTO t VALUES (1, '4714-11-24 00:00:00+00 BC'), (2, '-infinity')",
                "{table: t, key: id, cursor: w}", NULL,
                {{NULL, "1|4714-11-24 00:00:00+00 BC;2|-infinity;"},
                        {NULL, "1|4714-11-24 00:00:00+00 BC;2|-infinity;"},
                        {"INSERT INTO t VALUES (3, " OLD("01") ")",
                                "1|4714-11-24 00:00:00+00 BC;2|-infinity;3|2026-01-01 "
                                "12:00:00+00;"},
                        {NULL, "3|2026-01-01 12:00:00+00;"}}},
        {"the future is read every time",
                "CREATE TABLE t (id int, w timestamptz);"
                "INSERT INTO t VALUES (1, " OLD("01") "), (2, 'infinity'), (3, "
                                                      "'12026-01-01 00:00+00')",
                "{query: 'SELECT id FROM (SELECT * FROM t ORDER BY id) s', key: id, cursor: "
                "'(SELECT "
                "t.w FROM t WHERE t.id = q.id)'}",
                NULL, {{NULL, "1;2;3;"}, {NULL, "2;3;"}, {NULL, "2;3;"}}},
        {"an empty table", "CREATE TABLE t (id int, w timestamptz)",
                "{table: t, key: id, cursor: w}", NULL,
                {{NULL, ""}, {NULL, ""},
                        {"INSERT INTO t VALUES (1, " OLD("01") ")", "1|2026-01-01 12:00:00+00;"},
                        {"DELETE FROM t", ""}, {"INSERT INTO t VALUES (2, NULL)", "2|-;"},
                        {"INSERT INTO t VALUES (3, " OLD("01") ")",
                                "2|-;3|2026-01-01 12:00:00+00;"}}},
        {"a table that began anew",
                "CREATE TABLE t (id int);"
                "INSERT INTO t SELECT generate_series(1, 100)",
                "{table: t, key: id, cursor: id, lookback: 0s}", NULL,
                {{"DELETE FROM t WHERE id < 100", "100;"}, {NULL, "100;"},
                        {"TRUNCATE t; INSERT INTO t VALUES (1), (2)", ""}, {NULL, "1;2;", true},
                        {"INSERT INTO t VALUES (3)", "2;3;"}}},
};

static const struct story records[] = {
        {"a child without a cursor",
                "CREATE TABLE t (id int, w int); CREATE TABLE l (id int, t int);"
                "INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO l VALUES (1, 1), (2, 2), (3, 2)",
                "{table: t, key: id, cursor: w, lookback: 0s,"
                " children: {l: {table: l, key: id, parent: t}}}",
                NULL,
                {{NULL, "1|1[1|1];2|2[2|2 3|2];"}, {NULL, "2|2[2|2 3|2];"},
                        {"INSERT INTO l VALUES (4, 1)", "2|2[2|2 3|2];"},
                        {"UPDATE t SET w = 3 WHERE id = 1", "1|3[1|1 4|1];2|2[2|2 3|2];"},
                        {NULL, "1|3[1|1 4|1];2|2[2|2 3|2];"}, {NULL, "1|3[1|1 4|1];"}}},
        {"a child with a cursor of its own",
                "CREATE TABLE t (id int, w int); CREATE TABLE l (id int, t int, w timestamptz);"
                "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);"
                "INSERT INTO l VALUES (1, 1, " OLD("01") "), (2, 1, " OLD("01") "), (3, 3, " OLD(
                        "02") "), (4, NULL, " OLD("01") ")",
                "{table: t, key: id, cursor: w, lookback: 0s,"
                " children: {l: {query: 'SELECT id, t FROM (SELECT * FROM l) x', key: id, parent: "
                "t,"
                " cursor: '(SELECT l.w FROM l WHERE l.id = q.id)'}}}",
                NULL,
                {{NULL, "1|1[1|1 2|1];2|2[];3|3[3|3];"}, {NULL, "3|3[3|3];"},
                        {"UPDATE l SET w = " OLD("03") " WHERE id = 2", "1|1[1|1 2|1];3|3[3|3];"},
                        {NULL, "1|1[1|1 2|1];3|3[3|3];"},
                        {"UPDATE l SET w = NULL WHERE id = 1; UPDATE l SET w = " OLD(
                                 "04") " WHERE id = 3",
                                "1|1[1|1 2|1];3|3[3|3];"},
                        {"INSERT INTO l VALUES (5, 2, " OLD("05") ")",
                                "1|1[1|1 2|1];2|2[5|2];3|3[3|3];"}}},
        {"two keys, two children",
                "CREATE TABLE t (a int, b text, w int);"
                "CREATE TABLE l (a bigint, b varchar, n int); CREATE TABLE m (a int, b text, w "
                "int);"
                "INSERT INTO t VALUES (1, 'x', 1), (1, 'y', 2), (2, 'x', 3);"
                "INSERT INTO l VALUES (1, 'x', 1), (1, 'y', 2); INSERT INTO m VALUES (1, 'x', 9)",
                "{table: t, key: [a, b], cursor: w, lookback: 0s, children: {"
                "l: {table: l, key: n, parent: [a, b]}, m: {table: m, parent: [a, b], cursor: w}}}",
                NULL,
                {{NULL, "1|x|1[1|x|1][1|x|9];1|y|2[1|y|2][];2|x|3[][];"},
                        {NULL, "1|x|1[1|x|1][1|x|9];2|x|3[][];"},
                        {"INSERT INTO m VALUES (1, 'y', 10)",
                                "1|x|1[1|x|1][1|x|9];1|y|2[1|y|2][1|y|10];2|x|3[][];"}}},
        {"padded keys",
                "CREATE TABLE t (id char(4), w int); CREATE TABLE l (t text, n int);"
                "INSERT INTO t VALUES ('a', 1), ('b', 2);"
                "INSERT INTO l VALUES ('a ', 1), ('a', 2), ('b', 3), ('b   ', 4)",
                "{table: t, key: id, cursor: w, lookback: 0s,"
                " children: {l: {table: l, key: n, parent: t}}}",
                NULL,
                {{NULL, "a   |1[a |1 a|2];b   |2[b|3 b   |4];"}, {NULL, "b   |2[b|3 b   |4];"}}},
        {"a record without a key is read every time",
                "CREATE TABLE t (id int, w int); CREATE TABLE l (t int);"
                "INSERT INTO t VALUES (1, 1), (NULL, 1), (2, 2)",
                "{table: t, key: id, cursor: w, lookback: 0s, children: {l: {table: l, parent: "
                "t}}}",
                NULL, {{NULL, "1|1[];2|2[];-|1[];"}, {NULL, "2|2[];-|1[];"}}},
        {"groups are whole",
                "CREATE TABLE t (c text, n int, w int);"
                "INSERT INTO t VALUES ('a', 1, 1), ('a', 2, 2), ('b', 3, 3), (NULL, 4, 1)",
                "{table: t, group: c, cursor: w, lookback: 0s}", NULL,
                {{NULL, "a|1|1[a|1|1 a|2|2];b|3|3[b|3|3];-|4|1[-|4|1];"},
                        {NULL, "b|3|3[b|3|3];-|4|1[-|4|1];"},
                        {"INSERT INTO t VALUES ('a', 5, 4)",
                                "a|1|1[a|1|1 a|2|2 a|5|4];b|3|3[b|3|3];-|4|1[-|4|1];"},
                        {"UPDATE t SET w = NULL WHERE n = 1",
                                "a|1|-[a|1|- a|2|2 a|5|4];b|3|3[b|3|3];-|4|1[-|4|1];"}}},
        {"groups by an expression's cursor",
                "CREATE TABLE t (c int, d numeric, w int);"
                "INSERT INTO t VALUES (1, 1.0, 1), (1, 1.00, 1), (2, 1, 2)",
                "{table: t, group: [c, d], cursor: w + 0, lookback: 0s}", NULL,
                {{NULL, "1|1.0|1[1|1.0|1];1|1.00|1[1|1.00|1];2|1|2[2|1|2];"},
                        {NULL, "2|1|2[2|1|2];"}}},
};

static void tell(const struct story *s)
{
        struct fixture *f;

        fresh(s->setup);
        f = fixture_open("postgres", NULL);
        struct mapper *m = mapper_new(f, s->yaml, s->zone);
        for (size_t i = 0; i < COUNT(s->stages) && s->stages[i].text; i++) {
                if (s->stages[i].sql)
                        pg_sql(NULL, s->stages[i].sql);
                const char *text = mapper_run(m, s->stages[i].full);
                if (strcmp(text, s->stages[i].text) != 0)
                        fail_msg("%s, run %zu: %s\n   instead of %s\n   position %s", s->name,
                                i + 1, text, s->stages[i].text, buf_cstr(&m->position));
                /* Once it stands somewhere, nothing but --full reads everything. */
                if (i > 1 && !s->stages[i].full && m->was_full && text[0] && m->seen.cursor[0])
                        fail_msg("%s, run %zu: everything: %s", s->name, i + 1, m->seen.why);
        }
        mapper_free(m);
        fixture_free(f);
}

static void what_changed_is_read(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        for (size_t i = 0; i < COUNT(rows); i++)
                tell(&rows[i]);
}

static void records_are_whole(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        for (size_t i = 0; i < COUNT(records); i++)
                tell(&records[i]);
}

/* ---- keys ---- */

struct keys_case {
        const char *name, *yaml;
        enum mapper_what what;
        const char *text;
};

static const struct keys_case keys_cases[] = {
        {"plain", "{table: t, key: id}", MAPPER_KEYS, "-|1|-|-|-;-|2|-|-|-;-|3|-|-|-;"},
        {"of records with children", "{table: t, key: id, children: {l: {table: l, parent: t}}}",
                MAPPER_KEYS, "-|1|-|-|-[];-|2|-|-|-[];-|3|-|-|-[];"},
        {"two of them", "{table: t, key: [n, id]}", MAPPER_KEYS,
                "-|1|-|-|1.0;-|2|-|-|1.00;-|3|-|-|1.0;"},
        {"money", "{table: t, key: m}", MAPPER_KEYS, "-|-|1.50|-|-;-|-|2.00|-|-;-|-|2.00|-|-;"},
        {"padded", "{table: t, key: c}", MAPPER_KEYS, "-|-|-|a  |-;-|-|-|b  |-;-|-|-|-|-;"},
        {"groups", "{query: SELECT * FROM t ORDER BY id, group: n}", MAPPER_KEYS,
                "-|-|-|-|1.0[];-|-|-|-|1.00[];"},
        {"groups of text", "{query: SELECT * FROM t, group: c}", MAPPER_KEYS,
                "-|-|-|a  |-[];-|-|-|b  |-[];-|-|-|-|-[];"},
        {"groups of JSON", "{query: 'SELECT x, id FROM t WHERE id < 3', group: x}", MAPPER_KEYS,
                "{\"a\" : 1}|-[];{\"a\":1}|-[];"},
        {"with a cursor", "{table: t, key: id, cursor: 'm::numeric'}", MAPPER_KEYS,
                "-|1|-|-|-;-|2|-|-|-;-|3|-|-|-;"},
        {"deleted ones",
                "{table: t, key: id, deletes: {query: 'SELECT 7 AS gone UNION ALL SELECT 8;',"
                " key: gone}}",
                MAPPER_DELETED, "-|7|-|-|-;-|8|-|-|-;"},
        {"deleted ones of two columns, in another order",
                "{table: t, key: [n, id], deletes: {query: 'SELECT 7 AS i, 1.5 AS k, 3 AS other',"
                " key: [k, i]}}",
                MAPPER_DELETED, "-|7|-|-|1.5;"},
        {"deleted groups",
                "{query: SELECT * FROM t, group: c, deletes: {query: 'SELECT "
                "''x''::char(3) AS c UNION ALL SELECT NULL', key: c}}",
                MAPPER_DELETED, "-|-|-|x  |-[];-|-|-|-|-[];"},
};

static void keys_are_read_alone(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        fresh("CREATE TABLE t (x json, id int, m money, c char(3), n numeric);"
              "CREATE TABLE l (t int);"
              "INSERT INTO t VALUES ('{\"a\" : 1}', 1, 1.5, 'a', 1.0),"
              "('{\"a\":1}', 2, 2, 'b', 1.00), (NULL, 3, 2, NULL, 1.0)");
        for (size_t i = 0; i < COUNT(keys_cases); i++) {
                const struct keys_case *c = &keys_cases[i];
                struct fixture *f = fixture_open("postgres", NULL);
                struct mapper *m = mapper_new(f, c->yaml, NULL);
                struct err e;
                if (mapper_read(m, c->what, &e) != 0)
                        fail_msg("%s: %s", c->name, e.text);
                if (strcmp(buf_cstr(&m->text), c->text) != 0)
                        fail_msg("%s: %s\n   instead of %s", c->name, m->text.data, c->text);
                mapper_free(m);
                fixture_free(f);
        }
}

/* ---- what an operator is told ---- */

struct error_case {
        const char *name, *yaml;
        const char *words[3];
};

static const struct error_case decode_errors[] = {
        {"two statements", "table: t\nkey: id\ndeletes:\n  query: SELECT 1; SELECT 2\n  key: id\n",
                {"mapper.yaml:4:", "deletes.query", "more than one statement"}},
        {"too few columns of a group",
                "table: t\ngroup: [a, b]\ndeletes:\n  query: SELECT 1\n  key: a\n",
                {"mapper.yaml:5:", "'key' names 1 columns", "has 2"}},
};

static const struct error_case describe_errors[] = {
        {"an unknown column", "table: t\nkey: id\ncursor: write_dat\n",
                {"mapper.yaml:3:1", "cursor", "\"write_dat\" does not exist"}},
        {"a syntax error", "table: t\nkey: id\ncursor: w +\n", {"mapper.yaml:3:1", "syntax error"}},
        {"an open parenthesis", "table: t\nkey: id\ncursor: max((w\n",
                {"mapper.yaml:3:1", "parenthesis"}},
        {"two statements", "table: t\nkey: id\ncursor: w; SELECT 1\n",
                {"mapper.yaml:3:1", "more than one statement"}},
        {"two columns", "table: t\nkey: id\ncursor: w, id\n", {"mapper.yaml:3:1"}},
        {"an aggregate", "table: t\nkey: id\ncursor: max(w)\n", {"mapper.yaml:3:1", "aggregate"}},
        {"a window function", "table: t\nkey: id\ncursor: row_number() OVER ()\n",
                {"mapper.yaml:3:1", "window functions"}},
        {"several rows", "table: t\nkey: id\ncursor: generate_series(1, id)\n",
                {"mapper.yaml:3:1", "set-returning"}},
        {"a boolean", "table: t\nkey: id\ncursor: flag\n",
                {"mapper.yaml:3:1", "flag is boolean", "a cursor is a timestamp"}},
        {"a float", "table: t\nkey: id\ncursor: id::float8\n",
                {"mapper.yaml:3:1", "id::float8 is double precision"}},
        {"an interval", "table: t\nkey: id\ncursor: now() - w\n", {"mapper.yaml:3:1", "interval"}},
        {"a uuid", "table: t\nkey: id\ncursor: u\n", {"mapper.yaml:3:1", "u is uuid"}},
        {"money", "table: t\nkey: id\ncursor: m\n", {"mapper.yaml:3:1", "m is money"}},
        {"an array", "table: t\nkey: id\ncursor: ARRAY[id]\n", {"mapper.yaml:3:1", "integer[]"}},
        {"json", "table: t\nkey: id\ncursor: j\n", {"mapper.yaml:3:1", "j is jsonb"}},
        {"of a child",
                "table: t\nkey: id\ncursor: w\nchildren:\n  l:\n    table: t\n    parent: id\n"
                "    cursor: nothing\n",
                {"mapper.yaml:8:", "children.l.cursor", "\"nothing\" does not exist"}},
        {"deletes that do not parse", "table: t\nkey: id\ndeletes:\n  query: SELEKT 1\n  key: id\n",
                {"mapper.yaml:4:", "deletes.query", "line 1, column 8"}},
        {"deletes without the key",
                "table: t\nkey: id\ndeletes:\n  query: SELECT 1 AS i\n  key: id\n",
                {"mapper.yaml:5:", "deletes.key", "no column \"id\""}},
        {"deletes of another type",
                "table: t\nkey: id\ndeletes:\n  query: SELECT '1' AS i\n  key: i\n",
                {"mapper.yaml:5:", "\"i\" is text, but the source key \"id\" is integer", "cast"}},
        {"deletes of another type in the second column",
                "table: t\nkey: [id, u]\ndeletes:\n  query: SELECT 1 AS i, 2 AS u\n  key: [i, u]\n",
                {"mapper.yaml:5:", "\"u\" is integer, but the source key \"u\" is uuid"}},
};

static void check_words(const struct error_case *c, int rc, const struct err *e)
{
        if (rc != -ERR_CONFIG)
                fail_msg("%s: %d", c->name, rc);
        for (size_t k = 0; k < COUNT(c->words) && c->words[k]; k++)
                if (!strstr(e->text, c->words[k]))
                        fail_msg("%s: %s", c->name, e->text);
}

static void make_wrong_table(void)
{
        fresh("CREATE TABLE t (id int, w timestamptz, flag bool, u uuid, m money, j jsonb,"
              " z timestamp, x text);"
              "INSERT INTO t VALUES (1, NULL)");
}

static void what_cannot_be_a_cursor_is_named(void **state)
{
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        make_wrong_table();
        for (size_t i = 0; i < COUNT(decode_errors); i++) {
                struct fixture *f = fixture_open("postgres", NULL);
                struct extract *x;
                check_words(
                        &decode_errors[i], fixture_extract(f, decode_errors[i].yaml, &x, &e), &e);
                fixture_free(f);
        }
        for (size_t i = 0; i < COUNT(describe_errors); i++) {
                struct fixture *f = fixture_open("postgres", NULL);
                struct extract *x;
                struct shape shape;
                assert_int_equal(fixture_extract(f, describe_errors[i].yaml, &x, &e), 0);
                check_words(&describe_errors[i],
                        source_describe(f->source, x, f->arena, &shape, &e), &e);
                fixture_free(f);
        }
}

static void zoneless_times_need_a_zone(void **state)
{
        static const struct error_case parent = {"the parent", NULL,
                {"mapper.yaml:3:1", "z is a timestamp without time zone", "`timezone:`"}};
        static const struct error_case child = {
                "a child", NULL, {"mapper.yaml:8:", "children.l.cursor", "`timezone:`"}};
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        make_wrong_table();
        struct fixture *f = fixture_open("postgres", NULL);
        struct mapper *m = mapper_new(f, "table: t\nkey: id\ncursor: z\n", NULL);
        check_words(&parent, mapper_observe(m, &e), &e);
        mapper_free(m);
        m = mapper_new(f,
                "table: t\nkey: id\ncursor: w\nchildren:\n  l:\n    table: t\n"
                "    parent: id\n    cursor: z\n",
                NULL);
        check_words(&child, mapper_observe(m, &e), &e);
        /* The source is as usable as before. */
        assert_int_equal(mapper_read(m, MAPPER_ALL, &e), 0);
        mapper_free(m);
        m = mapper_new(f, "table: t\nkey: id\ncursor: z\n", "UTC");
        assert_int_equal(mapper_observe(m, &e), 0);
        mapper_free(m);
        fixture_free(f);
}

static void a_very_long_value_is_no_cursor(void **state)
{
        static const struct error_case words = {
                "long", NULL, {"mapper.yaml:3:1", "cursor: x: a value of it has 1025 bytes"}};
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        make_wrong_table();
        struct fixture *f = fixture_open("postgres", NULL);
        struct mapper *m = mapper_new(f, "table: t\nkey: id\ncursor: x\n", NULL);
        pg_sql(NULL, "UPDATE t SET x = repeat('x', 1024)");
        mapper_run(m, false);
        mapper_run(m, false);
        assert_true(m->seen.usable);
        pg_sql(NULL, "UPDATE t SET x = repeat('x', 1025)");
        assert_int_equal(mapper_observe(m, &e), 0);
        check_words(&words, mapper_read(m, MAPPER_CHANGES, &e), &e);
        mapper_free(m);
        fixture_free(f);
}

/* ---- from run to run ---- */

static void check_full(struct mapper *m, const char *why)
{
        mapper_run(m, false);
        if (!m->was_full || !strstr(m->seen.why, why))
                fail_msg("everything was%s read: %s, not %s", m->was_full ? "" : " not",
                        m->seen.why, why);
        mapper_run(m, false);
        if (m->was_full)
                fail_msg("everything was read again: %s", m->seen.why);
}

static void swap_position(struct mapper *m, const char *from, const char *to)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
        const char *at = strstr(buf_cstr(&m->position), from);

        if (!at)
                fail_msg("%s is not in %s", from, m->position.data);
        buf_put(&text, m->position.data, (size_t)(at - m->position.data));
        buf_puts(&text, to);
        buf_puts(&text, at + strlen(from));
        buf_clear(&m->position);
        buf_put_str(&m->position, buf_str(&text));
}

/* The position stays when the mapper is changed. */
static struct mapper *remade(struct mapper *m, const char *yaml)
{
        struct mapper *other = mapper_new(m->fixture, yaml, NULL);

        buf_put_str(&other->position, buf_str(&m->position));
        mapper_free(m);
        return other;
}

static void what_a_position_does_not_fit_reads_everything(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        fresh("CREATE TABLE t (id int, w timestamptz, z timestamptz);"
              "INSERT INTO t VALUES (1, " OLD("01") ", " OLD("02") ")");
        struct fixture *f = fixture_open("postgres", NULL);
        struct mapper *m = mapper_new(f, "{table: t, key: id, cursor: w}", NULL);
        check_full(m, "there is no cursor yet");
        assert_string_equal(m->seen.cursor, "2026-01-01 12:00:00+00");
        assert_string_equal(m->seen.held, "");
        buf_clear(&m->position);
        buf_puts(&m->position, "{\"version\":");
        check_full(m, "cannot be read");
        swap_position(m, "\"database\":\"", "\"database\":\"9");
        check_full(m, "another database");
        swap_position(m, "\"system\":\"", "\"system\":\"9");
        check_full(m, "another database");
        swap_position(m, "\"timeline\":\"1\"", "\"timeline\":\"2\"");
        check_full(m, "restored");
        swap_position(m, "\"wal\":\"", "\"wal\":\"9");
        check_full(m, "earlier state");
        swap_position(m, "\"observed_us\":\"1", "\"observed_us\":\"9");
        check_full(m, "clock went backwards");
        swap_position(m, "2026-01-01 12:00:00+00", "9026-01-01 12:00:00+00");
        check_full(m, "the cursor is in the future");
        m = remade(m, "{table: t, key: id, cursor: z}");
        check_full(m, "another cursor");
        m = remade(m, "{table: t, key: id, cursor: z, children: {c: {table: t, parent: id}}}");
        check_full(m, "other children");
        pg_sql(NULL, "ALTER TABLE t ALTER z TYPE date");
        m = remade(m, "{table: t, key: id, cursor: z}");
        mapper_run(m, false);
        pg_sql(NULL, "ALTER TABLE t ALTER z TYPE text USING 'x'");
        m = remade(m, "{table: t, key: id, cursor: z}");
        check_full(m, "another type");
        mapper_free(m);
        fixture_free(f);
}

/* Those that have no clock, too, are read in full once. */
static void an_ordered_cursor_is_set_by_one_full_read(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        fresh("CREATE TABLE t (id int, w int); INSERT INTO t VALUES (1, 7), (2, 8)");
        struct fixture *f = fixture_open("postgres", NULL);
        struct mapper *m = mapper_new(f, "{table: t, key: id, cursor: w, lookback: 0s}", NULL);
        check_full(m, "there is no cursor yet");
        swap_position(m, "\"observed_us\":\"1", "\"observed_us\":\"9");
        check_full(m, "clock went backwards");
        swap_position(m, "\"database\":\"", "\"database\":\"9");
        check_full(m, "another database");
        m = remade(m, "{table: t, key: id, cursor: w + 1, lookback: 0s}");
        check_full(m, "another cursor");
        assert_string_equal(m->seen.cursor, "9");
        mapper_free(m);
        fixture_free(f);
}

static void rows_in_the_future_are_told(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        fresh("CREATE TABLE t (id int, w timestamptz); INSERT INTO t VALUES (1, now())");
        struct fixture *f = fixture_open("postgres", NULL);
        struct mapper *m = mapper_new(f, "{table: t, key: id, cursor: w}", NULL);
        mapper_run(m, false);
        assert_string_equal(source_ahead(f->source), "");
        pg_sql(NULL, "INSERT INTO t VALUES (2, '2999-01-01 00:00+00')");
        mapper_run(m, false);
        assert_string_equal(source_ahead(f->source),
                "w is up to 2999-01-01 00:00:00+00, later than the source's clock");
        mapper_run(m, false);
        assert_true(m->seen.usable);
        assert_true(strcmp(m->seen.cursor, "2999") < 0);
        pg_sql(NULL, "DELETE FROM t WHERE id = 2");
        mapper_run(m, false);
        assert_string_equal(source_ahead(f->source), "");
        mapper_free(m);
        fixture_free(f);
}

/* An observation belongs to one extract, and to the read that follows it. */
static void observations_are_used_once(void **state)
{
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        fresh("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)");
        struct fixture *f = fixture_open("postgres", NULL);
        struct mapper *m = mapper_new(f, "{table: t, key: id, cursor: id}", NULL);
        struct mapper *lookup =
                mapper_new(f, "{query: 'SELECT id + 100 AS id FROM t', key: id}", NULL);
        assert_int_equal(mapper_observe(m, &e), 0);
        assert_int_equal(mapper_read(lookup, MAPPER_ALL, &e), 0);
        assert_int_equal(mapper_read(m, MAPPER_KEYS, &e), 0);
        assert_int_equal(mapper_read(m, MAPPER_ALL, &e), 0);
        assert_int_equal(source_position(f->source, &m->position, &e), 0);
        assert_null(strstr(buf_cstr(&m->position), "\"102\""));
        assert_int_equal(source_position(f->source, &m->position, &e), -ERR_BUG);
        assert_int_equal(mapper_read(m, MAPPER_CHANGES, &e), -ERR_BUG);
        mapper_free(lookup);
        mapper_free(m);
        fixture_free(f);
}

/* Bytes that are no text of a checkpoint are not followed, but read. */
static void text_without_an_encoding(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        pg_sql(NULL, "CREATE DATABASE bytes ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' "
                     "TEMPLATE template0");
        pg_sql("bytes", "CREATE TABLE t (id int, w text);"
                        "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, E'z\\351')");
        struct fixture *f = fixture_open("bytes", NULL);
        struct mapper *m = mapper_new(f, "{table: t, key: id, cursor: w, lookback: 0s}", NULL);
        mapper_run(m, false);
        mapper_run(m, false);
        assert_true(str_utf8_valid(buf_str(&m->position)));
        assert_string_equal(mapper_run(m, false), "2|b;3|z\xE9;");
        mapper_free(m);
        fixture_free(f);
}

/* ---- the plan ---- */

struct plan_case {
        const char *name, *yaml;
        const char *from;
        int64_t lookback_ms;
};

static const struct plan_case plan_cases[] = {
        {"an instant", "{table: big, key: id, cursor: w}", "2026-06-30 00:00:00+00", 0},
        {"with lookback", "{table: big, key: id, cursor: w}", "2026-06-30 00:00:00+00", 300000},
        {"a local time with lookback", "{table: big, key: id, cursor: z}", "2026-06-30 00:00:00",
                300000},
        {"a date with lookback", "{table: big, key: id, cursor: d}", "2026-06-30", 300000},
        {"an integer", "{table: big, key: id, cursor: id}", "99990", 300000},
        {"a query", "{query: 'SELECT b.id, b.w FROM big b', key: id, cursor: w}",
                "2026-06-30 00:00:00+00", 300000},
        {"an expression with an index", "{table: big, key: id, cursor: 'coalesce(w, v)'}",
                "2026-06-30 00:00:00+00", 300000},
};

struct told {
        bool done;
        int rc;
};

static void on_told(void *ctx, int rc, const struct err *e)
{
        struct told *t = ctx;

        if (rc)
                print_error("%s\n", e->text);
        *t = (struct told){true, rc};
}

/* The statement of an incremental read from @c->from. */
static void statement(
        struct fixture *f, struct pg_conn *conn, const struct plan_case *c, struct buf *sql)
{
        struct pg_target *targets;
        struct extract *x;
        struct told told = {0};
        size_t count, where;
        struct err e;

        assert_int_equal(fixture_extract(f, c->yaml, &x, &e), 0);
        assert_int_equal(pg_targets_new(x, f->arena, &targets, &count, &e), 0);
        pg_describe(targets, conn, on_told, &told);
        assert_int_equal(loop_run_until(f->loop, &told.done, &e), 0);
        assert_int_equal(told.rc, 0);
        struct pg_selection what = {.since = targets,
                .since_count = 1,
                .from = &c->from,
                .lookback_ms = c->lookback_ms,
                .with_cursor = true};
        assert_int_equal(pg_sql_copy(targets, &what, sql, &where, &e), 0);
}

static void indexes_are_used(void **state)
{
        struct pg_conn *conn;
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        fresh("CREATE TABLE big AS SELECT n AS id, t AS w, t AS v, t::timestamp AS z, "
              "t::date AS d, repeat('x', 50) AS filler FROM (SELECT n, timestamptz "
              "'2026-07-01 00:00+00' - n * interval '10 min' AS t "
              "FROM generate_series(1, 100000) n) s;"
              "UPDATE big SET w = NULL WHERE id % 20000 = 0;"
              "CREATE INDEX ON big (id); CREATE INDEX ON big (w); CREATE INDEX ON big (z);"
              "CREATE INDEX ON big (d); CREATE INDEX ON big (coalesce(w, v));");
        pg_sql(NULL, "VACUUM ANALYZE big");
        struct fixture *f = fixture_open("postgres", NULL);
        assert_int_equal(pg_conn_new(f->config.own, f->loop, NULL, &conn, &e), 0);
        assert_int_equal(pg_conn_connect_wait(conn, &e), 0);
        for (size_t i = 0; i < COUNT(plan_cases); i++) {
                cleanup_buf_ struct buf sql = BUF_INIT(1 << 20), explain = BUF_INIT(1 << 20);
                statement(f, conn, &plan_cases[i], &sql);
                /* COPY (...) TO STDOUT */
                buf_printf(&explain,
                        "DO $do$ DECLARE l text; p text := ''; BEGIN FOR l IN EXPLAIN %.*s LOOP "
                        "p := p || l || E'\\n'; END LOOP; PERFORM set_config('test.plan', p, "
                        "false);"
                        " END $do$",
                        (int)(sql.len - strlen("COPY () TO STDOUT")), sql.data + strlen("COPY ("));
                pg_sql(NULL, buf_cstr(&explain));
                const char *plan = pg_sql(NULL, "SELECT current_setting('test.plan')");
                if (strstr(plan, "Seq Scan") || !strstr(plan, "Index"))
                        fail_msg("%s: %s\n%s", plan_cases[i].name, sql.data, plan);
        }
        pg_conn_free(conn);
        fixture_free(f);
}

static int stop_cluster(void **state)
{
        (void)state;
        pg_cluster_stop();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_changed_is_read),
                cmocka_unit_test(records_are_whole),
                cmocka_unit_test(keys_are_read_alone),
                cmocka_unit_test(what_cannot_be_a_cursor_is_named),
                cmocka_unit_test(zoneless_times_need_a_zone),
                cmocka_unit_test(a_very_long_value_is_no_cursor),
                cmocka_unit_test(what_a_position_does_not_fit_reads_everything),
                cmocka_unit_test(an_ordered_cursor_is_set_by_one_full_read),
                cmocka_unit_test(rows_in_the_future_are_told),
                cmocka_unit_test(observations_are_used_once),
                cmocka_unit_test(text_without_an_encoding),
                cmocka_unit_test(indexes_are_used),
        };
        return cmocka_run_group_tests(tests, NULL, stop_cluster);
}
