/*
 * A test has its own columns, so it has its own program: compiling one takes microseconds, and
 * nothing of one test is left when the next begins.
 */
#include "ingest/pipeline/trial_internal.h"

#define TEST_ARENA_MAX   ((size_t)256 << 20) /* columns and values: a mapper file is far smaller */
#define REPORT_ARENA_MAX ((size_t)256 << 20) /* differences: documents are up to 64 MiB */

const char *trial_outcome_name(enum trial_outcome outcome)
{
        static const char *const names[] = {
                [TRIAL_OK] = "ok", [TRIAL_FAILED] = "failed", [TRIAL_ERROR] = "error"};

        return names[outcome];
}

/* What the compiler says of columns is about those that the test gives. */
static int compile(
        struct trial *t, const struct lookup_set *lookups, struct validator **out, struct err *e)
{
        int rc = validator_compile(t->mapper, &t->shape, lookups, out, e);

        if (rc != -ERR_CONFIG)
                return rc;
        return err_hint(e, rc,
                "types of columns come from the values that the test gives: 'types' says others");
}

static int judge(struct trial *t, struct trial_result *r, struct arena *arena, struct err *e)
{
        cleanup_(lookup_set_freep) struct lookup_set *lookups = NULL;
        cleanup_(validator_freep) struct validator *validator = NULL;
        struct mapper_reject why;
        struct mapped document;
        int rc = trial_lookups(t, &lookups, e);

        if (!rc)
                rc = compile(t, lookups, &validator, e);
        if (!rc)
                rc = validate_record(validator, &t->data, &document, &why, e);
        if (rc < 0)
                return rc;
        if (rc || r->test->reject)
                return trial_compare_reject(r, arena, rc ? &why : NULL, e);
        return trial_compare(r, arena, &document, e);
}

static int run_test(const struct config_mapper *mapper, struct trial_result *r,
        struct arena *report, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(TEST_ARENA_MAX);
        cleanup_(freep) struct trial *t = calloc(1, sizeof(*t));

        if (!arena || !t)
                return err_nomem(e, "a test");
        t->mapper = mapper;
        t->test = r->test;
        t->arena = arena;
        int rc = trial_shape_build(t, e);
        if (!rc)
                rc = judge(t, r, report, e);
        if (rc != -ERR_CONFIG && rc != -ERR_REJECT)
                return rc;
        r->outcome = TRIAL_ERROR;
        r->error = arena_strdup(report, str_of(e->text));
        return r->error ? 0 : arena_failed(report, "a test's error", e);
}

static int name_test(struct trial_result *r, size_t index, struct arena *arena, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(64);

        buf_printf(&text, "test %zu", index + 1);
        r->name = r->test->name ? r->test->name : arena_strdup(arena, buf_str(&text));
        return r->name ? 0 : arena_failed(arena, "the name of a test", e);
}

static int run_all(const struct config_mapper *mapper, struct trial_report *out, struct err *e)
{
        const struct mapper_tests *tests = &mapper->spec->tests;
        int rc = trial_cover(mapper->spec, out, e);

        out->results = arena_array(out->arena, tests->count, sizeof(*out->results));
        if (!rc && !out->results)
                rc = arena_failed(out->arena, "results of tests", e);
        for (; out->count < tests->count && !rc; out->count++) {
                struct trial_result *r = &out->results[out->count];
                *r = (struct trial_result){.test = &tests->items[out->count]};
                rc = name_test(r, out->count, out->arena, e);
                if (!rc)
                        rc = run_test(mapper, r, out->arena, e);
                out->passed += r->outcome == TRIAL_OK;
                out->failed += r->outcome == TRIAL_FAILED;
                out->errors += r->outcome == TRIAL_ERROR;
        }
        return rc;
}

int trial_mapper(const struct config_mapper *mapper, struct trial_report *out, struct err *e)
{
        *out = (struct trial_report){.arena = arena_new(REPORT_ARENA_MAX)};
        int rc = out->arena ? run_all(mapper, out, e) : err_nomem(e, "tests");

        return rc ? err_wrap(e, rc, "tests of mapper %s", mapper->spec->name) : 0;
}

void trial_report_deinit(struct trial_report *r)
{
        arena_free(r->arena);
        *r = (struct trial_report){.arena = NULL};
}
