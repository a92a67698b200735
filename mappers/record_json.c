/* What a reject keeps of its record: enough to find and to judge it, bounded, always valid JSON. */
#include "mappers/compile.h"
#include "mappers/decimal.h"

#include "ingest/record/json.h"

#define VALUE_MAX_BYTES 1024 /* of one column */
#define CUT_NOTE_BYTES  32   /* for the note that columns are missing */

static bool is_shown(const struct column *c)
{
        bool bytes = c->kind == COL_BYTES || (c->kind == COL_ARRAY && c->elem == COL_BYTES);

        return !bytes && !column_holds_secret(c->name, c->kind, c->elem);
}

static bool is_small_integer(struct str s)
{
        int64_t value;

        return str_to_int64(s, &value) && s.ptr[0] != '+' && (s.len == 1 || s.ptr[0] != '0') &&
               value <= JSON_MAX_INTEGER && value >= -JSON_MAX_INTEGER && !str_starts(s, STR("-0"));
}

static struct str cut_value(struct str s)
{
        size_t max = VALUE_MAX_BYTES;

        if (s.len <= max)
                return s;
        while (max > 0 && ((unsigned char)s.ptr[max] & 0xC0) == 0x80)
                max--;
        return (struct str){s.ptr, max};
}

static void put_value(const struct column *c, const struct value *v, struct buf *out)
{
        struct str text = cut_value((struct str){v->ptr, v->len});

        if (!v->ptr)
                buf_puts(out, "null");
        else if (c->kind == COL_INT && is_small_integer(text))
                buf_put_str(out, text);
        else if (c->kind == COL_BOOL)
                buf_puts(out, str_is(text, "t") ? "true" : "false");
        else
                json_put_lossy(out, text);
}

/* Appends the member; gives it back where it does not fit. */
static bool put_member(const struct column *c, const struct value *v, size_t end, struct buf *out)
{
        size_t before = out->len;
        bool first = out->data[before - 1] == '{';

        if (!first)
                buf_putc(out, ',');
        json_put_lossy(out, str_of(c->name));
        buf_putc(out, ':');
        put_value(c, v, out);
        if (!out->error && out->len <= end)
                return true;
        out->len = before;
        if (out->error == -ERR_REJECT) /* more than @out may hold: no failure of what it holds */
                out->error = 0;
        return false;
}

void mapper_record_json(
        const struct shape *shape, const struct record *record, size_t max, struct buf *out)
{
        size_t left_out = 0;
        size_t end = out->len + (max > CUT_NOTE_BYTES ? max - CUT_NOTE_BYTES : 0);

        buf_putc(out, '{');
        if (out->error)
                return;
        for (size_t i = 0; i < shape->columns.count; i++) {
                const struct column *c = &shape->columns.items[i];
                if (is_shown(c) && !put_member(c, &record->row[i], end, out))
                        left_out++;
        }
        if (left_out > 0)
                buf_printf(
                        out, "%s\"...\":%zu", out->data[out->len - 1] == '{' ? "" : ",", left_out);
        buf_putc(out, '}');
}
