/* What names and types say: cursors, keys that nobody declared, the table that was meant. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/source/catalog.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define COLUMN(name_, kind_, nullable_, indexed_)                                                  \
        {                                                                                          \
                .name = (name_), .sql = (name_), .type = "", .kind = (kind_),                      \
                .nullable = (nullable_), .indexed = (indexed_), .readable = true                   \
        }

static void test_cursors(void **state)
{
        static const struct catalog_column columns[] = {
                COLUMN("create_date", COL_TIMESTAMP, false, true),
                COLUMN("date_order", COL_TIMESTAMP, false, true),
                COLUMN("UpdateDate", COL_DATE, true, false),
                COLUMN("write_date", COL_TIMESTAMP, true, false),
                COLUMN("updated_at", COL_TIMESTAMPTZ, false, false),
                COLUMN("LastModified", COL_TIMESTAMPTZ, true, true),
                COLUMN("modified_by", COL_INT, true, true),
                COLUMN("exchange_date", COL_DATE, false, true),
                COLUMN("password_changed", COL_TIMESTAMP, false, true),
                COLUMN("row_version", COL_INT, false, false),
                COLUMN("update_note", COL_TEXT, false, true),
        };
        static const size_t expected[] = {5, 9, 4, 3, 2};
        struct catalog_table t = {.columns = columns, .column_count = COUNT(columns)};
        struct arena *arena = arena_new(1 << 16);
        struct err e;

        (void)state;
        assert_int_equal(catalog_rank_cursors(&t, arena, &e), 0);
        assert_int_equal(t.cursor_count, COUNT(expected));
        assert_memory_equal(t.cursors, expected, sizeof(expected));
        arena_free(arena);
}

static void test_unreadable_columns_are_no_cursors_and_no_keys(void **state)
{
        struct catalog_column columns[] = {
                COLUMN("id", COL_INT, false, true),
                COLUMN("write_date", COL_TIMESTAMP, false, true),
        };
        struct catalog_table t = {.name = "t", .columns = columns, .column_count = 2};
        size_t keys[CATALOG_MAX_CANDIDATES];
        struct arena *arena = arena_new(1 << 16);
        struct err e;

        (void)state;
        columns[0].readable = false;
        columns[1].sql = NULL;
        assert_int_equal(catalog_rank_cursors(&t, arena, &e), 0);
        assert_int_equal(t.cursor_count, 0);
        assert_int_equal(catalog_key_candidates(&t, keys), 0);
        arena_free(arena);
}

static void test_key_candidates(void **state)
{
        static const struct catalog_column columns[] = {
                COLUMN("name", COL_TEXT, false, false),
                COLUMN("data", COL_JSON, false, false),
                COLUMN("tags", COL_ARRAY, false, false),
                COLUMN("customer_id", COL_INT, true, false),
                COLUMN("ratio", COL_FLOAT8, false, false),
                COLUMN("order_id", COL_INT, true, false),
                COLUMN("code", COL_TEXT, true, false),
                COLUMN("photo", COL_BYTES, false, false),
                COLUMN("ID", COL_INT, true, false),
                COLUMN("day", COL_DATE, true, false),
        };
        static const size_t expected[] = {8, 5, 6, 3, 0, 9};
        struct catalog_table t = {
                .name = "orders", .columns = columns, .column_count = COUNT(columns)};
        size_t keys[CATALOG_MAX_CANDIDATES];

        (void)state;
        assert_int_equal(catalog_key_candidates(&t, keys), COUNT(expected));
        assert_memory_equal(keys, expected, sizeof(expected));
}

static void test_candidates_are_bounded(void **state)
{
        struct catalog_column columns[40];
        struct catalog_table t = {.name = "t", .columns = columns, .column_count = COUNT(columns)};
        size_t keys[CATALOG_MAX_CANDIDATES];

        (void)state;
        for (size_t i = 0; i < COUNT(columns); i++)
                columns[i] = (struct catalog_column)COLUMN("n", COL_INT, false, false);
        columns[39].name = "id";
        assert_int_equal(catalog_key_candidates(&t, keys), CATALOG_MAX_CANDIDATES);
        assert_int_equal(keys[0], 39);
        assert_int_equal(keys[1], 0);
}

static const struct catalog_name names[] = {
        {"a", "b", "a", "b"},
        {"public", "Sale-Order", "public", "\"Sale-Order\""},
        {"public", "a.b", "public", "\"a.b\""},
        {"public", "customer", "public", "customer"},
        {"shop", "customer", "shop", "customer"},
};

static void test_choosing_a_table(void **state)
{
        static const struct {
                const char *table, *schema;
                int found; /* -1: an error */
                const char *says;
        } cases[] = {
                {"b", NULL, 0, NULL},
                {"Sale-Order", NULL, 1, NULL},
                {"\"Sale-Order\"", NULL, 1, NULL},
                {"public.\"Sale-Order\"", NULL, 1, NULL},
                {"public.a.b", NULL, 2, NULL},
                {"\"a.b\"", NULL, 2, NULL},
                {"customer", "shop", 4, NULL},
                {"shop.customer", NULL, 4, NULL},
                {"customer", NULL, -1, "customer may be 2 tables: public.customer, shop.customer"},
                {"a.b", NULL, -1, "a.b may be 2 tables: a.b, public.\"a.b\""},
                {"custmer", NULL, -1, "did you mean public.customer, shop.customer?"},
                {"SALE-ORDER", NULL, -1, "did you mean public.\"Sale-Order\"?"},
                {"nothing_like_it", NULL, -1, "among the 5 that this user can see"},
                {"customer", "a", -1, "there is no table customer in schema a"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct catalog_query q = {.table = cases[i].table, .schema = cases[i].schema};
                size_t at = 99;
                struct err e = {0};
                int rc = catalog_choose(&q, names, COUNT(names), &at, &e);
                assert_int_equal(rc, cases[i].says ? -ERR_CONFIG : 0);
                if (cases[i].says)
                        assert_non_null(strstr(e.text, cases[i].says));
                else
                        assert_int_equal(at, cases[i].found);
        }
}

static void test_filters(void **state)
{
        static const struct {
                const char *schema, *like;
                size_t wanted;
        } cases[] = {
                {NULL, NULL, 5},
                {"public", NULL, 3},
                {"pub", NULL, 0},
                {NULL, "CUST*", 2},
                {NULL, "*[.-]*", 2},
                {"shop", "c?stomer", 1},
                {NULL, "", 0},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct catalog_query q = {.schema = cases[i].schema, .like = cases[i].like};
                size_t wanted = 0;
                for (size_t k = 0; k < COUNT(names); k++)
                        wanted += catalog_wants(&q, &names[k]);
                assert_int_equal(wanted, cases[i].wanted);
        }
}

static void test_schemas_are_named(void **state)
{
        struct catalog_query q = {.schema = "pubic"};
        struct err e;

        (void)state;
        assert_int_equal(catalog_no_schema(&q, names, COUNT(names), &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "there is: a, public, shop"));
        assert_int_equal(catalog_no_schema(&q, names, 0, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "none at all"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cursors),
                cmocka_unit_test(test_unreadable_columns_are_no_cursors_and_no_keys),
                cmocka_unit_test(test_key_candidates),
                cmocka_unit_test(test_candidates_are_bounded),
                cmocka_unit_test(test_choosing_a_table),
                cmocka_unit_test(test_filters),
                cmocka_unit_test(test_schemas_are_named),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
