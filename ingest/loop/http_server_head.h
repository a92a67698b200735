/*
 * http_server_head.h: the head of a request, as strict as RFC 9112 allows.
 *
 * Pure: bytes go in as they come, in pieces of any size; what comes out is the whole head or the
 * status of the refusal. Nothing that two readers could read in two ways passes: a line ends in
 * CR LF and nothing else, no folded lines, no white space before a colon, no control characters,
 * one length of the body, one Host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/base/buf.h"
#include "ingest/base/str.h"

#define HTTP_HEAD_MAX_HEADERS 100 /* browsers and proxies send some 30 */
#define HTTP_LINE_TOO_LONG    (-1)

struct http_head_field {
        uint32_t name, value; /* where they begin in `text`, each ended by NUL */
};

struct http_head {
        struct buf text;     /* the lines, each ended by NUL */
        size_t line;         /* where the line that comes begins */
        size_t bytes, max;   /* that came, line ends included; that may come */
        const char *method;  /* of a constant table; NULL: the request line has not come */
        const char *refused; /* why, for the log */
        uint32_t target;     /* the path and query begin here; NUL behind */
        uint32_t authority;  /* of an absolute target; else 0 */
        bool http10, close, chunked, expects;
        int64_t length; /* Content-Length; -1: none */
        int host;       /* number of the Host header, -1: none */
        int count;
        struct http_head_field fields[HTTP_HEAD_MAX_HEADERS];
};

/** http_line_take() - bytes of @in up to the end of a line, without it, behind @text
 * @begin: where the line begins in @text      @in: what was taken is gone from it
 * Return: 1 a line is whole; 0 more is needed; 400; HTTP_LINE_TOO_LONG @text is full. */
int http_line_take(struct buf *text, size_t begin, struct str *in);

void http_head_init(struct http_head *h, size_t max_bytes);
void http_head_deinit(struct http_head *h);

/** http_head_take() - some more bytes
 * @in: what was taken is gone from it; what follows the head is left
 * Return: 1 it is whole; 0 more is needed; the HTTP status of a refusal. */
int http_head_take(struct http_head *h, struct str *in);

/** http_head_field() - the value of the first header of that name; NULL: none */
const char *http_head_field(const struct http_head *h, const char *name);

static inline const char *http_head_target(const struct http_head *h)
{
        return h->text.data + h->target;
}

/** http_field_is_clean() - whether a header of a reply can have this name and value: no line break,
 * no other control character */
bool http_field_is_clean(const char *name, const char *value);
