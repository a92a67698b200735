/*
 * retry.h: when to try again, and when to give up.
 *
 * Delays grow exponentially from base_ms to cap_ms and are drawn at random from the upper half of
 * that range, so that many clients do not come back at once and none comes back at once. A
 * Retry-After is the least delay. The budget counts from the first failure after the last
 * success: any success makes it whole again. Pure: the caller passes the time and sleeps.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct retry_policy {
        int64_t base_ms;   /* first delay */
        int64_t cap_ms;    /* largest delay that is not asked for by Retry-After */
        int64_t budget_ms; /* without any success: give up */
};

struct retry {
        struct retry_policy policy;
        uint64_t random;   /* state of the generator */
        unsigned failures; /* since the last success */
        int64_t first_failure_ms;
};

/** retry_init() - @seed: any number; 0: from the system's random numbers */
void retry_init(struct retry *r, const struct retry_policy *policy, uint64_t seed);

/** retry_success() - something worked: delays start small again, the budget is whole */
void retry_success(struct retry *r);

/** retry_failure() - counts a failure and says how long to wait
 * @now_ms: monotonic      @retry_after_ms: what the server asked for, -1 for nothing
 * @delay_ms: set on true. The last try is made when the budget ends, not before.
 * Return: false: the budget is spent, or Retry-After reaches beyond its end. */
bool retry_failure(struct retry *r, int64_t now_ms, int64_t retry_after_ms, int64_t *delay_ms)
        __attribute__((warn_unused_result));
