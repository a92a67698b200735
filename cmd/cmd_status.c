/*
 * erp2couch status: one line a mapper, from the service that runs here, else from what runs left
 * behind. Both are brought to one form, so that the table is the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/on_loop.h"
#include "cmd/service_ask.h"
#include "cmd/table.h"
#include "ingest/pipeline/status_json.h"

struct status_command {
        struct cli *cli;
        const struct config *config;
        const struct config_mapper **chosen;
        size_t count, done;
        struct status *of;
        cJSON *service;                    /* owned: what it said; NULL: nobody did */
        char address[SERVICE_ADDRESS_MAX]; /* its */
        const cJSON **facts;               /* its MAPPERs, as @chosen */
};

/* ---- from the service ---- */

static const char *member(const cJSON *json, const char *name)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));

        return text ? text : "";
}

static double number(const cJSON *json, const char *name, double otherwise)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

        return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

/* A service that was started before a mapper came does not know it. */
static bool find_facts(struct status_command *c)
{
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(c->service, "mappers");
        const cJSON *item;

        for (size_t i = 0; i < c->count; i++) {
                c->facts[i] = NULL;
                cJSON_ArrayForEach(item, list)
                {
                        if (strcmp(member(item, "mapper"), c->chosen[i]->spec->name) == 0)
                                c->facts[i] = item;
                }
                if (!c->facts[i])
                        return false;
        }
        return true;
}

static void take_facts(const cJSON *facts, struct status *out)
{
        const cJSON *last = cJSON_GetObjectItemCaseSensitive(facts, "last_run");

        *out = (struct status){.last = cJSON_IsObject(last) ? cJSON_Duplicate(last, true) : NULL,
                .lag_s = (int64_t)number(facts, "lag_seconds", -1),
                .asked = cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(facts, "rejects")),
                .rejects = (uint64_t)number(facts, "rejects", 0),
                .records = (uint64_t)number(facts, "records", 0),
                .busy = (long)number(facts, "running", 0)};
        snprintf(out->success, sizeof(out->success), "%s", member(facts, "last_success"));
        while (out->state < STATE_IS_FOREIGN &&
                strcmp(state_condition_name(out->state), member(facts, "state")) != 0)
                out->state++;
}

/* Return: 0, also where the state must be read; -class: CouchDB could not be asked. */
static int take_service(struct status_command *c, struct err *e)
{
        bool asked = true;

        if (!c->service)
                return 0;
        if (!find_facts(c)) {
                log_warn(c->cli->log,
                        "the service at %s does not know all of these mappers: reload it",
                        c->address);
                cJSON_Delete(c->service);
                c->service = NULL;
                return 0;
        }
        log_info(c->cli->log, "this is what the service at %s says", c->address);
        for (; c->done < c->count; c->done++) {
                take_facts(c->facts[c->done], &c->of[c->done]);
                asked = asked && c->of[c->done].asked;
        }
        if (asked)
                return 0;
        const char *reason = member(c->service, "reason");
        return err_set(e, ERR_RETRY, "the service does not know how many rejects there are%s%s",
                *reason ? ": " : "", reason);
}

/* ---- from the state ---- */

static int read_state(struct status_command *c, struct loop *loop, struct err *e)
{
        struct control control;
        struct err failure;
        int rc = control_open(c->config, loop, c->cli->log, &control, e);

        for (; c->done < c->count; c->done++) {
                int read = status_read(c->config, c->chosen[c->done], rc ? NULL : &control,
                        c->cli->log, &c->of[c->done], &failure);
                if (!read)
                        continue;
                *e = failure; /* the others are told all the same, without CouchDB */
                rc = read;
        }
        control_close(&control);
        return rc;
}

static int read_all(void *ctx, struct loop *loop, struct err *e)
{
        struct status_command *c = ctx;
        int rc = service_ask(c->config, loop, c->cli->log, c->address, &c->service, e);

        rc = rc ? rc : take_service(c, e);
        if (rc || c->service)
                return rc;
        log_info(c->cli->log, "no service of this configuration answers: read from the state");
        return read_state(c, loop, e);
}

