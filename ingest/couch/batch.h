/*
 * batch.h: one batch of documents, from the first push to the last outcome. For the bulk files.
 *
 * A batch belongs to one database. While it is open, documents are encoded straight into its
 * request body. Once closed it takes steps, one request each, until every document is settled:
 *
 *     SEND  _bulk_docs             -> settled | doubt (reply lost, 5xx, conflict)
 *     ASK   _revs_diff             -> landed: settled | did not: SEND | overtaken: READ
 *     READ  _all_docs with keys    -> equal, gone, conflict: settled | SEND over what is there
 *     PROBE a _local document      -> CouchDB writes, only not this document: refused
 *
 * Between steps it waits for a slot, and after trouble for a time. Documents that are settled
 * leave it at once; the others go on together. A batch that CouchDB refuses as a whole is split
 * in two, down to the document that is the cause.
 *
 * A good reply is put aside first and read in the next turn (REPLIED): what its outcomes cost their
 * receiver, a disk's sync perhaps, must not keep the next batch from being sent.
 *
 *     OPEN -> WAITING <-> RUNNING -> REPLIED -> gone, or WAITING
 */
#pragma once

#include "ingest/couch/bulk.h"
#include "ingest/couch/rev.h"
#include "ingest/couch/rows.h"

enum item_state {
        ITEM_TODO,    /* to be sent */
        ITEM_DOUBT,   /* sent, and nobody said what became of it */
        ITEM_COMPARE, /* what is there now is to be read */
        ITEM_DONE
};

/* Where a member's text lies, from the begin of its document. */
struct span {
        uint32_t at, len;
};

struct item {
        size_t at;           /* of the document in batch->body */
        uint32_t len;        /* of its JSON text */
        uint32_t id_len;     /* of its id as JSON, quotes included; it begins at ITEM_ID_AT */
        struct span members; /* the caller's body */
        struct span stubs;   /* of attachments to keep; in batch->stubs; len 0: none */
        uint32_t claim;
        void *cookie;
        const struct digest_filter *filter;
        struct digest digest;
        enum item_state state;
        bool deleted;
        bool reject_conflicts;
        bool parent_deleted; /* parent is a tombstone: not sent, but predicted over */
        bool existed, foreign, attachments;
        bool unsure;     /* sent at least once without an answer */
        bool conflicted; /* its last answer was a conflict */
        uint8_t rounds;  /* conflicts so far */
        char parent[REV_MAX];
        char rev[REV_MAX]; /* predicted; "": no prediction */
};

#define ITEM_ID_AT 7 /* behind {"_id": */
#define REASON_MAX                                                                                 \
        400 /* bytes of CouchDB's error and reason, cut; a function's text may be long             \
             */

enum batch_state { BATCH_OPEN, BATCH_WAITING, BATCH_RUNNING, BATCH_REPLIED };
enum batch_step { STEP_SEND, STEP_ASK, STEP_READ, STEP_PROBE, STEPS };

struct database {
        char *name;            /* owned */
        char *paths[STEPS];    /* owned, encoded */
        struct batch *open;    /* or NULL */
        struct database *next; /* of its hash bucket */
};

struct batch {
        struct bulk *bulk; /* NULL: the writer is gone, only a reply is awaited */
        struct database *database;
        struct batch *next, *prev; /* of bulk's list: open or closed */
        enum batch_state state;
        enum batch_step step;
        struct buf body;    /* {"docs":[ ... ]} */
        struct item *items; /* owned; ascending by id once closed */
        size_t count, room;
        bool unordered; /* ids did not come in ascending order */
        bool stale;     /* body is not what is to be sent: pack_again() first */
        struct buf stubs;
        struct buf request; /* of ASK and READ */
        struct rows rows;   /* of READ */
        struct buf reply;   /* of SEND, put aside */
        int reply_status;
        size_t cursor; /* item that the next row of a reply is likely to be */
        struct http_call *call;
        unsigned generation; /* of the session it was sent with */
        int64_t sent_us;
        int64_t wake_ms;          /* not before */
        int64_t trouble_since_ms; /* 0: none */
        unsigned strikes;         /* server errors in a row after which nothing was written */
        char reason[REASON_MAX];  /* of the last strike */
};

