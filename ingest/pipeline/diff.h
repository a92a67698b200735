/*
 * diff.h: what a run would write, with samples field by field; and whether CouchDB holds what the
 * source says.
 *
 * Both are dry runs. A diff believes the state, as the run it speaks of does; a verification looks
 * at every document. Nothing is written.
 */
#pragma once

#include <cjson/cJSON.h>

#include "ingest/pipeline/run.h"

struct diff_options {
        bool verify;  /* believe no state: compare every document with the source */
        bool full;    /* read everything, whatever the cursor says */
        size_t limit; /* samples of each kind of change */
};

struct diff_field {
        const char *name;
        const char *was, *is; /* JSON text; NULL: absent */
};

struct diff_sample {
        enum run_change change;
        const char *database, *id;
        const char *old_id;              /* of a move, else "" */
        const char *key;                 /* source key as people read it, "" where none is known */
        struct str body;                 /* what would be written: canonical members */
        const struct diff_field *fields; /* of an update */
        size_t field_count;
};

#define DIFF_CHANGES 4 /* kinds: enum run_change */

struct diff_report {
        struct run_report run;
        uint64_t bytes;      /* that each device which replicates would pull, about */
        struct arena *arena; /* owned: of the samples */
        struct diff_sample *samples[DIFF_CHANGES];
        size_t sample_count[DIFF_CHANGES];
};

/** diff_mapper() - as run_mapper(), for the calling thread's @loop
 * @report: always filled; diff_report_deinit() after use */
void diff_mapper(const struct config *config, const struct config_mapper *mapper,
        const struct diff_options *options, struct loop *loop, const struct log *log,
        struct run_progress *progress, struct diff_report *report);
void diff_report_deinit(struct diff_report *report);

/** diff_change_name() - "create", "update", "move", "delete" */
const char *diff_change_name(enum run_change change);
