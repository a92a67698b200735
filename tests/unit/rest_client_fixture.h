/*
 * rest_client_fixture.h: a REST client, its source, and a scripted server for it, for unit tests.
 */
#pragma once

#include <stdbool.h>

#include "ingest/source/rest/client.h"
#include "tests/support/fake_http.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct rest_test {
        struct loop *loop;
        bool shares_loop; /* with another one that ends later */
        struct fake_http *server;
        char url[128];
        struct rest_options options;
        struct rest_client *client;
};

/* What one request came to: its texts are copied. */
struct rest_result {
        bool done;
        int calls;
        struct rest_reply reply;
        char body[2048], url[256], link[256], etag[64], type[64];
        size_t body_len;
        /* on_body: */
        char streamed[4096];
        size_t streamed_len;
        int refuse;
        bool pause, paused;
};

/** rest_test_begin() - a loop and a server; t->options may be changed until rest_test_open() */
void rest_test_begin(struct rest_test *t, const struct fake_reply *script, size_t count);
void rest_test_begin_handler(struct rest_test *t, fake_http_fn fn, void *ctx);
void rest_test_open(struct rest_test *t);
void rest_test_end(struct rest_test *t);

/** rest_test_share_loop() - takes the loop of @other, which ends later: their waits pass together
 */
void rest_test_share_loop(struct rest_test *t, const struct rest_test *other);

/** rest_test_send() - a request for @path under the source's url; its end is told to @r, which is
 * cleared but for `refuse` and `pause` */
struct rest_pending *rest_test_send(
        struct rest_test *t, const char *path, struct rest_request q, struct rest_result *r);
struct rest_pending *rest_test_send_to(
        struct rest_test *t, const char *url, struct rest_request q, struct rest_result *r);
void rest_test_wait(struct rest_test *t, struct rest_result *r);
void rest_test_perform(struct rest_test *t, const char *path, struct rest_request q,
        struct rest_result *r); /* both */
void rest_test_get(struct rest_test *t, const char *path, struct rest_result *r);

/** rest_test_seen() - the header @name of request @number; overwritten by the next call */
const char *rest_test_seen(struct rest_test *t, int number, const char *name);

/** rest_test_says() - the error of @r has @text in it */
void rest_test_says(const struct rest_result *r, const char *text);

/* on_body of requests that are streamed; ctx is a struct rest_result. */
int rest_test_body(void *ctx, struct str bytes, struct err *e);
