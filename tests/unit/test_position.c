/*
 * How far cursors move: observations of several runs in tables, each position printed and parsed
 * between two runs. Random schedules are in test_position_model.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/source/postgres/position.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/random_json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define T0_S         INT64_C(1782864000) /* 2026-07-01 00:00:00 UTC: times below are seconds after it */
#define OPEN_MAX     64

/* One run. */
struct step {
        int64_t at_s;
        const char *open;     /* "3/17@1800 4/2@?": who is open since when; ?: hidden */
        const char *prepared; /* NULL: nothing */
        int64_t started_s;    /* of the server */
        const char *seen;     /* the largest value of the read; NULL: no rows, or NULLs only */
        const char *asked;    /* ordered cursors: the largest value before the observation */
        bool full;
        const char *from;  /* where the read begins; NULL: at the beginning */
        const char *value; /* afterwards */
        const char *held;  /* NULL: nothing */
        bool fails;        /* the read does not finish: nothing is stored */
};

struct scenario {
        const char *name;
        enum pg_cursor_kind kind;
        const char *zone;
        struct step steps[6];
};

static struct tz *load(const char *name)
{
        struct tz *z = NULL;
        struct err e;

        if (name && tz_load(name, &z, &e) != 0)
                fail_msg("%s", e.text);
        return z;
}

/* "3/17@1800 4/2@?" */
static void take_open(struct arena *arena, const char *text, struct pg_observation *o)
{
        struct pg_open_transaction *items = arena_array(arena, OPEN_MAX, sizeof(*items));

        o->open = items;
        while (text && *text) {
                size_t id = strcspn(text, "@"), all = strcspn(text, " ");
                struct pg_open_transaction *t = &items[o->open_count++];
                assert_true(o->open_count <= OPEN_MAX);
                t->id = arena_strdup(arena, (struct str){text, id});
                t->holder = "process 4711 (odoo)";
                t->start_us = text[id + 1] == '?'
                                      ? PG_START_HIDDEN
                                      : (T0_S + strtoll(text + id + 1, NULL, 10)) * PG_SECOND_US;
                text += all + (text[all] == ' ');
        }
}

static void observation(struct arena *arena, const struct step *s, struct pg_observation *o)
{
        *o = (struct pg_observation){.system = "7000000000000000001",
                .timeline = 1,
                .database = 5,
                .server_start_us = (T0_S - 86400 + s->started_s) * PG_SECOND_US,
                .wal = 1000 + s->at_s,
                .now_us = (T0_S + s->at_s) * PG_SECOND_US,
                .prepared = s->prepared};
        take_open(arena, s->open, o);
}

struct bench {
        const char *name;
        enum pg_cursor_kind kind;
        struct tz *zone;
        int64_t lookback_ms;
        struct buf stored;
        char from[64], held[160]; /* of the last run */
        const char *value;
        char value_text[64];
};

static void bench_init(
        struct bench *b, const char *name, enum pg_cursor_kind kind, const char *zone)
{
        *b = (struct bench){.name = name, .kind = kind, .zone = load(zone)};
        buf_init(&b->stored, PG_POSITION_MAX_BYTES);
}

static void bench_deinit(struct bench *b)
{
        buf_deinit(&b->stored);
        tz_free(b->zone);
}

static void run(struct bench *b, const struct step *s)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(4 << 20);
        struct pg_cursor cursor = {
                .kind = b->kind, .text = "c", .type = "some type", .latest = s->asked};
        struct pg_position before, p;
        struct pg_observation now;
        struct str seen = str_of(s->seen);
        struct err e;

        observation(arena, s, &now);
        bool has_before = b->stored.len > 0;
        if (has_before && pg_position_parse(buf_str(&b->stored), arena, &before, &e) != 0)
                fail_msg("%s: %s", b->name, e.text);
        const char *refused =
                has_before ? pg_position_refused(&before, &now, &cursor, 1, b->zone) : NULL;
        if (refused)
                fail_msg("%s: %s", b->name, refused);
        assert_int_equal(pg_position_observe(has_before ? &before : NULL, &now, &cursor, 1, b->zone,
                                 arena, &p, b->held, sizeof(b->held), &e),
                0);
        const char *from = pg_position_from(&p, 0, b->lookback_ms);
        snprintf(b->from, sizeof(b->from), "%s", from ? from : "the beginning");
        if (s->fails)
                return;
        struct pg_progress done = {.seen = &seen,
                .zone = b->zone,
                .lookback_ms = b->lookback_ms,
                .full = s->full || !from};
        assert_int_equal(pg_position_advance(&p, &done, arena, &e), 0);
        snprintf(b->value_text, sizeof(b->value_text), "%s",
                p.cursors[0].value ? p.cursors[0].value : "");
        b->value = p.cursors[0].value ? b->value_text : NULL;
        buf_clear(&b->stored);
        assert_int_equal(pg_position_print(&p, &b->stored, &e), 0);
}

static void check_text(
        const struct bench *b, size_t i, const char *what, const char *is, const char *expected)
{
        if (!is != !expected || (is && strcmp(is, expected) != 0))
                fail_msg("%s, run %zu: %s is %s, not %s", b->name, i + 1, what, is ? is : "nothing",
                        expected ? expected : "nothing");
}

static void play(const struct scenario *s)
{
        struct bench b;

        bench_init(&b, s->name, s->kind, s->zone);
        for (size_t i = 0; i < COUNT(s->steps) && s->steps[i].at_s; i++) {
                const struct step *step = &s->steps[i];
                run(&b, step);
                check_text(&b, i, "from", b.from, step->from ? step->from : "the beginning");
                if (step->held ? !strstr(b.held, step->held) : b.held[0])
                        fail_msg("%s, run %zu: held by \"%s\", not \"%s\"", s->name, i + 1, b.held,
                                step->held ? step->held : "");
                if (!step->fails)
                        check_text(&b, i, "the cursor", b.value, step->value);
        }
        bench_deinit(&b);
}

