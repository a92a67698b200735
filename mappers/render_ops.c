/*
 * The ops. op_column is the one that counts: a column whose text only needs converting; and
 * op_json, the same for what may be null inside. All others trade speed for what they
 * can do.
 */
#include "mappers/array_text.h"
#include "mappers/program.h"

#include "ingest/record/json_scan.h"

int render_ops(struct render *r, const struct op *ops, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                int rc = ops[i].run(r, &ops[i]);
                if (__builtin_expect(rc != 0, 0))
                        return rc;
        }
        return 0;
}

/* The first member's comma gives way to the bracket. */
void render_close(struct buf *out, size_t start, char open, char close)
{
        if (out->len == start)
                buf_putc(out, open);
        else if (!out->error)
                out->data[start] = open;
        buf_putc(out, close);
}

int render_null(struct render *r, const struct op *op)
{
        const struct plan *p = op->plan;

        r->plan = p;
        if (p->fallback.ptr) {
                render_prefix(r->out, p->prefix);
                buf_put_str(r->out, p->fallback);
                return 0;
        }
        if (p->spec->required)
                return p->column ? reject(r,
                                           "required but null (column \"%s\"): mend the record in "
                                           "the ERP, or write a default",
                                           p->column)
                                 : reject(r, "required but null");
        if (p->spec->keep_null) {
                render_prefix(r->out, p->prefix);
                buf_put(r->out, "null", 4);
        }
        return 0;
}

int op_literal(struct render *r, const struct op *op)
{
        render_prefix(r->out, op->prefix);
        return 0;
}

int op_column(struct render *r, const struct op *op)
{
        const struct value *v = &r->row[op->column];

        if (!v->ptr)
                return render_null(r, op);
        r->plan = op->plan;
        render_prefix(r->out, op->prefix);
        return op->convert(r, &op->plan->chain, (struct str){v->ptr, v->len});
}

int op_json(struct render *r, const struct op *op)
{
        const struct value *v = &r->row[op->column];
        size_t start = r->out->len;

        if (__builtin_expect(r->trace != NULL, 0))
                return op_field(r, op);
        if (!v->ptr)
                return render_null(r, op);
        r->plan = op->plan;
        render_prefix(r->out, op->prefix);
        int rc = op->convert(r, &op->plan->chain, (struct str){v->ptr, v->len});
        if (__builtin_expect(rc != PUT_NULL, 1))
                return rc;
        r->out->len = start;
        return render_null(r, op);
}

int render_member(struct render *r, const struct op *op, enum col_kind kind, struct str text)
{
        size_t start = r->out->len;

        if (__builtin_expect(r->trace != NULL, 0))
                mapper_trace_value(r->trace, kind, text);
        render_prefix(r->out, op->prefix);
        int rc = chain_put(r, &op->plan->chain, kind, text);
        if (rc != PUT_NULL)
                return rc;
        r->out->len = start;
        return render_null(r, op);
}

int op_field(struct render *r, const struct op *op)
{
        struct datum d;

        r->plan = op->plan;
        int rc = locate_get(r, &op->plan->locate, &d);
        if (rc)
                return rc;
        if (!d.text.ptr)
                return render_null(r, op);
        return render_member(r, op, d.kind, d.text);
}

int op_text(struct render *r, const struct op *op)
{
        const struct part *null_part;

        r->plan = op->plan;
        render_reuse(&r->text);
        int rc = text_put(r, &op->plan->text, &r->text, &null_part);
        if (rc == PUT_NULL)
                return render_null(r, op);
        return rc ? rc : render_member(r, op, COL_TEXT, buf_str(&r->text));
}

int op_object(struct render *r, const struct op *op)
{
        render_prefix(r->out, op->prefix);
        size_t start = r->out->len;
        int rc = render_ops(r, op->plan->ops, op->plan->op_count);
        render_close(r->out, start, '{', '}');
        return rc;
}

/* ---- each ---- */

/* One object of the array, from the row or element that @r points at. */
static int put_element(struct render *r, const struct scope *scope)
{
        size_t early = r->early.len;
        struct buf *out = r->out;
        int rc = 0;

        buf_putc(out, ',');
        size_t start = out->len;
        if (scope->early_count) {
                r->out = &r->early;
                rc = render_ops(r, scope->early, scope->early_count);
                r->out = out;
        }
        if (!rc)
                rc = render_ops(r, scope->ops, scope->op_count);
        if (rc)
                return rc;
        render_close(out, start, '{', '}');
        r->early.len = early;
        r->index[r->depth - 1]++;
        return 0;
}

