/*
 * A mapper file from top to bottom: the tables take its keys, then come the rules that need more
 * than one of them. Decoding goes into a draft; a spec exists only when all of it is right.
 */
#include "mappers/spec_internal.h"

#include <stdio.h>

#define ARENA_MAX      ((size_t)64 << 20) /* of what is decoded from one file of YDOC_MAX_BYTES */
#define NAME_MAX_BYTES 63

struct spec_draft {
        struct mapper_spec spec;
        const struct ynode *fields;
        int on_conflict;
        bool has_max_rejects;
};

#define AT(member)      offsetof(struct spec_draft, member)
#define SPEC_AT(member) offsetof(struct spec_draft, spec.member)

/* [a-z][a-z0-9_-]{0,62}: it is a folder's name and part of document ids */
static int decode_name(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct str s = n->text;
        bool valid = n->kind == YNODE_STRING && s.len >= 1 && s.len <= NAME_MAX_BYTES &&
                     s.ptr[0] >= 'a' && s.ptr[0] <= 'z';
        char shown[YNODE_SHOW_MAX];

        for (size_t i = 0; valid && i < s.len; i++)
                valid = strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", s.ptr[i]) != NULL;
        if (!valid)
                return ynode_error(cx->doc, n, e,
                        "a mapper's name is a-z, then a-z 0-9 _ -, at most %d characters, not %s",
                        NAME_MAX_BYTES, ynode_show(n, shown));
        *(const char **)field = arena_strdup(cx->arena, s);
        return *(const char **)field ? 0 : options_nomem(cx, e);
}

/* <schema>.schema.json in the folder of schemas, and nowhere else */
static int decode_schema(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct str s = n->text;
        char shown[YNODE_SHOW_MAX];

        if (n->kind != YNODE_STRING || s.len == 0 || s.ptr[0] == '.' || memchr(s.ptr, '/', s.len))
                return ynode_error(cx->doc, n, e,
                        "'schema' must be the name of a file NAME.schema.json in the folder of "
                        "schemas, without its ending, not %s",
                        ynode_show(n, shown));
        *(const char **)field = arena_strdup(cx->arena, s);
        return *(const char **)field ? 0 : options_nomem(cx, e);
}

int spec_timezone_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        if (n->kind != YNODE_STRING || n->text.len == 0)
                return ynode_error(cx->doc, n, e,
                        "'timezone' must be a name such as Europe/Dublin, not %s",
                        ynode_kind_name(n->kind));
        int rc = spec_timezone_check(cx, n, n->text.ptr, e);
        if (rc)
                return rc;
        *(const char **)field = arena_strdup(cx->arena, n->text);
        return *(const char **)field ? 0 : options_nomem(cx, e);
}

static int decode_database(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        int rc = spec_template_parse(cx, n, "'database'", field, e);

        if (rc == 0 && ((struct field_template *)field)->count == 0)
                return ynode_error(cx->doc, n, e, "'database' must not be empty");
        return rc;
}

/* Names in braces or behind a dollar alone, or cut off by a comment. */
static int id_without_name(const struct option_context *cx, const struct ynode *n, struct err *e)
{
        int rc = ynode_error(
                cx->doc, n, e, "'id' has no ${...}: all records would get the same document");

        if (memchr(n->text.ptr, '{', n->text.len) || memchr(n->text.ptr, '$', n->text.len))
                return err_hint(e, rc, "a name is written ${NAME}, with the dollar and the braces");
        return err_hint(e, rc,
                "name a column, as in \"product:${code}\" (in quotes: # behind a blank begins a "
                "comment)");
}

static int decode_id(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        const struct field_template *t = field;
        int rc = spec_template_parse(cx, n, "'id'", field, e);

        if (rc)
                return rc;
        if (spec_template_is_constant(t))
                return id_without_name(cx, n, e);
        if (t->parts[0].scope != TEMPLATE_LITERAL)
                return ynode_error(cx->doc, n, e,
                        "'id' must begin with text before its first ${...}: that prefix marks "
                        "the mapper's documents, as in \"product:${code}\"");
        if (t->parts[0].text.ptr[0] == '_')
                return ynode_error(cx->doc, n, e,
                        "'id' begins with _: such ids belong to CouchDB; begin it with a letter");
        return 0;
}

static const char *const conflict_names[] = {"overwrite", "reject", NULL};

static const struct option target_options[] = {
        {.name = "database",
                .type = OPTION_HANDLER,
                .offset = SPEC_AT(database),
                .required = true,
                .handler = decode_database,
                .help = "CouchDB database; a template."},
        {.name = "id",
                .type = OPTION_HANDLER,
                .offset = SPEC_AT(id),
                .required = true,
                .handler = decode_id,
                .help = "Document id; a template that begins with text of this mapper alone."},
        {.name = "schema",
                .type = OPTION_HANDLER,
                .offset = SPEC_AT(schema),
                .handler = decode_schema,
                .help = "Documents must be valid by NAME.schema.json in the folder of schemas."},
        {.name = "on_conflict",
                .type = OPTION_CHOICE,
                .offset = AT(on_conflict),
                .choices = conflict_names,
                .default_text = "overwrite",
                .help = "What happens to a document that somebody else changed."},
};
OPTION_TABLE(mapper_target_table, "target", target_options);

