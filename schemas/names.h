/*
 * names.h: a set of names that is built once and looked up often.
 *
 * Borrows the names. Lookups allocate nothing and may run in several threads.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/base/str.h"

#define NAMES_NONE UINT32_MAX

struct names {
        const struct str *list; /* borrowed; [count] */
        uint32_t *slots;        /* in the arena; index into @list + 1, 0: free */
        uint32_t count, mask;
};

/** names_init() - @list must live as long as @n and hold no name twice
 * Return: false when @arena gives no more. */
bool names_init(struct names *n, const struct str *list, uint32_t count, struct arena *arena)
        __attribute__((warn_unused_result));

/** names_find() - the index of @name in the list, or NAMES_NONE */
uint32_t names_find(const struct names *n, struct str name);
