/*
 * Every change is one run of bytes (key, value) and one struct change. A change that does not fit
 * is taken back whole, so that a failed call leaves the batch as it was.
 */
#include "ingest/state/state_batch.h"

/* A backstop: callers apply at a few MiB, or after one document of 64 MiB. */
#define BATCH_MAX_BYTES   ((size_t)1 << 30)
#define BATCH_MAX_CHANGES ((size_t)256 << 20) /* bytes of one table's list */
#define BATCH_KEEP_BYTES  ((size_t)4 << 20)   /* memory kept for the next batch */

int state_batch_new(struct state_batch **out, struct err *e)
{
        struct state_batch *b = calloc(1, sizeof(*b));

        if (!b)
                return err_nomem(e, "changes of the state");
        buf_init(&b->bytes, BATCH_MAX_BYTES);
        buf_init(&b->order, 2 * BATCH_MAX_CHANGES);
        for (int t = 0; t < STATE_TABLES; t++)
                buf_init(&b->changes[t], BATCH_MAX_CHANGES);
        *out = b;
        return 0;
}

struct state_batch *state_batch_free(struct state_batch *b)
{
        if (!b)
                return NULL;
        buf_deinit(&b->bytes);
        buf_deinit(&b->order);
        for (int t = 0; t < STATE_TABLES; t++)
                buf_deinit(&b->changes[t]);
        free(b);
        return NULL;
}

/* One large document must not be paid for until the end of the run. */
static void empty(struct buf *b)
{
        if (b->cap > BATCH_KEEP_BYTES)
                buf_deinit(b);
        else
                buf_clear(b);
}

void state_batch_clear(struct state_batch *b)
{
        empty(&b->bytes);
        empty(&b->order);
        for (int t = 0; t < STATE_TABLES; t++) {
                empty(&b->changes[t]);
                b->cleared[t] = false;
        }
        b->next_ordinal = 0;
}

size_t state_batch_bytes(const struct state_batch *b)
{
        size_t bytes = b->bytes.len;

        for (int t = 0; t < STATE_TABLES; t++)
                bytes += b->changes[t].len;
        return bytes;
}

size_t state_batch_count(const struct state_batch *b)
{
        size_t count = 0;

        for (int t = 0; t < STATE_TABLES; t++)
                count += change_count(b, t) + b->cleared[t];
        return count;
}

/* A change begins: its key. Return: where it begins. */
static size_t begin(struct state_batch *b, struct str stored)
{
        size_t at = b->bytes.len;

        buf_put_str(&b->bytes, stored);
        return at;
}

/* It ends: what was appended since is its value. */
static int end(struct state_batch *b, enum state_table table, enum change_kind kind, size_t at,
        size_t key_len, struct err *e)
{
        struct buf *changes = &b->changes[table];
        int rc = buf_check(&b->bytes, "a batch of changes of the state", e);

        if (rc == 0) {
                struct change c = {at, (uint32_t)(b->bytes.len - at - key_len), (uint16_t)key_len,
                        (uint16_t)kind};
                buf_put(changes, &c, sizeof(c));
                rc = buf_check(changes, "a batch of changes of the state", e);
        }
        if (rc == 0)
                return 0;
        b->bytes.len = at;
        b->bytes.error = changes->error = 0;
        if (rc == -ERR_REJECT)
                rc = err_set(e, ERR_BUG,
                        "more than %zu bytes of changes of the state: apply them "
                        "earlier",
                        BATCH_MAX_BYTES);
        return rc;
}

static int no_key(struct err *e)
{
        return err_set(e, ERR_BUG, "a change of the state without a key");
}

int state_batch_put(
        struct state_batch *b, struct str key, const struct state_entry *entry, struct err *e)
{
        struct codec_space space;

        if (key.len == 0 || entry->doc_count > STATE_MAX_DOCS_PER_RECORD)
                return no_key(e);
        if (entry->ordinal == UINT32_MAX)
                return err_set(e, ERR_SYSTEM, "the state has had more than %u records; rebuild it",
                        UINT32_MAX - 1);
        struct str stored = codec_key(key, &space);
        size_t at = begin(b, stored);
        codec_put_entry(&b->bytes, stored, key, entry);
        int rc = end(b, TABLE_RECORD, CHANGE_PUT, at, stored.len, e);
        if (rc == 0 && entry->ordinal >= b->next_ordinal)
                b->next_ordinal = entry->ordinal + 1;
        return rc;
}

/* A change without a value. */
static int add_delete(
        struct state_batch *b, enum state_table table, struct str stored, struct err *e)
{
        size_t at = begin(b, stored);

        return end(b, table, CHANGE_DELETE, at, stored.len, e);
}

