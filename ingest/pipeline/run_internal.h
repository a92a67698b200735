/*
 * run_internal.h: what the stages of one run share. For files of this folder only.
 *
 * The stages are run in order by run.c; each is one file with one entry point below. Everything
 * here belongs to the run's thread.
 */
#pragma once

#include "ingest/base/bitmap.h"
#include "ingest/base/clock.h"
#include "ingest/couch/bulk.h"
#include "ingest/couch/scan.h"
#include "ingest/pipeline/crash.h"
#include "ingest/pipeline/lock.h"
#include "ingest/pipeline/lookups.h"
#include "ingest/pipeline/pending.h"
#include "ingest/pipeline/run.h"
#include "ingest/pipeline/validate.h"
#include "ingest/record/json.h"
#include "ingest/record/key.h"
#include "ingest/source/source.h"
#include "ingest/state/state.h"

/* A target database of the mapper. */
struct target {
        char *name;                     /* owned */
        uint16_t number;                /* in the state */
        struct couch_database at_start; /* as read when the run began to use it */
        uint64_t own_writes;            /* revisions that this run made in it */
        uint64_t unclosed_writes;       /* and runs without a checkpoint before it */
        char session[40];               /* in its `_local` at the start; "" for none */
        char *stored_seq;               /* owned: update_seq in that `_local`; NULL: none */
        int64_t stored_number;          /* its number; -1: none */
        char **former;                  /* owned: literal prefixes that our ids had (former.c) */
        size_t former_count;
        uint64_t closed; /* number of the run that wrote that `_local`; 0: none */
        bool indexed;    /* this run has seen to its indexes */
};

struct target_set {
        struct target **items; /* owned */
        size_t count;
        struct target *last; /* the one found last: rows of one target stand together */
};

#define FINGERPRINT_BYTES 33

/* What a run reads. */
enum run_mode {
        RUN_READS_ALL,   /* and finds what is gone by what did not come */
        RUN_READS_SINCE, /* what changed since the position of the last finished run */
        RUN_READS_KEYS,  /* the records that were asked for (rejects retry): no checkpoint */
        RUN_READS_GIVEN  /* nothing: records were pushed (given.h); else as by keys */
};

/* Why documents that no record claims stay. Stored in the state: the numbers stand. */
enum run_unclaimed {
        UNCLAIMED_NONE = 0,
        UNCLAIMED_REJECTS = 1,  /* one of the rejected records may be theirs */
        UNCLAIMED_WITHHELD = 2, /* the brake */
        UNCLAIMED_ONCE = 3 /* one read without a snapshot, which may have missed their records */
};

/* Source keys in their encoded form, one after the other. */
struct key_list {
        struct buf bytes;
        size_t count;
};

struct bare_reject; /* of reject_record.c */
struct given_run;   /* of given_read.c */
struct couch_index;

struct run {
        const struct config *config;
        const struct config_mapper *mapper;
        const struct mapper_spec *spec;
        struct run_options options;
        struct loop *loop;
        const struct log *log;
        struct run_progress *progress;
        struct run_report *report;
        struct run_counts *counts; /* of the report */
        int64_t started_wall_us;

        struct lock *lock;
        struct arena *arena;
        struct couch *couch;
        struct couch_server server;
        struct bulk *bulk;
        struct source *source;
        struct shape shape;
        char fingerprint[FINGERPRINT_BYTES]; /* of the mapper that this run is */
        size_t flag;                         /* column of deletes.column */
        const char *flag_path;               /* into its JSON; NULL: it is the value itself */
        struct tz *zone;            /* owned: of the mapper's timezone; NULL: none is set */
        struct lookup_set *lookups; /* owned; NULL: the mapper has none */
        struct validator *validator;
        struct target_set targets;
        struct couch_index *indexes; /* that the schema asks for; in the arena; NULL: not looked */
        bool indexes_refused;        /* these credentials may not write them */
        const char *control;         /* name of the control database */
        char control_session[40];    /* in its `_local` at the start; "" for none */
        bool control_absent;         /* a dry run does not make it */

