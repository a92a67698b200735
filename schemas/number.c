/*
 * Digits are compared and divided where they stand in the text.
 *
 * Divisibility of a * 10^ea by b * 10^eb (a, b integers that do not end in 0): where ea < eb it
 * cannot be, since the divisor is then a multiple of 10 and a is not. Else b must divide
 * a * 10^(ea-eb), found by long division digit by digit; as many tens as b has bits are enough,
 * because no more of them can take factors 2 or 5 out of b.
 */
#include "schemas/number.h"

#include <xxhash.h>

#include "schemas/node.h"

#define SMALL_DIGITS   18 /* fit into 63 bits, and ten times as much into 64 without sign */
#define BITS_PER_DIGIT 4  /* more than log2(10) */
#define MAX_LIMBS      (DIVISOR_MAX_DIGITS * BITS_PER_DIGIT / 32 + 2)

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p, const char *end)
{
        while (p < end && is_digit(*p))
                p++;
        return p;
}

static inline unsigned digit_at(const struct number *n, size_t i)
{
        return (unsigned)(n->digits[i + (i >= n->dot)] - '0');
}

const char *number_scan(const char *p, const char *end)
{
        const char *start;

        p += p < end && *p == '-';
        start = p;
        p = skip_digits(p, end);
        if (p == start || (*start == '0' && p - start > 1))
                return NULL;
        if (p < end && *p == '.') {
                start = ++p;
                p = skip_digits(p, end);
                if (p == start)
                        return NULL;
        }
        if (p < end && (*p | 0x20) == 'e') {
                p++;
                p += p < end && (*p == '+' || *p == '-');
                start = p;
                p = skip_digits(p, end);
                if (p == start)
                        return NULL;
        }
        return p;
}

/* @p behind the 'e'. */
static bool parse_exponent(const char *p, const char *end, int64_t *out)
{
        bool negative = *p == '-';
        int64_t value = 0;

        p += *p == '-' || *p == '+';
        for (; p < end; p++) {
                value = value * 10 + (*p - '0');
                if (value > NODE_MAX_EXPONENT)
                        return false;
        }
        *out = negative ? -value : value;
        return true;
}

bool number_parse(struct str text, struct number *out)
{
        const char *p = text.ptr, *end = text.ptr + text.len;
        struct number n = {.dot = SIZE_MAX};
        int64_t exponent = 0;

        n.negative = *p == '-';
        p += n.negative;
        n.digits = p;
        p = skip_digits(p, end);
        n.count = (size_t)(p - n.digits);
        n.point = (int64_t)n.count;
        if (p < end && *p == '.') {
                const char *fraction = p + 1;
                p = skip_digits(fraction, end);
                n.dot = n.count;
                n.count += (size_t)(p - fraction);
        }
        if (p < end && !parse_exponent(p + 1, end, &exponent))
                return false;
        while (n.count > 0 && digit_at(&n, n.count - 1) == 0)
                n.count--;
        for (; n.count > 0 && digit_at(&n, 0) == 0; n.count--, n.point--) {
                n.digits += n.dot == 0 ? 2 : 1;
                n.dot = n.dot == 0 || n.dot == SIZE_MAX ? SIZE_MAX : n.dot - 1;
        }
        if (n.dot == 0) {
                n.digits++;
                n.dot = SIZE_MAX;
        }
        n.point += exponent;
        if (n.count == 0) {
                n.negative = false;
                n.point = 0;
        }
        *out = n;
        return true;
}

static int compare_magnitude(const struct number *a, const struct number *b)
{
        size_t common = a->count < b->count ? a->count : b->count;

        if (a->count == 0 || b->count == 0)
                return (a->count > 0) - (b->count > 0);
        if (a->point != b->point)
                return a->point < b->point ? -1 : 1;
        for (size_t i = 0; i < common; i++) {
                int difference = (int)digit_at(a, i) - (int)digit_at(b, i);
                if (difference)
                        return difference;
        }
        return (a->count > b->count) - (a->count < b->count);
}

int number_compare(const struct number *a, const struct number *b)
{
        if (a->negative != b->negative)
                return a->negative ? -1 : 1;
        return a->negative ? compare_magnitude(b, a) : compare_magnitude(a, b);
}

