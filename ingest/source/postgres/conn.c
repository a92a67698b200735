/*
 * One command at a time, as a state machine that libpq's socket drives. Completions always come
 * from the loop: what fails while it is started is told by a timer.
 */
#include "ingest/source/postgres/conn_state.h"

#include <assert.h>

#include "ingest/source/postgres/cancel.h"
#include "ingest/source/postgres/error.h"

static void on_timer(void *ctx);
static void on_soon(void *ctx);

void pg_conn_set_state(struct pg_conn *c, enum pg_conn_state state)
{
        if (state == PG_CLOSED || state == PG_BROKEN)
                c->watch = loop_fd_free(c->watch);
        if (c->state == PG_CONNECTING || state == PG_CLOSED)
                loop_timer_stop(c->timer);
        c->state = state;
}

int pg_conn_new(const struct pg_options *options, struct loop *loop, const struct log *log,
        struct pg_conn **out, struct err *e)
{
        cleanup_(pg_conn_freep) struct pg_conn *c = calloc(1, sizeof(*c));

        if (!c)
                return err_nomem(e, "a connection");
        c->options = options;
        c->loop = loop;
        c->log = log;
        int rc = loop_timer_new(loop, on_timer, c, &c->timer, e);
        if (!rc)
                rc = loop_timer_new(loop, on_soon, c, &c->soon, e);
        if (!rc)
                *out = TAKE(c);
        return rc;
}

static bool is_busy(const struct pg_conn *c)
{
        return c->state == PG_COMMAND || c->state == PG_COPY || c->state == PG_TAIL;
}

void pg_conn_close(struct pg_conn *c)
{
        pg_conn_set_state(c, PG_CLOSED);
        c->cancel = pg_cancel_free(c->cancel);
        if (c->result)
                PQclear(TAKE(c->result));
        if (c->pg)
                PQfinish(TAKE(c->pg));
}

struct pg_conn *pg_conn_free(struct pg_conn *c)
{
        if (!c)
                return NULL;
        /* Started and forgotten: its thread ends by itself. */
        if (is_busy(c) && pg_cancel_start(c->pg, c->loop, NULL, NULL, &c->cancel, NULL) < 0)
                log_debug(c->log, "the server could not be asked to stop a query");
        if (c->timer)
                pg_conn_close(c);
        loop_timer_free(c->timer);
        loop_timer_free(c->soon);
        free(c);
        return NULL;
}

void pg_conn_complete(struct pg_conn *c, int rc, const struct err *e)
{
        PGresult *result = TAKE(c->result);
        pg_conn_fn fn = TAKE(c->fn);

        if (fn)
                fn(c->ctx, rc, result, e);
        PQclear(result);
}

void pg_conn_fail_soon(struct pg_conn *c, int rc)
{
        c->failed = rc;
        loop_timer_soon(c->soon);
}

static void on_soon(void *ctx)
{
        struct pg_conn *c = ctx;

        if (c->state == PG_CLOSED && c->on_stopped) {
                loop_fn fn = TAKE(c->on_stopped);
                fn(c->stopped_ctx);
                return;
        }
        int rc = c->failed;
        c->failed = 0;
        if (rc)
                pg_conn_complete(c, rc, &c->err);
        else if (c->state == PG_IDLE && c->on_idle)
                c->on_idle(c->idle_ctx);
}

/* ---- commands ---- */

/* The words the server left before the connection broke, if any. */
static int lost(struct pg_conn *c, struct err *e)
{
        int rc = pg_error_lost(c->pg, e);

        for (int i = 0; i < 8 && !PQisBusy(c->pg); i++) {
                PGresult *result = PQgetResult(c->pg);

                if (!result)
                        break;
                if (PQresultErrorField(result, PG_DIAG_SQLSTATE))
                        rc = pg_error_result(result, e);
                PQclear(result);
        }
        pg_conn_set_state(c, PG_BROKEN);
        return rc;
}

