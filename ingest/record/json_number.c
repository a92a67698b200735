/*
 * Numbers in the form CouchDB gives back: the shortest digits that read back as the same double,
 * laid out as JavaScript does, with ".0" behind whole numbers.
 *
 * Decimals of up to 15 digits are the cheap and usual case: within the range of normal doubles
 * two of them never share a double, so their own digits are the shortest ones and no double is
 * computed at all. Beyond 15 digits the C library's exact conversions decide. They are only given
 * digits and an exponent, never a decimal point, so that no locale matters.
 */
#include "ingest/record/json_scan.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#define SAFE_DIGITS   15   /* DBL_DIG: decimals that survive every normal double */
#define MAX_DIGITS    17   /* DBL_DECIMAL_DIG: digits that tell any two doubles apart */
#define SAFE_EXPONENT 300  /* 10^-300 .. 10^300 is well inside the normal doubles */
#define EXPONENT_CAP  9999 /* beyond any double; keeps sums of exponents small */
#define KEEP_DIGITS   800  /* more than the 768 that can decide how a decimal rounds */
#define FIXED_MIN     -7   /* decimal exponents outside this range are written with an 'e' */
#define FIXED_MAX     21

_Static_assert(SAFE_DIGITS == DBL_DIG && MAX_DIGITS == DBL_DECIMAL_DIG, "IEEE 754 doubles");

/* A JSON number taken apart: 0.digits * 10^point. */
struct number {
        bool negative, integer;
        const char *whole; /* the integer part as written */
        size_t whole_count;
        char digits[KEEP_DIGITS]; /* significant ones */
        size_t count;             /* of them */
        bool cut;                 /* digits other than zero follow those kept */
        int64_t point;
};

static inline bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p, const char *end)
{
        while (p < end && is_digit(*p))
                p++;
        return p;
}

/* Appends the digits of @s to n->digits, leaving out leading zeros of the whole number. */
static void take_digits(struct number *n, const char *s, const char *end)
{
        for (; s < end; s++) {
                if (n->count == 0 && *s == '0')
                        n->point--;
                else if (n->count < KEEP_DIGITS)
                        n->digits[n->count++] = *s;
                else
                        n->cut |= *s != '0';
        }
}

/* Reads [eE][+-]?[0-9]+ at @p. Return: where it ends; NULL where there are no digits. */
static const char *take_exponent(struct number *n, const char *p, const char *end)
{
        int64_t exponent = 0;
        bool negative = false;

        p++;
        if (p < end && (*p == '+' || *p == '-'))
                negative = *p++ == '-';
        const char *stop = skip_digits(p, end);
        if (stop == p)
                return NULL;
        for (; p < stop; p++)
                if (exponent < EXPONENT_CAP)
                        exponent = exponent * 10 + (*p - '0');
        n->point += negative ? -exponent : exponent;
        return stop;
}

/* Splits the number at @p. Return: where it ends; NULL where it is not one. */
static const char *take_number(struct number *n, const char *p, const char *end)
{
        n->negative = p < end && *p == '-';
        p += n->negative;
        n->whole = p;
        p = skip_digits(p, end);
        n->whole_count = (size_t)(p - n->whole);
        if (n->whole_count == 0 || (n->whole_count > 1 && *n->whole == '0'))
                return NULL;
        n->integer = p == end || (*p != '.' && *p != 'e' && *p != 'E');
        if (n->integer)
                return p;

        n->count = 0;
        n->cut = false;
        n->point = (int64_t)n->whole_count;
        take_digits(n, n->whole, n->whole + n->whole_count);
        if (*p == '.') {
                const char *fraction = p + 1;
                p = skip_digits(fraction, end);
                if (p == fraction)
                        return NULL;
                take_digits(n, fraction, p);
        }
        if (p < end && (*p == 'e' || *p == 'E'))
                p = take_exponent(n, p, end);
        while (n->count > 0 && !n->cut && n->digits[n->count - 1] == '0')
                n->count--;
        return p;
}

