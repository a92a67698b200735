/*
 * state_show.h: a state for people and for programs.
 */
#pragma once

#include <cjson/cJSON.h>

#include "ingest/pipeline/state_tool.h"

/** state_show_text() - to standard output; @mapper: NULL where it is not configured */
void state_show_text(
        const char *name, const struct config_mapper *mapper, const struct state_look *s);

cJSON *state_show_json(
        const char *name, const struct config_mapper *mapper, const struct state_look *s);
