#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ingest/pipeline/config_internal.h"
#include "ingest/pipeline/static_check.h"
#include "ingest/source/extract.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/mapper_fixture.h"

#define ARENA_MAX (16 << 20)

/* A mapper with its schema, as the configuration would have loaded them. */
struct subject {
        struct config_mapper mapper;
        struct source_config source;
        struct ydoc *doc;
        struct schema *schema;
        struct arena *arena;
        struct findings found;
};

static void close_subject(struct subject *s)
{
        mapper_spec_free(s->mapper.spec);
        schema_free(s->schema);
        ydoc_free(s->doc);
        arena_free(s->arena);
}

static void open_subject(struct subject *s, const char *yaml, const char *schema)
{
        struct schema_options options = {.assert_formats = true};
        struct err e = {0};

        *s = (struct subject){.arena = arena_new(ARENA_MAX)};
        s->found.arena = s->arena;
        assert_int_equal(ydoc_parse(STR("{type: postgres, dsn: dbname=x}"), "c.yaml",
                                 YDOC_EXPAND_NONE, &s->doc, &e),
                0);
        assert_int_equal(
                source_config_decode(s->doc, "erp", s->doc->root, s->arena, &s->source, &e), 0);
        if (mapper_spec_parse(str_of(yaml), "m.yaml", &s->mapper.spec, &e))
                fail_msg("%s", e.text);
        if (extract_decode(&s->source, s->mapper.spec->doc, s->mapper.spec->extract, s->arena,
                    &s->mapper.extract, &e))
                fail_msg("%s", e.text);
        if (schema && schema_compile_text(str_of(schema), "s.json", &options, &s->schema, &e))
                fail_msg("%s", e.text);
        s->mapper.source = &s->source;
        s->mapper.schema = s->schema;
}

/* "E line:column message", one a line; warnings with W. */
static const char *listing(const struct findings *found, struct buf *out)
{
        for (size_t i = 0; i < found->count; i++) {
                const struct finding *f = &found->list[i];
                assert_string_equal(f->file, "m.yaml");
                buf_printf(out, "%c %d:%d %s\n", "NWE"[f->level], f -> line, f -> column,
                        f -> message);
        }
        return buf_cstr(out) ? out->data : "";
}

static void expect(
        const char *yaml, const char *schema, const struct shape *shape, const char *wanted)
{
        cleanup_buf_ struct buf out = BUF_INIT(1 << 16);
        struct subject s;
        struct err e;

        open_subject(&s, yaml, schema);
        assert_int_equal(static_check_mapper(&s.mapper, shape, &s.found, &e), 0);
        if (strcmp(listing(&s.found, &out), wanted) != 0)
                fail_msg("%s\nwith %s\nwanted %s\nfound  %s", yaml, schema ? schema : "no schema",
                        wanted, out.len ? out.data : "nothing");
        close_subject(&s);
}

/* ---- sources that describe no columns ---- */

static const struct {
        const char *extract, *fields, *schema, *found;
} open_shapes[] = {
        {"key: id", "a: {from: code, required: true}", NULL, ""},
        /* what is named may be missing, the key is there */
        {"key: id", "a: code", "{\"required\":[\"a\"]}",
                "W 10:3 field 'a': the schema requires it (s.json#/required), and it is left out "
                "where it is null: column 'code' may be NULL in the source\n"},
        {"key: id", "a: id", "{\"required\":[\"a\"]}", ""},
        {"group: [customer]", "a: customer\n  b: {each: rows, fields: {q: qty}}",
                "{\"required\":[\"a\",\"b\"]}", ""},
        {"key: id\n  children: {lines: {query: x, parent: id}}",
                "b: {each: lines, fields: {q: qty}}", "{\"required\":[\"b\"]}", ""},
        /* what the compiler says needs no server */
        {"key: id", "a: {expr: doc.nope}", NULL,
                "E 10:13 field 'a': 'expr': line 1: there is no field 'nope'\n"},
};

