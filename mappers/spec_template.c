/*
 * Text with ${name}, ${row.name}, ${doc.name}; $$ is a dollar, any other dollar stands for itself.
 * (${env:VAR} was replaced when the file was read: yaml.h.) Literal text between two references is
 * one part, unescaped.
 */
#include "mappers/spec_internal.h"

#define MAX_PARTS 128 /* of one template */

struct template_parser {
        const struct option_context *cx;
        const struct ynode *n;
        const char *what;
        struct buf literal; /* collected since the last reference */
        struct template_part parts[MAX_PARTS];
        size_t count;
};

static int refuse(const struct template_parser *p, const char *why, struct err *e)
{
        return ynode_error(p->cx->doc, p->n, e, "%s: %s", p->what, why);
}

static int add_part(struct template_parser *p, struct template_part part, struct err *e)
{
        if (p->count == MAX_PARTS)
                return refuse(p, "too many ${...} in one template", e);
        p->parts[p->count++] = part;
        return 0;
}

static int end_literal(struct template_parser *p, struct err *e)
{
        struct template_part part = {.scope = TEMPLATE_LITERAL};

        int rc = buf_check(&p->literal, "a template", e);
        if (rc || p->literal.len == 0)
                return rc;
        part.text = arena_dup(p->cx->arena, buf_str(&p->literal));
        if (!part.text.ptr)
                return options_nomem(p->cx, e);
        buf_clear(&p->literal);
        return add_part(p, part, e);
}

static struct str without_scope(struct str name, enum template_scope *scope)
{
        static const struct {
                struct str prefix;
                enum template_scope scope;
        } scopes[] = {{{"row.", 4}, TEMPLATE_ROW}, {{"doc.", 4}, TEMPLATE_DOC}};

        *scope = TEMPLATE_ANY;
        for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
                struct str prefix = scopes[i].prefix;
                if (!str_starts(name, prefix))
                        continue;
                *scope = scopes[i].scope;
                return (struct str){name.ptr + prefix.len, name.len - prefix.len};
        }
        return name;
}

/* @rest: begins with "${". Return: bytes taken, or -class. */
static ssize_t take_reference(struct template_parser *p, struct str rest, struct err *e)
{
        const char *end = memchr(rest.ptr, '}', rest.len);
        struct template_part part = {0};

        if (!end)
                return refuse(p, "'${' without a '}' behind it; a dollar sign is $$", e);
        struct str name = {rest.ptr + 2, (size_t)(end - rest.ptr) - 2};
        name = without_scope(name, &part.scope);
        if (name.len == 0)
                return refuse(p, "a name is missing in '${}'", e);
        int rc = end_literal(p, e);
        if (rc == 0)
                rc = spec_path_parse(p->cx, p->n, p->what, name, &part.path, e);
        if (rc)
                return rc;
        part.text = str_of(part.path.text);
        rc = add_part(p, part, e);
        return rc ? rc : end - rest.ptr + 1;
}

static ssize_t take_dollar(struct template_parser *p, struct str rest, struct err *e)
{
        if (rest.len > 1 && rest.ptr[1] == '{')
                return take_reference(p, rest, e);
        buf_putc(&p->literal, '$');
        return rest.len > 1 && rest.ptr[1] == '$' ? 2 : 1;
}

static int parse(struct template_parser *p, struct str text, struct err *e)
{
        for (size_t i = 0; i < text.len;) {
                ssize_t used = 1;
                if (text.ptr[i] == '$')
                        used = take_dollar(p, (struct str){text.ptr + i, text.len - i}, e);
                else
                        buf_putc(&p->literal, text.ptr[i]);
                if (used < 0)
                        return (int)used;
                i += (size_t)used;
        }
        return end_literal(p, e);
}

int spec_template_parse(const struct option_context *cx, const struct ynode *n, const char *what,
        struct field_template *out, struct err *e)
{
        struct template_parser p = {.cx = cx, .n = n, .what = what};

        if (!ynode_is_scalar(n) || n->kind == YNODE_NULL)
                return ynode_error(cx->doc, n, e, "%s must be a string, not %s", what,
                        ynode_kind_name(n->kind));
        buf_init(&p.literal, YDOC_MAX_VALUE);
        int rc = parse(&p, n->text, e);
        buf_deinit(&p.literal);
        if (rc)
                return rc;
        struct template_part *parts = arena_array(cx->arena, p.count, sizeof(*parts));
        const char *copy = arena_strdup(cx->arena, n->text);
        if (!parts || !copy)
                return options_nomem(cx, e);
        memcpy(parts, p.parts, p.count * sizeof(*parts));
        *out = (struct field_template){parts, p.count, copy};
        return 0;
}

bool spec_template_is_constant(const struct field_template *t)
{
        return t->count == 0 || (t->count == 1 && t->parts[0].scope == TEMPLATE_LITERAL);
}

static int unknown_field(const struct mapper_spec *m, const struct template_part *part,
        const struct ynode *n, struct err *e)
{
        const char **names = arena_array(m->arena, m->field_count, sizeof(*names));

        if (!names)
                return err_nomem(e, "field names");
        for (size_t i = 0; i < m->field_count; i++)
                names[i] = m->fields[i].name.ptr;
        const char *near = str_nearest(part->path.steps[0].name, names, m->field_count);
        int rc = mapper_spec_error(m, n, e, "${doc.%s}: there is no field '%s'", part->path.text,
                part->path.steps[0].name.ptr);
        return near ? err_hint(e, rc, "did you mean '%s'?", near) : rc;
}

int spec_template_check(const struct mapper_spec *m, const struct field_template *t,
        const struct ynode *n, struct err *e)
{
        for (size_t i = 0; i < t->count; i++) {
                bool known = t->parts[i].scope != TEMPLATE_DOC;
                for (size_t k = 0; k < m->field_count && !known; k++)
                        known = str_eq(m->fields[k].name, t->parts[i].path.steps[0].name);
                if (!known)
                        return unknown_field(m, &t->parts[i], n, e);
        }
        return 0;
}