        struct state *state;
        char *scratch_state; /* folder of a dry run's own state, removed at the end; or NULL */
        struct state_batch *batch;
        struct pending_set *pending;
        struct pending **acked; /* settled by CouchDB, not yet applied to the state */
        size_t acked_count, acked_room;
        uint64_t number; /* of this run */
        uint32_t next_ordinal;
        struct bitmap seen;    /* ordinals of the records that reads delivered */
        struct bitmap gone;    /* of those that a read by key, or a flag, showed to be gone */
        struct bitmap told;    /* of those that a flag or the table of deletions names */
        struct bitmap asked;   /* of those that were read by key */
        struct bitmap present; /* of the keys that a sweep of keys found */
        bool swept_keys;       /* @present was filled */
        struct bitmap written; /* of those whose document this run wrote: counted already */

        enum run_mode mode;
        bool rebuilt;           /* the state knows nothing but what the targets hold */
        bool control_lost;      /* the control database is not the one of the last run */
        bool incomplete;        /* no full read of this mapper has finished and counted */
        bool observed;          /* the source's position is known: it may be stored at the end */
        bool held_position;     /* ... but the stored one stays (a standby behind) */
        int64_t now_us;         /* when this run's read began, wall time */
        struct key_list wanted; /* to be read by key in this run */
        bool overflow;          /* more were wanted than a list holds: everything is read */
        bool branches_noted;    /* since branches_delete() */

        bool shifts;             /* the source has no snapshot: records come twice, or not at all */
        struct bitmap doubted;   /* ordinals of what may be gone: only a read by key tells */
        bool resumed;            /* an earlier run read what comes before, up to its mark */
        bool unproven;           /* they are too many to be looked at: the brake holds them back */
        bool unclaimed_before;   /* an earlier full read left documents that no record claims */
        bool begins_anew;        /* everything must be looked at: no mark is gone on from */
        uint64_t resumed_behind; /* records that were read before the mark */
        struct buf mark;         /* the newest one of this read; empty: none */
        uint64_t mark_records;   /* read before it, by all runs */
        int64_t mark_ms;         /* when one was stored last, or the read began: monotonic */
        bool mark_wanted;        /* it is to be stored */
        bool mark_void;          /* the source said that no mark of its read is any good */
        bool parked;             /* claims were, since the last one */
        bool doubtful;           /* a read may have left records out, as the source says */
        uint64_t seen_at_restart; /* records: distinct ones */
        bool settle_wanted;       /* by a record that waits for its own earlier write */

        struct source_read *read;
        int restarts; /* of the read, after the source failed */
        enum run_unclaimed unclaimed;
        uint64_t rejected_before; /* of those rejected: an incremental run read them again */
        bool blind;               /* a record came without its key: gone_by_absence() */
        bool unread;              /* ... because it could not be read: plan_store() */
        bool replaced;            /* a target is not the one that the run began with */
        bool source_failed;       /* the read ended by itself, with an error */
        bool read_ended;
        bool read_paused; /* until there is room in the writer */
        int read_rc;
        struct err read_err;
        struct given_run *given;  /* owned; of RUN_READS_GIVEN */
        struct bare_reject *bare; /* rejects without their record yet; in the arena */
        size_t bare_bytes;
        char *wanted_target; /* a database that a record needs and the run does not know yet */
        bool wake;           /* the linear part has something to do */

        struct buf key, text; /* scratch */
        int failed;           /* first failure in a callback: -class, why says */
        struct err why;
};

#define RUN_MARK_MAX      65536     /* bytes of a source's mark: longer ones are not kept */
#define RUN_APPLY_CHANGES 4096      /* acknowledged records between two transactions */
#define RUN_APPLY_BYTES   (2 << 20) /* and the memory that their changes may take */

/** run_takes_some() - whether it is about certain records alone: nothing is swept, no checkpoint */
static inline bool run_takes_some(const struct run *r)
{
        return r->mode == RUN_READS_KEYS || r->mode == RUN_READS_GIVEN;
}

/** run_fail() - remember the first failure inside a callback; the linear part returns it */
void run_fail(struct run *r, int rc, const struct err *e);

