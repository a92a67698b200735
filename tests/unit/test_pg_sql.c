/* Statements put together from what others wrote, merge orders, connection strings: no server. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/source/postgres/dsn.h"
#include "ingest/source/postgres/error.h"
#include "ingest/source/postgres/sql.h"
#include "ingest/source/postgres/types.h"

struct text_case {
        const char *in, *out; /* NULL: refused */
        const char *words;    /* in the refusal */
};

static const struct text_case single_cases[] = {
        {"SELECT 1", "SELECT 1"},
        {"SELECT 1;", "SELECT 1"},
        {" SELECT 1 ; ; -- x\n", " SELECT 1"},
        {"SELECT 1 -- a ; b", "SELECT 1"},
        {"-- first\nSELECT 1 /* ; /* nested ; */ ; */ + 1;",
                "-- first\nSELECT 1 /* ; /* nested ; */ ; */ + 1"},
        {"SELECT ';', \";\", E'\\';', $$;$$, $a$;$$;$a$",
                "SELECT ';', \";\", E'\\';', $$;$$, $a$;$$;$a$"},
        {"SELECT 'it''s;' ;", "SELECT 'it''s;'"},
        {"SELECT 'back\\'; -- x", "SELECT 'back\\'"},
        {"SELECT name'x;y'", "SELECT name'x;y'"},
        {"SELECT a$b$c FROM t; ", "SELECT a$b$c FROM t"},
        {"SELECT (1)", "SELECT (1)"},
        {"SELECT a - -1 / 2", "SELECT a - -1 / 2"},
        {"SELECT 'Zo\xC3\xAB;'", "SELECT 'Zo\xC3\xAB;'"},
        {"", NULL, "empty"},
        {" ; ", NULL, "empty"},
        {"-- only a comment", NULL, "empty"},
        {"SELECT 1;\nSELECT 2", NULL, "second one begins in line 2"},
        {"SELECT 1; /* x */ ;\n\n DROP TABLE t", NULL, "second one begins in line 3"},
        {"SELECT '\n;", NULL, "string that begins in line 1"},
        {"SELECT\n\"x", NULL, "quoted name that begins in line 2"},
        {"SELECT $x$ $y$", NULL, "string that begins"},
        {"SELECT 1 /* /* */", NULL, "comment that begins"},
        {"SELECT 1; /* x", NULL, "comment that begins"},
        {"SELECT E'\\", NULL, "string that begins"},
        {"SELECT (1", NULL, "not closed"},
        {"SELECT 1) q; DROP TABLE t; --", NULL, "no opening one"},
};

static void a_query_is_one_statement(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(single_cases) / sizeof(single_cases[0]); i++) {
                const struct text_case *c = &single_cases[i];
                char *copy = str_dup(str_of(c->in)); /* no byte more: a read behind is seen */
                struct str got;
                struct err e;

                int rc = pg_sql_single((struct str){copy, strlen(copy)}, &got, &e);
                if (c->out && (rc || !str_is(got, c->out)))
                        fail_msg("%s: %s", c->in, rc ? e.text : "another text");
                if (!c->out && (rc != -ERR_CONFIG || !strstr(e.text, c->words)))
                        fail_msg("%s: %s", c->in, rc ? e.text : "was taken");
                free(copy);
        }
}

static const struct text_case table_cases[] = {
        {"product", "\"product\""},
        {"public.product", "\"public\".\"product\""},
        {"sale-line", "\"sale-line\""},
        {"Order", "\"Order\""},
        {"\"a.b\"", "\"a.b\""},
        {"\"a.b\".\"c\"\"d\"", "\"a.b\".\"c\"\"d\""},
        {"x; DROP TABLE y", "\"x; DROP TABLE y\""},
        {"", NULL, "SCHEMA.NAME"},
        {".x", NULL, "SCHEMA.NAME"},
        {"x.", NULL, "SCHEMA.NAME"},
        {"a.b.c", NULL, "SCHEMA.NAME"},
        {"\"a", NULL, "SCHEMA.NAME"},
        {"\"\"", NULL, "SCHEMA.NAME"},
        {"a\"b", NULL, "SCHEMA.NAME"},
        {"\"a\"b", NULL, "SCHEMA.NAME"},
};

static void table_names_are_quoted(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(table_cases) / sizeof(table_cases[0]); i++) {
                const struct text_case *c = &table_cases[i];
                cleanup_buf_ struct buf sql;
                struct err e;

                buf_init(&sql, 4096);
                int rc = pg_sql_table(&sql, c->in, &e);
                if (c->out && (rc || !str_is(buf_str(&sql), c->out)))
                        fail_msg("%s: %s", c->in, rc ? e.text : buf_cstr(&sql));
                if (!c->out && (rc != -ERR_CONFIG || !strstr(e.text, c->words)))
                        fail_msg("%s: %s", c->in, rc ? e.text : "was taken");
        }
}

