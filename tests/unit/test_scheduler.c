/*
 * Which mapper runs when: scripts of events with what must happen, and random weeks in which the
 * promises of scheduler.h must hold. Time is what the test says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/serve/scheduler.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_MAPPERS  8
#define NEVER        INT64_MAX
#define S            INT64_C(1000)
#define MINUTE       (60 * S)
#define HOUR         (60 * MINUTE)
#define DAY          (24 * HOUR)
#define START        INT64_C(1767571200000) /* 2026-01-05 00:00:00 UTC, a Monday */

/* ---- mappers without files ---- */

struct world {
        struct config config;
        struct source_config sources[2];
        struct config_mapper mappers[MAX_MAPPERS];
        struct mapper_spec specs[MAX_MAPPERS];
        struct extract extracts[MAX_MAPPERS];
        size_t after[MAX_MAPPERS][MAX_MAPPERS], order[MAX_MAPPERS];
        char names[MAX_MAPPERS][16];
        struct scheduler_past past[MAX_MAPPERS];
        struct scheduler *scheduler;
};

/* "30s", "2h" or a cron expression; NULL: none */
static struct schedule schedule_of(const char *text)
{
        struct schedule s = {.is_set = text != NULL, .text = text};
        struct err e;

        if (!text || str_to_duration(str_of(text), &s.every_ms))
                return s;
        s.is_cron = true;
        if (cron_parse(str_of(text), &s.cron, &e) != 0)
                fail_msg("%s: %s", text, e.text);
        return s;
}

static void world_init(struct world *w, int64_t max_runs, int64_t of_source)
{
        memset(w, 0, sizeof(*w));
        w->sources[0].max_runs = of_source;
        w->config.sources = w->sources;
        w->config.source_count = COUNT(w->sources);
        w->config.mappers = w->mappers;
        w->config.after_order = w->order;
        w->config.serve.max_runs = max_runs;
}

/* The mapper's index. @after: bits of mappers that were added before. */
static size_t add(
        struct world *w, size_t source, const char *schedule, const char *full, unsigned after)
{
        size_t i = w->config.mapper_count++;
        struct config_mapper *m = &w->mappers[i];
        struct mapper_spec *spec = &w->specs[i];

        assert_true(i < MAX_MAPPERS && after < 1u << i);
        snprintf(w->names[i], sizeof(w->names[i]), "m%zu", i);
        w->extracts[i].cursor = "changed";
        *spec = (struct mapper_spec){.name = w->names[i]};
        spec->schedule = schedule_of(schedule);
        spec->full = schedule_of(full);
        *m = (struct config_mapper){.spec = spec,
                .source = &w->sources[source],
                .extract = &w->extracts[i],
                .after = w->after[i]};
        for (size_t k = 0; k < i; k++)
                if (after >> k & 1)
                        w->after[i][m->after_count++] = k;
        w->order[i] = i;
        return i;
}

static void begin(struct world *w, int64_t now)
{
        struct err e;

        if (scheduler_new(&w->config, w->past, now, 7, &w->scheduler, &e) != 0)
                fail_msg("%s", e.text);
}

static void end(struct world *w)
{
        w->scheduler = scheduler_free(w->scheduler);
}

static struct scheduler_view look(const struct world *w, size_t mapper, int64_t now)
{
        struct scheduler_view view;

        scheduler_look(w->scheduler, mapper, now, &view);
        return view;
}

/* What starts at @now must be exactly this: "m0:schedule m1:manual+full". */
static void expect_starts(struct world *w, int64_t now, const char *wanted)
{
        struct scheduler_start start;
        char got[256] = "";

        while (scheduler_take(w->scheduler, now, &start)) {
                size_t n = strlen(got);
                snprintf(got + n, sizeof(got) - n, "%sm%zu:%s%s%s", n ? " " : "", start.mapper,
                        run_trigger_name(start.trigger), start.full ? "+full" : "",
                        start.allow_deletes ? "+deletes" : "");
        }
        if (strcmp(got, wanted) != 0)
                fail_msg("at %+lld s: \"%s\", not \"%s\"", (long long)(now - START) / 1000, got,
                        wanted);
}

