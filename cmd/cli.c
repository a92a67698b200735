/* Finds the command, runs it, reports; and what the commands share. */
#include "cmd/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ingest/loop/http.h"

static const struct cli_command *const commands[] = {&command_check, &command_test,
        &command_preview, &command_diff, &command_run, &command_serve, &command_verify,
        &command_schedule, &command_status, &command_rejects, &command_state, &command_discover,
        &command_init};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int check_words(const struct cli_command *c, const struct cli_values *v, struct err *e)
{
        bool missing = v->word_count < c->min_words;

        if (!missing && v->word_count <= c->max_words)
                return 0;
        if (missing)
                err_set(e, ERR_USAGE, "%s: %s is missing", c->name, c->words);
        else
                err_set(e, ERR_USAGE, "%s: \"%s\" is one word too many", c->name,
                        v->words[c->max_words]);
        return err_hint(e, -ERR_USAGE,
                "usage: erp2couch [-c FILE] %s [OPTIONS]%s%s; see erp2couch %s --help", c->name,
                *c->words ? " " : "", c->words, c->name);
}

static void unknown_command(const char *name, const char *const *names, struct err *e)
{
        cleanup_buf_ struct buf list = BUF_INIT(ERR_TEXT_MAX);

        for (size_t i = 0; i < COMMANDS; i++)
                buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
        const char *text = buf_cstr(&list);
        err_set(e, ERR_USAGE, "unknown command \"%s\"; there is %s; see erp2couch --help", name,
                text ? text : "");
}

static const struct cli_command *find_command(const char *name, struct err *e)
{
        const char *names[COMMANDS];

        for (size_t i = 0; i < COMMANDS; i++) {
                if (strcmp(commands[i]->name, name) == 0)
                        return commands[i];
                names[i] = commands[i]->name;
        }
        const char *near = str_nearest(str_of(name), names, COMMANDS);
        if (near)
                err_set(e, ERR_USAGE, "unknown command \"%s\", did you mean \"%s\"?", name, near);
        else
                unknown_command(name, names, e);
        return NULL;
}

static int run_command(struct cli *cli, const struct cli_command *command)
{
        struct err e;

        if (cli->values.help) {
                args_command_help(command);
                return EXIT_OK;
        }
        if (check_words(command, &cli->values, &e))
                return cli_fail(cli, NULL, &e);
        if (http_global_init(&e))
                return cli_fail(cli, NULL, &e);
        int code = command->run(cli);
        http_global_cleanup();
        return code;
}

static int print_version(struct cli *cli)
{
        if (!cli->values.json) {
                printf("erp2couch %s\n", ERP2COUCH_VERSION);
                return EXIT_OK;
        }
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "version", ERP2COUCH_VERSION);
        return cli_print_json(json, EXIT_OK);
}

static int dispatch(struct cli *cli, int argc, char **argv)
{
        struct cli_values *v = &cli->values;
        struct err e;

        /* First pass: up to the command. Second: everything, with the command's options. */
        if (args_parse(NULL, argc, argv, v, &e))
                return cli_fail(cli, NULL, &e);
        if (v->version)
                return print_version(cli);
        if (v->word_count == 0 || strcmp(v->words[0], "help") == 0) {
                bool asked = v->help || v->word_count > 0;
                if (!asked)
                        err_set(&e, ERR_USAGE, "a command is missing; see erp2couch --help");
                if (asked && v->word_count > 1) {
                        const struct cli_command *c = find_command(v->words[1], &e);
                        if (!c)
                                return cli_fail(cli, NULL, &e);
                        args_command_help(c);
                        return EXIT_OK;
                }
                if (asked)
                        args_help(commands, COMMANDS);
                return asked ? EXIT_OK : cli_fail(cli, NULL, &e);
        }
        const struct cli_command *command = find_command(v->words[0], &e);
        if (!command)
                return cli_fail(cli, NULL, &e);
        if (args_parse(command, argc, argv, v, &e))
                return cli_fail(cli, NULL, &e);
        v->word_count--; /* the command itself */
        memmove(v->words, v->words + 1, v->word_count * sizeof(v->words[0]));
        if (v->version)
                return print_version(cli);
        if (v->verbose || v->quiet)
                log_sink_set(
                        cli->sink, v->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_AUTO);
        return run_command(cli, command);
}

/* --json counts even where the command line is wrong. */
static bool asks_for_json(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--json") == 0)
                        return true;
        return false;
}

