/*
 * extract_internal.h: what the two kinds of `extract:` share, and nobody else includes.
 *
 * extract.c has the keys and rules that hold for every connector, extract_sql.c those of
 * databases, rest/extract.c those of REST. A kind's tables name all keys of its blocks, the common
 * ones by the macros below, so that one pass decodes a block, and a message lists them all.
 */
#pragma once

#include "ingest/source/extract.h"

struct extract_draft {
        struct extract x; /* first: who decodes it further finds the draft by it */
        const struct ynode *children;
};

enum extract_table { EXTRACT_BLOCK, EXTRACT_CHILD, EXTRACT_DELETES, EXTRACT_TABLES };

struct extract_kind {
        const char *name;                                  /* "SQL", "REST": for messages */
        const struct option_table *tables[EXTRACT_TABLES]; /* block, deletes: into the draft */
        size_t draft_size;      /* struct extract_draft comes first in it */
        const char *child_form; /* how a child is written: "{query: ..., parent: ...}" */
        const char *feed;       /* the key of `deletes:` that stands together with its `key` */

        /* Rules between keys of the block. */
        int (*check)(const struct option_context *cx, const struct extract *x, struct err *e);

        /* One child; its name and node are there. NULL: decode_extract does it. */
        int (*decode_child)(const struct option_context *cx, const struct extract *x,
                struct extract_child *out, struct err *e);
};

int extract_decode_percent(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e);

/* Keys that every block has. `cursor` is one of them, too, but text in one and a map in the other.
 */
#define EXTRACT_KEY_OPTIONS(key_help)                                                              \
        {.name = "key",                                                                            \
                .type = OPTION_STRINGS,                                                            \
                .offset = offsetof(struct extract, key),                                           \
                .min = 1,                                                                          \
                .help = key_help},                                                                 \
        {                                                                                          \
                .name = "group", .type = OPTION_STRINGS,                                           \
                .offset = offsetof(struct extract, group), .min = 1,                               \
                .help = "In place of key: rows with equal values here are one record."             \
        }

#define EXTRACT_LOOKBACK_OPTION                                                                    \
        {                                                                                          \
                .name = "lookback", .type = OPTION_DURATION,                                       \
                .offset = offsetof(struct extract, lookback_ms), .default_text = "5m", .min = 0,   \
                .max = INT64_C(366) * 86400000, .help = "Read this much before the cursor again."  \
        }

#define EXTRACT_NESTED_OPTIONS(deletes_table)                                                      \
        {.name = "children",                                                                       \
                .type = OPTION_NODE,                                                               \
                .offset = offsetof(struct extract_draft, children),                                \
                .help = "Arrays nested in the record, by name."},                                  \
        {                                                                                          \
                .name = "deletes", .type = OPTION_MAP, .offset = 0, .table = &(deletes_table),     \
                .help = "How deletions are found."                                                 \
        }

/* Keys of every `deletes:`; offsets are those of struct extract. */
#define EXTRACT_DELETES_OPTIONS                                                                    \
        {.name = "sweep",                                                                          \
                .type = OPTION_BOOL,                                                               \
                .offset = offsetof(struct extract, deletes.sweep),                                 \
                .default_text = "true",                                                            \
                .help = "Documents whose record a full read did not find are deleted."},           \
                {.name = "max",                                                                    \
                        .type = OPTION_HANDLER,                                                    \
                        .offset = offsetof(struct extract, deletes.max_percent),                   \
                        .handler = extract_decode_percent,                                         \
                        .default_text = "10%",                                                     \
                        .help = "The brake: more deletions in one run are withheld (exit code "    \
                                "77)."},                                                           \
                {.name = "keep",                                                                   \
                        .type = OPTION_STRINGS,                                                    \
                        .offset = offsetof(struct extract, deletes.keep),                          \
                        .help = "Fields that stay in the tombstone; absent: those that the "       \
                                "schema "                                                          \
                                "names."},                                                         \
                {.name = "every",                                                                  \
                        .type = OPTION_DURATION,                                                   \
                        .offset = offsetof(struct extract, deletes.every_ms),                      \
                        .min = 1000,                                                               \
                        .max = INT64_C(366) * 86400000,                                            \
                        .help = "Sweeps keys between full reads, too."},                           \
                {.name = "column",                                                                 \
                        .type = OPTION_STRING,                                                     \
                        .offset = offsetof(struct extract, deletes.column),                        \
                        .min = 1,                                                                  \
                        .help = "A column that marks deleted records."},                           \
        {                                                                                          \
                .name = "when", .type = OPTION_STRING,                                             \
                .offset = offsetof(struct extract, deletes.when),                                  \
                .help = "The value of column that means deleted."                                  \
        }

/** extract_error_at_key() - the error at key @key of @n, or at @n where it has none */
int extract_error_at_key(const struct option_context *cx, const struct ynode *n, const char *key,
        struct err *e, const char *text);

/** extract_check_one_of() - exactly one of the keys @a and @b of @n, which messages call @what */
int extract_check_one_of(const struct option_context *cx, const struct ynode *n, const char *what,
        const char *a, const char *b, struct err *e) __attribute__((warn_unused_result));

/** extract_check_columns() - no name in @names, of key @key of @n, is empty or comes twice */
int extract_check_columns(const struct option_context *cx, const struct ynode *n, const char *key,
        const struct string_list *names, struct err *e) __attribute__((warn_unused_result));
