/*
 * One connection per source, opened once and lent to one read at a time; whoever finds none
 * opens another. A connection that failed is not repaired but replaced by the next user.
 */
#include "ingest/source/postgres/postgres.h"

#include <stddef.h>
#include <stdlib.h>

#include "ingest/source/postgres/describe.h"
#include "ingest/source/postgres/dsn.h"
#include "ingest/source/postgres/listen.h"
#include "ingest/source/postgres/lock.h"
#include "ingest/source/postgres/near.h"
#include "ingest/source/postgres/query.h"
#include "ingest/source/postgres/since.h"
#include "ingest/source/postgres/sql.h"

#define DAY_MS             (INT64_C(86400) * 1000)
#define DESCRIBE_ARENA_MAX (64 << 20) /* columns of one extract */

static const struct option pg_option_items[] = {
        {.name = "dsn",
                .type = OPTION_STRING,
                .offset = offsetof(struct pg_options, dsn),
                .required = true,
                .secret = true,
                .help = "How to connect: postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=... "
                        "or keywords and values, as libpq takes them."},
        {.name = "connect_timeout",
                .type = OPTION_DURATION,
                .offset = offsetof(struct pg_options, connect_timeout_ms),
                .present_offset = offsetof(struct pg_options, connect_timeout_given),
                .default_text = "10s",
                .min = 100,
                .max = DAY_MS,
                .help = "How long one host may take to answer."},
        {.name = "statement_timeout",
                .type = OPTION_DURATION,
                .offset = offsetof(struct pg_options, statement_timeout_ms),
                .present_offset = offsetof(struct pg_options, statement_timeout_given),
                .max = 24 * DAY_MS,
                .help = "How long one statement may take, reading all its rows included; 0: for "
                        "ever; absent: as the server is set."},
        {.name = "application_name",
                .type = OPTION_STRING,
                .offset = offsetof(struct pg_options, application_name),
                .present_offset = offsetof(struct pg_options, application_name_given),
                .default_text = "erp2couch",
                .help = "The name that pg_stat_activity shows."},
};

static OPTION_TABLE(pg_option_table, "postgres source", pg_option_items);

/* Whether it says nothing, and neither do the variables that libpq takes what is missing from. */
static bool is_empty(const char *dsn)
{
        return !dsn[strspn(dsn, " \t\r\n")] && !getenv("PGHOST") && !getenv("PGSERVICE") &&
               !getenv("PGDATABASE");
}

static int pg_check(const struct source_config *config, struct err *e)
{
        const struct pg_options *o = config->own;
        struct err cause;

        if (is_empty(o->dsn))
                err_set(&cause, ERR_CONFIG,
                        "dsn is not a connection string, it is empty: set the variable that it "
                        "comes "
                        "from, or write it here");
        else if (pg_dsn_check(o->dsn, &cause) == 0)
                return 0;
        const struct ynode *node = ynode_get(config->node, "dsn");
        return ynode_error(config->doc, node ? node : config->node, e, "%s", cause.text);
}

/* The keys are common to all connectors; that a table's name and a query can be used is ours. */
static int pg_decode_extract(
        const struct option_context *cx, const struct ynode *node, struct extract *x, struct err *e)
{
        struct pg_target *targets, deletes;
        size_t count;

        (void)node;
        int rc = pg_targets_new(x, cx->arena, &targets, &count, e);
        if (!rc && x->deletes.query)
                rc = pg_target_init(&deletes, x, NULL, true, cx->arena, e);
        return rc;
}

static struct source *pg_close(struct source *source)
{
        struct pg_source *s = (struct pg_source *)source;

        if (!s)
                return NULL;
        pg_reads_reap(s, true);
        pg_since_free(s->since);
        pg_lock_free(s->lock);
        pg_listen_free(s->listen);
        pg_conn_free(s->conn);
        free(s);
        return NULL;
}

static int pg_open(const struct source_config *config, struct loop *loop, const struct log *log,
        struct source **out, struct err *e)
{
        struct pg_source *s = calloc(1, sizeof(*s));

        if (!s)
                return err_nomem(e, "a source");
        s->base.ops = &source_postgres;
        s->config = config;
        s->options = config->own;
        s->loop = loop;
        s->log = log;
        int rc = pg_dsn_check(s->options->dsn, e);
        if (!rc)
                rc = pg_conn_new(s->options, loop, log, &s->conn, e);
        if (!rc)
                rc = pg_conn_connect_wait(s->conn, e);
        if (rc) {
                pg_close((struct source *)s);
                return rc;
        }
        *out = (struct source *)s;
        return 0;
}

