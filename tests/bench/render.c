/*
 * bench render: what mapping costs a row, without source, state and CouchDB.
 *
 *   render [ROWS] [RECORDS] [PART]   passes over RECORDS different rows (1000) until ROWS are
 *                                    done; PART: only that one
 *
 * Twelve fields of the usual kinds, as the shipped mappers have them. Prints one JSON object:
 * nanoseconds of CPU a row for rendering with digest, id and source key, and for its parts:
 *  - plain: columns that are only converted;
 *  - steps: trim, map, decimals with a scale, an insignificant field, a template;
 *  - zoned: the same as plain, with timestamps through a time zone;
 *  - texts, dates, times, numbers: twelve texts as they are, and the same texts by a format:
 *    31.12.2026; 31.12.2026 14:05:06 through a time zone; 1.234,56. A twelfth of the difference
 *    is what one formatted value costs;
 *  - json: a jsonb column, whole, and a member of it;
 *  - rest, rest_typed: twelve members of a REST record, each a JSON column, as they stand; the same
 *    as the types that mappers give them;
 *  - column, expr, when: two fields; the second one a column, an expression of two decimals, a
 *    column under a condition of two columns: what lies between them is the cost of Lua;
 *  - lines: four rows of a child;
 *  - given_back: the digest of a document as CouchDB gives it (nanoseconds a document).
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "ingest/record/key.h"
#include "mappers/compile.h"

#define COLUMNS      29
#define LINE_COLUMNS 4
#define LINES        4
#define TEXT_BYTES   48 /* of one value */
#define TWELVE(field)                                                                              \
        "{sku: code, a: " field ", b: " field ", c: " field ", d: " field ", e: " field            \
        ", f: " field ", g: " field ", h: " field ", i: " field ", j: " field ", k: " field        \
        ", l: " field "}"
#define MAX_BYTES (1 << 20)

static const struct column columns[COLUMNS] = {
        {.name = "id", .kind = COL_INT, .source_type = "bigint"},
        {.name = "code", .kind = COL_TEXT, .source_type = "text"},
        {.name = "name", .kind = COL_TEXT, .source_type = "text"},
        {.name = "description", .kind = COL_TEXT, .source_type = "text"},
        {.name = "price", .kind = COL_NUMERIC, .source_type = "numeric(12,2)"},
        {.name = "cost", .kind = COL_NUMERIC, .source_type = "numeric(12,4)"},
        {.name = "qty", .kind = COL_INT, .source_type = "integer"},
        {.name = "active", .kind = COL_BOOL, .source_type = "boolean"},
        {.name = "uom", .kind = COL_TEXT, .source_type = "text"},
        {.name = "since", .kind = COL_DATE, .source_type = "date"},
        {.name = "updated", .kind = COL_TIMESTAMPTZ, .source_type = "timestamptz"},
        {.name = "category", .kind = COL_INT, .source_type = "integer"},
        {.name = "written", .kind = COL_TIMESTAMP, .source_type = "timestamp"},
        {.name = "names", .kind = COL_JSON, .source_type = "jsonb"},
        {.name = "due", .kind = COL_TEXT, .source_type = "text"},
        {.name = "entered", .kind = COL_TEXT, .source_type = "text"},
        {.name = "amount", .kind = COL_TEXT, .source_type = "text"},
        {.name = "r_id", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_code", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_name", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_text", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_price", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_cost", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_qty", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_active", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_uom", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_since", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_updated", .kind = COL_JSON, .source_type = "json"},
        {.name = "r_category", .kind = COL_JSON, .source_type = "json"},
};
static const struct column line_columns[LINE_COLUMNS] = {
        {.name = "sku", .kind = COL_TEXT, .source_type = "text"},
        {.name = "qty", .kind = COL_NUMERIC, .source_type = "numeric"},
        {.name = "price", .kind = COL_NUMERIC, .source_type = "numeric"},
        {.name = "line", .kind = COL_INT, .source_type = "integer"},
};
static const struct child_shape children[] = {
        {.name = "lines", .columns = {line_columns, LINE_COLUMNS}}};
static const size_t key[] = {0};
static const struct shape shape = {
        .columns = {columns, COLUMNS},
        .children = children,
        .child_count = 1,
        .key = key,
        .key_count = 1,
};

