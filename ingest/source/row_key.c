/*
 * Equal keys are nearly always the same bytes, so that is tried first. Decimals are compared as
 * text: no conversion, no limit of digits.
 */
#include "ingest/source/row_key.h"

/* A decimal taken apart; all parts borrow from the value. */
struct decimal {
        int rank; /* -1 -Infinity, 0 a number, 1 Infinity, 2 NaN */
        bool negative;
        struct str whole;    /* digits without leading zeros */
        struct str fraction; /* digits without trailing zeros */
};

static struct decimal decimal_of(struct value v)
{
        struct decimal d = {0};
        struct str s = {v.ptr, v.len};

        if (s.len && s.ptr[0] == '-') {
                d.negative = true;
                s.ptr++, s.len--;
        }
        if (s.len && (s.ptr[0] == 'I' || s.ptr[0] == 'N')) {
                d.rank = s.ptr[0] == 'N' ? 2 : d.negative ? -1 : 1;
                return d;
        }
        while (s.len && s.ptr[0] == '0')
                s.ptr++, s.len--;
        const char *dot = s.len ? memchr(s.ptr, '.', s.len) : NULL;
        d.whole = (struct str){s.ptr, dot ? (size_t)(dot - s.ptr) : s.len};
        if (dot)
                d.fraction = (struct str){dot + 1, s.len - d.whole.len - 1};
        while (d.fraction.len && d.fraction.ptr[d.fraction.len - 1] == '0')
                d.fraction.len--;
        if (d.whole.len + d.fraction.len == 0)
                d.negative = false;
        return d;
}

static int compare_decimal(struct value a, struct value b)
{
        struct decimal x = decimal_of(a), y = decimal_of(b);
        int order;

        if (x.rank || y.rank)
                return x.rank - y.rank;
        if (x.negative != y.negative)
                return x.negative ? -1 : 1;
        if (x.whole.len != y.whole.len)
                order = x.whole.len < y.whole.len ? -1 : 1;
        else
                order = str_cmp(x.whole, y.whole);
        if (!order)
                order = str_cmp(x.fraction, y.fraction);
        return x.negative ? -order : order;
}

static struct str without_padding(struct value v)
{
        struct str s = {v.ptr, v.len};

        while (s.len && s.ptr[s.len - 1] == ' ')
                s.len--;
        return s;
}

int row_value_compare(enum row_order order, struct value a, struct value b)
{
        if (a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0))
                return 0;
        switch (order) {
        case ROW_ORDER_DECIMAL:
                return compare_decimal(a, b);
        case ROW_ORDER_PADDED:
                return str_cmp(without_padding(a), without_padding(b));
        case ROW_ORDER_BYTES:
                break;
        }
        return str_cmp((struct str){a.ptr, a.len}, (struct str){b.ptr, b.len});
}

int row_key_compare(const enum row_order *orders, size_t count, const struct value *a,
        const size_t *a_columns, const struct value *b, const size_t *b_columns)
{
        for (size_t i = 0; i < count; i++) {
                struct value x = a[a_columns[i]], y = b[b_columns[i]];

                if (!x.ptr || !y.ptr) {
                        if (!x.ptr && !y.ptr)
                                continue;
                        return x.ptr ? -1 : 1;
                }
                int order = row_value_compare(orders[i], x, y);
                if (order)
                        return order;
        }
        return 0;
}

bool row_key_has_null(const struct value *row, const size_t *columns, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                if (!row[columns[i]].ptr)
                        return true;
        }
        return false;
}
