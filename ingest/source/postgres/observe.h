/*
 * observe.h: what is going on in the database just before a read.
 *
 * A row can be stamped early and committed late. Whoever reads by a cursor must know which
 * transactions were open before its snapshot was taken, or a row of theirs ends up behind the
 * cursor for ever (PROTOCOL.md section 5). Works for a role without extra rights: pg_locks shows
 * all virtual transactions to everybody, pg_stat_activity hides their starts.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/source/postgres/conn.h"

#define PG_START_HIDDEN INT64_MIN

/* The expression for the position in the write-ahead log. Of a primary what was inserted, not what
 * was written: a commit may be visible before it is written. */
#define PG_OBSERVE_WAL                                                                             \
        "pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery()"                      \
        " THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_insert_lsn()"    \
        " END, '0/0')::bigint"

/* The expression for when the server was started, in microseconds: tells servers apart. */
#define PG_OBSERVE_STARTED                                                                         \
        "(EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time())::numeric * 1000000::numeric)"  \
        "::bigint"

struct pg_open_transaction {
        const char *id;     /* virtual transaction id, BACKEND/NUMBER */
        const char *holder; /* "process 4711": for the log */
        int64_t start_us;   /* wall time; PG_START_HIDDEN: this role may not see it */
};

struct pg_observation {
        const char *system; /* identifier of the cluster; "" where this role may not see it */
        int64_t timeline, database;
        int64_t server_start_us;
        bool standby;
        int64_t wal; /* position in the write-ahead log: inserted, or on a standby replayed */
        int64_t now_us;
        const struct pg_open_transaction *open; /* of this database */
        size_t open_count;
        const char *prepared; /* a prepared transaction of this database; NULL: there is none */
};

/** pg_observe() - the observation, with @c idle and outside of a transaction; runs the loop
 * @arena: where the observation lives
 * Return: 0; -ERR_RETRY; -ERR_CONFIG; -ERR_CANCEL. */
int pg_observe(struct pg_conn *c, struct arena *arena, struct pg_observation *out, struct err *e)
        __attribute__((warn_unused_result));
