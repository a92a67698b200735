/* Threads that listen, on a real server: what wakes which mapper, storms, lost connections, other
 * configurations, the end. */
#include "tests/unit/pg_fixture.h"

#include <libpq-fe.h>
#include <stdio.h>

#include "ingest/base/clock.h"
#include "ingest/serve/listen.h"

#define MAPPERS 4
#define WAIT_MS 30000

static const char *const channels[MAPPERS] = {"plain", "With \"Quotes\" & Capitals", "plain", NULL};
static const char *const names[MAPPERS] = {"a", "b", "c", "never"};

struct scene {
        struct fixture *fixture; /* its source's configuration, and the loop of the service */
        struct listeners *listeners;
        struct config config;
        struct config_mapper mappers[MAPPERS];
        struct mapper_spec specs[MAPPERS];
        size_t woken[MAPPERS], released;
        bool stopped;
        PGconn *other; /* a session of its own, for storms */
};

static void on_notify(void *ctx, const char *mapper)
{
        struct scene *s = ctx;
        size_t i = 0;

        while (i < MAPPERS && strcmp(names[i], mapper) != 0)
                i++;
        assert_in_range(i, 0, MAPPERS - 1);
        s->woken[i]++;
}

static void on_release(void *ctx)
{
        ((struct scene *)ctx)->released++;
}

static void on_stopped(void *ctx)
{
        ((struct scene *)ctx)->stopped = true;
}

static void must(int rc, const struct err *e)
{
        if (rc)
                fail_msg("%d: %s", rc, e->text);
}

static void turn(struct scene *s, int64_t ms)
{
        struct err e;

        must(loop_sleep(s->fixture->loop, ms, &e), &e);
}

static const char *why(struct scene *s)
{
        static char text[512];

        if (!listeners_health(s->listeners, "erp", text, sizeof(text)))
                return "nobody listens";
        return text;
}

static void wait_for_why(struct scene *s, const char *part)
{
        int64_t end = clock_monotonic_ms() + WAIT_MS;

        while (*part ? !strstr(why(s), part) : *why(s) != '\0') {
                if (clock_monotonic_ms() > end)
                        fail_msg("not \"%s\", but: %s", part, why(s));
                turn(s, 20);
        }
}

static void wait_for_wakes(struct scene *s, const size_t *at_least)
{
        int64_t end = clock_monotonic_ms() + WAIT_MS;

        for (size_t i = 0; i < MAPPERS; i++) {
                while (s->woken[i] < at_least[i]) {
                        if (clock_monotonic_ms() > end)
                                fail_msg("mapper %s was woken %zu times", names[i], s->woken[i]);
                        turn(s, 20);
                }
        }
}

static void set(struct scene *s)
{
        struct err e;

        must(listeners_set(s->listeners, &s->config, on_release, s, &e), &e);
}

static struct scene *scene_new(const char *source_yaml)
{
        struct scene *s = calloc(1, sizeof(*s));
        struct err e;

        s->fixture = fixture_new(source_yaml);
        s->fixture->config.name = "erp";
        s->config = (struct config){.sources = &s->fixture->config,
                .source_count = 1,
                .mappers = s->mappers,
                .mapper_count = MAPPERS};
        for (size_t i = 0; i < MAPPERS; i++) {
                s->specs[i].name = names[i];
                s->specs[i].schedule.notify = channels[i];
                s->mappers[i] =
                        (struct config_mapper){.spec = &s->specs[i], .source = &s->fixture->config};
        }
        struct listeners_options options = {
                .loop = s->fixture->loop, .on_notify = on_notify, .ctx = s};
        must(listeners_new(&options, &s->listeners, &e), &e);
        set(s);
        return s;
}

static struct scene *scene_listening(void)
{
        struct scene *s = scene_new(fixture_dsn("postgres", "application_name: listener"));

        wait_for_why(s, "");
        wait_for_wakes(s, (size_t[]){1, 1, 1, 0}); /* some may have been missed before */
        return s;
}

static void scene_free(struct scene *s)
{
        struct err e;

        listeners_stop(s->listeners, on_stopped, s);
        must(loop_run_until(s->fixture->loop, &s->stopped, &e), &e);
        assert_true(s->released > 0);
        assert_int_equal(s->woken[3], 0);
        listeners_free(s->listeners);
        PQfinish(s->other);
        fixture_free(s->fixture);
        free(s);
}

static void channels_wake_their_mappers(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        struct scene *s = scene_listening();
        pg_sql(NULL, "NOTIFY \"With \"\"Quotes\"\" & Capitals\", 'what it carries is not read'");
        wait_for_wakes(s, (size_t[]){1, 2, 1, 0});
        turn(s, 300);
        assert_int_equal(s->woken[0], 1);
        pg_sql(NULL, "NOTIFY Plain"); /* which SQL makes plain */
        wait_for_wakes(s, (size_t[]){2, 2, 2, 0});
        turn(s, 300);
        pg_sql(NULL, "NOTIFY \"Plain\"; NOTIFY other");
        turn(s, 300);
        assert_int_equal(s->woken[0], 2);
        assert_int_equal(s->woken[1], 2);
        assert_int_equal(s->woken[2], 2);
        scene_free(s);
}