static void finish(struct world *w, size_t mapper, int64_t now)
{
        scheduler_ended(w->scheduler, mapper, RUN_OK, now);
}

/* ---- times ---- */

static void first_firings(void **state)
{
        static const struct {
                const char *schedule;
                int64_t last; /* before the service began; 0: never */
                int64_t first;
                const char *start;
                int64_t tried; /* before the service began; 0: never */
        } cases[] = {
                {"30s", 0, 0, "m0:schedule"},
                {"30s", 10 * S, 20 * S, "m0:schedule"},
                {"30s", 3 * DAY, 0, "m0:catch-up"},
                {"30s", -HOUR, 30 * S, "m0:schedule"}, /* the clock went back since */
                {"0 3 * * *", 0, 3 * HOUR, "m0:schedule"},
                {"0 3 * * *", 20 * HOUR, 3 * HOUR, "m0:schedule"},
                {"0 3 * * *", 22 * HOUR, 0, "m0:catch-up"},
                {"0 3 * * *", 30 * DAY, 0, "m0:catch-up"},
                {"0 0 * * *", 0, DAY, "m0:schedule"},
                /* a run that failed, or was killed, and none that went well */
                {"0 3 * * *", 0, 0, "m0:catch-up", HOUR},
                {"30s", 0, 0, "m0:catch-up", HOUR},
                {"0 3 * * *", 0, 0, "m0:catch-up", -HOUR},
                {"0 3 * * *", 20 * HOUR, 3 * HOUR, "m0:schedule", HOUR},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct world w;
                world_init(&w, 4, 0);
                add(&w, 0, cases[i].schedule, NULL, 0);
                w.past[0].last_ms = cases[i].last ? START - cases[i].last : 0;
                w.past[0].tried_ms = cases[i].tried ? START - cases[i].tried : 0;
                begin(&w, START);
                int64_t at = START + cases[i].first;
                if (cases[i].first) {
                        expect_starts(&w, START, "");
                        assert_int_equal(scheduler_next_change(w.scheduler, START), at);
                        assert_int_equal(look(&w, 0, START).next_ms, at);
                        expect_starts(&w, at - 1, "");
                }
                expect_starts(&w, at, cases[i].start);
                end(&w);
        }
}

static void a_firing_during_its_run_counts_once(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 4, 0);
        add(&w, 0, "*/5 * * * *", NULL, 0);
        begin(&w, START);
        expect_starts(&w, START + 5 * MINUTE, "m0:schedule");
        expect_starts(&w, START + 18 * MINUTE, "");
        assert_true(look(&w, 0, START + 18 * MINUTE).due);
        finish(&w, 0, START + 18 * MINUTE);
        expect_starts(&w, START + 18 * MINUTE, "m0:schedule");
        finish(&w, 0, START + 19 * MINUTE);
        expect_starts(&w, START + 19 * MINUTE, "");
        assert_int_equal(
                scheduler_next_change(w.scheduler, START + 19 * MINUTE), START + 20 * MINUTE);
        end(&w);
}

static void missed_firings_count_once(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 4, 0);
        add(&w, 0, "30s", "0 3 * * *", 0);
        begin(&w, START);
        expect_starts(&w, START, "m0:schedule");
        finish(&w, 0, START + S);
        expect_starts(&w, START + 3 * DAY, "m0:schedule"); /* the machine slept */
        finish(&w, 0, START + 3 * DAY);
        expect_starts(&w, START + 3 * DAY, "");
        assert_int_equal(look(&w, 0, START + 3 * DAY).next_ms, START + 3 * DAY + 30 * S);
        assert_int_equal(look(&w, 0, START + 3 * DAY).next_full_ms, START + 3 * DAY + 3 * HOUR);
        end(&w);
}

