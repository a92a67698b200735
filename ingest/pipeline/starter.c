/*
 * The file from top to bottom, as an operator would write it: what is read, where it goes, field
 * by field. Comments say what was guessed and what is worth a look; nothing else.
 */
#include "ingest/pipeline/starter.h"

#include <inttypes.h>
#include <stdio.h>

#include "ingest/base/text.h"
#include "ingest/pipeline/starter_internal.h"

#define ARENA_MAX   ((size_t)16 << 20) /* names of at most 5 x 1664 columns */
#define NAME_WIDTH  26                 /* fields: names up to here are aligned */
#define VALUE_WIDTH 44                 /* and their values up to here */
#define NOTE_MAX    100                /* characters of a column's comment */
#define ALSO_NAMED  12                 /* tables that refer to this one, in a comment */

static const char *const left_reasons[] = {
        [LEFT_BINARY] = "left out: binary, base64 in every document",
        [LEFT_SECRET] = "left out: looks like a secret",
        [LEFT_UNREADABLE] = "left out: no right to read it",
        [LEFT_UNNAMED] = "left out: its name is not UTF-8",
};

/* A comment of our own text and of others'. */
__attribute__((format(printf, 3, 4))) static void comment(
        struct buf *out, size_t indent, const char *fmt, ...)
{
        char text[2 * ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        if (vsnprintf(text, sizeof(text), fmt, ap) > 0)
                starter_put_comment(out, indent, str_of(text));
        va_end(ap);
}

static void put_count(struct buf *out, int64_t n)
{
        char digits[24];
        int len = snprintf(digits, sizeof(digits), "%" PRId64, n);

        for (int i = 0; i < len; i++) {
                buf_putc(out, digits[i]);
                if ((len - i - 1) % 3 == 0 && i + 1 < len)
                        buf_putc(out, ',');
        }
}

static void put_pair(struct buf *out, const char *key, const char *value)
{
        buf_puts(out, key);
        starter_put_scalar(out, str_of(value));
        buf_putc(out, '\n');
}

/* ---- the head ---- */

static const char *parts_note(const struct catalog_table *t)
{
        if (t->parts == 0)
                return NULL;
        if (t->kind == CATALOG_PARTITIONED_TABLE)
                return "Its partitions are read with it.";
        return "Other tables inherit from it: their rows are read too, and a key may repeat among "
               "them. Read FROM ONLY where they have mappers of their own.";
}

static void put_head(const struct starter_plan *p, struct buf *out)
{
        const struct catalog_table *t = p->rows.table;
        cleanup_buf_ struct buf line = BUF_INIT(4096);

        if (t->comment)
                starter_put_comment(out, 0, str_of(t->comment));
        buf_printf(&line, "A first mapper of the %s %s", catalog_kind_name(t->kind), t->sql);
        if (t->rows > 0) {
                buf_puts(&line, " (about ");
                put_count(&line, t->rows);
                buf_puts(&line, t->rows == 1 ? " row)" : " rows)");
        }
        buf_puts(&line, ", made by `erp2couch discover`.");
        starter_fail_with(out, &line);
        starter_put_comment(out, 0, buf_str(&line));
        comment(out, 0,
                "It runs as it is. Save it as mappers/%s.yaml, drop and rename fields, then",
                p->mapper);
        buf_puts(out, "#   erp2couch check --connect\n");
        buf_printf(out, "#   erp2couch preview %s --limit 3\n", p->mapper);
        buf_printf(out, "#   erp2couch run %s\n", p->mapper);
        if (parts_note(t))
                comment(out, 0, "%s", parts_note(t));
        put_pair(out, "mapper: ", p->mapper);
        put_pair(out, "source: ", p->source);
        buf_putc(out, '\n');
}

/* ---- what is read ---- */

static void put_select_item(const struct starter_column *c, struct buf *item)
{
        buf_clear(item);
        buf_puts(item, c->column->sql);
        if (strcmp(c->name, c->column->name) != 0)
                buf_printf(item, " AS %s", c->name);
}

/* SELECT a, b, ... in lines of a page's width. */
static void put_query(const struct starter_rows *rows, size_t indent, struct buf *out)
{
        cleanup_buf_ struct buf item = BUF_INIT(16384);
        size_t width = 0; /* of the line; 0: none has begun */

        buf_printf(out, "%*sSELECT ", (int)indent, "");
        for (size_t i = 0; i < rows->column_count; i++) {
                if (rows->columns[i].left != KEPT)
                        continue;
                put_select_item(&rows->columns[i], &item);
                starter_fail_with(out, &item);
                size_t more = text_width(buf_str(&item)) + 2;
                if (width + more > STARTER_PAGE_WIDTH) {
                        buf_printf(out, ",\n%*s", (int)indent + 7, "");
                        width = 0;
                } else if (width > 0) {
                        buf_puts(out, ", ");
                }
                buf_put_str(out, buf_str(&item));
                width += (width ? 0 : indent + 7) + more;
        }
        buf_printf(out, "\n%*sFROM %s\n", (int)indent, "", rows->table->sql);
}

/* "a, b and c" for comments. */
static void put_names(struct buf *out, const char *const *names, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const char *separator = i == 0 ? "" : i + 1 == count ? " and " : ", ";
                buf_puts(out, separator);
                text_put_line(out, str_of(names[i]), 64);
        }
}