struct batch *batch_new(struct bulk *bulk, struct err *e);
struct batch *batch_free(struct batch *b);

/* ---- pack.c: documents as bytes ---- */

/** pack_bytes_max() - bytes that @doc can need in a batch, its frame included */
size_t pack_bytes_max(const struct bulk_doc *doc);

/** pack_add() - the document behind those that are there; batch open
 * @claim: its hash in the writer's claims
 * Return: 0; -ERR_REJECT the id is not UTF-8; -ERR_NOMEM. Nothing is added then. */
int pack_add(struct batch *b, const struct bulk_doc *doc, uint32_t claim, struct buf *scratch,
        struct err *e) __attribute__((warn_unused_result));

/** pack_close() - ends the body: documents sorted by id where they did not come so
 * @predict: whether to predict their revisions */
int pack_close(struct batch *b, bool predict, struct buf *scratch, struct err *e)
        __attribute__((warn_unused_result));

/** pack_drop() - forgets items that are done */
void pack_drop(struct batch *b);

/** pack_again() - a new body for the items that are left, with the parents and stubs of now
 * Return: 0; -ERR_REJECT it became too large (by stubs); -ERR_NOMEM. Items stay as they were. */
int pack_again(struct batch *b, bool predict, struct buf *scratch, struct err *e)
        __attribute__((warn_unused_result));

/** pack_move() - items [@from, count) of @b into @half, which is empty; both keep their order */
int pack_move(struct batch *b, size_t from, struct batch *half, struct err *e)
        __attribute__((warn_unused_result));

/** pack_id() - the id as bytes; in place, or unescaped into @scratch (which it clears) */
struct str pack_id(const struct batch *b, const struct item *i, struct buf *scratch);

static inline struct str item_id_json(const struct batch *b, const struct item *i)
{
        return (struct str){b->body.data + i->at + ITEM_ID_AT, i->id_len};
}

/** item_sends_rev() - whether its parent goes into the request */
static inline bool item_sends_rev(const struct item *i)
{
        return *i->parent && !i->parent_deleted;
}

/** pack_find() - the item whose id is @id_json in canonical form, from b->cursor on; or NULL */
struct item *pack_find(struct batch *b, struct str id_json);

/* ---- answer.c, doubt.c: replies ---- */

struct answer {
        size_t written;
        size_t server_errors;    /* documents that CouchDB could not write, it does not know why */
        size_t conflicts;        /* documents */
        size_t no_space;         /* documents for which there was no room on disk */
        bool broken;             /* it was not the list of results that was expected */
        char reason[REASON_MAX]; /* of the last of both */
};

/** answer_read() - the reply of _bulk_docs: states and outcomes of items
 * Documents that the reply does not name are in doubt. */
void answer_read(struct batch *b, struct str reply, struct answer *out);

/** doubt_ask() / doubt_read() - the request's body for items in doubt / to be compared */
int doubt_ask(struct batch *b, struct err *e) __attribute__((warn_unused_result));
int doubt_read(struct batch *b, struct err *e) __attribute__((warn_unused_result));

/** doubt_told() - the reply of _revs_diff. Return: 0; -ERR_RETRY not such a reply. */
int doubt_told(struct batch *b, struct str reply, struct err *e)
        __attribute__((warn_unused_result));

/** doubt_row() - one row of _all_docs; a rows_fn whose ctx is the batch */
int doubt_row(void *batch, struct str row, struct err *e);

/* ---- batch.c: the steps ---- */

/** batch_start() - sends the request of its step. Return: 0; -class ends the writer. */
int batch_start(struct batch *b, struct err *e) __attribute__((warn_unused_result));

/** batch_read_reply() - the reply that was put aside: outcomes, then the next step */
void batch_read_reply(struct batch *b);

/** batch_choose() - the step that its items need next; may split it */
void batch_choose(struct batch *b);
