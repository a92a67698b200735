/* Where a value comes from: a column, the parts of a template, a table, an expression. */
#include "mappers/trace_internal.h"

#include <stdio.h>

#include "ingest/base/text.h"

/* ---- secrets ---- */

static bool names_secret(struct str name)
{
        char text[128];

        snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
        return column_holds_secret(text, COL_TEXT, COL_TEXT);
}

static bool locate_is_secret(
        const struct mapper_program *p, const struct scope *scope, const struct locate *l)
{
        const struct columns *columns = l->from == LOCATE_RECORD ? &p->shape->columns
                                        : scope                  ? scope->columns
                                                                 : NULL;

        if (l->from != LOCATE_ELEMENT && columns) {
                const struct column *c = &columns->items[l->column];
                if (column_holds_secret(c->name, c->kind, c->elem))
                        return true;
        }
        for (size_t i = 0; i < l->step_count; i++)
                if (l->steps[i].name.ptr && names_secret(l->steps[i].name))
                        return true;
        return false;
}

/* Whether the text of an expression has the name of a secret in it. */
static bool text_is_secret(struct str text)
{
        for (size_t i = 0, end; i < text.len; i = end + 1) {
                for (end = i; end < text.len && !strchr(" .,()[]\"'{}:+-*/", text.ptr[end]); end++)
                        ;
                if (end > i && names_secret((struct str){text.ptr + i, end - i}))
                        return true;
        }
        return false;
}

bool trace_secret(const struct mapper_trace *t, const struct plan *p)
{
        for (size_t i = 0; i < p->text.count; i++) {
                const struct part *part = &p->text.parts[i];
                if (part->kind == PART_COLUMN &&
                        locate_is_secret(t->program, p->scope, &part->value->locate))
                        return true;
                if (part->kind == PART_FIELD && part->field != p && trace_secret(t, part->field))
                        return true;
        }
        if (!p->spec)
                return false;
        if (p->spec->origin == FIELD_FROM)
                return locate_is_secret(t->program, p->scope, &p->locate);
        for (size_t i = 0; p->lookup && i < p->lookup->count; i++)
                if (locate_is_secret(t->program, p->scope, &p->lookup->keys[i]))
                        return true;
        const struct ynode *expr = ynode_get(p->spec->node, "expr");
        return expr && text_is_secret(expr->text);
}

/* ---- sources ---- */

static void add_source(struct mapper_trace *t, const struct plan *p, const struct datum *d)
{
        cleanup_buf_ struct buf detail = BUF_INIT(TRACE_DETAIL_BYTES);
        const char *type = p->source_type && p->locate.step_count == 0 ? p->source_type
                                                                       : col_kind_name(d->kind);

        buf_printf(&detail, "%s, %s", p->column ? p->column : "?", type);
        trace_add(t, (struct trace_step){.name = "from",
                             .detail = trace_keep(t, buf_str(&detail)),
                             .mark = d->text.ptr ? TRACE_VALUE : TRACE_NULL,
                             .is_text = true,
                             .quoted = d->kind == COL_TEXT || d->kind == COL_CHAR,
                             .value = d->text});
}

static void explain_from(struct mapper_trace *t, const struct plan *p, struct str result)
{
        struct render *r = &t->program->render;
        struct datum d;

        if (locate_get(r, &p->locate, &d)) {
                trace_refused(t, "from", p->column);
                return;
        }
        if (d.text.ptr) { /* it may lie in a buffer of the renderer */
                d.text = arena_dup(t->arena, d.text);
                t->failed |= !d.text.ptr;
        }
        add_source(t, p, &d);
        trace_chain(t, p, d.kind, d.text, result);
}

