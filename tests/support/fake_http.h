/*
 * fake_http.h: a scripted HTTP/1.1 server on threads of its own, for unit tests.
 *
 * It listens on 127.0.0.1, on a port the kernel picks. Requests are answered either from a
 * script, one reply a request in order of arrival, or by a handler. What came in is recorded.
 * Failures of the server itself abort the test program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_http;

#define FAKE_HTTP_MAX_REQUESTS 4096 /* recorded; a test that sends more aborts */

enum fake_fault {
        FAKE_OK,
        FAKE_CLOSE,     /* closes without a reply */
        FAKE_RESET,     /* the same with a RST */
        FAKE_HALF,      /* sends the head and half of the body, then closes */
        FAKE_HALF_HEAD, /* sends a part of the head, then closes */
        FAKE_HANG,      /* never answers; holds the connection until fake_http_stop() */
        FAKE_STALL,     /* sends the head and half of the body, then hangs */
        FAKE_RAW        /* sends `body` as it is, instead of a reply, then closes */
};

struct fake_reply {
        int status;          /* 0: 200 */
        const char *headers; /* more header lines, each with \r\n; NULL: none */
        const char *body;    /* NULL: empty */
        size_t body_len;     /* 0: strlen(body) */
        int delay_ms;        /* before the first byte of the reply */
        enum fake_fault fault;
        bool chunked; /* Transfer-Encoding: chunked, in pieces of 7 bytes */
        bool close;   /* an honest Connection: close */
        bool owned;   /* body came from malloc(): freed when it was sent */
};

/* Strings live until fake_http_stop(). */
struct fake_request {
        int number;     /* of the request, from 0 */
        int connection; /* that it came on, from 0 */
        const char *method, *path;
        const char *headers; /* all lines as they came */
        const char *body;    /* NUL behind it */
        size_t body_len;
};

/* Fills @reply for @request; runs on the connection's thread, several at a time. */
typedef void (*fake_http_fn)(
        void *ctx, const struct fake_request *request, struct fake_reply *reply);

/** fake_http_start() - serves @count replies of @script (borrowed); more requests get 404 */
struct fake_http *fake_http_start(const struct fake_reply *script, size_t count);

/** fake_http_start_handler() - serves what @fn says */
struct fake_http *fake_http_start_handler(fake_http_fn fn, void *ctx);

/** fake_http_stop() - closes everything and joins all threads */
void fake_http_stop(struct fake_http *f);

int fake_http_port(const struct fake_http *f);

/** fake_http_url() - "http://127.0.0.1:PORT" and @path, in a buffer that the next call reuses */
const char *fake_http_url(struct fake_http *f, const char *path);

/** fake_http_count() - requests that arrived whole so far */
int fake_http_count(struct fake_http *f);

/** fake_http_connections() - connections accepted so far */
int fake_http_connections(struct fake_http *f);

/** fake_http_request() - request @number; NULL when it has not come */
const struct fake_request *fake_http_request(struct fake_http *f, int number);

/** fake_http_header() - the value of a header line of @r, into @out; "" when absent */
const char *fake_http_header(
        const struct fake_request *r, const char *name, char *out, size_t size);