/* A thousand transactions in some hundred milliseconds, or more. */
static void a_storm_wakes_ten_times_a_second(void **state)
{
        char conninfo[400];

        (void)state;
        pg_cluster_or_skip();
        struct scene *s = scene_listening();
        snprintf(conninfo, sizeof(conninfo), "%s", pg_cluster());
        s->other = PQconnectdb(conninfo);
        size_t before = s->woken[0];
        int64_t began = clock_monotonic_ms();
        for (int i = 0; i < 1000; i++) {
                PGresult *r = PQexec(s->other, "NOTIFY plain");
                assert_int_equal(PQresultStatus(r), PGRES_COMMAND_OK);
                PQclear(r);
                turn(s, 0);
        }
        turn(s, 500);
        size_t most = (size_t)(clock_monotonic_ms() - began) / 100 + 2;
        assert_in_range(s->woken[0] - before, 1, most); /* 1: it saw them all at once */
        assert_int_equal(s->woken[1], 1);
        scene_free(s);
}

static void a_lost_connection_comes_again_and_wakes_all(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        struct scene *s = scene_listening();
        pg_sql(NULL, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE "
                     "application_name = 'listener'");
        wait_for_wakes(s, (size_t[]){2, 2, 2, 0});
        pg_cluster_restart();
        wait_for_wakes(s, (size_t[]){3, 3, 3, 0});
        wait_for_why(s, "");
        pg_sql(NULL, "NOTIFY plain");
        wait_for_wakes(s, (size_t[]){4, 3, 4, 0});
        assert_string_equal(pg_sql(NULL, "SELECT count(*) FROM pg_stat_activity WHERE "
                                         "application_name = 'listener'"),
                "1");
        scene_free(s);
}

static void another_configuration_takes_its_place(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        struct scene *s = scene_listening();
        struct mapper_spec renamed = s->specs[0];
        struct config_mapper one = {.spec = &renamed, .source = &s->fixture->config};
        struct config config = {.sources = &s->fixture->config,
                .source_count = 1,
                .mappers = &one,
                .mapper_count = 1};
        struct err e;

        renamed.schedule.notify = "moved";
        must(listeners_set(s->listeners, &config, on_release, s, &e), &e);
        wait_for_wakes(s, (size_t[]){2, 1, 1, 0}); /* connected anew */
        while (!s->released)
                turn(s, 20);
        pg_sql(NULL, "NOTIFY plain; NOTIFY moved");
        wait_for_wakes(s, (size_t[]){3, 1, 1, 0});
        turn(s, 300);
        assert_int_equal(s->woken[0], 3);
        assert_int_equal(s->woken[2], 1);

        config.mapper_count = 0; /* nobody listens any more */
        must(listeners_set(s->listeners, &config, on_release, s, &e), &e);
        assert_string_equal(why(s), "nobody listens");
        while (s->released < 3)
                turn(s, 20);
        scene_free(s);
}

static void what_cannot_be_reached_is_said(void **state)
{
        (void)state;
        struct scene *s = scene_new("{type: postgres, dsn: \"host=127.0.0.1 port=9 dbname=x\"}");
        wait_for_why(s, "127.0.0.1");
        assert_int_equal(s->woken[0], 0);
        scene_free(s); /* while it waits for its next try */
}

/* Nobody answers there: it has to be left in the middle. */
static void it_is_stopped_while_it_connects(void **state)
{
        (void)state;
        struct scene *s = scene_new(
                "{type: postgres, dsn: \"host=192.0.2.1 dbname=x\", connect_timeout: 60s}");
        turn(s, 100);
        int64_t began = clock_monotonic_ms();
        scene_free(s);
        assert_in_range(clock_monotonic_ms() - began, 0, 10000);
}

static void freed_without_a_word(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        struct scene *s = scene_listening();
        listeners_free(s->listeners);
        assert_int_equal(s->released, 1);
        fixture_free(s->fixture);
        free(s);
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
                cmocka_unit_test(channels_wake_their_mappers),
                cmocka_unit_test(a_storm_wakes_ten_times_a_second),
                cmocka_unit_test(a_lost_connection_comes_again_and_wakes_all),
                cmocka_unit_test(another_configuration_takes_its_place),
                cmocka_unit_test(what_cannot_be_reached_is_said),
                cmocka_unit_test(it_is_stopped_while_it_connects),
                cmocka_unit_test(freed_without_a_word),
        };

        return cmocka_run_group_tests_name("listen", tests, NULL, stop_cluster);
}
