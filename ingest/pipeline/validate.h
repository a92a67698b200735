/*
 * validate.h: from a record to a document that its schema allows.
 *
 * The one place where mapping and schema meet: run, dry run, preview, tests. What is checked is the
 * body, without _id and _rev, before it is compared with anything. Every document is checked in
 * every run, unchanged ones too. To pass over them would be safe only with a note of its own for
 * each: a digest in the state may be that of a document written under another schema, before its
 * record was rejected, or while it was gone from the source; what a check costs is less than such
 * notes would.
 */
#pragma once

#include "ingest/pipeline/config.h"
#include "mappers/trace.h"

/* Raise it when documents that passed before may be refused: a part of the fingerprint of mappers
 * with a schema. */
#define VALIDATE_VERSION 1

#define VALIDATE_REJECT 2 /* beside MAPPER_REJECT: the document does not fit its schema */

struct validator; /* a program, and a checker where there is a schema */

/** validator_compile() - as mapper_compile_with(), with the schema of @mapper
 * @mapper, @shape and @lookups must outlive the validator, which belongs to one thread */
int validator_compile(const struct config_mapper *mapper, const struct shape *shape,
        const struct lookup_set *lookups, struct validator **out, struct err *e)
        __attribute__((warn_unused_result));
struct validator *validator_free(struct validator *v);
DEFINE_CLEANUP(struct validator *, validator_free);

/** validator_trace() - from now on @fn is told how each field came about (mappers/trace.h) */
int validator_trace(struct validator *v, trace_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

/** validate_record() - maps @record and checks the document
 * Return: 0 (@out is filled); MAPPER_REJECT (@why is filled); VALIDATE_REJECT (both are: this
 * would be the document, but it must not be written); -ERR_NOMEM, -ERR_BUG. */
int validate_record(struct validator *v, const struct record *record, struct mapped *out,
        struct mapper_reject *why, struct err *e) __attribute__((warn_unused_result));
