/*
 * error.h: what PostgreSQL says, as our errors.
 *
 * The class comes from the SQLSTATE and nothing else; the text is the server's words.
 */
#pragma once

#include <libpq-fe.h>

#include "ingest/base/err.h"
#include "ingest/base/str.h"

/** pg_error_class() - what an error with this @sqlstate means for a run
 * Unknown ones are ERR_CONFIG: they come from the query, and repeating it gives the same. */
enum err_class pg_error_class(const char *sqlstate);

/** pg_error_result() - the error that @result carries: "MESSAGE (DETAIL; HINT; SQLSTATE 42P01)"
 * Return: -class. */
int pg_error_result(const PGresult *result, struct err *e);

/** pg_error_connection() - why @pg, whose connection attempt failed, did so
 * @answered: not the network failed, but TLS or the log-in, or what the dsn says
 * @closed: the peer closed it without a word
 * The connection must have had PQERRORS_VERBOSE set: its messages then carry SQLSTATEs.
 * Return: -ERR_CONFIG refused for good (password, database, TLS); -ERR_RETRY. */
int pg_error_connection(const PGconn *pg, bool answered, bool closed, struct err *e);

/** pg_error_lost() - the error of a connection that broke in use
 * The same holds for its messages. Return: -ERR_RETRY; -ERR_CONFIG the database was dropped. */
int pg_error_lost(const PGconn *pg, struct err *e);

/** pg_error_position() - where in the statement the error is, in characters from 1; 0: unknown */
size_t pg_error_position(const PGresult *result);
