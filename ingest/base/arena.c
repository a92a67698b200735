/*
 * A list of chunks, newest first; each new chunk is twice the last one. Reset keeps the newest
 * (largest) chunk, so a steady state allocates nothing.
 */
#include "ingest/base/arena.h"

#include <stdalign.h>
#include <stdint.h>

#define CHUNK_FIRST 4096
#define CHUNK_LAST  (1 << 20)

struct chunk {
        struct chunk *next;
        size_t size, used;
        alignas(max_align_t) char data[];
};

struct arena {
        struct chunk *chunks; /* owned, newest first */
        size_t used, max, next_size;
        bool at_max; /* the last failure was the maximum, not the system */
};

struct arena *arena_new(size_t max_bytes)
{
        struct arena *a = calloc(1, sizeof(*a));

        if (!a)
                return NULL;
        a->max = max_bytes;
        a->next_size = CHUNK_FIRST;
        return a;
}

static void free_chunks(struct chunk *c)
{
        while (c) {
                struct chunk *next = c->next;
                free(c);
                c = next;
        }
}

struct arena *arena_free(struct arena *a)
{
        if (a) {
                free_chunks(a->chunks);
                free(a);
        }
        return NULL;
}

static struct chunk *add_chunk(struct arena *a, size_t need)
{
        size_t size = a->next_size > need ? a->next_size : need;

        if (size > PTRDIFF_MAX - sizeof(struct chunk))
                return NULL;
        struct chunk *c = malloc(sizeof(*c) + size);
        if (!c)
                return NULL;
        *c = (struct chunk){.next = a->chunks, .size = size};
        a->chunks = c;
        if (a->next_size < CHUNK_LAST)
                a->next_size *= 2;
        return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
        const size_t align = alignof(max_align_t);

        a->at_max = n > a->max - a->used;
        if (a->at_max || n > SIZE_MAX - align)
                return NULL;
        n = (n + align - 1) / align * align;
        struct chunk *c = a->chunks;
        if (!c || c->size - c->used < n) {
                c = add_chunk(a, n);
                if (!c)
                        return NULL;
        }
        void *p = c->data + c->used;
        c->used += n;
        a->used = a->max - a->used < n ? a->max : a->used + n;
        return memset(p, 0, n);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
        size_t n;

        a->at_max = __builtin_mul_overflow(count, size, &n);
        if (a->at_max)
                return NULL;
        return arena_alloc(a, n);
}

char *arena_strdup(struct arena *a, struct str s)
{
        char *z = arena_alloc(a, s.len + 1);

        if (z && s.len)
                memcpy(z, s.ptr, s.len);
        return z;
}

struct str arena_dup(struct arena *a, struct str s)
{
        return (struct str){arena_strdup(a, s), s.len};
}

void arena_reset(struct arena *a)
{
        if (a->chunks) {
                free_chunks(a->chunks->next);
                a->chunks->next = NULL;
                a->chunks->used = 0;
        }
        a->used = 0;
}

bool arena_holds(const struct arena *a, const void *p)
{
        uintptr_t at = (uintptr_t)p;

        for (const struct chunk *c = a->chunks; c; c = c->next)
                if (at >= (uintptr_t)c->data && at - (uintptr_t)c->data < c->used)
                        return true;
        return false;
}

size_t arena_used(const struct arena *a)
{
        return a->used;
}

int arena_failed(const struct arena *a, const char *what, struct err *e)
{
        if (a->at_max)
                return err_set(
                        e, ERR_REJECT, "%s needs more than the limit of %zu bytes", what, a->max);
        return err_nomem(e, what);
}
