/* Linear probing; a place that becomes free is filled from behind, so there are no gravestones. */
#include "ingest/couch/claims.h"

#include <stdlib.h>
#include <xxhash.h>

#define FIRST_SIZE 1024

uint32_t claims_hash(const void *database, struct str id)
{
        uint32_t hash = (uint32_t)XXH3_64bits_withSeed(id.ptr, id.len, (uintptr_t)database);

        return hash ? hash : 1;
}

static struct claim *find(const struct claims *c, uint32_t hash)
{
        size_t i = hash & (c->size - 1);

        while (c->table[i].hash != 0 && c->table[i].hash != hash)
                i = (i + 1) & (c->size - 1);
        return &c->table[i];
}

static int grow(struct claims *c, struct err *e)
{
        struct claims bigger = {.size = c->size ? c->size * 2 : FIRST_SIZE, .count = c->count};

        bigger.table = calloc(bigger.size, sizeof(*bigger.table));
        if (!bigger.table)
                return err_nomem(e, "documents on their way");
        for (size_t i = 0; i < c->size; i++)
                if (c->table[i].hash)
                        *find(&bigger, c->table[i].hash) = c->table[i];
        free(c->table);
        *c = bigger;
        return 0;
}

int claims_take(struct claims *c, uint32_t hash, struct err *e)
{
        if (c->count * 4 >= c->size * 3) {
                int rc = grow(c, e);
                if (rc < 0)
                        return rc;
        }
        struct claim *claim = find(c, hash);
        if (claim->hash) {
                claim->waiters++;
                return CLAIMS_HELD;
        }
        *claim = (struct claim){.hash = hash};
        c->count++;
        return 0;
}

bool claims_release(struct claims *c, uint32_t hash)
{
        struct claim *claim = find(c, hash);
        size_t mask = c->size - 1;

        if (claim->waiters > 0) {
                claim->waiters--;
                return true;
        }
        size_t gap = (size_t)(claim - c->table);
        for (size_t i = (gap + 1) & mask; c->table[i].hash; i = (i + 1) & mask) {
                size_t home = c->table[i].hash & mask;
                /* Whoever may live at the gap moves there: its home is not behind the gap. */
                if (((i - home) & mask) >= ((i - gap) & mask)) {
                        c->table[gap] = c->table[i];
                        gap = i;
                }
        }
        c->table[gap] = (struct claim){.hash = 0};
        c->count--;
        return false;
}

void claims_deinit(struct claims *c)
{
        free(c->table);
        *c = (struct claims){.table = NULL};
}
