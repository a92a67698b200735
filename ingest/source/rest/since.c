/*
 * What is known before any request is sent: the stored position, and the mark of a read that was
 * cut short. Both are doubted: one that does not hold costs a read of everything.
 */
#include "ingest/source/rest/since.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "ingest/base/clock.h"
#include "ingest/record/json_scan.h"

#define ARENA_MAX    (16 << 20)
#define MARK_MAX     (1 << 20)
#define ORIGIN_MAX   (64 << 10)
#define POSITION_MAX (64 << 10)

/* ---- which source it is ---- */

static void hash_pairs(XXH3_state_t *h, const struct rest_pairs *pairs)
{
        for (size_t i = 0; i < pairs->count; i++) {
                XXH3_64bits_update(h, pairs->items[i].name, strlen(pairs->items[i].name) + 1);
                XXH3_64bits_update(h, pairs->items[i].value, strlen(pairs->items[i].value) + 1);
        }
}

/* Company and tenant stand in headers and parameters, which may be secret: their hash will do. */
static int set_origin(struct rest_since *since, const struct rest_options *o, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(ORIGIN_MAX);
        XXH3_state_t *h = o->headers.count + o->params.count ? XXH3_createState() : NULL;

        buf_puts(&text, o->url);
        if (h) {
                XXH3_64bits_reset(h);
                hash_pairs(h, &o->headers);
                XXH3_64bits_update(h, "", 1);
                hash_pairs(h, &o->params);
                buf_printf(&text, " %016" PRIx64, (uint64_t)XXH3_64bits_digest(h));
                XXH3_freeState(h);
        }
        int rc = buf_check(&text, "a position", e);
        if (rc)
                return rc;
        since->origin = arena_strdup(since->arena, buf_str(&text));
        return since->origin ? 0 : arena_failed(since->arena, "a position", e);
}

/* ---- marks ---- */

static int member_text(struct rest_since *since, struct str json, struct str *out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(MARK_MAX);
        int rc = json_unquote(json, &text, e);

        if (rc)
                return rc;
        *out = arena_dup(since->arena, buf_str(&text));
        return out->ptr ? 0 : arena_failed(since->arena, "a mark", e);
}

struct mark {
        struct str origin, pager, from, seen;
        int64_t server_us, began_us;
};

static int take_member(
        struct rest_since *since, struct str key, struct str value, struct mark *m, struct err *e)
{
        const struct {
                const char *key;
                struct str *text;
                int64_t *number;
        } members[] = {
                {"\"origin\"", &m->origin, NULL},
                {"\"page\"", &m->pager, NULL},
                {"\"from\"", &m->from, NULL},
                {"\"seen\"", &m->seen, NULL},
                {"\"clock\"", NULL, &m->server_us},
                {"\"began\"", NULL, &m->began_us},
        };

        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                if (!str_is(key, members[i].key))
                        continue;
                if (members[i].text)
                        return member_text(since, value, members[i].text, e);
                if (!str_to_int64(value, members[i].number))
                        return err_set(e, ERR_REJECT, "the mark has a clock that is none");
        }
        return 0;
}

static int parse_mark(struct rest_since *since, struct str text, struct mark *m, struct err *e)
{
        struct json_walk w;
        struct str key, value;
        int rc = 0;

        if (!json_walk_open(&w, text, '{'))
                return err_set(e, ERR_REJECT, "the mark is no object");
        while (!rc && json_walk_next(&w, &key, &value))
                rc = take_member(since, key, value, m, e);
        if (!rc && (w.bad || !m->pager.ptr || !m->seen.ptr || !m->origin.ptr))
                rc = err_set(e, ERR_REJECT, "the mark is not whole");
        return rc;
}

static int take_mark(
        struct rest_since *since, const struct source_watch *watch, bool usable, struct err *e)
{
        cleanup_(rest_progress_freep) struct rest_progress *seen = NULL;
        struct mark m = {.server_us = -1};
        int rc = parse_mark(since, watch->mark, &m, e);

        if (rc)
                return rc;
        if (!str_is(m.origin, since->origin))
                return err_set(e, ERR_REJECT, "it was read from another source");
        if (!watch->mark_full && (!usable || !m.from.ptr))
                return err_set(e, ERR_REJECT, "it is of a read of what changed");
        seen = rest_progress_new(&rest_own(since->x)->cursor, since->zone, e);
        rc = seen ? rest_progress_parse(seen, m.seen, e) : -ERR_NOMEM;
        if (rc)
                return rc;
        since->from = watch->mark_full ? (struct str){0} : m.from;
        since->server_us = m.server_us;
        since->began_us = m.began_us;
        since->pager_mark = m.pager;
        since->seen_mark = m.seen;
        since->resumes = true;
        return 0;
}

static void put_member(struct buf *out, const char *name, struct str text)
{
        buf_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
        json_put_lossy(out, text);
}

int rest_since_mark(
        struct rest_since *since, const struct rest_walk *walk, struct buf *out, struct err *e)
{
        cleanup_buf_ struct buf page = BUF_INIT(MARK_MAX);
        cleanup_buf_ struct buf seen = BUF_INIT(MARK_MAX);
        int rc = rest_walk_mark(walk, &page, e);

        if (!rc)
                rc = rest_progress_print(since->seen, &seen, e);
        if (rc)
                return rc;
        buf_putc(out, '{');
        put_member(out, "origin", str_of(since->origin));
        put_member(out, "page", buf_str(&page));
        if (since->from.ptr && !since->full)
                put_member(out, "from", since->from);
        put_member(out, "seen", buf_str(&seen));
        buf_printf(out, ",\"clock\":%lld,\"began\":%lld}", (long long)since->server_us,
                (long long)since->began_us);
        return buf_check(out, "a mark", e);
}

