/*
 * config_internal.h: what the parts of config.h share, and nobody else includes.
 *
 * config.c decodes erp2couch.yaml, config_mappers.c finds and loads mapper files, config_schemas.c
 * the schemas that they name, config_annotation.c what those say to CouchDB, config_check.c
 * compares mappers with each other, config_after.c puts them in order.
 */
#pragma once

#include "ingest/pipeline/config.h"

#define SOURCES_FOLDER    ".sources" /* in state_dir; no mapper's name begins with a point */
#define SOURCE_FOLDER_MAX 255        /* bytes of a file name on Linux */

/* Where mistakes in mapper files go while the others are looked at. */
struct config_problems {
        config_problem_fn fn;
        void *ctx;
        size_t count;
        struct err first;
};

/** config_problem() - hands the failure @rc, @e of the mapper @file over, if @p (may be NULL)
 * takes it. Return: 0 it did, go on with the next mapper; else @rc. */
int config_problem(struct config_problems *p, const char *file, int rc, const struct err *e)
        __attribute__((warn_unused_result));

/** config_mappers_load() - the files that the globs @globs (the value of `mappers:`) name
 * Fills @c->mappers; sources are decoded before. */
int config_mappers_load(struct config *c, const struct ynode *globs,
        struct config_problems *problems, struct err *e) __attribute__((warn_unused_result));

/** config_name_columns() - x->names: the columns that a source which describes none is asked for */
int config_name_columns(const struct mapper_spec *spec, struct extract *x, struct err *e)
        __attribute__((warn_unused_result));

/** config_schema() - the schema that the mapper @m names into m->schema
 * Return: 0; -ERR_CONFIG with the place in the mapper and in the schema; -ERR_NOMEM. */
int config_schema(struct config *c, struct config_mapper *m, struct err *e)
        __attribute__((warn_unused_result));

/** config_annotation_load() - what the schema of @m says to CouchDB; after spec and extract
 * Its tombstone fields are those of `deletes.keep` where the mapper says nothing: the ones among
 * them that it has. Return: 0; -ERR_CONFIG; -ERR_NOMEM. */
int config_annotation_load(const struct config *c, struct config_mapper *m, struct err *e)
        __attribute__((warn_unused_result));

/** config_after_link() - spec->after of all mappers into after and after_order
 * @complete: all mapper files were right: what is not among them does not exist
 * Return: 0; -ERR_CONFIG an unknown name, one twice, itself, a ring; -ERR_NOMEM. */
int config_after_link(struct config *c, bool complete, struct config_problems *problems,
        struct err *e) __attribute__((warn_unused_result));

/** config_check() - the rules between mappers, and between a mapper's target and its extract */
int config_check(const struct config *c, struct config_problems *problems, struct err *e)
        __attribute__((warn_unused_result));
