/*
 * Where a value comes from and what it goes through: each name is found and each conversion
 * proved here, once, against the columns of the source.
 */
#include "mappers/compile_internal.h"
#include "mappers/decimal.h"
#include "mappers/text_steps.h"

#include <stdlib.h>

#define NAMES_SHOWN 12 /* columns listed in an error where no name is near */

/* ---- names ---- */

static const struct columns *columns_of(
        const struct compiler *c, const struct scope *scope, bool record)
{
        return record ? &c->shape->columns : scope->columns;
}

/* Columns, and at the top the children, which `each` can name. */
static const char **collect_names(
        struct compiler *c, const struct columns *columns, size_t children, size_t *count)
{
        const char **names = arena_array(c->arena, columns->count + children, sizeof(*names));

        for (size_t i = 0; names && i < columns->count; i++)
                names[i] = columns->items[i].name;
        for (size_t i = 0; names && i < children; i++)
                names[columns->count + i] = c->shape->children[i].name;
        *count = columns->count + children;
        return names;
}

bool compile_is_child(const struct compiler *c, struct str name)
{
        for (size_t i = 0; i < c->shape->child_count; i++)
                if (str_is(name, c->shape->children[i].name))
                        return true;
        return false;
}

/* Whether the environment has it: ${NAME} is a variable in erp2couch.yaml, but not in mappers. */
static bool is_variable(struct str name)
{
        cleanup_(freep) char *text = str_dup(name);

        return text && getenv(text);
}

int compile_unknown(struct compiler *c, const struct scope *scope, const struct plan *p,
        struct str name, bool record, struct err *e)
{
        const struct columns *columns = columns_of(c, scope, record);
        bool each = p->spec && p->spec->origin == FIELD_EACH;
        size_t count, shown;
        cleanup_buf_ struct buf list = {.max = ERR_TEXT_MAX};

        const char **names = collect_names(
                c, columns, each && !scope->outer ? c->shape->child_count : 0, &count);
        if (!names)
                return compile_nomem(c, e);
        int rc = compile_error(c, p, e, "there is no column '%.*s'%s", STR_ARG(name),
                scope->outer && !record ? " in these elements" : "");
        if (!each && compile_is_child(c, name))
                return err_hint(
                        e, rc, "it is a child: write {each: %.*s, fields: {...}}", STR_ARG(name));
        if (is_variable(name))
                return err_hint(
                        e, rc, "a variable of the environment is ${env:%.*s}", STR_ARG(name));
        const char *near = str_nearest(name, names, count);
        if (near)
                return err_hint(e, rc, "did you mean '%s'?", near);
        shown = count < NAMES_SHOWN ? count : NAMES_SHOWN;
        for (size_t i = 0; i < shown; i++)
                buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
        const char *text = buf_cstr(&list);
        if (!text || count == 0)
                return rc;
        return err_hint(e, rc, "there is %s%s", text, shown < count ? " ..." : "");
}

/* ---- places ---- */

static int compile_step(
        struct compiler *c, const struct path_step *from, struct locate_step *to, struct err *e)
{
        cleanup_buf_ struct buf quoted = {.max = YDOC_MAX_BYTES};

        to->index = from->index;
        if (!from->name.ptr)
                return 0;
        json_put_lossy(&quoted, from->name);
        to->name = arena_dup(c->arena, buf_str(&quoted));
        return to->name.ptr && !quoted.error ? 0 : compile_nomem(c, e);
}

static int compile_steps(struct compiler *c, const struct path_step *steps, size_t count,
        struct locate *out, struct err *e)
{
        struct locate_step *to = arena_array(c->arena, count, sizeof(*to));
        int rc = 0;

        if (!to)
                return compile_nomem(c, e);
        for (size_t i = 0; i < count && !rc; i++)
                rc = compile_step(c, &steps[i], &to[i], e);
        out->steps = to;
        out->step_count = count;
        return rc;
}

static const char *type_of(const struct column *column)
{
        return column->source_type ? column->source_type : col_kind_name(column->kind);
}

/* Whether a path may go into @column at all. */
static int check_steps(const struct compiler *c, const struct plan *p, const struct column *column,
        const struct field_path *path, struct err *e)
{
        const struct path_step *step = &path->steps[1];

        if (column->kind == COL_JSON || path->count == 1)
                return 0;
        if (column->kind != COL_ARRAY)
                return compile_error(c, p, e,
                        "column '%s' is %s (%s): only JSON has members and elements", column->name,
                        type_of(column), col_kind_name(column->kind));
        for (size_t i = 1; i < path->count; i++, step++) {
                if (!step->name.ptr)
                        continue;
                if (i > 1 && column->elem == COL_JSON)
                        break;
                return compile_error(c, p, e,
                        "column '%s' is an array (%s): its elements are named [0], [1] ...",
                        column->name, type_of(column));
        }
        return 0;
}

