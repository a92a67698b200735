/*
 * starter_internal.h: what the parts of starter.h share, and nobody else includes.
 *
 *   starter.c          the mapper from top to bottom
 *   starter_plan.c     decisions: names, types, what is left out, which children are nested
 *   starter_yaml.c     scalars, aligned lines and comments
 */
#pragma once

#include "ingest/pipeline/starter.h"

#define STARTER_MAX_CHILDREN 4  /* nested; more would hide the record among its relations */
#define STARTER_PAGE_WIDTH   96 /* characters of a line of the mapper */

enum left_out { KEPT, LEFT_BINARY, LEFT_SECRET, LEFT_UNREADABLE, LEFT_UNNAMED };

struct starter_column {
        const struct catalog_column *column;
        const char *name;   /* in the rows of the query: a mapper can address it */
        const char *field;  /* in the document */
        const char *type;   /* of the field; NULL: as the column's */
        enum left_out left; /* KEPT: it is read */
        bool is_key;
        bool insignificant; /* a modification time */
};

/* What one SELECT reads. */
struct starter_rows {
        const struct catalog_table *table;
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

/** starter_put_scalar() - @s as a YAML string: plain where every reader takes it for one */
void starter_put_scalar(struct buf *out, struct str s);

/** starter_put_list() - one scalar, or [a, b] */
void starter_put_list(struct buf *out, const char *const *names, size_t count);

/** starter_put_comment() - "# text" in lines of a page's width behind @indent spaces */
void starter_put_comment(struct buf *out, size_t indent, struct str text);

/** starter_pad() - spaces up to the column @width of the line that began at @line in @out */
void starter_pad(struct buf *out, size_t line, size_t width);