static void what_is_named_may_be_missing(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(open_shapes) / sizeof(open_shapes[0]); i++) {
                cleanup_buf_ struct buf yaml = BUF_INIT(1 << 16), out = BUF_INIT(1 << 16);
                struct source_ops open = source_postgres;
                struct subject s;
                struct err e = {0};

                buf_printf(&yaml,
                        "mapper: m\nsource: erp\nextract:\n  query: x\n  %s\ntarget:\n"
                        "  database: d\n  id: 'x:${%s}'\nfields:\n  %s\n",
                        open_shapes[i].extract, i == 3 ? "customer" : "id", open_shapes[i].fields);
                open_subject(&s, buf_cstr(&yaml), open_shapes[i].schema);
                open.open_shape = true;
                s.source.ops = &open;
                assert_int_equal(
                        config_name_columns(s.mapper.spec, (struct extract *)s.mapper.extract, &e),
                        0);
                assert_int_equal(static_check_mapper(&s.mapper, NULL, &s.found, &e), 0);
                if (strcmp(listing(&s.found, &out), open_shapes[i].found) != 0)
                        fail_msg("%s\nwanted %s\nfound  %s", buf_cstr(&yaml), open_shapes[i].found,
                                out.len ? out.data : "nothing");
                close_subject(&s);
        }
}

/* ---- fields and schema; a field stands in line 9, key in column 3 ---- */

