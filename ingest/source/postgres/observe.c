/*
 * Each question is a statement of its own, and their order matters: the clock first, then who is
 * open, then when they started. A transaction that begins after the clock was read is stamped
 * later than it; one that ends before the snapshot is in it.
 */
#include "ingest/source/postgres/observe.h"

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
        " " PG_OBSERVE_STARTED ","
        " pg_catalog.pg_is_in_recovery()::int,"
        " " PG_OBSERVE_WAL;
static const char identity_from[] =
        " FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c";

static const char clock_sql[] =
        "SELECT (EXTRACT(epoch FROM pg_catalog.statement_timestamp())::numeric * 1000000::numeric)"
        "::bigint";

static const char open_sql[] =
        "SELECT l.virtualtransaction, l.pid FROM pg_catalog.pg_locks l"
        " WHERE l.locktype = 'virtualxid' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()"
        " ORDER BY 1";

/* What writes no rows of ours: whoever is in another database, and those without a user
 * (autovacuum, which may work for hours). That much is visible to any role. */
static const char starts_sql[] =
        "SELECT a.pid, (EXTRACT(epoch FROM a.xact_start)::numeric * 1000000::numeric)::bigint,"
        " (a.usesysid IS NULL OR (a.datid <> 0::oid AND a.datid <> (SELECT oid FROM "
        "pg_catalog.pg_database WHERE datname = pg_catalog.current_database())))::int,"
        " a.application_name, (a.state = 'idle')::int FROM pg_catalog.pg_stat_activity a"
        " WHERE a.pid IS NOT NULL ORDER BY 1";

enum starts_column { S_PID, S_START, S_OTHER, S_NAME, S_IDLE };

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

/* The row of @starts about the process @pid; -1: there is none. */
static int row_of(const PGresult *starts, int64_t pid)
{
        for (int i = 0; i < PQntuples(starts); i++)
                if (number_at(starts, i, S_PID) == pid)
                        return i;
        return -1;
}

/* Whether backend @id had a transaction in the second look at the locks. */
static bool is_still_open(const PGresult *again, const char *id)
{
        size_t len = strcspn(id, "/") + 1;

        for (int i = 0; i < PQntuples(again); i++)
                if (strncmp(PQgetvalue(again, i, 0), id, len) == 0)
                        return true;
        return false;
}

struct looks {
        const PGresult *open, *starts, *again; /* again: the same as open, after starts */
};

/* Only those that are still open count: what ended by now is in the snapshot to come. That a
 * transaction ended is known of a backend that has none any more, or is idle; while it is in
 * another one, both may belong to one message and share a start. */
static bool concerns_us(const struct looks *l, int row, int at)
{
        if (at < 0)
                return false;
        if (number_at(l->starts, at, S_OTHER) || number_at(l->starts, at, S_IDLE))
                return false;
        return !PQgetisnull(l->starts, at, S_START) ||
               is_still_open(l->again, PQgetvalue(l->open, row, 0));
}

static int take_transaction(const struct looks *l, int row, int at, struct arena *arena,
        struct pg_open_transaction *t, struct err *e)
{
        const char *name = PQgetvalue(l->starts, at, S_NAME);
        char holder[HOLDER_MAX];

        snprintf(holder, sizeof(holder), "process %s%s%s%s", PQgetvalue(l->open, row, 1),
                name[0] ? " (" : "", name, name[0] ? ")" : "");
        t->id = arena_strdup(arena, str_of(PQgetvalue(l->open, row, 0)));
        t->holder = arena_strdup(arena, str_of(holder));
        t->start_us = PQgetisnull(l->starts, at, S_START) ? PG_START_HIDDEN
                                                          : number_at(l->starts, at, S_START);
        return t->id && t->holder ? 0 : arena_failed(arena, "an observation", e);
}

static int take_open(
        const struct looks *l, struct arena *arena, struct pg_observation *o, struct err *e)
{
        int count = PQntuples(l->open), rc = 0;
        struct pg_open_transaction *items = arena_array(arena, (size_t)count + 1, sizeof(*items));

        if (!items)
                return arena_failed(arena, "an observation", e);
        o->open = items;
        for (int i = 0; !rc && i < count; i++) {
                int at = row_of(l->starts, number_at(l->open, i, 1));
                if (!concerns_us(l, i, at))
                        continue;
                rc = take_transaction(l, i, at, arena, &items[o->open_count], e);
                o->open_count += !rc;
        }
        return rc;
}

static int observe_open(
        struct pg_conn *c, struct arena *arena, struct pg_observation *o, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *open = NULL;
        cleanup_(pg_result_freep) PGresult *starts = NULL;
        cleanup_(pg_result_freep) PGresult *again = NULL;
        int rc = pg_conn_ask_wait(c, open_sql, &open, e);

        if (!rc)
                rc = pg_conn_ask_wait(c, starts_sql, &starts, e);
        if (!rc)
                rc = pg_conn_ask_wait(c, open_sql, &again, e);
        return rc ? rc : take_open(&(struct looks){open, starts, again}, arena, o, e);
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
