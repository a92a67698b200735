/*
 * A read takes one connection per stream (the parent, each child) through the same phases, all
 * streams side by side, the next phase when the last stream is through:
 *
 *   CONNECT -> BEGIN (the parent; exports its snapshot) -> JOIN (children take it) -> DESCRIBE
 *     -> COPY -> ROWS -> COMMIT -> ENDED
 *   from anywhere, on an error or a cancel: STOP (servers are asked, connections closed) -> ENDED
 *
 * In ROWS the assembler pulls the streams, and only the socket of a stream it waits for is
 * watched; paused, none is. on_end is called from a timer as the last thing, and the read is
 * freed with the next call to the source, so no callback ever runs in something freed.
 */
#include "ingest/source/postgres/postgres.h"

#include <stdio.h>

#include "ingest/record/key.h"
#include "ingest/source/group.h"
#include "ingest/source/merge.h"
#include "ingest/source/postgres/copy.h"
#include "ingest/source/postgres/describe.h"
#include "ingest/source/postgres/error.h"
#include "ingest/source/postgres/since.h"
#include "ingest/source/postgres/sql.h"

/* Rows taken before the loop gets its turn: about a millisecond of work. Also a child whose rows
 * have no parent, or a group that is dropped, must not keep a cancel waiting. */
#define TURN_BYTES (512 << 10)
#define ROW_COST   256 /* bytes that a row counts for beside its text */

#define READ_ARENA_MAX (64 << 20) /* columns and statements of one read */
#define REJECT_KEY_MAX (1 << 20)  /* bytes of the key of a reject: then it is not known */

enum read_phase {
        READ_CONNECT,
        READ_BEGIN,
        READ_JOIN,
        READ_DESCRIBE,
        READ_COPY,
        READ_ROWS,
        READ_COMMIT,
        READ_STOP,
        READ_ENDED
};

struct pg_stream {
        struct pg_read *read;
        struct pg_target *target;
        struct pg_conn *conn; /* owned */
        struct buf sql;       /* of the command under way */
        size_t where_at;      /* characters of it before the literals of keys */
        struct value *values; /* of the row handed over last */
        struct value *keys;   /* only keys are read: as they came */
        bool waiting;         /* for its socket */
        bool reused;          /* conn was opened for something before */
};

struct pg_read {
        struct source_base base;
        struct pg_source *source;
        struct pg_read *next; /* of the source's reads */
        const struct extract *x;
        const struct shape *shape; /* borrowed until on_end */
        struct pg_request request; /* its keys are a copy in the arena */
        struct pg_since *since;    /* of the source, where values of cursors are noted; or NULL */
        struct source_sink sink;
        struct arena *arena;
        enum read_phase phase;
        size_t pending; /* streams that are not through with the phase */
        struct pg_target *targets;
        struct pg_stream *streams;
        size_t count;
        char *snapshot; /* in the arena */
        enum row_order *orders;
        struct merge_plan plan;
        struct assembler *assembler;
        struct assembled record;
        struct child_rows none[PG_POSITION_STREAMS]; /* the children of a key */
        bool paused, held; /* held: the record must be handed over again */
        size_t turn_bytes; /* of rows taken in this turn */
        bool ended;        /* on_end was called: freed with the next call */
        struct loop_timer *soon;
        int rc; /* of the first failure */
        struct err err;
};

static bool is_of_keys(const struct pg_read *r)
{
        return r->request.what == PG_KEYS || r->request.what == PG_DELETED;
}

static void start_phase(struct pg_read *r, enum read_phase phase);
static void read_rows(struct pg_read *r);

/* ---- ending ---- */

static void on_stopped(void *ctx)
{
        struct pg_stream *s = ctx;

        if (--s->read->pending == 0)
                loop_timer_soon(s->read->soon);
}

/* The first failure counts; the servers are asked to stop whatever they do. */
static void stop(struct pg_read *r, int rc, const struct err *e)
{
        if (r->phase >= READ_STOP)
                return;
        r->phase = READ_STOP;
        r->rc = rc;
        r->err = *e;
        r->pending = r->count;
        for (size_t i = 0; i < r->count; i++) {
                if (r->streams[i].conn)
                        pg_conn_stop(r->streams[i].conn, on_stopped, &r->streams[i]);
                else
                        r->pending--;
        }
        if (r->pending == 0)
                loop_timer_soon(r->soon);
}

