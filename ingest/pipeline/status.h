/*
 * status.h: how a mapper is doing: its last run, how old its documents may be, its rejects.
 *
 * From the run history of the control database, the state, and the file that the last run of this
 * machine left beside it (last_run.h); the source is not asked.
 */
#pragma once

#include <cjson/cJSON.h>

#include "ingest/pipeline/control.h"
#include "ingest/pipeline/state_tool.h"

struct status {
        cJSON *last;          /* owned: the document of the last run; NULL: none */
        char success[40];     /* when the last run that finished began; "" for none */
        char success_end[40]; /* when it ended, if that was on this machine; "": not known */
        int64_t lag_s;        /* since then; -1: never */
        int64_t full_us;      /* when everything was read last, as the state has it; 0: never */
        bool asked;           /* the control database answered: @rejects is known */
        uint64_t rejects;     /* in the control database */
        uint64_t records;     /* in the state */
        uint64_t state_bytes; /* that it takes on disk */
        long busy;            /* pid of the run that is under way; 0: none */
        enum state_condition state;
};

/** status_read_here() - of @mapper, what is known on this machine; no network
 * A state must not be opened twice in a process: not while a run of this one is under way.
 * @out: status_deinit() in any case */
void status_read_here(const struct config *config, const struct config_mapper *mapper,
        const struct log *log, struct status *out);

/** status_add_control() - what the control database knows beside that
 * Return: 0; -class of CouchDB. */
int status_add_control(struct control *control, const struct config_mapper *mapper,
        struct status *out, struct err *e) __attribute__((warn_unused_result));

/** status_read() - both, of @mapper
 * @control: NULL: CouchDB cannot be asked, what is known here must do
 * @out: status_deinit() in any case      Return: 0; -class of CouchDB. */
int status_read(const struct config *config, const struct config_mapper *mapper,
        struct control *control, const struct log *log, struct status *out, struct err *e)
        __attribute__((warn_unused_result));
void status_deinit(struct status *s);
