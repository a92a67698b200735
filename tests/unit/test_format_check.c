/*
 * What `check` says of formats: each mistake with its place in the file, its column in the format,
 * and what to write.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/mapper_fixture.h"

#define MAX_TEXT     (1 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define DATE(pattern)     "from: code, type: date, format: '" pattern "'"
#define DATETIME(pattern) "from: code, type: datetime, format: '" pattern "'"
#define DECIMAL(example)  "from: code, type: decimal, format: \"" example "\""

struct error_case {
        const char *field, *error; /* parts of it, in their order, separated by "..." */
};

static void check_error(const struct error_case *c)
{
        cleanup_buf_ struct buf fields = {.max = MAX_TEXT};
        struct fixture f;
        struct err e = {.text = ""};

        buf_printf(&fields, "v: {%s}", c->field);
        if (fixture_open(&f, buf_cstr(&fields), &e) != -ERR_CONFIG)
                fail_msg("%s: taken (%s)", c->field, e.text);
        const char *from = e.text;
        for (const char *part = c->error; part;) {
                const char *end = strstr(part, "...");
                char wanted[256];
                snprintf(wanted, sizeof(wanted), "%.*s",
                        end ? (int)(end - part) : (int)strlen(part), part);
                part = end ? end + 3 : NULL;
                from = strstr(from, wanted);
                if (!from)
                        fail_msg("%s:\n    %s\n    does not say\n    %s", c->field, e.text, wanted);
        }
        if (strncmp(e.text, "m.yaml:6:", 9) != 0 || strchr(e.text, '\n'))
                fail_msg("%s: %s", c->field, e.text);
}

static void check_errors(const struct error_case *cases, size_t count)
{
        for (size_t i = 0; i < count; i++)
                check_error(&cases[i]);
}

static void patterns_that_are_wrong(void **state)
{
        static const struct error_case cases[] = {
                {"from: code, type: date, format: '%d.%q.%Y'",
                        "m.yaml:6:39: 'format': '%q' at column 4 of the pattern is no directive; "
                        "there "
                        "are %Y"},
                {DATE("%d.%N.%Y"), "'%N' at column 4...a fraction of a second is %f"},
                {DATE("%d.%m.%Y %K"), "'%K' at column 10"},
                {DATETIME("%F %s"), "'%s' at column 4...seconds since 1970 are format: unix"},
                {DATE("%c"), "'%c' at column 1...depends on a locale"},
                {DATE("%-d.%m.%Y"), "'%-' at column 1...leave it out"},
                {DATE("%E"), "'%E' at column 1"},
                {DATE("%J"), "'%J' at column 1...did you mean '%j'?"},
                {DATE("%d.%m.%"), "'%' at column 7 of the pattern ends it"},
                {DATE("%\xC3\xA9"), "'%\xC3\xA9' at column 1 of the pattern is no directive"},
                {DATE("%d.%m.%Y %d"), "%d at column 10 of the pattern names the day again"},
                {DATE("%d.%m"), "it names no year: %Y or %y"},
                {DATE("%m/%Y"), "it names no day"},
                {DATE("%d/%Y"), "it names no month"},
                {DATE("%d %m %Y %y"), "it names the year twice"},
                {DATE("%j %m %Y"), "it names the day twice"},
                {DATE("%H:%M"), "it names no year"},
                {DATETIME("%F %I:%M"), "%I needs %p"},
                {DATETIME("%F %H:%M %p"), "%p needs %I"},
                {DATETIME("%F %H:%I %p"), "it names the hour twice"},
                {DATETIME("%d.%M.%Y"), "it names no month"},
                {DATETIME("%d.%m.%Y %M"), "%M is the minute and needs an hour"},
                {DATETIME("%F %H.%S"), "%S needs a minute"},
                {DATETIME("%F %H:%M.%f"), "%f is a fraction of a second and needs %S"},
                {DATETIME("%H:%M:%S.%f%Y-%m-%d"), "digits follow %f at column 12 of the pattern"},
                {DATETIME("%H:%M%z%Y-%m-%d"), "digits follow the offset at column 8"},
                {DATE("dd.mm.yyyy"), "'dd.mm.yyyy' is no format of dates...strptime's"},
                {DATE("31.12.2026"), "'31.12.2026' is no format of dates...strptime's"},
                {DATE("iso8601"), "is no format of dates...leave format out"},
                {DATE("unixms"), "did you mean 'unix_ms'?"},
                {DATE("Excel"), "did you mean 'excel'?"},
                {DATE("1.234,56"), "'1.234,56' is no format of dates"},
        };

        (void)state;
        check_errors(cases, COUNT(cases));
}