int cli_main(int argc, char **argv)
{
        struct cli cli = {.values = {.limit = -1, .json = asks_for_json(argc, argv)}};

        cli.sink = log_sink_new(STDERR_FILENO, LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
        cli.log = cli.sink ? log_new(cli.sink) : NULL;
        if (!cli.log) {
                fprintf(stderr, "erp2couch: out of memory\n");
                return EXIT_INTERNAL;
        }
        int code = dispatch(&cli, argc, argv);
        if (fflush(stdout) != 0 && code == EXIT_OK) {
                fprintf(stderr, "erp2couch: standard output: %s\n", strerror(errno));
                code = EXIT_INTERNAL;
        }
        log_free(cli.log);
        log_sink_free(cli.sink);
        return code;
}

/* ---- what commands share ---- */

static int find_config(const struct cli *cli, const char **out, struct err *e)
{
        static const char *const places[] = {"erp2couch.yaml", "/etc/erp2couch/erp2couch.yaml"};
        char folder[PATH_MAX];

        *out = cli->values.config_path;
        for (size_t i = 0; !*out && i < sizeof(places) / sizeof(places[0]); i++)
                if (access(places[i], F_OK) == 0)
                        *out = places[i];
        if (*out)
                return 0;
        return err_set(e, ERR_CONFIG,
                "no configuration: neither erp2couch.yaml in this folder (%s) nor "
                "/etc/erp2couch/erp2couch.yaml is there; name it with -c FILE, or make one with "
                "erp2couch init DIR",
                getcwd(folder, sizeof(folder)) ? folder : ".");
}

void cli_set_log(struct cli *cli, const struct config *config)
{
        enum log_level level = config->log.level;

        if (cli->values.verbose)
                level = LOG_LEVEL_DEBUG;
        if (cli->values.quiet)
                level = LOG_LEVEL_ERROR;
        log_sink_set(cli->sink, level, config->log.format);
}

int cli_load_config(struct cli *cli, struct config **out, struct err *e)
{
        const char *path;
        int rc = find_config(cli, &path, e);

        if (rc == 0)
                rc = config_load(path, out, e);
        if (rc == 0)
                cli_set_log(cli, *out);
        return rc;
}

int cli_load_sources(struct cli *cli, struct config **out, struct err *e)
{
        const char *path;
        int rc = find_config(cli, &path, e);

        if (rc == 0)
                rc = config_load_sources(path, out, e);
        if (rc == 0)
                cli_set_log(cli, *out);
        return rc;
}

int cli_load_config_all(
        struct cli *cli, config_problem_fn fn, void *ctx, struct config **out, struct err *e)
{
        const char *path;
        int rc = find_config(cli, &path, e);

        if (rc == 0)
                rc = config_load_all(path, fn, ctx, out, e);
        if (rc == 0)
                cli_set_log(cli, *out);
        return rc;
}

int cli_select(const struct cli *cli, const struct config *config,
        const struct config_mapper **chosen, size_t *count, struct err *e)
{
        *count = 0;
        if (cli->values.word_count == 0)
                for (size_t i = 0; i < config->mapper_count; i++)
                        chosen[(*count)++] = &config->mappers[i];
        for (size_t i = 0; i < cli->values.word_count; i++) {
                const struct config_mapper *m;
                int rc = config_mapper(config, cli->values.words[i], &m, e);
                if (rc)
                        return rc;
                for (size_t k = 0; m && k < *count; k++)
                        m = chosen[k] == m ? NULL : m; /* named twice: run once */
                if (m)
                        chosen[(*count)++] = m;
        }
        return 0;
}

cJSON *cli_error_json(const struct err *e)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "class", err_class_name(e->class));
        cJSON_AddStringToObject(json, "message", e->text);
        return json;
}

int cli_print_json(cJSON *json, int code)
{
        char *text = cJSON_PrintUnformatted(json);

        cJSON_Delete(json);
        if (!text || printf("%s\n", text) < 0 || fflush(stdout) != 0) {
                fprintf(stderr, "erp2couch: standard output cannot be written\n");
                code = EXIT_INTERNAL;
        }
        cJSON_free(text);
        return code;
}

int cli_fail(struct cli *cli, cJSON *json, const struct err *e)
{
        int code = exit_code_of(e->class);

        log_error(cli->log, "%s", e->text);
        if (!cli->values.json) {
                cJSON_Delete(json);
                return code;
        }
        if (!json)
                json = cJSON_CreateObject();
        cJSON_AddItemToObject(json, "error", cli_error_json(e));
        return cli_print_json(json, code);
}