static void log_skipped(const struct pg_read *r)
{
        for (size_t i = 1; r->assembler && i < r->count; i++) {
                size_t n = merge_skipped(r->assembler, i - 1);
                if (n > 0)
                        log_info(r->source->log,
                                "child %s: skipped %zu row%s of no record that was read",
                                r->targets[i].child->name, n, n == 1 ? "" : "s");
        }
}

/* The connections go back or away before on_end, so that it finds the source free. */
static void let_go(struct pg_read *r)
{
        struct pg_source *source = r->source;

        r->assembler = assembler_free(r->assembler);
        for (size_t i = 0; i < r->count; i++) {
                struct pg_stream *s = &r->streams[i];

                if (s->conn && !source->conn && pg_conn_is_idle(s->conn))
                        source->conn = TAKE(s->conn);
                s->conn = pg_conn_free(s->conn);
        }
}

static void end(struct pg_read *r)
{
        if (!r->rc)
                log_skipped(r);
        let_go(r);
        r->phase = READ_ENDED;
        r->ended = true;
        if (r->rc && r->rc != -ERR_CONFIG) /* those begin with their place in a file */
                err_wrap(&r->err, r->rc, "source %s", r->source->config->name);
        if (r->sink.on_end)
                r->sink.on_end(r->sink.ctx, r->rc, r->rc ? &r->err : NULL);
}

static void read_free(struct pg_read *r)
{
        if (!r)
                return;
        assembler_free(r->assembler);
        for (size_t i = 0; r->streams && i < r->count; i++) {
                pg_conn_free(r->streams[i].conn);
                buf_deinit(&r->streams[i].sql);
        }
        loop_timer_free(r->soon);
        arena_free(r->arena);
        free(r);
}

/* ---- rows ---- */

static size_t stream_columns(const struct pg_stream *s)
{
        const struct pg_target *t = s->target;

        if (s->keys)
                return t->key_count;
        return t->count + (s->read->since && pg_target_cursor(t) && t->cursor == t->count);
}

static int saw_cursor(struct pg_stream *s, struct value cursor, struct err *e)
{
        struct err cause;
        int rc = pg_since_saw(s->read->since, (size_t)(s - s->read->streams), cursor, &cause);

        if (rc == -ERR_REJECT)
                return pg_target_error(
                        s->target, "cursor", e, "%s: %s", pg_target_cursor(s->target), cause.text);
        if (rc)
                *e = cause;
        return rc;
}

/* The values of a row, where the shape has them. */
static int take_row(struct pg_stream *s, char *bytes, size_t len, struct err *e)
{
        const struct pg_read *r = s->read;
        const struct pg_target *t = s->target;
        size_t wanted = stream_columns(s);
        size_t found = pg_copy_parse(bytes, len, s->keys ? s->keys : s->values, wanted);

        if (__builtin_expect(found != wanted, 0))
                return err_set(e, ERR_BUG, "the server sent a row of %zu columns instead of %zu",
                        found, wanted);
        for (size_t i = 0; s->keys && i < wanted; i++)
                s->values[r->shape->key[i]] = s->keys[i];
        if (!r->since || t->order.kind == PG_CURSOR_NONE)
                return 0;
        return saw_cursor(s, s->values[t->cursor], e);
}

static int stream_next(void *ctx, struct row *out, struct err *e)
{
        struct pg_stream *s = ctx;
        struct pg_target *t = s->target;
        size_t len;
        char *bytes;

        if (s->read->turn_bytes > TURN_BYTES) {
                loop_timer_soon(s->read->soon);
                return ROW_WAIT;
        }
        int rc = pg_conn_copy_next(s->conn, &bytes, &len, e);
        if (rc == PG_COPY_WAIT) {
                s->waiting = true;
                return ROW_WAIT;
        }
        if (rc == PG_COPY_END)
                return ROW_END;
        if (rc)
                return pg_target_sql_error(t, NULL, 0, e, e);
        rc = take_row(s, bytes, len, e);
        if (rc) {
                PQfreemem(bytes);
                return rc;
        }
        s->read->turn_bytes += len + ROW_COST;
        *out = (struct row){s->values, bytes, len};
        return 0;
}

static void release_row(char *bytes)
{
        PQfreemem(bytes);
}

/* The socket of a stream has something, or the connection broke. */
static void on_rows(void *ctx)
{
        struct pg_stream *s = ctx;
        struct pg_read *r = s->read;

        s->waiting = false;
        if (r->phase == READ_ROWS)
                read_rows(r);
        /* With several streams it may be another one's turn, and this one would wake us in vain. */
        if (!s->waiting && r->phase == READ_ROWS && r->count > 1)
                pg_conn_copy_rest(s->conn);
}