/* ---- times ---- */

#define D1      "2026-07-01 "
#define FROM(t) .from = (t), .value = (t)

static const struct scenario instants[] = {
        {"the last row", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = D1 "00:30:00.25+00", .value = D1 "00:30:00.25+00"}}},
        {"the clock, less 10 s", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = D1 "00:59:59.5+00", .value = D1 "00:59:50+00"}}},
        {"no rows at all, then one, then none that is new", PG_CURSOR_INSTANT, NULL,
                {{3600}, {3700, .seen = D1 "01:00:01+00", .value = D1 "01:00:01+00"},
                        {3800, FROM(D1 "01:00:01+00")}}},
        {"a transaction that is open", PG_CURSOR_INSTANT, NULL,
                {{3600, "3/1@1800", .seen = D1 "00:59:00+00", .value = D1 "00:29:50+00",
                         .held = "process 4711 (odoo), open for 1800 s"},
                        {3700, "3/1@1800", .seen = D1 "01:01:00+00", FROM(D1 "00:29:50+00"),
                                .held = "open for 1900 s"},
                        {3800, .seen = D1 "01:01:00+00", .from = D1 "00:29:50+00",
                                .value = D1 "01:01:00+00"}}},
        {"the earliest of several", PG_CURSOR_INSTANT, NULL,
                {{3600, "3/1@3500 4/7@900 5/2@1700", .seen = D1 "00:59:00+00",
                        .value = D1 "00:14:50+00", .held = "open for 2700 s"}}},
        {"a short one is nothing to talk about", PG_CURSOR_INSTANT, NULL,
                {{3600, "3/1@3595", .seen = D1 "01:00:00+00", .value = D1 "00:59:45+00"}}},
        {"a start after the clock was read", PG_CURSOR_INSTANT, NULL,
                {{3600, "3/1@3601", .seen = D1 "01:00:00+00", .value = D1 "00:59:50+00"}}},
        {"hidden at the first run", PG_CURSOR_INSTANT, NULL,
                {{3600, "3/1@?", .seen = D1 "00:30:00+00", .held = "process 4711"},
                        {3700, .seen = D1 "00:30:00+00", .value = D1 "00:30:00+00"}}},
        {"hidden counts from the last observation without it", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = D1 "00:30:00+00", .value = D1 "00:30:00+00"},
                        {7200, "3/1@?", .seen = D1 "01:30:00+00", .from = D1 "00:30:00+00",
                                .value = D1 "00:59:50+00", .held = "open for 3600 s"},
                        {7300, "3/1@?", .seen = D1 "01:30:00+00", FROM(D1 "00:59:50+00"),
                                .held = "open for 3700 s"},
                        {7400, .seen = D1 "01:30:00+00", .from = D1 "00:59:50+00",
                                .value = D1 "01:30:00+00"}}},
        {"a backend that is always busy", PG_CURSOR_INSTANT, NULL,
                {{3600, "3/1@?", .seen = D1 "00:30:00+00", .held = "may not see"},
                        {3700, "3/2@?", .seen = D1 "00:30:00+00", .held = "may not see"},
                        {3800, "3/9@?", .seen = D1 "00:30:00+00", .held = "may not see"},
                        {3900, "4/9@?", .seen = D1 "01:04:00+00", .value = D1 "01:03:10+00",
                                .held = "open for 100 s"},
                        {4000, "3/10@? 4/9@?", .seen = D1 "01:06:00+00", FROM(D1 "01:03:10+00"),
                                .held = "open for 200 s"}}},
        {"backends are told apart", PG_CURSOR_INSTANT, NULL,
                {{3600, "3/1@?", .seen = D1 "00:30:00+00", .held = "may not see"},
                        {3700, "33/1@?", .seen = D1 "01:01:30+00", .value = D1 "00:59:50+00",
                                .held = "open for 100 s"}}},
        {"a start that was visible once is a bound", PG_CURSOR_INSTANT, NULL,
                {{3600, "3/1@1800", .seen = D1 "00:59:00+00", .value = D1 "00:29:50+00",
                         .held = "open for 1800 s"},
                        {3700, "3/2@?", .seen = D1 "01:00:00+00", FROM(D1 "00:29:50+00"),
                                .held = "open for 1900 s"}}},
        {"a restart ends what was hidden", PG_CURSOR_INSTANT, NULL,
                {{3600, "3/1@?", .seen = D1 "00:30:00+00", .held = "may not see"},
                        {7200, "3/1@?", .started_s = 86400 + 5400, .seen = D1 "01:59:00+00",
                                .value = D1 "01:29:50+00", .held = "open for 1800 s"}}},
        {"a run that failed is no observation", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = D1 "00:30:00+00", .value = D1 "00:30:00+00"},
                        {7200, .seen = D1 "01:30:00+00", .from = D1 "00:30:00+00", .fails = true},
                        {7300, "3/1@?", .seen = D1 "01:30:00+00", .from = D1 "00:30:00+00",
                                .value = D1 "00:59:50+00", .held = "open for 3700 s"}}},
        {"something prepared", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = D1 "00:30:00+00", .value = D1 "00:30:00+00"},
                        {7200, .prepared = "tx 7", .seen = D1 "01:30:00+00", FROM(D1 "00:30:00+00"),
                                .held = "the prepared transaction tx 7"},
                        {7300, .seen = D1 "01:30:00+00", .from = D1 "00:30:00+00",
                                .value = D1 "01:30:00+00"}}},
        {"prepared at the first run", PG_CURSOR_INSTANT, NULL,
                {{3600, .prepared = "a", .seen = D1 "00:30:00+00", .held = "transaction a"},
                        {3700, .seen = D1 "00:30:00+00", .value = D1 "00:30:00+00"}}},
        {"old rows that came along with changed children", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = D1 "00:30:00+00", .value = D1 "00:30:00+00"},
                        {7200, .seen = "2001-01-01 00:00:00+00", FROM(D1 "00:30:00+00")}}},
        {"the last rows are gone at a full read", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = D1 "00:30:00+00", .value = D1 "00:30:00+00"},
                        {7200, .full = true, .seen = D1 "00:10:00+00", .from = D1 "00:30:00+00",
                                .value = D1 "00:10:00+00"}}},
        {"the future is not followed", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = "2099-01-01 00:00:00+00", .value = D1 "00:59:50+00"},
                        {7200, .seen = "2099-01-01 00:00:00+00", .from = D1 "00:59:50+00",
                                .value = D1 "01:59:50+00"}}},
        {"infinity", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = "infinity", .value = D1 "00:59:50+00"}}},
        {"the year 10000", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = "10000-01-01 00:00:00+00", .value = D1 "00:59:50+00"}}},
        {"nothing but the long past", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = "0044-03-15 00:00:00+00 BC", .value = "-infinity"},
                        {3700, .seen = D1 "00:30:00+00", .from = "-infinity",
                                .value = D1 "00:30:00+00"}}},
        {"minus infinity", PG_CURSOR_INSTANT, NULL,
                {{3600, .seen = "-infinity", .value = "-infinity"}}},
};

