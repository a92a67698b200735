/* Two chained hash tables of fixed size: the set is bounded by the writer's window. */
#include "ingest/pipeline/pending.h"

#include <stdlib.h>
#include <xxhash.h>

#define BUCKETS (1 << 14) /* about the documents of eight batches and the unapplied ones */

struct pending_set {
        struct pending *by_key[BUCKETS];
        struct pending *by_id[BUCKETS];
        size_t count;
};

int pending_set_new(struct pending_set **out, struct err *e)
{
        struct pending_set *s = calloc(1, sizeof(*s));

        if (!s)
                return err_nomem(e, "pending records");
        *out = s;
        return 0;
}

struct pending_set *pending_set_free(struct pending_set *s)
{
        if (!s)
                return NULL;
        for (size_t i = 0; i < BUCKETS; i++) {
                struct pending *p = s->by_key[i];
                while (p) {
                        struct pending *next = p->next_key;
                        free(p);
                        p = next;
                }
        }
        free(s);
        return NULL;
}

static struct pending **key_bucket(const struct pending_set *s, struct str key)
{
        size_t i = XXH3_64bits(key.ptr, key.len) & (BUCKETS - 1);

        return (struct pending **)&s->by_key[i];
}

static struct pending **id_bucket(const struct pending_set *s, uint16_t database, struct str id)
{
        size_t i = XXH3_64bits_withSeed(id.ptr, id.len, database) & (BUCKETS - 1);

        return (struct pending **)&s->by_id[i];
}

static struct str move_in(char **at, struct str s)
{
        struct str copy = {*at, s.len};

        if (s.len)
                memcpy(*at, s.ptr, s.len);
        *at += s.len;
        return copy;
}

struct pending *pending_add(struct pending_set *s, const struct pending *what)
{
        size_t n = what->key.len + what->id.len + what->old_id.len + what->old_rev.len +
                   what->displaced.len + what->first.len;
        struct pending *p = malloc(sizeof(*p) + n);

        if (!p)
                return NULL;
        char *at = p->data;
        memcpy(p, what, sizeof(*p));
        p->key = move_in(&at, what->key);
        p->id = move_in(&at, what->id);
        p->old_id = move_in(&at, what->old_id);
        p->old_rev = move_in(&at, what->old_rev);
        p->displaced = move_in(&at, what->displaced);
        p->first = move_in(&at, what->first);
        struct pending **k = key_bucket(s, p->key);
        struct pending **i = id_bucket(s, p->database, p->id);
        p->next_key = *k;
        *k = p;
        p->next_id = *i;
        *i = p;
        s->count++;
        return p;
}

void pending_remove(struct pending_set *s, struct pending *p)
{
        struct pending **k = key_bucket(s, p->key);
        struct pending **i = id_bucket(s, p->database, p->id);

        while (*k != p)
                k = &(*k)->next_key;
        *k = p->next_key;
        while (*i != p)
                i = &(*i)->next_id;
        *i = p->next_id;
        s->count--;
        free(p);
}

struct pending *pending_of_kind(const struct pending_set *s, enum pending_kind kind, struct str key)
{
        struct pending *p = s->count ? *key_bucket(s, key) : NULL;

        while (p && (p->kind != kind || !str_eq(p->key, key)))
                p = p->next_key;
        return p;
}

struct pending *pending_by_key(const struct pending_set *s, struct str key)
{
        return pending_of_kind(s, PENDING_RECORD, key);
}

struct pending *pending_reject(const struct pending_set *s, struct str id)
{
        struct pending *p = s->count ? *id_bucket(s, UINT16_MAX, id) : NULL;

        while (p && (p->kind != PENDING_REJECT || !str_eq(p->id, id)))
                p = p->next_id;
        return p;
}

struct pending *pending_by_id(const struct pending_set *s, uint16_t database, struct str id)
{
        struct pending *p = s->count ? *id_bucket(s, database, id) : NULL;

        while (p && (p->kind != PENDING_RECORD || p->database != database || !str_eq(p->id, id)))
                p = p->next_id;
        return p;
}

size_t pending_count(const struct pending_set *s)
{
        return s->count;
}
