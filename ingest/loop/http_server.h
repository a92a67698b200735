/*
 * http_server.h: HTTP/1.1 requests from outside, on the loop (evhttp).
 *
 * A request is handed over once it is whole. It is answered at once or later, exactly once, by
 * http_exchange_reply(), or by a stream (server-sent events). Where the client hangs up first, the
 * exchange stays valid until it is answered, and the answer goes nowhere.
 *
 * What a head may be is RFC 9112 without its leniency: CR LF and no other line ends, no folded
 * lines, one Content-Length or "chunked", one Host, no control characters. Refused are: 400 what
 * breaks these, 408 what does not come in time, 413 and 414 and 431 what is too large, 417 an
 * Expect other than 100-continue, 501 methods beyond those of evhttp and any other coding, 503
 * without memory or room, 505 another version. The reply has error_body and ends the connection;
 * HTTP/1.0 does that always. Which methods a path has is left to its handler (405).
 *
 * Bounded against what is sent from outside: headers, bodies, connections in all, the time in
 * which a head and a whole request must have come, the time that an idle connection is kept, and
 * what a client that does not read lets pile up; the bodies of all requests together may hold eight
 * times max_body. Beyond max_connections the connections that have been idle longest go first, then
 * new ones are answered 503; where descriptors are short, accepting pauses.
 *
 * Header values that are set are proved free of line breaks. One thread: the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/base/err.h"
#include "ingest/base/log.h"
#include "ingest/base/str.h"
#include "ingest/loop/loop.h"

struct http_server;
struct http_exchange;

struct http_server_options {
        const char *listen;  /* HOST:PORT, [V6]:PORT; port 0: the kernel picks */
        int fd;              /* a listening socket from outside, taken over on success; -1: none */
        size_t max_head;     /* bytes of request line and headers; 0: 16 KiB */
        size_t max_body;     /* 0: 16 MiB; see body_limit */
        int max_connections; /* 0: 2000 */
        int64_t head_timeout_ms; /* from the first byte of a request to its last header; 0: 10 s */
        int64_t request_timeout_ms; /* to the last byte of its body; 0: 60 s */
        int64_t idle_timeout_ms;    /* between requests of a connection; 0: 120 s */
        int64_t write_timeout_ms;   /* without a byte that the client takes; 0: 30 s */

        /* Optional: how large a body this request may have, told from its head: so that nobody
         * fills memory who could not be let in anyway. Beyond it: 413, and the connection ends. */
        size_t (*body_limit)(void *ctx, struct http_exchange *x);

        void (*on_request)(void *ctx, struct http_exchange *x);

        /* Optional: the server itself refuses a request: the body of that reply, of error_type. */
        struct str (*error_body)(void *ctx, int status);
        const char *error_type; /* NULL: application/json */

        /* Optional: headers of such a reply; the last one has no name. */
        const struct http_server_header {
                const char *name, *value;
        } * error_headers;
        void *ctx;
};

/** http_server_new() - listens
 * Return: 0; -ERR_CONFIG an address that cannot be had (in use, not ours; the error names it). */
int http_server_new(struct loop *l, const struct http_server_options *options,
        const struct log *log, struct http_server **out, struct err *e)
        __attribute__((warn_unused_result));

/** http_server_stop() - accepts no more; requests that are under way are still answered, idle
 * connections end */
void http_server_stop(struct http_server *s);

/** http_server_free() - closes all connections; unanswered exchanges are gone: nobody may answer
 * them any more, and no on_close() is called */
struct http_server *http_server_free(struct http_server *s);
DEFINE_CLEANUP(struct http_server *, http_server_free);

/** http_server_port() - where it listens; 0: not a TCP socket */
int http_server_port(const struct http_server *s);

struct http_server_stats {
        uint64_t connections, refused; /* accepted and refused so far */
        unsigned open;                 /* connections now */
        unsigned open_exchanges;       /* requests not answered yet, streams among them */
};
void http_server_stats(const struct http_server *s, struct http_server_stats *out);

/* ---- a request ---- */

const char *http_exchange_method(const struct http_exchange *x); /* "GET", ... */

/** http_exchange_path() - percent-decoded once, without the query; proved UTF-8 without NUL
 * It begins with "/", or is "*" (OPTIONS). Nothing else is done to it: "//", "." and ".." stand as
 * they came, and an encoded slash looks like any other; who must tell them apart takes segments. */
struct str http_exchange_path(const struct http_exchange *x);

/** http_exchange_segments() - what stands between the slashes of the path, each decoded
 * "/api/v1/a%2Fb" has three, the last one "a/b"; "/" has none, "/a/" two ("a" and "").
 * @out: the first @max of them, borrowed. Return: how many there are. */
size_t http_exchange_segments(const struct http_exchange *x, struct str *out, size_t max);

/** http_exchange_query() - the decoded value of the parameter @name; .ptr NULL: there is none
 * "+" is a space; of several the first; NUL behind it. Borrowed until the exchange is answered, as
 * all that follows. */
struct str http_exchange_query(const struct http_exchange *x, const char *name);

/** http_exchange_query_name() - the decoded name of the parameter @index, from 0; .ptr NULL: there
 * are no more */
struct str http_exchange_query_name(const struct http_exchange *x, size_t index);

/** http_exchange_header() - of the request; NULL: there is none */
const char *http_exchange_header(const struct http_exchange *x, const char *name);
struct str http_exchange_body(struct http_exchange *x);

/** http_exchange_peer() - address of the client, without its port; "unix" where it has none */
const char *http_exchange_peer(const struct http_exchange *x);

/* ---- its answer ---- */

/** http_exchange_set_header() - of the reply; a later value replaces an earlier one
 * One that holds a line break is left out, which is logged. Not from body_limit(). */
void http_exchange_set_header(struct http_exchange *x, const char *name, const char *value);

/** http_exchange_reply() - answers; @x is gone. @body is copied. HEAD gets no body. */
void http_exchange_reply(
        struct http_exchange *x, int status, const char *content_type, struct str body);

/** http_exchange_stream() - begins a reply without an end (status 200, chunked)
 * @on_close: the client has gone; from the loop, not after http_exchange_end(). @x is gone then. */
void http_exchange_stream(
        struct http_exchange *x, const char *content_type, void (*on_close)(void *ctx), void *ctx);

/** http_exchange_send() - some bytes of the stream, copied
 * Return: false where they were not taken because the client does not read: more than 256 KiB wait
 * for it already. */
bool http_exchange_send(struct http_exchange *x, struct str bytes);
void http_exchange_end(struct http_exchange *x); /* @x is gone */
