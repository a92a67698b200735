/*
 * Each walk has a read transaction of its own: one snapshot, whatever is applied meanwhile. When
 * the map has to move under it, its cursor is closed first and placed anew by key; the
 * transaction itself keeps page numbers only, no addresses.
 */
#include "ingest/state/state_env.h"

#include <stdio.h>

static struct state_walk *walk_close(struct state_walk *w)
{
        struct state_walk **p;

        for (p = &w->state->walks; *p != w; p = &(*p)->next)
                ;
        *p = w->next;
        state_cursor_closep(&w->cursor);
        state_txn_abortp(&w->txn);
        free(w);
        return NULL;
}
DEFINE_CLEANUP(struct state_walk *, walk_close);

static struct state_walk *walk_new(struct state *s, enum state_table table, struct str from)
{
        struct state_walk *w = calloc(1, sizeof(*w));

        if (!w)
                return NULL;
        w->state = s;
        w->dbi = s->dbi[table];
        w->from = from;
        w->next = s->walks;
        s->walks = w;
        return w;
}

static int walk_begin(struct state_walk *w)
{
        int rc = mdb_txn_begin(w->state->env, NULL, MDB_RDONLY, &w->txn);

        return rc ? rc : mdb_cursor_open(w->txn, w->dbi, &w->cursor);
}

void state_walk_leave_map(struct state_walk *w)
{
        MDB_val key, value;

        if (w->moved)
                return;
        w->moved = true;
        w->at_len = 0;
        if (mdb_cursor_get(w->cursor, &key, &value, MDB_GET_CURRENT) == 0) {
                w->at_len = key.mv_size;
                memcpy(w->at.bytes, key.mv_data, key.mv_size);
        }
        state_cursor_closep(&w->cursor);
        w->cursor = NULL;
}

static int walk_return(struct state_walk *w)
{
        MDB_val key = {w->at_len, w->at.bytes}, value;
        int rc = mdb_cursor_open(w->txn, w->dbi, &w->cursor);

        if (rc == 0 && w->at_len)
                rc = mdb_cursor_get(w->cursor, &key, &value, MDB_SET);
        w->moved = false;
        return rc;
}

/* The next entry, at first the one at or behind w->from. Return: LMDB's code; MDB_NOTFOUND at the
 * end. */
static int walk_next(struct state_walk *w, struct str *key, struct str *value)
{
        MDB_val k, v;
        int rc = w->moved ? walk_return(w) : 0;

        if (rc == MDB_NOTFOUND)
                return MDB_CORRUPTED; /* it was there in this very snapshot */
        k = (MDB_val){w->from.len, (void *)(uintptr_t)w->from.ptr};
        rc = rc ? rc : mdb_cursor_get(w->cursor, &k, &v, w->from.len ? MDB_SET_RANGE : MDB_NEXT);
        w->from.len = 0;
        if (rc == 0) {
                *key = state_str(&k);
                *value = state_str(&v);
        }
        return rc;
}

/* What a table's entries are given to. */
typedef int (*entry_fn)(void *ctx, struct str key, struct str value, struct err *e);

/* @each: decodes, calls. Return of it: 0; STATE_WALK_DAMAGED; positive: stop; -class. */
#define STATE_WALK_DAMAGED 0x44414d47 /* no caller's value: a callback returns small ones */

/* Over the entries whose keys begin with @range ("" for all). */
static int walk_range(struct state *s, enum state_table table, struct str range, entry_fn each,
        void *ctx, struct err *e)
{
        cleanup_(walk_closep) struct state_walk *w = NULL;
        struct str key, value;
        int outcome, rc = state_env_usable(s, e);

        if (rc)
                return rc;
        w = walk_new(s, table, range);
        if (!w)
                return err_nomem(e, "reading the state");
        rc = walk_begin(w);
        while (rc == 0 && (rc = walk_next(w, &key, &value)) == 0) {
                if (!str_starts(key, range))
                        return 0;
                outcome = each(ctx, key, value, e);
                if (outcome == STATE_WALK_DAMAGED)
                        return state_env_damaged(s, e);
                if (outcome)
                        return outcome < 0 ? outcome : 0;
        }
        return rc == MDB_NOTFOUND ? 0 : state_env_error(s, rc, "read", e);
}

