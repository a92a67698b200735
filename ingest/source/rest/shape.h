/*
 * shape.h: the columns of what a REST mapper reads.
 *
 * No reply says what its records hold, so the columns are the names that the mapper uses: the first
 * segments of its paths, those of key and cursor, and the flag of deletions; each the text of a
 * JSON value. Behind them, hidden from mappers by their names, stands the source key as text.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/source/rest/rest.h"

/** rest_shape() - @arena: where it lives
 * Return: 0; -ERR_CONFIG too many columns; -ERR_NOMEM. */
int rest_shape(const struct extract *x, struct arena *arena, struct shape *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_shape_child() - the column that child @i fills; -1: the mapper does not use it */
int rest_shape_child(const struct extract *x, const struct shape *shape, size_t i);

/** rest_path_escaped() - appends @name as a path of one segment: dots and brackets in it escaped */
void rest_path_escaped(struct buf *out, const char *name);

/** rest_path_head() - appends the first segment of @path, without its escapes */
void rest_path_head(struct buf *out, const char *path);
