/*
 * bench rest_json: what reading a JSON reply costs, without socket, source and CouchDB.
 *
 *   rest_json [MEGABYTES] [PASSES] [PART]   PASSES over a generated reply of MEGABYTES (64, 3);
 *                                           PART: only that one
 *
 * The reply is an OData page of an ERP's items: records of 500 to 1500 bytes, 20 to 30 members, one
 * nested object, one array, some text outside ASCII. It comes in pieces of 16 KiB, as from curl.
 * Prints one JSON object of MB/s (of CPU time, the best pass):
 *  - records: json_records_feed() with a callback that does nothing;
 *  - pick: json_pick_values() of 12 members, over records that are known;
 *  - both: picked as they come, which is what a REST source does;
 *  - mapped: each then mapped to a document of 12 fields with id and digest;
 *  - spaced, escaped: both, of a reply with line ends and blanks; of one with an escape a string;
 *  - canonical: json_canonical() of each record, for comparison;
 *  - yajl, cjson: yajl over the pieces with callbacks that count (null: built without it); cJSON's
 *    tree of each record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cjson/cJSON.h>

#include "ingest/record/json.h"
#include "ingest/record/json_pick.h"
#include "ingest/record/json_records.h"
#include "mappers/compile.h"
#include "tests/bench/rest_json_yajl.h"

#define PIECE     16384 /* CURL_MAX_WRITE_SIZE */
#define MAX_BYTES ((size_t)4 << 30)

static const char *const paths[] = {"id", "number", "displayName", "unitPrice", "unitCost",
        "inventory", "blocked", "baseUnitOfMeasureCode", "lastModifiedDateTime", "category.code",
        "dimensions[0].value", "gtin"};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static const char mapper[] =
        "mapper: item\nsource: erp\nextract: {table: items, key: id}\ntimezone: UTC\n"
        "target: {database: catalog, id: \"item:${sku}\"}\n"
        "fields: {id: id, sku: number, name: {from: displayName, trim: true},"
        " price: {from: unitPrice, type: decimal}, cost: {from: unitCost, type: decimal, scale: 5},"
        " stock: {from: inventory, type: number}, blocked: blocked,"
        " unit: {from: baseUnitOfMeasureCode, map: {PCS: piece, KG: kilogram}},"
        " updated: {from: lastModifiedDateTime, type: datetime}, category: 'category.code',"
        " area: 'dimensions[0].value', gtin: {from: gtin, type: string}}\n";

struct bench {
        struct mapper_spec *spec;
        struct mapper_program *program;
        struct buf reply;
        struct json_pick *pick;
        struct str *records; /* of reply */
        size_t count, room;
        struct buf scratch;
        size_t bytes; /* of what was picked */
};

enum layout { PLAIN, SPACED, ESCAPED };

static void put_member(struct buf *b, enum layout l, const char *name, const char *value)
{
        buf_printf(b, l == SPACED ? "\n      \"%s\": %s," : "\"%s\":%s,", name, value);
}

static void put_text(struct buf *b, enum layout l, const char *name, const char *text)
{
        buf_printf(b, l == SPACED ? "\n      \"%s\": \"%s\"," : "\"%s\":\"%s%s\",", name, text,
                l == ESCAPED ? "\\n" : "");
}

