/*
 * libpq's socket may change with every PQconnectPoll(), even to another one of the same number,
 * so the watch is made anew each time.
 *
 * In asynchronous use libpq has no time limit of its own and would wait for a host that does not
 * answer for ever: the limit is a timer that starts again with each host, and where it fires the
 * attempt is made again with the hosts behind that one.
 */
#include "ingest/source/postgres/conn_state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "ingest/source/postgres/dsn.h"
#include "ingest/source/postgres/error.h"

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
        int rc = loop_fd_new(c->loop, PQsocket(c->pg), pg_conn_on_socket, c, &c->watch, e);

        if (!rc)
                loop_fd_set(c->watch, readable, writable);
        return rc;
}

/* @c may be gone when this returns. */
static void fail_connecting(struct pg_conn *c, int rc, struct err *e)
{
        rc = wrap_where(c, rc, e);
        pg_conn_close(c);
        pg_conn_complete(c, rc, e);
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

        pg_conn_set_state(c, PG_IDLE);
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
        pg_conn_complete(c, 0, NULL);
}

void pg_connect_poll(struct pg_conn *c)
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
        pg_conn_close(c);
        c->fn = fn;
        c->ctx = ctx;
        c->first_host = 0;
        pg_conn_set_state(c, PG_CONNECTING);
        int rc = begin_connecting(c, &c->err);
        if (rc) {
                pg_conn_close(c);
                pg_conn_fail_soon(c, rc);
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

void pg_connect_timed_out(struct pg_conn *c)
{
        ConnStatusType status = PQstatus(c->pg);
        bool there = status != CONNECTION_STARTED && status != CONNECTION_NEEDED &&
                     status != CONNECTION_BAD;
        struct err e;
        int rc = err_set(&e, ERR_RETRY, "no answer within %lld ms (connect_timeout); %s",
                (long long)connect_timeout_ms(c),
                there ? "something listens there: is it PostgreSQL?"
                      : "check host and port in the dsn, and firewalls on the way");

        if (!skip_host(c)) {
                fail_connecting(c, rc, &e);
                return;
        }
        pg_conn_close(c);
        pg_conn_set_state(c, PG_CONNECTING);
        rc = begin_connecting(c, &e);
        if (rc) {
                pg_conn_close(c);
                pg_conn_complete(c, rc, &e);
        }
}
