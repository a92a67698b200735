/*
 * yaml.h: a YAML file as a tree of nodes that know their place.
 *
 * YAML 1.2 core: only true/false are booleans, null/~/empty are null, keys are always strings
 * ("no:" is the key "no"). Duplicate keys, a second document, tags, merge keys (<<), NUL
 * characters and anything beyond the limits are errors. Nodes live in the arena of their document
 * and die with it. Aliases are resolved (copies share nodes). Load at start, on any thread.
 *
 * Variables are replaced in values, never in keys (enum ydoc_expand). Of a run of dollars before
 * a brace only the last one opens a reference, and a dollar before it takes its meaning away:
 *
 *                 erp2couch.yaml              mapper
 *     ${A}        the value of A              stays: record data, read by the template parser
 *     ${env:A}    an error                    the value of A
 *     $${A}       ${A}                        stays; the template parser makes it ${A}
 *     $${env:A}   ${env:A}                    stays; the template parser makes it ${env:A}
 *     $$${env:A}  -                           $$ and the value of A
 *     $ $$ $tag$  stay                        stay; in templates $$ becomes $
 *
 * So SQL with dollar quotes ($$...$$) passes a mapper's YAML untouched. A value with a reference
 * in it is a string, unless it is nothing but one plain (unquoted) ${VAR}, ${VAR:-default} or
 * ${env:VAR}: that resolves as if its text stood in the file, so that ports and booleans work.
 * What a file gave is always a string.
 *
 * Every error reads FILE:LINE:COLUMN: message, lines and columns from 1, class ERR_CONFIG. Values
 * that came from a variable or a file are not in messages: show them with ynode_show() only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/arena.h"
#include "ingest/base/buf.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

enum ynode_kind {
        YNODE_NULL,
        YNODE_BOOL,
        YNODE_INT,
        YNODE_FLOAT,
        YNODE_STRING,
        YNODE_LIST,
        YNODE_MAP
};

struct ynode;

struct ynode_pair {
        struct str key;   /* NUL behind it */
        int line, column; /* of the key */
        const struct ynode *value;
};

struct ynode {
        enum ynode_kind kind;
        int line, column;
        bool expanded;   /* a variable or a file is in text: never print it */
        struct str text; /* scalars: as written, after expansion of variables; NUL behind it */
        size_t count;    /* elements of a list or pairs of a map */
        const struct ynode **items;     /* lists */
        const struct ynode_pair *pairs; /* maps, in file order */
};

/* Which ${...} are replaced in scalar values (never in keys). */
enum ydoc_expand {
        YDOC_EXPAND_CONFIG, /* ${VAR} ${VAR:-default} ${file:PATH}: erp2couch.yaml */
        YDOC_EXPAND_MAPPER, /* ${env:VAR} ${env:VAR:-default}; other ${...} and $$ stay */
        YDOC_EXPAND_NONE
};

#define YDOC_MAX_BYTES   (4 << 20) /* of a file */
#define YDOC_MAX_DEPTH   64
#define YDOC_MAX_NODES   200000    /* aliases counted each time they are used: no alias bombs */
#define YDOC_MAX_ANCHORS 1000      /* the look-up of an alias is linear */
#define YDOC_MAX_VALUE   (1 << 20) /* of one value after expansion, and of a ${file:PATH} */

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

#define YNODE_SHOW_MAX 80 /* bytes, with the NUL */

/** ynode_show() - the scalar @n for a message: 'text', cut when long; its kind where it is no
 * scalar; "the value" where its text is expanded. Return: @out. */
const char *ynode_show(const struct ynode *n, char out[YNODE_SHOW_MAX]);

/** yaml_show() - @text in quotes for a message: cut when long, and before a control character
 * Return: @out. */
const char *yaml_show(struct str text, char out[YNODE_SHOW_MAX]);

static inline bool ynode_is_scalar(const struct ynode *n)
{
        return n->kind != YNODE_LIST && n->kind != YNODE_MAP;
}

/** ynode_bool() - the value of a YNODE_BOOL */
static inline bool ynode_bool(const struct ynode *n)
{
        return n->text.ptr[0] == 't' || n->text.ptr[0] == 'T';
}

/** ynode_json() - @n as JSON text, keys in file order, numbers as written
 * A number that JSON cannot write (007, 0x1F, .5, .inf) becomes a string: where that matters,
 * refuse it first with ynode_json_check(). */
void ynode_json(const struct ynode *n, struct buf *out);

/** ynode_json_check() - whether every number in @n can stand in JSON as it is written
 * Return: 0; -ERR_CONFIG with the place and both remedies. */
int ynode_json_check(const struct ydoc *d, const struct ynode *n, struct err *e)
        __attribute__((warn_unused_result));

/** ydoc_path() - @path as the file of @d means it: relative to its folder
 * Return: in @a; NULL out of memory. */
const char *ydoc_path(const struct ydoc *d, struct arena *a, const char *path);
