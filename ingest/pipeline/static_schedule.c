/* Schedules of dates that never come. */
#include "ingest/pipeline/static_internal.h"

#define FROM_S INT64_C(1704067200) /* a leap year: every date comes within the next eight */

static void look(struct static_context *c, const char *key, const struct schedule *s)
{
        const struct ynode *at = ynode_get(c->mapper->spec->doc->root, key);
        int64_t next;

        if (s->is_cron && !schedule_next(s, NULL, FROM_S, &next))
                static_say(c, FINDING_WARNING, at, at->line, at->column,
                        "'%s' never fires: no month has the day of '%s'", key, s->text);
}

void static_schedules(struct static_context *c)
{
        look(c, "schedule", &c->mapper->spec->schedule);
        look(c, "full", &c->mapper->spec->full);
}
