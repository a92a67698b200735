/*
 * libpq's socket may change with every PQconnectPoll(), even to another one of the same number,
 * so while connecting the watch is made anew each time; later it stays.
 *
 * In asynchronous use libpq has no time limit of its own and would wait for a host that does not
 * answer for ever: the limit is a timer that starts again with each host, and where it fires the
 * attempt is made again with the hosts behind that one.
 */
#include "ingest/source/postgres_conn.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "ingest/source/postgres_cancel.h"
#include "ingest/source/postgres_dsn.h"
#include "ingest/source/postgres_error.h"

enum pg_conn_state {
        PG_CLOSED,
        PG_CONNECTING,
        PG_IDLE,
        PG_COMMAND, /* sent or being sent; no result yet */
        PG_COPY,    /* rows are coming */
        PG_TAIL,    /* all rows were read, the closing result was not */
        PG_BROKEN,  /* unusable until it is closed */
        PG_STOPPING
};

struct pg_conn {
        const struct pg_options *options;
        struct loop *loop;
        const struct log *log;
        PGconn *pg;               /* owned */
        struct loop_fd *watch;    /* of the socket */
        struct loop_timer *timer; /* limit of a connection attempt, or of stopping */
        struct loop_timer *soon;  /* completions that are known at once */
        enum pg_conn_state state;
        pg_conn_fn fn; /* of the command under way */
        void *ctx;
        loop_fn on_rows;
        void *rows_ctx;
        loop_fn on_stopped;
        void *stopped_ctx;
        PGresult *result; /* of the command under way: the first error, or the last */
        struct pg_cancel *cancel;
        int failed; /* -class of a completion that waits for `soon` */
        struct err err;
        size_t first_host; /* of the dsn's list: those before it did not answer */
        char host[256];    /* that is being tried: its timer runs */
};

static void on_socket(void *ctx, bool readable, bool writable);
static void on_timer(void *ctx);
static void on_soon(void *ctx);

/* The one place where states change. */
static void set_state(struct pg_conn *c, enum pg_conn_state state)
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

static void close_connection(struct pg_conn *c)
{
        set_state(c, PG_CLOSED);
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
                close_connection(c);
        loop_timer_free(c->timer);
        loop_timer_free(c->soon);
        free(c);
        return NULL;
}

/* @c may be gone when this returns. */
static void complete(struct pg_conn *c, int rc, const struct err *e)
{
        PGresult *result = TAKE(c->result);
        pg_conn_fn fn = TAKE(c->fn);

        if (fn)
                fn(c->ctx, rc, result, e);
        PQclear(result);
}

/* The completion of what failed at once, from the loop. */
static void fail_soon(struct pg_conn *c, int rc)
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
                complete(c, rc, &c->err);
}

/* ---- connecting ---- */

static void on_notice(void *ctx, const PGresult *result)
{
        const struct pg_conn *c = ctx;
        const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

        log_debug(c->log, "the server says: %s", text ? text : "");
}

/* The part of a comma-separated list from element @first on; a list of one stands for all. */
static const char *list_from(const char *list, size_t first)
{
        const char *p = list;

        if (!list || !strchr(list, ','))
                return list;
        for (size_t i = 0; i < first && p; i++) {
                p = strchr(p, ',');
                p = p ? p + 1 : NULL;
        }
        return p;
}

static size_t list_count(const char *list)
{
        size_t n = 1;

        for (; list && *list; list++)
                n += *list == ',';
        return n;
}

static bool list_has_at(const char *list, size_t i, const char *item)
{
        const char *p = list_from(list, i);

        return p && strcspn(p, ",") == strlen(item) && strncmp(p, item, strlen(item)) == 0;
}

#define MAX_PARAMETERS 16

struct parameters {
        const char *keywords[MAX_PARAMETERS], *values[MAX_PARAMETERS];
        size_t count;
};

static void add_parameter(struct parameters *p, const char *keyword, const char *value)
{
        assert(p->count + 1 < MAX_PARAMETERS);
        p->keywords[p->count] = keyword;
        p->values[p->count++] = value;
}

