/*
 * rest.h: what the parts of the REST connector share: one open source.
 *
 *   rest.c        the operations of source.h
 *   rest_shape    columns of what a mapper reads
 *   rest_since    positions and marks
 *   rest_read     one read: records from pages or calls by key, on their way to the sink
 *   rest_walk     the pages of one call, as records
 *   rest_request  one request of it
 *   rest_rows     the text of a record, as the values of a row
 *   rest_child    a call for each parent
 *   rest_keys     a call for each key
 *   rest_discover what there is to be read
 */
#pragma once

#include "ingest/source/rest/client.h"
#include "ingest/source/rest/extract.h"
#include "ingest/source/source.h"

struct rest_read;
struct rest_since;

#define REST_DOUBT_MAX 300 /* bytes: a sentence */

struct rest_source {
        struct source_base base;
        const struct source_config *config;
        const struct rest_options *options;
        struct loop *loop;
        const struct log *log;
        struct rest_client *client;
        struct rest_read *reads;    /* under way, or ended and not yet reaped */
        struct rest_since *since;   /* of the last observation; NULL */
        char doubt[REST_DOUBT_MAX]; /* of the last read that finished; "" */
};

/** rest_discover() - source_ops.discover: entity sets of an OData service, one of them (q->table),
 * or the records that the path q->table gives; runs the loop */
int rest_discover(struct source *source, const struct catalog_query *q, struct arena *arena,
        struct catalog *out, struct err *e) __attribute__((warn_unused_result));

static inline const struct rest_extract *rest_own(const struct extract *x)
{
        return x->own;
}

/** rest_key_paths() - dotted paths of the source key, or of the columns of a group */
static inline const struct string_list *rest_key_paths(const struct extract *x)
{
        return x->group.count ? &x->group : &x->key;
}
