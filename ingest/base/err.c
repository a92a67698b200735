/* Texts are built in place: a wrap moves the text right, and what does not fit goes from the
 * middle, marked with "...". No cut goes through a UTF-8 character. */
#include "ingest/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_MAX 512 /* bytes that one err_wrap() can add */
#define TAIL_MAX   384 /* bytes that a cause or a hint can add: less than what they follow */
#define CUT        "..."

/* Length of @text without a UTF-8 sequence that is incomplete at its end. */
static size_t utf8_floor(const char *text, size_t len)
{
        size_t lead = len;

        while (lead > 0 && len - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
                lead--;
        if (lead == 0)
                return len;
        unsigned char c = (unsigned char)text[lead - 1];
        size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        return whole > len - lead + 1 ? lead - 1 : len;
}

/* vsnprintf() that never leaves half a character. Return: the length. */
static size_t format(char *out, size_t size, const char *fmt, va_list ap)
        __attribute__((format(printf, 3, 0)));

static size_t format(char *out, size_t size, const char *fmt, va_list ap)
{
        int n = vsnprintf(out, size, fmt, ap);

        if (n < 0)
                n = 0;
        size_t len = (size_t)n < size ? (size_t)n : utf8_floor(out, size - 1);
        out[len] = '\0';
        return len;
}

/* Appends @tail, which must not be lost: what stands before it is cut where both do not fit. */
static void append(struct err *e, const char *tail, size_t tail_len)
{
        size_t len = strlen(e->text);
        size_t room = sizeof(e->text) - 1 - tail_len;

        if (len > room) {
                len = utf8_floor(e->text, room - strlen(CUT));
                memcpy(e->text + len, CUT, strlen(CUT));
                len += strlen(CUT);
        }
        memcpy(e->text + len, tail, tail_len);
        e->text[len + tail_len] = '\0';
}

static void set(struct err *e, enum err_class class, int code, const char *file, int line)
{
        e->class = class;
        e->code = code;
        e->sqlstate[0] = '\0';
        e->file = file;
        e->line = line;
}

int err_set_at(struct err *e, enum err_class class, int code, const char *file, int line,
        const char *fmt, ...)
{
        va_list ap;

        if (!e)
                return -(int)class;
        set(e, class, code, file, line);
        va_start(ap, fmt);
        format(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
        return -(int)class;
}

int err_set_errno_at(struct err *e, enum err_class class, int errnum, const char *file, int line,
        const char *fmt, ...)
{
        char words[128], tail[sizeof(words) + 2];
        va_list ap;

        if (errnum == ENOMEM)
                class = ERR_NOMEM;
        if (!e)
                return -(int)class;
        set(e, class, errnum, file, line);
        va_start(ap, fmt);
        format(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
        int n = snprintf(tail, sizeof(tail), ": %s", strerror_r(errnum, words, sizeof(words)));
        append(e, tail, (size_t)n < sizeof(tail) ? (size_t)n : sizeof(tail) - 1);
        return -(int)class;
}

int err_nomem(struct err *e, const char *what)
{
        return err_set(e, ERR_NOMEM, "out of memory for %s", what);
}

int err_wrap(struct err *e, int rc, const char *fmt, ...)
{
        char prefix[PREFIX_MAX + sizeof(": " CUT)];
        va_list ap;

        if (!e)
                return rc;
        va_start(ap, fmt);
        size_t plen = format(prefix, PREFIX_MAX, fmt, ap);
        va_end(ap);
        size_t tlen = strlen(e->text), skip = 0;
        memcpy(prefix + plen, ": " CUT, sizeof(": " CUT));
        plen += 2;
        /* The cause stands at the end: where both do not fit, the middle goes. */
        if (plen + tlen > sizeof(e->text) - 1) {
                plen += strlen(CUT);
                skip = plen + tlen - (sizeof(e->text) - 1);
                while (skip < tlen && ((unsigned char)e->text[skip] & 0xC0) == 0x80)
                        skip++;
        }
        memmove(e->text + plen, e->text + skip, tlen - skip + 1);
        memcpy(e->text, prefix, plen);
        return rc;
}

int err_hint(struct err *e, int rc, const char *fmt, ...)
{
        char tail[TAIL_MAX] = "; ";
        va_list ap;

        if (!e)
                return rc;
        va_start(ap, fmt);
        size_t len = format(tail + 2, sizeof(tail) - 2, fmt, ap);
        va_end(ap);
        append(e, tail, len + 2);
        return rc;
}

const char *err_class_name(enum err_class class)
{
        static const char *const names[ERR_CLASSES] = {
                [ERR_NONE] = "none",
                [ERR_RETRY] = "retry",
                [ERR_REJECT] = "reject",
                [ERR_CONFIG] = "config",
                [ERR_CANCEL] = "cancel",
                [ERR_NOMEM] = "nomem",
                [ERR_BUG] = "bug",
                [ERR_SYSTEM] = "system",
                [ERR_GUARD] = "guard",
                [ERR_LOCKED] = "locked",
                [ERR_USAGE] = "usage",
        };
        return (unsigned)class < ERR_CLASSES ? names[class] : "unknown";
}
