/*
 * A position is made in two steps. The observation before a read says how far cursors could go, by
 * what was open then; the read says how far there was something. Nothing moves before the read is
 * over: what ended just before the observation is delivered by this very read, from where the
 * last one left the cursor.
 */
#include "ingest/source/postgres/position.h"

#include <stdio.h>

#define MARGIN_US      (10 * PG_SECOND_US) /* several transactions in one message share a now() */
#define PATIENCE_US    (60 * PG_SECOND_US) /* open for longer, it is worth a line in the log */
#define AHEAD_US       (60 * PG_SECOND_US) /* clocks of applications may differ by as much */
#define LOOKBACK_PARTS 16 /* as many steps of an ordered cursor are remembered per lookback */

/* ---- judging a stored position ---- */

static const char *cursor_refused(
        const struct pg_cursor *was, const struct pg_cursor *is, const char *latest_possible)
{
        if (was->kind != is->kind)
                return "a cursor has another type";
        if (is->kind == PG_CURSOR_NONE)
                return NULL;
        if (strcmp(was->type, is->type) != 0)
                return "a cursor has another type";
        if (strcmp(was->text, is->text) != 0)
                return "the mapper has another cursor";
        if (latest_possible && was->value &&
                pg_cursor_compare(was->kind, str_of(was->value), str_of(latest_possible)) > 0)
                return "the cursor is in the future";
        return NULL;
}

static const char *cursors_refused(const struct pg_position *p, const struct pg_observation *now,
        const struct pg_cursor *cursors, size_t count, const struct tz *zone)
{
        char ceiling[PG_CURSOR_TIME_BYTES];

        for (size_t i = 0; i < count; i++) {
                enum pg_cursor_kind kind = cursors[i].kind;
                bool zoneless = kind == PG_CURSOR_LOCAL || kind == PG_CURSOR_DATE;
                const char *latest = pg_cursor_is_time(kind)
                                             ? pg_cursor_ceiling(kind, now->now_us, zone, ceiling)
                                             : NULL;
                if (zoneless && strcmp(p->zone, zone ? tz_name(zone) : "") != 0)
                        return "the mapper has another time zone";
                const char *refused = cursor_refused(&p->cursors[i], &cursors[i], latest);
                if (refused)
                        return refused;
        }
        return NULL;
}

static bool is_same_database(const struct pg_position *p, const struct pg_observation *now)
{
        return p->database == now->database && strcmp(p->system, now->system) == 0;
}

const char *pg_position_refused(const struct pg_position *p, const struct pg_observation *now,
        const struct pg_cursor *cursors, size_t count, const struct tz *zone)
{
        if (!is_same_database(p, now))
                return "the source is another database than at the last run";
        if (p->timeline && now->timeline && p->timeline != now->timeline)
                return "the source was restored, or a standby took over";
        if (!now->standby && now->wal < p->wal)
                return "the source was put back to an earlier state";
        if (now->now_us < p->observed_us)
                return "the source's clock went backwards";
        if (p->count != count)
                return "the mapper has other children";
        return cursors_refused(p, now, cursors, count, zone);
}

bool pg_position_is_behind(const struct pg_position *p, const struct pg_observation *now)
{
        return now->standby && now->wal < p->wal && is_same_database(p, now) &&
               (now->timeline <= p->timeline || !p->timeline);
}

/* The value of the newest checkpoint that is older than the lookback; the oldest one that is known
 * where none is. */
const char *pg_position_from(const struct pg_position *p, size_t i, int64_t lookback_ms)
{
        const struct pg_cursor *c = &p->cursors[i];
        const char *from = c->value;

        if (!pg_cursor_is_ordered(c->kind) || lookback_ms == 0 || !from)
                return from;
        for (size_t k = p->past_count; k-- > 0;) {
                if (p->past[k].values[i])
                        from = p->past[k].values[i];
                if (p->past[k].at_us <= p->observed_us - lookback_ms * 1000)
                        break;
        }
        return from;
}

/* ---- before a read ---- */

