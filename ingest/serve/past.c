/* A run that failed or was killed did not serve its firing: it is due again. */
#include "ingest/serve/past.h"

#include <string.h>

#include "ingest/base/clock.h"

static const char *text_of(const cJSON *object, const char *name)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

        return text ? text : "";
}

/* Milliseconds; 0: @text is no time. */
static int64_t time_of(const char *text)
{
        int64_t us = 0;

        return clock_rfc3339_parse(text, &us) ? us / 1000 : 0;
}

/* Pushed records and rejects that were tried again say nothing of the others. */
static bool is_of_all(const cJSON *run)
{
        return !cJSON_HasObjectItem(run, "pushed") && !cJSON_HasObjectItem(run, "keys");
}

struct scheduler_past past_of(const struct status *status)
{
        const cJSON *last = is_of_all(status->last) ? status->last : NULL;
        int64_t good_ms = time_of(status->success), tried_ms = time_of(text_of(last, "started"));
        int64_t good_end_ms = time_of(status->success_end);
        bool refused = strcmp(text_of(last, "outcome"), run_outcome_name(RUN_REFUSED)) == 0;
        int64_t refused_ms = refused ? tried_ms : 0;

        return (struct scheduler_past){
                .last_ms = good_ms > refused_ms ? good_ms : refused_ms,
                .last_full_ms = status->full_us / 1000,
                .good_ms = good_end_ms > good_ms ? good_end_ms : good_ms,
                .tried_ms = tried_ms,
        };
}
