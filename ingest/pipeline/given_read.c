/*
 * The records of a push in place of a read. All become records of the source before anything is
 * written, so that a name nobody knows refuses the push as a whole; then they go the way of records
 * that were read. Of several with one key the last one counts, and the others are passed over: it
 * is what the record has become.
 */
#include <stdlib.h>

#include "ingest/pipeline/given_internal.h"
#include "ingest/pipeline/run_internal.h"

#define GIVEN_ARENA_BYTES ((size_t)1 << 30) /* values of all records of a push */
#define GIVEN_KEY_BYTES   (1 << 20)

struct given_key {
        struct str key; /* encoded; len 0: it has none */
        size_t item;
};

struct given_run {
        struct arena *arena;
        struct source_pushed *items;
        size_t count;
        struct given_key *keys; /* sorted; those of records that have one */
        size_t key_count;
        bool *passed_over; /* a later record has the same key */
};

struct given_run *given_run_free(struct given_run *g)
{
        if (g) {
                arena_free(g->arena);
                free(g);
        }
        return NULL;
}

/* ---- before anything is written ---- */

static int refuse(
        const struct given *given, const struct given_run *g, const struct err *why, struct err *e)
{
        size_t at = 0;

        *e = *why;
        while (at < g->count && !g->items[at].reason)
                at++;
        /* Refusals of single records stand before it, too: it is the last one. */
        for (size_t i = at; i < g->count; i++)
                if (g->items[i].reason)
                        at = i;
        if (at < g->count)
                return err_wrap(e, -ERR_REJECT, "the record on line %zu", given->items[at].line);
        return -ERR_REJECT;
}

static int convert(struct run *r, struct given_run *g, struct err *e)
{
        const struct given *given = r->options.given;
        struct err why;

        g->items = arena_array(g->arena, g->count, sizeof(*g->items));
        g->keys = arena_array(g->arena, g->count, sizeof(*g->keys));
        g->passed_over = arena_array(g->arena, g->count, sizeof(*g->passed_over));
        if (!g->items || !g->keys || !g->passed_over)
                return arena_failed(g->arena, "pushed records", e);
        for (size_t i = 0; i < g->count; i++)
                g->items[i].json = given->items[i].json;
        int rc = source_convert(
                r->source, r->mapper->extract, &r->shape, g->items, g->count, g->arena, &why);
        if (rc == -ERR_REJECT)
                return refuse(given, g, &why, e);
        if (rc)
                *e = why;
        return rc;
}

static int compare_keys(const void *a, const void *b)
{
        const struct given_key *x = a, *y = b;
        int order = str_cmp(x->key, y->key);

        return order ? order : (x->item > y->item) - (x->item < y->item);
}

static int collect_keys(struct run *r, struct given_run *g, struct err *e)
{
        cleanup_buf_ struct buf key = BUF_INIT(GIVEN_KEY_BYTES);

        for (size_t i = 0; i < g->count; i++) {
                const struct value *row = g->items[i].record.row;
                if (!row)
                        row = g->items[i].key;
                buf_clear(&key);
                if (!row || key_encode(&r->shape, row, &key, NULL) != 0)
                        continue;
                struct str copy = arena_dup(g->arena, buf_str(&key));
                if (!copy.ptr)
                        return arena_failed(g->arena, "pushed records", e);
                g->keys[g->key_count++] = (struct given_key){copy, i};
        }
        if (g->key_count)
                qsort(g->keys, g->key_count, sizeof(*g->keys), compare_keys);
        for (size_t i = 0; i + 1 < g->key_count; i++)
                g->passed_over[g->keys[i].item] = str_eq(g->keys[i].key, g->keys[i + 1].key);
        return 0;
}

int given_convert(struct run *r, struct err *e)
{
        struct given_run *g = calloc(1, sizeof(*g));

        if (!g)
                return err_nomem(e, "pushed records");
        r->given = g;
        g->count = given_count(r->options.given);
        g->arena = arena_new(GIVEN_ARENA_BYTES);
        if (!g->arena)
                return err_nomem(e, "pushed records");
        int rc = convert(r, g, e);
        return rc ? err_wrap(e, rc, "pushed records") : collect_keys(r, g, e);
}

static int compare_to_key(const void *key, const void *item)
{
        return str_cmp(*(const struct str *)key, ((const struct given_key *)item)->key);
}

bool given_has(const struct run *r, struct str key)
{
        const struct given_run *g = r->given;

        return g && g->key_count &&
               bsearch(&key, g->keys, g->key_count, sizeof(*g->keys), compare_to_key);
}

/* ---- the pass ---- */

/* One that the source would not hold. Without a key its line tells it from others. */
static int reject(struct run *r, size_t i, struct err *e)
{
        const struct source_pushed *item = &r->given->items[i];
        cleanup_buf_ struct buf reason = BUF_INIT(ERR_TEXT_MAX + 64);

        buf_clear(&r->key);
        bool keyed = item->key && key_encode(&r->shape, item->key, &r->key, NULL) == 0;
        if (keyed)
                return pass_refused(r, buf_str(&r->key), item->reason, e);
        buf_clear(&r->key);
        buf_printf(&reason, "line %zu of what was pushed: %s", r->options.given->items[i].line,
                item->reason);
        const char *text = buf_cstr(&reason);
        return pass_refused(r, (struct str){0}, text ? text : item->reason, e);
}

/* Return: 0; SOURCE_PAUSE, SOURCE_HOLD; -class. */
static int take(struct run *r, size_t i, struct err *e)
{
        const struct source_pushed *item = &r->given->items[i];

        return item->record.row ? pass_record(r, &item->record, e) : reject(r, i, e);
}

int given_read(struct run *r, struct err *e)
{
        struct given_run *g = r->given;
        int rc = 0;

        atomic_store(&r->progress->expected, g->count);
        atomic_store(&r->progress->phase, RUN_READING);
        for (size_t i = 0; !rc && i < g->count; i++) {
                if (g->passed_over[i])
                        continue;
                rc = take(r, i, e);
                while (rc == SOURCE_HOLD) {
                        rc = pass_make_way(r, e);
                        if (!rc)
                                rc = take(r, i, e);
                }
                if (rc == SOURCE_PAUSE)
                        rc = run_wait_room(r, e);
        }
        r->read_paused = false;
        return rc;
}
