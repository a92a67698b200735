/*
 * sample.h: one page of records from a REST source, as a table of a catalog.
 *
 * Pure: the reply goes in; columns, key, cursor and paging come out, with a doubt wherever they
 * are guesses.
 */
#pragma once

#include "ingest/source/rest/catalog.h"

#define REST_SAMPLE_MAX_PATH   4096
#define REST_SAMPLE_MAX_PARAMS 64

/* The call that an operator named: "/products?limit=5". */
struct rest_sample_call {
        const char *path;         /* "/products", as it was written */
        struct rest_pairs params; /* decoded */
};

/** rest_sample_call() - takes @target apart
 * @arena: where the parts live
 * Return: 0; -ERR_CONFIG no path (what one looks like), too long, broken percent-encoding;
 * -ERR_NOMEM. */
int rest_sample_call(const char *target, struct arena *arena, struct rest_sample_call *out,
        struct err *e) __attribute__((warn_unused_result));

struct rest_sample_reply {
        struct str body;
        const char *link; /* the Link header; "" */
};

/** rest_sample_table() - what the @reply to @call is, into @out (one table)
 * @arena: where the catalog lives
 * Return: 0; -ERR_CONFIG there are no records in it (why, and what to give); -ERR_NOMEM. */
int rest_sample_table(const struct rest_sample_call *call, const struct rest_sample_reply *reply,
        struct arena *arena, struct catalog_table *out, struct err *e)
        __attribute__((warn_unused_result));
