/*
 * conn.h: one PostgreSQL connection on the loop.
 *
 *   CLOSED --connect--> CONNECTING --> IDLE --exec, query--> COMMAND --> IDLE
 *                                                              |COPY OUT
 *                                                              v
 *                                                            COPY --> TAIL --> IDLE
 *   any --stop--> STOPPING --> CLOSED;  any failure of the network --> BROKEN
 *
 * One command at a time. Completions come from the loop, never from inside the call that
 * started them, exactly once, and not after pg_conn_stop() or pg_conn_free(). A completion may
 * start the next command, stop or free the connection. Loop thread only.
 */
#pragma once

#include <libpq-fe.h>

#include "ingest/base/buf.h"
#include "ingest/base/log.h"
#include "ingest/loop/loop.h"

struct pg_options {
        const char *dsn; /* secret */
        int64_t connect_timeout_ms;
        bool connect_timeout_given; /* else the dsn's, if it has one */
        int64_t statement_timeout_ms;
        bool statement_timeout_given; /* else the server's own holds */
        const char *application_name;
        bool application_name_given; /* else the dsn's, if it has one */
};

#define PG_STOP_TIMEOUT_MS 5000 /* a server that cannot be asked to stop is left by then */

struct pg_conn;

/* @result: borrowed, NULL without one; also given with an error, for its position */
typedef void (*pg_conn_fn)(void *ctx, int rc, const PGresult *result, const struct err *e);

/** pg_conn_new() - not connected yet; all arguments outlive it */
int pg_conn_new(const struct pg_options *options, struct loop *loop, const struct log *log,
        struct pg_conn **out, struct err *e) __attribute__((warn_unused_result));

/** pg_conn_free() - closes it; what its server still does is cancelled in the background */
struct pg_conn *pg_conn_free(struct pg_conn *c);
DEFINE_CLEANUP(struct pg_conn *, pg_conn_free);

/** pg_conn_connect() - tries the hosts of the dsn in order, each for the connect timeout
 * Completes with 0, -ERR_RETRY, -ERR_CONFIG. */
void pg_conn_connect(struct pg_conn *c, pg_conn_fn fn, void *ctx);

/** pg_conn_exec() - statements of our own, several in one string; the last result is given */
void pg_conn_exec(struct pg_conn *c, const char *sql, pg_conn_fn fn, void *ctx);

/** pg_conn_query() - exactly one statement: the server refuses more in one string
 * With COPY ... TO STDOUT it completes when rows can be read. */
void pg_conn_query(struct pg_conn *c, const char *sql, pg_conn_fn fn, void *ctx);

/** pg_conn_on_rows() - who is woken when a COPY that had no row may have one */
void pg_conn_on_rows(struct pg_conn *c, loop_fn fn, void *ctx);

#define PG_COPY_WAIT 1
#define PG_COPY_END  2

/** pg_conn_copy_next() - the next row of a COPY
 * @row: owned by the caller: PQfreemem()
 * Return: 0; PG_COPY_WAIT: none yet, the socket is watched from now on; PG_COPY_END: complete,
 * the connection is idle; -class. */
int pg_conn_copy_next(struct pg_conn *c, char **row, size_t *len, struct err *e)
        __attribute__((warn_unused_result));

/** pg_conn_copy_rest() - stops watching the socket (back-pressure) until the next copy_next */
void pg_conn_copy_rest(struct pg_conn *c);

/** pg_conn_on_idle() - from now on the socket is watched while no command is under way: who is told
 * that something came, which pg_conn_take_notices() has to take; also at once, for what came before
 */
void pg_conn_on_idle(struct pg_conn *c, loop_fn fn, void *ctx);

/** pg_conn_take_notices() - the channels that were notified since, one call of @fn each; the
 * connection is not to be freed or used inside it
 * Return: 0; -class the connection is lost. */
int pg_conn_take_notices(struct pg_conn *c, void (*fn)(void *ctx, const char *channel), void *ctx,
        struct err *e) __attribute__((warn_unused_result));

/** pg_conn_stop() - asks the server to stop what it does, and closes the connection
 * @fn: from the loop, when that is done */
void pg_conn_stop(struct pg_conn *c, loop_fn fn, void *ctx);

/** pg_conn_is_idle() - connected, no command under way, no transaction open */
bool pg_conn_is_idle(const struct pg_conn *c);

/** pg_conn_is_broken() - the last command failed because the connection was lost */
bool pg_conn_is_broken(const struct pg_conn *c);

/** pg_conn_backend() - the process that serves us, as the server (or a pooler) said at the start */
int pg_conn_backend(const struct pg_conn *c);

/** pg_conn_parameter() - a setting that the server reports: "server_encoding"; "" if it does not */
const char *pg_conn_parameter(const struct pg_conn *c, const char *name);

/** pg_conn_connect_wait(), pg_conn_exec_wait() - the same, running the loop
 * Return: as completed; -ERR_CANCEL where the loop was cancelled (the connection is closed). */
int pg_conn_connect_wait(struct pg_conn *c, struct err *e) __attribute__((warn_unused_result));
int pg_conn_exec_wait(struct pg_conn *c, const char *sql, struct err *e)
        __attribute__((warn_unused_result));

/** pg_conn_query_wait() - pg_conn_query() of a statement with rows, running the loop
 * @take: given the result, which it may not keep; its failure is the query's
 * Return: as completed; that of @take; -ERR_CANCEL as above. */
int pg_conn_query_wait(struct pg_conn *c, const char *sql,
        int (*take)(void *ctx, const PGresult *result, struct err *e), void *ctx, struct err *e)
        __attribute__((warn_unused_result));

/** pg_conn_ask_wait() - the same, for a copy of the result: @out is the caller's, to PQclear() */
int pg_conn_ask_wait(struct pg_conn *c, const char *sql, PGresult **out, struct err *e)
        __attribute__((warn_unused_result));

/** pg_result_freep() - for cleanup_() */
void pg_result_freep(PGresult **result);
