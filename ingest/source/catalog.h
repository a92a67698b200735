/*
 * catalog.h: what a source holds: tables, columns, keys, likely cursors and children.
 *
 * A connector fills a catalog (source_discover() in source.h); nothing here knows one. What can
 * be said from names and types alone is decided in catalog.c, so that every connector says the
 * same: which columns look like a modification time, and which could be a key where none is
 * declared. Everything lives in the arena that was given.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/arena.h"
#include "ingest/record/record.h"

#define CATALOG_MAX_TABLES  100000 /* one page of names each; an SAP database has as many */
#define CATALOG_MAX_COLUMNS 250000 /* some 100 MB as the server sends them */

enum catalog_kind {
        CATALOG_TABLE,
        CATALOG_VIEW,
        CATALOG_MATERIALIZED_VIEW,
        CATALOG_PARTITIONED_TABLE,
        CATALOG_FOREIGN_TABLE,
        CATALOG_ENTITY_SET, /* of an OData service */
        CATALOG_REPLY       /* the records in the reply to one call */
};

/* Where a table's key comes from; from CATALOG_KEY_NULLABLE on somebody has to check it. */
enum catalog_key_from {
        CATALOG_KEY_NONE,     /* there is none, and nobody has looked for one */
        CATALOG_KEY_PRIMARY,  /* the primary key */
        CATALOG_KEY_UNIQUE,   /* a unique index without NULLs */
        CATALOG_KEY_NULLABLE, /* a unique index of columns that may be NULL */
        CATALOG_KEY_SEEN,     /* unique and never NULL in the rows that were looked at */
        CATALOG_KEY_GUESS     /* a guess from names and types */
};

/* What a column of a REST source holds beside single values. */
enum catalog_nest {
        CATALOG_SINGLE,
        CATALOG_OBJECT, /* an object of `fields` */
        CATALOG_OBJECTS /* an array of such objects */
};

#define CATALOG_NULL_TEXTS 3

struct catalog_column {
        const char *name; /* any bytes */
        const char *sql;  /* as SQL (a mapper of a REST source) writes it: visible characters, no
                           * "${"; NULL: it cannot */
        const char *type; /* as the source shows it: "numeric(12,2)" */
        enum col_kind kind, elem;
        bool nullable;
        bool readable;
        bool indexed;        /* it is the first column of an index */
        const char *comment; /* NULL: none */

        /* Of REST sources only. `kind` is what the value means, not how it is written. */
        enum catalog_nest nest;
        const struct catalog_column *fields; /* none: not known, or too deep to be shown */
        size_t field_count;
        const char *
                array; /* of CATALOG_OBJECTS: where the array stands in the value; NULL: it is it */
        const char *format;                         /* how dates are written: "odata"; NULL */
        const char *null_texts[CATALOG_NULL_TEXTS]; /* texts that mean null; NULL: no more */
        const char *doubt;                          /* what somebody has to check; NULL */
        bool relation; /* in a reply only where $expand names it: objects of another set */
        bool composes; /* these objects cannot be without the record */
};

struct catalog_table;
struct catalog_rest; /* rest/catalog.h */

/* A foreign key of another table (or of the table itself) to this one. */
struct catalog_child {
        const struct catalog_table *table;
        const size_t *columns; /* of it, that hold the parent's columns */
        size_t column_count;
        bool nests;       /* they hold the parent's key, in its order, and can be merged with it */
        bool composition; /* its rows cannot be without the parent and are deleted with it */
};

struct catalog_table {
        const char *schema, *name; /* any bytes; of a REST source schema is "" */
        const char *sql;           /* as SQL writes it here, with its schema where that is needed */
        bool schema_needed;
        enum catalog_kind kind;
        const char *comment; /* NULL: none */
        int64_t rows;        /* estimate; -1: unknown */
        int64_t parts;       /* partitions; of a table: tables that inherit from it */
        bool readable;       /* at least one column of it */
        const char *remedy;  /* where not: what an administrator would do */
        const struct catalog_column *columns;
        size_t column_count;
        const size_t *key; /* indexes of columns */
        size_t key_count;
        enum catalog_key_from key_from;
        int64_t key_rows;      /* CATALOG_KEY_SEEN, _GUESS: in how many rows it was looked for */
        const size_t *cursors; /* indexes of columns, the best first */
        size_t cursor_count;
        const struct catalog_child *children;
        size_t child_count;
        const struct catalog_rest *rest; /* how it is called; NULL: it is read by SQL */
};

struct catalog {
        const struct catalog_table *tables; /* by schema and name */
        size_t count;
};

/* Which tables; NULL: all. */
struct catalog_query {
        const char *schema; /* exactly this one; a REST source has none */
        const char *like;   /* a glob over names, case ignored */
        const char *table;  /* one; of a REST source an entity set, or the path of a call; else NAME
                             * or SCHEMA.NAME, maybe quoted as in SQL; its key is looked  for in its
                             * rows where none is declared */
};

/* A table's name in all its spellings. */
struct catalog_name {
        const char *schema, *name;         /* as they are */
        const char *schema_sql, *name_sql; /* as SQL writes them */
};

/** catalog_kind_name() - "table", "view", "materialized view", "partitioned table", ... */
const char *catalog_kind_name(enum catalog_kind kind);

/** catalog_key_from_name() - "primary key", "unique index", ...: for people */
const char *catalog_key_from_name(enum catalog_key_from from);

/** catalog_wants() - whether @q is about a table of this @name (its `table` left aside) */
bool catalog_wants(const struct catalog_query *q, const struct catalog_name *name);

/** catalog_choose() - the one of @names that q->table means
 * Return: 0; -ERR_CONFIG there is none (with the nearest names), or more than one (they are named);
 * -ERR_NOMEM. */
int catalog_choose(const struct catalog_query *q, const struct catalog_name *names, size_t count,
        size_t *out, struct err *e) __attribute__((warn_unused_result));

/** catalog_no_schema() - the error of a schema that holds no table; names those that do */
int catalog_no_schema(const struct catalog_query *q, const struct catalog_name *names, size_t count,
        struct err *e);

/** catalog_is_step() - whether @name, of a member of a JSON object, can stand in a path of a mapper
 * as it is */
bool catalog_is_step(const char *name);

/** catalog_rank_cursors() - fills @t->cursors from the names, types and indexes of its columns
 * Return: 0; -ERR_NOMEM. */
int catalog_rank_cursors(struct catalog_table *t, struct arena *arena, struct err *e)
        __attribute__((warn_unused_result));

#define CATALOG_MAX_CANDIDATES 12 /* each costs a sort of the rows looked at */

/** catalog_key_candidates() - columns that could be a key or a part of one, the likeliest first
 * @out: CATALOG_MAX_CANDIDATES places      Return: how many; 0: no column can be one. */
size_t catalog_key_candidates(const struct catalog_table *t, size_t *out);
