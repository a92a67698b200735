/*
 * json_to_recordset() with the columns' own types: it calls the input function of each, with its
 * length and precision, as an assignment would; reading the column calls the output function, as
 * COPY would. The rows are sorted by the same ORDER BY as those of a read.
 */
#include "ingest/source/postgres/convert.h"

#include <string.h>

#include "ingest/source/postgres/error.h"
#include "ingest/source/postgres/sql.h"

#define ROW_NUMBER "(row)" /* no column is likely to be named so */

/* ---- the statement ---- */

struct wanted {
        const size_t *columns; /* NULL: all, sorted as a read sorts them */
        size_t count;
};

static const struct pg_column *column_at(
        const struct pg_pushed_table *t, const struct wanted *w, size_t i)
{
        return &t->target->columns[w->columns ? w->columns[i] : i];
}

static void put_json(struct buf *sql, const struct str *rows, size_t count)
{
        cleanup_buf_ struct buf json = BUF_INIT(PG_SQL_MAX_BYTES);

        buf_putc(&json, '[');
        for (size_t i = 0; i < count; i++) {
                if (i)
                        buf_putc(&json, ',');
                buf_put_str(&json, rows[i]);
        }
        buf_putc(&json, ']');
        if (json.error)
                sql->error = json.error;
        else
                pg_sql_literal(sql, buf_str(&json));
}

static int put_statement(struct buf *sql, const struct pg_pushed_table *t, const struct wanted *w,
        const struct str *rows, size_t count, struct err *e)
{
        buf_puts(sql, "SELECT q.\"" ROW_NUMBER "\"");
        for (size_t i = 0; i < w->count; i++) {
                buf_puts(sql, ", ");
                pg_sql_column(sql, column_at(t, w, i));
        }
        buf_puts(sql, " FROM ROWS FROM (pg_catalog.json_to_recordset(");
        put_json(sql, rows, count);
        for (size_t i = 0; i < w->count; i++) {
                buf_puts(sql, i ? ", " : "::pg_catalog.json) AS (");
                pg_sql_ident(sql, str_of(column_at(t, w, i)->column.name));
                buf_printf(sql, " %s", column_at(t, w, i)->column.source_type);
        }
        buf_puts(sql, ")) WITH ORDINALITY AS q(");
        for (size_t i = 0; i < w->count; i++) {
                pg_sql_ident(sql, str_of(column_at(t, w, i)->column.name));
                buf_puts(sql, ", ");
        }
        buf_puts(sql, "\"" ROW_NUMBER "\")");
        if (!w->columns)
                pg_sql_order_by(sql, t->target, t->orders);
        return buf_cstr(sql) ? 0 : buf_check(sql, "the statement for a pushed record", e);
}

/* Whether it is about the value, not about us: data, checks of domains, limits. */
static bool is_of_data(const char *sqlstate)
{
        static const char *const classes[] = {"22", "23", "54", "P0"};

        for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
                if (strncmp(sqlstate, classes[i], 2) == 0)
                        return true;
        return false;
}

static int ask(struct pg_source *s, const struct pg_pushed_table *t, const struct wanted *w,
        const struct str *rows, size_t count, PGresult **out, struct err *e)
{
        cleanup_buf_ struct buf sql = BUF_INIT(2 * PG_SQL_MAX_BYTES + (1 << 20));
        struct err cause, ignored;
        int rc = put_statement(&sql, t, w, rows, count, e);

        if (rc)
                return rc == -ERR_REJECT ? PG_PUSHED_REFUSED : rc;
        rc = pg_conn_ask_wait(s->conn, sql.data, out, &cause);
        if (!rc)
                return 0;
        *e = cause;
        if (rc == -ERR_CANCEL || pg_conn_is_broken(s->conn) || !is_of_data(cause.sqlstate))
                return rc;
        rc = pg_conn_exec_wait(s->conn, "ROLLBACK TO SAVEPOINT pushed", &ignored);
        if (rc)
                *e = ignored;
        return rc ? rc : PG_PUSHED_REFUSED;
}

int pg_pushed_begin(struct pg_source *s, struct err *e)
{
        return pg_conn_exec_wait(s->conn, "SAVEPOINT pushed", e);
}

/* ---- values ---- */