/* ---- for people ---- */

static const struct table_column columns[] = {{"MAPPER", 40}, {"LAST RUN", 24}, {"OUTCOME", 12},
        {"SECONDS", 10}, {"READ", 12}, {"WRITTEN", 12}, {"LAG", 12}, {"RECORDS", 12},
        {"REJECTS", 12}, {"NOTE", 0}};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void put_lag(int64_t s, char out[32])
{
        if (s < 0)
                snprintf(out, 32, "never");
        else if (s < 120)
                snprintf(out, 32, "%llds", (long long)s);
        else if (s < 7200)
                snprintf(out, 32, "%lldm", (long long)(s / 60));
        else if (s < 172800)
                snprintf(out, 32, "%lldh", (long long)(s / 3600));
        else
                snprintf(out, 32, "%lldd", (long long)(s / 86400));
}

static bool is_damaged(const struct status *s)
{
        return s->state == STATE_IS_DAMAGED || s->state == STATE_IS_FOREIGN;
}

/* What only a service knows comes first. Return: whether there was something. */
static bool put_activity(const cJSON *facts, char *out, size_t size)
{
        const cJSON *run = cJSON_GetObjectItemCaseSensitive(facts, "run");
        const char *activity = member(facts, "activity");

        if (cJSON_IsObject(run))
                snprintf(out, size, "%s: %.0f read, %.0f written", member(run, "phase"),
                        number(run, "read", 0), number(run, "written", 0));
        else if (strcmp(activity, "waiting") == 0)
                snprintf(out, size, "waiting for %s", member(facts, "waiting_for"));
        else if (strcmp(activity, "paused") == 0)
                snprintf(out, size, "paused");
        return *out != 0;
}

static void put_note(const struct status *s, const cJSON *facts, char *out, size_t size)
{
        const char *error = member(s->last, "error"), *next = member(facts, "next_run");
        const char *what = cJSON_HasObjectItem(s->last, "keys")     ? "a retry of rejects"
                           : cJSON_HasObjectItem(s->last, "pushed") ? "records that were pushed"
                                                                    : "";

        *out = 0;
        if (put_activity(facts, out, size))
                return;
        if (s->busy)
                snprintf(out, size, "running, pid %ld", s->busy);
        else if (is_damaged(s))
                snprintf(out, size, "its state is %s: the next run rebuilds it",
                        state_condition_name(s->state));
        else if (*what || *error)
                snprintf(out, size, "%s%s%s", what, *what && *error ? ": " : "", error);
        else if (*next)
                snprintf(out, size, "next run %s", next);
}

static int print_row(struct table *t, size_t row, const void *ctx, struct err *e)
{
        const struct status_command *c = ctx;
        const struct status *s = &c->of[row];
        const cJSON *facts = c->service ? c->facts[row] : NULL;
        char seconds[32] = "", read[32] = "", written[32] = "", lag[32], records[32], rejects[32];
        char note[ERR_TEXT_MAX];
        int rc = 0;

        if (s->last && cJSON_HasObjectItem(s->last, "read")) { /* not of one that was killed */
                snprintf(seconds, sizeof(seconds), "%.1f", number(s->last, "seconds", 0));
                snprintf(read, sizeof(read), "%.0f", number(s->last, "read", 0));
                snprintf(written, sizeof(written), "%.0f",
                        number(s->last, "created", 0) + number(s->last, "updated", 0) +
                                number(s->last, "moved", 0) + number(s->last, "deleted", 0));
        }
        put_lag(s->lag_s, lag);
        snprintf(records, sizeof(records), "%" PRIu64, s->records);
        snprintf(rejects, sizeof(rejects), s->asked ? "%" PRIu64 : "?", s->rejects);
        put_note(s, facts, note, sizeof(note));
        const char *const cells[COLUMNS] = {c->chosen[row]->spec->name,
                s->last ? member(s->last, "started") : "never", member(s->last, "outcome"), seconds,
                read, written, lag, records, rejects, note};
        for (size_t i = 0; i < COLUMNS && !rc; i++)
                rc = table_cell(t, str_of(cells[i]), e);
        return rc;
}

