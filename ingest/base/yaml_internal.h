/*
 * yaml_internal.h: what the parts of yaml.h share, and nobody else includes.
 *
 * yaml.c asks nodes, yaml_load.c builds them from libyaml's events, yaml_resolve.c tells the
 * kinds of plain scalars apart, yaml_expand.c replaces ${...}.
 */
#pragma once

#include "ingest/base/yaml.h"

/* A node with what the limits need to know of its subtree. */
struct ynode_full {
        struct ynode node; /* first: what everybody else sees */
        size_t size;       /* nodes in the subtree, itself included */
        int height;        /* levels below it */
};

/** yaml_resolve() - the kind of the plain scalar @text in YAML 1.2's core schema */
enum ynode_kind yaml_resolve(struct str text);

/** yaml_is_json_number() - whether JSON writes the number @text the same way */
bool yaml_is_json_number(struct str text);

struct yaml_place {
        const struct ydoc *doc;
        int line, column;
};

struct yaml_expansion {
        bool any;   /* something was replaced, or an escape was taken away */
        bool value; /* what was replaced holds a value: do not print the text */
        bool whole; /* the text was one reference and nothing else, and not to a file */
};

/** yaml_expand() - @in with its references replaced, into @out (cleared first)
 * Return: 0; -ERR_CONFIG unset variable, unreadable file, a malformed reference; -ERR_NOMEM. */
int yaml_expand(const struct yaml_place *at, enum ydoc_expand mode, struct str in, struct buf *out,
        struct yaml_expansion *what, struct err *e) __attribute__((warn_unused_result));

/** yaml_error() - ydoc_error_at() for @at */
#define yaml_error(at, e, ...) ydoc_error_at((at)->doc, (at)->line, (at)->column, (e), __VA_ARGS__)
