/*
 * tz.h: time zones of the system's database (TZif files, RFC 8536), without process state.
 *
 * Reads /usr/share/zoneinfo (or $TZDIR) itself because the C library knows only one zone at a
 * time, in a global. Immutable once loaded; any thread.
 */
#pragma once

#include <stdint.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"

struct tz;

/** tz_load() - the zone @name ("Europe/Dublin", "UTC")
 * Return: 0; -ERR_CONFIG no such zone (with what to do), not a TZif file; -ERR_NOMEM. */
int tz_load(const char *name, struct tz **out, struct err *e) __attribute__((warn_unused_result));
struct tz *tz_free(struct tz *z);
DEFINE_CLEANUP(struct tz *, tz_free);

enum tz_result { TZ_OK, TZ_GAP /* the local time never was: clocks skipped it */ };

/** tz_to_utc() - the instant at which clocks in @z showed @local_s
 * @local_s: seconds since 1970-01-01 00:00:00 as if local time were UTC
 * In an overlap (clocks went back) the first of the two instants. Years -9999..9999. */
enum tz_result tz_to_utc(const struct tz *z, int64_t local_s, int64_t *utc_s)
        __attribute__((warn_unused_result));

/** tz_local_floor() - the least local time that clocks in @z show at @utc_s or in the day after it
 * Before clocks go back that is the beginning of the hour that will repeat: what is stamped with
 * local time later than @utc_s is never stamped with less.
 * Return: seconds as in tz_to_utc(). */
int64_t tz_local_floor(const struct tz *z, int64_t utc_s);

/** tz_offset() - how far clocks in @z are ahead of UTC at @utc_s, in seconds
 * @until: set to the next instant at which that may change; INT64_MAX: never */
int32_t tz_offset(const struct tz *z, int64_t utc_s, int64_t *until);

/** tz_local_ceiling() - the greatest local time that clocks in @z showed at @utc_s or in the day
 * before it: what is stamped with a greater one is in the future */
int64_t tz_local_ceiling(const struct tz *z, int64_t utc_s);

/** tz_name() - as given to tz_load() */
const char *tz_name(const struct tz *z);
