#include "cmd/verb.h"

#include <string.h>

#define VERBS_MAX       8
#define MAPPER_NAME_MAX 63 /* DESIGN.md section 3 */

static const struct verb *find(const char *command, const char *name, const struct verb *verbs,
        size_t count, struct err *e)
{
        const char *names[VERBS_MAX];

        for (size_t i = 0; i < count && i < VERBS_MAX; i++) {
                names[i] = verbs[i].name;
                if (strcmp(names[i], name) == 0)
                        return &verbs[i];
        }
        const char *near = str_nearest(str_of(name), names, count);
        if (near)
                err_set(e, ERR_USAGE, "unknown: %s %s, did you mean %s %s?", command, name, command,
                        near);
        else
                err_set(e, ERR_USAGE, "unknown: %s %s; see erp2couch %s --help", command, name,
                        command);
        return NULL;
}

static int check_options(
        const struct cli_values *v, const char *command, const struct verb *verb, struct err *e)
{
        const struct {
                unsigned option;
                bool given;
                const char *name;
        } options[] = {{VERB_KEY, v->key != NULL, "key"}, {VERB_LIMIT, v->limit >= 0, "limit"},
                {VERB_ALL, v->all, "all"}};

        for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
                if (options[i].given && !(verb->options & options[i].option))
                        return err_set(e, ERR_USAGE, "%s %s takes no --%s; see erp2couch %s --help",
                                command, verb->name, options[i].name, command);
        return 0;
}

int verb_run(struct cli *cli, const char *command, const struct verb *verbs, size_t count)
{
        struct cli_values *v = &cli->values;
        struct err e;

        const struct verb *verb = find(command, v->words[0], verbs, count, &e);
        if (!verb)
                return cli_fail(cli, NULL, &e);
        v->word_count--;
        memmove(v->words, v->words + 1, v->word_count * sizeof(v->words[0]));
        if (v->word_count < verb->min_words || v->word_count > verb->max_words) {
                err_set(&e, ERR_USAGE,
                        "usage: erp2couch [-c FILE] %s %s %s; see erp2couch %s --help", command,
                        verb->name, verb->words, command);
                return cli_fail(cli, NULL, &e);
        }
        if (check_options(v, command, verb, &e))
                return cli_fail(cli, NULL, &e);
        return verb->run(cli);
}

bool verb_plausible(const char *name)
{
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

        return name[0] >= 'a' && name[0] <= 'z' && name[n] == '\0' && n <= MAPPER_NAME_MAX;
}
