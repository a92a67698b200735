/*
 * since.h: the position of one mapper, from the observation before a read to what is
 * stored after it. Joins observe.h (asks the server) and position.h (decides).
 */
#pragma once

#include "ingest/source/postgres/describe.h"
#include "ingest/source/postgres/position.h"
#include "ingest/source/source.h"

struct pg_since {
        struct arena *arena;       /* owned: of the observation */
        const struct extract *x;   /* that was observed; NULL: nothing was, or it was used */
        struct pg_position stored; /* before it */
        bool has_stored;
        const char *refused;                           /* why there is none */
        struct pg_cursor cursors[PG_POSITION_STREAMS]; /* as they are now */
        struct pg_position position;
        size_t count; /* streams */
        const char *from[PG_POSITION_STREAMS];
        struct buf seen[PG_POSITION_STREAMS]; /* largest values of the read under way */
        bool has_seen[PG_POSITION_STREAMS];
        bool full; /* the read under way is of everything */
        const struct tz *zone;
        int64_t lookback_ms;
        char ahead[160]; /* what the last read found in the future; "" nothing */
};

struct pg_since *pg_since_new(void);
struct pg_since *pg_since_free(struct pg_since *s);
DEFINE_CLEANUP(struct pg_since *, pg_since_free);

/** pg_since_prepare() - forgets the last observation, and judges whether the cursors @targets can
 * be used
 * Return: 0; -ERR_CONFIG: a time without zone, with its place. */
int pg_since_prepare(struct pg_since *s, const struct pg_target *targets, size_t count,
        const struct source_watch *watch, struct err *e) __attribute__((warn_unused_result));

/** pg_since_needs_latest() - whether the server should be asked for the largest value of stream @i
 * Of ordered cursors that stand nowhere yet, or not any more, as an observation may show: without
 * it, only the second run could set them. */
bool pg_since_needs_latest(const struct pg_since *s, size_t i);

/** pg_since_latest() - the answer, from a snapshot before the observation; .ptr NULL: no rows */
int pg_since_latest(struct pg_since *s, size_t i, struct str value, struct err *e)
        __attribute__((warn_unused_result));

/** pg_since_observe() - asks the server behind @c, and judges the position; runs the loop */
int pg_since_observe(struct pg_since *s, struct pg_conn *c, struct source_observation *out,
        struct err *e) __attribute__((warn_unused_result));

/** pg_since_begin() - a read begins: nothing was seen yet
 * @full: of everything */
void pg_since_begin(struct pg_since *s, bool full);

/** pg_since_saw() - a row of stream @i came whose cursor is @v
 * Return: 0; -ERR_REJECT: a cursor does not have so many bytes; -ERR_NOMEM. */
int pg_since_saw(struct pg_since *s, size_t i, struct value v, struct err *e)
        __attribute__((warn_unused_result));

/** pg_since_position() - what to store after the read that ended */
int pg_since_position(struct pg_since *s, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));
