/* Capacity doubles, so that setting ascending numbers is amortised O(1); new words are zeroed. */
#include "ingest/base/bitmap.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_WORDS 512 /* 4 KiB: 32,768 numbers */

void bitmap_init(struct bitmap *m, size_t max_bytes)
{
        if (max_bytes > BITMAP_MAX_BYTES)
                max_bytes = BITMAP_MAX_BYTES;
        *m = (struct bitmap){.max_words = max_bytes / sizeof(uint64_t)};
}

void bitmap_deinit(struct bitmap *m)
{
        free(m->words);
        *m = (struct bitmap){.max_words = m->max_words};
}

bool bitmap_unset(struct bitmap *m, uint64_t n)
{
        if (!bitmap_test(m, n))
                return false;
        m->words[n / 64] &= ~(UINT64_C(1) << (n % 64));
        m->count--;
        return true;
}

void bitmap_clear(struct bitmap *m)
{
        if (m->words)
                memset(m->words, 0, m->capacity * sizeof(uint64_t));
        m->count = 0;
}

/* Makes room for word @word, which is below the maximum. */
static int grow(struct bitmap *m, size_t word, struct err *e)
{
        size_t capacity = m->capacity ? m->capacity : FIRST_WORDS;

        while (capacity <= word)
                capacity *= 2;
        if (capacity > m->max_words)
                capacity = m->max_words;
        uint64_t *words = realloc(m->words, capacity * sizeof(uint64_t));
        if (!words)
                return err_nomem(e, "the set of seen records");
        memset(words + m->capacity, 0, (capacity - m->capacity) * sizeof(uint64_t));
        m->words = words;
        m->capacity = capacity;
        return 0;
}

int bitmap_set(struct bitmap *m, uint64_t n, struct err *e)
{
        if (n / 64 >= m->max_words)
                return err_set(e, ERR_SYSTEM,
                        "number %llu does not fit the set of seen records (%zu bytes at most)",
                        (unsigned long long)n, m->max_words * sizeof(uint64_t));
        size_t word = (size_t)(n / 64);
        if (word >= m->capacity) {
                int rc = grow(m, word, e);
                if (rc)
                        return rc;
        }
        uint64_t bit = UINT64_C(1) << (n % 64);
        if (m->words[word] & bit)
                return BITMAP_ALREADY;
        m->words[word] |= bit;
        m->count++;
        return 0;
}