static void examples_that_are_wrong(void **state)
{
        static const struct error_case cases[] = {
                {DECIMAL("%d.%m.%Y"), "is a format of dates, for type: date or datetime"},
                {DECIMAL("unix"), "is a format of dates"},
                {DECIMAL("1.234"),
                        "may be read in two ways: write \"1.234,56\" if the point...1234.56"},
                {DECIMAL("1,234"), "may be read in two ways: write \"1,234.56\" if the comma"},
                {DECIMAL("1.23.4"), "groups have not three digits"},
                {DECIMAL("1.234,567.8"), "is no example of a number"},
                {DECIMAL("1,234 5"), "the last separator is not one of decimals"},
                {DECIMAL("1 23"), "a group has not three digits"},
                {DECIMAL("EUR 1.234,56"), "a digit is missing at column 1"},
                {DECIMAL("1.234,56 EUR"), "a digit is missing at column 10"},
                {DECIMAL("1.234,56x"), "something else than digits and separators at column 9"},
                {DECIMAL("#,##0.00"), "a digit is missing at column 1"},
                {DECIMAL("1.234,"), "a digit is missing at column 7"},
                {DECIMAL("()"), "a digit is missing at column 1"},
        };

        (void)state;
        check_errors(cases, COUNT(cases));
}

static void keys_that_do_not_go_together(void **state)
{
        static const struct error_case cases[] = {
                {"from: code, format: '%d'", "it needs type: date or datetime"},
                {"from: code, type: string, format: '%d'", "it needs type: date or datetime"},
                {"from: code, type: boolean, format: '1,5'", "it needs type: date or datetime"},
                {"from: code, type: json, format: '1,5'", "it needs type: date or datetime"},
                {"from: code, type: date, format: ''", "'format' must"},
                {"from: code, type: date, format: [unix]", "'format' must"},
                {"object: {a: code}, format: unix", "'format' means nothing beside 'object'"},
                {"each: lines, fields: {a: sku}, format: unix", "'format' means nothing beside"},
        };

        (void)state;
        check_errors(cases, COUNT(cases));
}

static void columns_that_no_format_describes(void **state)
{
        static const struct error_case cases[] = {
                {DATETIME("%d.%m.%Y"), "m.yaml:6:6: field 'v': format: %d.%m.%Y is of local times: "
                                       "write timezone:"},
                {DATETIME("excel"), "format: excel is of local times"},
                {"from: price, type: decimal, format: '1.234,56'",
                        "column 'price' is numeric(12,2), which no format: 1.234,56 describes...it "
                        "is "
                        "a number already: leave format out"},
                {"from: id, type: integer, format: '1.234,56'", "it is a number already"},
                {"from: day, type: date, format: '%d.%m.%Y'", "it is a date already"},
                {"from: local, type: date, format: unix", "it is a date already"},
                {"from: active, type: date, format: '%d.%m.%Y'", "column 'active' is boolean"},
                {"from: price, type: date, format: odata", "column 'price' is numeric(12,2)"},
                {"from: weight, type: date, format: '%Y%m%d'",
                        "column 'weight' is double precision"},
                {"from: amounts, type: decimal, format: '1,5'", "it is a number already"},
                {"value: 32.12.2026, type: date, format: '%d.%m.%Y'",
                        "the day (%d) at character 1"},
                {"from: code, map: {a: x}, type: date, format: '%d.%m.%Y'",
                        "field 'v': \"x\" is not as format"},
        };

        (void)state;
        check_errors(cases, COUNT(cases));
}

/* A secret that somebody put here by mistake is not shown. */
static void formats_of_the_environment_are_not_shown(void **state)
{
        struct fixture f;
        struct err e = {.text = ""};

        (void)state;
        setenv("FORMAT_TEST", "%d.%q-secret", 1);
        int rc = fixture_open(&f, "v: {from: code, type: date, format: '${env:FORMAT_TEST}'}", &e);
        assert_int_equal(rc, -ERR_CONFIG);
        assert_null(strstr(e.text, "secret"));
        assert_non_null(strstr(e.text, "'format' is none for this type"));
        setenv("FORMAT_TEST", "%d.%m.%Y", 1);
        assert_int_equal(
                fixture_open(&f, "v: {from: code, type: date, format: '${env:FORMAT_TEST}'}", &e),
                0);
        fixture_close(&f);
        unsetenv("FORMAT_TEST");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(patterns_that_are_wrong),
                cmocka_unit_test(examples_that_are_wrong),
                cmocka_unit_test(keys_that_do_not_go_together),
                cmocka_unit_test(columns_that_no_format_describes),
                cmocka_unit_test(formats_of_the_environment_are_not_shown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
