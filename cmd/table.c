#include "cmd/table.h"

#define SAMPLE_MAX (16 << 20) /* bytes of the sample: reasons are a few KiB at most */

void table_init(struct table *t, struct out *out, const struct table_column *columns, size_t count)
{
        *t = (struct table){
                .out = out, .columns = columns, .count = count, .sample = BUF_INIT(SAMPLE_MAX)};
        for (size_t i = 0; i < count; i++)
                t->widths[i] = strlen(columns[i].title);
}

void table_deinit(struct table *t)
{
        buf_deinit(&t->sample);
}

static bool is_last(const struct table *t, size_t column)
{
        return column + 1 == t->count;
}

static void pad(struct table *t, size_t column, size_t chars)
{
        if (is_last(t, column)) {
                buf_putc(&t->out->buf, '\n');
                return;
        }
        for (size_t i = chars; i < t->widths[column] + 2; i++)
                buf_putc(&t->out->buf, ' ');
}

static void put_titles(struct table *t)
{
        for (size_t i = 0; i < t->count; i++) {
                buf_puts(&t->out->buf, t->columns[i].title);
                pad(t, i, strlen(t->columns[i].title));
        }
}

static int put_sample(struct table *t, struct err *e)
{
        int rc = buf_check(&t->sample, "a table", e);
        size_t at = 0;

        if (!rc && t->cells > 0)
                put_titles(t);
        for (size_t i = 0; i < t->cells && !rc; i++) {
                buf_put(&t->out->buf, t->sample.data + at, t->ends[i] - at);
                pad(t, i % t->count, t->chars[i]);
                at = t->ends[i];
                rc = out_more(t->out, e);
        }
        t->streaming = true;
        return rc;
}

static void keep(struct table *t, struct str text)
{
        size_t chars = out_text(&t->sample, text, t->columns[t->column].max_chars);

        if (chars > t->widths[t->column])
                t->widths[t->column] = chars;
        t->chars[t->cells] = chars;
        t->ends[t->cells++] = t->sample.len;
}

int table_cell(struct table *t, struct str text, struct err *e)
{
        int rc = 0;

        if (t->streaming) {
                size_t chars = out_text(&t->out->buf, text, t->columns[t->column].max_chars);
                pad(t, t->column, chars);
                rc = is_last(t, t->column) ? out_more(t->out, e) : 0;
        } else {
                keep(t, text);
                if (t->cells == TABLE_SAMPLE * t->count)
                        rc = put_sample(t, e);
        }
        t->column = is_last(t, t->column) ? 0 : t->column + 1;
        return rc;
}

int table_end(struct table *t, struct err *e)
{
        return t->streaming ? 0 : put_sample(t, e);
}

int table_print(const struct table_column *columns, size_t count, size_t rows, table_row_fn *row,
        const void *ctx, struct err *e)
{
        cleanup_(freep) struct table *t = calloc(1, sizeof(*t));
        struct out out;
        int rc = 0;

        if (!t)
                return err_nomem(e, "a table");
        out_init(&out);
        table_init(t, &out, columns, count);
        for (size_t i = 0; i < rows && !rc; i++)
                rc = row(t, i, ctx, e);
        rc = rc ? rc : table_end(t, e);
        rc = rc ? rc : out_flush(&out, e);
        table_deinit(t);
        out_deinit(&out);
        return rc;
}
