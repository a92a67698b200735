/*
 * compile.h: from the nodes of a schema to rules; shared by the files compile*.c.
 */
#pragma once

#include "schemas/set.h"

struct compiler {
        struct schema *schema;
        struct set set;
        const struct schema_options *options;
        struct rule *last;     /* of schema->rules */
        struct rule *todo;     /* the first of them that is not compiled */
        struct wanted *wanted; /* names of dynamic anchors that a $dynamicRef may lead to */
        struct err *e;
};

/* One rule under way; what it does not need stays NULL. */
struct draft {
        struct compiler *c;
        struct rule *rule;
        const struct node *node; /* the schema */
        unsigned vocabularies;
        struct choice *choice, *constant;
        struct string_rule *string;
        struct number_rule *number;
        struct array_rule *array;
        struct object_rule *object;
        struct in_place *in_place;
};

/* A handler reads the value of its keyword. Return: 0, -ERR_CONFIG, -ERR_NOMEM. */
typedef int (*keyword_fn)(struct draft *d, const struct node *value);

/** compile_rule_for() - the rule of the schema @n; compiled later */
int compile_rule_for(struct compiler *c, const struct resource *resource, struct node *n,
        const struct rule **out) __attribute__((warn_unused_result));

/** compile_bad() - -ERR_CONFIG with the place of @value; compile_no_room() - memory or its limit */
int compile_bad(struct draft *d, const struct node *value, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
int compile_no_room(struct compiler *c);

/* The parts of a rule, made at first need. NULL: no room. */
struct string_rule *compile_string(struct draft *d);
struct number_rule *compile_number(struct draft *d);
struct array_rule *compile_array(struct draft *d);
struct object_rule *compile_object(struct draft *d);
struct in_place *compile_in_place(struct draft *d);

/* compile_value.c: keywords that need no other schema */
int compile_type(struct draft *d, const struct node *value);
int compile_enum(struct draft *d, const struct node *value);
int compile_const(struct draft *d, const struct node *value);
int compile_count(struct draft *d, const struct node *value, uint64_t *out);
int compile_pattern_text(
        struct draft *d, const struct node *at, struct str text, struct regex **out);
int compile_max_length(struct draft *d, const struct node *value);
int compile_min_length(struct draft *d, const struct node *value);
int compile_pattern(struct draft *d, const struct node *value);
int compile_format(struct draft *d, const struct node *value);
int compile_minimum(struct draft *d, const struct node *value);
int compile_exclusive_minimum(struct draft *d, const struct node *value);
int compile_maximum(struct draft *d, const struct node *value);
int compile_exclusive_maximum(struct draft *d, const struct node *value);
int compile_multiple_of(struct draft *d, const struct node *value);

/* compile_object.c */
int compile_properties(struct draft *d);
int compile_pattern_properties(struct draft *d, const struct node *value);
int compile_additional_properties(struct draft *d, const struct node *value);
int compile_property_names(struct draft *d, const struct node *value);
int compile_min_properties(struct draft *d, const struct node *value);
int compile_max_properties(struct draft *d, const struct node *value);
int compile_unevaluated_properties(struct draft *d, const struct node *value);

/* compile_apply.c: arrays, references, schemas for the same value */
int compile_min_items(struct draft *d, const struct node *value);
int compile_max_items(struct draft *d, const struct node *value);
int compile_unique_items(struct draft *d, const struct node *value);
int compile_prefix_items(struct draft *d, const struct node *value);
int compile_items(struct draft *d, const struct node *value);
int compile_contains(struct draft *d, const struct node *value);
int compile_unevaluated_items(struct draft *d, const struct node *value);
int compile_all_of(struct draft *d, const struct node *value);
int compile_any_of(struct draft *d, const struct node *value);
int compile_one_of(struct draft *d, const struct node *value);
int compile_not(struct draft *d, const struct node *value);
int compile_if(struct draft *d, const struct node *value);
int compile_ref(struct draft *d, const struct node *value);
int compile_dynamic_ref(struct draft *d, const struct node *value);
int compile_dynamic_anchors(struct compiler *c);

/** compile_schema_at() - the rule of the subschema @value of the schema under way */
int compile_schema_at(struct draft *d, const struct node *value, const struct rule **out);

/** loops_check() - no chain of rules for one value is endless or longer than SCHEMA_MAX_IN_PLACE */
int loops_check(struct schema *s, struct err *e);
