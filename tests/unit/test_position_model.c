/*
 * The promise of PROTOCOL.md section 5 under random schedules: whatever transactions do between the
 * statements of an observation, between runs, and while the server restarts, each committed row
 * is read by the first finished run whose snapshot has it.
 *
 * A small database (connections, transactions, rows with stamps, a sequence) and runs of the real
 * arithmetic, its position printed and parsed between them. No server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ingest/source/postgres/position.h"
#include "tests/support/random_json.h"

#define SCENARIOS     1500
#define RUNS          14
#define BACKENDS      4
#define ROWS_MAX      1200
#define STREAMS       2
#define SHARED_NOW_US (9 * PG_SECOND_US) /* what the margin of 10 s is to cover */
#define QUIET_RUNS    3
#define DAY_US        (INT64_C(86400) * PG_SECOND_US)

#define CLOCKS_GO_BACK_S                                                                           \
        INT64_C(1792890000) /* 2026-10-25 01:00:00 UTC, in Dublin 02:00 -> 01:00                   \
                             */

enum row_state { ROW_OPEN, ROW_COMMITTED, ROW_GONE };

struct row {
        int owner; /* of its transaction */
        enum row_state state;
        bool read;
        size_t stream;
        char stamp[PG_CURSOR_TIME_BYTES];
};

struct backend {
        bool open;
        int transaction; /* the number behind the slash, and the owner of rows */
        int64_t message_us;
        bool hidden; /* its start may not be seen */
};

struct kind {
        enum pg_cursor_kind kind;
        const char *type;
};

struct world {
        uint64_t seed;
        const char *scenario;
        int64_t clock_us, server_start_us, tick_us;
        struct backend backends[BACKENDS];
        int transactions;
        int prepared; /* transaction; 0: none */
        int64_t sequence;
        struct row rows[ROWS_MAX];
        size_t row_count;
        struct kind kinds[STREAMS];
        const struct tz *zone;
        struct buf stored;
        bool quiet; /* nobody works */
};

static uint64_t below(struct world *w, uint64_t n)
{
        return random_next(&w->seed) % n;
}

/* ---- the database ---- */

/* By the C library, not by what is tested. */
static void local_time(const struct world *w, int64_t us, struct tm *tm)
{
        time_t s = (time_t)(us / PG_SECOND_US);

        if (w->zone)
                localtime_r(&s, tm);
        else
                gmtime_r(&s, tm);
}