static void pause_read(struct pg_read *r)
{
        r->paused = true;
        for (size_t i = 0; i < r->count; i++)
                pg_conn_copy_rest(r->streams[i].conn);
}

static int reject(struct pg_read *r, struct err *e)
{
        cleanup_buf_ struct buf key = BUF_INIT(REJECT_KEY_MAX);

        if (key_encode(r->shape, r->record.key_row, &key, NULL) != 0)
                buf_clear(&key);
        return r->sink.on_reject(r->sink.ctx, buf_str(&key), r->record.reason, e);
}

/* Return: 0; -class: the read ends. */
static int hand_over(struct pg_read *r, bool is_reject, struct err *e)
{
        if (is_of_keys(r))
                r->record.record.children = r->none;
        int rc = is_reject ? reject(r, e) : r->sink.on_record(r->sink.ctx, &r->record.record, e);

        if (rc <= 0)
                return rc;
        r->held = rc == SOURCE_HOLD && !is_reject;
        if (r->phase == READ_ROWS)
                pause_read(r);
        return 0;
}

static void read_rows(struct pg_read *r)
{
        struct err e;

        r->turn_bytes = 0;
        while (!r->paused) {
                int rc = r->held ? 0 : assembler_next(r->assembler, &r->record, &e);

                r->held = false;
                if (rc == RECORD_WAIT)
                        return;
                if (rc == RECORD_END) {
                        start_phase(r, READ_COMMIT);
                        return;
                }
                if (rc >= 0)
                        rc = hand_over(r, rc == RECORD_REJECT, &e);
                if (rc < 0)
                        stop(r, rc, &e);
                if (r->phase != READ_ROWS)
                        return;
        }
}

static void on_soon(void *ctx)
{
        struct pg_read *r = ctx;

        if (r->phase == READ_ROWS && !r->paused)
                read_rows(r);
        else if (r->phase == READ_STOP || (r->phase == READ_COMMIT && r->pending == 0))
                end(r);
        else if (r->phase == READ_CONNECT && r->pending == 0)
                start_phase(r, READ_CONNECT);
}

/* ---- phases ---- */

static void phase_done(struct pg_read *r)
{
        if (--r->pending > 0)
                return;
        if (r->phase == READ_COMMIT)
                loop_timer_soon(r->soon);
        else
                start_phase(r, r->phase + 1);
}

static void on_done(void *ctx, int rc, const PGresult *result, const struct err *cause)
{
        struct pg_stream *s = ctx;
        struct pg_read *r = s->read;

        if (rc)
                stop(r, rc, cause);
        else
                phase_done(r);
}

static void connect_stream(struct pg_stream *s)
{
        struct pg_source *source = s->read->source;
        struct err e;
        int rc = 0;

        if (source->conn && pg_conn_is_idle(source->conn)) {
                s->conn = TAKE(source->conn);
                s->reused = true;
                s->read->pending--;
        } else {
                rc = pg_conn_new(source->options, source->loop, source->log, &s->conn, &e);
                if (rc)
                        stop(s->read, rc, &e);
                else
                        pg_conn_connect(s->conn, on_done, s);
        }
}

static void exec_begin(struct pg_stream *s, const char *snapshot, const char *more, pg_conn_fn fn)
{
        struct err e;

        buf_clear(&s->sql);
        pg_sql_begin(s->read->source, s->conn, snapshot, &s->sql);
        buf_puts(&s->sql, more);
        const char *sql = buf_cstr(&s->sql);
        if (sql)
                pg_conn_exec(s->conn, sql, fn, s);
        else
                stop(s->read, buf_check(&s->sql, "statement", &e), &e);
}

static void begin_stream(struct pg_stream *s);

static void on_reconnected(void *ctx, int rc, const PGresult *result, const struct err *cause)
{
        if (rc)
                on_done(ctx, rc, result, cause);
        else
                begin_stream(ctx);
}

/* What `begin_stream` asked for beside BEGIN, of a read that an observation belongs to. The
 * position in the log is taken in the snapshot, not before: whatever this read sees, a standby must
 * have, to be no further back. */
static int check_observed(struct pg_read *r, const PGresult *result, struct err *e)
{
        struct pg_position *p = &r->since->position;
        int64_t started;

        if (!str_to_int64(str_of(PQgetvalue(result, 0, 1)), &p->wal) ||
                !str_to_int64(str_of(PQgetvalue(result, 0, 2)), &started))
                return err_set(e, ERR_BUG, "the server does not say where its log is");
        if (started != p->server_start_us)
                return err_set(e, ERR_RETRY,
                        "another server answers than the one that was asked who writes, or it was "
                        "restarted");
        return 0;
}

