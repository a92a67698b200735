/*
 * source.h: the one interface to ERPs.
 *
 * A connector is a const struct source_ops in a file pair of its own and one line in the registry
 * (source.c). It reads; it knows no mapper and no CouchDB. Calls belong to the thread of the loop
 * given to source_open(); open, describe and close run that loop themselves (so never call them
 * from a callback); a read is driven by whoever runs the loop.
 *
 * Back-pressure: on_record answers SOURCE_PAUSE or SOURCE_HOLD, and source_resume() continues;
 * meanwhile nothing is taken from the socket.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/log.h"
#include "ingest/base/options.h"
#include "ingest/base/tz.h"
#include "ingest/loop/loop.h"
#include "ingest/record/record.h"
#include "ingest/source/catalog.h"
#include "ingest/source/extract.h"

struct source;
struct source_ops;

#define SOURCE_MAX_RUNS 100 /* more threads at a time than that help nobody */

struct source_config {
        const char *name;
        const struct source_ops *ops;
        void *own;          /* the connector's options, in the configuration's arena */
        int64_t max_runs;   /* of serve: runs that read it at a time; 0: no limit of its own */
        const char *folder; /* where it may keep what must outlive a run (tokens, what is left of a
                             * budget): STATE_DIR/.sources/NAME, made when needed; NULL: nowhere */
        const struct ydoc *doc;
        const struct ynode *node;
};

/** source_config_decode() - one entry of `sources:`; picks the connector by `type`
 * Return: 0; -ERR_CONFIG with FILE:LINE:COLUMN (an unknown type names those there are). */
int source_config_decode(const struct ydoc *doc, const char *name, const struct ynode *node,
        struct arena *arena, struct source_config *out, struct err *e)
        __attribute__((warn_unused_result));

/** source_outputs() - the names of the columns that @query gives, told from its text alone
 * Return: false where they are not known without a server. */
bool source_outputs(const struct source_config *config, const char *query, struct arena *arena,
        struct string_list *out);

/** source_has_snapshot() - whether one read shows one moment: each record once, none left out
 * Without it, what a read did not deliver is gone only if a read by key does not find it either. */
bool source_has_snapshot(const struct source_config *config);

/** source_describes_columns() - whether the source knows its columns; else they are those that the
 * mapper names (extract.names), all of JSON, and may be missing in any record */
bool source_describes_columns(const struct source_config *config);

/** source_open() - connects and proves the credentials; runs the loop
 * @log, @loop, @config: outlive the source
 * Return: 0; -ERR_RETRY unreachable; -ERR_CONFIG refused (password, database, TLS). */
int source_open(const struct source_config *config, struct loop *loop, const struct log *log,
        struct source **out, struct err *e) __attribute__((warn_unused_result));
struct source *source_close(struct source *s);
DEFINE_CLEANUP(struct source *, source_close);

/** source_describe() - columns, types and key of what @x reads; runs the loop
 * @arena: where the shape lives
 * Return: 0; -ERR_CONFIG table, column or right missing, a query that does not parse (with the
 * place in the mapper and the server's words); -ERR_RETRY. */
int source_describe(struct source *s, const struct extract *x, struct arena *arena,
        struct shape *out, struct err *e) __attribute__((warn_unused_result));

/** source_probe() - asks for a first record, where opening and describing ask for none; runs the
 * loop. Return: 0; -ERR_CONFIG credentials, address, paths; -ERR_RETRY. */
int source_probe(struct source *s, const struct extract *x, const struct shape *shape,
        struct err *e) __attribute__((warn_unused_result));

/** source_discover() - the tables that @q asks for, with all that is known of them; runs the loop
 * @arena: where the catalog lives
 * With q->table the catalog holds that one, and its rows may be looked at for a key.
 * Return: 0; -ERR_CONFIG no such table or schema, more than one, too many to list, or a connector
 * that cannot discover; -ERR_RETRY. */
int source_discover(struct source *s, const struct catalog_query *q, struct arena *arena,
        struct catalog *out, struct err *e) __attribute__((warn_unused_result));

