/*
 * reply_internal.h: what the parts of reply.h share, and nobody else includes.
 *
 *   reply.c       the records, and the facts beside them
 *   reply_pages.c the paging that the facts tell of
 */
#pragma once

#include "ingest/source/rest/reply.h"

/* A scalar beside the records. */
struct rest_fact {
        const char *path;  /* dotted, as a mapper writes it */
        const char *name;  /* the last part as it stands there */
        const char *plain; /* the same in lower case letters and digits only, its parents before it:
                              "links.next" */
        struct str value;  /* JSON text */
};

struct rest_facts {
        const struct rest_fact *items;
        size_t count;
        size_t records; /* in this reply */
};

/** rest_reply_pages() - the paging of @rest, from @facts; params that are its own into @found */
int rest_reply_pages(const struct rest_reply_input *in, const struct rest_facts *facts,
        struct arena *arena, struct catalog_rest *rest, struct rest_reply_found *found,
        struct err *e) __attribute__((warn_unused_result));
