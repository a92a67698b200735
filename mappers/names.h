/*
 * names.h: the columns that a mapper names, told from its text alone.
 *
 * Needs no source: every name is taken for a column. What an expression computes (row[k]) is not
 * told; a name too many is possible where Lua gives rows names of its own. Sources that describe no
 * columns (source_ops.open_shape) offer those that are named, tests of mappers have no others.
 */
#pragma once

#include "mappers/spec.h"

/* Rows beside the record's whose columns have names of their own. Of what is not here (a column
 * that holds an array) the elements are values: their members are no columns. */
struct name_rows {
        const char *const *children;
        size_t child_count;
        bool grouped; /* `rows`: their columns are the record's */
};

#define NAME_OF_RECORD   (-1) /* a group's rows, too */
#define NAME_OF_ANY_ROWS (-2) /* of rows that an expression calls by a name of its own */

struct mapper_name {
        int rows;                      /* index of a child, or one of the above */
        struct str name;               /* the column */
        const struct field_path *path; /* whose first step is the column, or the whole text: a name
                                        * may have a dot; NULL: there is none */
        bool open;                     /* the path, or `each`, goes into it whatever its length */
        bool falls_back;               /* rows that have no such column mean the record's */
        const struct field_spec *from; /* the field that takes it as it is; NULL: used otherwise */
};

/* Return: 0 to go on; else mapper_names_each() ends with it. */
typedef int (*mapper_name_fn)(void *ctx, const struct mapper_name *name, struct err *e);

/** mapper_names_each() - @fn for every use of a column in fields, target.id and target.database
 * One name may come often. Return: 0; what @fn gave. */
int mapper_names_each(const struct mapper_spec *m, const struct name_rows *rows, mapper_name_fn fn,
        void *ctx, struct err *e) __attribute__((warn_unused_result));

/** mapper_names_list() - the columns of the record, each once, in the order of their first use
 * @grouped: `each: rows` names columns of the record; all other arrays are columns themselves
 * @first: those that stand before them, named by the extract      @arena: where the list lives
 * Return: 0; -ERR_CONFIG more than RECORD_MAX_COLUMNS; -ERR_NOMEM. */
int mapper_names_list(const struct mapper_spec *m, bool grouped, const struct string_list *first,
        struct arena *arena, struct string_list *out, struct err *e)
        __attribute__((warn_unused_result));
