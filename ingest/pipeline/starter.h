/*
 * starter.h: a first mapper of a table, as YAML that an operator reads and edits.
 *
 * The text passes `check` and `run` as it is: names that a mapper cannot address get an alias in
 * the query, ids are made of the key, and what is risky to publish (secrets) or heavy (binary
 * columns) stands there as a comment with its reason. Whatever the source says (names, comments)
 * is others' text: it never ends a comment, a string or a line.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/source/catalog.h"

#define STARTER_MAX_BYTES (4 << 20) /* what a mapper file may have */

/** starter_write() - the mapper of @t, a table of the source @source, into @out
 * @t: its key was looked for (catalog_query.table)
 * Return: 0; -ERR_CONFIG there can be none: no right to read it, no column that can be a key;
 * -ERR_NOMEM; -ERR_REJECT longer than @out may be. */
int starter_write(const struct catalog_table *t, const char *source, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** starter_mapper_name() - the name that the mapper of @t gets, into @out */
void starter_mapper_name(const struct catalog_table *t, struct buf *out);
