/*
 * Fields line by line: name, value and a note, each in a column of its own. Objects and arrays of a
 * REST source stand in blocks of their own, deeper by their depth.
 */
#include "ingest/base/text.h"
#include "ingest/pipeline/starter_internal.h"

#define NAME_WIDTH  26  /* fields: names up to here are aligned */
#define VALUE_WIDTH 44  /* and their values up to here */
#define NOTE_MAX    100 /* characters of a column's comment */

static const char *const left_reasons[] = {
        [LEFT_BINARY] = "left out: binary, base64 in every document",
        [LEFT_SECRET] = "left out: looks like a secret",
        [LEFT_UNREADABLE] = "left out: no right to read it",
        [LEFT_UNNAMED] = "left out: its name is not UTF-8",
        [LEFT_RELATION] = "left out: of another set",
};

static const char *left_reason(const struct starter_column *c, const struct catalog_table *t)
{
        if (c->left == LEFT_UNNAMED && t->rest)
                return "left out: a path cannot hold its name";
        return left_reasons[c->left];
}

/* ---- fields ---- */

/* null_if: "", or a list of texts. */
static void put_null_if(const struct catalog_column *c, struct buf *out)
{
        if (!c->null_texts[0])
                return;
        buf_puts(out, c->null_texts[1] ? ", null_if: [" : ", null_if: ");
        for (size_t i = 0; i < CATALOG_NULL_TEXTS && c->null_texts[i]; i++) {
                buf_puts(out, i ? ", " : "");
                starter_put_scalar(out, str_of(c->null_texts[i]));
        }
        buf_puts(out, c->null_texts[1] ? "]" : "");
}

static void put_value(const struct starter_column *c, struct buf *out)
{
        const struct catalog_column *column = c->column;
        bool is_short = !c->type && !c->insignificant && !column->format && !column->null_texts[0];

        if (!is_short)
                buf_puts(out, "{from: ");
        if (column->sql && strcmp(c->name, column->sql) != 0 && strchr(c->name, '.'))
                starter_put_path(out, c->name);
        else
                starter_put_scalar(out, str_of(c->name));
        if (is_short)
                return;
        if (c->type)
                buf_printf(out, ", type: %s", c->type);
        if (column->format)
                buf_printf(out, ", format: %s", column->format);
        put_null_if(column, out);
        if (c->insignificant)
                buf_puts(out, ", significant: false");
        buf_putc(out, '}');
}

static void put_note(const struct starter_column *c, const struct catalog_table *t, struct buf *out)
{
        bool is_secret = c->left == KEPT && c->is_key &&
                         column_holds_secret(c->column->name, c->column->kind, c->column->elem);

        buf_puts(out, "# ");
        text_put_line(out, str_of(c->column->type), NOTE_MAX);
        if (c->left != KEPT)
                buf_printf(out, "; %s", left_reason(c, t));
        if (is_secret)
                buf_puts(out, "; CHECK THIS: looks like a secret, but is the key");
        if (c->left == KEPT && c->column->doubt)
                buf_printf(out, "; CHECK THIS: %s", c->column->doubt);
        if (c->column->comment) {
                buf_puts(out, ": ");
                text_put_line(out, str_of(c->column->comment), NOTE_MAX);
        }
        buf_putc(out, '\n');
}

/* Where the parts of aligned lines begin; what is longer than its maximum is not aligned to. */
struct widths {
        size_t name, value;
};

static size_t value_width(const struct starter_column *c, struct buf *out)
{
        cleanup_buf_ struct buf value = BUF_INIT(16384);

        put_value(c, &value);
        starter_fail_with(out, &value);
        return text_width(buf_str(&value));
}

static struct widths widths_of(const struct starter_rows *rows, struct buf *out)
{
        struct widths w = {.name = strlen("type")};

        for (size_t i = 0; i < rows->column_count; i++) {
                const struct starter_column *c = &rows->columns[i];
                if (c->left == LEFT_RELATION)
                        continue;
                size_t name = text_width(str_of(c->field)) + (c->left == KEPT ? 0 : 2);
                size_t value = c->nested && c->left == KEPT ? 0 : value_width(c, out);
                if (name <= NAME_WIDTH && name > w.name)
                        w.name = name;
                if (value <= VALUE_WIDTH && value > w.value)
                        w.value = value;
        }
        return w;
}

