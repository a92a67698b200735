/* Texts are built in place: a wrap moves the text right and keeps the end when it must cut. */
#include "ingest/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Length of the longest prefix of @text that does not end inside a UTF-8 sequence. */
static size_t utf8_floor(const char *text, size_t len)
{
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
                len--;
        return len;
}

static void put_text(struct err *e, const char *fmt, va_list ap)
{
        int n = vsnprintf(e->text, sizeof(e->text), fmt, ap);

        if (n < 0)
                e->text[0] = '\0';
        else if ((size_t)n >= sizeof(e->text))
                e->text[utf8_floor(e->text, sizeof(e->text) - 1)] = '\0';
}

int err_set_at(struct err *e, enum err_class class, int code, const char *file, int line,
        const char *fmt, ...)
{
        va_list ap;

        if (!e)
                return -(int)class;
        e->class = class;
        e->code = code;
        e->sqlstate[0] = '\0';
        e->file = file;
        e->line = line;
        va_start(ap, fmt);
        put_text(e, fmt, ap);
        va_end(ap);
        return -(int)class;
}

int err_set_errno_at(struct err *e, enum err_class class, int errnum, const char *file, int line,
        const char *fmt, ...)
{
        char cause[128] = "";
        va_list ap;

        if (errnum == ENOMEM)
                class = ERR_NOMEM;
        if (!e)
                return -(int)class;
        e->class = class;
        e->code = errnum;
        e->sqlstate[0] = '\0';
        e->file = file;
        e->line = line;
        va_start(ap, fmt);
        put_text(e, fmt, ap);
        va_end(ap);
        const char *msg = strerror_r(errnum, cause, sizeof(cause));
        size_t len = strlen(e->text);
        snprintf(e->text + len, sizeof(e->text) - len, ": %s", msg);
        return -(int)class;
}

int err_nomem(struct err *e, const char *what)
{
        return err_set(e, ERR_NOMEM, "out of memory for %s", what);
}

int err_wrap(struct err *e, int rc, const char *fmt, ...)
{
        char prefix[512];
        va_list ap;

        if (!e)
                return rc;
        va_start(ap, fmt);
        int n = vsnprintf(prefix, sizeof(prefix) - 2, fmt, ap);
        va_end(ap);
        if (n < 0)
                return rc;
        size_t plen = utf8_floor(prefix, strlen(prefix));
        memcpy(prefix + plen, ": ", 2);
        plen += 2;
        size_t tlen = strlen(e->text);
        size_t room = sizeof(e->text) - 1 - plen;
        /* The cause stands at the end: where both do not fit, the middle goes. */
        size_t skip = tlen > room ? tlen - room : 0;
        while (skip < tlen && ((unsigned char)e->text[skip] & 0xC0) == 0x80)
                skip++;
        memmove(e->text + plen, e->text + skip, tlen - skip + 1);
        memcpy(e->text, prefix, plen);
        return rc;
}

int err_hint(struct err *e, int rc, const char *fmt, ...)
{
        va_list ap;

        if (!e)
                return rc;
        size_t len = strlen(e->text);
        if (len + 3 >= sizeof(e->text))
                return rc;
        memcpy(e->text + len, "; ", 3);
        va_start(ap, fmt);
        vsnprintf(e->text + len + 2, sizeof(e->text) - len - 2, fmt, ap);
        va_end(ap);
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
