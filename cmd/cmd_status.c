/* erp2couch status: one line a mapper, from what runs left behind. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/on_loop.h"
#include "cmd/table.h"
#include "ingest/pipeline/status_json.h"

struct status_command {
        struct cli *cli;
        const struct config *config;
        const struct config_mapper **chosen;
        size_t count, done;
        struct status *of;
};

static int read_all(void *ctx, struct loop *loop, struct err *e)
{
        struct status_command *c = ctx;
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

/* ---- for people ---- */

static const struct table_column columns[] = {{"MAPPER", 40}, {"LAST RUN", 24}, {"OUTCOME", 12},
        {"SECONDS", 10}, {"READ", 12}, {"WRITTEN", 12}, {"LAG", 12}, {"RECORDS", 12},
        {"REJECTS", 12}, {"NOTE", 0}};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static double number_of(const struct status *s, const char *name)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(s->last, name);

        return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const char *text_of(const struct status *s, const char *name)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(s->last, name));

        return text ? text : "";
}

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

static void put_note(const struct status *s, char *out, size_t size)
{
        if (s->busy)
                snprintf(out, size, "running, pid %ld", s->busy);
        else if (s->state == STATE_IS_DAMAGED || s->state == STATE_IS_FOREIGN)
                snprintf(out, size, "its state is %s: the next run rebuilds it",
                        state_condition_name(s->state));
        else if (cJSON_HasObjectItem(s->last, "keys"))
                snprintf(out, size, "a retry of rejects%s%s", *text_of(s, "error") ? ": " : "",
                        text_of(s, "error"));
        else
                snprintf(out, size, "%s", text_of(s, "error"));
}

static int print_row(struct table *t, const char *name, const struct status *s, struct err *e)
{
        char seconds[32] = "", read[32] = "", written[32] = "", lag[32], records[32], rejects[32];
        char note[ERR_TEXT_MAX];
        int rc = 0;

        if (s->last && cJSON_HasObjectItem(s->last, "read")) { /* not of one that was killed */
                snprintf(seconds, sizeof(seconds), "%.1f", number_of(s, "seconds"));
                snprintf(read, sizeof(read), "%.0f", number_of(s, "read"));
                snprintf(written, sizeof(written), "%.0f",
                        number_of(s, "created") + number_of(s, "updated") + number_of(s, "moved") +
                                number_of(s, "deleted"));
        }
        put_lag(s->lag_s, lag);
        snprintf(records, sizeof(records), "%" PRIu64, s->records);
        snprintf(rejects, sizeof(rejects), s->asked ? "%" PRIu64 : "?", s->rejects);
        put_note(s, note, sizeof(note));
        const char *const cells[COLUMNS] = {name, s->last ? text_of(s, "started") : "never",
                text_of(s, "outcome"), seconds, read, written, lag, records, rejects, note};
        for (size_t i = 0; i < COLUMNS && !rc; i++)
                rc = table_cell(t, str_of(cells[i]), e);
        return rc;
}

static int print_table(const struct status_command *c, struct err *e)
{
        cleanup_(freep) struct table *t = calloc(1, sizeof(*t));
        struct out out;
        int rc = 0;

        if (!t)
                return err_nomem(e, "a table");
        out_init(&out);
        table_init(t, &out, columns, COLUMNS);
        for (size_t i = 0; i < c->done && !rc; i++)
                rc = print_row(t, c->chosen[i]->spec->name, &c->of[i], e);
        rc = rc ? rc : table_end(t, e);
        rc = rc ? rc : out_flush(&out, e);
        table_deinit(t);
        out_deinit(&out);
        return rc;
}

static int finish(struct status_command *c, int rc, const struct err *e)
{
        struct err print_err;

        if (!c->cli->values.json) {
                int printed = print_table(c, &print_err);
                if (rc || printed)
                        return cli_fail(c->cli, NULL, rc ? e : &print_err);
                return EXIT_OK;
        }
        cJSON *json = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(json, "mappers");
        for (size_t i = 0; i < c->done; i++)
                cJSON_AddItemToArray(list, status_of_json(c->chosen[i]->spec->name, &c->of[i]));
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
        int rc = chosen && of ? cli_select(cli, config, chosen, &c.count, &e)
                              : err_nomem(&e, "mappers");
        c.config = config;
        c.chosen = chosen;
        c.of = of;
        if (rc)
                return cli_fail(cli, NULL, &e);
        rc = on_loop(read_all, &c, &signal_number, &e);
        int code = finish(&c, rc, &e);
        for (size_t i = 0; i < c.count; i++)
                status_deinit(&of[i]);
        return signal_number ? EXIT_SIGNAL + signal_number : code;
}

const struct cli_command command_status = {
        .name = "status",
        .words = "[MAPPER...]",
        .max_words = CLI_MAX_WORDS,
        .summary = "last run, lag and rejects of each mapper",
        .detail = "From the run history and the rejects in CouchDB's control database, the local\n"
                  "state, and what the last run of this machine left beside it. LAG is the time\n"
                  "since the last run that finished began: that old may a change in the source be\n"
                  "that is not in CouchDB yet. With --json: {\"mappers\": [...]}.\n\n"
                  "Ends with 0 however the mappers' runs ended. Where CouchDB does not answer, it\n"
                  "tells what is known here and ends with 69; the number of rejects is not.",
        .run = status,
};
