/* Parsers of small texts: one unit table each, no locale. */
#include "ingest/base/str.h"

#include <ctype.h>
#include <endian.h>
#include <stdlib.h>
#include <strings.h>

#define HIGH_BITS   UINT64_C(0x8080808080808080)
#define NEAREST_MAX 64 /* longer words get no suggestion: the matrix stays on the stack */

int str_cmp(struct str a, struct str b)
{
        size_t n = a.len < b.len ? a.len : b.len;
        int c = n ? memcmp(a.ptr, b.ptr, n) : 0;

        if (c)
                return c;
        return (a.len > b.len) - (a.len < b.len);
}

static bool is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
        while (s.len > 0 && is_space(s.ptr[0])) {
                s.ptr++;
                s.len--;
        }
        while (s.len > 0 && is_space(s.ptr[s.len - 1]))
                s.len--;
        return s;
}

char *str_dup(struct str s)
{
        char *z = malloc(s.len + 1);

        if (!z)
                return NULL;
        if (s.len)
                memcpy(z, s.ptr, s.len);
        z[s.len] = '\0';
        return z;
}

static inline bool is_tail(unsigned char c)
{
        return (c & 0xC0) == 0x80;
}

/* Bytes of the character outside ASCII at @p; 0 where it is none. What the second byte may be
 * depends on the first one: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
static inline size_t utf8_sequence(const unsigned char *p, size_t left)
{
        unsigned char lead = p[0];

        if (lead < 0xE0)
                return lead >= 0xC2 && left >= 2 && is_tail(p[1]) ? 2 : 0;
        if (lead < 0xF0) {
                unsigned char low = lead == 0xE0 ? 0xA0 : 0x80, high = lead == 0xED ? 0x9F : 0xBF;
                return left >= 3 && p[1] >= low && p[1] <= high && is_tail(p[2]) ? 3 : 0;
        }
        unsigned char low = lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
        return lead <= 0xF4 && left >= 4 && p[1] >= low && p[1] <= high && is_tail(p[2]) &&
                               is_tail(p[3])
                       ? 4
                       : 0;
}

size_t str_utf8_prefix(struct str s)
{
        const unsigned char *p = (const unsigned char *)s.ptr;
        size_t i = 0;

        while (i < s.len) {
                uint64_t word;

                if (i + 8 <= s.len) {
                        memcpy(&word, p + i, 8);
                        word = le64toh(word) & HIGH_BITS; /* the first byte is the lowest */
                        if (word == 0) {
                                i += 8;
                                continue;
                        }
                        i += (size_t)__builtin_ctzll(word) >> 3;
                }
                if (p[i] < 0x80) {
                        i++;
                        continue;
                }
                size_t n = utf8_sequence(p + i, s.len - i);
                if (n == 0)
                        break;
                i += n;
        }
        return i;
}

bool str_utf8_valid(struct str s)
{
        return str_utf8_prefix(s) == s.len;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
        unsigned m = a < b ? a : b;

        return m < c ? m : c;
}

/* Optimal string alignment distance (Damerau-Levenshtein without repeated edits). */
static unsigned edit_distance(struct str a, struct str b)
{
        unsigned row[3][NEAREST_MAX + 1];
        unsigned *before = row[0], *last = row[1], *now = row[2];

        for (size_t j = 0; j <= b.len; j++)
                last[j] = (unsigned)j;
        for (size_t i = 1; i <= a.len; i++) {
                now[0] = (unsigned)i;
                for (size_t j = 1; j <= b.len; j++) {
                        unsigned cost = a.ptr[i - 1] != b.ptr[j - 1];
                        now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
                        if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] &&
                                a.ptr[i - 2] == b.ptr[j - 1] && before[j - 2] + 1 < now[j])
                                now[j] = before[j - 2] + 1;
                }
                unsigned *spare = before;
                before = last;
                last = now;
                now = spare;
        }
        return last[b.len];
}

const char *str_nearest(struct str word, const char *const *candidates, size_t count)
{
        const char *best = NULL;
        unsigned best_distance = word.len < 6 ? 2 : (unsigned)(word.len / 3) + 1;

        if (word.len == 0 || word.len > NEAREST_MAX)
                return NULL;
        for (size_t i = 0; i < count; i++) {
                struct str candidate = str_of(candidates[i]);
                if (candidate.len > NEAREST_MAX)
                        continue;
                if (candidate.len == word.len &&
                        strncasecmp(candidate.ptr, word.ptr, word.len) == 0)
                        return candidates[i];
                unsigned d = edit_distance(word, candidate);
                if (d < best_distance) {
                        best = candidates[i];
                        best_distance = d;
                }
        }
        return best;
}

bool str_to_int64(struct str s, int64_t *out)
{
        bool negative = false;
        uint64_t value = 0;
        size_t i = 0;

        if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
                negative = s.ptr[0] == '-';
                i = 1;
        }
        if (i == s.len)
                return false;
        for (; i < s.len; i++) {
                unsigned digit = (unsigned)(s.ptr[i] - '0');
                if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
                        __builtin_add_overflow(value, digit, &value))
                        return false;
        }
        if (value > (uint64_t)INT64_MAX + negative)
                return false;
        *out = negative ? (int64_t)(0 - value) : (int64_t)value;
        return true;
}

struct unit {
        const char *name;
        int64_t factor;
};

/* Reads digits at *@at into *@value and the letters behind them into *@name. */
static bool number_and_unit(struct str s, size_t *at, int64_t *value, struct str *name)
{
        size_t start = *at;

        while (*at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9')
                (*at)++;
        if (!str_to_int64((struct str){s.ptr + start, *at - start}, value))
                return false;
        start = *at;
        while (*at < s.len && isalpha((unsigned char)s.ptr[*at]))
                (*at)++;
        *name = (struct str){s.ptr + start, *at - start};
        return true;
}

static const struct unit *find_unit(const struct unit *units, size_t count, struct str name)
{
        for (size_t i = 0; i < count; i++)
                if (str_is(name, units[i].name))
                        return &units[i];
        return NULL;
}

bool str_to_size(struct str s, int64_t *bytes)
{
        static const struct unit units[] = {
                {"", 1},
                {"B", 1},
                {"kB", 1000},
                {"KB", 1000},
                {"MB", 1000000},
                {"GB", 1000000000},
                {"KiB", 1 << 10},
                {"MiB", 1 << 20},
                {"GiB", 1 << 30},
        };
        size_t at = 0;
        int64_t value;
        struct str name;

        if (!number_and_unit(s, &at, &value, &name) || at != s.len)
                return false;
        const struct unit *u = find_unit(units, sizeof(units) / sizeof(units[0]), name);
        if (!u || __builtin_mul_overflow(value, u->factor, &value))
                return false;
        *bytes = value;
        return true;
}

bool str_to_duration(struct str s, int64_t *ms)
{
        static const struct unit units[] = {
                {"ms", 1},
                {"s", 1000},
                {"m", 60000},
                {"h", 3600000},
                {"d", 86400000},
        };
        int64_t total = 0;
        size_t at = 0;

        if (str_is(s, "0")) {
                *ms = 0;
                return true;
        }
        if (s.len == 0)
                return false;
        while (at < s.len) {
                int64_t value;
                struct str name;
                if (!number_and_unit(s, &at, &value, &name))
                        return false;
                const struct unit *u = find_unit(units, sizeof(units) / sizeof(units[0]), name);
                if (!u || __builtin_mul_overflow(value, u->factor, &value) ||
                        __builtin_add_overflow(total, value, &total))
                        return false;
        }
        *ms = total;
        return true;
}
