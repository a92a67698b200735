/* fault.h: a finding as words. */
#pragma once

#include "schemas/eval.h"

#define FAULT_VALUE_CHARS 60 /* of a value in a message */

/** fault_describe() - fills @out; its strings lie in @text, which is emptied first
 * Return: 0; -ERR_NOMEM. */
int fault_describe(const struct finding *f, struct buf *text, struct schema_fault *out,
        struct err *e) __attribute__((warn_unused_result));