int op_each_child(struct render *r, const struct op *op)
{
        const struct plan *p = op->plan;
        const struct child_rows *rows = &r->record->children[p->child];
        const struct value *outer = r->row;
        size_t columns = p->inner->columns->count;
        int rc = 0;

        render_prefix(r->out, op->prefix);
        size_t start = r->out->len;
        r->index[r->depth++] = 0;
        for (size_t i = 0; i < rows->count && !rc; i++) {
                r->row = rows->values + i * columns;
                rc = put_element(r, p->inner);
        }
        if (rc)
                return rc;
        r->depth--;
        r->row = outer;
        render_close(r->out, start, '[', ']');
        return 0;
}

static int each_json(struct render *r, const struct plan *p, struct str text)
{
        struct str outer = r->element, key, value;
        struct json_walk w;

        if (!json_walk_open(&w, text, '[')) {
                r->plan = p;
                return reject_value(r, text, "is not a JSON array, which each needs");
        }
        while (json_walk_next(&w, &key, &value)) {
                r->element = value;
                int rc = put_element(r, p->inner);
                if (rc)
                        return rc;
        }
        r->element = outer;
        r->plan = p;
        return w.bad ? reject_value(r, text, "is not JSON") : 0;
}

static int each_array(struct render *r, const struct plan *p, struct str text)
{
        const struct value *outer = r->row;
        struct array_walk w;
        enum array_item item;
        struct str element;

        r->plan = p;
        if (!array_open(&w, text, p->locate.delimiter))
                return reject_value(r, text, "is not an array");
        while ((item = array_next(&w, &r->each_text, &element)) != ARRAY_END) {
                struct value v = {NULL, 0};

                if (item == ARRAY_NESTED || item == ARRAY_BAD || element.len > UINT32_MAX)
                        return reject_value(r, text,
                                item == ARRAY_NESTED ? "has more than one dimension, which each "
                                                       "cannot run over"
                                                     : "is not an array");
                if (item == ARRAY_TEXT)
                        v = (struct value){element.ptr, (uint32_t)element.len};
                r->row = &v;
                int rc = put_element(r, p->inner);
                if (rc)
                        return rc;
                r->plan = p;
        }
        r->row = outer;
        return 0;
}

int op_each(struct render *r, const struct op *op)
{
        const struct plan *p = op->plan;
        struct datum d;

        r->plan = p;
        int rc = locate_get(r, &p->locate, &d);
        if (rc)
                return rc;
        if (!d.text.ptr || (d.kind == COL_JSON && str_is(json_trim(d.text), "null")))
                return render_null(r, op);
        if ((d.kind == COL_JSON) != (p->inner->columns == NULL))
                return reject_value(r, d.text, "is not an array of one dimension");
        render_prefix(r->out, op->prefix);
        size_t start = r->out->len;
        r->index[r->depth++] = 0;
        rc = d.kind == COL_JSON ? each_json(r, p, d.text) : each_array(r, p, d.text);
        if (rc)
                return rc;
        r->depth--;
        render_close(r->out, start, '[', ']');
        return 0;
}

/* ---- bookkeeping ---- */

/* Notes @start .. end of the body as insignificant; spans inside it are no longer needed. */
static void note_span(struct render *r, size_t start, size_t end)
{
        struct span *spans = (struct span *)r->spans.data;
        size_t count = r->spans.len / sizeof(*spans);

        while (count > 0 && spans[count - 1].start >= start)
                count--;
        r->spans.len = count * sizeof(*spans);
        if (count > 0 && spans[count - 1].end == start)
                spans[count - 1].end = end;
        else
                buf_put(&r->spans, &(struct span){start, end}, sizeof(struct span));
}

static void note(struct render *r, const struct plan *p, size_t start)
{
        size_t end = r->out->len;

        if (!p->spec->significant && r->out == &r->body && end > start)
                note_span(r, start, end);
        if (p->slot != NO_SLOT)
                r->slots[p->slot] = (struct slot){r->out, start, end};
}

int op_tracked(struct render *r, const struct op *op)
{
        size_t start = r->out->len;
        int rc = op->plan->run(r, op);

        if (!rc)
                note(r, op->plan, start);
        return rc;
}

/* Copies a member that was rendered early; its slot stays where it is. */
int op_early(struct render *r, const struct op *op)
{
        const struct plan *p = op->plan;
        const struct slot *slot = &r->slots[p->slot];
        size_t start = r->out->len;

        if (slot->end == slot->start)
                return 0;
        buf_put(r->out, slot->in->data + slot->start, slot->end - slot->start);
        if (!p->spec->significant && r->out == &r->body)
                note_span(r, start, r->out->len);
        return 0;
}
