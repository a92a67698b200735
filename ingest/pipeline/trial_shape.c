/*
 * What a test gives becomes what a source would hand over: names first (all columns that the
 * mapper uses and the test gives), then kinds (from all values of a column), then rows.
 */
#include "ingest/pipeline/trial_internal.h"

/* ---- names ---- */

/* The list of rows that the test gives for the child @name; NULL: none. */
static int rows_of(struct trial *t, const char *name, const struct ynode **out, struct err *e)
{
        const struct ynode *rows = ynode_get(t->test->given, name);

        *out = NULL;
        if (!rows || rows->kind == YNODE_NULL)
                return 0;
        if (rows->kind != YNODE_LIST)
                return mapper_spec_error(t->mapper->spec, rows, e, "'%s' is a list of rows, not %s",
                        name, ynode_kind_name(rows->kind));
        for (size_t i = 0; i < rows->count; i++)
                if (rows->items[i]->kind != YNODE_MAP)
                        return mapper_spec_error(t->mapper->spec, rows->items[i], e,
                                "a row of '%s' is a map of columns, not %s", name,
                                ynode_kind_name(rows->items[i]->kind));
        *out = rows;
        return 0;
}

static int take_rows(struct trial *t, struct trial_table *table, const char *name, struct err *e)
{
        const struct ynode *rows;
        int rc = rows_of(t, name, &rows, e);

        for (size_t i = 0; rows && i < rows->count && !rc; i++)
                rc = trial_names_given(t, table, rows->items[i], e);
        return rc;
}

static int take_names(struct trial *t, struct err *e)
{
        int rc = trial_names_collect(t, e);

        if (!rc)
                rc = trial_names_given(t, &t->record, t->test->given, e);
        if (!rc && t->grouped)
                rc = take_rows(t, &t->record, "rows", e);
        for (size_t i = 0; i < t->child_count && !rc; i++)
                rc = take_rows(t, &t->children[i], t->children[i].child->name, e);
        return rc;
}

/* ---- kinds ---- */

static void join_kinds(struct trial *t, struct trial_table *table, const struct ynode *row)
{
        for (size_t i = 0; i < row->count; i++) {
                struct trial_column *c = trial_column_find(table, row->pairs[i].key);
                bool rows = row == t->test->given && trial_child_find(t, row->pairs[i].key);
                if (c && !rows)
                        c->kind = trial_kind_join(c->kind, trial_kind_of(c, row->pairs[i].value));
        }
}

static void join_rows(struct trial *t, struct trial_table *table, const char *name)
{
        const struct ynode *rows = ynode_get(t->test->given, name);

        for (size_t i = 0; rows && rows->kind == YNODE_LIST && i < rows->count; i++)
                join_kinds(t, table, rows->items[i]);
}

/* JSON becomes anything: a column without values is never a wrong one. */
static void settle_kinds(struct trial_table *table)
{
        for (size_t i = 0; i < table->count; i++)
                if (table->items[i].kind == KIND_UNKNOWN)
                        table->items[i].kind = COL_JSON;
}

static int unknown_type(struct trial *t, const struct ynode_pair *at, struct err *e)
{
        return ydoc_error_at(t->mapper->spec->doc, at->line, at->column, e,
                "'types' names '%s', which is no %s of this test", at->key.ptr,
                at->value->kind == YNODE_MAP ? "child" : "column");
}

static int take_types(
        struct trial *t, struct trial_table *table, const struct ynode *types, struct err *e)
{
        for (size_t i = 0; types && i < types->count; i++) {
                const struct ynode_pair *pair = &types->pairs[i];
                bool nested = pair->value->kind == YNODE_MAP;
                struct trial_table *child = nested ? trial_child_find(t, pair->key) : NULL;
                struct trial_column *c = trial_column_find(table, pair->key);

                if (nested && child && types == t->test->types) {
                        int rc = take_types(t, child, pair->value, e);
                        if (rc)
                                return rc;
                        continue;
                }
                if (nested || !c)
                        return unknown_type(t, pair, e);
                c->type = pair->value->text.ptr;
                (void)!mapper_test_kind(pair->value->text, &c->kind, &c->elem);
        }
        return 0;
}

/* Every column is JSON, whatever it holds. */
static int take_open_kinds(struct trial *t, struct err *e)
{
        settle_kinds(&t->record);
        if (!t->test->types || t->test->types->count == 0)
                return 0;
        return mapper_spec_error(t->mapper->spec, t->test->types, e,
                "'types' is for sources with columns: what a source of type %s gives is JSON",
                t->mapper->source->ops->type);
}

