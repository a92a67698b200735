/*
 * writer.h: the inside of struct bulk, for the files of the bulk writer.
 *
 *   bulk.c      documents in: databases, open batches, claims, flush and drain
 *   dispatch.c  which batch may send when: slots, pauses, log-ins, failure
 *   batch.c     what one batch does next      pack.c    its documents as bytes
 *   answer.c    replies of _bulk_docs         doubt.c   _revs_diff and comparing
 *   adapt.c, claims.c                         pure logic
 */
#pragma once

#include "ingest/couch/adapt.h"
#include "ingest/couch/batch.h"
#include "ingest/couch/claims.h"
#include "ingest/couch/client.h"

#define DATABASE_BUCKETS 256

struct batch_list {
        struct batch *first, *last;
        size_t count;
};

/* A document that waits for another one with its id. */
struct parked {
        struct parked *next;
        uint32_t claim;
        struct database *database;
        struct bulk_doc doc; /* its strings point behind the struct */
};

struct bulk {
        struct couch *couch;   /* borrowed */
        const struct log *log; /* borrowed */
        struct bulk_callbacks callbacks;
        bool predicts;
        struct database *databases[DATABASE_BUCKETS];
        struct database *last_database; /* of the last push: most often also of the next one */
        struct batch_list open, closed, spare;
        size_t open_bytes, open_docs;
        size_t soft_bytes; /* a batch with more is closed */
        struct claims claims;
        struct parked *parked, **parked_end;
        size_t parked_count, parked_bytes;
        struct buf scratch; /* of predictions, digests and texts; never across a callback */
        struct buf told;    /* the id of an outcome while it is told */
        struct adapt adapt;
        struct retry retry;
        struct loop_timer *timer;     /* for a batch that waits for a time; for a failure */
        struct loop_timer *replies;   /* for those that were put aside */
        struct session_waiter waiter; /* for a log-in */
        int64_t pause_until_ms;       /* everybody waits: overload, network */
        int64_t trouble_us;           /* when a failure was counted last */
        bool warned;                  /* of the present trouble */
        unsigned running;
        bool undispatched; /* something changed since dispatch() */
        bool room;         /* as dispatch() saw it then */
        bool full;         /* on_drain is owed */
        bool flushing;     /* open batches are not waited for */
        bool idle;         /* nothing is unsettled: ends bulk_drain() */
        int failed;        /* 0 or the rc of failure */
        bool swept;        /* then: what is not under way was given up */
        bool hurry;        /* and what is, is not waited for any more */
        struct err failure;
        struct bulk_stats stats;
};

/* ---- bulk.c ---- */

/** bulk_settle() - the outcome of an item: told, and its claim given on */
void bulk_settle(struct batch *b, struct item *item, enum bulk_result result, struct str rev,
        const char *reason);

/** bulk_close() - ends an open batch: it waits for a slot */
void bulk_close(struct batch *b);

/** bulk_abandon_parked() - gives up documents that wait for others */
void bulk_abandon_parked(struct bulk *bulk);

void batch_list_append(struct batch_list *list, struct batch *b);
void batch_list_insert(struct batch_list *list, struct batch *after, struct batch *b);
void batch_list_remove(struct batch_list *list, struct batch *b);

/** bulk_retire() - a batch whose documents are all settled: kept for reuse, or freed */
void bulk_retire(struct batch *b);

/* ---- dispatch.c ---- */

/** dispatch() - starts what may start and sees whether there is room; calls nobody back
 * To be called when a batch was closed, answered or became due. */
void dispatch(struct bulk *bulk);

/** dispatch_room() - says so where there is room again; from callbacks of the loop only */
void dispatch_room(struct bulk *bulk);

/** dispatch_sweep() - after a failure: gives up what is unsettled */
void dispatch_sweep(struct bulk *bulk);

/** dispatch_timer() - the writer's timer went off; a loop_fn */
void dispatch_timer(void *bulk);

/** dispatch_replies() - reads the replies that were put aside; a loop_fn */
void dispatch_replies(void *bulk);

/** dispatch_session() - the log-in that was waited for has ended */
void dispatch_session(void *bulk, int rc, const struct http_reply *reply, const struct err *e);

enum trouble { TROUBLE_BATCH, TROUBLE_SERVER };

/** dispatch_trouble() - the request of @b failed in a way that may pass: when to try again
 * @kind: of this batch alone, or one that makes everybody wait      @why: the failure */
void dispatch_trouble(
        struct batch *b, enum trouble kind, int64_t retry_after_ms, const struct err *why);

/** dispatch_success() - documents were written */
void dispatch_success(struct bulk *bulk);

/** dispatch_fail() - the writer has failed: what is unsettled is given up in the next turn */
void dispatch_fail(struct bulk *bulk, int rc, const struct err *e);
