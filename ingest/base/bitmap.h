/*
 * bitmap.h: a growing set of dense numbers.
 *
 * One bit per number from 0; it grows to the largest number set, never beyond its maximum.
 * 10,000,000 numbers take 1.25 MB. Not shared between threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/base/err.h"

#define BITMAP_MAX_BYTES (512u << 20) /* 4,294,967,296 numbers: all of uint32_t */

struct bitmap {
        uint64_t *words; /* owned; NULL until the first set */
        size_t capacity; /* words allocated, all initialised */
        size_t max_words;
        uint64_t count; /* numbers in the set */
};

/** bitmap_init() - an empty set that takes at most @max_bytes (cut to BITMAP_MAX_BYTES) */
void bitmap_init(struct bitmap *m, size_t max_bytes);
void bitmap_deinit(struct bitmap *m);
#define cleanup_bitmap_ cleanup_(bitmap_deinit)

#define BITMAP_ALREADY 1

/** bitmap_set() - adds @n
 * Return: 0; BITMAP_ALREADY it was in the set; -ERR_SYSTEM beyond the maximum; -ERR_NOMEM. */
int bitmap_set(struct bitmap *m, uint64_t n, struct err *e) __attribute__((warn_unused_result));

/** bitmap_unset() - takes @n out. Return: whether it was in the set. */
bool bitmap_unset(struct bitmap *m, uint64_t n);

/** bitmap_test() - whether @n is in the set */
static inline bool bitmap_test(const struct bitmap *m, uint64_t n)
{
        return n / 64 < m->capacity && (m->words[n / 64] >> (n % 64) & 1);
}

/** bitmap_clear() - empties the set and keeps its memory */
void bitmap_clear(struct bitmap *m);

/** bitmap_count() - how many numbers are in the set */
static inline uint64_t bitmap_count(const struct bitmap *m)
{
        return m->count;
}
