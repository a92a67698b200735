/* erp2couch test: the examples in mappers, run without a source; trial.h does the work. */
#include <string.h>

#include "cmd/cli.h"
#include "cmd/trial_show.h"

struct test_command {
        struct cli *cli;
        struct trial_run *runs;
        size_t count;
};

static int run_tests(struct test_command *c, const struct config *config, struct err *e)
{
        cleanup_(freep) const struct config_mapper **chosen =
                calloc(config->mapper_count + 1, sizeof(*chosen));
        size_t count = 0;
        int rc = chosen ? cli_select(c->cli, config, chosen, &count, e) : err_nomem(e, "mappers");

        if (rc)
                return rc;
        c->runs = calloc(count + 1, sizeof(*c->runs));
        if (!c->runs)
                return err_nomem(e, "mappers");
        for (; c->count < count && !rc; c->count++) {
                c->runs[c->count].mapper = chosen[c->count];
                rc = trial_mapper(chosen[c->count], &c->runs[c->count].report, e);
        }
        return rc;
}

static int code_of(const struct test_command *c)
{
        int code = EXIT_OK;

        for (size_t i = 0; i < c->count; i++) {
                if (c->runs[i].report.failed)
                        code = exit_code_worse(code, EXIT_REJECTS);
                if (c->runs[i].report.errors)
                        code = exit_code_worse(code, EXIT_CONFIG);
        }
        return code;
}

static int report(const struct test_command *c)
{
        struct cli *cli = c->cli;
        int code = code_of(c);
        struct out out;
        struct err e;

        if (cli->values.junit && trial_junit(c->runs, c->count, cli->values.junit, &e))
                return cli_fail(
                        cli, cli->values.json ? trial_json(c->runs, c->count, "failed") : NULL, &e);
        if (cli->values.json)
                return cli_print_json(
                        trial_json(c->runs, c->count, code == EXIT_OK ? "ok" : "failed"), code);
        out_init(&out);
        int rc = trial_text(c->runs, c->count, &out, &e);
        out_deinit(&out);
        return rc ? cli_fail(cli, NULL, &e) : code;
}

static int test(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        struct test_command c = {.cli = cli};
        struct err e;

        if (cli_load_config(cli, &config, &e))
                return cli_fail(cli, NULL, &e);
        int rc = run_tests(&c, config, &e);
        int code = rc ? cli_fail(cli, NULL, &e) : report(&c);
        for (size_t i = 0; i < c.count; i++)
                trial_report_deinit(&c.runs[i].report);
        free(c.runs);
        return code;
}

static const struct cli_option options[] = {
        {"junit", 0, CLI_TEXT, "FILE", offsetof(struct cli_values, junit),
                "write a report in JUnit's XML to FILE, too", true},
};

const struct cli_command command_test = {
        .name = "test",
        .words = "[MAPPER...]",
        .max_words = CLI_MAX_WORDS,
        .summary = "run the tests in mappers, without a source",
        .detail =
                "Runs the tests: of the named mappers, or of all: each gives a record and expects\n"
                "a part of its document, or a reject. Needs no database and no CouchDB.\n"
                "\n"
                "    tests:\n"
                "      - name: price with two digits\n"
                "        given:  {id: 1, code: A1, list_price: \"2.50\", lines: [{qty: 3}]}\n"
                "        expect: {_id: \"product:A1\", price: \"2.50\", barcode: null}\n"
                "      - name: no code\n"
                "        given:  {id: 2}\n"
                "        reject: \"sku: required\"\n"
                "\n"
                "given    columns by name, children (and the rows of a group) as lists of maps;\n"
                "         all others are NULL. A name that the mapper knows nothing of is an "
                "error.\n"
                "types    the types of columns where the values do not tell: {seen: timestamptz}\n"
                "expect   members of objects as far as they are named, arrays whole; types are\n"
                "         exact; null: the field is null or left out. _id and _database, too.\n"
                "reject   how \"FIELD: reason\" begins\n"
                "lookups  tables in place of those of lookup: {tax: {7: reduced}}\n"
                "now      what the clock shows: \"2026-01-31T08:00:00Z\"\n"
                "\n"
                "What differs is shown field by field, then which fields no test asserts. With\n"
                "--json the output is one object: {\"mappers\": [{\"mapper\": ..., \"tests\":\n"
                "[{\"name\", \"line\", \"outcome\": \"ok\"|\"failed\"|\"error\", \"differences\":\n"
                "[{\"field\", \"expected\", \"got\"}]}], \"coverage\": {\"fields\", \"asserted\",\n"
                "\"unasserted\"}}], \"passed\", \"failed\", \"errors\", \"outcome\"}.\n"
                "\n"
                "Exit codes: 0 all passed, also where there are none; 2 some failed; 78 a test or\n"
                "mapper is wrong in itself (an unknown column, a type that can never fit).",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .run = test,
};
