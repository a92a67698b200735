/*
 * number.h: exact arithmetic on the text of JSON numbers.
 *
 * Nothing passes through a binary number. A struct number borrows the text it was parsed from.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/base/arena.h"
#include "ingest/base/str.h"

/* 0.d1d2d3... * 10^point; neither the first nor the last digit is '0'. */
struct number {
        const char *digits; /* the first one, in the text */
        size_t count;       /* of digits; 0: the number is zero */
        size_t dot;         /* the decimal point stands in front of this digit */
        int64_t point;
        bool negative; /* never of zero */
};

/** number_scan() - where the JSON number at @p ends; NULL: there is none */
const char *number_scan(const char *p, const char *end);

/** number_parse() - @text must be a JSON number
 * Return: false where its exponent is beyond NODE_MAX_EXPONENT. */
bool number_parse(struct str text, struct number *out);

/** number_compare() - below, at or above 0 */
int number_compare(const struct number *a, const struct number *b);

/** number_is_integer() - by value: true for 1.0 and 1e3 */
bool number_is_integer(const struct number *n);

/** number_to_count() - a whole number that is not negative, at most INT64_MAX (larger: INT64_MAX)
 * Return: false for anything else. */
bool number_to_count(const struct number *n, uint64_t *out);

/** number_to_int64() - Return: false unless @n is a whole number of at most 18 digits */
bool number_to_int64(const struct number *n, int64_t *out);

/** number_hash() - equal for equal numbers */
uint64_t number_hash(const struct number *n);

#define DIVISOR_MAX_DIGITS 1000 /* of a multipleOf: its remainder lives on the stack */

/* What `multipleOf` divides by. */
struct divisor {
        struct number number;
        uint64_t small;  /* its digits as an integer, where there are at most 18; else 0 */
        uint32_t *limbs; /* else those digits in base 2^32, lowest first */
        size_t limb_count;
};

/** divisor_init() - @n must be above zero
 * Return: false: more than DIVISOR_MAX_DIGITS digits, or no memory in @arena (then *@nomem). */
bool divisor_init(struct divisor *d, const struct number *n, struct arena *arena, bool *nomem);

/** number_is_multiple() - whether @n divided by @d is a whole number */
bool number_is_multiple(const struct number *n, const struct divisor *d);
