/* Mapper texts in; the decoded spec, or the exact message, out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "mappers/spec.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A mapper whose `fields:` begin on line 6. */
#define HEAD                                                                                       \
        "mapper: m\nsource: s\nextract: {table: t, key: id}\n"                                     \
        "target: {database: d, id: 'm:${id}'}\nfields:\n"

struct bad {
        const char *text, *message;
};

static struct mapper_spec *parse(const char *text)
{
        struct mapper_spec *m = NULL;
        struct err e = {0};

        if (mapper_spec_parse(str_of(text), "m.yaml", &m, &e))
                fail_msg("%s\nin: %s", e.text, text);
        return m;
}

static void expect_error(const char *text, const char *message)
{
        struct mapper_spec *m = NULL;
        struct err e = {0};

        int rc = mapper_spec_parse(str_of(text), "m.yaml", &m, &e);
        if (rc == 0)
                fail_msg("no error in: %s", text);
        assert_string_equal(e.text, message);
        assert_int_equal(rc, -ERR_CONFIG);
        assert_null(m);
}

/* Each text stands below HEAD. */
static void expect_field_errors(const struct bad *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                char text[4096];
                snprintf(text, sizeof(text), HEAD "%s", cases[i].text);
                expect_error(text, cases[i].message);
        }
}

static const char whole[] =
        "mapper: product\n"
        "source: erp\n"
        "extract:\n"
        "  query: |\n"
        "    SELECT $$a$$, '${x}' FROM p\n"
        "  key: id\n"
        "schedule: \"*/5 * * * *\"\n"
        "full: {every: 24h}\n"
        "timezone: Europe/Dublin\n"
        "max_rejects: 7\n"
        "target:\n"
        "  database: catalog\n"
        "  id: \"product:${sku}\"\n"
        "  schema: product\n"
        "  on_conflict: reject\n"
        "fields:\n"
        "  type: {value: product}\n"
        "  sku: code\n"
        "  name: {from: 'data.names[2].en', trim: true, null_if: ['', N/A], required: true}\n"
        "  price: {from: list_price, type: decimal, scale: 2, rounding: half_up, as: minor}\n"
        "  status: {from: state, map: {d: draft, no: 1, 7: null}, default: {a: [1, x]}}\n"
        "  updated: {from: write_date, type: datetime, timezone: UTC, significant: false}\n"
        "  address: {object: {street: street, seen: {from: seen, significant: false}}}\n"
        "  lines: {each: lines, fields: {sku: code, qty: {from: q, type: decimal}}}\n"
        "  label: {template: \"${row.code} $$5 ${doc.name}${x.y[0]}$\", keep_null: true}\n"
        "  raw: {from: raw, type: json, numbers: string}\n"
        "tests:\n"
        "  - {name: plain, given: {id: 1}, expect: {sku: A1}}\n"
        "  - {given: {id: 2}, reject: price}\n";

static const struct field_spec *field(const struct mapper_spec *m, const char *name)
{
        for (size_t i = 0; i < m->field_count; i++)
                if (str_is(m->fields[i].name, name))
                        return &m->fields[i];
        fail_msg("no field %s", name);
        return NULL;
}

static void the_head_of_a_mapper_is_decoded(void **state)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *m = parse(whole);

        (void)state;
        assert_string_equal(m->path, "m.yaml");
        assert_string_equal(m->name, "product");
        assert_string_equal(m->source, "erp");
        assert_string_equal(m->timezone, "Europe/Dublin");
        assert_int_equal(m->max_rejects, 7);
        assert_string_equal(m->schema, "product");
        assert_int_equal(m->on_conflict, ON_CONFLICT_REJECT);
        assert_string_equal(m->database.text, "catalog");
        assert_int_equal(m->id.count, 2);
        assert_int_equal(m->id.parts[1].scope, TEMPLATE_ANY);
        assert_true(str_is(m->id.parts[1].text, "sku"));
        assert_true(str_is(m->id_prefix, "product:"));
        assert_true(m->schedule.is_set && m->schedule.is_cron);
        assert_true(m->full.is_set && !m->full.is_cron);
        assert_int_equal(m->tests.count, 2);
        assert_int_equal(m->field_count, 10);
        assert_true(str_is(ynode_get(m->extract, "query")->text, "SELECT $$a$$, '${x}' FROM p\n"));
}

