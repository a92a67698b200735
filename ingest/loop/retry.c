/* Equal jitter: half of the delay is certain, so that a burst of failures cannot spin. */
#include "ingest/loop/retry.h"

#include <stdlib.h>

#include "ingest/base/random.h"

void retry_init(struct retry *r, const struct retry_policy *policy, uint64_t seed)
{
        *r = (struct retry){.policy = *policy, .random = seed};
        if (seed == 0)
                arc4random_buf(&r->random, sizeof(r->random));
}

void retry_success(struct retry *r)
{
        r->failures = 0;
}

static int64_t jittered(struct retry *r)
{
        int64_t delay = r->policy.base_ms;

        for (unsigned i = 1; i < r->failures && delay < r->policy.cap_ms; i++)
                delay *= 2;
        if (delay > r->policy.cap_ms)
                delay = r->policy.cap_ms;
        if (delay < 2)
                return delay;
        return delay / 2 + (int64_t)(random_next(&r->random) % (uint64_t)(delay - delay / 2 + 1));
}

bool retry_failure(struct retry *r, int64_t now_ms, int64_t retry_after_ms, int64_t *delay_ms)
{
        if (r->failures++ == 0)
                r->first_failure_ms = now_ms;
        int64_t left = r->first_failure_ms + r->policy.budget_ms - now_ms;
        if (left <= 0 || retry_after_ms > left)
                return false;
        int64_t delay = jittered(r);
        if (delay > left)
                delay = left;
        *delay_ms = delay > retry_after_ms ? delay : retry_after_ms;
        return true;
}
