/*
 * connect.h: `check --connect`: are the servers what the configuration says they are?
 *
 * Somebody waits for the answer: an unavailable CouchDB is not tried for all of retry_for.
 */
#pragma once

#include "ingest/couch/couch.h"
#include "ingest/loop/loop.h"
#include "ingest/pipeline/static_check.h"

struct connect_report {
        size_t columns;        /* of the mapper's source, children not counted */
        struct err err;        /* class ERR_NONE where all is well */
        bool repeated;         /* err is the source's, and that of an earlier mapper already */
        bool analysed;         /* @found is filled: the mapper compiles against its source */
        struct findings found; /* its arena is the caller's */
};

/** connect_check() - opens every source once, compiles every mapper, proves CouchDB; writes nothing
 * @reports: config->mapper_count of them, filled      @couch_err: class ERR_NONE where it is well
 * Return: 0 all is well, else -class of the first failure. */
int connect_check(const struct config *config, struct loop *loop, const struct log *log,
        struct connect_report *reports, struct couch_server *server, struct err *couch_err)
        __attribute__((warn_unused_result));
