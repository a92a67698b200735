/*
 * Fields and schema are walked together. What the mapper writes itself is checked as a value; of
 * all else the kinds are compared. Said is only what the schema wants in every case.
 */
#include <stdio.h>
#include <string.h>

#include "ingest/pipeline/static_internal.h"
#include "schemas/view.h"

#define PLACE_MAX   4096 /* bytes of a place in a schema */
#define NAMES_MAX   1000 /* members that a name is likened to */
#define CHOICES_MAX 8    /* values of an enum in one warning */

/* The same bits: one layer knows nothing of the other. */
_Static_assert((int)OUTLINE_NULL == (int)SCHEMA_NULL && (int)OUTLINE_BOOLEAN == (int)SCHEMA_BOOLEAN,
        "kinds");
_Static_assert((int)OUTLINE_NUMBER == (int)SCHEMA_NUMBER &&
                       (int)OUTLINE_INTEGER == (int)SCHEMA_INTEGER &&
                       (int)OUTLINE_STRING == (int)SCHEMA_STRING,
        "kinds");
_Static_assert((int)OUTLINE_ARRAY == (int)SCHEMA_ARRAY && (int)OUTLINE_OBJECT == (int)SCHEMA_OBJECT,
        "kinds");

static void put_kinds(unsigned kinds, struct buf *out)
{
        static const char *const names[] = {
                "null", "boolean", "number", "integer", "string", "array", "object"};
        size_t n = 0;

        if ((kinds & SCHEMA_NUMBER) && (kinds & SCHEMA_INTEGER))
                kinds &= ~(unsigned)SCHEMA_INTEGER;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (kinds & (1u << i))
                        buf_printf(out, "%s%s", n++ ? " or " : "", names[i]);
        if (n == 0)
                buf_puts(out, "nothing");
}

