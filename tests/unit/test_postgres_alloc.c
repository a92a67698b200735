/* The PostgreSQL connector with each of its own allocations failing once: an error that says so,
 * or a read that went on, but no crash, no leak, and a server that is left in peace. */
#include "tests/unit/pg_fixture.h"
#include "tests/support/alloc_fail.h"

struct seen {
        size_t records;
        bool ended;
        int rc;
};

static int on_record(void *ctx, const struct record *record, struct err *e)
{
        struct seen *s = ctx;

        (void)record;
        (void)e;
        s->records++;
        return 0;
}

static int on_reject(void *ctx, struct str key, const char *reason, struct err *e)
{
        (void)ctx;
        (void)key;
        (void)reason;
        (void)e;
        return 0;
}

static void on_end(void *ctx, int rc, const struct err *e)
{
        struct seen *s = ctx;

        (void)e;
        s->ended = true;
        s->rc = rc;
}

static int read_once(struct fixture *f, const struct extract *x, struct seen *seen, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        cleanup_(source_closep) struct source *source = NULL;
        struct source_sink sink = {
                .on_record = on_record, .on_reject = on_reject, .on_end = on_end, .ctx = seen};
        struct source_read *read;
        struct shape shape;

        if (!arena)
                return err_nomem(e, "the test");
        int rc = source_open(&f->config, f->loop, NULL, &source, e);
        if (!rc)
                rc = source_describe(source, x, arena, &shape, e);
        if (!rc)
                rc = source_read_all(source, x, &shape, &sink, &read, e);
        if (!rc)
                rc = loop_run_until(f->loop, &seen->ended, e);
        return rc ? rc : seen->rc;
}

static int read_with(struct source *source, struct fixture *f, const struct extract *x,
        const struct str *position, struct buf *out, struct seen *seen, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        struct source_sink sink = {
                .on_record = on_record, .on_reject = on_reject, .on_end = on_end, .ctx = seen};
        struct source_watch watch = {.position = *position};
        struct source_observation observed;
        struct source_read *read;
        struct shape shape;

        if (!arena)
                return err_nomem(e, "the test");
        int rc = source_describe(source, x, arena, &shape, e);
        if (!rc)
                rc = source_observe(source, x, &watch, &observed, e);
        if (!rc)
                rc = (observed.usable ? source_read_since : source_read_all)(
                        source, x, &shape, &sink, &read, e);
        if (!rc)
                rc = loop_run_until(f->loop, &seen->ended, e);
        rc = rc ? rc : seen->rc;
        return rc ? rc : source_position(source, out, e);
}

/* A run from @position; what to store is in @out. */
static int run_once(struct fixture *f, const struct extract *x, const struct str *position,
        struct buf *out, struct seen *seen, struct err *e)
{
        cleanup_(source_closep) struct source *source = NULL;
        int rc = source_open(&f->config, f->loop, NULL, &source, e);

        return rc ? rc : read_with(source, f, x, position, out, seen, e);
}

static void check_runs(const char *yaml, size_t records)
{
        cleanup_buf_ struct buf first = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
        struct fixture *f = fixture_new(fixture_dsn("postgres", NULL));
        struct str position = {0};
        struct seen seen = {0};
        struct extract *x;
        struct err e;
        long failures = 0;

        if (fixture_extract(f, yaml, &x, &e) != 0 ||
                run_once(f, x, &position, &first, &seen, &e) != 0)
                fail_msg("%s", e.text);
        position = buf_str(&first);
        ALLOC_FAIL_EACH(i)
        {
                struct seen again = {0};

                buf_clear(&out);
                alloc_fail_at(i);
                int rc = run_once(f, x, &position, &out, &again, &e);
                if (rc == 0)
                        assert_int_equal(again.records, records);
                else
                        failures++;
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %d: %s", i, rc, e.text);
        }
        assert_true(failures > 10);
        fixture_free(f);
}

