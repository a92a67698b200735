/*
 * probe.h: the first record of a mapper, for a check of address, credentials and paths.
 */
#pragma once

#include "ingest/source/rest/rest.h"

/** rest_probe() - source_ops.probe: runs the loop until one record came, or none is there
 * Return: 0; -class of what is in the way. */
int rest_probe(struct source *source, const struct extract *x, const struct shape *shape,
        struct err *e) __attribute__((warn_unused_result));
