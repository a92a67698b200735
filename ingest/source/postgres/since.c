/* Straight-line: observe, read, store. What was seen is kept per stream, one value each. */
#include "ingest/source/postgres/since.h"

#include <stdio.h>

#define OBSERVATION_MAX (16 << 20) /* of thousands of connections, and the position before */

struct pg_since *pg_since_new(void)
{
        struct pg_since *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        for (size_t i = 0; i < PG_POSITION_STREAMS; i++)
                buf_init(&s->seen[i], PG_CURSOR_MAX_BYTES);
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

/* ---- before the observation ---- */

static int take_cursor(struct pg_since *s, size_t i, const struct pg_target *t,
        const struct tz *zone, struct err *e)
{
        struct pg_cursor *c = &s->cursors[i];

        *c = t->order;
        if (c->kind == PG_CURSOR_NONE)
                return 0;
        if (c->kind == PG_CURSOR_LOCAL && !zone)
                return pg_target_error(t, "cursor", e,
                        "%s is a timestamp without time zone: add `timezone:` to the mapper, the "
                        "zone that the ERP stamps its rows in",
                        pg_target_cursor(t));
        c->text = arena_strdup(s->arena, str_of(c->text));
        c->type = arena_strdup(s->arena, str_of(c->type));
        return c->text && c->type ? 0 : arena_failed(s->arena, "a position", e);
}

/* What cannot be read is as good as nothing: everything is read then. */
static int take_stored(struct pg_since *s, struct str text, struct err *e)
{
        s->has_stored = false;
        s->refused =
                text.len ? "what is stored of the cursor cannot be read" : "there is no cursor yet";
        int rc = text.len ? pg_position_parse(text, s->arena, &s->stored, e) : -ERR_CONFIG;
        if (rc == -ERR_NOMEM)
                return rc;
        s->has_stored = rc == 0;
        if (s->has_stored)
                s->refused = NULL;
        return 0;
}

int pg_since_prepare(struct pg_since *s, const struct pg_target *targets, size_t count,
        const struct source_watch *watch, struct err *e)
{
        int rc = 0;

        arena_reset(s->arena);
        s->x = NULL;
        s->count = count;
        s->zone = watch->zone;
        s->lookback_ms = targets[0].x->lookback_ms;
        s->ahead[0] = '\0';
        for (size_t i = 0; !rc && i < count; i++)
                rc = take_cursor(s, i, &targets[i], watch->zone, e);
        if (!rc)
                rc = take_stored(s, watch->position, e);
        return rc;
}

bool pg_since_needs_latest(const struct pg_since *s, size_t i)
{
        const struct pg_cursor *is = &s->cursors[i], *was = &s->stored.cursors[i];

        if (!pg_cursor_is_ordered(is->kind))
                return false;
        return s->refused || i >= s->stored.count || !was->value || was->kind != is->kind ||
               strcmp(was->text, is->text) != 0;
}

int pg_since_latest(struct pg_since *s, size_t i, struct str value, struct err *e)
{
        if (!value.ptr || !pg_cursor_may_follow(s->cursors[i].kind, value))
                return 0;
        s->cursors[i].latest = arena_strdup(s->arena, value);
        return s->cursors[i].latest ? 0 : arena_failed(s->arena, "a position", e);
}

/* ---- the observation ---- */

/* Where a read from the position would begin; without a start for the parent there is none. */
static void judge(struct pg_since *s, bool behind, struct source_observation *out)
{
        for (size_t i = 0; i < s->count; i++)
                s->from[i] = pg_position_from(&s->position, i, s->lookback_ms);
        out->usable = !s->refused && s->from[0];
        out->behind = behind;
        snprintf(out->why, sizeof(out->why), "%s",
                s->refused    ? s->refused
                : !s->from[0] ? "no cursor could be set yet"
                              : "");
        snprintf(out->cursor, sizeof(out->cursor), "%s", s->from[0] ? s->from[0] : "");
}

int pg_since_observe(
        struct pg_since *s, struct pg_conn *c, struct source_observation *out, struct err *e)
{
        struct pg_observation now;
        int rc = pg_observe(c, s->arena, &now, e);

        if (rc)
                return rc;
        if (s->has_stored)
                s->refused = pg_position_refused(&s->stored, &now, s->cursors, s->count, s->zone);
        const struct pg_position *before = s->refused ? NULL : &s->stored;
        rc = pg_position_observe(before, &now, s->cursors, s->count, s->zone, s->arena,
                &s->position, out->held, sizeof(out->held), e);
        if (!rc)
                judge(s, s->has_stored && pg_position_is_behind(&s->stored, &now), out);
        return rc;
}

/* ---- the read, and after it ---- */

void pg_since_begin(struct pg_since *s, bool full)
{
        s->full = full;
        for (size_t i = 0; i < PG_POSITION_STREAMS; i++) {
                buf_clear(&s->seen[i]);
                s->has_seen[i] = false;
        }
}

int pg_since_saw(struct pg_since *s, size_t i, struct value v, struct err *e)
{
        struct buf *seen = &s->seen[i];
        enum pg_cursor_kind kind = s->position.cursors[i].kind;
        struct str value = {v.ptr, v.len};

        if (!v.ptr || (s->has_seen[i] && pg_cursor_compare(kind, value, buf_str(seen)) <= 0))
                return 0;
        if (v.len > PG_CURSOR_MAX_BYTES)
                return err_set(
                        e, ERR_REJECT, "a value of it has %u bytes: that is no cursor", v.len);
        if (!pg_cursor_may_follow(kind, value))
                return 0;
        buf_clear(seen);
        buf_put(seen, v.ptr, v.len);
        s->has_seen[i] = true;
        return buf_check(seen, "cursor", e);
}

static void note_ahead(struct pg_since *s, const struct pg_progress *done)
{
        int i = pg_position_ahead(&s->position, done);

        if (i >= 0)
                snprintf(s->ahead, sizeof(s->ahead),
                        "%s is up to %.*s, later than the source's clock",
                        s->position.cursors[i].text, STR_ARG(done->seen[i]));
}

int pg_since_position(struct pg_since *s, struct buf *out, struct err *e)
{
        struct str seen[PG_POSITION_STREAMS] = {{0}};
        struct pg_progress done = {
                .seen = seen, .zone = s->zone, .lookback_ms = s->lookback_ms, .full = s->full};

        if (!s->x)
                return err_set(e, ERR_BUG, "a position without an observation");
        for (size_t i = 0; i < s->count; i++)
                if (s->has_seen[i])
                        seen[i] = buf_str(&s->seen[i]);
        note_ahead(s, &done);
        int rc = pg_position_advance(&s->position, &done, s->arena, e);
        s->x = NULL; /* an observation is good for one read */
        return rc ? rc : pg_position_print(&s->position, out, e);
}