static bool is_failure(const PGresult *result)
{
        ExecStatusType status = PQresultStatus(result);

        return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

static void keep_result(struct pg_conn *c, PGresult *result)
{
        if (c->result && is_failure(c->result)) {
                PQclear(result);
                return;
        }
        if (c->result)
                PQclear(c->result);
        c->result = result;
}

/* All results are there. Return: rc of the command. */
static int finish_command(struct pg_conn *c, struct err *e)
{
        int rc = c->result && is_failure(c->result) ? pg_error_result(c->result, e) : 0;

        if (PQstatus(c->pg) != CONNECTION_OK) {
                if (!rc)
                        rc = pg_error_lost(c->pg, e);
                pg_conn_set_state(c, PG_BROKEN);
                return rc;
        }
        pg_conn_set_state(c, PG_IDLE);
        loop_fd_set(c->watch, c->on_idle != NULL, false);
        return rc;
}

/* Return: whether the command is complete, with its @rc. */
static bool read_results(struct pg_conn *c, int *rc, struct err *e)
{
        while (!PQisBusy(c->pg)) {
                PGresult *result = PQgetResult(c->pg);

                if (!result) {
                        *rc = finish_command(c, e);
                        return true;
                }
                keep_result(c, result);
                if (PQresultStatus(result) == PGRES_COPY_OUT) {
                        pg_conn_set_state(c, PG_COPY);
                        loop_fd_set(c->watch, false, false);
                        *rc = 0;
                        return true;
                }
        }
        return false;
}

static void step_command(struct pg_conn *c, bool readable)
{
        struct err e;
        int rc = 0;

        if (readable && !PQconsumeInput(c->pg)) {
                rc = lost(c, &e);
                pg_conn_complete(c, rc, &e);
                return;
        }
        int unsent = PQflush(c->pg);
        if (unsent < 0) {
                rc = lost(c, &e);
                pg_conn_complete(c, rc, &e);
                return;
        }
        loop_fd_set(c->watch, true, unsent > 0);
        if (read_results(c, &rc, &e))
                pg_conn_complete(c, rc, rc ? &e : NULL);
}

static void start_command(struct pg_conn *c, pg_conn_fn fn, void *ctx)
{
        assert(c->state == PG_IDLE || c->state == PG_BROKEN || c->state == PG_CLOSED);
        c->fn = fn;
        c->ctx = ctx;
        if (c->state == PG_IDLE)
                pg_conn_set_state(c, PG_COMMAND);
}

static void sent_command(struct pg_conn *c, bool sent)
{
        if (sent) {
                loop_fd_set(c->watch, true, true);
                return;
        }
        if (c->state == PG_COMMAND)
                pg_conn_fail_soon(c, lost(c, &c->err));
        else
                pg_conn_fail_soon(c, err_set(&c->err, ERR_RETRY, "the connection was lost before"));
}

void pg_conn_exec(struct pg_conn *c, const char *sql, pg_conn_fn fn, void *ctx)
{
        start_command(c, fn, ctx);
        sent_command(c, c->state == PG_COMMAND && PQsendQuery(c->pg, sql));
}

void pg_conn_query(struct pg_conn *c, const char *sql, pg_conn_fn fn, void *ctx)
{
        start_command(c, fn, ctx);
        sent_command(c, c->state == PG_COMMAND &&
                                PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 0));
}

/* ---- rows ---- */

void pg_conn_on_rows(struct pg_conn *c, loop_fn fn, void *ctx)
{
        c->on_rows = fn;
        c->rows_ctx = ctx;
}

static int copy_tail(struct pg_conn *c, struct err *e)
{
        int rc;

        if (c->state == PG_COPY) {
                pg_conn_set_state(c, PG_TAIL);
                if (c->result)
                        PQclear(TAKE(c->result));
        }
        for (bool consumed = false;; consumed = true) {
                if (read_results(c, &rc, e)) {
                        if (c->result)
                                PQclear(TAKE(c->result));
                        return rc ? rc : PG_COPY_END;
                }
                if (consumed) {
                        loop_fd_set(c->watch, true, false);
                        return PG_COPY_WAIT;
                }
                if (!PQconsumeInput(c->pg))
                        return lost(c, e);
        }
}

int pg_conn_copy_next(struct pg_conn *c, char **row, size_t *len, struct err *e)
{
        if (c->state != PG_COPY)
                return c->state == PG_TAIL ? copy_tail(c, e)
                                           : err_set(e, ERR_RETRY, "the connection was lost");
        for (bool consumed = false;; consumed = true) {
                char *bytes;
                int n = PQgetCopyData(c->pg, &bytes, 1);

                if (n > 0) {
                        *row = bytes;
                        *len = (size_t)n;
                        return 0;
                }
                if (n == -1)
                        return copy_tail(c, e);
                if (n < -1)
                        return lost(c, e);
                if (consumed) {
                        loop_fd_set(c->watch, true, false);
                        return PG_COPY_WAIT;
                }
                if (!PQconsumeInput(c->pg))
                        return lost(c, e);
        }
}

void pg_conn_copy_rest(struct pg_conn *c)
{
        if (c->watch)
                loop_fd_set(c->watch, false, false);
}

/* ---- what comes by itself ---- */

void pg_conn_on_idle(struct pg_conn *c, loop_fn fn, void *ctx)
{
        c->on_idle = fn;
        c->idle_ctx = ctx;
        if (c->state != PG_IDLE)
                return;
        loop_fd_set(c->watch, true, false);
        loop_timer_soon(c->soon);
}

int pg_conn_take_notices(
        struct pg_conn *c, void (*fn)(void *ctx, const char *channel), void *ctx, struct err *e)
{
        PGnotify *notice;

