/*
 * cli.h: the command line: one table of commands, one table of options for each.
 *
 * A command is parse -> setup -> run -> one exit path: its function gets the parsed words and
 * returns an exit code. Human output goes to standard output; log, progress and errors go to
 * standard error. With --json exactly one JSON object goes to standard output, whatever happens.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "cmd/args.h"
#include "cmd/exit_code.h"
#include "ingest/base/log.h"
#include "ingest/pipeline/config.h"

struct cli {
        struct cli_values values;
        struct log_sink *sink;
        struct log *log;
};

/** cli_main() - parses @argv, runs the command. Return: the exit code. */
int cli_main(int argc, char **argv);

/** cli_load_config() - the file of -c, or the first default that is there; sets the log */
int cli_load_config(struct cli *cli, struct config **out, struct err *e)
        __attribute__((warn_unused_result));

/** cli_load_sources() - the same without its mappers, which need not be there or right */
int cli_load_sources(struct cli *cli, struct config **out, struct err *e)
        __attribute__((warn_unused_result));

/** cli_load_config_all() - the same with config_load_all(): @fn gets each bad mapper's mistake */
int cli_load_config_all(struct cli *cli, config_problem_fn fn, void *ctx, struct config **out,
        struct err *e) __attribute__((warn_unused_result));

/** cli_set_log() - from here on the log is as @config and the options say */
void cli_set_log(struct cli *cli, const struct config *config);

/** cli_select() - the mappers that the words name, all when there are none
 * @chosen: config->mapper_count places      Return: 0; -ERR_USAGE unknown name (nearest one). */
int cli_select(const struct cli *cli, const struct config *config,
        const struct config_mapper **chosen, size_t *count, struct err *e)
        __attribute__((warn_unused_result));

/** cli_fail() - reports @e on standard error, and as {"error": ...} with --json
 * @json: object to add the error to and print; NULL: an object of its own; freed
 * Return: the exit code of the error. */
int cli_fail(struct cli *cli, cJSON *json, const struct err *e);

/** cli_print_json() - @json and a newline on standard output, then frees it
 * Return: @code, or EXIT_INTERNAL where standard output cannot be written. */
int cli_print_json(cJSON *json, int code);

/** cli_error_json() - {"class": ..., "message": ...} */
cJSON *cli_error_json(const struct err *e);

extern const struct cli_command command_check, command_diff, command_discover, command_init,
        command_preview, command_rejects, command_run, command_schedule, command_serve,
        command_state, command_status, command_test, command_verify;
