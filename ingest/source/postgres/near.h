/*
 * near.h: the table that was meant, where the one that was named is not there.
 *
 * PostgreSQL helps with a misspelt column but not with a table, which is most often there: in
 * another schema, or with capitals in its name.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/source/postgres/postgres.h"

/** pg_near_table() - appends to @e, the error of a describe, the table that was most likely meant
 * @t: the target whose description failed with 42P01; its connection is in a failed transaction
 * What goes wrong here leaves @e as it is: it is about the first error. */
void pg_near_table(
        struct pg_source *s, const struct pg_target *t, struct arena *arena, struct err *e);
