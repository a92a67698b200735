/*
 * erp2couch diff and verify: what a run would write, and whether CouchDB holds what the source
 * says. One job on a thread of its own, then its report; diff.h does the work.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/jobs.h"
#include "cmd/out.h"
#include "cmd/progress.h"
#include "ingest/base/clock.h"
#include "ingest/pipeline/diff.h"

#define SAMPLES_DEFAULT 10
#define SHOWN_MAX       60 /* characters of a value on the terminal */

struct diff_command {
        struct cli *cli;
        const struct config *config;
        const struct config_mapper *mapper;
        struct diff_options options;
        struct log *log;
        struct run_progress progress;
        struct diff_report report;
        int64_t started_ms;
};

static void diff_job(void *ctx, struct loop *loop)
{
        struct diff_command *c = ctx;

        diff_mapper(c->config, c->mapper, &c->options, loop, c->log, &c->progress, &c->report);
}

static void tick(void *ctx)
{
        const struct diff_command *c = ctx;

        progress_show(c->cli, c->mapper->spec->name, &c->progress, c->started_ms);
}

/* ---- for people ---- */

/* What each kind of change is called: by what a run would do, or by what is found. */
static const char *const found_names[DIFF_CHANGES] = {"missing", "different", "elsewhere", "extra"};

static const char *name_of(const struct diff_command *c, enum run_change change)
{
        return c->options.verify ? found_names[change] : diff_change_name(change);
}

static uint64_t count_of(const struct diff_command *c, enum run_change change)
{
        const struct run_counts *n = &c->report.run.counts;
        const uint64_t counts[DIFF_CHANGES] = {n->created, n->updated, n->moved, n->deleted};

        return counts[change];
}

static void put_value(struct buf *out, const char *json)
{
        size_t n = json ? strlen(json) : 0;

        if (!json)
                buf_puts(out, "(absent)");
        else if (out_text(out, str_of(json), SHOWN_MAX) == SHOWN_MAX && n > SHOWN_MAX)
                buf_printf(out, " (%zu bytes)", n);
}

static void put_sample(const struct diff_command *c, const struct diff_sample *s, struct buf *out)
{
        buf_printf(out, "  %s %s/", name_of(c, s->change), s->database);
        out_text(out, str_of(s->id), 0);
        if (s->old_id[0]) {
                buf_puts(out, " (now ");
                out_text(out, str_of(s->old_id), 0);
                buf_putc(out, ')');
        }
        buf_putc(out, '\n');
        for (size_t i = 0; i < s->field_count; i++) {
                buf_puts(out, "    ");
                out_text(out, str_of(s->fields[i].name), SHOWN_MAX);
                buf_puts(out, ": ");
                put_value(out, s->fields[i].was);
                buf_puts(out, " -> ");
                put_value(out, s->fields[i].is);
                buf_putc(out, '\n');
        }
}

static int put_samples(const struct diff_command *c, struct out *out, struct err *e)
{
        int rc = 0;

        for (int k = 0; !rc && k < DIFF_CHANGES; k++) {
                size_t shown = c->report.sample_count[k];
                for (size_t i = 0; !rc && i < shown; i++) {
                        put_sample(c, &c->report.samples[k][i], &out->buf);
                        rc = out_more(out, e);
                }
                if (count_of(c, k) > shown && c->options.limit)
                        buf_printf(&out->buf, "  ... and %" PRIu64 " more: %s\n",
                                count_of(c, k) - shown, name_of(c, k));
        }
        return rc;
}

static void put_bytes(struct buf *out, uint64_t bytes)
{
        if (bytes < 10000)
                buf_printf(out, "%" PRIu64 " bytes", bytes);
        else if (bytes < 10000000)
                buf_printf(out, "%.1f kB", (double)bytes / 1e3);
        else
                buf_printf(out, "%.1f MB", (double)bytes / 1e6);
}

static void put_counts(const struct diff_command *c, struct buf *out)
{
        const struct run_counts *n = &c->report.run.counts;

        buf_printf(out, "%s: ", c->mapper->spec->name);
        for (int k = 0; k < DIFF_CHANGES; k++)
                if (!c->options.verify || k != RUN_MOVES || n->moved)
                        buf_printf(out, "%s %" PRIu64 ", ", name_of(c, k), count_of(c, k));
        buf_printf(out, "%s %" PRIu64 ", rejected %" PRIu64 "\n",
                c->options.verify ? "equal" : "unchanged", n->unchanged, n->rejected);
}

