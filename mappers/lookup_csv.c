/*
 * CSV as RFC 4180 has it: commas, quotes that are doubled inside quotes, CRLF or LF. Strict, for a
 * line that is read in another way than it was written is a wrong value in every document.
 */
#include "mappers/lookup_internal.h"

#include <stdio.h>

struct csv_field {
        size_t start, len; /* in the line's text */
        bool quoted;
};

struct csv {
        struct lookup_table *t;
        const char *name;
        const char *p, *end;
        size_t line;              /* that p is in */
        struct buf text;          /* of one line's fields */
        struct csv_field *fields; /* of the line; RECORD_MAX_COLUMNS */
        size_t count;
        struct columns columns;
        struct value *row;
};

static int csv_error(const struct csv *c, size_t line, struct err *e, const char *what)
{
        return lookup_table_error(c->t, NULL, e, "%s, line %zu: %s", c->name, line, what);
}

static bool at_line_end(const struct csv *c)
{
        return c->p == c->end || *c->p == '\n' ||
               (*c->p == '\r' && c->p + 1 < c->end && c->p[1] == '\n');
}

static void skip_line_end(struct csv *c)
{
        if (c->p < c->end && *c->p == '\r')
                c->p++;
        if (c->p < c->end)
                c->p++;
        c->line++;
}

static int quoted_field(struct csv *c, struct err *e)
{
        size_t begun = c->line;

        for (c->p++; c->p < c->end; c->p++) {
                if (*c->p == '"') {
                        if (c->p + 1 == c->end || c->p[1] != '"')
                                break;
                        c->p++;
                }
                c->line += *c->p == '\n';
                buf_putc(&c->text, *c->p);
        }
        if (c->p == c->end)
                return csv_error(c, begun, e, "a quote is opened and never closed");
        c->p++;
        if (!at_line_end(c) && *c->p != ',')
                return csv_error(c, c->line, e,
                        "text stands behind a closing quote; a quote inside quotes is doubled");
        return 0;
}

static int plain_field(struct csv *c, struct err *e)
{
        for (; !at_line_end(c) && *c->p != ','; c->p++) {
                if (*c->p == '"')
                        return csv_error(c, c->line, e,
                                "a quote stands inside a field without quotes; put the field in "
                                "quotes and double it");
                buf_putc(&c->text, *c->p);
        }
        return 0;
}

/* One line, which may have line ends in its quotes. */
static int read_line(struct csv *c, struct err *e)
{
        buf_clear(&c->text);
        for (c->count = 0;; c->p++) {
                if (c->count == RECORD_MAX_COLUMNS)
                        return csv_error(c, c->line, e, "too many fields");
                struct csv_field *f = &c->fields[c->count++];
                f->start = c->text.len;
                f->quoted = c->p < c->end && *c->p == '"';
                int rc = f->quoted ? quoted_field(c, e) : plain_field(c, e);
                if (rc)
                        return rc;
                f->len = c->text.len - f->start;
                if (at_line_end(c))
                        break;
        }
        skip_line_end(c);
        return lookup_check(c->t, &c->text, e);
}

static struct str field_text(const struct csv *c, size_t i)
{
        return (struct str){buf_str(&c->text).ptr + c->fields[i].start, c->fields[i].len};
}

static void skip_empty_lines(struct csv *c)
{
        while (c->p < c->end && at_line_end(c))
                skip_line_end(c);
}

static int read_header(struct csv *c, struct err *e)
{
        struct arena *a = c->t->set->arena;

        skip_empty_lines(c);
        if (c->p == c->end)
                return lookup_table_error(
                        c->t, NULL, e, "%s is empty: its first line names the columns", c->name);
        int rc = read_line(c, e);
        if (rc)
                return rc;
        struct column *columns = arena_array(a, c->count, sizeof(*columns));
        c->row = arena_array(a, c->count, sizeof(*c->row));
        if (!columns || !c->row)
                return arena_failed(a, "a look-up", e);
        c->columns = (struct columns){columns, 0};
        for (size_t i = 0; i < c->count; i++) {
                if (columns_find(&c->columns, field_text(c, i)) >= 0)
                        return csv_error(c, 1, e, "two columns have the same name");
                columns[i] = (struct column){.name = arena_strdup(a, field_text(c, i)),
                        .kind = COL_TEXT,
                        .source_type = "text"};
                if (!columns[i].name)
                        return arena_failed(a, "a look-up", e);
                c->columns.count++;
        }
        rc = lookup_table_columns(c->t, &c->columns, e);
        bool semicolons = c->count == 1 && memchr(columns[0].name, ';', strlen(columns[0].name));
        return rc && semicolons ? err_hint(e, rc, "fields are separated by commas, not semicolons")
                                : rc;
}

static int add_line(struct csv *c, struct err *e)
{
        size_t line = c->line;
        int rc = read_line(c, e);

        if (rc)
                return rc;
        if (c->count != c->columns.count) {
                char what[96];
                snprintf(what, sizeof(what), "%zu fields, but the header names %zu columns",
                        c->count, c->columns.count);
                return csv_error(c, line, e, what);
        }
        for (size_t i = 0; i < c->count; i++) {
                struct str text = field_text(c, i);
                bool null = text.len == 0 && !c->fields[i].quoted;
                c->row[i] = (struct value){null ? NULL : text.ptr, (uint32_t)text.len};
        }
        return lookup_table_row(c->t, c->row, e);
}

static int read_all(struct csv *c, struct err *e)
{
        int rc = read_header(c, e);

        for (;;) {
                skip_empty_lines(c);
                if (rc || c->p == c->end)
                        return rc;
                rc = add_line(c, e);
        }
}

int lookup_csv(struct lookup_table *t, struct str text, const char *name, struct err *e)
{
        struct csv c = {.t = t, .name = name, .p = text.ptr, .end = text.ptr + text.len, .line = 1};
        cleanup_(freep) struct csv_field *fields = calloc(RECORD_MAX_COLUMNS, sizeof(*fields));

        if (!fields)
                return err_nomem(e, "a look-up");
        if (!str_utf8_valid(text))
                return lookup_table_error(
                        t, NULL, e, "%s is not UTF-8: save it as CSV in UTF-8", name);
        c.fields = fields;
        buf_init(&c.text, LOOKUP_MAX_FILE);
        int rc = read_all(&c, e);
        buf_deinit(&c.text);
        lookup_table_end(t);
        return rc;
}