static void clocks_that_go_back_hold_nothing_up(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 4, 0);
        add(&w, 0, "1h", NULL, 0);
        add(&w, 0, "0 * * * *", NULL, 0);
        begin(&w, START);
        expect_starts(&w, START, "m0:schedule");
        finish(&w, 0, START);
        scheduler_wake(w.scheduler, 1, TRIGGER_MANUAL, false, false, START);
        expect_starts(&w, START, "m1:manual");
        scheduler_ended(w.scheduler, 1, RUN_UNAVAILABLE, START);
        int64_t now = START - 300 * DAY + 1;
        expect_starts(&w, now, "");
        assert_in_range(look(&w, 1, now).next_ms, now + S, now + 10 * S); /* its back-off */
        expect_starts(&w, now + 10 * S, "m1:retry");
        finish(&w, 1, now + 10 * S);
        expect_starts(&w, now + HOUR, "m1:schedule m0:schedule");
        finish(&w, 0, now + HOUR);
        finish(&w, 1, now + HOUR);
        /* an adjusted clock: what was served does not come again */
        expect_starts(&w, now + HOUR - 2 * S, "");
        end(&w);
}

static void jitter_delays_within_its_bounds(void **state)
{
        int64_t least = NEVER, most = 0;
        struct world w;

        (void)state;
        world_init(&w, 4, 0);
        add(&w, 0, "0 * * * *", NULL, 0);
        w.specs[0].schedule.jitter_ms = 5 * MINUTE;
        begin(&w, START);
        for (int64_t hour = 1; hour <= 500; hour++) {
                int64_t at = look(&w, 0, START + hour * HOUR - 1).next_ms;
                int64_t late = at - START - hour * HOUR;
                assert_in_range(late, 0, 5 * MINUTE - 1);
                least = late < least ? late : least;
                most = late > most ? late : most;
                expect_starts(&w, at - 1, "");
                expect_starts(&w, at, "m0:schedule");
                finish(&w, 0, at);
        }
        assert_true(least < 10 * S && most > 290 * S);
        end(&w);
}

static void full_reads_start_by_themselves(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 4, 0);
        add(&w, 0, NULL, "0 3 * * *", 0);
        add(&w, 0, "1h", "1d", 0);
        w.past[1].last_ms = START - HOUR / 2;
        w.past[1].last_full_ms = START - 20 * HOUR;
        begin(&w, START);
        assert_int_equal(look(&w, 0, START).next_full_ms, START + 3 * HOUR);
        assert_int_equal(look(&w, 1, START).next_ms, START + HOUR / 2);
        assert_int_equal(look(&w, 1, START).next_full_ms, START + 4 * HOUR);
        expect_starts(&w, START + 3 * HOUR, "m1:schedule m0:schedule");
        finish(&w, 1, START + 3 * HOUR);
        assert_int_equal(look(&w, 1, START + 3 * HOUR).next_full_ms, START + 4 * HOUR);
        expect_starts(&w, START + 4 * HOUR, "m1:schedule");
        assert_int_equal(look(&w, 1, START + 4 * HOUR).next_full_ms, START + 28 * HOUR);
        end(&w);
}

/* ---- rules ---- */

static void limits_hold_and_the_oldest_goes_first(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 2, 1);
        add(&w, 0, "0 3 * * *", NULL, 0);
        add(&w, 0, "0 2 * * *", NULL, 0);
        add(&w, 1, "0 1 * * *", NULL, 0);
        add(&w, 1, "30 2 * * *", NULL, 0);
        begin(&w, START);
        int64_t now = START + 4 * HOUR;
        expect_starts(&w, now, "m2:schedule m1:schedule");
        assert_int_equal(look(&w, 0, now).wait, WAIT_SOURCE);
        assert_int_equal(look(&w, 3, now).wait, WAIT_LIMIT);
        assert_int_equal(scheduler_next_change(w.scheduler, now), NEVER);
        finish(&w, 2, now);
        expect_starts(&w, now, "m3:schedule");
        finish(&w, 3, now);
        expect_starts(&w, now, "");
        finish(&w, 1, now);
        expect_starts(&w, now, "m0:schedule");
        end(&w);
}