struct step {
        const struct pg_position *before;
        const struct pg_observation *now;
        struct arena *arena;
        struct pg_position *p;
};

static int no_room(const struct arena *arena, struct err *e)
{
        return arena_failed(arena, "a position", e);
}

static bool restarted(const struct step *s)
{
        return s->before && s->before->server_start_us != s->now->server_start_us;
}

/* The part of a virtual transaction id before the slash. */
static struct str backend_of(const char *id)
{
        const char *slash = strchr(id, '/');

        return (struct str){id, slash ? (size_t)(slash - id) : strlen(id)};
}

/* When a transaction whose start is hidden began at the earliest: after the last observation in
 * which its backend had none. */
static int64_t hidden_start(const struct step *s, const struct pg_open_transaction *t)
{
        if (!s->before)
                return PG_START_HIDDEN;
        if (restarted(s))
                return s->now->server_start_us;
        for (size_t i = 0; i < s->before->open_count; i++)
                if (str_eq(backend_of(s->before->open[i].id), backend_of(t->id)))
                        return s->before->open[i].start_us;
        return s->before->observed_us;
}

/* Notes who is open since when. Return: index of the one that holds time cursors back; -1: none;
 * -2: out of room. */
static int note_open(struct step *s)
{
        const struct pg_observation *now = s->now;
        struct pg_bound *bounds = arena_array(s->arena, now->open_count + 1, sizeof(*bounds));
        int holder = -1;

        if (!bounds)
                return -2;
        s->p->cap_us = now->now_us;
        for (size_t i = 0; i < now->open_count; i++) {
                const struct pg_open_transaction *t = &now->open[i];
                int64_t start = t->start_us;
                if (start == PG_START_HIDDEN)
                        start = hidden_start(s, t);
                bounds[i] = (struct pg_bound){t->id, start};
                if (start >= s->p->cap_us)
                        continue;
                s->p->cap_us = start; /* PG_START_HIDDEN is the least of all */
                holder = (int)i;
        }
        s->p->open = bounds;
        s->p->open_count = now->open_count;
        return holder;
}

static void say_held(const struct step *s, int holder, char *held, size_t size)
{
        held[0] = '\0';
        if (s->now->prepared)
                snprintf(held, size, "the prepared transaction %s", s->now->prepared);
        else if (holder >= 0 && s->p->cap_us == PG_START_HIDDEN)
                snprintf(held, size, "a transaction of %s, whose start this role may not see",
                        s->now->open[holder].holder);
        else if (holder >= 0 && s->p->cap_us < s->now->now_us - PATIENCE_US)
                snprintf(held, size, "a transaction of %s, open for %lld s",
                        s->now->open[holder].holder,
                        (long long)((s->now->now_us - s->p->cap_us) / PG_SECOND_US));
}

static bool is_open(const struct pg_observation *now, const char *id)
{
        for (size_t i = 0; i < now->open_count; i++)
                if (strcmp(now->open[i].id, id) == 0)
                        return true;
        return false;
}

static void push_waiting(struct pg_position *p, const struct pg_waiting *w)
{
        /* Full: the newest one is replaced, so that old ones still come to their end. */
        if (p->waiting_count == PG_POSITION_WAITING)
                p->waiting_count--;
        p->waiting[p->waiting_count++] = *w;
}

/* Those observations of before, with what is still open of them. */
static int carry_waiting(struct step *s, struct err *e)
{
        for (size_t k = 0; s->before && k < s->before->waiting_count; k++) {
                const struct pg_waiting *old = &s->before->waiting[k];
                struct pg_waiting w = *old;
                w.open = arena_array(s->arena, old->open_count + 1, sizeof(*w.open));
                if (!w.open)
                        return no_room(s->arena, e);
                w.open_count = 0;
                for (size_t i = 0; !restarted(s) && i < old->open_count; i++)
                        if (is_open(s->now, old->open[i]))
                                w.open[w.open_count++] = old->open[i];
                push_waiting(s->p, &w);
        }
        return 0;
}

/* This observation is later than the last snapshot: the largest values of that one count once all
 * who are open now have ended. */
