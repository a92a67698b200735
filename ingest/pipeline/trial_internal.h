/*
 * trial_internal.h: what the parts of trial.h share; nobody else includes it.
 *
 * trial_names.c finds the columns that a mapper uses, trial_shape.c makes columns and a record of
 * what a test gives, trial_value.c the text of one value, trial_compare.c holds a document against
 * what is expected, trial_cover.c tells which fields no test looks at,
 * trial_lookups.c fills the tables of look-ups.
 */
#pragma once

#include "ingest/pipeline/trial.h"
#include "ingest/pipeline/validate.h"
#include "ingest/record/record.h"
#include "mappers/lookup.h"

/* How a mapper uses a column: what a given text means follows from it. */
enum {
        USED_BY_PATH = 1, /* a path or `each` goes into it */
        USED_AS_TIME = 2, /* type: date or datetime */
        USED_AS_TEXT = 4, /* any other type, or a step that works on text */
};

#define KIND_UNKNOWN COL_KINDS /* only nulls so far */

struct trial_column {
        const char *name;
        unsigned uses;
        enum col_kind kind, elem;
        const char *type; /* as `types` says; NULL: from the values */
};

/* The columns of the record, or of a child's rows. */
struct trial_table {
        const struct extract_child *child; /* NULL: the record's */
        struct trial_column *items;
        size_t count, capacity;
};

struct trial {
        const struct config_mapper *mapper;
        const struct mapper_test *test;
        struct arena *arena; /* of this test */
        struct trial_table record;
        struct trial_table children[RECORD_MAX_CHILDREN];
        size_t child_count;
        bool grouped; /* `rows`, of the record's own columns, in place of children */
        bool open;    /* the source describes no columns: all are JSON, children too */
        struct shape shape;
        struct record data;
};

/** trial_names_collect() - the columns that the mapper uses, into the tables of @t */
int trial_names_collect(struct trial *t, struct err *e) __attribute__((warn_unused_result));

/** trial_names_given() - adds the names in the map @given to @table
 * Return: 0; -ERR_CONFIG one that is used nowhere, with the nearest that is. */
int trial_names_given(struct trial *t, struct trial_table *table, const struct ynode *given,
        struct err *e) __attribute__((warn_unused_result));

/** trial_column_find() - NULL where @table has none of that name */
struct trial_column *trial_column_find(const struct trial_table *table, struct str name);

/** trial_child_find() - the rows that @name names: a child's, or the `rows` of a group; or NULL */
struct trial_table *trial_child_find(struct trial *t, struct str name);

/** trial_shape_build() - t->shape and t->data from what the test gives */
int trial_shape_build(struct trial *t, struct err *e) __attribute__((warn_unused_result));

/** trial_kind_of() - the kind that the value @n makes of column @c; KIND_UNKNOWN for null */
enum col_kind trial_kind_of(const struct trial_column *c, const struct ynode *n);

/** trial_kind_join() - the kind of a column that holds values of both */
enum col_kind trial_kind_join(enum col_kind a, enum col_kind b);

/** trial_value() - the text of @n as a source sends it for @c */
int trial_value(struct trial *t, const struct trial_column *c, const struct ynode *n,
        struct value *out, struct err *e) __attribute__((warn_unused_result));

/** trial_lookups() - the look-up tables of the test; NULL where the mapper has none */
int trial_lookups(struct trial *t, struct lookup_set **out, struct err *e)
        __attribute__((warn_unused_result));

/** trial_compare() - holds @got against what r->test expects; differences live in @arena */
int trial_compare(struct trial_result *r, struct arena *arena, const struct mapped *got,
        struct err *e) __attribute__((warn_unused_result));

/** trial_compare_reject() - the same for a reject, @why, or a document (NULL) */
int trial_compare_reject(struct trial_result *r, struct arena *arena,
        const struct mapper_reject *why, struct err *e) __attribute__((warn_unused_result));

/** trial_cover() - the fields of @m that no test looks at */
int trial_cover(const struct mapper_spec *m, struct trial_report *out, struct err *e)
        __attribute__((warn_unused_result));
