/* Starter mappers of tables made here: the text, and that it is a mapper whatever names hold. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/pipeline/starter.h"
#include "ingest/source/source.h"
#include "mappers/spec.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define COLUMN(name_, type_, kind_)                                                                \
        {                                                                                          \
                .name = (name_), .sql = (name_), .type = (type_), .kind = (kind_),                 \
                .readable = true                                                                   \
        }

static const size_t first_two[] = {0, 1};

static const struct catalog_column line_columns[] = {
        COLUMN("id", "integer", COL_INT),
        COLUMN("sale", "integer", COL_INT),
        COLUMN("price", "numeric(9,2)", COL_NUMERIC),
};

static const struct catalog_table line = {
        .schema = "public",
        .name = "sale_line",
        .sql = "sale_line",
        .rows = -1,
        .readable = true,
        .columns = line_columns,
        .column_count = COUNT(line_columns),
        .key = first_two,
        .key_count = 1,
        .key_from = CATALOG_KEY_PRIMARY,
};

static const struct catalog_child children[] = {{
        .table = &line,
        .columns = first_two + 1,
        .column_count = 1,
        .nests = true,
        .composition = true,
}};

static const struct catalog_column sale_columns[] = {
        COLUMN("id", "integer", COL_INT),
        COLUMN("type", "text", COL_TEXT),
        COLUMN("at", "timestamp", COL_TIMESTAMP),
        COLUMN("api_key", "text", COL_TEXT),
};

static const struct catalog_table sale = {
        .schema = "public",
        .name = "sale",
        .sql = "sale",
        .comment = "Sales\nmapper: other",
        .rows = 1234567,
        .readable = true,
        .columns = sale_columns,
        .column_count = COUNT(sale_columns),
        .key = first_two,
        .key_count = 1,
        .key_from = CATALOG_KEY_PRIMARY,
        .children = children,
        .child_count = 1,
};

static const char sale_mapper[] =
        "# Sales mapper: other\n"
        "# A first mapper of the table sale (about 1,234,567 rows), made by `erp2couch discover`.\n"
        "# It runs as it is. Save it as mappers/sale.yaml, drop and rename fields, then\n"
        "#   erp2couch check --connect\n"
        "#   erp2couch preview sale --limit 3\n"
        "#   erp2couch run sale\n"
        "mapper: sale\n"
        "source: erp\n"
        "\n"
        "extract:\n"
        "  # Join, filter and compute here; what is computed gets a name with AS.\n"
        "  query: |\n"
        "    SELECT id, type, at\n"
        "    FROM sale\n"
        "  key: id\n"
        "  # Rows of other tables, as arrays in the document of the row that they belong to; key "
        "orders\n"
        "  # them, parent holds this table's key.\n"
        "  children:\n"
        "    lines:\n"
        "      query: |\n"
        "        SELECT id, sale, price\n"
        "        FROM sale_line\n"
        "      key: id\n"
        "      parent: sale\n"
        "\n"
        "# CHECK THIS: the zone of the clock that wrote the timestamps without zone.\n"
        "timezone: UTC\n"
        "\n"
        "target:\n"
        "  database: erp\n"
        "  # The part before the first ${ marks this mapper's documents: no other mapper of the "
        "database\n"
        "  # may use it.\n"
        "  id: \"sale:${row.id}\"\n"
        "\n"
        "fields:\n"
        "  type:      {value: sale}\n"
        "  id:        id                          # integer\n"
        "  sale_type: type                        # text\n"
        "  at:        {from: at, type: datetime}  # timestamp\n"
        "  # api_key: api_key                     # text; left out: looks like a secret\n"
        "  lines:\n"
        "    each: lines\n"
        "    fields:\n"
        "      id:    id                            # integer\n"
        "      price: {from: price, type: decimal}  # numeric(9,2)\n";

static void write_ok(const struct catalog_table *t, const char *source, struct buf *out)
{
        struct err e = {0};

        if (starter_write(t, source, out, &e))
                fail_msg("%s", e.text);
}

static void test_a_whole_mapper(void **state)
{
        cleanup_buf_ struct buf out = BUF_INIT(STARTER_MAX_BYTES);

        (void)state;
        write_ok(&sale, "erp", &out);
        assert_string_equal(buf_cstr(&out), sale_mapper);
}

/* Fails the test unless @text is a mapper whose extract is one for PostgreSQL. */
static struct mapper_spec *parse(struct str text)
{
        struct source_config config = {.name = "erp", .ops = &source_postgres};
        struct mapper_spec *spec = NULL;
        struct extract *x;
        struct err e = {0};
        int rc = mapper_spec_parse(text, "starter.yaml", &spec, &e);

