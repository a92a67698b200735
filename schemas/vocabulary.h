/* vocabulary.h: which keywords a schema's metaschema turns on. */
#pragma once

#include "schemas/set.h"

enum vocabulary {
        VOCABULARY_CORE = 1,
        VOCABULARY_APPLICATOR = 2,
        VOCABULARY_UNEVALUATED = 4,
        VOCABULARY_VALIDATION = 8,
        VOCABULARY_META_DATA = 16,
        VOCABULARY_FORMAT_ANNOTATION = 32,
        VOCABULARY_FORMAT_ASSERTION = 64,
        VOCABULARY_CONTENT = 128,
        VOCABULARY_STANDARD = 255 & ~64 /* of a schema that names no metaschema */
};

/** vocabulary_of() - those of @r: by its $schema, else by that of the schema around it
 * May load the metaschema. Return: 0; -ERR_CONFIG, -ERR_NOMEM. */
int vocabulary_of(struct set *s, struct resource *r, unsigned *out, struct err *e)
        __attribute__((warn_unused_result));
