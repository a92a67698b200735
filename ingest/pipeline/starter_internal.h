/*
 * starter_internal.h: what the parts of starter.h share, and nobody else includes.
 *
 *   starter.c          the mapper from top to bottom
 *   starter_plan.c     decisions: names, types, what is left out, which children are nested
 *   starter_rest.c     the extract of a REST source
 *   starter_field.c    fields, with objects and arrays in them
 *   starter_yaml.c     scalars, aligned lines and comments
 */
#pragma once

#include "ingest/pipeline/starter.h"

#define STARTER_MAX_CHILDREN 4  /* nested; more would hide the record among its relations */
#define STARTER_PAGE_WIDTH   96 /* characters of a line of the mapper */

enum left_out { KEPT, LEFT_BINARY, LEFT_SECRET, LEFT_UNREADABLE, LEFT_UNNAMED, LEFT_RELATION };

struct starter_rows;

struct starter_column {
        const struct catalog_column *column;
        const char *name;   /* in the rows of the query, or a path: a mapper can address it */
        const char *field;  /* in the document */
        const char *type;   /* of the field; NULL: as the column's */
        enum left_out left; /* KEPT: it is read */
        bool is_key;
        bool insignificant;                /* a modification time */
        const struct starter_rows *nested; /* members of the object, or of an array's; NULL */
};

/* What one SELECT or call reads, or what an object in it holds. */
struct starter_rows {
        const struct catalog_table *table;
        const char *prefix; /* of paths in an object: "address."; "" */
        struct starter_column *columns;
        size_t column_count;
        const char **key; /* names in the rows; a child's orders its rows */
        size_t key_count;
        const char *cursor; /* name in the rows; NULL: none */
};

struct starter_child {
        const struct catalog_child *child;
        struct starter_rows rows;
        const char *name;    /* of the array */
        const char **parent; /* names in the rows */
        size_t parent_count;
};

struct starter_plan {
        struct arena *arena;
        const char *mapper, *source, *database;
        struct starter_rows rows;
        struct starter_child children[STARTER_MAX_CHILDREN];
        size_t child_count;
        bool needs_zone;
};

/** starter_plan_make() - everything decided; lives in @arena */
int starter_plan_make(const struct catalog_table *t, const char *source, struct arena *arena,
        struct starter_plan *out, struct err *e) __attribute__((warn_unused_result));

/** starter_is_nested() - whether @child is one of @p's children */
bool starter_is_nested(const struct starter_plan *p, const struct catalog_child *child);

/** starter_fail_with() - where @part, made for @out, could not be made whole, @out fails too */
static inline void starter_fail_with(struct buf *out, const struct buf *part)
{
        if (part->error && !out->error)
                out->error = part->error;
}

/** starter_put_extract_rest() - the block `extract:` of a REST source, and `full:` */
void starter_put_extract_rest(const struct starter_plan *p, struct buf *out);

/** starter_put_fields() - the block `fields:` */
void starter_put_fields(const struct starter_plan *p, struct buf *out);

/** starter_put_key_note() - what somebody has to check about the key */
void starter_put_key_note(const struct starter_rows *rows, struct buf *out);

/** starter_put_full() - `full:`, for mappers with a cursor */
void starter_put_full(struct buf *out);

/** starter_comment() - a comment of our own text and of others' */
void starter_comment(struct buf *out, size_t indent, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/** starter_put_scalar() - @s as a YAML string: plain where every reader takes it for one */
void starter_put_scalar(struct buf *out, struct str s);

/** starter_put_path() - the same of names with dots in between, which need no quotes */
void starter_put_path(struct buf *out, const char *path);

/** starter_put_list() - one scalar, or [a, b] */
void starter_put_list(struct buf *out, const char *const *names, size_t count);

/** starter_put_comment() - "# text" in lines of a page's width behind @indent spaces */
void starter_put_comment(struct buf *out, size_t indent, struct str text);

/** starter_pad() - spaces up to the column @width of the line that began at @line in @out */
void starter_pad(struct buf *out, size_t line, size_t width);
