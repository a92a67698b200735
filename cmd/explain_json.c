/* Written by hand: values are JSON already. */
#include "cmd/explain_show.h"

#include "ingest/record/json.h"

static void put_text(struct buf *out, const char *key, struct str text)
{
        buf_printf(out, "\"%s\":", key);
        json_put_lossy(out, text);
}

static void put_step(const struct trace_step *s, struct buf *out)
{
        buf_putc(out, '{');
        put_text(out, "step", str_of(s->name));
        if (*s->detail) {
                buf_putc(out, ',');
                put_text(out, "detail", str_of(s->detail));
        }
        switch (s->mark) {
        case TRACE_VALUE:
                buf_puts(out, ",\"value\":");
                if (s->is_text)
                        json_put_lossy(out, s->value);
                else
                        buf_put_str(out, s->value);
                break;
        case TRACE_NULL:
                buf_puts(out, ",\"value\":null");
                break;
        case TRACE_MASKED:
                buf_puts(out, ",\"masked\":true");
                break;
        case TRACE_REFUSED:
                buf_putc(out, ',');
                put_text(out, "refused", s->value);
                break;
        case TRACE_BARE:
                break;
        }
        buf_putc(out, '}');
}

static void put_field(const struct trace_field *f, struct buf *out)
{
        buf_putc(out, '{');
        put_text(out, "field", str_of(f->path));
        buf_puts(out, ",\"steps\":[");
        for (size_t i = 0; i < f->count; i++) {
                if (i > 0)
                        buf_putc(out, ',');
                put_step(&f->steps[i], out);
        }
        buf_putc(out, ']');
        if (f->mark == TRACE_VALUE) {
                buf_puts(out, ",\"result\":");
                buf_put_str(out, f->result);
        } else if (f->mark == TRACE_NULL) {
                buf_puts(out, ",\"result\":null");
        } else if (f->mark == TRACE_MASKED) {
                buf_puts(out, ",\"masked\":true");
        }
        buf_putc(out, '}');
}

void explain_json(void *ctx, const struct explained *record, struct buf *out)
{
        (void)ctx;
        buf_putc(out, '{');
        put_text(out, "key", str_of(record->key));
        if (record->document) {
                buf_putc(out, ',');
                put_text(out, "id", record->document->id);
                buf_putc(out, ',');
                put_text(out, "database", record->document->database);
        } else {
                buf_puts(out, ",\"reject\":{");
                put_text(out, "field", str_of(record->field));
                buf_putc(out, ',');
                put_text(out, "reason", str_of(record->reason));
                buf_putc(out, '}');
        }
        buf_puts(out, ",\"fields\":[");
        for (size_t i = 0; i < record->count; i++) {
                if (i > 0)
                        buf_putc(out, ',');
                put_field(&record->fields[i], out);
        }
        buf_putc(out, ']');
        if (record->left_out)
                buf_printf(out, ",\"fields_left_out\":%zu", record->left_out);
        buf_putc(out, '}');
}