/* What stands before the dsn is a default, what stands behind it overrides. Keepalives: a peer
 * that vanished is noticed within 80 s, not after two hours. */
static void connect_parameters(
        const struct pg_conn *c, const PQconninfoOption *dsn, struct parameters *p)
{
        static const char *const lists[] = {"host", "hostaddr", "port"};

        add_parameter(p, "keepalives", "1");
        add_parameter(p, "keepalives_idle", "30");
        add_parameter(p, "keepalives_interval", "10");
        add_parameter(p, "keepalives_count", "5");
        add_parameter(p, "fallback_application_name", "erp2couch");
        add_parameter(p, "dbname", c->options->dsn);
        add_parameter(p, "client_encoding", "UTF8");
        if (c->options->application_name_given)
                add_parameter(p, "application_name", c->options->application_name);
        for (size_t i = 0; c->first_host > 0 && i < 3; i++) {
                const char *list = pg_dsn_get(dsn, lists[i]);
                if (list)
                        add_parameter(p, lists[i], list_from(list, c->first_host));
        }
}

static int start_connection(struct pg_conn *c, struct err *e)
{
        cleanup_(pg_dsn_freep) PQconninfoOption *dsn = NULL;
        struct parameters p = {0};

        int rc = pg_dsn_parse(c->options->dsn, &dsn, e);
        if (rc)
                return rc;
        connect_parameters(c, dsn, &p);
        c->host[0] = '\0';
        c->pg = PQconnectStartParams(p.keywords, p.values, 1);
        if (!c->pg)
                return err_nomem(e, "a connection");
        PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE);
        PQsetNoticeReceiver(c->pg, on_notice, c);
        return 0;
}

static int64_t connect_timeout_ms(const struct pg_conn *c)
{
        cleanup_(pg_dsn_freep) PQconninfoOption *dsn = NULL;
        int64_t seconds;

        if (c->options->connect_timeout_given || pg_dsn_parse(c->options->dsn, &dsn, NULL) < 0)
                return c->options->connect_timeout_ms;
        const char *text = pg_dsn_get(dsn, "connect_timeout");
        if (!text || !str_to_int64(str_of(text), &seconds) || seconds > INT32_MAX)
                return c->options->connect_timeout_ms;
        return seconds > 0 ? seconds * 1000 : 0;
}

/* One line that tells an operator where it was going, without the connection string. */
static int wrap_where(const struct pg_conn *c, int rc, struct err *e)
{
        const char *host = PQhost(c->pg), *port = PQport(c->pg);
        const char *db = PQdb(c->pg), *user = PQuser(c->pg);

        return err_wrap(e, rc, "connect to PostgreSQL at %s:%s, database %s, user %s",
                host && *host ? host : "(local)", port && *port ? port : "5432",
                db && *db ? db : "(default)", user && *user ? user : "(default)");
}

/* Starts the timer again where libpq went on to another host or address. */
static void watch_host(struct pg_conn *c)
{
        const char *address = PQhostaddr(c->pg), *host = PQhost(c->pg), *port = PQport(c->pg);
        char now[sizeof(c->host)];
        int64_t limit_ms = connect_timeout_ms(c);

        snprintf(now, sizeof(now), "%s|%s|%s", host ? host : "", address ? address : "",
                port ? port : "");
        if (strcmp(now, c->host) == 0)
                return;
        memcpy(c->host, now, sizeof(now));
        if (limit_ms > 0)
                loop_timer_set(c->timer, limit_ms);
}

static int watch_socket(struct pg_conn *c, bool readable, bool writable, struct err *e)
{
        int rc = loop_fd_new(c->loop, PQsocket(c->pg), on_socket, c, &c->watch, e);

        if (!rc)
                loop_fd_set(c->watch, readable, writable);
        return rc;
}

