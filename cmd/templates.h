/*
 * templates.h: the files that `erp2couch init` writes, embedded at build time (cmd/embed.py).
 *
 * The first set is the plain one (cmd/templates), the others are the mapper packs (mappers/NAME).
 */
#pragma once

#include <stddef.h>

struct template_file {
        const char *name; /* relative path; at most one folder deep */
        const unsigned char *data;
        size_t size;
};

struct template_set {
        const char *pack;    /* NULL: the plain set */
        const char *summary; /* one line */
        const struct template_file *files;
        size_t file_count;
};

extern const struct template_set template_sets[];
extern const size_t template_set_count;
