/*
 * given.h: records that somebody pushes, as JSON, in place of a read of the source.
 *
 * A record is an object whose members are columns of the source, values as the source's type has
 * them: numbers or their text, true and false, strings, null; for json columns any value; children
 * are arrays of such objects under their name, and the `rows` of a group too. Columns that are not
 * named are NULL, a name that no column has is refused with the nearest one. Keys are required.
 *
 * Text that a type of the source would refuse (a month 13 in a date) is a reject of that record.
 * Numbers keep their text. A whole body is proved before its first record is taken.
 */
#pragma once

#include "ingest/base/err.h"
#include "ingest/base/str.h"
#include "ingest/source/source.h"

#define GIVEN_MAX_RECORDS 10000 /* of one push: all stay in memory until the run took them */

struct given;

/** given_new() - the records of @body: one object, an array of objects, or NDJSON
 * @body: copied
 * Return: 0; -ERR_REJECT what is wrong, with its line and byte, or too many records. */
int given_new(struct str body, struct given **out, struct err *e)
        __attribute__((warn_unused_result));
struct given *given_free(struct given *g);
DEFINE_CLEANUP(struct given *, given_free);
size_t given_count(const struct given *g);