static void put_key_seen(const struct starter_rows *rows, const char *names, struct buf *out)
{
        cleanup_buf_ struct buf count = BUF_INIT(64);
        bool one = rows->key_count == 1;

        put_count(&count, rows->table->key_rows);
        const char *text = buf_cstr(&count);
        starter_fail_with(out, &count);
        comment(out, 2,
                "CHECK THIS: no key is declared. %s %s unique and never NULL in the %s rows looked "
                "at. A row whose key is NULL, or came before, becomes a reject.",
                names, one ? "was" : "together were", text ? text : "");
}

static void put_key_note(const struct starter_rows *rows, struct buf *out)
{
        cleanup_buf_ struct buf list = BUF_INIT(STARTER_MAX_BYTES);
        const struct catalog_table *t = rows->table;

        put_names(&list, rows->key, rows->key_count);
        const char *names = buf_cstr(&list);
        starter_fail_with(out, &list);
        switch (t->key_from) {
        case CATALOG_KEY_NONE:
        case CATALOG_KEY_PRIMARY:
                break;
        case CATALOG_KEY_UNIQUE:
                comment(out, 2, "There is no primary key; this is a unique index without NULLs.");
                break;
        case CATALOG_KEY_NULLABLE:
                comment(out, 2,
                        "CHECK THIS: there is no primary key. A unique index holds %s, which may "
                        "be NULL: such rows become rejects; leave them out with WHERE, or name "
                        "other columns.",
                        names ? names : "");
                break;
        case CATALOG_KEY_SEEN:
                put_key_seen(rows, names ? names : "", out);
                break;
        case CATALOG_KEY_GUESS:
                comment(out, 2,
                        "CHECK THIS: no key is declared, and %s. What stands here is a guess. A "
                        "row whose key is NULL, or came before, becomes a reject: name the columns "
                        "that tell rows apart, or write group: in place of key: to make one "
                        "document of all rows with equal values.",
                        t->key_rows < 0    ? "the rows could not be looked at"
                        : t->key_rows == 0 ? "there are no rows to find one in"
                                           : "no column or pair of columns is unique in the rows");
                break;
        }
}

/* The first child without a modification time of its own; NULL where all have one. */
static const struct starter_child *blind_child(const struct starter_plan *p)
{
        for (size_t i = 0; i < p->child_count; i++)
                if (!p->children[i].rows.cursor)
                        return &p->children[i];
        return NULL;
}

static bool follows_cursor(const struct starter_plan *p)
{
        return p->rows.cursor && !blind_child(p);
}

static void put_cursor(const struct starter_plan *p, struct buf *out)
{
        const struct catalog_table *t = p->rows.table;
        const struct starter_child *blind = blind_child(p);

        if (!p->rows.cursor)
                return;
        const struct catalog_column *c = &t->columns[t->cursors[0]];
        if (blind)
                comment(out, 2,
                        "Not used as it is: rows of %s have no modification time, so a change in "
                        "them would wait for the next full read (full: \"0 3 * * *\").",
                        blind->name);
        else
                comment(out, 2,
                        "A row that changed has a later value here%s, so that a run need not read "
                        "the others%s. Right only if every change sets it.",
                        c->nullable ? " (rows with NULL are read each time)" : "",
                        c->indexed ? "" : "; an index on it would help");
        put_pair(out, blind ? "  # cursor: " : "  cursor: ", p->rows.cursor);
}

