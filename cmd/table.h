/*
 * table.h: rows of any number in aligned columns.
 *
 * Columns are as wide as the first TABLE_SAMPLE rows need, within each column's maximum; rows
 * after them go out as they come, so that memory does not grow with their number. The last
 * column has no width. Columns that are empty in the whole sample are narrow, not left out.
 */
#pragma once

#include "cmd/out.h"

#define TABLE_SAMPLE      200
#define TABLE_MAX_COLUMNS 12

struct table_column {
        const char *title;
        size_t max_chars; /* longer cells are cut; 0: no limit */
};

struct table {
        struct out *out; /* borrowed */
        const struct table_column *columns;
        size_t count;
        size_t widths[TABLE_MAX_COLUMNS];
        struct buf sample;                             /* texts of the cells of the first rows */
        size_t ends[TABLE_SAMPLE * TABLE_MAX_COLUMNS]; /* where each ends */
        size_t chars[TABLE_SAMPLE * TABLE_MAX_COLUMNS];
        size_t cells, column;
        bool streaming;
};

void table_init(struct table *t, struct out *out, const struct table_column *columns, size_t count);
void table_deinit(struct table *t);

/** table_cell() - the next cell of the row, from the left; the last one ends the row
 * Return: 0; -class of the output. */
int table_cell(struct table *t, struct str text, struct err *e) __attribute__((warn_unused_result));

/** table_end() - writes what is held back; a table without rows is nothing at all */
int table_end(struct table *t, struct err *e) __attribute__((warn_unused_result));

/** table_print() - a whole table on standard output
 * `row` is called for 0 to rows - 1, and gives all cells of that row.
 * Return: 0; -class of the output; what `row` returned. */
typedef int table_row_fn(struct table *t, size_t row, const void *ctx, struct err *e);

int table_print(const struct table_column *columns, size_t count, size_t rows, table_row_fn *row,
        const void *ctx, struct err *e) __attribute__((warn_unused_result));
