/*
 * Some records must be looked at although their cursor did not move: somebody else edited their
 * document, they were rejected, their deletion is owed, another record wants their document id.
 * They are read by key, a thousand at a time (more where each time costs a read of everything),
 * each once in a run; a key that gives no record is gone.
 */
#include "ingest/pipeline/run_internal.h"

#include <string.h>

#define KEYED_CHUNK     1000       /* keys in one statement */
#define KEYED_CHUNK_ALL 100000     /* where each read by key is one of everything: 5 MiB */
#define CHUNK_MAX_BYTES (4 << 20)  /* of them: the statement, with its quotes, may take 16 MiB */
#define KEYED_MAX_BYTES (32 << 20) /* of the list: then reading everything is the better way */

int keyed_want(struct run *r, struct str key, struct err *e)
{
        struct key_list *list = &r->wanted;
        uint32_t len = (uint32_t)key.len;

        r->overflow |= sizeof(len) + key.len > KEYED_MAX_BYTES - list->bytes.len;
        if (r->overflow)
                return 0;
        list->bytes.max = KEYED_MAX_BYTES;
        buf_put(&list->bytes, &len, sizeof(len));
        buf_put_str(&list->bytes, key);
        list->count++;
        return buf_check(&list->bytes, "keys", e);
}

/* The key at @at, which moves behind it. */
static bool next_key(const struct buf *list, size_t *at, struct str *key)
{
        uint32_t len;

        if (*at + sizeof(len) > list->len)
                return false;
        memcpy(&len, list->data + *at, sizeof(len));
        *key = (struct str){list->data + *at + sizeof(len), len};
        *at += sizeof(len) + len;
        return true;
}

struct chunk {
        struct run *r;
        struct arena *arena;
        struct value *keys;  /* r->shape.key_count each */
        struct str *encoded; /* the same; they point into the list */
        size_t count, bytes, limit;
        uint32_t *ordinals; /* of the records that have one */
        size_t ordinal_count;
        struct buf text;
};

/* Return: 1: added; 0: it need not be read. */
static int add_key(struct chunk *c, struct str key, struct err *e)
{
        struct run *r = c->r;
        size_t width = r->shape.key_count;
        struct value *values = c->keys + c->count * width;
        struct state_entry entry;
        int rc = state_get(r->state, key, &entry, e);

        if (rc == 0) {
                if (bitmap_test(&r->seen, entry.ordinal) || bitmap_test(&r->gone, entry.ordinal))
                        return 0;
                rc = bitmap_set(&r->asked, entry.ordinal, e);
                if (rc == BITMAP_ALREADY)
                        return 0;
                if (rc == 0)
                        c->ordinals[c->ordinal_count++] = entry.ordinal;
        } else if (rc == STATE_ABSENT &&
                   (rejects_came_again(r, key) || state_has_parked(r->state, key))) {
                return 0; /* this run has read it */
        }
        if (rc < 0)
                return rc;
        rc = key_values(key, &c->text, values, width, e);
        for (size_t i = 0; !rc && i < width; i++) {
                struct str copy = arena_dup(c->arena, (struct str){values[i].ptr, values[i].len});
                if (!copy.ptr)
                        return arena_failed(c->arena, "keys", e);
                values[i].ptr = copy.ptr;
        }
        c->encoded[c->count] = key;
        c->bytes += key.len;
        c->count += rc == 0;
        return rc ? rc : 1;
}

/* Reads the chunk; what did not come is gone, as far as absence tells. */
static int read_chunk(struct chunk *c, struct err *e)
{
        struct run *r = c->r;
        int rc = c->count ? pass_read_keys(r, c->keys, c->encoded, c->count, e) : 0;

        bool gone = gone_by_absence(r);
        for (size_t i = 0; gone && rc >= 0 && i < c->ordinal_count; i++)
                if (!bitmap_test(&r->seen, c->ordinals[i]))
                        rc = bitmap_set(&r->gone, c->ordinals[i], e);
        c->count = c->ordinal_count = c->bytes = 0;
        arena_reset(c->arena);
        return rc < 0 ? rc : 0;
}

static int read_list(struct chunk *c, const struct buf *list, struct err *e)
{
        struct str key;
        size_t at = 0;
        int rc = 0;

        while (rc >= 0 && next_key(list, &at, &key)) {
                rc = add_key(c, key, e);
                if (rc >= 0 && (c->count == c->limit || c->bytes >= CHUNK_MAX_BYTES))
                        rc = read_chunk(c, e);
        }
        if (rc >= 0)
                rc = read_chunk(c, e);
        return rc;
}

static size_t chunk_limit(const struct run *r, size_t keys)
{
        bool all = source_reads_all_for_keys(r->source, r->mapper->extract);
        size_t most = all ? KEYED_CHUNK_ALL : KEYED_CHUNK;

        return keys < most ? keys + 1 : most;
}

int keyed_read(struct run *r, struct err *e)
{
        struct chunk c = {.r = r, .limit = chunk_limit(r, r->wanted.count)};
        struct buf list = r->wanted.bytes;
        int rc = -ERR_NOMEM;

        if (r->overflow)
                log_warn(r->log,
                        "more than %zu records are to be looked at again: the others are left to "
                        "a later run",
                        r->wanted.count);
        r->wanted = (struct key_list){.count = 0};
        r->overflow = false;
        buf_init(&c.text, KEYED_MAX_BYTES);
        c.arena = list.len ? arena_new(2 * KEYED_MAX_BYTES) : NULL;
        c.keys = c.arena ? calloc(c.limit * r->shape.key_count, sizeof(*c.keys)) : NULL;
        c.encoded = c.keys ? calloc(c.limit, sizeof(*c.encoded)) : NULL;
        c.ordinals = c.encoded ? calloc(c.limit, sizeof(*c.ordinals)) : NULL;
        if (c.ordinals)
                rc = plan_read_older(r, e);
        else
                rc = list.len ? err_nomem(e, "keys") : 0;
        if (c.ordinals && !rc)
                rc = read_list(&c, &list, e);
        free(c.ordinals);
        free(c.encoded);
        free(c.keys);
        arena_free(c.arena);
        buf_deinit(&c.text);
        buf_deinit(&list);
        return rc ? err_wrap(e, rc, "reading records by key") : 0;
}
