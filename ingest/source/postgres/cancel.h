/*
 * cancel.h: asking a server to stop a statement, without blocking the loop.
 *
 * libpq's PQcancel() opens a second connection and waits for it. It runs on a thread of its own
 * that shares nothing with the connection; where the network swallows it, the thread is left
 * behind and ends by itself.
 */
#pragma once

#include <libpq-fe.h>

#include "ingest/loop/loop.h"

struct pg_cancel;

/** pg_cancel_start() - asks the server of @pg to stop what it does
 * @fn: called once from the loop, when the server was asked or could not be
 * Return: 0; -ERR_SYSTEM, -ERR_NOMEM (then @fn is not called). */
int pg_cancel_start(PGconn *pg, struct loop *loop, loop_fn fn, void *ctx, struct pg_cancel **out,
        struct err *e) __attribute__((warn_unused_result));

/** pg_cancel_free() - forgets it, finished or not; @fn is not called any more */
struct pg_cancel *pg_cancel_free(struct pg_cancel *c);
DEFINE_CLEANUP(struct pg_cancel *, pg_cancel_free);
