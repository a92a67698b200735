/*
 * Each question is a statement of its own, and their order matters: the clock first, then who is
 * open, then when they started. A transaction that begins after the clock was read is stamped
 * later than it; one that ends before the snapshot is in it.
 */
#include "ingest/source/postgres_observe.h"

#include <stdio.h>
#include <string.h>

#include "ingest/base/str.h"

#define HOLDER_MAX 128 /* bytes of "process 4711 (application)" */

static const char identity_full[] =
        "SELECT s.system_identifier, CASE WHEN pg_catalog.pg_is_in_recovery() THEN c.timeline_id "
        "ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name("
        "pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END,";
static const char identity_plain[] = "SELECT '', 0,";
static const char identity_rest[] =
        " (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),"
        " (EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint,"
        " pg_catalog.pg_is_in_recovery()::int,"
        " pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery()"
        "  THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END,"
        "  '0/0')::bigint";
static const char identity_from[] =
        " FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c";

static const char clock_sql[] =
        "SELECT (EXTRACT(epoch FROM pg_catalog.statement_timestamp()) * 1000000)::bigint";

static const char open_sql[] =
        "SELECT l.virtualtransaction, l.pid FROM pg_catalog.pg_locks l"
        " WHERE l.locktype = 'virtualxid' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()"
        " ORDER BY 1";

/* Transactions of other databases write nothing into ours. */
static const char starts_sql[] =
        "SELECT a.pid, (EXTRACT(epoch FROM a.xact_start) * 1000000)::bigint,"
        " (a.datid IS NOT NULL AND a.datid <> 0 AND a.datid <> (SELECT oid FROM "
        "pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))::int,"
        " a.application_name FROM pg_catalog.pg_stat_activity a WHERE a.pid IS NOT NULL"
        " ORDER BY 1";

static const char prepared_sql[] = "SELECT gid FROM pg_catalog.pg_prepared_xacts"
                                   " WHERE database = pg_catalog.current_database() LIMIT 1";

/* ---- the questions ---- */

static int64_t number_at(const PGresult *result, int row, int column)
{
        int64_t n = 0;

        (void)str_to_int64(str_of(PQgetvalue(result, row, column)), &n);
        return n;
}

static int ask_identity(struct pg_conn *c, bool full, PGresult **out, struct err *e)
{
        char sql[sizeof(identity_full) + sizeof(identity_rest) + sizeof(identity_from)];

        snprintf(sql, sizeof(sql), "%s%s%s", full ? identity_full : identity_plain, identity_rest,
                full ? identity_from : "");
        return pg_conn_ask_wait(c, sql, out, e);
}

static int observe_identity(
        struct pg_conn *c, struct arena *arena, struct pg_observation *o, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *r = NULL;
        int rc = ask_identity(c, true, &r, e);

        /* Some hosters keep the control file to themselves. */
        if (rc == -ERR_CONFIG)
                rc = ask_identity(c, false, &r, e);
        if (rc)
                return rc;
        if (PQntuples(r) != 1)
                return err_set(e, ERR_BUG, "the server does not say which one it is");
        o->system = arena_strdup(arena, str_of(PQgetvalue(r, 0, 0)));
        o->timeline = number_at(r, 0, 1);
        o->database = number_at(r, 0, 2);
        o->server_start_us = number_at(r, 0, 3);
        o->standby = number_at(r, 0, 4) != 0;
        o->wal = number_at(r, 0, 5);
        return o->system ? 0 : arena_failed(arena, "an observation", e);
}

static int observe_clock(struct pg_conn *c, struct pg_observation *o, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *r = NULL;
        int rc = pg_conn_ask_wait(c, clock_sql, &r, e);

        if (rc)
                return rc;
        o->now_us = number_at(r, 0, 0);
        return o->now_us > 0 ? 0 : err_set(e, ERR_BUG, "the server does not say what time it is");
}

/* The row of @starts about the process @pid; -1: it has ended. */
static int row_of(const PGresult *starts, int64_t pid)
{
        for (int i = 0; i < PQntuples(starts); i++)
                if (number_at(starts, i, 0) == pid)
                        return i;
        return -1;
}

static int take_open(const PGresult *open, const PGresult *starts, struct arena *arena,
        struct pg_observation *o, struct err *e)
{
        size_t count = (size_t)PQntuples(open);
        struct pg_open_transaction *items = arena_array(arena, count + 1, sizeof(*items));
        char holder[HOLDER_MAX];

        if (!items)
                return arena_failed(arena, "an observation", e);
        o->open = items;
        for (int i = 0; i < (int)count; i++) {
                struct pg_open_transaction *t = &items[o->open_count];
                int at = row_of(starts, number_at(open, i, 1));
                const char *name = at < 0 ? "" : PQgetvalue(starts, at, 3);
                if (at >= 0 && number_at(starts, at, 2))
                        continue;
                snprintf(holder, sizeof(holder), "process %s%s%s%s", PQgetvalue(open, i, 1),
                        name[0] ? " (" : "", name, name[0] ? ")" : "");
                t->id = arena_strdup(arena, str_of(PQgetvalue(open, i, 0)));
                t->holder = arena_strdup(arena, str_of(holder));
                t->start_us = at < 0 || PQgetisnull(starts, at, 1) ? PG_START_HIDDEN
                                                                   : number_at(starts, at, 1);
                if (!t->id || !t->holder)
                        return arena_failed(arena, "an observation", e);
                o->open_count++;
        }
        return 0;
}

static int observe_open(
        struct pg_conn *c, struct arena *arena, struct pg_observation *o, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *open = NULL;
        cleanup_(pg_result_freep) PGresult *starts = NULL;
        int rc = pg_conn_ask_wait(c, open_sql, &open, e);

        if (!rc)
                rc = pg_conn_ask_wait(c, starts_sql, &starts, e);
        return rc ? rc : take_open(open, starts, arena, o, e);
}

static int observe_prepared(
        struct pg_conn *c, struct arena *arena, struct pg_observation *o, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *r = NULL;
        int rc = pg_conn_ask_wait(c, prepared_sql, &r, e);

        if (rc || PQntuples(r) == 0)
                return rc;
        o->prepared = arena_strdup(arena, str_of(PQgetvalue(r, 0, 0)));
        return o->prepared ? 0 : arena_failed(arena, "an observation", e);
}

int pg_observe(struct pg_conn *c, struct arena *arena, struct pg_observation *out, struct err *e)
{
        struct pg_observation o = {0};
        int rc = observe_identity(c, arena, &o, e);

        if (!rc)
                rc = observe_clock(c, &o, e);
        if (!rc)
                rc = observe_open(c, arena, &o, e);
        if (!rc)
                rc = observe_prepared(c, arena, &o, e);
        if (!rc)
                *out = o;
        return rc;
}
