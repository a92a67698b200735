/*
 * rows.h: the rows of a CouchDB reply, one at a time, while it arrives.
 *
 * A reply is an object with one array of rows: {"total_rows":9,"rows":[{...},{...}]} of _all_docs,
 * {"results":[{...}],"last_seq":"..."} of _changes. Rows are handed over whole; what is around
 * them is kept (bounded) and read at the end. Memory: the largest row.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/base/err.h"

/* A row: a document of at most 64 MiB (nothing larger can be in CouchDB by default) and its
 * metadata, conflicts included. */
#define ROWS_MAX_ROW (80 << 20)

typedef int (*rows_fn)(void *ctx, struct str row, struct err *e);

struct rows {
        rows_fn fn;
        void *ctx;
        struct buf row;   /* of a row that did not come in one piece: what came of it */
        struct buf frame; /* everything but the rows */
        unsigned depth;   /* open brackets; rows begin at depth 2 */
        bool in_row, in_string, escaped, ended;
};

void rows_init(struct rows *r, rows_fn fn, void *ctx);
void rows_reset(struct rows *r); /* for the next reply */
void rows_deinit(struct rows *r);

/** rows_feed() - the next bytes of the reply
 * Return: 0; what fn returned; -ERR_REJECT a row or the frame is too large; -ERR_RETRY not such a
 * reply. */
int rows_feed(struct rows *r, struct str bytes, struct err *e) __attribute__((warn_unused_result));

/** rows_frame() - the reply without its rows ({"total_rows":9,"rows":[]}), once it has ended
 * Return: 0; -ERR_RETRY it is not whole. */
int rows_frame(const struct rows *r, struct str *frame, struct err *e)
        __attribute__((warn_unused_result));
