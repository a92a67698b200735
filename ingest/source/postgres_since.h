/*
 * postgres_since.h: the position of one mapper, from the observation before a read to what is
 * stored after it. Joins postgres_observe.h (asks the server) and postgres_position.h (decides).
 */
#pragma once

#include "ingest/source/postgres_describe.h"
#include "ingest/source/postgres_position.h"
#include "ingest/source/source.h"

struct pg_since {
        struct arena *arena; /* owned: of the observation */
        bool observed;
        struct pg_position position;
        size_t count; /* streams */
        const char *from[PG_POSITION_STREAMS];
        struct buf seen[PG_POSITION_STREAMS]; /* largest values of the read under way */
        bool has_seen[PG_POSITION_STREAMS];
        const struct tz *zone;
        int64_t lookback_ms;
};

struct pg_since *pg_since_new(void);
struct pg_since *pg_since_free(struct pg_since *s);
DEFINE_CLEANUP(struct pg_since *, pg_since_free);

/** pg_since_observe() - asks the server behind @c, and judges @stored
 * @targets: described; the parent has a cursor */
int pg_since_observe(struct pg_since *s, struct pg_conn *c, const struct pg_target *targets,
        size_t count, const struct source_watch *watch, struct source_observation *out,
        struct err *e) __attribute__((warn_unused_result));

/** pg_since_begin() - a read begins: nothing was seen yet */
void pg_since_begin(struct pg_since *s);

/** pg_since_saw() - a row of stream @i came whose cursor is @v */
int pg_since_saw(struct pg_since *s, size_t i, struct value v, struct err *e)
        __attribute__((warn_unused_result));

/** pg_since_position() - what to store after the read that ended */
int pg_since_position(struct pg_since *s, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));
