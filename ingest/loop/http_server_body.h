/*
 * http_server_body.h: the body of a request, by its length or in chunks.
 *
 * Pure, and as strict as the head: sizes in hexadecimal digits alone, CR LF where it must be,
 * trailers proved like headers and forgotten.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/buf.h"
#include "ingest/base/str.h"

enum http_body_state {
        HTTP_BODY_BYTES,     /* `left` of them */
        HTTP_BODY_SIZE,      /* the line before a chunk */
        HTTP_BODY_CHUNK,     /* `left` of it */
        HTTP_BODY_CHUNK_END, /* its CR LF */
        HTTP_BODY_TRAILERS,
        HTTP_BODY_WHOLE
};

struct http_body {
        enum http_body_state state;
        bool chunked;
        uint64_t left;
        size_t overhead; /* bytes that came beside the body's own */
        struct buf bytes, line;
        const char *refused; /* why, for the log */
};

/** http_body_init() - @length: of the body; -1 chunked      @max: bytes it may have
 * Return: 0; 413. */
int http_body_init(struct http_body *b, int64_t length, size_t max);
void http_body_deinit(struct http_body *b);

/** http_body_take() - some more bytes
 * Return: 1 it is whole; 0 more is needed; the HTTP status of a refusal. */
int http_body_take(struct http_body *b, struct str *in);
