/*
 * etf.h: canonical JSON as Erlang's external term format (what CouchDB hashes into a revision).
 *
 * Only what a document body needs (erlang.org, "External Term Format"), as jiffy reads it and
 * term_to_binary(..., [{minor_version, 1}]) writes it: an object is a 1-tuple of a list of pairs,
 * an array of 0..255 alone a byte string, a string a binary. Pure functions, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/base/str.h"

/* Output bytes per input byte at most ("" in an array: 3 bytes with its comma, 5 in ETF, and the
 * list's 6 for its brackets), and spare bytes that the writer may touch behind its output. */
#define ETF_EXPANSION 3
#define ETF_SLACK     64

/** etf_put_object() - the object whose canonical members (without braces) are @body
 * @out: at least ETF_EXPANSION * @body.len + ETF_SLACK bytes
 * Return: bytes behind the last one written; NULL where @body is not canonical JSON, is nested
 * deeper than JSON_MAX_DEPTH, or holds a number that CouchDB may store as another one. */
unsigned char *etf_put_object(unsigned char *out, struct str body);

/** etf_put_uint() - a non-negative integer */
unsigned char *etf_put_uint(unsigned char *out, uint64_t n);

/** etf_put_bool() - the atom true or false */
unsigned char *etf_put_bool(unsigned char *out, bool value);

/** etf_put_binary() - @n bytes */
unsigned char *etf_put_binary(unsigned char *out, const void *bytes, uint32_t n);

/** etf_put_list() - the head of a list of @count elements; etf_put_nil() follows them */
unsigned char *etf_put_list(unsigned char *out, uint32_t count);
unsigned char *etf_put_nil(unsigned char *out);
