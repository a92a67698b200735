/* erp2couch check: everything that can be known before a run; with --connect, from the servers. */
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/jobs.h"
#include "ingest/pipeline/connect.h"
#include "ingest/pipeline/state_tool.h"
#include "ingest/pipeline/static_check.h"

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
        cJSON_AddArrayToObject(json, "warnings");
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

#define FINDINGS_BYTES (64 << 20) /* of a thousand mappers with all the findings they may have */

struct check {
        struct cli *cli;
        const struct config *config;
        struct connect_report *reports; /* one a mapper; err and columns mean something where ... */
        bool connected;                 /* ... sources were asked */
        struct findings schemas;        /* what was found in their files */
        struct err couch_err;
        struct couch_server server;
        int rc;
};

static void check_job(void *ctx, struct loop *loop)
{
        struct check *c = ctx;

        c->rc = connect_check(c->config, loop, c->cli->log, c->reports, &c->server, &c->couch_err);
}

/* ---- what was found ---- */

static int find_all(struct check *c, struct arena *arena, struct err *e)
{
        int rc = 0;

        c->schemas.arena = arena;
        rc = static_check_schemas(c->config, &c->schemas, e);
        for (size_t i = 0; i < c->config->mapper_count && !rc; i++) {
                struct connect_report *r = &c->reports[i];
                r->found.arena = arena;
                if (!r->analysed && r->err.class != ERR_CONFIG) /* else it was said */
                        rc = static_check_mapper(&c->config->mappers[i], NULL, &r->found, e);
        }
        return rc;
}

static cJSON *finding_json(const struct finding *f)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "level", finding_level_name(f->level));
        cJSON_AddStringToObject(json, "file", f->file);
        cJSON_AddNumberToObject(json, "line", f->line);
        cJSON_AddNumberToObject(json, "column", f->column);
        cJSON_AddStringToObject(json, "message", f->message);
        return json;
}

static void add_findings(cJSON *list, const struct findings *found, bool errors)
{
        for (size_t i = 0; i < found->count; i++)
                if ((found->list[i].level == FINDING_ERROR) == errors)
                        cJSON_AddItemToArray(list, finding_json(&found->list[i]));
}

static void log_findings(const struct check *c, const struct findings *found)
{
        static const enum log_level levels[] = {[FINDING_NOTE] = LOG_LEVEL_INFO,
                [FINDING_WARNING] = LOG_LEVEL_WARN,
                [FINDING_ERROR] = LOG_LEVEL_ERROR};

        for (size_t i = 0; i < found->count; i++) {
                const struct finding *f = &found->list[i];
                log_at(c->cli->log, levels[f->level], "%s:%d:%d: %s", f->file, f->line, f->column,
                        f->message);
        }
}

/* The first certain mistake of a mapper, as if it had stopped there. */
static void first_error(const struct findings *found, struct err *e)
{
        size_t i = 0;

        while (found->list[i].level != FINDING_ERROR)
                i++;
        const struct finding *f = &found->list[i];
        (void)err_set(e, ERR_CONFIG, "%s:%d:%d: %s", f->file, f->line, f->column, f->message);
}

/* ---- the report ---- */

static bool is_bad(const struct connect_report *r)
{
        return r->err.class != ERR_NONE || r->found.errors > 0;
}

static cJSON *mapper_json(const struct check *c, size_t i)
{
        const struct config_mapper *m = &c->config->mappers[i];
        const struct connect_report *r = &c->reports[i];
        cJSON *json = cJSON_CreateObject();
        struct err e = r->err;

        cJSON_AddStringToObject(json, "mapper", m->spec->name);
        cJSON_AddStringToObject(json, "file", m->spec->path);
        cJSON_AddStringToObject(json, "source", m->source->name);
        if (c->connected && r->err.class == ERR_NONE)
                cJSON_AddNumberToObject(json, "columns", (double)r->columns);
        cJSON_AddBoolToObject(json, "ok", !is_bad(r));
        if (e.class == ERR_NONE && r->found.errors)
                first_error(&r->found, &e);
        if (is_bad(r))
                cJSON_AddItemToObject(json, "error", cli_error_json(&e));
        if (r->found.errors)
                add_findings(cJSON_AddArrayToObject(json, "errors"), &r->found, true);
        return json;
}