        if (!rc)
                rc = extract_decode(&config, spec->doc, spec->extract, spec->arena, &x, &e);
        if (rc)
                fail_msg("%s\n%.*s", e.text, STR_ARG(text));
        return spec;
}

static void test_names(void **state)
{
        static const struct {
                const char *table, *schema, *source, *mapper, *database;
        } cases[] = {
                {"Sale-Order", NULL, "erp", "sale-order", "erp"},
                {"select", NULL, "ERP 1", "select", "erp_1"},
                {"\xC3\x9Cn\xC3\xAF"
                 "c\xC3\xB6"
                 "de \xE2\x98\x83",
                        NULL, "\xC3\x84rp", "unicode", "arp"},
                {"1st", NULL, "2", "n1st", "n2"},
                {"--", NULL, "_", "record", "erp"},
                {"\xE6\xBC\xA2", NULL, "\xFF", "record", "erp"},
                {"lead", "CRM", "erp", "crm_lead", "erp"},
                {"true", NULL, "null", "true", "null"},
                {"a_table_of_more_than_sixty_three_bytes_with_its_schema_before_it", "s", "e",
                        "s_a_table_of_more_than_sixty_three_bytes_with_its_schema_before", "e"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(STARTER_MAX_BYTES);
                struct catalog_table t = sale;
                t.name = cases[i].table;
                t.schema = cases[i].schema ? cases[i].schema : "public";
                t.schema_needed = cases[i].schema != NULL;
                write_ok(&t, cases[i].source, &out);
                cleanup_(mapper_spec_freep) struct mapper_spec *spec = parse(buf_str(&out));
                assert_string_equal(spec->name, cases[i].mapper);
                assert_string_equal(spec->database.parts[0].text.ptr, cases[i].database);
        }
}

static void test_refusals(void **state)
{
        static const struct catalog_column json = COLUMN("j", "json", COL_JSON);
        static const struct {
                struct catalog_table table;
                const char *says;
        } cases[] = {
                {{.sql = NULL, .schema = "s", .name = "n"}, "is not UTF-8"},
                {{.sql = "shut", .remedy = "GRANT IT"}, "no right to read shut; an administrator "
                                                        "can give it: GRANT IT"},
                {{.sql = "none", .readable = true}, "has no columns"},
                {{.sql = "j", .readable = true, .columns = &json, .column_count = 1},
                        "no column of j can be a key"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(STARTER_MAX_BYTES);
                struct err e = {0};
                assert_int_equal(starter_write(&cases[i].table, "erp", &out, &e), -ERR_CONFIG);
                assert_non_null(strstr(e.text, cases[i].says));
                assert_int_equal(out.len, 0);
        }
}

/* ---- tables that anybody could have named ---- */

#define RANDOM_TABLES  3000
#define RANDOM_COLUMNS 12

static uint32_t next(uint32_t *seed)
{
        *seed = *seed * 1664525 + 1013904223;
        return *seed >> 8;
}

/* Pieces that mean something to YAML, to a template, to a terminal or to nobody. */
static const char *random_text(uint32_t *seed, struct arena *arena)
{
        static const char *const pieces[] = {"a", "B", "_", "-", ".", "[", "]", "{", "}", "${",
                "$$", "${env:X}", "${row.", "'", "\"", "\\", "\n", "\r\n", "\t", " ", "#", " #",
                ": ", "? ", "- ", "<<", "&", "*", "!", "|", ">", "%", "@", "`", ",", "~", "null",
                "yes", "1", "0x1", ".inf", "\x01", "\x1B[31m", "\x7F", "\xC2\x85", "\xC2\xA0",
                "\xE2\x80\xA8", "\xE2\x80\xAE", "\xEF\xBB\xBF", "\xE2\x98\x83", "\xF0\x9F\x98\x80",
                "\xEF\xBF\xBE", "\xFF", "type", "id", "--", "*/", "/*", "\n---\n", "\n...\n"};
        char text[64] = "";
        size_t n = 1 + next(seed) % 4, len = 0;

        for (size_t i = 0; i < n; i++) {
                const char *piece = pieces[next(seed) % COUNT(pieces)];
                memcpy(text + len, piece, strlen(piece));
                len += strlen(piece);
        }
        return arena_strdup(arena, (struct str){text, len});
}

/* No database has two columns of one name in a table. */
static const char *random_name(
        uint32_t *seed, struct arena *arena, const struct catalog_column *columns, size_t count)
{
        for (;;) {
                const char *name = random_text(seed, arena);
                size_t i = 0;
                while (i < count && strcmp(columns[i].name, name) != 0)
                        i++;
                if (i == count)
                        return name;
        }
}

static void random_columns(uint32_t *seed, struct arena *arena, struct catalog_column *columns)
{
        static const enum col_kind kinds[] = {COL_TEXT, COL_INT, COL_NUMERIC, COL_TIMESTAMP,
                COL_BYTES, COL_JSON, COL_BOOL, COL_DATE};

        for (size_t i = 0; i < RANDOM_COLUMNS; i++) {
                char sql[16];
                snprintf(sql, sizeof(sql), "c%zu", i);
                columns[i] = (struct catalog_column){
                        .name = random_name(seed, arena, columns, i),
                        .sql = arena_strdup(arena, str_of(sql)),
                        .type = random_text(seed, arena),
                        .kind = kinds[next(seed) % COUNT(kinds)],
                        .readable = next(seed) % 8 != 0 || i < 2,
                        .comment = next(seed) % 2 ? random_text(seed, arena) : NULL,
                };
        }
}

static size_t count_kept(const struct catalog_column *columns, size_t key_count)
{
        size_t kept = 0;

        for (size_t i = 0; i < RANDOM_COLUMNS; i++)
                kept += columns[i].readable && (columns[i].kind != COL_BYTES || i < key_count);
        return kept;
}

static void test_any_names_make_a_mapper(void **state)
{
        struct arena *arena = arena_new(1 << 20);

        (void)state;
        for (uint32_t n = 0; n < RANDOM_TABLES; n++) {
                cleanup_buf_ struct buf out = BUF_INIT(STARTER_MAX_BYTES);
                struct catalog_column columns[RANDOM_COLUMNS], child_columns[RANDOM_COLUMNS];
                uint32_t seed = n;
                struct catalog_table t = sale, child = line;
                struct catalog_child link = children[0];

                arena_reset(arena);
                random_columns(&seed, arena, columns);
                random_columns(&seed, arena, child_columns);
                t.name = random_text(&seed, arena);
                t.comment = random_text(&seed, arena);
                t.columns = columns;
                t.column_count = RANDOM_COLUMNS;
                t.key_count = 1 + n % 2;
                t.key_from = (enum catalog_key_from)(CATALOG_KEY_PRIMARY + n % 5);
                child.name = random_text(&seed, arena);
                child.columns = child_columns;
                child.column_count = RANDOM_COLUMNS;
                child.key_count = n % 3;
                link.table = &child;
                link.columns = first_two;
                link.column_count = t.key_count;
                t.children = &link;
                write_ok(&t, n % 2 ? "erp" : "\"E: #", &out);
                cleanup_(mapper_spec_freep) struct mapper_spec *spec = parse(buf_str(&out));
                bool nested = strcmp(child.name, t.name) != 0;
                assert_int_equal(spec->field_count, 1 + count_kept(columns, t.key_count) + nested);
        }
        arena_free(arena);
}

static void test_running_out_of_memory_is_an_error(void **state)
{
        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                cleanup_buf_ struct buf out = BUF_INIT(STARTER_MAX_BYTES);
                struct err e = {0};
                alloc_fail_at(i);
                int rc = starter_write(&sale, "erp", &out, &e);
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
                if (rc == 0)
                        assert_string_equal(buf_cstr(&out), sale_mapper);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_whole_mapper),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_any_names_make_a_mapper),
                cmocka_unit_test(test_running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
