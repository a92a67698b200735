/*
 * One table takes the keys of a test; then come the rules: what each key holds, that names are
 * unique, that what is expected are fields of the mapper. A misspelt field that is expected to be
 * null would otherwise pass for ever.
 */
#include "mappers/spec_internal.h"

#include <stdio.h>

#include "mappers/calendar.h"

#define AT(member) offsetof(struct mapper_test, member)

/* 2026-01-31T08:00:00Z, with any offset; without one it is UTC; a date alone is its midnight. */
static int decode_now(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct mapper_test *t = (struct mapper_test *)((char *)field - AT(now_s));
        struct civil civil = {.year = 0};
        char shown[YNODE_SHOW_MAX];
        bool known =
                n->kind == YNODE_STRING && (civil_parse(n->text, &civil) == CIVIL_OK ||
                                                   civil_parse_date(n->text, &civil) == CIVIL_OK);

        if (!known)
                return ynode_error(cx->doc, n, e,
                        "'now' must be a time such as 2026-01-31T08:00:00Z, not %s",
                        ynode_show(n, shown));
        t->now_s = civil_seconds(&civil) - (civil.has_offset ? civil.offset_s : 0);
        t->has_now = true;
        return 0;
}

static const struct option test_options[] = {
        {.name = "name",
                .type = OPTION_STRING,
                .offset = AT(name),
                .min = 1,
                .help = "What the test shows."},
        {.name = "given",
                .type = OPTION_NODE,
                .offset = AT(given),
                .required = true,
                .help = "The record: columns and children."},
        {.name = "expect",
                .type = OPTION_NODE,
                .offset = AT(expect),
                .help = "A part of the document; null: the field is null or left out."},
        {.name = "reject",
                .type = OPTION_STRING,
                .offset = AT(reject),
                .min = 1,
                .help = "How the reject begins: FIELD: reason."},
        {.name = "types",
                .type = OPTION_NODE,
                .offset = AT(types),
                .help = "Types of given columns where the values do not tell, as stamp: "
                        "timestamp."},
        {.name = "lookups",
                .type = OPTION_NODE,
                .offset = AT(lookups),
                .help = "Tables in place of those of lookup, by the path of their field."},
        {.name = "now",
                .type = OPTION_HANDLER,
                .offset = AT(now_s),
                .handler = decode_now,
                .help = "What the clock shows in this test."},
};
OPTION_TABLE(mapper_test_table, "a test", test_options);

/* ---- types ---- */

/* As PostgreSQL calls them, the short names; what else it has arrives as text. */
static const struct {
        const char *name;
        enum col_kind kind;
} kinds[] = {
        {"text", COL_TEXT},
        {"char", COL_CHAR},
        {"boolean", COL_BOOL},
        {"integer", COL_INT},
        {"numeric", COL_NUMERIC},
        {"real", COL_FLOAT4},
        {"float", COL_FLOAT8},
        {"bytea", COL_BYTES},
        {"date", COL_DATE},
        {"time", COL_TIME},
        {"timestamp", COL_TIMESTAMP},
        {"timestamptz", COL_TIMESTAMPTZ},
        {"interval", COL_INTERVAL},
        {"json", COL_JSON},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

bool mapper_test_kind(struct str name, enum col_kind *kind, enum col_kind *elem)
{
        bool array = name.len > 2 && memcmp(name.ptr + name.len - 2, "[]", 2) == 0;
        struct str bare = {name.ptr, name.len - (array ? 2 : 0)};

        for (size_t i = 0; i < KINDS; i++) {
                if (!str_is(bare, kinds[i].name))
                        continue;
                *kind = array ? COL_ARRAY : kinds[i].kind;
                *elem = array ? kinds[i].kind : COL_TEXT;
                return true;
        }
        return false;
}

static int check_type(const struct option_context *cx, const struct ynode *n, struct err *e)
{
        const char *names[KINDS];
        enum col_kind kind, elem;
        char shown[YNODE_SHOW_MAX];

        if (n->kind == YNODE_STRING && mapper_test_kind(n->text, &kind, &elem))
                return 0;
        for (size_t i = 0; i < KINDS; i++)
                names[i] = kinds[i].name;
        const char *near = n->kind == YNODE_STRING ? str_nearest(n->text, names, KINDS) : NULL;
        int rc = ynode_error(cx->doc, n, e, "%s is no type of a column", ynode_show(n, shown));
        if (near)
                return err_hint(e, rc, "did you mean '%s'?", near);
        return err_hint(e, rc,
                "there is text char boolean integer numeric real float bytea date time timestamp "
                "timestamptz interval json, and arrays of them: text[]");
}

static int check_types(const struct option_context *cx, const struct ynode *n, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < n->count && !rc; i++) {
                const struct ynode *type = n->pairs[i].value;
                if (type->kind != YNODE_MAP)
                        rc = check_type(cx, type, e);
                for (size_t k = 0; type->kind == YNODE_MAP && k < type->count && !rc; k++)
                        rc = check_type(cx, type->pairs[k].value, e);
        }
        return rc;
}