#define OCTOBER (INT64_C(1792890000) - T0_S) /* 2026-10-25: 02:00 in Dublin becomes 01:00 */
#define MARCH   (INT64_C(1806195600) - T0_S) /* 2027-03-28: 01:00 in Dublin becomes 02:00 */

static const struct scenario locals[] = {
        {"summer time", PG_CURSOR_LOCAL, "Europe/Dublin",
                {{3600, .seen = "2026-07-01 02:00:00", .value = "2026-07-01 01:59:50"}}},
        {"the last row", PG_CURSOR_LOCAL, "Europe/Dublin",
                {{3600, .seen = "2026-07-01 01:59:49.5", .value = "2026-07-01 01:59:49.5"}}},
        {"UTC", PG_CURSOR_LOCAL, "UTC",
                {{3600, .seen = "2026-07-01 01:00:00", .value = "2026-07-01 00:59:50"}}},
        {"an hour that will repeat", PG_CURSOR_LOCAL, "Europe/Dublin",
                {{OCTOBER - 3595, .seen = "2026-10-25 01:00:04", .value = "2026-10-25 00:59:55"},
                        {OCTOBER - 1800, .seen = "2026-10-25 01:30:00",
                                .from = "2026-10-25 00:59:55", .value = "2026-10-25 01:00:00"},
                        {OCTOBER - 1, .seen = "2026-10-25 01:59:58", FROM("2026-10-25 01:00:00")},
                        {OCTOBER + 70, .seen = "2026-10-25 01:59:59", .from = "2026-10-25 01:00:00",
                                .value = "2026-10-25 01:01:00"},
                        {OCTOBER + 3610, .seen = "2026-10-25 02:00:05",
                                .from = "2026-10-25 01:01:00", .value = "2026-10-25 02:00:00"}}},
        {"a transaction from before the change", PG_CURSOR_LOCAL, "Europe/Dublin",
                {{OCTOBER + 1800, "3/1@10021500", .seen = "2026-10-25 01:59:59",
                         .value = "2026-10-25 00:44:50", .held = "open for"},
                        {OCTOBER + 7200, "3/2@10024500", .seen = "2026-10-25 02:59:59",
                                .from = "2026-10-25 00:44:50", .value = "2026-10-25 01:00:00",
                                .held = "open for"}}},
        {"an hour that never was", PG_CURSOR_LOCAL, "Europe/Dublin",
                {{MARCH + 5, .seen = "2027-03-28 02:00:04", .value = "2027-03-28 00:59:55"},
                        {MARCH + 11, .seen = "2027-03-28 02:00:11", .from = "2027-03-28 00:59:55",
                                .value = "2027-03-28 02:00:01"}}},
        {"an application in another zone", PG_CURSOR_LOCAL, "UTC",
                {{3600, .seen = "2026-07-01 02:00:00", .value = "2026-07-01 00:59:50"}}},
};

static const struct scenario dates[] = {
        {"the day before", PG_CURSOR_DATE, "UTC",
                {{86400, .seen = "2026-07-02", .value = "2026-06-30"},
                        {86410, .seen = "2026-07-02", .from = "2026-06-30",
                                .value = "2026-07-01"}}},
        {"of the zone", PG_CURSOR_DATE, "Europe/Dublin",
                {{23 * 3600 + 9, .seen = "2026-07-02", .value = "2026-06-30"},
                        {23 * 3600 + 10, .seen = "2026-07-02", .from = "2026-06-30",
                                .value = "2026-07-01"}}},
        {"without a zone: of any", PG_CURSOR_DATE, NULL,
                {{14 * 3600 + 9, .seen = "2026-07-02", .value = "2026-06-29"},
                        {14 * 3600 + 10, .seen = "2026-07-02", .from = "2026-06-29",
                                .value = "2026-06-30"}}},
        {"the last row", PG_CURSOR_DATE, "UTC",
                {{86400, .seen = "2026-06-01", .value = "2026-06-01"}}},
        {"other eras", PG_CURSOR_DATE, "UTC",
                {{86400, .seen = "infinity", .value = "2026-06-30"},
                        {86410, .full = true, .seen = "0044-03-15 BC", .from = "2026-06-30",
                                .value = "-infinity"},
                        {86420, .seen = "10000-01-01", .from = "-infinity",
                                .value = "2026-07-01"}}},
};

/* ---- ordered ones ---- */

