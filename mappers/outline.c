/*
 * One walk over the fields, with the columns of their scope where a source has described them. What
 * this file does not know by name (an origin, a step of the chain) makes a value one that is not
 * analysed: it may only ever say too little.
 */
#include "mappers/outline.h"

#include <stdio.h>

struct walk {
        const struct mapper_spec *spec;
        const struct shape *shape; /* NULL: not known */
        struct arena *arena;
        bool failed; /* the arena gave no more */
};

/* Where the names of a field's `from` are looked up. */
struct place {
        const struct columns *columns; /* NULL: not known, or JSON */
        bool document;                 /* the top */
        const char *path;              /* "lines[]"; "" at the top */
};

static const struct {
        unsigned kinds;
        const char *format;
} type_values[] = {
        [FIELD_TYPE_NONE] = {0, NULL},
        [FIELD_TYPE_STRING] = {OUTLINE_STRING, NULL},
        [FIELD_TYPE_INTEGER] = {OUTLINE_INTEGER, NULL},
        [FIELD_TYPE_NUMBER] = {OUTLINE_NUMBER, NULL},
        [FIELD_TYPE_DECIMAL] = {OUTLINE_STRING, NULL},
        [FIELD_TYPE_BOOLEAN] = {OUTLINE_BOOLEAN, NULL},
        [FIELD_TYPE_DATE] = {OUTLINE_STRING, "date"},
        [FIELD_TYPE_DATETIME] = {OUTLINE_STRING, "date-time"},
        [FIELD_TYPE_JSON] = {0, NULL},
        [FIELD_TYPE_BYTES] = {OUTLINE_STRING, NULL},
};

/* What columns are without `type`; 0: anything. */
static const struct {
        unsigned kinds;
        const char *format;
} column_values[COL_KINDS] = {
        [COL_TEXT] = {OUTLINE_STRING, NULL},
        [COL_CHAR] = {OUTLINE_STRING, NULL},
        [COL_BOOL] = {OUTLINE_BOOLEAN, NULL},
        [COL_INT] = {OUTLINE_INTEGER, NULL},
        [COL_NUMERIC] = {OUTLINE_STRING, NULL},
        [COL_FLOAT4] = {OUTLINE_NUMBER, NULL},
        [COL_FLOAT8] = {OUTLINE_NUMBER, NULL},
        [COL_BYTES] = {OUTLINE_STRING, NULL},
        [COL_DATE] = {OUTLINE_STRING, "date"},
        [COL_TIME] = {OUTLINE_STRING, "time without a zone"},
        [COL_TIMESTAMP] = {OUTLINE_STRING, "date-time"},
        [COL_TIMESTAMPTZ] = {OUTLINE_STRING, "date-time"},
        [COL_INTERVAL] = {OUTLINE_STRING, NULL},
};

static const struct ynode *key_of(const struct field_spec *f, const char *key)
{
        return f->node->kind == YNODE_MAP ? ynode_get(f->node, key) : NULL;
}

