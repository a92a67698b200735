/* All members are always there, null where nothing is known: programs need not ask which. */
#include "ingest/serve/api_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ingest/base/clock.h"
#include "ingest/pipeline/status_json.h"

/* ---- small things ---- */

static void add_time_us(cJSON *json, const char *name, int64_t wall_us)
{
        char text[CLOCK_RFC3339_MAX];

        api_add_text(json, name, wall_us ? clock_rfc3339(wall_us, text) : NULL);
}

static void add_time_ms(cJSON *json, const char *name, int64_t wall_ms)
{
        add_time_us(json, name, wall_ms == INT64_MAX ? 0 : wall_ms * 1000);
}

static void add_known(cJSON *json, const char *name, uint64_t value)
{
        if (value)
                cJSON_AddNumberToObject(json, name, (double)value);
        else
                cJSON_AddNullToObject(json, name);
}

/* ---- RUN ---- */

static const char *phase_name(enum run_phase phase)
{
        static const char *const names[] = {[RUN_STARTING] = "starting",
                [RUN_REBUILDING] = "rebuilding",
                [RUN_READING] = "reading",
                [RUN_FINISHING] = "finishing",
                [RUN_ENDED] = "ended"};

        return names[phase];
}

static uint64_t changes(const struct run_counts *c)
{
        return c->created + c->updated + c->moved + c->deleted;
}

static void add_counts(cJSON *json, const struct service_run *run)
{
        run_counts_json(&run->counts, json);
        cJSON_AddNumberToObject(
                json, "written", (double)(run->ended_us ? changes(&run->counts) : run->written));
        add_known(json, "expected", run->expected);
        cJSON_AddNumberToObject(json, "in_flight", run->ended_us ? 0 : run->in_flight);
}

cJSON *api_run_json(const struct service_run *run)
{
        int64_t until_us = run->ended_us ? run->ended_us : clock_wall_us();
        int64_t ms = (until_us - run->started_us) / 1000;
        const char *kind = run->pushed ? "push" : run->retry ? "retry" : "run";
        cJSON *json = cJSON_CreateObject();

        api_add_text(json, "id", run->id);
        api_add_text(json, "mapper", run->mapper);
        api_add_text(
                json, "trigger", run->pushed || run->retry ? NULL : run_trigger_name(run->trigger));
        api_add_text(json, "kind", kind);
        cJSON_AddBoolToObject(json, "full", run->full);
        add_time_us(json, "started", run->started_us);
        cJSON_AddNumberToObject(json, "seconds", ms < 0 ? 0 : (double)ms / 1000.0);
        api_add_text(json, "phase", phase_name(run->ended_us ? RUN_ENDED : run->phase));
        api_add_text(json, "outcome", run->ended_us ? run_outcome_name(run->outcome) : NULL);
        api_add_text(json, "error", run->error);
        add_counts(json, run);
        return json;
}

static void copy_member(cJSON *json, const cJSON *document, const char *name)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(document, name);

        cJSON_AddItemToObject(json, name, item ? cJSON_Duplicate(item, true) : cJSON_CreateNull());
}

static double copy_number(cJSON *json, const cJSON *document, const char *name)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(document, name);
        double value = cJSON_IsNumber(item) ? item->valuedouble : 0;

        cJSON_AddNumberToObject(json, name, value);
        return value;
}

cJSON *api_history_json(const cJSON *document)
{
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, "_id"));
        bool retry = cJSON_HasObjectItem(document, "keys");
        bool pushed = cJSON_HasObjectItem(document, "pushed");
        cJSON *json = cJSON_CreateObject();

        api_add_text(json, "id", id && strncmp(id, "run:", 4) == 0 ? id + 4 : id);
        copy_member(json, document, "mapper");
        copy_member(json, document, "trigger");
        api_add_text(json, "kind", pushed ? "push" : retry ? "retry" : "run");
        copy_member(json, document, "full");
        copy_member(json, document, "started");
        copy_number(json, document, "seconds");
        api_add_text(json, "phase", phase_name(RUN_ENDED));
        copy_member(json, document, "outcome");
        copy_member(json, document, "error");
        copy_number(json, document, "read");
        double written = copy_number(json, document, "created");
        written += copy_number(json, document, "updated");
        written += copy_number(json, document, "moved");
        written += copy_number(json, document, "deleted");
        copy_number(json, document, "unchanged");
        copy_number(json, document, "rejected");
        cJSON_AddNumberToObject(json, "written", written);
        cJSON_AddNullToObject(json, "expected");
        cJSON_AddNumberToObject(json, "in_flight", 0);
        return json;
}

