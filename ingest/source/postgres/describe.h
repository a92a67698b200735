/*
 * describe.h: one thing to read (a table or a query) and its columns.
 *
 * A target is the parent of an extract, one of its children, or its query of deleted records.
 * Describing it runs the query without rows, which also proves the right to read, and looks up the
 * types; it must be done in the transaction that reads, so that what is read is what was described.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/source/extract.h"
#include "ingest/source/postgres/conn.h"
#include "ingest/source/postgres/position.h"
#include "ingest/source/postgres/types.h"

#define PG_NAME_MAX 256 /* of a table with its schema: PostgreSQL's names end at 63 bytes */

struct pg_target {
        const struct extract *x;
        const struct extract_child *child; /* NULL: the parent */
        bool deletes;                      /* or the query of deleted records */
        struct arena *arena;
        struct str from; /* the quoted table, or the query in parentheses */
        const char *describe_sql;
        struct pg_column *columns; /* from here on filled by pg_describe() */
        size_t count;
        size_t *key; /* parent: key or group columns; child: its parent columns */
        size_t key_count;
        size_t *tie; /* child: its own key, which orders the rows of one parent */
        size_t tie_count;
        size_t cursor;          /* its column; count: an expression, described behind them */
        struct pg_cursor order; /* how it is ordered; kind NONE: the target has no cursor */

        char missing[PG_NAME_MAX]; /* the table that is not there, after SQLSTATE 42P01 */

        /* Of a description that is under way. */
        struct pg_conn *conn;
        void (*fn)(void *ctx, int rc, const struct err *e);
        void *ctx;
};

/** pg_target_init() - @child: NULL for the parent of @x      @deletes: its deletes.query instead
 * @arena: outlives the target
 * Return: 0; -ERR_CONFIG (a table name or query that cannot be used, with its place). */
int pg_target_init(struct pg_target *t, const struct extract *x, const struct extract_child *child,
        bool deletes, struct arena *arena, struct err *e) __attribute__((warn_unused_result));

/** pg_describe() - completes from the loop with the columns, or an error that names the place */
void pg_describe(struct pg_target *t, struct pg_conn *conn,
        void (*fn)(void *ctx, int rc, const struct err *e), void *ctx);

/** pg_target_name() - "table sale-line" or "query", behind "child lines: " for a child */
const char *pg_target_name(const struct pg_target *t, char *out, size_t size);

/** pg_target_table() - the name after `table:`; NULL where there is a query */
const char *pg_target_table(const struct pg_target *t);

/** pg_target_error() - a configuration error at @key of the target's part of the mapper
 * Return: -ERR_CONFIG. */
int pg_target_error(const struct pg_target *t, const char *key, struct err *e, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

/** pg_target_sql_error() - what the server said about a statement on @t
 * @result: may be NULL: @cause alone      @prefix: bytes of the statement before `from`
 * Return: -class of @cause. */
int pg_target_sql_error(const struct pg_target *t, const PGresult *result, size_t prefix,
        const struct err *cause, struct err *e);

/** pg_shape() - the shape of @targets: the parent, then the children
 * A group has one child "rows" with all columns.
 * Return: 0; -ERR_CONFIG (children that cannot be merged); -ERR_NOMEM. */
int pg_shape(const struct pg_target *targets, size_t count, struct arena *arena, struct shape *out,
        struct err *e) __attribute__((warn_unused_result));

/** pg_shape_check_keys() - whether the key columns of @t alone are those of @shape, in their kinds
 */
int pg_shape_check_keys(const struct pg_target *t, const struct shape *shape, struct err *e)
        __attribute__((warn_unused_result));

/** pg_shape_check() - whether @targets still have the columns of @shape
 * Return: 0; -ERR_CONFIG naming the first that differs. */
int pg_shape_check(const struct pg_target *targets, size_t count, const struct shape *shape,
        struct err *e) __attribute__((warn_unused_result));

/** pg_merge_orders() - one order for each key column, for the parent and all children */
int pg_merge_orders(const struct pg_target *targets, size_t count, enum row_order *orders,
        struct err *e) __attribute__((warn_unused_result));

/** pg_target_cursor() - the text of its cursor; NULL: it has none */
const char *pg_target_cursor(const struct pg_target *t);

/** pg_sql_latest() - the statement that asks for the largest value of the cursor of @t */
int pg_sql_latest(const struct pg_target *t, struct buf *sql, struct err *e)
        __attribute__((warn_unused_result));

/* Which rows of a target, and what of them. */
struct pg_selection {
        const enum row_order *orders; /* of a merge; NULL without children */
        const struct value *keys;     /* NULL, or key_rows rows of key_count values */
        size_t key_rows;
        bool with_cursor;              /* a cursor that is an expression comes as the last column */
        const struct pg_target *since; /* with count targets: only records that changed since ... */
        size_t since_count;
        const char *const *from; /* ... these values of their cursors; NULL: whenever */
        int64_t lookback_ms;     /* taken off the times among them */
        bool keys_only;          /* the key columns alone, unordered */
};

/** pg_sql_copy() - the COPY statement of @t
 * @where_at: characters of the statement before the literals of keys begin
 * Return: 0; -ERR_CONFIG a key is NULL; -ERR_REJECT too long. */
int pg_sql_copy(const struct pg_target *t, const struct pg_selection *what, struct buf *sql,
        size_t *where_at, struct err *e) __attribute__((warn_unused_result));

/** pg_sql_column() - the column @c of a row named q, as it is read */
void pg_sql_column(struct buf *sql, const struct pg_column *c);

/** pg_sql_order_by() - how rows named q of @t are sorted; nothing where their order says nothing
 * @orders: of a merge; NULL without children */
void pg_sql_order_by(struct buf *sql, const struct pg_target *t, const enum row_order *orders);
