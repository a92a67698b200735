/*
 * run.h: one run of one mapper, from its lock to its checkpoint.
 *
 *   lock -> state -> CouchDB -> source, compile -> start (trust the state, or rebuild it)
 *        -> pass (read, map, compare, write) -> claims -> deletions -> rejects -> checkpoint
 *
 * run_mapper() is straight-line code on the calling thread and the loop it is given; several
 * mappers run side by side on threads of their own. What a run guarantees is PROTOCOL.md.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/log.h"
#include "ingest/loop/loop.h"
#include "ingest/pipeline/config.h"

enum run_change { RUN_CREATES, RUN_UPDATES, RUN_MOVES, RUN_DELETES };

/* What a dry run would have written. */
struct run_difference {
        enum run_change change;
        const char *database;
        struct str id;
        struct str old_id; /* of a move */
        struct str key;    /* in the form of key.h; len 0: a document that no record claims */
        struct str body;   /* canonical members; of a deletion those that its tombstone keeps */
};
typedef void (*run_difference_fn)(void *ctx, const struct run_difference *difference);

/* A record was rejected, or @reason NULL: it came again and is not rejected after all.
 * @key: as JSON, null where it has none      @field: "" where the reason is about none */
typedef void (*run_reject_fn)(void *ctx, struct str key, const char *field, const char *reason);

struct run_options {
        bool full;          /* read all, whatever the cursor says */
        bool dry_run;       /* count what would be done; write nothing */
        bool rebuild;       /* of a dry run: believe no state, look at every document */
        bool allow_deletes; /* the delete brake is off for this run */

        /* Only these records, read by key: no sweep, no checkpoint, the position stays. Source keys
         * as key.h encodes them, sorted; integers may stand as text. Borrowed until the run ends.
         */
        const struct str *keys;
        size_t key_count; /* 0: as the plan says */

        /* Only these records, which somebody pushed: nothing is read, or swept; no checkpoint, the
         * position stays. As JSON: see given.h. NULL: as the plan says. Borrowed. */
        const struct given *given;

        int64_t started_us;  /* wall time that the run is known by; 0: now */
        const char *trigger; /* why it was started, for the history; NULL: nothing to be said */

        /* How often a read of many pages keeps how far it is; 0: every five seconds. */
        int64_t marks_every_ms;

        run_difference_fn on_difference; /* of a dry run; NULL: not asked */
        void *on_difference_ctx;

        run_reject_fn on_reject; /* on the run's thread; NULL: not asked */
        void *on_reject_ctx;
};

enum run_outcome {
        RUN_OK,
        RUN_REJECTS,     /* done, some records were rejected */
        RUN_UNAVAILABLE, /* source or CouchDB cannot be reached */
        RUN_LOCKED,      /* another run of the mapper is under way */
        RUN_REFUSED,     /* a guard refused: delete brake, too many rejects */
        RUN_INTERRUPTED,
        RUN_FAILED, /* configuration, or an internal failure: see the error's class */
        RUN_OUTCOMES
};

/** run_outcome_name() - "ok", "rejects", ...: the words of `run --json` */
const char *run_outcome_name(enum run_outcome outcome);

struct run_counts {
        uint64_t read, created, updated, moved, deleted, unchanged, rejected;
};

/** run_counts_json() - the counters as members of @json, in the order of `run --json` */
void run_counts_json(const struct run_counts *counts, cJSON *json);

struct run_report {
        struct run_counts counts;
        uint64_t withheld;  /* deletions that the brake held back */
        bool beyond_brake;  /* there are more than it lets pass, held back or permitted */
        uint64_t unclaimed; /* documents of no record that stay while records are rejected */
        uint64_t gone;      /* of run_options.keys: not in the source any more */
        int64_t elapsed_ms;
        enum run_outcome outcome;
        struct err err; /* why, unless outcome is RUN_OK or RUN_REJECTS */
};

enum run_phase { RUN_STARTING, RUN_REBUILDING, RUN_READING, RUN_FINISHING, RUN_ENDED };

/* What another thread may look at while the run is under way. */
struct run_progress {
        _Atomic uint64_t read, written, rejected;
        _Atomic uint64_t expected; /* records; 0: not known */
        _Atomic unsigned in_flight;
        _Atomic int phase; /* enum run_phase */
};

/** run_mapper() - runs @mapper of @config once
 * @loop: of this thread; cancelling it stops the run cleanly
 * @progress: updated as it goes      @report: always filled */
void run_mapper(const struct config *config, const struct config_mapper *mapper,
        const struct run_options *options, struct loop *loop, const struct log *log,
        struct run_progress *progress, struct run_report *report);