static const struct {
        const char *name, *fields;
} mappers[] = {
        {"plain", "{id: id, sku: code, name: name, text: description, price: price, cost: cost,"
                  " qty: qty, active: active, uom: uom, since: since, updated: updated,"
                  " category: category}"},
        {"steps", "{type: {value: product}, sku: code, name: {from: name, trim: true},"
                  " price: {from: price, type: decimal, scale: 2},"
                  " cost: {from: cost, type: decimal, scale: 2, rounding: half_up}, qty: qty,"
                  " active: active, uom: {from: uom, map: {pc: piece, kg: kilogram}, default: x},"
                  " since: since, updated: {from: updated, significant: false},"
                  " category: category, label: {template: \"${sku} ${name}\"}}"},
        {"zoned", "{id: id, sku: code, name: name, text: description, price: price, cost: cost,"
                  " qty: qty, active: active, uom: uom, since: since, written: written,"
                  " category: category}"},
        {"texts", TWELVE("entered")},
        {"dates", TWELVE("{from: due, type: date, format: '%d.%m.%Y'}")},
        {"times", TWELVE("{from: entered, type: datetime, format: '%d.%m.%Y %H:%M:%S'}")},
        {"numbers", TWELVE("{from: amount, type: decimal, scale: 2, format: '1.234,56'}")},
        {"json", "{sku: code, names: names, en: names.en_US}"},
        {"rest", "{id: r_id, sku: r_code, name: r_name, text: r_text, price: r_price, cost: r_cost,"
                 " qty: r_qty, active: r_active, uom: r_uom, since: r_since, updated: r_updated,"
                 " category: r_category.code}"},
        {"rest_typed",
                "{id: {from: r_id, type: string}, sku: r_code, name: {from: r_name, trim: true},"
                " text: {from: r_text, null_if: \"\"}, price: {from: r_price, type: decimal, "
                "scale: 2},"
                " cost: {from: r_cost, type: decimal}, qty: {from: r_qty, type: integer},"
                " active: {from: r_active, type: boolean}, uom: {from: r_uom, map: {pc: piece, kg:"
                " kilogram}}, since: {from: r_since, type: date}, updated: {from: r_updated, type:"
                " datetime}, category: {from: r_category.code, type: string}}"},
        {"column", "{sku: code, margin: price}"},
        {"expr", "{sku: code, margin: {expr: \"row.price - row.cost\"}}"},
        {"when", "{sku: code, margin: {from: price, when: \"row.active and row.uom ~= 'pc'\"}}"},
        {"lines", "{sku: code, lines: {each: lines, fields: {sku: sku, qty: {from: qty, type: "
                  "decimal}, price: price, line: line}}}"},
};

struct row {
        struct value values[COLUMNS], lines[LINES * LINE_COLUMNS];
        char text[COLUMNS + LINES * LINE_COLUMNS][TEXT_BYTES * 3];
        struct child_rows children[1];
        struct record record;
};

static double cpu_s(void)
{
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
}

