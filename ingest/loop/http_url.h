/*
 * http_url.h: what the HTTP client needs to know about a URL before it uses one.
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/buf.h"
#include "ingest/base/err.h"

/** http_url_check() - whether @url is an absolute http or https URL that can be requested
 * Return: 0; -ERR_CONFIG with why and how to write it, but not the URL: wrap it with its public
 * form; -ERR_NOMEM. */
int http_url_check(const char *url, struct err *e) __attribute__((warn_unused_result));

/* The last URL that was checked, up to its path: most requests of a client go to one server. */
struct http_url_origin {
        char text[256];
        size_t len; /* 0: none, or it is longer */
};

/** http_url_check_again() - http_url_check(), which parses; not for what differs from the last one
 * in printable characters of path and query alone */
int http_url_check_again(struct http_url_origin *last, const char *url, struct err *e)
        __attribute__((warn_unused_result));

/** http_url_public() - appends @url as texts may show it: without user, password and query
 * (which may hold keys). Of a text that is no URL everything that may be a secret is left out. */
void http_url_public(struct buf *out, const char *url);
