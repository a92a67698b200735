/* getopt_long over the table of the command; global options are accepted on either side of it. */
#include "cmd/args.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ingest/base/str.h"

#define OFFSET(field) offsetof(struct cli_values, field)

static const struct cli_option global_options[] = {
        {"config", 'c', CLI_TEXT, "FILE", OFFSET(config_path),
                "configuration; default ./erp2couch.yaml, then /etc/erp2couch/erp2couch.yaml"},
        {"verbose", 'v', CLI_FLAG, NULL, OFFSET(verbose), "log at level debug"},
        {"quiet", 'q', CLI_FLAG, NULL, OFFSET(quiet), "log errors only, no progress line"},
        {"json", 0, CLI_FLAG, NULL, OFFSET(json), "one JSON object on standard output"},
        {"help", 'h', CLI_FLAG, NULL, OFFSET(help), "this text"},
        {"version", 'V', CLI_FLAG, NULL, OFFSET(version), "the version"},
};

#define GLOBALS     (sizeof(global_options) / sizeof(global_options[0]))
#define MAX_OPTIONS 32

/* ---- help ---- */

static void print_option(const struct cli_option *o)
{
        char left[64];
        char letter[8] = "    ";

        if (o->letter)
                snprintf(letter, sizeof(letter), "-%c, ", o->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->value ? " " : "",
                o->value ? o->value : "");
        printf("  %-24s %s\n", left, o->help);
}

void args_help(const struct cli_command *const *commands, size_t count)
{
        printf("erp2couch %s: ERP records into CouchDB, as the single source of truth\n\n"
               "usage: erp2couch [-c FILE] COMMAND [OPTIONS] [WORDS]\n\ncommands:\n",
                ERP2COUCH_VERSION);
        for (size_t i = 0; i < count; i++)
                printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
        printf("\noptions of every command:\n");
        for (size_t i = 0; i < GLOBALS; i++)
                print_option(&global_options[i]);
        printf("\nexit codes: 0 done, 2 done but records were rejected, 64 usage, 69 source or "
               "CouchDB\nunavailable, 70 internal, 75 another run holds the lock, 77 a guard "
               "refused,\n78 configuration, 130/143 interrupted after a clean stop\n\n"
               "`erp2couch COMMAND --help` says more.\n");
}

void args_command_help(const struct cli_command *c)
{
        printf("usage: erp2couch [-c FILE] %s [OPTIONS]%s%s\n\n%s\n\n%s\n", c->name,
                c->words[0] ? " " : "", c->words, c->summary, c->detail);
        if (c->option_count)
                printf("\noptions:\n");
        for (size_t i = 0; i < c->option_count; i++)
                print_option(&c->options[i]);
        if (c->more_help)
                c->more_help();
        printf("\noptions of every command:\n");
        for (size_t i = 0; i < GLOBALS; i++)
                print_option(&global_options[i]);
}

/* ---- parsing ---- */

struct parser {
        const struct cli_option *options[MAX_OPTIONS];
        struct option longs[MAX_OPTIONS + 1];
        char shorts[2 * MAX_OPTIONS + 4];
        size_t count;
};

static void add_options(struct parser *p, const struct cli_option *options, size_t count)
{
        for (size_t i = 0; i < count && p->count < MAX_OPTIONS; i++) {
                const struct cli_option *o = &options[i];
                size_t n = strlen(p->shorts);
                p->options[p->count] = o;
                p->longs[p->count] = (struct option){o->name,
                        o->kind == CLI_FLAG ? no_argument : required_argument, NULL,
                        1000 + (int)p->count};
                p->count++;
                if (!o->letter)
                        continue;
                p->shorts[n++] = o->letter;
                if (o->kind != CLI_FLAG)
                        p->shorts[n++] = ':';
                p->shorts[n] = '\0';
        }
        p->longs[p->count] = (struct option){0};
}

static const struct cli_option *option_of(const struct parser *p, int c)
{
        if (c >= 1000 && (size_t)(c - 1000) < p->count)
                return p->options[c - 1000];
        for (size_t i = 0; i < p->count; i++)
                if (p->options[i]->letter && p->options[i]->letter == c)
                        return p->options[i];
        return NULL;
}

static int set_value(
        struct cli_values *v, const struct cli_option *o, const char *text, struct err *e)
{
        void *field = (char *)v + o->offset;

