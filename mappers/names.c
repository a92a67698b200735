/*
 * The fields are walked as the compiler walks them. Of an expression the words are looked at: the
 * names behind row and record were found when it was decoded (spec_expr.c); here those behind other
 * variables come to them, which may stand for a row.
 */
#include "mappers/names.h"

#include <stdlib.h>

#include "ingest/record/record.h"
#include "mappers/lua_lex.h"

struct walk {
        const struct mapper_spec *spec;
        const struct name_rows *rows;
        mapper_name_fn fn;
        void *ctx;
};

#define NO_ROWS (-3) /* the elements are JSON */

/* Where the names of a field are looked for. */
struct scope {
        int rows;
        const struct field_spec *fields;
        size_t count;
};

static int child_named(const struct walk *w, struct str name)
{
        if (w->rows->grouped)
                return str_is(name, "rows") ? NAME_OF_RECORD : NO_ROWS;
        for (size_t i = 0; i < w->rows->child_count; i++)
                if (str_is(name, w->rows->children[i]))
                        return (int)i;
        return NO_ROWS;
}

/* ---- paths and templates ---- */

static int say_path(const struct walk *w, int rows, const struct field_path *path, bool open,
        bool falls_back, const struct field_spec *from, struct err *e)
{
        struct mapper_name name = {rows, path->steps[0].name, path, open, falls_back, from};

        return rows == NO_ROWS ? 0 : w->fn(w->ctx, &name, e);
}

static bool is_field(const struct scope *s, struct str name)
{
        for (size_t i = 0; i < s->count; i++)
                if (str_eq(s->fields[i].name, name))
                        return true;
        return false;
}

static int say_template(const struct walk *w, const struct scope *s,
        const struct field_template *text, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < text->count && !rc; i++) {
                const struct template_part *part = &text->parts[i];
                if (part->scope == TEMPLATE_ROW)
                        rc = say_path(w, NAME_OF_RECORD, &part->path, false, false, NULL, e);
                else if (part->scope == TEMPLATE_ANY && !is_field(s, part->path.steps[0].name))
                        rc = say_path(w, s->rows, &part->path, false, false, NULL, e);
        }
        return rc;
}

/* Without `from`, a key that the rows of a child lack is the record's. */
static int say_lookup(
        const struct walk *w, const struct scope *s, const struct field_spec *f, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < f->looked_up_count && !rc; i++)
                rc = say_path(w, s->rows, &f->looked_up[i], false,
                        w->spec->lookups[f->lookup]->key_is_column, NULL, e);
        return rc;
}

/* ---- expressions ---- */

/* In an element `row` falls back to the record. */
static int say_row_name(
        const struct walk *w, const struct scope *s, const struct expr_name *n, struct err *e)
{
        struct mapper_name name = {.rows = NAME_OF_RECORD, .name = n->steps[0]};

        if (n->scope == EXPR_DOC)
                return 0;
        if (n->scope == EXPR_ROW && s->rows >= 0) {
                name.rows = s->rows;
                name.falls_back = true;
        } else if (child_named(w, name.name) != NO_ROWS) {
                return 0;
        }
        return w->fn(w->ctx, &name, e);
}

static bool is_library(struct str name)
{
        static const char *const names[] = {
                "row", "record", "doc", "string", "table", "math", "utf8"};

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (str_is(name, names[i]))
                        return true;
        return false;
}

/* The last words of an expression: what stands before a member, and the member. */
#define WORDS 4

/* The member that @t ends (.NAME, ["NAME"]) and that may be one of a row: of a variable, or, where
 * rows have columns, of an element. Of a member it is none: row.address.city. */
static struct str member_of_rows(const struct walk *w, const struct token *t)
{
        static const struct str none = {NULL, 0};
        const struct token *of = &t[1];
        struct str name = none;

        if (t[3].kind == TOKEN_NAME && str_is(t[2].text, "."))
                name = t[3].text;
        else if (str_is(t[2].text, "["))
                name = token_plain_string(&t[3]);
        if (str_is(of->text, "]"))
                return w->rows->child_count || w->rows->grouped ? name : none;
        bool variable = of->kind == TOKEN_NAME && !str_is(t[0].text, ".") &&
                        !str_is(t[0].text, ":") && !is_library(of->text);
        return variable ? name : none;
}

