/*
 * index.h: the Mango indexes that a mapper wants in a database, kept in step.
 *
 * All indexes of a mapper stand in one design document, "_design/erp2couch-MAPPER", and nothing
 * else is ever touched. It is read with one request and written, in one revision, only where it
 * differs; with no index wanted it is deleted. CouchDB stores with each index the definition as it
 * was given (options.def), which is what is compared: a selector in CouchDB's own normal form is
 * made by CouchDB itself (_explain), which refuses what is no selector.
 *
 * A change of one index makes CouchDB build all indexes of that document anew, in the background.
 * Databases may hold copies of one design document under several names at no cost: CouchDB finds
 * index files by their definition.
 */
#pragma once

#include "ingest/couch/couch.h"

struct couch_index {
        const char *name;
        const char *const *fields; /* names, or paths with points; in this order */
        size_t field_count;
        struct str filter; /* partial_filter_selector, a JSON object; .len 0: none */
};

#define COUCH_INDEXES_SAME    0 /* nothing was written */
#define COUCH_INDEXES_WRITTEN 1 /* one revision, the deletion included */
#define COUCH_INDEXES_REFUSED 2 /* these credentials may not write design documents; @e says so */

/** couch_indexes_keep() - @database has the @count indexes @wanted of @owner, and no other of it
 * @owner: name of the mapper
 * Return: one of the above; -ERR_CONFIG a selector that CouchDB refuses, a design document of that
 * name that holds no Mango indexes; -ERR_RETRY; -ERR_NOMEM. Errors name database and index. */
int couch_indexes_keep(struct couch *c, const char *database, const char *owner,
        const struct couch_index *wanted, size_t count, struct err *e)
        __attribute__((warn_unused_result));

/** couch_indexes_equal() - whether the design document @doc has exactly these indexes
 * Return: 1, 0; -ERR_CONFIG a filter is not JSON; -ERR_NOMEM. */
int couch_indexes_equal(const cJSON *doc, const struct couch_index *wanted, size_t count,
        struct err *e) __attribute__((warn_unused_result));
