/*
 * pushed.h: pushed records of a REST source: JSON as its replies have it.
 */
#pragma once

#include "ingest/source/source.h"

/** rest_convert() - see source_convert(); asks nobody */
int rest_convert(struct source *source, const struct extract *x, const struct shape *shape,
        struct source_pushed *items, size_t count, struct arena *arena, struct err *e)
        __attribute__((warn_unused_result));
