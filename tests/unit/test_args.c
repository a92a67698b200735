#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cmd/args.h"
#include "cmd/cli.h"

#define WORDS(...)                                                                                 \
        (char **)(const char *[])                                                                  \
        {                                                                                          \
                "erp2couch", __VA_ARGS__, NULL                                                     \
        }

static int parse(const struct cli_command *c, char **argv, struct cli_values *v, struct err *e)
{
        int argc = 0;

        while (argv[argc])
                argc++;
        *v = (struct cli_values){.limit = -1};
        return args_parse(c, argc, argv, v, e);
}

static void the_first_pass_stops_at_the_command(void **state)
{
        struct cli_values v;
        struct err e;

        (void)state;
        assert_int_equal(parse(NULL, WORDS("-c", "a.yaml", "run", "--full"), &v, &e), 0);
        assert_string_equal(v.config_path, "a.yaml");
        assert_int_equal(v.word_count, 2);
        assert_string_equal(v.words[0], "run");
        assert_false(v.full);
}

static void options_stand_on_either_side_of_the_words(void **state)
{
        struct cli_values v;
        struct err e;
        char **words = WORDS("run", "product", "--json", "-c", "b.yaml", "--dry-run", "order");

        (void)state;
        assert_int_equal(parse(&command_run, words, &v, &e), 0);
        assert_true(v.json && v.dry_run && !v.allow_deletes);
        assert_string_equal(v.config_path, "b.yaml");
        assert_int_equal(v.word_count, 3);
        assert_string_equal(v.words[1], "product");
        assert_string_equal(v.words[2], "order");
}

static void mistakes_name_the_nearest_option(void **state)
{
        static const struct {
                const char *words[4];
                const char *message;
        } cases[] = {
                {{"erp2couch", "run", "--dry-rum"},
                        "unknown option --dry-rum, did you mean --dry-run?"},
                {{"erp2couch", "run", "--frobnicate"},
                        "unknown option --frobnicate of run; see erp2couch run --help"},
                {{"erp2couch", "run", "-c"},
                        "--config needs a value: --config FILE; see erp2couch run --help"},
                {{"erp2couch", "run", "-full"}, "unknown option -full, did you mean --full?"},
                {{"erp2couch", "run", "-x"}, "unknown option -x of run; see erp2couch run --help"},
                {{"erp2couch", "run", "--full=yes"}, "--full takes no value: write --full alone"},
                {{"erp2couch", "run",
                         "\xE2\x80\x94"
                         "full"},
                        "\"\xE2\x80\x94"
                        "full\" begins with a typographic dash: type it as two "
                        "hyphens, --full"},
        };
        struct cli_values v;
        struct err e;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const char *words[4];
                memcpy(words, cases[i].words, sizeof(words));
                assert_int_equal(parse(&command_run, (char **)words, &v, &e), -ERR_USAGE);
                assert_string_equal(e.text, cases[i].message);
        }
        assert_int_equal(
                parse(&command_preview, WORDS("preview", "--limit", "x"), &v, &e), -ERR_USAGE);
        assert_string_equal(e.text, "--limit takes a whole number from 0, not \"x\"");
        char **twice = WORDS("init", "d", "--pack", "a", "--pack=b");
        assert_int_equal(parse(&command_init, twice, &v, &e), -ERR_USAGE);
        assert_string_equal(e.text, "--pack is given twice: \"a\" and \"b\"");
}

static void the_worst_exit_code_wins(void **state)
{
        static const int order[] = {70, 78, 69, 77, 75, 2, 0};
        const size_t count = sizeof(order) / sizeof(order[0]);

        (void)state;
        for (size_t i = 0; i < count; i++) {
                for (size_t k = i; k < count; k++) {
                        assert_int_equal(exit_code_worse(order[i], order[k]), order[i]);
                        assert_int_equal(exit_code_worse(order[k], order[i]), order[i]);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_pass_stops_at_the_command),
                cmocka_unit_test(options_stand_on_either_side_of_the_words),
                cmocka_unit_test(mistakes_name_the_nearest_option),
                cmocka_unit_test(the_worst_exit_code_wins),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
