/*
 * outline.h: what the documents of a mapper can look like, told from the mapper alone.
 *
 * For checks before any record is there. Where something is not known (the type of a column
 * without a source, what JSON holds, what an expression gives) the outline says so: `kinds` are
 * those that are known to come, `unsure` those that may come besides. Everything lives in the arena
 * given, or borrows from the mapper.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/record/record.h"
#include "mappers/spec.h"

/* Kinds of JSON values: bits. NUMBER are those with a fraction. */
enum outline_kind {
        OUTLINE_NULL = 1,
        OUTLINE_BOOLEAN = 2,
        OUTLINE_NUMBER = 4,
        OUTLINE_INTEGER = 8,
        OUTLINE_STRING = 16,
        OUTLINE_ARRAY = 32,
        OUTLINE_OBJECT = 64,
        OUTLINE_ANY = 127
};

/* A value that the mapper itself writes. */
struct outline_constant {
        struct str json;
        const char *key; /* "value", "map", "default": where it stands */
        int line, column;
};

struct outline_value {
        unsigned kinds, unsure;
        const char *format; /* of its strings: "date", "date-time"; NULL: not known */
        const struct outline_constant *constants;
        size_t constant_count;
        bool only_constants;          /* its values are these alone */
        bool not_analysed;            /* what decides it is not looked at: expr, lookup ... */
        struct outline_value *items;  /* of an array; NULL: not known */
        struct outline_field *fields; /* of an object; NULL: not known */
        size_t field_count;
};

struct outline_field {
        const struct field_spec *spec;
        const char *path; /* "lines[].qty" */
        struct outline_value value;
        const char *absent; /* why it may be left out; NULL: as far as known, it never is */
        bool never;         /* it always is */
};

struct outline {
        const struct mapper_spec *spec;
        struct outline_value document;
        const char *id_null; /* why the id may be null: "column 'code' may be NULL"; NULL */
};

/** outline_mapper() - of @spec
 * @shape: of its source; NULL where that was not asked
 * Return: 0; -ERR_CONFIG too large, -ERR_NOMEM. */
int outline_mapper(const struct mapper_spec *spec, const struct shape *shape, struct arena *arena,
        struct outline *out, struct err *e) __attribute__((warn_unused_result));