/* @c may be gone when this returns. */
static void fail_connecting(struct pg_conn *c, int rc, struct err *e)
{
        rc = wrap_where(c, rc, e);
        close_connection(c);
        complete(c, rc, e);
}

static bool peer_closed(const PGconn *pg)
{
        char c;
        ssize_t n = recv(PQsocket(pg), &c, 1, MSG_PEEK | MSG_DONTWAIT);

        return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void connected(struct pg_conn *c)
{
        struct err e;

        set_state(c, PG_IDLE);
        PQsetErrorVerbosity(c->pg, PQERRORS_DEFAULT);
        int rc = PQsetnonblocking(c->pg, 1) == 0 ? 0 : pg_error_lost(c->pg, &e);
        if (!rc)
                rc = watch_socket(c, false, false, &e);
        if (rc) {
                fail_connecting(c, rc, &e);
                return;
        }
        log_debug(c->log, "connected to PostgreSQL %s at %s:%s, backend %d",
                pg_conn_parameter(c, "server_version"), PQhost(c->pg), PQport(c->pg),
                PQbackendPID(c->pg));
        complete(c, 0, NULL);
}

static void poll_connection(struct pg_conn *c)
{
        ConnStatusType status = PQstatus(c->pg);
        bool answered = status == CONNECTION_SSL_STARTUP || status == CONNECTION_GSS_STARTUP ||
                        status == CONNECTION_AWAITING_RESPONSE;
        bool closed = answered && peer_closed(c->pg);
        struct err e;
        int rc;

        c->watch = loop_fd_free(c->watch);
        switch (PQconnectPoll(c->pg)) {
        case PGRES_POLLING_OK:
                connected(c);
                return;
        case PGRES_POLLING_READING:
                rc = watch_socket(c, true, false, &e);
                break;
        case PGRES_POLLING_WRITING:
                rc = watch_socket(c, false, true, &e);
                break;
        default:
                rc = pg_error_connection(c->pg, answered, closed, &e);
                break;
        }
        if (rc)
                fail_connecting(c, rc, &e);
        else
                watch_host(c);
}

/* Whether the attempt failed before it began, at what the dsn says. libpq tells this apart from a
 * network that failed at once only in a ping, which then does not try the network either. */
static bool is_unusable(const struct pg_conn *c)
{
        cleanup_(pg_dsn_freep) PQconninfoOption *dsn = NULL;
        struct parameters p = {0};

        if (pg_dsn_parse(c->options->dsn, &dsn, NULL) < 0)
                return true;
        connect_parameters(c, dsn, &p);
        add_parameter(&p, "connect_timeout", "2");
        return PQpingParams(p.keywords, p.values, 1) == PQPING_NO_ATTEMPT;
}

static int begin_connecting(struct pg_conn *c, struct err *e)
{
        int rc = start_connection(c, e);

        if (rc)
                return rc;
        if (PQstatus(c->pg) == CONNECTION_BAD)
                rc = pg_error_connection(c->pg, is_unusable(c), false, e);
        else
                rc = watch_socket(c, false, true, e);
        if (rc)
                return wrap_where(c, rc, e);
        watch_host(c);
        return 0;
}

void pg_conn_connect(struct pg_conn *c, pg_conn_fn fn, void *ctx)
{
        assert(c->state == PG_CLOSED || c->state == PG_BROKEN);
        close_connection(c);
        c->fn = fn;
        c->ctx = ctx;
        c->first_host = 0;
        set_state(c, PG_CONNECTING);
        int rc = begin_connecting(c, &c->err);
        if (rc) {
                close_connection(c);
                fail_soon(c, rc);
        }
}

/* Whether the dsn has hosts behind the one that did not answer; they are tried next. */
static bool skip_host(struct pg_conn *c)
{
        cleanup_(pg_dsn_freep) PQconninfoOption *dsn = NULL;

        if (pg_dsn_parse(c->options->dsn, &dsn, NULL) < 0)
                return false;
        const char *hosts = pg_dsn_get(dsn, "host"), *ports = pg_dsn_get(dsn, "port");
        const char *host = PQhost(c->pg), *port = PQport(c->pg);
        if (!hosts)
                hosts = pg_dsn_get(dsn, "hostaddr");
        size_t count = list_count(hosts);
        for (size_t i = c->first_host; hosts && host && i + 1 < count; i++) {
                bool same_port =
                        !ports || !port || !strchr(ports, ',') || list_has_at(ports, i, port);

                if (list_has_at(hosts, i, host) && same_port) {
                        c->first_host = i + 1;
                        return true;
                }
        }
        return false;
}

static void connect_timed_out(struct pg_conn *c)
{
        struct err e;
        int rc = err_set(&e, ERR_RETRY, "no answer within %lld ms (connect_timeout)",
                (long long)connect_timeout_ms(c));

        if (!skip_host(c)) {
                fail_connecting(c, rc, &e);
                return;
        }
        close_connection(c);
        set_state(c, PG_CONNECTING);
        rc = begin_connecting(c, &e);
        if (rc) {
                close_connection(c);
                complete(c, rc, &e);
        }
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
        set_state(c, PG_BROKEN);
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
                set_state(c, PG_BROKEN);
                return rc;
        }
        set_state(c, PG_IDLE);
        loop_fd_set(c->watch, false, false);
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
                        set_state(c, PG_COPY);
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
                complete(c, rc, &e);
                return;
        }
        int unsent = PQflush(c->pg);
        if (unsent < 0) {
                rc = lost(c, &e);
                complete(c, rc, &e);
                return;
        }
        loop_fd_set(c->watch, true, unsent > 0);
        if (read_results(c, &rc, &e))
                complete(c, rc, rc ? &e : NULL);
}

