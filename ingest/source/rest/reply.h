/*
 * reply.h: where the records stand in one reply, and how the next page is asked for.
 *
 * Pure guesses from the envelope around the records, the Link header and the query that was sent.
 * A wrong guess of paging fails loudly when it is run (no page is ever read twice); one that would
 * leave records out silently is not made without a word to check it.
 */
#pragma once

#include "ingest/source/rest/catalog.h"

#define REST_REPLY_MAX_DEPTH   5    /* objects in objects, on the way to the records */
#define REST_REPLY_MAX_FACTS   400  /* scalars beside the records */
#define REST_REPLY_MAX_ARRAYS  64   /* that could be the records */
#define REST_REPLY_MAX_RECORDS 1000 /* handed on; all are counted */

struct rest_reply_input {
        struct str body;
        const char *link;         /* the Link header; "" */
        const char *path;         /* of the call, without query */
        struct rest_pairs params; /* of the query, decoded */
};

struct rest_reply_found {
        const struct str *records; /* the first ones, borrowed from the body */
        size_t count;              /* of `records` */
        size_t total;              /* in this reply */
        size_t paging_params;      /* bits: params that belong to the paging */
};

/** rest_reply_read() - fills what the reply tells of @rest (records, odata, paging) and @found
 * @arena: where texts live
 * Return: 0; -ERR_CONFIG not JSON (an HTML page is named as such), an error in place of records, no
 * records in it; -ERR_NOMEM. */
int rest_reply_read(const struct rest_reply_input *in, struct arena *arena,
        struct catalog_rest *rest, struct rest_reply_found *found, struct err *e)
        __attribute__((warn_unused_result));