static const struct scenario numbers[] = {
        {"asked before the first run", PG_CURSOR_NUMBER, NULL,
                {{3600, .asked = "90", .seen = "100", .value = "90"},
                        {3700, .seen = "110", .from = "90", .value = "100"},
                        {3800, .seen = "120", .from = "100", .value = "110"}}},
        {"not asked", PG_CURSOR_NUMBER, NULL,
                {{3600, .seen = "9"}, {3700, .seen = "10", .value = "9"},
                        {3800, .seen = "11", .from = "9", .value = "10"}}},
        {"no rows", PG_CURSOR_NUMBER, NULL,
                {{3600}, {3700, .asked = "5", .seen = "5", .value = "5"}, {3800, FROM("5")},
                        {3900, FROM("5")}}},
        {"who is open after a snapshot holds what it saw", PG_CURSOR_NUMBER, NULL,
                {{3600, "3/1@3500", .asked = "9", .seen = "10", .held = "open for 100 s"},
                        {3700, "3/1@3500", .asked = "10", .seen = "20", .held = "open for 200 s"},
                        {3800, "4/1@3799", .asked = "20", .seen = "30", .value = "10"},
                        {3900, "5/1@3899", .seen = "40", .from = "10", .value = "20"},
                        {4000, .seen = "50", .from = "20", .value = "40"}}},
        {"the numbers of a backend are not those of another", PG_CURSOR_NUMBER, NULL,
                {{3600, "3/1@3599", .asked = "9", .seen = "10"},
                        {3700, "33/1@3699 3/11@3699", .asked = "10", .seen = "20", .value = "9"}}},
        {"hidden starts make no difference", PG_CURSOR_NUMBER, NULL,
                {{3600, "3/1@?", .asked = "9", .seen = "10", .held = "may not see"},
                        {3700, "3/2@?", .asked = "10", .seen = "20", .value = "9",
                                .held = "may not see"}}},
        {"something prepared", PG_CURSOR_NUMBER, NULL,
                {{3600, "3/1@3599", .asked = "5", .seen = "10"},
                        {3700, .prepared = "a", .asked = "10", .seen = "20",
                                .held = "transaction a"},
                        {3800, .asked = "20", .seen = "30", .value = "20"},
                        {3900, .prepared = "a", .seen = "40", FROM("20"), .held = "transaction a"},
                        {4000, .seen = "50", .from = "20", .value = "40"}}},
        {"a restart ends everybody", PG_CURSOR_NUMBER, NULL,
                {{3600, "3/1@3599", .asked = "5", .seen = "10"},
                        {3700, "3/1@3699", .started_s = 86400 + 3650, .asked = "10", .seen = "20",
                                .value = "5"},
                        {3800, "3/1@3699", .started_s = 86400 + 3650, .seen = "30", .from = "5",
                                .value = "5", .held = "open for 101 s"}}},
        {"a run that failed", PG_CURSOR_NUMBER, NULL,
                {{3600, .asked = "5", .seen = "10", .value = "5"},
                        {3700, .seen = "99", .from = "5", .fails = true},
                        {3800, .seen = "20", .from = "5", .value = "10"}}},
        {"old rows that came along", PG_CURSOR_NUMBER, NULL,
                {{3600, .asked = "5", .seen = "10", .value = "5"},
                        {3700, .seen = "1", .from = "5", .value = "10"},
                        {3800, .seen = "1", FROM("10")}}},
        {"a sequence that began anew, at a full read", PG_CURSOR_NUMBER, NULL,
                {{3600, .asked = "500", .seen = "1000", .value = "500"},
                        {3700, "3/1@3690", .seen = "1000", FROM("500")},
                        {3800, .full = true, .seen = "3", .from = "500", .value = "3"},
                        {3900, .seen = "5", FROM("3")},
                        {4000, .seen = "6", .from = "3", .value = "5"}}},
        {"decimals and signs", PG_CURSOR_NUMBER, NULL,
                {{3600, .asked = "-10", .seen = "-9.5", .value = "-10"},
                        {3700, .seen = "-9.25", .from = "-10", .value = "-9.5"},
                        {3800, .seen = "100000000000000000000000000.1", .from = "-9.5",
                                .value = "-9.25"},
                        {3900, .seen = "100000000000000000000000000.1", .from = "-9.25",
                                .value = "100000000000000000000000000.1"}}},
        {"text", PG_CURSOR_TEXT, NULL,
                {{3600, .asked = "01J", .seen = "01K'\"\\", .value = "01J"},
                        {3700, .seen = "02\xC3\xA9", .from = "01J", .value = "01K'\"\\"},
                        {3800, .seen = "02\xC3\xA9", .from = "01K'\"\\", .value = "02\xC3\xA9"}}},
};

static void cursors_move_as_far_as_they_may(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(instants); i++)
                play(&instants[i]);
        for (size_t i = 0; i < COUNT(locals); i++)
                play(&locals[i]);
        for (size_t i = 0; i < COUNT(dates); i++)
                play(&dates[i]);
        for (size_t i = 0; i < COUNT(numbers); i++)
                play(&numbers[i]);
}

/* One long transaction and very many runs: the list of waiting observations is bounded, and all is
 * made good when it ends. */
static void many_runs_wait_for_one_transaction(void **state)
{
        struct bench b;
        char seen[32], asked[32];

        (void)state;
        bench_init(&b, "many runs", PG_CURSOR_NUMBER, NULL);
        for (int i = 1; i <= 2000; i++) {
                snprintf(asked, sizeof(asked), "%d", i);
                snprintf(seen, sizeof(seen), "%d", i + 1);
                run(&b, &(struct step){
                                .at_s = 10 * i, .open = "3/1@1", .seen = seen, .asked = asked});
                assert_null(b.value);
                assert_true(b.stored.len < 8192);
        }
        run(&b, &(struct step){.at_s = 20100, .open = "4/1@20099", .seen = "2002"});
        assert_non_null(b.value);
        assert_string_equal(b.value, "2000");
        run(&b, &(struct step){.at_s = 20200, .seen = "2003"});
        assert_string_equal(b.value, "2002");
        bench_deinit(&b);
}

/* There is always somebody, each for longer than the list of waiting observations: the cursor
 * follows all the same. */
