/*
 * status_json.h: how a mapper is doing, as JSON: what `status --json` and the service say alike.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "ingest/pipeline/status.h"

/* What is known, from whoever knows it. */
struct status_facts {
        const cJSON *last;   /* document of the last run; NULL: none */
        const char *success; /* when the last run that finished began; "" for none */
        int64_t lag_s;       /* since then; -1: never */
        bool asked;          /* @rejects is known */
        uint64_t rejects, records;
        const char *state; /* its condition, as state_condition_name() */
        long busy;         /* pid of the run that is under way; 0: none */
};

/** status_add_json() - appends the members last_run, last_success, lag_seconds, rejects, records,
 * state and running to @json; what is not known is null */
void status_add_json(cJSON *json, const struct status_facts *facts);

/** status_of_json() - an object with these members behind the mapper's name; owned by the caller */
cJSON *status_of_json(const char *mapper, const struct status *s);
