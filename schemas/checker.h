/* checker.h: the room that checks need, for the files of this layer that check. */
#pragma once

#include "schemas/rule.h"

struct schema_checker {
        const struct schema *schema;
        struct arena *arena;
        struct regex_room *room;
        struct buf text, scratch, message;
};
