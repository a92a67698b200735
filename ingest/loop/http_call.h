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

enum http_call_state { HTTP_CALL_WAITING, HTTP_CALL_RUNNING };

struct http_call {
        struct http *http; /* borrowed */
        struct http_call *next, *prev;
        enum http_call_state state;
        bool cancelled;
        bool safe;                  /* may be sent twice: a GET or HEAD without a body */
        CURL *easy;                 /* owned */
        struct curl_slist *headers; /* owned */
        char *label;                /* owned: "POST http://host/path", for texts */
        struct buf body;            /* of the reply */
        size_t header_bytes;
        int64_t retry_after_ms;
        int64_t started_us; /* when it left the queue */
        int (*on_body)(void *ctx, struct str bytes, struct err *e);
        void (*on_done)(void *ctx, const struct http_reply *reply);
        void *ctx;
        int rc; /* of what a callback refused; err says why */
        struct err err;
        char curl_error[CURL_ERROR_SIZE];
};

/** http_call_new() - a call ready to be added to a multi handle
 * @options: of the client, with defaults filled in     @share: NULL or what calls share */
int http_call_new(const struct http_options *options, CURLSH *share,
        const struct http_request *request, struct http_call **out, struct err *e)
        __attribute__((warn_unused_result));
struct http_call *http_call_free(struct http_call *c);
DEFINE_CLEANUP(struct http_call *, http_call_free);

/** http_call_finish() - calls on_done and frees @c, which is in no multi handle any more
 * @code: what curl says     @rc, @e: an error of the client that comes before it, or 0 */
void http_call_finish(struct http_call *c, CURLcode code, int rc, const struct err *e);