/* ---- for programs ---- */

/* Whom this is from; null: from the state. */
static cJSON *service_json(const struct status_command *c)
{
        static const char *const members[] = {"version", "started", "condition", "reason"};
        cJSON *json = c->service ? cJSON_CreateObject() : cJSON_CreateNull();

        for (size_t i = 0; c->service && i < sizeof(members) / sizeof(members[0]); i++)
                cJSON_AddItemToObject(json, members[i],
                        cJSON_Duplicate(
                                cJSON_GetObjectItemCaseSensitive(c->service, members[i]), true));
        return json;
}

static int finish(struct status_command *c, int rc, const struct err *e)
{
        struct err print_err;

        if (!c->cli->values.json) {
                int printed = table_print(columns, COLUMNS, c->done, print_row, c, &print_err);
                if (rc || printed)
                        return cli_fail(c->cli, NULL, rc ? e : &print_err);
                return EXIT_OK;
        }
        cJSON *json = cJSON_CreateObject();
        cJSON_AddItemToObject(json, "service", service_json(c));
        cJSON *list = cJSON_AddArrayToObject(json, "mappers");
        for (size_t i = 0; i < c->done; i++)
                cJSON_AddItemToArray(
                        list, c->service ? cJSON_Duplicate(c->facts[i], true)
                                         : status_of_json(c->chosen[i]->spec->name, &c->of[i]));
        return rc ? cli_fail(c->cli, json, e) : cli_print_json(json, EXIT_OK);
}

static int status(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        struct status_command c = {.cli = cli};
        int signal_number = 0;
        struct err e;

        if (cli_load_config(cli, &config, &e))
                return cli_fail(cli, NULL, &e);
        cleanup_(freep) const struct config_mapper **chosen =
                calloc(config->mapper_count + 1, sizeof(*chosen));
        cleanup_(freep) struct status *of = calloc(config->mapper_count + 1, sizeof(*of));
        cleanup_(freep) const cJSON **facts = calloc(config->mapper_count + 1, sizeof(*facts));
        int rc = chosen && of && facts ? cli_select(cli, config, chosen, &c.count, &e)
                                       : err_nomem(&e, "mappers");
        c.config = config;
        c.chosen = chosen;
        c.of = of;
        c.facts = facts;
        if (rc)
                return cli_fail(cli, NULL, &e);
        rc = on_loop(read_all, &c, &signal_number, &e);
        int code = finish(&c, rc, &e);
        for (size_t i = 0; i < c.count; i++)
                status_deinit(&of[i]);
        cJSON_Delete(c.service);
        return signal_number ? EXIT_SIGNAL + signal_number : code;
}

const struct cli_command command_status = {
        .name = "status",
        .words = "[MAPPER...]",
        .max_words = CLI_MAX_WORDS,
        .summary = "last run, lag and rejects of each mapper",
        .detail =
                "From the service, where it runs: it knows what mappers do now and\n"
                "when they run next. Else from the run history and the rejects in CouchDB's\n"
                "control database, the local state, and what the last run of this machine left\n"
                "beside it; standard error says which. LAG is the time since the last run that\n"
                "finished began: that old may a change in the source be that is not in CouchDB\n"
                "yet. With --json: {\"service\": ..., \"mappers\": [...]}; service is null where\n"
                "none was asked.\n\n"
                "Ends with 0 however the mappers' runs ended. Where CouchDB does not answer, it\n"
                "tells what is known here and ends with 69; the number of rejects is not.",
        .run = status,
};