static const struct {
        const char *fields, *schema, *offline, *connected; /* findings; NULL: as offline */
} fields[] = {
        /* members */
        {"a: code", "{\"required\":[\"a\",\"abc\"]}",
                "E 8:1 the schema requires \"abc\" (s.json#/required), and no field sets it\n",
                NULL},
        {"total: code",
                "{\"allOf\":[{\"$ref\":\"#/$defs/x\"}],\"$defs\":{\"x\":{\"required\":"
                "[\"totals\"]}}}",
                "E 8:1 the schema requires \"totals\" (s.json#/$defs/x/required), and no field "
                "sets "
                "it; is 'total' meant?\n",
                NULL},
        {"a: {value: null}", "{\"required\":[\"a\"]}",
                "E 9:3 field 'a': the schema requires it (s.json#/required), and its value is "
                "null, "
                "so it is always left out\n",
                NULL},
        {"a: {from: code, null_if: x}", "{\"required\":[\"a\"]}",
                "W 9:3 field 'a': the schema requires it (s.json#/required), and it is left out "
                "where it is null: null_if can make it null\n",
                NULL},
        {"a: {from: code, null_if: x, default: y}", "{\"required\":[\"a\"]}", "", NULL},
        {"a: {from: code, null_if: x, required: true}", "{\"required\":[\"a\"]}", "", NULL},
        {"a: {from: code, null_if: x, keep_null: true}",
                "{\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}}}",
                "", NULL},
        {"a: {from: code, null_if: x, keep_null: true}",
                "{\"properties\":{\"a\":{\"type\":\"string\"}}}",
                "W 9:3 field 'a': its type may be null, and the schema wants string ("
                "s.json#/properties/a/type)\n",
                NULL},
        {"pricee: code", "{\"properties\":{\"price\":true},\"additionalProperties\":false}",
                "E 9:3 field 'pricee': the schema allows no such member "
                "(s.json#/additionalProperties); did you mean 'price'?\n",
                NULL},
        {"x-a: code",
                "{\"patternProperties\":{\"^x-\":{\"type\":\"string\"}},"
                "\"additionalProperties\":false}",
                "", NULL},
        {"a: code\nb: code",
                "{\"allOf\":[{\"properties\":{\"a\":true}}],\"unevaluatedProperties\":false}",
                "E 10:3 field 'b': the schema allows no such member "
                "(s.json#/unevaluatedProperties)\n",
                NULL},
        {"b: code", "{\"anyOf\":[{\"properties\":{\"b\":true}}],\"unevaluatedProperties\":false}",
                "W 7:11 not analysed here, but checked with every document: anyOf at "
                "s.json#/anyOf\n",
                NULL},
        {"a: {object: {b: code}}",
                "{\"properties\":{\"a\":{\"required\":[\"cost\"],\"properties\":{\"b\":false}}}}",
                "E 9:3 field 'a': the schema requires \"cost\" (s.json#/properties/a/required), "
                "and "
                "no "
                "field sets it\n"
                "E 9:16 field 'a.b': the schema allows no such member "
                "(s.json#/properties/a/properties)\n",
                NULL},
        {"lines: {each: lines, fields: {n: {value: x}}}",
                "{\"properties\":{\"lines\":{\"items\":{\"properties\":{\"n\":{\"type\":"
                "\"integer\"}}}}}}",
                "E 9:44 field 'lines[].n': value gives \"x\": must be of type integer (type at "
                "s.json#/properties/lines/items/properties/n/type)\n",
                NULL},
        {"lines: {each: lines, fields: {n: sku}}",
                "{\"properties\":{\"lines\":{\"type\":"
                "\"object\"}}}",
                "E 9:3 field 'lines': its type is array, and the schema wants object ("
                "s.json#/properties/lines/type)\n",
                NULL},
        /* values that the mapper writes */
        {"a: {value: 12}", "{\"properties\":{\"a\":{\"maximum\":10}}}",
                "E 9:14 field 'a': value gives 12: must be at most 10 (maximum at "
                "s.json#/properties/a/maximum)\n",
                NULL},
        {"a: {from: code, map: {d: draft, e: ende}, default: none}",
                "{\"properties\":{\"a\":{\"enum\":[\"draft\",\"end\"]}}}",
                "E 9:38 field 'a': map gives \"ende\": must be \"draft\" or \"end\" (enum at "
                "s.json#/properties/a/enum)\n"
                "E 9:54 field 'a': default gives \"none\": must be \"draft\" or \"end\" (enum at "
                "s.json#/properties/a/enum)\n"
                "N 9:3 field 'a': the schema also allows \"end\", which map never gives\n",
                NULL},
        {"a: {from: code, map: {d: 1}, type: string}",
                "{\"properties\":{\"a\":{\"type\":\"string\"}}}", "", NULL},
        {"a: {value: x, upper: true}\nb: {value: \"x,y\", split: \",\"}\n"
         "c: {value: \" x\", trim: true}\nd: {value: 1.5, numbers: string}",
                "{\"properties\":{\"a\":{\"const\":\"X\"},\"b\":{\"items\":{\"maxLength\":1}},"
                "\"c\":{\"const\":\"x\"},\"d\":{\"const\":\"1.5\"}}}",
                "", NULL},
        {"a: {value: x}",
                "{\"properties\":{\"a\":{\"anyOf\":[{\"const\":\"y\"},"
                "{\"type\":\"null\"}]}}}",
                "E 9:14 field 'a': value gives \"x\": must fit one of 2 schemas, and fits none; "
                "the "
                "nearest: the document is \"x\": must be \"y\" (anyOf at "
                "s.json#/properties/a/anyOf)\n"
                "W 7:11 not analysed here, but checked with every document: anyOf at "
                "s.json#/properties/a/anyOf\n",
                NULL},
        /* types */
        {"a: {from: price, type: decimal}", "{\"properties\":{\"a\":{\"type\":\"number\"}}}",
                "E 9:3 field 'a': its type is string, and the schema wants number ("
                "s.json#/properties/a/type)\n",
                NULL},
        {"a: {from: price, type: decimal, as: number}",
                "{\"properties\":{\"a\":{\"type\":\"number\"}}}", "", NULL},
        {"a: {from: price, type: decimal, as: minor, scale: 2}",
                "{\"properties\":{\"a\":{\"type\":\"string\"}}}",
                "E 9:3 field 'a': its type is integer, and the schema wants string ("
                "s.json#/properties/a/type)\n",
                NULL},
        {"a: {from: price, type: number}", "{\"properties\":{\"a\":{\"type\":\"integer\"}}}",
                "W 9:3 field 'a': its type may be number, and the schema wants integer ("
                "s.json#/properties/a/type)\n",
                NULL},
        {"a: price", "{\"properties\":{\"a\":{\"type\":\"number\"}}}", "",
                "E 9:3 field 'a': its type is string, and the schema wants number ("
                "s.json#/properties/a/type)\n"},
        {"a: tags", "{\"properties\":{\"a\":{\"type\":\"string\"}}}", "",
                "E 9:3 field 'a': its type is array, and the schema wants string ("
                "s.json#/properties/a/type)\n"},
        {"a: amounts", "{\"properties\":{\"a\":{\"items\":{\"type\":\"number\"}}}}", "",
                "E 9:3 field 'a': the type of each item is string, and the schema wants number "
                "(s.json#/properties/a/items/type)\n"},
        {"a: data", "{\"properties\":{\"a\":{\"type\":\"number\"}}}", "", ""},
        {"a: data.x", "{\"properties\":{\"a\":{\"type\":\"number\"}}}", "", ""},
        {"a: {from: data, type: integer}", "{\"properties\":{\"a\":{\"type\":\"array\"}}}",
                "W 9:3 field 'a': its type may be integer, and the schema wants array ("
                "s.json#/properties/a/type)\n",
                NULL},
        {"a: {template: \"${code}\"}", "{\"properties\":{\"a\":{\"type\":\"integer\"}}}",
                "E 9:3 field 'a': its type is string, and the schema wants integer ("
                "s.json#/properties/a/type)\n",
                NULL},
        {"a: {from: day, type: date}",
                "{\"properties\":{\"a\":{\"type\":\"string\",\"format\":\"date-time\"}}}",
                "E 9:3 field 'a': it is a date, and the schema wants the format date-time\n", NULL},
        {"a: id", "{\"properties\":{\"a\":{\"enum\":[\"x\",true]}}}", "",
                "E 9:3 field 'a': its type is integer, and the schema wants boolean or string "
                "(s.json#/properties/a/enum)\n"},
        {"a: id", "{\"type\":\"array\"}",
                "E 7:11 a document is an object, and the schema wants array (s.json#/type)\n",
                NULL},
        {"a: id", "{\"required\":[\"_id\"]}",
                "E 8:1 the schema requires \"_id\" (s.json#/required), and no field sets it; "
                "documents are checked without _id and _rev\n",
                NULL},
        {"a: clock", "{\"properties\":{\"a\":{\"format\":\"time\"}}}", "",
                "E 9:3 field 'a': it is a time without a zone, and the schema wants the format "
                "time\n"},
        {"a: stamp", "{\"properties\":{\"a\":{\"format\":\"date\"}}}", "",
                "E 9:3 field 'a': it is a date-time, and the schema wants the format date\n"},
        {"a: {from: stamp, type: string}", "{\"properties\":{\"a\":{\"format\":\"date-time\"}}}",
                "", ""},
        {"a: code", "{\"properties\":{\"a\":{\"if\":{\"minLength\":2},\"then\":{\"const\":1}}}}",
                "W 7:11 not analysed here, but checked with every document: if at "
                "s.json#/properties/a/if\n",
                NULL},
};

