/* each inside each: over JSON, arrays in JSON, children and groups; templates, rejects, depth. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/base/yaml.h"
#include "tests/support/render_case.h"

#define MAX_TEXT     (1 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void json_nests_to_any_depth(void **state)
{
        static const struct render_case cases[] = {
                {"t: {each: data, fields: {n: n, l: {each: l, fields: {n: n, m: {each: m, fields: "
                 "{v: value}}}}}}",
                        "data=[{\"n\":1,\"l\":[{\"n\":2,\"m\":[3,[4]]},{\"m\":[]}]},{\"l\":null}]",
                        "\"t\":[{\"n\":1,\"l\":[{\"n\":2,\"m\":[{\"v\":3},{\"v\":[4]}]},{\"m\":[]}]"
                        "},{}]"},
                /* elements that are arrays */
                {"t: {each: data, fields: {r: {each: value, fields: {n: value}}}}",
                        "data=[[1,2],[],[3]]",
                        "\"t\":[{\"r\":[{\"n\":1},{\"n\":2}]},{\"r\":[]},{\"r\":[{\"n\":3}]}]"},
                {"t: {each: data, fields: {r: {each: value, fields: {s: {each: value, fields: {n: "
                 "value}}}}}}",
                        "data=[[[1],[2]]]",
                        "\"t\":[{\"r\":[{\"s\":[{\"n\":1}]},{\"s\":[{\"n\":2}]}]}]"},
                {"t: {each: data, fields: {a: 'value[0]', b: 'value[1].x', c: value}}",
                        "data=[[1,{\"x\":2}],{\"value\":[7]},5]",
                        "\"t\":[{\"a\":1,\"b\":2,\"c\":[1,{\"x\":2}]},{\"a\":7,\"c\":[7]},"
                        "{\"c\":5}]"},
                {"t: {each: data, fields: {r: {each: 'value[1]', fields: {n: value}}}}",
                        "data=[[0,[1,2]]]", "\"t\":[{\"r\":[{\"n\":1},{\"n\":2}]}]"},
                /* a path runs into another kind of value */
                {"t: {each: data, fields: {r: {each: a.b, fields: {n: value}, default: []}}}",
                        "data=[{\"a\":{\"b\":[1]}},{\"a\":5},{},7,[1]]",
                        "\"t\":[{\"r\":[{\"n\":1}]},{\"r\":[]},{\"r\":[]},{\"r\":[]},{\"r\":[]}]"},
                {"t: {each: data, fields: {r: {each: l, fields: {n: value}, required: true}}}",
                        "data=[{\"l\":[]},{}]", "!t[1].r: required but null (column \"l\")"},
                {"t: {each: data, fields: {r: {each: l, fields: {n: value}}}}",
                        "data=[{\"l\":[1]},{\"l\":{}}]",
                        "!t[1].r: \"{}\" is not a JSON array, which each needs"},
                /* SQL arrays of JSON */
                {"t: {each: docs, fields: {r: {each: value, fields: {s: {each: l, fields: {n: "
                 "value}}}}}}",
                        "docs={\"[{\\\"l\\\": [1, \\\"a\\\"]}]\",NULL,\"[]\"}",
                        "\"t\":[{\"r\":[{\"s\":[{\"n\":1},{\"n\":\"a\"}]}]},{},{\"r\":[]}]"},
                /* an object between, and steps at the bottom */
                {"t: {each: data, fields: {o: {object: {l: {each: l, fields: {p: {object: {n: "
                 "{from: x, trim: true, upper: true, split: ','}}}}}}}}}",
                        "data=[{\"l\":[{\"x\":\" a,b\"},{\"x\":[\"c\"]}]}]",
                        "\"t\":[{\"o\":{\"l\":[{\"p\":{\"n\":[\"A\",\"B\"]}},"
                        "{\"p\":{\"n\":[[\"C\"]]}}]}}]"},
        };

        RENDER_CASES(cases);
}