static int take_snapshot(struct pg_read *r, const PGresult *result, struct err *e)
{
        if (r->count == 1 && !r->since)
                return 0;
        if (PQntuples(result) != 1)
                return err_set(e, ERR_BUG, "the server exported no snapshot");
        if (r->count > 1) {
                r->snapshot = arena_strdup(r->arena, str_of(PQgetvalue(result, 0, 0)));
                if (!r->snapshot)
                        return arena_failed(r->arena, "a snapshot", e);
        }
        return r->since ? check_observed(r, result, e) : 0;
}

static void on_snapshot(void *ctx, int rc, const PGresult *result, const struct err *cause)
{
        struct pg_stream *s = ctx;
        struct err e;

        if (rc && s->reused && pg_conn_is_broken(s->conn)) {
                /* It broke while nobody used it: time-outs of servers and firewalls. */
                s->reused = false;
                pg_conn_connect(s->conn, on_reconnected, s);
                return;
        }
        if (!rc) {
                rc = take_snapshot(s->read, result, &e);
                cause = &e;
        }
        on_done(ctx, rc, result, cause);
}

static void begin_stream(struct pg_stream *s)
{
        static const char observed[] = ", " PG_OBSERVE_WAL ", " PG_OBSERVE_STARTED;
        const struct pg_read *r = s->read;
        char more[sizeof("; SELECT pg_catalog.pg_export_snapshot()") + sizeof(observed)];

        snprintf(more, sizeof(more), "%s%s",
                r->count > 1 ? "; SELECT pg_catalog.pg_export_snapshot()"
                : r->since   ? "; SELECT NULL"
                             : "",
                r->since ? observed : "");
        exec_begin(s, NULL, more, on_snapshot);
}

/* These statements are ours: what is wrong with them is that the snapshot is not there any more. */
static void on_joined(void *ctx, int rc, const PGresult *result, const struct err *cause)
{
        struct err e;

        if (rc == -ERR_CONFIG) {
                e = *cause;
                e.class = ERR_RETRY;
                rc = err_hint(&e, -ERR_RETRY,
                        "the connection that shared its snapshot was lost, or several servers "
                        "stand behind this address, of which the dsn must name one");
                cause = &e;
        }
        on_done(ctx, rc, result, cause);
}

static void join_stream(struct pg_stream *s)
{
        exec_begin(s, s->read->snapshot, "", on_joined);
}

static void on_described(void *ctx, int rc, const struct err *e)
{
        on_done(ctx, rc, NULL, e);
}

static void describe_stream(struct pg_stream *s)
{
        pg_describe(s->target, s->conn, on_described, s);
}

/* A literal that its type refuses has a position among the keys. */
static void on_copy(void *ctx, int rc, const PGresult *result, const struct err *cause)
{
        struct pg_stream *s = ctx;
        struct err e;

        if (rc == -ERR_CONFIG && s->read->request.keys && result &&
                pg_error_position(result) > s->where_at) {
                e = *cause;
                rc = err_wrap(&e, rc, "key");
                cause = &e;
        } else if (rc) {
                rc = pg_target_sql_error(s->target, NULL, 0, cause, &e);
                cause = &e;
        }
        on_done(ctx, rc, NULL, cause);
}

static void copy_stream(struct pg_stream *s)
{
        struct pg_read *r = s->read;
        struct err e;

        buf_clear(&s->sql);
        struct pg_selection what = {
                .orders = r->count > 1 ? r->orders : NULL,
                .keys = r->request.keys,
                .key_rows = r->request.key_rows,
                .with_cursor = r->since,
                .keys_only = s->keys,
        };
        if (r->request.what == PG_SINCE) {
                what.since = r->targets;
                what.since_count = r->count;
                what.from = r->since->from;
                what.lookback_ms = r->x->lookback_ms;
        }
        int rc = pg_sql_copy(s->target, &what, &s->sql, &s->where_at, &e);
        if (rc) {
                stop(r, rc, &e);
                return;
        }
        pg_conn_on_rows(s->conn, on_rows, s);
        pg_conn_query(s->conn, s->sql.data, on_copy, s);
}

static void commit_stream(struct pg_stream *s)
{
        pg_conn_exec(s->conn, "COMMIT", on_done, s);
}

