/* Doubles the capacity, so that appends are amortised O(1), and never beyond the maximum. */
#include "ingest/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#define BUF_FIRST 256 /* bytes of the first allocation */

char *buf_grow(struct buf *b, size_t n)
{
        if (b->error)
                return NULL;
        if (b->len > b->max || n > b->max - b->len) {
                b->error = -ERR_REJECT;
                return NULL;
        }
        size_t need = b->len + n;
        size_t cap = b->cap ? b->cap : BUF_FIRST;
        while (cap < need)
                cap = cap > b->max / 2 ? b->max : cap * 2;
        if (cap > b->max)
                cap = b->max;
        /* One byte more than counts: buf_cstr() puts its NUL there. */
        char *data = cap < PTRDIFF_MAX ? realloc(b->data, cap + 1) : NULL;
        if (!data) {
                b->error = -ERR_NOMEM;
                return NULL;
        }
        b->data = data;
        b->cap = cap;
        return b->data + b->len;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        int n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n < 0) {
                b->error = b->error ? b->error : -ERR_BUG;
                return;
        }
        char *p = buf_room(b, (size_t)n);
        if (!p)
                return;
        va_start(ap, fmt);
        vsnprintf(p, (size_t)n + 1, fmt, ap); /* its NUL goes to buf_cstr()'s byte */
        va_end(ap);
        b->len += (size_t)n;
}

const char *buf_cstr(struct buf *b)
{
        if (b->error)
                return NULL;
        if (!b->data && !buf_grow(b, 0))
                return NULL;
        b->data[b->len] = '\0';
        return b->data;
}

int buf_check(const struct buf *b, const char *what, struct err *e)
{
        if (!b->error)
                return 0;
        if (b->error == -ERR_NOMEM)
                return err_nomem(e, what);
        return err_set(e, ERR_REJECT, "%s is larger than its limit of %zu bytes", what, b->max);
}

void buf_put_base64(struct buf *out, struct str s)
{
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const unsigned char *p = (const unsigned char *)s.ptr;

        for (size_t i = 0; i < s.len; i += 3) {
                size_t n = s.len - i < 3 ? s.len - i : 3;
                unsigned bits = (unsigned)p[i] << 16;
                if (n > 1)
                        bits |= (unsigned)p[i + 1] << 8;
                if (n > 2)
                        bits |= p[i + 2];
                buf_putc(out, digits[bits >> 18]);
                buf_putc(out, digits[bits >> 12 & 63]);
                buf_putc(out, n > 1 ? digits[bits >> 6 & 63] : '=');
                buf_putc(out, n > 2 ? digits[bits & 63] : '=');
        }
}
