/*
 * lookups.h: what a mapper looks things up in, read before its records.
 *
 * Whoever compiles a mapper against its source calls lookups_read() first, on the same source, and
 * gives the set to mapper_compile_with(). So a run, a preview and a check read the same tables in
 * the same way, once each, and no record ever asks the source.
 */
#pragma once

#include "ingest/pipeline/config.h"
#include "mappers/lookup.h"

enum lookups_what {
        LOOKUPS_ROWS,   /* everything */
        LOOKUPS_COLUMNS /* of queries the columns alone: for a check, and where the content has no
                           part in it */
};

/** lookups_read() - the look-ups of @m; runs the loop
 * @source: open, not reading      @out: NULL where the mapper has none; owned by the caller
 * Rows without a key are warned about.
 * Return: 0; -ERR_CONFIG "FILE:LINE:COLUMN: ..." (a query that fails, no such column, a key with
 * two values, too many rows, no such file); -ERR_RETRY; -ERR_CANCEL; -ERR_NOMEM. */
int lookups_read(struct source *source, const struct config_mapper *m, enum lookups_what what,
        struct loop *loop, const struct log *log, struct lookup_set **out, struct err *e)
        __attribute__((warn_unused_result));
