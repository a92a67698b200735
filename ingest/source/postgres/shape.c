/*
 * What described targets mean together: the shape a mapper is compiled against, whether it still
 * holds, and how parents and children are sorted.
 */
#include "ingest/source/postgres/describe.h"

static int columns_of(
        const struct pg_target *t, struct arena *arena, struct columns *out, struct err *e)
{
        struct column *items = arena_array(arena, t->count, sizeof(*items));

        if (!items)
                return arena_failed(arena, "a shape", e);
        for (size_t i = 0; i < t->count; i++)
                items[i] = t->columns[i].column;
        *out = (struct columns){items, t->count};
        return 0;
}

int pg_shape(const struct pg_target *targets, size_t count, struct arena *arena, struct shape *out,
        struct err *e)
{
        const struct pg_target *parent = &targets[0];
        bool is_group = parent->x->group.count > 0;
        size_t child_count = is_group ? 1 : count - 1;
        struct child_shape *children = arena_array(arena, child_count + 1, sizeof(*children));
        struct shape shape = {.children = children,
                .child_count = child_count,
                .key = parent->key,
                .key_count = parent->key_count};
        enum row_order orders[RECORD_MAX_COLUMNS];
        int rc;

        if (!children)
                return arena_failed(arena, "a shape", e);
        rc = columns_of(parent, arena, &shape.columns, e);
        if (!rc && is_group)
                children[0] = (struct child_shape){"rows", shape.columns};
        for (size_t i = 1; !rc && i < count; i++) {
                children[i - 1].name = targets[i].child->name;
                rc = columns_of(&targets[i], arena, &children[i - 1].columns, e);
        }
        if (!rc)
                rc = pg_merge_orders(targets, count, orders, e);
        if (!rc)
                *out = shape;
        return rc;
}

int pg_merge_orders(
        const struct pg_target *targets, size_t count, enum row_order *orders, struct err *e)
{
        const struct pg_column *columns[RECORD_MAX_CHILDREN + 1];
        const struct pg_target *parent = &targets[0];

        for (size_t k = 0; count > 1 && k < parent->key_count; k++) {
                for (size_t i = 0; i < count; i++)
                        columns[i] = &targets[i].columns[targets[i].key[k]];
                if (pg_merge_order(columns, count, &orders[k]))
                        continue;
                for (size_t i = 1; i < count; i++) {
                        const struct pg_column *pair[] = {columns[0], columns[i]};
                        if (i + 1 < count && pg_merge_order(pair, 2, &orders[k]))
                                continue;
                        return pg_target_error(&targets[i], "parent", e,
                                "column \"%s\" (%s) cannot be merged with the key column \"%s\" "
                                "(%s) "
                                "of the parent: what can be merged is " PG_MERGE_TYPES
                                "; cast one of them in its query",
                                columns[i]->column.name, columns[i]->column.source_type,
                                columns[0]->column.name, columns[0]->column.source_type);
                }
        }
        return 0;
}

/* ---- comparing with what the mapper was compiled against ---- */

static int check_column(const struct pg_target *t, const struct column *was,
        const struct pg_column *now, struct err *e)
{
        const char *place = (t->child ? t->child->table : t->x->table) ? "table" : "query";
        const struct column *is = &now->column;

        if (strcmp(was->name, is->name) != 0)
                return pg_target_error(t, place, e,
                        "column \"%s\" is \"%s\" now: the source changed during the run, run again",
                        was->name, is->name);
        if (was->kind != is->kind || was->elem != is->elem || was->delimiter != is->delimiter)
                return pg_target_error(t, place, e,
                        "column \"%s\" is %s now, it was %s: the source changed during the run, "
                        "run "
                        "again",
                        was->name, is->source_type, was->source_type);
        return 0;
}

static int check_columns(const struct pg_target *t, const struct columns *was, struct err *e)
{
        const char *place = (t->child ? t->child->table : t->x->table) ? "table" : "query";

        for (size_t i = 0; i < was->count && i < t->count; i++) {
                int rc = check_column(t, &was->items[i], &t->columns[i], e);
                if (rc)
                        return rc;
        }
        if (was->count == t->count)
                return 0;
        const char *name = was->count > t->count ? was->items[t->count].name
                                                 : t->columns[was->count].column.name;
        return pg_target_error(t, place, e,
                "column \"%s\" is %s now: the source changed during the run, run again", name,
                was->count > t->count ? "gone" : "there");
}

int pg_shape_check_keys(const struct pg_target *t, const struct shape *shape, struct err *e)
{
        for (size_t i = 0; i < shape->key_count && i < t->key_count; i++) {
                const struct column *was = &shape->columns.items[shape->key[i]];
                const struct column *is = &t->columns[t->key[i]].column;
                if (is->kind != was->kind)
                        return pg_target_error(t, "key", e,
                                "column \"%s\" is %s, but the source key \"%s\" is %s; cast it in "
                                "the query",
                                is->name, is->source_type, was->name, was->source_type);
        }
        return 0;
}

int pg_shape_check(
        const struct pg_target *targets, size_t count, const struct shape *shape, struct err *e)
{
        int rc = check_columns(&targets[0], &shape->columns, e);

        if (!rc && count > 1 && shape->child_count != count - 1)
                rc = err_set(e, ERR_BUG, "the shape has %zu children, the mapper %zu",
                        shape->child_count, count - 1);
        for (size_t i = 1; !rc && i < count; i++)
                rc = check_columns(&targets[i], &shape->children[i - 1].columns, e);
        return rc;
}