static void say_field(struct static_context *c, enum finding_level level,
        const struct outline_field *f, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void say_field(struct static_context *c, enum finding_level level,
        const struct outline_field *f, const char *fmt, ...)
{
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        int n = vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        if (n >= 0)
                static_say(c, level, f->spec->node, f->spec->key_line, f->spec->key_column,
                        "field '%s': %s", f->path, text);
}

static const char *shown(struct buf *b)
{
        const char *text = buf_cstr(b);

        return text ? text : "...";
}

static void note_passed_over(struct static_context *c, const struct schema_view *v)
{
        size_t room =
                c->passed_over_count < STATIC_LISTED ? STATIC_LISTED - c->passed_over_count : 0;
        cleanup_buf_ struct buf list = BUF_INIT(PLACE_MAX);
        size_t n = schema_view_passed_over(v, room, &list);

        if (list.len)
                buf_printf(&c->passed_over, "%s%.*s", c->passed_over_count ? ", " : "",
                        STR_ARG(buf_str(&list)));
        c->passed_over_count += n;
}

static void note_field(struct static_context *c, const struct outline_field *f)
{
        if (c->field_count++ < STATIC_LISTED)
                buf_printf(&c->fields, "%s'%s'", c->field_count > 1 ? ", " : "", f->path);
        else if (c->field_count == STATIC_LISTED + 1)
                buf_puts(&c->fields, " ...");
}

/* ---- values ---- */

static void check_constants(struct static_context *c, const struct outline_field *f,
        const struct outline_value *v, const struct schema_view *view)
{
        struct schema_fault fault;

        for (size_t i = 0; i < v->constant_count && !c->rc; i++) {
                const struct outline_constant *k = &v->constants[i];
                int rc = schema_view_check(c->checker, view, k->json, &fault, &c->err);
                if (rc < 0)
                        c->rc = rc;
                if (rc != SCHEMA_FAULT)
                        continue;
                int line = k->line ? k->line : f->spec->key_line;
                int column = k->line ? k->column : f->spec->key_column;
                static_say(c, FINDING_ERROR, f->spec->node, line, column, "field '%s': %s gives %s",
                        f->path, k->key, fault.reason);
        }
}

/* Which values of an enum no entry of `map` gives. */
static void check_choices(struct static_context *c, const struct outline_field *f,
        const struct outline_value *v, const struct schema_view *view)
{
        cleanup_buf_ struct buf list = BUF_INIT(PLACE_MAX);
        struct str choice;
        size_t at = 0, missing = 0;

        if (!f->spec->has_map || !v->only_constants)
                return;
        while (schema_view_next_choice(view, &at, &choice)) {
                bool found = false;
                for (size_t i = 0; i < v->constant_count && !found; i++) {
                        struct str json = v->constants[i].json;
                        found = json.len == choice.len + 2 && json.ptr[0] == '"' &&
                                memcmp(json.ptr + 1, choice.ptr, choice.len) == 0;
                }
                if (!found && missing++ < CHOICES_MAX)
                        buf_printf(&list, "%s\"%.*s\"", missing > 1 ? ", " : "", STR_ARG(choice));
        }
        if (missing)
                say_field(c, FINDING_NOTE, f, "the schema also allows %s%s, which map never gives",
                        shown(&list), missing > CHOICES_MAX ? " ..." : "");
}

static void check_kinds(struct static_context *c, const struct outline_field *f,
        const struct outline_value *v, const struct schema_view *view, const char *what)
{
        cleanup_buf_ struct buf place = BUF_INIT(PLACE_MAX), ours = BUF_INIT(256),
                                theirs = BUF_INIT(256);
        unsigned allowed = schema_view_kinds(view, &place);
        unsigned refused = v->kinds & ~allowed;

        if (v->only_constants || refused == 0)
                return;
        bool never = ((v->kinds | v->unsure) & allowed & ~(unsigned)SCHEMA_NULL) == 0;
        if (never && v->constant_count > 0) /* its default may fit: that is checked by itself */
                never = false;
        put_kinds(never ? v->kinds : refused, &ours);
        put_kinds(allowed, &theirs);
        say_field(c, never ? FINDING_ERROR : FINDING_WARNING, f,
                "%s %s %s, and the schema wants %s (%s)", what, never ? "is" : "may be",
                shown(&ours), shown(&theirs), shown(&place));
}

static void check_format(struct static_context *c, const struct outline_field *f,
        const struct outline_value *v, const struct schema_view *view)
{
        struct str wanted = schema_view_format(view);
        bool of_time =
                str_is(wanted, "date") || str_is(wanted, "date-time") || str_is(wanted, "time");

        if (v->format && of_time && !str_is(wanted, v->format) && !v->only_constants)
                say_field(c, v->kinds == OUTLINE_STRING ? FINDING_ERROR : FINDING_WARNING, f,
                        "it is a %s, and the schema wants the format %.*s", v->format,
                        STR_ARG(wanted));
}

static void check_fields(struct static_context *c, const struct outline_value *v,
        const struct schema_view *view, const struct outline_field *around);

static void check_value(struct static_context *c, const struct outline_field *f,
        const struct outline_value *v, const struct schema_view *view, const char *what)
{
        struct schema_view items;

        note_passed_over(c, view);
        if (v->not_analysed && view->count > 0)
                note_field(c, f);
        check_constants(c, f, v, view);
        check_choices(c, f, v, view);
        check_kinds(c, f, v, view, what);
        check_format(c, f, v, view);
        if (v->items) {
                schema_view_items(view, &items);
                check_value(c, f, v->items, &items, "the type of each item");
        }
        if (v->fields)
                check_fields(c, v, view, f);
}

/* ---- members ---- */

static const struct outline_field *find_field(const struct outline_value *v, struct str name)
{
        for (size_t i = 0; i < v->field_count; i++)
                if (str_eq(v->fields[i].spec->name, name))
                        return &v->fields[i];
        return NULL;
}

/* The field, of those that the schema has no property for, whose name is nearest to @name. */
static const char *nearest_field(
        const struct outline_value *v, const struct schema_view *view, struct str name)
{
        struct str known[NAMES_MAX];
        const char *names[NAMES_MAX];
        size_t known_count = schema_view_names(view, known, NAMES_MAX), n = 0;

        for (size_t i = 0; i < v->field_count && n < NAMES_MAX; i++) {
                size_t k = 0;
                while (k < known_count && !str_eq(known[k], v->fields[i].spec->name))
                        k++;
                if (k == known_count)
                        names[n++] = v->fields[i].spec->name.ptr;
        }
        return str_nearest(name, names, n);
}

static void say_missing(struct static_context *c, const struct outline_value *v,
        const struct schema_view *view, const struct outline_field *around, struct str name,
        const char *place)
{
        const struct ynode_pair *fields = ynode_key(c->mapper->spec->doc->root, "fields");
        const char *near = nearest_field(v, view, name);
        int line = around ? around->spec->key_line : fields ? fields->line : 1;
        int column = around ? around->spec->key_column : fields ? fields->column : 1;

        static_say(c, FINDING_ERROR, around ? around->spec->node : NULL, line, column,
                "%s%s%sthe schema requires \"%.*s\" (%s), and no field sets it%s%s%s",
                around ? "field '" : "", around ? around->path : "", around ? "': " : "",
                STR_ARG(name), place,
                name.len && *name.ptr == '_' ? "; documents are checked without _id and _rev"
                : near                       ? "; is '"
                                             : "",
                near ? near : "", near ? "' meant?" : "");
}

static void check_required(struct static_context *c, const struct outline_value *v,
        const struct schema_view *view, const struct outline_field *around)
{
        cleanup_buf_ struct buf place = BUF_INIT(PLACE_MAX);
        struct str name;
        size_t at = 0;

        while (schema_view_next_required(view, &at, &name, &place)) {
                const struct outline_field *f = find_field(v, name);
                if (!f)
                        say_missing(c, v, view, around, name, shown(&place));
                else if (f->never)
                        say_field(c, FINDING_ERROR, f,
                                "the schema requires it (%s), and its value is null, so it is "
                                "always left out",
                                shown(&place));
                else if (f->absent)
                        say_field(c, FINDING_WARNING, f,
                                "the schema requires it (%s), and it is left out where it is "
                                "null: %s",
                                shown(&place), f->absent);
        }
}

static void say_unknown(struct static_context *c, const struct outline_value *v,
        const struct outline_field *f, const struct schema_view *view, const char *place)
{
        struct str known[NAMES_MAX];
        const char *names[NAMES_MAX];
        size_t count = schema_view_names(view, known, NAMES_MAX), n = 0;

        for (size_t i = 0; i < count; i++) {
                if (find_field(v, known[i]))
                        continue; /* it is not the one that was meant */
                names[n] = arena_strdup(c->findings->arena, known[i]);
                n += names[n] != NULL;
        }
        const char *near = str_nearest(f->spec->name, names, n);
        say_field(c, FINDING_ERROR, f, "the schema allows no such member (%s)%s%s%s", place,
                near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static void check_fields(struct static_context *c, const struct outline_value *v,
        const struct schema_view *view, const struct outline_field *around)
{
        cleanup_buf_ struct buf place = BUF_INIT(PLACE_MAX);
        struct schema_view member;

        check_required(c, v, view, around);
        for (size_t i = 0; i < v->field_count && !c->rc; i++) {
                const struct outline_field *f = &v->fields[i];
                if (f->never)
                        continue;
                if (schema_view_member(c->checker, view, f->spec->name, &member, &place))
                        check_value(c, f, &f->value, &member, "its type");
                else
                        say_unknown(c, v, f, view, shown(&place));
        }
}

/* A document is an object. */
static void check_root(struct static_context *c, const struct schema_view *root)
{
        cleanup_buf_ struct buf place = BUF_INIT(PLACE_MAX), wanted = BUF_INIT(256);
        const struct ynode *target = ynode_get(c->mapper->spec->doc->root, "target");
        const struct ynode *at = ynode_get(target, "schema");
        unsigned kinds = schema_view_kinds(root, &place);

        if (kinds & SCHEMA_OBJECT)
                return;
        put_kinds(kinds, &wanted);
        static_say(c, FINDING_ERROR, NULL, at ? at->line : 1, at ? at->column : 1,
                "a document is an object, and the schema wants %s (%s)", shown(&wanted),
                shown(&place));
}

void static_schema(struct static_context *c, const struct outline *o)
{
        struct schema_view root;

        schema_view_root(c->mapper->schema, &root);
        note_passed_over(c, &root);
        check_root(c, &root);
        check_fields(c, &o->document, &root, NULL);
}
