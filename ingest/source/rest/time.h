/*
 * time.h: the spellings of time that REST APIs use, for cursors.
 *
 *   rfc3339    2026-01-31T13:45:59.123Z, +01:00, +0100, or no zone; a blank for T; a date alone.
 *              Printed in UTC with Z
 *   unix unix_ms   seconds, milliseconds since 1970, numbers or strings of digits
 *   odata      /Date(1550793549320+0000)/ (milliseconds in UTC); rfc3339 is read too.
 *              Printed /Date(ms)/
 *   http       Sun, 06 Nov 1994 08:49:37 GMT
 *   a pattern of strptime's directives: %Y %y %m %d %e %j %H %I %p %M %S %f %z %Z %b %B %h %a %A
 *              %n %t %T %R %F %D %%. Printed with two digits, and %z as +00:00
 *
 * Instants are microseconds since 1970 in UTC, cut down where the text is finer. Pure; any thread.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/base/tz.h"

#define REST_TIME_US_MIN INT64_C(-62135596800000000) /* the year 1 */
#define REST_TIME_US_MAX INT64_C(253402300799999999) /* the end of the year 9999 */

/** rest_time_check() - whether @format is one that can be read and printed
 * Return: 0; -ERR_CONFIG what is wrong, and what to write. */
int rest_time_check(const char *format, struct err *e) __attribute__((warn_unused_result));

enum rest_time_result {
        REST_TIME_OK,
        REST_TIME_NONE, /* no time: the year 1, an hour that clocks skipped */
        REST_TIME_BAD   /* not of the format */
};

/** rest_time_read() - the whole of @text (no JSON; blanks around it are passed)
 * @zone: of what a clock showed without zone; NULL: UTC. Of a time that clocks showed twice, the
 * first. */
enum rest_time_result rest_time_read(
        const char *format, struct str text, const struct tz *zone, int64_t *us);

/** rest_time_unit() - microseconds of the smallest step that @format prints: a second, a day ...
 * @precision_ms: as asked for; 0: a second for rfc3339, else what the format has */
int64_t rest_time_unit(const char *format, int64_t precision_ms);

/** rest_time_print() - appends @us, cut down to @unit_us
 * Without zone it is the least local time that clocks in @zone show at @us or later.
 * @less_us: taken off of what clocks show, before it is cut */
void rest_time_print(const char *format, int64_t us, int64_t unit_us, int64_t less_us,
        const struct tz *zone, struct buf *out);