/* ---- between phases ---- */

static struct row_stream row_stream_of(struct pg_stream *s)
{
        return (struct row_stream){stream_next, release_row, s};
}

static int new_merge(struct pg_read *r, struct err *e)
{
        struct merge_child *children = arena_array(r->arena, r->count, sizeof(*children));

        if (!children)
                return arena_failed(r->arena, "a merge", e);
        for (size_t i = 1; i < r->count; i++)
                children[i - 1] = (struct merge_child){
                        .name = r->targets[i].child->name,
                        .stream = row_stream_of(&r->streams[i]),
                        .columns = r->targets[i].count,
                        .parent = r->targets[i].key,
                };
        r->plan = (struct merge_plan){
                .parent = row_stream_of(&r->streams[0]),
                .key_count = r->targets[0].key_count,
                .key = r->targets[0].key,
                .orders = r->orders,
                .children = children,
                .child_count = r->count - 1,
                .limits = row_limits_default,
        };
        return merge_new(&r->plan, &r->assembler, e);
}

static int new_assembler(struct pg_read *r, struct err *e)
{
        const struct pg_target *parent = &r->targets[0];
        struct row_stream stream = row_stream_of(&r->streams[0]);

        if (r->count > 1)
                return new_merge(r, e);
        if (r->x->group.count > 0 && !r->streams[0].keys)
                return group_new(&stream, parent->count, parent->key, parent->key_count, NULL,
                        &r->assembler, e);
        return rows_plain_new(&stream, NULL, &r->assembler, e);
}

static int make_row(struct pg_stream *s, struct err *e)
{
        const struct pg_read *r = s->read;
        size_t columns = is_of_keys(r) ? r->shape->columns.count : s->target->count + 1;

        s->values = arena_array(r->arena, columns, sizeof(*s->values));
        if (s->values && is_of_keys(r))
                s->keys = arena_array(r->arena, s->target->key_count, sizeof(*s->keys));
        return s->values && (s->keys || !is_of_keys(r)) ? 0 : arena_failed(r->arena, "a row", e);
}

/* All streams are described: is it what the mapper was compiled against? */
static int check_described(struct pg_read *r, struct err *e)
{
        int rc = is_of_keys(r) ? pg_shape_check_keys(&r->targets[0], r->shape, e)
                               : pg_shape_check(r->targets, r->count, r->shape, e);

        if (rc)
                return rc;
        r->orders = arena_array(r->arena, r->targets[0].key_count + 1, sizeof(*r->orders));
        if (!r->orders)
                return arena_failed(r->arena, "a merge", e);
        rc = pg_merge_orders(r->targets, r->count, r->orders, e);
        for (size_t i = 0; !rc && i < r->count; i++) {
                struct pg_stream *s = &r->streams[i];

                rc = make_row(s, e);
        }
        return rc ? rc : new_assembler(r, e);
}

struct phase {
        bool parent, children; /* which streams it concerns */
        void (*start)(struct pg_stream *s);
};

static const struct phase phases[] = {
        [READ_CONNECT] = {true, true, connect_stream},
        [READ_BEGIN] = {true, false, begin_stream},
        [READ_JOIN] = {false, true, join_stream},
        [READ_DESCRIBE] = {true, true, describe_stream},
        [READ_COPY] = {true, true, copy_stream},
        [READ_ROWS] = {false, false, NULL},
        [READ_COMMIT] = {true, true, commit_stream},
};

static void start_phase(struct pg_read *r, enum read_phase phase)
{
        const struct phase *p = &phases[phase];
        struct err e;

        r->phase = phase;
        if (phase == READ_COPY) {
                int rc = check_described(r, &e);
                if (rc) {
                        stop(r, rc, &e);
                        return;
                }
        }
        if (phase == READ_ROWS) {
                loop_timer_soon(r->soon);
                return;
        }
        r->pending = (p->parent ? 1 : 0) + (p->children ? r->count - 1 : 0);
        size_t first = p->parent ? 0 : 1, end = p->children ? r->count : 1;
        size_t started = r->pending;
        for (size_t i = first; i < end && r->phase == phase; i++)
                p->start(&r->streams[i]);
        /* Only what needed no server is through by now. */
        if (r->phase == phase && r->pending == 0 && (started == 0 || phase == READ_CONNECT))
                start_phase(r, phase + 1);
}

/* ---- operations ---- */

