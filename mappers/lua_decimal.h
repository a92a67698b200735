/*
 * lua_decimal.h: exact decimals of expressions.
 *
 * Limbs of nine digits, aligned at the point: sums need no shift, and text goes in and out without
 * a division. A decimal keeps the digits behind the point that it was written with: 1.50 + 1 is
 * 2.50, 1.5 * 1.50 is 2.250. With integers it computes exactly; with a float is an error.
 */
#pragma once

#include "mappers/decimal.h"
#include "mappers/lua_state.h"

/* Of each side of the point: no ERP's number is longer, and a product stays cheap. */
#define BIG_MAX_DIGITS 1000

#define BIG_LIMB_DIGITS 9
#define BIG_LIMB        UINT32_C(1000000000)

enum big_json { BIG_NO_JSON, BIG_JSON_INTEGER, BIG_JSON_NUMBER };

struct big {
        struct object object;
        bool negative;            /* never of zero */
        unsigned char json;       /* enum big_json: goes back to JSON as a number, as it came */
        uint32_t scale;           /* digits behind the point */
        uint32_t whole, fraction; /* limbs before and behind it */
        uint32_t limb[];          /* the least first */
};

/** big_push_text() - pushes the decimal @text; pushes nothing where it is none */
bool big_push_text(lua_State *L, struct str text);

/** big_push_integer() - pushes @d as an integer; pushes nothing where it is none of 64 bits */
bool big_push_integer(lua_State *L, const struct big *d);
void big_push_float(lua_State *L, const struct big *d);
int big_push_abs(lua_State *L, const struct big *d);
int big_push_rounded(
        lua_State *L, const struct big *d, int64_t scale, enum field_rounding rounding);

/** big_put() - appends its text: "-12.50" */
void big_put(const struct big *d, struct buf *out);

/** big_compare_values() - the values at 1 and 2, of which one is a decimal: <0, 0, >0 */
int big_compare_values(lua_State *L);