static int locate_column(struct compiler *c, const struct plan *p, const struct columns *columns,
        size_t index, const struct field_path *path, struct locate *out, struct err *e)
{
        const struct column *column = &columns->items[index];

        out->column = index;
        out->kind = column->kind;
        out->elem = column->elem;
        out->delimiter = column->delimiter ? column->delimiter : ',';
        int rc = check_steps(c, p, column, path, e);
        return rc ? rc : compile_steps(c, path->steps + 1, path->count - 1, out, e);
}

/* p.code: in SQL a column may have its table's name in front, here it has its own alone. */
static int unknown_path(struct compiler *c, const struct scope *scope, const struct plan *p,
        const struct field_path *path, bool record, struct err *e)
{
        const struct path_step *last = &path->steps[path->count - 1];
        const struct columns *columns = columns_of(c, scope, record);
        int rc = compile_unknown(c, scope, p, path->steps[0].name, record, e);

        if (path->count != 2 || !last->name.ptr || columns_find(columns, last->name) < 0)
                return rc;
        return err_hint(e, rc, "write '%.*s' without a table's name", STR_ARG(last->name));
}

int compile_locate(struct compiler *c, const struct scope *scope, const struct plan *p,
        const struct field_path *path, bool record, struct locate *out, struct err *e)
{
        const struct columns *columns = columns_of(c, scope, record);
        static const struct path_step none = {.index = 0};
        const struct field_path whole = {(struct path_step *)&none, 1, path->text};

        *out = (struct locate){.from = record ? LOCATE_RECORD : LOCATE_ROW};
        if (!columns) {
                out->from = LOCATE_ELEMENT;
                out->kind = COL_JSON;
                out->element_value = str_is(path->steps[0].name, "value");
                return compile_steps(c, path->steps, path->count, out, e);
        }
        /* A column may have a dot in its name. */
        int index = columns_find(columns, str_of(path->text));
        if (index >= 0)
                return locate_column(c, p, columns, (size_t)index, &whole, out, e);
        index = columns_find(columns, path->steps[0].name);
        if (index < 0)
                return unknown_path(c, scope, p, path, record, e);
        return locate_column(c, p, columns, (size_t)index, path, out, e);
}

/* ---- conversions ---- */

int compile_load_zone(struct compiler *c, const char *name, const struct tz **out, struct err *e)
{
        struct mapper_program *program = c->program;
        struct tz *zone;

        for (size_t i = 0; i < program->zone_count; i++) {
                if (strcmp(program->zones[i].name, name) == 0) {
                        *out = program->zones[i].zone;
                        return 0;
                }
        }
        struct named_zone *zones = arena_array(c->arena, program->zone_count + 1, sizeof(*zones));
        if (!zones)
                return compile_nomem(c, e);
        int rc = tz_load(name, &zone, e);
        if (rc)
                return rc;
        if (program->zone_count)
                memcpy(zones, program->zones, program->zone_count * sizeof(*zones));
        zones[program->zone_count++] = (struct named_zone){name, zone};
        program->zones = zones;
        *out = zone;
        return 0;
}

/* Whether values of @kind are local times that must become instants. */
static bool needs_zone(enum col_kind kind, enum field_type type)
{
        if (kind == COL_TIMESTAMP)
                return type != FIELD_TYPE_DATE;
        return kind == COL_DATE && type == FIELD_TYPE_DATETIME;
}

static bool may_use_zone(enum col_kind kind, enum field_type type)
{
        return needs_zone(kind, type) || type == FIELD_TYPE_DATETIME;
}

static const char *source_type(const struct compiler *c, const struct plan *p)
{
        return p->column && p->source_type ? p->source_type : col_kind_name(p->locate.kind);
}

static int compile_zone(struct compiler *c, struct plan *p, enum col_kind kind, struct err *e)
{
        const char *name = p->spec && p->spec->timezone ? p->spec->timezone : c->spec->timezone;

        if (!may_use_zone(kind, p->chain.type))
                return 0;
        if (name)
                return compile_load_zone(c, name, &p->chain.zone, e);
        if (!needs_zone(kind, p->chain.type))
                return 0;
        return compile_error(c, p, e,
                "column '%s' is %s, a local time: write timezone: with the zone that its clock "
                "shows, for the mapper or the field (timezone: Europe/Dublin; timezone: UTC)",
                p->column, source_type(c, p));
}

static int check_type(
        const struct compiler *c, const struct plan *p, enum col_kind kind, struct err *e)
{
        static const char *const remedies[COL_KINDS] = {
                [COL_TIMESTAMPTZ] = "cast it in the query, at the time zone you mean",
                [COL_INT] = "name its values in map, or cast it in the query",
        };
        const struct chain *chain = &p->chain;

        if (chain->has_map || convert_find(kind, chain->type))
                return 0;
        int rc = compile_error(c, p, e, "column '%s' is %s%s and can never become a %s",
                p->column ? p->column : "?", source_type(c, p),
                p->locate.kind == COL_ARRAY ? " (its elements)" : "", field_type_name(chain->type));
        return err_hint(e, rc, "%s",
                remedies[kind] ? remedies[kind] : "write another type, or cast it in the query");
}

static int compare_mappings(const void *a, const void *b)
{
        return str_cmp(((const struct mapping *)a)->from, ((const struct mapping *)b)->from);
}

