/*
 * http.h: HTTP requests on the loop (curl multi, socket API).
 *
 * Keep-alive connections are reused up to max_connections per client. An `Expect:` header is
 * always suppressed (bodies over 1 MiB lose keep-alive with CouchDB otherwise). When a reused
 * connection dies before a reply, libcurl would send the request again by itself: that is left to
 * it for GET and HEAD without a body only, any other call ends with -ERR_RETRY and `sent`.
 *
 * on_done is called exactly once per started call, from the loop, also after http_cancel(), and
 * never from inside http_start() or http_cancel(). The call object is gone after on_done.
 * Callbacks may call http_start() and http_cancel(), but not http_free().
 *
 * Calls beyond max_connections wait in order; their time-outs begin when they are sent.
 * Redirects are not followed: a 3xx is a reply like any other.
 *
 * on_body may answer HTTP_PAUSE: what it was given is taken, and neither more of the body nor
 * on_done comes until http_resume() or http_cancel(). Meanwhile nothing is read from the socket;
 * what libcurl had read already (32 or 64 KiB, then decompressed: as a rule some 100 KiB, 64 MiB at
 * the very most) is kept. A paused call does not time out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/buf.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"
#include "ingest/loop/loop.h"

struct http;
struct http_call;
struct http_reply;

struct http_options {
        const char *ca_file;              /* NULL: the system's */
        const char *cert_file, *key_file; /* client certificate; NULL: none */
        const char *proxy;                /* NULL: from the environment, as curl does */
        int64_t connect_timeout_ms;       /* 0: 10 s */
        int64_t timeout_ms;               /* of a whole request; 0: 300 s */
        int64_t idle_timeout_ms;          /* no byte either way for so long; 0: 90 s */
        long max_connections;             /* 0: 16 */
        const char *user_agent;           /* NULL: erp2couch/VERSION */
        bool cookies;    /* keep and send cookies (CouchDB sessions renew theirs) */
        bool compressed; /* ask for gzip and deflate; bodies are given decompressed. One that grows
                          * HTTP_MAX_INFLATION-fold beyond 64 MiB ends with -ERR_REJECT: a bomb */
};

/* deflate reaches 1032, of zeros; records that differ in a number alone reach about 100. */
#define HTTP_MAX_INFLATION 250
#define HTTP_PAUSE         1

#define HTTP_MAX_HEADERS 32

struct http_request {
        const char *method;                    /* "GET", "POST", ... */
        const char *url;                       /* without credentials; copied */
        const char *headers[HTTP_MAX_HEADERS]; /* "Name: value", NULL-terminated; copied */
        struct str body;                       /* borrowed until on_done; .ptr NULL: none */
        int64_t timeout_ms;                    /* 0: the client's */
        size_t max_reply; /* bytes of a buffered reply; 0: 16 MiB. A 2xx that is larger ends with
                           * -ERR_REJECT, any other status is kept with what fits of its body */

        /* Optional: each header of the final reply, before its body. No trailers. */
        void (*on_header)(void *ctx, struct str name, struct str value);

        /* Optional: takes the reply's bytes as they come (status 2xx only; others are buffered).
         * Return 0, HTTP_PAUSE, or -class with *e filled: the call then ends with that error. */
        int (*on_body)(void *ctx, struct str bytes, struct err *e);

        void (*on_done)(void *ctx, const struct http_reply *reply);
        void *ctx;
};

struct http_reply {
        int status;      /* HTTP status; 0 where none came */
        struct str body; /* borrowed, valid during on_done; NUL behind; empty when rc < 0 */
        const char *content_type; /* "" when absent */
        int64_t retry_after_ms;   /* from Retry-After (seconds or date); -1 when absent */
        int64_t elapsed_us;       /* from leaving the queue to the end */
        bool sent;                /* at least part of the request may have reached the server */
        int rc;                   /* 0 when a whole reply came, else -class; err says why */
        struct err err; /* ERR_RETRY network, ERR_CONFIG TLS/URL, ERR_CANCEL, ERR_REJECT too
                         * large, or on_body's; "METHOD URL: " without secrets before it */
};

int http_new(struct loop *l, const struct http_options *options, struct http **out, struct err *e)
        __attribute__((warn_unused_result));

/** http_free() - cancels what runs (on_done is called) and closes all connections */
struct http *http_free(struct http *h);
DEFINE_CLEANUP(struct http *, http_free);

/** http_start() - begins a request. @out (may be NULL) is valid until on_done.
 * Return: 0; -ERR_CONFIG unusable URL; -ERR_NOMEM. on_done follows only after 0. */
int http_start(struct http *h, const struct http_request *request, struct http_call **out,
        struct err *e) __attribute__((warn_unused_result));

/** http_cancel() - ends a call; on_done comes with -ERR_CANCEL in a later turn */
void http_cancel(struct http_call *c);

/** http_resume() - more of the body after HTTP_PAUSE; on_body never from inside
 * From inside on_body it undoes the HTTP_PAUSE that this call of it returns. */
void http_resume(struct http_call *c);

/** http_global_init() - once per process, before any thread starts */
int http_global_init(struct err *e) __attribute__((warn_unused_result));
void http_global_cleanup(void);

/** http_url_encode() - appends @s percent-encoded (everything but unreserved characters) */
void http_url_encode(struct buf *out, struct str s);