static void check_each(const char *yaml, size_t records)
{
        struct fixture *f = fixture_new(fixture_dsn("postgres", NULL));
        struct extract *x;
        struct err e;
        long failures = 0;

        if (fixture_extract(f, yaml, &x, &e) != 0)
                fail_msg("%s", e.text);
        ALLOC_FAIL_EACH(i)
        {
                struct seen seen = {0};

                alloc_fail_at(i);
                int rc = read_once(f, x, &seen, &e);
                if (rc == 0)
                        assert_int_equal(seen.records, records);
                else
                        failures++;
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %d: %s", i, rc, e.text);
        }
        assert_true(failures > 10);
        fixture_free(f);
}

static void each_allocation_may_fail(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        pg_sql(NULL, "CREATE TABLE p AS SELECT g AS id FROM generate_series(1, 3) g;"
                     "CREATE TABLE c AS SELECT g AS id, g % 3 AS p FROM generate_series(1, 9) g");
        check_each("{table: p, key: id}", 3);
        check_each("{table: p, key: id, children: {c: {table: c, key: id, parent: p}}}", 3);
        check_each("{table: c, group: p}", 3);
        check_runs("{table: c, key: id, cursor: id, lookback: 0s}", 1);
        check_runs("{table: p, key: id, cursor: id + 0, lookback: 0s,"
                   " children: {c: {table: c, key: id, parent: p, cursor: id}}}",
                1);
}

static int discover_once(struct fixture *f, const char *table, struct arena *arena,
        struct catalog *out, struct err *e)
{
        cleanup_(source_closep) struct source *source = NULL;
        struct catalog_query q = {.table = table};
        int rc = source_open(&f->config, f->loop, NULL, &source, e);

        return rc ? rc : source_discover(source, &q, arena, out, e);
}

static void check_catalog(const struct catalog *c)
{
        const struct catalog_table *t = &c->tables[0];

        assert_int_equal(c->count, 1);
        assert_string_equal(t->sql, "U&\"a\\000Ab\"");
        assert_int_equal(t->column_count, 2);
        assert_int_equal(t->key_count, 1);
        assert_int_equal(t->child_count, 1);
        assert_string_equal(t->children[0].table->name, "kid");
        assert_true(t->children[0].nests);
        assert_string_equal(t->comment, "noted");
}

/* A catalog is whole or an error, with each allocation failing once. */
static void each_allocation_of_discover_may_fail(void **state)
{
        static const char *const tables[] = {"a\nb", "seen"};
        long failures = 0;

        (void)state;
        pg_cluster_or_skip();
        pg_sql(NULL, "CREATE TABLE \"a\nb\" (id int PRIMARY KEY, v text);"
                     "COMMENT ON TABLE \"a\nb\" IS 'noted';"
                     "CREATE TABLE kid (id int REFERENCES \"a\nb\", w int);"
                     "CREATE VIEW seen AS SELECT g AS id, 1 AS v FROM generate_series(1, 3) g");
        struct fixture *f = fixture_new(fixture_dsn("postgres", NULL));
        for (int k = 0; k < 2; k++) {
                ALLOC_FAIL_EACH(i)
                {
                        struct arena *arena = arena_new(16 << 20);
                        struct catalog catalog = {0};
                        struct err e = {0};

                        alloc_fail_at(i);
                        int rc = discover_once(f, tables[k], arena, &catalog, &e);
                        if (rc && rc != -ERR_NOMEM)
                                fail_msg("allocation %ld: %d: %s", i, rc, e.text);
                        if (rc == 0 && k == 0)
                                check_catalog(&catalog);
                        if (rc == 0 && k == 1)
                                assert_int_equal(catalog.tables[0].key_count, 1);
                        failures += rc != 0;
                        arena_free(arena);
                }
        }
        assert_true(failures > 20);
        fixture_free(f);
}

static int stop_cluster(void **state)
{
        (void)state;
        pg_cluster_stop();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_allocation_may_fail),
                cmocka_unit_test(each_allocation_of_discover_may_fail),
        };

        return cmocka_run_group_tests(tests, NULL, stop_cluster);
}
