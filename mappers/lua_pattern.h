/*
 * lua_pattern.h: Lua's patterns, matched under the limits of the sandbox.
 *
 * The language is that of the Lua 5.4 manual, section 6.4.1. The standard library's matcher
 * would run for years inside one instruction where a pattern makes it go back and forth; this one
 * charges steps for what it tries.
 */
#pragma once

#include "mappers/lua_state.h"

#define PATTERN_MAX_ITEMS    200 /* of one pattern: more is a program */
#define PATTERN_MAX_CAPTURES 32  /* as the standard library */

struct lua_pattern_item;

struct lua_pattern {
        bool anchored; /* ^ at its beginning */
        size_t count;
        size_t captures; /* of the whole pattern */
        struct lua_pattern_item {
                unsigned char kind, repeat; /* repeat: '*' '+' '-' '?', or 0 */
                unsigned char a, b;         /* the byte, the class, the pair of %b, the number */
                uint32_t set[8];            /* a bit for each byte */
        } items[PATTERN_MAX_ITEMS];
};

/** lua_pattern_compile() - reads @text; raises Lua's error where it is malformed
 * @anchors: whether a ^ at its beginning is an anchor (not in gmatch) */
void lua_pattern_compile(lua_State *L, struct str text, bool anchors, struct lua_pattern *out);

struct lua_pattern_capture {
        const char *start;
        size_t len; /* or one of these */
};
#define CAPTURE_OPEN     SIZE_MAX
#define CAPTURE_POSITION (SIZE_MAX - 1)

struct lua_pattern_match {
        const char *start, *end;
        size_t count; /* of captures */
        struct lua_pattern_capture captures[PATTERN_MAX_CAPTURES];
};

/** lua_pattern_match_at() - whether @p matches @subject from @at on, exactly there */
bool lua_pattern_match_at(lua_State *L, const struct lua_pattern *p, struct str subject,
        const char *at, struct lua_pattern_match *out);
