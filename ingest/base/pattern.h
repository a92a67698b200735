/*
 * pattern.h: regular expressions (PCRE2) over UTF-8, with a bound on what one search may cost.
 *
 * PCRE2 counts the steps back from each place of the text, but neither the places that are tried
 * nor the bytes that a step runs over. So long texts are searched piece by piece, and processor
 * time is looked at in between: a search ends soon whatever pattern and text are. A compiled
 * pattern is constant and may be used by several threads; each has a struct pattern_room.
 */
#pragma once

#include <stdint.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

#define PATTERN_MAX_BYTES   8192   /* of a pattern: one that somebody wrote is shorter */
#define PATTERN_MATCH_LIMIT 100000 /* steps back: under a millisecond from one place */
#define PATTERN_DEPTH_LIMIT 20000  /* steps that wait for others; without JIT */
#define PATTERN_HEAP_KIB    4096   /* in which they wait; kept by the room */
#define PATTERN_CPU_MS      1000   /* for all searches of one text */

/* A piece: places where a match may begin, times bytes that may follow each. */
#define PATTERN_PIECE_MAX   1024
#define PATTERN_PIECE_MIN   16
#define PATTERN_PIECE_BYTES (256 << 20)

#define PATTERN_MAX_GROUPS 99 /* whose places a room notes */

struct pattern;
struct pattern_room;

/* PERL: as PCRE2 documents it; \w \d \s \b and [[:classes:]] know all of Unicode. ECMA: what
 * schemas/regex.h makes of ECMA-262. Neither has \G: it would match where a piece begins. */
enum pattern_rules { PATTERN_PERL, PATTERN_ECMA };

struct pattern_fault {
        size_t at;                /* byte of the pattern */
        bool variable_lookbehind; /* the one thing of ECMA-262 that PCRE2 10.42 cannot do */
};

/** pattern_compile() - @text: UTF-8, bounded by the caller
 * @fault: filled with -ERR_CONFIG
 * Return: 0; -ERR_CONFIG PCRE2's message; -ERR_NOMEM. */
int pattern_compile(struct str text, enum pattern_rules rules, struct pattern **out,
        struct pattern_fault *fault, struct err *e) __attribute__((warn_unused_result));
struct pattern *pattern_free(struct pattern *p);
DEFINE_CLEANUP(struct pattern *, pattern_free);

/** pattern_group_count() - groups that capture, the whole match not counted */
size_t pattern_group_count(const struct pattern *p);

/** pattern_group_find() - the number of the group @name. Return: -1: none, or several. */
int pattern_group_find(const struct pattern *p, struct str name);

struct pattern_room *pattern_room_new(void);
struct pattern_room *pattern_room_free(struct pattern_room *room);
DEFINE_CLEANUP(struct pattern_room *, pattern_room_free);

enum pattern_verdict { PATTERN_NO, PATTERN_YES, PATTERN_LIMIT };

/* Whether a match may be empty. NOT_HERE: not at the place where the search begins. */
enum pattern_empty { PATTERN_EMPTY_ANYWHERE, PATTERN_EMPTY_NOT_HERE, PATTERN_EMPTY_NOWHERE };

/** pattern_begin() - the searches that follow are of another text */
void pattern_begin(struct pattern_room *room);

/** pattern_find() - the first match in @text (valid UTF-8) from byte @from on
 * Return: PATTERN_YES (pattern_part() says where); PATTERN_NO; PATTERN_LIMIT: it cannot be told
 * within the limits. */
enum pattern_verdict pattern_find(const struct pattern *p, struct pattern_room *room,
        struct str text, size_t from, enum pattern_empty empty);

/** pattern_part() - what group @number of the last match holds; 0: the whole match
 * Return: .ptr NULL: the group took no part. */
struct str pattern_part(const struct pattern_room *room, struct str text, size_t number);
