/* Open addressing over a table that is at most half full. Few names are compared one by one. */
#include "schemas/names.h"

#include <xxhash.h>

#define FEW 4 /* names that are not worth a hash */

bool names_init(struct names *n, const struct str *list, uint32_t count, struct arena *arena)
{
        uint32_t size = 2;

        *n = (struct names){.list = list, .count = count};
        if (count <= FEW)
                return true;
        while (size < 2 * count)
                size *= 2;
        n->slots = arena_array(arena, size, sizeof(*n->slots));
        n->mask = size - 1;
        if (!n->slots)
                return false;
        for (uint32_t i = 0; i < count; i++) {
                uint32_t at = (uint32_t)XXH3_64bits(list[i].ptr, list[i].len) & n->mask;
                while (n->slots[at])
                        at = (at + 1) & n->mask;
                n->slots[at] = i + 1;
        }
        return true;
}

uint32_t names_find(const struct names *n, struct str name)
{
        if (!n->slots) {
                for (uint32_t i = 0; i < n->count; i++)
                        if (str_eq(n->list[i], name))
                                return i;
                return NAMES_NONE;
        }
        uint32_t at = (uint32_t)XXH3_64bits(name.ptr, name.len) & n->mask;
        for (; n->slots[at]; at = (at + 1) & n->mask)
                if (str_eq(n->list[n->slots[at] - 1], name))
                        return n->slots[at] - 1;
        return NAMES_NONE;
}
