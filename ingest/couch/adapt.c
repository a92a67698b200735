/*
 * The figures behind the constants were measured on CouchDB 3.4.3 with documents of some 300
 * bytes: 250 to 2000 documents a batch differ by a tenth, less than the noise of one epoch; 100
 * costs a third, 5000 a half. So: start in the middle, take steps that show, believe only clear
 * differences.
 */
#include "ingest/couch/adapt.h"

#define START_DOCS    500
#define MIN_DOCS      100 /* below it, the cost of a request shows */
#define STEP_PERCENT  150 /* of the present size: larger steps overshoot, smaller drown in noise */
#define CLEAR_PERCENT 5   /* smaller differences between epochs are noise */
#define HOLD_EPOCHS   8   /* after no difference */
#define EPOCH_US      400000 /* a commit takes up to 100 ms: an epoch has many */
#define EPOCH_BATCHES 16     /* and so many batches at least */

void adapt_init(struct adapt *a, const struct adapt_limits *limits, int64_t now_us)
{
        *a = (struct adapt){.limits = *limits, .direction = 1, .epoch_start_us = now_us};
        if (a->limits.max_docs < 1)
                a->limits.max_docs = 1;
        if (a->limits.max_in_flight < 1)
                a->limits.max_in_flight = 1;
        a->docs = START_DOCS < a->limits.max_docs ? START_DOCS : a->limits.max_docs;
        a->in_flight = a->limits.max_in_flight;
}

static size_t clamp(const struct adapt *a, size_t docs)
{
        size_t min = MIN_DOCS < a->limits.max_docs ? MIN_DOCS : a->limits.max_docs;

        if (docs < min)
                return min;
        return docs < a->limits.max_docs ? docs : a->limits.max_docs;
}

/* One step in the present direction, or the other way where that is blocked. */
static void step(struct adapt *a)
{
        for (int i = 0; i < 2; i++) {
                size_t docs = a->direction > 0 ? a->docs * STEP_PERCENT / 100
                                               : a->docs * 100 / STEP_PERCENT;
                docs = clamp(a, docs);
                if (docs != a->docs) {
                        a->docs = docs;
                        return;
                }
                a->direction = -a->direction;
        }
}

static void judge(struct adapt *a, double rate)
{
        double before = a->rate;

        a->rate = rate;
        if (a->hold > 0) {
                a->hold--;
                return;
        }
        if (before > 0 && rate < before * (100 - CLEAR_PERCENT) / 100) {
                a->direction = -a->direction;
                step(a);
                a->rate = 0; /* what is measured next is compared with nothing older */
                a->hold = 1;
        } else if (before > 0 && rate < before * (100 + CLEAR_PERCENT) / 100) {
                a->direction = -a->direction;
                a->hold = HOLD_EPOCHS;
        } else {
                step(a);
        }
}

static void new_epoch(struct adapt *a, int64_t now_us)
{
        a->epoch_start_us = now_us;
        a->epoch_docs = 0;
        a->epoch_batches = 0;
        a->epoch_spoiled = false;
}

static void grow_window(struct adapt *a)
{
        if (a->in_flight >= a->limits.max_in_flight || ++a->good < a->in_flight)
                return;
        a->in_flight++;
        a->good = 0;
}

void adapt_reply(struct adapt *a, int64_t now_us, size_t docs, bool busy)
{
        int64_t elapsed_us = now_us - a->epoch_start_us;

        grow_window(a);
        a->epoch_docs += docs;
        a->epoch_batches++;
        a->epoch_spoiled = a->epoch_spoiled || !busy;
        if (a->epoch_batches < EPOCH_BATCHES || elapsed_us < EPOCH_US)
                return;
        if (!a->epoch_spoiled)
                judge(a, (double)a->epoch_docs * 1e6 / (double)elapsed_us);
        new_epoch(a, now_us);
}

void adapt_trouble(struct adapt *a, int64_t now_us, int64_t sent_us)
{
        a->epoch_spoiled = true;
        a->good = 0;
        if (sent_us < a->shrunk_us) /* it failed together with those that made it shrink */
                return;
        a->in_flight = a->in_flight > 1 ? a->in_flight / 2 : 1;
        a->shrunk_us = now_us;
}
