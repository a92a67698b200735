/*
 * query.h: what the text of a query tells without a server.
 *
 * For checks before a run. A query is not parsed, only cut into tokens: whatever is not plain is
 * "not known", and never a guess.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/base/options.h"
#include "ingest/record/record.h"

/** pg_query_outputs() - the names of the columns that @query gives
 * Known of a SELECT (behind a WITH, too) whose list has only columns and `... AS name`.
 * Return: false where they are not known, or @arena gives no more. */
bool pg_query_outputs(const char *query, struct arena *arena, struct string_list *out);

/** pg_query_nulls() - whether a column that its table declares (or not) to be @not_null may be NULL
 * in what @query gives: an outer join brings NULLs of its own, a condition may leave them out
 * @query: NULL: the table itself */
enum column_nulls pg_query_nulls(const char *query, bool not_null);
