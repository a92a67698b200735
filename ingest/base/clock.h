/*
 * clock.h: the two clocks.
 *
 * Durations and deadlines use the monotonic clock (ms). Wall time is data only: it is written
 * into documents and logs, never compared for a deadline.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** clock_monotonic_ms() - milliseconds since an arbitrary start; never goes back */
int64_t clock_monotonic_ms(void);

/** clock_monotonic_us() - microseconds of the same clock */
int64_t clock_monotonic_us(void);

/** clock_wall_us() - microseconds since 1970-01-01 00:00:00 UTC */
int64_t clock_wall_us(void);

#define CLOCK_RFC3339_MAX 36 /* bytes, with the NUL */

/** clock_rfc3339() - @wall_us as "2026-01-31T12:00:00.123Z" (milliseconds) into @out
 * Return: @out. */
char *clock_rfc3339(int64_t wall_us, char out[CLOCK_RFC3339_MAX]);

/** clock_rfc3339_parse() - what clock_rfc3339() wrote, back into microseconds since 1970 UTC
 * Return: false where @text is no such time. */
bool clock_rfc3339_parse(const char *text, int64_t *wall_us);
