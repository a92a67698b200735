/*
 * http_server_fixture.h: a server that answers what it saw, and raw clients, on one loop.
 *
 *   /echo      200, one line for each thing that the handler sees
 *   /later     answered when the test says so (`held`)
 *   /stream    a stream (`held`); /big a reply of 8 MiB; /headers sets some; /204, /304
 *   anything   404, with the path as its body
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ingest/loop/http_server.h"
#include "tests/support/http_raw.h"

#define MAX_HELD 8

struct server_fixture {
        struct loop *loop;
        struct http_server *server;
        struct http_exchange *held[MAX_HELD];
        int held_count, requests, closed;
        size_t body_limit; /* what /limited may have */
};

/** server_begin() - listens on a port that the kernel picks; @options may be NULL */
void server_begin(struct server_fixture *f, const struct http_server_options *options);
void server_end(struct server_fixture *f);

/** server_run() - the loop, for @ms */
void server_run(struct server_fixture *f, int ms);

/** server_talk() - sends @bytes on a new connection and waits for its end, 3 s at the most */
void server_talk(struct server_fixture *f, struct http_raw *c, struct str bytes);
void server_connect(struct server_fixture *f, struct http_raw *c);

/** server_send() - text on a connection */
void server_send(struct http_raw *c, const char *text);
struct http_server_stats server_stats(const struct server_fixture *f);