static void put_record(struct buf *b, unsigned i, enum layout l)
{
        static const char *const names[] = {"Sechskantschraube",
                "R\xC3\xBChrschraube f\xC3\xBCr Holz", "Hex bolt, zinc plated,"};
        char text[160];
        unsigned r = i * 2654435761u >> 8;

        buf_puts(b, i ? ",{" : "{");
        snprintf(text, sizeof(text), "W/\\\"JzIwOzEzNDU2Nzg5MDEyMzQ1Njc4OTA7MDA7Jw%u==\\\"", r);
        put_text(b, l, "@odata.etag", text);
        snprintf(text, sizeof(text), "%08x-%04x-ef11-9f8a-0022480a%04x", r, i & 0xFFFF, r & 0xFFFF);
        put_text(b, l, "id", text);
        snprintf(text, sizeof(text), "PRD-%06u", i % 1000000);
        put_text(b, l, "number", text);
        snprintf(text, sizeof(text), "%s M%u x %u", names[i % 3], r % 30, r % 97);
        put_text(b, l, "displayName", text);
        put_text(b, l, "displayName2", "");
        put_text(b, l, "type", "Inventory");
        put_text(b, l, "itemCategoryCode", r % 2 ? "FASTENERS" : "TOOLS");
        put_member(b, l, "blocked", r % 9 ? "false" : "true");
        snprintf(text, sizeof(text), "%013u", r);
        put_text(b, l, "gtin", text);
        snprintf(text, sizeof(text), "%u.%02u", r % 5000, i % 100);
        put_member(b, l, "inventory", text);
        put_member(b, l, "unitPrice", text);
        put_member(b, l, "priceIncludesTax", "false");
        snprintf(text, sizeof(text), "%u.%05u", r % 300, r % 100000);
        put_member(b, l, "unitCost", text);
        put_text(b, l, "taxGroupCode", "NORMAL");
        put_text(b, l, "taxGroupId", "00000000-0000-0000-0000-000000000000");
        put_text(b, l, "baseUnitOfMeasureId", "9cfc5f3d-31f0-ed11-8848-000d3abf4c39");
        put_text(b, l, "baseUnitOfMeasureCode", i % 2 ? "PCS" : "KG");
        put_text(b, l, "generalProductPostingGroupCode", "RETAIL");
        put_text(b, l, "inventoryPostingGroupCode", "RESALE");
        snprintf(text, sizeof(text), "2026-%02u-%02uT%02u:%02u:%02u.%03uZ", 1 + r % 12, 1 + r % 28,
                r % 24, i % 60, r % 60, r % 1000);
        put_text(b, l, "lastModifiedDateTime", text);
        put_member(b, l, "vendor", "null");
        for (unsigned k = 0; k < r % 8; k++) {
                char name[32];
                snprintf(name, sizeof(name), "customField%u", k);
                put_text(b, l, name, "some words of a note that somebody typed, and a few more");
        }
        put_member(b, l, "category", "{\"code\":\"FASTENERS\",\"level\":2}");
        buf_printf(b,
                "\"dimensions\":[{\"code\":\"AREA\",\"value\":\"%u\"},{\"code\":\"DEPT\","
                "\"value\":null}]}",
                r % 70);
}

static void generate(struct bench *b, size_t bytes, enum layout l)
{
        buf_clear(&b->reply);
        buf_puts(&b->reply, "{\"@odata.context\":\"https://api.example.com/v2.0/$metadata#items\","
                            "\"value\":[");
        for (unsigned i = 0; b->reply.len < bytes; i++)
                put_record(&b->reply, i, l);
        buf_puts(&b->reply, "],\"@odata.nextLink\":\"https://api.example.com/v2.0/items?$skiptoken="
                            "FgAAAAJ7BTkAOQAAAAA\"}");
}

static int keep_record(void *ctx, struct str text, struct err *e)
{
        struct bench *b = ctx;

        if (b->count == b->room) {
                b->room = b->room ? 2 * b->room : 1024;
                struct str *more = reallocarray(b->records, b->room, sizeof(*more));
                if (!more)
                        return err_nomem(e, "records");
                b->records = more;
        }
        b->records[b->count++] = text;
        return 0;
}

static int count_record(void *ctx, struct str text, struct err *e)
{
        ((struct bench *)ctx)->bytes += text.len;
        return 0;
}

static int pick_record(void *ctx, struct str text, struct err *e)
{
        struct bench *b = ctx;
        struct str values[PATHS];

        int rc = json_pick_values(b->pick, text, values, e);
        for (size_t i = 0; i < PATHS && !rc; i++)
                b->bytes += values[i].len;
        return rc;
}

static int map_record(void *ctx, struct str text, struct err *e)
{
        struct bench *b = ctx;
        struct str values[PATHS];
        struct value row[PATHS];
        struct mapper_reject why;
        struct mapped m;

        int rc = json_pick_values(b->pick, text, values, e);
        if (rc)
                return rc;
        for (size_t i = 0; i < PATHS; i++)
                row[i] = (struct value){values[i].ptr, (uint32_t)values[i].len};
        rc = mapper_render(b->program, &(struct record){row, NULL}, &m, &why, e);
        if (rc == MAPPER_REJECT)
                return err_set(e, ERR_BUG, "%s: %s", why.field, why.reason);
        b->bytes += rc ? 0 : m.body.len;
        return rc;
}

static int feed(
        struct bench *b, size_t piece, int (*take)(void *, struct str, struct err *), struct err *e)
{
        struct json_records_options o = {
                .path = "value",
                .facts = {"@odata\\.nextLink"},
                .fact_count = 1,
                .max_record = 1 << 20,
                .on_record = take,
                .ctx = b,
        };
        cleanup_(json_records_freep) struct json_records *j = NULL;
        struct str text = buf_str(&b->reply);
        size_t taken;

        int rc = json_records_new(&o, &j, e);
        while (text.len && !rc) {
                size_t n = text.len < piece ? text.len : piece;
                rc = json_records_feed(j, (struct str){text.ptr, n}, &taken, e);
                text.ptr += n;
                text.len -= n;
        }
        return rc ? rc : json_records_end(j, e);
}

static int run_records(struct bench *b, struct err *e)
{
        return feed(b, PIECE, count_record, e);
}

static int run_both(struct bench *b, struct err *e)
{
        return feed(b, PIECE, pick_record, e);
}

