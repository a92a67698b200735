/*
 * http_test.h: a loop, an HTTP client and a scripted server in one, for unit tests of the client.
 *
 * Failures are failures of the cmocka test that calls. libevent's and libcurl's allocations pass
 * the test program's own malloc(), which may be wrapped (alloc_fail.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ingest/loop/http.h"
#include "tests/support/fake_http.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What one call came to. The reply's texts are copied: they die with on_done. */
struct http_result {
        bool done;
        int calls; /* of on_done */
        struct http_reply reply;
        char body[4096], content_type[128];
        size_t body_len;
        bool nul_behind;
        struct http_call *cancel_other; /* what on_done does besides */
        /* on_body: */
        char streamed[4096];
        size_t streamed_len;
        int refuse; /* -class to return */
        struct http_call *cancel_self;
        int pieces;
};

struct http_test {
        struct loop *loop;
        struct http *http;
        struct fake_http *server;
};

/** http_test_begin() - a loop, a client with @options (NULL: defaults) and a server of @script */
void http_test_begin(struct http_test *f, const struct http_options *options,
        const struct fake_reply *script, size_t count);
void http_test_end(struct http_test *f);

/** http_test_get() - a GET of the server's @path that reports to @r, which is cleared */
struct http_request http_test_get(struct http_test *f, const char *path, struct http_result *r);

/** http_test_start() - starts @q, which must succeed */
struct http_call *http_test_start(struct http_test *f, const struct http_request *q);

/** http_test_wait() - runs the loop until @r is there, once */
void http_test_wait(struct http_test *f, struct http_result *r);

/** http_test_perform() - both */
void http_test_perform(struct http_test *f, struct http_request q, struct http_result *r);

/* What requests are given as callbacks; ctx is a struct http_result. */
void http_test_done(void *ctx, const struct http_reply *reply);
int http_test_body(void *ctx, struct str bytes, struct err *e);

/** http_test_main_begin() - what main() does around cmocka_run_group_tests() */
void http_test_main_begin(void);
void http_test_main_end(void);