/* What the numbers do not tell. */
static void put_remarks(const struct diff_command *c, struct buf *out)
{
        const struct run_report *run = &c->report.run;

        if (run->unclaimed)
                buf_printf(out,
                        "%" PRIu64 " more documents have no record; they are left alone while "
                        "records are rejected, because they may be theirs\n",
                        run->unclaimed);
        if (c->options.verify)
                return;
        if (run->beyond_brake)
                buf_printf(out, "a run would withhold the deletions and end with 77: more than "
                                "deletes.max; run --allow-deletes permits them\n");
        if (c->report.bytes) {
                buf_puts(out, "each device that replicates all of it would pull about ");
                put_bytes(out, c->report.bytes);
                buf_putc(out, '\n');
        }
}

static int print_report(const struct diff_command *c, struct err *e)
{
        struct out out;

        out_init(&out);
        put_counts(c, &out.buf);
        int rc = put_samples(c, &out, e);
        put_remarks(c, &out.buf);
        rc = rc ? rc : out_flush(&out, e);
        out_deinit(&out);
        return rc;
}

/* ---- for programs ---- */

static cJSON *json_text(const char *json)
{
        return json ? cJSON_CreateRaw(json) : NULL;
}

static cJSON *sample_json(const struct diff_command *c, const struct diff_sample *s)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "change", name_of(c, s->change));
        cJSON_AddStringToObject(json, "database", s->database);
        cJSON_AddStringToObject(json, "id", s->id);
        if (s->old_id[0])
                cJSON_AddStringToObject(json, "old_id", s->old_id);
        if (s->key[0])
                cJSON_AddStringToObject(json, "key", s->key);
        if (s->change != RUN_UPDATES)
                return json;
        cJSON *fields = cJSON_AddArrayToObject(json, "fields");
        for (size_t i = 0; i < s->field_count; i++) {
                cJSON *field = cJSON_CreateObject();
                cJSON_AddStringToObject(field, "field", s->fields[i].name);
                if (s->fields[i].was)
                        cJSON_AddItemToObject(field, "was", json_text(s->fields[i].was));
                if (s->fields[i].is)
                        cJSON_AddItemToObject(field, "is", json_text(s->fields[i].is));
                cJSON_AddItemToArray(fields, field);
        }
        return json;
}

static cJSON *report_json(const struct diff_command *c, bool equal)
{
        cJSON *json = cJSON_CreateObject();
        const struct run_report *run = &c->report.run;
        bool failed = run->err.class != ERR_NONE;

        cJSON_AddStringToObject(json, "mapper", c->mapper->spec->name);
        for (int k = 0; k < DIFF_CHANGES; k++)
                cJSON_AddNumberToObject(json, name_of(c, k), (double)count_of(c, k));
        cJSON_AddNumberToObject(
                json, c->options.verify ? "equal" : "unchanged", (double)run->counts.unchanged);
        cJSON_AddNumberToObject(json, "rejected", (double)run->counts.rejected);
        if (!c->options.verify)
                cJSON_AddNumberToObject(json, "bytes", (double)c->report.bytes);
        if (run->beyond_brake && !c->options.verify)
                cJSON_AddNumberToObject(json, "withheld", (double)run->counts.deleted);
        if (run->unclaimed)
                cJSON_AddNumberToObject(json, "unclaimed", (double)run->unclaimed);
        cJSON *samples = cJSON_AddArrayToObject(json, "samples");
        for (int k = 0; k < DIFF_CHANGES; k++)
                for (size_t i = 0; i < c->report.sample_count[k]; i++)
                        cJSON_AddItemToArray(samples, sample_json(c, &c->report.samples[k][i]));
        cJSON_AddStringToObject(json, "outcome",
                failed || equal || !c->options.verify ? run_outcome_name(run->outcome)
                                                      : "different");
        if (failed)
                cJSON_AddItemToObject(json, "error", cli_error_json(&run->err));
        return json;
}

/* ---- the command ---- */

