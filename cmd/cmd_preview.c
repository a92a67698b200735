/* erp2couch preview: mapped documents, one JSON a line, straight to standard output. */
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/jobs.h"
#include "ingest/pipeline/preview.h"

struct preview_command {
        struct cli *cli;
        const struct config *config;
        const struct config_mapper *mapper;
        struct preview_report report;
        struct err err;
        int rc;
};

static void preview_job(void *ctx, struct loop *loop)
{
        struct preview_command *c = ctx;
        struct preview_options options = {.limit = c->cli->values.limit,
                .key = c->cli->values.key,
                .fd = STDOUT_FILENO,
                .wrapped = c->cli->values.json};

        c->rc = preview_mapper(
                c->config, c->mapper, &options, loop, c->cli->log, &c->report, &c->err);
}

static int finish(struct preview_command *c, int signal_number)
{
        if (c->rc && !c->cli->values.json) {
                if (c->rc != -ERR_CANCEL)
                        log_error(c->cli->log, "%s", c->err.text);
        } else if (c->rc && !c->report.began) {
                int code = cli_fail(c->cli, NULL, &c->err);
                return signal_number ? EXIT_SIGNAL + signal_number : code;
        } else if (c->rc) {
                log_error(c->cli->log, "%s", c->err.text);
        }
        if (signal_number)
                return EXIT_SIGNAL + signal_number;
        if (c->rc)
                return exit_code_of(-c->rc);
        if (c->report.documents == 0 && c->cli->values.key && !c->report.rejected)
                log_warn(c->cli->log, "the source has no record with key %s", c->cli->values.key);
        return c->report.rejected ? EXIT_REJECTS : EXIT_OK;
}

static int preview(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        const struct config_mapper **chosen;
        struct preview_command c = {.cli = cli};
        struct job job = {.run = preview_job, .ctx = &c};
        int signal_number = 0;
        size_t count;
        struct err e;

        if (cli_load_config(cli, &config, &e))
                return cli_fail(cli, NULL, &e);
        chosen = calloc(config->mapper_count + 1, sizeof(*chosen));
        int rc = chosen ? cli_select(cli, config, chosen, &count, &e) : err_nomem(&e, "mappers");
        c.config = config;
        c.mapper = rc ? NULL : chosen[0];
        free(chosen);
        if (!rc)
                rc = jobs_run(&job, 1, 1, NULL, NULL, &signal_number, &e);
        return rc ? cli_fail(cli, NULL, &e) : finish(&c, signal_number);
}

static const struct cli_option options[] = {
        {"limit", 0, CLI_NUMBER, "N", offsetof(struct cli_values, limit), "at most N documents"},
        {"key", 0, CLI_TEXT, "K", offsetof(struct cli_values, key),
                "only the record with source key K (a,b for a key of two columns)"},
};

const struct cli_command command_preview = {
        .name = "preview",
        .words = "MAPPER",
        .min_words = 1,
        .max_words = 1,
        .summary = "print the documents that a mapper makes, one JSON a line",
        .detail = "Reads the source and maps, but needs no CouchDB and writes nothing. Rejected\n"
                  "records are named on standard error. With --json the output is one object:\n"
                  "{\"mapper\": ..., \"documents\": [...], \"rejects\": [...]}.",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .run = preview,
};
