/*
 * walk.h: all pages of one call, as records.
 *
 * One request at a time. Bytes are parsed as they come; each record is handed on as soon as it is
 * whole. A page that breaks half way is asked for again, and the records that were handed on are
 * passed over where they are the same ones; else the walk ends with -ERR_RETRY.
 *
 *   IDLE -> ASKED -> (DRAIN: the reply is whole, but we are paused) -> PAGE -> ASKED ...
 *   ASKED -> AGAIN (the page broke) -> ASKED;  from anywhere -> ENDING -> ENDED
 *
 * Callbacks come from the loop, or from inside rest_walk_resume(); on_end always from the loop, as
 * the last thing, once. The walk may not be freed in a callback.
 */
#pragma once

#include "ingest/source/rest/rest.h"
#include "ingest/source/rest/paging.h"

#define REST_WALK_PAUSE 1

struct rest_walk;

struct rest_walk_plan {
        const struct rest_source *source;
        const struct rest_extract *extract; /* empty_on, error_when */
        const struct rest_call *call;
        const struct rest_paging_spec *paging; /* NULL: one page */
        const struct rest_odata_spec *odata;   /* NULL */
        const struct rest_cursor_spec *cursor; /* NULL: everything is asked for */
        const struct string_list *only;        /* OData: these columns alone; NULL */
        const struct string_list *key;         /* paths; NULL: each record counts, equal ones too */
        const char *path;                      /* in place of the call's; NULL */
        struct str from;                       /* ${cursor}; .ptr NULL: absent; copied */
        struct rest_vars vars;                 /* of the call; what they point to outlives it */
        struct str mark;                       /* begin behind it; copied; .len 0: none */
        bool entity;                           /* one record by its key: 404 and 410 are none */
        bool guessed;                          /* its address is a guess: so is 400 */

        /* Return: 0; REST_WALK_PAUSE: taken, no more until rest_walk_resume(); -class. */
        int (*on_record)(void *ctx, struct str text, struct err *e);
        int (*on_oversize)(void *ctx, struct str head, struct err *e);
        /* A page was handed on whole, and another one follows. Optional. Return: as above. */
        int (*on_page)(void *ctx, struct err *e);
        void (*on_end)(void *ctx, int rc, const struct err *e);
        void *ctx;
};

int rest_walk_new(const struct rest_walk_plan *plan, struct rest_walk **out, struct err *e)
        __attribute__((warn_unused_result));           /* begins in the loop */
struct rest_walk *rest_walk_free(struct rest_walk *w); /* ended, or never begun */
DEFINE_CLEANUP(struct rest_walk *, rest_walk_free);

void rest_walk_resume(struct rest_walk *w);
void rest_walk_cancel(struct rest_walk *w); /* on_end follows with -ERR_CANCEL */
bool rest_walk_ended(const struct rest_walk *w);

/** rest_walk_mark() - with what to begin at the page that comes next */
int rest_walk_mark(const struct rest_walk *w, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_walk_server_us() - the server's clock at the first reply; -1: it told none */
int64_t rest_walk_server_us(const struct rest_walk *w);

/** rest_walk_page_us() - the same at the reply whose records come now */
int64_t rest_walk_page_us(const struct rest_walk *w);

int rest_walk_status(const struct rest_walk *w); /* of the last reply */

/** rest_walk_etag() - of the last reply, where it was a whole one */
struct str rest_walk_etag(const struct rest_walk *w);

/** rest_walk_doubt() - after the last page: why records may be missing all the same; "" if not */
const char *rest_walk_doubt(const struct rest_walk *w);

/** rest_walk_astray() - whether it failed since its pages went round, or came in no order: then
 * what it read before may not be all there is before the page where it stands */
bool rest_walk_astray(const struct rest_walk *w);

/** rest_walk_from_mark() - whether it began, and still stands, behind plan.mark
 * A server that refuses the page of a mark is asked from the beginning. */
bool rest_walk_from_mark(const struct rest_walk *w);