static int walk(struct state *s, enum state_table table, entry_fn each, void *ctx, struct err *e)
{
        return walk_range(s, table, STR(""), each, ctx, e);
}

struct record_walk {
        state_record_fn fn;
        void *ctx;
        struct state_entry entry;
};

static int each_record(void *ctx, struct str key, struct str value, struct err *e)
{
        struct record_walk *w = ctx;
        struct str full;

        if (codec_get_entry(value, key, NULL, &full, &w->entry) != CODEC_OK)
                return STATE_WALK_DAMAGED;
        return w->fn(w->ctx, full, &w->entry, e);
}

int state_each_record(struct state *s, state_record_fn fn, void *ctx, struct err *e)
{
        struct record_walk w; /* not zeroed: the entry is large */

        w.fn = fn;
        w.ctx = ctx;
        return walk(s, TABLE_RECORD, each_record, &w, e);
}

struct unattached_walk {
        state_unattached_fn fn;
        void *ctx;
};

static int each_unattached(void *ctx, struct str key, struct str value, struct err *e)
{
        struct unattached_walk *w = ctx;
        struct state_holder doc;
        struct str id;

        if (key.len < 2 || codec_get_unattached(value, key, NULL, &id, &doc) != CODEC_OK)
                return STATE_WALK_DAMAGED;
        return w->fn(w->ctx, codec_id_key_database(key), id, &doc, e);
}

int state_each_unattached(struct state *s, state_unattached_fn fn, void *ctx, struct err *e)
{
        struct unattached_walk w = {fn, ctx};

        return walk(s, TABLE_UNATTACHED, each_unattached, &w, e);
}

struct owed_walk {
        state_owed_fn fn;
        void *ctx;
};

static int each_owed(void *ctx, struct str key, struct str value, struct err *e)
{
        struct owed_walk *w = ctx;
        struct state_owed owed;

        (void)key;
        if (codec_get_owed(value, &owed) != CODEC_OK)
                return STATE_WALK_DAMAGED;
        return w->fn(w->ctx, &owed, e);
}

int state_each_owed(struct state *s, state_owed_fn fn, void *ctx, struct err *e)
{
        struct owed_walk w = {fn, ctx};

        return walk(s, TABLE_OWED, each_owed, &w, e);
}

struct parked_walk {
        state_parked_fn fn;
        void *ctx;
};

static int each_parked(void *ctx, struct str key, struct str value, struct err *e)
{
        struct parked_walk *w = ctx;
        struct state_parked parked;

        (void)key;
        if (codec_get_parked(value, &parked) != CODEC_OK)
                return STATE_WALK_DAMAGED;
        return w->fn(w->ctx, &parked, e);
}

int state_each_parked(struct state *s, state_parked_fn fn, void *ctx, struct err *e)
{
        struct parked_walk w = {fn, ctx};

        return walk(s, TABLE_PARKED, each_parked, &w, e);
}

int state_each_rival(struct state *s, uint16_t database, struct str id, state_parked_fn fn,
        void *ctx, struct err *e)
{
        struct parked_walk w = {fn, ctx};
        struct codec_space space;

        return walk_range(
                s, TABLE_PARKED, codec_parked_range(database, id, &space), each_parked, &w, e);
}

struct reject_walk {
        state_reject_fn fn;
        void *ctx;
};

static int each_reject(void *ctx, struct str key, struct str value, struct err *e)
{
        struct reject_walk *w = ctx;
        struct state_reject reject;
        struct str full;

        if (codec_get_reject(value, key, NULL, &full, &reject) != CODEC_OK)
                return STATE_WALK_DAMAGED;
        return w->fn(w->ctx, full, &reject, e);
}

int state_each_reject(struct state *s, state_reject_fn fn, void *ctx, struct err *e)
{
        struct reject_walk w = {fn, ctx};

        return walk(s, TABLE_REJECT, each_reject, &w, e);
}
