/*
 * `lookup`: where the parts of the key are found, and what kind the table's values have. A program
 * that is given no tables makes those itself that need no source.
 */
#include "mappers/compile_internal.h"
#include "mappers/lookup.h"

/* Whether @scope has the column that @path begins with. */
static bool has_column(const struct scope *scope, const struct field_path *path)
{
        if (!scope->columns)
                return true; /* JSON: nobody knows */
        return columns_find(scope->columns, str_of(path->text)) >= 0 ||
               columns_find(scope->columns, path->steps[0].name) >= 0;
}

static int compile_part(struct compiler *c, struct scope *scope, struct plan *p, size_t i,
        struct locate *out, struct err *e)
{
        const struct field_path *path = &p->spec->looked_up[i];
        const struct lookup_spec *spec = c->spec->lookups[p->spec->lookup];
        bool record = spec->key_is_column && scope->outer && !has_column(scope, path);
        int rc = compile_locate(c, scope, p, path, record, out, e);

        if (rc && spec->key_is_column)
                return err_hint(
                        e, rc, "without 'from' the column that is named like 'key' is looked up");
        if (rc || out->kind != COL_ARRAY || out->step_count || p->spec->looked_up_count == 1)
                return rc;
        return compile_error(c, p, e,
                "column '%s' is an array: it can be looked up alone, but is no part of a key",
                path->text);
}

/* Whether what is looked up may be a number that has several spellings. */
static bool has_numbers(const struct locate *keys, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                enum col_kind kind = keys[i].kind == COL_ARRAY ? keys[i].elem : keys[i].kind;
                if (kind == COL_NUMERIC || kind == COL_FLOAT4 || kind == COL_FLOAT8 ||
                        kind == COL_JSON)
                        return true;
        }
        return false;
}

int compile_lookup(struct compiler *c, struct scope *scope, struct plan *p, struct err *e)
{
        size_t count = p->spec->looked_up_count;
        struct lookup_plan *lookup = arena_alloc(c->arena, sizeof(*lookup));
        struct locate *keys = arena_array(c->arena, count, sizeof(*keys));
        int rc = 0;

        if (!lookup || !keys)
                return compile_nomem(c, e);
        for (size_t i = 0; i < count && !rc; i++)
                rc = compile_part(c, scope, p, i, &keys[i], e);
        if (rc)
                return rc;
        *lookup = (struct lookup_plan){
                .table = lookup_set_table(c->lookups, p->spec->lookup),
                .keys = keys,
                .count = count,
                .numbers = has_numbers(keys, count),
                .lists = count == 1 && (keys[0].kind == COL_ARRAY || keys[0].kind == COL_JSON),
        };
        const struct column *column = lookup_table_column(lookup->table);
        p->lookup = lookup;
        p->locate.kind = column->kind;
        p->locate.elem = column->elem;
        p->locate.delimiter = column->delimiter ? column->delimiter : ',';
        p->column = column->name;
        p->source_type = column->source_type;
        return compile_chain(c, p, e);
}

int compile_lookups(struct compiler *c, const struct lookup_set *given, struct err *e)
{
        const struct mapper_spec *spec = c->spec;

        c->lookups = given;
        if (given || spec->lookup_count == 0)
                return 0;
        for (size_t i = 0; i < spec->lookup_count; i++)
                if (spec->lookups[i]->origin == LOOKUP_QUERY)
                        return err_set(e, ERR_BUG, "a look-up by query was not read");
        int rc = lookup_set_new(spec, &c->program->own_lookups, e);
        if (rc == 0)
                rc = lookup_set_load(c->program->own_lookups, e);
        c->lookups = c->program->own_lookups;
        return rc;
}
