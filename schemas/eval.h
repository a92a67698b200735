/*
 * eval.h: a document's tree against a compiled schema; all of the draft.
 */
#pragma once

#include "schemas/rule.h"

enum keyword {
        KEYWORD_FALSE, /* the schema `false` by itself */
        KEYWORD_TYPE,
        KEYWORD_ENUM,
        KEYWORD_CONST,
        KEYWORD_MIN_LENGTH,
        KEYWORD_MAX_LENGTH,
        KEYWORD_PATTERN,
        KEYWORD_PATTERN_LIMIT, /* it could not be told whether the pattern matches */
        KEYWORD_FORMAT,
        KEYWORD_MINIMUM, /* in the order of enum bound_kind */
        KEYWORD_EXCLUSIVE_MINIMUM,
        KEYWORD_MAXIMUM,
        KEYWORD_EXCLUSIVE_MAXIMUM,
        KEYWORD_MULTIPLE_OF,
        KEYWORD_MIN_ITEMS,
        KEYWORD_MAX_ITEMS,
        KEYWORD_UNIQUE_ITEMS,
        KEYWORD_PREFIX_ITEMS,
        KEYWORD_ITEMS,
        KEYWORD_CONTAINS,
        KEYWORD_MIN_CONTAINS,
        KEYWORD_MAX_CONTAINS,
        KEYWORD_MIN_PROPERTIES,
        KEYWORD_MAX_PROPERTIES,
        KEYWORD_REQUIRED,
        KEYWORD_DEPENDENT_REQUIRED,
        KEYWORD_DEPENDENT_SCHEMAS,
        KEYWORD_PROPERTIES,
        KEYWORD_PATTERN_PROPERTIES,
        KEYWORD_ADDITIONAL_PROPERTIES,
        KEYWORD_PROPERTY_NAMES,
        KEYWORD_UNEVALUATED_ITEMS,
        KEYWORD_UNEVALUATED_PROPERTIES,
        KEYWORD_NOT,
        KEYWORD_ALL_OF,
        KEYWORD_ANY_OF,
        KEYWORD_ONE_OF,
        KEYWORD_ONE_OF_SEVERAL, /* more than one of them fits */
        KEYWORD_THEN,
        KEYWORD_ELSE,
        KEYWORD_REF,
        KEYWORD_DYNAMIC_REF,
        KEYWORDS
};

struct mismatch {
        enum keyword keyword;
        const struct rule *rule; /* the schema that has the keyword */
        const struct node *at;   /* the value; of a property's name: a node of its own */
        struct str name;         /* the one that is missing, or that needs it */
        struct str other;        /* the name that it is needed by */
        uint64_t count;          /* of what was counted */
};

enum verdict { VERDICT_FITS, VERDICT_FAULT, VERDICT_STEPS, VERDICT_DEPTH, VERDICT_MEMORY };

struct finding {
        struct mismatch what;
        struct mismatch closest; /* of anyOf and oneOf: how the branch that came furthest failed */
        bool has_closest;
};

/** eval_document() - @doc against @s
 * @arena: for bookkeeping; what @out points to lies there
 * Return: FITS; FAULT (@out is filled); which limit was reached. */
enum verdict eval_document(const struct schema *s, const struct node *doc, uint64_t max_steps,
        struct arena *arena, struct regex_room *room, struct finding *out);
