/*
 * infer.h: what the members of some JSON records are: the columns of a catalog.
 *
 * Pure. All values of a member are looked at; what they have in common decides: a decimal that is
 * an integer now and then, dates as text, in ticks or as seconds since 1970, numbers in quotes,
 * empty texts where others write null. Where values disagree the column stays as it is in the
 * source, with a doubt that says so.
 */
#pragma once

#include "ingest/source/catalog.h"

#define REST_INFER_MAX_RECORDS 1000   /* more tell nothing new */
#define REST_INFER_MAX_VALUES  400000 /* looked at, in all records */
#define REST_INFER_MAX_MEMBERS 500    /* of one object; more are a map, not a record */
#define REST_INFER_MAX_NODES   5000   /* members of all objects */
#define REST_INFER_MAX_DEPTH   4      /* objects in objects; deeper ones stay JSON */

/* What a text is, by its looks. */
enum rest_text {
        REST_TEXT_OTHER,
        REST_TEXT_EMPTY,
        REST_TEXT_INTEGER, /* of at most 18 digits, without a zero in front */
        REST_TEXT_DECIMAL, /* 12.50, -0.00 */
        REST_TEXT_DATE,    /* 2026-01-31 */
        REST_TEXT_NO_DATE, /* 0000-00-00, 0001-01-01, with a time or without */
        REST_TEXT_INSTANT, /* 2026-01-31T10:00:00Z, with any offset */
        REST_TEXT_CLOCK,   /* the same without an offset */
        REST_TEXT_TICKS,   /* /Date(1700000000000+0000)/ */
        REST_TEXT_KINDS
};

/** rest_text_kind() - what @text, without quotes, is */
enum rest_text rest_text_kind(struct str text);

/** rest_infer_columns() - the members of @records, in the order in which they were first seen
 * @records: JSON objects, valid (what is none is passed over); borrowed
 * @arena: where the columns live
 * Members that describe the reply and not the record (@odata.etag, __metadata, _links) are left
 * out. Return: 0; -ERR_NOMEM. */
int rest_infer_columns(const struct str *records, size_t count, struct arena *arena,
        const struct catalog_column **out, size_t *out_count, struct err *e)
        __attribute__((warn_unused_result));