static void put_child(const struct starter_child *c, struct buf *out)
{
        buf_printf(out, "    %s:\n      query: |\n", c->name);
        put_query(&c->rows, 8, out);
        if (c->rows.key_count) {
                buf_puts(out, "      key: ");
                starter_put_list(out, c->rows.key, c->rows.key_count);
                buf_putc(out, '\n');
        }
        buf_puts(out, "      parent: ");
        starter_put_list(out, c->parent, c->parent_count);
        buf_putc(out, '\n');
}

static void put_children(const struct starter_plan *p, struct buf *out)
{
        if (p->child_count == 0)
                return;
        comment(out, 2,
                "Rows of other tables, as arrays in the document of the row that they "
                "belong to; key orders them, parent holds this table's key.");
        buf_puts(out, "  children:\n");
        for (size_t i = 0; i < p->child_count; i++) {
                put_child(&p->children[i], out);
                if (follows_cursor(p))
                        put_pair(out, "      cursor: ", p->children[i].rows.cursor);
        }
}

/* The tables that could have been nested, or are only related. */
static void put_others(const struct starter_plan *p, struct buf *out)
{
        cleanup_buf_ struct buf line = BUF_INIT(16384);
        const struct catalog_table *t = p->rows.table;
        size_t named = 0;

        for (size_t i = 0; i < t->child_count; i++) {
                const struct catalog_child *c = &t->children[i];
                const struct catalog_column *by = &c->table->columns[c->columns[0]];
                if (starter_is_nested(p, c) || !c->table->sql || !by->sql)
                        continue;
                if (named++ < ALSO_NAMED)
                        buf_printf(&line, "%s%s (%s%s)", named > 1 ? ", " : "", c->table->sql,
                                by->sql, c->column_count > 1 ? ", ..." : "");
        }
        if (named == 0)
                return;
        if (named > ALSO_NAMED)
                buf_printf(&line, " and %zu more", named - ALSO_NAMED);
        const char *text = buf_cstr(&line);
        starter_fail_with(out, &line);
        comment(out, 2, "Not nested, but rows of these refer to this table: %s.", text ? text : "");
}

static void put_extract(const struct starter_plan *p, struct buf *out)
{
        buf_puts(out, "extract:\n");
        comment(out, 2, "Join, filter and compute here; what is computed gets a name with AS.");
        buf_puts(out, "  query: |\n");
        put_query(&p->rows, 4, out);
        put_key_note(&p->rows, out);
        buf_puts(out, "  key: ");
        starter_put_list(out, p->rows.key, p->rows.key_count);
        buf_putc(out, '\n');
        put_cursor(p, out);
        put_children(p, out);
        put_others(p, out);
        if (follows_cursor(p)) {
                buf_puts(out, "\n");
                comment(out, 0,
                        "When everything is read all the same: that is how deleted rows "
                        "are found.");
                buf_puts(out, "full: \"0 3 * * *\"\n");
        }
        buf_putc(out, '\n');
}

/* ---- where it goes ---- */

static void put_target(const struct starter_plan *p, struct buf *out)
{
        cleanup_buf_ struct buf id = BUF_INIT(STARTER_MAX_BYTES);

        if (p->needs_zone) {
                comment(out, 0,
                        "CHECK THIS: the zone of the clock that wrote the timestamps "
                        "without zone.");
                buf_puts(out, "timezone: UTC\n\n");
        }
        buf_puts(out, "target:\n");
        put_pair(out, "  database: ", p->database);
        comment(out, 2,
                "The part before the first ${ marks this mapper's documents: no other "
                "mapper of the database may use it.");
        buf_puts(&id, p->mapper);
        for (size_t i = 0; i < p->rows.key_count; i++)
                buf_printf(&id, ":${row.%s}", p->rows.key[i]);
        const char *text = buf_cstr(&id);
        put_pair(out, "  id: ", text ? text : "");
        buf_putc(out, '\n');
        starter_fail_with(out, &id);
}