static void some_come_after_others(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 4, 0);
        add(&w, 0, "0 3 * * *", NULL, 0);
        add(&w, 0, "0 3 * * *", NULL, 1);  /* after m0, by its own hour */
        add(&w, 0, NULL, NULL, 1);         /* whenever m0 has run */
        add(&w, 0, NULL, NULL, 1 | 2 | 4); /* when the three above have: once */
        begin(&w, START);
        int64_t now = START + 3 * HOUR;
        expect_starts(&w, now, "m0:schedule");
        assert_int_equal(look(&w, 1, now).wait, WAIT_AFTER);
        assert_int_equal(look(&w, 1, now).after, 0);
        scheduler_ended(w.scheduler, 0, RUN_REJECTS, now + S);
        expect_starts(&w, now + S, "m1:schedule m2:after");
        assert_int_equal(look(&w, 3, now + S).wait, WAIT_AFTER);
        finish(&w, 2, now + 2 * S);
        expect_starts(&w, now + 2 * S, "");
        finish(&w, 1, now + 3 * S);
        expect_starts(&w, now + 3 * S, "m3:after");
        finish(&w, 3, now + 4 * S);
        expect_starts(&w, now + 4 * S, "");
        /* a failure wakes nobody, and nobody waits for its repair */
        expect_starts(&w, now + DAY, "m0:schedule");
        scheduler_ended(w.scheduler, 0, RUN_UNAVAILABLE, now + DAY + S);
        expect_starts(&w, now + DAY + S, "m1:schedule");
        end(&w);
}

/* Neither the one between them is due yet, nor the one whose jitter delays it. */
static void some_come_after_what_is_about_to_run(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 4, 0);
        add(&w, 0, "0 3 * * *", NULL, 0);
        add(&w, 0, NULL, NULL, 1);
        add(&w, 0, "0 3 * * *", NULL, 2);
        w.specs[0].schedule.jitter_ms = HOUR;
        begin(&w, START);
        int64_t now = look(&w, 0, START).next_ms;
        assert_in_range(now, START + 3 * HOUR + 1, START + 4 * HOUR);
        expect_starts(&w, now - 1, "");
        assert_int_equal(look(&w, 2, now - 1).after, 1);
        expect_starts(&w, now, "m0:schedule");
        assert_int_equal(look(&w, 2, now).wait, WAIT_AFTER);
        finish(&w, 0, now + S);
        expect_starts(&w, now + S, "m1:after");
        finish(&w, 1, now + 2 * S);
        expect_starts(&w, now + 2 * S, "m2:schedule");
        end(&w);
}

static void one_that_is_always_due_holds_nobody_up(void **state)
{
        struct world w;
        int64_t now = START;
        int runs = 0;

        (void)state;
        world_init(&w, 4, 0);
        add(&w, 0, "1s", NULL, 0);
        add(&w, 0, "10s", NULL, 1);
        begin(&w, now);
        for (int i = 0; i < 100; i++) {
                struct scheduler_start start;
                bool ran[2] = {false, false};
                now += 5 * S; /* each run takes so long */
                while (scheduler_take(w.scheduler, now, &start))
                        ran[start.mapper] = true;
                for (size_t m = 0; m < 2; m++)
                        if (ran[m])
                                finish(&w, m, now + 5 * S);
                runs += ran[1];
        }
        assert_true(runs > 20);
        end(&w);
}

