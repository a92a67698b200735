/*
 * tz_file.h: the bytes of a TZif file (RFC 8536) as a table. For tz.c and its tests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/base/err.h"
#include "ingest/base/str.h"
#include "ingest/base/tz_rule.h"

#define TZ_MAX_CHANGES  2000        /* of the reference implementation; real files have < 300 */
#define TZ_MAX_OFFSET_S (26 * 3600) /* RFC 8536: an offset is less than that, either way */

struct tz_table {
        size_t count;
        int64_t *times;   /* owned: ascending instants */
        int32_t *offsets; /* owned: count + 1; [0] before times[0], [i + 1] from times[i] on */
        bool has_rule;    /* what holds after the last time */
        struct tz_rule rule;
};

/** tz_file_parse() - fills @out, whose memory the caller frees; any bytes are safe to give
 * Return: 0; -ERR_CONFIG not a usable TZif file (with why); -ERR_NOMEM. */
int tz_file_parse(struct str bytes, struct tz_table *out, struct err *e)
        __attribute__((warn_unused_result));
