/*
 * Values stay text: the server wrote them and will read them again. Times of the years 1 to 9999
 * compare as bytes in the form that the server is told to use; what cannot be compared that way
 * (infinity, later years, BC) counts as being in the future or long past.
 */
#include "ingest/source/postgres/cursor.h"

#include <stdio.h>
#include <time.h>

#include "ingest/source/row_key.h"

#define DAY_S      86400
#define ANYWHERE_S (14 * 3600) /* no zone is further behind or ahead: dates without a zone */

enum pg_cursor_kind pg_cursor_kind(enum col_kind kind)
{
        switch (kind) {
        case COL_TIMESTAMPTZ:
                return PG_CURSOR_INSTANT;
        case COL_TIMESTAMP:
                return PG_CURSOR_LOCAL;
        case COL_DATE:
                return PG_CURSOR_DATE;
        case COL_INT:
        case COL_NUMERIC:
                return PG_CURSOR_NUMBER;
        case COL_TEXT:
        case COL_CHAR:
                return PG_CURSOR_TEXT;
        default:
                return PG_CURSOR_NONE;
        }
}

/* Which side of the years 1 to 9999 a time is on: -1, 0 within, 1. */
static int era(struct str t)
{
        if (t.len >= 3 && memcmp(t.ptr + t.len - 3, " BC", 3) == 0)
                return -1;
        if (t.len > 0 && t.ptr[0] == '-')
                return -1; /* -infinity */
        return t.len >= 10 && t.ptr[4] == '-' ? 0 : 1;
}

int pg_cursor_compare(enum pg_cursor_kind kind, struct str a, struct str b)
{
        if (kind == PG_CURSOR_NUMBER)
                return row_value_compare(ROW_ORDER_DECIMAL, (struct value){a.ptr, (uint32_t)a.len},
                        (struct value){b.ptr, (uint32_t)b.len});
        if (pg_cursor_is_time(kind) && (era(a) || era(b)))
                return era(a) - era(b);
        return str_cmp(a, b);
}

static bool is_decimal(struct str v)
{
        size_t at = v.len && v.ptr[0] == '-', digits = 0;

        for (size_t dots = 0; at < v.len; at++) {
                bool digit = v.ptr[at] >= '0' && v.ptr[at] <= '9';
                digits += digit;
                dots += v.ptr[at] == '.';
                if ((!digit && v.ptr[at] != '.') || dots > 1)
                        return false;
        }
        return digits > 0;
}

/* Times of other eras are never the cursor itself: it ends at the clock, or begins before all. */
bool pg_cursor_may_follow(enum pg_cursor_kind kind, struct str value)
{
        if (value.len > PG_CURSOR_MAX_BYTES)
                return false;
        switch (kind) {
        case PG_CURSOR_NUMBER:
                return is_decimal(value);
        case PG_CURSOR_TEXT:
                return str_utf8_valid(value);
        default:
                return true;
        }
}

static const char *time_text(enum pg_cursor_kind kind, int64_t s, int fraction, char *out)
{
        struct tm tm;
        time_t t = (time_t)s;

        gmtime_r(&t, &tm);
        size_t n = strftime(out, PG_CURSOR_TIME_BYTES,
                kind == PG_CURSOR_DATE ? "%Y-%m-%d" : "%Y-%m-%d %H:%M:%S", &tm);
        if (kind == PG_CURSOR_DATE)
                return out;
        if (fraction)
                n += (size_t)snprintf(out + n, PG_CURSOR_TIME_BYTES - n, ".%06d", fraction);
        if (kind == PG_CURSOR_INSTANT)
                snprintf(out + n, PG_CURSOR_TIME_BYTES - n, "+00");
        return out;
}

const char *pg_cursor_floor(
        enum pg_cursor_kind kind, int64_t us, const struct tz *zone, char out[PG_CURSOR_TIME_BYTES])
{
        int64_t s = us / PG_SECOND_US;

        if (kind != PG_CURSOR_INSTANT)
                s = zone ? tz_local_floor(zone, s) : s - ANYWHERE_S;
        return time_text(kind, kind == PG_CURSOR_DATE ? s - DAY_S : s, 0, out);
}

const char *pg_cursor_ceiling(
        enum pg_cursor_kind kind, int64_t us, const struct tz *zone, char out[PG_CURSOR_TIME_BYTES])
{
        int64_t s = us / PG_SECOND_US;

        if (kind != PG_CURSOR_INSTANT)
                s = zone ? tz_local_ceiling(zone, s) : s + ANYWHERE_S;
        return time_text(kind, s, 999999, out);
}
