/*
 * erp2couch discover: what a source holds, and a first mapper of one table. It is used before
 * there is a mapper that works, so mapper files are not even looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/discover_show.h"
#include "cmd/jobs.h"
#include "ingest/pipeline/starter.h"

#define ARENA_MAX                                                                                  \
        ((size_t)512 << 20) /* of a database with as many columns as a catalog may have            \
                             */
#define BLOCK_MAX (4 << 20) /* text of one table */
#define NAMES_MAX 512       /* bytes of the sources' names in a message */

struct discover {
        struct cli *cli;
        const struct source_config *source;
        struct catalog_query query;
        struct arena *arena;
        struct catalog catalog;
        struct err err;
        int rc;
};

static int discover(struct discover *d, struct loop *loop, struct err *e)
{
        cleanup_(source_closep) struct source *s = NULL;
        int rc = source_open(d->source, loop, d->cli->log, &s, e);

        return rc ? rc : source_discover(s, &d->query, d->arena, &d->catalog, e);
}

static void discover_job(void *ctx, struct loop *loop)
{
        struct discover *d = ctx;

        d->rc = discover(d, loop, &d->err);
}

static int find_source(const struct config *config, const char *name,
        const struct source_config **out, struct err *e)
{
        char names[NAMES_MAX] = "";
        size_t at = 0;

        *out = config_source(config, name);
        if (*out)
                return 0;
        for (size_t i = 0; i < config->source_count && at < sizeof(names); i++)
                at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i ? ", " : "",
                        config->sources[i].name);
        return err_set(e, ERR_USAGE, "there is no source '%s' in %s; there is: %s", name,
                config->path, names);
}

/* ---- output ---- */

static int write_out(struct cli *cli, struct str text)
{
        struct err e;

        if (fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0)
                return EXIT_OK;
        if (errno == EPIPE) /* `| head`: whoever reads has seen enough */
                return EXIT_OK;
        err_set_errno(&e, ERR_SYSTEM, errno, "standard output");
        return cli_fail(cli, NULL, &e);
}

static int print_mapper(const struct discover *d)
{
        cleanup_buf_ struct buf text = BUF_INIT(STARTER_MAX_BYTES);
        struct err e;

        if (starter_write(&d->catalog.tables[0], d->source->name, &text, &e))
                return cli_fail(d->cli, NULL, &e);
        return write_out(d->cli, buf_str(&text));
}

static void log_summary(const struct discover *d)
{
        const char *like = d->query.like, *name = d->source->name;
        size_t count = d->catalog.count;

        if (d->source->ops->open_shape)
                log_info(d->cli->log,
                        "source %s: %zu entity set%s%s%s; a first mapper of one: erp2couch "
                        "discover %s NAME > mappers/NAME.yaml",
                        name, count, count == 1 ? "" : "s", like ? " with names like " : "",
                        like ? like : "", name);
        else if (count == 0 && like)
                log_info(d->cli->log,
                        "source %s: no table's name matches %s; without --like, discover lists "
                        "them all",
                        name, like);
        else if (count == 0)
                log_info(d->cli->log,
                        "source %s: the database has no tables: check dbname in the dsn", name);
        else
                log_info(d->cli->log,
                        "source %s: %zu table%s; a first mapper of one: erp2couch discover %s "
                        "TABLE > mappers/NAME.yaml",
                        name, count, count == 1 ? "" : "s", name);
}

static int print_tables(const struct discover *d)
{
        cleanup_buf_ struct buf text = BUF_INIT(BLOCK_MAX);
        int code = EXIT_OK;
        struct err e;

        for (size_t i = 0; i < d->catalog.count && code == EXIT_OK; i++) {
                buf_clear(&text);
                discover_text(&d->catalog.tables[i], &text);
                if (buf_check(&text, "the list of tables", &e))
                        return cli_fail(d->cli, NULL, &e);
                code = write_out(d->cli, buf_str(&text));
        }
        if (code == EXIT_OK)
                log_summary(d);
        return code;
}

