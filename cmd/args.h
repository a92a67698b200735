/*
 * args.h: the words of the command line, by tables.
 *
 * One table of options for all commands, one for each command; they drive parsing and --help.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/base/err.h"

#define CLI_MAX_WORDS 256 /* mappers named on one command line */

/* Every option of every command: a command uses what its table names. */
struct cli_values {
        const char *config_path; /* NULL: the default places */
        bool json, help, version, verbose, quiet;
        bool connect, full, dry_run, allow_deletes, all, explain;
        int64_t limit; /* -1: not given */
        const char *key, *schema, *like;
        const char *pack;  /* NULL: none */
        const char *junit; /* NULL: none */
        const char *words[CLI_MAX_WORDS];
        size_t word_count;
};

enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_NUMBER };

struct cli_option {
        const char *name; /* long, without dashes */
        char letter;      /* or 0 */
        enum cli_kind kind;
        const char *value; /* "FILE" in the help; NULL for flags */
        size_t offset;     /* in struct cli_values */
        const char *help;
        bool once; /* naming it twice is a mistake; else the last one counts */
};

struct cli;

struct cli_command {
        const char *name;
        const char *words; /* "[MAPPER...]": for the usage line */
        size_t min_words, max_words;
        const char *summary; /* one line */
        const char *detail;  /* paragraphs of its --help */
        const struct cli_option *options;
        size_t option_count;
        void (*more_help)(void); /* prints what follows the options of its --help; or NULL */
        int (*run)(struct cli *cli);
};

/** args_parse() - @argv into @v
 * @command: NULL: the first pass, which stops at the command and knows global options only
 * Return: 0; -ERR_USAGE unknown option (nearest one), missing or wrong value. */
int args_parse(const struct cli_command *command, int argc, char **argv, struct cli_values *v,
        struct err *e) __attribute__((warn_unused_result));

/** args_help() - the page of the program: @commands, @count of them */
void args_help(const struct cli_command *const *commands, size_t count);

/** args_command_help() - the page of one command */
void args_command_help(const struct cli_command *c);
