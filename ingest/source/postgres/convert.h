/*
 * convert.h: JSON objects as rows of PostgreSQL's types, by PostgreSQL itself.
 *
 * The server makes of a value what its input and output functions make of it: numeric(12,2) has
 * its two places, a time its zone, varchar(5) its limit. Of a domain the protocol tells the base
 * type alone, so its checks are not made. What is refused is found by halves, down to the record
 * and the column.
 */
#pragma once

#include "ingest/source/postgres/describe.h"
#include "ingest/source/postgres/postgres.h"

/* The objects of one target. */
struct pg_pushed_table {
        const struct pg_target *target;
        const enum row_order *orders; /* of a merge; NULL: a parent alone, or a group */
        struct str *rows;             /* objects, those of one record together, in order */
        size_t count, capacity;
        size_t *first; /* record -> its first row; one more than there are records */
        struct value
                *values; /* target->count for each row; those of one record as they are sorted */
        struct arena *arena; /* of values */
};

#define PG_PUSHED_REFUSED 1 /* the server refuses a value: its words are the error */

/** pg_pushed_convert() - fills the values of the records from @from up to @to; runs the loop
 * Inside a transaction of pg_source_begin() with a savepoint of pg_pushed_begin().
 * Return: 0; PG_PUSHED_REFUSED; -class. */
int pg_pushed_convert(struct pg_source *s, struct pg_pushed_table *t, size_t from, size_t to,
        struct err *e) __attribute__((warn_unused_result));

/** pg_pushed_begin() - the savepoint that what is refused goes back to */
int pg_pushed_begin(struct pg_source *s, struct err *e) __attribute__((warn_unused_result));

/** pg_pushed_try() - whether @columns (indexes) of the object @row can be had
 * @values: target->count of them, of which these are set; NULL: they are not wanted
 * Return: 0; PG_PUSHED_REFUSED; -class. */
int pg_pushed_try(struct pg_source *s, const struct pg_pushed_table *t, struct str row,
        const size_t *columns, size_t count, struct value *values, struct err *e)
        __attribute__((warn_unused_result));

/** pg_pushed_culprit() - the column of @row that is refused: its index; target->count: none alone
 * @e: what the server says of it
 * Return: 0; -class. */
int pg_pushed_culprit(struct pg_source *s, const struct pg_pushed_table *t, struct str row,
        size_t *column, struct err *e) __attribute__((warn_unused_result));