static void literals_are_quoted(void **state)
{
        cleanup_buf_ struct buf sql;

        (void)state;
        buf_init(&sql, 4096);
        pg_sql_literal(&sql, STR("it's \\ \"x\""));
        pg_sql_ident(&sql, STR("a\"b'c"));
        assert_string_equal(buf_cstr(&sql), "'it''s \\ \"x\"'\"a\"\"b'c\"");
}

/* ---- how columns are merged ---- */

static const struct pg_column int4 = {.base = 23, .category = 'N', .class = 'b'};
static const struct pg_column int8 = {.base = 20, .category = 'N', .class = 'b'};
static const struct pg_column numeric = {.base = 1700, .category = 'N', .class = 'b'};
static const struct pg_column float8 = {.base = 701, .category = 'N', .class = 'b'};
static const struct pg_column text = {.base = 25, .category = 'S', .class = 'b'};
static const struct pg_column varchar = {.base = 1043, .category = 'S', .class = 'b'};
static const struct pg_column bpchar = {.base = 1042, .category = 'S', .class = 'b'};
static const struct pg_column citext = {.base = 99999, .category = 'S', .class = 'b'};
static const struct pg_column uuid = {.base = 2950, .category = 'U', .class = 'b'};
static const struct pg_column date = {.base = 1082, .category = 'D', .class = 'b'};
static const struct pg_column stamp = {.base = 1114, .category = 'D', .class = 'b'};
static const struct pg_column mood = {.base = 77777, .category = 'E', .class = 'e'};
static const struct pg_column inet = {.base = 869, .category = 'I', .class = 'b'};

static const struct {
        const struct pg_column *columns[3];
        size_t count;
        int order; /* -1: refused */
} order_cases[] = {
        {{&int4, &int4}, 2, ROW_ORDER_DECIMAL},
        {{&int4, &int8, &numeric}, 3, ROW_ORDER_DECIMAL},
        {{&text, &varchar, &citext}, 3, ROW_ORDER_BYTES},
        {{&text, &varchar, &bpchar}, 3, ROW_ORDER_PADDED},
        {{&uuid, &uuid}, 2, ROW_ORDER_BYTES},
        {{&date, &date}, 2, ROW_ORDER_BYTES},
        {{&mood, &mood}, 2, ROW_ORDER_BYTES},
        {{&int4, &text}, 2, -1},
        {{&int4, &float8}, 2, -1},
        {{&float8, &float8}, 2, -1},
        {{&date, &stamp}, 2, -1},
        {{&uuid, &text}, 2, -1},
        {{&inet, &inet}, 2, -1},
        {{&mood, &text}, 2, -1},
};

static void only_what_sorts_alike_is_merged(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(order_cases) / sizeof(order_cases[0]); i++) {
                enum row_order order;
                bool ok = pg_merge_order(order_cases[i].columns, order_cases[i].count, &order);

                assert_int_equal(ok ? (int)order : -1, order_cases[i].order);
        }
}

/* ---- classes ---- */

static const struct {
        const char *sqlstate;
        enum err_class class;
} class_cases[] = {
        {"08000", ERR_RETRY},
        {"08001", ERR_RETRY},
        {"08006", ERR_RETRY},
        {"08P01", ERR_CONFIG},
        {"22012", ERR_CONFIG},
        {"25006", ERR_CONFIG},
        {"25P03", ERR_RETRY},
        {"25P04", ERR_RETRY},
        {"28P01", ERR_CONFIG},
        {"28000", ERR_CONFIG},
        {"3D000", ERR_CONFIG},
        {"40001", ERR_RETRY},
        {"40P01", ERR_RETRY},
        {"42501", ERR_CONFIG},
        {"42P01", ERR_CONFIG},
        {"42703", ERR_CONFIG},
        {"53100", ERR_RETRY},
        {"53200", ERR_RETRY},
        {"53300", ERR_RETRY},
        {"53400", ERR_CONFIG},
        {"55006", ERR_RETRY},
        {"55P03", ERR_RETRY},
        {"57014", ERR_RETRY},
        {"57P01", ERR_RETRY},
        {"57P02", ERR_RETRY},
        {"57P03", ERR_RETRY},
        {"57P04", ERR_CONFIG},
        {"57P05", ERR_RETRY},
        {"58030", ERR_RETRY},
        {"72000", ERR_RETRY},
        {"HV00N", ERR_RETRY},
        {"HV000", ERR_CONFIG},
        {"P0001", ERR_CONFIG},
        {"XX000", ERR_RETRY},
        {"XX001", ERR_CONFIG},
        {"XX002", ERR_CONFIG},
};