static void templates_work_at_any_depth(void **state)
{
        static const struct render_case cases[] = {
                {"c: code\nt: {each: data, fields: {u: {each: l, fields: {w: {each: m, fields: {k: "
                 "{template: '${x}/${doc.c}/${doc.d}/${row.id}/${value}'}}}}}}}\nd: name",
                        "code=C|name=D|data=[{\"l\":[{\"m\":[{\"x\":1,\"value\":2},3]}]}]",
                        "\"c\":\"C\",\"t\":[{\"u\":[{\"w\":[{\"k\":\"1/C/D/1/2\"},{}]}]}],"
                        "\"d\":\"D\""},
                /* fields of the same element, rendered early, at each depth anew */
                {"t: {each: data, fields: {k: {template: '<${w}>'}, w: x, u: {each: l, fields: {k: "
                 "{template: '(${w})'}, w: {template: '${z}!'}, z: x}}}}",
                        "data=[{\"x\":1,\"l\":[{\"x\":2},{\"x\":3},{}]},{\"x\":4,\"l\":[{\"x\":5}]}"
                        "]",
                        "\"t\":[{\"k\":\"<1>\",\"w\":1,\"u\":[{\"k\":\"(2!)\",\"w\":\"2!\",\"z\":2}"
                        ",{\"k\":\"(3!)\",\"w\":\"3!\",\"z\":3},{}]},{\"k\":\"<4>\",\"w\":4,\"u\":["
                        "{\"k\":\"(5!)\",\"w\":\"5!\",\"z\":5}]}]"},
                /* the outer element's field behind an inner each is still the outer's */
                {"t: {each: data, fields: {w: x, u: {each: l, fields: {w: x}}, k: {template: "
                 "'${w}'}}}",
                        "data=[{\"x\":1,\"l\":[{\"x\":2}]},{\"l\":[{\"x\":3}]}]",
                        "\"t\":[{\"w\":1,\"u\":[{\"w\":2}],\"k\":\"1\"},{\"u\":[{\"w\":3}]}]"},
                {"t: {each: data, fields: {u: {each: value, fields: {k: {template: "
                 "'${value[0]}-${value[1]}'}}}}}",
                        "data=[[[1,2],[3,4]]]",
                        "\"t\":[{\"u\":[{\"k\":\"1-2\"},{\"k\":\"3-4\"}]}]"},
                {"t: {each: data, fields: {u: {each: l, fields: {k: {template: '${o}'}}}}}",
                        "data=[{\"l\":[{\"o\":1},{\"o\":{}}]}]",
                        "!t[0].u[1].k: only single values have a text"},
        };

        RENDER_CASES(cases);
}

static void children_hold_each_too(void **state)
{
        static const struct {
                struct render_case c;
                const char *lines;
        } cases[] = {
                {{"l: {each: lines, fields: {s: sku, e: {each: extra, fields: {n: n, m: {each: m, "
                  "fields: {v: {from: value, type: integer}, k: {template: "
                  "'${row.code}${doc.z}'}}}}}, t: {each: labels, fields: {v: value}}}}\nz: id",
                         "code=c",
                         "\"l\":[{\"s\":\"a\",\"e\":[{\"n\":1,\"m\":[{\"v\":5,\"k\":\"c1\"}]}],"
                         "\"t\":[{\"v\":\"x\"}]},{\"s\":\"b\",\"e\":[]}],\"z\":1"},
                        "sku=a|extra=[{\"n\":1,\"m\":[\"5\"]}]|labels={x}\nsku=b|extra=[]"},
                {{"l: {each: lines, fields: {e: {each: extra, fields: {m: {each: m, fields: {v: "
                  "{from: value, type: integer}}}}}}}",
                         "", "!l[1].e[2].m[3].v: \"x\" is not a number"},
                        "sku=a\nextra=[{},{\"m\":[]},{\"m\":[1,2,3,\"x\"]}]"},
        };

        for (size_t i = 0; i < COUNT(cases); i++)
                render_case_check("", &cases[i].c, cases[i].lines);
}

/* A group's rows are its child `rows`. */
static void groups_hold_each_too(void **state)
{
        static const struct column key[] = {{.name = "customer", .kind = COL_INT}};
        static const struct column columns[] = {{.name = "sku", .kind = COL_TEXT},
                {.name = "tiers", .kind = COL_JSON, .source_type = "jsonb"}};
        static const struct child_shape rows = {.name = "rows", .columns = {columns, 2}};
        static const size_t keys[] = {0};
        static const struct shape shape = {.columns = {key, 1},
                .children = &rows,
                .child_count = 1,
                .key = keys,
                .key_count = 1};
        static const char yaml[] =
                "mapper: m\nsource: s\nextract: {table: t, group: customer}\n"
                "target: {database: d, id: 'p:${customer}'}\nfields:\n"
                "  prices: {each: rows, fields: {sku: sku, tiers: {each: tiers, fields: {from: "
                "{from: q}, steps: {each: s, fields: {p: {from: value, type: decimal, scale: 2}, "
                "c: {template: '${row.customer}'}}}}}}}\n";
        const struct value row[] = {{"7", 1}};
        struct str tiers = STR("[{\"q\":1,\"s\":[2.5,3]},{\"q\":10,\"s\":[]}]");
        const struct value values[] = {
                {"a", 1}, {tiers.ptr, (uint32_t)tiers.len}, {"b", 1}, {NULL, 0}};
        const struct child_rows children[] = {{values, 2}};
        const struct record record = {row, children};
        cleanup_(mapper_spec_freep) struct mapper_spec *spec = NULL;
        cleanup_(mapper_program_freep) struct mapper_program *program = NULL;
        struct mapper_reject why;
        struct mapped m;
        struct err e;

        if (mapper_spec_parse(str_of(yaml), "m.yaml", &spec, &e) ||
                mapper_compile(spec, &shape, &program, &e))
                fail_msg("%s", e.text);
        assert_int_equal(mapper_render(program, &record, &m, &why, &e), 0);
        assert_true(str_is(m.id, "p:7"));
        if (!str_is(m.body,
                    "\"prices\":[{\"sku\":\"a\",\"tiers\":[{\"from\":1,\"steps\":[{\"p\":\"2.50\","
                    "\"c\":\"7\"},{\"p\":\"3.00\",\"c\":\"7\"}]},{\"from\":10,\"steps\":[]}]},"
                    "{\"sku\":\"b\"}]"))
                fail_msg("%.*s", STR_ARG(m.body));
}