static void transactions_overlap_for_ever(void **state)
{
        char open[PG_POSITION_WAITING * 4 * 24], seen[32];
        const int lasts = 2 * PG_POSITION_WAITING;
        struct bench b;

        (void)state;
        bench_init(&b, "overlapping", PG_CURSOR_NUMBER, NULL);
        for (int i = lasts; i <= 1000; i++) {
                size_t n = 0;
                for (int k = i - lasts + 3; k <= i; k++)
                        n += (size_t)snprintf(open + n, sizeof(open) - n, "%s%d/%d@%d",
                                n ? " " : "", k % lasts, k, 10 * k);
                snprintf(seen, sizeof(seen), "%d", i);
                run(&b, &(struct step){.at_s = 10 * i, .open = open, .seen = seen});
                if (i > 3 * lasts && strtol(b.value, NULL, 10) < i - 3 * lasts)
                        fail_msg("in run %d the cursor is %s", i, b.value);
        }
        bench_deinit(&b);
}

/* ---- values ---- */

static void not_every_value_is_followed(void **state)
{
        static const struct {
                enum pg_cursor_kind kind;
                const char *value;
                bool may;
        } cases[] = {
                {PG_CURSOR_NUMBER, "0", true},
                {PG_CURSOR_NUMBER, "-12.50", true},
                {PG_CURSOR_NUMBER, "NaN", false},
                {PG_CURSOR_NUMBER, "Infinity", false},
                {PG_CURSOR_NUMBER, "-Infinity", false},
                {PG_CURSOR_NUMBER, "", false},
                {PG_CURSOR_NUMBER, "-", false},
                {PG_CURSOR_NUMBER, "1.2.3", false},
                {PG_CURSOR_NUMBER, "1'", false},
                {PG_CURSOR_TEXT, "", true},
                {PG_CURSOR_TEXT, "NaN", true},
                {PG_CURSOR_TEXT, "Zo\xC3\xAB", true},
                {PG_CURSOR_TEXT, "Zo\xEB", false},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                if (pg_cursor_may_follow(cases[i].kind, str_of(cases[i].value)) != cases[i].may)
                        fail_msg("\"%s\"", cases[i].value);
}

static void values_compare_as_the_server_does(void **state)
{
        static const struct {
                enum pg_cursor_kind kind;
                const char *ascending[8];
        } cases[] = {
                {PG_CURSOR_NUMBER, {"-10", "-9.5", "0", "0.05", "2", "10", "10.01"}},
                {PG_CURSOR_TEXT, {"", "10", "2", "A", "a", "\xC3\xA9"}},
                {PG_CURSOR_INSTANT,
                        {"-infinity", "2026-07-01 10:00:00+00", "2026-07-01 10:00:00.5+00",
                                "2026-07-01 10:00:00.51+00", "2026-07-01 10:00:01+00",
                                "9999-12-31 23:59:59+00", "10000-01-01 00:00:00+00"}},
                {PG_CURSOR_LOCAL,
                        {"0044-03-15 00:00:00 BC", "0044-03-15 00:00:00", "2026-07-01 10:00:00",
                                "2026-07-01 10:00:00.5", "infinity"}},
                {PG_CURSOR_DATE, {"-infinity", "0001-01-01", "2026-07-01", "infinity"}},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const char *const *v = cases[i].ascending;
                for (size_t a = 0; a < COUNT(cases[i].ascending) && v[a]; a++)
                        for (size_t b = 0; b < COUNT(cases[i].ascending) && v[b]; b++) {
                                int is = pg_cursor_compare(
                                        cases[i].kind, str_of(v[a]), str_of(v[b]));
                                if ((is > 0) - (is < 0) != (a > b) - (a < b))
                                        fail_msg("%s and %s: %d", v[a], v[b], is);
                        }
        }
}

/* What is still to come is not below the floor, what has come not above the ceiling: for types of
 * any resolution. */
static void bounds_of_times(void **state)
{
        static const struct {
                enum pg_cursor_kind kind;
                const char *zone;
                int64_t at_us; /* after T0_S */
                const char *floor, *ceiling;
        } cases[] = {
                {PG_CURSOR_INSTANT, NULL, 3600700000, D1 "01:00:00+00", D1 "01:00:00.999999+00"},
                {PG_CURSOR_LOCAL, "UTC", 3600999999, D1 "01:00:00", D1 "01:00:00.999999"},
                {PG_CURSOR_LOCAL, "Europe/Dublin", 3600000001, D1 "02:00:00", D1 "02:00:00.999999"},
                {PG_CURSOR_LOCAL, "Europe/Dublin", (OCTOBER - 1) * PG_SECOND_US,
                        "2026-10-25 01:00:00", "2026-10-25 01:59:59.999999"},
                {PG_CURSOR_LOCAL, "Europe/Dublin", (OCTOBER + 1) * PG_SECOND_US,
                        "2026-10-25 01:00:01", "2026-10-25 01:59:59.999999"},
                {PG_CURSOR_DATE, "UTC", 3600700000, "2026-06-30", "2026-07-01"},
                {PG_CURSOR_DATE, NULL, 3600700000, "2026-06-29", "2026-07-01"},
        };
        char text[PG_CURSOR_TIME_BYTES];

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct tz *zone = load(cases[i].zone);
                int64_t us = T0_S * PG_SECOND_US + cases[i].at_us;
                assert_string_equal(pg_cursor_floor(cases[i].kind, us, zone, text), cases[i].floor);
                assert_string_equal(
                        pg_cursor_ceiling(cases[i].kind, us, zone, text), cases[i].ceiling);
                tz_free(zone);
        }
}

/* ---- lookback of ordered cursors ---- */

struct pace {
        const char *name;
        int64_t lookback_s;
        int64_t least_s, most_s; /* between two runs */
};