/* A database without an encoding sends its bytes as they are: told UTF8, the server would check
 * them and end the read at the first that is not; as it is, that row alone is a reject. */
static const char *client_encoding(const struct pg_conn *c)
{
        return strcmp(pg_conn_parameter(c, "server_encoding"), "SQL_ASCII") == 0 ? "SQL_ASCII"
                                                                                 : "UTF8";
}

void pg_sql_begin(
        const struct pg_source *s, const struct pg_conn *c, const char *snapshot, struct buf *sql)
{
        buf_puts(sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ");
        if (snapshot) {
                buf_puts(sql, "SET TRANSACTION SNAPSHOT ");
                pg_sql_literal(sql, str_of(snapshot));
                buf_puts(sql, "; ");
        }
        buf_printf(sql,
                "SET LOCAL client_encoding = '%s'; "
                "SET LOCAL standard_conforming_strings = on; "
                "SET LOCAL DateStyle = 'ISO, YMD'; "
                "SET LOCAL IntervalStyle = 'iso_8601'; "
                "SET LOCAL TimeZone = 'UTC'; "
                "SET LOCAL bytea_output = 'hex'; "
                "SET LOCAL extra_float_digits = 3; "
                "SET LOCAL xmloption = 'content'; "
                "SET LOCAL idle_in_transaction_session_timeout = 0",
                client_encoding(c));
        if (s->options->statement_timeout_given)
                buf_printf(sql, "; SET LOCAL statement_timeout = %lld",
                        (long long)s->options->statement_timeout_ms);
}

int pg_targets_new(const struct extract *x, struct arena *arena, struct pg_target **out,
        size_t *count, struct err *e)
{
        struct pg_target *targets = arena_array(arena, x->child_count + 1, sizeof(*targets));
        int rc = 0;

        if (!targets)
                return arena_failed(arena, "a read", e);
        for (size_t i = 0; !rc && i <= x->child_count; i++)
                rc = pg_target_init(
                        &targets[i], x, i ? &x->children[i - 1] : NULL, false, arena, e);
        *out = targets;
        *count = x->child_count + 1;
        return rc;
}

/* ---- describe: straight-line, on the source's own connection ---- */

struct describe_wait {
        bool done;
        int rc;
        struct err err;
};

static void on_described(void *ctx, int rc, const struct err *e)
{
        struct describe_wait *w = ctx;

        w->done = true;
        w->rc = rc;
        if (rc)
                w->err = *e;
}

static int describe_target(struct pg_source *s, struct pg_target *t, struct err *e)
{
        struct describe_wait w = {0};

        pg_describe(t, s->conn, on_described, &w);
        int rc = loop_run_until(s->loop, &w.done, e);
        if (rc) {
                s->conn = pg_conn_free(s->conn);
                return rc;
        }
        if (w.rc && e)
                *e = w.err;
        return w.rc;
}

static int connect_again(struct pg_source *s, struct err *e)
{
        if (s->conn)
                s->conn = pg_conn_free(s->conn);
        int rc = pg_conn_new(s->options, s->loop, s->log, &s->conn, e);
        return rc ? rc : pg_conn_connect_wait(s->conn, e);
}

int pg_source_begin(struct pg_source *s, struct err *e)
{
        cleanup_buf_ struct buf sql = BUF_INIT(PG_SQL_MAX_BYTES);
        bool reused = s->conn && pg_conn_is_idle(s->conn);
        int rc = reused ? 0 : connect_again(s, e);

        if (rc)
                return rc;
        pg_sql_begin(s, s->conn, NULL, &sql);
        if (!buf_cstr(&sql))
                return buf_check(&sql, "statement", e);
        rc = pg_conn_exec_wait(s->conn, sql.data, e);
        if (!rc || !reused || !pg_conn_is_broken(s->conn))
                return rc;
        rc = connect_again(s, e);
        return rc ? rc : pg_conn_exec_wait(s->conn, sql.data, e);
}

static int describe_all(struct pg_source *s, struct pg_target *targets, size_t count,
        struct pg_target *deletes, struct err *e)
{
        int rc = pg_source_begin(s, e);

        for (size_t i = 0; !rc && i < count; i++) {
                rc = describe_target(s, &targets[i], e);
                if (rc && e && s->conn && strcmp(e->sqlstate, "42P01") == 0)
                        pg_near_table(s, &targets[i], targets[i].arena, e);
        }
        if (!rc && deletes)
                rc = describe_target(s, deletes, e);
        if (!rc)
                rc = pg_conn_exec_wait(s->conn, "ROLLBACK", e);
        return rc;
}

/* The query of deleted records too: that it is wrong should be known before it is needed. */
static int pg_describe_extract(struct source *source, const struct extract *x, struct arena *arena,
        struct shape *out, struct err *e)
{
        struct pg_source *s = (struct pg_source *)source;
        struct pg_target *targets, deletes;
        bool has_deletes = x->deletes.query;
        struct shape shape;
        size_t count;

        pg_reads_reap(s, false);
        int rc = pg_targets_new(x, arena, &targets, &count, e);
        if (!rc && has_deletes)
                rc = pg_target_init(&deletes, x, NULL, true, arena, e);
        if (!rc)
                rc = describe_all(s, targets, count, has_deletes ? &deletes : NULL, e);
        if (!rc) {
                rc = pg_shape(targets, count, arena, &shape, e);
                if (!rc && has_deletes)
                        rc = pg_shape_check_keys(&deletes, &shape, e);
                if (!rc)
                        *out = shape;
                return rc;
        }
        /* Whatever state it is in: the next user opens another. */
        s->conn = pg_conn_free(s->conn);
        return rc;
}

static int pg_read_all(struct source *source, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        struct pg_request request = {.what = PG_ALL};

        return pg_read_start((struct pg_source *)source, x, shape, &request, sink, out, e);
}

static int pg_read_since(struct source *source, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        struct pg_request request = {.what = PG_SINCE};

        return pg_read_start((struct pg_source *)source, x, shape, &request, sink, out, e);
}

static int pg_read_keys(struct source *source, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        struct pg_request request = {.what = PG_KEYS};

        return pg_read_start((struct pg_source *)source, x, shape, &request, sink, out, e);
}

static int pg_read_deleted(struct source *source, const struct extract *x,
        const struct shape *shape, const struct source_sink *sink, struct source_read **out,
        struct err *e)
{
        struct pg_request request = {.what = PG_DELETED};

        return pg_read_start((struct pg_source *)source, x, shape, &request, sink, out, e);
}

static int pg_read_by_keys(struct source *source, const struct extract *x,
        const struct shape *shape, const struct value *keys, size_t count,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        static const struct value none = {0};
        struct pg_request request = {
                .what = PG_BY_KEYS, .keys = keys ? keys : &none, .key_rows = count};

        return pg_read_start((struct pg_source *)source, x, shape, &request, sink, out, e);
}

/* ---- positions ---- */

struct latest_wait {
        struct describe_wait base;
        struct pg_since *since;
        size_t stream;
};

static void on_latest(void *ctx, int rc, const PGresult *result, const struct err *e)
{
        struct latest_wait *w = ctx;

        if (!rc && PQntuples(result) == 1 && !PQgetisnull(result, 0, 0)) {
                struct str value = {PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0)};
                rc = pg_since_latest(w->since, w->stream, value, &w->base.err);
                e = &w->base.err;
        }
        on_described(&w->base, rc, e);
}