static void fields_are_decoded(void **state)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *m = parse(whole);
        const struct field_spec *f;

        (void)state;
        f = field(m, "type");
        assert_int_equal(f->origin, FIELD_VALUE);
        assert_true(str_is(f->value_json, "\"product\""));
        assert_true(f->significant);
        f = field(m, "sku");
        assert_int_equal(f->origin, FIELD_FROM);
        assert_string_equal(f->from.text, "code");
        assert_true(f->significant);
        assert_int_equal(f->type, FIELD_TYPE_NONE);
        assert_int_equal(f->key_line, 18);
        assert_int_equal(f->key_column, 3);
        f = field(m, "name");
        assert_int_equal(f->from.count, 4);
        assert_true(str_is(f->from.steps[0].name, "data"));
        assert_true(str_is(f->from.steps[1].name, "names"));
        assert_null(f->from.steps[2].name.ptr);
        assert_int_equal(f->from.steps[2].index, 2);
        assert_true(str_is(f->from.steps[3].name, "en"));
        assert_true(f->trim);
        assert_true(f->required);
        assert_int_equal(f->null_if.count, 2);
        assert_string_equal(f->null_if.items[1], "N/A");
        f = field(m, "price");
        assert_int_equal(f->type, FIELD_TYPE_DECIMAL);
        assert_true(f->has_scale);
        assert_int_equal(f->scale, 2);
        assert_int_equal(f->rounding, ROUND_HALF_UP);
        assert_int_equal(f->as, AS_MINOR);
        f = field(m, "status");
        assert_true(f->has_map);
        assert_int_equal(f->map_count, 3);
        assert_true(str_is(f->map[1].from, "no"));
        assert_true(str_is(f->map[1].json, "1"));
        assert_true(str_is(f->map[2].from, "7"));
        assert_true(str_is(f->map[2].json, "null"));
        assert_true(f->has_default);
        assert_true(str_is(f->default_json, "{\"a\":[1,\"x\"]}"));
        f = field(m, "updated");
        assert_string_equal(f->timezone, "UTC");
        assert_false(f->significant);
        f = field(m, "lines");
        assert_int_equal(f->origin, FIELD_EACH);
        assert_string_equal(f->from.text, "lines");
        assert_int_equal(f->field_count, 2);
        assert_int_equal(f->fields[1].type, FIELD_TYPE_DECIMAL);
        f = field(m, "raw");
        assert_true(f->numbers_as_strings);
        assert_int_equal(f->rounding, ROUND_NONE);
        assert_int_equal(f->as, AS_STRING);
}

static void templates_are_split_and_unescaped(void **state)
{
        static const struct {
                enum template_scope scope;
                const char *text;
        } parts[] = {
                {TEMPLATE_ROW, "code"},
                {TEMPLATE_LITERAL, " $5 "},
                {TEMPLATE_DOC, "name"},
                {TEMPLATE_ANY, "x.y[0]"},
                {TEMPLATE_LITERAL, "$"},
        };
        cleanup_(mapper_spec_freep) struct mapper_spec *m = parse(whole);
        const struct field_template *t = &field(m, "label")->template;

        (void)state;
        assert_int_equal(t->count, COUNT(parts));
        for (size_t i = 0; i < COUNT(parts); i++) {
                assert_int_equal(t->parts[i].scope, parts[i].scope);
                assert_true(str_is(t->parts[i].text, parts[i].text));
        }
        assert_int_equal(t->parts[3].path.count, 3);
}

static void the_environment_reaches_every_value_but_no_key(void **state)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *m = NULL;

        (void)state;
        setenv("S_SHOP", "dublin", 1);
        setenv("S_SCALE", "3", 1);
        m = parse(
                "mapper: m\nsource: s\nextract: {query: 'x ${env:S_SHOP} $$', key: id}\n"
                "target: {database: 'shop-${env:S_SHOP}', id: '${env:S_SHOP}:$${env:X}$$:${id}'}\n"
                "fields:\n"
                "  ${env:S_SHOP}:\n    from: a\n    type: decimal\n    scale: ${env:S_SCALE}\n");
        assert_string_equal(m->database.text, "shop-dublin");
        assert_int_equal(m->id.count, 2);
        assert_true(str_is(m->id_prefix, "dublin:${env:X}$:"));
        assert_int_equal(field(m, "${env:S_SHOP}")->scale, 3);
        assert_true(str_is(ynode_get(m->extract, "query")->text, "x dublin $$"));
}

static void the_filter_names_what_is_not_significant(void **state)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *m = parse(whole);
        cleanup_(mapper_spec_freep) struct mapper_spec *none = parse(HEAD "  a: a\n");

        (void)state;
        assert_null(none->filter);
        assert_int_equal(none->max_rejects, -1);
        assert_int_equal(none->on_conflict, ON_CONFLICT_OVERWRITE);
        assert_non_null(m->filter);
        assert_int_equal(m->filter->member_count, 2);
        assert_true(str_is(m->filter->members[0].name, "updated"));
        assert_true(m->filter->members[0].insignificant);
        assert_true(str_is(m->filter->members[1].name, "address"));
        assert_false(m->filter->members[1].insignificant);
        assert_int_equal(m->filter->members[1].member_count, 1);
        assert_true(str_is(m->filter->members[1].members[0].name, "seen"));
        assert_true(m->filter->members[1].members[0].insignificant);
}

#define REST "source: s\nextract: {table: t, key: id}\ntarget: {database: d, id: 'm:${i}'}\n"
#define LATE "fields: {a: a}\n"