static const struct pace paces[] = {
        {"none", 0, 1, 100},
        {"every second", 300, 1, 1},
        {"every minute", 300, 60, 60},
        {"as long as the lookback", 300, 300, 300},
        {"longer", 300, 3600, 3600},
        {"at random", 300, 1, 700},
        {"a day", 86400, 1, 600},
};

static void check_lookback(const struct pace *p, int runs)
{
        int64_t *at = calloc((size_t)runs + 1, sizeof(*at)), now = 3600;
        uint64_t seed = 7;
        struct bench b;
        char seen[32];

        bench_init(&b, p->name, PG_CURSOR_NUMBER, NULL);
        b.lookback_ms = p->lookback_s * 1000;
        /* After run i the cursor is i. */
        for (int i = 1; i <= runs; i++) {
                now += p->least_s +
                       (int64_t)(random_next(&seed) % (uint64_t)(p->most_s - p->least_s + 1));
                at[i] = now;
                snprintf(seen, sizeof(seen), "%d", i + 1);
                run(&b, &(struct step){.at_s = now, .seen = seen, .asked = i == 1 ? "1" : NULL});
                assert_int_equal(strtol(b.value, NULL, 10), i);
                if (i == 1)
                        continue;
                int64_t newest = i - 1;
                while (newest > 1 && at[newest] > now - p->lookback_s)
                        newest--;
                int64_t from = strtol(b.from, NULL, 10),
                        slack = p->lookback_s / 8 + 2 * (p->most_s - p->least_s);
                if (from > newest)
                        fail_msg("%s, run %d: from %lld, not %lld", p->name, i, (long long)from,
                                (long long)newest);
                if (at[from] < at[newest] - slack)
                        fail_msg("%s, run %d: from %lld, %lld s too early", p->name, i,
                                (long long)from, (long long)(at[newest] - at[from]));
                assert_true(b.stored.len < 8192);
        }
        bench_deinit(&b);
        free(at);
}

static void lookback_is_an_older_checkpoint(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(paces); i++)
                check_lookback(&paces[i], 1000);
}

/* ---- what is refused, and what is in the future ---- */

/* The differences from what was stored. */
struct refusal {
        const char *name, *words; /* NULL: it holds */
        const char *system;
        int64_t timeline, database, wal, now_us, server_start_us;
        bool standby, behind;
        const char *zone; /* NULL: the same; "": none */
        struct pg_cursor cursor;
        size_t more_cursors;
        const char *value;
};

#define NOW_US ((T0_S + 7200) * PG_SECOND_US)

static const struct pg_cursor stored_cursor = {
        PG_CURSOR_LOCAL, "write_date", "timestamp without time zone"};

static const struct refusal refusals[] = {
        {"the same", NULL},
        {"a restart", NULL, .server_start_us = 1},
        {"another system", "another database", .system = "7"},
        {"no right to see the system", "another database", .system = ""},
        {"another database", "another database", .database = 1},
        {"another timeline", "restored", .timeline = 1},
        {"an earlier log", "earlier state", .wal = -1},
        {"a standby", NULL, .standby = true},
        {"a standby that is behind", NULL, .standby = true, .wal = -1, .behind = true},
        {"a standby that is behind, of another cursor", "another cursor", .standby = true,
                .wal = -1, .behind = true,
                .cursor = {PG_CURSOR_LOCAL, "create_date", "timestamp without time zone"}},
        {"a standby that has not heard of a failover", "restored", .timeline = -1, .standby = true,
                .wal = -1, .behind = true},
        {"a standby after a failover", "restored", .timeline = 1, .standby = true, .wal = -1},
        {"a standby of another server", "another database", .system = "7", .standby = true,
                .wal = -1},
        {"an earlier clock", "clock", .now_us = -1},
        {"another type", "another type",
                .cursor = {PG_CURSOR_LOCAL, "write_date", "timestamp(0) without time zone"}},
        {"another kind", "another type",
                .cursor = {PG_CURSOR_NUMBER, "write_date", "timestamp without time zone"}},
        {"no cursor any more", "another type", .cursor = {PG_CURSOR_NONE, "write_date"}},
        {"another cursor", "another cursor",
                .cursor = {PG_CURSOR_LOCAL, "create_date", "timestamp without time zone"}},
        {"another zone", "time zone", .zone = "Europe/Dublin"},
        {"no zone", "time zone", .zone = ""},
        {"a child more", "children", .more_cursors = 1},
        {"now", NULL, .value = "2026-07-01 02:00:00.5"},
        {"the future", "future", .value = "2026-07-01 02:00:01"},
        {"the far future", "future", .value = "10000-01-01 00:00:00"},
};

static void check_refusal(const struct refusal *c)
{
        const char *name = c->zone ? c->zone : "UTC";
        struct tz *zone = load(*name ? name : NULL);
        struct pg_position p = {.system = "7000000000000000001",
                .zone = "UTC",
                .timeline = 3,
                .database = 5,
                .server_start_us = 1,
                .wal = 1000,
                .observed_us = NOW_US,
                .count = 1,
                .cursors = {stored_cursor}};
        struct pg_observation now = {.system = c->system ? c->system : p.system,
                .timeline = p.timeline + c->timeline,
                .database = p.database + c->database,
                .server_start_us = p.server_start_us + c->server_start_us,
                .wal = p.wal + c->wal,
                .now_us = p.observed_us + c->now_us,
                .standby = c->standby};
        struct pg_cursor cursors[2] = {c->cursor.text ? c->cursor : stored_cursor};

        p.cursors[0].value = c->value;
        const char *refused = pg_position_refused(&p, &now, cursors, 1 + c->more_cursors, zone);
        if (!refused != !c->words || (refused && !strstr(refused, c->words)))
                fail_msg("%s: %s", c->name, refused ? refused : "not refused");
        if (pg_position_is_behind(&p, &now) != c->behind)
                fail_msg("%s: behind: %d", c->name, !c->behind);
        tz_free(zone);
}

