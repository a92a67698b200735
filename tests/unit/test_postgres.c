/*
 * The PostgreSQL connector against a real server: what a mapper gets, and what an operator is
 * told. Faults are in test_postgres_faults.c, statements and connection strings in test_pg_sql.c.
 */
#include "tests/unit/pg_fixture.h"

#include <stdio.h>

/* ---- types ---- */

struct type_case {
        const char *type, *literal;
        enum col_kind kind, elem;
        const char *text; /* NULL: as the literal */
};

static const struct type_case type_cases[] = {
        {"smallint", "-32768", COL_INT},
        {"integer", "2147483647", COL_INT},
        {"bigint", "-9223372036854775808", COL_INT},
        {"oid", "4294967295", COL_INT},
        {"numeric", "12345678901234567890.12345678901234567890", COL_NUMERIC},
        {"numeric(12,2)", "2.5", COL_NUMERIC, 0, "2.50"},
        {"numeric", "NaN", COL_NUMERIC},
        {"numeric", "0.000000000000000000001", COL_NUMERIC},
        {"money", "1234.5", COL_NUMERIC, 0, "1234.50"},
        {"real", "0.1", COL_FLOAT4},
        {"real", "3.4028235e+38", COL_FLOAT4},
        {"double precision", "0.1", COL_FLOAT8},
        {"double precision", "0.30000000000000004", COL_FLOAT8},
        {"double precision", "-Infinity", COL_FLOAT8},
        {"boolean", "true", COL_BOOL, 0, "t"},
        {"text", "tab\there", COL_TEXT},
        {"text", "a\\\\b\nc", COL_TEXT, 0, "a\\\\b\nc"},
        {"text", "", COL_TEXT},
        {"text", "\\N", COL_TEXT},
        {"text", "Zo\xC3\xAB", COL_TEXT},
        {"varchar(20)", "ab ", COL_TEXT},
        {"character(5)", "ab", COL_CHAR, 0, "ab   "},
        {"\"char\"", "x", COL_TEXT},
        {"name", "a_name", COL_TEXT},
        {"xml", "<a>1</a>", COL_TEXT},
        {"xml", "text <a/> more", COL_TEXT},
        {"uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", COL_TEXT, 0,
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
        {"inet", "10.1.2.3/8", COL_TEXT},
        {"cidr", "10.0.0.0/8", COL_TEXT},
        {"macaddr", "08:00:2b:01:02:03", COL_TEXT},
        {"bit(4)", "1010", COL_TEXT},
        {"bit varying", "101", COL_TEXT},
        {"bytea", "\\xDEADbeef00", COL_BYTES, 0, "\\xdeadbeef00"},
        {"bytea", "", COL_BYTES, 0, "\\x"},
        {"date", "2026-01-31", COL_DATE},
        {"date", "0044-03-15 BC", COL_DATE},
        {"date", "infinity", COL_DATE},
        {"time", "23:59:59.5", COL_TIME},
        {"time with time zone", "23:59:59+05:30", COL_TEXT},
        {"timestamp", "2026-01-31 12:34:56.789", COL_TIMESTAMP},
        {"timestamp(0)", "2026-01-31 12:34:56.789", COL_TIMESTAMP, 0, "2026-01-31 12:34:57"},
        {"timestamptz", "2026-07-01 12:00:00+02", COL_TIMESTAMPTZ, 0, "2026-07-01 10:00:00+00"},
        {"timestamptz", "-infinity", COL_TIMESTAMPTZ},
        {"interval", "1 year 2 months 3 days 04:05:06.7", COL_INTERVAL, 0, "P1Y2M3DT4H5M6.7S"},
        {"interval", "-1 day", COL_INTERVAL, 0, "P-1D"},
        {"json", "{\"a\" : 1.0}", COL_JSON},
        {"jsonb", "{\"a\" : 1.0}", COL_JSON, 0, "{\"a\": 1.0}"},
        {"int4range", "[1,5)", COL_TEXT},
        {"point", "(1,2)", COL_TEXT},
        {"tsvector", "'a':1", COL_TEXT},
        {"jsonpath", "$.\"a\"", COL_TEXT},
        {"int2vector", "1 2", COL_TEXT},
        {"mood", "ok", COL_TEXT},
        {"pair", "(1,\"a b\")", COL_TEXT},
        {"positive", "7", COL_INT},
        {"positive2", "8", COL_INT},
        {"code5", "ab", COL_CHAR, 0, "ab   "},
        {"price", "3.1", COL_NUMERIC, 0, "3.10"},
        {"cash", "3", COL_NUMERIC, 0, "3.00"},
        {"integer[]", "{1,NULL,3}", COL_ARRAY, COL_INT},
        {"integer[][]", "{{1,2},{3,4}}", COL_ARRAY, COL_INT},
        {"text[]", "{a,\"b c\",NULL,\"NULL\",\"\"}", COL_ARRAY, COL_TEXT},
        {"numeric(5,1)[]", "{1.5,2}", COL_ARRAY, COL_NUMERIC, "{1.5,2.0}"},
        {"money[]", "{1,2.5}", COL_ARRAY, COL_NUMERIC, "{1.00,2.50}"},
        {"timestamptz[]", "{\"2026-07-01 12:00:00+02\"}", COL_ARRAY, COL_TIMESTAMPTZ,
                "{\"2026-07-01 10:00:00+00\"}"},
        {"interval[]", "{\"1 day\"}", COL_ARRAY, COL_INTERVAL, "{P1D}"},
        {"bytea[]", "{\"\\\\x00ff\"}", COL_ARRAY, COL_BYTES},
        {"boolean[]", "{t,f}", COL_ARRAY, COL_BOOL},
        {"jsonb[]", "{\"{\\\"a\\\": 1}\"}", COL_ARRAY, COL_JSON},
        {"box[]", "{(1,1),(0,0);(2,2),(1,1)}", COL_ARRAY, COL_TEXT},
        {"mood[]", "{ok}", COL_ARRAY, COL_TEXT},
        {"positive[]", "{1,2}", COL_ARRAY, COL_INT},
        {"code5[]", "{ab}", COL_ARRAY, COL_CHAR, "{\"ab   \"}"},
        {"int_list", "{1,2}", COL_ARRAY, COL_INT},
};
#define TYPE_CASES (sizeof(type_cases) / sizeof(type_cases[0]))

static void make_types(void)
{
        struct buf sql;

        buf_init(&sql, 1 << 20);
        buf_puts(&sql, "CREATE TYPE mood AS ENUM ('sad', 'ok');"
                       "CREATE TYPE pair AS (a int, b text);"
                       "CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
                       "CREATE DOMAIN positive2 AS positive;"
                       "CREATE DOMAIN code5 AS character(5);"
                       "CREATE DOMAIN price AS numeric(10,2);"
                       "CREATE DOMAIN cash AS money;"
                       "CREATE DOMAIN int_list AS int[];"
                       "CREATE TABLE types (id int");
        for (size_t i = 0; i < TYPE_CASES; i++)
                buf_printf(&sql, ", c%zu %s", i, type_cases[i].type);
        buf_puts(&sql, "); SET standard_conforming_strings = on;"
                       "INSERT INTO types VALUES (1");
        for (size_t i = 0; i < TYPE_CASES; i++)
                buf_printf(&sql, ", $q$%s$q$", type_cases[i].literal);
        buf_puts(&sql, "); INSERT INTO types VALUES (2)");
        pg_sql(NULL, buf_cstr(&sql));
        buf_deinit(&sql);
}

static int check_types(void *ctx, const struct record *record, struct err *e)
{
        size_t *records = ctx;

        (void)e;
        for (size_t i = 0; i < TYPE_CASES; i++) {
                const struct type_case *c = &type_cases[i];
                const char *text = c->text ? c->text : c->literal;
                struct value v = record->row[i + 1];

                if (*records == 1) {
                        assert_null(v.ptr);
                        continue;
                }
                if (!v.ptr || !str_eq((struct str){v.ptr, v.len}, str_of(text)))
                        fail_msg("%s: %s came as %.*s", c->type, c->literal, (int)v.len, v.ptr);
        }
        (*records)++;
        return 0;
}

struct ended {
        bool ended;
        int rc;
        struct err err;
};
static struct ended ended;

static void on_end(void *ctx, int rc, const struct err *e)
{
        (void)ctx;
        ended.ended = true;
        ended.rc = rc;
        if (rc)
                ended.err = *e;
}

static void every_type_has_its_kind_and_text(void **state)
{
        struct fixture *f;
        struct extract *x;
        struct shape shape;
        size_t records = 0;
        struct source_sink sink = {
                .on_record = check_types, .on_reject = NULL, .on_end = on_end, .ctx = &records};
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        make_types();
        f = fixture_open("postgres", NULL);
        assert_int_equal(fixture_extract(f, "{table: types, key: id}", &x, &e), 0);
        int rc = source_describe(f->source, x, f->arena, &shape, &e);
        if (rc)
                fail_msg("%s", e.text);
        assert_int_equal(shape.columns.count, TYPE_CASES + 1);
        assert_int_equal(shape.key_count, 1);
        assert_int_equal(shape.key[0], 0);
        for (size_t i = 0; i < TYPE_CASES; i++) {
                const struct type_case *c = &type_cases[i];
                const struct column *column = &shape.columns.items[i + 1];

                if (column->kind != c->kind || (c->kind == COL_ARRAY && column->elem != c->elem))
                        fail_msg("%s is of kind %d", c->type, column->kind);
                if (c->kind == COL_ARRAY)
                        assert_int_equal(
                                column->delimiter, strcmp(c->type, "box[]") == 0 ? ';' : ',');
        }
        assert_string_equal(shape.columns.items[6].source_type, "numeric(12,2)");
        assert_int_equal(
                source_read_all(f->source, x, &shape, &sink, &(struct source_read *){NULL}, &e), 0);
        assert_int_equal(loop_run_until(f->loop, &ended.ended, &e), 0);
        if (ended.rc)
                fail_msg("%s", ended.err.text);
        assert_int_equal(records, 2);
        fixture_free(f);
}

/* ---- what can be read ---- */

struct read_case {
        const char *name, *yaml, *text;
};

static const struct read_case read_cases[] = {
        {"a table", "{table: plain, key: id}", "1|a;2|-;3|c d;"},
        {"a schema", "{table: shop.plain, key: id}", "7;"},
        {"hyphens", "{table: sale-line, key: ID}", "1|x;"},
        {"capitals and reserved words", "{table: Order, key: select}", "1|2;"},
        {"a dot in a name", "{table: '\"shop\".\"a.b\"', key: id}", "9;"},
        {"a view", "{table: plain_view, key: id}", "1;2;3;"},
        {"a query", "query: |\n  SELECT id FROM plain\n  ORDER BY id DESC;\nkey: id\n", "3;2;1;"},
        {"comments around a query",
                "query: |\n  -- all of them; really\n  SELECT id /* ; */ FROM plain -- end;\n"
                "  ; -- done\nkey: id\n",
                "1;2;3;"},
        {"strings with semicolons",
                "query: SELECT ';' AS a, E'\\';' AS b, $x$;$y$;$x$ AS c, 1 AS \"d;\"\nkey: a\n",
                ";|';|;$y$;|1;"},
        {"VALUES", "query: VALUES (1, 'a'), (2, 'b')\nkey: column1\n", "1|a;2|b;"},
        {"WITH", "query: WITH x AS (SELECT 1 AS a) SELECT a FROM x\nkey: a\n", "1;"},
        {"no rows", "query: SELECT 1 AS a WHERE false\nkey: a\n", ""},
        {"children",
                "query: SELECT id FROM orders\nkey: id\nchildren:\n"
                "  lines: {query: 'SELECT no, sale, qty FROM lines', key: no, parent: sale}\n"
                "  notes: {table: notes, parent: sale}\n",
                "1[10|1|1.5 11|1|2][];2[][2|hello];10[9|10|7][];"},
        {"children by text in another locale",
                "{table: people, key: code, children: {phones: {table: phones, key: [no], parent: "
                "code}}}",
                "A|Anna[A|1];B|Bert[];a|anna[a|2 a|3];b|bert[];\xC3\xA9|\xC3\xA9ric[\xC3\xA9|4];"},
        {"children by char(n) and text",
                "{query: 'SELECT code::char(4) AS code FROM people', key: code, children: {phones: "
                "{table: phones, key: no, parent: code}}}",
                "A   [A|1];B   [];a   [a|2 a|3];b   [];\xC3\xA9   [\xC3\xA9|4];"},
        {"children by integer and numeric",
                "{table: orders, key: id, children: {l: {query: 'SELECT no, sale::numeric(9,2) AS "
                "sale FROM lines', key: no, parent: sale}}}",
                "1[10|1.00 11|1.00];2[];10[9|10.00];"},
        {"children by two columns",
                "query: SELECT * FROM (VALUES (1, 'b'), (1, 'a'), (2, 'a')) v(n, t)\n"
                "key: [n, t]\nchildren:\n"
                "  c: {query: \"SELECT * FROM (VALUES ('a', 2, 'x'), ('a', 1, 'y'), ('b', 1, 'z'), "
                "('c', 1, '?')) v(t, n, x)\", parent: [n, t]}\n",
                "1|a[a|1|y];1|b[b|1|z];2|a[a|2|x];"},
        {"children by date",
                "query: SELECT d::date FROM (VALUES ('2026-01-02'), ('0044-03-15 BC'), "
                "('12026-01-01'), (NULL)) v(d)\nkey: d\nchildren:\n"
                "  c: {query: \"SELECT d::date, x FROM (VALUES ('12026-01-01', 1), ('2026-01-02', "
                "2), ('0044-03-15 BC', 3), (NULL, 4)) v(d, x)\", parent: d}\n",
                "0044-03-15 BC[0044-03-15 BC|3];12026-01-01[12026-01-01|1];"
                "2026-01-02[2026-01-02|2];-[];"},
        {"children by enum",
                "query: SELECT e::mood FROM (VALUES ('sad'), ('ok')) v(e)\nkey: e\nchildren:\n"
                "  c: {query: \"SELECT 'sad'::mood AS e, 1 AS x\", parent: e}\n",
                "ok[];sad[sad|1];"},
        {"children by uuid",
                "query: SELECT ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1' || g)::uuid AS u FROM "
                "generate_series(1, 3) g\nkey: u\nchildren:\n"
                "  c: {query: \"SELECT 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12'::uuid AS u\", "
                "parent: u}\n",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11[];"
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12[a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12];"
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13[];"},
        {"a group",
                "query: SELECT * FROM (VALUES ('b', 2, 'x'), ('a', 1, 'y'), ('b', 1, 'w'), (NULL, "
                "1, "
                "'n'), ('B', 1, 'z'), ('b', 1, 'v')) v(g, n, t)\ngroup: g\n",
                "B|1|z[B|1|z];a|1|y[a|1|y];b|1|v[b|1|v b|1|w b|2|x];-|1|n[-|1|n];"},
        {"a group by numeric text",
                "query: SELECT v::numeric AS g, t::json FROM (VALUES ('1.0', '1'), ('1.00', '2'), "
                "('1.0', '3')) v(v, t)\ngroup: [g]\n",
                "1.0|1[1.0|1 1.0|3];1.00|2[1.00|2];"},
};

static void make_tables(void)
{
        pg_sql(NULL, "CREATE TABLE plain (id int PRIMARY KEY, t text);"
                     "INSERT INTO plain VALUES (1, 'a'), (2, NULL), (3, 'c d');"
                     "CREATE SCHEMA shop; CREATE TABLE shop.plain AS SELECT 7 AS id;"
                     "CREATE TABLE shop.\"a.b\" AS SELECT 9 AS id;"
                     "CREATE TABLE \"sale-line\" AS SELECT 1 AS \"ID\", 'x'::text AS \"a b\";"
                     "CREATE TABLE \"Order\" AS SELECT 1 AS \"select\", 2 AS \"from\";"
                     "CREATE VIEW plain_view AS SELECT id FROM plain ORDER BY id;"
                     "CREATE TABLE orders (id int);"
                     "INSERT INTO orders VALUES (10), (2), (1);"
                     "CREATE TABLE lines (no int, sale int, qty numeric);"
                     "INSERT INTO lines VALUES (11, 1, 2), (9, 10, 7), (10, 1, 1.5), (1, 3, 0), "
                     "(2, NULL, 0), (3, 0, 0);"
                     "CREATE TABLE notes (sale bigint, note text);"
                     "INSERT INTO notes VALUES (2, 'hello');"
                     "CREATE TABLE people (code text COLLATE \"en-x-icu\", name text);"
                     "INSERT INTO people VALUES ('a', 'anna'), ('B', 'Bert'), ('A', 'Anna'), "
                     "('b', 'bert'), ('\xC3\xA9', '\xC3\xA9ric');"
                     "CREATE TABLE phones (code text COLLATE \"en-x-icu\", no int);"
                     "INSERT INTO phones VALUES ('a', 3), ('A', 1), ('a', 2), ('\xC3\xA9', 4), "
                     "('zz', 9), (NULL, 8);");
}

static void tables_and_queries_are_read(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        make_tables();
        for (size_t i = 0; i < sizeof(read_cases) / sizeof(read_cases[0]); i++) {
                const struct read_case *c = &read_cases[i];

                /* As it comes; with pauses; with holds: always the same. */
                for (int mode = 0; mode < 3; mode++) {
                        struct fixture *f = fixture_open("postgres", NULL);
                        struct sink s = {.pause_every = mode == 1, .hold_every = mode == 2};

                        if (fixture_read(f, c->yaml, &s) != 0)
                                fail_msg("%s: %s", c->name, s.err.text);
                        if (strcmp(buf_cstr(&s.text), c->text) != 0)
                                fail_msg("%s: %s", c->name, buf_cstr(&s.text));
                        sink_deinit(&s);
                        fixture_free(f);
                }
        }
}

struct key_case {
        const char *name, *yaml;
        const char *keys[4];
        size_t rows;
        const char *text; /* NULL: an error with ... */
        const char *error;
};

static const struct key_case key_cases[] = {
        {"one", "{table: plain, key: id}", {"2"}, 1, "2|-;"},
        {"some, one of them absent", "{table: plain, key: id}", {"3", "99", "1"}, 3, "1|a;3|c d;"},
        {"none", "{table: plain, key: id}", {NULL}, 0, ""},
        {"text with a quote and a backslash",
                "{query: \"SELECT 'it''s \\\\' AS k UNION SELECT 'x'\", key: k}", {"it's \\"}, 1,
                "it's \\;"},
        {"two columns", "{query: 'SELECT 1 AS a, 2 AS b UNION SELECT 1, 3', key: [a, b]}",
                {"1", "3", "1", "4"}, 2, "1|3;"},
        {"with children",
                "{table: orders, key: id, children: {lines: {table: lines, key: no, parent: "
                "sale}}}",
                {"1", "10"}, 2, "1[10|1|1.5 11|1|2];10[9|10|7];"},
        {"a group",
                "{query: \"SELECT 'a' AS g, 1 AS n UNION SELECT 'a', 2 UNION SELECT 'b', 3\", "
                "group: g}",
                {"a"}, 1, "a|1[a|1 a|2];"},
        {"a number in full", "{query: 'SELECT 7.50::numeric(9,2) AS n', key: n}", {"7.499"}, 1, ""},
        {"a money key", "{query: 'SELECT 7.5::numeric::money AS n', key: n}", {"7.50"}, 1, "7.50;"},
        {"char(n)", "{query: \"SELECT 'ab'::char(5) AS c\", key: c}", {"ab"}, 1, "ab   ;"},
        {"not an integer", "{table: plain, key: id}", {"abc"}, 1, NULL,
                "invalid input syntax for type integer: \"abc\""},
        {"too large", "{table: plain, key: id}", {"99999999999"}, 1, NULL, "out of range"},
        {"an injection", "{table: plain, key: id}", {"1'::int) OR true --"}, 1, NULL,
                "invalid input syntax"},
};

static void records_are_read_by_key(void **state)
{
        struct fixture *f;

        (void)state;
        pg_cluster_or_skip();
        f = fixture_open("postgres", NULL);
        for (size_t i = 0; i < sizeof(key_cases) / sizeof(key_cases[0]); i++) {
                const struct key_case *c = &key_cases[i];
                struct sink s = {0};
                struct value keys[4];

                for (size_t k = 0; k < 4; k++)
                        keys[k] = (struct value){
                                c->keys[k], c->keys[k] ? (uint32_t)strlen(c->keys[k]) : 0};
                int rc = fixture_read_keys(f, c->yaml, keys, c->rows, &s);
                if (c->error) {
                        assert_int_equal(rc, -ERR_CONFIG);
                        if (!strstr(s.err.text, c->error) || !strstr(s.err.text, "key"))
                                fail_msg("%s: %s", c->name, s.err.text);
                } else if (rc || strcmp(buf_cstr(&s.text), c->text) != 0) {
                        fail_msg("%s: %s", c->name, rc ? s.err.text : buf_cstr(&s.text));
                }
                sink_deinit(&s);
                f->doc_count--; /* so that there is room for all of them */
                ydoc_free(f->docs[f->doc_count]);
        }
        fixture_free(f);
}

/* ---- what an operator is told ---- */

struct error_case {
        const char *yaml;
        int rc;
        const char *words[3]; /* all of them in the message */
};

static const struct error_case describe_errors[] = {
        {"table: nowhere\nkey: id\n", -ERR_CONFIG,
                {"mapper.yaml:1:1: table: ", "relation \"nowhere\" does not exist", "42P01"}},
        {"key: id\ntable: Plain\n", -ERR_CONFIG,
                {"mapper.yaml:2:1: ", "\"Plain\"", "; did you mean plain?"}},
        {"query: SELECT * FROM plan\nkey: id\n", -ERR_CONFIG,
                {"mapper.yaml:1:1: ", "\"plan\"", "; did you mean plain?"}},
        {"query: SELECT * FROM public.\"Plain\"\nkey: id\n", -ERR_CONFIG,
                {"\"public.Plain\"", "; did you mean plain?"}},
        {"table: qqqqqqqq\nkey: id\n", -ERR_CONFIG, {"\"qqqqqqqq\"", "no table has a name like"}},
        {"query: SELECT * FROM plain WHERE id = :id\nkey: id\n", -ERR_CONFIG,
                {"syntax error", "a query has no parameters"}},
        {"query: SELECT id FROM plain WHERE\nkey: id\n", -ERR_CONFIG,
                {"syntax error", "the query ends too early"}},
        {"query: SELECT `id` FROM plain\nkey: id\n", -ERR_CONFIG, {"backticks"}},
        {"table: plain\nkey: 'id, t'\n", -ERR_CONFIG,
                {"no column \"id, t\"", "write several columns as a list: [id, t]"}},
        {"table: a.b.c\nkey: id\n", -ERR_CONFIG, {"mapper.yaml:1:1: ", "SCHEMA.NAME"}},
        {"query: |\n  SELECT id,\n    prize\n  FROM plain\nkey: id\n", -ERR_CONFIG,
                {"mapper.yaml:1:1: query: ", "column \"prize\" does not exist",
                        "line 2, column 3 of the query"}},
        {"query: SELECT 1 FRM x\nkey: id\n", -ERR_CONFIG, {"syntax error", "line 1, column 14"}},
        {"query: SELEC 1\nkey: id\n", -ERR_CONFIG,
                {"syntax error", "line 1, column 7", "begins with SELECT or WITH, not with SELEC"}},
        {"query: SELECT 1 AS a; DROP TABLE plain\nkey: a\n", -ERR_CONFIG,
                {"mapper.yaml:1:1: ", "more than one statement"}},
        {"query: SELECT 1 AS a) q; DROP TABLE plain; --\nkey: a\n", -ERR_CONFIG, {"parenthesis"}},
        {"query: SELECT 1 AS a FROM plain WHERE t = 'x\nkey: a\n", -ERR_CONFIG, {"does not end"}},
        {"query: SELECT 1 AS a, 2 AS b, 3 AS a\nkey: a\n", -ERR_CONFIG,
                {"two columns", "\"a\"", "AS"}},
        {"query: SELECT\nkey: a\n", -ERR_CONFIG, {"no columns"}},
        {"query: SELECT $1::int AS a\nkey: a\n", -ERR_CONFIG, {"$1"}},
        {"query: UPDATE plain SET t = 'x' RETURNING id\nkey: id\n", -ERR_CONFIG,
                {"syntax error", "a query only reads", "not with UPDATE"}},
        {"table: plain\nkey: [idd]\n", -ERR_CONFIG,
                {"mapper.yaml:2:1: ", "no column \"idd\"", "did you mean \"id\"?"}},
        {"table: plain\ngroup: zzz\n", -ERR_CONFIG, {"mapper.yaml:2:1: ", "no column \"zzz\""}},
        {"table: plain\nkey: id\nchildren:\n  l:\n    table: lines\n    parent: sales\n",
                -ERR_CONFIG, {"mapper.yaml:6:13: ", "children.l.parent", "did you mean \"sale\"?"}},
        {"table: plain\nkey: id\nchildren:\n  l:\n    parent: sale\n    table: linez\n",
                -ERR_CONFIG, {"mapper.yaml:6:12: ", "linez"}},
        {"table: plain\nkey: id\nchildren: {p: {table: phones, parent: code}}\n", -ERR_CONFIG,
                {"mapper.yaml:3:", "\"code\" (text) cannot be merged", "numeric"}},
        {"query: SELECT 1.5::float8 AS f\nkey: f\nchildren: {p: {query: 'SELECT 1.5::float8 AS f', "
         "parent: f}}\n",
                -ERR_CONFIG, {"double precision", "cast one of them"}},
};

static void descriptions_that_fail_say_where_and_why(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        for (size_t i = 0; i < sizeof(describe_errors) / sizeof(describe_errors[0]); i++) {
                const struct error_case *c = &describe_errors[i];
                struct fixture *f = fixture_open("postgres", NULL);
                struct shape shape;
                struct extract *x;
                struct err e = {0};

                int rc = fixture_extract(f, c->yaml, &x, &e);
                if (!rc)
                        rc = source_describe(f->source, x, f->arena, &shape, &e);
                if (rc != c->rc)
                        fail_msg("%d: %s: %s", rc, c->yaml, e.text);
                for (size_t k = 0; k < 3 && c->words[k]; k++) {
                        if (!strstr(e.text, c->words[k]))
                                fail_msg("no \"%s\" in: %s", c->words[k], e.text);
                }
                /* The source is as good as before. */
                assert_int_equal(fixture_extract(f, "{table: plain, key: id}", &x, &e), 0);
                assert_int_equal(source_describe(f->source, x, f->arena, &shape, &e), 0);
                fixture_free(f);
        }
}

static const struct error_case read_errors[] = {
        {"query: SELECT id, 1 / (id - 3) AS d FROM plain\nkey: id\n", -ERR_CONFIG,
                {"mapper.yaml:1:1: query: ", "division by zero", "22012"}},
        {"query: SELECT id, nextval('counter') AS n FROM plain\nkey: id\n", -ERR_CONFIG,
                {"mapper.yaml:1:1: query: ", "read-only transaction", "must not write"}},
        {"query: SELECT id, pg_sleep(5)::text AS n FROM plain\nkey: id\n", -ERR_RETRY,
                {"statement timeout", "statement_timeout"}},
};

static void reads_that_fail_say_where_and_why(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        pg_sql(NULL, "CREATE SEQUENCE counter");
        for (size_t i = 0; i < sizeof(read_errors) / sizeof(read_errors[0]); i++) {
                const struct error_case *c = &read_errors[i];
                struct fixture *f = fixture_open("postgres", "statement_timeout: 300ms");
                struct sink s = {0}, again = {0};

                assert_int_equal(fixture_read(f, c->yaml, &s), c->rc);
                for (size_t k = 0; k < 3 && c->words[k]; k++) {
                        if (!strstr(s.err.text, c->words[k]))
                                fail_msg("no \"%s\" in: %s", c->words[k], s.err.text);
                }
                assert_int_equal(fixture_read(f, "{table: plain, key: id}", &again), 0);
                assert_string_equal(buf_cstr(&again.text), "1|a;2|-;3|c d;");
                sink_deinit(&s);
                sink_deinit(&again);
                fixture_free(f);
        }
        assert_string_equal(pg_sql(NULL, "SELECT is_called FROM counter"), "f");
}

static void missing_rights_are_seen_before_the_read(void **state)
{
        struct fixture *f;
        struct extract *x;
        struct shape shape;
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        pg_sql(NULL, "CREATE ROLE nobody LOGIN PASSWORD 'pw'");
        f = fixture_open("postgres user=nobody password=pw", NULL);
        assert_int_equal(fixture_extract(f, "{table: plain, key: id}", &x, &e), 0);
        assert_int_equal(source_describe(f->source, x, f->arena, &shape, &e), -ERR_CONFIG);
        assert_string_equal(e.sqlstate, "42501");
        assert_non_null(strstr(e.text, "permission denied for table plain"));
        assert_non_null(strstr(e.text, "GRANT SELECT"));
        fixture_free(f);
}

/* ---- changes between description and read ---- */

static const struct {
        const char *change, *words;
} changes[] = {
        {"ALTER TABLE moving ALTER n TYPE text", "column \"n\" is text now, it was integer"},
        {"ALTER TABLE moving DROP n", "column \"n\" is \"t\" now"},
        {"ALTER TABLE moving ADD x int", "column \"x\" is there now"},
        {"ALTER TABLE moving DROP t", "column \"t\" is gone now"},
        {"ALTER TABLE moving RENAME n TO m", "column \"n\" is \"m\" now"},
        {"DROP TABLE moving", "does not exist"},
};

static void a_source_that_changed_ends_the_read(void **state)
{
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                struct fixture *f = fixture_open("postgres", NULL);
                struct sink s = {0};

                pg_sql(NULL, "DROP TABLE IF EXISTS moving; CREATE TABLE moving AS "
                             "SELECT 1 AS id, 2 AS n, 'x'::text AS t");
                assert_int_equal(fixture_start(f, "{table: moving, key: id}", NULL, 0, &s, &e), 0);
                pg_sql(NULL, changes[i].change);
                assert_int_equal(loop_run_until(f->loop, &s.ended, &e), 0);
                assert_int_equal(s.rc, -ERR_CONFIG);
                assert_int_equal(s.records, 0);
                if (!strstr(s.err.text, changes[i].words))
                        fail_msg("%s: %s", changes[i].change, s.err.text);
                sink_deinit(&s);
                fixture_free(f);
        }
}

static void add_late_rows(void *ctx)
{
        (void)ctx;
        pg_sql(NULL, "INSERT INTO family VALUES (100001, 1);"
                     "INSERT INTO kids SELECT 1, g FROM generate_series(1, 50) g;"
                     "INSERT INTO kids SELECT 100000, g FROM generate_series(1, 50) g;"
                     "DELETE FROM kids WHERE parent = 50000");
}

/* Rows that commit while a read is under way are in none of its streams, or in all. */
static void all_streams_read_one_snapshot(void **state)
{
        struct fixture *f;
        struct sink s = {.at_first = add_late_rows};

        (void)state;
        pg_cluster_or_skip();
        pg_sql(NULL,
                "CREATE TABLE family AS SELECT g AS id, 0 AS n FROM generate_series(1, 100000) g;"
                "CREATE TABLE kids AS SELECT g AS parent, 0 AS n FROM "
                "generate_series(1, 100000) g");
        f = fixture_open("postgres", NULL);
        assert_int_equal(fixture_read(f,
                                 "{table: family, key: id, children: {a: {table: kids, parent: "
                                 "parent}, b: {table: kids, parent: parent}}}",
                                 &s),
                0);
        assert_int_equal(s.records, 100000);
        assert_non_null(strstr(buf_cstr(&s.text), ";50000|0[50000|0][50000|0];"));
        assert_non_null(strstr(buf_cstr(&s.text), ";100000|0[100000|0][100000|0];"));
        assert_null(strstr(buf_cstr(&s.text), "100001"));
        sink_deinit(&s);
        fixture_free(f);
}

/* ---- bytes that are not text ---- */

static void a_database_without_encoding_gives_its_bytes(void **state)
{
        struct fixture *f;
        struct sink s = {0};

        (void)state;
        pg_cluster_or_skip();
        pg_sql(NULL, "CREATE DATABASE bytes ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' "
                     "TEMPLATE template0");
        pg_sql("bytes", "CREATE TABLE t AS SELECT 1 AS id, E'ok'::text AS t UNION "
                        "SELECT 2, E'\\xE9t\\xE9' UNION SELECT 3, 'more'");
        f = fixture_open("bytes", NULL);
        assert_int_equal(fixture_read(f, "{query: SELECT * FROM t ORDER BY id, key: id}", &s), 0);
        assert_string_equal(buf_cstr(&s.text), "1|ok;2|\xE9t\xE9;3|more;");
        sink_deinit(&s);
        fixture_free(f);
}

static void a_database_of_another_encoding_is_converted(void **state)
{
        struct fixture *f;
        struct sink s = {0};

        (void)state;
        pg_cluster_or_skip();
        pg_sql(NULL, "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' "
                     "TEMPLATE template0");
        pg_sql("latin", "CREATE TABLE \"\xC3\xA9t\xC3\xA9\" AS SELECT 1 AS id, '\xC3\xA9' AS t");
        f = fixture_open("latin", NULL);
        assert_int_equal(fixture_read(f, "{table: \xC3\xA9t\xC3\xA9, key: id}", &s), 0);
        assert_string_equal(buf_cstr(&s.text), "1|\xC3\xA9;");
        sink_deinit(&s);
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
                cmocka_unit_test(every_type_has_its_kind_and_text),
                cmocka_unit_test(tables_and_queries_are_read),
                cmocka_unit_test(records_are_read_by_key),
                cmocka_unit_test(descriptions_that_fail_say_where_and_why),
                cmocka_unit_test(reads_that_fail_say_where_and_why),
                cmocka_unit_test(missing_rights_are_seen_before_the_read),
                cmocka_unit_test(a_source_that_changed_ends_the_read),
                cmocka_unit_test(all_streams_read_one_snapshot),
                cmocka_unit_test(a_database_without_encoding_gives_its_bytes),
                cmocka_unit_test(a_database_of_another_encoding_is_converted),
        };
        return cmocka_run_group_tests(tests, NULL, stop_cluster);
}