static char *put_zeros(char *to, int count)
{
        memset(to, '0', (size_t)count);
        return to + count;
}

static char *put_bytes(char *to, const char *from, size_t n)
{
        memcpy(to, from, n);
        return to + n;
}

/* digits without exponent: 0.00123, 12.3, 1200.0 */
static char *put_fixed(char *to, const char *digits, size_t count, int point)
{
        if (point <= 0) {
                to = put_bytes(to, "0.", 2);
                to = put_zeros(to, -point);
                return put_bytes(to, digits, count);
        }
        if ((size_t)point >= count) {
                to = put_bytes(to, digits, count);
                to = put_zeros(to, point - (int)count);
                return put_bytes(to, ".0", 2);
        }
        to = put_bytes(to, digits, (size_t)point);
        *to++ = '.';
        return put_bytes(to, digits + point, count - (size_t)point);
}

static char *put_scientific(char *to, const char *digits, size_t count, int exponent)
{
        char text[8];
        int magnitude = exponent < 0 ? -exponent : exponent;

        *to++ = digits[0];
        if (count > 1) {
                *to++ = '.';
                to = put_bytes(to, digits + 1, count - 1);
        } else if (exponent < DBL_MIN_10_EXP - 1) {
                to = put_bytes(to, ".0", 2); /* CouchDB reads a subnormal without '.' wrongly */
        }
        *to++ = 'e';
        *to++ = exponent < 0 ? '-' : '+';
        int n = snprintf(text, sizeof(text), "%d", magnitude % (EXPONENT_CAP + 1));
        return put_bytes(to, text, (size_t)n);
}

void json_put_digits(struct buf *out, bool negative, const char *digits, size_t count, int point)
{
        int exponent = point - 1;
        char *start = buf_room(out, FIXED_MAX + MAX_DIGITS + 16);
        char *to = start;

        if (!to)
                return;
        if (count == 0) {
                to = put_bytes(to, "0.0", 3);
        } else {
                if (negative)
                        *to++ = '-';
                if (exponent > FIXED_MIN && exponent < FIXED_MAX)
                        to = put_fixed(to, digits, count, point);
                else
                        to = put_scientific(to, digits, count, exponent);
        }
        out->len += (size_t)(to - start);
}

/* Shortest digits of a double: 0.digits * 10^point. */
struct shortest {
        char digits[MAX_DIGITS + 1];
        size_t count;
        int point;
};

/* The nearest double of 0.digits * 10^point. */
static double read_digits(const char *digits, size_t count, bool cut, int64_t point)
{
        char text[KEEP_DIGITS + 32];
        size_t n = count < KEEP_DIGITS ? count : KEEP_DIGITS;

        memcpy(text, digits, n);
        if (cut)
                text[n++] = '1'; /* whatever was cut off only matters by not being zero */
        snprintf(text + n, sizeof(text) - n, "e%lld", (long long)(point - (int64_t)n));
        return strtod(text, NULL);
}

static void strip_zeros(struct shortest *s)
{
        while (s->count > 0 && s->digits[s->count - 1] == '0')
                s->count--;
}

/* Takes @d / 10^k for the least k that leaves a whole number of at most 15 digits: its digits
 * read back as @d, because a correctly rounded quotient of two exact doubles is the nearest one
 * to the decimal. */
static bool short_decimal(double d, struct shortest *s)
{
        static const double pow10[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10};
        const double limit = 1e15;

        for (size_t k = 0; k < sizeof(pow10) / sizeof(pow10[0]) && d * pow10[k] < limit; k++) {
                double whole = nearbyint(d * pow10[k]);
                if (whole / pow10[k] != d)
                        continue;
                int n = snprintf(s->digits, sizeof(s->digits), "%lld", (long long)whole);
                s->count = (size_t)n;
                s->point = n - (int)k;
                strip_zeros(s);
                return true;
        }
        return false;
}

