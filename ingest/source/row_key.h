/*
 * row_key.h: comparing key columns of rows as the source sorted them.
 *
 * A merge is right only if both sides agree on the order, so there are few orders, each exactly
 * defined on the text of a value, and the connector asks its server for the same.
 */
#pragma once

#include "ingest/record/record.h"

enum row_order {
        ROW_ORDER_DECIMAL, /* integers and exact decimals by value; NaN above Infinity */
        ROW_ORDER_BYTES,   /* bytes, a prefix first: COLLATE "C" */
        ROW_ORDER_PADDED   /* the same, trailing spaces do not count: char(n) */
};

/** row_value_compare() - neither is NULL. Return: <0, 0, >0. */
int row_value_compare(enum row_order order, struct value a, struct value b);

/** row_key_compare() - columns @a_columns of @a with columns @b_columns of @b
 * NULL sorts above all values and equals NULL. Return: <0, 0, >0. */
int row_key_compare(const enum row_order *orders, size_t count, const struct value *a,
        const size_t *a_columns, const struct value *b, const size_t *b_columns);

/** row_key_has_null() - whether one of @columns is NULL in @row */
bool row_key_has_null(const struct value *row, const size_t *columns, size_t count);
