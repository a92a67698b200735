/* erp2couch check: everything that can be known before a run; with --connect, from the servers. */
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/jobs.h"
#include "ingest/pipeline/connect.h"
#include "ingest/pipeline/state_tool.h"

/* The mistakes in mapper files, as JSON: one object a file. */
struct bad_files {
        struct cli *cli;
        cJSON *mappers;
        size_t count;
};

static void note_bad_file(void *ctx, const char *file, const struct err *e)
{
        struct bad_files *b = ctx;
        cJSON *json = cJSON_CreateObject();

        log_error(b->cli->log, "%s", e->text);
        cJSON_AddStringToObject(json, "file", file);
        cJSON_AddBoolToObject(json, "ok", false);
        cJSON_AddItemToObject(json, "error", cli_error_json(e));
        cJSON_AddItemToArray(b->mappers, json);
        b->count++;
}

/* After what note_bad_file() has logged. */
static int fail(struct bad_files *b, const struct err *e)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddBoolToObject(json, "ok", false);
        cJSON_AddItemToObject(json, "mappers", b->mappers);
        if (b->count == 0)
                return cli_fail(b->cli, json, e);
        if (b->cli->values.json) {
                cJSON_AddItemToObject(json, "error", cli_error_json(e));
                return cli_print_json(json, exit_code_of(e->class));
        }
        cJSON_Delete(json);
        return exit_code_of(e->class);
}

static int load(struct cli *cli, struct config **out)
{
        struct bad_files bad = {.cli = cli, .mappers = cJSON_CreateArray()};
        struct err e;

        if (cli_load_config_all(cli, note_bad_file, &bad, out, &e))
                return fail(&bad, &e);
        cJSON_Delete(bad.mappers);
        return EXIT_OK;
}

struct check {
        struct cli *cli;
        const struct config *config;
        struct connect_report *reports; /* one a mapper */
        struct err couch_err;
        struct couch_server server;
        int rc;
};

static void check_job(void *ctx, struct loop *loop)
{
        struct check *c = ctx;

        c->rc = connect_check(c->config, loop, c->cli->log, c->reports, &c->server, &c->couch_err);
}

static cJSON *mappers_json(const struct check *c)
{
        cJSON *list = cJSON_CreateArray();

        for (size_t i = 0; i < c->config->mapper_count; i++) {
                const struct config_mapper *m = &c->config->mappers[i];
                cJSON *json = cJSON_CreateObject();
                cJSON_AddStringToObject(json, "mapper", m->spec->name);
                cJSON_AddStringToObject(json, "file", m->spec->path);
                cJSON_AddStringToObject(json, "source", m->source->name);
                if (c->reports && c->reports[i].err.class == ERR_NONE)
                        cJSON_AddNumberToObject(json, "columns", (double)c->reports[i].columns);
                bool bad = c->reports && c->reports[i].err.class != ERR_NONE;
                cJSON_AddBoolToObject(json, "ok", !bad);
                if (bad)
                        cJSON_AddItemToObject(json, "error", cli_error_json(&c->reports[i].err));
                cJSON_AddItemToArray(list, json);
        }
        return list;
}

static void print_mappers(const struct check *c)
{
        for (size_t i = 0; i < c->config->mapper_count; i++) {
                const struct config_mapper *m = &c->config->mappers[i];
                if (!c->reports)
                        printf("%s: ok (%s)\n", m->spec->name, m->spec->path);
                else if (c->reports[i].err.class == ERR_NONE)
                        printf("%s: ok, %zu columns from source %s\n", m->spec->name,
                                c->reports[i].columns, m->source->name);
                else if (!c->reports[i].repeated)
                        log_error(c->cli->log, "%s", c->reports[i].err.text);
        }
}

static int finish(const struct check *c)
{
        int code = c->couch_err.class == ERR_NONE ? EXIT_OK : exit_code_of(c->couch_err.class);

        for (size_t i = 0; c->reports && i < c->config->mapper_count; i++)
                code = exit_code_worse(code, exit_code_of(c->reports[i].err.class));
        if (c->couch_err.class != ERR_NONE)
                log_error(c->cli->log, "%s", c->couch_err.text);
        print_mappers(c);
        return code;
}

static int finish_json(const struct check *c)
{
        cJSON *json = cJSON_CreateObject();
        int code = c->couch_err.class == ERR_NONE ? EXIT_OK : exit_code_of(c->couch_err.class);

        for (size_t i = 0; c->reports && i < c->config->mapper_count; i++)
                code = exit_code_worse(code, exit_code_of(c->reports[i].err.class));
        cJSON_AddBoolToObject(json, "ok", code == EXIT_OK);
        cJSON_AddItemToObject(json, "mappers", mappers_json(c));
        if (c->reports && c->couch_err.class == ERR_NONE) {
                cJSON *couch = cJSON_AddObjectToObject(json, "couchdb");
                cJSON_AddStringToObject(couch, "vendor", c->server.vendor);
                cJSON_AddStringToObject(couch, "version", c->server.version);
        }
        if (c->couch_err.class != ERR_NONE)
                cJSON_AddItemToObject(json, "error", cli_error_json(&c->couch_err));
        return cli_print_json(json, code);
}

static int check(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        struct check c = {.cli = cli};
        int signal_number = 0;
        struct err e;

        int code = load(cli, &config);
        if (code != EXIT_OK)
                return code;
        c.config = config;
        for (size_t i = 0; i < config->mapper_count; i++)
                state_warn_former(config, &config->mappers[i], cli->log);
        cleanup_(freep) struct connect_report *reports = NULL;
        if (cli->values.connect) {
                struct job job = {.run = check_job, .ctx = &c};
                c.reports = reports = calloc(config->mapper_count + 1, sizeof(*reports));
                int rc = reports ? jobs_run(&job, 1, 1, NULL, NULL, &signal_number, &e)
                                 : err_nomem(&e, "check");
                if (rc)
                        return cli_fail(cli, NULL, &e);
        }
        code = cli->values.json ? finish_json(&c) : finish(&c);
        if (signal_number)
                return EXIT_SIGNAL + signal_number;
        if (!cli->values.json && code == EXIT_OK && cli->values.connect)
                printf("CouchDB: ok, %s %s\n", c.server.vendor, c.server.version);
        if (!cli->values.json && code == EXIT_OK)
                printf("configuration: ok, %zu mapper%s\n", config->mapper_count,
                        config->mapper_count == 1 ? "" : "s");
        return code;
}

static const struct cli_option options[] = {
        {"connect", 0, CLI_FLAG, NULL, offsetof(struct cli_values, connect),
                "also prove sources, columns, types and CouchDB"},
};

const struct cli_command command_check = {
        .name = "check",
        .words = "",
        .max_words = 0,
        .summary = "validate configuration and mappers",
        .detail =
                "Without --connect no network is used: files, keys, names, ids and references are\n"
                "checked. With it, every mapper is compiled against the columns that its source\n"
                "has now, and CouchDB's address and credentials are proved. Nothing is written.",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .run = check,
};
