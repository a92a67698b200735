/*
 * source.h: the text of a schema, by its URI: built in, from the resolver, from the folder.
 */
#pragma once

#include "schemas/schema.h"
#include "ingest/base/buf.h"

/* The base URI of a file is this and its name, so that files refer to each other by name. */
#define SOURCE_BASE "schema:///"

#define SOURCE_FILE 1 /* source_find() read a file of the folder */

/** source_find() - appends to @text what @uri stands for
 * @name: takes how to call it in messages
 * Return: 0; SOURCE_FILE; -ERR_CONFIG nobody knows it, or it cannot be read; -ERR_NOMEM. */
int source_find(const struct schema_options *options, struct str uri, struct buf *text,
        struct buf *name, struct err *e) __attribute__((warn_unused_result));
