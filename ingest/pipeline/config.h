/*
 * config.h: erp2couch.yaml and all mapper files, decoded and checked against each other.
 *
 * Loaded once, immutable then, any thread may read it. Needs no network: what only a source or
 * CouchDB can tell (columns, rights) is found when a mapper is compiled or run. File names in the
 * configuration are relative to its folder. Strings live as long as the configuration.
 */
#pragma once

#include "ingest/couch/couch.h"
#include "ingest/source/source.h"
#include "mappers/spec.h"
#include "schemas/schema.h"
#include "schemas/annotation.h"

#define CONFIG_MAX_MAPPERS 1000 /* every pair of them is compared */

struct config_http {
        const char *listen;       /* HOST:PORT, [V6]:PORT */
        const char *token;        /* secret; NULL: none */
        struct string_list hosts; /* other names under which it is asked for, by a proxy */
};

struct config_serve {
        int64_t max_runs;        /* at a time */
        int64_t stop_timeout_ms; /* what runs may still take when the service is stopped */
};

struct config_log {
        enum log_level level;
        enum log_format format;
};

struct config_mapper {
        struct mapper_spec *spec;           /* owned */
        const struct source_config *source; /* borrowed from the configuration */
        struct extract *extract;            /* in the arena of spec */
        struct extract **lookups;    /* of spec->lookups, there too; NULL for what is no query */
        const struct schema *schema; /* borrowed from the configuration; NULL: none */
        struct schema_annotation annotation; /* of its schema; in the arena of spec */
        const size_t *after; /* spec->after as indices of the configuration's mappers */
        size_t after_count;
};

/* A file of the folder of schemas that a mapper names, compiled once for all who do. */
struct config_schema {
        const char *name;
        const char *path;
        struct schema *schema; /* owned; NULL: it could not be compiled */
        struct err err;        /* ... and why */
        struct config_schema *next;
};

struct config {
        struct ydoc *doc;    /* owned */
        struct arena *arena; /* owned */
        const char *path;    /* of erp2couch.yaml, as given */
        struct couch_options couch;
        struct source_config *sources;
        size_t source_count;
        struct config_mapper *mappers; /* in the order of their file names */
        size_t mapper_count;
        const size_t *after_order; /* indices of all of them, none before one it comes after */
        const char *schemas;       /* folder; NULL: none */
        struct config_schema *loaded_schemas;
        const char *state_dir;
        struct config_http http;
        struct config_serve serve;
        struct config_log log;
};

/** config_load() - @path and everything it names
 * Checks across files: mapper names and id prefixes are unique, sources exist, database names are
 * possible ones, a cursor with children or group has a `full:` schedule, `after` names mappers
 * and makes no ring.
 * Return: 0; -ERR_CONFIG "FILE:LINE:COLUMN: ..."; -ERR_NOMEM. */
int config_load(const char *path, struct config **out, struct err *e)
        __attribute__((warn_unused_result));

/** config_load_sources() - the same without mapper files: none need be there, or be right */
int config_load_sources(const char *path, struct config **out, struct err *e)
        __attribute__((warn_unused_result));
typedef void (*config_problem_fn)(void *ctx, const char *file, const struct err *e);

/** config_load_all() - config_load() that looks at every mapper before it fails
 * @fn: called for the first mistake of each bad mapper file, in the order of their names
 * Return: as config_load(); @e is then the first that @fn was called with, if it was. */
int config_load_all(const char *path, config_problem_fn fn, void *ctx, struct config **out,
        struct err *e) __attribute__((warn_unused_result));
struct config *config_free(struct config *c);
DEFINE_CLEANUP(struct config *, config_free);

/** config_mapper() - the mapper @name
 * Return: 0; -ERR_USAGE there is none (with the nearest name). */
int config_mapper(const struct config *c, const char *name, const struct config_mapper **out,
        struct err *e) __attribute__((warn_unused_result));

/** config_source() - the source @name; NULL when there is none */
const struct source_config *config_source(const struct config *c, const char *name);

/* The option table, for the test that keeps the editor schema in step. */
extern const struct option_table config_table;
