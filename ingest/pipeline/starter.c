/*
 * The file from top to bottom, as an operator would write it: what is read, where it goes, field
 * by field. Comments say what was guessed and what is worth a look; nothing else.
 */
#include "ingest/pipeline/starter.h"

#include <inttypes.h>
#include <stdio.h>

#include "ingest/base/text.h"
#include "ingest/pipeline/starter_internal.h"
#include "ingest/source/rest/catalog.h"

#define ARENA_MAX  ((size_t)16 << 20) /* names of at most 5 x 1664 columns */
#define ALSO_NAMED 12                 /* tables that refer to this one, in a comment */

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
        if (t->kind == CATALOG_REPLY)
                buf_printf(&line, "A first mapper of the records of GET %s", t->rest->path);
        else
                buf_printf(
                        &line, "A first mapper of the %s %s", catalog_kind_name(t->kind), t->sql);
        if (t->rows > 0) {
                buf_puts(&line, " (about ");
                put_count(&line, t->rows);
                buf_puts(&line, t->rows == 1 ? " row)" : " rows)");
        }
        buf_puts(&line, ", made by `erp2couch discover`.");
        starter_fail_with(out, &line);
        starter_put_comment(out, 0, buf_str(&line));
        starter_comment(out, 0,
                "It runs as it is. Save it as mappers/%s.yaml, drop and rename fields, then",
                p->mapper);
        buf_puts(out, "#   erp2couch check --connect\n");
        buf_printf(out, "#   erp2couch preview %s --limit 3\n", p->mapper);
        buf_printf(out, "#   erp2couch run %s\n", p->mapper);
        if (parts_note(t))
                starter_comment(out, 0, "%s", parts_note(t));
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
        starter_comment(out, 2,
                "CHECK THIS: no key is declared. %s %s unique and never NULL in the %s %s looked "
                "at. A %s whose key is NULL, or came before, becomes a reject.",
                names, one ? "was" : "together were", text ? text : "",
                rows->table->rest ? rows->table->key_rows == 1 ? "record" : "records" : "rows",
                rows->table->rest ? "record" : "row");
}

void starter_put_key_note(const struct starter_rows *rows, struct buf *out)
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
                starter_comment(
                        out, 2, "There is no primary key; this is a unique index without NULLs.");
                break;
        case CATALOG_KEY_NULLABLE:
                starter_comment(out, 2,
                        "CHECK THIS: there is no primary key. A unique index holds %s, which may "
                        "be NULL: such rows become rejects; leave them out with WHERE, or name "
                        "other columns.",
                        names ? names : "");
                break;
        case CATALOG_KEY_SEEN:
                put_key_seen(rows, names ? names : "", out);
                break;
        case CATALOG_KEY_GUESS:
                starter_comment(out, 2,
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
                starter_comment(out, 2,
                        "Not used as it is: rows of %s have no modification time, so a change in "
                        "them would wait for the next full read (full: \"0 3 * * *\").",
                        blind->name);
        else
                starter_comment(out, 2,
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
        starter_comment(out, 2,
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
        starter_comment(
                out, 2, "Not nested, but rows of these refer to this table: %s.", text ? text : "");
}

void starter_put_full(struct buf *out)
{
        buf_puts(out, "\n");
        starter_comment(out, 0,
                "When everything is read all the same: that is how deleted rows are found.");
        buf_puts(out, "full: \"0 3 * * *\"\n");
}

static void put_extract(const struct starter_plan *p, struct buf *out)
{
        buf_puts(out, "extract:\n");
        starter_comment(
                out, 2, "Join, filter and compute here; what is computed gets a name with AS.");
        buf_puts(out, "  query: |\n");
        put_query(&p->rows, 4, out);
        starter_put_key_note(&p->rows, out);
        buf_puts(out, "  key: ");
        starter_put_list(out, p->rows.key, p->rows.key_count);
        buf_putc(out, '\n');
        put_cursor(p, out);
        put_children(p, out);
        put_others(p, out);
        if (follows_cursor(p))
                starter_put_full(out);
        buf_putc(out, '\n');
}

/* ---- where it goes ---- */

static void put_target(const struct starter_plan *p, struct buf *out)
{
        cleanup_buf_ struct buf id = BUF_INIT(STARTER_MAX_BYTES);

        if (p->needs_zone) {
                starter_comment(out, 0,
                        "CHECK THIS: the zone of the clock that wrote the timestamps "
                        "without zone.");
                buf_puts(out, "timezone: UTC\n\n");
        }
        buf_puts(out, "target:\n");
        put_pair(out, "  database: ", p->database);
        starter_comment(out, 2,
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

/* ---- all of it ---- */

static int check_rest(const struct catalog_table *t, struct err *e)
{
        if (!t->sql)
                return err_set(e, ERR_CONFIG,
                        "the name of %s is no visible text, which a mapper "
                        "file cannot hold",
                        catalog_kind_name(t->kind));
        if (t->column_count == 0)
                return err_set(
                        e, ERR_CONFIG, "%s %s has no fields", catalog_kind_name(t->kind), t->sql);
        if (t->key_count == 0)
                return err_set(e, ERR_CONFIG,
                        "no field of %s can be a key: they are objects, arrays, booleans or "
                        "fractions",
                        t->sql);
        return 0;
}

static int check_table(const struct catalog_table *t, struct err *e)
{
        if (t->rest)
                return check_rest(t, e);
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
        if (t->rest)
                starter_put_extract_rest(&plan, out);
        else
                put_extract(&plan, out);
        put_target(&plan, out);
        starter_put_fields(&plan, out);
        return buf_check(out, "the mapper", e);
}
