/*
 * Cursors against servers at random: stamps cut to the second or the day, transactions that commit
 * late but within the lookback, clocks that differ, records that come and go under the read.
 * Whatever is committed is read, and of times by the first read that begins afterwards.
 *
 * The server is a list of changes in real time. It compares as servers do: its own stamps, with
 * what a run sent as text. Positions are printed and parsed between two runs, and what a read has
 * seen goes through a mark in its middle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ingest/source/rest/cursor.h"
#include "tests/support/random_json.h"

#define SCENARIOS   1000
#define RUNS        16
#define QUIET_RUNS  3
#define CHANGES_MAX 1000
#define SECOND_US   INT64_C(1000000)
#define HOUR_US     (3600 * SECOND_US)
#define T0          (INT64_C(1792882800) * SECOND_US) /* 2026-10-24T23:00:00Z */
#define SHOWN       48

struct change {
        int64_t commit_us;     /* real time from which it can be seen */
        char full[SHOWN];      /* what the server compares; texts of equal length, or digits */
        char shown[SHOWN + 3]; /* what its replies show */
        bool read;
};

struct world {
        uint64_t seed;
        struct rest_cursor_spec spec;
        const struct tz *zone;
        const char *zone_name;
        int64_t now_us, lookback_us;
        int64_t stamp_skew_us, date_skew_us; /* of the clock of stamps, and of Date */
        int64_t cut_us;                      /* stamps are stored so */
        bool inclusive;                      /* ">=" and not ">" */
        bool is_date;                        /* the cursor is compared with the date of stamps */
        int64_t sequence;
        struct change changes[CHANGES_MAX];
        size_t count;
        struct buf position;
        bool quiet; /* nobody works */
};

static int64_t below(struct world *w, int64_t n)
{
        return n > 0 ? (int64_t)(random_next(&w->seed) % (uint64_t)n) : 0;
}

/* ---- the server ---- */

/* By the C library, not by what is tested. */
static void put_stamp(const struct world *w, int64_t us, char *out)
{
        time_t s = (time_t)(us / SECOND_US);
        struct tm tm;
        size_t n;

        if (w->zone)
                localtime_r(&s, &tm);
        else
                gmtime_r(&s, &tm);
        n = strftime(out, SHOWN, w->zone ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%dT%H:%M:%S", &tm);
        if (w->cut_us < SECOND_US)
                n += (size_t)snprintf(out + n, SHOWN - n, ".%06d", (int)(us % SECOND_US));
        if (!w->zone)
                snprintf(out + n, SHOWN - n, "Z");
}

static void change(struct world *w)
{
        struct change *c = &w->changes[w->count];
        int64_t stamp = w->now_us + w->stamp_skew_us;
        char text[SHOWN];

        if (w->count == CHANGES_MAX)
                return;
        w->count++;
        *c = (struct change){.commit_us = w->now_us};
        if (below(w, 3) == 0)
                c->commit_us += below(w, w->lookback_us + 1);
        if (below(w, 100) == 0)
                stamp += 24 * HOUR_US; /* somebody made it up */
        if (w->spec.kind == REST_CURSOR_INTEGER)
                snprintf(text, SHOWN, "%lld", (long long)++w->sequence);
        else
                put_stamp(w, stamp - stamp % w->cut_us, text);
        memcpy(c->full, text, SHOWN);
        snprintf(c->shown, sizeof(c->shown), "\"%s\"", text);
}

/* Whether the server's filter takes @c. */
static bool passes(const struct world *w, const struct change *c, const char *sent)
{
        int order;

        if (!sent)
                return true;
        if (w->spec.kind == REST_CURSOR_INTEGER)
                order = strtoll(c->full, NULL, 10) < strtoll(sent, NULL, 10)
                                ? -1
                                : strtoll(c->full, NULL, 10) > strtoll(sent, NULL, 10);
        else if (w->is_date)
                order = strncmp(c->full, sent, 10);
        else /* as bytes, but a stamp with a fraction is later than the second alone */
                order = strncmp(c->full, sent, 19) ? strncmp(c->full, sent, 19)
                        : w->cut_us >= SECOND_US
                                ? 0
                                : strcmp(c->full + 19, strlen(sent) > 20 ? sent + 19 : ".000000Z");
        return w->inclusive ? order >= 0 : order > 0;
}

static void pass_time(struct world *w, int64_t us)
{
        int64_t until = w->now_us + us;

        while (!w->quiet && below(w, 8)) {
                int64_t step = below(w, us / 3 + 1);
                if (w->now_us + step > until)
                        break;
                w->now_us += step;
                change(w);
        }
        w->now_us = until;
}

/* ---- runs ---- */

static void see(struct rest_progress *p, const struct change *c)
{
        struct str v[] = {str_of(c->shown), {0}};
        struct err e = {0};

        if (rest_progress_see(p, v, &e) != 0)
                fail_msg("%s", e.text);
}

static struct rest_progress *through_a_mark(struct world *w, struct rest_progress *p)
{
        cleanup_buf_ struct buf text = BUF_INIT(4096);
        struct err e = {0};
        struct rest_progress *again = rest_progress_new(&w->spec, w->zone, &e);

        assert_int_equal(rest_progress_print(p, &text, &e), 0);
        assert_int_equal(rest_progress_parse(again, buf_str(&text), &e), 0);
        rest_progress_clock(again, w->now_us + w->date_skew_us);
        rest_progress_free(p);
        return again;
}

/* Reads what the filter takes: all that is committed when the read begins; of what is committed
 * while it is under way, some. */
static struct rest_progress *read_changes(struct world *w, const char *sent, int64_t took_us)
{
        struct err e = {0};
        struct rest_progress *p = rest_progress_new(&w->spec, w->zone, &e);
        int64_t began_us = w->now_us;

        pass_time(w, took_us);
        rest_progress_clock(p, w->now_us + w->date_skew_us);
        for (size_t i = 0; i < w->count; i++) {
                struct change *c = &w->changes[i];
                bool there = c->commit_us <= began_us || (c->commit_us <= w->now_us && below(w, 2));
                if (!there || !passes(w, c, sent))
                        continue;
                c->read = true;
                see(p, c);
                if (below(w, 20) == 0)
                        p = through_a_mark(w, p);
        }
        return p;
}

static void store(struct world *w, const struct rest_position *p)
{
        struct err e = {0};

        buf_clear(&w->position);
        if (rest_position_print(p, &w->position, &e) != 0)
                fail_msg("%s", e.text);
}

static void run(struct world *w)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        cleanup_buf_ struct buf sent = BUF_INIT(1024);
        struct rest_position *before = NULL, *after;
        int64_t began_us = w->now_us, took_us = below(w, below(w, 3) ? SECOND_US : 600 * SECOND_US);
        int64_t date_us = began_us + w->date_skew_us;
        struct err e = {0};
        int rc = REST_ABSENT;

        date_us -= date_us % SECOND_US; /* as Date is */
        if (w->position.len && rest_position_parse(buf_str(&w->position), arena, &before, &e) != 0)
                fail_msg("%s", e.text);
        if (before && below(w, 12))
                rc = rest_position_from(before, &w->spec, w->lookback_us / 1000, w->zone,
                        w->now_us + w->date_skew_us, &sent, &e);
        struct rest_progress *seen = read_changes(w, rc == 0 ? buf_cstr(&sent) : NULL, took_us);
        struct rest_finished done = {.origin = "https://erp.example",
                .began_us = date_us,
                .ended_us = date_us + took_us,
                .lookback_ms = w->lookback_us / 1000,
                .full = rc == REST_ABSENT};
        if (below(w, 10)) { /* else it did not finish, and nothing is stored */
                if (rest_position_advance(
                            before, &w->spec, w->zone, seen, &done, arena, &after, &e) != 0)
                        fail_msg("%s", e.text);
                store(w, after);
        }
        rest_progress_free(seen);
        if (w->spec.kind == REST_CURSOR_INTEGER)
                return;
        for (size_t i = 0; i < w->count; i++)
                if (w->changes[i].commit_us <= began_us && !w->changes[i].read)
                        fail_msg("seed: change %zu, stamped %s, was not read from %s on", i,
                                w->changes[i].full, rc == 0 ? buf_cstr(&sent) : "the beginning");
}