static void fields_and_schema(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
                cleanup_buf_ struct buf yaml = BUF_INIT(1 << 16);
                const char *rest = fields[i].fields;

                buf_puts(&yaml, "mapper: test\nsource: erp\nextract: {table: t, key: id}\n"
                                "target:\n  database: db\n  id: \"t:${row.id}\"\n"
                                "  schema: item\nfields:\n");
                while (*rest) {
                        size_t n = strcspn(rest, "\n");
                        buf_printf(&yaml, "  %.*s\n", (int)n, rest);
                        rest += n + (rest[n] == '\n');
                }
                const char *text = buf_cstr(&yaml);
                expect(text, fields[i].schema, NULL, fields[i].offline);
                expect(text, fields[i].schema, &fixture_shape,
                        fields[i].connected ? fields[i].connected : fields[i].offline);
        }
}

/* ---- NULLs of columns ---- */

static void columns_that_may_be_null(void **state)
{
        static const struct column columns[] = {
                {.name = "id", .kind = COL_INT, .nulls = NULLS_POSSIBLE},
                {.name = "code", .kind = COL_TEXT, .nulls = NULLS_POSSIBLE},
                {.name = "name", .kind = COL_TEXT, .nulls = NULLS_NEVER},
        };
        static const size_t key[] = {0};
        const struct shape shape = {.columns = {columns, 3}, .key = key, .key_count = 1};
        static const struct {
                const char *id, *fields, *wanted;
        } rows[] = {
                {"t:${id}", "{a: name}", ""}, /* the key is never NULL */
                {"t:${name}", "{a: name}", ""},
                {"t:${code}", "{b: name, a: name}",
                        "W 6:7 id 't:${code}': column 'code' may be NULL in the source, and a "
                        "record "
                        "without an id is rejected\n"},
                {"t:${a}", "{a: code}",
                        "W 6:7 id 't:${a}': column 'code' may be NULL in the source, and a record "
                        "without an id is rejected\n"
                        "W 8:10 field 'a': the schema requires it (s.json#/required), and it is "
                        "left "
                        "out where it is null: column 'code' may be NULL in the source\n"},
                {"t:${a}", "{a: {from: code, required: true}}", ""},
                {"t:${id}", "{a: {template: '${code} ${name}'}}",
                        "W 8:10 field 'a': the schema requires it (s.json#/required), and it is "
                        "left "
                        "out where it is null: column 'code' may be NULL in the source\n"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                cleanup_buf_ struct buf yaml = BUF_INIT(1 << 16);
                buf_printf(&yaml,
                        "mapper: test\nsource: erp\nextract: {table: t, key: id}\n"
                        "target:\n  database: db\n  id: \"%s\"\n  schema: item\nfields: %s\n",
                        rows[i].id, rows[i].fields);
                expect(buf_cstr(&yaml), "{\"required\":[\"a\"]}", &shape, rows[i].wanted);
        }
}

/* ---- names of columns ---- */

static const struct {
        const char *extract, *fields, *wanted;
} names[] = {
        {"query: SELECT id, code FROM t", "{a: coed}",
                "E 9:13 field 'a': there is no column 'coed'; did you mean 'code'?\n"},
        {"query: SELECT * FROM t", "{a: coed}", ""},
        {"query: SELECT id, code, t.* FROM t", "{a: coed}", ""},
        {"query: SELECT id, lower(code) FROM t", "{a: coed}", ""},
        {"table: t", "{a: coed}", ""},
        {"query: 'SELECT id, code::text FROM t'", "{a: coed}", ""},
        {"query: SELECT id, max(x) AS code FROM t", "{a: {template: \"${coed}\"}}",
                "E 9:13 field 'a': there is no column 'coed'; did you mean 'code'?\n"},
        {"query: SELECT id, code FROM t", "{a: code.x}", ""},
};

static void names_of_columns(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                cleanup_buf_ struct buf yaml = BUF_INIT(1 << 16);
                buf_printf(&yaml,
                        "mapper: test\nsource: erp\nextract:\n  %s\n  key: id\n"
                        "target:\n  database: db\n  id: \"t:${row.id}\"\nfields: %s\n",
                        names[i].extract, names[i].fields);
                expect(buf_cstr(&yaml), NULL, NULL, names[i].wanted);
        }
}

