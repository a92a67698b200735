/*
 * The session that holds the lock must live as long as the run and die with it. So its time limits
 * are lifted, and the server is told to look after the client often: the session of a machine that
 * lost its power would otherwise keep the lock for hours. A session that we lost ourselves is
 * ended by its number before the lock is taken again.
 *
 * A pooler is recognised by the number of the server's process: it makes up the one that clients
 * are told when they connect. Taken there by a session, the lock would stay with a connection of
 * the pool after we have gone, and lock out everybody.
 */
#include "ingest/source/postgres/lock.h"

#include <inttypes.h>
#include <stdio.h>

/* Between two tries: short at first, since a holder that has just closed is gone within moments. */
#define LOCK_POLL_MS     20
#define LOCK_POLL_MAX_MS 500

#define LOCK_BUSY    1
#define LOCK_SQL_MAX 2048
#define HOLDER_MAX   512

struct pg_lock {
        struct pg_source *source; /* borrowed */
        struct pg_conn *conn;     /* owned */
        uint64_t key;
        int64_t wait_ms;
        bool pooled;
        int64_t backend, started_us; /* the session that is to hold it; 0: none yet */
};

/* Within half a minute a client that vanished is noticed: as long as others wait for its lock. */
static const char settings_sql[] =
        "SELECT pg_catalog.set_config(s.name, v.value, %s) FROM (VALUES"
        " ('idle_session_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),"
        " ('transaction_timeout', '0'), ('tcp_keepalives_idle', '10'),"
        " ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3')) v (name, value)"
        " JOIN pg_catalog.pg_settings s ON s.name = v.name";

static const char session_sql[] =
        "SELECT pid, (EXTRACT(epoch FROM backend_start) * 1000000)::bigint"
        " FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()";

static const char end_session_sql[] =
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
        " WHERE pid = %" PRId64
        " AND (EXTRACT(epoch FROM backend_start) * 1000000)::bigint = %" PRId64;

/* Where pg_locks shows a key of 64 bits. */
#define KEY_SQL                                                                                    \
        "l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = '%u'::oid"       \
        " AND l.objid = '%u'::oid AND l.database = (SELECT oid FROM pg_catalog.pg_database"        \
        " WHERE datname = pg_catalog.current_database())"

static const char held_sql[] = "SELECT 1 FROM pg_catalog.pg_locks l WHERE l.pid = "
                               "pg_catalog.pg_backend_pid() AND " KEY_SQL;

/* Of other roles' sessions the server shows the name only, unless it trusts us. */
static const char holder_sql[] =
        "SELECT l.pid, a.application_name, pg_catalog.host(a.client_addr),"
        " a.backend_start::timestamptz(0)"
        " FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
        " WHERE " KEY_SQL;

static unsigned key_high(const struct pg_lock *l)
{
        return (unsigned)(l->key >> 32);
}

static unsigned key_low(const struct pg_lock *l)
{
        return (unsigned)(l->key & UINT32_MAX);
}

static int64_t number_at(const PGresult *r, int column)
{
        int64_t n = 0;

        (void)str_to_int64(str_of(PQgetvalue(r, 0, column)), &n);
        return n;
}

/* ---- the session ---- */

static int identify(struct pg_lock *l, int64_t *backend, int64_t *started_us, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *r = NULL;
        int rc = pg_conn_ask_wait(l->conn, session_sql, &r, e);

        if (rc)
                return rc;
        if (PQntuples(r) != 1)
                return err_set(e, ERR_BUG, "the server does not say which process serves us");
        *backend = number_at(r, 0);
        *started_us = number_at(r, 1);
        l->pooled = *backend != pg_conn_backend(l->conn);
        return 0;
}

static int prepare_session(struct pg_lock *l, struct err *e)
{
        char settings[LOCK_SQL_MAX], sql[LOCK_SQL_MAX + 32];

        snprintf(settings, sizeof(settings), settings_sql, l->pooled ? "true" : "false");
        snprintf(sql, sizeof(sql), "%s%s", l->pooled ? "BEGIN READ ONLY; " : "", settings);
        return pg_conn_exec_wait(l->conn, sql, e);
}

/* The session that held the lock, if the server has not noticed yet that we left it. */
static void end_former(struct pg_lock *l)
{
        char sql[LOCK_SQL_MAX];
        struct err e;

        if (!l->backend || l->pooled)
                return;
        snprintf(sql, sizeof(sql), end_session_sql, l->backend, l->started_us);
        if (pg_conn_exec_wait(l->conn, sql, &e) != 0)
                log_debug(l->source->log, "the former session: %s", e.text);
}

static int open_session(struct pg_lock *l, struct err *e)
{
        const struct pg_source *s = l->source;
        int64_t backend = 0, started_us = 0;

        l->conn = pg_conn_free(l->conn);
        int rc = pg_conn_new(s->options, s->loop, s->log, &l->conn, e);
        if (!rc)
                rc = pg_conn_connect_wait(l->conn, e);
        if (!rc)
                rc = identify(l, &backend, &started_us, e);
        if (!rc)
                end_former(l);
        if (!rc)
                rc = prepare_session(l, e);
        if (rc)
                return rc;
        l->backend = backend;
        l->started_us = started_us;
        return 0;
}

/* ---- the lock ---- */

/* Return: 0 it is ours; LOCK_BUSY; -class. */
static int try_lock(struct pg_lock *l, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *r = NULL;
        char sql[LOCK_SQL_MAX];

        snprintf(sql, sizeof(sql), "SELECT pg_catalog.pg_try_advisory_%slock(%" PRId64 ")",
                l->pooled ? "xact_" : "", (int64_t)l->key);
        int rc = pg_conn_ask_wait(l->conn, sql, &r, e);
        if (rc)
                return rc;
        return PQntuples(r) == 1 && *PQgetvalue(r, 0, 0) == 't' ? 0 : LOCK_BUSY;
}

