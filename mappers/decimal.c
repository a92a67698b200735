/*
 * Rounding looks at the digits that are cut off: whether there are any but zeros, and on which
 * side of the middle they lie. A carry then runs through the digits that were already written.
 */
#include "mappers/decimal.h"

#include "ingest/record/json.h"

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static size_t count_digits(struct str s, size_t at)
{
        size_t n = 0;

        while (at + n < s.len && is_digit(s.ptr[at + n]))
                n++;
        return n;
}

static struct str slice(struct str s, size_t at, size_t len)
{
        return (struct str){s.ptr + at, len};
}

static struct str without_leading_zeros(struct str s)
{
        while (s.len > 0 && *s.ptr == '0') {
                s.ptr++;
                s.len--;
        }
        return s;
}

/* [+-]?[0-9]+ */
static bool parse_exponent(struct str s, int64_t *exponent)
{
        return s.len > 0 && is_digit(s.ptr[s.len - 1]) && str_to_int64(s, exponent) &&
               *exponent <= DECIMAL_MAX_EXPONENT && *exponent >= -DECIMAL_MAX_EXPONENT;
}

/* Moves the point of @d by writing all digits, with zeros where there are none, to @expanded. */
static void shift_point(struct decimal *d, int64_t exponent, struct buf *expanded)
{
        int64_t whole = (int64_t)d->whole.len + exponent;

        expanded->len = 0; /* an error stays: it is asked for at the end */
        for (int64_t i = whole; i < 0; i++)
                buf_putc(expanded, '0');
        buf_put_str(expanded, d->whole);
        buf_put_str(expanded, d->fraction);
        while ((int64_t)expanded->len < whole && !expanded->error)
                buf_putc(expanded, '0');
        size_t at = whole > 0 ? (size_t)whole : 0;
        struct str digits = buf_str(expanded);
        if (expanded->error)
                digits = (struct str){"", at = 0};
        d->whole = without_leading_zeros(slice(digits, 0, at));
        d->fraction = slice(digits, at, digits.len - at);
}

bool decimal_parse(struct str text, struct buf *expanded, struct decimal *out)
{
        struct decimal d = {.negative = text.len > 0 && *text.ptr == '-'};
        size_t at = d.negative;
        size_t n = count_digits(text, at);
        int64_t exponent;

        if (n == 0)
                return false;
        d.whole = without_leading_zeros(slice(text, at, n));
        at += n;
        d.fraction = slice(text, at, 0);
        if (at < text.len && text.ptr[at] == '.') {
                n = count_digits(text, at + 1);
                if (n == 0)
                        return false;
                d.fraction = slice(text, at + 1, n);
                at += 1 + n;
        }
        if (at < text.len) {
                if ((text.ptr[at] | 0x20) != 'e' ||
                        !parse_exponent(slice(text, at + 1, text.len - at - 1), &exponent))
                        return false;
                shift_point(&d, exponent, expanded);
        }
        *out = d;
        return true;
}

static bool all_zeros(struct str digits)
{
        return without_leading_zeros(digits).len == 0;
}

/* Where the digits that are cut off lie: -1 below the middle, 0 on it, 1 above. */
static int compare_to_half(struct str lost)
{
        if (*lost.ptr != '5')
                return *lost.ptr < '5' ? -1 : 1;
        return all_zeros(slice(lost, 1, lost.len - 1)) ? 0 : 1;
}

/* Whether the magnitude grows by one unit of the last digit kept. @lost is not all zeros. */
static bool rounds_away(
        enum field_rounding rounding, bool negative, bool last_is_odd, struct str lost)
{
        int half = compare_to_half(lost);

        switch (rounding) {
        case ROUND_HALF_EVEN:
                return half > 0 || (half == 0 && last_is_odd);
        case ROUND_HALF_UP:
                return half >= 0;
        case ROUND_UP:
                return true;
        case ROUND_FLOOR:
                return negative;
        case ROUND_CEILING:
                return !negative;
        case ROUND_DOWN:
        case ROUND_NONE:
                break;
        }
        return false;
}

/* Adds one unit to the digits at @start .. end of @out, a point among them or not. */
static void add_unit(struct buf *out, size_t start)
{
        for (size_t i = out->len; i > start; i--) {
                char *c = &out->data[i - 1];
                if (*c == '.')
                        continue;
                if (*c != '9') {
                        (*c)++;
                        return;
                }
                *c = '0';
        }
        buf_putc(out, '0');
        if (out->error)
                return;
        memmove(out->data + start + 1, out->data + start, out->len - start - 1);
        out->data[start] = '1';
}

/* "-0.00" is written without its sign. */
static void drop_sign_of_zero(struct buf *out, size_t start)
{
        for (size_t i = start + 1; i < out->len; i++)
                if (out->data[i] != '0' && out->data[i] != '.')
                        return;
        memmove(out->data + start, out->data + start + 1, out->len - start - 1);
        out->len--;
}

static char last_digit(const struct decimal *d, size_t kept)
{
        if (kept > 0)
                return d->fraction.ptr[kept - 1];
        return d->whole.len ? d->whole.ptr[d->whole.len - 1] : '0';
}

static bool put_digits(const struct decimal *d, int64_t scale, enum field_rounding rounding,
        const char *point, const char *zero, struct buf *out)
{
        size_t digits = scale == DECIMAL_AS_IS ? d->fraction.len : (size_t)scale;
        size_t kept = digits < d->fraction.len ? digits : d->fraction.len;
        struct str lost = slice(d->fraction, kept, d->fraction.len - kept);
        bool exact = all_zeros(lost);
        size_t start = out->len;

        if (!exact && rounding == ROUND_NONE)
                return false;
        if (d->negative)
                buf_putc(out, '-');
        size_t first = out->len;
        if (d->whole.len)
                buf_put_str(out, d->whole);
        else
                buf_puts(out, zero);
        if (digits > 0)
                buf_puts(out, point);
        buf_put_str(out, slice(d->fraction, 0, kept));
        for (size_t i = kept; i < digits; i++)
                buf_putc(out, '0');
        bool odd = (last_digit(d, kept) & 1) != 0;
        if (!exact && rounds_away(rounding, d->negative, odd, lost) && !out->error)
                add_unit(out, first);
        if (d->negative && !out->error)
                drop_sign_of_zero(out, start);
        return true;
}

bool decimal_put(
        const struct decimal *d, int64_t scale, enum field_rounding rounding, struct buf *out)
{
        return put_digits(d, scale, rounding, ".", "0", out);
}

bool decimal_minor(
        const struct decimal *d, int64_t scale, enum field_rounding rounding, struct buf *out)
{
        size_t start = out->len;

        if (!put_digits(d, scale, rounding, "", "", out))
                return false;
        if (out->error)
                return true;
        size_t first = start + (out->len > start && out->data[start] == '-');
        struct str digits = {out->data + first, out->len - first};
        struct str rest = without_leading_zeros(digits);
        memmove(out->data + first, rest.ptr, rest.len);
        out->len = first + rest.len;
        if (rest.len == 0) {
                out->len = start;
                buf_putc(out, '0');
        }
        return true;
}

bool decimal_is_safe_integer(struct str text)
{
        static const struct str limit = {"9007199254740991", 16}; /* JSON_MAX_INTEGER */
        bool negative = text.len > 0 && *text.ptr == '-';
        struct str digits = slice(text, negative, text.len - negative);

        if (digits.len != limit.len)
                return digits.len < limit.len;
        return memcmp(digits.ptr, limit.ptr, limit.len) <= 0;
}
