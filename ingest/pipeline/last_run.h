/*
 * last_run.h: how a mapper's last run on this machine ended, in a file beside its state.
 *
 * The history in the control database is for all machines, but a run that fails before it reached
 * CouchDB, or because of it, leaves nothing there. A copy for people: no run reads it.
 */
#pragma once

#include <cjson/cJSON.h>

#include "ingest/pipeline/config.h"

/** last_run_write() - @run, the document of the history, in place of the one before; at most a line
 * of the log where it cannot be written
 * @finished: it counts as the last success, too */
void last_run_write(const struct config *config, const char *mapper, cJSON *run, bool finished,
        const struct log *log);

/** last_run_read() - the caller deletes it; NULL: none, or none that can be read
 * @success: when the last run that finished began; "" for none */
cJSON *last_run_read(const struct config *config, const char *mapper, char *success, size_t size);
