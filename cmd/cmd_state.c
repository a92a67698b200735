/* erp2couch state: what a mapper's local state is, and how to get rid of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/on_loop.h"
#include "cmd/state_show.h"
#include "cmd/verb.h"
#include "ingest/pipeline/state_tool.h"

struct state_command {
        struct cli *cli;
        const struct config *config;
        const char *name;
        const struct config_mapper *mapper; /* NULL: only a state is left */
        struct state_look look;
        struct state_reset reset;
        struct state_rename rename;
};

/* Configuration and the mapper that word @index names. Return: 0, or the exit code + 1. */
static int prepare(struct state_command *c, struct config **config, size_t index, struct err *e)
{
        int rc = cli_load_config(c->cli, config, e);

        if (rc)
                return rc;
        c->config = *config;
        c->name = c->cli->values.words[index];
        return state_known(*config, c->name, &c->mapper, e);
}

static int done(
        struct state_command *c, cJSON *json, int rc, int signal_number, const struct err *e)
{
        int code = EXIT_OK;

        if (rc) {
                code = cli_fail(c->cli, c->cli->values.json ? json : NULL, e);
                if (!c->cli->values.json)
                        cJSON_Delete(json);
        } else if (c->cli->values.json) {
                code = cli_print_json(json, EXIT_OK);
        } else {
                cJSON_Delete(json);
        }
        return signal_number ? EXIT_SIGNAL + signal_number : code;
}

/* ---- show ---- */

static int look(void *ctx, struct loop *loop, struct err *e)
{
        struct state_command *c = ctx;

        return state_look(c->config, c->name, c->mapper, loop, c->cli->log, &c->look, e);
}

static int show(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        cleanup_(freep) struct state_command *c = calloc(1, sizeof(*c));
        int signal_number = 0;
        struct err e;

        if (!c) {
                err_nomem(&e, "state");
                return cli_fail(cli, NULL, &e);
        }
        c->cli = cli;
        if (prepare(c, &config, 0, &e))
                return cli_fail(cli, NULL, &e);
        int rc = on_loop(look, c, &signal_number, &e);
        if (!cli->values.json)
                state_show_text(c->name, c->mapper, &c->look);
        cJSON *json = state_show_json(c->name, c->mapper, &c->look);
        state_look_deinit(&c->look);
        return done(c, json, rc, signal_number, &e);
}

/* ---- rebuild, reset ---- */

static int rebuild(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        struct state_command c = {.cli = cli};
        uint64_t bytes = 0;
        struct err e;
        int rc = prepare(&c, &config, 0, &e);

        rc = rc ? rc : state_rebuild(config, c.name, &bytes, &e);
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "mapper", cli->values.words[0]);
        cJSON_AddNumberToObject(json, "removed_bytes", (double)bytes);
        if (!rc && !cli->values.json && bytes)
                printf("%s: the state is removed; the next run rebuilds it from CouchDB and reads "
                       "everything\n",
                        c.name);
        else if (!rc && !cli->values.json)
                printf("%s: there is no state; the next run builds one\n", c.name);
        return done(&c, json, rc, 0, &e);
}

static int run_reset(void *ctx, struct loop *loop, struct err *e)
{
        struct state_command *c = ctx;

        return state_reset(c->config, c->name, c->mapper, loop, c->cli->log, &c->reset, e);
}

static int reset(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        struct state_command c = {.cli = cli};
        int signal_number = 0;
        struct err e;
        int rc = prepare(&c, &config, 0, &e);

        rc = rc ? rc : on_loop(run_reset, &c, &signal_number, &e);
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "mapper", cli->values.words[0]);
        cJSON_AddNumberToObject(json, "removed_bytes", (double)c.reset.bytes);
        cJSON_AddNumberToObject(json, "checkpoints", (double)c.reset.checkpoints);
        if (!rc && !cli->values.json)
                printf("%s: the state and %zu checkpoint%s in CouchDB are removed; documents, "
                       "rejects and run history stay\n",
                        c.name, c.reset.checkpoints, c.reset.checkpoints == 1 ? "" : "s");
        return done(&c, json, rc, signal_number, &e);
}

/* ---- rename ---- */

static int run_rename(void *ctx, struct loop *loop, struct err *e)
{
        struct state_command *c = ctx;

        return state_rename(
                c->config, c->cli->values.words[0], c->mapper, loop, c->cli->log, &c->rename, e);
}

static int rename_state(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        struct state_command c = {.cli = cli};
        const char *old = cli->values.words[0];
        int signal_number = 0;
        struct err e;

        if (!verb_plausible(old)) {
                err_set(&e, ERR_USAGE, "'%s' is not the name of a mapper", old);
                return cli_fail(cli, NULL, &e);
        }
        int rc = cli_load_config(cli, &config, &e);
        c.config = config;
        c.name = cli->values.words[1];
        rc = rc ? rc : config_mapper(config, c.name, &c.mapper, &e);
        rc = rc ? rc : on_loop(run_rename, &c, &signal_number, &e);
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "mapper", c.name);
        cJSON_AddStringToObject(json, "from", old);
        cJSON_AddNumberToObject(json, "checkpoints", (double)c.rename.checkpoints);
        cJSON_AddNumberToObject(json, "rejects", (double)c.rename.rejects);
        if (!rc && !cli->values.json)
                printf("%s: has the state of %s now, %zu checkpoint%s and %" PRIu64 " reject%s\n",
                        c.name, old, c.rename.checkpoints, c.rename.checkpoints == 1 ? "" : "s",
                        c.rename.rejects, c.rename.rejects == 1 ? "" : "s");
        return done(&c, json, rc, signal_number, &e);
}

/* ---- the command ---- */

static const struct verb verbs[] = {
        {"show", "MAPPER", 1, 1, 0, show},
        {"rebuild", "MAPPER", 1, 1, 0, rebuild},
        {"reset", "MAPPER", 1, 1, 0, reset},
        {"rename", "OLD NEW", 2, 2, 0, rename_state},
};

static int state(struct cli *cli)
{
        return verb_run(cli, "state", verbs, sizeof(verbs) / sizeof(verbs[0]));
}

const struct cli_command command_state = {
        .name = "state",
        .words = "show|rebuild|reset|rename MAPPER",
        .min_words = 1,
        .max_words = 3,
        .summary = "a mapper's local state: what CouchDB already holds",
        .detail =
                "The state is a cache: losing it costs time, never data or revisions.\n"
                "  state show MAPPER      what is in it, whether the next run will trust it, and\n"
                "                         why not; changes nothing\n"
                "  state rebuild MAPPER   remove it: the next run rebuilds it from the documents\n"
                "                         that CouchDB holds, and reads everything\n"
                "  state reset MAPPER     also remove the checkpoints in CouchDB: the mapper "
                "starts\n"
                "                         as new; documents, rejects and run history stay\n"
                "  state rename OLD NEW   a mapper got another name: NEW takes over state,\n"
                "                         checkpoints and rejects of OLD, which must not be\n"
                "                         configured any more\n\n"
                "A MAPPER that is not configured any more can be shown, rebuilt and reset while "
                "its\n"
                "state is there. While a run is under way, all but show end with 75. With --json\n"
                "one object each.",
        .run = state,
};
