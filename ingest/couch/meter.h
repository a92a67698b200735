/*
 * meter.h: what all CouchDB clients of a process ask for and get, counted together.
 *
 * Clients on many threads add to it; whoever shows it reads meanwhile. Every number is an atomic of
 * its own, added to without order: a request costs a few additions, a document none. So numbers
 * that are read together may be of slightly different moments; each alone never goes back.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/loop/http.h"

/* Bucket i counts values of at most bounds[i], the last of all others; each value is in one. */
#define METER_BOUNDS_MAX 16
struct meter_bounds {
        size_t count;
        double list[METER_BOUNDS_MAX];
};
extern const struct meter_bounds meter_duration_bounds; /* seconds */
extern const struct meter_bounds meter_batch_bounds;    /* documents */

struct meter_histogram {
        _Atomic uint64_t buckets[METER_BOUNDS_MAX + 1];
        _Atomic uint64_t sum; /* microseconds of durations, documents of batches */
};

/* Statuses that have a number of their own: those that CouchDB and proxies before it are known to
 * give. What a server makes up must not make a series each. */
#define METER_CODES 27
extern const char *const meter_code_names[METER_CODES]; /* "200", ..., "other", "none" */

struct couch_meter {
        _Atomic uint64_t requests[METER_CODES]; /* that ended */
        struct meter_histogram durations;       /* of those, from leaving the queue to the end */
        _Atomic uint64_t bytes_sent, bytes_received; /* of bodies */
        _Atomic uint64_t retries, logins;
        _Atomic uint64_t conflicts; /* documents of which a batch heard "conflict" */
        struct meter_histogram batches;
        _Atomic uint64_t batches_in_flight;
};

/** meter_read() - a number of a meter as it is now */
static inline uint64_t meter_read(const _Atomic uint64_t *number)
{
        return atomic_load_explicit(number, memory_order_relaxed);
}

/* In all that follow @m may be NULL: nobody counts. Any thread. */

/** meter_request() - one that ended; those that we cancelled ourselves do not count
 * @sent, @received: bytes of bodies */
void meter_request(
        struct couch_meter *m, const struct http_reply *reply, uint64_t sent, uint64_t received);
void meter_retry(struct couch_meter *m);
void meter_login(struct couch_meter *m);
void meter_conflicts(struct couch_meter *m, uint64_t documents);

/** meter_batch_begins() / meter_batch_ends() - a request of a batch of documents is under way */
void meter_batch_begins(struct couch_meter *m);
void meter_batch_ends(struct couch_meter *m);

/** meter_batch_size() - a batch of @documents is sent with _bulk_docs */
void meter_batch_size(struct couch_meter *m, uint64_t documents);
