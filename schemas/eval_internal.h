/* eval_internal.h: shared by the files eval*.c. */
#pragma once

#include "schemas/eval.h"

/* Schemas with an $id that are being gone through, innermost first: the dynamic scope. */
struct scope {
        const struct resource *resource;
        const struct scope *outer;
};

struct eval {
        uint64_t steps; /* left */
        size_t depth;
        struct arena *arena;
        struct regex_room *room;
        const struct scope *scope;
        struct finding *finding;
        bool limit_reached; /* a FAULT that no `not` or `anyOf` may turn into anything else */
};

#define SEEN_SMALL 64

/* Which children of one value a schema has looked at, for unevaluated*; also other small sets. */
struct seen {
        size_t count;
        uint64_t small; /* where there are at most SEEN_SMALL */
        uint64_t *bits; /* else in the arena */
};

/** seen_init() - empty. Return: false when the arena gives no more. */
bool seen_init(struct seen *s, size_t count, struct arena *arena);
void seen_add(struct seen *s, size_t i);
bool seen_has(const struct seen *s, size_t i);
void seen_add_all(struct seen *s);
/** seen_merge() - adds @from, of the same count */
void seen_merge(struct seen *s, const struct seen *from);

/** eval_fault() - remembers what is wrong. Return: VERDICT_FAULT. */
enum verdict eval_fault(
        struct eval *x, enum keyword keyword, const struct rule *rule, const struct node *at);

/** eval_count_fault() - the same for a keyword that counts */
enum verdict eval_count_fault(struct eval *x, enum keyword keyword, const struct rule *rule,
        const struct node *at, uint64_t count);

/** eval_pattern_limit() - it cannot be told whether a pattern matches @at */
enum verdict eval_pattern_limit(struct eval *x, const struct rule *rule, const struct node *at);

/** eval_rule() - @v against @r; @seen (or NULL): takes what was looked at; rubbish unless FITS */
enum verdict eval_rule(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen);

/** eval_child() - the same for @v by @keyword of @parent, which is named where @r is `false` */
enum verdict eval_child(struct eval *x, const struct rule *r, const struct node *v,
        enum keyword keyword, const struct rule *parent);

enum verdict eval_string(struct eval *x, const struct rule *r, const struct node *v);
enum verdict eval_number(struct eval *x, const struct rule *r, const struct node *v);
enum verdict eval_array(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen);
enum verdict eval_object(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen);
enum verdict eval_in_place(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen);
