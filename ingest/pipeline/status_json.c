/* The document of the last run is shown as it is, but for what CouchDB needs of it. */
#include "ingest/pipeline/status_json.h"

static cJSON *last_json(const cJSON *last)
{
        static const char *const hidden[] = {"_id", "_rev", "type", "mapper"};
        cJSON *run = last ? cJSON_Duplicate(last, true) : cJSON_CreateNull();

        for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
                cJSON_DeleteItemFromObjectCaseSensitive(run, hidden[i]);
        return run;
}

static void add_number(cJSON *json, const char *name, double value, bool known)
{
        if (known)
                cJSON_AddNumberToObject(json, name, value);
        else
                cJSON_AddNullToObject(json, name);
}

void status_add_json(cJSON *json, const struct status_facts *f)
{
        cJSON_AddItemToObject(json, "last_run", last_json(f->last));
        if (f->success[0])
                cJSON_AddStringToObject(json, "last_success", f->success);
        else
                cJSON_AddNullToObject(json, "last_success");
        add_number(json, "lag_seconds", (double)f->lag_s, f->lag_s >= 0);
        add_number(json, "rejects", (double)f->rejects, f->asked);
        cJSON_AddNumberToObject(json, "records", (double)f->records);
        cJSON_AddStringToObject(json, "state", f->state);
        add_number(json, "running", (double)f->busy, f->busy != 0);
}

cJSON *status_of_json(const char *mapper, const struct status *s)
{
        const struct status_facts facts = {.last = s->last,
                .success = s->success,
                .lag_s = s->lag_s,
                .asked = s->asked,
                .rejects = s->rejects,
                .records = s->records,
                .state = state_condition_name(s->state),
                .busy = s->busy};
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "mapper", mapper);
        status_add_json(json, &facts);
        return json;
}
