/*
 * json.h: canonical JSON text.
 *
 * The one form in which this program writes JSON into documents, so that equal input gives equal
 * bytes and what CouchDB gives back can be brought to the same bytes:
 *  - no white space; keys in given order;
 *  - strings: UTF-8 as it is; only '"', '\' and controls are escaped (\b \f \n \r \t, else \u00xx);
 *  - integers (no '.', no exponent): as they are, at most 300 digits, "-0" becomes "0";
 *  - other numbers: the shortest text of the nearest double, in the form CouchDB gives back
 *    (0.1, 100.0, 1e+25; tried on 3.4.3), -0.0 as 0.0. One exception: a subnormal of one digit is
 *    written 5.0e-324, because CouchDB reads 5e-324 as another number.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

#define JSON_MAX_DEPTH      200 /* nesting of a document */
#define JSON_MAX_INT_DIGITS 300 /* CouchDB answers 500 to a 320-digit integer */
#define JSON_MAX_INTEGER    INT64_C(9007199254740991) /* 2^53 - 1 */

/** json_put_string() - @s in quotes, escaped. Return: false where @s is not UTF-8 (then @out is
 * as it was). */
bool json_put_string(struct buf *out, struct str s) __attribute__((warn_unused_result));

/** json_put_lossy() - the same for messages and rejects: bytes that are not UTF-8 become U+FFFD */
void json_put_lossy(struct buf *out, struct str s);

/** json_put_double() - a finite double in canonical form */
void json_put_double(struct buf *out, double d);

enum json_number {
        JSON_NUMBER_OK,
        JSON_NUMBER_MALFORMED,
        JSON_NUMBER_TOO_LONG,
        JSON_NUMBER_INEXACT,
        JSON_NUMBER_RANGE
};

/** json_put_number() - the JSON number @text in canonical form
 * Return: JSON_NUMBER_OK, or why not (nothing is appended then): not a JSON number, an integer of
 * too many digits, a decimal value that does not survive a double, or one outside its range. */
enum json_number json_put_number(struct buf *out, struct str text)
        __attribute__((warn_unused_result));

/* How json_canonical() treats numbers. */
enum json_numbers {
        JSON_NUMBERS_EXACT,  /* one whose value does not survive is an error */
        JSON_NUMBERS_STRING, /* every number becomes a string of its text */
        JSON_NUMBERS_NEAREST /* the nearest double: for what comes from CouchDB itself */
};

/** json_canonical() - appends the JSON text @in in canonical form
 * A key that an object holds twice is an error (CouchDB would keep the last one silently), except
 * under JSON_NUMBERS_NEAREST; that also allows twice the depth, for documents of others.
 * Return: 0; -ERR_REJECT malformed, too deep, a lone surrogate, a number or key refused (the error
 * says which and why); @out may then hold a part: the caller restores its length. -ERR_NOMEM. */
int json_canonical(struct str in, enum json_numbers numbers, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));