static void make_stamp(struct world *w, enum pg_cursor_kind kind, int64_t us, char *out)
{
        time_t s = (time_t)(us / PG_SECOND_US);
        int fraction = (int)(us % PG_SECOND_US);
        struct tm tm;
        size_t n;

        switch (kind) {
        case PG_CURSOR_INSTANT:
                gmtime_r(&s, &tm);
                n = strftime(out, PG_CURSOR_TIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
                snprintf(out + n, PG_CURSOR_TIME_BYTES - n, ".%06d+00", fraction);
                break;
        case PG_CURSOR_LOCAL:
                local_time(w, us, &tm);
                n = strftime(out, PG_CURSOR_TIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
                snprintf(out + n, PG_CURSOR_TIME_BYTES - n, ".%06d", fraction);
                break;
        case PG_CURSOR_DATE:
                local_time(w, us, &tm);
                strftime(out, PG_CURSOR_TIME_BYTES, "%Y-%m-%d", &tm);
                break;
        case PG_CURSOR_NUMBER:
                snprintf(out, PG_CURSOR_TIME_BYTES, "%lld", (long long)++w->sequence);
                break;
        default:
                snprintf(out, PG_CURSOR_TIME_BYTES, "R%08lld", (long long)++w->sequence);
        }
}

static void finish_rows(struct world *w, int owner, enum row_state state)
{
        for (size_t i = 0; i < w->row_count; i++)
                if (w->rows[i].owner == owner && w->rows[i].state == ROW_OPEN)
                        w->rows[i].state = state;
}

static void begin(struct world *w, struct backend *b, int64_t message_us)
{
        b->open = true;
        b->transaction = ++w->transactions;
        b->message_us = message_us;
}

static void insert(struct world *w, const struct backend *b)
{
        struct row *r = &w->rows[w->row_count];

        if (w->row_count == ROWS_MAX)
                return;
        w->row_count++;
        *r = (struct row){.owner = b->transaction, .stream = below(w, STREAMS)};
        make_stamp(w, w->kinds[r->stream].kind, b->message_us, r->stamp);
}

static void act_in_transaction(struct world *w, struct backend *b)
{
        switch (below(w, 8)) {
        case 0:
        case 1:
        case 2:
                insert(w, b);
                break;
        case 3:
                finish_rows(w, b->transaction, ROW_COMMITTED);
                b->open = false;
                break;
        case 4: /* the next one of the same message: nobody sees what is between them */
                finish_rows(w, b->transaction, ROW_COMMITTED);
                begin(w, b, b->message_us);
                break;
        case 5:
                finish_rows(w, b->transaction, below(w, 3) ? ROW_COMMITTED : ROW_GONE);
                b->open = false;
                break;
        case 6:
                if (!w->prepared && below(w, 3) == 0) {
                        w->prepared = b->transaction;
                        b->open = false;
                }
                break;
        default:
                break; /* idle in transaction */
        }
}

static void act_idle(struct world *w, struct backend *b)
{
        if (below(w, 3) == 0)
                return;
        /* Or the next one of a message that began a little while ago. */
        bool again =
                b->message_us && w->clock_us - b->message_us < SHARED_NOW_US && below(w, 3) == 0;
        begin(w, b, again ? b->message_us : w->clock_us);
}

static void restart(struct world *w)
{
        for (size_t i = 0; i < BACKENDS; i++) {
                if (w->backends[i].open)
                        finish_rows(w, w->backends[i].transaction, ROW_GONE);
                w->backends[i].open = false;
                w->backends[i].message_us = 0;
        }
        w->transactions += 1000; /* numbers begin anew: here just others */
        w->clock_us += PG_SECOND_US;
        w->server_start_us = w->clock_us;
}

static void act(struct world *w)
{
        struct backend *b = &w->backends[below(w, BACKENDS)];

        w->clock_us += (int64_t)below(w, 1000);
        if (w->prepared && below(w, 12) == 0) {
                finish_rows(w, w->prepared, ROW_COMMITTED);
                w->prepared = 0;
        } else if (b->open) {
                act_in_transaction(w, b);
        } else {
                act_idle(w, b);
        }
}

static void meanwhile(struct world *w)
{
        for (uint64_t n = w->quiet ? 0 : below(w, 4); n > 0; n--)
                act(w);
}

static void between_runs(struct world *w)
{
        for (uint64_t n = below(w, 25); n > 0; n--) {
                act(w);
                if (below(w, 3) == 0)
                        w->clock_us += (int64_t)below(w, (uint64_t)w->tick_us);
        }
        if (below(w, 40) == 0)
                restart(w);
}

/* ---- a run: the statements of postgres_observe.c, and then the read ---- */

struct seen_open {
        size_t backend;
        int transaction;
};

static const char *id_of(struct arena *arena, size_t backend, int transaction)
{
        char out[64];

        snprintf(out, sizeof(out), "%zu/%d", backend, transaction);
        return arena_strdup(arena, str_of(out));
}

static size_t look_at_locks(const struct world *w, struct seen_open *out)
{
        size_t n = 0;

        for (size_t i = 0; i < BACKENDS; i++)
                if (w->backends[i].open)
                        out[n++] = (struct seen_open){i, w->backends[i].transaction};
        return n;
}

static void observe(struct world *w, struct arena *arena, struct pg_observation *o)
{
        struct pg_open_transaction *open = arena_array(arena, BACKENDS, sizeof(*open));
        struct seen_open first[BACKENDS], again[BACKENDS];
        int64_t starts[BACKENDS];

        *o = (struct pg_observation){.system = "1", .timeline = 1, .open = open};
        meanwhile(w);
        o->now_us = w->clock_us;
        o->server_start_us = w->server_start_us;
        meanwhile(w);
        size_t first_count = look_at_locks(w, first);
        meanwhile(w);
        for (size_t i = 0; i < BACKENDS; i++)
                starts[i] = w->backends[i].hidden ? PG_START_HIDDEN
                            : w->backends[i].open ? w->backends[i].message_us
                                                  : 0;
        meanwhile(w);
        size_t again_count = look_at_locks(w, again);
        for (size_t i = 0; i < first_count; i++) {
                size_t b = first[i].backend;
                bool still = starts[b] != 0;
                for (size_t k = 0; still && starts[b] == PG_START_HIDDEN && k <= again_count; k++) {
                        still = k < again_count;
                        if (still && again[k].backend == b)
                                break;
                }
                if (still)
                        open[o->open_count++] = (struct pg_open_transaction){
                                .id = id_of(arena, b, first[i].transaction),
                                .holder = "process 1",
                                .start_us = starts[b]};
        }
        meanwhile(w);
        o->prepared = w->prepared ? "prepared" : NULL;
        meanwhile(w);
}

static bool is_above(const struct world *w, const struct row *r, const char *from)
{
        return !from ||
               pg_cursor_compare(w->kinds[r->stream].kind, str_of(r->stamp), str_of(from)) >= 0;
}

/* The largest stamp that the read of @stream delivers: rows from @from on, or old ones that came
 * along with others. NULL: none. */
static const char *read_rows(struct world *w, size_t stream, const char *from, bool finishes)
{
        const char *largest = NULL, *other = NULL;

        for (size_t i = 0; i < w->row_count; i++) {
                struct row *r = &w->rows[i];
                if (r->state != ROW_COMMITTED || r->stream != stream)
                        continue;
                if (!is_above(w, r, from)) {
                        if (!r->read)
                                fail_msg("%s: row %zu (%s) is behind the cursor %s", w->scenario, i,
                                        r->stamp, from);
                        other = below(w, 2) ? r->stamp : other;
                        continue;
                }
                r->read |= finishes;
                if (!largest || pg_cursor_compare(w->kinds[stream].kind, str_of(r->stamp),
                                        str_of(largest)) > 0)
                        largest = r->stamp;
        }
        return largest ? largest : other;
}

static const char *largest_now(const struct world *w, size_t stream)
{
        const char *largest = NULL;

        for (size_t i = 0; i < w->row_count; i++) {
                const struct row *r = &w->rows[i];
                if (r->state == ROW_COMMITTED && r->stream == stream &&
                        (!largest || pg_cursor_compare(w->kinds[stream].kind, str_of(r->stamp),
                                             str_of(largest)) > 0))
                        largest = r->stamp;
        }
        return largest;
}

static void run(struct world *w, bool finishes)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        struct pg_cursor cursors[STREAMS];
        struct pg_position before, p;
        struct pg_observation now;
        struct str seen[STREAMS];
        const char *from[STREAMS];
        char held[160];
        struct err e;

        bool has_before = w->stored.len > 0;
        if (has_before && pg_position_parse(buf_str(&w->stored), arena, &before, &e) != 0)
                fail_msg("%s: %s", w->scenario, e.text);
        for (size_t i = 0; i < STREAMS; i++) {
                cursors[i] = (struct pg_cursor){
                        .kind = w->kinds[i].kind, .text = "c", .type = w->kinds[i].type};
                if (pg_cursor_is_ordered(cursors[i].kind) &&
                        !(has_before && before.cursors[i].value))
                        cursors[i].latest = largest_now(w, i);
        }
        observe(w, arena, &now);
        if (has_before) {
                const char *refused = pg_position_refused(&before, &now, cursors, STREAMS, w->zone);
                if (refused)
                        fail_msg("%s: %s", w->scenario, refused);
        }
        assert_int_equal(pg_position_observe(has_before ? &before : NULL, &now, cursors, STREAMS,
                                 w->zone, arena, &p, held, sizeof(held), &e),
                0);
        int64_t lookback_ms = (int64_t)below(w, 3) * 60000;
        bool full = below(w, 8) == 0;
        for (size_t i = 0; i < STREAMS; i++) {
                from[i] = full ? NULL : pg_position_from(&p, i, lookback_ms);
                full = full || (i == 0 && !from[0]);
                seen[i] = str_of(read_rows(w, i, from[i], finishes));
        }
        if (!finishes)
                return;
        struct pg_progress done = {
                .seen = seen, .zone = w->zone, .lookback_ms = lookback_ms, .full = full};
        assert_int_equal(pg_position_advance(&p, &done, arena, &e), 0);
        buf_clear(&w->stored);
        assert_int_equal(pg_position_print(&p, &w->stored, &e), 0);
}

/* ---- scenarios ---- */

/* Nobody works any more: a cursor must get to where the rows end, or it is no cursor. */
static void come_to_rest(struct world *w)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        struct pg_position p;
        struct err e;

        for (size_t i = 0; i < BACKENDS; i++) {
                if (w->backends[i].open)
                        finish_rows(w, w->backends[i].transaction, ROW_COMMITTED);
                w->backends[i].open = false;
        }
        if (w->prepared)
                finish_rows(w, w->prepared, ROW_COMMITTED);
        w->prepared = 0;
        w->quiet = true;
        for (int i = 0; i < QUIET_RUNS; i++) {
                w->clock_us += 3 * DAY_US;
                run(w, true);
        }
        assert_int_equal(pg_position_parse(buf_str(&w->stored), arena, &p, &e), 0);
        for (size_t i = 0; i < STREAMS; i++) {
                const char *largest = largest_now(w, i);
                if (largest && (!p.cursors[i].value || strcmp(p.cursors[i].value, largest) != 0))
                        fail_msg("%s: the cursor rests at %s, the rows end at %s", w->scenario,
                                p.cursors[i].value ? p.cursors[i].value : "nothing", largest);
        }
}