static int add_waiting(struct step *s, struct err *e)
{
        struct pg_waiting w = {.open_count = s->now->open_count};
        bool any = false;

        for (size_t i = 0; i < s->p->count; i++) {
                w.values[i] = s->p->cursors[i].latest;
                any |= w.values[i] != NULL;
        }
        if (!any)
                return 0;
        w.open = arena_array(s->arena, w.open_count + 1, sizeof(*w.open));
        if (!w.open)
                return no_room(s->arena, e);
        for (size_t i = 0; i < w.open_count; i++)
                w.open[i] = s->now->open[i].id;
        push_waiting(s->p, &w);
        return 0;
}

/* The newest observation whose transactions have all ended says how far ordered cursors go. Not
 * now: what those transactions wrote is behind it, and comes with the read that follows. */
static void settle_waiting(struct step *s)
{
        struct pg_position *p = s->p;
        size_t done = p->waiting_count;

        while (done > 0 && p->waiting[done - 1].open_count > 0)
                done--;
        if (done == 0 || s->now->prepared)
                return;
        const struct pg_waiting w = p->waiting[done - 1];
        for (size_t i = 0; i < p->count; i++)
                if (pg_cursor_is_ordered(p->cursors[i].kind) && w.values[i])
                        p->cursors[i].next = w.values[i];
        p->waiting_count -= done;
        memmove(p->waiting, p->waiting + done, p->waiting_count * sizeof(w));
}

static void begin(
        struct step *s, const struct pg_cursor *cursors, size_t count, const struct tz *zone)
{
        const struct pg_observation *now = s->now;
        struct pg_position *p = s->p;

        *p = (struct pg_position){.system = now->system,
                .zone = zone ? tz_name(zone) : "",
                .timeline = now->timeline,
                .database = now->database,
                .server_start_us = now->server_start_us,
                .wal = now->wal,
                .observed_us = now->now_us,
                .prepared = now->prepared != NULL,
                .count = count};
        for (size_t i = 0; i < count; i++) {
                struct pg_cursor *c = &p->cursors[i];
                *c = cursors[i];
                c->value = s->before ? s->before->cursors[i].value : NULL;
                if (!c->latest && s->before)
                        c->latest = s->before->cursors[i].latest;
        }
        if (s->before) {
                memcpy(p->past, s->before->past, sizeof(p->past));
                p->past_count = s->before->past_count;
        }
}

static bool has_ordered(const struct pg_position *p)
{
        for (size_t i = 0; i < p->count; i++)
                if (pg_cursor_is_ordered(p->cursors[i].kind))
                        return true;
        return false;
}

int pg_position_observe(const struct pg_position *before, const struct pg_observation *now,
        const struct pg_cursor *cursors, size_t count, const struct tz *zone, struct arena *arena,
        struct pg_position *out, char *held, size_t size, struct err *e)
{
        struct step s = {before, now, arena, out};

        begin(&s, cursors, count, zone);
        int holder = note_open(&s);
        if (holder < -1)
                return no_room(arena, e);
        say_held(&s, holder, held, size);
        if (!has_ordered(out))
                return 0;
        int rc = carry_waiting(&s, e);
        if (!rc) {
                settle_waiting(&s); /* makes room */
                rc = add_waiting(&s, e);
        }
        if (!rc)
                settle_waiting(&s);
        return rc;
}

/* ---- after it ---- */

static bool is_below(const struct pg_cursor *c, struct str a, const char *b)
{
        return b && pg_cursor_compare(c->kind, a, str_of(b)) < 0;
}

/* What was true of the value stays true: later stamps are not below it. So it goes back with a
 * full read only; rows that came along with others' changes may all be old. */
