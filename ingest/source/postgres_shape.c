/*
 * What described targets mean together: the shape a mapper is compiled against, whether it still
 * holds, how parents and children are sorted, and the statements that read them.
 */
#include "ingest/source/postgres_describe.h"
#include "ingest/source/postgres_sql.h"

static int columns_of(
        const struct pg_target *t, struct arena *arena, struct columns *out, struct err *e)
{
        struct column *items = arena_array(arena, t->count, sizeof(*items));

        if (!items)
                return arena_failed(arena, "a shape", e);
        for (size_t i = 0; i < t->count; i++)
                items[i] = t->columns[i].column;
        *out = (struct columns){items, t->count};
        return 0;
}

int pg_shape(const struct pg_target *targets, size_t count, struct arena *arena, struct shape *out,
        struct err *e)
{
        const struct pg_target *parent = &targets[0];
        bool is_group = parent->x->group.count > 0;
        size_t child_count = is_group ? 1 : count - 1;
        struct child_shape *children = arena_array(arena, child_count + 1, sizeof(*children));
        struct shape shape = {.children = children,
                .child_count = child_count,
                .key = parent->key,
                .key_count = parent->key_count};
        enum row_order orders[RECORD_MAX_COLUMNS];
        int rc;

        if (!children)
                return arena_failed(arena, "a shape", e);
        rc = columns_of(parent, arena, &shape.columns, e);
        if (!rc && is_group)
                children[0] = (struct child_shape){"rows", shape.columns};
        for (size_t i = 1; !rc && i < count; i++) {
                children[i - 1].name = targets[i].child->name;
                rc = columns_of(&targets[i], arena, &children[i - 1].columns, e);
        }
        if (!rc)
                rc = pg_merge_orders(targets, count, orders, e);
        if (!rc)
                *out = shape;
        return rc;
}

int pg_merge_orders(
        const struct pg_target *targets, size_t count, enum row_order *orders, struct err *e)
{
        const struct pg_column *columns[RECORD_MAX_CHILDREN + 1];
        const struct pg_target *parent = &targets[0];

        for (size_t k = 0; count > 1 && k < parent->key_count; k++) {
                for (size_t i = 0; i < count; i++)
                        columns[i] = &targets[i].columns[targets[i].key[k]];
                if (pg_merge_order(columns, count, &orders[k]))
                        continue;
                for (size_t i = 1; i < count; i++) {
                        const struct pg_column *pair[] = {columns[0], columns[i]};
                        if (i + 1 < count && pg_merge_order(pair, 2, &orders[k]))
                                continue;
                        return pg_target_error(&targets[i], "parent", e,
                                "column \"%s\" (%s) cannot be merged with the key column \"%s\" "
                                "(%s) "
                                "of the parent: what can be merged is " PG_MERGE_TYPES
                                "; cast one of them in its query",
                                columns[i]->column.name, columns[i]->column.source_type,
                                columns[0]->column.name, columns[0]->column.source_type);
                }
        }
        return 0;
}

/* ---- comparing with what the mapper was compiled against ---- */

static int check_column(const struct pg_target *t, const struct column *was,
        const struct pg_column *now, struct err *e)
{
        const char *place = (t->child ? t->child->table : t->x->table) ? "table" : "query";
        const struct column *is = &now->column;

        if (strcmp(was->name, is->name) != 0)
                return pg_target_error(t, place, e,
                        "column \"%s\" is \"%s\" now: the source changed during the run, run again",
                        was->name, is->name);
        if (was->kind != is->kind || was->elem != is->elem || was->delimiter != is->delimiter)
                return pg_target_error(t, place, e,
                        "column \"%s\" is %s now, it was %s: the source changed during the run, "
                        "run "
                        "again",
                        was->name, is->source_type, was->source_type);
        return 0;
}