static void names_in_extract_and_children(void **state)
{
        static const char head[] = "mapper: test\nsource: erp\n";
        static const char tail[] = "target: {database: db, id: \"t:${row.id}\"}\n";
        cleanup_buf_ struct buf yaml = BUF_INIT(1 << 16);

        (void)state;
        buf_printf(&yaml,
                "%sextract:\n  query: SELECT id FROM t\n  key: [id, idd]\n"
                "  deletes: {column: gone, when: true}\n%sfields: {a: id}\n",
                head, tail);
        expect(buf_cstr(&yaml), NULL, NULL,
                "E 5:13 key: the query gives no column 'idd'; did you mean 'id'?\n"
                "E 6:21 column: the query gives no column 'gone'\n");
        buf_clear(&yaml);
        buf_printf(&yaml,
                "%sextract:\n  query: SELECT id FROM t\n  key: id\n  children:\n"
                "    lines: {query: 'SELECT id, qty, sale FROM l', key: idx, parent: sale}\n"
                "    notes: {query: SELECT * FROM n, key: id, parent: sale}\n"
                "%sfields:\n  notes: {each: notes, fields: {any: thing}}\n",
                head, tail);
        expect(buf_cstr(&yaml), NULL, NULL,
                "E 7:56 key: the query gives no column 'idx'; did you mean 'id'?\n");
        buf_clear(&yaml);
        buf_printf(&yaml,
                "%sextract:\n  query: SELECT id FROM t\n  key: id\n  children:\n"
                "    lines: {query: 'SELECT id, qty, sale FROM l', key: id, parent: sale}\n"
                "%sfields:\n  lines: {each: lines, fields: {n: qyt}}\n",
                head, tail);
        expect(buf_cstr(&yaml), NULL, NULL,
                "E 10:36 field 'lines[].n': there is no column 'qyt' in these elements; did you "
                "mean 'qty'?\n");
        buf_clear(&yaml);
        buf_printf(&yaml,
                "%sextract: {query: 'SELECT a, b FROM t', group: [a]}\ntarget: {database: db, id: "
                "\"t:${row.a}\"}\nfields: {a: a, rows: {each: rows, fields: {c: c}}}\n",
                head);
        expect(buf_cstr(&yaml), NULL, NULL,
                "E 5:47 field 'rows[].c': there is no column 'c' in these elements; "
                "did you mean 'a'?\n");
}

