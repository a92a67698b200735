/*
 * postgres.h: the PostgreSQL connector, as its parts see it. Everybody else uses source.h.
 *
 *   postgres.c           options, open, describe, close
 *   read.c      a read: connections, snapshot, COPY, records
 *   since.c     the position of a mapper; observe.c asks, position.c
 *                        decides, position_text.c prints and parses, cursor.c
 *                        compares
 *   lock.c      the lock across machines
 *   describe.c  a table or query and its columns
 *   shape.c     shapes; select.c: the statements that read them
 *   catalog.c   tables, columns, keys and children; key.c: keys nobody declared
 *   conn.c      one connection on the loop; connect.c: how it comes about
 *   pushed.c             records that somebody pushes; convert.c: their values
 *   listen.c             notifications
 *   types.c copy.c sql.c dsn.c error.c
 */
#pragma once

#include "ingest/source/postgres/conn.h"
#include "ingest/source/source.h"

struct pg_read;
struct pg_since;
struct pg_target;

struct pg_source {
        struct source_base base;
        const struct source_config *config;
        const struct pg_options *options; /* in the configuration's arena */
        struct loop *loop;
        const struct log *log;
        struct pg_conn *conn;     /* owned; NULL while a read uses it */
        struct pg_read *reads;    /* owned, ended ones too until the next call */
        struct pg_since *since;   /* owned; NULL: nothing was observed */
        struct pg_lock *lock;     /* owned; NULL: none is held */
        struct pg_listen *listen; /* owned; NULL: it does not */
};

/* What a read is to deliver. */
enum pg_what { PG_ALL, PG_SINCE, PG_BY_KEYS, PG_KEYS, PG_DELETED };

struct pg_request {
        enum pg_what what;
        const struct value *keys; /* of PG_BY_KEYS */
        size_t key_rows;
};

/** pg_sql_begin() - begins a transaction for reading, with the settings that fix the form of values
 * @snapshot: of another transaction, or NULL
 * The settings hold in the transaction only, so that a pooler between us and the server cannot
 * mix them up. */
void pg_sql_begin(
        const struct pg_source *s, const struct pg_conn *c, const char *snapshot, struct buf *sql);

/** pg_source_begin() - a transaction on the source's own connection, which is opened again where
 * it is gone; runs the loop */
int pg_source_begin(struct pg_source *s, struct err *e) __attribute__((warn_unused_result));

/** pg_discover() - see source_discover() */
int pg_discover(struct source *source, const struct catalog_query *q, struct arena *arena,
        struct catalog *out, struct err *e) __attribute__((warn_unused_result));

/** pg_key_seen() - looks for a key in the first rows of @t, which has none; runs the loop
 * In a transaction that is ended after it: it may be left failed, and its time-out is short.
 * Sets @t->key, key_from and key_rows; without a candidate they stay as they are.
 * Return: 0, also where the rows could not be read in time; -class: cancelled, out of memory. */
int pg_key_seen(struct pg_source *s, struct catalog_table *t, struct arena *arena, struct err *e)
        __attribute__((warn_unused_result));

/** pg_targets_new() - the targets of @x in @arena: the parent, then its children */
int pg_targets_new(const struct extract *x, struct arena *arena, struct pg_target **out,
        size_t *count, struct err *e) __attribute__((warn_unused_result));

/** pg_source_targets() - the targets of @x, described; leaves the transaction open; runs the loop
 */
int pg_source_targets(struct pg_source *s, const struct extract *x, struct arena *arena,
        struct pg_target **targets, size_t *count, struct err *e)
        __attribute__((warn_unused_result));

/** pg_convert() - see source_convert() */
int pg_convert(struct source *source, const struct extract *x, const struct shape *shape,
        struct source_pushed *items, size_t count, struct arena *arena, struct err *e)
        __attribute__((warn_unused_result));

/** pg_listen() - see source_listen() */
int pg_listen(struct source *source, const struct source_listener *listener, struct err *e)
        __attribute__((warn_unused_result));

/* The operations of a read: see source.h. */
int pg_read_start(struct pg_source *s, const struct extract *x, const struct shape *shape,
        const struct pg_request *request, const struct source_sink *sink, struct source_read **out,
        struct err *e) __attribute__((warn_unused_result));
void pg_read_resume(struct source_read *read);
void pg_read_cancel(struct source_read *read);

/** pg_reads_reap() - frees the reads that have ended; with @all the others too, after their
 * servers were asked to stop (runs the loop; their on_end is not called) */
void pg_reads_reap(struct pg_source *s, bool all);
