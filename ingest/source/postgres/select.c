/*
 * The statements that read targets: all rows, those of some keys, those of records that changed
 * since a position, or only the keys. COPY takes no parameters, so values are typed literals.
 */
#include "ingest/source/postgres/describe.h"
#include "ingest/source/postgres/sql.h"

#define PADDED_CAST "::pg_catalog.bpchar" /* trailing blanks do not count */

/* ---- columns ---- */

void pg_sql_column(struct buf *sql, const struct pg_column *c)
{
        buf_puts(sql, "q.");
        pg_sql_ident(sql, str_of(c->column.name));
        if (c->money)
                buf_puts(sql, c->column.kind == COL_ARRAY ? "::pg_catalog.numeric[]"
                                                          : "::pg_catalog.numeric");
}

static void put_select_list(struct buf *sql, const struct pg_target *t)
{
        for (size_t i = 0; i < t->count; i++) {
                buf_puts(sql, i ? ", " : "");
                pg_sql_column(sql, &t->columns[i]);
        }
}

/* Groups are told apart as a read of their rows does it: 1.0 and 1.00 are two. */
static void put_distinct(struct buf *sql, const struct pg_target *t)
{
        for (size_t i = 0; i < t->key_count; i++) {
                buf_puts(sql, i ? ", " : "DISTINCT ON (");
                pg_sql_order_group(sql, &t->columns[t->key[i]]);
        }
        buf_puts(sql, ") ");
}

static void put_select_keys(struct buf *sql, const struct pg_target *t)
{
        if (t->x->group.count > 0)
                put_distinct(sql, t);
        for (size_t i = 0; i < t->key_count; i++) {
                buf_puts(sql, i ? ", " : "");
                pg_sql_column(sql, &t->columns[t->key[i]]);
        }
}

/* What is one key for the merge of parents and children must be one here: @orders, NULL without. */
static void put_key_names(struct buf *sql, const struct pg_target *t, const enum row_order *orders)
{
        for (size_t i = 0; i < t->key_count; i++) {
                buf_puts(sql, i ? ", q." : "q.");
                pg_sql_ident(sql, str_of(t->columns[t->key[i]].column.name));
                if (orders && orders[i] == ROW_ORDER_PADDED)
                        buf_puts(sql, PADDED_CAST);
        }
}

/* ---- since ---- */

static void put_cursor(struct buf *sql, const struct pg_target *t)
{
        struct str expression = str_of(pg_target_cursor(t));

        if (t->cursor < t->count) {
                buf_puts(sql, "q.");
                pg_sql_ident(sql, expression);
                return;
        }
        if (pg_sql_single(expression, &expression, NULL) == 0)
                buf_printf(sql, "(%.*s)", STR_ARG(expression));
}

/* Rows whose cursor is @from or above, or not there at all: those would never be read again. */
static void put_changed(
        struct buf *sql, const struct pg_target *t, const char *from, int64_t lookback_ms)
{
        bool is_time = pg_cursor_is_time(t->order.kind);

        if (!from) {
                buf_puts(sql, "true");
                return;
        }
        put_cursor(sql, t);
        buf_puts(sql, t->order.kind == PG_CURSOR_TEXT ? " COLLATE \"C\" >= " : " >= ");
        if (is_time && lookback_ms)
                buf_putc(sql, '(');
        pg_sql_literal(sql, str_of(from));
        buf_printf(sql, "::%s", t->order.type);
        if (is_time && lookback_ms)
                buf_printf(sql, " - interval '%lld milliseconds')::%s", (long long)lookback_ms,
                        t->order.type);
        buf_puts(sql, " OR ");
        put_cursor(sql, t);
        buf_puts(sql, " IS NULL");
}

/* The keys of all records of which something changed. */
static void put_changed_keys(struct buf *sql, const struct pg_selection *what)
{
        const char *separator = "SELECT ";

        for (size_t i = 0; i < what->since_count; i++) {
                const struct pg_target *t = &what->since[i];

                if (t->order.kind == PG_CURSOR_NONE)
                        continue;
                buf_puts(sql, separator);
                separator = " UNION SELECT ";
                put_key_names(sql, t, what->orders);
                buf_puts(sql, " FROM ");
                buf_put_str(sql, t->from);
                buf_puts(sql, " AS q WHERE ");
                put_changed(sql, t, what->from[i], what->lookback_ms);
        }
}

/* A row is read again alone; a record of several rows as a whole. Without a key it belongs to no
 * record, and is read every time until somebody mends it. */