static void what_was_not_followed_is_caught_up(void **state)
{
        static const struct {
                int64_t good; /* the end of a good run of the one before: so long ago; 0: never */
                int64_t last; /* the begin of one that followed it */
                const char *starts;
        } cases[] = {
                {20 * HOUR, 0, "m1:catch-up"}, {20 * HOUR, 2 * DAY, "m1:catch-up"},
                {20 * HOUR, 20 * HOUR + S, "m1:catch-up"}, /* while that was still at work */
                {20 * HOUR, 20 * HOUR, ""}, {20 * HOUR, HOUR, ""},
                {0, 2 * DAY, ""}, /* refused ever since: nobody follows that */
                {0, 0, ""}, {-HOUR, DAY, "m1:catch-up"}, /* the clock went back since */
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct world w;
                world_init(&w, 4, 0);
                add(&w, 0, "0 3 * * *", NULL, 0);
                add(&w, 0, NULL, NULL, 1);
                add(&w, 0, "0 3 * * *", NULL, 1); /* it waits for its own hour */
                w.past[0].last_ms = w.past[2].last_ms = START - 19 * HOUR;
                w.past[0].good_ms = cases[i].good ? START - cases[i].good : 0;
                w.past[1].last_ms = cases[i].last ? START - cases[i].last : 0;
                begin(&w, START);
                expect_starts(&w, START, cases[i].starts);
                if (cases[i].starts[0]) {
                        scheduler_ended(w.scheduler, 1, RUN_UNAVAILABLE, START);
                        expect_starts(&w, START + 10 * S, "m1:retry");
                        finish(&w, 1, START + 10 * S);
                }
                expect_starts(&w, START + MINUTE, "");
                end(&w);
        }
}

static void failures_back_off(void **state)
{
        struct world w;
        int64_t now = START, nominal = 10 * S;

        (void)state;
        world_init(&w, 4, 0);
        add(&w, 0, "1s", NULL, 0);
        begin(&w, now);
        expect_starts(&w, now, "m0:schedule");
        for (unsigned i = 1; i <= 20; i++) {
                scheduler_ended(w.scheduler, 0, i % 2 ? RUN_UNAVAILABLE : RUN_FAILED, now);
                scheduler_wake(w.scheduler, 0, TRIGGER_NOTIFY, false, false, now);
                struct scheduler_view view = look(&w, 0, now);
                assert_int_equal(view.failures, i);
                assert_int_equal(view.wait, WAIT_BACK_OFF);
                assert_in_range(view.next_ms - now, nominal / 2, nominal);
                assert_int_equal(scheduler_next_change(w.scheduler, now), view.next_ms);
                expect_starts(&w, view.next_ms - 1, "");
                now = view.next_ms;
                expect_starts(&w, now, "m0:retry");
                nominal = nominal * 2 > 600 * S ? 600 * S : nominal * 2;
        }
        scheduler_ended(w.scheduler, 0, RUN_LOCKED, now);
        scheduler_wake(w.scheduler, 0, TRIGGER_MANUAL, true, true, now);
        expect_starts(&w, now, "m0:manual+full+deletes");
        scheduler_ended(w.scheduler, 0, RUN_FAILED, now);
        now = look(&w, 0, now).next_ms;
        expect_starts(&w, now, "m0:retry+full"); /* what was permitted was for one run */
        finish(&w, 0, now);
        assert_int_equal(look(&w, 0, now).failures, 0);
        expect_starts(&w, now + S, "m0:schedule");
        scheduler_ended(w.scheduler, 0, RUN_REFUSED, now + S);
        expect_starts(&w, now + S, "");
        expect_starts(&w, now + 2 * S, "m0:schedule");
        end(&w);
}

static void pauses_hold_but_for_operators(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 4, 0);
        add(&w, 0, "10s", NULL, 0);
        add(&w, 0, "10s", NULL, 1);
        w.past[0].paused = true;
        begin(&w, START);
        expect_starts(&w, START, "m1:schedule"); /* nobody waits for one that is paused */
        struct scheduler_view view = look(&w, 0, START);
        assert_true(view.paused && view.due && view.wait == WAIT_PAUSED && view.next_ms == NEVER);
        scheduler_wake(w.scheduler, 0, TRIGGER_NOTIFY, false, false, START);
        expect_starts(&w, START + MINUTE, "");
        scheduler_wake(w.scheduler, 0, TRIGGER_MANUAL, false, false, START + MINUTE);
        expect_starts(&w, START + MINUTE, "m0:manual");
        finish(&w, 0, START + MINUTE);
        expect_starts(&w, START + 5 * MINUTE, "");
        scheduler_pause(w.scheduler, 0, false);
        expect_starts(&w, START + 5 * MINUTE, "m0:schedule");
        finish(&w, 0, START + 5 * MINUTE);
        expect_starts(&w, START + 5 * MINUTE, "");
        end(&w);
}

