/*
 * claims.h: which documents are on their way, so that none is twice at a time.
 *
 * A set of 32-bit hashes of (database, id), small enough to stay in the cache. Two documents with
 * the same hash only wait for each other without need: one in a million. Holds as many claims as
 * documents are unsettled: the writer bounds that.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ingest/base/err.h"
#include "ingest/base/str.h"

struct claim {
        uint32_t hash;    /* 0: a free place */
        uint32_t waiters; /* documents that want it next */
};

struct claims {
        struct claim *table; /* open addressing, at most three quarters full */
        size_t size;         /* a power of two, or 0 */
        size_t count;
};

/** claims_hash() - never 0 */
uint32_t claims_hash(const void *database, struct str id);

#define CLAIMS_HELD 1

/** claims_take() - Return: 0; CLAIMS_HELD somebody has it, a waiter was counted; -ERR_NOMEM. */
int claims_take(struct claims *c, uint32_t hash, struct err *e) __attribute__((warn_unused_result));

/** claims_release() - gives it up, or on to one of its waiters
 * Return: whether there was a waiter: the claim is now that one's. */
bool claims_release(struct claims *c, uint32_t hash);

void claims_deinit(struct claims *c);