/* ---- limits ---- */

static void findings_end_somewhere(void **state)
{
        cleanup_buf_ struct buf yaml = BUF_INIT(1 << 20);
        struct subject s;
        struct err e;

        (void)state;
        buf_puts(&yaml, "mapper: test\nsource: erp\nextract: {table: t, key: id}\n"
                        "target: {database: db, id: \"t:${row.id}\"}\nfields:\n");
        for (int i = 0; i < FINDINGS_MAX + 50; i++)
                buf_printf(&yaml, "  f%d: id\n", i);
        open_subject(&s, buf_cstr(&yaml), "{\"additionalProperties\":false}");
        assert_int_equal(static_check_mapper(&s.mapper, NULL, &s.found, &e), 0);
        assert_int_equal(s.found.count, FINDINGS_MAX);
        close_subject(&s);
}

static void without_memory(void **state)
{
        static const char yaml[] =
                "mapper: test\nsource: erp\nextract: {query: 'SELECT id FROM t', key: idd}\n"
                "target: {database: db, id: \"t:${row.id}\"}\n"
                "fields: {a: {value: 1}, b: {from: x, map: {y: z}}}\n";
        struct subject s;
        struct err e;

        (void)state;
        open_subject(&s, yaml,
                "{\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"enum\":[\"q\"]}}}");
        ALLOC_FAIL_EACH(i)
        {
                s.found = (struct findings){.arena = arena_new(ARENA_MAX)};
                if (!s.found.arena)
                        continue;
                alloc_fail_at(i);
                int rc = static_check_mapper(&s.mapper, NULL, &s.found, &e);
                assert_true(rc == 0 || rc == -ERR_NOMEM);
                assert_true(rc || s.found.errors > 0);
                arena_free(s.found.arena);
        }
        close_subject(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_named_may_be_missing),
                cmocka_unit_test(fields_and_schema),
                cmocka_unit_test(columns_that_may_be_null),
                cmocka_unit_test(names_of_columns),
                cmocka_unit_test(names_in_extract_and_children),
                cmocka_unit_test(findings_end_somewhere),
                cmocka_unit_test(without_memory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