static void what_holds_a_mapper_is_no_run(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1, 1);
        add(&w, 0, "10s", NULL, 0);
        add(&w, 0, NULL, NULL, 1);
        begin(&w, START);
        assert_true(scheduler_hold(w.scheduler, 0));
        assert_false(scheduler_hold(w.scheduler, 0));
        expect_starts(&w, START + HOUR, "");
        scheduler_ended(w.scheduler, 0, RUN_UNAVAILABLE, START + HOUR);
        assert_int_equal(look(&w, 0, START + HOUR).failures, 0);
        expect_starts(&w, START + HOUR, "m0:schedule");
        assert_false(scheduler_hold(w.scheduler, 0));
        finish(&w, 0, START + HOUR);
        assert_true(scheduler_hold(w.scheduler, 0));
        expect_starts(&w, START + HOUR, "m1:after");
        end(&w);
}

static void a_reload_goes_on_where_it_was(void **state)
{
        struct world old, w;

        (void)state;
        world_init(&old, 4, 0);
        add(&old, 0, "1h", NULL, 0);
        add(&old, 0, "0 3 * * *", NULL, 0);
        add(&old, 0, "0 3 * * *", NULL, 0);
        add(&old, 0, "1h", NULL, 0);
        begin(&old, START);
        expect_starts(&old, START, "m0:schedule m3:schedule");
        scheduler_ended(old.scheduler, 3, RUN_FAILED, START);
        scheduler_pause(old.scheduler, 2, true);

        world_init(&w, 4, 0);
        add(&w, 0, "1h", NULL, 0);
        add(&w, 0, "0 11 * * *", NULL, 0); /* another hour: that of today was never promised */
        add(&w, 0, "0 3 * * *", NULL, 0);
        add(&w, 0, "1h", NULL, 0);
        add(&w, 0, "1h", NULL, 0);      /* new */
        add(&w, 0, NULL, NULL, 1 << 1); /* new, after one that has run */
        add(&w, 0, NULL, NULL, 1 << 2); /* new, after one that has not */
        int64_t now = START + 12 * HOUR;
        expect_starts(&old, now, "m3:retry m1:schedule");
        finish(&old, 1, now);
        scheduler_ended(old.scheduler, 3, RUN_FAILED, now);
        begin(&w, now);
        scheduler_inherit(w.scheduler, old.scheduler);
        end(&old);
        assert_true(look(&w, 0, now).running);
        assert_true(look(&w, 2, now).paused);
        assert_int_equal(look(&w, 3, now).failures, 2);
        assert_int_equal(look(&w, 3, now).wait, WAIT_BACK_OFF);
        assert_int_equal(look(&w, 1, now).next_ms, START + 35 * HOUR);
        expect_starts(&w, now, "m4:schedule m5:catch-up");
        finish(&w, 0, now);
        expect_starts(&w, now, "m0:schedule");
        end(&w);
}

/* ---- random weeks ---- */

struct seen {
        int64_t due_since;  /* without anything in its way; 0: not */
        int64_t last_start; /* 0: not since the clock jumped */
        int64_t ends;       /* of the run under way; 0: none */
        bool held, paused;
        unsigned failures;
        uint64_t runs;
};

struct life {
        struct world w;
        struct seen of[MAX_MAPPERS];
        size_t running, of_source[2];
        int64_t now;
        unsigned seed;
};

static unsigned dice(struct life *l, unsigned n)
{
        return (unsigned)rand_r(&l->seed) % n;
}

