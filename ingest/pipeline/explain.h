/*
 * explain.h: one record of a preview with the way that each of its fields took.
 *
 * The fields of a record are collected, because a page of them is laid out as a whole; memory is
 * that of one record. What holds a secret is masked, in values and in reasons.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/record/record.h"
#include "mappers/trace.h"

struct validator;

#define EXPLAIN_MAX_FIELDS 20000 /* of one record: more is left out, and said */

struct explained {
        const char *key;               /* as people write it; "?" where it has none */
        const struct mapped *document; /* NULL: the record is rejected */
        const char *field;             /* of the reject; else NULL */
        const char *reason;
        const struct trace_field *fields;
        size_t count, left_out;
};

/* Appends @record to @out. */
typedef void (*explain_fn)(void *ctx, const struct explained *record, struct buf *out);

struct explain;

/** explain_new() - for what @v renders from now on */
int explain_new(struct validator *v, struct explain **out, struct err *e)
        __attribute__((warn_unused_result));
struct explain *explain_free(struct explain *x);
DEFINE_CLEANUP(struct explain *, explain_free);

/** explain_record() - renders @record
 * @out: valid until the next call
 * Return: as validate_record(): then out->document or out->reason is set; -class. */
int explain_record(struct explain *x, const struct record *record, const char *key,
        struct explained *out, struct err *e) __attribute__((warn_unused_result));
