/*
 * Two failures must be told apart when on_body gives an error back: that of whoever takes the
 * records (`own`: the walk ends with it, as it is) and that of the reply's text (the page may be
 * asked for again). The client hears of either; what counts is noted here.
 */
#include "ingest/source/rest/walk_internal.h"

#include <xxhash.h>

/* ---- records ---- */

/* The record counts, and is in the hash, before it is handed on.
 * Return: 0; 1: it was handed on before the page broke; -class. */
static int pass_over(struct rest_walk *w, struct err *e)
{
        if (w->skip == 0)
                return 0;
        if (--w->skip == 0 && json_records_hash(w->records) != w->given_hash)
                return walk_changed_meanwhile(w, e);
        return 1;
}

static uint64_t hash_of(struct str bytes)
{
        return XXH3_64bits(bytes.ptr, bytes.len);
}

/* By its key; a record without one is told from others by all of it. */
static uint64_t key_hash(const struct rest_walk *w, struct str text, bool is_picked)
{
        uint64_t hash = 0;

        for (size_t i = 0; is_picked && i < w->keys; i++) {
                is_picked = w->picked[i].ptr != NULL;
                if (is_picked)
                        hash = XXH3_64bits_withSeed(w->picked[i].ptr, w->picked[i].len, hash);
        }
        return is_picked && w->keys ? hash : hash_of(text);
}

/* Return: 0; 1: it came with the page before; -class. */
static int tell_pager(struct rest_walk *w, struct str text, struct err *e)
{
        struct err ignored; /* whoever takes the record rejects it */
        bool is_picked;

        if (!w->pick)
                return 0;
        is_picked = json_pick_glance(w->pick, text, w->picked, &ignored) == 0;
        if (w->is_keyset && is_picked) {
                buf_clear(&w->last_field);
                buf_put_str(&w->last_field, w->picked[w->keys]);
                int rc = buf_check(&w->last_field, "the field of the paging", e);
                if (rc)
                        return rc;
        }
        bool known = rest_pager_record(w->pager, key_hash(w, text, is_picked), hash_of(text));
        int rc = rest_pager_in_step(w->pager, e);
        return rc ? walk_wrap(w, rc, e) : known;
}

/* Return: 0: it is to be handed on; 1: it need not; -class. */
static int judge(struct rest_walk *w, struct str text, struct err *e)
{
        int known = tell_pager(w, text, e);
        int rc = known < 0 ? known : pass_over(w, e);

        w->own |= rc < 0;
        return rc ? rc : known;
}

int walk_on_record(void *ctx, struct str text, struct err *e)
{
        struct rest_walk *w = ctx;
        int rc = judge(w, text, e);

        if (rc)
                return rc < 0 ? rc : 0;
        rc = w->plan.on_record(w->plan.ctx, text, e);
        w->own |= rc < 0;
        return rc;
}

int walk_on_oversize(void *ctx, struct str head, struct err *e)
{
        struct rest_walk *w = ctx;
        int rc = judge(w, head, e);

        if (rc)
                return rc < 0 ? rc : 0;
        rc = w->plan.on_oversize(w->plan.ctx, head, e);
        w->own |= rc < 0;
        return rc;
}

/* Return: 0; HTTP_PAUSE; -class (noted). */
static int feed(struct rest_walk *w, struct str bytes)
{
        size_t taken = 0;
        int rc = json_records_feed(w->records, bytes, &taken, &w->body_err);

        if (rc == JSON_RECORDS_PAUSE) {
                w->paused = true;
                struct str rest = {bytes.ptr + taken, bytes.len - taken};
                buf_put_str(&w->left, rest);
                rc = buf_check(&w->left, "what waits of a reply", &w->body_err);
                if (!rc)
                        return HTTP_PAUSE;
                w->own = true;
        }
        if (rc < 0)
                w->body_rc = rc;
        return rc;
}

int walk_on_body(void *ctx, struct str bytes, struct err *e)
{
        struct rest_walk *w = ctx;

        if (!w->any && w->pending)
                w->page_us = rest_client_server_us(w->pending);
        w->any |= bytes.len > 0;
        if (w->body_rc) {
                *e = w->body_err;
                return w->body_rc;
        }
        if (w->paused) { /* a piece that was under way */
                buf_put_str(&w->left, bytes);
                w->body_rc = buf_check(&w->left, "what waits of a reply", &w->body_err);
                w->own |= w->body_rc < 0;
                return w->body_rc ? w->body_rc : HTTP_PAUSE;
        }
        int rc = feed(w, bytes);
        if (rc < 0)
                *e = w->body_err;
        return rc;
}

/* What waited while we were paused. Return: whether all of it went. */
bool walk_feed_left(struct rest_walk *w)
{
        struct buf bytes = w->left;

        w->left = BUF_INIT(LEFT_MAX);
        if (bytes.len && !w->body_rc)
                (void)feed(w, buf_str(&bytes));
        buf_deinit(&bytes);
        return !w->paused;
}
