/*
 * rest_auth_fixture.h: a folder, a provider of tokens (or a script of replies), and an open
 * rest_auth on them. Failures are failures of the cmocka test that calls.
 *
 * fsync() and rename() of the program under test pass here (wrapped by the linker): they can die,
 * or fail.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "ingest/source/rest/auth_internal.h"
#include "tests/support/http_test.h"

/* What must never be seen in an error or in the log. */
#define SECRET   "s3cret/of+client"
#define REFRESH  "refresh-from-configuration"
#define PASSWORD "pa\"ss word"

/** durable_fail_at() - the @n-th fsync or rename from now on kills this process (@errnum 0), or
 * fails with @errnum; 0: none */
void durable_fail_at(int n, int errnum);

/* Gives tokens, and rotates refresh tokens: the good one is REFRESH, then "fresh-GIVEN". */
struct provider {
        pthread_mutex_t mutex;
        int given;
        int reused;       /* somebody came with one that is not good */
        bool grace;       /* takes the last one once more, as Xero does */
        const char *life; /* of `expires_in` */
        int delay_ms;
};

struct scene {
        char folder[64], kept[80]; /* of the test; of the source, made by it */
        struct loop *loop;
        struct http *http;
        struct fake_http *server;
        struct provider provider;
        int log_fds[2];
        struct log_sink *sink;
        struct log *log;
        char said[16384]; /* in the log so far */
        struct rest_options options;
        struct rest_auth *auth;
        char token_url[128], url[128];
        /* of the last scene_get() */
        bool done;
        int calls, rc;
        struct err err;
};

/** scene_begin() - @script: what the server says; NULL: it is the provider */
void scene_begin(struct scene *s, const struct fake_reply *script, size_t count);

/** scene_client() - a loop and a client: after fork(), in the child */
void scene_client(struct scene *s);

/** scene_end() - closes all; no secret stands in the log */
void scene_end(struct scene *s);

/** scene_oauth2() - options of a client with SECRET and REFRESH */
void scene_oauth2(struct scene *s, enum rest_oauth2_grant grant);

/** scene_try() - rest_auth_open(). Return: what it does; s->err. */
int scene_try(struct scene *s);
void scene_open(struct scene *s); /* must succeed; what was open is closed */

/** scene_got() - a rest_auth_fn; @ctx: the scene */
void scene_got(void *ctx, int rc, const struct err *e);

/** scene_get() - rest_auth_get() and the loop until it is there; no secret stands in an error
 * Return: what it came to. */
int scene_get(struct scene *s, bool refused);

/** scene_line() - the first header line that goes into requests; "" where there is none */
const char *scene_line(struct scene *s);

/** scene_body(), scene_header() - of request @number, as it came to the server */
const char *scene_body(struct scene *s, int number);
const char *scene_header(struct scene *s, int number, const char *name);

/** scene_said() - the log so far */
const char *scene_said(struct scene *s);

/** limit_files() - no file may be larger: stands for a disk that is full. RLIM_INFINITY ends it. */
void limit_files(unsigned long bytes);

void assert_no_secret(const char *text);
void assert_says(const char *text, const char *part);