static int say_expr(
        const struct walk *w, const struct scope *s, const struct expr_spec *x, struct err *e)
{
        struct token last[WORDS] = {
                {.text = STR("")}, {.text = STR("")}, {.text = STR("")}, {.text = STR("")}};
        struct lexer lexer;
        int rc = 0;

        for (size_t i = 0; x && i < x->name_count && !rc; i++)
                rc = say_row_name(w, s, &x->names[i], e);
        if (!x)
                return 0;
        lexer_init(&lexer, x->node->text);
        for (last[WORDS - 1] = lexer_next(&lexer); !rc && last[WORDS - 1].kind != TOKEN_END;) {
                struct mapper_name name = {
                        .rows = NAME_OF_ANY_ROWS, .name = member_of_rows(w, last)};
                if (name.name.ptr)
                        rc = w->fn(w->ctx, &name, e);
                memmove(last, last + 1, sizeof(last) - sizeof(last[0]));
                last[WORDS - 1] = lexer_next(&lexer);
        }
        return rc;
}

/* ---- fields ---- */

static int say_fields(const struct walk *w, const struct scope *s, const struct field_spec *fields,
        size_t count, struct err *e);

static int say_each(
        const struct walk *w, const struct scope *s, const struct field_spec *f, struct err *e)
{
        struct scope inner = {NO_ROWS, f->fields, f->field_count};
        int rc = 0;

        if (s->fields == w->spec->fields && f->from.count)
                inner.rows = child_named(w, f->from.steps[0].name);
        if (inner.rows == NO_ROWS && f->from.count)
                rc = say_path(w, s->rows, &f->from, true, false, NULL, e);
        return rc ? rc : say_fields(w, &inner, f->fields, f->field_count, e);
}

static int say_field(
        const struct walk *w, const struct scope *s, const struct field_spec *f, struct err *e)
{
        int rc = say_expr(w, s, f->when, e);

        if (rc)
                return rc;
        if (f->origin == FIELD_EACH)
                return say_each(w, s, f, e);
        if (f->origin == FIELD_OBJECT)
                return say_fields(w, s, f->fields, f->field_count, e);
        if (f->from.count)
                rc = say_path(w, s->rows, &f->from, false, false, f, e);
        if (!rc)
                rc = say_template(w, s, &f->template, e);
        if (!rc)
                rc = say_expr(w, s, f->expr, e);
        return rc ? rc : say_lookup(w, s, f, e);
}

static int say_fields(const struct walk *w, const struct scope *s, const struct field_spec *fields,
        size_t count, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < count && !rc; i++)
                rc = say_field(w, s, &fields[i], e);
        return rc;
}

int mapper_names_each(const struct mapper_spec *m, const struct name_rows *rows, mapper_name_fn fn,
        void *ctx, struct err *e)
{
        struct walk w = {m, rows, fn, ctx};
        struct scope root = {NAME_OF_RECORD, m->fields, m->field_count};
        int rc = say_fields(&w, &root, m->fields, m->field_count, e);

        if (!rc)
                rc = say_template(&w, &root, &m->id, e);
        return rc ? rc : say_template(&w, &root, &m->database, e);
}

/* ---- the list ---- */

struct list {
        const struct mapper_spec *spec;
        struct arena *arena;
        const char **items;
        size_t count;
};

static int add(struct list *l, struct str name, struct err *e)
{
        for (size_t i = 0; i < l->count; i++)
                if (str_is(name, l->items[i]))
                        return 0;
        if (l->count == RECORD_MAX_COLUMNS)
                return mapper_spec_error(l->spec, l->spec->extract, e,
                        "the mapper names more than %d columns", RECORD_MAX_COLUMNS);
        const char *copy = arena_strdup(l->arena, name);
        if (!copy)
                return arena_failed(l->arena, "names of columns", e);
        l->items[l->count++] = copy;
        return 0;
}

static int add_name(void *ctx, const struct mapper_name *name, struct err *e)
{
        return add(ctx, name->name, e);
}

int mapper_names_list(const struct mapper_spec *m, bool grouped, const struct string_list *first,
        struct arena *arena, struct string_list *out, struct err *e)
{
        cleanup_(freep) const char **room = calloc(RECORD_MAX_COLUMNS, sizeof(*room));
        struct list l = {m, arena, room, 0};
        struct name_rows rows = {.grouped = grouped};
        int rc = room ? 0 : err_nomem(e, "names of columns");

        for (size_t i = 0; i < first->count && !rc; i++)
                rc = add(&l, str_of(first->items[i]), e);
        if (!rc)
                rc = mapper_names_each(m, &rows, add_name, &l, e);
        if (rc)
                return rc;
        const char **items = arena_array(arena, l.count, sizeof(*items));
        if (!items)
                return arena_failed(arena, "names of columns", e);
        if (l.count)
                memcpy(items, room, l.count * sizeof(*items));
        *out = (struct string_list){items, l.count};
        return 0;
}
