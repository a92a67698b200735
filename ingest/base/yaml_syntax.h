/* yaml_syntax.h: errors of libyaml in our form; for yaml_load.c only. */
#pragma once

#include <yaml.h>

#include "ingest/base/yaml_internal.h"

static inline struct yaml_place yaml_place_of(const struct ydoc *d, yaml_mark_t mark)
{
        return (struct yaml_place){d, (int)mark.line + 1, (int)mark.column + 1};
}

/** yaml_syntax_error() - the error that @p, reading @text for @d, stopped at
 * Return: -ERR_CONFIG; -ERR_NOMEM. */
int yaml_syntax_error(const yaml_parser_t *p, const struct ydoc *d, struct str text, struct err *e);
