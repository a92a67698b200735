/*
 * url.h: addresses that a server gives: relative ones, and those of another host.
 *
 * libcurl's parser decides what they mean, as it is libcurl that will ask there.
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/buf.h"

/** rest_url_join() - appends @ref as an absolute address, relative to @base (RFC 3986), without
 * fragment
 * Return: 0; -ERR_CONFIG it is no address of http or https; -ERR_NOMEM. */
int rest_url_join(const char *base, const char *ref, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_url_next() - rest_url_join() for a link in a reply: servers behind a proxy that speaks TLS
 * for them write http:// where their own address is https://. The same host without a port (or with
 * http's) is taken as https. Return: as rest_url_join(). */
int rest_url_next(const char *base, const char *ref, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_url_same_origin() - the same scheme, host and port: credentials may go there */
bool rest_url_same_origin(const char *from, const char *to);

/** rest_url_is_secure() - whether @url is https */
bool rest_url_is_secure(const char *url);

/** rest_url_has_param() - whether the query of @url has the parameter @name (as it is encoded) */
bool rest_url_has_param(const char *url, struct str name);
