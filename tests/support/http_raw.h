/*
 * http_raw.h: a client of bytes, on the loop of the server that it talks to.
 *
 * Sockets are non-blocking; waiting means running the loop for some milliseconds at a time.
 * Failures of the client itself abort the test program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ingest/base/buf.h"
#include "ingest/loop/loop.h"

struct http_raw {
        struct loop *loop;
        int fd; /* -1: closed */
        bool eof, reset;
        struct buf in; /* what came */
};

/** http_raw_connect() - to 127.0.0.1:@port */
void http_raw_connect(struct http_raw *c, struct loop *l, int port);
void http_raw_close(struct http_raw *c);

/** http_raw_send() - what the kernel does not take now is sent while the loop runs */
void http_raw_send(struct http_raw *c, struct str bytes);

/** http_raw_read() - what has come; false where there was nothing */
bool http_raw_read(struct http_raw *c);

/** http_raw_wait() - until @needle came @times times, or the server closed, or @ms have passed
 * Return: whether it came. */
bool http_raw_wait(struct http_raw *c, const char *needle, int times, int ms);

/** http_raw_wait_end() - until the server has closed. Return: whether it did. */
bool http_raw_wait_end(struct http_raw *c, int ms);

int http_raw_count(struct http_raw *c, const char *needle);
const char *http_raw_text(struct http_raw *c);
