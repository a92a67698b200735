/* Values stand as the JSON that they are. */
#include "cmd/trial_show.h"

#include "ingest/record/json.h"

/* Text of others need not be UTF-8; JSON must. */
static void add_text(cJSON *to, const char *key, const char *text)
{
        cleanup_buf_ struct buf json = BUF_INIT(1 << 22);

        json_put_lossy(&json, str_of(text));
        const char *raw = buf_cstr(&json);
        cJSON_AddItemToObject(to, key, raw ? cJSON_CreateRaw(raw) : cJSON_CreateNull());
}

static cJSON *differences_json(const struct trial_result *r)
{
        cJSON *list = cJSON_CreateArray();

        for (size_t i = 0; i < r->count; i++) {
                const struct trial_difference *d = &r->differences[i];
                cJSON *json = cJSON_CreateObject();
                add_text(json, "field", d->field);
                if (d->expected)
                        cJSON_AddItemToObject(json, "expected", cJSON_CreateRaw(d->expected));
                if (d->masked)
                        cJSON_AddTrueToObject(json, "masked");
                if (d->got)
                        cJSON_AddItemToObject(json, "got", cJSON_CreateRaw(d->got));
                cJSON_AddItemToArray(list, json);
        }
        return list;
}

static cJSON *tests_json(const struct trial_report *report)
{
        cJSON *list = cJSON_CreateArray();

        for (size_t i = 0; i < report->count; i++) {
                const struct trial_result *r = &report->results[i];
                cJSON *json = cJSON_CreateObject();
                add_text(json, "name", r->name);
                cJSON_AddNumberToObject(json, "line", r->test->node->line);
                cJSON_AddStringToObject(json, "outcome", trial_outcome_name(r->outcome));
                cJSON_AddItemToObject(json, "differences", differences_json(r));
                if (r->more)
                        cJSON_AddNumberToObject(json, "more_differences", (double)r->more);
                if (r->error)
                        add_text(json, "error", r->error);
                cJSON_AddItemToArray(list, json);
        }
        return list;
}

static cJSON *coverage_json(const struct trial_report *r)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddNumberToObject(json, "fields", (double)r->field_count);
        cJSON_AddNumberToObject(json, "asserted", (double)(r->field_count - r->unasserted_count));
        cJSON *names = cJSON_AddArrayToObject(json, "unasserted");
        for (size_t i = 0; i < r->unasserted_count; i++)
                cJSON_AddItemToArray(names, cJSON_CreateString(r->unasserted[i]));
        return json;
}

cJSON *trial_json(const struct trial_run *runs, size_t count, const char *outcome)
{
        cJSON *json = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(json, "mappers");
        size_t passed = 0, failed = 0, errors = 0;

        for (size_t i = 0; i < count; i++) {
                const struct trial_report *r = &runs[i].report;
                cJSON *mapper = cJSON_CreateObject();
                cJSON_AddStringToObject(mapper, "mapper", runs[i].mapper->spec->name);
                cJSON_AddStringToObject(mapper, "file", runs[i].mapper->spec->path);
                cJSON_AddItemToObject(mapper, "tests", tests_json(r));
                cJSON_AddItemToObject(mapper, "coverage", coverage_json(r));
                cJSON_AddItemToArray(list, mapper);
                passed += r->passed;
                failed += r->failed;
                errors += r->errors;
        }
        cJSON_AddNumberToObject(json, "passed", (double)passed);
        cJSON_AddNumberToObject(json, "failed", (double)failed);
        cJSON_AddNumberToObject(json, "errors", (double)errors);
        cJSON_AddStringToObject(json, "outcome", outcome);
        return json;
}
