/*
 * rows.h: rows on their way to becoming records.
 *
 * A row_stream hands over rows one at a time and says when there is none yet; an assembler turns
 * one or more streams into records: each row a record (rows_plain_new), rows with their children
 * (merge.h), rows of a group (group.h). None of them knows a protocol: they are pulled, never
 * call back, and can be driven from a table in a test. One thread.
 *
 * Ownership: a row owns `bytes`, and whoever got the row gives it back with the stream's release.
 * `values` belongs to the stream and holds until its next row.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/record/record.h"

/* A record beyond these is handed over as a reject: one order does not fill the memory of a
 * service. A document of that size could not be written either. */
#define RECORD_MAX_BYTES      (64 << 20) /* text of a row, or of a record with its child rows */
#define RECORD_MAX_CHILD_ROWS (1 << 20)  /* rows of all children of one record */

#define ROW_WAIT 1 /* nothing there now; the stream has arranged to be woken */
#define ROW_END  2 /* and no row will follow */

struct row {
        struct value *values; /* of the stream, until its next row */
        char *bytes;          /* owned: what the values point into */
        size_t size;          /* of bytes */
};

struct row_stream {
        /* Return: 0 (@out is filled), ROW_WAIT, ROW_END, -class. */
        int (*next)(void *ctx, struct row *out, struct err *e);
        void (*release)(char *bytes);
        void *ctx;
};

struct row_limits {
        size_t max_bytes; /* of a record */
        size_t max_rows;  /* of its children */
};

extern const struct row_limits row_limits_default;

/* Rows that are kept together until their record has been taken. */
struct row_set {
        struct buf values; /* struct value, row after row */
        struct buf owners; /* char *, what row_set_clear() releases */
        size_t columns, count;
        void (*release)(char *bytes);
};

void row_set_init(struct row_set *s, size_t columns, void (*release)(char *bytes));
void row_set_deinit(struct row_set *s);

/** row_set_add() - keeps a copy of the values of @r, and takes its bytes on success */
int row_set_add(struct row_set *s, const struct row *r, struct err *e)
        __attribute__((warn_unused_result));

/** row_set_clear() - releases the rows; the memory of the set stays for the next ones */
void row_set_clear(struct row_set *s);

/** row_set_cost() - bytes that a row of @columns takes in a set: what row_limits counts */
size_t row_set_cost(const struct row *r, size_t columns);

static inline struct value *row_set_values(const struct row_set *s)
{
        return (struct value *)s->values.data;
}

#define RECORD_WAIT   1
#define RECORD_END    2
#define RECORD_REJECT 3 /* reason and key_row are filled, record is not */

struct assembled {
        struct record record;
        const struct value *key_row; /* the row that holds the key, of a reject too */
        const char *reason;          /* of a reject */
};

struct assembler {
        const struct assembler_ops *ops;
};

struct assembler_ops {
        int (*next)(struct assembler *a, struct assembled *out, struct err *e);
        struct assembler *(*free)(struct assembler *a);
};

/** assembler_next() - the next record; what the last call gave is gone
 * Return: 0, RECORD_WAIT (call again when a stream was woken), RECORD_END, RECORD_REJECT (and go
 * on), -class. */
static inline int assembler_next(struct assembler *a, struct assembled *out, struct err *e)
{
        return a->ops->next(a, out, e);
}

static inline struct assembler *assembler_free(struct assembler *a)
{
        return a ? a->ops->free(a) : NULL;
}
DEFINE_CLEANUP(struct assembler *, assembler_free);

/** rows_plain_new() - each row of @stream is a record
 * @limits: NULL: row_limits_default */
int rows_plain_new(const struct row_stream *stream, const struct row_limits *limits,
        struct assembler **out, struct err *e) __attribute__((warn_unused_result));