static int finish(struct diff_command *c, int signal_number)
{
        const struct run_report *run = &c->report.run;
        struct err print_err;
        bool equal = true;
        int code = EXIT_OK;

        for (int k = 0; k < DIFF_CHANGES; k++)
                equal = equal && count_of(c, k) == 0;
        if (signal_number)
                code = EXIT_SIGNAL + signal_number;
        else if (run->err.class != ERR_NONE)
                code = exit_code_of(run->err.class);
        else if (run->counts.rejected || (c->options.verify && !equal))
                code = EXIT_REJECTS;
        if (run->err.class != ERR_NONE)
                log_error(c->log, "%s", run->err.text);
        if (c->cli->values.json)
                return cli_print_json(report_json(c, equal), code);
        if (run->err.class == ERR_NONE && print_report(c, &print_err) != 0) {
                log_error(c->log, "%s", print_err.text);
                code = EXIT_INTERNAL;
        }
        return code;
}

static int choose(struct diff_command *c, const struct config *config, struct err *e)
{
        cleanup_(freep) const struct config_mapper **chosen =
                calloc(config->mapper_count + 1, sizeof(*chosen));
        size_t count;
        int rc = chosen ? cli_select(c->cli, config, chosen, &count, e) : err_nomem(e, "mappers");

        if (rc)
                return rc;
        c->config = config;
        c->mapper = chosen[0];
        c->log = log_child(c->cli->log, "mapper", c->mapper->spec->name);
        return c->log ? 0 : err_nomem(e, "log");
}

static int compare(struct cli *cli, bool verify)
{
        cleanup_(config_freep) struct config *config = NULL;
        int64_t limit = cli->values.limit;
        struct diff_command c = {.cli = cli,
                .started_ms = clock_monotonic_ms(),
                .options = {.verify = verify,
                        .full = cli->values.full,
                        .limit = limit < 0 ? SAMPLES_DEFAULT : (size_t)limit}};
        struct job job = {.run = diff_job, .ctx = &c};
        int signal_number = 0;
        struct err e;

        if (cli_load_config(cli, &config, &e))
                return cli_fail(cli, NULL, &e);
        int rc = choose(&c, config, &e);
        if (!rc)
                rc = jobs_run(&job, 1, 1, tick, &c, &signal_number, &e);
        log_sink_progress(cli->sink, NULL);
        int code = rc ? cli_fail(cli, NULL, &e) : finish(&c, signal_number);
        diff_report_deinit(&c.report);
        log_free(c.log);
        return code;
}

static int diff(struct cli *cli)
{
        return compare(cli, false);
}

static int verify(struct cli *cli)
{
        return compare(cli, true);
}

#define LIMIT_OPTION                                                                               \
        {                                                                                          \
                "limit", 0, CLI_NUMBER, "N", offsetof(struct cli_values, limit),                   \
                        "show at most N documents of each kind (default 10)"                       \
        }

static const struct cli_option diff_options[] = {
        LIMIT_OPTION,
        {"full", 0, CLI_FLAG, NULL, offsetof(struct cli_values, full),
                "as a run with --full: read everything, whatever the cursor says"},
};

static const struct cli_option verify_options[] = {LIMIT_OPTION};

const struct cli_command command_diff = {
        .name = "diff",
        .words = "MAPPER",
        .min_words = 1,
        .max_words = 1,
        .summary = "show what a run would create, update, move and delete",
        .detail =
                "Reads the source, maps and compares as a run does, and writes nothing: neither "
                "to\n"
                "CouchDB nor to the state. Updates are shown field by field. The bytes are what\n"
                "each device would pull that replicates all of it. Deletions are counted whether\n"
                "or not the brake would withhold them, and it is said if it would. A run that\n"
                "starts meanwhile ends with 75: both take the mapper's lock. Exit codes: 0, also\n"
                "where there is something to write; 2 where records would be rejected.",
        .options = diff_options,
        .option_count = sizeof(diff_options) / sizeof(diff_options[0]),
        .run = diff,
};

const struct cli_command command_verify = {
        .name = "verify",
        .words = "MAPPER",
        .min_words = 1,
        .max_words = 1,
        .summary = "compare every document in CouchDB with the source",
        .detail =
                "Believes neither the local state nor a cursor: reads the whole source and all\n"
                "documents of the mapper, and names what is missing, different or extra (also\n"
                "where deletes.sweep is false). Writes nothing. A run that starts meanwhile ends\n"
                "with 75: both take the mapper's lock. Exit code 0 where all are equal, 2 where\n"
                "not.",
        .options = verify_options,
        .option_count = sizeof(verify_options) / sizeof(verify_options[0]),
        .run = verify,
};
