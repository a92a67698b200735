/*
 * bulk.h: the writer: many documents into one server, several _bulk_docs in flight.
 *
 * Every pushed document gets exactly one outcome, given from the loop by on_outcome, after
 * CouchDB said so (or after PROTOCOL.md section 3 settled what it had not said). Documents of one
 * batch ascend by id; one (database, id) is never in flight twice: a second push of it waits for
 * the outcome of the first. Batches adapt below the ceilings of couch_options; concurrency shrinks
 * on 429, 503, 5xx, resets and time-outs and grows again.
 *
 *   push -> [open batch] -> sending -> (all replies as predicted) -> outcomes
 *                              |-> doubt (lost reply, reset, 5xx, conflict): _revs_diff with the
 *                              |   predicted revisions; what landed is done, the rest is compared
 *                              |   with the current documents, then sent again or given up
 *                              '-> 400, 413, repeated 500: split in two, down to the one document
 *
 * When a request keeps failing for retry_for, CouchDB refuses as a whole (401, 403) or a database
 * is gone (404), the writer fails: bulk_failed() says why, and what is unsettled gets
 * BULK_ABANDONED; batches under way only after a while, for CouchDB may be about to answer.
 */
#pragma once

#include "ingest/couch/couch.h"
#include "ingest/record/digest.h"

struct bulk;

enum bulk_result {
        BULK_WRITTEN,  /* a new revision is in CouchDB: rev */
        BULK_EQUAL,    /* CouchDB already held the same body: rev; nothing was written */
        BULK_GONE,     /* a deletion: the document was already deleted or never there */
        BULK_CONFLICT, /* on_conflict: reject, and somebody else's revision (rev) is there */
        BULK_REFUSED,  /* CouchDB refuses this document: reason */
        BULK_ABANDONED /* the writer failed before this document was settled */
};

struct bulk_doc {
        const char *database; /* borrowed until the outcome */
        struct str id;
        struct str parent;    /* revision to replace; "": none known */
        bool parent_deleted;  /* parent is a tombstone: sent without _rev, predicted over it */
        bool attachments;     /* the document may have some: they are looked up and kept */
        bool compare;         /* a live document of unknown content is there: compared first */
        bool deleted;         /* body: the fields that stay in the tombstone */
        struct str body;      /* canonical members without braces */
        struct digest digest; /* of the significant members; unused for deletions */
        const struct digest_filter *filter; /* compares what is there; NULL: all significant */
        bool reject_conflicts;              /* on_conflict: reject */
        void *cookie;                       /* comes back with the outcome */
};

struct bulk_outcome {
        enum bulk_result result;
        const char *database;
        struct str id;
        struct str rev;     /* now in CouchDB; "" where there is none or it is unknown */
        bool existed;       /* a live document was there before: an update, not a creation */
        bool foreign;       /* another's revision was overwritten */
        bool attachments;   /* the document has some, and they were kept: tell the next push */
        const char *reason; /* CouchDB's error and reason, for REFUSED and CONFLICT */
        void *cookie;
};
typedef void (*bulk_outcome_fn)(void *ctx, const struct bulk_outcome *outcome);
typedef void (*bulk_drain_fn)(void *ctx);

struct bulk_callbacks {
        bulk_outcome_fn on_outcome;
        bulk_drain_fn on_drain; /* after BULK_FULL: there is room again */
        void *ctx;
};

/** bulk_new() - @predicts: from couch_server(); else bodies are compared after doubt */
int bulk_new(struct couch *c, const struct log *log, bool predicts,
        const struct bulk_callbacks *callbacks, struct bulk **out, struct err *e)
        __attribute__((warn_unused_result));

/** bulk_free() - cancels what is in flight; unsettled documents get no outcome any more */
struct bulk *bulk_free(struct bulk *b);
DEFINE_CLEANUP(struct bulk *, bulk_free);

#define BULK_FULL 1

/** bulk_push() - copies @doc into the open batch of its database; may start a send
 * Return: 0; BULK_FULL taken, but stop pushing until on_drain; -ERR_REJECT larger than
 * max_batch_bytes allows or than CouchDB takes (not taken); the writer's error where it failed. */
int bulk_push(struct bulk *b, const struct bulk_doc *doc, struct err *e)
        __attribute__((warn_unused_result));

/** bulk_flush() - sends open batches now instead of waiting until they are full */
void bulk_flush(struct bulk *b);

/** bulk_drain() - flushes and runs the loop until everything has its outcome
 * @finish: go on even when the loop was cancelled once (a clean stop)
 * Return: 0; the writer's error; -ERR_CANCEL. */
int bulk_drain(struct bulk *b, bool finish, struct err *e) __attribute__((warn_unused_result));

/** bulk_failed() - 0, or -class of the error that ended the writer, copied to @e */
int bulk_failed(const struct bulk *b, struct err *e);

struct bulk_stats {
        uint64_t batches, docs, bytes, retries, bisections, doubts, mispredictions;
        unsigned in_flight, limit_in_flight;
        size_t batch_docs; /* at the moment */
};
const struct bulk_stats *bulk_stats(const struct bulk *b);
