/*
 * limits.h: what the headers of a reply say of the server's own limit.
 *
 * Understood: RateLimit-*, X-RateLimit-*, X-Rate-Limit-* (Remaining and Reset), the same by the
 * minute (X-RateLimit-Minutely-*, X-MinLimit-Remaining), and the drafts of one field:
 * "RateLimit: limit=100, remaining=50, reset=5" and 'RateLimit: "default";r=50;t=5'. Reset is
 * seconds from now, or a Unix time in seconds or milliseconds. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/str.h"

#define REST_LIMIT_WINDOWS 3

struct rest_limits {
        struct {
                int64_t remaining; /* -1: not said */
                int64_t reset;     /* as it was said; -1: not */
        } windows[REST_LIMIT_WINDOWS];
        bool any;
};

void rest_limits_init(struct rest_limits *l);

/** rest_limits_header() - one header. Return: whether it was one of these. */
bool rest_limits_header(struct rest_limits *l, struct str name, struct str value);

/** rest_limits_get() - the window with the fewest requests left
 * @server_us: the server's clock (Date); -1: not known
 * @reset_us: wall time of ours
 * Return: false where nothing is known. */
bool rest_limits_get(const struct rest_limits *l, int64_t now_us, int64_t server_us,
        int64_t *remaining, int64_t *reset_us);