/* ---- fields ---- */

static void put_value(const struct starter_column *c, struct buf *out)
{
        bool is_short = !c->type && !c->insignificant;

        if (!is_short)
                buf_puts(out, "{from: ");
        starter_put_scalar(out, str_of(c->name));
        if (is_short)
                return;
        if (c->type)
                buf_printf(out, ", type: %s", c->type);
        if (c->insignificant)
                buf_puts(out, ", significant: false");
        buf_putc(out, '}');
}

static void put_note(const struct starter_column *c, struct buf *out)
{
        bool is_secret = c->left == KEPT && c->is_key &&
                         column_holds_secret(c->column->name, c->column->kind, c->column->elem);

        buf_puts(out, "# ");
        text_put_line(out, str_of(c->column->type), NOTE_MAX);
        if (c->left != KEPT)
                buf_printf(out, "; %s", left_reasons[c->left]);
        if (is_secret)
                buf_puts(out, "; CHECK THIS: looks like a secret, but is the key");
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
                size_t name = text_width(str_of(c->field)) + (c->left == KEPT ? 0 : 2);
                size_t value = value_width(c, out);
                if (name <= NAME_WIDTH && name > w.name)
                        w.name = name;
                if (value <= VALUE_WIDTH && value > w.value)
                        w.value = value;
        }
        return w;
}

static void put_field(
        const struct starter_column *c, size_t indent, struct widths w, struct buf *out)
{
        size_t line = out->len;

        buf_printf(out, "%*s%s", (int)indent, "", c->left == KEPT ? "" : "# ");
        starter_put_scalar(out, str_of(c->field));
        buf_putc(out, ':');
        starter_pad(out, line, indent + w.name + 2);
        put_value(c, out);
        buf_putc(out, ' ');
        starter_pad(out, line, indent + w.name + 2 + w.value + 2);
        put_note(c, out);
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
        put_pair(out, "    each: ", child->name);
        buf_puts(out, "    fields:\n");
        for (size_t i = 0; i < rows->column_count; i++) {
                if (is_parent_column(child, i))
                        continue;
                put_field(&rows->columns[i], 6, w, out);
                written += rows->columns[i].left == KEPT;
        }
        for (size_t i = 0; i < rows->column_count && written == 0; i++)
                if (is_parent_column(child, i))
                        put_field(&rows->columns[i], 6, w, out);
}

static void put_fields(const struct starter_plan *p, struct buf *out)
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
        for (size_t i = 0; i < rows->column_count; i++)
                put_field(&rows->columns[i], 2, w, out);
        for (size_t i = 0; i < p->child_count; i++)
                put_child_fields(&p->children[i], out);
}

/* ---- all of it ---- */

static int check_table(const struct catalog_table *t, struct err *e)
{
        if (!t->sql)
                return err_set(e, ERR_CONFIG,
                        "the name of table %s.%s is not UTF-8, which a mapper file cannot hold; "
                        "make a view of it",
                        t->schema, t->name);
        if (!t->readable)
                return err_set(e, ERR_CONFIG,
                        "no right to read %s; an administrator can give it: %s", t->sql, t->remedy);
        if (t->column_count == 0)
                return err_set(
                        e, ERR_CONFIG, "%s %s has no columns", catalog_kind_name(t->kind), t->sql);
        if (t->key_count == 0)
                return err_set(e, ERR_CONFIG,
                        "no column of %s can be a key (they are arrays, JSON, floating point or "
                        "binary): make a view or write a query that computes one, such as "
                        "md5(COLUMN::text)",
                        t->sql);
        return 0;
}

int starter_write(const struct catalog_table *t, const char *source, struct buf *out, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_MAX);
        struct starter_plan plan;

        if (!arena)
                return err_nomem(e, "a starter mapper");
        int rc = check_table(t, e);
        if (!rc)
                rc = starter_plan_make(t, source, arena, &plan, e);
        if (rc)
                return rc;
        put_head(&plan, out);
        put_extract(&plan, out);
        put_target(&plan, out);
        put_fields(&plan, out);
        return buf_check(out, "the mapper", e);
}
