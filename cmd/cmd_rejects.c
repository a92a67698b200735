/*
 * erp2couch rejects: list, show, drop; retry is in reject_retry.c. Rejects come from CouchDB as a
 * stream and go out as one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/on_loop.h"
#include "cmd/reject_retry.h"
#include "cmd/reject_show.h"
#include "cmd/verb.h"
#include "ingest/pipeline/reject_list.h"
#include "ingest/record/json.h"

struct rejects_command {
        struct cli *cli;
        const struct config *config;
        struct control control;
        struct out out;
        struct table table;
        bool blocks; /* show: with the record; else a row each */
        uint64_t count, dropped;
        bool more; /* the limit left some out */
};

/* ---- mappers that are not configured any more may have left rejects ---- */

/* Whether the name counts: a mapper's, or that of rejects. Return: 0; -ERR_USAGE; -class. */
static int check_name(struct rejects_command *c, const char *name, struct err *e)
{
        const struct config_mapper *m;
        struct err failure;

        if (config_mapper(c->config, name, &m, e) == 0)
                return 0;
        if (!verb_plausible(name) || !c->control.couch)
                return -ERR_USAGE;
        int rc = reject_exists(&c->control, name, &failure);
        return rc == 1 ? 0 : -ERR_USAGE;
}

static int open_control(struct rejects_command *c, struct loop *loop, struct err *e)
{
        const struct cli_values *v = &c->cli->values;
        struct err failure, named;
        int rc = control_open(c->config, loop, c->cli->log, &c->control, &failure);

        if (rc)
                control_close(&c->control);
        for (size_t i = 0; i < v->word_count; i++) {
                if (check_name(c, v->words[i], &named) == 0)
                        continue;
                *e = named;
                return -ERR_USAGE;
        }
        if (rc)
                *e = failure;
        return rc;
}

/* ---- list and show ---- */

static int print_one(void *ctx, const struct reject_view *reject, struct err *e)
{
        struct rejects_command *c = ctx;
        const struct cli_values *v = &c->cli->values;

        if (c->out.closed)
                return CONTROL_STOP;
        if (v->limit >= 0 && c->count >= (uint64_t)v->limit) {
                c->more = true;
                return CONTROL_STOP;
        }
        if (v->json && c->count)
                buf_putc(&c->out.buf, ',');
        else if (c->blocks && !v->json && c->count)
                buf_putc(&c->out.buf, '\n');
        c->count++;
        if (v->json)
                reject_view_json(reject, c->blocks, &c->out.buf);
        else if (c->blocks)
                reject_show_block(&c->out.buf, reject);
        else
                return reject_show_row(&c->table, reject, e);
        return out_more(&c->out, e);
}

static int print_all(void *ctx, struct loop *loop, struct err *e)
{
        struct rejects_command *c = ctx;
        const struct cli_values *v = &c->cli->values;
        int rc = open_control(c, loop, e);

        if (!rc && v->word_count == 0)
                rc = reject_each(&c->control, NULL, v->key, print_one, c, e);
        for (size_t i = 0; !rc && !c->more && i < v->word_count; i++)
                rc = reject_each(&c->control, v->words[i], v->key, print_one, c, e);
        if (!rc && v->key && c->count == 0)
                rc = err_set(e, ERR_USAGE, "%s has no reject with key %s", v->words[0], v->key);
        control_close(&c->control);
        return rc;
}

/* The end of the one object, whatever the exit code. */
static void end_json(struct rejects_command *c, int rc, const struct err *e)
{
        buf_printf(&c->out.buf, "],\"count\":%" PRIu64, c->count);
        if (c->more)
                buf_puts(&c->out.buf, ",\"more\":true");
        if (rc) {
                buf_printf(&c->out.buf,
                        ",\"error\":{\"class\":\"%s\",\"message\":", err_class_name(e->class));
                json_put_lossy(&c->out.buf, str_of(e->text));
                buf_putc(&c->out.buf, '}');
        }
        buf_puts(&c->out.buf, "}\n");
}

static void end_text(struct rejects_command *c, int rc)
{
        struct err ignored;

        if (table_end(&c->table, &ignored) != 0 || rc)
                return;
        if (c->count == 0)
                buf_puts(&c->out.buf, "no rejects\n");
        else if (!c->blocks)
                buf_printf(&c->out.buf, "%" PRIu64 " reject%s%s\n", c->count,
                        c->count == 1 ? "" : "s", c->more ? ", and there are more" : "");
}

static int print_rejects(struct cli *cli, bool blocks)
{
        cleanup_(config_freep) struct config *config = NULL;
        cleanup_(freep) struct rejects_command *c = calloc(1, sizeof(*c));
        int signal_number = 0;
        struct err e, write_err;

        int rc = c ? cli_load_config(cli, &config, &e) : err_nomem(&e, "rejects");
        if (rc)
                return cli_fail(cli, NULL, &e);
        c->cli = cli;
        c->config = config;
        c->blocks = blocks;
        out_init(&c->out);
        table_init(&c->table, &c->out, reject_columns, reject_column_count);
        if (cli->values.json)
                buf_puts(&c->out.buf, "{\"rejects\":[");
        rc = on_loop(print_all, c, &signal_number, &e);
        if (cli->values.json)
                end_json(c, rc, &e);
        else
                end_text(c, rc);
        if (rc)
                log_error(cli->log, "%s", e.text);
        int code = rc ? exit_code_of(-rc) : EXIT_OK;
        if (out_flush(&c->out, &write_err) != 0) {
                log_error(cli->log, "%s", write_err.text);
                code = exit_code_worse(code, EXIT_INTERNAL);
        }
        table_deinit(&c->table);
        out_deinit(&c->out);
        return signal_number ? EXIT_SIGNAL + signal_number : code;
}

