/*
 * 64 bytes at a time: the quotes that no backslash precedes give, by exclusive or with all before
 * them, the bytes inside strings; only brackets outside are then looked at one by one.
 */
#include "ingest/record/json_span.h"

#include "ingest/record/json_block.h"

#define EVEN_BITS UINT64_C(0x5555555555555555)

/* The bytes behind a backslash that is not itself escaped: behind runs of an odd length. An
 * addition carries through each run, and where it ends up tells its length. */
static inline uint64_t find_escaped(uint64_t backslashes, uint64_t escaped)
{
        if (__builtin_expect(backslashes == 0, 1))
                return escaped;
        backslashes &= ~escaped;
        uint64_t behind = backslashes << 1 | escaped;
        uint64_t odd_starts = backslashes & ~EVEN_BITS & ~behind;
        uint64_t even_runs = odd_starts + backslashes;
        return (EVEN_BITS ^ even_runs << 1) & behind;
}

/* Whether the byte behind the @n bytes is escaped. */
static inline uint64_t escaped_next(uint64_t backslashes, uint64_t escaped, unsigned n)
{
        return (backslashes & ~escaped) >> (n - 1) & 1;
}

/* Each bit: the exclusive or of all bits up to it. */
static inline uint64_t running_xor(uint64_t bits)
{
        for (unsigned i = 1; i < 64; i *= 2)
                bits ^= bits << i;
        return bits;
}

static inline void push(struct json_span *s, bool object)
{
        uint64_t bit = UINT64_C(1) << (s->depth % 64);

        if (s->depth < JSON_SPAN_LEVELS) {
                uint64_t *word = &s->objects[s->depth / 64];
                *word = object ? *word | bit : *word & ~bit;
        }
        s->depth++;
}

/* Return: false where the bracket is not of the kind that is open. */
static inline bool pop(struct json_span *s, bool object)
{
        s->depth--;
        if (s->depth >= JSON_SPAN_LEVELS)
                return true;
        return (s->objects[s->depth / 64] >> (s->depth % 64) & 1) == object;
}

/* @p: @n bytes, and JSON_BLOCK_BYTES of memory. Return: as json_span_run(); *@stop: the offset. */
static inline enum json_span_outcome take_block(
        struct json_span *s, const char *p, unsigned n, unsigned *stop)
{
        struct json_block b;

        json_block_read(p, &b);
        uint64_t escaped = find_escaped(b.backslashes, s->escaped);
        uint64_t inside = running_xor(b.quotes & ~escaped) ^ s->in_string;
        uint64_t brackets = (b.opens | b.closes) & ~inside;

        s->escaped = escaped_next(b.backslashes, escaped, n);
        s->in_string = (uint64_t)((int64_t)inside >> 63);
        for (; brackets; brackets &= brackets - 1) {
                unsigned at = (unsigned)__builtin_ctzll(brackets);
                bool object = p[at] & 0x20;
                *stop = at;
                if (b.opens >> at & 1)
                        push(s, object);
                else if (!pop(s, object))
                        return JSON_SPAN_BAD;
                if (s->depth == 0)
                        return JSON_SPAN_WHOLE;
        }
        return JSON_SPAN_MORE;
}

enum json_span_outcome json_span_run(struct json_span *s, const char **p, const char *end)
{
        enum json_span_outcome outcome = JSON_SPAN_MORE;
        char last[JSON_BLOCK_BYTES];
        unsigned stop = 0;

        for (; end - *p >= JSON_BLOCK_BYTES; *p += JSON_BLOCK_BYTES) {
                outcome = take_block(s, *p, JSON_BLOCK_BYTES, &stop);
                if (outcome != JSON_SPAN_MORE)
                        goto done;
        }
        if (*p == end)
                return JSON_SPAN_MORE;
        unsigned n = (unsigned)(end - *p);
        memset(last, ' ', sizeof(last)); /* blanks neither open nor close anything */
        memcpy(last, *p, n);
        outcome = take_block(s, last, n, &stop);
        if (outcome == JSON_SPAN_MORE) {
                *p = end;
                return JSON_SPAN_MORE;
        }
done:
        *p += stop + (outcome == JSON_SPAN_WHOLE);
        return outcome;
}