#define SOURCE_PAUSE 1 /* the record was taken; no more until source_resume() */
#define SOURCE_HOLD  2 /* the record was not taken; it comes again after source_resume() */

struct source_sink {
        /* One record, whole with its children; borrowed until it returns.
         * Return: 0, SOURCE_PAUSE, SOURCE_HOLD, or -class with *e filled: the read then ends. */
        int (*on_record)(void *ctx, const struct record *record, struct err *e);

        /* A record that the source itself cannot hand over (too large, a broken row).
         * @key: as key_encode() has it; len 0: unknown. Return: as on_record, without HOLD. */
        int (*on_reject)(void *ctx, struct str key, const char *reason, struct err *e);

        /* Optional. All records before it were handed over; with @mark a later run goes on here,
         * once they are safe. An empty one before the end of a read that failed: it went astray,
         * and no mark of it is any good. Return: 0, SOURCE_PAUSE (until source_resume()), -class.
         */
        int (*on_mark)(void *ctx, struct str mark, struct err *e);

        /* Exactly once, from the loop: rc 0 when all was read, else -class. */
        void (*on_end)(void *ctx, int rc, const struct err *e);
        void *ctx;
        uint64_t limit; /* about so many records are wanted: pages need not be larger; 0: all */
};

struct source_read; /* one read that is under way; owned by the source, gone after on_end */

/** source_read_all() - starts a read of everything on one snapshot; returns at once
 * @shape: from source_describe() of the same @x: where the source finds other columns or types
 * now, the read ends with -ERR_CONFIG
 * Nothing is delivered from inside this call. */
