/*
 * child.h: a call for each parent, for each `children.NAME` that the mapper uses.
 *
 * Parents go through a window: the calls of all in it are under way side by side, at most
 * `concurrency` of each child, and they leave it in the order in which they came. What the calls
 * give becomes a JSON array in the parent's column of that name. Memory is bounded: the window
 * takes no parent while it holds WINDOW_BYTES, and a parent whose children exceed RECORD_MAX_BYTES
 * is a reject.
 */
#pragma once

#include "ingest/source/rest/rest.h"
#include "ingest/source/rest/rows.h"

struct rest_children;

#define REST_CHILDREN_FULL 1

struct rest_children_plan {
        const struct rest_source *source;
        const struct extract *x;
        const struct shape *shape;
        const struct rest_rows *rows;
        /* A parent may be ready, or a call failed; from the loop. */
        void (*on_change)(void *ctx);
        void *ctx;
};

/** rest_children_new() - @out: NULL where the mapper uses no child */
int rest_children_new(const struct rest_children_plan *plan, struct rest_children **out,
        struct err *e) __attribute__((warn_unused_result));
struct rest_children *rest_children_free(struct rest_children *c); /* idle, or never begun */
DEFINE_CLEANUP(struct rest_children *, rest_children_free);

/** rest_children_add() - takes a parent; @values are copied
 * Return: 0; REST_CHILDREN_FULL: taken, no more until one has left; -class. */
int rest_children_add(struct rest_children *c, const struct value *values, struct err *e)
        __attribute__((warn_unused_result));

/** rest_children_reject() - the same of one that cannot be handed over: it keeps its place
 * @key: as key_encode() has it; len 0: unknown */
int rest_children_reject(struct rest_children *c, struct str key, const char *reason, struct err *e)
        __attribute__((warn_unused_result));

/** rest_children_mark() - @mark belongs behind the parents that came so far
 * Return: whether it was taken; false: no parent is there, hand it on. */
bool rest_children_mark(struct rest_children *c, struct str mark);

struct rest_parent {
        struct value *values; /* with its children; until rest_children_pop(); NULL: see key */
        struct str key;       /* of a reject without values; len 0: unknown */
        const char *reason;   /* it is a reject; NULL */
        struct str mark;      /* to be handed on behind it; .len 0: none */
};

#define REST_CHILDREN_WAIT 1
#define REST_CHILDREN_NONE 2

/** rest_children_head() - the parent that leaves next
 * Return: 0; REST_CHILDREN_WAIT it is not ready; REST_CHILDREN_NONE; -class a call failed. */
int rest_children_head(struct rest_children *c, struct rest_parent *out, struct err *e)
        __attribute__((warn_unused_result));
void rest_children_pop(struct rest_children *c);
bool rest_children_full(const struct rest_children *c);

void rest_children_cancel(struct rest_children *c);
bool rest_children_idle(const struct rest_children *c); /* no call is under way */
