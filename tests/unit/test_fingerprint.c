#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/pipeline/run_internal.h"

void later_mapper(const struct run *r, char out[FINGERPRINT_BYTES]);
void later_digests(const struct mapper_spec *spec, char out[FINGERPRINT_BYTES]);

/* The same as a later version of the renderer has it. */
#undef MAPPER_RENDERER_VERSION
#define MAPPER_RENDERER_VERSION 1000
#define fingerprint_mapper      later_mapper
#define fingerprint_digests     later_digests
#include "ingest/pipeline/fingerprint.c"
#undef fingerprint_mapper
#undef fingerprint_digests

static const char mapper[] = "mapper: item\nsource: erp\n"
                             "extract: {table: item, key: id}\n"
                             "target: {database: catalog, id: \"item:${id}\"}\n"
                             "fields: {v: v}\n";

static void another_renderer_is_another_fingerprint(void **state)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *spec = NULL;
        struct config_mapper mapper_of = {0};
        char now[FINGERPRINT_BYTES], again[FINGERPRINT_BYTES], later[FINGERPRINT_BYTES];

        (void)state;
        assert_int_equal(mapper_spec_parse(STR(mapper), "item.yaml", &spec, NULL), 0);
        struct run r = {.spec = spec, .mapper = &mapper_of};
        fingerprint_mapper(&r, now);
        fingerprint_mapper(&r, again);
        later_mapper(&r, later);
        assert_string_equal(now, again);
        assert_string_not_equal(now, later);
        fingerprint_digests(spec, now);
        fingerprint_digests(spec, again);
        later_digests(spec, later);
        assert_string_equal(now, again);
        assert_string_not_equal(now, later);
}

static void another_schema_is_another_fingerprint(void **state)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *spec = NULL;
        static const char *const texts[] = {"{}", "{\"type\":\"object\"}", "{ }"};
        char found[4][FINGERPRINT_BYTES];

        (void)state;
        assert_int_equal(mapper_spec_parse(STR(mapper), "item.yaml", &spec, NULL), 0);
        for (size_t i = 0; i < 4; i++) {
                cleanup_(schema_freep) struct schema *schema = NULL;
                if (i < 3)
                        assert_int_equal(
                                schema_compile_text(str_of(texts[i]), "s", NULL, &schema, NULL), 0);
                struct config_mapper mapper_of = {.schema = schema};
                struct run r = {.spec = spec, .mapper = &mapper_of};
                fingerprint_mapper(&r, found[i]);
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(found[i], found[k]);
        }
}

/* When a mapper runs is in none of its documents: editing it needs no full read. */
static void when_it_runs_is_no_part_of_it(void **state)
{
        static const struct {
                const char *more;
                bool same;
        } cases[] = {
                {"schedule: {every: 1m, jitter: 5s}\n", true},
                {"full: '@daily'\n", true},
                {"after: other\n", true},
                {"max_rejects: 5\n", true},
                {"tests: [{given: {id: 1}, expect: {v: null}}]\n", true},
                {"timezone: UTC\n", false},
        };
        char plain[FINGERPRINT_BYTES], more[FINGERPRINT_BYTES];

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                cleanup_(mapper_spec_freep) struct mapper_spec *a = NULL, *b = NULL;
                struct config_mapper mapper_of = {0};
                char text[512];
                struct err e = {0};
                snprintf(text, sizeof(text), "%s%s", mapper, cases[i].more);
                assert_int_equal(mapper_spec_parse(STR(mapper), "item.yaml", &a, &e), 0);
                if (mapper_spec_parse(str_of(text), "item.yaml", &b, &e) != 0)
                        fail_msg("%s", e.text);
                fingerprint_mapper(&(struct run){.spec = a, .mapper = &mapper_of}, plain);
                fingerprint_mapper(&(struct run){.spec = b, .mapper = &mapper_of}, more);
                if ((strcmp(plain, more) == 0) != cases[i].same)
                        fail_msg("%s", cases[i].more);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(another_renderer_is_another_fingerprint),
                cmocka_unit_test(another_schema_is_another_fingerprint),
                cmocka_unit_test(when_it_runs_is_no_part_of_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
