/*
 * buf.h: growing bytes with a stated maximum.
 *
 * The only way bytes grow in this program. A buffer never exceeds @max; an append that would
 * sets a sticky error and appends nothing from then on, so that a chain of appends is checked
 * once at its end with buf_check(). buf_clear() forgets content and error and keeps the memory.
 * Not shared between threads. Contents are not NUL-terminated; buf_cstr() terminates.
 */
#pragma once

#include <stdint.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

struct buf {
        char *data; /* owned; NULL until the first append */
        size_t len; /* bytes in use */
        size_t cap; /* bytes allocated, but one for buf_cstr()'s NUL */
        size_t max; /* len never exceeds it */
        int error;  /* 0, or -class of the first append that failed */
};

/* For declarations, so that no early return finds a buffer that is not one yet. */
#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})

static inline void buf_init(struct buf *b, size_t max_bytes)
{
        *b = (struct buf){.max = max_bytes};
}

static inline void buf_deinit(struct buf *b)
{
        free(b->data);
        *b = (struct buf){.max = b->max};
}

static inline void buf_clear(struct buf *b)
{
        b->len = 0;
        b->error = 0;
}

/* Slow path of buf_room(): grows, or sets the sticky error and returns NULL. */
char *buf_grow(struct buf *b, size_t n);

/** buf_room() - @n writable bytes behind the content; the caller adds what it used to b->len
 * Return: NULL after an error (sticky) or where @n more would pass the maximum. */
static inline char *buf_room(struct buf *b, size_t n)
{
        if (__builtin_expect(b->cap - b->len >= n && !b->error && b->data != NULL, 1))
                return b->data + b->len;
        return buf_grow(b, n);
}

static inline void buf_put(struct buf *b, const void *bytes, size_t n)
{
        char *p = buf_room(b, n);

        if (p) {
                memcpy(p, bytes, n);
                b->len += n;
        }
}

static inline void buf_putc(struct buf *b, char c)
{
        char *p = buf_room(b, 1);

        if (p) {
                *p = c;
                b->len++;
        }
}

static inline void buf_put_str(struct buf *b, struct str s)
{
        if (s.len)
                buf_put(b, s.ptr, s.len);
}

static inline void buf_puts(struct buf *b, const char *z)
{
        buf_put(b, z, strlen(z));
}

static inline struct str buf_str(const struct buf *b)
{
        return (struct str){b->data ? b->data : "", b->len};
}

void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** buf_put_base64() - appends @s in base64 with padding (RFC 4648) */
void buf_put_base64(struct buf *out, struct str s);

/** buf_cstr() - the content with a NUL behind it (not counted in len); NULL on error */
const char *buf_cstr(struct buf *b);

/** buf_check() - whether all appends since buf_clear() succeeded
 * @what: names the buffer in the error: "document", "reply", ...
 * Return: 0; -ERR_REJECT the maximum was reached; -ERR_NOMEM. */
int buf_check(const struct buf *b, const char *what, struct err *e)
        __attribute__((warn_unused_result));

#define cleanup_buf_ cleanup_(buf_deinit)
