/*
 * http_call.h: one request and its reply, from options to on_done. For http.c only.
 *
 * A call knows its curl easy handle and nothing of the loop or of other calls; http.c moves it:
 *
 *     WAITING --(a connection is free)--> RUNNING --(curl is done, cancelled)--> gone
 *        \------------(cancelled)------------------------------------------------^
 */
#pragma once

#include <curl/curl.h>

#include "ingest/loop/http.h"
#include "ingest/loop/http_url.h"

enum http_call_state { HTTP_CALL_WAITING, HTTP_CALL_RUNNING };

struct http_call {
        struct http *http; /* borrowed */
        struct http_call *next, *prev;
        enum http_call_state state;
        bool cancelled;
        bool safe;                  /* may be sent twice: a GET or HEAD without a body */
        bool compressed;            /* asked for: what comes is measured against what was sent */
        bool paused, taking;        /* on_body said so; it is being called */
        bool resume;                /* http_resume() was called */
        CURL *easy;                 /* owned */
        struct curl_slist *headers; /* owned */
        char *request;              /* owned: "POST http://host/path?query", as asked for */
        struct buf body;            /* of the reply */
        size_t header_bytes;
        bool head_final, head_over; /* the header lines are those of the reply; all came */
        int64_t body_bytes;         /* of the reply, decompressed */
        int64_t timeout_ms, paused_at_us, paused_us;
        int64_t retry_after_ms;
        int64_t started_us; /* when it left the queue */
        void (*on_header)(void *ctx, struct str name, struct str value);
        int (*on_body)(void *ctx, struct str bytes, struct err *e);
        void (*on_done)(void *ctx, const struct http_reply *reply);
        void *ctx;
        int rc; /* of what a callback refused; err says why */
        struct err err;
        char curl_error[CURL_ERROR_SIZE];
};

/* What the calls of a client have in common. */
struct http_shared {
        struct http_options options;   /* defaults filled in; its texts are owned by the client */
        CURLSH *share;                 /* TLS sessions, and cookies where asked for */
        struct http_url_origin origin; /* of the last call */
};

/** http_call_new() - a call ready to be added to a multi handle
 * @easy: one that was used before; NULL: none. Taken, whatever is returned. */
int http_call_new(struct http_shared *shared, CURL *easy, const struct http_request *request,
        struct http_call **out, struct err *e) __attribute__((warn_unused_result));
struct http_call *http_call_free(struct http_call *c);
DEFINE_CLEANUP(struct http_call *, http_call_free);

/** http_call_resume() - lets curl go on; on_body may be called from inside
 * Return: what ends the call, or CURLE_OK. */
CURLcode http_call_resume(struct http_call *c);

/** http_call_finish() - calls on_done and frees @c, which is in no multi handle any more
 * @code: what curl says     @rc, @e: an error of the client that comes before it, or 0
 * Return: its easy handle, for another call. */
CURL *http_call_finish(struct http_call *c, CURLcode code, int rc, const struct err *e);