/** run_wait_room() - runs the loop until the writer has room again (linear part only) */
int run_wait_room(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- target.c ---- */
struct target *target_free(struct target *t);
DEFINE_CLEANUP(struct target *, target_free);
struct target *target_find(struct target_set *set, struct str database);
int target_add(struct run *r, const char *name, struct target **out, struct err *e)
        __attribute__((warn_unused_result));
/** target_open() - makes (@make) and reads the database and its checkpoint
 * Return: 0; COUCH_ABSENT (only without @make); -class. */
int target_open(struct run *r, struct target *t, bool make, struct err *e)
        __attribute__((warn_unused_result));
/** target_adopt() - scans its documents with our prefix into the state as unattached ones */
int target_adopt(struct run *r, struct target *t, struct err *e)
        __attribute__((warn_unused_result));
/** target_look() - reads the document @id into the state: its revision, and the digest of its body
 */
int target_look(struct run *r, struct target *t, struct str id, struct err *e)
        __attribute__((warn_unused_result));
void target_set_deinit(struct target_set *set);

/* ---- former.c: prefixes that the mapper's ids had ---- */
/** former_note() - there may be documents of ours in @t under @prefix, as the list says */
int former_note(struct run *r, struct target *t, struct str prefix, struct err *e)
        __attribute__((warn_unused_result));
/** former_is_ours() - whether @id begins as the ids of this mapper do, or did */
bool former_is_ours(const struct run *r, const struct target *t, struct str id);
/** former_forget() - at the checkpoint: those under which nothing is left */
int former_forget(struct run *r, struct err *e) __attribute__((warn_unused_result));
void former_deinit(struct target *t);

/* ---- start.c: PROTOCOL.md section 2, Start ---- */
/** start_run() - opens all known targets and brings the state in line with them, or rebuilds it */
int start_run(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** start_distrust() - why the state cannot be trusted for @t, a constant; NULL where it can */
const char *start_distrust(
        struct run *r, struct target *t, const char *session, const char *closing);
/** start_target() - a target met for the first time in the middle of a read */
int start_target(struct run *r, const char *name, struct err *e)
        __attribute__((warn_unused_result));

/* ---- indexes.c: what the schema asks of the databases ---- */
/** indexes_keep() - the indexes of all targets, as the schema's annotation has them; those that
 * this run has seen to are passed over Not in a dry run, nor for records that were asked for.
 * Return: 0; -class. */
int indexes_keep(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- drift.c: PROTOCOL.md section 7 ---- */
/** drift_follow() - notes what others did in @t since @since
 * Return: 0; DRIFT_REBUILD: the target was restored, or a dry run has too much to look at; it was
 * logged; -class. */
#define DRIFT_REBUILD 1
int drift_follow(struct run *r, struct target *t, struct str since, struct err *e)
        __attribute__((warn_unused_result));

/* ---- plan.c: what this run reads, and why ---- */
/** plan_run() - decides r->mode, looks at the source's position; after start_run() */
int plan_run(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** plan_observe() - looks at the source again, before a read that begins anew */
int plan_observe(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** plan_read_older() - before a read of records that may be older than those an earlier run read:
 * on a standby that is behind, of everything or by key. The next run reads everything. */
int plan_read_older(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** plan_store() - what the next run's plan needs, into the batch of the checkpoint
 * @position: text to put into the `_local` documents, too; "" where there is no cursor */
int plan_store(struct run *r, struct buf *position, struct err *e)
        __attribute__((warn_unused_result));

/* ---- keyed.c: records that are read by key ---- */
/** keyed_want() - @key shall be read in this run; too many: r->overflow */
int keyed_want(struct run *r, struct str key, struct err *e) __attribute__((warn_unused_result));
/** keyed_read() - reads the wanted records that were not read yet, and empties the list
 * Those that do not come are gone from the source (r->gone), where gone_by_absence(). */
int keyed_read(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- gone.c: PROTOCOL.md section 6, how a run learns of deletions ---- */
/** gone_find() - by `deletes.query`, by sweeping keys where that is due, by what is owed */
int gone_find(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** gone_by_absence() - whether a record that a finished read did not deliver is gone: the one place
 * that says so. Not where the source is behind what an earlier run read, nor where a record came
 * without its key: it may be that one. */
bool gone_by_absence(const struct run *r);
/** gone_sweeps_all() - whether what was not seen is known to be gone */
bool gone_sweeps_all(const struct run *r);
/** gone_is() - whether the source has no such record any more, as far as this run knows */
bool gone_is(const struct run *r, uint32_t ordinal);
/** gone_deletes() - whether its document is to be deleted: with `deletes.sweep: false` only what a
 * flag or the table of deletions names, however else it came out that the record is gone */
bool gone_deletes(const struct run *r, uint32_t ordinal);
/** gone_missing() - whether this run's read should have delivered it and did not: without a
 * snapshot that is no more than a hint */
bool gone_missing(const struct run *r, uint32_t ordinal);
/** gone_sweep_is_due() - `deletes.every` */
bool gone_sweep_is_due(struct run *r);
/** gone_read_deletions(), gone_sweep_keys() - walk the table of deletions, and all keys */
int gone_read_deletions(struct run *r, struct err *e) __attribute__((warn_unused_result));
int gone_sweep_keys(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** gone_flagged() - the record @ordinal says of itself that it is deleted. Return: 0; -class. */
int gone_flagged(struct run *r, uint32_t ordinal, struct err *e)
        __attribute__((warn_unused_result));

/* ---- branches.c: PROTOCOL.md section 7, conflict branches ---- */
/** branches_note() - our document @id has live leaves beside the winning one */
int branches_note(struct run *r, const struct target *t, struct str id, struct err *e)
        __attribute__((warn_unused_result));
/** branches_delete() - deletes the losing leaves of all that were noted, in this run or before
 * One whose leaves have to stay is looked at again in the next run. */
int branches_delete(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- checkpoint.c ---- */
struct stored_target { /* what the state remembers of a target since the last checkpoint */
        char instance[32];
        int64_t purge_number; /* -1: not known */
        char *update_seq;     /* owned */
        int64_t number;
        uint64_t own_writes;
};
void stored_target_deinit(struct stored_target *s);
/** checkpoint_stored() - Return: 0, STATE_ABSENT, -class */
int checkpoint_stored(struct run *r, const char *database, struct stored_target *out, struct err *e)
        __attribute__((warn_unused_result));
/** checkpoint_note_writes() - adds to the batch how many revisions the targets got since their
 * checkpoint: a target that has fewer was restored */
int checkpoint_note_writes(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** checkpoint_read_writes() - what such notes of earlier runs say, into @t */
int checkpoint_read_writes(struct run *r, struct target *t, struct err *e)
        __attribute__((warn_unused_result));
/** checkpoint_name() - "erp2couch-MAPPER", the id of our `_local` documents */
const char *checkpoint_name(struct run *r, char out[96]);
/** checkpoint_targets() - what the control database holds: the targets listed there, into
 * r->targets, and r->control_session */
int checkpoint_targets(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** checkpoint_list_targets() - lists r->targets in the control database, before their first use */
int checkpoint_list_targets(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** checkpoint_erase() - the first durable act of a rebuild: no session, no closing */
int checkpoint_erase(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** checkpoint_open() - every target gets a session, if it has none of this state yet: with the
 * facts of the run's start, so that the next run follows all that this one wrote, and rebuilds
 * nothing Cursor and fingerprint stay as they are. */
int checkpoint_open(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** checkpoint_is_open() - whether that was done, or need not be */
bool checkpoint_is_open(struct run *r);
/** checkpoint_write() - after everything was acknowledged and applied */
int checkpoint_write(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- fingerprint.c ---- */
/** fingerprint_mapper() - of mapper, files it includes, schema, shape, look-ups and renderer: equal
 * means equal documents */
void fingerprint_mapper(const struct run *r, char out[FINGERPRINT_BYTES]);
/** fingerprint_digests() - of what decides how digests are taken: other means rebuild */
void fingerprint_digests(const struct mapper_spec *spec, char out[FINGERPRINT_BYTES]);

/* ---- rehearsal.c: a dry run works on a copy of the state, with a writer that only nods ---- */
/** rehearsal_begin() - r->state is a copy of the state in the folder @data, or, to believe nothing
 * or where there is none that is sound, an empty one; @data stays as it is */
int rehearsal_begin(struct run *r, const char *data, struct err *e)
        __attribute__((warn_unused_result));
/** rehearsal_write() - @p is taken as written, and shown to whoever asked */
int rehearsal_write(struct run *r, struct pending *p, const struct bulk_doc *doc, struct err *e)
        __attribute__((warn_unused_result));
/** rehearsal_end() - removes the copy */
void rehearsal_end(struct run *r);

/* ---- reading.c: reads, from start to end ---- */
/** pass_read() - all, or what changed, as r->mode says; begins again where the source failed */
int pass_read(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** pass_read_keys() - the records of @count keys of r->shape.key_count values each
 * @encoded: the same keys as the state has them */
int pass_read_keys(struct run *r, const struct value *keys, const struct str *encoded, size_t count,
        struct err *e) __attribute__((warn_unused_result));
/** pass_walk() - a read of keys only: @start is source_read_keys or source_read_deleted */
typedef int (*pass_start_fn)(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e);
typedef int (*pass_key_fn)(struct run *r, struct str key, struct err *e);
int pass_walk(struct run *r, pass_start_fn start, pass_key_fn fn, struct err *e)
        __attribute__((warn_unused_result));

/** pass_make_way() - what a record that was not taken waits for: a database, or the end of its own
 * earlier write; then it may be taken again */
int pass_make_way(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- given_read.c: records that were pushed ---- */
/** given_convert() - makes records of run_options.given, before anything is written
 * Return: 0; -ERR_REJECT the push as a whole is refused; -class as source_convert(). */
int given_convert(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** given_read() - all of them through pass_record() */
int given_read(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** given_has() - whether a record with @key was pushed */
bool given_has(const struct run *r, struct str key);
struct given_run *given_run_free(struct given_run *g);

/* ---- pass.c: map, compare, write ---- */
/** pass_record(), pass_reject() - what a read of records delivers (struct source_sink) */
int pass_record(void *run, const struct record *record, struct err *e);
int pass_reject(void *run, struct str key, const char *reason, struct err *e);
/** pass_refused() - a record that cannot be had as it was given: a reject
 * Return: 0; SOURCE_PAUSE; -class. */
int pass_refused(struct run *r, struct str key, const char *reason, struct err *e)
        __attribute__((warn_unused_result));
/** pass_note_keyless() - a record came that may be any: absence proves nothing in this run */
void pass_note_keyless(struct run *r);
/** pass_write_over() - what @doc replaces: @there as the state knows it; NULL: nothing */
void pass_write_over(struct bulk_doc *doc, const struct state_doc *there);
/** pass_push() - gives a pending write to the writer
 * Return: 0; BULK_FULL; -ERR_REJECT (refused, nothing pending); -class. */
int pass_push(struct run *r, const struct pending *what, const struct bulk_doc *doc, struct err *e)
        __attribute__((warn_unused_result));
/** pass_push_wait() - the same for the linear part: waits for room */
int pass_push_wait(struct run *r, const struct pending *what, const struct bulk_doc *doc,
        struct err *e) __attribute__((warn_unused_result));

/* ---- again.c: records that come twice, of a source without a snapshot ---- */
#define AGAIN_SAME 1 /* as it came before: there is nothing to do */
#define AGAIN_WAIT 2 /* what came before has to be settled first: r->settle_wanted is set */
/** again_meet() - before the record @key (r->key is not touched) is taken, to @t and @m, or (NULL)
 * as a reject or a deleted one: what this run did with it before, if it did, makes room Return: 0
 * it may be taken; AGAIN_SAME; AGAIN_WAIT; -class. */
int again_meet(struct run *r, struct str key, const struct target *t, const struct mapped *m,
        struct err *e) __attribute__((warn_unused_result));
/** again_parked() - notes a claim that was parked just now */
int again_parked(struct run *r, const struct state_parked *parked, struct err *e)
        __attribute__((warn_unused_result));

/* ---- mark.c: where a read that was cut short goes on ---- */
/** mark_take() - source_sink.on_mark of a read of records */
int mark_take(void *run, struct str mark, struct err *e);
/** mark_store() - what came before the newest mark becomes durable, then the mark; linear part */
int mark_store(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** mark_rescue() - the same at the end of a run that failed, once all was settled; asks nobody */
void mark_rescue(struct run *r);
/** mark_find() - the mark that this run may go on from, and the records before it
 * @mark: .ptr NULL: there is none; borrowed from the state */
int mark_find(struct run *r, struct str *mark, uint64_t *records, struct err *e)
        __attribute__((warn_unused_result));
/** mark_check_fingerprint() - removes one of another mapper, durably, before anything is written */
int mark_check_fingerprint(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** mark_forget() - removes it, durably */
int mark_forget(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** mark_drop_void() - the same where the source said that it is no good */
int mark_drop_void(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** mark_erase() - the same, with whatever else the batch holds */
int mark_erase(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- absence.c: what did not come, of a source without a snapshot ---- */
/** absence_find() - gone_find() for such a source: reads by key what may be gone, unless there is
 * so much of it that the brake would hold it back anyway (r->unproven) */
int absence_find(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- settle.c: outcomes of the writer into the state ---- */
void settle_outcome(void *run, const struct bulk_outcome *outcome);
/** settle_keep() - @p is pending until what is collected now has been applied */
int settle_keep(struct run *r, struct pending *p, struct err *e)
        __attribute__((warn_unused_result));
/** settle_apply() - applies what is collected, and forgets what was pending for it */
int settle_apply(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** settle_apply_enough() - the same once enough has come together: in a walk that changes much of
 * the state without a write to CouchDB */
int settle_apply_enough(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** settle_all() - waits for all outcomes, then applies; @finish also after a cancel */
int settle_all(struct run *r, bool finish, struct err *e) __attribute__((warn_unused_result));

/* ---- claims.c: PROTOCOL.md section 4 ---- */
int claims_resolve(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- deletions.c: PROTOCOL.md sections 4 (old ids) and 6 (sweep) ---- */
int deletions_old_ids(struct run *r, struct err *e) __attribute__((warn_unused_result));
int deletions_sweep(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** deletions_exceed() - whether @gone of @live documents are more than the brake lets pass */
bool deletions_exceed(const struct run *r, uint64_t gone, uint64_t live);

/* ---- rejects.c: PROTOCOL.md section 8 ---- */
#define REJECT_MAX_RECORD 65536 /* bytes of the record that a reject shows */
struct reject_note {
        const char *stage; /* "read", "map", "validate", "write", "claim" */
        const char *field; /* "" where none */
        const char *reason;
        struct str key;              /* source key as stored; len 0: unknown */
        const char *key_text;        /* where only its text is known; NULL: nothing is */
        const struct record *record; /* NULL: not at hand */
        bool unreadable;             /* nor ever: the source cannot hand it over */
};
/** rejects_load() - what earlier runs left in the control database */
int rejects_load(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** rejects_add() - counts a reject and writes its document; BULK_FULL as bulk_push() */
int rejects_add(struct run *r, const struct reject_note *note, struct err *e)
        __attribute__((warn_unused_result));
/** rejects_held() - on_conflict: reject, and an earlier run left a reject of this record */
bool rejects_held(struct run *r, struct str key);
/** rejects_came_again() - this run has rejected the record @key */
bool rejects_came_again(struct run *r, struct str key);
/** rejects_take_back() - the record @key, which this run has rejected, came again and is none: as
 * if it had not been. Return: 0; REJECTS_NONE it was not rejected; -class. */
#define REJECTS_NONE 1
int rejects_take_back(struct run *r, struct str key, struct err *e)
        __attribute__((warn_unused_result));
/** rejects_is_pending() - a reject of the record @key is on its way to the control database */
bool rejects_is_pending(struct run *r, struct str key);
/** rejects_forget() - what this run counted as rejected of the record @key, which comes again
 * Return: whether there was something. */
bool rejects_forget(struct run *r, struct str key);
/** rejects_judge() - after the read: whether max_rejects was passed. Return: 0, -ERR_GUARD. */
int rejects_judge(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** rejects_clear() - after a finished read: removes those whose record was read and that did not
 * come again, and completes those that lack their record */
int rejects_clear(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- reject_record.c: rejects that were found where their record was not at hand ---- */
/** reject_record_missing() - remembers that the reject @id, just written with @body, lacks it */
void reject_record_missing(
        struct run *r, struct str key, struct str id, struct str body, const struct pending *what);
/** reject_record_complete() - reads those records by key and writes their rejects again with them
 * A source that cannot be read leaves them as they are. Return: 0; -class. */
int reject_record_complete(struct run *r, struct err *e) __attribute__((warn_unused_result));

/* ---- history.c ---- */
/** history_write() - one document about this run; the last 100 of a mapper are kept */
int history_write(struct run *r, struct err *e) __attribute__((warn_unused_result));
/** history_begin_here() - notes in a file beside the state that a run began, with its lock held */
void history_begin_here(const struct run *r);
/** history_note_here() - how it ended: also of a run that could not reach CouchDB */
void history_note_here(const struct run *r);
