/*
 * config_internal.h: what the parts of config.h share, and nobody else includes.
 *
 * config.c decodes erp2couch.yaml, config_mappers.c finds and loads mapper files, config_check.c
 * compares mappers with each other.
 */
#pragma once

#include "ingest/pipeline/config.h"

/** config_mappers_load() - the files that the globs @globs (the value of `mappers:`) name
 * Fills @c->mappers; sources are decoded before. */
int config_mappers_load(struct config *c, const struct ynode *globs, struct err *e)
        __attribute__((warn_unused_result));

/** config_check() - the rules between mappers, and between a mapper's target and its extract */
int config_check(const struct config *c, struct err *e) __attribute__((warn_unused_result));
