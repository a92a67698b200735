/* meta.h: the metaschemas of draft 2020-12, built in from schemas/meta by embed.py. */
#pragma once

#include <stddef.h>

struct schema_meta_file {
        const char *uri; /* its $id */
        const unsigned char *bytes;
        size_t size;
};

extern const struct schema_meta_file schema_meta[];
extern const size_t schema_meta_count;
