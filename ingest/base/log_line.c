/*
 * Text:   12:00:00 info 200 documents written mapper=product      (local time, for eyes)
 * logfmt: ts=2026-01-31T12:00:00.123Z level=info msg="200 documents written" mapper=product
 * JSON:   {"ts":"...","level":"info","msg":"200 documents written","mapper":"product"}
 *
 * A message that is too long is cut, the context never: it says where to look. Terminals obey
 * C1 controls (U+0080..U+009F) as well as C0, so both are escaped.
 */
#include "ingest/base/log_line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ingest/base/clock.h"
#include "ingest/base/str.h"

#define ELLIPSIS "..."

void log_line_put(struct log_line *l, const char *bytes, size_t n, size_t limit)
{
        if (limit > sizeof(l->data))
                limit = sizeof(l->data);
        size_t room = limit > l->len ? limit - l->len : 0;
        if (n > room)
                n = room;
        memcpy(l->data + l->len, bytes, n);
        l->len += n;
}

/* Length of the UTF-8 character at @p; 0 where it is broken. */
static size_t character_length(const char *p)
{
        unsigned char c = (unsigned char)*p;
        size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

        /* A NUL ends the text, and is no continuation byte: this never reads behind it. */
        for (size_t i = 1; i < n; i++)
                if (((unsigned char)p[i] & 0xC0) != 0x80)
                        return 0;
        return str_utf8_valid((struct str){p, n}) ? n : 0;
}

static bool is_control(const char *p, size_t n)
{
        unsigned char c = (unsigned char)p[0];

        return c < 0x20 || c == 0x7F || (n == 2 && c == 0xC2 && (unsigned char)p[1] < 0xA0);
}

static const char *short_escape(char c)
{
        switch (c) {
        case '\n':
                return "\\n";
        case '\r':
                return "\\r";
        case '\t':
                return "\\t";
        case '"':
                return "\\\"";
        case '\\':
                return "\\\\";
        default:
                return NULL;
        }
}

/* Writes one character (or broken byte) of @p as it stands in the line into @out, at most 16
 * bytes, its length to @len. Return: bytes of @p that it took. */
static size_t escape_one(const char *p, enum log_escape how, char out[16], size_t *len)
{
        size_t n = character_length(p);
        bool quoted = how != LOG_ESCAPE_TEXT && (*p == '"' || *p == '\\');
        int written;

        if (n && !quoted && !is_control(p, n)) {
                memcpy(out, p, n);
                *len = n;
                return n;
        }
        const char *simple = n == 1 ? short_escape(*p) : NULL;
        if (simple)
                written = snprintf(out, 16, "%s", simple);
        else if (how == LOG_ESCAPE_JSON && n)
                written = snprintf(out, 16, "\\u%04x",
                        n == 2 ? 0x80u + ((unsigned char)p[1] & 0x3F) : (unsigned char)*p);
        else if (how == LOG_ESCAPE_JSON)
                written = snprintf(out, 16, "\\ufffd");
        else if (n == 2)
                written = snprintf(out, 16, "\\u%04x", 0x80u + ((unsigned char)p[1] & 0x3F));
        else
                written = snprintf(out, 16, "\\x%02x", (unsigned char)*p);
        *len = (size_t)written;
        return n ? n : 1;
}

void log_line_escape(struct log_line *l, const char *text, enum log_escape how, size_t limit)
{
        size_t safe = l->len; /* up to here the ellipsis still fits behind */
        const size_t dots = sizeof(ELLIPSIS) - 1;

        if (limit > sizeof(l->data))
                limit = sizeof(l->data);
        while (*text) {
                char out[16];
                size_t len;
                size_t taken = escape_one(text, how, out, &len);
                if (l->len + len > limit) {
                        l->len = safe;
                        log_line_put(l, ELLIPSIS, dots, limit);
                        return;
                }
                log_line_put(l, out, len, limit);
                if (l->len + dots <= limit)
                        safe = l->len;
                text += taken;
        }
}

