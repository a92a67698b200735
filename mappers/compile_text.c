/*
 * Templates. A ${name} is a field whose bytes are noted while they are rendered (a slot), or a
 * column converted on the spot. Where a template stands before a field it needs, that field is
 * rendered early, and copied to its place later.
 */
#include "mappers/compile_internal.h"

struct plan *compile_find_plan(
        struct plan *plans, const struct field_spec *fields, size_t count, struct str name)
{
        for (size_t i = 0; i < count; i++)
                if (str_eq(fields[i].name, name))
                        return &plans[i];
        return NULL;
}

static struct plan *find_field(const struct scope *scope, const struct field_path *path)
{
        return compile_find_plan(
                scope->plans, scope->fields, scope->field_count, path->steps[0].name);
}

static int reference_error(const struct compiler *c, const struct plan *p,
        const struct template_part *part, struct err *e, const char *what)
{
        static const char *const scopes[] = {
                [TEMPLATE_LITERAL] = "",
                [TEMPLATE_ANY] = "",
                [TEMPLATE_ROW] = "row.",
                [TEMPLATE_DOC] = "doc.",
        };
        return compile_error(c, p, e, "${%s%s}: %s", scopes[part->scope], part->path.text, what);
}

static bool is_json_scalar(struct str json)
{
        return json.len > 0 && *json.ptr != '{' && *json.ptr != '[';
}

/* Follows the rest of the path through objects to a field with one value. */
static int follow(const struct compiler *c, const struct plan *p, const struct template_part *part,
        struct plan **field, struct err *e)
{
        for (size_t i = 1; i < part->path.count; i++) {
                const struct field_spec *f = (*field)->spec;
                if (f->origin != FIELD_OBJECT)
                        return reference_error(c, p, part, e,
                                "the field has no members; write ${row....} for those of a column");
                *field = compile_find_plan(
                        (*field)->members, f->fields, f->field_count, part->path.steps[i].name);
                if (!*field)
                        return reference_error(c, p, part, e, "there is no such field");
        }
        const struct field_spec *f = (*field)->spec;
        if (f->origin == FIELD_OBJECT || f->origin == FIELD_EACH)
                return reference_error(
                        c, p, part, e, "an object or array has no text; name one of its values");
        if (f->split.by.ptr || f->split.pattern.ptr)
                return reference_error(c, p, part, e, "split makes an array, which has no text");
        if (f->origin == FIELD_LOOKUP && c->spec->lookups[f->lookup]->value_is_list)
                return reference_error(c, p, part, e,
                        "the look-up gives an object, which has no text; look up one value");
        if (f->origin == FIELD_VALUE && !is_json_scalar(f->value_json))
                return reference_error(c, p, part, e, "an object or array has no text");
        return 0;
}

static int refer_to_field(struct compiler *c, const struct plan *p,
        const struct template_part *part, struct plan *field, struct part *out, struct err *e)
{
        int rc = follow(c, p, part, &field, e);

        if (rc)
                return rc;
        if (field->slot == NO_SLOT)
                field->slot = c->program->slot_count++;
        out->kind = PART_FIELD;
        out->field = field;
        return 0;
}

static int refer_to_column(struct compiler *c, const struct scope *scope, const struct plan *p,
        const struct template_part *part, struct part *out, struct err *e)
{
        struct plan *value = arena_alloc(c->arena, sizeof(*value));
        bool record = part->scope == TEMPLATE_ROW || !scope->outer;

        if (!value)
                return compile_nomem(c, e);
        *value = (struct plan){.path = p->path, .owner = p->owner ? p->owner : p->spec};
        int rc = compile_locate(c, scope, value, &part->path, record, &value->locate, e);
        if (rc)
                return rc;
        if (value->locate.kind == COL_ARRAY && value->locate.step_count == 0)
                return reference_error(c, p, part, e, "an array has no text; name an element, [0]");
        value->column = part->path.text;
        out->kind = PART_COLUMN;
        out->value = value;
        return compile_chain(c, value, e);
}

static const struct scope *root_of(const struct scope *scope)
{
        while (scope->outer)
                scope = scope->outer;
        return scope;
}

static int compile_part(struct compiler *c, const struct scope *scope, const struct plan *p,
        const struct template_part *part, struct part *out, struct err *e)
{
        struct plan *field = NULL;

        out->text = part->text;
        if (part->scope == TEMPLATE_LITERAL)
                return 0;
        if (part->scope == TEMPLATE_DOC)
                field = find_field(root_of(scope), &part->path);
        else if (part->scope == TEMPLATE_ANY)
                field = find_field(scope, &part->path);
        if (field)
                return refer_to_field(c, p, part, field, out, e);
        if (part->scope == TEMPLATE_DOC)
                return reference_error(c, p, part, e, "there is no such field");
        return refer_to_column(c, scope, p, part, out, e);
}

