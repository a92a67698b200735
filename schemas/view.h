/*
 * view.h: a compiled schema to look at: what it wants of a value, before there is any.
 *
 * A view is all rules that one value must fit at once: a schema, what its $ref leads to, its allOf,
 * and so on. What is only wanted in some cases (anyOf, if, $dynamicRef ...) is not followed; a view
 * says which of these words it passed over. Views are plain values and borrow from the schema.
 */
#pragma once

#include "ingest/base/buf.h"
#include "schemas/schema.h"

/* Kinds of JSON values: bits. NUMBER are those with a fraction. */
enum schema_kind {
        SCHEMA_NULL = 1,
        SCHEMA_BOOLEAN = 2,
        SCHEMA_NUMBER = 4,
        SCHEMA_INTEGER = 8,
        SCHEMA_STRING = 16,
        SCHEMA_ARRAY = 32,
        SCHEMA_OBJECT = 64,
        SCHEMA_ANY = 127
};

#define SCHEMA_VIEW_MAX 32 /* rules of one view: the rest is passed over, as "allOf" */

struct rule;

struct schema_view {
        const struct rule *rules[SCHEMA_VIEW_MAX];
        size_t count; /* 0: anything fits */
        bool cut;     /* there are more rules */
};

/** schema_view_root() - of a whole document */
void schema_view_root(const struct schema *s, struct schema_view *out);

/** schema_view_kinds() - the kinds that fit
 * @place: takes where the narrowest of them is said; NULL: not wanted */
unsigned schema_view_kinds(const struct schema_view *v, struct buf *place);

/** schema_view_next_required() - the members that an object must have, one by one
 * @at: 0 for the first call      @place: takes where that is said; cleared first */
bool schema_view_next_required(
        const struct schema_view *v, size_t *at, struct str *name, struct buf *place);

/** schema_view_member() - of the member @name of an object
 * Return: false where the schema allows no such member; @place (cleared first) takes where. */
bool schema_view_member(struct schema_checker *c, const struct schema_view *v, struct str name,
        struct schema_view *out, struct buf *place);

/** schema_view_names() - up to @max names that the schema has for members: to be likened to */
size_t schema_view_names(const struct schema_view *v, struct str *out, size_t max);

/** schema_view_items() - of each item of an array, where all are alike; else anything */
void schema_view_items(const struct schema_view *v, struct schema_view *out);

/** schema_view_next_choice() - the strings of its enum, one by one; none where it has no enum */
bool schema_view_next_choice(const struct schema_view *v, size_t *at, struct str *out);

/** schema_view_format() - the format of strings that it asserts; "" for none */
struct str schema_view_format(const struct schema_view *v);

/** schema_view_passed_over() - appends a list of words not followed, with their places; at most
 * @max of them. Return: how many there are. */
size_t schema_view_passed_over(const struct schema_view *v, size_t max, struct buf *out);

/** schema_view_check() - whether the value @json fits, anyOf and all
 * Return: 0, also where it cannot be told; SCHEMA_FAULT; -ERR_NOMEM. */
int schema_view_check(struct schema_checker *c, const struct schema_view *v, struct str json,
        struct schema_fault *fault, struct err *e) __attribute__((warn_unused_result));

/* schema_word_fn - @word is no keyword of the draft, but near to @keyword */
typedef void (*schema_word_fn)(
        void *arg, const char *file, int line, int column, struct str word, const char *keyword);

/** schema_find_misspelt() - the words of @s and its files that look like misspelt keywords */
void schema_find_misspelt(const struct schema *s, schema_word_fn fn, void *arg);