static int list(struct cli *cli)
{
        return print_rejects(cli, false);
}

static int show(struct cli *cli)
{
        return print_rejects(cli, true);
}

/* ---- drop ---- */

static int drop_all(void *ctx, struct loop *loop, struct err *e)
{
        struct rejects_command *c = ctx;
        const struct cli_values *v = &c->cli->values;
        int rc = open_control(c, loop, e);

        if (!rc)
                rc = reject_drop(
                        &c->control, c->config, c->cli->log, v->words[0], v->key, &c->dropped, e);
        if (!rc && v->key && c->dropped == 0)
                rc = err_set(e, ERR_USAGE, "%s has no reject with key %s", v->words[0], v->key);
        control_close(&c->control);
        return rc;
}

static int finish_drop(struct rejects_command *c, int rc, const struct err *e)
{
        const char *name = c->cli->values.words[0];
        cJSON *json = c->cli->values.json ? cJSON_CreateObject() : NULL;

        if (json) {
                cJSON_AddStringToObject(json, "mapper", name);
                cJSON_AddNumberToObject(json, "dropped", (double)c->dropped);
        } else if (c->dropped || !rc) {
                printf("%s: dropped %" PRIu64 " reject%s\n", name, c->dropped,
                        c->dropped == 1 ? "" : "s");
        }
        if (rc)
                return cli_fail(c->cli, json, e);
        return json ? cli_print_json(json, EXIT_OK) : EXIT_OK;
}

static int drop(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        struct rejects_command c = {.cli = cli};
        int signal_number = 0;
        struct err e;

        if (!cli->values.key == !cli->values.all) {
                err_set(&e, ERR_USAGE, "rejects drop takes --key K for one reject, or --all");
                return cli_fail(cli, NULL, &e);
        }
        if (cli_load_config(cli, &config, &e))
                return cli_fail(cli, NULL, &e);
        c.config = config;
        int rc = on_loop(drop_all, &c, &signal_number, &e);
        int code = finish_drop(&c, rc, &e);
        return signal_number ? EXIT_SIGNAL + signal_number : code;
}

/* ---- the command ---- */

static const struct verb verbs[] = {
        {"list", "[MAPPER...]", 0, CLI_MAX_WORDS, VERB_LIMIT, list},
        {"show", "MAPPER", 1, 1, VERB_KEY | VERB_LIMIT, show},
        {"retry", "[MAPPER...]", 0, CLI_MAX_WORDS, VERB_KEY, reject_retry},
        {"drop", "MAPPER", 1, 1, VERB_KEY | VERB_ALL, drop},
};

static int rejects(struct cli *cli)
{
        return verb_run(cli, "rejects", verbs, sizeof(verbs) / sizeof(verbs[0]));
}

static const struct cli_option options[] = {
        {"key", 0, CLI_TEXT, "K", offsetof(struct cli_values, key),
                "show, retry, drop: the reject of source key K, as listed"},
        {"limit", 0, CLI_NUMBER, "N", offsetof(struct cli_values, limit),
                "list, show: at most N rejects"},
        {"all", 0, CLI_FLAG, NULL, offsetof(struct cli_values, all),
                "drop: every reject of the mapper"},
};

const struct cli_command command_rejects = {
        .name = "rejects",
        .words = "list|show|retry|drop [MAPPER...]",
        .min_words = 1,
        .max_words = CLI_MAX_WORDS,
        .summary = "work with records that could not be mapped or written",
        .detail =
                "  rejects list [MAPPER...]    a line for each reject, of all mappers or those "
                "named\n"
                "  rejects show MAPPER         everything about them, the record too; --key: one\n"
                "  rejects retry [MAPPER...]   read their records again by key, map and write "
                "them:\n"
                "                              those that succeed are cleared, the others "
                "counted;\n"
                "                              one that is gone from the source loses its reject\n"
                "  rejects drop MAPPER         forget them (--key K, or --all); the next run that\n"
                "                              reads such a record rejects it again\n\n"
                "K is the key as it is listed (7, or 7,A1 for a key of two columns), the key as\n"
                "JSON, or the id of the reject's document, which is the only name of a record "
                "that\n"
                "has no key. With --json list and show print {\"rejects\": [...], \"count\": N}, "
                "retry\n"
                "an object like that of run, drop {\"mapper\": ..., \"dropped\": N}. Exit codes:\n"
                "retry ends with 2 while some are still rejected, like run; a --key that names no\n"
                "reject is a usage error, 64.",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .run = rejects,
};
