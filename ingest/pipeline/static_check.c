/* Findings are collected, whatever their number, up to a limit; a failure of memory ends it. */
#include "ingest/pipeline/static_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/view.h"

#define ARENA_MAX (64 << 20) /* of one outline */
#define LIST_MAX  4096       /* bytes of a list in a message */

static void fail(struct static_context *c)
{
        if (!c->rc)
                c->rc = arena_failed(c->findings->arena, "findings", &c->err);
}

static struct finding *new_finding(struct static_context *c)
{
        struct findings *f = c->findings;

        if (f->count == f->room) {
                size_t room = f->room ? f->room * 2 : 16;
                struct finding *list = arena_array(f->arena, room, sizeof(*list));
                if (!list) {
                        fail(c);
                        return NULL;
                }
                if (f->count)
                        memcpy(list, f->list, f->count * sizeof(*list));
                f->list = list;
                f->room = room;
        }
        return &f->list[f->count];
}

const char *finding_level_name(enum finding_level level)
{
        static const char *const names[] = {"note", "warning", "error"};

        return names[level];
}

static void add(struct static_context *c, enum finding_level level, const char *file, int line,
        int column, const char *message)
{
        struct finding *f = new_finding(c);
        const char *copy = arena_strdup(c->findings->arena, str_of(message));
        const char *name = arena_strdup(c->findings->arena, str_of(file));

        if (!f)
                return;
        if (!copy || !name) {
                fail(c);
                return;
        }
        *f = (struct finding){level, name, line, column, copy};
        c->findings->count++;
        c->findings->errors += level == FINDING_ERROR;
}

void static_say(struct static_context *c, enum finding_level level, const struct ynode *near,
        int line, int column, const char *fmt, ...)
{
        const struct mapper_spec *m = c->mapper->spec;
        const char *file = near ? mapper_spec_doc(m, near)->name : m->path;
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        int n = vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        if (n >= 0 && c->findings->count < FINDINGS_MAX)
                add(c, level, file, line, column, text);
}

/* Whether @text begins with "FILE:LINE". */
static bool is_place(const char *text, const char *file)
{
        size_t n = strlen(file);

        return strncmp(text, file, n) == 0 && text[n] == ':' && isdigit((unsigned char)text[n + 1]);
}

/* The mapper's file, or the one that it includes, that @text is about; NULL: none. */
static const char *file_of(const struct mapper_spec *m, const char *text)
{
        if (is_place(text, m->path))
                return m->path;
        for (size_t i = 0; i < m->include_count; i++)
                if (is_place(text, m->includes[i]->name))
                        return m->includes[i]->name;
        return NULL;
}

/* "FILE:LINE:COLUMN: text" */
void static_say_err(struct static_context *c, const struct err *e)
{
        const char *file = file_of(c->mapper->spec, e->text);
        char *end;

        if (!file) {
                add(c, FINDING_ERROR, c->mapper->spec->path, 1, 1, e->text);
                return;
        }
        long line = strtol(e->text + strlen(file) + 1, &end, 10);
        long column = *end == ':' ? strtol(end + 1, &end, 10) : 1;
        while (*end == ':' || *end == ' ')
                end++;
        add(c, FINDING_ERROR, file, (int)line, (int)column, end);
}

/* ---- one mapper ---- */

static void say_not_analysed(struct static_context *c)
{
        const struct mapper_spec *m = c->mapper->spec;
        const struct ynode *at = ynode_get(ynode_get(m->doc->root, "target"), "schema");
        cleanup_buf_ struct buf all = BUF_INIT(LIST_MAX);

        if (c->passed_over_count + c->field_count == 0)
                return;
        buf_put_str(&all, buf_str(&c->passed_over));
        if (c->passed_over_count > STATIC_LISTED)
                buf_printf(&all, " and %zu more", c->passed_over_count - STATIC_LISTED);
        if (c->field_count)
                buf_printf(&all, "%swhat %s %.*s can hold", c->passed_over_count ? "; " : "",
                        c->field_count > 1 ? "the fields" : "the field",
                        STR_ARG(buf_str(&c->fields)));
        const char *text = buf_cstr(&all);
        static_say(c, FINDING_WARNING, NULL, at ? at->line : 1, at ? at->column : 1,
                "not analysed here, but checked with every document: %s", text ? text : "...");
}

static void say_id(struct static_context *c, const struct outline *o)
{
        const struct mapper_spec *m = c->mapper->spec;
        const struct ynode *at = ynode_get(ynode_get(m->doc->root, "target"), "id");

        if (o->id_null)
                static_say(c, FINDING_WARNING, NULL, at->line, at->column,
                        "id '%s': %s, and a record without an id is rejected", m->id.text,
                        o->id_null);
}

static int check(
        struct static_context *c, const struct shape *shape, struct arena *arena, struct err *e)
{
        struct outline outline;
        struct shape open;
        size_t key;
        bool told = !shape && !source_describes_columns(c->mapper->source);

        if (told && !static_open_shape(c, arena, &open, &key))
                return arena_failed(arena, "a check", e);
        int rc = outline_mapper(c->mapper->spec, told ? &open : shape, arena, &outline, e);
        if (rc)
                return rc;
        if (!shape)
                static_columns(c);
        say_id(c, &outline);
        static_schedules(c);
        if (c->mapper->schema) {
                c->checker = schema_checker_new(c->mapper->schema);
                if (!c->checker)
                        return err_nomem(e, "a check");
                static_schema(c, &outline);
                say_not_analysed(c);
        }
        if (c->rc && e)
                *e = c->err;
        return c->rc;
}

int static_check_mapper(const struct config_mapper *m, const struct shape *shape,
        struct findings *out, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_MAX);
        struct static_context c = {.mapper = m,
                .findings = out,
                .passed_over = BUF_INIT(LIST_MAX),
                .fields = BUF_INIT(LIST_MAX)};

        if (!arena)
                return err_nomem(e, "a check");
        int rc = check(&c, shape, arena, e);
        schema_checker_free(c.checker);
        buf_deinit(&c.passed_over);
        buf_deinit(&c.fields);
        return rc;
}

/* ---- schemas ---- */

static void say_word(
        void *arg, const char *file, int line, int column, struct str word, const char *keyword)
{
        struct static_context *c = arg;
        char text[ERR_TEXT_MAX];

        for (size_t i = 0; i < c->findings->count; i++) { /* a file that several schemas refer to */
                const struct finding *f = &c->findings->list[i];
                if (f->line == line && f->column == column && strcmp(f->file, file) == 0)
                        return;
        }
        snprintf(text, sizeof(text),
                "\"%.*s\" is no keyword of JSON Schema, and checks nothing: did you mean \"%s\"?",
                STR_ARG(word), keyword);
        if (c->findings->count < FINDINGS_MAX)
                add(c, FINDING_WARNING, file, line, column, text);
}

int static_check_schemas(const struct config *config, struct findings *out, struct err *e)
{
        struct static_context c = {.findings = out};

        for (const struct config_schema *s = config->loaded_schemas; s; s = s->next)
                if (s->schema)
                        schema_find_misspelt(s->schema, say_word, &c);
        if (c.rc && e)
                *e = c.err;
        return c.rc;
}
