/* cursor_internal.h: positions and progress, between the files of their module. */
#pragma once

#include "ingest/source/rest/cursor.h"

#define CURSOR_MAX_BYTES (1 << 10) /* of a text or an integer: it has to fit an address */
#define POSITION_PAST    32

/* Integers and texts: the largest value of all that was read by then. An ETag: the last one. */
struct rest_past {
        int64_t at_us;
        const char *value;
};

struct rest_position {
        const char *origin;
        enum rest_cursor_kind kind;
        const char *fields[REST_CURSOR_FIELDS];
        size_t field_count;
        const char *format, *zone; /* of times; "" */
        int64_t began_us;          /* of the last read that finished */
        bool has_value;
        int64_t value_us;                     /* times and headers */
        struct rest_past past[POSITION_PAST]; /* oldest first */
        size_t past_count;
        int64_t proof_us; /* when the last read began that missed nothing before its end; 0: none */
        char ahead[256];
};

struct rest_progress {
        const struct rest_cursor_spec *spec;
        const struct tz *zone;
        bool any;
        int64_t clock_us; /* the server's; INT64_MAX: not known */
        int64_t largest_us;
        int64_t ahead_us;   /* the largest beyond the clock; INT64_MIN: none */
        int64_t step_us;    /* of stamps: all that came are whole seconds, minutes, days */
        struct buf largest; /* integers and texts */
        struct buf value, date;
};

/** cursor_is_step() - whether @us is one of the steps that stamps are cut to */
bool cursor_is_step(int64_t us);

/** cursor_has_text() - whether values of @kind are texts: INTEGER, TEXT, ETAG */
bool cursor_has_text(enum rest_cursor_kind kind);

/** cursor_is_value() - whether @text is a value of a cursor of such a kind */
bool cursor_is_value(enum rest_cursor_kind kind, struct str text);

/** cursor_compare() - integers by value, whatever their length; texts by bytes */
int cursor_compare(enum rest_cursor_kind kind, struct str a, struct str b);