static int print_json(const struct discover *d)
{
        cleanup_buf_ struct buf text = BUF_INIT(STARTER_MAX_BYTES);
        cJSON *json = cJSON_CreateObject(), *tables;
        struct err e;

        cJSON_AddStringToObject(json, "source", d->source->name);
        tables = cJSON_AddArrayToObject(json, "tables");
        for (size_t i = 0; i < d->catalog.count; i++)
                cJSON_AddItemToArray(tables, discover_json(&d->catalog.tables[i]));
        if (!d->query.table)
                return cli_print_json(json, EXIT_OK);
        if (starter_write(&d->catalog.tables[0], d->source->name, &text, &e))
                return cli_fail(d->cli, json, &e);
        const char *mapper = buf_cstr(&text);
        cJSON_AddStringToObject(json, "mapper", mapper ? mapper : "");
        return cli_print_json(json, EXIT_OK);
}

static int finish(const struct discover *d, int signal_number)
{
        if (signal_number)
                return EXIT_SIGNAL + signal_number;
        if (d->rc)
                return cli_fail(d->cli, NULL, &d->err);
        if (d->cli->values.json)
                return print_json(d);
        return d->query.table ? print_mapper(d) : print_tables(d);
}

static int run(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_MAX);
        const struct cli_values *v = &cli->values;
        struct discover d = {.cli = cli, .arena = arena};
        struct job job = {.run = discover_job, .ctx = &d};
        int signal_number = 0;
        struct err e;
        int rc = arena ? cli_load_sources(cli, &config, &e) : err_nomem(&e, "the catalog");

        d.query = (struct catalog_query){.schema = v->schema,
                .like = v->like,
                .table = v->word_count > 1 ? v->words[1] : NULL};
        if (!rc)
                rc = find_source(config, v->words[0], &d.source, &e);
        if (!rc)
                rc = jobs_run(&job, 1, 1, NULL, NULL, &signal_number, &e);
        return rc ? cli_fail(cli, NULL, &e) : finish(&d, signal_number);
}

static const struct cli_option options[] = {
        {"schema", 0, CLI_TEXT, "NAME", offsetof(struct cli_values, schema),
                "only tables of this schema"},
        {"like", 0, CLI_TEXT, "GLOB", offsetof(struct cli_values, like),
                "only tables whose name matches, such as 'sale*'; case is ignored"},
};

const struct cli_command command_discover = {
        .name = "discover",
        .words = "SOURCE [TABLE]",
        .min_words = 1,
        .max_words = 2,
        .summary = "list the tables of a source, or print a first mapper of one",
        .detail =
                "SOURCE is a name under `sources:`; mapper files are not looked at.\n\n"
                "Without TABLE: every table and view with its kind, estimated rows, key, likely\n"
                "cursors (modification times), children (tables that refer to it) and columns.\n"
                "Partitions are counted with their table; tables that may not be read are listed\n"
                "and say so.\n\n"
                "With TABLE (NAME or SCHEMA.NAME): a mapper on standard output that passes "
                "`check`\n"
                "and `run` as it is, with comments where something was guessed:\n\n"
                "    erp2couch discover erp sale_order > mappers/sale_order.yaml\n"
                "    erp2couch check --connect\n"
                "    erp2couch preview sale_order --limit 3\n\n"
                "Of a REST source that is OData ($metadata under its url), TABLE is an entity "
                "set:\n"
                "keys, types, nested arrays and the cursor are told by the metadata. Of any other\n"
                "REST source TABLE is the path of one page of records, which is fetched; paging,\n"
                "key and types are guessed from it, and what to look at says CHECK THIS:\n\n"
                "    erp2couch discover shop '/products?limit=50' > mappers/products.yaml\n\n"
                "Where no key is declared, as in views, the first 10,000 rows are looked at for\n"
                "one, for at most 5 seconds. Columns that look like secrets, and binary ones, "
                "stand\n"
                "in the mapper as comments. Nothing is written to the source.\n\n"
                "With --json: {\"source\": ..., \"tables\": [{\"schema\", \"table\", \"kind\", "
                "\"rows\",\n"
                "\"columns\", \"key\", \"cursors\", \"children\", ...}]}, and \"mapper\" with "
                "TABLE.",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .run = run,
};