/* Each name of the template, then its text. Return: false where it has none. */
bool trace_parts(struct mapper_trace *t, const struct text_plan *text, struct str *out)
{
        struct render *r = &t->program->render;
        cleanup_buf_ struct buf whole = BUF_INIT(MAPPER_MAX_DOCUMENT);
        bool complete = true;

        for (size_t i = 0; i < text->count && complete; i++) {
                const struct part *part = &text->parts[i], *null_part;
                const struct text_plan one = {part, 1};
                size_t start = whole.len;

                int rc = text_put(r, &one, &whole, &null_part);
                complete = rc == 0;
                if (part->kind == PART_LITERAL || rc == MAPPER_REJECT)
                        continue;
                trace_add(t, (struct trace_step){.name = "${}",
                                     .detail = trace_keep(t, part->text),
                                     .mark = rc ? TRACE_NULL : TRACE_VALUE,
                                     .is_text = true,
                                     .quoted = true,
                                     .value = {whole.data + start, whole.len - start}});
        }
        t->failed |= whole.error != 0;
        *out = arena_dup(t->arena, buf_str(&whole));
        return complete;
}

static void explain_template(struct mapper_trace *t, const struct plan *p, struct str result)
{
        struct str text;

        if (!trace_parts(t, &p->text, &text)) {
                trace_null(t, p);
                return;
        }
        trace_add(t, (struct trace_step){.name = "template",
                             .detail = p->spec->template.text,
                             .is_text = true,
                             .quoted = true,
                             .value = text});
        trace_chain(t, p, COL_TEXT, text, result);
}

/* The value that the op itself found, which goes through the chain. */
static void explain_given(struct mapper_trace *t, const struct plan *p, const char *name,
        const char *detail, struct str result)
{
        struct str text = buf_str(&t->given);

        trace_add(t, (struct trace_step){.name = name,
                             .detail = detail,
                             .mark = t->has_given ? TRACE_VALUE : TRACE_NULL,
                             .is_text = true,
                             .quoted = t->given_kind == COL_TEXT || t->given_kind == COL_CHAR,
                             .value = text});
        if (t->has_given)
                trace_chain(t, p, t->given_kind, text, result);
        else
                trace_null(t, p);
}

static void explain_lookup(struct mapper_trace *t, const struct plan *p, struct str result)
{
        const struct lookup_plan *l = p->lookup;

        for (size_t i = 0; i < l->count; i++) {
                struct datum d = {COL_TEXT, {NULL, 0}};
                if (locate_get(&t->program->render, &l->keys[i], &d))
                        continue;
                trace_add(t, (struct trace_step){.name = "from",
                                     .detail = p->spec->looked_up[i].text,
                                     .mark = d.text.ptr ? TRACE_VALUE : TRACE_NULL,
                                     .is_text = true,
                                     .quoted = d.kind == COL_TEXT || d.kind == COL_CHAR,
                                     .value = d.text});
        }
        bool list = !t->has_given && str_starts(result, STR("[")) && !str_eq(result, p->fallback);
        if (list) /* each element was looked up */
                trace_add(t, (struct trace_step){.name = "lookup", .value = result});
        else
                explain_given(t, p, "lookup", "", result);
}

static void explain_expr(struct mapper_trace *t, const struct plan *p, struct str result)
{
        const struct ynode *n = ynode_get(p->spec->node, "expr");
        cleanup_buf_ struct buf detail = BUF_INIT(TRACE_DETAIL_BYTES);

        if (n && !n->expanded)
                text_put_line(&detail, n->text, TRACE_DETAIL_CHARS);
        const char *text = trace_keep(t, buf_str(&detail));
        if (t->reason.ptr && !t->has_given && !p->spec->required)
                trace_refused(t, "expr", text);
        else
                explain_given(t, p, "expr", text, result);
}

void trace_value_of(struct mapper_trace *t, const struct plan *p, struct str result)
{
        switch (p->spec->origin) {
        case FIELD_FROM:
                explain_from(t, p, result);
                break;
        case FIELD_TEMPLATE:
                explain_template(t, p, result);
                break;
        case FIELD_OBJECT:
        case FIELD_EACH: /* left out as a whole */
                trace_add(t, (struct trace_step){.name = "null", .mark = TRACE_BARE});
                break;
        case FIELD_VALUE:
                trace_add(t, (struct trace_step){.name = "value", .value = result});
                break;
        case FIELD_LOOKUP:
                explain_lookup(t, p, result);
                break;
        case FIELD_EXPR:
                explain_expr(t, p, result);
                break;
        }
}
