/*
 * A retry is a run of its mapper that reads nothing but the rejected records, by key: the same
 * lock, writer and state, no sweep and no checkpoint.
 */
#include "cmd/reject_retry.h"

#include <inttypes.h>
#include <stdio.h>

#include "cmd/jobs.h"
#include "ingest/pipeline/reject_list.h"
#include "ingest/pipeline/run.h"

#define PARALLEL_RUNS 4 /* as `run` */

struct retry {
        const struct config *config;
        const struct config_mapper *mapper;
        const char *key;
        struct log *log;
        struct run_progress progress;
        struct run_report report;
        uint64_t retried; /* records that were read again */
        uint64_t left;    /* rejects without a key to read them by */
};

struct retry_command {
        struct cli *cli;
        const struct config *config;
        struct retry *retries;
        struct job *jobs;
        size_t count;
};

static size_t key_columns(const struct config_mapper *m)
{
        return m->extract->key.count ? m->extract->key.count : m->extract->group.count;
}

static int find_keys(struct retry *t, struct loop *loop, struct reject_keys *keys, struct err *e)
{
        struct control control;
        int rc = control_open(t->config, loop, t->log, &control, e);

        if (!rc)
                rc = reject_keys(
                        &control, t->mapper->spec->name, t->key, key_columns(t->mapper), keys, e);
        control_close(&control);
        t->retried = keys->count;
        t->left = keys->without;
        if (!rc && t->key && keys->count + keys->without == 0)
                rc = err_set(e, ERR_USAGE, "%s has no reject with key %s", t->mapper->spec->name,
                        t->key);
        return rc;
}

static enum run_outcome outcome_of(enum err_class class)
{
        switch (class) {
        case ERR_RETRY:
                return RUN_UNAVAILABLE;
        case ERR_CANCEL:
                return RUN_INTERRUPTED;
        default:
                return RUN_FAILED;
        }
}

static void retry_job(void *ctx, struct loop *loop)
{
        struct retry *t = ctx;
        struct reject_keys keys = {.count = 0};
        int rc = find_keys(t, loop, &keys, &t->report.err);

        if (rc) {
                t->report.outcome = outcome_of(t->report.err.class);
        } else if (keys.count) {
                struct run_options options = {.keys = keys.keys, .key_count = keys.count};
                run_mapper(t->config, t->mapper, &options, loop, t->log, &t->progress, &t->report);
                if (t->report.outcome != RUN_OK && t->report.outcome != RUN_REJECTS)
                        t->retried = t->report.counts.read; /* it ended before the others */
        } else {
                t->report = (struct run_report){.outcome = RUN_OK};
        }
        if (t->report.outcome == RUN_OK && t->left > 0)
                t->report.outcome = RUN_REJECTS;
        reject_keys_deinit(&keys);
}

/* ---- the report ---- */

static int code_of(const struct retry *t)
{
        if (t->report.outcome == RUN_OK)
                return EXIT_OK;
        return t->report.outcome == RUN_REJECTS ? EXIT_REJECTS : exit_code_of(t->report.err.class);
}

static cJSON *retry_json(const struct retry *t)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "mapper", t->mapper->spec->name);
        cJSON_AddNumberToObject(json, "retried", (double)t->retried);
        run_counts_json(&t->report.counts, json);
        cJSON_AddNumberToObject(json, "gone", (double)t->report.gone);
        cJSON_AddNumberToObject(json, "left", (double)t->left);
        cJSON_AddNumberToObject(json, "seconds", (double)t->report.elapsed_ms / 1000.0);
        cJSON_AddStringToObject(json, "outcome", run_outcome_name(t->report.outcome));
        if (t->report.err.class != ERR_NONE)
                cJSON_AddItemToObject(json, "error", cli_error_json(&t->report.err));
        return json;
}

