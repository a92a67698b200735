/*
 * conn_state.h: what the two halves of a connection share: conn.c (commands and
 * rows) and connect.c (how it comes about). Nobody else includes it.
 */
#pragma once

#include "ingest/source/postgres/conn.h"

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
        loop_fn on_idle; /* NULL: nobody waits for what comes by itself */
        void *idle_ctx;
        loop_fn on_stopped;
        void *stopped_ctx;
        PGresult *result; /* of the command under way: the first error, or the last */
        struct pg_cancel *cancel;
        int failed; /* -class of a completion that waits for `soon` */
        struct err err;
        size_t first_host; /* of the dsn's list: those before it did not answer */
        char host[256];    /* that is being tried: its timer runs */
};

/** pg_conn_set_state() - the one place where states change */
void pg_conn_set_state(struct pg_conn *c, enum pg_conn_state state);

/** pg_conn_close() - to CLOSED, from any state; no completion */
void pg_conn_close(struct pg_conn *c);

/** pg_conn_complete() - tells who waits; @c may be gone when it returns */
void pg_conn_complete(struct pg_conn *c, int rc, const struct err *e);

/** pg_conn_fail_soon() - the completion of what failed at once, with c->err, from the loop */
void pg_conn_fail_soon(struct pg_conn *c, int rc);

/** pg_conn_on_socket() - the watch of the socket */
void pg_conn_on_socket(void *ctx, bool readable, bool writable);

/** pg_connect_poll() - the socket of a connection attempt is ready */
void pg_connect_poll(struct pg_conn *c);

/** pg_connect_timed_out() - the host that is tried did not answer in time */
void pg_connect_timed_out(struct pg_conn *c);