static void play(struct world *w)
{
        static const struct kind kinds[] = {
                {PG_CURSOR_INSTANT, "timestamp with time zone"},
                {PG_CURSOR_LOCAL, "timestamp without time zone"},
                {PG_CURSOR_DATE, "date"},
                {PG_CURSOR_NUMBER, "integer"},
                {PG_CURSOR_TEXT, "text"},
        };
        static const int64_t ticks_us[] = {
                PG_SECOND_US / 100, 5 * PG_SECOND_US, 60 * PG_SECOND_US, 1200 * PG_SECOND_US};

        for (size_t i = 0; i < STREAMS; i++)
                w->kinds[i] = kinds[below(w, sizeof(kinds) / sizeof(kinds[0]))];
        w->tick_us = ticks_us[below(w, sizeof(ticks_us) / sizeof(ticks_us[0]))];
        for (size_t i = 0; i < BACKENDS; i++)
                w->backends[i].hidden = below(w, 2);
        for (int i = 0; i < RUNS; i++) {
                between_runs(w);
                run(w, below(w, 8) != 0);
        }
        come_to_rest(w);
}

static void no_row_is_left_behind(void **state)
{
        struct world *w = calloc(1, sizeof(*w));
        struct tz *zone;
        struct err e;
        char scenario[64];

        (void)state;
        assert_int_equal(tz_load("Europe/Dublin", &zone, &e), 0);
        setenv("TZ", "Europe/Dublin", 1);
        tzset();
        for (uint64_t seed = 1; seed <= SCENARIOS; seed++) {
                snprintf(scenario, sizeof(scenario), "seed %llu", (unsigned long long)seed);
                /* Hours before clocks go back in Dublin, so that the runs are around it. */
                *w = (struct world){.seed = seed,
                        .scenario = scenario,
                        .clock_us = (CLOCKS_GO_BACK_S - 3600 * (int64_t)(seed % 6)) * PG_SECOND_US,
                        .zone = zone};
                buf_init(&w->stored, PG_POSITION_MAX_BYTES);
                w->server_start_us = w->clock_us - DAY_US;
                play(w);
                buf_deinit(&w->stored);
        }
        tz_free(zone);
        free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(no_row_is_left_behind)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
