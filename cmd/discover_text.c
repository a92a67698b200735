/* A block of lines a table: what it is, then what a mapper needs of it, then its columns. */
#include <inttypes.h>

#include "cmd/discover_show.h"
#include "ingest/base/text.h"

#define NAME_MAX       120 /* characters shown of a name or type */
#define COMMENT_MAX    100
#define NAME_WIDTH     24 /* columns: where types begin */
#define SHOWN_CHILDREN 12

static void put_name(struct buf *out, const char *name)
{
        text_put_line(out, str_of(name), NAME_MAX);
}

static void put_names(struct buf *out, const struct catalog_table *t, const size_t *columns,
        size_t count, const char *separator)
{
        for (size_t i = 0; i < count; i++) {
                buf_puts(out, i ? separator : "");
                put_name(out, t->columns[columns[i]].name);
        }
}

static void put_title(const struct catalog_table *t, struct buf *out)
{
        if (!t->rest) {
                put_name(out, t->schema);
                buf_putc(out, '.');
        }
        put_name(out, t->name);
        buf_printf(out, "  (%s", catalog_kind_name(t->kind));
        if (t->rows >= 0)
                buf_printf(out, ", about %" PRId64 " row%s", t->rows, t->rows == 1 ? "" : "s");
        else if (!t->rest && t->kind != CATALOG_VIEW && t->kind != CATALOG_FOREIGN_TABLE)
                buf_puts(out, ", never analyzed");
        if (t->parts)
                buf_printf(out, ", %" PRId64 " %s%s", t->parts,
                        t->kind == CATALOG_PARTITIONED_TABLE ? "partition" : "inheriting table",
                        t->parts == 1 ? "" : "s");
        buf_puts(out, ")\n");
        if (t->comment) {
                buf_puts(out, "  ");
                text_put_line(out, str_of(t->comment), COMMENT_MAX);
                buf_putc(out, '\n');
        }
        if (!t->readable) {
                buf_puts(out, "  no right to read it: ");
                put_name(out, t->remedy);
                buf_putc(out, '\n');
        }
}

static void put_key(const struct catalog_table *t, struct buf *out)
{
        buf_puts(out, "  key       ");
        put_names(out, t, t->key, t->key_count, ", ");
        buf_printf(out, "%s%s%s\n", t->key_count ? " (" : "", catalog_key_from_name(t->key_from),
                t->key_count ? ")" : "");
}

static void put_cursors(const struct catalog_table *t, struct buf *out)
{
        if (t->cursor_count == 0)
                return;
        buf_puts(out, "  cursor    ");
        for (size_t i = 0; i < t->cursor_count; i++) {
                const struct catalog_column *c = &t->columns[t->cursors[i]];
                buf_puts(out, i ? ", " : "");
                put_name(out, c->name);
                if (t->rest)
                        continue; /* nothing is said of indexes */
                buf_printf(out, " (%s%s)", c->indexed ? "indexed" : "no index",
                        c->nullable ? ", may be NULL" : "");
        }
        buf_putc(out, '\n');
}

static void put_children(const struct catalog_table *t, struct buf *out)
{
        for (size_t i = 0; i < t->child_count && i < SHOWN_CHILDREN; i++) {
                const struct catalog_child *c = &t->children[i];
                buf_puts(out, i ? "            " : "  children  ");
                put_name(out, c->table->name);
                buf_puts(out, " (");
                put_names(out, c->table, c->columns, c->column_count, ", ");
                buf_printf(out, ")%s\n", c->composition ? ", deleted with it" : "");
        }
        if (t->child_count > SHOWN_CHILDREN)
                buf_printf(out, "            and %zu more\n", t->child_count - SHOWN_CHILDREN);
}

/* Objects of other sets that a reply may bring along. */
static void put_relations(const struct catalog_table *t, struct buf *out)
{
        size_t shown = 0;

        for (size_t i = 0; i < t->column_count; i++) {
                const struct catalog_column *c = &t->columns[i];
                if (!c->relation)
                        continue;
                if (shown++ < SHOWN_CHILDREN) {
                        buf_puts(out, shown > 1 ? "            " : "  children  ");
                        put_name(out, c->name);
                        buf_puts(out, " (");
                        put_name(out, c->type);
                        buf_printf(out, ")%s\n", c->composes ? ", part of it" : "");
                }
        }
        if (shown > SHOWN_CHILDREN)
                buf_printf(out, "            and %zu more\n", shown - SHOWN_CHILDREN);
}

static void put_columns(const struct catalog_table *t, struct buf *out)
{
        size_t shown = 0;

        for (size_t i = 0; i < t->column_count; i++) {
                const struct catalog_column *c = &t->columns[i];
                size_t line = out->len, width;

                if (c->relation)
                        continue;
                buf_puts(out, shown++ ? "            " : "  columns   ");
                put_name(out, c->name);
                if (out->error)
                        return;
                width = text_width((struct str){out->data + line, out->len - line});
                buf_printf(out, "%*s", width < 12 + NAME_WIDTH ? (int)(12 + NAME_WIDTH - width) : 1,
                        "");
                put_name(out, c->type);
                buf_puts(out, c->nullable ? "" : " not null");
                buf_puts(out, c->readable ? "\n" : ", no right to read it\n");
        }
}

void discover_text(const struct catalog_table *t, struct buf *out)
{
        put_title(t, out);
        put_key(t, out);
        put_cursors(t, out);
        put_children(t, out);
        put_relations(t, out);
        put_columns(t, out);
        buf_putc(out, '\n');
}