static int copy_keys(struct pg_read *r, struct err *e)
{
        const struct value *keys = r->request.keys;
        size_t count = r->request.key_rows * r->shape->key_count;
        struct value *copy = arena_array(r->arena, count + 1, sizeof(*copy));

        if (!copy)
                return arena_failed(r->arena, "keys", e);
        for (size_t i = 0; i < count; i++) {
                if (!keys[i].ptr)
                        continue;
                struct str s = arena_dup(r->arena, (struct str){keys[i].ptr, keys[i].len});
                if (!s.ptr)
                        return arena_failed(r->arena, "keys", e);
                copy[i] = (struct value){s.ptr, keys[i].len};
        }
        r->request.keys = copy;
        return 0;
}

/* Reads of keys take one stream: the parent's, or the query of deleted records. */
static int make_targets(struct pg_read *r, struct err *e)
{
        if (!is_of_keys(r))
                return pg_targets_new(r->x, r->arena, &r->targets, &r->count, e);
        r->targets = arena_array(r->arena, 1, sizeof(*r->targets));
        if (!r->targets)
                return arena_failed(r->arena, "a read", e);
        r->count = 1;
        return pg_target_init(r->targets, r->x, NULL, r->request.what == PG_DELETED, r->arena, e);
}

static int init_read(struct pg_read *r, struct err *e)
{
        int rc = make_targets(r, e);

        if (rc)
                return rc;
        r->streams = arena_array(r->arena, r->count, sizeof(*r->streams));
        if (!r->streams)
                return arena_failed(r->arena, "a read", e);
        for (size_t i = 0; i < r->count; i++) {
                r->streams[i].read = r;
                r->streams[i].target = &r->targets[i];
                buf_init(&r->streams[i].sql, PG_SQL_MAX_BYTES);
        }
        if (r->request.keys)
                rc = copy_keys(r, e);
        return rc ? rc : loop_timer_new(r->source->loop, on_soon, r, &r->soon, e);
}

int pg_read_start(struct pg_source *s, const struct extract *x, const struct shape *shape,
        const struct pg_request *request, const struct source_sink *sink, struct source_read **out,
        struct err *e)
{
        struct pg_read *r = calloc(1, sizeof(*r));

        pg_reads_reap(s, false);
        if (!r)
                return err_nomem(e, "a read");
        r->base.ops = &source_postgres;
        r->source = s;
        r->x = x;
        r->shape = shape;
        r->sink = *sink;
        r->request = *request;
        r->arena = arena_new(READ_ARENA_MAX);
        if (request->what <= PG_SINCE && s->since && s->since->x == x) {
                r->since = s->since;
                pg_since_begin(r->since, request->what == PG_ALL);
        }
        int rc = r->arena ? init_read(r, e) : err_nomem(e, "a read");
        if (!rc && request->what == PG_SINCE && !r->since)
                rc = err_set(e, ERR_BUG, "a read since nothing that was observed");
        if (rc) {
                read_free(r);
                return rc;
        }
        r->next = s->reads;
        s->reads = r;
        /* CONNECT begins in the loop. */
        r->phase = READ_CONNECT;
        loop_timer_soon(r->soon);
        if (out)
                *out = (struct source_read *)r;
        return 0;
}

void pg_read_resume(struct source_read *read)
{
        struct pg_read *r = (struct pg_read *)read;

        if (!r->paused)
                return;
        r->paused = false;
        if (r->phase == READ_ROWS)
                loop_timer_soon(r->soon);
}

void pg_read_cancel(struct source_read *read)
{
        struct pg_read *r = (struct pg_read *)read;
        struct err e;

        stop(r, err_set(&e, ERR_CANCEL, "the read was cancelled"), &e);
}

/* Asks the servers of all reads to stop and waits for that; nobody is told. */
static void stop_all(struct pg_source *s)
{
        struct err e;

        for (struct pg_read *r = s->reads; r; r = r->next) {
                r->sink = (struct source_sink){0};
                if (!r->ended)
                        pg_read_cancel((struct source_read *)r);
        }
        for (struct pg_read *r = s->reads; r; r = r->next) {
                if (!r->ended && loop_run_until_done(s->loop, &r->ended, &e) < 0)
                        r->ended = true; /* cancelled twice: read_free() closes all */
        }
}

void pg_reads_reap(struct pg_source *s, bool all)
{
        struct pg_read **link = &s->reads;

        if (all)
                stop_all(s);
        while (*link) {
                struct pg_read *r = *link;

                if (!r->ended) {
                        link = &r->next;
                        continue;
                }
                *link = r->next;
                read_free(r);
        }
}
