/*
 * A mark is begun when the newest one began more than window/64 ago, so that 66 marks would cover
 * a window of any rate; where the ring is full all the same (the clock stood still, another
 * process had another limit), the newest mark takes the event.
 */
#include "ingest/source/rest/budget_window.h"

#define PACED_US    INT64_C(1000000) /* windows of up to a second are limits of a rate */
#define PACE_MIN_US 20000            /* shorter waits than this are not worth a timer */

static struct budget_mark *mark_at(struct budget_window *w, uint32_t i)
{
        return &w->marks[(w->first + i) % BUDGET_MARKS];
}

static struct budget_mark *newest(struct budget_window *w)
{
        return mark_at(w, w->len - 1);
}

int64_t budget_window_used(struct budget_window *w, int64_t now_us)
{
        int64_t used = 0;

        while (w->len > 0 && mark_at(w, 0)->last_us <= now_us - w->window_us) {
                w->first = (w->first + 1) % BUDGET_MARKS;
                w->len--;
        }
        for (uint32_t i = 0; i < w->len; i++)
                used += mark_at(w, i)->count;
        return used;
}

int64_t budget_window_free_at(struct budget_window *w, int64_t limit, int64_t now_us)
{
        int64_t used = budget_window_used(w, now_us), due = now_us;

        for (uint32_t i = 0; i < w->len && used >= limit; i++) {
                used -= mark_at(w, i)->count;
                due = mark_at(w, i)->last_us + w->window_us;
        }
        return due;
}

int64_t budget_window_due(struct budget_window *w, int64_t limit, int64_t now_us)
{
        int64_t used = budget_window_used(w, now_us), left = limit - used;

        if (w->window_us <= PACED_US && w->window_us / limit >= PACE_MIN_US && w->len > 0)
                return newest(w)->last_us + (w->window_us + limit - 1) / limit;
        if (left <= 0)
                return budget_window_free_at(w, limit, now_us);
        if (left > limit / 10 || w->len == 0)
                return now_us;
        int64_t last_us = newest(w)->last_us;
        int64_t relief_us = mark_at(w, 0)->last_us + w->window_us;
        return last_us + (relief_us - last_us) / (left + 1);
}

void budget_window_add(struct budget_window *w, int64_t limit, int64_t now_us)
{
        bool coarse = limit > BUDGET_MARKS && w->len > 0 &&
                      now_us - w->begin_us < w->window_us / BUDGET_MARKS;

        if (coarse || w->len == BUDGET_MARKS) {
                newest(w)->last_us = now_us;
                newest(w)->count++;
                return;
        }
        w->len++;
        w->begin_us = now_us;
        *newest(w) = (struct budget_mark){.last_us = now_us, .count = 1};
}

void budget_window_shift(struct budget_window *w, int64_t us)
{
        w->begin_us -= us;
        for (uint32_t i = 0; i < w->len; i++)
                mark_at(w, i)->last_us -= us;
}

bool budget_window_is_sane(const struct budget_window *w)
{
        return (w->kind == BUDGET_REQUESTS || w->kind == BUDGET_ERRORS) && w->window_us > 0 &&
               w->first < BUDGET_MARKS && w->len <= BUDGET_MARKS;
}