static int run_mapped(struct bench *b, struct err *e)
{
        return feed(b, PIECE, map_record, e);
}

static int run_pick(struct bench *b, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < b->count && !rc; i++)
                rc = pick_record(b, b->records[i], e);
        return rc;
}

static int run_canonical(struct bench *b, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < b->count && !rc; i++) {
                buf_clear(&b->scratch);
                rc = json_canonical(b->records[i], JSON_NUMBERS_EXACT, &b->scratch, e);
        }
        return rc;
}

static int run_yajl(struct bench *b, struct err *e)
{
        long n = bench_yajl(buf_str(&b->reply), PIECE);

        return n == -1 ? err_set(e, ERR_BUG, "yajl found an error") : n == -2;
}

static int run_cjson(struct bench *b, struct err *e)
{
        for (size_t i = 0; i < b->count; i++) {
                cJSON *json = cJSON_ParseWithLength(b->records[i].ptr, b->records[i].len);
                if (!json)
                        return err_set(e, ERR_BUG, "cJSON found an error");
                cJSON_Delete(json);
        }
        return 0;
}

static const struct {
        const char *name;
        enum layout layout;
        int (*run)(struct bench *b, struct err *e); /* 1: not there */
} parts[] = {
        {"records", PLAIN, run_records},
        {"pick", PLAIN, run_pick},
        {"both", PLAIN, run_both},
        {"mapped", PLAIN, run_mapped},
        {"canonical", PLAIN, run_canonical},
        {"yajl", PLAIN, run_yajl},
        {"cjson", PLAIN, run_cjson},
        {"spaced", SPACED, run_both},
        {"escaped", ESCAPED, run_both},
};

static double cpu_s(void)
{
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int measure(struct bench *b, size_t part, unsigned passes, struct err *e)
{
        double best = 0;
        int rc = 0;

        for (unsigned i = 0; i < passes && !rc; i++) {
                double start = cpu_s();
                rc = parts[part].run(b, e);
                double seconds = cpu_s() - start;
                best = best == 0 || seconds < best ? seconds : best;
        }
        if (rc < 0)
                return rc;
        printf(",\"%s\":", parts[part].name);
        if (rc)
                printf("null");
        else
                printf("%.0f", (double)b->reply.len / 1e6 / best);
        fflush(stdout);
        return 0;
}

static int run(struct bench *b, size_t bytes, unsigned passes, const char *only, struct err *e)
{
        enum layout layout = PLAIN;

        generate(b, bytes, PLAIN);
        int rc = buf_check(&b->reply, "reply", e);
        if (!rc)
                rc = feed(b, b->reply.len, keep_record, e);
        if (!rc)
                printf("{\"bytes\":%zu,\"count\":%zu", b->reply.len, b->count);
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !rc; i++) {
                if (only && strcmp(only, parts[i].name) != 0)
                        continue;
                if (parts[i].layout != layout)
                        generate(b, bytes, parts[i].layout);
                layout = parts[i].layout;
                rc = measure(b, i, passes, e);
        }
        printf("}\n");
        return rc;
}

/* The mapper, over columns that are the paths. */
static int open_mapper(struct bench *b, struct err *e)
{
        static struct column columns[PATHS];
        static const size_t key[] = {0};
        static const struct shape shape = {.columns = {columns, PATHS}, .key = key, .key_count = 1};

        for (size_t i = 0; i < PATHS; i++)
                columns[i] = (struct column){.name = paths[i], .kind = COL_JSON};
        int rc = mapper_spec_parse(STR(mapper), "bench", &b->spec, e);
        return rc ? rc : mapper_compile(b->spec, &shape, &b->program, e);
}

int main(int argc, char **argv)
{
        struct bench b = {.reply = BUF_INIT(MAX_BYTES), .scratch = BUF_INIT(MAX_BYTES)};
        size_t megabytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
        unsigned passes = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 3;
        struct arena *arena = arena_new(1 << 20);
        struct err e;

        if (megabytes == 0 || passes == 0) {
                fprintf(stderr, "usage: rest_json [MEGABYTES] [PASSES] [PART]\n");
                return 64;
        }
        int rc = arena ? json_pick_new(paths, PATHS, arena, &b.pick, &e) : err_nomem(&e, "paths");
        if (!rc)
                rc = open_mapper(&b, &e);
        if (!rc)
                rc = run(&b, megabytes * 1000000, passes, argc > 3 ? argv[3] : NULL, &e);
        if (rc)
                fprintf(stderr, "bench rest_json: %s\n", e.text);
        mapper_program_free(b.program);
        mapper_spec_free(b.spec);
        arena_free(arena);
        free(b.records);
        buf_deinit(&b.reply);
        buf_deinit(&b.scratch);
        return rc ? 1 : 0;
}