static void start_command(struct pg_conn *c, pg_conn_fn fn, void *ctx)
{
        assert(c->state == PG_IDLE || c->state == PG_BROKEN || c->state == PG_CLOSED);
        c->fn = fn;
        c->ctx = ctx;
        if (c->state == PG_IDLE)
                set_state(c, PG_COMMAND);
}

static void sent_command(struct pg_conn *c, bool sent)
{
        if (sent) {
                loop_fd_set(c->watch, true, true);
                return;
        }
        if (c->state == PG_COMMAND)
                fail_soon(c, lost(c, &c->err));
        else
                fail_soon(c, err_set(&c->err, ERR_RETRY, "the connection was lost before"));
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
                set_state(c, PG_TAIL);
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

/* ---- events ---- */

static void on_socket(void *ctx, bool readable, bool writable)
{
        struct pg_conn *c = ctx;

        (void)writable;
        if (c->state == PG_CONNECTING)
                poll_connection(c);
        else if (c->state == PG_COMMAND)
                step_command(c, readable);
        else if (c->state == PG_COPY || c->state == PG_TAIL)
                c->on_rows(c->rows_ctx);
}

static void stopped(void *ctx)
{
        struct pg_conn *c = ctx;

        close_connection(c);
        loop_timer_soon(c->soon);
}

static void on_timer(void *ctx)
{
        struct pg_conn *c = ctx;

        if (c->state == PG_CONNECTING)
                connect_timed_out(c);
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
        set_state(c, PG_STOPPING);
        loop_timer_set(c->timer, PG_STOP_TIMEOUT_MS);
}

bool pg_conn_is_idle(const struct pg_conn *c)
{
        return c->state == PG_IDLE && PQstatus(c->pg) == CONNECTION_OK &&
               PQtransactionStatus(c->pg) == PQTRANS_IDLE;
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
};

static void on_waited(void *ctx, int rc, const PGresult *result, const struct err *e)
{
        struct wait *w = ctx;

        (void)result;
        w->done = true;
        w->rc = rc;
        if (rc)
                w->err = *e;
}

static int wait_for(struct pg_conn *c, struct wait *w, struct err *e)
{
        int rc = loop_run_until(c->loop, &w->done, e);

        if (rc) {
                c->fn = NULL;
                close_connection(c);
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