static void random_mappers(struct life *l)
{
        static const char *const schedules[] = {
                "7s", "1m", "1h", "*/5 * * * *", "0 3 * * *", "@hourly", NULL};
        static const char *const fulls[] = {NULL, NULL, "0 3 * * *", "6h"};

        world_init(&l->w, 1 + dice(l, 4), dice(l, 3));
        size_t count = 1 + dice(l, MAX_MAPPERS);
        for (size_t i = 0; i < count; i++) {
                unsigned after = i && dice(l, 2) ? dice(l, 1u << i) : 0;
                add(&l->w, dice(l, 2), schedules[dice(l, COUNT(schedules))],
                        fulls[dice(l, COUNT(fulls))], after);
                if (l->w.specs[i].schedule.is_cron && dice(l, 2))
                        l->w.specs[i].schedule.jitter_ms = 1 + dice(l, 200000);
        }
        begin(&l->w, l->now);
}

static void check_start(struct life *l, const struct scheduler_start *start)
{
        struct seen *m = &l->of[start->mapper];
        const struct config_mapper *mapper = &l->w.mappers[start->mapper];
        size_t source = (size_t)(mapper->source - l->w.sources);

        assert_false(m->ends || m->held); /* one run of a mapper */
        assert_true(!m->paused || start->trigger == TRIGGER_MANUAL);
        assert_true(l->running < (size_t)l->w.config.serve.max_runs);
        if (mapper->source->max_runs)
                assert_true(l->of_source[source] < (size_t)mapper->source->max_runs);
        if (start->trigger == TRIGGER_SCHEDULE && m->last_start && m->failures == 0 &&
                mapper->spec->schedule.every_ms && !mapper->spec->full.is_set)
                assert_true(l->now - m->last_start >= mapper->spec->schedule.every_ms);
        m->last_start = l->now;
        m->due_since = 0;
        m->ends = l->now + 1 + dice(l, 20 * 60) * (dice(l, 4) ? S / 10 : S);
        m->runs++;
        l->running++;
        l->of_source[source]++;
}

static void end_run(struct life *l, size_t i)
{
        static const enum run_outcome outcomes[] = {RUN_OK, RUN_OK, RUN_OK, RUN_REJECTS,
                RUN_REFUSED, RUN_UNAVAILABLE, RUN_FAILED, RUN_INTERRUPTED};
        struct seen *m = &l->of[i];
        enum run_outcome outcome = outcomes[dice(l, COUNT(outcomes))];

        if (!m->held) {
                l->running--;
                l->of_source[l->w.mappers[i].source - l->w.sources]--;
                if (outcome == RUN_UNAVAILABLE || outcome == RUN_FAILED)
                        m->failures++;
                else if (outcome != RUN_INTERRUPTED)
                        m->failures = 0;
        }
        m->held = false;
        m->ends = 0;
        scheduler_ended(l->w.scheduler, i, outcome, l->now);
}

/* What nothing holds up must have been taken; what waits must not wait for ever. */
static void check_views(struct life *l)
{
        for (size_t i = 0; i < l->w.config.mapper_count; i++) {
                struct scheduler_view v = look(&l->w, i, l->now);
                struct seen *m = &l->of[i];
                assert_int_equal(v.running, m->ends && !m->held);
                assert_int_equal(v.paused, m->paused);
                assert_int_equal(v.failures, m->failures);
                if (!v.due || v.running || m->held || v.wait == WAIT_PAUSED) {
                        m->due_since = 0;
                        continue;
                }
                assert_int_not_equal(v.wait, WAIT_NOTHING);
                if (v.wait == WAIT_BACK_OFF) {
                        assert_in_range(v.next_ms, l->now, l->now + 600 * S);
                        m->due_since = 0;
                        continue;
                }
                if (!m->due_since || m->due_since > l->now)
                        m->due_since = l->now;
                /* at the most all others run before it, some of them twice, 20 minutes each */
                if (l->now - m->due_since > 2 * MAX_MAPPERS * 20 * MINUTE)
                        fail_msg("m%zu has been due for %lld s", i,
                                (long long)(l->now - m->due_since) / 1000);
                if (v.wait == WAIT_AFTER)
                        assert_true(v.after < i);
        }
}

