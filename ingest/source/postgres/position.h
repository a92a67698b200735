/*
 * position.h: how far a mapper has read, and how far it may say it has.
 *
 * The position is kept with the checkpoint as text. Arithmetic on observations alone, no server:
 * PROTOCOL.md section 5, Late commits. A stream is the parent of an extract or one of its
 * children; each may have a cursor of its own.
 *
 *   - Time cursors end at the cap: the clock or the earliest start of an open transaction,
 *     whichever is less, lowered by 10 s and cut to the resolution of the type.
 *   - Ordered cursors (integers, text) have no clock: the largest value of an earlier snapshot
 *     counts once all transactions that were open after it have ended, and a read that saw what
 *     they left behind has finished.
 *   - While something is prepared, no cursor moves.
 */
#pragma once

#include "ingest/source/postgres/cursor.h"
#include "ingest/source/postgres/observe.h"

#define PG_POSITION_STREAMS   (RECORD_MAX_CHILDREN + 1)
/* Of its text: 64 values for each of 17 streams, and ids of transactions. */
#define PG_POSITION_MAX_BYTES (4 << 20)

struct pg_cursor {
        enum pg_cursor_kind kind; /* NONE: the stream has no cursor */
        const char *text;         /* as the mapper has it: a column or an expression */
        const char *type;         /* for casts of literals */
        const char *value;        /* read from here next time; NULL: not known yet */
        const char *latest;       /* ordered ones: the largest value of the last snapshot */
        const char *next;         /* ordered ones: the value once the read under way is over */
};

struct pg_bound {
        const char *id;   /* of a transaction that was open */
        int64_t start_us; /* it began no earlier; PG_START_HIDDEN: not known */
};

/* The values to move to when all of these transactions have ended. */
struct pg_waiting {
        const char **open;
        size_t open_count;
        const char *values[PG_POSITION_STREAMS];
};

/* What `lookback` means for ordered cursors. */
struct pg_past {
        int64_t at_us;
        const char *values[PG_POSITION_STREAMS];
};

#define PG_POSITION_WAITING 16
#define PG_POSITION_PAST    32

struct pg_position {
        const char *system;
        const char *zone; /* of zoneless times; "": none */
        int64_t timeline, database, server_start_us, wal, observed_us;
        int64_t cap_us; /* no transaction that is open began before; PG_START_HIDDEN: not known */
        bool prepared;  /* something was prepared: no cursor moves */
        size_t count;   /* streams */
        struct pg_cursor cursors[PG_POSITION_STREAMS];
        struct pg_bound *open;
        size_t open_count;
        struct pg_waiting waiting[PG_POSITION_WAITING]; /* oldest first */
        size_t waiting_count;
        struct pg_past past[PG_POSITION_PAST]; /* oldest first */
        size_t past_count;
};

/** pg_position_parse() - @text as pg_position_print() wrote it
 * Return: 0; -ERR_CONFIG not one; -ERR_NOMEM. */
int pg_position_parse(struct str text, struct arena *arena, struct pg_position *out, struct err *e)
        __attribute__((warn_unused_result));

/** pg_position_print() - into @out, on one line */
int pg_position_print(const struct pg_position *p, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** pg_position_refused() - why @p does not hold for this source and mapper any more
 * @cursors: the @count streams as they are now      @zone: of zoneless times; NULL: none
 * Return: NULL where it does. */
const char *pg_position_refused(const struct pg_position *p, const struct pg_observation *now,
        const struct pg_cursor *cursors, size_t count, const struct tz *zone);

/** pg_position_is_behind() - a standby that has not replayed what the last read saw
 * Also where @p is refused for another reason. After a failover or a restore nothing is known. */
bool pg_position_is_behind(const struct pg_position *p, const struct pg_observation *now);

/** pg_position_observe() - what is known at @now, before a read
 * @before: NULL: none, or one that was refused
 * @cursors: the @count streams; `latest` may hold the largest value of a snapshot before @now
 * @out: borrows from all of them and lives in @arena
 * @held: what keeps cursors from following the clock; "" where nothing does (@size bytes) */
int pg_position_observe(const struct pg_position *before, const struct pg_observation *now,
        const struct pg_cursor *cursors, size_t count, const struct tz *zone, struct arena *arena,
        struct pg_position *out, char *held, size_t size, struct err *e)
        __attribute__((warn_unused_result));

/** pg_position_from() - where stream @i is read from; a time cursor is without its lookback
 * Return: NULL: from the beginning. */
const char *pg_position_from(const struct pg_position *p, size_t i, int64_t lookback_ms);

struct pg_progress {
        const struct str *seen; /* of each stream, the largest value delivered; .ptr NULL: none */
        const struct tz *zone;  /* of zoneless times; NULL: none is known */
        int64_t lookback_ms;
        bool full; /* everything was read: cursors may go back */
};

/** pg_position_advance() - turns what pg_position_observe() gave into the position after a read
 * that finished: cursors move here */
int pg_position_advance(struct pg_position *p, const struct pg_progress *done, struct arena *arena,
        struct err *e) __attribute__((warn_unused_result));

/** pg_position_ahead() - the first stream that delivered a time later than the source's clock
 * The cursor does not follow such times; an operator should know.
 * Return: its number; -1: there is none. */
int pg_position_ahead(const struct pg_position *p, const struct pg_progress *done);