        switch (o->kind) {
        case CLI_FLAG:
                *(bool *)field = true;
                return 0;
        case CLI_TEXT:
                if (o->once && *(const char **)field)
                        return err_set(e, ERR_USAGE, "--%s is given twice: \"%s\" and \"%s\"",
                                o->name, *(const char **)field, text);
                *(const char **)field = text;
                return 0;
        case CLI_NUMBER:
                if (!str_to_int64(str_of(text), field) || *(int64_t *)field < 0)
                        return err_set(e, ERR_USAGE, "--%s takes a whole number from 0, not \"%s\"",
                                o->name, text);
                return 0;
        }
        return 0;
}

/* The word with the option that getopt_long() stopped at: it has moved on, unless more letters
 * follow in the word (-full). */
static const char *bad_word(int argc, char **argv)
{
        const char *next = optind < argc ? argv[optind] : "";
        bool inside = optopt > 0 && optopt < 128 && next[0] == '-' && next[1] != '-' &&
                      strchr(next, optopt);

        return inside ? next : argv[optind - 1];
}

static const char *help_of(const struct cli_command *command, char out[64])
{
        snprintf(out, 64, "erp2couch %s%s--help", command ? command->name : "", command ? " " : "");
        return out;
}

static int missing_value(const struct parser *p, const struct cli_command *command, struct err *e)
{
        const struct cli_option *o = option_of(p, optopt);
        char help[64];

        return err_set(e, ERR_USAGE, "--%s needs a value: --%s %s; see %s", o->name, o->name,
                o->value, help_of(command, help));
}

static int unknown_option(
        const struct parser *p, const struct cli_command *command, const char *word, struct err *e)
{
        const char *names[MAX_OPTIONS];
        char help[64];

        for (size_t i = 0; i < p->count; i++)
                names[i] = p->options[i]->name;
        const char *bare = word + strspn(word, "-");
        struct str name = {bare, strcspn(bare, "=")};
        const char *near = name.len > 1 ? str_nearest(name, names, p->count) : NULL;
        if (near && str_is(name, near) && bare[name.len] == '=')
                return err_set(e, ERR_USAGE, "--%s takes no value: write --%s alone", near, near);
        if (near)
                return err_set(e, ERR_USAGE, "unknown option %s, did you mean --%s?", word, near);
        if (!command)
                return err_set(e, ERR_USAGE,
                        "unknown option %s before the command; options of a command stand behind "
                        "it; see erp2couch --help",
                        word);
        return err_set(e, ERR_USAGE, "unknown option %s of %s; see %s", word, command->name,
                help_of(command, help));
}

/* A word processor's dash: it looks like the - of an option and is none. */
static int check_dash(const char *word, struct err *e)
{
        if (strncmp(word, "\xE2\x80\x93", 3) != 0 && strncmp(word, "\xE2\x80\x94", 3) != 0)
                return 0;
        return err_set(e, ERR_USAGE,
                "\"%s\" begins with a typographic dash: type it as two hyphens, --%s", word,
                word + 3);
}

int args_parse(const struct cli_command *command, int argc, char **argv, struct cli_values *v,
        struct err *e)
{
        struct parser p = {.count = 0};
        size_t n = 0;
        int c;

        if (!command)
                p.shorts[n++] = '+'; /* stop at the first word: the command */
        p.shorts[n] = ':';
        add_options(&p, global_options, GLOBALS);
        if (command)
                add_options(&p, command->options, command->option_count);
        optind = 0;
        opterr = 0;
        while ((c = getopt_long(argc, argv, p.shorts, p.longs, NULL)) != -1) {
                const struct cli_option *o = option_of(&p, c);
                if (c == ':')
                        return missing_value(&p, command, e);
                if (!o)
                        return unknown_option(&p, command, bad_word(argc, argv), e);
                int rc = set_value(v, o, optarg, e);
                if (rc)
                        return rc;
        }
        v->word_count = 0;
        for (int i = optind; i < argc; i++) {
                if (v->word_count == CLI_MAX_WORDS)
                        return err_set(e, ERR_USAGE, "more than %d words", CLI_MAX_WORDS);
                int rc = check_dash(argv[i], e);
                if (rc)
                        return rc;
                v->words[v->word_count++] = argv[i];
        }
        return 0;
}
