/*
 * What most values of a reply are: strings without escapes, short numbers, words. They are looked
 * at once, and copied or used where they lie; anything else is for the canonicaliser.
 */
#include "ingest/record/json_block.h"

#define PLAIN_DIGITS 15 /* DBL_DIG: all decimals of so many digits survive a double */
#define PLAIN_ZEROS  5  /* behind the point of 0.000001: smaller ones get an exponent */

/* Whether nothing in the @n bytes at @p ends a run; *@high: not 0 where some are not ASCII. */
static inline bool is_run(const char *p, size_t n, unsigned *high)
{
        const char *end = p + n;
        struct json_chunk c;
        uint64_t seen = 0;

        if (n < JSON_CHUNK_BYTES) {
                bool run = json_run_end(p, end, &seen) == end;
                *high = seen != 0;
                return run;
        }
        json_chunk_read(end - JSON_CHUNK_BYTES, &c);
        for (; end - p > JSON_CHUNK_BYTES; p += JSON_CHUNK_BYTES) {
                struct json_chunk next;
                json_chunk_read(p, &next);
                c.stops |= next.stops;
                c.high |= next.high;
        }
        *high = c.high;
        return c.stops == 0;
}

bool json_plain_inside(struct str quoted, struct str *inside)
{
        struct str s = {quoted.ptr + 1, quoted.len - 2};
        unsigned high;

        if (quoted.len < 2 || *quoted.ptr != '"' || quoted.ptr[quoted.len - 1] != '"')
                return false;
        if (!is_run(s.ptr, s.len, &high) || (high && !str_utf8_valid(s)))
                return false;
        *inside = s;
        return true;
}

static inline size_t digits_at(const char *p, const char *end)
{
        const char *start = p;

        while (p < end && (unsigned char)(*p - '0') < 10)
                p++;
        return (size_t)(p - start);
}

static bool is_plain_fraction(const char *p, const char *end, bool below_one)
{
        size_t zeros = 0;

        if (end[-1] == '0')
                return false; /* also 0.0, and the point alone */
        while (below_one && p < end && *p == '0') {
                zeros++;
                p++;
        }
        return zeros <= PLAIN_ZEROS;
}

/* -?[0-9]+(.[0-9]+)? in the form that json_copy_number() gives it. */
static bool is_plain_number(struct str text)
{
        const char *p = text.ptr, *end = p + text.len;
        bool negative = *p == '-';

        p += negative;
        size_t whole = digits_at(p, end);
        bool zero = whole == 1 && *p == '0';
        if (whole == 0 || whole > PLAIN_DIGITS || (*p == '0' && !zero))
                return false;
        p += whole;
        if (p == end)
                return !(zero && negative);
        if (*p++ != '.')
                return false;
        size_t fraction = digits_at(p, end);
        if (fraction == 0 || p + fraction != end || whole + fraction > PLAIN_DIGITS)
                return false;
        return is_plain_fraction(p, end, zero);
}

bool json_is_plain(struct str text)
{
        struct str inside;

        switch (text.len ? *text.ptr : '\0') {
        case '"':
                return json_plain_inside(text, &inside);
        case '-':
        case '0' ... '9':
                return is_plain_number(text);
        case 't':
                return str_eq(text, STR("true"));
        case 'f':
                return str_eq(text, STR("false"));
        default:
                return false;
        }
}
