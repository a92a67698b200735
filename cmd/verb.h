/*
 * verb.h: commands of several verbs, as in `rejects list` and `state show`.
 *
 * A command's table of options is that of all its verbs; each verb says which of them it takes.
 */
#pragma once

#include "cmd/cli.h"

/* Options that only some verbs take. */
enum verb_option { VERB_KEY = 1, VERB_LIMIT = 2, VERB_ALL = 4 };

struct verb {
        const char *name;
        const char *words; /* "MAPPER": for the usage line */
        size_t min_words, max_words;
        unsigned options; /* of enum verb_option */
        int (*run)(struct cli *cli);
};

/** verb_run() - runs the verb that the first word names, which is then taken off the words
 * Return: its exit code; EXIT_USAGE after saying why. */
int verb_run(struct cli *cli, const char *command, const struct verb *verbs, size_t count);

/** verb_plausible() - could @name be that of a mapper, which may not be configured any more? */
bool verb_plausible(const char *name);