static int take_value(struct arena *arena, const PGresult *result, int row, int column,
        struct value *out, struct err *e)
{
        if (PQgetisnull(result, row, column))
                return 0;
        struct str text = {
                PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
        struct str copy = arena_dup(arena, text);
        if (!copy.ptr)
                return arena_failed(arena, "pushed records", e);
        *out = (struct value){copy.ptr, (uint32_t)copy.len};
        return 0;
}

/* The number that the row has among those asked for, from 0. */
static bool row_number(const PGresult *result, int row, size_t count, size_t *out)
{
        int64_t n;

        if (!str_to_int64(str_of(PQgetvalue(result, row, 0)), &n) || n < 1 || (size_t)n > count)
                return false;
        *out = (size_t)n - 1;
        return true;
}

/* The record that the row @at belongs to, between @from and @to. */
static size_t record_of(const struct pg_pushed_table *t, size_t at, size_t from, size_t to)
{
        while (to - from > 1) {
                size_t middle = from + (to - from) / 2;
                if (t->first[middle] <= at)
                        from = middle;
                else
                        to = middle;
        }
        return from;
}

/* Rows come sorted over all records: those of each one take its places in that order. */
static int take_rows(
        struct pg_pushed_table *t, const PGresult *result, size_t from, size_t to, struct err *e)
{
        size_t base = t->first[from], count = t->first[to] - base, width = t->target->count, n;
        cleanup_(freep) size_t *taken = calloc(to - from, sizeof(*taken));
        int rc = taken ? 0 : err_nomem(e, "pushed records");

        if (!rc && (PQntuples(result) != (int)count || PQnfields(result) != (int)width + 1))
                return err_set(e, ERR_BUG, "the source made %d rows of %zu pushed ones",
                        PQntuples(result), count);
        for (int i = 0; !rc && i < PQntuples(result); i++) {
                if (!row_number(result, i, count, &n))
                        return err_set(e, ERR_BUG, "the source numbers pushed rows in its own way");
                size_t record = record_of(t, base + n, from, to);
                struct value *to_row =
                        t->values + (t->first[record] + taken[record - from]++) * width;
                for (size_t c = 0; !rc && c < width; c++)
                        rc = take_value(t->arena, result, i, (int)c + 1, &to_row[c], e);
        }
        return rc;
}

int pg_pushed_convert(
        struct pg_source *s, struct pg_pushed_table *t, size_t from, size_t to, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *result = NULL;
        struct wanted all = {NULL, t->target->count};
        size_t base = t->first[from], count = t->first[to] - base;

        if (count == 0)
                return 0;
        int rc = ask(s, t, &all, t->rows + base, count, &result, e);
        return rc ? rc : take_rows(t, result, from, to, e);
}

/* ---- single rows ---- */

int pg_pushed_try(struct pg_source *s, const struct pg_pushed_table *t, struct str row,
        const size_t *columns, size_t count, struct value *values, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *result = NULL;
        struct wanted some = {columns, count};
        int rc = ask(s, t, &some, &row, 1, &result, e);

        if (!rc && PQntuples(result) != 1)
                return err_set(
                        e, ERR_BUG, "the source made %d rows of a pushed one", PQntuples(result));
        for (size_t i = 0; !rc && values && i < count; i++)
                rc = take_value(t->arena, result, 0, (int)i + 1, &values[columns[i]], e);
        return rc;
}

int pg_pushed_culprit(struct pg_source *s, const struct pg_pushed_table *t, struct str row,
        size_t *column, struct err *e)
{
        size_t columns[RECORD_MAX_COLUMNS] = {0}, from = 0, count = t->target->count;

        *column = t->target->count;
        for (size_t i = 0; i < count; i++)
                columns[i] = i;
        int rc = pg_pushed_try(s, t, row, columns, count, NULL, e);
        while (rc == PG_PUSHED_REFUSED && count > 1) {
                size_t half = count / 2;
                rc = pg_pushed_try(s, t, row, columns + from, half, NULL, e);
                if (rc == PG_PUSHED_REFUSED) {
                        count = half;
                        continue;
                }
                from += half;
                count -= half;
                if (!rc) /* it is in the other half; its words */
                        rc = pg_pushed_try(s, t, row, columns + from, count, NULL, e);
        }
        if (rc == PG_PUSHED_REFUSED)
                *column = columns[from];
        return rc < 0 ? rc : 0;
}
