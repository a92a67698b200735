/*
 * Values stay text: the server wrote them and will read them again. Times of the years 1 to 9999
 * compare as bytes in the form that the server is told to use; what cannot be compared that way
 * (infinity, later years, BC) counts as being in the future or long past, and is not followed.
 */
#include "ingest/source/postgres_position.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ingest/source/row_key.h"

#define SECOND_US INT64_C(1000000)
#define MARGIN_US (10 * SECOND_US) /* several transactions in one message share a now() */
#define PATIENCE_US                                                                                \
        (60 * SECOND_US) /* a transaction open for longer is worth a line in the log               \
                          */
#define DAY_S          86400
#define ANYWHERE_S     (14 * 3600) /* no zone is further behind or ahead: dates without a zone */
#define TIME_TEXT_MAX  48
#define LOOKBACK_PARTS 16 /* as many steps of an ordered cursor are remembered per lookback */

/* ---- values ---- */

enum pg_cursor_kind pg_cursor_kind(enum col_kind kind)
{
        switch (kind) {
        case COL_TIMESTAMPTZ:
                return PG_CURSOR_INSTANT;
        case COL_TIMESTAMP:
                return PG_CURSOR_LOCAL;
        case COL_DATE:
                return PG_CURSOR_DATE;
        case COL_INT:
        case COL_NUMERIC:
                return PG_CURSOR_NUMBER;
        case COL_TEXT:
        case COL_CHAR:
                return PG_CURSOR_TEXT;
        default:
                return PG_CURSOR_NONE;
        }
}

static bool is_time(enum pg_cursor_kind kind)
{
        return kind == PG_CURSOR_INSTANT || kind == PG_CURSOR_LOCAL || kind == PG_CURSOR_DATE;
}

static bool is_ordered(enum pg_cursor_kind kind)
{
        return kind == PG_CURSOR_NUMBER || kind == PG_CURSOR_TEXT;
}

/* Which side of the years 1 to 9999 a time is on: -1, 0 within, 1. */
static int era(struct str t)
{
        if (t.len >= 3 && memcmp(t.ptr + t.len - 3, " BC", 3) == 0)
                return -1;
        if (t.len > 0 && t.ptr[0] == '-')
                return -1; /* -infinity */
        return t.len >= 10 && t.ptr[4] == '-' ? 0 : 1;
}

int pg_cursor_compare(enum pg_cursor_kind kind, struct str a, struct str b)
{
        if (kind == PG_CURSOR_NUMBER)
                return row_value_compare(ROW_ORDER_DECIMAL, (struct value){a.ptr, (uint32_t)a.len},
                        (struct value){b.ptr, (uint32_t)b.len});
        if (is_time(kind) && (era(a) || era(b)))
                return era(a) - era(b);
        return str_cmp(a, b);
}

static const char *time_text(enum pg_cursor_kind kind, int64_t s, int64_t us, char *out)
{
        struct tm tm;
        time_t t = (time_t)s;

        gmtime_r(&t, &tm);
        size_t n = strftime(
                out, TIME_TEXT_MAX, kind == PG_CURSOR_DATE ? "%Y-%m-%d" : "%Y-%m-%d %H:%M:%S", &tm);
        if (kind == PG_CURSOR_DATE)
                return out;
        snprintf(out + n, TIME_TEXT_MAX - n, ".%06d%s", (int)us,
                kind == PG_CURSOR_INSTANT ? "+00" : "");
        return out;
}

/* The instant @us as a value of @kind that no later stamp is below. */
static const char *cap_text(enum pg_cursor_kind kind, int64_t us, const struct tz *zone, char *out)
{
        int64_t s = us / SECOND_US, fraction = us % SECOND_US;

        if (kind == PG_CURSOR_INSTANT)
                return time_text(kind, s, fraction, out);
        s = zone ? tz_local_floor(zone, s) : s - ANYWHERE_S;
        if (kind == PG_CURSOR_DATE)
                return time_text(kind, s - DAY_S, 0, out);
        return time_text(kind, s, fraction, out);
}

/* ---- judging a stored position ---- */

const char *pg_position_refused(const struct pg_position *p, const struct pg_observation *now,
        const struct pg_cursor *cursors, size_t count)
{
        if (p->database != now->database || strcmp(p->system, now->system) != 0)
                return "the source is another database than at the last run";
        if (p->timeline && now->timeline && p->timeline != now->timeline)
                return "the source was restored, or a standby took over";
        if (!now->standby && now->wal < p->wal)
                return "the source was put back to an earlier state";
        if (now->now_us < p->observed_us)
                return "the source's clock went backwards";
        if (p->count != count)
                return "the mapper has other children";
        for (size_t i = 0; i < count; i++) {
                if (p->cursors[i].kind != cursors[i].kind ||
                        (cursors[i].type && strcmp(p->cursors[i].type, cursors[i].type) != 0))
                        return "a cursor has another type";
        }
        return NULL;
}

