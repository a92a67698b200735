/* Any text as a stored position: what is accepted prints, parses to the same, and can be used. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/source/postgres/position.h"

#define ARENA_MAX (4 << 20)

/* A run from @before on: an open transaction, rows at the largest values. */
static void use(const struct pg_position *before, struct arena *arena)
{
        struct pg_open_transaction open[] = {{"3/17", "process 1", PG_START_HIDDEN}};
        struct pg_observation now = {.system = before->system,
                .now_us = before->observed_us,
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
        (void)pg_position_ahead(before, &done);
        if (pg_position_observe(before, &now, before->cursors, before->count, NULL, arena, &p, held,
                    sizeof(held), &e) != 0 ||
                pg_position_advance(&p, &done, arena, &e) != 0)
                return;
        if (p.waiting_count > PG_POSITION_WAITING || p.past_count > PG_POSITION_PAST)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_buf_ struct buf once = {.max = 1 << 20}, twice = {.max = 1 << 20};
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_MAX);
        struct str text = {(const char *)data, size};
        struct pg_position p, again;
        struct err e;

        if (!arena || pg_position_parse(text, arena, &p, &e) != 0)
                return 0;
        if (pg_position_print(&p, &once, &e) != 0 ||
                pg_position_parse(buf_str(&once), arena, &again, &e) != 0 ||
                pg_position_print(&again, &twice, &e) != 0 ||
                !str_eq(buf_str(&once), buf_str(&twice)))
                abort();
        use(&p, arena);
        return 0;
}
