/*
 * json_scan.h: walking over JSON text without building a tree.
 *
 * For text that is JSON already (a json column, a canonical body): brackets and strings are
 * followed and every step is bounded, but the inside of what is skipped is not proved. What is
 * picked is proved by json_canonical(). Everything borrows from the text walked over.
 */
#pragma once

#include <endian.h>

#include "ingest/base/buf.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"
#include "ingest/record/json.h"

#define JSON_EVERY_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/** json_word_stops() - which bytes of @w end a run of a string: quote, backslash, control
 * Return: the high bit of each, of which the lowest set is right; those above it may be wrong
 * (a borrow can only come from a byte that stops itself). 0: none of the eight. */
static inline uint64_t json_word_stops(uint64_t w)
{
        uint64_t control = (w - JSON_EVERY_BYTE(0x20)) & ~w;
        uint64_t x = w ^ JSON_EVERY_BYTE('"');
        uint64_t quote = (x - JSON_EVERY_BYTE(1)) & ~x;
        uint64_t y = w ^ JSON_EVERY_BYTE('\\');
        uint64_t backslash = (y - JSON_EVERY_BYTE(1)) & ~y;

        return (control | quote | backslash) & JSON_EVERY_BYTE(0x80);
}

/** json_word_is_plain() - whether the eight bytes of @w stand for themselves, and are ASCII
 * Cheaper than asking which do not: bytes outside ASCII may be mistaken for others that stop. */
static inline bool json_word_is_plain(uint64_t w)
{
        uint64_t control = w - JSON_EVERY_BYTE(0x20);
        uint64_t quote = (w ^ JSON_EVERY_BYTE('"')) - JSON_EVERY_BYTE(1);
        uint64_t backslash = (w ^ JSON_EVERY_BYTE('\\')) - JSON_EVERY_BYTE(1);

        return ((w | control | quote | backslash) & JSON_EVERY_BYTE(0x80)) == 0;
}

/** json_run_end() - the first byte from @p on that ends a run, or @end
 * @seen: takes the bits of all bytes looked at: 0x80 tells that there may be others than ASCII */
static inline const char *json_run_end(const char *p, const char *end, uint64_t *seen)
{
        uint64_t w, stops;

        for (; end - p >= 8; p += 8) {
                memcpy(&w, p, 8);
                w = le64toh(w); /* the first byte is the lowest */
                *seen |= w & JSON_EVERY_BYTE(0x80);
                stops = json_word_stops(w);
                if (stops)
                        return p + (__builtin_ctzll(stops) >> 3);
        }
        for (; p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++)
                *seen |= (unsigned char)*p & 0x80;
        return p;
}

struct json_walk {
        const char *p, *end; /* behind the last element; the end of the text */
        char close;          /* ']' or '}'; 0: members without braces */
        bool bad;            /* the text turned out not to be JSON */
};

/** json_walk_open() - begin at the first element of the object or array @text
 * Return: false where @text does not begin with @open ('{' or '['). */
bool json_walk_open(struct json_walk *w, struct str text, char open);

/** json_walk_members() - begin at the first member of @body: an object's text without braces */
void json_walk_members(struct json_walk *w, struct str body);

/** json_walk_next() - the next element
 * @key: as written, with quotes (objects only)      @value: as written
 * Return: false at the end, or when the text is malformed (then w->bad). */
bool json_walk_next(struct json_walk *w, struct str *key, struct str *value);

/** json_trim() - @s without JSON white space at both ends */
struct str json_trim(struct str s);

/** json_unquote() - appends the bytes that the JSON string @quoted stands for
 * Return: 0; -ERR_REJECT not a string, bad escape, lone surrogate, not UTF-8. */
int json_unquote(struct str quoted, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** json_plain_inside() - what stands between the quotes of the JSON string @quoted, where that is
 * what it stands for: no escapes, and proved. Return: false where it is not, or is no string. */
bool json_plain_inside(struct str quoted, struct str *inside);

/** json_is_plain() - whether @text is a scalar that is in canonical form as it stands
 * Quick, for usual values: false tells nothing. `null` is not among them. */
bool json_is_plain(struct str text);

/** json_copy_value() - appends the value that begins @in in canonical form, as json_canonical()
 * @in: narrowed to what follows the value
 * Return: 0; -ERR_REJECT, -ERR_NOMEM as json_canonical() does. */
int json_copy_value(struct str *in, enum json_numbers numbers, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** json_skip_space() - @s without white space at its beginning */
struct str json_skip_space(struct str s);

/** json_put_escape() - one byte of text inside a JSON string, escaped where it must be */
void json_put_escape(struct buf *out, unsigned char c);

/* How a string is written while it is read. */
enum json_string_form { JSON_STRING_CANONICAL, JSON_STRING_PLAIN };

/** json_copy_string() - reads the JSON string that begins at @p (its opening quote)
 * CANONICAL appends it with quotes and escapes; PLAIN the bytes it stands for.
 * Return: where it ends (behind the closing quote), or NULL (@e says why). */
const char *json_copy_string(
        const char *p, const char *end, enum json_string_form form, struct buf *out, struct err *e);

/** json_copy_number() - reads the number at @p and appends it in canonical form
 * @nearest: take the nearest double where the value does not survive, integers of any length
 * Return: bytes read, at least 1 unless MALFORMED; *@why says whether it was appended. */
size_t json_copy_number(
        const char *p, const char *end, bool nearest, struct buf *out, enum json_number *why);

/** json_put_digits() - the decimal 0.@digits * 10^@point, not an integer, in CouchDB's form
 * @digits: @count of them, neither the first nor the last is '0'; none: zero */
void json_put_digits(struct buf *out, bool negative, const char *digits, size_t count, int point);
