/*
 * extract.h: the `extract:` block of a mapper, decoded.
 *
 * What every connector shares is named here; what one connector alone understands it decodes
 * into `own`. Everything lives in the arena of the mapper's YAML document.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/options.h"

struct source_config;
struct extract_kind; /* keys and rules of a family of connectors */

extern const struct extract_kind extract_sql, extract_rest;

struct extract_child {
        const char *name;
        const char *query; /* SQL: exactly one of query and table; all below is NULL in REST */
        const char *table;
        struct string_list key;    /* orders the rows of one parent; may be empty: source's order */
        struct string_list parent; /* columns that hold the parent's key, in its order */
        const char *cursor;
        const struct ynode *node; /* for positions */
};

struct extract_deletes {
        bool sweep;              /* default true */
        double max_percent;      /* the brake: default 10 */
        struct string_list keep; /* fields that stay in a tombstone; absent: as the schema says */
        int64_t every_ms;        /* 0: on full reads only */
        const char *column;      /* a flag ... */
        const char *when;        /* ... and its value */
        const char *query;       /* a table of deletions (SQL) ... */
        struct string_list key;  /* ... or a feed of them (REST): the key's columns or paths */
};

struct extract {
        const struct ydoc *doc;
        const struct ynode *node;
        const char *query; /* exactly one of query and table (SQL) */
        const char *table;
        struct string_list key; /* exactly one of key and group */
        struct string_list group;
        const char *cursor;  /* NULL: every run reads all; of REST: as people call it, the field or
                              * header */
        int64_t lookback_ms; /* default 5 minutes */
        struct extract_child *children;
        size_t child_count;
        struct extract_deletes deletes;
        struct string_list names; /* columns that the mapper names, for sources that describe none
                                   * (source_ops.open_shape); filled when the mapper is loaded */
        void *own;                /* of the connector */
};

/** extract_decode() - @node, the mapper's `extract:`, as the connector of @source understands it
 * @arena: where the result lives
 * Return: 0; -ERR_CONFIG with FILE:LINE:COLUMN; -ERR_NOMEM. */
int extract_decode(const struct source_config *source, const struct ydoc *doc,
        const struct ynode *node, struct arena *arena, struct extract **out, struct err *e)
        __attribute__((warn_unused_result));

/** extract_of_query() - an extract that reads all rows of @query, which have no key
 * @node: the map whose key `query` is @query, for places      @arena: where the result lives
 * Return: 0; -ERR_CONFIG a query that cannot be used, or a source that takes none; -ERR_NOMEM. */
int extract_of_query(const struct source_config *source, const struct ydoc *doc,
        const struct ynode *node, const char *query, struct arena *arena, struct extract **out,
        struct err *e) __attribute__((warn_unused_result));

/** extract_error() - "FILE:LINE:COLUMN: ..." at the key @key of the block (or the block itself)
 * Return: -ERR_CONFIG. */
int extract_error(const struct extract *x, const char *key, struct err *e, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

/* The option tables, for the test that keeps the editor schema in step; REST's: rest/extract.h. */
extern const struct option_table extract_sql_table, extract_sql_child_table;
