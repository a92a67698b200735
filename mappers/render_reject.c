/*
 * Rejects: which field of which element, which value, what is wrong, what to do; one line of
 * valid UTF-8 whatever the value holds.
 */
#include "mappers/program.h"

#include <stdio.h>

#include "ingest/base/text.h"

#define SHOWN_BYTES  64   /* of a value: enough to find it, too little to leak a document */
#define REASON_BYTES 1024 /* of a text behind the value */

/* "lines[].qty" with the elements that are rendered: "lines[2].qty" */
static void put_path(struct render *r, const char *path)
{
        size_t element = 0;

        buf_clear(&r->reject_field);
        for (const char *p = path; *p; p++) {
                buf_putc(&r->reject_field, *p);
                if (p[0] == '[' && p[1] == ']' && element < r->depth)
                        buf_printf(&r->reject_field, "%zu", r->index[element++]);
        }
}

/* Cuts at @max bytes, not inside a character. */
static struct str cut(struct str s, size_t max)
{
        if (s.len <= max)
                return s;
        while (max > 0 && ((unsigned char)s.ptr[max] & 0xC0) == 0x80)
                max--;
        return (struct str){s.ptr, max};
}

static void put_reason(struct render *r, const char *fmt, va_list ap)
{
        char text[REASON_BYTES];
        int n = vsnprintf(text, sizeof(text), fmt, ap);

        if (n < 0)
                return;
        size_t len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
        text_put_line(&r->reject_reason, (struct str){text, len}, REASON_BYTES);
}

int reject(struct render *r, const char *fmt, ...)
{
        va_list ap;

        put_path(r, r->plan->path);
        buf_clear(&r->reject_reason);
        va_start(ap, fmt);
        put_reason(r, fmt, ap);
        va_end(ap);
        return MAPPER_REJECT;
}

int reject_value(struct render *r, struct str value, const char *fmt, ...)
{
        struct str shown = cut(value, SHOWN_BYTES);
        va_list ap;

        put_path(r, r->plan->path);
        buf_clear(&r->reject_reason);
        json_put_lossy(&r->reject_reason, shown);
        if (shown.len < value.len)
                buf_printf(&r->reject_reason, "... (%zu bytes)", value.len);
        buf_putc(&r->reject_reason, ' ');
        va_start(ap, fmt);
        put_reason(r, fmt, ap);
        va_end(ap);
        return MAPPER_REJECT;
}
