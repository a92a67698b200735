/*
 * last_run.h: how a mapper's last run on this machine ended, in a file beside its state.
 *
 * The history in the control database is for all machines, but a run that fails before it reached
 * CouchDB, or because of it, leaves nothing there. A copy for people: no run reads it.
 */
#pragma once

#include <cjson/cJSON.h>

#include "ingest/pipeline/config.h"

/** last_run_begin() - a run began at @started (RFC 3339): if it dies, that is known */
void last_run_begin(const struct config *config, const char *mapper, const char *started,
        const struct log *log);

/** last_run_write() - it ended: @run, the document of the history, in place of the one before; at
 * most a line of the log where it cannot be written
 * @run: NULL: it did nothing, the one before stays
 * @finished: it counts as the last success, too */
void last_run_write(const struct config *config, const char *mapper, const cJSON *run,
        bool finished, const struct log *log);

struct last_run {
        cJSON *run;           /* owned; NULL: none, or none that can be read */
        char success[40];     /* when the last run that finished began; "" for none */
        char success_end[40]; /* when it ended; "" where that is not known */
        char begun[40];       /* when one began that has not ended; "" for none */
};

/** last_run_read() - last_run_deinit() in any case */
void last_run_read(const struct config *config, const char *mapper, struct last_run *out);
void last_run_deinit(struct last_run *l);
