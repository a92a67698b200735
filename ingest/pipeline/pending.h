/*
 * pending.h: writes whose outcome is not yet in the state.
 *
 * A record is pending from its push to the writer until its entry has been applied to the state,
 * so that a second row with its key, or a second claim on its id, is seen meanwhile. Looked up by
 * source key and by (database, id). Bounded by what the writer takes and what the state collects.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/err.h"
#include "ingest/base/str.h"
#include "ingest/record/digest.h"

enum pending_kind {
        PENDING_RECORD,   /* a record's document */
        PENDING_DELETE,   /* a record is gone from the source: its document is deleted */
        PENDING_OLD_ID,   /* the document under a record's former id is deleted */
        PENDING_ORPHAN,   /* a document that no record claims is deleted */
        PENDING_BRANCH,   /* a losing leaf of a document is deleted */
        PENDING_REJECT,   /* a document of the control database */
        PENDING_UNREJECT, /* its deletion */
        PENDING_PARKED    /* no write: a claim that the state does not show yet (again.c) */
};

struct pending {
        enum pending_kind kind;
        uint32_t ordinal;
        uint16_t database;
        bool existed; /* the record had a live document before: updated, not created */
        bool acked;   /* CouchDB has acknowledged it */
        bool moved;   /* and it stood elsewhere: old_* name it */
        uint16_t old_database;
        uint32_t attempts;  /* PENDING_REJECT */
        struct str key, id; /* into data, as the following */
        struct str old_id, old_rev;
        struct str displaced; /* source key that gives the id up; len 0: none */
        struct str first;     /* PENDING_REJECT: time of the first attempt */
        struct digest digest, old_digest;
        struct pending *next_key, *next_id;
        char data[];
};

struct pending_set;

int pending_set_new(struct pending_set **out, struct err *e) __attribute__((warn_unused_result));
struct pending_set *pending_set_free(struct pending_set *s);

/** pending_add() - copies @what (strings too) into the set; NULL when out of memory */
struct pending *pending_add(struct pending_set *s, const struct pending *what);
void pending_remove(struct pending_set *s, struct pending *p); /* and frees it */

/* Only records are found (PENDING_RECORD). NULL: none. */
struct pending *pending_by_key(const struct pending_set *s, struct str key);
struct pending *pending_by_id(const struct pending_set *s, uint16_t database, struct str id);
/** pending_of_kind() - what is pending of @kind for the source key @key; NULL: nothing */
struct pending *pending_of_kind(
        const struct pending_set *s, enum pending_kind kind, struct str key);
/** pending_reject() - the reject @id, a document of the control database; NULL: none is on its way
 */
struct pending *pending_reject(const struct pending_set *s, struct str id);
size_t pending_count(const struct pending_set *s);
