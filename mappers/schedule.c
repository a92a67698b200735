/* The two kinds of schedule behind one question. */
#include "mappers/schedule.h"

bool schedule_is_set(const struct schedule *s)
{
        return s->is_cron || s->every_ms > 0;
}

bool schedule_next(const struct schedule *s, const struct tz *zone, int64_t last_s, int64_t *next_s)
{
        if (!schedule_is_set(s))
                return false;
        if (s->is_cron)
                return cron_next(&s->cron, zone, last_s, next_s);
        return !__builtin_add_overflow(last_s, (s->every_ms + 999) / 1000, next_s);
}

bool schedule_is_due(const struct schedule *s, const struct tz *zone, int64_t last_s, int64_t now_s)
{
        int64_t next_s;

        return schedule_next(s, zone, last_s, &next_s) && (next_s <= now_s || last_s > now_s);
}
