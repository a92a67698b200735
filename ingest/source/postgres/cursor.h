/*
 * cursor.h: the values of cursors, as text in the server's form.
 *
 * How they compare, and what the clock means among them: the least stamp that may still come, and
 * the greatest that can have come. Arithmetic on text, no server.
 */
#pragma once

#include "ingest/base/tz.h"
#include "ingest/record/record.h"

#define PG_CURSOR_MAX_BYTES  1024 /* of a value; a longer one is no cursor */
#define PG_CURSOR_TIME_BYTES 48   /* of the text of a time, with its NUL */
#define PG_SECOND_US         INT64_C(1000000)

enum pg_cursor_kind {
        PG_CURSOR_NONE,
        PG_CURSOR_INSTANT,
        PG_CURSOR_LOCAL,
        PG_CURSOR_DATE,
        PG_CURSOR_NUMBER,
        PG_CURSOR_TEXT,
        PG_CURSOR_KINDS
};

/** pg_cursor_kind() - how values of @kind are ordered; NONE: not usable as a cursor */
enum pg_cursor_kind pg_cursor_kind(enum col_kind kind);

static inline bool pg_cursor_is_time(enum pg_cursor_kind kind)
{
        return kind == PG_CURSOR_INSTANT || kind == PG_CURSOR_LOCAL || kind == PG_CURSOR_DATE;
}

/* Without a clock: integers, decimals, text. */
static inline bool pg_cursor_is_ordered(enum pg_cursor_kind kind)
{
        return kind == PG_CURSOR_NUMBER || kind == PG_CURSOR_TEXT;
}

/** pg_cursor_compare() - two values of one type. Return: <0, 0, >0. */
int pg_cursor_compare(enum pg_cursor_kind kind, struct str a, struct str b);

/** pg_cursor_may_follow() - whether a cursor may stand at @value
 * Not at NaN or an infinity, which nothing comes behind, nor at text that is not UTF-8, which a
 * checkpoint cannot hold. Rows with such values are read every time. */
bool pg_cursor_may_follow(enum pg_cursor_kind kind, struct str value);

/** pg_cursor_floor() - the value of a time @kind that no stamp at @us or later is below
 * Cut to the resolution of the kind: whole seconds, for types of less than microseconds; of dates
 * the day before.
 * @us: wall time, years 1970 to 9999      @zone: of zoneless times; NULL: it may be any */
const char *pg_cursor_floor(enum pg_cursor_kind kind, int64_t us, const struct tz *zone,
        char out[PG_CURSOR_TIME_BYTES]);

/** pg_cursor_ceiling() - the value of a time @kind that no stamp at @us or before is above */
const char *pg_cursor_ceiling(enum pg_cursor_kind kind, int64_t us, const struct tz *zone,
        char out[PG_CURSOR_TIME_BYTES]);