static void sqlstates_decide_what_happens(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(class_cases) / sizeof(class_cases[0]); i++)
                assert_int_equal(pg_error_class(class_cases[i].sqlstate), class_cases[i].class);
}

static const struct {
        const char *dsn;
        bool ok;
} dsn_cases[] = {
        {"postgresql://u:p@host:5432/db", true},
        {"postgres://u:p%40q%2Fr@host/db", true},
        {"postgresql://u:p?x@host/db", true},
        {"postgresql://u@a,b:5433,[::1]/db?sslmode=require", true},
        {"postgresql:///db?host=/run/postgresql", true},
        {"postgresql://host/db?user=a@b&password=c@d", true},
        {"host=localhost user=u password='a@b/c d' dbname='x@y'", true},
        {"service=erp", true},
        {"", true},
        {"postgresql://u:p@q@host/db", false},
        {"postgresql://u:p/q@host/db", false},
        {"postgresql://u:p@q/r@host/db", false},
        {"postgresql://u:p/q", false},
        {"host=localhost port=x", false},
        {"host=localhost port=0", false},
        {"host=localhost port=543200", false},
        {"host=a,b port=5432,", true},
        {"host=localhost;dbname=x;user=u;password=p", false},
        {"host=localhost, dbname=x, user=u, password=p", false},
        {"dbname=x user=u;password=p", false},
        {"host=localhost sslmode=on", false},
        {"host=localhost sslmode=verify-full", true},
        {"mysql://u:p@host/db", false},
        {"jdbc:postgresql://host/db", false},
        {"nonsense", false},
        {"sslmod=require", false},
};

static void connection_strings_are_checked(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(dsn_cases) / sizeof(dsn_cases[0]); i++) {
                struct err e;

                if ((pg_dsn_check(dsn_cases[i].dsn, &e) == 0) != dsn_cases[i].ok)
                        fail_msg("%s", dsn_cases[i].dsn);
        }
}

static void a_query_begins_with_a_word_that_reads(void **state)
{
        static const struct {
                const char *query, *first;
                bool reads;
        } cases[] = {
                {"SELECT 1", "SELECT", true},
                {"-- all\n ((select 1) UNION (select 2))", "select", true},
                {"/* a */ With x AS (VALUES (1)) TABLE x", "With", true},
                {"values (1)", "values", true},
                {"TABLE x", "TABLE", true},
                {"SELECTED", "SELECTED", false},
                {"delete from x", "delete", false},
                {"", "", false},
                {"((", "", false},
                {"'select'", "", false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct str first;

                assert_int_equal(pg_sql_reads(str_of(cases[i].query), &first), cases[i].reads);
                assert_true(str_is(first, cases[i].first));
        }
}

static const struct {
        const char *dsn, *words;
} habit_cases[] = {
        {"jdbc:postgresql://h/d?user=u&password=hunter2", "JDBC"},
        {"mysql://u:hunter2@h/d", "MySQL"},
        {"$ERP_DSN", "${NAME}"},
        {"%ERP_DSN%", "${NAME}"},
        {"host=h database=d password=hunter2", "'database' is written dbname"},
        {"Server=h;Pwd=hunter2", "'server' is written host"},
        {"host=h user=u pwd = hunter2", "'pwd' is written password"},
        {"host=h;dbname=d;password=hunter2", "separated by blanks"},
        {"host=h port=70000 password=hunter2", "from 1 to 65535"},
        {"host=h sslmode=hunter2", "sslmode is disable"},
};

static void what_a_string_was_meant_to_be_is_said_without_its_secrets(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(habit_cases) / sizeof(habit_cases[0]); i++) {
                struct err e = {0};

                assert_int_equal(pg_dsn_check(habit_cases[i].dsn, &e), -ERR_CONFIG);
                if (!strstr(e.text, habit_cases[i].words) || strstr(e.text, "hunter2"))
                        fail_msg("%s: %s", habit_cases[i].dsn, e.text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_query_is_one_statement),
                cmocka_unit_test(table_names_are_quoted),
                cmocka_unit_test(literals_are_quoted),
                cmocka_unit_test(only_what_sorts_alike_is_merged),
                cmocka_unit_test(sqlstates_decide_what_happens),
                cmocka_unit_test(connection_strings_are_checked),
                cmocka_unit_test(a_query_begins_with_a_word_that_reads),
                cmocka_unit_test(what_a_string_was_meant_to_be_is_said_without_its_secrets),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
