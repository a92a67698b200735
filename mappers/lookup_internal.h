/*
 * lookup_internal.h: what the parts of the look-ups share; nobody else includes it.
 *
 * lookup.c holds entries, lookup_row.c makes them of rows, lookup_file.c opens what is no query,
 * lookup_json.c and lookup_csv.c take it apart.
 */
#pragma once

#include "mappers/lookup.h"

#define LOOKUP_MAX_VALUES 64 /* members of an object: more is no look-up but a record */

struct lookup_rows; /* of lookup_row.c: what only filling needs */

struct lookup_slot {
        uint32_t hash; /* the lower half: saves most comparisons */
        uint32_t at;   /* of the entry in bytes, plus one; 0: free */
};

struct lookup_table {
        const struct lookup_spec *spec;
        struct lookup_set *set;
        struct column column;      /* of the values */
        struct buf bytes;          /* entries: two lengths, the key, the value */
        struct lookup_slot *slots; /* owned */
        size_t room;               /* slots: a power of two */
        size_t count, null_keys;
        uint64_t sum[2];          /* of the entries' digests: the same in any order */
        struct lookup_rows *rows; /* owned; NULL: no columns were named, or all rows came */
};

struct lookup_set {
        const struct mapper_spec *spec;
        struct arena *arena; /* owned */
        struct lookup_table *tables;
        size_t count;
        size_t bytes; /* of all tables */
};

/** lookup_add() - one entry; @value .ptr NULL: null
 * Return: 0; -ERR_CONFIG the key has another value, or a bound is reached; -ERR_NOMEM. */
int lookup_add(struct lookup_table *t, struct str key, size_t parts, struct str value,
        struct err *e) __attribute__((warn_unused_result));

/** lookup_show_key() - the key for a message: "A", "7"; cut when long */
const char *lookup_show_key(struct str key, size_t parts, struct buf *out);

/** lookup_check() - that @b of the look-up @t did not pass its maximum
 * Return: 0; -ERR_CONFIG with the place; -ERR_NOMEM. */
int lookup_check(const struct lookup_table *t, const struct buf *b, struct err *e)
        __attribute__((warn_unused_result));

struct lookup_rows *lookup_rows_free(struct lookup_rows *rows);

/** lookup_take_column() - what the values are, from now on; copies its texts */
int lookup_take_column(struct lookup_table *t, const struct column *column, struct err *e)
        __attribute__((warn_unused_result));

/** lookup_csv() - RFC 4180 with a header line; @name of the file, for errors
 * An empty field is null, and "" an empty text. */
int lookup_csv(struct lookup_table *t, struct str text, const char *name, struct err *e)
        __attribute__((warn_unused_result));

/** lookup_json() - an array of objects, or one object of keys and values
 * @name: of the file, for errors; NULL: it stands in the mapper */
int lookup_json(struct lookup_table *t, struct str text, const char *name, struct err *e)
        __attribute__((warn_unused_result));

/** lookup_file() - fills @t from its map or its file */
int lookup_file(struct lookup_table *t, struct err *e) __attribute__((warn_unused_result));