/* @levels of each over "l", and at the bottom the member n. */
static void put_levels(struct buf *yaml, struct buf *data, struct buf *body, int levels)
{
        buf_puts(yaml, "v: ");
        buf_puts(data, "data=");
        buf_puts(body, "\"v\":");
        for (int i = 0; i < levels; i++) {
                buf_printf(yaml, "{each: %s, fields: {%s: ", i ? "l" : "data",
                        i + 1 < levels ? "l" : "n");
                buf_printf(data, "[{\"%s\":", i + 1 < levels ? "l" : "n");
                buf_printf(body, "[{\"%s\":", i + 1 < levels ? "l" : "n");
        }
        buf_puts(yaml, "n");
        buf_puts(data, "1");
        buf_puts(body, "1");
        for (int i = 0; i < levels; i++) {
                buf_puts(yaml, "}}");
                buf_puts(data, "}]");
                buf_puts(body, "}]");
        }
}

static void depth_ends_where_yaml_ends(void **state)
{
        int deepest = (YDOC_MAX_DEPTH - 4) / 2;

        for (int levels = 1; levels <= deepest + 1; levels++) {
                cleanup_buf_ struct buf yaml = BUF_INIT(MAX_TEXT), data = BUF_INIT(MAX_TEXT),
                                        body = BUF_INIT(MAX_TEXT);
                put_levels(&yaml, &data, &body, levels);
                struct render_case c = {buf_cstr(&yaml), buf_cstr(&data), buf_cstr(&body)};
                if (levels > deepest)
                        c.expected = "?nested deeper than 64 levels";
                render_case_check("", &c, "");
        }
}

/* What is insignificant at any depth is not in the digest, and comes back equal from CouchDB. */
static void digests_leave_out_deep_fields(void **state)
{
        static const char *const fields[] = {
                "t: {each: data, fields: {a: {from: a, significant: false}, l: {each: l, fields: "
                "{a: {from: a, significant: false}, b: b}}}}",
                "t: {each: data, fields: {l: {each: l, significant: false, fields: {a: {from: a, "
                "significant: false}}}, a: a}}",
                "t: {each: data, fields: {l: {each: l, fields: {k: {template: '${a}'}, a: {from: "
                "a, significant: false}, b: b}}}}",
                "t: {each: data, fields: {l: {each: l, fields: {o: {object: {a: {from: a, "
                "significant: false}}}}}}}",
        };

        for (size_t i = 0; i < COUNT(fields); i++) {
                cleanup_buf_ struct buf scratch = BUF_INIT(MAX_TEXT);
                struct digest filtered, digests[2];
                struct mapper_reject why;
                struct fixture f;
                struct mapped m;
                struct err e;

                if (fixture_open(&f, fields[i], &e))
                        fail_msg("%s", e.text);
                for (size_t k = 0; k < 2; k++) {
                        const char *row =
                                k ? "data=[{\"l\":[{\"a\":1,\"b\":2},{\"a\":3}]},{\"l\":[{}]}]"
                                  : "data=[{\"l\":[{\"b\":2},{\"a\":3}]},{\"l\":[{\"a\":9}]}]";
                        assert_int_equal(fixture_render(&f, row, "", &m, &why, &e), 0);
                        assert_int_equal(
                                digest_filtered(m.body, f.spec->filter, &scratch, &filtered, &e),
                                0);
                        assert_true(digest_eq(&m.digest, &filtered));
                        digests[k] = m.digest;
                }
                /* in the third, k is significant and made of a */
                assert_int_equal(digest_eq(&digests[0], &digests[1]), i != 2);
                fixture_close(&f);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(json_nests_to_any_depth),
                cmocka_unit_test(templates_work_at_any_depth),
                cmocka_unit_test(children_hold_each_too),
                cmocka_unit_test(groups_hold_each_too),
                cmocka_unit_test(depth_ends_where_yaml_ends),
                cmocka_unit_test(digests_leave_out_deep_fields),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
