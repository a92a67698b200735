/*
 * A sink owns the descriptor's state: level, format and the progress line. Its mutex covers the
 * write, so that a progress line is erased, the log line written and the progress line drawn
 * again in one write().
 *
 * A logger holds its context already written in each format: a line is then a copy. The level
 * is read without the mutex: a line that nobody wants costs one load.
 */
#include "ingest/base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "ingest/base/clock.h"
#include "ingest/base/log_line.h"
#include "ingest/base/str.h"

#define CONTEXT_MAX    1024 /* bytes of a written context: leaves room for a message */
#define MESSAGE_MAX    4096 /* bytes of a message before escaping; a line is no longer */
#define PROGRESS_MAX   512  /* bytes of a progress line: four times a usual terminal's width */
#define COLUMNS        80   /* of a terminal that does not tell */
#define WRITE_PATIENCE 1000 /* ms to wait for a full pipe in non-blocking mode: then it is lost */

struct log_sink {
        pthread_mutex_t mutex;
        int fd; /* borrowed */
        bool terminal;
        atomic_int level;
        atomic_int format; /* never LOG_FORMAT_AUTO */
        bool shown;        /* a progress line stands on the terminal */
        char progress[PROGRESS_MAX];
};

struct log {
        struct log_sink *sink;
        char *pairs; /* owned: ` key=value`, for text and logfmt */
        char *json;  /* owned: `,"key":"value"` */
};