static int check_columns(const struct pg_target *t, const struct columns *was, struct err *e)
{
        const char *place = (t->child ? t->child->table : t->x->table) ? "table" : "query";

        for (size_t i = 0; i < was->count && i < t->count; i++) {
                int rc = check_column(t, &was->items[i], &t->columns[i], e);
                if (rc)
                        return rc;
        }
        if (was->count == t->count)
                return 0;
        const char *name = was->count > t->count ? was->items[t->count].name
                                                 : t->columns[was->count].column.name;
        return pg_target_error(t, place, e,
                "column \"%s\" is %s now: the source changed during the run, run again", name,
                was->count > t->count ? "gone" : "there");
}

int pg_shape_check(
        const struct pg_target *targets, size_t count, const struct shape *shape, struct err *e)
{
        int rc = check_columns(&targets[0], &shape->columns, e);

        if (!rc && count > 1 && shape->child_count != count - 1)
                rc = err_set(e, ERR_BUG, "the shape has %zu children, the mapper %zu",
                        shape->child_count, count - 1);
        for (size_t i = 1; !rc && i < count; i++)
                rc = check_columns(&targets[i], &shape->children[i - 1].columns, e);
        return rc;
}

/* ---- reading ---- */

static void put_select_list(struct buf *sql, const struct pg_target *t)
{
        for (size_t i = 0; i < t->count; i++) {
                const struct pg_column *c = &t->columns[i];

                buf_puts(sql, i ? ", q." : "q.");
                pg_sql_ident(sql, str_of(c->column.name));
                if (c->money)
                        buf_puts(sql, c->column.kind == COL_ARRAY ? "::pg_catalog.numeric[]"
                                                                  : "::pg_catalog.numeric");
        }
}

static void put_order(struct buf *sql, const char **separator)
{
        buf_puts(sql, *separator);
        *separator = ", ";
}

static void put_order_by(struct buf *sql, const struct pg_target *t, const enum row_order *orders)
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

static int put_key_row(
        struct buf *sql, const struct pg_target *t, const struct value *key, struct err *e)
{
        for (size_t i = 0; i < t->key_count; i++) {
                const struct pg_column *c = &t->columns[t->key[i]];

                if (!key[i].ptr || memchr(key[i].ptr, '\0', key[i].len))
                        return err_set(e, ERR_CONFIG, "a key has no value for column \"%s\"",
                                c->column.name);
                buf_puts(sql, i ? ", " : "(");
                pg_sql_literal(sql, (struct str){key[i].ptr, key[i].len});
                buf_printf(sql, "::%s", c->base_name);
        }
        buf_putc(sql, ')');
        return 0;
}

static int put_where(struct buf *sql, const struct pg_target *t, const struct value *keys,
        size_t key_rows, struct err *e)
{
        if (key_rows == 0) {
                buf_puts(sql, " WHERE false");
                return 0;
        }
        buf_puts(sql, " WHERE (");
        for (size_t i = 0; i < t->key_count; i++) {
                buf_puts(sql, i ? ", q." : "q.");
                pg_sql_ident(sql, str_of(t->columns[t->key[i]].column.name));
        }
        buf_puts(sql, ") IN (");
        for (size_t i = 0; i < key_rows; i++) {
                if (i)
                        buf_puts(sql, ", ");
                int rc = put_key_row(sql, t, keys + i * t->key_count, e);
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

int pg_sql_copy(const struct pg_target *t, const enum row_order *orders, const struct value *keys,
        size_t key_rows, struct buf *sql, size_t *where_at, struct err *e)
{
        int rc = 0;

        buf_puts(sql, "COPY (SELECT ");
        put_select_list(sql, t);
        buf_puts(sql, " FROM ");
        buf_put_str(sql, t->from);
        buf_puts(sql, " AS q");
        *where_at = count_characters(sql);
        if (keys)
                rc = put_where(sql, t, keys, key_rows, e);
        if (rc)
                return rc;
        put_order_by(sql, t, orders);
        buf_puts(sql, ") TO STDOUT");
        return buf_cstr(sql) ? 0 : buf_check(sql, "statement", e);
}
