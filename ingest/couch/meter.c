/* Additions without order: nothing is decided by these numbers. */
#include "ingest/couch/meter.h"

#include <stdbool.h>

const struct meter_bounds meter_duration_bounds = {.count = 15,
        .list = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}};
const struct meter_bounds meter_batch_bounds = {
        .count = 11, .list = {1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000}};

/* In the order of their statuses; the last two have none. */
static const int codes[METER_CODES - 2] = {200, 201, 202, 206, 301, 302, 304, 307, 400, 401, 403,
        404, 405, 406, 408, 409, 412, 413, 415, 417, 429, 500, 502, 503, 504};
enum { OTHER = METER_CODES - 2, NONE };
const char *const meter_code_names[METER_CODES] = {"200", "201", "202", "206", "301", "302", "304",
        "307", "400", "401", "403", "404", "405", "406", "408", "409", "412", "413", "415", "417",
        "429", "500", "502", "503", "504", [OTHER] = "other", [NONE] = "none"};

static void add(_Atomic uint64_t *number, uint64_t n)
{
        atomic_fetch_add_explicit(number, n, memory_order_relaxed);
}

static void observe(
        struct meter_histogram *h, const struct meter_bounds *bounds, double value, uint64_t sum)
{
        size_t i = 0;

        while (i < bounds->count && value > bounds->list[i])
                i++;
        add(&h->buckets[i], 1);
        add(&h->sum, sum);
}

static size_t code_index(const struct http_reply *reply)
{
        size_t i = 0;

        if (reply->rc < 0)
                return NONE;
        while (i < OTHER && codes[i] != reply->status)
                i++;
        return i;
}

void meter_request(
        struct couch_meter *m, const struct http_reply *reply, uint64_t sent, uint64_t received)
{
        if (!m)
                return;
        if (reply->sent)
                add(&m->bytes_sent, sent);
        add(&m->bytes_received, received);
        if (reply->rc == -ERR_CANCEL)
                return;
        uint64_t us = reply->elapsed_us > 0 ? (uint64_t)reply->elapsed_us : 0;
        add(&m->requests[code_index(reply)], 1);
        observe(&m->durations, &meter_duration_bounds, (double)us / 1e6, us);
}

void meter_retry(struct couch_meter *m)
{
        if (m)
                add(&m->retries, 1);
}

void meter_login(struct couch_meter *m)
{
        if (m)
                add(&m->logins, 1);
}

void meter_conflicts(struct couch_meter *m, uint64_t documents)
{
        if (m && documents)
                add(&m->conflicts, documents);
}

void meter_batch_begins(struct couch_meter *m)
{
        if (m)
                add(&m->batches_in_flight, 1);
}

void meter_batch_ends(struct couch_meter *m)
{
        if (m)
                add(&m->batches_in_flight, UINT64_MAX);
}

void meter_batch_size(struct couch_meter *m, uint64_t documents)
{
        if (m)
                observe(&m->batches, &meter_batch_bounds, (double)documents, documents);
}