static bool needs_quotes(const char *value)
{
        if (!*value)
                return true;
        for (; *value; value++) {
                unsigned char c = (unsigned char)*value;
                if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F)
                        return true;
        }
        return false;
}

static void put_text(struct log_line *l, const char *z, size_t limit)
{
        log_line_put(l, z, strlen(z), limit);
}

void log_line_pair(struct log_line *l, enum log_format format, const char *key, const char *value,
        size_t limit)
{
        bool json = format == LOG_FORMAT_JSON;
        bool quotes = json || needs_quotes(value);

        put_text(l, json ? ",\"" : " ", limit);
        log_line_escape(l, key, json ? LOG_ESCAPE_JSON : LOG_ESCAPE_QUOTED, limit);
        put_text(l, json ? "\":" : "=", limit);
        put_text(l, quotes ? "\"" : "", limit);
        log_line_escape(
                l, value, json ? LOG_ESCAPE_JSON : LOG_ESCAPE_QUOTED, limit > 0 ? limit - 1 : 0);
        put_text(l, quotes ? "\"" : "", limit);
}

static const char *level_name(enum log_level level)
{
        static const char *const names[] = {"error", "warn", "info", "debug"};

        return (unsigned)level < 4 ? names[level] : "error";
}

/* Those of syslog, as journald takes them from the beginning of a line. */
static const char *priority_of(enum log_level level)
{
        static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};

        return (unsigned)level < 4 ? priorities[level] : "<3>";
}

static void put_local_time(struct log_line *l, int64_t wall_us)
{
        time_t t = (time_t)(wall_us / 1000000);
        struct tm tm = {0};
        char clock[16];

        localtime_r(&t, &tm);
        log_line_put(l, clock, strftime(clock, sizeof(clock), "%H:%M:%S ", &tm), LOG_LINE_MAX);
}

void log_line_format(struct log_line *l, enum log_format format, int64_t wall_us,
        enum log_level level, const char *message, const char *context)
{
        static const struct {
                const char *before_level, *before_message, *after_message, *end;
                enum log_escape how;
        } forms[] = {
                [LOG_FORMAT_TEXT] = {"", " ", "", "\n", LOG_ESCAPE_TEXT},
                [LOG_FORMAT_LOGFMT] = {" level=", " msg=\"", "\"", "\n", LOG_ESCAPE_QUOTED},
                [LOG_FORMAT_JSON] = {"\",\"level\":\"", "\",\"msg\":\"", "\"", "}\n",
                        LOG_ESCAPE_JSON},
                [LOG_FORMAT_JOURNAL] = {"level=", " msg=\"", "\"", "\n", LOG_ESCAPE_QUOTED},
        };
        char ts[CLOCK_RFC3339_MAX];

        l->len = 0;
        if (format == LOG_FORMAT_TEXT) {
                put_local_time(l, wall_us);
        } else if (format == LOG_FORMAT_JOURNAL) {
                put_text(l, priority_of(level), LOG_LINE_MAX);
        } else {
                put_text(l, format == LOG_FORMAT_JSON ? "{\"ts\":\"" : "ts=", LOG_LINE_MAX);
                put_text(l, clock_rfc3339(wall_us, ts), LOG_LINE_MAX);
        }
        put_text(l, forms[format].before_level, LOG_LINE_MAX);
        put_text(l, level_name(level), LOG_LINE_MAX);
        put_text(l, forms[format].before_message, LOG_LINE_MAX);
        size_t behind =
                strlen(forms[format].after_message) + strlen(context) + strlen(forms[format].end);
        log_line_escape(
                l, message, forms[format].how, behind < LOG_LINE_MAX ? LOG_LINE_MAX - behind : 0);
        put_text(l, forms[format].after_message, LOG_LINE_MAX);
        put_text(l, context, LOG_LINE_MAX);
        put_text(l, forms[format].end, LOG_LINE_MAX);
}
