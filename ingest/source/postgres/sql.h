/*
 * sql.h: statements put together from names, queries and values that others wrote.
 *
 * A query is used as a subquery and must therefore be exactly one statement; names are quoted
 * whatever they hold; values become literals (COPY takes no parameters), right where
 * standard_conforming_strings is on.
 */
#pragma once

#include "ingest/base/buf.h"

#define PG_SQL_MAX_BYTES (16 << 20) /* of one statement: a million keys */

/** pg_sql_ident() - "name", always quoted */
void pg_sql_ident(struct buf *sql, struct str name);

/** pg_sql_literal() - 'text' */
void pg_sql_literal(struct buf *sql, struct str text);

/** pg_sql_table() - NAME or SCHEMA.NAME, quoted
 * Names are taken as written (sale-line, SaleOrder); one with a dot in it is written in double
 * quotes: "my.table". Return: 0; -ERR_CONFIG not one or two names. */
int pg_sql_table(struct buf *sql, const char *name, struct err *e)
        __attribute__((warn_unused_result));

/** pg_sql_single() - @query without what follows its statement (semicolon, comments)
 * Return: 0; -ERR_CONFIG a second statement, nothing, or a string, comment or parenthesis that
 * does not end: with its line. */
int pg_sql_single(struct str query, struct str *out, struct err *e)
        __attribute__((warn_unused_result));

/** pg_sql_token() - the token of @text at or behind *@at, which moves behind it: a name, a number,
 * a string or a quoted name whole, else one byte Return: false at the end, and where something does
 * not end. */
bool pg_sql_token(struct str text, size_t *at, struct str *token);

/** pg_sql_reads() - whether @query begins like a statement that gives rows in FROM (...)
 * @first: the word it begins with, in @query; empty where there is none */
bool pg_sql_reads(struct str query, struct str *first);