static void positions_of_something_else_are_refused(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(refusals); i++)
                check_refusal(&refusals[i]);
}

struct ahead_case {
        enum pg_cursor_kind kind;
        const char *zone;
        int64_t now_s;
        const char *seen;
        bool ahead;
};

static const struct ahead_case ahead_cases[] = {
        {PG_CURSOR_INSTANT, NULL, 3600, "2026-07-01 01:00:00+00", false},
        {PG_CURSOR_INSTANT, NULL, 3600, "2026-07-01 01:01:00.9+00", false},
        {PG_CURSOR_INSTANT, NULL, 3600, "2026-07-01 01:01:01+00", true},
        {PG_CURSOR_INSTANT, NULL, 3600, "infinity", true},
        {PG_CURSOR_INSTANT, NULL, 3600, "-infinity", false},
        {PG_CURSOR_INSTANT, NULL, 3600, "12000-01-01 00:00:00+00", true},
        {PG_CURSOR_LOCAL, "Europe/Dublin", 3600, "2026-07-01 02:00:00", false},
        {PG_CURSOR_LOCAL, "Europe/Dublin", 3600, "2026-07-01 02:02:00", true},
        {PG_CURSOR_LOCAL, "UTC", 3600, "2026-07-01 02:00:00", true},
        {PG_CURSOR_LOCAL, "Europe/Dublin", OCTOBER + 60, "2026-10-25 01:59:59", false},
        {PG_CURSOR_LOCAL, "Europe/Dublin", OCTOBER + 60, "2026-10-25 02:00:00", true},
        {PG_CURSOR_DATE, "UTC", 86399 - 60, "2026-07-01", false},
        {PG_CURSOR_DATE, "UTC", 86399 - 60, "2026-07-02", true},
        {PG_CURSOR_DATE, NULL, 86399 - 60, "2026-07-02", false},
        {PG_CURSOR_DATE, NULL, 86399 - 60, "2026-07-03", true},
        {PG_CURSOR_NUMBER, NULL, 3600, "99999999999999", false},
        {PG_CURSOR_INSTANT, NULL, 3600, NULL, false},
};

static void the_future_is_told(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(ahead_cases); i++) {
                const struct ahead_case *c = &ahead_cases[i];
                struct tz *zone = load(c->zone);
                struct pg_position p = {.observed_us = (T0_S + c->now_s) * PG_SECOND_US,
                        .count = 2,
                        .cursors = {{PG_CURSOR_NONE}, {c->kind, "c", "t"}}};
                struct str seen[2] = {{0}, str_of(c->seen)};
                struct pg_progress done = {.seen = seen, .zone = zone};
                if (pg_position_ahead(&p, &done) != (c->ahead ? 1 : -1))
                        fail_msg("case %zu: %s at %lld", i, c->seen, (long long)c->now_s);
                tz_free(zone);
        }
}

/* ---- text ---- */

/* One of everything. */
static void whole_position(struct pg_position *p)
{
        static struct pg_bound open[] = {{"3/17", T0_S * PG_SECOND_US}, {"4/2", PG_START_HIDDEN}};
        static const char *ids[] = {"3/17", "9/1"};

        *p = (struct pg_position){.system = "7331990000000000001",
                .zone = "Europe/Dublin",
                .timeline = 2,
                .database = 16384,
                .server_start_us = T0_S * PG_SECOND_US - 1,
                .wal = INT64_C(0x7FFFFFFFFFFF),
                .observed_us = T0_S * PG_SECOND_US + 123456,
                .count = 3,
                .cursors = {{PG_CURSOR_LOCAL, "write_date", "timestamp without time zone",
                                    "2026-07-01 01:02:03.456"},
                        {PG_CURSOR_TEXT, "upper(\"a b\")", "text", "a\"\\\n\xC3\xA9", "b"},
                        {PG_CURSOR_NONE}},
                .open = open,
                .open_count = 2,
                .waiting = {{ids, 2, {NULL, "b"}}, {NULL, 0, {NULL, "c", NULL}}},
                .waiting_count = 2,
                .past = {{T0_S * PG_SECOND_US, {NULL, "a"}}},
                .past_count = 1};
}

static void print(const struct pg_position *p, struct buf *out)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        struct pg_position again;
        struct err e;

        buf_clear(out);
        assert_int_equal(pg_position_print(p, out, &e), 0);
        if (pg_position_parse(buf_str(out), arena, &again, &e) != 0)
                fail_msg("%s: %s", e.text, buf_cstr(out));
}

static void what_is_printed_is_parsed(void **state)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        cleanup_buf_ struct buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20);
        struct pg_position p, q;
        struct err e;

        (void)state;
        whole_position(&p);
        print(&p, &first);
        assert_null(memchr(first.data, '\n', first.len));
        if (pg_position_parse(buf_str(&first), arena, &q, &e) != 0)
                fail_msg("%s", e.text);
        print(&q, &second);
        assert_true(str_eq(buf_str(&first), buf_str(&second)));
        assert_int_equal(q.open[1].start_us, PG_START_HIDDEN);
        assert_int_equal(q.observed_us, p.observed_us);
        assert_string_equal(q.cursors[1].value, p.cursors[1].value);
        assert_string_equal(q.cursors[1].text, p.cursors[1].text);
        assert_null(q.cursors[0].latest);
        assert_string_equal(q.waiting[0].open[1], "9/1");
        assert_null(q.waiting[0].values[0]);
        assert_string_equal(q.past[0].values[1], "a");
}

