/* erp2couch preview: mapped documents, one JSON a line, straight to standard output. */
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/explain_show.h"
#include "cmd/jobs.h"
#include "ingest/pipeline/preview.h"

#define EXPLAIN_DEFAULT 10 /* records: pages to read, where nobody says how many */

struct preview_command {
        struct cli *cli;
        const struct config *config;
        const struct config_mapper *mapper;
        struct preview_report report;
        struct err err;
        int rc;
};

/* On a terminal that knows them, unless the user wants none (no-color.org). */
static bool wants_colours(void)
{
        const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");

        return isatty(STDOUT_FILENO) && !(none && *none) && terminal && *terminal &&
               strcmp(terminal, "dumb") != 0;
}

static void preview_job(void *ctx, struct loop *loop)
{
        struct preview_command *c = ctx;
        struct preview_options options = {.limit = c->cli->values.limit,
                .key = c->cli->values.key,
                .fd = STDOUT_FILENO,
                .wrapped = c->cli->values.json};
        bool colours = wants_colours();

        if (c->cli->values.explain) {
                options.explain = options.wrapped ? explain_json : explain_text;
                options.explain_ctx = &colours;
                if (options.limit < 0 && !options.key)
                        options.limit = EXPLAIN_DEFAULT;
        }
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
        {"explain", 0, CLI_FLAG, NULL, offsetof(struct cli_values, explain),
                "show how each field came about, of 10 records or --limit"},
};

const struct cli_command command_preview = {
        .name = "preview",
        .words = "MAPPER",
        .min_words = 1,
        .max_words = 1,
        .summary = "print the documents that a mapper makes, one JSON a line",
        .detail = "Reads the source and maps, but needs no CouchDB and writes nothing. Rejected\n"
                  "records are named on standard error. With --json the output is one object:\n"
                  "{\"mapper\": ..., \"documents\": [...], \"rejects\": [...]}.\n"
                  "\n"
                  "--explain shows, field by field, the value of the source with its column and\n"
                  "type, each step of the mapper that it went through, and what stands in the\n"
                  "document; of a rejected record the step that refused it. Steps are named by\n"
                  "their keys: trim, map, type ... Columns that look like secrets are masked, and\n"
                  "what was made of them. --limit then counts rejected records, too. With colours\n"
                  "on a terminal, unless NO_COLOR is set. With --json: {\"mapper\": ...,\n"
                  "\"records\": [{\"key\", \"id\", \"database\" or \"reject\", \"fields\": "
                  "[{\"field\",\n"
                  "\"steps\": [{\"step\", \"detail\", \"value\" or \"refused\" or \"masked\"}],\n"
                  "\"result\"}]}], \"rejects\": [...]}; a field that was left out has no result.",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .run = preview,
};
