/*
 * One session that does nothing but wait. What ends a connection silently (a firewall that forgets
 * it, a machine without power) is noticed by keep-alives of the socket, and at the latest by a
 * small query once a minute. What a notification carries is never looked at.
 *
 * Through a pooler of transactions nothing would come: its server has many clients, and we are not
 * on it while we wait. It is recognised as by lock.c, before a LISTEN that would stay there.
 */
#include "ingest/source/postgres/listen.h"

#include <string.h>

#include "ingest/source/postgres/sql.h"

#define PING_EVERY_MS  60000
#define PING_ANSWER_MS 30000     /* the server is busy, or gone */
#define LISTEN_SQL_MAX (1 << 20) /* all channels of a configuration */

struct pg_listen {
        struct pg_source *source; /* borrowed */
        struct source_listener listener;
        struct loop_timer *timer;
        bool waiting; /* for the answer to a ping */
        bool ended;
};

static const char settings_sql[] =
        "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings"
        " WHERE name IN ('idle_session_timeout', 'statement_timeout')";

static void end(struct pg_listen *l, const struct err *e)
{
        if (l->ended)
                return;
        l->ended = true;
        loop_timer_stop(l->timer);
        l->listener.on_end(l->listener.ctx, e);
}

static void on_channel(void *ctx, const char *channel)
{
        struct pg_listen *l = ctx;

        for (size_t i = 0; !l->ended && i < l->listener.channel_count; i++)
                if (strcmp(channel, l->listener.channels[i]) == 0)
                        l->listener.on_notify(l->listener.ctx, i);
}

/* Something came while the session was idle, or with an answer. */
static void on_input(void *ctx)
{
        struct pg_listen *l = ctx;
        struct err e;

        if (l->ended)
                return;
        if (pg_conn_take_notices(l->source->conn, on_channel, l, &e) != 0)
                end(l, &e);
}

/* ---- pings ---- */

static void on_pong(void *ctx, int rc, const PGresult *result, const struct err *e)
{
        struct pg_listen *l = ctx;

        (void)result;
        l->waiting = false;
        if (rc) {
                end(l, e);
                return;
        }
        on_input(l);
        if (!l->ended)
                loop_timer_set(l->timer, PING_EVERY_MS);
}

static void on_timer(void *ctx)
{
        struct pg_listen *l = ctx;
        struct err e;

        if (l->waiting) {
                err_set(&e, ERR_RETRY, "the server has not answered for %d s",
                        PING_ANSWER_MS / 1000);
                end(l, &e);
                return;
        }
        l->waiting = true;
        loop_timer_set(l->timer, PING_ANSWER_MS);
        pg_conn_exec(l->source->conn, "SELECT 1", on_pong, l);
}

/* ---- the beginning ---- */

static int refuse_pooler(struct pg_source *s, struct err *e)
{
        cleanup_(pg_result_freep) PGresult *r = NULL;
        int64_t pid = 0;
        int rc = pg_conn_ask_wait(s->conn, "SELECT pg_catalog.pg_backend_pid()", &r, e);

        if (rc)
                return rc;
        if (PQntuples(r) == 1)
                (void)str_to_int64(str_of(PQgetvalue(r, 0, 0)), &pid);
        if (pid == pg_conn_backend(s->conn))
                return 0;
        return err_set(e, ERR_CONFIG,
                "source %s: a pooler stands between us and the server, and notifications do not "
                "pass it: use a dsn that leads to the server itself, or leave 'notify' out",
                s->config->name);
}

static int subscribe(struct pg_listen *l, struct err *e)
{
        cleanup_buf_ struct buf sql = BUF_INIT(LISTEN_SQL_MAX);

        for (size_t i = 0; i < l->listener.channel_count; i++) {
                buf_puts(&sql, "LISTEN ");
                pg_sql_ident(&sql, str_of(l->listener.channels[i]));
                buf_puts(&sql, "; ");
        }
        buf_puts(&sql, settings_sql);
        if (!buf_cstr(&sql))
                return buf_check(&sql, "the channels", e);
        int rc = pg_conn_exec_wait(l->source->conn, sql.data, e);
        return rc ? err_wrap(e, rc, "LISTEN at source %s", l->source->config->name) : 0;
}

struct pg_listen *pg_listen_free(struct pg_listen *l)
{
        if (l) {
                loop_timer_free(l->timer);
                free(l);
        }
        return NULL;
}

int pg_listen(struct source *source, const struct source_listener *listener, struct err *e)
{
        struct pg_source *s = (struct pg_source *)source;

        if (s->listen)
                return err_set(e, ERR_BUG, "a source that listens twice");
        struct pg_listen *l = calloc(1, sizeof(*l));
        if (!l)
                return err_nomem(e, "a listener");
        s->listen = l;
        l->source = s;
        l->listener = *listener;
        int rc = loop_timer_new(s->loop, on_timer, l, &l->timer, e);
        if (!rc)
                rc = refuse_pooler(s, e);
        if (!rc)
                rc = subscribe(l, e);
        if (rc)
                return rc;
        pg_conn_on_idle(s->conn, on_input, l);
        loop_timer_set(l->timer, PING_EVERY_MS);
        return 0;
}
