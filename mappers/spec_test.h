/*
 * spec_test.h: the `tests:` of a mapper, decoded: examples that are proved without a source.
 *
 * A test gives a record and says what becomes of it: a part of the document, or how its reject
 * begins. Its form is checked when the mapper is read, with the fields that it expects; which
 * columns it gives is checked where the extract is known (ingest/pipeline/trial.h, which says what
 * each key means). Nodes live as long as the spec.
 */
#pragma once

#include "ingest/base/options.h"
#include "ingest/record/record.h"

struct mapper_test {
        const char *name; /* NULL: none given; unique among those of the mapper */
        const struct ynode *node;
        const struct ynode *given;   /* a map: columns, children, `rows` of a group */
        const struct ynode *expect;  /* a map; NULL: a reject is expected */
        const char *reject;          /* prefix of "FIELD: reason"; NULL: a document is expected */
        const struct ynode *types;   /* a map: columns to types, children to such maps; or NULL */
        const struct ynode *lookups; /* a map: field paths to maps; or NULL */
        bool has_now;
        int64_t now_s; /* seconds since 1970-01-01 UTC */
};

struct mapper_tests {
        struct mapper_test *items;
        size_t count;
};

/** mapper_test_kind() - the kind of a column that `types` calls @name: "timestamptz", "text[]"
 * Return: false where there is no such type. */
bool mapper_test_kind(struct str name, enum col_kind *kind, enum col_kind *elem);

/* Names in `expect` that are no fields: the document's id, and the database it goes to. */
#define TEST_ID       "_id"
#define TEST_DATABASE "_database"
