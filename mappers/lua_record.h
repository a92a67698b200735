/*
 * lua_record.h: `row`, `record` and `doc` of expressions.
 *
 * They are objects without content: a name is looked up when it is asked for, in the record that
 * is rendered. What they give: integers (beyond 64 bits decimals), decimals for numeric and money,
 * floats, booleans, JSON and arrays as tables, everything else as the text that the document would
 * have; NULL is nil. The rows of a child are a list: #row.lines, row.lines[1].sku, ipairs.
 */
#pragma once

#include "mappers/program.h"

struct lua_record {
        struct render *r;
        const struct shape *shape;
        const struct scope *scope; /* of the expression that runs */
        const struct expr *expr;
        int record_names; /* registry references: tables from names to columns ... */
        int *child_names; /* of each child */
        int lines_meta, line_meta, doc_meta;
};

/** lua_record_open() - adds row, record and doc to the sandbox of @r
 * @shape: outlives it      Return: 0; -ERR_CONFIG; -ERR_NOMEM. */
int lua_record_open(struct render *r, const struct shape *shape, struct arena *arena, struct err *e)
        __attribute__((warn_unused_result));

/** lua_record_scope() - makes the names of @scope known */
int lua_record_scope(struct render *r, struct scope *scope, struct err *e)
        __attribute__((warn_unused_result));

/** lua_record_fields() - makes the fields that @x names known: @x->fields, as @x->spec names them
 */
int lua_record_fields(struct render *r, struct expr *x, struct err *e)
        __attribute__((warn_unused_result));
