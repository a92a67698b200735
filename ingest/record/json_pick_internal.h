/* json_pick_internal.h: the compiled paths, which json_pick.c builds and json_pick_walk.c follows.
 */
#pragma once

#include <endian.h>

#include "ingest/record/json_path.h"
#include "ingest/record/json_pick.h"

#define PICK_MAX_NODES 4096 /* columns of a table and more; a bit for each lies on the stack */
#define PICK_NOTHING   SIZE_MAX

struct pick_node;

/* A name is told by its first and last eight bytes and its length; only longer ones than 16 bytes
 * must be compared. */
struct pick_slot {
        uint64_t head, tail;
        size_t len;
        const char *name;
        const struct pick_node *node; /* NULL: empty */
};

struct pick_node {
        size_t value; /* which one is taken here, or PICK_NOTHING */
        size_t id;
        struct pick_slot *slots; /* of the names below it; NULL: none */
        size_t mask, name_count;
        struct pick_node *first, *next; /* children and siblings */
        struct json_step step;
};

struct json_pick {
        struct pick_node *root;
        size_t count, node_count;
        size_t *same_as; /* for each path, the first one that is equal */
        bool has_same;
};

static inline uint64_t pick_load(const char *p)
{
        uint64_t w;

        memcpy(&w, p, sizeof(w));
        return le64toh(w);
}

/* The first and last eight bytes of @name; all of a shorter one in both. */
static inline void pick_ends(struct str name, uint64_t *head, uint64_t *tail)
{
        char bytes[8] = {0};

        if (name.len >= 8) {
                *head = pick_load(name.ptr);
                *tail = pick_load(name.ptr + name.len - 8);
                return;
        }
        memcpy(bytes, name.ptr, name.len);
        *head = *tail = pick_load(bytes);
}

static inline size_t pick_hash(uint64_t head, uint64_t tail, size_t len)
{
        uint64_t x = (head ^ (tail << 23 | tail >> 41) ^ len) * UINT64_C(0x9E3779B97F4A7C15);

        return (size_t)(x >> 40);
}
