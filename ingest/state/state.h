/*
 * state.h: what CouchDB already holds, on local disk (PROTOCOL.md section 1).
 *
 * A cache, never the truth: losing it costs time, not data. One LMDB environment per mapper in
 * its own folder. Reads see what was applied last; writes are collected in a struct state_batch
 * and applied in one transaction, durable when state_apply() returns. One thread.
 *
 * Tables: record (source key -> entry), id (database, document id -> source key, or a document
 * without one yet), owed, parked (claims that wait for the end of a read), reject, meta.
 * Ordinals are dense from 0, so that a run marks what it saw in a bitmap.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/buf.h"
#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"
#include "ingest/base/log.h"
#include "ingest/base/str.h"
#include "ingest/record/digest.h"

#define STATE_MAX_DOCS_PER_RECORD 64
#define STATE_MAX_REV             64 /* bytes of a revision as text: "12345-" and 32 digits */

struct state;

struct state_doc {
        uint16_t database; /* number given by state_database() */
        struct str id;
        struct str rev;       /* text; "" where unknown */
        struct digest digest; /* void: compare before the next write */
        bool deleted;
        bool attachments; /* it has some, which an update must keep */
};

/* 8 KiB: only the doc_count first elements of docs mean anything; never zero or copy it whole. */
struct state_entry {
        uint32_t ordinal;
        uint64_t run; /* number of the run that wrote the entry */
        uint32_t doc_count;
        struct state_doc docs[STATE_MAX_DOCS_PER_RECORD];
        /* Where state_get() unpacks revisions that docs point to; of no use to callers. */
        char rev_text[STATE_MAX_DOCS_PER_RECORD][STATE_MAX_REV];
};

/** state_open() - opens or creates the state in the folder @path
 * A corrupt one, or one of another format version, is renamed aside (the log names it) and an
 * empty one is made: *@fresh is then set, as for a new one.
 * Return: 0; -ERR_CONFIG no rights, not a folder; -ERR_SYSTEM disk full, I/O error; -ERR_NOMEM. */
int state_open(const char *path, const struct log *log, struct state **out, bool *fresh,
        struct err *e) __attribute__((warn_unused_result));
#define STATE_ABSENT  1
#define STATE_DAMAGED 2
#define STATE_FOREIGN 3

/** state_peek() - opens the state in the folder @path to look at it: nothing is made, written,
 * renamed or sealed; only functions that read may be called
 * @busy: another process works on it: its pages are not checked
 * @why: of DAMAGED and FOREIGN (another program's, another version's), a constant
 * Return: 0; STATE_ABSENT (also an empty one); STATE_DAMAGED; STATE_FOREIGN; -class. */
int state_peek(const char *path, const struct log *log, bool busy, struct state **out,
        const char **why, struct err *e) __attribute__((warn_unused_result));

struct state *state_close(struct state *s);
DEFINE_CLEANUP(struct state *, state_close);

/** state_copy() - a copy of what was applied so far, into the folder @path, which must be empty
 * Return: 0; -ERR_CONFIG, -ERR_SYSTEM as state_open(). */
int state_copy(struct state *s, const char *path, struct err *e)
        __attribute__((warn_unused_result));

/** state_wipe() - forgets everything (a rebuild begins), durable */
int state_wipe(struct state *s, struct err *e) __attribute__((warn_unused_result));

/** state_database() - the number of database @name in this state; remembers a new one durably */
int state_database(struct state *s, struct str name, uint16_t *number, struct err *e)
        __attribute__((warn_unused_result));
/** state_database_name() - its name; borrowed until state_close(); NULL where unknown */
const char *state_database_name(const struct state *s, uint16_t number);
size_t state_database_count(const struct state *s);

/* ---- reading: returned strings are borrowed until the next state_apply(), state_database() of a
 * new name or state_wipe(); revisions of a struct state_entry live in that struct ---- */

/** state_get() - the entry of source key @key. Return: 0, STATE_ABSENT, -ERR_SYSTEM. */
int state_get(struct state *s, struct str key, struct state_entry *out, struct err *e)
        __attribute__((warn_unused_result));

struct state_holder {
        struct str key;       /* source key that holds the id; len 0: a document without one yet */
        struct str rev;       /* of a document without source key */
        struct digest digest; /* of such */
        bool deleted;         /* of such: a tombstone */
        bool attachments;     /* of such: it has some */
        uint64_t run;         /* of a tombstone: number of the run that made it; 0: not ours */
};

/** state_holder() - who holds a document id. Return: 0, STATE_ABSENT, -ERR_SYSTEM. */
int state_holder(struct state *s, uint16_t database, struct str id, struct state_holder *out,
        struct err *e) __attribute__((warn_unused_result));

/** state_next_ordinal() - one above the largest ordinal in use */
uint32_t state_next_ordinal(const struct state *s);

/** state_count() - entries in `record` */
uint64_t state_count(struct state *s);

/** state_size_bytes() - of the file on disk */
uint64_t state_size_bytes(struct state *s);

/* Walks; @fn returns 0 to go on, a positive value to stop, -class with *e filled.
 * The walk reads one snapshot: state_apply() during it is allowed and not seen. */
typedef int (*state_record_fn)(
        void *ctx, struct str key, const struct state_entry *entry, struct err *e);
