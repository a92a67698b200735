/*
 * json_path.h: where a value stands in JSON text: "customer.id", "items[0].sku",
 * "@odata\.nextLink".
 *
 * Names are separated by dots, elements of arrays are [n] from 0; a dot, a bracket or a backslash
 * that belongs to a name has a backslash before it. Names are compared by the characters they
 * stand for, so they are kept without the backslashes.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

#define JSON_PATH_MAX_STEPS 16  /* nobody nests what a mapper names any deeper */
#define JSON_PATH_MAX_NAME  255 /* bytes: longer names in JSON need not be kept to be compared */

struct json_step {
        struct str name;  /* .ptr NULL: an element */
        size_t index;     /* of the element */
        const char *text; /* where the step begins in the text of the path, behind the dot */
};

struct json_path {
        const struct json_step *steps; /* in the arena, as the names */
        size_t count;                  /* 0: the whole value */
};

/** json_path_parse() - @text: borrowed for as long as @out is used; "": the whole value
 * Return: 0; -ERR_CONFIG it is no path, and why; -ERR_NOMEM. */
int json_path_parse(struct str text, struct arena *arena, struct json_path *out, struct err *e)
        __attribute__((warn_unused_result));

/** json_step_eq() - whether both name the same member, or the same element */
bool json_step_eq(const struct json_step *a, const struct json_step *b);