static const struct option spec_options[] = {
        {.name = "mapper",
                .type = OPTION_HANDLER,
                .offset = SPEC_AT(name),
                .required = true,
                .handler = decode_name,
                .help = "Name of the mapper: [a-z][a-z0-9_-]{0,62}."},
        {.name = "source",
                .type = OPTION_STRING,
                .offset = SPEC_AT(source),
                .required = true,
                .min = 1,
                .help = "Name of a source in erp2couch.yaml."},
        {.name = "extract",
                .type = OPTION_NODE,
                .offset = SPEC_AT(extract),
                .required = true,
                .help = "What is read from the source."},
        {.name = "schedule",
                .type = OPTION_HANDLER,
                .offset = SPEC_AT(schedule),
                .handler = spec_schedule_decode,
                .help = "When serve runs it: cron expression, @daily, {every: 30s} or more."},
        {.name = "full",
                .type = OPTION_HANDLER,
                .offset = SPEC_AT(full),
                .handler = spec_full_decode,
                .help = "When everything is read again, in spite of a cursor."},
        {.name = "after",
                .type = OPTION_STRINGS,
                .offset = SPEC_AT(after),
                .min = 1,
                .help = "Mappers that serve runs before this one."},
        {.name = "timezone",
                .type = OPTION_HANDLER,
                .offset = SPEC_AT(timezone),
                .handler = spec_timezone_decode,
                .help = "Time zone of zoneless timestamps and of cron expressions."},
        {.name = "max_rejects",
                .type = OPTION_INT,
                .offset = SPEC_AT(max_rejects),
                .present_offset = AT(has_max_rejects),
                .min = 0,
                .max = INT64_MAX,
                .help = "A run with more rejects stops; absent: half of more than 100 records."},
        {.name = "target",
                .type = OPTION_MAP,
                .offset = 0,
                .required = true,
                .table = &mapper_target_table,
                .help = "Where documents go."},
        {.name = "fields",
                .type = OPTION_NODE,
                .offset = AT(fields),
                .required = true,
                .help = "The document, in this order."},
        {.name = "tests",
                .type = OPTION_HANDLER,
                .offset = SPEC_AT(tests),
                .handler = spec_tests_decode,
                .help = "Examples that `erp2couch test` proves."},
};
OPTION_TABLE(mapper_spec_table, "the mapper", spec_options);

/* ---- the file ---- */

static int check_templates(const struct mapper_spec *m, struct err *e)
{
        const struct ynode *target = ynode_get(m->doc->root, "target");

        int rc = spec_template_check(m, &m->database, ynode_get(target, "database"), e);
        if (rc == 0)
                rc = spec_template_check(m, &m->id, ynode_get(target, "id"), e);
        return rc ? rc : spec_fields_check(m, m->fields, m->field_count, e);
}

static int decode(const struct option_context *cx, struct spec_draft *d, struct err *e)
{
        struct mapper_spec *m = &d->spec;
        int rc = spec_include_refuse(cx, e);

        if (rc == 0)
                rc = options_decode(cx, &mapper_spec_table, cx->doc->root, d, e);
        if (rc)
                return rc;
        m->on_conflict = (enum on_conflict)d->on_conflict;
        m->id_prefix = m->id.parts[0].text;
        if (!d->has_max_rejects)
                m->max_rejects = -1;
        if (m->extract->kind != YNODE_MAP)
                return ynode_error(cx->doc, m->extract, e, "extract must be a map, not %s",
                        ynode_kind_name(m->extract->kind));
        rc = spec_fields_decode(cx, d->fields, "'fields'", &m->fields, &m->field_count, e);
        if (rc == 0)
                rc = check_templates(m, e);
        if (rc == 0)
                rc = spec_tests_check(m, e);
        return rc ? rc : spec_filter_build(cx, m->fields, m->field_count, &m->filter, e);
}

/* @doc: moved in on success only */
static int decode_doc(struct ydoc *doc, struct mapper_spec **out, struct err *e)
{
        cleanup_(freep) struct mapper_spec *m = malloc(sizeof(*m));
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_MAX);
        struct spec_draft d = {.spec = {.doc = doc, .arena = arena, .path = doc->name}};
        struct spec_decoding decoding = {.spec = &d.spec};
        struct option_context cx = {.doc = doc, .arena = arena, .user = &decoding};

        if (!m || !arena)
                return err_nomem(e, doc->name);
        int rc = decode(&cx, &d, e);
        if (rc) {
                spec_includes_free(&d.spec);
                return rc;
        }
        *m = d.spec;
        m->arena = TAKE(arena);
        *out = TAKE(m);
        return 0;
}

int mapper_spec_parse(struct str text, const char *name, struct mapper_spec **out, struct err *e)
{
        cleanup_(ydoc_freep) struct ydoc *doc = NULL;
        int rc = ydoc_parse(text, name, YDOC_EXPAND_MAPPER, &doc, e);

        if (rc == 0)
                rc = decode_doc(doc, out, e);
        if (rc == 0)
                doc = NULL;
        return rc;
}

int mapper_spec_load(const char *path, struct mapper_spec **out, struct err *e)
{
        cleanup_(ydoc_freep) struct ydoc *doc = NULL;
        int rc = ydoc_load(path, YDOC_EXPAND_MAPPER, &doc, e);

        if (rc == 0)
                rc = decode_doc(doc, out, e);
        if (rc == 0)
                doc = NULL;
        return rc;
}

struct mapper_spec *mapper_spec_free(struct mapper_spec *m)
{
        if (m) {
                spec_includes_free(m);
                arena_free(m->arena);
                ydoc_free(m->doc);
                free(m);
        }
        return NULL;
}

const struct ydoc *mapper_spec_doc(const struct mapper_spec *m, const struct ynode *node)
{
        for (size_t i = 0; i < m->include_count; i++)
                if (arena_holds(m->includes[i]->arena, node))
                        return m->includes[i];
        return m->doc;
}

int mapper_spec_error(
        const struct mapper_spec *m, const struct ynode *node, struct err *e, const char *fmt, ...)
{
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        return ynode_error(mapper_spec_doc(m, node), node, e, "%s", text);
}
