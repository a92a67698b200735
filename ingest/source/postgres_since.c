/* Straight-line: observe, read, store. What was seen is kept per stream, one value each. */
#include "ingest/source/postgres_since.h"

#include <stdio.h>

#define OBSERVATION_MAX (8 << 20) /* of thousands of connections */
#define CURSOR_MAX      1024      /* bytes of a cursor's value; a longer one is no cursor */

struct pg_since *pg_since_new(void)
{
        struct pg_since *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        for (size_t i = 0; i < PG_POSITION_STREAMS; i++)
                buf_init(&s->seen[i], CURSOR_MAX);
        s->arena = arena_new(OBSERVATION_MAX);
        return s->arena ? s : pg_since_free(s);
}

struct pg_since *pg_since_free(struct pg_since *s)
{
        if (!s)
                return NULL;
        for (size_t i = 0; i < PG_POSITION_STREAMS; i++)
                buf_deinit(&s->seen[i]);
        arena_free(s->arena);
        free(s);
        return NULL;
}

static int check_zone(const struct pg_target *t, const struct tz *zone, struct err *e)
{
        if (t->order.kind != PG_CURSOR_LOCAL || zone)
                return 0;
        return pg_target_error(t, "cursor", e,
                "%s is a timestamp without time zone: add `timezone:` to the mapper, the zone that "
                "the ERP stamps its rows in",
                pg_target_cursor(t));
}

/* Where a read from the position would begin; without a start for the parent there is none. */
static void judge(
        struct pg_since *s, const char *refused, bool behind, struct source_observation *out)
{
        for (size_t i = 0; i < s->count; i++)
                s->from[i] = pg_position_from(&s->position, i, s->lookback_ms);
        out->usable = !refused && s->from[0];
        out->behind = behind;
        snprintf(out->why, sizeof(out->why), "%s",
                refused       ? refused
                : !s->from[0] ? "no cursor could be set yet"
                : out->behind ? "the standby is behind what the last run read"
                              : "");
        snprintf(out->cursor, sizeof(out->cursor), "%s", s->from[0] ? s->from[0] : "");
}

int pg_since_observe(struct pg_since *s, struct pg_conn *c, const struct pg_target *targets,
        size_t count, const struct source_watch *watch, struct source_observation *out,
        struct err *e)
{
        struct pg_cursor cursors[PG_POSITION_STREAMS];
        struct pg_observation now;
        struct pg_position stored;
        const char *refused = "there is no cursor yet";
        int rc = 0;

        arena_reset(s->arena);
        s->observed = false;
        s->count = count;
        s->zone = watch->zone;
        s->lookback_ms = targets[0].x->lookback_ms;
        for (size_t i = 0; !rc && i < count; i++) {
                cursors[i] = targets[i].order;
                if (cursors[i].type)
                        cursors[i].type = arena_strdup(s->arena, str_of(cursors[i].type));
                rc = check_zone(&targets[i], watch->zone, e);
        }
        if (!rc)
                rc = pg_observe(c, s->arena, &now, e);
        if (rc)
                return rc;
        if (watch->position.len) {
                struct err unreadable;
                if (pg_position_parse(watch->position, s->arena, &stored, &unreadable) == 0)
                        refused = pg_position_refused(&stored, &now, cursors, count);
                else
                        refused = "what is stored of the cursor cannot be read";
        }
        rc = pg_position_observe(refused ? NULL : &stored, &now, cursors, count, s->arena,
                &s->position, out->held, sizeof(out->held), e);
        if (rc)
                return rc;
        s->observed = true;
        judge(s, refused, !refused && pg_position_is_behind(&stored, &now), out);
        return 0;
}

void pg_since_begin(struct pg_since *s)
{
        for (size_t i = 0; i < PG_POSITION_STREAMS; i++) {
                buf_clear(&s->seen[i]);
                s->has_seen[i] = false;
        }
}

int pg_since_saw(struct pg_since *s, size_t i, struct value v, struct err *e)
{
        struct buf *seen = &s->seen[i];
        enum pg_cursor_kind kind = s->position.cursors[i].kind;

        if (!v.ptr || (s->has_seen[i] && pg_cursor_compare(kind, (struct str){v.ptr, v.len},
                                                 buf_str(seen)) <= 0))
                return 0;
        buf_clear(seen);
        buf_put(seen, v.ptr, v.len);
        s->has_seen[i] = true;
        if (seen->error)
                return err_set(e, ERR_CONFIG,
                        "a value of the cursor has %u bytes: that is no cursor", v.len);
        return 0;
}

int pg_since_position(struct pg_since *s, struct buf *out, struct err *e)
{
        struct str seen[PG_POSITION_STREAMS] = {{0}};
        struct pg_progress done = {.seen = seen, .zone = s->zone, .lookback_ms = s->lookback_ms};

        if (!s->observed)
                return err_set(e, ERR_BUG, "a position without an observation");
        for (size_t i = 0; i < s->count; i++)
                if (s->has_seen[i])
                        seen[i] = buf_str(&s->seen[i]);
        int rc = pg_position_advance(&s->position, &done, s->arena, e);
        s->observed = false; /* an observation is good for one read */
        return rc ? rc : pg_position_print(&s->position, out, e);
}
