/*
 * A batch is written table by table in the order of the keys: neighbours share pages, the cursor
 * finds the next place near the last, and keys behind the end of the table are appended, which
 * fills pages instead of leaving them half empty. The order is that of (key, order of arrival),
 * so that changes of one key keep theirs.
 */
#include "ingest/state/state_batch.h"

#include <endian.h>
#include <errno.h>

/* Sorting compares numbers: the eight bytes behind what all keys have in common. */
struct item {
        uint64_t prefix;
        uint32_t index;
};

struct order {
        const struct state_batch *b;
        const struct change *changes;
        struct item *items;
        size_t count;
};

static int compare_items(const void *x, const void *y, void *ctx)
{
        const struct item *a = x, *b = y;
        const struct order *o = ctx;

        if (a->prefix != b->prefix)
                return a->prefix < b->prefix ? -1 : 1;
        int c = str_cmp(
                change_key(o->b, &o->changes[a->index]), change_key(o->b, &o->changes[b->index]));
        return c ? c : (a->index > b->index) - (a->index < b->index);
}

static size_t common_prefix(const struct order *o)
{
        struct str first = change_key(o->b, &o->changes[0]);
        size_t len = first.len;

        for (size_t i = 1; i < o->count && len; i++) {
                struct str key = change_key(o->b, &o->changes[i]);
                size_t n = 0, max = key.len < len ? key.len : len;
                while (n < max && key.ptr[n] == first.ptr[n])
                        n++;
                len = n;
        }
        return len;
}

static bool is_sorted(const struct order *o)
{
        for (size_t i = 1; i < o->count; i++)
                if (str_cmp(change_key(o->b, &o->changes[i - 1]),
                            change_key(o->b, &o->changes[i])) > 0)
                        return false;
        return true;
}

static int order_init(struct order *o, struct state_batch *b, enum state_table table)
{
        *o = (struct order){b, change_list(b, table), NULL, change_count(b, table)};
        buf_clear(&b->order);
        o->items = (struct item *)buf_room(&b->order, o->count * sizeof(struct item));
        if (!o->items)
                return ENOMEM;
        size_t skip = common_prefix(o);
        for (size_t i = 0; i < o->count; i++) {
                struct str key = change_key(b, &o->changes[i]);
                uint64_t prefix = 0;
                size_t n = key.len - skip;
                memcpy(&prefix, key.ptr + skip, n < sizeof(prefix) ? n : sizeof(prefix));
                o->items[i] = (struct item){be64toh(prefix), (uint32_t)i};
        }
        if (!is_sorted(o))
                qsort_r(o->items, o->count, sizeof(struct item), compare_items, o);
        return 0;
}

/* A table being written. */
struct writing {
        MDB_cursor *cursor;
        MDB_cursor *twin; /* TABLE_UNATTACHED, beside TABLE_ID */
        bool twin_used;   /* it holds something, or will */
        struct codec_space last;
        size_t last_len;
        bool behind; /* beyond the table's last key */
};

static int writing_init(struct writing *w, MDB_txn *txn, MDB_dbi dbi)
{
        MDB_val key, value;
        int rc = mdb_cursor_open(txn, dbi, &w->cursor);

        if (rc)
                return rc;
        rc = mdb_cursor_get(w->cursor, &key, &value, MDB_LAST);
        if (rc && rc != MDB_NOTFOUND)
                return rc;
        if (rc == 0) {
                w->last_len = key.mv_size;
                memcpy(w->last.bytes, key.mv_data, key.mv_size);
        }
        return 0;
}

static int put(struct writing *w, struct str key, struct str value, bool again)
{
        MDB_val k = state_val(key), v = state_val(value);

        if (!w->behind)
                w->behind = str_cmp(key, (struct str){w->last.bytes, w->last_len}) > 0;
        /* A key that comes again must replace, not append. */
        return mdb_cursor_put(w->cursor, &k, &v, w->behind && !again ? MDB_APPEND : 0);
}

/* Deletes what @cursor finds at @key where it begins with (@whole: is) @expected. */
static int delete_where(MDB_cursor *cursor, struct str key, struct str expected, bool whole)
{
        MDB_val k = state_val(key), v;
        int rc = mdb_cursor_get(cursor, &k, &v, MDB_SET);

        if (rc == 0 && str_starts(state_str(&v), expected) && (!whole || v.mv_size == expected.len))
                return mdb_cursor_del(cursor, 0);
        return rc == MDB_NOTFOUND ? 0 : rc;
}

