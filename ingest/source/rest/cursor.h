/*
 * cursor.h: how far a REST mapper has read.
 *
 * Pure. The position is text for the checkpoint: what it was read from, the cursor, the clock of
 * the server. No API shows its open transactions, so a record stamped early and committed late is
 * found by `lookback` (and by `full:`); this file sees to it that a cursor never passes what was
 * not read:
 *   - times: the largest value delivered, less the time that the read took (a stamp may have been
 *     given while it was under way), and never beyond the server's clock (Date) when the read
 *     began; less the step that stamps are seen to be cut to, and less the lookback when it is
 *     sent. Only differences of stamps count, so a clock of stamps that is slow against Date loses
 *     nothing;
 *   - what is sent is cut down, never up, to the precision of its text, and is one unit of it less
 *     (a second, a day) unless the filter says `ge`: the parameter may mean "later than", and
 * stamps may be cut. Without zone it is the least time that clocks will show from then on;
 *   - a value in the future is told and not followed; no value at all leaves the cursor as it was;
 *   - integers and texts have no clock: `lookback` is the cursor of the newest read that ended so
 *     long before one that has finished since began. Until there is one (after a first read of all)
 *     the oldest serves, and when the lookback has passed, all is read once more. Also with `0s`;
 *   - If-Modified-Since: the server's clock when the read before began, less the lookback; a 304 is
 *     no record.
 *
 * Times: time.h. No time: null, "", false, a year 1 (0001-01-01), an hour that clocks skipped.
 * Two fields are a date and a time of day: "13:45:59", 134559, or 1345 without seconds; a pattern
 * is that of both with a blank between. They are sent as a date unless `send` says other.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/base/buf.h"
#include "ingest/base/tz.h"
#include "ingest/source/rest/extract.h"

struct rest_position; /* opaque; in the arena given */

/** rest_position_parse() - as rest_position_print() wrote it. Return: 0; -ERR_CONFIG; -ERR_NOMEM.
 */
int rest_position_parse(struct str text, struct arena *arena, struct rest_position **out,
        struct err *e) __attribute__((warn_unused_result));
int rest_position_print(const struct rest_position *p, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_position_refused() - why @p does not hold for this source and mapper; NULL where it does
 * @origin: names the source: its address, company and tenant, without secrets */
const char *rest_position_refused(const struct rest_position *p, const char *origin,
        const struct rest_cursor_spec *spec, const struct tz *zone);

/** rest_position_from() - appends ${cursor}, as it is sent
 * @now_us: the time, for integers and texts
 * Return: 0; REST_ABSENT: from the beginning; -ERR_NOMEM. */
int rest_position_from(const struct rest_position *p, const struct rest_cursor_spec *spec,
        int64_t lookback_ms, const struct tz *zone, int64_t now_us, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/* What a read has seen. Fixed size but for texts, which are bounded. */
struct rest_progress;
struct rest_progress *rest_progress_new(
        const struct rest_cursor_spec *spec, const struct tz *zone, struct err *e);
/** rest_progress_etag() - the ETag of a reply, for cursors that are one; others ignore it */
void rest_progress_etag(struct rest_progress *p, struct str etag);
struct rest_progress *rest_progress_free(struct rest_progress *p);
DEFINE_CLEANUP(struct rest_progress *, rest_progress_free);

/** rest_progress_clock() - the server's clock (Date) as of the reply whose records come now
 * Stamps that are later by more than a minute are told, and not followed. Without it only the
 * beginning of the read bounds what they do. */
void rest_progress_clock(struct rest_progress *p, int64_t server_us);

/** rest_progress_see() - the cursor's values of one record: JSON texts; .ptr NULL: absent or null
 * A record without cursor value counts as read (it comes with every full read).
 * Return: 0; -ERR_REJECT a value that is not of the format (@e names it). */
int rest_progress_see(struct rest_progress *p, const struct str *values, struct err *e)
        __attribute__((warn_unused_result));

/** rest_progress_print() - appends it as one line of JSON, for the mark of a read */
int rest_progress_print(const struct rest_progress *p, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_progress_parse() - goes on with what rest_progress_print() wrote; @p was just made
 * Return: 0; -ERR_CONFIG not of this cursor (@p is as it was); -ERR_NOMEM. */
int rest_progress_parse(struct rest_progress *p, struct str text, struct err *e)
        __attribute__((warn_unused_result));

/* A read that finished. */
struct rest_finished {
        const char *origin;  /* as for rest_position_refused() */
        int64_t began_us;    /* the server's clock when it began (of a resumed one: its first part);
                              * where that is not known, ours */
        int64_t ended_us;    /* the same clock at its end: began_us and the time that passed */
        int64_t lookback_ms; /* as for rest_position_from() */
        bool full;           /* everything was read: the cursor may go back */
};

/** rest_position_advance() - the position after a read that finished
 * @before: NULL: none
 * @out: lives in @arena, with copies of all it needs */
int rest_position_advance(const struct rest_position *before, const struct rest_cursor_spec *spec,
        const struct tz *zone, const struct rest_progress *seen, const struct rest_finished *done,
        struct arena *arena, struct rest_position **out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_position_ahead() - "updatedAt is up to 2099-..., later than the source's clock"; "" */
const char *rest_position_ahead(const struct rest_position *p);
