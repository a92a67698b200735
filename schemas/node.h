/*
 * node.h: JSON text as a tree, for schemas and for what the quick path cannot decide.
 *
 * Strict JSON: UTF-8, no key twice in an object, at most JSON_MAX_DEPTH deep. A node knows its
 * parent and its place there, so that a JSON pointer can be told from the node alone. Numbers keep
 * their text, strings hold the bytes they stand for. Everything lies in the arena given, or borrows
 * from the text.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/base/buf.h"
#include "ingest/base/str.h"

/* An exponent beyond this is refused: it leaves room for sums in 64 bits. */
#define NODE_MAX_EXPONENT 1000000000

enum node_kind {
        NODE_NULL,
        NODE_FALSE,
        NODE_TRUE,
        NODE_NUMBER,
        NODE_STRING,
        NODE_ARRAY,
        NODE_OBJECT
};

struct site;

struct node {
        enum node_kind kind;
        uint32_t count;  /* children */
        uint32_t index;  /* its place among its parent's children */
        struct str key;  /* of a member; .ptr NULL: no member */
        struct str text; /* of a number as written; the bytes that a string stands for */
        struct str raw;  /* all of it as written */
        struct node *first, *next, *parent;
        struct site *site; /* where it is a schema (set.h) */
};

/** node_parse() - the whole of @text as a tree
 * @text: must live as long as the tree
 * @scratch: for strings with escapes; may be used again at once
 * Return: 0; -ERR_REJECT not JSON, a key twice, too deep, too large for @arena ("byte N: ...", with
 * the position in *@at_byte where it is not NULL); -ERR_NOMEM. */
int node_parse(struct str text, struct arena *arena, struct buf *scratch, struct node **out,
        size_t *at_byte, struct err *e) __attribute__((warn_unused_result));

/** node_member() - the member @key of the object @n. Return: NULL: none, or @n is no object. */
struct node *node_member(const struct node *n, struct str key);

/** node_put_pointer() - appends the JSON pointer of @n, seen from the root of its text: "/lines/2"
 */
void node_put_pointer(const struct node *n, struct buf *out);

/** node_follow() - the node that the JSON pointer @pointer ("" or "/a/0"), seen from @n, names
 * @scratch: used for keys with "~"
 * Return: NULL where there is none. */
struct node *node_follow(struct node *n, struct str pointer, struct buf *scratch);

/** node_depth() - how many parents @n has */
size_t node_depth(const struct node *n);

/** node_equal() - as JSON Schema sees it: numbers by value, members in any order */
bool node_equal(const struct node *a, const struct node *b);

/** node_hash() - equal for equal nodes */
uint64_t node_hash(const struct node *n);
