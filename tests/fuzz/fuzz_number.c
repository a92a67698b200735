/*
 * Any text as a decimal: rounded by rules that are proved against each other, and against the
 * digits themselves. The first byte chooses the scale.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "mappers/decimal.h"

#define MAX_OUT   (1 << 20)
#define MAX_SCALE 38

static void require(bool holds)
{
        if (!holds)
                abort();
}

static struct str put(struct str text, int64_t scale, enum field_rounding rounding, struct buf *out)
{
        cleanup_buf_ struct buf expanded = BUF_INIT(MAX_OUT);
        struct decimal d;

        buf_clear(out);
        require(decimal_parse(text, &expanded, &d));
        return decimal_put(&d, scale, rounding, out) ? buf_str(out) : (struct str){NULL, 0};
}

/* What was written is a decimal of that scale, without a zero too many, and stays as it is. */
static void check_text(struct str text, int64_t scale)
{
        cleanup_buf_ struct buf again = BUF_INIT(MAX_OUT);
        size_t point = 0;

        while (point < text.len && text.ptr[point] != '.')
                point++;
        size_t sign = text.len > 0 && *text.ptr == '-';
        require(point > sign && (text.ptr[sign] != '0' || point == sign + 1));
        if (scale >= 0)
                require(text.len - point == (scale ? (size_t)scale + 1 : 0));
        require(str_eq(put(text, scale, ROUND_NONE, &again), text));
}

static struct str without_sign(struct str s)
{
        return s.len && *s.ptr == '-' ? (struct str){s.ptr + 1, s.len - 1} : s;
}

/* -1, 0, 1: the sizes of two plain decimals of one scale. */
static int compare_sizes(struct str a, struct str b)
{
        a = without_sign(a);
        b = without_sign(b);
        if (a.len != b.len)
                return a.len < b.len ? -1 : 1;
        int order = str_cmp(a, b);
        return order < 0 ? -1 : order > 0;
}

static void check_roundings(struct str text, int64_t scale)
{
        struct buf bufs[ROUND_CEILING + 1];
        struct str as[ROUND_CEILING + 1];

        for (enum field_rounding r = ROUND_NONE; r <= ROUND_CEILING; r++) {
                buf_init(&bufs[r], MAX_OUT);
                as[r] = put(text, scale, r, &bufs[r]);
                require(as[r].ptr || r == ROUND_NONE);
                if (as[r].ptr)
                        check_text(as[r], scale);
        }
        /* what needs no rounding is the same by all rules; else down and up lie around it */
        for (enum field_rounding r = ROUND_HALF_EVEN; r <= ROUND_CEILING; r++) {
                require(!as[ROUND_NONE].ptr ||
                        str_eq(without_sign(as[r]), without_sign(as[ROUND_NONE])));
                require(compare_sizes(as[ROUND_DOWN], as[r]) <= 0);
                require(compare_sizes(as[r], as[ROUND_UP]) <= 0);
        }
        require(as[ROUND_NONE].ptr || compare_sizes(as[ROUND_DOWN], as[ROUND_UP]) < 0);
        bool negative = text.len > 0 && *text.ptr == '-';
        require(compare_sizes(as[ROUND_FLOOR], as[negative ? ROUND_UP : ROUND_DOWN]) == 0);
        require(compare_sizes(as[ROUND_CEILING], as[negative ? ROUND_DOWN : ROUND_UP]) == 0);
        for (enum field_rounding r = ROUND_NONE; r <= ROUND_CEILING; r++)
                buf_deinit(&bufs[r]);
}

/* The integer of minor units is the text without its point. */
static void check_minor(struct str text, int64_t scale)
{
        cleanup_buf_ struct buf expanded = BUF_INIT(MAX_OUT), minor = BUF_INIT(MAX_OUT),
                                plain = BUF_INIT(MAX_OUT), digits = BUF_INIT(MAX_OUT);
        struct decimal d;

        require(decimal_parse(text, &expanded, &d));
        require(decimal_minor(&d, scale, ROUND_HALF_EVEN, &minor));
        struct str rounded = without_sign(put(text, scale, ROUND_HALF_EVEN, &plain));
        for (size_t i = 0; i < rounded.len; i++)
                if (rounded.ptr[i] != '.' && (digits.len > 0 || rounded.ptr[i] != '0'))
                        buf_putc(&digits, rounded.ptr[i]);
        if (digits.len == 0)
                buf_putc(&digits, '0');
        require(str_eq(without_sign(buf_str(&minor)), buf_str(&digits)));
        decimal_is_safe_integer(buf_str(&minor));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_buf_ struct buf expanded = BUF_INIT(MAX_OUT), out = BUF_INIT(MAX_OUT);
        struct decimal d;

        if (size == 0)
                return 0;
        struct str text = {(const char *)data + 1, size - 1};
        int64_t scale = data[0] % (MAX_SCALE + 1);
        if (!decimal_parse(text, &expanded, &d))
                return 0;
        struct str whole = put(text, DECIMAL_AS_IS, ROUND_NONE, &out);
        require(whole.ptr != NULL);
        check_text(whole, DECIMAL_AS_IS);
        check_roundings(text, scale);
        check_minor(text, scale);
        return 0;
}
