/*
 * Three columns: the field, what was done, what came of it. What is too long for the third goes to
 * a line of its own; sentences are wrapped. Widths are those of the record at hand.
 */
#include <stdio.h>

#include "cmd/explain_show.h"
#include "cmd/out.h"
#include "ingest/base/text.h"
#include "ingest/record/json.h"

#define PAGE_WIDTH  80
#define FIELD_WIDTH 24 /* at most: longer names push their line to the right */
#define WHAT_WIDTH  28
#define INDENT      2
#define CELL_MAX    (1 << 20) /* bytes: far more than a line shows */

enum colour { PLAIN, BOLD, DIM, RED, GREEN };

struct page {
        struct buf *out;
        bool colours;
        size_t field_width, what_width;
};

static void colour(const struct page *p, enum colour c)
{
        static const char *const codes[] = {[PLAIN] = "\033[0m",
                [BOLD] = "\033[1m",
                [DIM] = "\033[2m",
                [RED] = "\033[31m",
                [GREEN] = "\033[32m"};

        if (p->colours)
                buf_puts(p->out, codes[c]);
}

static void spaces(struct buf *out, size_t count)
{
        while (count-- > 0)
                buf_putc(out, ' ');
}

/* ---- cells ---- */

static void put_what(const struct trace_step *s, struct buf *out)
{
        const char *name = s->name;

        if (strcmp(name, "from") == 0 || (strcmp(name, "type") == 0 && *s->detail))
                name = "";
        else if (strcmp(name, "type") == 0 || strcmp(name, "written") == 0)
                name = "written as";
        if (strcmp(name, "${}") == 0) {
                buf_puts(out, "${");
                out_text(out, str_of(s->detail), 0);
                buf_putc(out, '}');
                return;
        }
        buf_puts(out, name);
        if (*name && *s->detail)
                buf_putc(out, ' ');
        out_text(out, str_of(s->detail), 0);
}

/* @ends: it is the last thing that happened to the field @f */
static void put_value(
        const struct trace_field *f, const struct trace_step *s, bool ends, struct buf *out)
{
        cleanup_buf_ struct buf json = BUF_INIT(2 * MAPPER_MAX_DOCUMENT);
        bool left_out = ends && f->mark == TRACE_BARE && !f->is_array;

        if (s->mark == TRACE_MASKED)
                buf_puts(out, "(masked: looks like a secret)");
        else if (s->mark == TRACE_NULL)
                buf_puts(out, "null");
        else if (s->mark == TRACE_VALUE && s->is_text && s->quoted)
                json_put_lossy(&json, s->value);
        else if (s->mark == TRACE_VALUE)
                buf_put_str(&json, s->value);
        out_text(out, buf_str(&json), 0);
        if (left_out)
                buf_puts(out, out->len ? ", so left out" : "left out");
        else if (ends && f->mark == TRACE_NULL)
                buf_puts(out, s->mark == TRACE_NULL ? ", kept" : "");
}

/* ---- lines ---- */

static void put_cut(const struct page *p, struct str text, size_t room)
{
        out_text(p->out, text, room); /* visible already: only cut */
}

/* Words of @text in lines of the page that begin @indent to the right. */
static void put_wrapped(const struct page *p, struct str text, size_t indent)
{
        size_t at = indent - 1;

        spaces(p->out, at);
        while (text.len > 0) {
                const char *blank = memchr(text.ptr, ' ', text.len);
                struct str word = {text.ptr, blank ? (size_t)(blank - text.ptr) : text.len};
                size_t width = text_width(word);
                if (at + 1 + width > PAGE_WIDTH) {
                        buf_putc(p->out, '\n');
                        spaces(p->out, indent);
                        at = indent;
                } else {
                        buf_putc(p->out, ' ');
                        at++;
                }
                buf_put_str(p->out, word);
                at += width;
                size_t used = word.len + (blank != NULL);
                text = (struct str){text.ptr + used, text.len - used};
        }
}

static void put_refused(const struct page *p, struct str reason)
{
        cleanup_buf_ struct buf text = BUF_INIT(CELL_MAX);

        buf_puts(&text, "refused: ");
        out_text(&text, reason, 0);
        buf_putc(p->out, '\n');
        colour(p, RED);
        put_wrapped(p, buf_str(&text), INDENT + p->field_width + 4);
        colour(p, PLAIN);
}

