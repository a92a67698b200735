/* erp2couch run: one run of each mapper, a few side by side; a summary line for each. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/jobs.h"
#include "cmd/progress.h"
#include "ingest/base/clock.h"
#include "ingest/pipeline/run.h"
#include "ingest/pipeline/state_tool.h"

#define PARALLEL_RUNS 4 /* "a few at a time": each has connections and a writer of its own */

struct mapper_run {
        const struct config *config;
        const struct config_mapper *mapper;
        struct run_options options;
        struct log *log;
        struct run_progress progress;
        struct run_report report;
        _Atomic int64_t started_ms; /* monotonic; 0: not yet */
};

struct run_command {
        struct cli *cli;
        struct mapper_run *runs;
        struct job *jobs;
        size_t count;
};

static void run_job(void *ctx, struct loop *loop)
{
        struct mapper_run *m = ctx;

        atomic_store(&m->started_ms, clock_monotonic_ms());
        run_mapper(m->config, m->mapper, &m->options, loop, m->log, &m->progress, &m->report);
}

/* ---- the progress line ---- */

static const struct mapper_run *shown_run(const struct run_command *c)
{
        for (size_t i = 0; i < c->count; i++) {
                int phase = atomic_load(&c->runs[i].progress.phase);
                if (atomic_load(&c->runs[i].started_ms) && phase != RUN_ENDED)
                        return &c->runs[i];
        }
        return NULL;
}

static void tick(void *ctx)
{
        const struct run_command *c = ctx;
        const struct mapper_run *m = shown_run(c);

        progress_show(c->cli, m ? m->mapper->spec->name : "", m ? &m->progress : NULL,
                m ? atomic_load(&m->started_ms) : 0);
}

/* ---- the report ---- */

static int exit_code_of_run(const struct mapper_run *m)
{
        switch (m->report.outcome) {
        case RUN_OK:
                return EXIT_OK;
        case RUN_REJECTS:
                return EXIT_REJECTS;
        default:
                return exit_code_of(m->report.err.class);
        }
}

static cJSON *mapper_json(const struct mapper_run *m)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "mapper", m->mapper->spec->name);
        run_counts_json(&m->report.counts, json);
        cJSON_AddNumberToObject(json, "seconds", (double)m->report.elapsed_ms / 1000.0);
        cJSON_AddStringToObject(json, "outcome", run_outcome_name(m->report.outcome));
        if (m->report.withheld)
                cJSON_AddNumberToObject(json, "withheld", (double)m->report.withheld);
        if (m->report.err.class != ERR_NONE)
                cJSON_AddItemToObject(json, "error", cli_error_json(&m->report.err));
        return json;
}

static void print_summary(const struct mapper_run *m)
{
        const struct run_counts *n = &m->report.counts;
        double s = (double)m->report.elapsed_ms / 1000.0;

        printf("%s%s: %s: read %" PRIu64 ", created %" PRIu64 ", updated %" PRIu64
               ", moved %" PRIu64 ", deleted %" PRIu64 ", unchanged %" PRIu64 ", rejected %" PRIu64
               " in %.1f s (%.0f/s)\n",
                m->options.dry_run ? "dry run of " : "", m->mapper->spec->name,
                run_outcome_name(m->report.outcome), n->read, n->created, n->updated, n->moved,
                n->deleted, n->unchanged, n->rejected, s, s > 0 ? (double)n->read / s : 0.0);
}

static enum run_outcome outcome_of_code(int code)
{
        switch (code) {
        case EXIT_OK:
                return RUN_OK;
        case EXIT_REJECTS:
                return RUN_REJECTS;
        case EXIT_UNAVAILABLE:
                return RUN_UNAVAILABLE;
        case EXIT_LOCKED:
                return RUN_LOCKED;
        case EXIT_REFUSED:
                return RUN_REFUSED;
        default:
                return code > EXIT_SIGNAL ? RUN_INTERRUPTED : RUN_FAILED;
        }
}

