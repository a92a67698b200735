/*
 * annotation.h: what a schema says about its documents to CouchDB: the member "x-erp2couch".
 *
 *   "x-erp2couch": {
 *     "indexes": [{"name": "by-rep", "fields": ["type", "rep"], "partial_filter_selector": {}}],
 *     "tombstone": ["type", "rep"]
 *   }
 *
 * indexes: Mango indexes that the target is to have. A field is a name, or a path with points;
 * CouchDB reads an index in both directions, so there is no other one to name.
 * tombstone: the fields that stay when a document is deleted, where a mapper says nothing itself.
 *
 * Only the schema's own file is looked at, not what it refers to. Whatever is not known is an error
 * and so is a field that the schema does not have, where it has no others ("additionalProperties":
 * false; names that begin with x_ are an operator's own, and pass).
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

#define ANNOTATION_MAX_INDEXES                                                                     \
        32                          /* each costs CouchDB work with every document of the database \
                                     */
#define ANNOTATION_MAX_FIELDS    16 /* of an index */
#define ANNOTATION_MAX_TOMBSTONE 16
#define ANNOTATION_MAX_NAME      63 /* bytes of an index's name */

struct schema_index {
        const char *name;
        const char *const *fields;
        size_t field_count;
        struct str filter; /* partial_filter_selector as written; .len 0: none */
};

struct schema_annotation {
        const struct schema_index *indexes;
        size_t index_count;
        const char *const *tombstone;
        size_t tombstone_count;
};

/** schema_annotation_read() - of the schema in the file @path; empty where it has none
 * @arena: what @out holds lives there
 * Return: 0; -ERR_CONFIG "PATH#/x-erp2couch/...: what is wrong", the file cannot be read, or is not
 * JSON; -ERR_NOMEM. */
int schema_annotation_read(const char *path, struct arena *arena, struct schema_annotation *out,
        struct err *e) __attribute__((warn_unused_result));

/** schema_annotation_parse() - the same of the schema @text; @name stands for it in messages */
int schema_annotation_parse(struct str text, const char *name, struct arena *arena,
        struct schema_annotation *out, struct err *e) __attribute__((warn_unused_result));
