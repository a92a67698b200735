/*
 * json_span.h: where an object or array of JSON text ends, over pieces of any size.
 *
 * Follows strings and brackets, and which kind closes which; the rest is proved by who reads the
 * value. Levels beyond JSON_SPAN_LEVELS are only counted: such a value is refused later anyway.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_SPAN_LEVELS 256

enum json_span_outcome { JSON_SPAN_MORE, JSON_SPAN_WHOLE, JSON_SPAN_BAD };

struct json_span {
        size_t depth;                            /* open brackets */
        uint64_t in_string;                      /* all bits: the next byte is inside a string */
        uint64_t escaped;                        /* 1: a backslash stands before the next byte */
        uint64_t objects[JSON_SPAN_LEVELS / 64]; /* which of the open ones are objects */
};

static inline void json_span_begin(struct json_span *s)
{
        s->depth = 0;
        s->in_string = s->escaped = 0;
}

/** json_span_run() - the next bytes, from *@p to @end; the first of all is the opening bracket
 * *@p: becomes where the value ends (behind its bracket), the bracket that is wrong, or @end */
enum json_span_outcome json_span_run(struct json_span *s, const char **p, const char *end);
