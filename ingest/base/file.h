/*
 * file.h: a small file as a whole.
 *
 * For configuration, keys and secrets: bounded, blocking, read at start. Any thread.
 */
#pragma once

#include "ingest/base/buf.h"

/** file_read() - appends the content of @path to @out
 * Follows links; pipes and /dev/fd are read to their end.
 * Return: 0; -ERR_CONFIG missing, no right, a folder, larger than @out->max allows ("cannot read
 * PATH: ..."); -ERR_SYSTEM I/O error; -ERR_NOMEM. */
int file_read(const char *path, struct buf *out, struct err *e) __attribute__((warn_unused_result));

/** file_absolute() - @path without links, "." and ".."; one that is not there from this folder on
 * Return: owned by the caller; NULL when out of memory. */
char *file_absolute(const char *path) __attribute__((warn_unused_result));
