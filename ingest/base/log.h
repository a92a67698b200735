/*
 * log.h: what happened, to standard error.
 *
 * Levels: error = a human must act, warn = degraded, info = a change of state, debug = per
 * batch. Formats: text (a terminal), logfmt, json; auto picks text on a terminal, what
 * journald reads best where it takes the lines, and logfmt elsewhere. Each line carries the context
 * of its logger (mapper=product source=erp), given once by log_child(). Never log a record, a
 * secret or a connection string.
 *
 * One sink is shared by all children and may be used from any thread: a line is one write().
 * A progress line (terminal only) is kept below the log lines by the sink.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format {
        LOG_FORMAT_AUTO,
        LOG_FORMAT_TEXT,
        LOG_FORMAT_LOGFMT,
        LOG_FORMAT_JSON,
        LOG_FORMAT_JOURNAL /* logfmt without a time, behind the priority as sd-daemon(3) has it */
};

struct log_sink; /* where lines go */
struct log;      /* a sink and a context; cheap */

/** log_sink_new() - lines at @level and above, to @fd (borrowed)
 * Return: NULL when out of memory. */
struct log_sink *log_sink_new(int fd, enum log_level level, enum log_format format);
struct log_sink *log_sink_free(struct log_sink *s);
DEFINE_CLEANUP(struct log_sink *, log_sink_free);

/** log_sink_set() - other level and format from now on (after the configuration was read) */
void log_sink_set(struct log_sink *s, enum log_level level, enum log_format format);

/** log_sink_progress() - show @text as the progress line; NULL removes it
 * Does nothing where the sink is not a terminal. */
void log_sink_progress(struct log_sink *s, const char *text);

/** log_sink_is_terminal() - whether a progress line would be shown */
bool log_sink_is_terminal(const struct log_sink *s);

/** log_new() - a logger without context; @sink must outlive it */
struct log *log_new(struct log_sink *sink);

/** log_child() - the context of @parent and @key=@value; neither is kept alive by the other */
struct log *log_child(const struct log *parent, const char *key, const char *value);
struct log *log_free(struct log *l);
DEFINE_CLEANUP(struct log *, log_free);

bool log_enabled(const struct log *l, enum log_level level);

/** log_at() - one line; control characters in it are escaped. @l may be NULL (nothing is said). */
void log_at(const struct log *l, enum log_level level, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

#define log_error(l, ...) log_at((l), LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(l, ...)  log_at((l), LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(l, ...)  log_at((l), LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(l, ...)                                                                          \
        do {                                                                                       \
                if (log_enabled((l), LOG_LEVEL_DEBUG))                                             \
                        log_at((l), LOG_LEVEL_DEBUG, __VA_ARGS__);                                 \
        } while (0)