/* @count correctly rounded digits of @d. Return: whether they read back as @d. */
static bool rounded_digits(double d, size_t count, struct shortest *s)
{
        char text[MAX_DIGITS + 16];
        size_t digits = 0;
        const char *p = text;

        snprintf(text, sizeof(text), "%.*e", (int)count - 1, d);
        for (; *p && *p != 'e'; p++)
                if (is_digit(*p))
                        s->digits[digits++] = *p;
        s->count = digits;
        s->point = (int)strtol(*p ? p + 1 : "0", NULL, 10) + 1;
        return read_digits(s->digits, s->count, false, s->point) == d;
}

/* At a power of two doubles lie closer below than above: the next decimal up may read back as @d
 * where the nearest one does not. */
static bool next_up(double d, struct shortest *s)
{
        int exponent;
        size_t i = s->count;

        if (frexp(d, &exponent) != 0.5)
                return false;
        while (i > 0 && s->digits[i - 1] == '9')
                s->digits[--i] = '0';
        if (i == 0) /* only nines: the power of ten would have been the nearest */
                return false;
        s->digits[i - 1]++;
        return read_digits(s->digits, s->count, false, s->point) == d;
}

/* @d is finite and above zero. */
static void find_shortest(double d, struct shortest *s)
{
        /* Subnormals have few digits: fifteen would read back too, but not be the shortest. */
        size_t count = d < DBL_MIN ? 1 : SAFE_DIGITS;

        if (short_decimal(d, s))
                return;
        for (; count < MAX_DIGITS; count++)
                if (rounded_digits(d, count, s) || next_up(d, s))
                        break;
        if (count == MAX_DIGITS)
                (void)rounded_digits(d, count, s);
        strip_zeros(s);
}

void json_put_double(struct buf *out, double d)
{
        struct shortest s = {.count = 0};

        if (d != 0)
                find_shortest(fabs(d), &s);
        json_put_digits(out, d < 0, s.digits, s.count, s.point);
}

static enum json_number put_integer(struct buf *out, const struct number *n, bool nearest)
{
        if (n->whole_count > JSON_MAX_INT_DIGITS && !nearest)
                return JSON_NUMBER_TOO_LONG;
        if (n->negative && *n->whole != '0')
                buf_putc(out, '-');
        buf_put(out, n->whole, n->whole_count);
        return JSON_NUMBER_OK;
}

static enum json_number put_decimal(struct buf *out, const struct number *n, bool nearest)
{
        struct shortest s = {.count = 0};

        if (n->count == 0) {
                json_put_digits(out, false, NULL, 0, 0);
                return JSON_NUMBER_OK;
        }
        if (n->count <= SAFE_DIGITS && n->point > -SAFE_EXPONENT && n->point < SAFE_EXPONENT) {
                json_put_digits(out, n->negative, n->digits, n->count, (int)n->point);
                return JSON_NUMBER_OK;
        }
        double d = read_digits(n->digits, n->count, n->cut, n->point);
        if (!isfinite(d))
                return JSON_NUMBER_RANGE;
        if (d != 0)
                find_shortest(d, &s);
        bool same = s.count == n->count && s.point == n->point && !n->cut &&
                    memcmp(s.digits, n->digits, s.count) == 0;
        if (!same && !nearest)
                return d == 0 ? JSON_NUMBER_RANGE : JSON_NUMBER_INEXACT;
        json_put_digits(out, n->negative, s.digits, s.count, s.point);
        return JSON_NUMBER_OK;
}

size_t json_copy_number(
        const char *p, const char *end, bool nearest, struct buf *out, enum json_number *why)
{
        struct number n;
        const char *stop = take_number(&n, p, end);

        *why = JSON_NUMBER_MALFORMED;
        if (!stop)
                return 0;
        *why = n.integer ? put_integer(out, &n, nearest) : put_decimal(out, &n, nearest);
        return (size_t)(stop - p);
}

enum json_number json_put_number(struct buf *out, struct str text)
{
        size_t start = out->len;
        enum json_number why;
        size_t used = json_copy_number(text.ptr, text.ptr + text.len, false, out, &why);

        if (used == text.len)
                return why;
        out->len = start;
        return JSON_NUMBER_MALFORMED;
}