static void put_since(struct buf *sql, const struct pg_target *t, const struct pg_selection *what)
{
        buf_puts(sql, " WHERE ");
        if (what->since_count == 1 && t->x->group.count == 0) {
                put_changed(sql, t, what->from[0], what->lookback_ms);
                return;
        }
        buf_putc(sql, '(');
        put_key_names(sql, t, what->orders);
        buf_puts(sql, ") IN (");
        put_changed_keys(sql, what);
        buf_putc(sql, ')');
        for (size_t i = 0; !t->child && i < t->key_count; i++) {
                buf_puts(sql, " OR q.");
                pg_sql_ident(sql, str_of(t->columns[t->key[i]].column.name));
                buf_puts(sql, " IS NULL");
        }
}

int pg_sql_latest(const struct pg_target *t, struct buf *sql, struct err *e)
{
        buf_puts(sql, "SELECT pg_catalog.max(");
        put_cursor(sql, t);
        buf_puts(sql, t->order.kind == PG_CURSOR_TEXT ? " COLLATE \"C\")" : ")");
        buf_puts(sql, " FROM ");
        buf_put_str(sql, t->from);
        buf_puts(sql, " AS q");
        return buf_cstr(sql) ? 0 : buf_check(sql, "statement", e);
}

/* ---- order ---- */

static void put_order(struct buf *sql, const char **separator)
{
        buf_puts(sql, *separator);
        *separator = ", ";
}

void pg_sql_order_by(struct buf *sql, const struct pg_target *t, const enum row_order *orders)
{
        const char *separator = " ORDER BY ";
        bool is_group = !t->child && t->x->group.count > 0;

        for (size_t i = 0; (orders || is_group) && i < t->key_count; i++) {
                put_order(sql, &separator);
                if (is_group)
                        pg_sql_order_group(sql, &t->columns[t->key[i]]);
                else
                        pg_sql_order_merge(sql, &t->columns[t->key[i]], orders[i]);
        }
        for (size_t i = 0; i < t->tie_count; i++) {
                put_order(sql, &separator);
                pg_sql_order_tie(sql, &t->columns[t->tie[i]]);
        }
        /* The rows of a group have no key of their own: all columns, so that an array of
         * unchanged rows is unchanged. */
        for (size_t i = 0; is_group && i < t->count; i++) {
                put_order(sql, &separator);
                pg_sql_order_tie(sql, &t->columns[i]);
        }
}

/* ---- keys ---- */

static int put_key_row(struct buf *sql, const struct pg_target *t, const enum row_order *orders,
        const struct value *key, struct err *e)
{
        for (size_t i = 0; i < t->key_count; i++) {
                const struct pg_column *c = &t->columns[t->key[i]];

                if (!key[i].ptr || memchr(key[i].ptr, '\0', key[i].len))
                        return err_set(e, ERR_CONFIG, "a key has no value for column \"%s\"",
                                c->column.name);
                buf_puts(sql, i ? ", " : "(");
                pg_sql_literal(sql, (struct str){key[i].ptr, key[i].len});
                if (orders && orders[i] == ROW_ORDER_PADDED)
                        buf_puts(sql, PADDED_CAST);
                else
                        buf_printf(sql, "::%s", c->base_name);
        }
        buf_putc(sql, ')');
        return 0;
}

static int put_where(
        struct buf *sql, const struct pg_target *t, const struct pg_selection *what, struct err *e)
{
        if (what->key_rows == 0) {
                buf_puts(sql, " WHERE false");
                return 0;
        }
        buf_puts(sql, " WHERE (");
        put_key_names(sql, t, what->orders);
        buf_puts(sql, ") IN (");
        for (size_t i = 0; i < what->key_rows; i++) {
                if (i)
                        buf_puts(sql, ", ");
                int rc = put_key_row(sql, t, what->orders, what->keys + i * t->key_count, e);
                if (rc)
                        return rc;
        }
        buf_putc(sql, ')');
        return 0;
}

static size_t count_characters(const struct buf *sql)
{
        size_t n = 0;

        for (size_t i = 0; i < sql->len; i++)
                n += ((unsigned char)sql->data[i] & 0xC0) != 0x80;
        return n;
}

int pg_sql_copy(const struct pg_target *t, const struct pg_selection *what, struct buf *sql,
        size_t *where_at, struct err *e)
{
        int rc = 0;

        buf_puts(sql, "COPY (SELECT ");
        if (what->keys_only)
                put_select_keys(sql, t);
        else
                put_select_list(sql, t);
        if (what->with_cursor && pg_target_cursor(t) && t->cursor == t->count) {
                buf_puts(sql, ", ");
                put_cursor(sql, t);
        }
        buf_puts(sql, " FROM ");
        buf_put_str(sql, t->from);
        buf_puts(sql, " AS q");
        *where_at = count_characters(sql);
        if (what->keys)
                rc = put_where(sql, t, what, e);
        else if (what->since)
                put_since(sql, t, what);
        if (rc)
                return rc;
        if (!what->keys_only)
                pg_sql_order_by(sql, t, what->orders);
        buf_puts(sql, ") TO STDOUT");
        return buf_cstr(sql) ? 0 : buf_check(sql, "statement", e);
}
