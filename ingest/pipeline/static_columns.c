/*
 * The compiler itself looks names up, in columns of which only the names are known: as JSON, which
 * may hold anything, they say nothing of types. A child whose columns are not known stands there as
 * one such column: whatever its elements are asked for may be there.
 */
#include <string.h>

#include "ingest/pipeline/static_internal.h"
#include "mappers/compile.h"

#define ARENA_MAX (16 << 20)

static bool make_columns(
        const struct string_list *names, size_t more, struct arena *arena, struct columns *out)
{
        struct column *items = arena_array(arena, names->count + more, sizeof(*items));

        for (size_t i = 0; items && i < names->count; i++)
                items[i] = (struct column){.name = names->items[i], .kind = COL_JSON};
        *out = (struct columns){items, names->count};
        return items;
}

/* ---- the names in extract ---- */

static void check_names(struct static_context *c, const struct columns *columns,
        const struct ynode *block, const char *key, const struct string_list *names)
{
        const char *known[RECORD_MAX_COLUMNS];
        const struct ynode *at = ynode_get(block, key);

        for (size_t i = 0; i < columns->count; i++)
                known[i] = columns->items[i].name;
        for (size_t i = 0; at && i < names->count; i++) {
                if (columns_find(columns, str_of(names->items[i])) >= 0)
                        continue;
                const struct ynode *item =
                        at->kind == YNODE_LIST && i < at->count ? at->items[i] : at;
                const char *near = str_nearest(str_of(names->items[i]), known, columns->count);
                static_say(c, FINDING_ERROR, item, item->line, item->column,
                        "%s: the query gives no column '%s'%s%s%s", key, names->items[i],
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        }
}

static void check_extract(struct static_context *c, const struct columns *columns)
{
        const struct extract *x = c->mapper->extract;
        struct string_list flag = {(const char **)&x->deletes.column, x->deletes.column != NULL};

        check_names(c, columns, x->node, "key", &x->key);
        check_names(c, columns, x->node, "group", &x->group);
        check_names(c, columns, ynode_get(x->node, "deletes"), "column", &flag);
}

/* ---- the shape ---- */

static bool names_of(
        const struct static_context *c, const char *query, struct arena *arena, struct columns *out)
{
        struct string_list names;

        return query && source_outputs(c->mapper->source, query, arena, &names) &&
               make_columns(&names, RECORD_MAX_CHILDREN, arena, out);
}

/* The children: those with known columns, and the others as columns of the parent. */
static bool add_children(struct static_context *c, struct shape *shape, struct arena *arena)
{
        const struct extract *x = c->mapper->extract;
        struct child_shape *children = arena_array(arena, x->child_count + 1, sizeof(*children));
        struct column *columns = (struct column *)shape->columns.items;

        for (size_t i = 0; children && i < x->child_count; i++) {
                const struct extract_child *from = &x->children[i];
                struct child_shape *child = &children[shape->child_count];
                if (names_of(c, from->query, arena, &child->columns)) {
                        check_names(c, &child->columns, from->node, "parent", &from->parent);
                        check_names(c, &child->columns, from->node, "key", &from->key);
                        child->name = from->name;
                        shape->child_count++;
                } else {
                        columns[shape->columns.count++] =
                                (struct column){.name = from->name, .kind = COL_JSON};
                }
        }
        if (children && x->group.count)
                children[shape->child_count++] = (struct child_shape){"rows", shape->columns};
        shape->children = children;
        return children;
}

void static_columns(struct static_context *c)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_MAX);
        cleanup_(mapper_program_freep) struct mapper_program *program = NULL;
        static const size_t first_column;
        struct shape shape = {.key = &first_column, .key_count = 1};
        struct err e;

        if (!arena) {
                c->rc = err_nomem(&c->err, "a check");
                return;
        }
        if (!names_of(c, c->mapper->extract->query, arena, &shape.columns))
                return;
        size_t before = c->findings->errors;
        check_extract(c, &shape.columns);
        if (!add_children(c, &shape, arena))
                return;
        int rc = mapper_compile(c->mapper->spec, &shape, &program, &e);
        if (rc == -ERR_CONFIG && c->findings->errors == before)
                static_say_err(c, &e);
}
