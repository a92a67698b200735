/*
 * The hot path: every byte the source sends passes here once. Eight bytes at a time are searched
 * for tabs and backslashes; a tab is always a separator (within a field it is sent as \t), so
 * a backslash only marks its field for the slow path.
 */
#include "ingest/source/postgres/copy.h"

#define EVERY_BYTE(c) (UINT64_C(0x0101010101010101) * (unsigned char)(c))
#define LOW7          EVERY_BYTE(0x7F)

/* The high bit of each byte of @word that is zero; exact, no false ones behind a true one. */
static inline uint64_t zero_bytes(uint64_t word)
{
        return ~(((word & LOW7) + LOW7) | word | LOW7);
}

/* Up to eight bytes in memory order, first byte lowest; zeros behind the end. */
static inline uint64_t load(const char *p, size_t n)
{
        uint64_t word = 0;

        if (n >= sizeof(word))
                memcpy(&word, p, sizeof(word));
        else
                memcpy(&word, p, n);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        return word;
}

static const char escape_of[256] = {
        ['b'] = '\b',
        ['f'] = '\f',
        ['n'] = '\n',
        ['r'] = '\r',
        ['t'] = '\t',
        ['v'] = '\v',
};

/* Return: the new end. A backslash before any other byte stands for that byte, as in COPY FROM. */
static char *unescape(char *start, char *end)
{
        char *from = memchr(start, '\\', end - start);
        char *to = from;

        while (from < end) {
                char c = *from++;

                if (c == '\\' && from < end) {
                        c = *from++;
                        if (escape_of[(unsigned char)c])
                                c = escape_of[(unsigned char)c];
                }
                *to++ = c;
        }
        return to;
}

static inline struct value close_field(char *start, char *end, bool escaped)
{
        if (__builtin_expect(!escaped, 1))
                return (struct value){start, (uint32_t)(end - start)};
        if (end - start == 2 && start[1] == 'N')
                return (struct value){NULL, 0};
        return (struct value){start, (uint32_t)(unescape(start, end) - start)};
}

size_t pg_copy_parse(char *row, size_t len, struct value *values, size_t count)
{
        char *field = row;
        size_t n = 0;
        bool escaped = false;

        if (len > 0 && row[len - 1] == '\n')
                len--;
        char *end = row + len;
        for (char *p = row; p < end; p += 8) {
                uint64_t word = load(p, end - p);
                uint64_t hits =
                        zero_bytes(word ^ EVERY_BYTE('\t')) | zero_bytes(word ^ EVERY_BYTE('\\'));

                for (; hits; hits &= hits - 1) {
                        char *at = p + (__builtin_ctzll(hits) >> 3);

                        if (*at == '\\') {
                                escaped = true;
                                continue;
                        }
                        if (n + 1 >= count)
                                return count + 1;
                        values[n++] = close_field(field, at, escaped);
                        field = at + 1;
                        escaped = false;
                }
        }
        if (n >= count)
                return count + 1;
        values[n++] = close_field(field, end, escaped);
        return n;
}
