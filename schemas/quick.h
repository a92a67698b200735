/* quick.h: documents against a schema straight from their bytes. */
#pragma once

#include "schemas/rule.h"

/** quick_fits() - whether @text certainly fits @s, which must be schema_is_quick()
 * @scratch: for strings with escapes
 * Return: false: it does not, or cannot be told here: ask eval_document(). */
bool quick_fits(const struct schema *s, struct str text, uint64_t max_steps, struct buf *scratch,
        struct regex_room *room);