static int report(struct run_command *c, int signal_number)
{
        cJSON *list = cJSON_CreateArray();
        int code = EXIT_OK;

        for (size_t i = 0; i < c->count; i++) {
                struct mapper_run *m = &c->runs[i];
                if (!c->jobs[i].started) {
                        m->report.outcome = RUN_INTERRUPTED;
                        err_set(&m->report.err, ERR_CANCEL, "interrupted before it began");
                }
                if (m->report.err.class != ERR_NONE)
                        log_error(m->log, "%s", m->report.err.text);
                if (!c->cli->values.json)
                        print_summary(m);
                cJSON_AddItemToArray(list, mapper_json(m));
                if (m->report.outcome != RUN_INTERRUPTED)
                        code = exit_code_worse(code, exit_code_of_run(m));
        }
        if (signal_number)
                code = EXIT_SIGNAL + signal_number;
        if (!c->cli->values.json) {
                cJSON_Delete(list);
                return code;
        }
        cJSON *json = cJSON_CreateObject();
        cJSON_AddItemToObject(json, "mappers", list);
        cJSON_AddStringToObject(json, "outcome", run_outcome_name(outcome_of_code(code)));
        return cli_print_json(json, code);
}

static int fail(struct cli *cli, const struct err *e)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddItemToObject(json, "mappers", cJSON_CreateArray());
        cJSON_AddStringToObject(
                json, "outcome", run_outcome_name(outcome_of_code(exit_code_of(e->class))));
        return cli_fail(cli, json, e);
}

/* ---- set-up ---- */

static int prepare(struct run_command *c, const struct config *config,
        const struct config_mapper **chosen, struct err *e)
{
        c->runs = calloc(c->count + 1, sizeof(*c->runs));
        c->jobs = calloc(c->count + 1, sizeof(*c->jobs));
        if (!c->runs || !c->jobs)
                return err_nomem(e, "runs");
        for (size_t i = 0; i < c->count; i++) {
                struct mapper_run *m = &c->runs[i];
                m->config = config;
                m->mapper = chosen[i];
                m->options = (struct run_options){.full = c->cli->values.full,
                        .dry_run = c->cli->values.dry_run,
                        .allow_deletes = c->cli->values.allow_deletes};
                m->log = log_child(c->cli->log, "mapper", chosen[i]->spec->name);
                if (!m->log)
                        return err_nomem(e, "runs");
                state_warn_former(config, chosen[i], m->log);
                c->jobs[i] = (struct job){.run = run_job, .ctx = m};
        }
        return 0;
}

static void dispose(struct run_command *c)
{
        for (size_t i = 0; c->runs && i < c->count; i++)
                log_free(c->runs[i].log);
        free(c->runs);
        free(c->jobs);
}

static int run(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        struct run_command c = {.cli = cli};
        int signal_number = 0;
        struct err e;

        int rc = cli_load_config(cli, &config, &e);
        if (rc)
                return fail(cli, &e);
        cleanup_(freep) const struct config_mapper **chosen =
                calloc(config->mapper_count + 1, sizeof(*chosen));
        rc = chosen ? cli_select(cli, config, chosen, &c.count, &e) : err_nomem(&e, "mappers");
        if (!rc)
                rc = prepare(&c, config, chosen, &e);
        if (!rc)
                rc = jobs_run(c.jobs, c.count, PARALLEL_RUNS, tick, &c, &signal_number, &e);
        log_sink_progress(cli->sink, NULL);
        int code = rc ? fail(cli, &e) : report(&c, signal_number);
        dispose(&c);
        return code;
}

static const struct cli_option options[] = {
        {"full", 0, CLI_FLAG, NULL, offsetof(struct cli_values, full),
                "read everything, whatever the cursor says"},
        {"dry-run", 'n', CLI_FLAG, NULL, offsetof(struct cli_values, dry_run),
                "count what would be done, write nothing"},
        {"allow-deletes", 0, CLI_FLAG, NULL, offsetof(struct cli_values, allow_deletes),
                "permit more deletions than deletes.max, an empty source too"},
};

const struct cli_command command_run = {
        .name = "run",
        .words = "[MAPPER...]",
        .max_words = CLI_MAX_WORDS,
        .summary = "read the source, write what changed to CouchDB, once",
        .detail =
                "Runs every mapper of the configuration, or those named. A record that is\n"
                "unchanged writes nothing; one that cannot be mapped or written becomes a reject\n"
                "in the control database and is tried again in the next run. A run that is\n"
                "interrupted or fails loses nothing: the next one goes on from what CouchDB has.",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .run = run,
};