static void random_event(struct life *l)
{
        size_t i = dice(l, (unsigned)l->w.config.mapper_count);
        struct seen *m = &l->of[i];

        switch (dice(l, 12)) {
        case 0:
                m->paused = !m->paused && dice(l, 2);
                scheduler_pause(l->w.scheduler, i, m->paused);
                break;
        case 1:
                scheduler_wake(l->w.scheduler, i, TRIGGER_NOTIFY, false, false, l->now);
                break;
        case 2:
                scheduler_wake(l->w.scheduler, i, TRIGGER_MANUAL, dice(l, 2), false, l->now);
                break;
        case 3:
                if (scheduler_hold(l->w.scheduler, i)) {
                        m->held = true;
                        m->ends = l->now + dice(l, 30) * S;
                } else {
                        assert_true(m->ends);
                }
                break;
        case 4:
                if (dice(l, 20))
                        break;
                l->now += (int64_t)dice(l, 2) * dice(l, 100) * HOUR - dice(l, 100) * HOUR;
                for (size_t k = 0; k < MAX_MAPPERS; k++) {
                        l->of[k].due_since = l->of[k].last_start = 0;
                        if (l->of[k].ends)
                                l->of[k].ends = l->now + S;
                }
                break;
        default:
                break;
        }
}

/* To the next moment at which something is to happen, or only a part of the way. */
static void step(struct life *l)
{
        int64_t next = scheduler_next_change(l->w.scheduler, l->now);

        assert_true(next > l->now); /* all that may start was taken */
        for (size_t i = 0; i < l->w.config.mapper_count; i++)
                if (l->of[i].ends && l->of[i].ends < next)
                        next = l->of[i].ends;
        if (next - l->now > MINUTE)
                next = l->now + MINUTE;
        if (next < l->now)
                next = l->now;
        l->now = dice(l, 3) ? next : l->now + (next - l->now) / 2;
        for (size_t i = 0; i < l->w.config.mapper_count; i++)
                if (l->of[i].ends && l->of[i].ends <= l->now)
                        end_run(l, i);
        random_event(l);
}

static void live(unsigned seed)
{
        struct life l = {.now = START + (int64_t)seed * 12345, .seed = seed};
        struct scheduler_start start;
        uint64_t runs = 0;

        random_mappers(&l);
        for (int i = 0; i < 4000; i++) {
                while (scheduler_take(l.w.scheduler, l.now, &start))
                        check_start(&l, &start);
                check_views(&l);
                step(&l);
        }
        for (size_t i = 0; i < l.w.config.mapper_count; i++)
                runs += l.of[i].runs;
        assert_true(runs > 20);
        end(&l.w);
}

static void random_weeks_keep_the_promises(void **state)
{
        const char *seeds = getenv("ERP2COUCH_SEEDS");
        unsigned count = seeds ? (unsigned)strtoul(seeds, NULL, 10) : 40;

        (void)state;
        for (unsigned seed = 1; seed <= count; seed++)
                live(seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(first_firings),
                cmocka_unit_test(a_firing_during_its_run_counts_once),
                cmocka_unit_test(missed_firings_count_once),
                cmocka_unit_test(clocks_that_go_back_hold_nothing_up),
                cmocka_unit_test(jitter_delays_within_its_bounds),
                cmocka_unit_test(full_reads_start_by_themselves),
                cmocka_unit_test(limits_hold_and_the_oldest_goes_first),
                cmocka_unit_test(some_come_after_others),
                cmocka_unit_test(some_come_after_what_is_about_to_run),
                cmocka_unit_test(one_that_is_always_due_holds_nobody_up),
                cmocka_unit_test(what_was_not_followed_is_caught_up),
                cmocka_unit_test(failures_back_off),
                cmocka_unit_test(pauses_hold_but_for_operators),
                cmocka_unit_test(what_holds_a_mapper_is_no_run),
                cmocka_unit_test(a_reload_goes_on_where_it_was),
                cmocka_unit_test(random_weeks_keep_the_promises),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
