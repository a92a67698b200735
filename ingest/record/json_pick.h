/*
 * json_pick.h: some members of a JSON object, found in one pass that proves all of it.
 *
 * Compiled once from a list of paths ("id", "customer.id", "items[0].sku": json_path.h; a literal
 * dot or bracket in a name is escaped with a backslash); picking allocates nothing. A value is the
 * slice of text as it stands. A name that is picked (or lies on the way to one) and comes twice in
 * one object is refused.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

struct json_pick;

/** json_pick_new() - @arena: where it lives, and for as long as it does @paths must
 * Paths may be equal, or lead through one another.
 * Return: 0; -ERR_CONFIG a path that is none, or too many; as arena_failed(). */
int json_pick_new(const char *const *paths, size_t count, struct arena *arena,
        struct json_pick **out, struct err *e) __attribute__((warn_unused_result));

/** json_pick_values() - from @text, one JSON value
 * @values: as many as paths, slices of @text; .ptr NULL: absent. `null` is "null". After an error
 * they mean nothing.
 * Return: 0; -ERR_REJECT malformed, too deep (JSON_MAX_DEPTH), no object, a name twice, not UTF-8:
 * what, and where. */
int json_pick_values(const struct json_pick *p, struct str text, struct str *values, struct err *e)
        __attribute__((warn_unused_result));

/** json_pick_glance() - the same, but no further than to the last value: for text that somebody
 * else proves. What stands behind, a name that comes once more too, is not looked at. */
int json_pick_glance(const struct json_pick *p, struct str text, struct str *values, struct err *e)
        __attribute__((warn_unused_result));
