/*
 * decimal.h: exact decimal arithmetic on text.
 *
 * A decimal is digits before and behind a point, any number of them; nothing ever passes through
 * a binary number. Borrows from the text it was parsed from.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/base/str.h"
#include "mappers/spec.h"

struct decimal {
        bool negative;       /* also of -0 */
        struct str whole;    /* without leading zeros: "" for zero */
        struct str fraction; /* as written */
};

/* 10^400 is beyond any double, and no larger exponent is a value that an ERP means. */
#define DECIMAL_MAX_EXPONENT 400

/** decimal_parse() - the whole of @text: -?[0-9]+(.[0-9]+)?([eE][+-]?[0-9]+)?
 * @expanded: emptied (an error stays), and used where there is an exponent; must live as long as
 * @out Return: false where @text is anything else, or the exponent beyond DECIMAL_MAX_EXPONENT. */
bool decimal_parse(struct str text, struct buf *expanded, struct decimal *out);

#define DECIMAL_AS_IS (-1) /* the scale of the text itself */

/** decimal_put() - appends @d with exactly @scale digits behind the point: "-1.50", "3", "0.00"
 * Return: false where digits other than zero would be lost and @rounding is ROUND_NONE. */
bool decimal_put(const struct decimal *d, int64_t scale, enum field_rounding rounding,
        struct buf *out) __attribute__((warn_unused_result));

/** decimal_minor() - appends the integer @d * 10^@scale, rounded the same way */
bool decimal_minor(const struct decimal *d, int64_t scale, enum field_rounding rounding,
        struct buf *out) __attribute__((warn_unused_result));

/** decimal_is_safe_integer() - whether the integer @text is within +-(2^53 - 1)
 * @text: -?[0-9]+ without leading zeros */
bool decimal_is_safe_integer(struct str text);