bool pg_position_is_behind(const struct pg_position *p, const struct pg_observation *now)
{
        return now->standby && now->wal < p->wal;
}

const char *pg_position_from(const struct pg_position *p, size_t i, int64_t lookback_ms)
{
        const struct pg_cursor *c = &p->cursors[i];
        const char *from = c->value;

        if (is_time(c->kind) || lookback_ms == 0 || !from)
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
                        (long long)((s->now->now_us - s->p->cap_us) / SECOND_US));
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

        if (!s->before)
                return 0;
        w.open = arena_array(s->arena, w.open_count + 1, sizeof(*w.open));
        if (!w.open)
                return no_room(s->arena, e);
        for (size_t i = 0; i < w.open_count; i++)
                w.open[i] = s->now->open[i].id;
        for (size_t i = 0; i < s->p->count; i++)
                w.values[i] = s->before->cursors[i].latest;
        push_waiting(s->p, &w);
        return 0;
}

/* The newest observation whose transactions have all ended says how far ordered cursors go. */
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
                if (is_ordered(p->cursors[i].kind) && w.values[i])
                        p->cursors[i].value = w.values[i];
        p->waiting_count -= done;
        memmove(p->waiting, p->waiting + done, p->waiting_count * sizeof(w));
}

static void begin(struct step *s, const struct pg_cursor *cursors, size_t count)
{
        const struct pg_observation *now = s->now;
        struct pg_position *p = s->p;

        *p = (struct pg_position){.system = now->system,
                .timeline = now->timeline,
                .database = now->database,
                .server_start_us = now->server_start_us,
                .wal = now->wal,
                .observed_us = now->now_us,
                .prepared = now->prepared != NULL,
                .count = count};
        for (size_t i = 0; i < count; i++) {
                p->cursors[i] = cursors[i];
                p->cursors[i].value = s->before ? s->before->cursors[i].value : NULL;
                p->cursors[i].latest = s->before ? s->before->cursors[i].latest : NULL;
        }
        if (s->before) {
                memcpy(p->past, s->before->past, sizeof(p->past));
                p->past_count = s->before->past_count;
        }
}

static bool has_ordered(const struct pg_position *p)
{
        for (size_t i = 0; i < p->count; i++)
                if (is_ordered(p->cursors[i].kind))
                        return true;
        return false;
}

int pg_position_observe(const struct pg_position *before, const struct pg_observation *now,
        const struct pg_cursor *cursors, size_t count, struct arena *arena, struct pg_position *out,
        char *held, size_t size, struct err *e)
{
        struct step s = {before, now, arena, out};

        begin(&s, cursors, count);
        int holder = note_open(&s);
        if (holder < -1)
                return no_room(arena, e);
        say_held(&s, holder, held, size);
        if (!has_ordered(out))
                return 0;
        int rc = carry_waiting(&s, e);
        if (!rc)
                rc = add_waiting(&s, e);
        if (!rc)
                settle_waiting(&s);
        return rc;
}

/* ---- after it ---- */

static int advance_time(struct pg_position *p, struct pg_cursor *c, struct str seen,
        const struct tz *zone, struct arena *arena, struct err *e)
{
        char text[TIME_TEXT_MAX];

        if (p->prepared || p->cap_us == PG_START_HIDDEN)
                return 0;
        struct str cap = str_of(cap_text(c->kind, p->cap_us - MARGIN_US, zone, text));
        c->value = arena_strdup(arena, pg_cursor_compare(c->kind, seen, cap) < 0 ? seen : cap);
        return c->value ? 0 : no_room(arena, e);
}

static int advance_ordered(struct pg_cursor *c, struct str seen, struct arena *arena, struct err *e)
{
        if (c->latest && pg_cursor_compare(c->kind, seen, str_of(c->latest)) < 0)
                return 0;
        c->latest = arena_strdup(arena, seen);
        return c->latest ? 0 : no_room(arena, e);
}

/* One step is kept per LOOKBACK_PARTS-th of the lookback, and the last one before it. */
static void note_past(struct pg_position *p, int64_t lookback_us)
{
        struct pg_past step = {.at_us = p->observed_us};

        for (size_t i = 0; i < p->count; i++)
                step.values[i] = is_ordered(p->cursors[i].kind) ? p->cursors[i].value : NULL;
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
                if (done->seen[i].ptr && is_time(c->kind))
                        rc = advance_time(p, c, done->seen[i], done->zone, arena, e);
                else if (done->seen[i].ptr && is_ordered(c->kind))
                        rc = advance_ordered(c, done->seen[i], arena, e);
        }
        if (!rc && has_ordered(p))
                note_past(p, done->lookback_ms * 1000);
        return rc;
}
