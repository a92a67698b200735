/* A key or a value of an ERP may hold anything, also what a terminal would obey. */
#include "cmd/out.h"

#include <errno.h>
#include <stdio.h>

#include "ingest/base/text.h"

#define CUT         "..."
#define FLUSH_BYTES (64 << 10)
#define OUT_MAX     (64 << 20) /* one reject with its record is far below it */

void out_init(struct out *o)
{
        *o = (struct out){.buf = BUF_INIT(OUT_MAX)};
}

void out_deinit(struct out *o)
{
        buf_deinit(&o->buf);
}

int out_flush(struct out *o, struct err *e)
{
        int rc = buf_check(&o->buf, "output", e);
        size_t at = 0;

        while (!rc && at < o->buf.len && !o->closed) {
                ssize_t n = write(STDOUT_FILENO, o->buf.data + at, o->buf.len - at);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EPIPE)
                        rc = err_set_errno(e, ERR_SYSTEM, errno, "writing to standard output");
                o->closed = n < 0;
                at += n > 0 ? (size_t)n : 0;
        }
        buf_clear(&o->buf);
        return rc;
}

int out_more(struct out *o, struct err *e)
{
        return o->buf.len < FLUSH_BYTES && !o->buf.error ? 0 : out_flush(o, e);
}

/* What stands for the character at the beginning of @s: itself, or an escape in @shown.
 * Return: bytes of @s that it is; @width: characters of what stands for it. */
static size_t show(struct str s, char shown[16], size_t *width)
{
        uint32_t code = (unsigned char)*s.ptr;
        size_t n = text_next(s, &code);

        shown[0] = '\0';
        *width = 1;
        if (!n)
                code = (unsigned char)*s.ptr;
        if (!n || !text_char_is_visible(code))
                *width = (size_t)snprintf(shown, 16, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
        return n ? n : 1;
}

static size_t count_chars(struct str s)
{
        size_t chars = 0, width;
        char shown[16];

        while (s.len > 0) {
                size_t n = show(s, shown, &width);
                s = (struct str){s.ptr + n, s.len - n};
                chars += width;
        }
        return chars;
}

size_t out_text(struct buf *b, struct str s, size_t max_chars)
{
        bool cut = max_chars && count_chars(s) > max_chars;
        size_t chars = 0, width;
        char shown[16];

        while (s.len > 0) {
                size_t n = show(s, shown, &width);
                if (cut && chars + width > max_chars - strlen(CUT)) {
                        buf_puts(b, CUT);
                        return chars + strlen(CUT);
                }
                buf_put(b, shown[0] ? shown : s.ptr, shown[0] ? width : n);
                chars += width;
                s = (struct str){s.ptr + n, s.len - n};
        }
        return chars;
}
