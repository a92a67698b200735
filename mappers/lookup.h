/*
 * lookup.h: the tables behind `lookup`: keys and their values, in memory.
 *
 * A mapper has one set, a table in it for each distinct look-up of its file. The pipeline reads
 * those with a query (row by row, before the records) and has the rest loaded; rendering then only
 * asks. Tables may be emptied and filled again under a compiled program that uses them, as tests
 * of mappers do; their column may not change then. A set belongs to one thread at a time.
 *
 * Keys are compared as text: an integer 7, a numeric 7.00 and the text "7" are one key; booleans
 * are true and false; char(n) is without its padding. A key that is NULL, or has a NULL in it, is
 * in no table: such rows are counted. A key may come twice with the same value.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/base/err.h"
#include "ingest/record/digest.h"
#include "ingest/record/record.h"
#include "mappers/spec.h"

/* A look-up is held in memory for the run: what is larger belongs into the query as a join. */
#define LOOKUP_MAX_ROWS  1000000    /* of one table */
#define LOOKUP_MAX_BYTES (64 << 20) /* keys and values of all tables of one mapper */
#define LOOKUP_MAX_FILE  (64 << 20) /* bytes of a file: none larger would fit */
#define LOOKUP_MAX_KEYS  8          /* columns of one key */

struct lookup_set;
struct lookup_table;

/** lookup_set_new() - the tables of @spec, empty, with values of JSON; @spec outlives the set */
int lookup_set_new(const struct mapper_spec *spec, struct lookup_set **out, struct err *e)
        __attribute__((warn_unused_result));
struct lookup_set *lookup_set_free(struct lookup_set *s);
DEFINE_CLEANUP(struct lookup_set *, lookup_set_free);

/** lookup_set_load() - fills the tables that are written in the mapper or stand in files
 * Return: 0; -ERR_CONFIG "FILE:LINE:COLUMN: ..." (no such file, not CSV, a key twice, too much). */
int lookup_set_load(struct lookup_set *s, struct err *e) __attribute__((warn_unused_result));

/** lookup_table_load() - the same for one of them; one that a query fills stays empty */
int lookup_table_load(struct lookup_table *t, struct err *e) __attribute__((warn_unused_result));

/** lookup_set_digest() - of the contents of all tables, whatever order their rows came in */
struct digest lookup_set_digest(const struct lookup_set *s);

/** lookup_set_count() - how many tables there are: as many as spec->lookups */
size_t lookup_set_count(const struct lookup_set *s);

/** lookup_set_table() - the table of spec->lookups[@index] */
struct lookup_table *lookup_set_table(const struct lookup_set *s, size_t index);

/** lookup_set_of_field() - the table of the field @path: "address.country", "lines.unit"
 * (or "lines[].unit"); NULL: there is no such field, or it is no look-up */
struct lookup_table *lookup_set_of_field(const struct lookup_set *s, struct str path);

/** lookup_table_spec() - what it was made of */
const struct lookup_spec *lookup_table_spec(const struct lookup_table *t);

/* ---- filling ---- */

/** lookup_table_columns() - the columns that rows will have: finds keys and values among them
 * @columns: outlive the filling
 * Return: 0; -ERR_CONFIG with the place: no such column (with the nearest), an array as a key. */
int lookup_table_columns(struct lookup_table *t, const struct columns *columns, struct err *e)
        __attribute__((warn_unused_result));

/** lookup_table_row() - one row of those columns
 * Return: 0; -ERR_CONFIG with the place: the key has another value already, too many rows, ... */
int lookup_table_row(struct lookup_table *t, const struct value *row, struct err *e)
        __attribute__((warn_unused_result));

/** lookup_table_put() - one entry: @key as text (a key of several columns: @count texts), @json any
 * JSON value; for a table whose columns were not named
 * Return: 0; -ERR_CONFIG as above. */
int lookup_table_put(struct lookup_table *t, const struct str *key, size_t count, struct str json,
        struct err *e) __attribute__((warn_unused_result));

/** lookup_table_end() - all rows came: gives back what only filling needs */
void lookup_table_end(struct lookup_table *t);

/** lookup_table_clear() - empty again; its columns stay */
void lookup_table_clear(struct lookup_table *t);

/** lookup_table_count() - entries; @null_keys: rows left out because their key was NULL */
size_t lookup_table_count(const struct lookup_table *t, size_t *null_keys);

/** lookup_table_error() - "FILE:LINE:COLUMN: lookup: ..." at the key @key of the look-up, or at the
 * look-up itself. Return: -ERR_CONFIG. */
int lookup_table_error(const struct lookup_table *t, const char *key, struct err *e,
        const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- asking ---- */

/** lookup_table_column() - name, kind and type of the values */
const struct column *lookup_table_column(const struct lookup_table *t);

#define LOOKUP_NO_KEY                                                                              \
        1             /* an object or array, or text that is not JSON: it has no text to compare */
#define LOOKUP_NULL 2 /* it is null: no entry has that key */

/** lookup_key_part() - appends one part of a key: the text by which @text, of @kind, is compared
 * @parts: how many the key has      @scratch: for decimals
 * Return: 0 (@key remembers an append that failed); LOOKUP_NO_KEY; LOOKUP_NULL. */
int lookup_key_part(
        struct buf *key, size_t parts, enum col_kind kind, struct str text, struct buf *scratch);

/** lookup_table_find() - the value of @key, made of lookup_key_part() for each part
 * @out: borrowed from the table; .ptr NULL: the value is null
 * Return: whether there is an entry. */
bool lookup_table_find(const struct lookup_table *t, struct str key, struct str *out);