int compile_text(struct compiler *c, struct scope *scope, struct plan *p,
        const struct field_template *t, struct text_plan *out, struct err *e)
{
        struct part *parts = arena_array(c->arena, t->count, sizeof(*parts));

        if (!parts)
                return compile_nomem(c, e);
        for (size_t i = 0; i < t->count; i++) {
                int rc = compile_part(c, scope, p, &t->parts[i], &parts[i], e);
                if (rc)
                        return rc;
        }
        *out = (struct text_plan){parts, t->count};
        return 0;
}

/* ---- order ---- */

static bool stands_in(const struct plan *p, const struct plan *object)
{
        while (p && p != object)
                p = p->around;
        return p;
}

/* A `when` that looks at members of its own object can decide on it only once they are there. */
static bool looks_inside(const struct plan *object)
{
        for (size_t i = 0; i < object->when->field_count; i++)
                if (stands_in(object->when->fields[i], object))
                        return true;
        return false;
}

static struct plan *next_guard(const struct plan *p)
{
        struct plan *object = p->around;

        while (object && (!object->when || object->looks_inside))
                object = object->around;
        return object;
}

bool compile_guard(const struct plan *p)
{
        return next_guard(p);
}

/* The @i-th field that @p needs before it: those its template names, then its expressions'. */
static struct plan *needed_by(const struct plan *p, size_t i)
{
        const struct expr *list[] = {p->expr, p->when};

        if (i < p->text.count)
                return (struct plan *)p->text.parts[i].field;
        i -= p->text.count;
        for (size_t k = 0; k < 2; k++) {
                if (list[k] && i < list[k]->field_count)
                        return list[k]->fields[i];
                i -= list[k] ? list[k]->field_count : 0;
        }
        return NULL;
}

static size_t count_needed(const struct plan *p)
{
        return p->text.count + (p->expr ? p->expr->field_count : 0) +
               (p->when ? p->when->field_count : 0);
}

static int render_early(struct compiler *c, struct plan *p, struct err *e);

/* What @p needs, and what the objects around it need to say that it is there at all. */
static int render_needed(struct compiler *c, const struct plan *p, struct err *e)
{
        struct scope *scope = p->scope;
        int rc = 0;

        for (const struct plan *q = p; q && !rc; q = next_guard(q)) {
                for (size_t i = 0; i < count_needed(q) && !rc; i++) {
                        struct plan *needed = needed_by(q, i);
                        bool ready =
                                !needed || (needed->scope != scope && needed->order < p->order);
                        rc = ready ? 0 : render_early(c, needed, e);
                }
        }
        return rc;
}

static int render_early(struct compiler *c, struct plan *p, struct err *e)
{
        struct scope *scope = p->scope;

        if (p->state == PLAN_EARLY)
                return 0;
        if (p->state == PLAN_VISITING)
                return compile_error(c, p, e, "%s, through the fields %s",
                        p->text.count ? "its template needs its own text"
                                      : "it needs its own value",
                        next_guard(p) ? "that it, or `when` around it, names" : "it names");
        if (p->members)
                return compile_error(
                        c, p, e, "it is needed before its place: move it up in the mapper");
        p->state = PLAN_VISITING;
        int rc = render_needed(c, p, e);
        if (rc)
                return rc;
        if (!scope->early_plans)
                scope->early_plans = arena_array(c->arena, c->plan_count, sizeof(struct plan *));
        if (!scope->early_plans)
                return compile_nomem(c, e);
        scope->early_plans[scope->early_count++] = p;
        p->state = PLAN_EARLY;
        return 0;
}

static int order_plan(struct compiler *c, struct plan *p, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < count_needed(p) && !rc; i++) {
                struct plan *needed = needed_by(p, i);
                if (needed && needed->order >= p->order)
                        rc = render_early(c, needed, e);
        }
        for (size_t i = 0; p->members && !p->inner && i < p->spec->field_count && !rc; i++)
                rc = order_plan(c, &p->members[i], e);
        return rc || !p->inner ? rc : compile_order(c, p->inner, e);
}

static void mark_guards(struct plan *plans, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct plan *p = &plans[i];
                if (!p->members || p->inner)
                        continue;
                p->looks_inside = p->when && looks_inside(p);
                mark_guards(p->members, p->spec->field_count);
        }
}

int compile_order(struct compiler *c, struct scope *scope, struct err *e)
{
        int rc = 0;

        mark_guards(scope->plans, scope->field_count);
        for (size_t i = 0; i < scope->field_count && !rc; i++)
                rc = order_plan(c, &scope->plans[i], e);
        return rc;
}