int state_batch_delete(struct state_batch *b, struct str key, struct err *e)
{
        struct codec_space space;

        if (key.len == 0)
                return no_key(e);
        return add_delete(b, TABLE_RECORD, codec_key(key, &space), e);
}

int state_batch_hold(struct state_batch *b, uint16_t database, struct str id, struct str key,
        const struct state_holder *doc, struct err *e)
{
        struct codec_space space;
        struct str stored = codec_id_key(database, id, &space);

        if (id.len == 0 || (key.len == 0 && !doc))
                return no_key(e);
        size_t at = begin(b, stored);
        if (key.len)
                codec_put_holder(&b->bytes, stored, id, key);
        else
                codec_put_unattached(&b->bytes, stored, id, doc);
        return end(b, TABLE_ID, key.len ? CHANGE_HOLD : CHANGE_UNATTACH, at, stored.len, e);
}

int state_batch_release(
        struct state_batch *b, uint16_t database, struct str id, struct str key, struct err *e)
{
        struct codec_space space;
        struct str stored = codec_id_key(database, id, &space);

        if (id.len == 0)
                return no_key(e);
        size_t at = begin(b, stored);
        codec_put_holder(&b->bytes, stored, id, key);
        return end(b, TABLE_ID, key.len ? CHANGE_RELEASE : CHANGE_RELEASE_ANY, at, stored.len, e);
}

int state_batch_owe(struct state_batch *b, const struct state_owed *owed, struct err *e)
{
        struct codec_space space;
        struct str stored = codec_owed_key(owed, &space);
        size_t at = begin(b, stored);

        codec_put_owed(&b->bytes, owed);
        return end(b, TABLE_OWED, CHANGE_PUT, at, stored.len, e);
}

int state_batch_settle(struct state_batch *b, const struct state_owed *owed, struct err *e)
{
        struct codec_space space;

        return add_delete(b, TABLE_OWED, codec_owed_key(owed, &space), e);
}

int state_batch_park(struct state_batch *b, const struct state_parked *parked, struct err *e)
{
        struct codec_space space;

        if (parked->key.len == 0)
                return no_key(e);
        /* First the key alone: were it left over by a failure of the second, it would only make
         * its record count as waiting until the claims are cleared. */
        struct str stored = codec_key(parked->key, &space);
        size_t at = begin(b, stored);
        int rc = end(b, TABLE_PARKED_KEY, CHANGE_PUT, at, stored.len, e);
        if (rc)
                return rc;
        stored = codec_parked_key(parked, &space);
        at = begin(b, stored);
        codec_put_parked(&b->bytes, parked);
        rc = end(b, TABLE_PARKED, CHANGE_PUT, at, stored.len, e);
        if (rc)
                b->changes[TABLE_PARKED_KEY].len -= sizeof(struct change);
        return rc;
}

int state_batch_unpark(struct state_batch *b, const struct state_parked *parked, struct err *e)
{
        struct codec_space space;
        int rc = add_delete(b, TABLE_PARKED_KEY, codec_key(parked->key, &space), e);

        return rc ? rc : add_delete(b, TABLE_PARKED, codec_parked_key(parked, &space), e);
}

/* What was added to @table before is void. */
static void clear_table(struct state_batch *b, enum state_table table)
{
        buf_clear(&b->changes[table]);
        b->cleared[table] = true;
}

int state_batch_unpark_all(struct state_batch *b, struct err *e)
{
        clear_table(b, TABLE_PARKED);
        clear_table(b, TABLE_PARKED_KEY);
        return 0;
}

int state_batch_reject(
        struct state_batch *b, struct str key, const struct state_reject *reject, struct err *e)
{
        struct codec_space space;
        struct str stored = codec_key(key, &space);

        if (key.len == 0)
                return no_key(e);
        if (!reject)
                return add_delete(b, TABLE_REJECT, stored, e);
        size_t at = begin(b, stored);
        codec_put_reject(&b->bytes, stored, key, reject);
        return end(b, TABLE_REJECT, CHANGE_PUT, at, stored.len, e);
}

int state_batch_unreject_all(struct state_batch *b, struct err *e)
{
        clear_table(b, TABLE_REJECT);
        return 0;
}

int state_batch_meta(struct state_batch *b, const char *name, struct str value, struct err *e)
{
        struct str key = str_of(name);

        if (key.len == 0 || key.len >= CODEC_KEY_MAX)
                return no_key(e);
        if (!value.ptr)
                return add_delete(b, TABLE_META, key, e);
        size_t at = begin(b, key);
        buf_put_str(&b->bytes, value);
        return end(b, TABLE_META, CHANGE_PUT, at, key.len, e);
}
