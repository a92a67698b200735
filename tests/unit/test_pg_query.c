#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ingest/source/postgres/query.h"

/* What PostgreSQL names the columns; NULL: it is not told. */
static const struct {
        const char *query, *names;
} outputs[] = {
        {"SELECT id, code FROM t", "id code"},
        {"select Id, T.Code, s.t.x from t", "id code x"},
        {"SELECT \"Id\", t.\"a b\" FROM t", "Id a b"},
        {"SELECT t.\"a \"\"b\" FROM t", NULL},
        {"SELECT count(*) AS n, a + b AS \"Sum\", CASE WHEN a THEN b END AS c FROM t", "n Sum c"},
        {"SELECT a::int AS n, CAST(b AS text) AS c, extract(epoch FROM d) AS e FROM t", "n c e"},
        {"SELECT (SELECT max(x) FROM u) AS m, array[1, 2] AS a, a IS DISTINCT FROM b AS d FROM t",
                "m a d"},
        {"-- all\nSELECT /* , x */ id, 'a, b' AS s, $$, from $$ AS d\nFROM t;\n", "id s d"},
        {"WITH x AS (SELECT z FROM y), w(q) AS (VALUES (1)) SELECT id AS k FROM x", "k"},
        {"SELECT a AS x FROM t UNION ALL SELECT b AS y FROM u", "x"},
        {"SELECT 1 AS from_, t.order, 2 AS limit FROM t", "from_ order limit"},
        {"SELECT 1 AS a", "a"},
        {"SELECT a, b ORDER BY 1", "a b"},
        {"SELECT * FROM t", NULL},
        {"SELECT t.* FROM t", NULL},
        {"SELECT id, t.*, b FROM t", NULL},
        {"SELECT count(*) FROM t", NULL},
        {"SELECT a b FROM t", NULL},
        {"SELECT a::text FROM t", NULL},
        {"SELECT DISTINCT a FROM t", NULL},
        {"SELECT DISTINCT ON (a) a, b FROM t", NULL},
        {"SELECT NULL, true FROM t", NULL},
        {"SELECT 1 FROM t", NULL},
        {"SELECT 'a' FROM t", NULL},
        {"SELECT E'a' FROM t", NULL},
        {"SELECT größe FROM t", NULL}, /* folded as the server's locale has it */
        {"SELECT U&\"d\" FROM t", NULL},
        {"SELECT a, FROM t", NULL},
        {"SELECT FROM t", NULL},
        {"SELECT a AS", NULL},
        {"SELECT (a FROM t", NULL},
        {"SELECT 'a FROM t", NULL},
        {"(SELECT a FROM t)", NULL},
        {"VALUES (1)", NULL},
        {"TABLE t", NULL},
        {"WITH x AS (SELECT 1)", NULL},
        {"", NULL},
        {"SELECT aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa FROM t",
                NULL},
};

static void names_of_outputs(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
                cleanup_buf_ struct buf all = BUF_INIT(4096);
                struct string_list names = {NULL, 0};
                bool known = pg_query_outputs(outputs[i].query, arena, &names);

                for (size_t k = 0; k < names.count; k++)
                        buf_printf(&all, "%s%s", k ? " " : "", names.items[k]);
                const char *found = known ? buf_cstr(&all) : NULL;
                if (known != !!outputs[i].names || (known && strcmp(found, outputs[i].names) != 0))
                        fail_msg("%s gives %s", outputs[i].query, known ? found : "nothing");
        }
}

static void nulls_of_outputs(void **state)
{
        static const struct {
                const char *query;
                enum column_nulls of_not_null, of_nullable;
        } rows[] = {
                {NULL, NULLS_NEVER, NULLS_POSSIBLE},
                {"SELECT a FROM t JOIN u ON true", NULLS_NEVER, NULLS_POSSIBLE},
                {"SELECT a FROM t LEFT JOIN u ON true", NULLS_UNKNOWN, NULLS_POSSIBLE},
                {"SELECT a FROM t full\nouter join u ON true", NULLS_UNKNOWN, NULLS_POSSIBLE},
                {"SELECT a FROM t GROUP BY ROLLUP (a)", NULLS_UNKNOWN, NULLS_POSSIBLE},
                {"SELECT a FROM t WHERE a IS NOT NULL", NULLS_NEVER, NULLS_UNKNOWN},
                {"SELECT a FROM t WHERE a notnull", NULLS_NEVER, NULLS_UNKNOWN},
                {"SELECT 'left' AS \"right\" FROM t -- full", NULLS_NEVER, NULLS_POSSIBLE},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                assert_int_equal(pg_query_nulls(rows[i].query, true), rows[i].of_not_null);
                assert_int_equal(pg_query_nulls(rows[i].query, false), rows[i].of_nullable);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_of_outputs),
                cmocka_unit_test(nulls_of_outputs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
