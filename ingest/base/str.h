/*
 * str.h: length-carrying byte strings.
 *
 * struct str borrows: whoever made it says how long the bytes live. It may hold any byte.
 * Names use NUL-terminated strings, data uses struct str.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>

#include "ingest/base/err.h"

struct str {
        const char *ptr; /* borrowed; NULL only in the null string */
        size_t len;      /* bytes */
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_ARG(s)   (int)(s).len, (s).ptr /* for "%.*s" */

static inline struct str str_of(const char *z)
{
        return (struct str){z, z ? strlen(z) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is(struct str a, const char *z)
{
        return str_eq(a, str_of(z));
}

static inline bool str_starts(struct str a, struct str prefix)
{
        return a.len >= prefix.len && memcmp(a.ptr, prefix.ptr, prefix.len) == 0;
}

/** str_cmp() - order by bytes, a prefix first (the order of LMDB and of COLLATE "C") */
int str_cmp(struct str a, struct str b);

/** str_trim() - without leading and trailing ASCII white space; borrows from @s */
struct str str_trim(struct str s);

/** str_dup() - NUL-terminated copy; owned by the caller. Return: NULL when out of memory. */
char *str_dup(struct str s);

/** str_utf8_valid() - well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms) */
bool str_utf8_valid(struct str s);

/** str_utf8_prefix() - how many bytes of @s are, before the first that is not */
size_t str_utf8_prefix(struct str s);

/** str_nearest() - the candidate that @word was most likely meant to be
 * @candidates: @count NUL-terminated names
 * Damerau-Levenshtein distance, at most a third of the word's length (at least 1); one that
 * differs in upper and lower case alone is the nearest.
 * Return: one of @candidates, or NULL when none is near. */
const char *str_nearest(struct str word, const char *const *candidates, size_t count);

/** str_to_int64() - whole of @s as a decimal integer. Return: false on anything else. */
bool str_to_int64(struct str s, int64_t *out);

/** str_to_size() - "4MiB", "512KiB", "1GiB", "100kB", "4096": bytes. Return: false if not one. */
bool str_to_size(struct str s, int64_t *bytes);

/** str_to_duration() - "500ms", "30s", "5m", "1h", "2d", "1h30m", "0": milliseconds
 * A bare number other than 0 is refused: it has no unit. Return: false if not one. */
bool str_to_duration(struct str s, int64_t *ms);
