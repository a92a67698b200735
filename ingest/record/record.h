/*
 * record.h: what passes from a source to a mapper.
 *
 * A source describes a read once as a shape (columns and children), then hands over records one
 * at a time. A value is the text of one column in the form that its kind fixes below; text is
 * borrowed from the source for the duration of the call that hands the record over. This module
 * knows neither SQL nor YAML.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/base/str.h"

/* The kind fixes the form of a value's text. */
enum col_kind {
        COL_TEXT,    /* any bytes; must be UTF-8 to become a JSON string */
        COL_CHAR,    /* blank-padded text: trailing spaces are padding */
        COL_BOOL,    /* "t" or "f" */
        COL_INT,     /* -?[0-9]+ of any length */
        COL_NUMERIC, /* exact decimal: -?[0-9]+(.[0-9]+)?, or NaN, Infinity, -Infinity */
        COL_FLOAT4,  /* shortest text that reads back equal; NaN, Infinity, -Infinity */
        COL_FLOAT8,
        COL_BYTES,       /* \x and lower-case hexadecimal digits (PostgreSQL's bytea output) */
        COL_DATE,        /* YYYY-MM-DD, maybe " BC", more year digits, infinity */
        COL_TIME,        /* HH:MM:SS[.ffffff] */
        COL_TIMESTAMP,   /* YYYY-MM-DD HH:MM:SS[.ffffff], maybe " BC", infinity: no zone */
        COL_TIMESTAMPTZ, /* the same with an offset behind it: +00, +05:30 */
        COL_INTERVAL,    /* ISO 8601: P1Y2M3DT4H5M6.7S */
        COL_JSON,        /* JSON text, not canonical */
        COL_ARRAY,       /* PostgreSQL's array text, e.g. {1,2,NULL,"a b"}; elements of kind elem */
        COL_KINDS
};

/** col_kind_name() - "integer", "timestamp without time zone", ...: for messages */
const char *col_kind_name(enum col_kind kind);

/* Whether a column holds NULLs, as far as its source says. */
enum column_nulls { NULLS_UNKNOWN, NULLS_NEVER, NULLS_POSSIBLE };

struct column {
        const char *name;
        enum col_kind kind;
        enum col_kind elem;      /* of COL_ARRAY; never COL_ARRAY itself */
        char delimiter;          /* of COL_ARRAY elements: ',' (box: ';') */
        const char *source_type; /* the source's own name: "numeric(12,2)"; for messages */
        enum column_nulls nulls; /* for checks before a run; nothing else relies on it */
};

struct columns {
        const struct column *items;
        size_t count;
};

/* Rows nested under a record: order lines, or the rows of a group (named "rows"). */
struct child_shape {
        const char *name;
        struct columns columns;
};

struct shape {
        struct columns columns;
        const struct child_shape *children;
        size_t child_count;
        const size_t *key; /* indexes into columns: the source key (or the group's columns) */
        size_t key_count;
};

#define RECORD_MAX_COLUMNS  1664 /* PostgreSQL's limit of a target list */
#define RECORD_MAX_CHILDREN 16

/* ptr NULL is NULL. */
struct value {
        const char *ptr; /* borrowed */
        uint32_t len;    /* bytes: a PostgreSQL field ends below 1 GiB */
};

struct child_rows {
        const struct value *values; /* row after row, columns.count values each */
        size_t count;               /* rows */
};

struct record {
        const struct value *row;           /* shape.columns.count values */
        const struct child_rows *children; /* shape.child_count of them */
};

/** column_holds_secret() - whether a column of this name and kind is likely to hold a secret, which
 * then stays out of what we write by ourselves: starter mappers, the records of rejects */
bool column_holds_secret(const char *name, enum col_kind kind, enum col_kind elem);

/** columns_find() - index of the column @name; -1 when absent
 * Exact first; there is no folding of case. */
int columns_find(const struct columns *columns, struct str name);
