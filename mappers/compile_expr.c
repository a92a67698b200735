/*
 * Expressions against a source: the names behind row and record are columns, those behind doc are
 * fields, which are then noted while they are rendered, and rendered early where they come later.
 */
#include "mappers/compile_internal.h"

#include <stdio.h>

#include "mappers/lua_record.h"
#include "mappers/lua_state.h"

static int expr_error(const struct compiler *c, const struct plan *p, const struct expr_spec *spec,
        const struct expr_name *name, struct err *e, const char *what)
{
        return mapper_spec_error(c->spec, spec->node, e, "field '%s': %s: line %d: %s", p->path,
                spec->what, name->line, what);
}

/* ---- columns ---- */

static const struct column *find_column(const struct columns *columns, struct str name)
{
        int i = columns ? columns_find(columns, name) : -1;

        return i < 0 ? NULL : &columns->items[i];
}

static size_t collect(const char **names, const struct columns *columns)
{
        for (size_t i = 0; columns && i < columns->count; i++)
                names[i] = columns->items[i].name;
        return columns ? columns->count : 0;
}

static int unknown_column(struct compiler *c, const struct scope *scope, const struct plan *p,
        const struct expr_spec *spec, const struct expr_name *name, struct err *e)
{
        const struct shape *shape = c->shape;
        const struct columns *own = name->scope == EXPR_ROW && scope->outer ? scope->columns : NULL;
        size_t count = shape->columns.count + shape->child_count + (own ? own->count : 0);
        const char **names = arena_array(c->arena, count, sizeof(*names));
        char text[ERR_TEXT_MAX / 2];

        if (!names)
                return compile_nomem(c, e);
        count = collect(names, own);
        count += collect(names + count, &shape->columns);
        for (size_t i = 0; i < shape->child_count; i++)
                names[count++] = shape->children[i].name;
        const char *near = str_nearest(name->steps[0], names, count);
        snprintf(text, sizeof(text), "there is no column '%.*s'", STR_ARG(name->steps[0]));
        int rc = expr_error(c, p, spec, name, e, text);
        if (near)
                return err_hint(e, rc, "did you mean '%s'?", near);
        return err_hint(e, rc, "add it to the query");
}

static int check_zone(struct compiler *c, const struct plan *p, const struct expr *x,
        const struct expr_name *name, const struct column *column, struct err *e)
{
        char text[ERR_TEXT_MAX / 2];
        bool local = column->kind == COL_TIMESTAMP ||
                     (column->kind == COL_ARRAY && column->elem == COL_TIMESTAMP);

        if (!local || x->zone)
                return 0;
        snprintf(text, sizeof(text),
                "column '%s' is a local time: write timezone: with the zone that its clock shows, "
                "for the mapper or the field (timezone: Europe/Dublin; timezone: UTC)",
                column->name);
        return expr_error(c, p, x->spec, name, e, text);
}

static int check_column(struct compiler *c, const struct scope *scope, const struct plan *p,
        const struct expr *x, const struct expr_name *name, struct err *e)
{
        const struct column *column = NULL;

        if (name->scope == EXPR_ROW)
                column = find_column(scope->columns, name->steps[0]);
        if (!column)
                column = find_column(&c->shape->columns, name->steps[0]);
        if (column)
                return check_zone(c, p, x, name, column, e);
        /* What a JSON element holds is seen when it runs. */
        bool open = name->scope == EXPR_ROW && !scope->columns;
        if (open || compile_is_child(c, name->steps[0]))
                return 0;
        return unknown_column(c, scope, p, x->spec, name, e);
}

/* ---- fields ---- */

static int unknown_field(struct compiler *c, const struct plan *p, const struct expr_spec *spec,
        const struct expr_name *name, struct str step, const struct field_spec *fields,
        size_t count, struct err *e)
{
        const char **names = arena_array(c->arena, count, sizeof(*names));
        char text[ERR_TEXT_MAX / 2];

        if (!names)
                return compile_nomem(c, e);
        for (size_t i = 0; i < count; i++)
                names[i] = fields[i].name.ptr;
        snprintf(text, sizeof(text), "there is no field '%.*s'", STR_ARG(step));
        int rc = expr_error(c, p, spec, name, e, text);
        const char *near = str_nearest(step, names, count);
        return near ? err_hint(e, rc, "did you mean '%s'?", near) : rc;
}