/* ---- one test ---- */

static int check_map(
        const struct option_context *cx, const struct ynode *n, const char *key, struct err *e)
{
        if (!n || n->kind == YNODE_MAP)
                return 0;
        return ynode_error(
                cx->doc, n, e, "'%s' must be a map, not %s", key, ynode_kind_name(n->kind));
}

static int check_lookups(const struct option_context *cx, const struct ynode *n, struct err *e)
{
        for (size_t i = 0; i < n->count; i++) {
                const struct ynode *table = n->pairs[i].value;
                if (table->kind != YNODE_MAP)
                        return ynode_error(cx->doc, table, e,
                                "the table of a lookup is a map of keys to values, not %s",
                                ynode_kind_name(table->kind));
        }
        return ynode_json_check(cx->doc, n, e);
}

static int check_test(const struct option_context *cx, const struct mapper_test *t, struct err *e)
{
        int rc = check_map(cx, t->given, "given", e);

        if (!rc)
                rc = check_map(cx, t->expect, "expect", e);
        if (!rc)
                rc = check_map(cx, t->types, "types", e);
        if (!rc)
                rc = check_map(cx, t->lookups, "lookups", e);
        if (!rc)
                rc = ynode_json_check(cx->doc, t->given, e);
        if (!rc && t->expect)
                rc = ynode_json_check(cx->doc, t->expect, e);
        if (!rc && t->types)
                rc = check_types(cx, t->types, e);
        if (!rc && t->lookups)
                rc = check_lookups(cx, t->lookups, e);
        if (!rc && !t->expect == !t->reject)
                rc = ynode_error(cx->doc, t->node, e, "a test has one of 'expect' and 'reject'");
        return rc;
}

/* Two tests of one name could not be told apart in a report. */
static int check_name(const struct option_context *cx, const struct mapper_tests *tests,
        const struct mapper_test *t, struct err *e)
{
        for (size_t i = 0; t->name && i < tests->count; i++) {
                const struct mapper_test *other = &tests->items[i];
                if (other->name && strcmp(other->name, t->name) == 0)
                        return ynode_error(cx->doc, ynode_get(t->node, "name"), e,
                                "the test in line %d has this name, too: give each its own",
                                other->node->line);
        }
        return 0;
}

int spec_tests_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct mapper_tests tests = {NULL, 0};

        if (n->kind != YNODE_LIST)
                return ynode_error(
                        cx->doc, n, e, "'tests' must be a list, not %s", ynode_kind_name(n->kind));
        tests.items = arena_array(cx->arena, n->count, sizeof(*tests.items));
        if (!tests.items)
                return options_nomem(cx, e);
        for (; tests.count < n->count; tests.count++) {
                struct mapper_test *t = &tests.items[tests.count];
                int rc = options_decode(cx, &mapper_test_table, n->items[tests.count], t, e);
                t->node = n->items[tests.count];
                if (!rc)
                        rc = check_test(cx, t, e);
                if (!rc)
                        rc = check_name(cx, &tests, t, e);
                if (rc)
                        return rc;
        }
        *(struct mapper_tests *)field = tests;
        return 0;
}

/* ---- what is expected are fields ---- */

static const struct field_spec *find_field(
        const struct field_spec *fields, size_t count, struct str name)
{
        for (size_t i = 0; i < count; i++)
                if (str_eq(fields[i].name, name))
                        return &fields[i];
        return NULL;
}