static void put_step(const struct page *p, const struct trace_field *f, size_t i)
{
        cleanup_buf_ struct buf what = BUF_INIT(CELL_MAX),
                                value = BUF_INIT(2 * MAPPER_MAX_DOCUMENT);
        const struct trace_step *s = &f->steps[i];
        bool ends = i + 1 == f->count;
        size_t left = INDENT + p->field_width + 2, column = left + p->what_width + 2;

        put_what(s, &what);
        colour(p, DIM);
        put_cut(p, buf_str(&what), PAGE_WIDTH - left);
        colour(p, PLAIN);
        if (s->mark == TRACE_REFUSED) {
                put_refused(p, s->value);
                buf_putc(p->out, '\n');
                return;
        }
        put_value(f, s, ends, &value);
        size_t width = text_width(buf_str(&what)), room = PAGE_WIDTH - column;
        bool fits = width <= p->what_width && text_width(buf_str(&value)) <= room;
        if (value.len && fits) {
                spaces(p->out, column - left - width);
        } else if (value.len) {
                buf_putc(p->out, '\n');
                spaces(p->out, left + 2);
                room = PAGE_WIDTH - left - 2;
        }
        colour(p, ends && f->mark == TRACE_VALUE ? GREEN : PLAIN);
        put_cut(p, buf_str(&value), room);
        colour(p, PLAIN);
        buf_putc(p->out, '\n');
}

static void put_field(const struct page *p, const struct trace_field *f)
{
        cleanup_buf_ struct buf name = BUF_INIT(CELL_MAX);

        out_text(&name, str_of(f->path), 0);
        size_t width = text_width(buf_str(&name));
        spaces(p->out, INDENT);
        colour(p, BOLD);
        buf_put_str(p->out, buf_str(&name));
        colour(p, PLAIN);
        if (f->count == 0) {
                buf_putc(p->out, '\n');
                return;
        }
        if (width > p->field_width) {
                buf_putc(p->out, '\n');
                spaces(p->out, INDENT + p->field_width + 2);
        } else {
                spaces(p->out, p->field_width - width + 2);
        }
        for (size_t i = 0; i < f->count; i++) {
                if (i > 0)
                        spaces(p->out, INDENT + p->field_width + 2);
                put_step(p, f, i);
        }
}

/* ---- the page ---- */

static void measure(struct page *p, const struct explained *record)
{
        cleanup_buf_ struct buf cell = BUF_INIT(CELL_MAX);

        for (size_t i = 0; i < record->count; i++) {
                const struct trace_field *f = &record->fields[i];
                size_t width = text_width(str_of(f->path));
                if (width <= FIELD_WIDTH && width > p->field_width)
                        p->field_width = width;
                for (size_t k = 0; k < f->count; k++) {
                        cell.len = 0;
                        put_what(&f->steps[k], &cell);
                        width = text_width(buf_str(&cell));
                        bool shown =
                                f->steps[k].mark != TRACE_REFUSED && f->steps[k].mark != TRACE_BARE;
                        if (shown && width <= WHAT_WIDTH && width > p->what_width)
                                p->what_width = width;
                }
        }
}

static void put_head(const struct page *p, const struct explained *record)
{
        colour(p, BOLD);
        buf_puts(p->out, "key ");
        out_text(p->out, str_of(record->key), 0);
        buf_puts(p->out, ": ");
        if (!record->document) {
                colour(p, RED);
                buf_puts(p->out, "rejected");
        } else {
                out_text(p->out, record->document->database, 0);
                buf_putc(p->out, '/');
                out_text(p->out, record->document->id, 0);
        }
        colour(p, PLAIN);
        buf_putc(p->out, '\n');
}

void explain_text(void *ctx, const struct explained *record, struct buf *out)
{
        struct page p = {.out = out, .colours = *(const bool *)ctx};
        const struct trace_field *last = record->count ? &record->fields[record->count - 1] : NULL;

        measure(&p, record);
        put_head(&p, record);
        for (size_t i = 0; i < record->count; i++)
                put_field(&p, &record->fields[i]);
        if (record->left_out)
                buf_printf(out, "  ... and %zu more fields\n", record->left_out);
        if (!record->document && (!last || last->mark != TRACE_REFUSED)) {
                cleanup_buf_ struct buf text = BUF_INIT(CELL_MAX);
                out_text(&text, str_of(record->field), 0);
                buf_puts(&text, ": refused: ");
                out_text(&text, str_of(record->reason), 0);
                colour(&p, RED);
                put_wrapped(&p, buf_str(&text), INDENT);
                colour(&p, PLAIN);
                buf_putc(out, '\n');
        }
        buf_putc(out, '\n');
}
