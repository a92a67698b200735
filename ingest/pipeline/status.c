/* Run documents sort by time: the last one of the scan is the last run, unless the file beside the
 * state has a later one, which did not reach CouchDB. */
#include "ingest/pipeline/status.h"

#include <stdio.h>
#include <string.h>

#include "ingest/base/clock.h"
#include "ingest/pipeline/last_run.h"
#include "ingest/pipeline/lock_peek.h"
#include "ingest/state/state.h"

void status_deinit(struct status *s)
{
        cJSON_Delete(s->last);
        *s = (struct status){.last = NULL};
}

/* A retry of rejects says nothing about the other records. */
static bool is_finished(const cJSON *run)
{
        const char *outcome =
                cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(run, "outcome"));

        return outcome && (strcmp(outcome, "ok") == 0 || strcmp(outcome, "rejects") == 0) &&
               !cJSON_HasObjectItem(run, "keys") && !cJSON_HasObjectItem(run, "pushed");
}

static int take_run(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct status *s = ctx;
        cJSON *run = cJSON_ParseWithLength(doc->json.ptr, doc->json.len);
        const char *started =
                cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(run, "started"));

        if (!started) { /* not one of ours */
                cJSON_Delete(run);
                return 0;
        }
        if (is_finished(run))
                snprintf(s->success, sizeof(s->success), "%s", started);
        cJSON_Delete(s->last);
        s->last = run;
        return 0;
}

static int count_doc(void *ctx, const struct scan_doc *doc, struct err *e)
{
        ++*(uint64_t *)ctx;
        return 0;
}

static int64_t lag_of(const char *success)
{
        int64_t then_us;

        if (!clock_rfc3339_parse(success, &then_us))
                return -1;
        int64_t lag = clock_wall_us() / 1000000 - then_us / 1000000;
        return lag < 0 ? 0 : lag; /* a clock that went back */
}

static int64_t full_read_us(struct state *state)
{
        struct str text;
        int64_t us;

        return state_meta_get(state, "full", &text, NULL) == 0 && str_to_int64(text, &us) ? us : 0;
}

/* A state that cannot be opened is no reason not to tell the rest. */
static void read_state(
        const struct config *config, const char *name, const struct log *log, struct status *out)
{
        cleanup_(state_closep) struct state *state = NULL;
        char folder[4096], data[4200];
        const char *why;
        struct err ignored;

        snprintf(folder, sizeof(folder), "%s/%s", config->state_dir, name);
        snprintf(data, sizeof(data), "%s/data", folder);
        out->busy = lock_peek(folder);
        int rc = state_peek(data, log, out->busy != 0, &state, &why, &ignored);
        out->state = rc == 0               ? STATE_IS_SOUND
                     : rc == STATE_DAMAGED ? STATE_IS_DAMAGED
                     : rc == STATE_FOREIGN ? STATE_IS_FOREIGN
                                           : STATE_IS_MISSING;
        out->records = state ? state_count(state) : 0;
        out->state_bytes = state ? state_size_bytes(state) : 0;
        out->full_us = state ? full_read_us(state) : 0;
}

static const char *started(const cJSON *run)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(run, "started"));

        return text ? text : "";
}

/* A run that began on this machine, and nobody is running. */
static cJSON *dead_run(const char *begun)
{
        cJSON *run = cJSON_CreateObject();

        cJSON_AddStringToObject(run, "started", begun);
        cJSON_AddStringToObject(run, "outcome", "failed");
        cJSON_AddStringToObject(run, "error",
                "it did not end: it was killed, or the machine went down; the next run goes on");
        return run;
}

/* @run (owned) takes the place of what is older. */
static void take_newer(struct status *out, cJSON *run)
{
        if (run && strcmp(started(run), started(out->last)) > 0) {
                cJSON_Delete(out->last);
                out->last = run;
                return;
        }
        cJSON_Delete(run);
}

static void take_success(struct status *out, const char *began, const char *ended)
{
        if (strcmp(began, out->success) <= 0)
                return;
        snprintf(out->success, sizeof(out->success), "%s", began);
        snprintf(out->success_end, sizeof(out->success_end), "%s", ended);
}

/* What the last run of this machine left. */
static void read_here(const struct config *config, const char *name, struct status *out)
{
        struct last_run here;

        last_run_read(config, name, &here);
        take_success(out, here.success, here.success_end);
        take_newer(out, TAKE(here.run));
        if (here.begun[0] && !out->busy)
                take_newer(out, dead_run(here.begun));
        last_run_deinit(&here);
}

static int read_control(
        struct control *control, const char *name, struct status *out, struct err *e)
{
        const struct str all = {NULL, 0};
        char prefix[128];

        snprintf(prefix, sizeof(prefix), "run:%s:", name);
        int rc = control_scan(control, str_of(prefix), all, true, take_run, out, e);
        snprintf(prefix, sizeof(prefix), "reject:%s:", name);
        if (!rc)
                rc = control_scan(control, str_of(prefix), all, false, count_doc, &out->rejects, e);
        return rc ? err_wrap(e, rc, "status of %s", name) : 0;
}

static void set_lag(struct status *out)
{
        if (out->success[0])
                out->lag_s = lag_of(out->success);
}

void status_read_here(const struct config *config, const struct config_mapper *mapper,
        const struct log *log, struct status *out)
{
        *out = (struct status){.lag_s = -1};
        read_state(config, mapper->spec->name, log, out);
        read_here(config, mapper->spec->name, out);
        set_lag(out);
}

int status_add_control(struct control *control, const struct config_mapper *mapper,
        struct status *out, struct err *e)
{
        struct status there = {.last = NULL};
        int rc = read_control(control, mapper->spec->name, &there, e);

        take_success(out, there.success, there.success_end);
        take_newer(out, TAKE(there.last));
        out->asked = rc == 0;
        out->rejects = there.rejects;
        set_lag(out);
        return rc;
}

int status_read(const struct config *config, const struct config_mapper *mapper,
        struct control *control, const struct log *log, struct status *out, struct err *e)
{
        status_read_here(config, mapper, log, out);
        return control ? status_add_control(control, mapper, out, e) : 0;
}
