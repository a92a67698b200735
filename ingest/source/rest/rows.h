/*
 * rows.h: the text of a record as the values of a row.
 *
 * One pass over the text picks the columns, the key and the cursor's fields and proves the rest.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/source/rest/rest.h"
#include "ingest/source/rows.h"

struct rest_rows;

enum rest_rows_of {
        REST_ROWS_RECORDS,
        REST_ROWS_KEYS,   /* nothing but the key is looked at */
        REST_ROWS_PUSHED, /* children are members of the record, in place of requests of their own
                           */
        REST_ROWS_DELETED /* the same, at the paths of deletes.key; a scalar is a key of one part */
};

/** rest_rows_new() - @arena: where it lives, with all it needs
 * Return: 0; -ERR_CONFIG a path that is none; -ERR_NOMEM. */
int rest_rows_new(const struct extract *x, const struct shape *shape, enum rest_rows_of what,
        struct arena *arena, struct rest_rows **out, struct err *e)
        __attribute__((warn_unused_result));
void rest_rows_deinit(struct rest_rows *rows); /* what is not of the arena */

/** rest_rows_read() - @values: shape.columns.count of them; borrowed from @text and @rows until
 * the next call. Without its columns where only keys are read.
 * Return: 0; -ERR_REJECT not JSON, a name twice, no key: what, and where; -ERR_NOMEM. */
int rest_rows_read(struct rest_rows *rows, struct str text, const struct value **values,
        struct err *e) __attribute__((warn_unused_result));

/** rest_rows_cursor() - the cursor's values of the record read last: JSON texts */
const struct str *rest_rows_cursor(const struct rest_rows *rows);

/** rest_rows_copy() - @values in memory of their own
 * @out: its `values` has room for a row, or is NULL: then they stand in `bytes`, too
 * Return: 0; -ERR_NOMEM. out->bytes: free(). */
int rest_rows_copy(const struct rest_rows *rows, const struct value *values, struct row *out,
        struct err *e) __attribute__((warn_unused_result));

/** rest_value_text() - a JSON scalar as text: strings without quotes, numbers as they are
 * @room: takes what has escapes; the text points into it or into @json
 * Return: 0; -ERR_REJECT an object, an array, null, true, false, or absent: which. */
int rest_value_text(struct str json, struct buf *room, struct str *out, struct err *e)
        __attribute__((warn_unused_result));
