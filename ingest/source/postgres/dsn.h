/*
 * dsn.h: the connection string, checked without a network.
 *
 * A connection string holds a password, and one that libpq splits at the wrong character (an '@'
 * in a password that was not percent-encoded) puts a part of it where host or port are printed.
 * So what libpq says about a string that it cannot read is never repeated, and strings that
 * would be split so are refused.
 */
#pragma once

#include <libpq-fe.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"

/** pg_dsn_check() - whether @dsn can be used. Return: 0; -ERR_CONFIG (without any part of it). */
int pg_dsn_check(const char *dsn, struct err *e) __attribute__((warn_unused_result));

/** pg_dsn_parse() - its parameters as libpq understands them; pg_dsn_free() when done
 * Return: 0; -ERR_CONFIG. */
int pg_dsn_parse(const char *dsn, PQconninfoOption **out, struct err *e)
        __attribute__((warn_unused_result));

static inline PQconninfoOption *pg_dsn_free(PQconninfoOption *options)
{
        if (options)
                PQconninfoFree(options);
        return NULL;
}
DEFINE_CLEANUP(PQconninfoOption *, pg_dsn_free);

/** pg_dsn_get() - the value of @keyword; NULL where it is not given */
const char *pg_dsn_get(const PQconninfoOption *options, const char *keyword);
