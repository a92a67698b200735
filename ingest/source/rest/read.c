/*
 * Records come from pages (rest_walk) or from calls by key (rest_keys), are taken one at a time
 * (take), and leave on one of three ways: as they come; in groups (group.h); or through the window
 * where their children are fetched (rest_child). Whatever is taken is kept until the sink has it:
 * so the walk need not know that a sink may refuse.
 *
 * All that happens between callbacks happens in pump(), from one timer: on_end is the last thing
 * there, and the read is freed with the next call to the source.
 */
#include "ingest/source/rest/read_internal.h"

#include <stdio.h>

#define ARENA_MAX     (64 << 20) /* columns, and keys that are looked for in pages */
#define KEY_MAX_BYTES (1 << 20)  /* of the key of a reject: then it is not known */

void read_wake(void *ctx)
{
        loop_timer_soon(((struct rest_read *)ctx)->soon);
}

/* ---- ending ---- */

void read_stop(struct rest_read *r, int rc, const struct err *e)
{
        if (r->stopping || r->ended)
                return;
        r->stopping = true;
        r->rc = rc;
        if (rc)
                r->err = *e;
        if (r->walk && !rest_walk_ended(r->walk))
                rest_walk_cancel(r->walk);
        if (r->keys)
                rest_keys_cancel(r->keys);
        if (r->children)
                rest_children_cancel(r->children);
        read_wake(r);
}

static bool is_idle(const struct rest_read *r)
{
        return (!r->walk || rest_walk_ended(r->walk)) && (!r->keys || rest_keys_idle(r->keys)) &&
               (!r->children || rest_children_idle(r->children));
}

static void finish_well(struct rest_read *r)
{
        const char *doubt = r->walk && !r->enough ? rest_walk_doubt(r->walk) : "";

        if (doubt[0])
                log_warn(r->source->log, "%s: records may be missing", doubt);
        else if (r->unreadable && !r->enough)
                doubt = "a record came without its key";
        snprintf(r->source->doubt, sizeof(r->source->doubt), "%s", doubt);
        if (r->since)
                rest_since_finished(r->since);
}

static void end(struct rest_read *r)
{
        r->ended = true;
        if (!r->rc)
                finish_well(r);
        else
                err_wrap(&r->err, r->rc, "source %s", r->source->config->name);
        if (r->sink.on_end)
                r->sink.on_end(r->sink.ctx, r->rc, r->rc ? &r->err : NULL);
}

static void read_free(struct rest_read *r)
{
        if (!r)
                return;
        assembler_free(r->assembler);
        rest_children_free(r->children);
        rest_keys_free(r->keys);
        rest_walk_free(r->walk);
        rest_rows_deinit(r->rows);
        free(r->ahead.bytes);
        free(r->held.bytes);
        buf_deinit(&r->key);
        loop_timer_free(r->soon);
        arena_free(r->arena);
        free(r);
}

/* ---- the one place where things move on ---- */

