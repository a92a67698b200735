/*
 * types.h: PostgreSQL's types as column kinds, and how columns of them are sorted.
 *
 * Types are known by the oid of their base (a domain's base type). Sorting for us must not
 * depend on the locale of the database: text is sorted COLLATE "C".
 */
#pragma once

#include <libpq-fe.h>

#include "ingest/base/buf.h"
#include "ingest/record/record.h"
#include "ingest/source/row_key.h"

struct pg_column {
        struct column column;
        Oid base;              /* the type, or the base of the domain */
        const char *base_name; /* of it, without a length: for casts of literals */
        char category;         /* pg_type.typcategory of the base */
        char class;            /* pg_type.typtype of the base: 'b', 'e', 'c', ... */
        bool money;            /* read as numeric: its own text depends on lc_monetary */
};

/** pg_type_kind() - the kind of values of the base type @oid; COL_TEXT for all unknown ones */
enum col_kind pg_type_kind(Oid oid);

/** pg_type_is_money() - money or an array of it */
bool pg_type_is_money(Oid oid);

/** pg_merge_order() - how to sort a parent's key column and the children's columns that hold it
 * Return: whether all @count @columns can be compared with each other. */
bool pg_merge_order(const struct pg_column *const *columns, size_t count, enum row_order *out)
        __attribute__((warn_unused_result));

/* What can be merged, for messages. */
#define PG_MERGE_TYPES                                                                             \
        "integer and numeric columns with each other, text columns (text, varchar, char) with "    \
        "each other, and uuid, bytea, boolean, date, time, timestamp and enum columns with "       \
        "columns of the same type"

/** pg_sql_order_merge() - the ORDER BY expression of @column for a merge in @order */
void pg_sql_order_merge(struct buf *sql, const struct pg_column *column, enum row_order order);

/** pg_sql_order_group() - one that puts rows with equal text of @column together */
void pg_sql_order_group(struct buf *sql, const struct pg_column *column);

/** pg_sql_order_tie() - one that makes the order of rows the same in every read */
void pg_sql_order_tie(struct buf *sql, const struct pg_column *column);
