/* Templates: literals, texts of fields that are rendered already, texts of columns. */
#include "mappers/program.h"

#include "ingest/record/json_scan.h"

/* The text of the JSON scalar @json: strings without quotes and escapes. */
static int put_scalar(struct render *r, struct str json, struct str name, struct buf *out)
{
        if (json.len == 0 || str_is(json, "null"))
                return PUT_NULL;
        if (*json.ptr == '{' || *json.ptr == '[')
                return reject_value(r, json,
                        "is what ${%.*s} holds, and only single values have "
                        "a text",
                        STR_ARG(name));
        if (*json.ptr != '"') {
                buf_put_str(out, json);
                return 0;
        }
        if (!memchr(json.ptr, '\\', json.len)) {
                buf_put(out, json.ptr + 1, json.len - 2);
                return 0;
        }
        if (json_unquote(json, out, NULL))
                return reject_value(r, json, "is not JSON");
        return 0;
}

static int put_field(struct render *r, const struct part *part, struct buf *out)
{
        const struct slot *slot = &r->slots[part->field->slot];
        size_t value = slot->start + part->field->prefix.len;

        if (slot->end <= value)
                return PUT_NULL;
        struct str json = {slot->in->data + value, slot->end - value};
        return put_scalar(r, json, part->text, out);
}

static int put_column(struct render *r, const struct part *part, struct buf *out)
{
        struct buf *before = r->out;
        struct datum d;

        int rc = locate_get(r, &part->value->locate, &d);
        if (rc || !d.text.ptr)
                return rc ? rc : PUT_NULL;
        render_reuse(&r->part);
        r->out = &r->part;
        rc = chain_put(r, &part->value->chain, d.kind, d.text);
        r->out = before;
        if (rc)
                return rc;
        return put_scalar(r, buf_str(&r->part), part->text, out);
}

int text_put(
        struct render *r, const struct text_plan *t, struct buf *out, const struct part **null_part)
{
        for (size_t i = 0; i < t->count; i++) {
                const struct part *part = &t->parts[i];
                int rc = 0;

                if (part->kind == PART_LITERAL)
                        buf_put_str(out, part->text);
                else if (part->kind == PART_FIELD)
                        rc = put_field(r, part, out);
                else
                        rc = put_column(r, part, out);
                if (rc) {
                        *null_part = part;
                        return rc;
                }
        }
        return 0;
}