static int take_kinds(struct trial *t, struct err *e)
{
        if (t->open)
                return take_open_kinds(t, e);
        join_kinds(t, &t->record, t->test->given);
        if (t->grouped)
                join_rows(t, &t->record, "rows");
        settle_kinds(&t->record);
        for (size_t i = 0; i < t->child_count; i++) {
                join_rows(t, &t->children[i], t->children[i].child->name);
                settle_kinds(&t->children[i]);
        }
        return take_types(t, &t->record, t->test->types, e);
}

/* ---- the shape ---- */

static int make_columns(
        struct trial *t, const struct trial_table *table, struct columns *out, struct err *e)
{
        struct column *items = arena_array(t->arena, table->count, sizeof(*items));

        if (!items)
                return arena_failed(t->arena, "columns", e);
        for (size_t i = 0; i < table->count; i++) {
                const struct trial_column *c = &table->items[i];
                items[i] = (struct column){.name = c->name,
                        .kind = c->kind,
                        .elem = c->elem,
                        .delimiter = ',',
                        .source_type = c->type};
        }
        *out = (struct columns){items, table->count};
        return 0;
}

static int make_key(struct trial *t, struct err *e)
{
        const struct extract *x = t->mapper->extract;
        const struct string_list *names = t->grouped ? &x->group : &x->key;
        size_t *key = arena_array(t->arena, names->count, sizeof(*key));

        if (!key)
                return arena_failed(t->arena, "columns", e);
        for (size_t i = 0; i < names->count; i++)
                key[i] = (size_t)columns_find(&t->shape.columns, str_of(names->items[i]));
        t->shape.key = key;
        t->shape.key_count = names->count;
        return 0;
}

static int make_shape(struct trial *t, struct err *e)
{
        size_t count = t->grouped ? 1 : t->child_count;
        struct child_shape *children = arena_array(t->arena, count, sizeof(*children));
        int rc = children ? make_columns(t, &t->record, &t->shape.columns, e)
                          : arena_failed(t->arena, "children", e);

        for (size_t i = 0; i < count && !rc && !t->grouped; i++) {
                children[i].name = t->children[i].child->name;
                rc = make_columns(t, &t->children[i], &children[i].columns, e);
        }
        if (rc)
                return rc;
        if (t->grouped)
                children[0] = (struct child_shape){"rows", t->shape.columns};
        t->shape.children = children;
        t->shape.child_count = count;
        return make_key(t, e);
}

/* ---- the record ---- */

/* Puts the columns that @from gives into @row. */
static int fill(struct trial *t, const struct trial_table *table, const struct ynode *from,
        struct value *row, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; from && i < from->count && !rc; i++) {
                const struct ynode_pair *pair = &from->pairs[i];
                const struct trial_column *c = trial_column_find(table, pair->key);
                bool rows = from == t->test->given && trial_child_find(t, pair->key);
                if (c && !rows)
                        rc = trial_value(t, c, pair->value, &row[c - table->items], e);
        }
        return rc;
}

static int make_rows(struct trial *t, const struct trial_table *table, const char *name,
        struct child_rows *out, struct err *e)
{
        const struct ynode *rows;
        int rc = rows_of(t, name, &rows, e);
        size_t count = rows ? rows->count : 0;

        if (rc)
                return rc;
        if (t->grouped && rows && !count)
                return mapper_spec_error(t->mapper->spec, rows, e,
                        "a group has at least one row: leave 'rows' out where it has one alone");
        if (t->grouped && !rows)
                count = 1;
        struct value *values = arena_array(t->arena, count * table->count, sizeof(*values));
        if (!values)
                return arena_failed(t->arena, "rows", e);
        for (size_t i = 0; i < count && !rc; i++) {
                struct value *row = values + i * table->count;
                if (t->grouped)
                        rc = fill(t, table, t->test->given, row, e);
                if (!rc)
                        rc = fill(t, table, rows ? rows->items[i] : NULL, row, e);
        }
        *out = (struct child_rows){values, count};
        return rc;
}

static int make_record(struct trial *t, struct err *e)
{
        struct child_rows *rows = arena_array(t->arena, t->shape.child_count, sizeof(*rows));
        struct value *row = arena_array(t->arena, t->record.count, sizeof(*row));
        int rc = rows && row ? 0 : arena_failed(t->arena, "a record", e);

        t->data = (struct record){row, rows};
        if (!rc && t->grouped) {
                rc = make_rows(t, &t->record, "rows", &rows[0], e);
                t->data.row = rows[0].values;
                return rc;
        }
        for (size_t i = 0; i < t->child_count && !rc; i++)
                rc = make_rows(t, &t->children[i], t->children[i].child->name, &rows[i], e);
        return rc ? rc : fill(t, &t->record, t->test->given, row, e);
}

int trial_shape_build(struct trial *t, struct err *e)
{
        int rc = take_names(t, e);

        if (!rc)
                rc = take_kinds(t, e);
        if (!rc)
                rc = make_shape(t, e);
        return rc ? rc : make_record(t, e);
}