/* The place in the document of the last field inside @p. */
static size_t last_order(const struct plan *p)
{
        return p->members && p->spec->field_count
                       ? last_order(&p->members[p->spec->field_count - 1])
                       : p->order;
}

/* The field that doc.NAME is: in this scope, else in the document; through objects.
 * @depth: how many steps of the name it takes */
static int find_named(struct compiler *c, const struct scope *scope, const struct plan *p,
        const struct expr_spec *spec, const struct expr_name *name, struct plan **out, int *depth,
        struct err *e)
{
        const struct scope *root = &c->program->root;
        struct plan *field =
                compile_find_plan(scope->plans, scope->fields, scope->field_count, name->steps[0]);

        if (!field)
                field = compile_find_plan(
                        root->plans, root->fields, root->field_count, name->steps[0]);
        if (!field)
                return unknown_field(
                        c, p, spec, name, name->steps[0], root->fields, root->field_count, e);
        size_t k = 1;
        for (; k < name->count && field->spec->origin == FIELD_OBJECT; k++) {
                const struct field_spec *f = field->spec;
                field = compile_find_plan(
                        field->members, f->fields, f->field_count, name->steps[k]);
                if (!field)
                        return unknown_field(
                                c, p, spec, name, name->steps[k], f->fields, f->field_count, e);
        }
        if (field->members && last_order(field) >= p->order)
                return expr_error(c, p, spec, name, e,
                        "an object or array must stand before what reads it: move it up, or name "
                        "one value of it");
        *out = field;
        *depth = (int)k;
        return 0;
}

static int add_field(struct compiler *c, const struct scope *scope, struct plan *p, struct expr *x,
        const struct expr_name *name, struct err *e)
{
        struct plan *field = NULL;
        int depth = 0;

        int rc = find_named(c, scope, p, x->spec, name, &field, &depth, e);
        if (rc)
                return rc;
        if (field->slot == NO_SLOT)
                field->slot = c->program->slot_count++;
        x->fields[x->field_count] = field;
        x->field_names[x->field_count] = name;
        x->field_depths[x->field_count++] = depth;
        return 0;
}

static int compile_names(struct compiler *c, const struct scope *scope, struct plan *p,
        struct expr *x, struct err *e)
{
        size_t count = x->spec->name_count;
        int rc = 0;

        x->fields = arena_array(c->arena, count, sizeof(*x->fields));
        x->field_names = arena_array(c->arena, count, sizeof(*x->field_names));
        x->field_depths = arena_array(c->arena, count, sizeof(*x->field_depths));
        if (!x->fields || !x->field_names || !x->field_depths)
                return compile_nomem(c, e);
        for (size_t i = 0; i < count && !rc; i++) {
                const struct expr_name *name = &x->spec->names[i];
                rc = name->scope == EXPR_DOC ? add_field(c, scope, p, x, name, e)
                                             : check_column(c, scope, p, x, name, e);
        }
        return rc;
}

/* ---- the whole ---- */

static int open_sandbox(struct compiler *c, struct err *e)
{
        struct render *r = &c->program->render;

        if (r->lua)
                return 0;
        int rc = sandbox_open(&r->lua, e);
        return rc ? rc : lua_record_open(r, c->shape, c->arena, e);
}

int compile_expr(struct compiler *c, struct scope *scope, struct plan *p,
        const struct expr_spec *spec, struct expr **out, struct err *e)
{
        struct render *r = &c->program->render;
        const char *zone = p->spec->timezone ? p->spec->timezone : c->spec->timezone;
        struct expr *x = arena_alloc(c->arena, sizeof(*x));

        if (!x)
                return compile_nomem(c, e);
        x->spec = spec;
        int rc = open_sandbox(c, e);
        if (!rc && zone)
                rc = compile_load_zone(c, zone, &x->zone, e);
        if (!rc)
                rc = compile_names(c, scope, p, x, e);
        if (!rc)
                rc = lua_record_scope(r, scope, e);
        if (!rc)
                rc = lua_record_fields(r, x, e);
        if (rc)
                return rc;
        rc = sandbox_load(r->lua, spec->code, EXPR_CHUNK, &x->chunk, e);
        if (rc == -ERR_CONFIG)
                return err_wrap(e, rc, "%s:%d:%d: field '%s': %s", c->spec->path, spec->node->line,
                        spec->node->column, p->path, spec->what);
        *out = x;
        return rc;
}
