/*
 * merge.h: parents and their children from streams in key order.
 *
 * The parent stream ascends by its key, each child stream by its parent columns, in the orders
 * given. One record is the parent's row and the child rows with that key. In memory: one record,
 * and one row ahead of each child stream.
 *
 *   - a child row without a parent row, or with a NULL parent column: skipped and counted;
 *   - a parent with a NULL key has no children (and is handed over: who maps it rejects it);
 *   - parents with equal keys get the same children: whoever sees keys reports the duplicate;
 *   - children beyond row_limits: RECORD_REJECT for that record, and the merge goes on;
 *   - a stream that is not in order ends the merge: it would lose children silently.
 */
#pragma once

#include "ingest/source/row_key.h"
#include "ingest/source/rows.h"

struct merge_child {
        const char *name; /* for messages; borrowed */
        struct row_stream stream;
        size_t columns;       /* of a row */
        const size_t *parent; /* key_count indexes of the columns that hold the parent's key */
};

struct merge_plan {
        struct row_stream parent;
        size_t key_count;
        const size_t *key;            /* indexes into the parent's columns */
        const enum row_order *orders; /* key_count: how all streams are sorted */
        const struct merge_child *children;
        size_t child_count;
        struct row_limits limits;
};

/** merge_new() - @plan and all it points to must outlive the merge */
int merge_new(const struct merge_plan *plan, struct assembler **out, struct err *e)
        __attribute__((warn_unused_result));

/** merge_skipped() - rows of child @i that belonged to no parent row */
size_t merge_skipped(const struct assembler *a, size_t i);
