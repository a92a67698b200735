/*
 * json_at.h: single values of a small JSON text: replies to log-ins, kept tokens.
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/buf.h"
#include "ingest/base/str.h"

#define REST_JSON_NOT 1

/** rest_json_check() - whether @text is one JSON value and nothing else
 * Return: 0; REST_JSON_NOT; -ERR_NOMEM. */
int rest_json_check(struct str text, struct err *e) __attribute__((warn_unused_result));

/** rest_json_at() - the value at the dotted @path ("data.token", "result[1]"; a dot in a name is
 * escaped with a backslash) of @text, which is JSON
 * @out: its text is appended: strings unquoted, numbers and literals as they stand
 * Return: false where it is absent, null, an object or an array, or it does not fit into @out or
 * into memory (out->error then). */
bool rest_json_at(struct str text, const char *path, struct buf *out);

/** rest_json_raw() - the same value as it stands in @text; .ptr NULL: absent */
struct str rest_json_raw(struct str text, const char *path);