bool number_is_integer(const struct number *n)
{
        return n->point >= (int64_t)n->count;
}

bool number_to_int64(const struct number *n, int64_t *out)
{
        int64_t value = 0;

        if (!number_is_integer(n) || n->point > SMALL_DIGITS)
                return false;
        for (size_t i = 0; i < (size_t)n->point; i++)
                value = value * 10 + (i < n->count ? (int64_t)digit_at(n, i) : 0);
        *out = n->negative ? -value : value;
        return true;
}

bool number_to_count(const struct number *n, uint64_t *out)
{
        int64_t value;

        if (n->negative || !number_is_integer(n))
                return false;
        *out = number_to_int64(n, &value) ? (uint64_t)value : INT64_MAX;
        return true;
}

uint64_t number_hash(const struct number *n)
{
        uint64_t parts[2] = {(uint64_t)n->point ^ ((uint64_t)n->negative << 63), n->count};

        for (size_t i = 0; i < n->count; i++)
                parts[1] = (parts[1] + digit_at(n, i) + 1) * UINT64_C(0x9E3779B97F4A7C15);
        return XXH3_64bits(parts, sizeof(parts));
}

/* limbs = limbs * 10 + digit; @limbs has room for one limb more than its number. */
static void append_digit(uint32_t *limbs, size_t count, unsigned digit)
{
        uint64_t carry = digit;

        for (size_t i = 0; i < count; i++) {
                carry += (uint64_t)limbs[i] * 10;
                limbs[i] = (uint32_t)carry;
                carry >>= 32;
        }
}

bool divisor_init(struct divisor *d, const struct number *n, struct arena *arena, bool *nomem)
{
        *d = (struct divisor){.number = *n};
        *nomem = false;
        if (n->count > DIVISOR_MAX_DIGITS)
                return false;
        if (n->count <= SMALL_DIGITS) {
                for (size_t i = 0; i < n->count; i++)
                        d->small = d->small * 10 + digit_at(n, i);
                return true;
        }
        d->limb_count = n->count * BITS_PER_DIGIT / 32 + 2; /* one of them always 0 */
        d->limbs = arena_array(arena, d->limb_count, sizeof(*d->limbs));
        *nomem = !d->limbs;
        for (size_t i = 0; d->limbs && i < n->count; i++)
                append_digit(d->limbs, d->limb_count, digit_at(n, i));
        return !*nomem;
}

static bool limbs_below(const uint32_t *a, const uint32_t *b, size_t count)
{
        for (size_t i = count; i-- > 0;)
                if (a[i] != b[i])
                        return a[i] < b[i];
        return false;
}

static void limbs_subtract(uint32_t *a, const uint32_t *b, size_t count)
{
        int64_t borrow = 0;

        for (size_t i = 0; i < count; i++) {
                borrow += (int64_t)a[i] - b[i];
                a[i] = (uint32_t)borrow;
                borrow >>= 32;
        }
}

static bool divides_exactly(const struct number *n, size_t zeros, const struct divisor *d)
{
        uint32_t rest[MAX_LIMBS] = {0};
        bool zero = true;

        for (size_t i = 0; i < n->count + zeros; i++) {
                append_digit(rest, d->limb_count, i < n->count ? digit_at(n, i) : 0);
                while (!limbs_below(rest, d->limbs, d->limb_count))
                        limbs_subtract(rest, d->limbs, d->limb_count);
        }
        for (size_t i = 0; i < d->limb_count; i++)
                zero &= rest[i] == 0;
        return zero;
}

bool number_is_multiple(const struct number *n, const struct divisor *d)
{
        int64_t tens =
                (n->point - (int64_t)n->count) - (d->number.point - (int64_t)d->number.count);
        int64_t enough = (int64_t)d->number.count * BITS_PER_DIGIT;
        uint64_t rest = 0;

        if (n->count == 0)
                return true;
        if (tens < 0)
                return false;
        if (tens > enough)
                tens = enough;
        if (d->small == 1)
                return true;
        if (d->small == 0)
                return divides_exactly(n, (size_t)tens, d);
        for (size_t i = 0; i < n->count + (size_t)tens; i++)
                rest = (rest * 10 + (i < n->count ? digit_at(n, i) : 0)) % d->small;
        return rest == 0;
}
