/*
 * log_line.h: one log line as bytes, without a sink or a clock.
 *
 * Formats and escapes; knows nothing of files. A line lives on the stack and never allocates,
 * so that "out of memory" can still be logged. For log.c and its tests.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ingest/base/log.h"

/* PIPE_BUF on Linux: a write() up to this size into a pipe is never mixed with another's. */
#define LOG_LINE_MAX 4096

struct log_line {
        size_t len;
        char data[LOG_LINE_MAX];
};

/* How a value is escaped. */
enum log_escape {
        LOG_ESCAPE_TEXT,   /* control characters and broken UTF-8 as \n, \x1b */
        LOG_ESCAPE_QUOTED, /* the same, and " and \ too: inside logfmt quotes */
        LOG_ESCAPE_JSON    /* inside a JSON string; broken UTF-8 as U+FFFD */
};

/** log_line_put() - append @n bytes as they are, as many as fit before @limit */
void log_line_put(struct log_line *l, const char *bytes, size_t n, size_t limit);

/** log_line_escape() - append @text escaped; where it does not fit before @limit, what fits and
 * "..." (never a part of an escape or of a character) */
void log_line_escape(struct log_line *l, const char *text, enum log_escape how, size_t limit);

/** log_line_pair() - append one pair of a context as @format writes it, with what separates it
 * from what is before: ` key=value` or `,"key":"value"` */
void log_line_pair(struct log_line *l, enum log_format format, const char *key, const char *value,
        size_t limit);

/** log_line_format() - the whole line with its newline
 * @format: not LOG_FORMAT_AUTO     @context: what log_line_pair() wrote for that format */
void log_line_format(struct log_line *l, enum log_format format, int64_t wall_us,
        enum log_level level, const char *message, const char *context);