static int advance_time(struct pg_position *p, struct pg_cursor *c, struct str seen,
        const struct pg_progress *done, struct arena *arena, struct err *e)
{
        static const struct str long_past = {"-infinity", sizeof("-infinity") - 1};
        char text[PG_CURSOR_TIME_BYTES];

        if (p->prepared || p->cap_us == PG_START_HIDDEN)
                return 0;
        int64_t cap_us = p->cap_us > MARGIN_US ? p->cap_us - MARGIN_US : 0;
        const char *cap = pg_cursor_floor(c->kind, cap_us, done->zone, text);
        struct str to = is_below(c, seen, cap) ? seen : str_of(cap);
        /* No lookback can be taken off the first of all dates. */
        if (pg_cursor_compare(c->kind, to, long_past) <= 0)
                to = long_past;
        if (!done->full && is_below(c, to, c->value))
                return 0;
        c->value = arena_strdup(arena, to);
        return c->value ? 0 : no_room(arena, e);
}

/* All was read and nothing was above @seen: a sequence that began anew, rows that are gone. */
static void go_back(struct pg_position *p, size_t i, const char *seen)
{
        struct pg_cursor *c = &p->cursors[i];
        struct str limit = str_of(seen);

        if (is_below(c, limit, c->value))
                c->value = seen;
        for (size_t k = 0; k < p->waiting_count; k++)
                if (is_below(c, limit, p->waiting[k].values[i]))
                        p->waiting[k].values[i] = seen;
        for (size_t k = 0; k < p->past_count; k++)
                if (is_below(c, limit, p->past[k].values[i]))
                        p->past[k].values[i] = seen;
}

static int advance_ordered(struct pg_position *p, size_t i, const struct pg_progress *done,
        struct arena *arena, struct err *e)
{
        struct pg_cursor *c = &p->cursors[i];
        struct str seen = done->seen[i];

        if (c->next)
                c->value = c->next;
        c->next = NULL;
        if (!seen.ptr || (!done->full && is_below(c, seen, c->latest)))
                return 0;
        const char *latest = arena_strdup(arena, seen);
        if (!latest)
                return no_room(arena, e);
        c->latest = latest;
        if (done->full)
                go_back(p, i, latest);
        return 0;
}

/* One step is kept per LOOKBACK_PARTS-th of the lookback, and the last one before it. */
static void note_past(struct pg_position *p, int64_t lookback_us)
{
        struct pg_past step = {.at_us = p->observed_us};

        for (size_t i = 0; i < p->count; i++)
                step.values[i] =
                        pg_cursor_is_ordered(p->cursors[i].kind) ? p->cursors[i].value : NULL;
        while (p->past_count > 1 && p->past[1].at_us <= p->observed_us - lookback_us) {
                p->past_count--;
                memmove(p->past, p->past + 1, p->past_count * sizeof(step));
        }
        size_t n = p->past_count;
        bool dense =
                n > 1 && p->past[n - 1].at_us - p->past[n - 2].at_us < lookback_us / LOOKBACK_PARTS;
        if (dense || n == PG_POSITION_PAST)
                n--;
        p->past[n] = step;
        p->past_count = n + 1;
}

int pg_position_advance(
        struct pg_position *p, const struct pg_progress *done, struct arena *arena, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; !rc && i < p->count; i++) {
                struct pg_cursor *c = &p->cursors[i];
                if (done->seen[i].ptr && pg_cursor_is_time(c->kind))
                        rc = advance_time(p, c, done->seen[i], done, arena, e);
                else if (pg_cursor_is_ordered(c->kind))
                        rc = advance_ordered(p, i, done, arena, e);
        }
        if (!rc && has_ordered(p))
                note_past(p, done->lookback_ms * 1000);
        return rc;
}

int pg_position_ahead(const struct pg_position *p, const struct pg_progress *done)
{
        char text[PG_CURSOR_TIME_BYTES];

        for (size_t i = 0; i < p->count; i++) {
                enum pg_cursor_kind kind = p->cursors[i].kind;
                if (!done->seen[i].ptr || !pg_cursor_is_time(kind))
                        continue;
                const char *clock =
                        pg_cursor_ceiling(kind, p->observed_us + AHEAD_US, done->zone, text);
                if (pg_cursor_compare(kind, done->seen[i], str_of(clock)) > 0)
                        return (int)i;
        }
        return -1;
}
