/* The columns that mappers name, as tables: fields, and the names in the order of their use. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "mappers/names.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char head[] = "mapper: m\nsource: erp\nextract: {key: id}\n"
                           "target: {database: \"d_${area}\", id: \"x:${row.no}\"}\nfields:\n";

static struct mapper_spec *parse(const char *fields)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
        struct mapper_spec *spec = NULL;
        struct err e = {0};

        buf_printf(&text, "%s%s", head, fields);
        if (mapper_spec_parse(buf_str(&text), "m.yaml", &spec, &e))
                fail_msg("%s\n%s", e.text, fields);
        return spec;
}

struct names_case {
        const char *fields, *names;
};

static void expect_list(const struct names_case *t, bool grouped)
{
        static const char *first[] = {"id"};
        struct string_list key = {first, 1}, names = {NULL, 0};
        cleanup_(mapper_spec_freep) struct mapper_spec *spec = parse(t->fields);
        cleanup_buf_ struct buf out = BUF_INIT(1 << 16);
        struct err e = {0};

        if (mapper_names_list(spec, grouped, &key, spec->arena, &names, &e))
                fail_msg("%s", e.text);
        for (size_t i = 0; i < names.count; i++)
                buf_printf(&out, "%s%s", i ? " " : "", names.items[i]);
        if (strcmp(buf_cstr(&out), t->names) != 0)
                fail_msg("%s\nsaid     %s\nexpected %s", t->fields, out.data, t->names);
}

static void all_uses_are_found(void **state)
{
        static const struct names_case cases[] = {
                {"  a: code\n", "id code no area"},
                {"  a: code\n  b: {from: code}\n", "id code no area"},
                {"  a: customer.address.city\n  b: \"items[0].sku\"\n",
                        "id customer items no area"},
                {"  a: {object: {b: x, c: {object: {d: y.z}}}}\n", "id x y no area"},
                {"  area: region\n", "id region no"}, /* ${area} is the field */
                {"  a: {template: \"${x}-${row.area}-${doc.b}\"}\n  b: {value: 1}\n",
                        "id x area no"},
                {"  a: {lookup: {map: {x: 1}, from: state.code}}\n", "id state no area"},
                {"  a: {value: 1, when: \"row.kind == 'a'\"}\n", "id kind no area"},
                {"  a: {expr: \"row.x + row['y z'] + record.v\"}\n", "id x y z v no area"},
                {"  a: {expr: \"row.customer.address.city\"}\n", "id customer no area"},
                {"  a: {expr: \"row.x -- row.not\\n\"}\n", "id x no area"},
                {"  a: {expr: \"'row.not' .. row.x\"}\n", "id x no area"},
                {"  a: {expr: \"string.upper(row.x)\"}\n", "id x no area"},
                /* another name for the row */
                {"  a: {expr: \"local r = row; return r.x .. r['y']\"}\n", "id x y no area"},
                /* elements are JSON: their members are no columns, row and record go beyond */
                {"  a: {each: lines, fields: {q: qty, t: {template: \"${sku}${row.cur}\"}, "
                 "e: {expr: \"row.tax * record.rate\"}}}\n",
                        "id lines cur tax rate no area"},
                {"  a: {each: order.lines, fields: {q: qty}}\n", "id order no area"},
                {"  a: {each: lines, fields: {b: {each: subs, fields: {q: qty}}}}\n",
                        "id lines no area"},
                {"  a: {each: rows, fields: {q: qty}}\n", "id rows no area"},
                {"  a: {expr: \"row.lines[1].qty\"}\n", "id lines no area"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_list(&cases[i], false);
}

static void rows_of_a_group_have_columns(void **state)
{
        static const struct names_case cases[] = {
                {"  a: {each: rows, fields: {q: qty, s: sku.code}}\n", "id qty sku no area"},
                {"  a: {each: rows, fields: {b: {each: subs, fields: {q: qty}}}}\n",
                        "id subs no area"},
                {"  a: {expr: \"local t = 0; for _, r in ipairs(row.rows) do t = t + r.qty end "
                 "return t\"}\n",
                        "id qty no area"},
                {"  a: {expr: \"row.rows[1].qty\"}\n", "id qty no area"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_list(&cases[i], true);
}

static void too_many_are_refused(void **state)
{
        static struct string_list none;
        cleanup_buf_ struct buf fields = BUF_INIT(1 << 20);
        struct string_list names = {NULL, 7};
        struct err e = {0};

        (void)state;
        for (int i = 0; i < 1700; i++)
                buf_printf(&fields, "  f%d: c%d\n", i, i);
        cleanup_(mapper_spec_freep) struct mapper_spec *spec = parse(buf_cstr(&fields));
        assert_int_equal(
                mapper_names_list(spec, false, &none, spec->arena, &names, &e), -ERR_CONFIG);
        assert_string_equal(e.text, "m.yaml:3:10: the mapper names more than 1664 columns");
        assert_int_equal(names.count, 7);
}

/* ---- with rows of their own ---- */

static int note(void *ctx, const struct mapper_name *n, struct err *e)
{
        (void)e;
        buf_printf(ctx, "%d:%.*s%s%s%s ", n->rows, STR_ARG(n->name), n->open ? "[]" : "",
                n->falls_back ? "?" : "", n->from ? "!" : "");
        return 0;
}

static void rows_of_children_are_told_apart(void **state)
{
        static const char *const children[] = {"taxes", "lines"};
        struct name_rows rows = {.children = children, .child_count = 2};
        static const struct names_case cases[] = {
                {"  a: code\n", "-1:code! "},
                {"  a: {each: lines, fields: {q: qty, t: {template: \"${row.cur}\"}}}\n",
                        "1:qty! -1:cur "},
                {"  a: {each: lines, fields: {q: {expr: \"row.qty + record.rate\"}}}\n",
                        "1:qty? -1:rate "},
                {"  a: {each: tags, fields: {q: qty}}\n", "-1:tags[] "},
                {"  a: {expr: \"#record.lines\"}\n", ""}, /* a child is no column */
                {"  a: {expr: \"row.lines[1].qty\"}\n", "-2:qty "},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(mapper_spec_freep) struct mapper_spec *spec = parse(cases[i].fields);
                cleanup_buf_ struct buf out = BUF_INIT(1 << 16), expected = BUF_INIT(1 << 16);
                struct err e = {0};

                buf_printf(&expected, "%s-1:no -1:area ", cases[i].names);
                assert_int_equal(mapper_names_each(spec, &rows, note, &out, &e), 0);
                if (strcmp(buf_cstr(&out), buf_cstr(&expected)) != 0)
                        fail_msg("%s\nsaid     %s\nexpected %s", cases[i].fields, out.data,
                                expected.data);
        }
}

static int stop(void *ctx, const struct mapper_name *n, struct err *e)
{
        (void)n;
        return ++*(int *)ctx == 2 ? err_set(e, ERR_CANCEL, "enough") : 0;
}

static void the_walk_ends_where_it_is_told(void **state)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *spec = parse("  a: x\n  b: y\n  c: z\n");
        struct name_rows rows = {.child_count = 0};
        struct err e = {0};
        int calls = 0;

        (void)state;
        assert_int_equal(mapper_names_each(spec, &rows, stop, &calls, &e), -ERR_CANCEL);
        assert_int_equal(calls, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_uses_are_found),
                cmocka_unit_test(rows_of_a_group_have_columns),
                cmocka_unit_test(too_many_are_refused),
                cmocka_unit_test(rows_of_children_are_told_apart),
                cmocka_unit_test(the_walk_ends_where_it_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