static void print_summary(const struct retry *t)
{
        const struct run_counts *n = &t->report.counts;
        const char *name = t->mapper->spec->name;

        if (t->report.outcome == RUN_OK && t->retried == 0) {
                printf("%s: no rejects\n", name);
                return;
        }
        if (t->report.err.class != ERR_NONE && t->retried == 0) {
                printf("%s: %s: no record was read, the rejects are as they were\n", name,
                        run_outcome_name(t->report.outcome));
                return;
        }
        printf("%s: %s: retried %" PRIu64 ", written %" PRIu64 ", unchanged %" PRIu64
               ", still rejected %" PRIu64 ", gone from the source %" PRIu64 " in %.1f s\n",
                name, run_outcome_name(t->report.outcome), t->retried,
                n->created + n->updated + n->moved, n->unchanged, n->rejected, t->report.gone,
                (double)t->report.elapsed_ms / 1000.0);
        if (t->left)
                printf("%s: %" PRIu64
                       " reject%s left alone: without a source key a record cannot be "
                       "read again by itself; a full run does it\n",
                        name, t->left, t->left == 1 ? "" : "s");
}

static int report(struct retry_command *c, int signal_number)
{
        cJSON *json = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(json, "mappers");
        int code = EXIT_OK;

        for (size_t i = 0; i < c->count; i++) {
                struct retry *t = &c->retries[i];
                if (!c->jobs[i].started) {
                        t->report.outcome = RUN_INTERRUPTED;
                        err_set(&t->report.err, ERR_CANCEL, "interrupted before it began");
                }
                if (t->report.err.class != ERR_NONE)
                        log_error(t->log, "%s", t->report.err.text);
                if (!c->cli->values.json)
                        print_summary(t);
                cJSON_AddItemToArray(list, retry_json(t));
                if (t->report.outcome != RUN_INTERRUPTED)
                        code = exit_code_worse(code, code_of(t));
        }
        if (signal_number)
                code = EXIT_SIGNAL + signal_number;
        if (c->cli->values.json)
                return cli_print_json(json, code);
        cJSON_Delete(json);
        return code;
}

/* ---- set-up ---- */

static int prepare(struct retry_command *c, const struct config_mapper **chosen, struct err *e)
{
        c->retries = calloc(c->count + 1, sizeof(*c->retries));
        c->jobs = calloc(c->count + 1, sizeof(*c->jobs));
        if (!c->retries || !c->jobs)
                return err_nomem(e, "runs");
        for (size_t i = 0; i < c->count; i++) {
                struct retry *t = &c->retries[i];
                t->config = c->config;
                t->mapper = chosen[i];
                t->key = c->cli->values.key;
                t->log = log_child(c->cli->log, "mapper", chosen[i]->spec->name);
                if (!t->log)
                        return err_nomem(e, "runs");
                c->jobs[i] = (struct job){.run = retry_job, .ctx = t};
        }
        return 0;
}

static void dispose(struct retry_command *c)
{
        for (size_t i = 0; c->retries && i < c->count; i++)
                log_free(c->retries[i].log);
        free(c->retries);
        free(c->jobs);
}

int reject_retry(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        struct retry_command c = {.cli = cli};
        int signal_number = 0;
        struct err e;

        if (cli->values.key && cli->values.word_count != 1) {
                err_set(&e, ERR_USAGE, "rejects retry --key needs the one mapper whose key it is");
                return cli_fail(cli, NULL, &e);
        }
        if (cli_load_config(cli, &config, &e))
                return cli_fail(cli, NULL, &e);
        c.config = config;
        cleanup_(freep) const struct config_mapper **chosen =
                calloc(config->mapper_count + 1, sizeof(*chosen));
        int rc = chosen ? cli_select(cli, config, chosen, &c.count, &e) : err_nomem(&e, "mappers");
        if (!rc)
                rc = prepare(&c, chosen, &e);
        if (!rc)
                rc = jobs_run(c.jobs, c.count, PARALLEL_RUNS, NULL, NULL, &signal_number, &e);
        int code = rc ? cli_fail(cli, NULL, &e) : report(&c, signal_number);
        dispose(&c);
        return code;
}
