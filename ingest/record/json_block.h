/*
 * json_block.h: which of 64, or 16, bytes of JSON text are of a kind, a bit for each byte.
 *
 * SSE2, which every x86-64 has, where there is; the same by words of eight bytes elsewhere. Both
 * are here under names of their own, so that they can be compared.
 */
#pragma once

#include "ingest/record/json_scan.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define JSON_BLOCK_BYTES 64
#define JSON_CHUNK_BYTES 16

struct json_block {
        uint64_t quotes, backslashes;
        uint64_t opens, closes; /* { [ and } ] */
};

struct json_chunk {
        unsigned stops; /* quotes, backslashes, controls */
        unsigned high;  /* not ASCII */
};

/* The high bit of each byte of @w, as eight bits. */
static inline uint64_t json_word_bits(uint64_t w)
{
        return ((w >> 7 & JSON_EVERY_BYTE(1)) * UINT64_C(0x0102040810204080)) >> 56;
}

/* The high bit of each byte of @w that is @c: no borrow, so every bit is right. */
static inline uint64_t json_word_equal(uint64_t w, unsigned char c)
{
        uint64_t x = w ^ JSON_EVERY_BYTE(c);
        uint64_t low = (x & JSON_EVERY_BYTE(0x7F)) + JSON_EVERY_BYTE(0x7F);

        return ~(low | x) & JSON_EVERY_BYTE(0x80);
}

static inline void json_block_by_words(const char *p, struct json_block *b)
{
        uint64_t w;

        *b = (struct json_block){0};
        for (unsigned i = 0; i < JSON_BLOCK_BYTES; i += 8) {
                memcpy(&w, p + i, 8);
                w = le64toh(w);
                /* [ and { differ in one bit, ] and } as well */
                uint64_t lower = w | JSON_EVERY_BYTE(0x20);
                b->quotes |= json_word_bits(json_word_equal(w, '"')) << i;
                b->backslashes |= json_word_bits(json_word_equal(w, '\\')) << i;
                b->opens |= json_word_bits(json_word_equal(lower, '{')) << i;
                b->closes |= json_word_bits(json_word_equal(lower, '}')) << i;
        }
}

static inline void json_chunk_by_words(const char *p, struct json_chunk *c)
{
        uint64_t w;

        *c = (struct json_chunk){0};
        for (unsigned i = 0; i < JSON_CHUNK_BYTES; i += 8) {
                memcpy(&w, p + i, 8);
                w = le64toh(w);
                uint64_t high = w & JSON_EVERY_BYTE(0x80);
                uint64_t from_space = (w & JSON_EVERY_BYTE(0x7F)) + JSON_EVERY_BYTE(0x60);
                uint64_t control = ~(from_space | w) & JSON_EVERY_BYTE(0x80);
                uint64_t stops = control | json_word_equal(w, '"') | json_word_equal(w, '\\');
                c->stops |= (unsigned)json_word_bits(stops) << i;
                c->high |= (unsigned)json_word_bits(high) << i;
        }
}

#ifdef __SSE2__
static inline uint64_t json_bits_equal(__m128i v, char c)
{
        return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

static inline void json_block_read(const char *p, struct json_block *b)
{
        *b = (struct json_block){0};
        for (unsigned i = 0; i < JSON_BLOCK_BYTES; i += 16) {
                __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
                __m128i lower = _mm_or_si128(v, _mm_set1_epi8(0x20));
                b->quotes |= json_bits_equal(v, '"') << i;
                b->backslashes |= json_bits_equal(v, '\\') << i;
                b->opens |= json_bits_equal(lower, '{') << i;
                b->closes |= json_bits_equal(lower, '}') << i;
        }
}

static inline void json_chunk_read(const char *p, struct json_chunk *c)
{
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i last = _mm_set1_epi8(0x1F);
        __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(v, last), last);
        __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
        __m128i backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));

        c->stops =
                (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash)));
        c->high = (unsigned)_mm_movemask_epi8(v);
}
#else
#define json_block_read json_block_by_words
#define json_chunk_read json_chunk_by_words
#endif
