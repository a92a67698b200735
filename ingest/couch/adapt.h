/*
 * adapt.h: how many documents a batch has and how many batches are in flight. Pure logic.
 *
 * Batch size climbs: whenever an epoch of full use has passed, its documents a second are compared
 * with those of the epoch before, at the size before. Better: on in the same direction; worse:
 * back; no difference: stay for a while, then try the other side. Concurrency works like TCP's
 * window: halved on trouble (once for all requests that were under way together), one more after
 * a window of good replies.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct adapt_limits {
        size_t max_docs;        /* of a batch; at least 1 */
        unsigned max_in_flight; /* at least 1 */
};

struct adapt {
        struct adapt_limits limits;
        size_t docs;        /* of a batch, now */
        unsigned in_flight; /* limit, now */

        /* the epoch that is being measured */
        int64_t epoch_start_us;
        size_t epoch_docs;
        unsigned epoch_batches;
        bool epoch_spoiled; /* there was trouble, or the writer had nothing to send */

        double rate;   /* docs/s of the epoch before; 0: none to compare with */
        int direction; /* 1 larger, -1 smaller */
        unsigned hold; /* epochs to stay */

        int64_t shrunk_us; /* when concurrency was halved last */
        unsigned good;     /* replies since it changed last */
};

void adapt_init(struct adapt *a, const struct adapt_limits *limits, int64_t now_us);

/** adapt_reply() - a batch of @docs was answered, without trouble
 * @busy: every slot was in use, and another batch waited: CouchDB was the bottleneck */
void adapt_reply(struct adapt *a, int64_t now_us, size_t docs, bool busy);

/** adapt_trouble() - a request that was sent at @sent_us was lost, refused or put off */
void adapt_trouble(struct adapt *a, int64_t now_us, int64_t sent_us);