int source_read_all(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
        __attribute__((warn_unused_result));

/* ---- incremental reads: PROTOCOL.md section 5 ---- */

struct source_watch {
        struct str position;   /* as source_position() gave it after the last finished read */
        const struct tz *zone; /* of zoneless times; NULL: none; outlives the reads */
        struct str mark;       /* of a read of the same kind that was cut short: go on there */
        bool mark_full;        /* it was a read of everything */
};

struct source_observation {
        bool usable;       /* source_read_since() may be called */
        bool behind;       /* a standby that has not got what the last read saw: neither sweep, nor
                              store another position */
        bool resumes;      /* the next read begins at watch.mark: it does not deliver everything */
        char why[160];     /* not usable: for the log */
        char held[160];    /* what keeps the cursor from following the clock; "" for nothing */
        char cursor[1024]; /* where the read begins, without the lookback of times: for people */
};

/** source_check_watch() - whether the cursors of @x can be followed with @watch; runs the loop
 * Only for an extract with a cursor, described before.
 * Return: 0; -ERR_CONFIG a time without zone, with its place; -ERR_RETRY. */
int source_check_watch(struct source *s, const struct extract *x, const struct source_watch *watch,
        struct err *e) __attribute__((warn_unused_result));

/** source_observe() - looks at what is going on in the source, before a read; runs the loop
 * For an extract that was described before; without a cursor the position is never `usable`, and
 * says only which source was read and how far that was. The next read_all or read_since of @x
 * uses the observation; where it fails, it may be tried again with the same one.
 * Where the position does not fit the source or the mapper (another database, another cursor,
 * type or time zone), `usable` is false, and `why` says it: read everything then.
 * Return: 0; -ERR_CONFIG (a cursor without a time zone); -ERR_RETRY. */
int source_observe(struct source *s, const struct extract *x, const struct source_watch *watch,
        struct source_observation *out, struct err *e) __attribute__((warn_unused_result));

/** source_read_since() - the records that changed since the position that was observed, each
 * whole, and those whose cursor is NULL */
int source_read_since(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
        __attribute__((warn_unused_result));

/** source_position() - after on_end of a read that finished: what to store with the checkpoint */
int source_position(struct source *s, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** source_ahead() - after source_position(): what the read found in the future, for a warning
 * The cursor does not follow it, so these records are read in every run.
 * Return: "write_date is up to 2099-01-01 00:00:00, later than the source's clock", or "". */
const char *source_ahead(struct source *s);

/** source_read_keys() - keys only, of all records: a row of @shape with all else NULL, and no rows
 * of children */
int source_read_keys(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
        __attribute__((warn_unused_result));

/** source_read_deleted() - the same of the records that `deletes.query` names */
int source_read_deleted(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
        __attribute__((warn_unused_result));

/** source_doubt() - after on_end of a read that finished: why it may have left records out
 * What did not come with it need not be gone. Return: "" where nothing says so. */
const char *source_doubt(struct source *s);

/* ---- single records ---- */

/** source_reads_all_for_keys() - whether source_read_by_keys() has to read everything: then all
 * keys are best asked for at once */
bool source_reads_all_for_keys(struct source *s, const struct extract *x);

/** source_read_by_keys() - as read_all, only the records whose key text is in @keys
 * @keys: one value per key column, @count records */
int source_read_by_keys(struct source *s, const struct extract *x, const struct shape *shape,
        const struct value *keys, size_t count, const struct source_sink *sink,
        struct source_read **out, struct err *e) __attribute__((warn_unused_result));

/* ---- records that somebody else gives ---- */

/* One record that was pushed. What is not given is NULL. */
struct source_pushed {
        struct str json; /* an object, proved; no name twice */

        /* Filled by source_convert(), in its arena. */
        struct record record;    /* row NULL: it cannot be one, and `reason` says why */
        const char *reason;      /* NULL: it stands */
        const struct value *key; /* where it cannot be one: a row with the key's columns alone,
                                  * where these can be had; NULL: not even that */
};

/** source_convert() - makes of @items what a read of @x would deliver; runs the loop
 * Names are columns, children (arrays of objects), and `rows` where the extract groups. Sources
 * that describe columns refuse other names, and give each value the text that they would send
 * for it; else values are JSON as they are, and names that the mapper does not use are passed over.
 * Rows of children come in the source's order.
 * Return: 0; -ERR_REJECT a name that no column has (in the record whose `reason` is set: with the
 * nearest one); -ERR_CONFIG a connector that cannot, or columns that changed; -ERR_RETRY. */
int source_convert(struct source *s, const struct extract *x, const struct shape *shape,
        struct source_pushed *items, size_t count, struct arena *arena, struct err *e)
        __attribute__((warn_unused_result));

/** source_resume() - continues after SOURCE_PAUSE or SOURCE_HOLD; never delivers from inside */
void source_resume(struct source_read *r);

/** source_cancel() - asks the server to stop; on_end follows with -ERR_CANCEL */
void source_cancel(struct source_read *r);

/* ---- notifications ---- */

/* A source that tells of changes: it only wakes a mapper; what changed, the cursor finds. */
struct source_listener {
        const char *const *channels; /* outlive the source */
        size_t channel_count;

        /* @channel: index; or SOURCE_LISTEN_ALL: some may have been missed. From the loop. */
        void (*on_notify)(void *ctx, size_t channel);

        /* The connection is lost; the source is to be opened anew. Once, the last call. */
        void (*on_end)(void *ctx, const struct err *e);
        void *ctx;
};
#define SOURCE_LISTEN_ALL SIZE_MAX

/** source_can_listen() - whether sources of its kind tell of changes */
bool source_can_listen(const struct source_config *config);

/** source_listen() - from now on until source_close(); runs the loop until it listens, then
 * returns: the callbacks come from a loop that runs on. A source that listens does nothing else.
 * Return: 0; -ERR_CONFIG a connector that cannot, or a pooler between; -ERR_RETRY. */
int source_listen(struct source *s, const struct source_listener *listener, struct err *e)
        __attribute__((warn_unused_result));

/* ---- the lock across machines: PROTOCOL.md section 9 ---- */

#define SOURCE_NO_LOCK 1

/** source_lock() - at most one of all who use this source holds @key, until source_close(); runs
 * the loop
 * @wait_ms: how long another holder is waited for
 * Of one kind of source this is sure, of others not at all: see the connector.
 * Return: 0; SOURCE_NO_LOCK there is none to be had (logged where that is a surprise);
 * -ERR_LOCKED, the text names the holder as far as it can be seen; -ERR_RETRY; -ERR_CANCEL. */
int source_lock(struct source *s, uint64_t key, int64_t wait_ms, struct err *e)
        __attribute__((warn_unused_result));

/** source_lock_check() - whether the lock is still ours; one that was lost (with a connection that
 * broke, say) is taken again. In between others may have held it. Runs the loop.
 * Return: 0 it is, or there is none; -class as source_lock(). */
int source_lock_check(struct source *s, struct err *e) __attribute__((warn_unused_result));

/* What a connector implements; NULL where it cannot. Same contracts as above. */
struct source_ops {
        const char *type; /* in `type:` */
        bool no_snapshot; /* pages shift while they are read: a record may come twice in one read,
                           * or not at all; what did not come is gone only if a read by key does not
                           * find it either (PROTOCOL.md section 6) */
        bool open_shape;  /* columns are those that the mapper names (extract.names), all of JSON */
        const char *help;
        const struct option_table *options; /* of the entry in `sources:`, without `type` */
        size_t options_size;                /* of the struct they decode into */
        int (*check)(const struct source_config *config, struct err *e);
        const struct extract_kind *extract; /* the keys of its `extract:` */
        int (*decode_extract)(const struct option_context *cx, const struct ynode *node,
                struct extract *x, struct err *e);
        int (*open)(const struct source_config *config, struct loop *loop, const struct log *log,
                struct source **out, struct err *e);
        struct source *(*close)(struct source *s);
        int (*describe)(struct source *s, const struct extract *x, struct arena *arena,
                struct shape *out, struct err *e);
        int (*probe)(struct source *s, const struct extract *x, const struct shape *shape,
                struct err *e);
        int (*discover)(struct source *s, const struct catalog_query *q, struct arena *arena,
                struct catalog *out, struct err *e);
        int (*read_all)(struct source *s, const struct extract *x, const struct shape *shape,
                const struct source_sink *sink, struct source_read **out, struct err *e);
        int (*read_by_keys)(struct source *s, const struct extract *x, const struct shape *shape,
                const struct value *keys, size_t count, const struct source_sink *sink,
                struct source_read **out, struct err *e);
        int (*check_watch)(struct source *s, const struct extract *x,
                const struct source_watch *watch, struct err *e);
        int (*observe)(struct source *s, const struct extract *x, const struct source_watch *watch,
                struct source_observation *out, struct err *e);
        int (*read_since)(struct source *s, const struct extract *x, const struct shape *shape,
                const struct source_sink *sink, struct source_read **out, struct err *e);
        int (*position)(struct source *s, struct buf *out, struct err *e);
        const char *(*ahead)(struct source *s);
        const char *(*doubt)(struct source *s);
        bool (*reads_all_for_keys)(struct source *s, const struct extract *x);
        int (*read_keys)(struct source *s, const struct extract *x, const struct shape *shape,
                const struct source_sink *sink, struct source_read **out, struct err *e);
        int (*read_deleted)(struct source *s, const struct extract *x, const struct shape *shape,
                const struct source_sink *sink, struct source_read **out, struct err *e);
        int (*convert)(struct source *s, const struct extract *x, const struct shape *shape,
                struct source_pushed *items, size_t count, struct arena *arena, struct err *e);
        int (*lock)(struct source *s, uint64_t key, int64_t wait_ms, struct err *e);
        int (*lock_check)(struct source *s, struct err *e);
        int (*listen)(struct source *s, const struct source_listener *listener, struct err *e);
        bool (*outputs)(const char *query, struct arena *arena, struct string_list *out);
        void (*resume)(struct source_read *r);
        void (*cancel)(struct source_read *r);
};

/* Embedded first in every connector's source and read. */
struct source_base {
        const struct source_ops *ops;
};

extern const struct source_ops source_postgres, source_rest;

/* Keys of every source, beside `type` and those of its connector. For the test that keeps the
 * editor schema in step. */
extern const struct option_table source_common_table;

/** source_types() - the connectors of this build, NULL-terminated */
const struct source_ops *const *source_types(void);
