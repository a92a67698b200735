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

/* ---- sources that describe no columns ---- */

static bool is_key(const struct extract *x, const char *name)
{
        const struct string_list *key = x->group.count ? &x->group : &x->key;

        for (size_t i = 0; i < key->count; i++)
                if (strcmp(key->items[i], name) == 0)
                        return true;
        return false;
}

static bool has_name(const struct columns *columns, const char *name)
{
        return columns_find(columns, str_of(name)) >= 0;
}

/* What the mapper names is there, as JSON; what is not the key may be missing. Arrays that a call
 * of their own gives always are there. */
bool static_open_shape(
        const struct static_context *c, struct arena *arena, struct shape *out, size_t *key)
{
        const struct extract *x = c->mapper->extract;
        struct child_shape *rows = arena_alloc(arena, sizeof(*rows));
        struct columns columns;

        if (!rows || !make_columns(&x->names, x->child_count + 1, arena, &columns))
                return false;
        struct column *items = (struct column *)columns.items;
        for (size_t i = 0; i < x->names.count; i++)
                items[i].nulls = is_key(x, items[i].name) ? NULLS_NEVER : NULLS_POSSIBLE;
        for (size_t i = 0; i < x->child_count; i++)
                if (!has_name(&columns, x->children[i].name))
                        items[columns.count++] =
                                (struct column){.name = x->children[i].name, .kind = COL_JSON};
        for (size_t i = 0; i < columns.count; i++)
                for (size_t k = 0; k < x->child_count; k++)
                        if (strcmp(items[i].name, x->children[k].name) == 0)
                                items[i].nulls = NULLS_NEVER;
        if (columns.count == 0) /* a constant, with a key that is no column */
                items[columns.count++] = (struct column){.name = "(key)", .kind = COL_JSON};
        *key = 0;
        *rows = (struct child_shape){"rows", columns};
        *out = (struct shape){.columns = columns,
                .children = rows,
                .child_count = x->group.count > 0,
                .key = key,
                .key_count = 1};
        return true;
}

static void compile_open(struct static_context *c, struct arena *arena)
{
        cleanup_(mapper_program_freep) struct mapper_program *program = NULL;
        struct shape shape;
        size_t key;
        struct err e;

        if (!static_open_shape(c, arena, &shape, &key))
                return;
        if (mapper_compile(c->mapper->spec, &shape, &program, &e) == -ERR_CONFIG)
                static_say_err(c, &e);
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
        if (!source_describes_columns(c->mapper->source)) {
                compile_open(c, arena);
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
