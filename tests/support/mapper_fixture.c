/* Rows are parsed in place from text that the test owns. */
#include "tests/support/mapper_fixture.h"

#include <assert.h>

#define MAX_YAML     (1 << 20)
#define MAX_ROWS     64
#define LINE_COLUMNS 6

static const struct column columns[FIXTURE_COLUMNS] = {
        {.name = "id", .kind = COL_INT, .source_type = "bigint"},
        {.name = "code", .kind = COL_TEXT, .source_type = "text"},
        {.name = "name", .kind = COL_TEXT, .source_type = "text"},
        {.name = "price", .kind = COL_NUMERIC, .source_type = "numeric(12,2)"},
        {.name = "weight", .kind = COL_FLOAT8, .source_type = "double precision"},
        {.name = "ratio", .kind = COL_FLOAT4, .source_type = "real"},
        {.name = "active", .kind = COL_BOOL, .source_type = "boolean"},
        {.name = "data", .kind = COL_JSON, .source_type = "jsonb"},
        {.name = "tags", .kind = COL_ARRAY, .elem = COL_TEXT, .source_type = "text[]"},
        {.name = "amounts", .kind = COL_ARRAY, .elem = COL_NUMERIC, .source_type = "numeric[]"},
        {.name = "flags", .kind = COL_ARRAY, .elem = COL_BOOL, .source_type = "boolean[]"},
        {.name = "stamps",
                .kind = COL_ARRAY,
                .elem = COL_TIMESTAMPTZ,
                .source_type = "timestamp with time zone[]"},
        {.name = "docs", .kind = COL_ARRAY, .elem = COL_JSON, .source_type = "jsonb[]"},
        {.name = "grid",
                .kind = COL_ARRAY,
                .elem = COL_INT,
                .delimiter = ',',
                .source_type = "integer[]"},
        {.name = "day", .kind = COL_DATE, .source_type = "date"},
        {.name = "clock", .kind = COL_TIME, .source_type = "time without time zone"},
        {.name = "local", .kind = COL_TIMESTAMP, .source_type = "timestamp without time zone"},
        {.name = "stamp", .kind = COL_TIMESTAMPTZ, .source_type = "timestamp with time zone"},
        {.name = "span", .kind = COL_INTERVAL, .source_type = "interval"},
        {.name = "raw", .kind = COL_BYTES, .source_type = "bytea"},
        {.name = "padded", .kind = COL_CHAR, .source_type = "character(10)"},
        {.name = "money", .kind = COL_NUMERIC, .source_type = "numeric"},
        {.name = "with.dot", .kind = COL_TEXT, .source_type = "text"},
};

static const struct column line_columns[LINE_COLUMNS] = {
        {.name = "id", .kind = COL_INT, .source_type = "bigint"},
        {.name = "sku", .kind = COL_TEXT, .source_type = "text"},
        {.name = "qty", .kind = COL_NUMERIC, .source_type = "numeric"},
        {.name = "due", .kind = COL_DATE, .source_type = "date"},
        {.name = "extra", .kind = COL_JSON, .source_type = "jsonb"},
        {.name = "labels", .kind = COL_ARRAY, .elem = COL_TEXT, .source_type = "text[]"},
};

static const struct child_shape children[] = {
        {.name = "lines", .columns = {line_columns, LINE_COLUMNS}},
        {.name = "empty", .columns = {line_columns, 1}},
};

static const size_t key[] = {0};

const struct shape fixture_shape = {
        .columns = {columns, FIXTURE_COLUMNS},
        .children = children,
        .child_count = 2,
        .key = key,
        .key_count = 1,
};

void fixture_yaml(
        struct buf *out, const char *head, const char *database, const char *id, const char *fields)
{
        buf_printf(out,
                "mapper: test\nsource: erp\nextract: {table: t, key: id}\n%s"
                "target: {database: '%s', id: '%s'}\nfields:\n",
                head, database, id);
        while (*fields) {
                size_t n = strcspn(fields, "\n");
                buf_printf(out, "  %.*s\n", (int)n, fields);
                fields += n + (fields[n] == '\n');
        }
}

int fixture_load(struct fixture *f, const char *yaml, struct err *e)
{
        *f = (struct fixture){NULL, NULL};
        int rc = mapper_spec_parse(str_of(yaml), "m.yaml", &f->spec, e);
        if (!rc)
                rc = mapper_compile(f->spec, &fixture_shape, &f->program, e);
        if (rc)
                fixture_close(f);
        return rc;
}

int fixture_open(struct fixture *f, const char *fields, struct err *e)
{
        cleanup_buf_ struct buf yaml = {.max = MAX_YAML};

        fixture_yaml(&yaml, "", "db", "t:${row.id}", fields);
        const char *text = buf_cstr(&yaml);
        return text ? fixture_load(f, text, e) : buf_check(&yaml, "a mapper", e);
}

void fixture_close(struct fixture *f)
{
        f->program = mapper_program_free(f->program);
        f->spec = mapper_spec_free(f->spec);
}

static void set(const struct columns *all, struct value *row, struct str name, struct str text)
{
        int i = columns_find(all, name);

        assert(i >= 0);
        row[i] = (struct value){text.ptr, (uint32_t)text.len};
}

void fixture_value(struct value *row, const char *column, struct str text)
{
        set(&fixture_shape.columns, row, str_of(column), text);
}

/* "name=value|name=value" up to @end */
static void parse_row(
        const struct columns *all, struct value *row, const char *text, const char *end)
{
        while (text < end) {
                const char *stop = memchr(text, '|', (size_t)(end - text));
                const char *equals = memchr(text, '=', (size_t)(end - text));
                if (!stop)
                        stop = end;
                assert(equals && equals < stop);
                set(all, row, (struct str){text, (size_t)(equals - text)},
                        (struct str){equals + 1, (size_t)(stop - equals - 1)});
                text = stop + (stop < end);
        }
}

int fixture_render(struct fixture *f, const char *row, const char *lines, struct mapped *out,
        struct mapper_reject *why, struct err *e)
{
        struct value values[FIXTURE_COLUMNS] = {{NULL, 0}};
        struct value line_values[MAX_ROWS * LINE_COLUMNS] = {{NULL, 0}};
        size_t count = 0;

        values[0] = (struct value){"1", 1};
        parse_row(&fixture_shape.columns, values, row, row + strlen(row));
        for (const char *p = lines; *p; count++) {
                size_t n = strcspn(p, "\n");
                assert(count < MAX_ROWS);
                parse_row(&children[0].columns, line_values + count * LINE_COLUMNS, p, p + n);
                p += n + (p[n] == '\n');
        }
        struct child_rows rows[] = {{line_values, count}, {NULL, 0}};
        struct record record = {values, rows};
        return mapper_render(f->program, &record, out, why, e);
}