        if (c->state != PG_IDLE)
                return 0; /* they come with the answer */
        bool there = PQconsumeInput(c->pg);
        while ((notice = PQnotifies(c->pg))) {
                fn(ctx, notice->relname);
                PQfreemem(notice);
        }
        return there && PQstatus(c->pg) == CONNECTION_OK ? 0 : lost(c, e);
}

/* ---- events ---- */

void pg_conn_on_socket(void *ctx, bool readable, bool writable)
{
        struct pg_conn *c = ctx;

        (void)writable;
        if (c->state == PG_CONNECTING)
                pg_connect_poll(c);
        else if (c->state == PG_COMMAND)
                step_command(c, readable);
        else if (c->state == PG_COPY || c->state == PG_TAIL)
                c->on_rows(c->rows_ctx);
        else if (c->state == PG_IDLE && c->on_idle)
                c->on_idle(c->idle_ctx);
}

static void stopped(void *ctx)
{
        struct pg_conn *c = ctx;

        pg_conn_close(c);
        loop_timer_soon(c->soon);
}

static void on_timer(void *ctx)
{
        struct pg_conn *c = ctx;

        if (c->state == PG_CONNECTING)
                pg_connect_timed_out(c);
        else if (c->state == PG_STOPPING)
                stopped(c);
}

void pg_conn_stop(struct pg_conn *c, loop_fn fn, void *ctx)
{
        struct err e;

        c->fn = NULL;
        c->failed = 0;
        c->on_stopped = fn;
        c->stopped_ctx = ctx;
        /* Not drained: a server that is writing rows notices the closed socket, one that is
         * sorting or waiting notices the request. */
        if (!is_busy(c) || pg_cancel_start(c->pg, c->loop, stopped, c, &c->cancel, &e) < 0) {
                stopped(c);
                return;
        }
        loop_fd_set(c->watch, false, false);
        pg_conn_set_state(c, PG_STOPPING);
        loop_timer_set(c->timer, PG_STOP_TIMEOUT_MS);
}

bool pg_conn_is_idle(const struct pg_conn *c)
{
        return c->state == PG_IDLE && PQstatus(c->pg) == CONNECTION_OK &&
               PQtransactionStatus(c->pg) == PQTRANS_IDLE;
}

bool pg_conn_is_broken(const struct pg_conn *c)
{
        return c->state == PG_BROKEN;
}

int pg_conn_backend(const struct pg_conn *c)
{
        return c->pg ? PQbackendPID(c->pg) : 0;
}

const char *pg_conn_parameter(const struct pg_conn *c, const char *name)
{
        const char *value = c->pg ? PQparameterStatus(c->pg, name) : NULL;

        return value ? value : "";
}

/* ---- running the loop ---- */

struct wait {
        bool done;
        int rc;
        struct err err;
        int (*take)(void *ctx, const PGresult *result, struct err *e);
        void *take_ctx;
};

static void on_waited(void *ctx, int rc, const PGresult *result, const struct err *e)
{
        struct wait *w = ctx;

        w->done = true;
        w->rc = rc;
        if (rc)
                w->err = *e;
        else if (w->take)
                w->rc = w->take(w->take_ctx, result, &w->err);
}

static int wait_for(struct pg_conn *c, struct wait *w, struct err *e)
{
        int rc = loop_run_until(c->loop, &w->done, e);

        if (rc) {
                c->fn = NULL;
                pg_conn_close(c);
                return rc;
        }
        if (w->rc && e)
                *e = w->err;
        return w->rc;
}

int pg_conn_connect_wait(struct pg_conn *c, struct err *e)
{
        struct wait w = {0};

        pg_conn_connect(c, on_waited, &w);
        return wait_for(c, &w, e);
}

int pg_conn_exec_wait(struct pg_conn *c, const char *sql, struct err *e)
{
        struct wait w = {0};

        pg_conn_exec(c, sql, on_waited, &w);
        return wait_for(c, &w, e);
}

int pg_conn_query_wait(struct pg_conn *c, const char *sql,
        int (*take)(void *ctx, const PGresult *result, struct err *e), void *ctx, struct err *e)
{
        struct wait w = {.take = take, .take_ctx = ctx};

        pg_conn_query(c, sql, on_waited, &w);
        return wait_for(c, &w, e);
}

static int copy_result(void *ctx, const PGresult *result, struct err *e)
{
        PGresult **out = ctx;

        *out = PQcopyResult(result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
        return *out ? 0 : err_nomem(e, "an answer of the server");
}

int pg_conn_ask_wait(struct pg_conn *c, const char *sql, PGresult **out, struct err *e)
{
        return pg_conn_query_wait(c, sql, copy_result, out, e);
}

void pg_result_freep(PGresult **result)
{
        PQclear(*result);
}
