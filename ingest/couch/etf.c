/*
 * One pass from JSON bytes to term bytes with a stack of open containers: this runs once for every
 * document of a first load. Space is reserved for the worst case beforehand, so nothing here
 * checks for room; counts are put in when a container closes.
 */
#include "ingest/couch/etf.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>

#include "ingest/record/json.h"

enum etf_tag {
        TAG_SMALL_INTEGER = 97,
        TAG_INTEGER = 98,
        TAG_ATOM = 100,
        TAG_SMALL_TUPLE = 104,
        TAG_NIL = 106,
        TAG_STRING = 107,
        TAG_LIST = 108,
        TAG_BINARY = 109,
        TAG_SMALL_BIG = 110,
        TAG_NEW_FLOAT = 70
};

#define STRING_MAX   65535 /* elements of a byte string: its length has 16 bits */
#define BIG_LIMBS    32    /* 32-bit limbs of JSON_MAX_INT_DIGITS digits: 300 * log2(10) / 32 */
#define DOUBLE_MAX   32    /* bytes of a double's canonical text: at most 24 */
#define LIST_HEAD    5     /* bytes of a list's tag and count */
#define EXACT_DIGITS 15    /* so many decimal digits, and ... */
#define EXACT_POWER  22    /* ... powers of ten up to this one are exact as a double */

struct level {
        unsigned char *head; /* the container's list tag */
        uint32_t count;
        bool object;
        bool bytes; /* an array of integers 0..255 so far */
};

struct encoder {
        const unsigned char *p, *end;
        unsigned char *out;
        unsigned depth; /* levels in use */
        struct level levels[JSON_MAX_DEPTH + 1];
};

static unsigned char *put_be32(unsigned char *out, uint32_t n)
{
        uint32_t be = htobe32(n);

        memcpy(out, &be, sizeof(be));
        return out + sizeof(be);
}

unsigned char *etf_put_bool(unsigned char *out, bool value)
{
        static const unsigned char t[] = {TAG_ATOM, 0, 4, 't', 'r', 'u', 'e'};
        static const unsigned char f[] = {TAG_ATOM, 0, 5, 'f', 'a', 'l', 's', 'e'};

        if (value)
                return (unsigned char *)memcpy(out, t, sizeof(t)) + sizeof(t);
        return (unsigned char *)memcpy(out, f, sizeof(f)) + sizeof(f);
}

unsigned char *etf_put_binary(unsigned char *out, const void *bytes, uint32_t n)
{
        *out++ = TAG_BINARY;
        out = put_be32(out, n);
        memcpy(out, bytes, n);
        return out + n;
}

unsigned char *etf_put_list(unsigned char *out, uint32_t count)
{
        *out++ = TAG_LIST;
        return put_be32(out, count);
}

unsigned char *etf_put_nil(unsigned char *out)
{
        *out++ = TAG_NIL;
        return out;
}

/* The integer whose @count limbs (least significant first) are given. */
static unsigned char *put_big(
        unsigned char *out, bool negative, const uint32_t *limbs, size_t count)
{
        unsigned char *length = out + 1;
        unsigned char *first = out + 3;

        out[0] = TAG_SMALL_BIG;
        out[2] = negative;
        out += 3;
        for (size_t i = 0; i < count; i++) {
                uint32_t le = htole32(limbs[i]);
                memcpy(out, &le, sizeof(le));
                out += sizeof(le);
        }
        while (out > first && out[-1] == 0)
                out--;
        *length = (unsigned char)(out - first);
        return out;
}

static unsigned char *put_integer(unsigned char *out, bool negative, uint64_t n)
{
        if (n <= UINT8_MAX && !(negative && n)) {
                *out++ = TAG_SMALL_INTEGER;
                *out++ = (unsigned char)n;
                return out;
        }
        if (n <= (uint64_t)INT32_MAX + negative) {
                *out++ = TAG_INTEGER;
                return put_be32(out, negative ? (uint32_t)(0 - n) : (uint32_t)n);
        }
        return put_big(out, negative, (uint32_t[]){(uint32_t)n, (uint32_t)(n >> 32)}, 2);
}