static const char *text(struct walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static const char *text(struct walk *w, const char *fmt, ...)
{
        char out[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        int n = vsnprintf(out, sizeof(out), fmt, ap);
        va_end(ap);
        const char *copy = n < 0 ? NULL : arena_strdup(w->arena, str_of(out));
        w->failed = w->failed || !copy;
        return copy;
}

/* ---- columns ---- */

/* The column that @path begins with; NULL: not known. *@whole: nothing of the path is left. */
static const struct column *find_column(
        const struct columns *columns, const struct field_path *path, bool *whole)
{
        int at = columns ? columns_find(columns, str_of(path->text)) : -1;

        *whole = at >= 0 || path->count == 1;
        if (columns && at < 0)
                at = columns_find(columns, path->steps[0].name);
        return at >= 0 ? &columns->items[at] : NULL;
}

static bool is_key(const struct walk *w, const struct column *column)
{
        for (size_t i = 0; w->shape && i < w->shape->key_count; i++)
                if (column == &w->shape->columns.items[w->shape->key[i]])
                        return true;
        return false;
}

/* Why the value at @path may be null, as far as that is known. */
static const char *path_null(
        struct walk *w, const struct columns *columns, const struct field_path *path)
{
        bool whole;
        const struct column *column = find_column(columns, path, &whole);

        if (!column || column->nulls != NULLS_POSSIBLE || is_key(w, column))
                return NULL;
        return text(w, "column '%s' may be NULL in the source", column->name);
}

/* ---- templates ---- */

static const char *field_null(struct walk *w, const struct place *at, const struct field_spec *f);

static const struct field_spec *find_field(
        const struct field_spec *fields, size_t count, const struct field_path *path)
{
        for (size_t i = 0; i < count; i++)
                if (path->count == 1 && str_eq(fields[i].name, path->steps[0].name))
                        return &fields[i];
        return NULL;
}

/* Why a template may be null. Fields of objects are not looked into. */
static const char *template_null(struct walk *w, const struct place *at,
        const struct field_spec *fields, size_t count, const struct field_template *t)
{
        for (size_t i = 0; i < t->count; i++) {
                const struct template_part *part = &t->parts[i];
                const struct field_spec *f = NULL;
                const char *why = NULL;

                if (part->scope == TEMPLATE_LITERAL)
                        continue;
                if (part->scope == TEMPLATE_DOC)
                        f = find_field(w->spec->fields, w->spec->field_count, &part->path);
                else if (part->scope == TEMPLATE_ANY)
                        f = find_field(fields, count, &part->path);
                if (part->scope == TEMPLATE_DOC && !at->document)
                        continue;
                if (f && f->origin != FIELD_TEMPLATE) /* those may stand in a circle */
                        why = field_null(w, at, f);
                else if (!f && part->scope != TEMPLATE_DOC)
                        why = path_null(w,
                                part->scope == TEMPLATE_ROW && w->shape ? &w->shape->columns
                                                                        : at->columns,
                                &part->path);
                if (why)
                        return why;
        }
        return NULL;
}

/* ---- nulls ---- */

static bool maps_to_null(const struct field_spec *f)
{
        for (size_t i = 0; i < f->map_count; i++)
                if (str_is(f->map[i].json, "null"))
                        return true;
        return false;
}

static bool has_default(const struct field_spec *f)
{
        return f->has_default && !str_is(f->default_json, "null");
}

static const struct child_shape *find_child(
        const struct walk *w, const struct place *at, const struct field_spec *f)
{
        const struct shape *shape = at->document ? w->shape : NULL;

        for (size_t i = 0; shape && i < shape->child_count; i++)
                if (str_is(f->from.steps[0].name, shape->children[i].name))
                        return &shape->children[i];
        return NULL;
}

/* Why @f may be null, as far as that is known; NULL also where a null is a reject. */
static const char *field_null(struct walk *w, const struct place *at, const struct field_spec *f)
{
        if (has_default(f) || f->required)
                return NULL;
        if (f->null_if.count > 0)
                return "null_if can make it null";
        if (maps_to_null(f))
                return "map can make it null";
        switch (f->origin) {
        case FIELD_FROM:
                return path_null(w, at->columns, &f->from);
        case FIELD_EACH:
                return find_child(w, at, f) ? NULL : path_null(w, at->columns, &f->from);
        case FIELD_VALUE:
                return str_is(f->value_json, "null") ? "its value is null" : NULL;
        default:
                return NULL;
        }
}

/* ---- constants ---- */

static void add_constant(
        struct outline_value *v, struct str json, const char *key, const struct ynode *node)
{
        struct outline_constant *list = (struct outline_constant *)v->constants;

        if (str_is(json, "null"))
                return;
        list[v->constant_count++] = (struct outline_constant){.json = json,
                .key = key,
                .line = node ? node->line : 0,
                .column = node ? node->column : 0};
}

/* Whether anything changes a `value` before `map` and `type`. */
static bool has_value_steps(const struct field_spec *f)
{
        return f->trim || f->upper || f->lower || f->replace.count || f->null_if.count ||
               f->split.by.ptr || f->split.pattern.ptr;
}

/* `value` and the values of `map` go through `type`: only without one are they what stands there.
 */
static void take_constants(struct walk *w, const struct field_spec *f, struct outline_value *v)
{
        bool plain = (f->type == FIELD_TYPE_NONE || f->type == FIELD_TYPE_JSON) &&
                     !f->numbers_as_strings;
        bool as_it_is = f->origin == FIELD_VALUE && plain && !f->has_map && !has_value_steps(f);
        struct outline_constant *list = arena_array(w->arena, f->map_count + 2, sizeof(*list));

        if (!list) {
                w->failed = true;
                return;
        }
        v->constants = list;
        if (as_it_is)
                add_constant(v, f->value_json, "value", key_of(f, "value"));
        for (size_t i = 0; plain && i < f->map_count; i++)
                add_constant(v, f->map[i].json, "map", f->map[i].to);
        if (f->has_default)
                add_constant(v, f->default_json, "default", key_of(f, "default"));
        v->only_constants = ((plain && f->has_map) || as_it_is) && !v->not_analysed;
}

/* ---- values ---- */

/* Whether a step that this file knows nothing of stands in the field. */
static bool has_unknown_step(const struct field_spec *f)
{
        static const char *const known[] = {"from", "value", "template", "object", "each", "fields",
                "trim", "null_if", "map", "type", "scale", "rounding", "as", "numbers", "timezone",
                "default", "required", "keep_null", "significant", "when", "replace", "upper",
                "lower", "split"};

        for (size_t i = 0; f->node->kind == YNODE_MAP && i < f->node->count; i++) {
                bool found = false;
                for (size_t k = 0; k < sizeof(known) / sizeof(known[0]) && !found; k++)
                        found = str_is(f->node->pairs[i].key, known[k]);
                if (!found)
                        return true;
        }
        return false;
}

/* One scalar of kind @kind (COL_KINDS: not known) behind `type` and `as`. */
static void take_scalar(const struct field_spec *f, enum col_kind kind, struct outline_value *v)
{
        if (f->type == FIELD_TYPE_DECIMAL && f->as != AS_STRING) {
                v->kinds = f->as == AS_MINOR ? OUTLINE_INTEGER : OUTLINE_NUMBER;
        } else if (f->type != FIELD_TYPE_NONE) {
                v->kinds = type_values[f->type].kinds;
                v->format = type_values[f->type].format;
        } else if (kind < COL_KINDS) {
                v->kinds = column_values[kind].kinds;
                v->format = column_values[kind].format;
        }
        if (f->type == FIELD_TYPE_STRING && kind < COL_KINDS)
                v->format = column_values[kind].format;
        if (v->kinds == 0)
                v->unsure = OUTLINE_ANY;
        else if (v->kinds == OUTLINE_NUMBER)
                v->unsure = OUTLINE_INTEGER;
        if (f->origin != FIELD_VALUE && (kind >= COL_KINDS || kind == COL_JSON))
                v->unsure |= OUTLINE_ARRAY | OUTLINE_OBJECT; /* their elements are converted */
}

static void wrap_in_array(struct walk *w, struct outline_value *v)
{
        struct outline_value *items = arena_alloc(w->arena, sizeof(*items));

        w->failed = w->failed || !items;
        if (!items)
                return;
        *items = *v;
        items->unsure |= OUTLINE_NULL;
        *v = (struct outline_value){.kinds = OUTLINE_ARRAY, .items = items};
}

/* What stands for the whole array, not for its elements: the default, the last of the constants. */
static void take_array(struct walk *w, struct outline_value *v)
{
        bool defaulted = v->constant_count > 0 &&
                         strcmp(v->constants[v->constant_count - 1].key, "default") == 0;
        const struct outline_constant *last =
                v->constants + (defaulted ? v->constant_count - 1 : 0);

        v->constant_count -= defaulted;
        wrap_in_array(w, v);
        v->constants = last;
        v->constant_count = defaulted;
}

static void take_chain(struct walk *w, const struct field_spec *f, const struct column *column,
        bool whole, struct outline_value *v)
{
        bool unknown = has_unknown_step(f);
        enum col_kind kind = column && whole && !unknown ? column->kind : COL_KINDS;
        bool array = kind == COL_ARRAY;

        v->not_analysed = unknown && !f->has_map && type_values[f->type].kinds == 0;
        take_scalar(f, array ? column->elem : kind, v);
        take_constants(w, f, v);
        if (array || key_of(f, "split"))
                take_array(w, v);
}

static void take_fields(struct walk *w, const struct place *at, const struct field_spec *fields,
        size_t count, struct outline_value *v);

static void take_each(struct walk *w, const struct place *at, const struct field_spec *f,
        const char *path, struct outline_value *v)
{
        struct outline_value *items = arena_alloc(w->arena, sizeof(*items));
        struct place inner = {.path = text(w, "%s[]", path)};
        const struct child_shape *child = find_child(w, at, f);

        w->failed = w->failed || !items;
        if (w->failed)
                return;
        inner.columns = child ? &child->columns : NULL;
        take_fields(w, &inner, f->fields, f->field_count, items);
        *v = (struct outline_value){.kinds = OUTLINE_ARRAY, .items = items};
        take_constants(w, f, v);
        v->only_constants = false;
}

static void take_value(struct walk *w, const struct place *at, const struct field_spec *f,
        const char *path, struct outline_value *v)
{
        bool whole = true;
        const struct column *column;

        *v = (struct outline_value){.kinds = 0};
        switch (f->origin) {
        case FIELD_FROM:
                column = find_column(at->columns, &f->from, &whole);
                take_chain(w, f, column, whole, v);
                break;
        case FIELD_VALUE:
                take_chain(w, f, NULL, true, v);
                break;
        case FIELD_TEMPLATE:
                take_chain(w, f, &(const struct column){.kind = COL_TEXT}, true, v);
                break;
        case FIELD_OBJECT:
                take_fields(w, &(struct place){at->columns, at->document, path}, f->fields,
                        f->field_count, v);
                break;
        case FIELD_EACH:
                take_each(w, at, f, path, v);
                break;
        default: /* an expression, a look-up: what it gives is not known here */
                take_chain(w, f, NULL, true, v);
        }
}

static void take_absence(struct walk *w, const struct place *at, const struct field_spec *f,
        const struct field_spec *around, size_t count, struct outline_field *out)
{
        const char *why = field_null(w, at, f);

        if (!why && f->origin == FIELD_TEMPLATE && !has_default(f) && !f->required)
                why = template_null(w, at, around, count, &f->template);
        out->never = f->origin == FIELD_VALUE && str_is(f->value_json, "null") && !has_default(f) &&
                     !f->keep_null;
        if (f->keep_null && why) {
                out->value.kinds |= OUTLINE_NULL;
                out->value.only_constants = false;
                why = NULL;
        } else if (f->keep_null) {
                out->value.unsure |= OUTLINE_NULL;
        }
        out->absent = key_of(f, "when") ? "`when` can leave it out" : why;
}

static void take_fields(struct walk *w, const struct place *at, const struct field_spec *fields,
        size_t count, struct outline_value *v)
{
        struct outline_field *out = arena_array(w->arena, count + 1, sizeof(*out));

        w->failed = w->failed || !out;
        *v = (struct outline_value){.kinds = OUTLINE_OBJECT, .fields = out};
        for (size_t i = 0; i < count && !w->failed; i++) {
                const struct field_spec *f = &fields[i];
                out[i].spec = f;
                out[i].path = text(w, "%s%s%.*s", at->path, *at->path ? "." : "", STR_ARG(f->name));
                if (w->failed)
                        return;
                take_value(w, at, f, out[i].path, &out[i].value);
                take_absence(w, at, f, fields, count, &out[i]);
        }
        v->field_count = count;
}

int outline_mapper(const struct mapper_spec *spec, const struct shape *shape, struct arena *arena,
        struct outline *out, struct err *e)
{
        struct walk w = {.spec = spec, .shape = shape, .arena = arena};
        struct place top = {
                .columns = shape ? &shape->columns : NULL, .document = true, .path = ""};

        *out = (struct outline){.spec = spec};
        take_fields(&w, &top, spec->fields, spec->field_count, &out->document);
        out->id_null = template_null(&w, &top, spec->fields, spec->field_count, &spec->id);
        if (!w.failed)
                return 0;
        int rc = arena_failed(arena, "an outline of the mapper", e);
        return rc == -ERR_REJECT ? err_set(e, ERR_CONFIG, "the mapper is too large") : rc;
}