int state_each_record(struct state *s, state_record_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

typedef int (*state_unattached_fn)(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e);
/** state_each_unattached() - documents without a source key (orphans after a full read) */
int state_each_unattached(struct state *s, state_unattached_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

enum state_owed_reason {
        STATE_OWED_DELETION = 1,
        STATE_OWED_OLD_ID,
        STATE_OWED_DISPLACED,
        STATE_OWED_BRANCHES /* a look at the live leaves beside a document; no source key */
};

struct state_owed {
        enum state_owed_reason reason;
        struct str key;    /* source key */
        uint16_t database; /* of OLD_ID and BRANCHES */
        struct str id;
        struct str rev;
};

typedef int (*state_owed_fn)(void *ctx, const struct state_owed *owed, struct err *e);
int state_each_owed(struct state *s, state_owed_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

/* A claim on an id that another source key holds: waits for the end of the read. */
struct state_parked {
        uint16_t database;
        struct str id;
        struct str key;   /* of the claiming record */
        uint32_t ordinal; /* of the claiming record */
        struct digest digest;
        struct str body; /* members without braces */
};
typedef int (*state_parked_fn)(void *ctx, const struct state_parked *parked, struct err *e);
/** state_each_parked() - in the order of (database, id, key): equal claims stand together */
int state_each_parked(struct state *s, state_parked_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));
/** state_each_rival() - the parked claims on (@database, @id) only; callable inside the walk */
int state_each_rival(struct state *s, uint16_t database, struct str id, state_parked_fn fn,
        void *ctx, struct err *e) __attribute__((warn_unused_result));
bool state_has_parked(struct state *s, struct str key);

struct state_reject {
        struct str rev;   /* of the reject's document in the control database */
        struct str first; /* time of the first one, RFC 3339 */
        uint32_t attempts;
        uint64_t run; /* number of the run that wrote it; 0: an earlier program's */
};
int state_reject_get(struct state *s, struct str key, struct state_reject *out, struct err *e)
        __attribute__((warn_unused_result));
uint64_t state_reject_count(struct state *s);

typedef int (*state_reject_fn)(
        void *ctx, struct str key, const struct state_reject *reject, struct err *e);
/** state_each_reject() - all of them; a walk as above */
int state_each_reject(struct state *s, state_reject_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

/* Meta: small named values. Return of get: 0, STATE_ABSENT, -class; @out borrowed as above. */
int state_meta_get(struct state *s, const char *name, struct str *out, struct err *e)
        __attribute__((warn_unused_result));

/* ---- writing ---- */

struct state_batch;

int state_batch_new(struct state_batch **out, struct err *e) __attribute__((warn_unused_result));
struct state_batch *state_batch_free(struct state_batch *b);
DEFINE_CLEANUP(struct state_batch *, state_batch_free);
/** state_batch_bytes() - memory that the collected changes take: apply before it grows large */
size_t state_batch_bytes(const struct state_batch *b);
size_t state_batch_count(const struct state_batch *b);

/* All copy what they are given. Changes are applied in the order they were added. */
int state_batch_put(struct state_batch *b, struct str key, const struct state_entry *entry,
        struct err *e) __attribute__((warn_unused_result));
int state_batch_delete(struct state_batch *b, struct str key, struct err *e)
        __attribute__((warn_unused_result));
/** state_batch_hold() - source key @key holds (database, id) from now on; len 0: @doc, unattached
 */
int state_batch_hold(struct state_batch *b, uint16_t database, struct str id, struct str key,
        const struct state_holder *doc, struct err *e) __attribute__((warn_unused_result));
/** state_batch_release() - forgets who holds (database, id), if it is still @key (len 0: whoever)
 */
int state_batch_release(struct state_batch *b, uint16_t database, struct str id, struct str key,
        struct err *e) __attribute__((warn_unused_result));
int state_batch_owe(struct state_batch *b, const struct state_owed *owed, struct err *e)
        __attribute__((warn_unused_result));
int state_batch_settle(struct state_batch *b, const struct state_owed *owed, struct err *e)
        __attribute__((warn_unused_result));
int state_batch_park(struct state_batch *b, const struct state_parked *parked, struct err *e)
        __attribute__((warn_unused_result));
/** state_batch_unpark() - the one claim @parked, as state_each_parked() has it */
int state_batch_unpark(struct state_batch *b, const struct state_parked *parked, struct err *e)
        __attribute__((warn_unused_result));
int state_batch_unpark_all(struct state_batch *b, struct err *e)
        __attribute__((warn_unused_result));
int state_batch_reject(struct state_batch *b, struct str key, const struct state_reject *reject,
        struct err *e) __attribute__((warn_unused_result)); /* NULL: removes */
int state_batch_unreject_all(struct state_batch *b, struct err *e)
        __attribute__((warn_unused_result));
int state_batch_meta(struct state_batch *b, const char *name, struct str value, struct err *e)
        __attribute__((warn_unused_result)); /* .ptr NULL: removes */

/** state_apply() - all of @b in one transaction, durable on return; @b is then empty
 * The map grows as needed. Return: 0; -ERR_SYSTEM disk full or I/O error (nothing was applied and
 * @b is as it was); -ERR_NOMEM. */
int state_apply(struct state *s, struct state_batch *b, struct err *e)
        __attribute__((warn_unused_result));