static int unknown_field(const struct mapper_spec *m, const struct ynode_pair *at,
        const struct field_spec *fields, size_t count, struct err *e)
{
        const char **names = arena_array(m->arena, count, sizeof(*names));
        char shown[YNODE_SHOW_MAX];

        if (!names)
                return arena_failed(m->arena, "names of fields", e);
        for (size_t i = 0; i < count; i++)
                names[i] = fields[i].name.ptr;
        const char *near = str_nearest(at->key, names, count);
        int rc = ydoc_error_at(m->doc, at->line, at->column, e,
                "there is no field %s in the document", yaml_show(at->key, shown));
        if (near)
                return err_hint(e, rc, "did you mean '%s'?", near);
        return rc;
}

static int check_expected(const struct mapper_spec *m, const struct ynode *n,
        const struct field_spec *fields, size_t count, bool top, struct err *e);

/* What a field holds that is built of fields itself. */
static int check_inside(const struct mapper_spec *m, const struct ynode *n,
        const struct field_spec *f, struct err *e)
{
        int rc = 0;

        if (f->origin == FIELD_OBJECT && n->kind == YNODE_MAP)
                return check_expected(m, n, f->fields, f->field_count, false, e);
        if (f->origin != FIELD_EACH || n->kind != YNODE_LIST)
                return 0;
        for (size_t i = 0; i < n->count && !rc; i++)
                if (n->items[i]->kind == YNODE_MAP)
                        rc = check_expected(m, n->items[i], f->fields, f->field_count, false, e);
        return rc;
}

static int check_own_name(const struct mapper_spec *m, const struct ynode_pair *pair, struct err *e)
{
        if (!str_is(pair->key, TEST_ID) && !str_is(pair->key, TEST_DATABASE))
                return ydoc_error_at(m->doc, pair->line, pair->column, e,
                        "of the names that begin with _ a test can expect " TEST_ID
                        " and " TEST_DATABASE);
        if (pair->value->kind == YNODE_STRING)
                return 0;
        return mapper_spec_error(m, pair->value, e, "%s is always a string, never %s",
                pair->key.ptr, ynode_kind_name(pair->value->kind));
}

static int check_expected(const struct mapper_spec *m, const struct ynode *n,
        const struct field_spec *fields, size_t count, bool top, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < n->count && !rc; i++) {
                const struct ynode_pair *pair = &n->pairs[i];
                const struct field_spec *f = find_field(fields, count, pair->key);
                if (top && pair->key.len && pair->key.ptr[0] == '_')
                        rc = check_own_name(m, pair, e);
                else
                        rc = f ? check_inside(m, pair->value, f, e)
                               : unknown_field(m, pair, fields, count, e);
        }
        return rc;
}

/* The field that a path of names names: "address.city", "lines.tax". */
static const struct field_spec *follow(
        const struct field_spec *fields, size_t count, struct str path)
{
        const struct field_spec *f = NULL;

        for (struct str rest = path; rest.ptr;) {
                const char *dot = memchr(rest.ptr, '.', rest.len);
                struct str name = {rest.ptr, dot ? (size_t)(dot - rest.ptr) : rest.len};
                f = find_field(fields, count, name);
                if (!f || !dot)
                        return f;
                fields = f->fields;
                count = f->field_count;
                rest = (struct str){dot + 1, rest.len - name.len - 1};
        }
        return f;
}

static int check_lookup_fields(
        const struct mapper_spec *m, const struct ynode *lookups, struct err *e)
{
        for (size_t i = 0; lookups && i < lookups->count; i++) {
                const struct ynode_pair *pair = &lookups->pairs[i];
                const struct field_spec *f = follow(m->fields, m->field_count, pair->key);
                if (!f)
                        return unknown_field(m, pair, m->fields, m->field_count, e);
                if (!ynode_get(f->node, "lookup"))
                        return ydoc_error_at(m->doc, pair->line, pair->column, e,
                                "field '%s' has no lookup", pair->key.ptr);
        }
        return 0;
}

int spec_tests_check(const struct mapper_spec *m, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < m->tests.count && !rc; i++) {
                const struct mapper_test *t = &m->tests.items[i];
                if (t->expect)
                        rc = check_expected(m, t->expect, m->fields, m->field_count, true, e);
                if (!rc)
                        rc = check_lookup_fields(m, t->lookups, e);
        }
        return rc;
}
