/*
 * discover_show.h: a catalog for people and for programs.
 */
#pragma once

#include <cjson/cJSON.h>

#include "ingest/base/buf.h"
#include "ingest/source/catalog.h"

/** discover_text() - @t as a block of lines; whatever the source says stays on its line */
void discover_text(const struct catalog_table *t, struct buf *out);

/** discover_json() - @t as an object: schema, table, kind, rows, columns, key, cursors, children
 * Text that is not UTF-8 has U+FFFD in it. Return: NULL when out of memory. */
cJSON *discover_json(const struct catalog_table *t);