static cJSON *mappers_json(const struct check *c)
{
        cJSON *list = cJSON_CreateArray();

        for (size_t i = 0; i < c->config->mapper_count; i++)
                cJSON_AddItemToArray(list, mapper_json(c, i));
        return list;
}

static void print_mappers(const struct check *c)
{
        for (size_t i = 0; i < c->config->mapper_count; i++) {
                const struct config_mapper *m = &c->config->mappers[i];
                const struct connect_report *r = &c->reports[i];
                log_findings(c, &r->found);
                if (r->err.class != ERR_NONE && !r->repeated)
                        log_error(c->cli->log, "%s", r->err.text);
                if (is_bad(r))
                        continue;
                if (!c->connected)
                        printf("%s: ok (%s)\n", m->spec->name, m->spec->path);
                else
                        printf("%s: ok, %zu columns from source %s\n", m->spec->name, r->columns,
                                m->source->name);
        }
}

static int code_of(const struct check *c)
{
        int code = c->couch_err.class == ERR_NONE ? EXIT_OK : exit_code_of(c->couch_err.class);

        for (size_t i = 0; i < c->config->mapper_count; i++) {
                const struct connect_report *r = &c->reports[i];
                code = exit_code_worse(code, exit_code_of(r->err.class));
                if (r->found.errors)
                        code = exit_code_worse(code, exit_code_of(ERR_CONFIG));
        }
        return code;
}

static int finish(const struct check *c)
{
        if (c->couch_err.class != ERR_NONE)
                log_error(c->cli->log, "%s", c->couch_err.text);
        log_findings(c, &c->schemas);
        print_mappers(c);
        return code_of(c);
}

static int finish_json(const struct check *c)
{
        cJSON *json = cJSON_CreateObject();
        int code = code_of(c);

        cJSON_AddBoolToObject(json, "ok", code == EXIT_OK);
        cJSON_AddItemToObject(json, "mappers", mappers_json(c));
        cJSON *warnings = cJSON_AddArrayToObject(json, "warnings");
        add_findings(warnings, &c->schemas, false);
        for (size_t i = 0; i < c->config->mapper_count; i++)
                add_findings(warnings, &c->reports[i].found, false);
        if (c->connected && c->couch_err.class == ERR_NONE) {
                cJSON *couch = cJSON_AddObjectToObject(json, "couchdb");
                cJSON_AddStringToObject(couch, "vendor", c->server.vendor);
                cJSON_AddStringToObject(couch, "version", c->server.version);
        }
        if (c->couch_err.class != ERR_NONE)
                cJSON_AddItemToObject(json, "error", cli_error_json(&c->couch_err));
        return cli_print_json(json, code);
}

static int ask_sources(struct check *c, struct arena *arena, int *signal_number, struct err *e)
{
        struct job job = {.run = check_job, .ctx = c};

        for (size_t i = 0; i < c->config->mapper_count; i++)
                c->reports[i].found.arena = arena;
        c->connected = true;
        return jobs_run(&job, 1, 1, NULL, NULL, signal_number, e);
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
        cleanup_(freep) struct connect_report *reports =
                calloc(config->mapper_count + 1, sizeof(*reports));
        cleanup_(arena_freep) struct arena *arena = arena_new(FINDINGS_BYTES);
        int rc = reports && arena ? 0 : err_nomem(&e, "check");
        c.reports = reports;
        if (!rc && cli->values.connect)
                rc = ask_sources(&c, arena, &signal_number, &e);
        if (!rc)
                rc = find_all(&c, arena, &e);
        if (rc)
                return cli_fail(cli, NULL, &e);
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
                "checked, and fields against the mapper's schema. With it, every mapper is\n"
                "compiled against the columns that its source has now, their types and NULLs are\n"
                "compared with the schema, and CouchDB's address and credentials are proved.\n"
                "Errors are certain, warnings may come true. Nothing is written.",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .run = check,
};