static int ask_latest(struct pg_source *s, const struct pg_target *t, size_t i, struct err *e)
{
        struct latest_wait w = {.since = s->since, .stream = i};
        cleanup_buf_ struct buf sql = BUF_INIT(PG_SQL_MAX_BYTES);
        int rc = pg_sql_latest(t, &sql, e);

        if (rc)
                return rc;
        pg_conn_query(s->conn, sql.data, on_latest, &w);
        rc = loop_run_until(s->loop, &w.base.done, e);
        if (!rc && w.base.rc)
                rc = pg_target_sql_error(t, NULL, 0, &w.base.err, e);
        return rc;
}

int pg_source_targets(struct pg_source *s, const struct extract *x, struct arena *arena,
        struct pg_target **targets, size_t *count, struct err *e)
{
        int rc = pg_targets_new(x, arena, targets, count, e);

        if (!rc)
                rc = pg_source_begin(s, e);
        for (size_t i = 0; !rc && i < *count; i++)
                rc = describe_target(s, &(*targets)[i], e);
        return rc;
}

/* The types of cursors are those of now. Leaves the transaction open. */
static int prepare_observation(struct pg_source *s, const struct extract *x,
        const struct source_watch *watch, struct arena *arena, struct pg_target **targets,
        size_t *count, struct err *e)
{
        int rc = 0;

        if (!s->since && !(s->since = pg_since_new()))
                rc = err_nomem(e, "a position");
        if (!rc)
                rc = pg_source_targets(s, x, arena, targets, count, e);
        return rc ? rc : pg_since_prepare(s->since, *targets, *count, watch, e);
}