static void a_wrong_head_is_refused(void **state)
{
        static const struct bad cases[] = {
                {"", "m.yaml:1:1: the mapper is empty: write its keys, indented below it"},
                {"- a\n", "m.yaml:1:1: the mapper must be a map, not a list"},
                {"mappper: m\n", "m.yaml:1:1: unknown key 'mappper', did you mean 'mapper'?"},
                {REST LATE, "m.yaml:1:1: key 'mapper' is missing in the mapper; add it: name of "
                            "the mapper: [a-z][a-z0-9_-]{0,62}"},
                {"mapper: m\n" LATE, "m.yaml:1:1: key 'source' is missing in the mapper; add it: "
                                     "name of a source in erp2couch.yaml"},
                {"mapper: m\nsource: s\n" LATE, "m.yaml:1:1: key 'extract' is missing in the "
                                                "mapper; add it: what is read from the source"},
                {"mapper: m\n" REST, "m.yaml:1:1: key 'fields' is missing in the mapper; add it: "
                                     "the document, in this order"},
                {"mapper: Product\n",
                        "m.yaml:1:9: a mapper's name is a-z, then a-z 0-9 _ -, at most 63 "
                        "characters, not 'Product'"},
                {"mapper: 1a\n", "m.yaml:1:9: a mapper's name is a-z, then a-z 0-9 _ -, at most 63 "
                                 "characters, not '1a'"},
                {"mapper: ../x\n",
                        "m.yaml:1:9: a mapper's name is a-z, then a-z 0-9 _ -, at most 63 "
                        "characters, not '../x'"},
                {"mapper: a234567890123456789012345678901234567890123456789012345678901234\n",
                        "m.yaml:1:9: a mapper's name is a-z, then a-z 0-9 _ -, at most 63 "
                        "characters, not "
                        "'a234567890123456789012345678901234567890123456789012345678901234'"},
                {"mapper: null\n",
                        "m.yaml:1:9: a mapper's name is a-z, then a-z 0-9 _ -, at most 63 "
                        "characters, not null"},
                {"mapper: true\n",
                        "m.yaml:1:9: a mapper's name is a-z, then a-z 0-9 _ -, at most 63 "
                        "characters, not 'true'"},
                {"mapper: [m]\n",
                        "m.yaml:1:9: a mapper's name is a-z, then a-z 0-9 _ -, at most 63 "
                        "characters, not a list"},
                {"mapper: m\ninclude: x\n",
                        "m.yaml:2:1: unknown key 'include'; the mapper takes mapper, source, "
                        "extract, schedule, full, after, timezone, max_rejects, target, fields or "
                        "tests"},
                {"mapper: m\nsource: s\nextract: t\ntarget: {database: d, id: 'm:${i}'}\n" LATE,
                        "m.yaml:3:10: extract must be a map, not a string"},
                {"mapper: m\nmax_rejects: -1\n",
                        "m.yaml:2:14: 'max_rejects' must be from 0 to 9223372036854775807, not "
                        "'-1'"},
                {"mapper: m\nmax_rejects: 10%\n",
                        "m.yaml:2:14: 'max_rejects' must be an integer, not '10%'"},
                {"mapper: m\ntimezone: 1\n",
                        "m.yaml:2:11: 'timezone' must be a name such as Europe/Dublin, not an "
                        "integer"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_error(cases[i].text, cases[i].message);
}

static void an_unknown_timezone_is_refused_with_its_place(void **state)
{
        struct mapper_spec *m = NULL;
        struct err e = {0};

        (void)state;
        assert_int_equal(
                mapper_spec_parse(STR("mapper: m\ntimezone: Europe/Dublim\n"), "m.yaml", &m, &e),
                -ERR_CONFIG);
        assert_memory_equal(e.text, "m.yaml:2:11: ", 13);
        assert_non_null(strstr(e.text, "Europe/Dublim"));
        assert_int_equal(mapper_spec_parse(STR("mapper: m\ntimezone: ../../../etc/passwd\n"),
                                 "m.yaml", &m, &e),
                -ERR_CONFIG);
        assert_memory_equal(e.text, "m.yaml:2:11: ", 13);
}

static void a_wrong_target_is_refused(void **state)
{
        static const struct bad cases[] = {
                {"d", "m.yaml:2:9: 'target' must be a map, not a string"},
                {"{id: 'a:${b}'}", "m.yaml:2:9: key 'database' is missing in target; add it: "
                                   "CouchDB database; a template"},
                {"{database: d}", "m.yaml:2:9: key 'id' is missing in target; add it: document id; "
                                  "a template that begins with text of this mapper alone"},
                {"{database: d, Id: x}", "m.yaml:2:23: unknown key 'Id', did you mean 'id'?"},
                {"{database: '', id: x}", "m.yaml:2:20: 'database' must not be empty"},
                {"{database: [], id: x}", "m.yaml:2:20: 'database' must be a string, not a list"},
                {"{database: d, id: }", "m.yaml:2:27: 'id' must be a string, not null"},
                {"{database: d, id: 'product'}",
                        "m.yaml:2:27: 'id' has no ${...}: all records would get the same document; "
                        "name a column, as in \"product:${code}\" (in quotes: # behind a blank "
                        "begins a comment)"},
                {"{database: d, id: 'product:$${sku}'}",
                        "m.yaml:2:27: 'id' has no ${...}: all records would get the same document; "
                        "a name is written ${NAME}, with the dollar and the braces"},
                {"{database: d, id: '${sku}'}",
                        "m.yaml:2:27: 'id' must begin with text before its first ${...}: that "
                        "prefix marks the mapper's documents, as in \"product:${code}\""},
                {"{database: d, id: '_design/${sku}'}",
                        "m.yaml:2:27: 'id' begins with _: such ids belong to CouchDB; begin it "
                        "with a letter"},
                {"{database: d, id: 'p:${sku'}",
                        "m.yaml:2:27: 'id': '${' without a '}' behind it; a dollar sign is $$"},
                {"{database: d, id: 'p:${}'}", "m.yaml:2:27: 'id': a name is missing in '${}'"},
                {"{database: d, id: 'p:${row.}'}", "m.yaml:2:27: 'id': a name is missing in '${}'"},
                {"{database: d, id: 'p:${a..b}'}",
                        "m.yaml:2:27: 'id': 'a..b' is not a path: a name is missing"},
                {"{database: d, id: 'p:${ sku }'}",
                        "m.yaml:2:27: 'id': ' sku ' is not a path: a name begins or ends with a "
                        "space"},
                {"{database: d, id: 'p:${sku}', schema: ../x}",
                        "m.yaml:2:47: 'schema' must be the name of a file NAME.schema.json in the "
                        "folder of schemas, without its ending, not '../x'"},
                {"{database: d, id: 'p:${sku}', on_conflict: merge}",
                        "m.yaml:2:52: 'on_conflict' must be overwrite or reject, not 'merge'"},
                {"{database: d, id: 'p:${sku}', lookup: merge}",
                        "m.yaml:2:39: unknown key 'lookup'; target takes database, id, schema or "
                        "on_conflict"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char text[1024];
                snprintf(text, sizeof(text), "mapper: m\ntarget: %s\n", cases[i].text);
                expect_error(text, cases[i].message);
        }
}

static void a_document_template_needs_its_field(void **state)
{
        static const struct bad cases[] = {
                {"target: {database: d, id: 'm:${doc.cod}'}\nfields: {code: a}\n",
                        "m.yaml:4:27: ${doc.cod}: there is no field 'cod'; did you mean 'code'?"},
                {"target: {database: 'x-${doc.rep.id}', id: 'm:${a}'}\nfields: {code: a}\n",
                        "m.yaml:4:20: ${doc.rep.id}: there is no field 'rep'"},
                {"target: {database: d, id: 'm:${a}'}\n"
                 "fields: {a: a, o: {object: {b: {template: '${doc.b}'}}}}\n",
                        "m.yaml:5:43: ${doc.b}: there is no field 'b'; did you mean 'a'?"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char text[1024];
                snprintf(
                        text, sizeof(text), "mapper: m\nsource: s\nextract: {}\n%s", cases[i].text);
                expect_error(text, cases[i].message);
        }
}

static void a_field_has_one_origin_and_keys_that_fit_it(void **state)
{
        static const struct bad cases[] = {
                {"  []\n", "m.yaml:6:3: 'fields' must be a map of fields, not a list; write NAME: "
                           "COLUMN on each line"},
                {"  {}\n", "m.yaml:6:3: 'fields' has no fields"},
                {"  a:\n",
                        "m.yaml:6:5: a field is a column's name or a map, not null; for a constant "
                        "write {value: ...}"},
                {"  a: 1\n",
                        "m.yaml:6:6: a field is a column's name or a map, not an integer; for a "
                        "constant write {value: ...}"},
                {"  a: {}\n",
                        "m.yaml:6:6: a field needs one of from, value, template, expr, lookup, "
                        "object or each: where its value comes from"},
                {"  a: {type: string}\n",
                        "m.yaml:6:6: a field needs one of from, value, template, expr, lookup, "
                        "object or each: where its value comes from"},
                {"  a: {from: b, value: c}\n",
                        "m.yaml:6:16: 'from' and 'value': a field has one of them"},
                {"  a: {template: b, from: c}\n",
                        "m.yaml:6:20: 'template' and 'from': a field has one of them"},
                {"  _id: a\n",
                        "m.yaml:6:3: field '_id': names that begin with _ belong to CouchDB"},
                {"  a: {object: {_x: a}}\n",
                        "m.yaml:6:16: field '_x': names that begin with _ belong to CouchDB"},
                {"  '': a\n", "m.yaml:6:3: a field needs a name"},
                {"  a: b\n  a: c\n",
                        "m.yaml:7:3: duplicate key 'a', first on line 6: keep one of them"},
                {"  a: {frm: b}\n", "m.yaml:6:7: unknown key 'frm', did you mean 'from'?"},
                {"  a: {from: ''}\n", "m.yaml:6:13: 'from' must not be empty"},
                {"  a: {from: [b]}\n", "m.yaml:6:13: 'from' must be a string, not a list"},
                {"  a: {from: 1}\n",
                        "m.yaml:6:13: 'from' must be a column or a path, not an integer; put a "
                        "name in quotes"},
                {"  a: {each: true, fields: {b: b}}\n",
                        "m.yaml:6:13: 'each' must be a column or a path, not a boolean; put a name "
                        "in quotes"},
                {"  a: {object: b}\n", "m.yaml:6:15: 'object' must be a map of fields, not a "
                                       "string; write NAME: COLUMN on each line"},
                {"  a: {object: {}}\n", "m.yaml:6:15: 'object' has no fields"},
                {"  a: {object: {b: b}, trim: true}\n",
                        "m.yaml:6:23: 'trim' means nothing beside 'object'"},
                {"  a: {object: {b: b}, required: true}\n",
                        "m.yaml:6:23: 'required' means nothing beside 'object'"},
                {"  a: {each: b}\n", "m.yaml:6:6: key 'fields' is missing beside 'each': the "
                                     "fields of each element"},
                {"  a: {each: b, fields: {}}\n", "m.yaml:6:24: 'fields' has no fields"},
                {"  a: {each: b, fields: {c: {x: y}}}\n",
                        "m.yaml:6:29: unknown key 'x'; a field takes from, value, template, expr, "
                        "lookup, object, each, fields, when, split, trim, replace, upper, lower, "
                        "null_if, map, type, scale, rounding, as, numbers, format, timezone, "
                        "default, required, keep_null or significant"},
                {"  a: {each: b, fields: {c: d}, type: string}\n",
                        "m.yaml:6:32: 'type' means nothing beside 'each'"},
                {"  a: {from: b, fields: {c: d}}\n",
                        "m.yaml:6:16: 'fields' means nothing beside 'from'"},
        };
        (void)state;
        expect_field_errors(cases, COUNT(cases));
}

static void keys_of_a_field_agree_with_each_other(void **state)
{
        static const struct bad cases[] = {
                {"  a: {from: b, type: text}\n",
                        "m.yaml:6:22: 'type' must be string, integer, number, decimal, boolean, "
                        "date, datetime, json or bytes, not 'text'"},
                {"  a: {from: b, type: decimals}\n",
                        "m.yaml:6:22: 'type' must be string, integer, number, decimal, boolean, "
                        "date, datetime, json or bytes, not 'decimals'; did you mean 'decimal'?"},
                {"  a: {from: b, scale: 2}\n", "m.yaml:6:16: 'scale' needs type: decimal"},
                {"  a: {from: b, type: number, scale: 2}\n",
                        "m.yaml:6:30: 'scale' needs type: decimal"},
                {"  a: {from: b, type: decimal, scale: 39}\n",
                        "m.yaml:6:38: 'scale' must be from 0 to 38, not '39'"},
                {"  a: {from: b, type: decimal, scale: -1}\n",
                        "m.yaml:6:38: 'scale' must be from 0 to 38, not '-1'"},
                {"  a: {from: b, type: decimal, rounding: up}\n",
                        "m.yaml:6:31: 'rounding' needs 'scale'"},
                {"  a: {from: b, type: decimal, scale: 0, rounding: nearest}\n",
                        "m.yaml:6:51: 'rounding' must be half_even, half_up, down, up, floor or "
                        "ceiling, not 'nearest'"},
                {"  a: {from: b, as: number}\n", "m.yaml:6:16: 'as' needs type: decimal"},
                {"  a: {from: b, type: decimal, as: minor}\n",
                        "m.yaml:6:31: 'as: minor' needs 'scale': how many digits the integer "
                        "holds"},
                {"  a: {from: b, type: decimal, as: cents}\n",
                        "m.yaml:6:35: 'as' must be string, number or minor, not 'cents'"},
                {"  a: {from: b, type: string, numbers: string}\n",
                        "m.yaml:6:30: 'numbers' needs type: json"},
                {"  a: {from: b, type: string, timezone: UTC}\n",
                        "m.yaml:6:30: 'timezone' needs type: datetime or date"},
                {"  a: {from: b, map: {}}\n",
                        "m.yaml:6:21: 'map' must be a map with entries, not an empty one"},
                {"  a: {from: b, map: [c]}\n",
                        "m.yaml:6:21: 'map' must be a map with entries, not a list"},
                {"  a: {from: b, map: {c: 007}}\n",
                        "m.yaml:6:25: JSON cannot write the number '007': write it in plain "
                        "decimal digits, or in quotes for text"},
                {"  a: {from: b, null_if: [[c]]}\n",
                        "m.yaml:6:26: 'null_if' must be a string or a list of strings, not a list "
                        "with a list"},
                {"  a: {from: b, trim: yes}\n",
                        "m.yaml:6:22: 'trim' must be true or false, not 'yes'"},
                {"  a: {from: b, default: {c: [.nan]}}\n",
                        "m.yaml:6:30: JSON cannot write the number '.nan': write it in plain "
                        "decimal digits, or in quotes for text"},
                {"  a: {value: 0x1F}\n",
                        "m.yaml:6:14: JSON cannot write the number '0x1F': write it in plain "
                        "decimal digits, or in quotes for text"},
        };
        (void)state;
        expect_field_errors(cases, COUNT(cases));
}

static void constants_that_would_change_are_refused(void **state)
{
        struct mapper_spec *m = NULL;
        struct err e = {0};

        (void)state;
        assert_int_equal(mapper_spec_parse(STR(HEAD "  a: {value: 0.1234567890123456789}\n"),
                                 "m.yaml", &m, &e),
                -ERR_CONFIG);
        assert_memory_equal(e.text, "m.yaml:6:14: ", 13);
        m = parse(HEAD "  a: {value: [1.50, 1e2, 12345678901234567890]}\n");
        assert_true(str_is(field(m, "a")->value_json, "[1.5,100.0,12345678901234567890]"));
        mapper_spec_free(m);
}

static void paths_are_refused_with_the_reason(void **state)
{
        static const struct bad cases[] = {
                {"  a: '${b}'\n",
                        "m.yaml:6:6: column: '${b}' is not a path: text with ${...} is a template: "
                        "{template: ...}"},
                {"  a: \"b\\nc.\"\n",
                        "m.yaml:6:6: column: 'b...' is not a path: a name is missing"},
                {"  a: b.\n", "m.yaml:6:6: column: 'b.' is not a path: a name is missing"},
                {"  a: .b\n", "m.yaml:6:6: column: '.b' is not a path: a name is missing"},
                {"  a: '[0]'\n", "m.yaml:6:6: column: '[0]' is not a path: a name is missing"},
                {"  a: b[\n", "m.yaml:6:6: column: 'b[' is not a path: ']' is missing"},
                {"  a: b[]\n",
                        "m.yaml:6:6: column: 'b[]' is not a path: between [ and ] stands a number "
                        "from 0"},
                {"  a: b[-1]\n",
                        "m.yaml:6:6: column: 'b[-1]' is not a path: between [ and ] stands a "
                        "number from 0"},
                {"  a: b[99999999999999999999]\n",
                        "m.yaml:6:6: column: 'b[99999999999999999999]' is not a path: between [ "
                        "and ] stands a number from 0"},
                {"  a: b[0]c\n",
                        "m.yaml:6:6: column: 'b[0]c' is not a path: after ] stands . or [ or the "
                        "end"},
                {"  a: b]\n",
                        "m.yaml:6:6: column: 'b]' is not a path: after ] stands . or [ or the end"},
                {"  a: {from: 'b. c'}\n",
                        "m.yaml:6:13: 'from': 'b. c' is not a path: a name begins or ends with a "
                        "space"},
                {"  a: a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a\n",
                        "m.yaml:6:6: column: "
                        "'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a' is "
                        "not "
                        "a path: it has too many steps"},
        };
        (void)state;
        expect_field_errors(cases, COUNT(cases));
}

static void columns_with_spaces_are_paths(void **state)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *m = parse(HEAD "  a: unit price\n");

        (void)state;
        assert_int_equal(field(m, "a")->from.count, 1);
        assert_true(str_is(field(m, "a")->from.steps[0].name, "unit price"));
}

#define NOT_CRON                                                                                   \
        "a cron expression is five fields (minute hour day month weekday) or @hourly, @daily, "    \
        "@weekly, @monthly, @yearly"

static void schedules_are_decoded(void **state)
{
        static const struct {
                const char *text;
                int64_t last, next; /* in America/New_York; next -1: never */
        } cases[] = {
                {"\"* * * * *\"", 1767225600, 1767225660},
                {"'0 3 1,15 */2 mon-fri'", 1767225600, 1767254400},
                {"0 0 1 JAN 7", 1767225600, 1767243600},
                {"' 5-10/2  *  * * * '", 1767225600, 1767225900},
                {"'@daily'", 1767225600, 1767243600},
                {"\"@annually\"", 1767225600, 1767243600},
                {"'0 0 30 2 *'", 1767225600, -1},
                {"{every: 30s}", 1767225600, 1767225630},
                {"{every: 1h}", 0, 3600},
                {"{every: 1500ms}", 10, 12},
                {"{every: 366d}", INT64_MAX - 5, -1},
                {NULL, 0, -1},
        };
        struct tz *zone = NULL;
        struct err e;

        (void)state;
        assert_int_equal(tz_load("America/New_York", &zone, &e), 0);
        for (size_t i = 0; i < COUNT(cases); i++) {
                char text[512];
                const char *s = cases[i].text;
                snprintf(text, sizeof(text), HEAD "  a: a\n%s%s\n%s%s\n", s ? "schedule: " : "",
                        s ? s : "", s ? "full: " : "", s ? s : "");
                struct mapper_spec *m = parse(text);
                const struct schedule *both[] = {&m->schedule, &m->full};
                for (size_t k = 0; k < COUNT(both); k++) {
                        int64_t next = -1;
                        bool is_due = schedule_next(both[k], zone, cases[i].last, &next);
                        assert_int_equal(schedule_is_set(both[k]), s != NULL);
                        if (is_due != (cases[i].next >= 0) || (is_due && next != cases[i].next))
                                fail_msg("%s: %d %lld", s, is_due, (long long)next);
                }
                mapper_spec_free(m);
        }
        tz_free(zone);
}

static void the_long_form_says_more(void **state)
{
        struct mapper_spec *m = parse(HEAD "  a: a\n"
                                           "schedule: {cron: ' 0 6 * * mon-fri ', timezone: "
                                           "Europe/Dublin, jitter: 5m, timeout: 1h, notify: ch}\n"
                                           "full: {cron: '@weekly', timezone: UTC}\n"
                                           "after: [x, y]\n");
        const struct schedule *s = &m->schedule;

        (void)state;
        assert_true(schedule_is_set(s) && s->is_cron);
        assert_string_equal(s->text, "0 6 * * mon-fri");
        assert_string_equal(s->timezone, "Europe/Dublin");
        assert_int_equal(s->jitter_ms, 300000);
        assert_int_equal(s->timeout_ms, 3600000);
        assert_string_equal(s->notify, "ch");
        assert_string_equal(m->full.timezone, "UTC");
        assert_int_equal(m->after.count, 2);
        assert_string_equal(m->after.items[1], "y");
        mapper_spec_free(m);
        m = parse(HEAD "  a: a\nschedule: {notify: ch}\nfull: {every: 1d}\nafter: x\n");
        assert_true(m->schedule.is_set);
        assert_false(schedule_is_set(&m->schedule));
        assert_null(m->schedule.text);
        assert_string_equal(m->full.text, "every 1d");
        assert_int_equal(m->after.count, 1);
        mapper_spec_free(m);
        expect_error("mapper: m\nfull: {every: 1d, notify: ch}\n",
                "m.yaml:2:19: unknown key 'notify'; a schedule of full reads takes every, cron or "
                "timezone");
        expect_error("mapper: m\nfull: {}\n",
                "m.yaml:2:7: a schedule of full reads needs one of 'every' and 'cron'");
}

/* A clock that went back must not put a full read off for ever. */
static void schedules_are_due(void **state)
{
        static const struct {
                const char *text;
                int64_t last, now;
                bool due;
        } cases[] = {
                {"'0 3 * * *'", 1767225600, 1767236399, false},
                {"'0 3 * * *'", 1767225600, 1767236400, true},
                {"'0 3 * * *'", 1767225600, 1767225599, true},
                {"'0 0 30 2 *'", 1767225600, 1767225599, false},
                {"{every: 1h}", 1767225600, 1767225600, false},
                {"{every: 1h}", 1767225600, 1767229199, false},
                {"{every: 1h}", 1767225600, 1767229200, true},
                {"{every: 1h}", 0, 1767225600, true},
                {"{every: 1h}", 1767225600, 1767225599, true},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char text[512];
                snprintf(text, sizeof(text), HEAD "  a: a\nfull: %s\n", cases[i].text);
                struct mapper_spec *m = parse(text);
                if (schedule_is_due(&m->full, NULL, cases[i].last, cases[i].now) != cases[i].due)
                        fail_msg("case %zu: %s", i, cases[i].text);
                mapper_spec_free(m);
        }
}

static void schedules_are_refused_with_the_reason(void **state)
{
        static const struct bad cases[] = {
                {"'* * * *'", "m.yaml:2:11: '* * * *': " NOT_CRON},
                {"'* * * * * *'", "m.yaml:2:11: '* * * * * *': " NOT_CRON},
                {"''", "m.yaml:2:11: '': " NOT_CRON},
                {"'@reboot'", "m.yaml:2:11: '@reboot': @reboot is no time: a service that starts "
                              "runs what it missed by itself"},
                {"5m", "m.yaml:2:11: '5m': " NOT_CRON "; an interval is written {every: 30s}"},
                {"'60 * * * *'", "m.yaml:2:11: '60 * * * *': the minute of a cron expression is "
                                 "from 0 to 59, with * , - and /"},
                {"'* 5-3 * * *'", "m.yaml:2:11: '* 5-3 * * *': the hour of a cron expression is "
                                  "from 0 to 23, with * , - and /"},
                {"'* * 0 * *'", "m.yaml:2:11: '* * 0 * *': the day of month of a cron expression "
                                "is from 1 to 31, with * , - and /"},
                {"'* * * ja *'", "m.yaml:2:11: '* * * ja *': the month of a cron expression is "
                                 "from 1 to 12, with * , - and /"},
                {"'* * * * */0'", "m.yaml:2:11: '* * * * */0': the day of week of a cron "
                                  "expression is from 0 to 7, with * , - and /"},
                {"5", "m.yaml:2:11: a schedule is a cron expression or {every: 30s}, not an "
                      "integer"},
                {"{every: 30}",
                        "m.yaml:2:19: 'every' must be a duration such as 500ms, 30s, 5m or 1h30m, "
                        "not '30'"},
                {"{every: 1ms}",
                        "m.yaml:2:19: 'every' must be from 1000 to 31622400000 ms, not '1ms'"},
                {"{}", "m.yaml:2:11: a schedule needs one of 'every', 'cron' and 'notify'"},
                {"{jitter: 1s}",
                        "m.yaml:2:11: a schedule needs one of 'every', 'cron' and 'notify'"},
                {"{every: 1m, cron: '@daily'}",
                        "m.yaml:2:19: 'every' and 'cron' exclude each other: keep one"},
                {"{every: 1m, timezone: UTC}",
                        "m.yaml:2:33: 'timezone' is for 'cron': an interval has no hour"},
                {"{cron: '@daily', timezone: Nowhere/At_All}",
                        "m.yaml:2:38: time zone \"Nowhere/At_All\": no such zone in "
                        "/usr/share/zoneinfo; write it as Europe/Dublin or America/New_York"},
                {"{cron: 5}", "m.yaml:2:18: 'cron' must be a cron expression such as "
                              "\"*/5 * * * *\", not an integer"},
                {"{notify: n, jitter: 1s}", "m.yaml:2:31: 'jitter' is for 'every' and 'cron'"},
                {"{every: 30s, jitter: 30s}",
                        "m.yaml:2:32: 'jitter' must be shorter than the time between two runs, "
                        "which is 30 s"},
                {"{cron: '0,55 8-9 * * *', jitter: 5m}",
                        "m.yaml:2:44: 'jitter' must be shorter than the time between two runs, "
                        "which is 300 s"},
                {"{every: 1m, timeout: 0}",
                        "m.yaml:2:32: 'timeout' must be from 1000 to 31622400000 ms, not '0'"},
                {"{notify: ''}", "m.yaml:2:20: 'notify' must be the name of a channel, at most 63 "
                                 "bytes, not ''"},
                {"{notify: [a]}", "m.yaml:2:20: 'notify' must be the name of a channel, at most "
                                  "63 bytes, not a list"},
                {"{evry: 1m}", "m.yaml:2:12: unknown key 'evry', did you mean 'every'?"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char text[512];
                snprintf(text, sizeof(text), "mapper: m\nschedule: %s\n", cases[i].text);
                expect_error(text, cases[i].message);
        }
        setenv("SPEC_TEST_WHEN", "secret * * * *", 1);
        expect_error("mapper: m\nfull: ${env:SPEC_TEST_WHEN}\n",
                "m.yaml:2:7: the value: the minute of a cron expression is from 0 to 59, with * , "
                "- and /");
        unsetenv("SPEC_TEST_WHEN");
}

static void tests_are_checked_in_shape(void **state)
{
        static const struct bad cases[] = {
                {"{}", "m.yaml:2:8: 'tests' must be a list, not a map"},
                {"[1]", "m.yaml:2:9: a test must be a map, not an integer"},
                {"[{expect: {}}]", "m.yaml:2:9: key 'given' is missing in a test; add it: the "
                                   "record: columns and children"},
                {"[{given: []}]", "m.yaml:2:17: 'given' must be a map, not a list"},
                {"[{given: {}}]", "m.yaml:2:9: a test has one of 'expect' and 'reject'"},
                {"[{given: {}, expect: {}, reject: x}]",
                        "m.yaml:2:9: a test has one of 'expect' and 'reject'"},
                {"[{given: {}, expect: x}]", "m.yaml:2:29: 'expect' must be a map, not a string"},
                {"[{given: {}, expects: {}}]",
                        "m.yaml:2:21: unknown key 'expects', did you mean 'expect'?"},
                {"[{given: {a: 0x1F}, expect: {}}]",
                        "m.yaml:2:21: JSON cannot write the number '0x1F': write it in plain "
                        "decimal digits, or in quotes for text"},
                {"[{given: {}, reject: x, now: noon}]",
                        "m.yaml:2:37: 'now' must be a time such as 2026-01-31T08:00:00Z, not "
                        "'noon'"},
                {"[{given: {}, reject: x, types: {a: timestmap}}]",
                        "m.yaml:2:43: 'timestmap' is no type of a column; did you mean "
                        "'timestamp'?"},
                {"[{given: {}, reject: x, types: {lines: {a: 1}}}]",
                        "m.yaml:2:51: '1' is no type of a column; there is text char boolean "
                        "integer numeric real float bytea date time timestamp timestamptz "
                        "interval json, and arrays of them: text[]"},
                {"[{given: {}, reject: x, lookups: {a: 1}}]",
                        "m.yaml:2:45: the table of a lookup is a map of keys to values, not an "
                        "integer"},
                {"[{name: a, given: {}, reject: x}, {name: a, given: {}, reject: y}]",
                        "m.yaml:2:49: the test in line 2 has this name, too: give each its own"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char text[512];
                snprintf(text, sizeof(text), "mapper: m\ntests: %s\n", cases[i].text);
                expect_error(text, cases[i].message);
        }
}

static void tests_expect_fields(void **state)
{
        static const struct bad cases[] = {
                {"{skus: null}", "m.yaml:10:35: there is no field 'skus' in the document; did you "
                                 "mean 'sku'?"},
                {"{a: {c: 1}}",
                        "m.yaml:10:39: there is no field 'c' in the document; did you mean 'b'?"},
                {"{l: [{}, {y: 1}]}",
                        "m.yaml:10:44: there is no field 'y' in the document; did you mean 'x'?"},
                {"{_rev: x}", "m.yaml:10:35: of the names that begin with _ a test can expect _id "
                              "and _database"},
                {"{_id: 5}", "m.yaml:10:40: _id is always a string, never an integer"},
                {"{}, lookups: {sku: {}}", "m.yaml:10:48: field 'sku' has no lookup"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char text[1024];
                snprintf(text, sizeof(text),
                        "mapper: m\nsource: s\nextract: {table: t, key: id}\n"
                        "target: {database: d, id: \"m:${id}\"}\nfields:\n  sku: sku\n"
                        "  a: {object: {b: b}}\n  l: {each: l, fields: {x: x}}\n"
                        "tests:\n  - {name: x, given: {}, expect: %s}\n",
                        cases[i].text);
                expect_error(text, cases[i].message);
        }
}

static void files_are_loaded(void **state)
{
        char path[] = "/tmp/test_spec_XXXXXX";
        cleanup_(closep) int fd = mkstemp(path);
        cleanup_(mapper_spec_freep) struct mapper_spec *m = NULL;
        struct mapper_spec *none = NULL;
        struct err e = {0};

        (void)state;
        assert_int_equal(write(fd, whole, sizeof(whole) - 1), sizeof(whole) - 1);
        assert_int_equal(mapper_spec_load(path, &m, &e), 0);
        assert_string_equal(m->path, path);
        unlink(path);
        assert_int_equal(mapper_spec_load(path, &none, &e), -ERR_CONFIG);
        assert_int_equal(mapper_spec_error(m, ynode_get(m->doc->root, "source"), &e, "no %s", "x"),
                -ERR_CONFIG);
        assert_non_null(strstr(e.text, ":2:9: no x"));
}

/* Each allocation of ours fails once: the error says so, nothing leaks. */
static void running_out_of_memory_is_an_error(void **state)
{
        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                cleanup_(mapper_spec_freep) struct mapper_spec *m = NULL;
                struct err e = {0};
                alloc_fail_at(i);
                int rc = mapper_spec_parse(str_of(whole), "m.yaml", &m, &e);
                assert_true(rc == 0 || rc == -ERR_NOMEM);
                assert_true((rc == 0) == (m != NULL));
                if (rc)
                        assert_non_null(strstr(e.text, "out of memory"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_head_of_a_mapper_is_decoded),
                cmocka_unit_test(fields_are_decoded),
                cmocka_unit_test(templates_are_split_and_unescaped),
                cmocka_unit_test(the_environment_reaches_every_value_but_no_key),
                cmocka_unit_test(the_filter_names_what_is_not_significant),
                cmocka_unit_test(a_wrong_head_is_refused),
                cmocka_unit_test(an_unknown_timezone_is_refused_with_its_place),
                cmocka_unit_test(a_wrong_target_is_refused),
                cmocka_unit_test(a_document_template_needs_its_field),
                cmocka_unit_test(a_field_has_one_origin_and_keys_that_fit_it),
                cmocka_unit_test(keys_of_a_field_agree_with_each_other),
                cmocka_unit_test(constants_that_would_change_are_refused),
                cmocka_unit_test(paths_are_refused_with_the_reason),
                cmocka_unit_test(columns_with_spaces_are_paths),
                cmocka_unit_test(schedules_are_decoded),
                cmocka_unit_test(the_long_form_says_more),
                cmocka_unit_test(schedules_are_due),
                cmocka_unit_test(schedules_are_refused_with_the_reason),
                cmocka_unit_test(tests_are_checked_in_shape),
                cmocka_unit_test(tests_expect_fields),
                cmocka_unit_test(files_are_loaded),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
