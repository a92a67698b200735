/*
 * templates.h: the files of `erp2couch init`, embedded at build time (cmd/templates).
 */
#pragma once

#include <stddef.h>

struct template_file {
        const char *name; /* relative path */
        const unsigned char *data;
        size_t size;
};

extern const struct template_file template_files[];
extern const size_t template_file_count;