static void put_rows(
        const struct starter_rows *rows, size_t indent, struct widths w, struct buf *out);

static void put_name(const struct starter_column *c, size_t indent, struct buf *out)
{
        buf_printf(out, "%*s%s", (int)indent, "", c->left == KEPT ? "" : "# ");
        starter_put_scalar(out, str_of(c->field));
        buf_putc(out, ':');
}

static void put_array_path(const struct starter_column *c, struct buf *out)
{
        cleanup_buf_ struct buf path = BUF_INIT(STARTER_MAX_BYTES);

        buf_puts(&path, c->name);
        if (c->column->array)
                buf_printf(&path, ".%s", c->column->array);
        const char *text = buf_cstr(&path);
        starter_put_path(out, text ? text : "");
        starter_fail_with(out, &path);
}

/* NAME: {object: ...} or {each: ..., fields: ...}, as blocks. */
static void put_nested(const struct starter_column *c, const struct catalog_table *t, size_t indent,
        struct widths w, struct buf *out)
{
        size_t line = out->len;
        bool array = c->column->nest == CATALOG_OBJECTS;

        put_name(c, indent, out);
        starter_pad(out, line, indent + w.name + 2 + w.value + 2);
        put_note(c, t, out);
        if (array) {
                buf_printf(out, "%*seach: ", (int)indent + 2, "");
                put_array_path(c, out);
                buf_putc(out, '\n');
        }
        buf_printf(out, "%*s%s:\n", (int)indent + 2, "", array ? "fields" : "object");
        put_rows(c->nested, indent + 4, widths_of(c->nested, out), out);
}

static void put_field(const struct starter_column *c, const struct catalog_table *t, size_t indent,
        struct widths w, struct buf *out)
{
        size_t line = out->len;

        if (c->left == LEFT_RELATION)
                return;
        if (c->left == KEPT && c->nested) {
                put_nested(c, t, indent, w, out);
                return;
        }
        put_name(c, indent, out);
        starter_pad(out, line, indent + w.name + 2);
        put_value(c, out);
        buf_putc(out, ' ');
        starter_pad(out, line, indent + w.name + 2 + w.value + 2);
        put_note(c, t, out);
}

static void put_rows(
        const struct starter_rows *rows, size_t indent, struct widths w, struct buf *out)
{
        for (size_t i = 0; i < rows->column_count; i++)
                put_field(&rows->columns[i], rows->table, indent, w, out);
}

/* Whether the child's column says no more than where its row belongs. */
static bool is_parent_column(const struct starter_child *child, size_t column)
{
        for (size_t i = 0; i < child->child->column_count; i++)
                if (child->child->columns[i] == column)
                        return true;
        return false;
}

static void put_child_fields(const struct starter_child *child, struct buf *out)
{
        const struct starter_rows *rows = &child->rows;
        struct widths w = widths_of(rows, out);
        size_t written = 0;

        buf_printf(out, "  %s:\n", child->name);
        buf_puts(out, "    each: ");
        starter_put_scalar(out, str_of(child->name));
        buf_putc(out, '\n');
        buf_puts(out, "    fields:\n");
        for (size_t i = 0; i < rows->column_count; i++) {
                if (is_parent_column(child, i))
                        continue;
                put_field(&rows->columns[i], rows->table, 6, w, out);
                written += rows->columns[i].left == KEPT;
        }
        for (size_t i = 0; i < rows->column_count && written == 0; i++)
                if (is_parent_column(child, i))
                        put_field(&rows->columns[i], rows->table, 6, w, out);
}

void starter_put_fields(const struct starter_plan *p, struct buf *out)
{
        const struct starter_rows *rows = &p->rows;
        struct widths w = widths_of(rows, out);
        size_t line;

        buf_puts(out, "fields:\n");
        line = out->len;
        buf_puts(out, "  type:");
        starter_pad(out, line, w.name + 4);
        buf_puts(out, "{value: ");
        starter_put_scalar(out, str_of(p->mapper));
        buf_puts(out, "}\n");
        put_rows(rows, 2, w, out);
        for (size_t i = 0; i < p->child_count; i++)
                put_child_fields(&p->children[i], out);
}