/* The snapshot of the largest values must be older than the observation. */
static int observe_after_latest(struct pg_source *s, const struct pg_target *targets, size_t count,
        struct source_observation *out, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; !rc && i < count; i++)
                if (pg_since_needs_latest(s->since, i))
                        rc = ask_latest(s, &targets[i], i, e);
        if (!rc)
                rc = pg_conn_exec_wait(s->conn, "ROLLBACK", e);
        return rc ? rc : pg_since_observe(s->since, s->conn, out, e);
}

/* That the stored position does not hold may be seen from the observation only: then ordered
 * cursors stand nowhere, and are asked for like those of a first run. */
static int observe(struct pg_source *s, const struct extract *x, const struct source_watch *watch,
        struct arena *arena, struct source_observation *out, struct err *e)
{
        struct pg_target *targets;
        size_t count;
        int rc = prepare_observation(s, x, watch, arena, &targets, &count, e);
        bool asked = !rc && s->since->refused;

        if (!rc)
                rc = observe_after_latest(s, targets, count, out, e);
        if (!rc && s->since->refused && !asked) {
                rc = pg_source_begin(s, e);
                if (!rc)
                        rc = observe_after_latest(s, targets, count, out, e);
        }
        if (!rc)
                s->since->x = x;
        return rc;
}

static int check_watch(struct pg_source *s, const struct extract *x,
        const struct source_watch *watch, struct arena *arena, struct err *e)
{
        struct pg_target *targets;
        size_t count;
        int rc = prepare_observation(s, x, watch, arena, &targets, &count, e);

        return rc ? rc : pg_conn_exec_wait(s->conn, "ROLLBACK", e);
}

static int pg_check_watch(struct source *source, const struct extract *x,
        const struct source_watch *watch, struct err *e)
{
        struct pg_source *s = (struct pg_source *)source;
        cleanup_(arena_freep) struct arena *arena = arena_new(DESCRIBE_ARENA_MAX);

        pg_reads_reap(s, false);
        int rc = arena ? check_watch(s, x, watch, arena, e) : err_nomem(e, "a position");
        if (rc)
                s->conn = pg_conn_free(s->conn); /* whatever state it is in */
        return rc;
}

static int pg_observe_source(struct source *source, const struct extract *x,
        const struct source_watch *watch, struct source_observation *out, struct err *e)
{
        struct pg_source *s = (struct pg_source *)source;
        cleanup_(arena_freep) struct arena *arena = arena_new(DESCRIBE_ARENA_MAX);

        pg_reads_reap(s, false);
        *out = (struct source_observation){0};
        int rc = arena ? observe(s, x, watch, arena, out, e) : err_nomem(e, "a position");
        if (rc)
                s->conn = pg_conn_free(s->conn); /* whatever state it is in */
        return rc;
}

static int pg_position_of(struct source *source, struct buf *out, struct err *e)
{
        struct pg_source *s = (struct pg_source *)source;

        if (!s->since)
                return err_set(e, ERR_BUG, "a position without an observation");
        return pg_since_position(s->since, out, e);
}

static const char *pg_ahead(struct source *source)
{
        struct pg_source *s = (struct pg_source *)source;

        return s->since ? s->since->ahead : "";
}

static int pg_lock_source(struct source *source, uint64_t key, int64_t wait_ms, struct err *e)
{
        struct pg_source *s = (struct pg_source *)source;

        if (s->lock)
                return err_set(e, ERR_BUG, "a second lock of one source");
        int rc = pg_lock_take(s, key, wait_ms, &s->lock, e);
        return rc == PG_LOCK_NONE ? SOURCE_NO_LOCK : rc;
}

static int pg_lock_check_source(struct source *source, struct err *e)
{
        struct pg_source *s = (struct pg_source *)source;

        return s->lock ? pg_lock_check(s->lock, e) : 0;
}

const struct source_ops source_postgres = {
        .type = "postgres",
        .help = "PostgreSQL 10 or later, read with COPY in one snapshot",
        .options = &pg_option_table,
        .options_size = sizeof(struct pg_options),
        .check = pg_check,
        .extract = &extract_sql,
        .decode_extract = pg_decode_extract,
        .open = pg_open,
        .close = pg_close,
        .describe = pg_describe_extract,
        .discover = pg_discover,
        .read_all = pg_read_all,
        .read_by_keys = pg_read_by_keys,
        .check_watch = pg_check_watch,
        .observe = pg_observe_source,
        .read_since = pg_read_since,
        .position = pg_position_of,
        .ahead = pg_ahead,
        .read_keys = pg_read_keys,
        .read_deleted = pg_read_deleted,
        .convert = pg_convert,
        .listen = pg_listen,
        .lock = pg_lock_source,
        .lock_check = pg_lock_check_source,
        .outputs = pg_query_outputs,
        .resume = pg_read_resume,
        .cancel = pg_read_cancel,
};
