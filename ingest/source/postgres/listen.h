/*
 * listen.h: notifications of PostgreSQL (LISTEN) on a source's own connection.
 */
#pragma once

#include "ingest/source/postgres/postgres.h"

/** pg_listen_free() - no callbacks after it; before the connection */
struct pg_listen *pg_listen_free(struct pg_listen *l);