static int apply_plain(
        struct writing *w, const struct change *c, struct str key, struct str value, bool again)
{
        if (c->kind == CHANGE_PUT)
                return put(w, key, value, again);
        return delete_where(w->cursor, key, STR(""), false);
}

static int apply_id(
        struct writing *w, const struct change *c, struct str key, struct str value, bool again)
{
        MDB_val k = state_val(key), v = state_val(value);
        int rc;

        switch (c->kind) {
        case CHANGE_HOLD:
                rc = put(w, key, value, again);
                if (rc == 0 && w->twin_used)
                        rc = delete_where(w->twin, key, STR(""), false);
                return rc;
        case CHANGE_UNATTACH:
                rc = mdb_cursor_put(w->twin, &k, &v, 0);
                return rc ? rc : delete_where(w->cursor, key, STR(""), false);
        case CHANGE_RELEASE:
                return delete_where(w->cursor, key, value, true);
        default: /* CHANGE_RELEASE_ANY */
                rc = delete_where(w->cursor, key, value, false);
                if (rc == 0 && w->twin_used)
                        rc = delete_where(w->twin, key, value, false);
                return rc;
        }
}

static int apply_ordered(const struct order *o, enum state_table table, struct writing *w)
{
        struct str before = {0};

        for (size_t i = 0; i < o->count; i++) {
                const struct change *c = &o->changes[o->items[i].index];
                struct str key = change_key(o->b, c), value = change_value(o->b, c);
                bool again = i > 0 && str_eq(before, key);
                int rc = table == TABLE_ID ? apply_id(w, c, key, value, again)
                                           : apply_plain(w, c, key, value, again);
                if (rc)
                        return rc;
                before = key;
        }
        return 0;
}

static bool has_kind(const struct order *o, enum change_kind kind)
{
        for (size_t i = 0; i < o->count; i++)
                if (o->changes[i].kind == kind)
                        return true;
        return false;
}

static int open_twin(struct state *s, MDB_txn *txn, const struct order *o, struct writing *w)
{
        MDB_stat stat;
        int rc = mdb_stat(txn, s->dbi[TABLE_UNATTACHED], &stat);

        w->twin_used = rc == 0 && (stat.ms_entries > 0 || has_kind(o, CHANGE_UNATTACH));
        return rc ? rc : mdb_cursor_open(txn, s->dbi[TABLE_UNATTACHED], &w->twin);
}

static void writing_deinit(struct writing *w)
{
        state_cursor_closep(&w->cursor);
        state_cursor_closep(&w->twin);
}

static int apply_table(struct state *s, MDB_txn *txn, struct state_batch *b, enum state_table table)
{
        cleanup_(writing_deinit) struct writing w = {0};
        struct order o;
        int rc = b->cleared[table] ? mdb_drop(txn, s->dbi[table], 0) : 0;

        if (rc || change_count(b, table) == 0)
                return rc;
        rc = order_init(&o, b, table);
        rc = rc ? rc : writing_init(&w, txn, s->dbi[table]);
        if (rc == 0 && table == TABLE_ID)
                rc = open_twin(s, txn, &o, &w);
        return rc ? rc : apply_ordered(&o, table, &w);
}

static int put_ordinal(struct state *s, MDB_txn *txn, uint32_t next)
{
        uint8_t bytes[4] = {
                (uint8_t)(next >> 24), (uint8_t)(next >> 16), (uint8_t)(next >> 8), (uint8_t)next};
        MDB_val key = state_val(STR(SELF_ORDINAL)), value = {sizeof(bytes), bytes};

        return mdb_put(txn, s->dbi[TABLE_SELF], &key, &value, 0);
}

static int apply_all(struct state *s, MDB_txn *txn, void *ctx)
{
        struct state_batch *b = ctx;
        int rc = 0;

        for (int t = 0; t < STATE_TABLES && rc == 0; t++)
                rc = apply_table(s, txn, b, t);
        if (rc == 0 && b->next_ordinal > s->next_ordinal)
                rc = put_ordinal(s, txn, b->next_ordinal);
        return rc;
}

int state_apply(struct state *s, struct state_batch *b, struct err *e)
{
        if (state_batch_count(b) == 0)
                return 0;
        int rc = state_env_write(s, apply_all, b, e);
        if (rc)
                return rc;
        if (b->next_ordinal > s->next_ordinal)
                s->next_ordinal = b->next_ordinal;
        state_batch_clear(b);
        return 0;
}
