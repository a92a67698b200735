/*
 * http_server_target.h: the address of a request, decoded exactly once.
 *
 * Pure. What is decoded is proved UTF-8 without NUL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ingest/base/str.h"

struct http_target {
        char *memory;      /* owned: what the rest points into */
        const char *raw;   /* borrowed: path and query as they came */
        struct str path;   /* decoded, NUL behind */
        struct str params; /* NAME NUL VALUE NUL ..., decoded */
};

/** http_target_decode() - of "/PATH?QUERY" (borrowed) or "*"
 * Return: 0; 400 an escape that is none, NUL, or not UTF-8; 503 no memory. */
int http_target_decode(struct http_target *t, const char *raw);
void http_target_deinit(struct http_target *t);

/** http_target_segments() - see http_exchange_segments() */
size_t http_target_segments(const struct http_target *t, struct str *out, size_t max);

/** http_target_param_name() - the name of the parameter @index, from 0; .ptr NULL: no more */
struct str http_target_param_name(const struct http_target *t, size_t index);

/** http_target_param() - the first parameter of that name; .ptr NULL: none */
struct str http_target_param(const struct http_target *t, const char *name);