unsigned char *etf_put_uint(unsigned char *out, uint64_t n)
{
        return put_integer(out, false, n);
}

static bool is_digit(unsigned char c)
{
        return (unsigned)c - '0' < 10;
}

/* Digits beyond 64 bits: nine at a time into limbs of 32 bits. */
static unsigned char *put_digits(
        unsigned char *out, bool negative, const unsigned char *p, size_t n)
{
        static const uint32_t powers[] = {
                1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
        uint32_t limbs[BIG_LIMBS] = {0};
        size_t used = 0;

        if (n > JSON_MAX_INT_DIGITS)
                return NULL;
        while (n > 0) {
                unsigned step = n < 9 ? (unsigned)n : 9;
                uint64_t carry = 0;
                for (unsigned i = 0; i < step; i++)
                        carry = carry * 10 + (*p++ - '0');
                for (size_t i = 0; i < used; i++) {
                        carry += (uint64_t)limbs[i] * powers[step];
                        limbs[i] = (uint32_t)carry;
                        carry >>= 32;
                }
                if (carry)
                        limbs[used++] = (uint32_t)carry;
                n -= step;
        }
        return put_big(out, negative, limbs, used);
}

/* Few digits and a small power of ten: both exact as doubles, so one division rounds right. */
static bool short_decimal(const unsigned char *p, const unsigned char *end, double *d)
{
        static const double powers[EXACT_POWER + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8,
                1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
        int64_t digits = 0;
        size_t count = 0, scale = 0;
        bool point = false;

        for (; p < end; p++) {
                if (*p == '.' && !point) {
                        point = true;
                        continue;
                }
                if (!is_digit(*p))
                        return false; /* an exponent */
                digits = digits * 10 + (*p - '0');
                scale += point;
                if (++count > EXACT_DIGITS)
                        return false;
        }
        *d = (double)digits / powers[scale];
        return true;
}

static unsigned char *put_double(
        unsigned char *out, bool negative, const unsigned char *p, const unsigned char *end)
{
        char text[DOUBLE_MAX];
        uint64_t bits;
        double d;

        if (!short_decimal(p, end, &d)) {
                size_t n = (size_t)(end - p);
                char *stop;
                if (n >= sizeof(text))
                        return NULL;
                memcpy(text, p, n);
                text[n] = '\0';
                d = strtod(text, &stop);
                if (stop != text + n)
                        return NULL;
        }
        if (!isnormal(d) && d != 0) /* CouchDB's own reading of denormals is not exact */
                return NULL;
        if (negative)
                d = -d;
        memcpy(&bits, &d, sizeof(bits));
        bits = htobe64(bits);
        *out++ = TAG_NEW_FLOAT;
        memcpy(out, &bits, sizeof(bits));
        return out + sizeof(bits);
}

static bool put_number(struct encoder *x)
{
        const unsigned char *p = x->p;
        bool negative = *p == '-';
        const unsigned char *first = p += negative;
        uint64_t n = 0;

        while (p < x->end && is_digit(*p))
                n = n * 10 + (*p++ - '0'); /* wraps; used only where it cannot have */
        size_t digits = (size_t)(p - first);
        if (digits == 0 || (digits > 1 && *first == '0'))
                return false;
        if (p < x->end && (*p == '.' || *p == 'e' || *p == 'E')) {
                while (p < x->end && *p != ',' && *p != ']' && *p != '}')
                        p++;
                x->out = put_double(x->out, negative, first, p);
        } else if (digits < 20) {
                x->out = put_integer(x->out, negative, n);
        } else {
                x->out = put_digits(x->out, negative, first, digits);
        }
        x->p = p;
        return x->out != NULL;
}

static int hex_value(unsigned char c)
{
        if (is_digit(c))
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits at @p, or -1. */
static int32_t hex4(const unsigned char *p, const unsigned char *end)
{
        int32_t code = 0;

        if (end - p < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                int v = hex_value(p[i]);
                if (v < 0)
                        return -1;
                code = code << 4 | v;
        }
        return code;
}

static unsigned char *put_utf8(unsigned char *out, uint32_t code)
{
        if (code < 0x80) {
                *out++ = (unsigned char)code;
                return out;
        }
        if (code < 0x800) {
                *out++ = (unsigned char)(0xC0 | code >> 6);
        } else {
                if (code < 0x10000) {
                        *out++ = (unsigned char)(0xE0 | code >> 12);
                } else {
                        *out++ = (unsigned char)(0xF0 | code >> 18);
                        *out++ = (unsigned char)(0x80 | (code >> 12 & 0x3F));
                }
                *out++ = (unsigned char)(0x80 | (code >> 6 & 0x3F));
        }
        *out++ = (unsigned char)(0x80 | (code & 0x3F));
        return out;
}

/* A \u escape (with its low surrogate) whose digits begin at x->p. */
static bool put_unicode(struct encoder *x)
{
        int32_t code = hex4(x->p, x->end);

        if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF))
                return false;
        x->p += 4;
        if (code >= 0xD800 && code <= 0xDBFF) {
                if (x->end - x->p < 2 || x->p[0] != '\\' || x->p[1] != 'u')
                        return false;
                int32_t low = hex4(x->p + 2, x->end);
                if (low < 0xDC00 || low > 0xDFFF)
                        return false;
                x->p += 6;
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        x->out = put_utf8(x->out, (uint32_t)code);
        return true;
}

static bool put_escape(struct encoder *x)
{
        static const char plain[256] = {['"'] = '"',
                ['\\'] = '\\',
                ['/'] = '/',
                ['b'] = '\b',
                ['f'] = '\f',
                ['n'] = '\n',
                ['r'] = '\r',
                ['t'] = '\t'};

        if (++x->p == x->end)
                return false;
        unsigned char c = *x->p++;
        if (c == 'u')
                return put_unicode(x);
        if (!plain[c])
                return false;
        *x->out++ = (unsigned char)plain[c];
        return true;
}

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* High bits of the bytes of @word that equal @byte; exact up to the first one. */
static inline uint64_t bytes_equal(uint64_t word, unsigned char byte)
{
        uint64_t x = word ^ (ONES * byte);

        return (x - ONES) & ~x & HIGHS;
}

/* Copies up to the next quote or backslash, eight bytes at a time. */
static void copy_plain(struct encoder *x)
{
        while (x->end - x->p >= 8) {
                uint64_t word;
                memcpy(&word, x->p, sizeof(word));
                memcpy(x->out, &word, sizeof(word));
                word = le64toh(word);
                uint64_t hit = bytes_equal(word, '"') | bytes_equal(word, '\\');
                unsigned n = hit ? (unsigned)__builtin_ctzll(hit) / 8 : 8;
                x->p += n;
                x->out += n;
                if (hit)
                        return;
        }
        while (x->p < x->end && *x->p != '"' && *x->p != '\\')
                *x->out++ = *x->p++;
}

/* The string that begins at x->p. */
static bool put_string(struct encoder *x)
{
        unsigned char *head = x->out;

        if (x->p == x->end || *x->p != '"')
                return false;
        x->p++;
        x->out += LIST_HEAD;
        for (;;) {
                copy_plain(x);
                if (x->p == x->end)
                        return false;
                if (*x->p == '"')
                        break;
                if (!put_escape(x))
                        return false;
        }
        x->p++;
        *head = TAG_BINARY;
        put_be32(head + 1, (uint32_t)(x->out - head - LIST_HEAD));
        return true;
}

static bool put_word(struct encoder *x)
{
        static const unsigned char null[] = {TAG_ATOM, 0, 4, 'n', 'u', 'l', 'l'};
        struct str rest = {(const char *)x->p, (size_t)(x->end - x->p)};

        if (str_starts(rest, STR("true"))) {
                x->out = etf_put_bool(x->out, true);
                x->p += 4;
        } else if (str_starts(rest, STR("false"))) {
                x->out = etf_put_bool(x->out, false);
                x->p += 5;
        } else if (str_starts(rest, STR("null"))) {
                memcpy(x->out, null, sizeof(null));
                x->out += sizeof(null);
                x->p += 4;
        } else {
                return false;
        }
        return true;
}

static bool open_level(struct encoder *x, bool object)
{
        if (x->depth > JSON_MAX_DEPTH)
                return false;
        if (object) {
                *x->out++ = TAG_SMALL_TUPLE;
                *x->out++ = 1;
        }
        x->levels[x->depth++] = (struct level){.head = x->out, .object = object, .bytes = !object};
        x->out += LIST_HEAD;
        return true;
}

/* An array of bytes alone: (tag, byte) pairs become bytes behind a shorter head. */
static unsigned char *close_bytes(struct level *level)
{
        unsigned char *in = level->head + LIST_HEAD + 1;
        unsigned char *out = level->head;

        *out++ = TAG_STRING;
        *out++ = (unsigned char)(level->count >> 8);
        *out++ = (unsigned char)level->count;
        for (uint32_t i = 0; i < level->count; i++, in += 2)
                *out++ = *in;
        return out;
}

static void close_level(struct encoder *x)
{
        struct level *level = &x->levels[--x->depth];

        if (level->count == 0) {
                x->out = etf_put_nil(level->head);
        } else if (level->bytes && level->count <= STRING_MAX) {
                x->out = close_bytes(level);
        } else {
                etf_put_list(level->head, level->count);
                x->out = etf_put_nil(x->out);
        }
}

/* A key and its colon, as the first half of a pair. */
static bool put_key(struct encoder *x)
{
        *x->out++ = TAG_SMALL_TUPLE;
        *x->out++ = 2;
        return put_string(x) && x->p < x->end && *x->p++ == ':';
}

/* One value, or the opening of a container. *@opened: its first element comes next. */
static bool put_value(struct encoder *x, bool *opened)
{
        struct level *level = &x->levels[x->depth - 1];
        unsigned char *start = x->out;
        bool ok;

        *opened = false;
        level->count++;
        if (x->p == x->end)
                return false;
        switch (*x->p) {
        case '"':
                level->bytes = false;
                return put_string(x);
        case '{':
        case '[':
                level->bytes = false;
                ok = open_level(x, *x->p++ == '{');
                /* The brackets' code points are two above their opening ones. */
                *opened = ok && x->p < x->end && *x->p != x->p[-1] + 2;
                return ok;
        case 't':
        case 'f':
        case 'n':
                level->bytes = false;
                return put_word(x);
        default:
                ok = put_number(x);
                level->bytes = level->bytes && *start == TAG_SMALL_INTEGER;
                return ok;
        }
}

/* What follows a value: closes levels up to a comma. *@more: an element follows. */
static bool put_closings(struct encoder *x, bool *more)
{
        while (x->p < x->end) {
                unsigned char c = *x->p++;
                if (c == ',') {
                        *more = true;
                        return true;
                }
                if (x->depth < 2 || c != (x->levels[x->depth - 1].object ? '}' : ']'))
                        return false;
                close_level(x);
        }
        *more = false;
        return x->depth == 1;
}

unsigned char *etf_put_object(unsigned char *out, struct str body)
{
        struct encoder x;
        bool more = body.len > 0;
        bool opened;

        /* Not an initializer: that would clear the levels for every document. */
        x.p = (const unsigned char *)body.ptr;
        x.end = x.p + body.len;
        x.out = out;
        x.depth = 0;
        if (body.len > UINT32_MAX / ETF_EXPANSION || !open_level(&x, true))
                return NULL;
        while (more) {
                if (x.levels[x.depth - 1].object && !put_key(&x))
                        return NULL;
                if (!put_value(&x, &opened))
                        return NULL;
                if (!opened && !put_closings(&x, &more))
                        return NULL;
        }
        close_level(&x);
        return x.out;
}