static bool can_erase(int fd)
{
        const char *term = getenv("TERM");

        return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

/* JOURNAL_STREAM names the device and inode of the stream that systemd made: one that was
 * redirected since is another. */
static bool is_journal(int fd)
{
        const char *stream = getenv("JOURNAL_STREAM");
        char own[64];
        struct stat st;

        if (!stream || fstat(fd, &st) != 0)
                return false;
        snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return strcmp(stream, own) == 0;
}

struct log_sink *log_sink_new(int fd, enum log_level level, enum log_format format)
{
        struct log_sink *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        if (pthread_mutex_init(&s->mutex, NULL) != 0) {
                free(s);
                return NULL;
        }
        s->fd = fd;
        s->terminal = can_erase(fd);
        log_sink_set(s, level, format);
        return s;
}

struct log_sink *log_sink_free(struct log_sink *s)
{
        if (!s)
                return NULL;
        log_sink_progress(s, NULL);
        pthread_mutex_destroy(&s->mutex);
        free(s);
        return NULL;
}

void log_sink_set(struct log_sink *s, enum log_level level, enum log_format format)
{
        if (format == LOG_FORMAT_AUTO)
                format = isatty(s->fd)       ? LOG_FORMAT_TEXT
                         : is_journal(s->fd) ? LOG_FORMAT_JOURNAL
                                             : LOG_FORMAT_LOGFMT;
        atomic_store(&s->level, (int)level);
        atomic_store(&s->format, (int)format);
}

bool log_sink_is_terminal(const struct log_sink *s)
{
        return s->terminal;
}

/* There is nobody to tell that the log cannot be written: what does not go out is lost. */
static void write_all(int fd, const char *bytes, size_t n)
{
        while (n > 0) {
                ssize_t w = write(fd, bytes, n);
                if (w >= 0) {
                        bytes += w;
                        n -= (size_t)w;
                } else if (errno == EAGAIN) {
                        struct pollfd p = {.fd = fd, .events = POLLOUT};
                        if (poll(&p, 1, WRITE_PATIENCE) <= 0)
                                return;
                } else if (errno != EINTR) {
                        return;
                }
        }
}

static size_t terminal_columns(int fd)
{
        struct winsize w = {0};

        return ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : COLUMNS;
}

/* Bytes of @text that fill @columns: a line that wraps could not be erased. */
static size_t clip(const char *text, size_t len, size_t columns)
{
        size_t i = 0;

        while (i < len) {
                if (((unsigned char)text[i] & 0xC0) != 0x80 && columns-- == 0)
                        break;
                i++;
        }
        return i;
}

/* Room for erasing, a line, and the progress line below it. */
struct screen {
        size_t len;
        char data[LOG_LINE_MAX + PROGRESS_MAX + 16];
};

static void screen_put(struct screen *out, const char *bytes, size_t n)
{
        size_t room = sizeof(out->data) - out->len;

        if (n > room)
                n = room;
        memcpy(out->data + out->len, bytes, n);
        out->len += n;
}

#define ERASE_LINE "\r\033[K"

/* Writes @line (may be empty) and keeps the progress line below it; the mutex is held. */
static void draw(struct log_sink *s, const char *line, size_t len)
{
        struct screen out = {0};

        if (s->shown)
                screen_put(&out, ERASE_LINE, strlen(ERASE_LINE));
        screen_put(&out, line, len);
        size_t n = strlen(s->progress);
        s->shown = n > 0;
        if (n > 0)
                /* One column stays free: the cursor stands there and must not wrap. */
                screen_put(&out, s->progress, clip(s->progress, n, terminal_columns(s->fd) - 1));
        write_all(s->fd, out.data, out.len);
}

void log_sink_progress(struct log_sink *s, const char *text)
{
        struct log_line shown = {0};

        if (!s->terminal)
                return;
        if (text)
                log_line_escape(&shown, text, LOG_ESCAPE_TEXT, PROGRESS_MAX - 1);
        pthread_mutex_lock(&s->mutex);
        memcpy(s->progress, shown.data, shown.len);
        s->progress[shown.len] = '\0';
        if (s->shown || shown.len > 0)
                draw(s, "", 0);
        pthread_mutex_unlock(&s->mutex);
}

static struct log *new_logger(struct log_sink *sink, const char *pairs, const char *json)
{
        struct log *l = calloc(1, sizeof(*l));

        if (!l)
                return NULL;
        l->sink = sink;
        l->pairs = strdup(pairs);
        l->json = strdup(json);
        return l->pairs && l->json ? l : log_free(l);
}

struct log *log_new(struct log_sink *sink)
{
        return new_logger(sink, "", "");
}

/* @before and the pair behind it; the whole pair or, where it does not fit, none of it. */
static void extend_context(struct log_line *out, const char *before, enum log_format format,
        const char *key, const char *value)
{
        out->len = 0;
        log_line_put(out, before, strlen(before), CONTEXT_MAX - 1);
        size_t start = out->len;
        log_line_pair(out, format, key, value, LOG_LINE_MAX - 1);
        if (out->len > CONTEXT_MAX - 1)
                out->len = start;
        out->data[out->len] = '\0';
}

struct log *log_child(const struct log *parent, const char *key, const char *value)
{
        struct log_line pairs, json;

        if (!parent)
                return NULL;
        extend_context(&pairs, parent->pairs, LOG_FORMAT_LOGFMT, key, value);
        extend_context(&json, parent->json, LOG_FORMAT_JSON, key, value);
        return new_logger(parent->sink, pairs.data, json.data);
}

struct log *log_free(struct log *l)
{
        if (l) {
                free(l->json);
                free(l->pairs);
                free(l);
        }
        return NULL;
}

bool log_enabled(const struct log *l, enum log_level level)
{
        return l && (int)level <= atomic_load_explicit(&l->sink->level, memory_order_relaxed);
}

void log_at(const struct log *l, enum log_level level, const char *fmt, ...)
{
        char message[MESSAGE_MAX];
        struct log_line line;
        va_list ap;

        if (!log_enabled(l, level))
                return;
        int saved = errno; /* logging must not disturb who still looks at it */
        va_start(ap, fmt);
        int n = vsnprintf(message, sizeof(message), fmt, ap);
        va_end(ap);
        if (n < 0)
                snprintf(message, sizeof(message), "(message could not be formatted)");
        struct log_sink *s = l->sink;
        enum log_format format = (enum log_format)atomic_load(&s->format);
        log_line_format(&line, format, clock_wall_us(), level, message,
                format == LOG_FORMAT_JSON ? l->json : l->pairs);
        pthread_mutex_lock(&s->mutex);
        draw(s, line.data, line.len);
        pthread_mutex_unlock(&s->mutex);
        errno = saved;
}