/* ---- MAPPER ---- */

static const char *activity_of(const struct service_mapper *m)
{
        if (m->run || m->schedule.running)
                return "running";
        if (m->schedule.paused)
                return "paused";
        return m->schedule.due && m->schedule.wait != WAIT_NOTHING ? "waiting" : "idle";
}

static void add_wait(cJSON *json, const struct service *s, const struct service_mapper *m)
{
        char text[256] = "";
        const struct scheduler_view *v = &m->schedule;
        const struct config *config = service_config(s);

        if (v->wait == WAIT_LIMIT)
                snprintf(text, sizeof(text), "other runs: serve.max_runs is %" PRId64,
                        config->serve.max_runs);
        else if (v->wait == WAIT_SOURCE)
                snprintf(text, sizeof(text), "other runs of source %s", m->source);
        else if (v->wait == WAIT_AFTER && v->after < config->mapper_count)
                snprintf(text, sizeof(text), "mapper %s", config->mappers[v->after].spec->name);
        else if (v->wait == WAIT_BACK_OFF)
                snprintf(text, sizeof(text), "the pause after %u failure%s", v->failures,
                        v->failures == 1 ? "" : "s");
        api_add_text(json, "waiting_for",
                text[0] && strcmp(activity_of(m), "waiting") == 0 ? text : NULL);
}

/* "every 30s", "0 3 * * * Europe/Dublin", and what wakes it beside that. */
static void add_schedule(cJSON *json, const struct mapper_spec *spec)
{
        cleanup_buf_ struct buf text = BUF_INIT(4096);
        const struct schedule *s = &spec->schedule;

        const char *zone = s->timezone ? s->timezone : spec->timezone;

        if (s->text)
                buf_puts(&text, s->text);
        if (s->text && s->is_cron && zone)
                buf_printf(&text, " %s", zone);
        if (s->notify)
                buf_printf(&text, "%snotify %s", text.len ? ", " : "", s->notify);
        for (size_t i = 0; i < spec->after.count; i++)
                buf_printf(&text, "%s%s",
                        i          ? " "
                        : text.len ? ", after "
                                   : "after ",
                        spec->after.items[i]);
        api_add_text(json, "schedule", text.len ? buf_cstr(&text) : NULL);
}

static void add_status(cJSON *json, const struct service_mapper *m)
{
        char success[CLOCK_RFC3339_MAX] = "";
        struct status_facts facts = {.last = m->last,
                .success = success,
                .lag_s = -1,
                .asked = m->rejects_known,
                .rejects = m->rejects,
                .records = m->records,
                .state = m->state ? m->state : "missing",
                .busy = m->run ? getpid() : 0};

        if (m->success_us) {
                int64_t lag_us = clock_wall_us() - m->success_us;
                clock_rfc3339(m->success_us, success);
                facts.lag_s = lag_us < 0 ? 0 : lag_us / 1000000; /* a clock that went back */
        }
        status_add_json(json, &facts);
}

cJSON *api_mapper_json(const struct service *s, size_t index)
{
        cJSON *json = cJSON_CreateObject();
        struct service_mapper m;

        service_mapper_at(s, index, &m);
        api_add_text(json, "mapper", m.name);
        api_add_text(json, "source", m.source);
        api_add_text(json, "activity", activity_of(&m));
        add_wait(json, s, &m);
        add_schedule(json, service_config(s)->mappers[index].spec);
        add_time_ms(json, "next_run", m.schedule.next_ms);
        add_time_ms(json, "next_full", m.schedule.next_full_ms);
        cJSON_AddNumberToObject(json, "failures", m.schedule.failures);
        cJSON_AddItemToObject(json, "run", m.run ? api_run_json(m.run) : cJSON_CreateNull());
        add_status(json, &m);
        return json;
}