/* A position that was accepted can be used. */
static void use(struct pg_position *before, struct arena *arena)
{
        struct pg_open_transaction open[] = {{"4/3", "process 1", PG_START_HIDDEN}};
        struct pg_observation now = {.system = before->system,
                .server_start_us = before->server_start_us,
                .now_us = T0_S * PG_SECOND_US,
                .open = open,
                .open_count = 1};
        struct str seen[PG_POSITION_STREAMS] = {{0}};
        struct pg_progress done = {.seen = seen, .lookback_ms = 300000, .full = true};
        struct pg_position p;
        char held[160];
        struct err e;

        for (size_t i = 0; i < before->count; i++) {
                seen[i] = str_of(before->cursors[i].value);
                (void)pg_position_from(before, i, 300000);
        }
        (void)pg_position_refused(before, &now, before->cursors, before->count, NULL);
        int rc = pg_position_observe(before, &now, before->cursors, before->count, NULL, arena, &p,
                held, sizeof(held), &e);
        if (!rc)
                rc = pg_position_advance(&p, &done, arena, &e);
        assert_true(rc == 0 || rc == -ERR_REJECT); /* the arena of the test is small */
}

static void try(const char *text, size_t len)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        char *copy = malloc(len ? len : 1); /* no byte more: what reads on is found */
        struct pg_position p;
        struct err e;

        memcpy(copy, text, len);
        if (pg_position_parse((struct str){copy, len}, arena, &p, &e) == 0)
                use(&p, arena);
        free(copy);
}

static void hostile_text_is_survived(void **state)
{
        static const char bytes[] = "0{}[]\",:-9\\n\x01\xff";
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
        struct pg_position p;

        (void)state;
        whole_position(&p);
        print(&p, &text);
        for (size_t i = 0; i < text.len; i++) {
                try(text.data, i);
                char was = text.data[i];
                for (size_t k = 0; k < sizeof(bytes); k += 3) {
                        text.data[i] = bytes[(i + k) % sizeof(bytes)];
                        try(text.data, text.len);
                }
                text.data[i] = was;
        }
}

struct change {
        const char *what, *by;
};

/* Each makes it something else than a position. */
static const struct change changes[] = {
        {"\"version\":\"1\"", "\"version\":\"2\""},
        {"\"version\":\"1\"", "\"version\":1"},
        {"\"system\":\"7331990000000000001\",", ""},
        {"\"zone\":\"Europe/Dublin\"", "\"zone\":7"},
        {"\"timeline\":\"2\"", "\"timeline\":\"-2\""},
        {"\"timeline\":\"2\"", "\"timeline\":\"two\""},
        {"\"wal\":\"", "\"wal\":\"9999999999999999999"},
        {"\"observed_us\":\"", "\"observed_us\":\"999"},
        {"\"start_us\":\"", "\"start_us\":\"-"},
        {"\"start_us\":\"", "\"start_us\":\"9000000"},
        {"\"at_us\":\"", "\"at_us\":\"-"},
        {"\"kind\":\"local time\"", "\"kind\":\"a time\""},
        {"\"cursor\":\"write_date\",", ""},
        {"\"type\":\"text\",", ""},
        {"2026-07-01 01:02:03.456", "yesterday"},
        {"2026-07-01 01:02:03.456", "infinity"},
        {"2026-07-01 01:02:03.456", "2026"},
        {"\"id\":\"4/2\"", "\"id\":4"},
        {"\"open\":[{", "\"opened\":[{"},
        {"\"open\":[\"3/17\"", "\"open\":[317"},
        {"\"values\":[null,\"b\",null]", "\"values\":[null,\"b\"]"},
        {"\"values\":[null,\"b\",null]", "\"values\":[null,\"b\",null,null]"},
        {"\"values\":[null,\"b\",null]", "\"values\":\"b\""},
        {"\"waiting\":[", "\"waiting\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"},
        {"\"waiting\":[", "\"waiting\":{},\"w\":["},
        {"\"past\":[",
                "\"past\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"},
        {"\"cursors\":[", "\"cursors\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"},
        {"\"cursors\":[", "\"cursors\":[],\"c\":["},
};

static void what_is_no_position_is_refused(void **state)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20), changed = BUF_INIT(1 << 20);
        struct pg_position p, q;
        struct err e;

        (void)state;
        whole_position(&p);
        print(&p, &text);
        for (size_t i = 0; i < COUNT(changes); i++) {
                const struct change *c = &changes[i];
                const char *at = strstr(buf_cstr(&text), c->what);
                if (!at)
                        fail_msg("%s is not in %s", c->what, text.data);
                buf_clear(&changed);
                buf_put(&changed, text.data, (size_t)(at - text.data));
                buf_puts(&changed, c->by);
                buf_puts(&changed, at + strlen(c->what));
                if (pg_position_parse(buf_str(&changed), arena, &q, &e) == 0)
                        fail_msg("accepted: %s", buf_cstr(&changed));
        }
}

static void each_allocation_may_fail(void **state)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
        struct pg_position p, q;
        struct err e;

        (void)state;
        whole_position(&p);
        print(&p, &text);
        for (size_t size = 0; size < 4096; size += 8) {
                cleanup_(arena_freep) struct arena *arena = arena_new(size);
                if (pg_position_parse(buf_str(&text), arena, &q, &e) == 0)
                        use(&q, arena);
        }
        ALLOC_FAIL_EACH(i)
        {
                cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
                alloc_fail_at(i);
                int rc = pg_position_print(&p, &out, &e);
                assert_true(rc == 0 || rc == -ERR_NOMEM);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cursors_move_as_far_as_they_may),
                cmocka_unit_test(many_runs_wait_for_one_transaction),
                cmocka_unit_test(transactions_overlap_for_ever),
                cmocka_unit_test(not_every_value_is_followed),
                cmocka_unit_test(values_compare_as_the_server_does),
                cmocka_unit_test(bounds_of_times),
                cmocka_unit_test(lookback_is_an_older_checkpoint),
                cmocka_unit_test(positions_of_something_else_are_refused),
                cmocka_unit_test(the_future_is_told),
                cmocka_unit_test(what_is_printed_is_parsed),
                cmocka_unit_test(hostile_text_is_survived),
                cmocka_unit_test(what_is_no_position_is_refused),
                cmocka_unit_test(each_allocation_may_fail),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