static void put(struct row *r, size_t slot, struct value *v, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

static void put(struct row *r, size_t slot, struct value *v, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        int n = vsnprintf(r->text[slot], sizeof(r->text[slot]), fmt, ap);
        va_end(ap);
        *v = (struct value){r->text[slot], (uint32_t)n};
}

static void fill_lines(struct row *r, unsigned i)
{
        for (size_t l = 0; l < LINES; l++) {
                struct value *v = &r->lines[l * LINE_COLUMNS];
                size_t slot = COLUMNS + l * LINE_COLUMNS;

                put(r, slot, &v[0], "SKU-%05u", i * 7 + (unsigned)l);
                put(r, slot + 1, &v[1], "%u.000", 1 + i % 9);
                put(r, slot + 2, &v[2], "%u.%02u", i % 500, i % 100);
                put(r, slot + 3, &v[3], "%zu", l + 1);
        }
        r->children[0] = (struct child_rows){r->lines, LINES};
}

static void fill_rest(struct row *r, unsigned i)
{
        struct value *v = r->values;

        put(r, 17, &v[17], "\"%08x-31f0-ed11-8848-000d3abf4c39\"", i * 2654435761u);
        put(r, 18, &v[18], "\"PRD-%06u\"", i * 31 % 999999);
        put(r, 19, &v[19], "\"Hex bolt M%u x %u, zinc plated\"", i % 20, i % 97);
        put(r, 20, &v[20], "\"Schl\xC3\xBCssel, Box of %u, \\\"8.8\\\"\"", i % 500);
        put(r, 21, &v[21], "%u.%u", i % 3000, i % 100);
        put(r, 22, &v[22], "\"%u.%04u\"", i % 2000, i % 10000);
        put(r, 23, &v[23], "%u", i % 1000);
        put(r, 24, &v[24], "%s", i % 3 ? "true" : "false");
        put(r, 25, &v[25], "%s", i % 2 ? "\"pc\"" : "\"kg\"");
        put(r, 26, &v[26], "\"20%02u-%02u-%02u\"", i % 25, 1 + i % 12, 1 + i % 28);
        put(r, 27, &v[27], "\"2026-%02u-%02uT%02u:%02u:%02u.%03uZ\"", 1 + i % 12, 1 + i % 28,
                i % 24, i % 60, i % 60, i * 977 % 1000);
        put(r, 28, &v[28], "{\"code\":\"C%u\",\"level\":%u}", i % 50, i % 3);
}

static void fill(struct row *r, unsigned i)
{
        struct value *v = r->values;

        put(r, 0, &v[0], "%u", 100000 + i);
        put(r, 1, &v[1], "PRD-%06u", i * 31 % 999999);
        put(r, 2, &v[2], "Hex bolt M%u x %u, zinc plated", i % 20, i % 97);
        put(r, 3, &v[3], "Box of %u, DIN 933, grade 8.8", i % 500);
        put(r, 4, &v[4], "%u.%02u", i % 3000, i % 100);
        put(r, 5, &v[5], "%u.%04u", i % 2000, i % 10000);
        put(r, 6, &v[6], "%u", i % 1000);
        put(r, 7, &v[7], "%s", i % 3 ? "t" : "f");
        put(r, 8, &v[8], "%s", i % 2 ? "pc" : "kg");
        put(r, 9, &v[9], "20%02u-%02u-%02u", i % 25, 1 + i % 12, 1 + i % 28);
        put(r, 10, &v[10], "2024-%02u-%02u %02u:%02u:%02u.%06u+00", 1 + i % 12, 1 + i % 28, i % 24,
                i % 60, i % 60, i * 977 % 1000000);
        put(r, 11, &v[11], "%u", i % 50);
        put(r, 12, &v[12], "2024-%02u-%02u %02u:%02u:%02u", 1 + i % 12, 1 + i % 28, 3 + i % 20,
                i % 60, i % 60);
        put(r, 13, &v[13],
                "{\"en_US\": \"Hex bolt %u\", \"fr_FR\": \"Vis \xC3\xA0 t\xC3\xAAte %u\"}", i, i);
        put(r, 14, &v[14], "%02u.%02u.20%02u", 1 + i % 28, 1 + i % 12, i % 25);
        put(r, 15, &v[15], "%02u.%02u.2024 %02u:%02u:%02u", 1 + i % 28, 1 + i % 12, 3 + i % 20,
                i % 60, i % 60);
        put(r, 16, &v[16], "%u.%03u,%02u%s", 1 + i % 97, i % 1000, i % 100, i % 5 ? "" : "-");
        fill_rest(r, i);
        fill_lines(r, i);
        r->record = (struct record){r->values, r->children};
}

static int fail(const struct err *e)
{
        fprintf(stderr, "bench render: %s\n", e->text);
        return 1;
}

struct bench {
        struct mapper_spec *spec;
        struct mapper_program *program;
        struct row *rows;
        size_t rows_total, records;
        const char *part;  /* NULL: all */
        const char *comma; /* before the next figure */
};

static int open_mapper(struct bench *b, const char *fields, struct err *e)
{
        cleanup_buf_ struct buf yaml = {.max = MAX_BYTES};

        buf_printf(&yaml,
                "mapper: bench\nsource: erp\nextract: {table: t, key: id}\n"
                "timezone: Europe/Dublin\n"
                "target: {database: bench, id: \"product:${sku}\"}\nfields: %s\n",
                fields);
        b->program = mapper_program_free(b->program);
        b->spec = mapper_spec_free(b->spec);
        int rc = mapper_spec_parse((struct str){yaml.data, yaml.len}, "bench", &b->spec, e);
        return rc ? rc : mapper_compile(b->spec, &shape, &b->program, e);
}

/* Nanoseconds a row; @bytes: of all bodies of one pass. */
static int measure(struct bench *b, const char *name, size_t *bytes, struct err *e)
{
        cleanup_buf_ struct buf source_key = {.max = MAX_BYTES};
        struct mapper_reject why;
        struct mapped m;
        unsigned seen = 0;
        double start = cpu_s();

        *bytes = 0;
        for (size_t i = 0; i < b->rows_total; i++) {
                const struct row *row = &b->rows[i % b->records];

                buf_clear(&source_key);
                int rc = key_encode(&shape, row->values, &source_key, e);
                if (!rc)
                        rc = mapper_render(b->program, &row->record, &m, &why, e);
                if (rc == MAPPER_REJECT)
                        return err_set(e, ERR_BUG, "%s: %s", why.field, why.reason);
                if (rc)
                        return rc;
                seen ^= m.digest.bytes[0];
                *bytes += m.body.len;
        }
        double ns = (cpu_s() - start) * 1e9 / (double)b->rows_total;
        printf("%s\"%s\":{\"ns\":%.0f,\"bytes\":%zu,\"check\":%u}", b->comma, name, ns,
                *bytes / b->rows_total, seen);
        b->comma = ",";
        return 0;
}

static int measure_given_back(struct bench *b, struct err *e)
{
        cleanup_buf_ struct buf scratch = {.max = MAX_BYTES}, json = {.max = MAX_BYTES};
        struct mapper_reject why;
        struct mapped m;
        struct digest d;

        if (mapper_render(b->program, &b->rows[0].record, &m, &why, e))
                return err_set(e, ERR_BUG, "rejected");
        buf_printf(&json, "{\"_id\":\"%.*s\",\"_rev\":\"1-967a00dff5e02add41819138abb3284d\",%.*s}",
                STR_ARG(m.id), STR_ARG(m.body));
        double start = cpu_s();
        for (size_t i = 0; i < b->rows_total; i++) {
                int rc = digest_document(
                        (struct str){json.data, json.len}, b->spec->filter, &scratch, NULL, &d, e);
                if (rc)
                        return rc;
        }
        double ns = (cpu_s() - start) * 1e9 / (double)b->rows_total;
        printf("%s\"given_back\":{\"ns\":%.0f,\"bytes\":%zu,\"equal\":%s}", b->comma, ns, json.len,
                digest_eq(&d, &m.digest) ? "true" : "false");
        return 0;
}

static bool wanted(const struct bench *b, const char *part)
{
        return !b->part || strcmp(b->part, part) == 0;
}

static int run(struct bench *b, struct err *e)
{
        size_t bytes;
        int rc = 0;

        for (size_t i = 0; i < sizeof(mappers) / sizeof(mappers[0]) && !rc; i++) {
                if (!wanted(b, mappers[i].name))
                        continue;
                rc = open_mapper(b, mappers[i].fields, e);
                if (!rc)
                        rc = measure(b, mappers[i].name, &bytes, e);
        }
        if (rc || !wanted(b, "given_back"))
                return rc;
        rc = open_mapper(b, mappers[0].fields, e);
        return rc ? rc : measure_given_back(b, e);
}

int main(int argc, char **argv)
{
        struct bench b = {.rows_total = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000,
                .records = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000,
                .comma = "",
                .part = argc > 3 ? argv[3] : NULL};
        struct err e;

        b.rows = calloc(b.records ? b.records : 1, sizeof(*b.rows));
        if (!b.rows || b.records == 0 || b.rows_total == 0) {
                fprintf(stderr, "usage: render [ROWS] [RECORDS]\n");
                return 64;
        }
        for (size_t i = 0; i < b.records; i++)
                fill(&b.rows[i], (unsigned)i);
        printf("{");
        int rc = run(&b, &e);
        printf("}\n");
        mapper_program_free(b.program);
        mapper_spec_free(b.spec);
        free(b.rows);
        return rc ? fail(&e) : 0;
}