/* "process 4711 (erp2couch, from 10.0.0.7, since 2026-10-08 12:00:00+00)" */
static void describe_holder(const PGresult *r, char *out, size_t size)
{
        const char *name = PQgetvalue(r, 0, 1), *since = PQgetvalue(r, 0, 3);
        const char *address = PQgetvalue(r, 0, 2);
        bool local = PQgetisnull(r, 0, 2) && !PQgetisnull(r, 0, 3);

        snprintf(out, size, "process %s of the server (%s%s%s%s%s)", PQgetvalue(r, 0, 0),
                name[0] ? name : "without a name",
                local        ? ", from the server's own machine"
                : address[0] ? ", from "
                             : "",
                address, since[0] ? ", since " : "", since);
}

/* Return: -ERR_LOCKED with the holder's name; another -class where the server did not say. */
static int locked_error(struct pg_lock *l, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *r = NULL;
        char sql[LOCK_SQL_MAX], holder[HOLDER_MAX] = "a process that has just ended";

        snprintf(sql, sizeof(sql), holder_sql, key_high(l), key_low(l));
        int rc = pg_conn_ask_wait(l->conn, sql, &r, e);
        if (rc)
                return rc;
        if (PQntuples(r) > 0)
                describe_holder(r, holder, sizeof(holder));
        return err_set(e, ERR_LOCKED,
                "another run of this mapper, here or on another machine, holds its lock in the "
                "source's database: %s; wait for it to end",
                holder);
}

static int wait_for_lock(struct pg_lock *l, struct err *e)
{
        struct loop *loop = l->source->loop;
        int64_t end_ms = loop_now_ms(loop) + l->wait_ms;

        for (int64_t poll_ms = LOCK_POLL_MS;; poll_ms *= 2) {
                int rc = try_lock(l, e);
                if (rc != LOCK_BUSY)
                        return rc;
                rc = locked_error(l, e);
                int64_t left_ms = end_ms - loop_now_ms(loop);
                if (rc != -ERR_LOCKED || left_ms <= 0)
                        return rc;
                if (poll_ms > LOCK_POLL_MAX_MS)
                        poll_ms = LOCK_POLL_MAX_MS;
                else if (poll_ms == 8 * LOCK_POLL_MS)
                        log_info(l->source->log, "%s; trying for %" PRId64 " s", e->text,
                                (l->wait_ms + 999) / 1000);
                rc = loop_sleep(loop, left_ms < poll_ms ? left_ms : poll_ms, e);
                if (rc)
                        return rc;
        }
}

/* Return: 0 it is ours; LOCK_BUSY: not any more; -class. */
static int ask_held(struct pg_lock *l, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *r = NULL;
        char sql[LOCK_SQL_MAX];

        if (!l->conn)
                return err_set(e, ERR_RETRY, "there is no connection");
        snprintf(sql, sizeof(sql), held_sql, key_high(l), key_low(l));
        int rc = pg_conn_ask_wait(l->conn, sql, &r, e);
        if (rc)
                return rc;
        if (PQntuples(r) > 0)
                return 0;
        err_set(e, ERR_RETRY, "the server has released it");
        return LOCK_BUSY;
}

/* Servers that speak the protocol but have no such locks, or not for our role. */
static bool is_refusal(int rc, const struct err *e)
{
        static const char *const states[] = {"0A000", "42501", "42883"};

        for (size_t i = 0; rc == -ERR_CONFIG && i < sizeof(states) / sizeof(states[0]); i++)
                if (strcmp(e->sqlstate, states[i]) == 0)
                        return true;
        return false;
}

int pg_lock_take(
        struct pg_source *s, uint64_t key, int64_t wait_ms, struct pg_lock **out, struct err *e)
{
        cleanup_(pg_lock_freep) struct pg_lock *l = calloc(1, sizeof(*l));

        if (!l)
                return err_nomem(e, "a lock");
        *l = (struct pg_lock){.source = s, .key = key, .wait_ms = wait_ms};
        int rc = open_session(l, e);
        if (!rc)
                rc = wait_for_lock(l, e);
        if (is_refusal(rc, e)) {
                log_warn(s->log,
                        "no lock across machines: the server refuses pg_try_advisory_lock "
                        "(SQLSTATE %s); permit it to the source's user, or see to it that a "
                        "mapper does not run on two machines at once",
                        e->sqlstate);
                return PG_LOCK_NONE;
        }
        if (rc)
                return err_wrap(e, rc, "source %s: lock", s->config->name);
        log_debug(s->log, "lock %016" PRIx64 " is held by process %" PRId64 " of the server%s", key,
                l->backend, l->pooled ? ", behind a pooler, in a transaction" : "");
        *out = TAKE(l);
        return 0;
}

int pg_lock_check(struct pg_lock *l, struct err *e)
{
        int rc = ask_held(l, e);

        if (rc == 0 || rc == -ERR_CANCEL || rc == -ERR_NOMEM)
                return rc;
        log_warn(l->source->log, "the lock across machines was lost: %s; taking it again", e->text);
        rc = open_session(l, e);
        if (!rc)
                rc = wait_for_lock(l, e);
        if (rc)
                l->conn = pg_conn_free(l->conn);
        return rc ? err_wrap(e, rc, "source %s: the lock was lost during the run",
                            l->source->config->name)
                  : 0;
}

struct pg_lock *pg_lock_free(struct pg_lock *l)
{
        if (!l)
                return NULL;
        pg_conn_free(l->conn);
        free(l);
        return NULL;
}