/* ---- observation ---- */

static int take_position(struct rest_since *since, const struct source_watch *watch,
        struct source_observation *out, struct err *e)
{
        const struct rest_cursor_spec *spec = &rest_own(since->x)->cursor;
        struct rest_position *p;
        struct err cause;

        if (!watch->position.len) {
                snprintf(out->why, sizeof(out->why), "no position is stored");
                return 0;
        }
        int rc = rest_position_parse(watch->position, since->arena, &p, &cause);
        if (rc == -ERR_CONFIG) {
                snprintf(out->why, sizeof(out->why), "%.*s", (int)sizeof(out->why) - 1, cause.text);
                return 0;
        }
        if (rc) {
                *e = cause;
                return rc;
        }
        const char *why = rest_position_refused(p, since->origin, spec, since->zone);
        if (why) {
                snprintf(out->why, sizeof(out->why), "%.*s", (int)sizeof(out->why) - 1, why);
                return 0;
        }
        since->before = p;
        return 0;
}

/* Return: 0; REST_ABSENT; -class. */
static int from_text(struct rest_since *since, int64_t lookback_ms, struct str *out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(POSITION_MAX);
        int rc = rest_position_from(since->before, &rest_own(since->x)->cursor, lookback_ms,
                since->zone, clock_wall_us(), &text, e);

        if (!rc)
                rc = buf_check(&text, "a cursor", e);
        if (rc)
                return rc;
        *out = arena_dup(since->arena, buf_str(&text));
        return out->ptr ? 0 : arena_failed(since->arena, "a cursor", e);
}

static int take_from(struct rest_since *since, struct source_observation *out, struct err *e)
{
        struct str shown = {0};
        int rc = from_text(since, since->x->lookback_ms, &since->from, e);

        if (rc == REST_ABSENT) {
                snprintf(out->why, sizeof(out->why), "no record had a cursor value yet");
                return 0;
        }
        if (!rc)
                rc = from_text(since, 0, &shown, e);
        if (rc == REST_ABSENT) { /* of integers, nothing is proved without a lookback */
                shown = since->from;
                rc = 0;
        }
        if (rc)
                return rc;
        out->usable = true;
        snprintf(out->cursor, sizeof(out->cursor), "%.*s", STR_ARG(shown));
        return 0;
}

static int observe(struct rest_source *s, struct rest_since *since,
        const struct source_watch *watch, struct source_observation *out, struct err *e)
{
        struct err cause;
        int rc = set_origin(since, s->options, e);

        if (!rc)
                rc = take_position(since, watch, out, e);
        if (!rc && since->before && rest_own(since->x)->cursor.kind != REST_CURSOR_NONE)
                rc = take_from(since, out, e);
        else if (!rc && since->before)
                snprintf(out->why, sizeof(out->why), "the mapper has no cursor");
        if (rc || !watch->mark.len)
                return rc;
        rc = take_mark(since, watch, out->usable, &cause);
        if (!rc)
                out->resumes = true;
        else if (rc == -ERR_NOMEM)
                *e = cause;
        else
                log_info(s->log, "the last read does not go on where it stopped: %s", cause.text);
        return rc == -ERR_NOMEM ? rc : 0;
}

int rest_since_new(struct rest_source *s, const struct extract *x, const struct source_watch *watch,
        struct source_observation *out, struct rest_since **since, struct err *e)
{
        cleanup_(rest_since_freep) struct rest_since *new = calloc(1, sizeof(*new));

        if (!new)
                return err_nomem(e, "a position");
        new->x = x;
        new->zone = watch->zone;
        new->server_us = -1;
        new->arena = arena_new(ARENA_MAX);
        if (!new->arena)
                return err_nomem(e, "a position");
        int rc = observe(s, new, watch, out, e);
        if (!rc)
                *since = TAKE(new);
        return rc;
}

struct rest_since *rest_since_free(struct rest_since *since)
{
        if (!since)
                return NULL;
        rest_progress_free(since->seen);
        arena_free(since->arena);
        free(since);
        return NULL;
}

/* ---- reads ---- */

int rest_since_begin(struct rest_since *since, bool full, struct err *e)
{
        since->seen = rest_progress_free(since->seen);
        since->seen = rest_progress_new(&rest_own(since->x)->cursor, since->zone, e);
        if (!since->seen)
                return -ERR_NOMEM;
        since->full = full;
        since->ended_us = -1;
        if (since->resumes)
                return rest_progress_parse(since->seen, since->seen_mark, e);
        since->server_us = -1;
        since->began_us = clock_wall_us();
        return 0;
}

void rest_since_clock(struct rest_since *since, int64_t server_us)
{
        if (since->server_us < 0)
                since->server_us = server_us;
}

void rest_since_finished(struct rest_since *since)
{
        since->ended_us = clock_wall_us();
}

int rest_since_position(struct rest_since *since, struct buf *out, struct err *e)
{
        struct rest_finished done = {
                .origin = since->origin,
                .began_us = since->server_us >= 0 ? since->server_us : since->began_us,
                .lookback_ms = since->x->lookback_ms,
                .full = since->full,
        };

        if (!since->seen || since->ended_us < 0)
                return err_set(e, ERR_BUG, "a position without a read that finished");
        int64_t took_us = since->ended_us - since->began_us;
        done.ended_us = done.began_us + (took_us > 0 ? took_us : 0);
        int rc = rest_position_advance(since->before, &rest_own(since->x)->cursor, since->zone,
                since->seen, &done, since->arena, &since->after, e);
        return rc ? rc : rest_position_print(since->after, out, e);
}