static void make_world(struct world *w, uint64_t seed, const struct tz *dublin)
{
        static const char *const zoned[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"};

        static const int64_t cuts_us[] = {1, SECOND_US, 60 * SECOND_US};

        *w = (struct world){.seed = seed, .now_us = T0 + 12345, .position = BUF_INIT(1 << 18)};
        w->now_us += below(w, 3 * HOUR_US);
        w->lookback_us = below(w, 2) ? 300 * SECOND_US : below(w, 3) * SECOND_US;
        w->cut_us = cuts_us[below(w, 3)];
        w->inclusive = below(w, 2);
        w->spec.field_count = 1;
        w->spec.fields[0] = "changed";
        w->spec.filter = w->inclusive ? "changed ge '${cursor}'" : NULL;
        if (below(w, 4) == 0) {
                w->spec.kind = REST_CURSOR_INTEGER;
                return;
        }
        w->spec.kind = REST_CURSOR_TIME;
        w->zone = below(w, 2) ? dublin : NULL;
        w->spec.format = w->zone ? zoned[w->cut_us == 1] : "rfc3339";
        w->spec.precision_ms = below(w, 2);
        w->is_date = below(w, 4) == 0;
        w->spec.send = w->is_date ? "%Y-%m-%d" : NULL;
        /* A clock of local time that is fast is in an hour that Date does not know of yet. */
        w->stamp_skew_us = below(w, 3) ? 0 : below(w, 2 * HOUR_US) - HOUR_US;
        w->date_skew_us = below(w, 3) ? 0 : below(w, 2 * HOUR_US) - HOUR_US;
        if (w->zone)
                w->stamp_skew_us = w->date_skew_us;
}

static void check_world(uint64_t seed, const struct tz *dublin)
{
        struct world w;

        make_world(&w, seed, dublin);
        for (int k = 0; k < RUNS; k++) {
                pass_time(&w, below(&w, below(&w, 2) ? 30 * SECOND_US : 1200 * SECOND_US));
                run(&w);
        }
        w.quiet = true;
        for (int k = 0; k < 3 * QUIET_RUNS; k++) { /* some of them do not finish */
                w.now_us += w.lookback_us + 700 * SECOND_US;
                run(&w);
        }
        for (size_t i = 0; i < w.count; i++)
                if (!w.changes[i].read)
                        fail_msg("seed %llu: change %zu (%s) was never read",
                                (unsigned long long)seed, i, w.changes[i].full);
        buf_deinit(&w.position);
}

static void whatever_is_committed_is_read(void **state)
{
        cleanup_(tz_freep) struct tz *dublin = NULL;
        struct err e = {0};

        setenv("TZ", "Europe/Dublin", 1);
        tzset();
        assert_int_equal(tz_load("Europe/Dublin", &dublin, &e), 0);
        for (uint64_t seed = 1; seed <= SCENARIOS; seed++)
                check_world(seed, dublin);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whatever_is_committed_is_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
