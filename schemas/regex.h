/*
 * regex.h: regular expressions of JSON Schema (ECMA-262, Unicode mode) on PCRE2, with the limits
 * of ingest/base/pattern.h.
 *
 * A pattern is parsed by ECMA's rules and written anew for PCRE2, so that what only PCRE2 knows
 * ("(?i)", "\A", possessive quantifiers ...) is an error here as it is everywhere else. Lookbehind
 * of variable length is the one thing of ECMA-262 that PCRE2 10.42 cannot do. A compiled
 * expression is constant and may be used by several threads; each has a struct regex_room.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/base/err.h"
#include "ingest/base/pattern.h"
#include "ingest/base/str.h"

#define REGEX_MAX_PATTERN PATTERN_MAX_BYTES
#define REGEX_MATCH_LIMIT PATTERN_MATCH_LIMIT

struct regex;
struct regex_room;

/** regex_compile() - @pattern: UTF-8
 * Return: 0; -ERR_CONFIG "at character N: ..."; -ERR_NOMEM. */
int regex_compile(struct str pattern, struct regex **out, struct err *e)
        __attribute__((warn_unused_result));
struct regex *regex_free(struct regex *r);
DEFINE_CLEANUP(struct regex *, regex_free);

struct regex_room *regex_room_new(void);
struct regex_room *regex_room_free(struct regex_room *room);
DEFINE_CLEANUP(struct regex_room *, regex_room_free);

enum regex_verdict { REGEX_NO, REGEX_YES, REGEX_LIMIT };

/** regex_match() - whether @text (valid UTF-8) has a part that matches
 * Return: REGEX_LIMIT: it cannot be told within the limits. */
enum regex_verdict regex_match(const struct regex *r, struct regex_room *room, struct str text);

/** regex_is_valid() - for the format "regex": ECMA-262, also what PCRE2 cannot do */
bool regex_is_valid(struct str pattern);

/** regex_translate() - appends what PCRE2 is given for @pattern
 * Return: NULL, or what is wrong; *@at_byte says where. */
const char *regex_translate(struct str pattern, struct buf *out, size_t *at_byte);