/* The JSON @json as @chain without steps makes it, in the arena; "null" for null. */
static int convert_constant(struct compiler *c, struct plan *p, const struct chain *chain,
        struct str json, const struct ynode *node, struct str *out, struct err *e)
{
        struct render *r = &c->program->render;

        buf_clear(&r->part);
        r->out = &r->part;
        r->plan = p;
        int rc = chain_put(r, chain, COL_JSON, json);
        if (rc == MAPPER_REJECT)
                return mapper_spec_error(
                        c->spec, node, e, "field '%s': %s", p->path, buf_cstr(&r->reject_reason));
        if (rc == PUT_NULL)
                buf_puts(&r->part, "null");
        int failed = buf_check(&r->part, "a constant", e);
        if (failed)
                return failed;
        *out = arena_dup(c->arena, buf_str(&r->part));
        return out->ptr ? 0 : compile_nomem(c, e);
}

static int compile_map(struct compiler *c, struct plan *p, struct err *e)
{
        const struct field_spec *f = p->spec;
        struct mapping *map = arena_array(c->arena, f->map_count, sizeof(*map));
        struct chain plain = p->chain;

        if (!map)
                return compile_nomem(c, e);
        plain.has_steps = plain.has_map = plain.trim = false;
        plain.null_if_count = 0;
        for (size_t i = 0; i < f->map_count; i++) {
                map[i].from = f->map[i].from;
                int rc =
                        convert_constant(c, p, &plain, f->map[i].json, f->map[i].to, &map[i].to, e);
                if (rc)
                        return rc;
        }
        qsort(map, f->map_count, sizeof(*map), compare_mappings);
        p->chain.map = map;
        p->chain.map_count = f->map_count;
        return 0;
}

static int compile_null_if(struct compiler *c, struct plan *p, struct err *e)
{
        const struct string_list *list = &p->spec->null_if;
        struct str *texts = arena_array(c->arena, list->count, sizeof(*texts));

        if (!texts)
                return compile_nomem(c, e);
        for (size_t i = 0; i < list->count; i++)
                texts[i] = str_of(list->items[i]);
        p->chain.null_if = texts;
        p->chain.null_if_count = list->count;
        return 0;
}

static void take_options(struct chain *chain, const struct field_spec *f)
{
        chain->trim = f->trim;
        chain->has_map = f->has_map;
        chain->has_steps = f->trim || f->has_map || f->null_if.count > 0;
        chain->unmapped_is_null = f->has_default;
        chain->type = f->type;
        chain->format = f->format;
        chain->scale = f->has_scale ? f->scale : DECIMAL_AS_IS;
        chain->rounding = f->rounding;
        chain->as = f->as;
        chain->numbers = f->numbers_as_strings ? JSON_NUMBERS_STRING : JSON_NUMBERS_EXACT;
}

int compile_chain(struct compiler *c, struct plan *p, struct err *e)
{
        enum col_kind kind = p->locate.kind == COL_ARRAY ? p->locate.elem : p->locate.kind;

        p->chain = (struct chain){
                .scale = DECIMAL_AS_IS,
                .elem = p->locate.elem,
                .delimiter = p->locate.delimiter,
        };
        if (p->spec)
                take_options(&p->chain, p->spec);
        else if (kind == COL_INT)
                p->chain.type = FIELD_TYPE_STRING; /* as text an integer may be of any size */
        /* An array as `type: json` is what it is anyway. */
        if (p->locate.kind == COL_ARRAY && p->chain.type == FIELD_TYPE_JSON)
                p->chain.type = FIELD_TYPE_NONE;
        int rc = p->chain.format ? compile_notation(c, p, kind, e) : check_type(c, p, kind, e);
        if (!rc && !p->chain.format)
                rc = compile_zone(c, p, kind, e);
        if (!rc && p->spec)
                rc = compile_null_if(c, p, e);
        if (!rc && p->chain.has_map)
                rc = compile_map(c, p, e);
        if (!rc) /* last: constants of the map are not changed */
                rc = text_steps_compile(c, p, kind, e);
        return rc;
}

int compile_fallback(struct compiler *c, struct plan *p, struct err *e)
{
        static const struct chain as_it_is = {.scale = DECIMAL_AS_IS};

        if (!p->spec->has_default)
                return 0;
        int rc = convert_constant(
                c, p, &as_it_is, p->spec->default_json, p->spec->node, &p->fallback, e);
        if (!rc && str_is(p->fallback, "null"))
                p->fallback.ptr = NULL;
        return rc;
}

int compile_constant(struct compiler *c, struct plan *p, struct err *e)
{
        p->locate.kind = COL_JSON;
        int rc = compile_chain(c, p, e);
        if (!rc)
                rc = convert_constant(
                        c, p, &p->chain, p->spec->value_json, p->spec->node, &p->constant, e);
        if (rc || !str_is(p->constant, "null"))
                return rc;
        if (p->fallback.ptr)
                p->constant = p->fallback;
        else if (p->spec->required)
                return compile_error(c, p, e, "it is required, but its value is null");
        else if (!p->spec->keep_null)
                p->constant.ptr = NULL;
        return 0;
}
