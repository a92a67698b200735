/*
 * yaml.h: a YAML file as a tree of nodes that know their place.
 *
 * YAML 1.2 core: only true/false are booleans, null/~/empty are null, keys are always strings
 * ("no:" is the key "no"). Duplicate keys, a second document, and anything beyond the limits are
 * errors. Nodes live in the arena of their document and die with it. Aliases are resolved
 * (copies share nodes); merge keys (<<) are refused. Load at start, on any thread.
 *
 * Every error reads FILE:LINE:COLUMN: message, lines and columns from 1, class ERR_CONFIG.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/arena.h"
#include "ingest/base/buf.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

enum ynode_kind { YNODE_NULL, YNODE_BOOL, YNODE_INT, YNODE_FLOAT, YNODE_STRING, YNODE_LIST, YNODE_MAP };

struct ynode;

struct ynode_pair {
        struct str key;         /* NUL behind it */
        int line, column;       /* of the key */
        const struct ynode *value;
};

struct ynode {
        enum ynode_kind kind;
        int line, column;
        struct str text; /* scalars: as written, after expansion of variables; NUL behind it */
        size_t count;    /* elements of a list or pairs of a map */
        const struct ynode **items;      /* lists */
        const struct ynode_pair *pairs;  /* maps, in file order */
};

/* Which ${...} are replaced in scalar values (never in keys). */
enum ydoc_expand {
        YDOC_EXPAND_CONFIG, /* ${VAR} ${VAR:-default} ${file:PATH}: erp2couch.yaml */
        YDOC_EXPAND_MAPPER, /* ${env:VAR} only; any other ${...} and $$ stay as they are */
        YDOC_EXPAND_NONE
};

#define YDOC_MAX_BYTES (4 << 20) /* of a file */
#define YDOC_MAX_DEPTH 64
#define YDOC_MAX_NODES 200000 /* aliases counted each time they are used: no alias bombs */

struct ydoc {
        const char *name; /* of the file, as given */
        const struct ynode *root;
        struct arena *arena;
};

/** ydoc_load() - reads and parses the file @path; `ydoc_free` when done */
int ydoc_load(const char *path, enum ydoc_expand expand, struct ydoc **out, struct err *e)
        __attribute__((warn_unused_result));

/** ydoc_parse() - the same for @text; @name stands in errors */
int ydoc_parse(struct str text, const char *name, enum ydoc_expand expand, struct ydoc **out,
        struct err *e) __attribute__((warn_unused_result));
struct ydoc *ydoc_free(struct ydoc *d);
DEFINE_CLEANUP(struct ydoc *, ydoc_free);

/** ynode_get() - the value of @key in the map @n; NULL when absent or @n is not a map */
const struct ynode *ynode_get(const struct ynode *n, const char *key);

/** ynode_key() - the pair itself: for the key's position */
const struct ynode_pair *ynode_key(const struct ynode *n, const char *key);

/** ynode_error() - "FILE:LINE:COLUMN: ..." at @n. Return: -ERR_CONFIG. */
int ynode_error(const struct ydoc *d, const struct ynode *n, struct err *e, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

/** ydoc_error_at() - the same for a place without a node (a key) */
int ydoc_error_at(const struct ydoc *d, int line, int column, struct err *e, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));

/** ynode_kind_name() - "a string", "a list", ...: for messages */
const char *ynode_kind_name(enum ynode_kind kind);

/** ynode_json() - @n as JSON text, keys in file order, integers as written */
void ynode_json(const struct ynode *n, struct buf *out);
