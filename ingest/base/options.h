/*
 * options.h: one table describes the keys of a YAML map.
 *
 * The table drives parsing, defaults, error messages (with the nearest valid key), the check
 * against the JSON Schema for editors (tests/) and documentation. A decoder for a map is a
 * struct and a table, nothing more; what a table cannot say is a handler.
 *
 * Strings that are decoded live in the arena given to options_decode().
 */
#pragma once

#include <stddef.h>

#include "ingest/base/yaml.h"

enum option_type {
        OPTION_STRING,   /* const char *; a scalar of any kind but null, as written */
        OPTION_BOOL,     /* bool */
        OPTION_INT,      /* int64_t, min..max */
        OPTION_SIZE,     /* int64_t bytes; "4MiB" or a bare integer */
        OPTION_DURATION, /* int64_t milliseconds; "5m" */
        OPTION_CHOICE,   /* int: index into choices */
        OPTION_STRINGS,  /* struct string_list; a scalar stands for a list of one */
        OPTION_MAP,      /* nested: .table decoded into the embedded struct at offset */
        OPTION_NODE,     /* const struct ynode *: kept for a later decoder */
        OPTION_HANDLER,  /* .handler decides */
        OPTION_LATER     /* a key of a later version: refused as such; help: what to do now */
};

struct string_list {
        const char **items;
        size_t count;
};

struct option_context {
        const struct ydoc *doc;
        struct arena *arena;
        void *user; /* for handlers */
};

/* Decodes @n into @field (the struct's base plus offset). Return: 0 or -ERR_CONFIG with place. */
typedef int (*option_handler_fn)(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e);

struct option {
        const char *name;
        enum option_type type;
        size_t offset;         /* of the field in the target struct */
        size_t present_offset; /* of a bool set when the key was given; 0: none */
        bool required;
        bool secret;                /* never printed */
        const char *default_text;   /* as an operator would write it; NULL: field stays zero */
        int64_t min, max;           /* OPTION_INT, SIZE, DURATION; both 0: not limited;
                                       OPTION_STRING, STRINGS: min bytes or items */
        const char *const *choices; /* OPTION_CHOICE: NULL-terminated */
        const struct option_table *table; /* OPTION_MAP */
        option_handler_fn handler;        /* OPTION_HANDLER */
        const char *help;                 /* one sentence with the unit */
};

struct option_table {
        const char *what; /* "couchdb", "field": for messages */
        const struct option *options;
        size_t count;
};

#define OPTION_TABLE(name_, what_, array)                                                          \
        const struct option_table name_ = {what_, array, sizeof(array) / sizeof((array)[0])}

/** options_decode() - the map @n into @target as @table says, defaults first
 * @n: NULL: defaults only (required keys are then errors only in a later decode)
 * Return: 0; -ERR_CONFIG unknown key (with the nearest valid one), wrong type, missing key;
 * -ERR_NOMEM. */
int options_decode(const struct option_context *cx, const struct option_table *table,
        const struct ynode *n, void *target, struct err *e) __attribute__((warn_unused_result));

/** options_unknown_key() - the error for key @pair of a map described by @table */
int options_unknown_key(const struct option_context *cx, const struct option_table *table,
        const struct ynode_pair *pair, struct err *e);

/** options_strings() - @n, a scalar or a list of scalars, as a list; copied into the arena
 * @what: names it in errors: "'key'"
 * Return: 0; -ERR_CONFIG; -ERR_NOMEM. */
int options_strings(const struct option_context *cx, const char *what, const struct ynode *n,
        struct string_list *out, struct err *e) __attribute__((warn_unused_result));

/** options_nomem() - the error of a failed allocation in the arena of @cx
 * Return: -ERR_NOMEM, or -ERR_CONFIG where the file needs more than the arena may hold. */
int options_nomem(const struct option_context *cx, struct err *e);