static int take_found(struct rest_read *r, struct err *e)
{
        struct rest_found f;

        while (!r->paused && !(r->children && rest_children_full(r->children))) {
                int rc = rest_keys_next(r->keys, &f, e);

                if (rc == REST_KEYS_END)
                        r->input_ended = true;
                if (rc)
                        return rc < 0 ? rc : 0;
                rc = f.oversize ? read_take_oversize(r, f.text, e) : read_take(r, f.text, f.key, e);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static int flush(struct rest_read *r, struct err *e)
{
        int rc = r->held.bytes ? read_give_held(r, e) : 0;

        if (rc < 0)
                return rc;
        if (r->assembler)
                return read_flush_groups(r, e);
        return r->children ? read_flush_parents(r, e) : 0;
}

static int move_on(struct rest_read *r, struct err *e)
{
        int rc = flush(r, e);

        if (rc || r->paused || r->input_ended)
                return rc;
        if (r->walk && !(r->children && rest_children_full(r->children)))
                rest_walk_resume(r->walk);
        if (r->keys)
                rc = take_found(r, e);
        return rc;
}

static bool is_drained(struct rest_read *r)
{
        struct rest_parent p;
        struct err ignored;

        if (!r->input_ended || r->paused || r->held.bytes || (r->assembler && !r->group_ended))
                return false;
        return !r->children || rest_children_head(r->children, &p, &ignored) == REST_CHILDREN_NONE;
}

static void pump(struct rest_read *r)
{
        struct err e;

        if (r->ended)
                return;
        if (!r->stopping) {
                bool ended = r->input_ended;
                int rc = move_on(r, &e);

                if (rc < 0)
                        read_stop(r, rc, &e);
                else if (r->input_ended && !ended)
                        read_wake(r); /* the last group, or parent */
        }
        if ((r->stopping || is_drained(r)) && is_idle(r))
                end(r);
}

static void on_soon(void *ctx)
{
        pump(ctx);
}

/* ---- operations ---- */

static int take_since(struct rest_read *r, struct err *e)
{
        struct rest_since *since = r->source->since;

        if (r->what > REST_SINCE || !since || since->x != r->x)
                return r->what == REST_SINCE
                               ? err_set(e, ERR_BUG, "a read since nothing that was observed")
                               : 0;
        r->since = since;
        return rest_since_begin(since, r->what == REST_ALL, e);
}

static int init(struct rest_read *r, const struct rest_reading *reading, struct err *e)
{
        enum rest_rows_of rows = r->what == REST_KEYS      ? REST_ROWS_KEYS
                                 : r->what == REST_DELETED ? REST_ROWS_DELETED
                                                           : REST_ROWS_RECORDS;

        buf_init(&r->key, KEY_MAX_BYTES);
        r->arena = arena_new(ARENA_MAX);
        if (!r->arena)
                return err_nomem(e, "a read");
        int rc = rest_rows_new(r->x, r->shape, rows, r->arena, &r->rows, e);
        if (!rc)
                rc = loop_timer_new(r->source->loop, on_soon, r, &r->soon, e);
        if (!rc)
                rc = take_since(r, e);
        if (!rc)
                rc = read_start_way_out(r, e);
        return rc ? rc : read_start_input(r, reading, e);
}

int rest_read_start(struct rest_source *s, const struct extract *x, const struct shape *shape,
        const struct rest_reading *reading, const struct source_sink *sink,
        struct source_read **out, struct err *e)
{
        struct rest_read *r = calloc(1, sizeof(*r));

        rest_reads_reap(s, false);
        if (!r)
                return err_nomem(e, "a read");
        r->base.ops = s->base.ops;
        r->source = s;
        r->x = x;
        r->shape = shape;
        r->sink = *sink;
        r->what = reading->what;
        int rc = init(r, reading, e);
        if (rc) {
                read_free(r);
                return rc;
        }
        r->next = s->reads;
        s->reads = r;
        s->doubt[0] = '\0';
        read_wake(r);
        if (out)
                *out = (struct source_read *)r;
        return 0;
}

void rest_read_resume(struct source_read *read)
{
        struct rest_read *r = (struct rest_read *)read;

        if (!r->paused)
                return;
        r->paused = false;
        read_wake(r);
}

void rest_read_cancel(struct source_read *read)
{
        struct rest_read *r = (struct rest_read *)read;
        struct err e;

        read_stop(r, err_set(&e, ERR_CANCEL, "the read was cancelled"), &e);
}

/* Where the loop does not run any more, they end with their client: see rest_close(). */
static void stop_all(struct rest_source *s)
{
        struct err e;

        for (struct rest_read *r = s->reads; r; r = r->next) {
                r->sink = (struct source_sink){0};
                if (!r->ended)
                        rest_read_cancel((struct source_read *)r);
        }
        for (struct rest_read *r = s->reads; r; r = r->next) {
                if (s->client && !r->ended && loop_run_until_done(s->loop, &r->ended, &e) < 0)
                        log_debug(s->log, "a read was left behind: %s", e.text);
                r->ended |= !s->client;
        }
}

void rest_reads_reap(struct rest_source *s, bool all)
{
        struct rest_read **link = &s->reads;

        if (all)
                stop_all(s);
        while (*link) {
                struct rest_read *r = *link;

                if (!r->ended) {
                        link = &r->next;
                        continue;
                }
                *link = r->next;
                read_free(r);
        }
}
