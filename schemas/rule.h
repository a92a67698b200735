/*
 * rule.h: a compiled schema, inside this layer.
 *
 * Each schema object or boolean of the text is one rule. A rule holds pointers to what it says of
 * numbers, strings, arrays and objects, NULL where it says nothing, so that a check asks only for
 * what there is. Everything lies in the schema's arena.
 */
#pragma once

#include "ingest/base/arena.h"
#include "schemas/format.h"
#include "schemas/names.h"
#include "schemas/node.h"
#include "schemas/number.h"
#include "schemas/regex.h"
#include "schemas/schema.h"

enum rule_type {
        TYPE_NULL = 1,
        TYPE_BOOLEAN = 2,
        TYPE_NUMBER = 4,
        TYPE_INTEGER = 8, /* numbers without a fraction; TYPE_NUMBER includes them */
        TYPE_STRING = 16,
        TYPE_ARRAY = 32,
        TYPE_OBJECT = 64,
        TYPE_ANY = 127
};

struct rule;
struct resource;

struct rule_list {
        const struct rule **list;
        size_t count;
};

/* enum, and const as an enum of one. */
struct choice {
        bool is_const;
        unsigned kinds;             /* bits 1 << enum node_kind of the values */
        struct names strings;       /* those of them that are strings */
        const struct node **others; /* the rest */
        size_t other_count;
        const struct node *source; /* the keyword's value */
};

#define NO_LIMIT UINT64_MAX

struct string_rule {
        uint64_t min, max; /* characters */
        struct regex *pattern;
        const struct node *pattern_source;
        const struct format *format; /* NULL: none that is asserted */
};

enum bound_kind { MINIMUM, EXCLUSIVE_MINIMUM, MAXIMUM, EXCLUSIVE_MAXIMUM, BOUND_KINDS };

struct bound {
        bool set, is_small;
        int64_t small; /* the number, where is_small */
        struct number number;
        const struct node *source;
};

struct number_rule {
        struct bound bounds[BOUND_KINDS];
        bool has_divisor;
        struct divisor divisor;
        const struct node *divisor_source;
};

struct array_rule {
        uint64_t min, max;
        bool unique;
        struct rule_list prefix;
        const struct rule *items; /* NULL: not given, as everywhere below */
        const struct rule *contains;
        uint64_t min_contains, max_contains;
};

/* What an object rule says of one name. */
struct property {
        struct str name;
        struct str written;           /* "name": as canonical JSON has it */
        const struct rule *rule;      /* of `properties` */
        const struct rule *dependent; /* of `dependentSchemas` */
        const uint32_t *needs;        /* of `dependentRequired`: places in the list of properties */
        uint32_t need_count;
        bool required;
};

struct pattern_property {
        struct regex *regex;
        const struct rule *rule;
};

struct object_rule {
        uint64_t min, max;
        struct property *properties;
        struct str *property_names;
        uint32_t property_count, required_count;
        bool has_dependencies; /* a dependent or needs somewhere */
        struct names names;    /* of the properties */
        struct pattern_property *patterns;
        size_t pattern_count;
        const struct rule *additional;
        const struct rule *key; /* propertyNames */
};

struct in_place {
        const struct rule *ref;
        const struct rule *dynamic_ref; /* where it leads without a dynamic scope */
        struct str dynamic_anchor;      /* .ptr NULL: it is no different from $ref */
        struct rule_list all, any, one;
        const struct rule *not_, *if_, *then, *else_;
};

struct rule {
        bool compiled, never; /* never: the schema `false` */
        bool needs_tree;      /* the quick path cannot decide it */
        unsigned types;
        const struct choice *choice;
        const struct choice *constant;
        const struct string_rule *string;
        const struct number_rule *number;
        const struct array_rule *array;
        const struct object_rule *object;
        const struct in_place *in_place;
        const struct rule *through; /* where it leads, when it is nothing but a $ref */
        const struct rule *unevaluated_items, *unevaluated_properties;
        const struct node *source;
        const struct resource *resource;
        struct rule *next; /* in order of their making */
        uint32_t height;   /* of the longest chain of rules for one value; 0: not known yet */
        bool under_way;    /* while that is found */
};

struct dynamic_anchor {
        struct str name;
        const struct rule *rule;
        struct dynamic_anchor *next;
};

/* Of each schema with an $id, and each text. */
struct resource {
        struct str uri; /* absolute, without fragment */
        struct node *root;
        const char *file; /* in messages */
        struct str text;  /* of the file: for lines and columns */
        const struct resource *parent;
        uint64_t uri_hash;
        unsigned vocabularies; /* bits (vocabulary.h) */
        bool vocabularies_known;
        struct dynamic_anchor *dynamic_anchors; /* compiled only where a $dynamicRef needs them */
        struct resource *next;
};

/* Marks a node as a schema. */
struct site {
        struct resource *resource;
        struct rule *rule;
};

struct regex_list {
        struct regex *regex;
        struct regex_list *next;
};

struct schema {
        struct arena *arena;
        struct rule *root, *rules;
        const struct resource *resources; /* of all texts */
        uint64_t digest[2];               /* of all texts, in the order of their reading */
        struct regex_list *regexes;       /* to be freed */
        size_t regex_count;
        bool quick;
};

extern const struct rule rule_any; /* the schema `true` */
