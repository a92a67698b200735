/*
 * entity.h: the entity sets of an OData service as tables of a catalog.
 *
 * Pure: the model goes in, a catalog comes out. What the versions of the protocol and some vendors
 * write differently (dates in ticks, integers in quotes, null dates of the year 1) is known here.
 */
#pragma once

#include "ingest/source/rest/catalog.h"
#include "ingest/source/rest/metadata.h"

/** rest_entities() - the entity sets that @q asks for; with q->table that one, whose objects and
 * nested arrays are told member by member
 * @arena: where the catalog lives; texts of @m are borrowed
 * Return: 0; -ERR_CONFIG no such set (with the nearest name), a type that the model lacks, too many
 * columns to list; -ERR_NOMEM. */
int rest_entities(const struct rest_metadata *m, const struct catalog_query *q, struct arena *arena,
        struct catalog *out, struct err *e) __attribute__((warn_unused_result));
