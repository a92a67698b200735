/*
 * couch.h: a CouchDB server: session, databases, single requests.
 *
 * Functions here run the loop until they are done (never call them from a callback) and retry
 * what can be retried, with jittered exponential back-off and Retry-After, within retry_for.
 * 401 is answered once: with cookie sessions by logging in again, else by -ERR_CONFIG; never in a
 * loop (CouchDB locks an account after five wrong passwords). One thread: that of the loop.
 * Streams are in scan.h, bulk writes in bulk.h; both use the requests of this header.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "ingest/base/log.h"
#include "ingest/base/options.h"
#include "ingest/loop/http.h"

struct couch;
struct couch_meter;

enum couch_auth {
        COUCH_AUTH_NONE,
        COUCH_AUTH_BASIC,
        COUCH_AUTH_SESSION,
        COUCH_AUTH_JWT_FILE,
        COUCH_AUTH_BEARER
};

/* The `couchdb:` block of erp2couch.yaml (DESIGN.md section 3). */
struct couch_options {
        const char *url; /* without user and password */
        enum couch_auth auth;
        const char *user, *password; /* secret */
        const char *jwt_file;
        const char *bearer; /* secret */
        const char *ca_file, *cert_file, *key_file;
        const char *control_database;
        bool create;      /* missing databases are made */
        int64_t create_q; /* 0: the server's default */
        bool create_partitioned;
        int64_t max_batch_docs;
        int64_t max_batch_bytes;
        int64_t max_in_flight;
        int64_t retry_for_ms;

        /* Not of the file: what all clients together do is counted there (meter.h). Outlives them;
         * NULL: nobody counts. */
        struct couch_meter *meter;
};

/** couch_options_decode() - the `couchdb:` block; strings live in @arena
 * Return: 0; -ERR_CONFIG with FILE:LINE:COLUMN. */
int couch_options_decode(const struct ydoc *doc, const struct ynode *node, struct arena *arena,
        struct couch_options *out, struct err *e) __attribute__((warn_unused_result));

extern const struct option_table couch_option_table;

/** couch_open() - a client; connects and authenticates with the first request
 * @options, @loop, @log: outlive it */
int couch_open(const struct couch_options *options, struct loop *loop, const struct log *log,
        struct couch **out, struct err *e) __attribute__((warn_unused_result));
struct couch *couch_close(struct couch *c);

/** couch_patience() - from now on single requests and scans (not bulk writes) wait no longer, with
 * all their tries, whatever the server does: then they end with -ERR_RETRY
 * @ms: counted from now; 0: retry_for and the client's time-outs alone, as after couch_open()
 * @renewed: counted anew with each question, and with each part of a scan that comes */
void couch_patience(struct couch *c, int64_t ms, bool renewed);
DEFINE_CLEANUP(struct couch *, couch_close);

struct couch_server {
        char vendor[64]; /* "The Apache Software Foundation", "PouchDB authors", ... */
        char version[32];
        char uuid[64];
        char user[64];        /* as whom it knows us; "" nobody */
        bool predicts;        /* Apache CouchDB: revisions can be predicted */
        bool makes_databases; /* for us; true where that shows only when it is tried */
};
/** couch_server() - GET /, then proves the credentials with GET /_session
 * Return: 0; -ERR_RETRY unreachable for retry_for; -ERR_CONFIG wrong credentials, not CouchDB. */
int couch_server(struct couch *c, struct couch_server *out, struct err *e)
        __attribute__((warn_unused_result));

struct couch_database {
        char instance_start_time[32];
        struct str update_seq; /* opaque text (integers as text); owned: free with _deinit */
        int64_t update_number; /* the number before the dash of update_seq */
        int64_t purge_number;  /* the same of purge_seq: how many documents were purged */
        int64_t doc_count, doc_del_count;
        int64_t n; /* replicas; more than 1: numbers differ between them */
};
void couch_database_deinit(struct couch_database *d);

#define COUCH_ABSENT 1

/** couch_database() - GET /@name. Return: 0; COUCH_ABSENT; -ERR_RETRY, -ERR_CONFIG (rights). */
int couch_database(struct couch *c, const char *name, struct couch_database *out, struct err *e)
        __attribute__((warn_unused_result));

/** couch_revs_missing() - asks _revs_diff whether the database @name lacks one of the revisions
 * @question: {"id":["rev",...],...}, some thousand of them at most
 * Return: 0; -class. */
int couch_revs_missing(struct couch *c, const char *name, struct str question, bool *missing,
        struct err *e) __attribute__((warn_unused_result));

/** couch_database_ensure() - makes @name where it is missing and options allow it
 * @created: may be NULL
 * Return: 0; -ERR_CONFIG create: false, no right to create, a name CouchDB refuses; -ERR_RETRY. */
int couch_database_ensure(struct couch *c, const char *name, bool *created, struct err *e)
        __attribute__((warn_unused_result));

/** couch_database_name_valid() - ^[a-z][a-z0-9_$()+/-]*$, at most 238 bytes */
bool couch_database_name_valid(struct str name);

/** couch_local_get() - GET /@database/_local/@id; owned by the caller (cJSON_Delete)
 * Return: 0; COUCH_ABSENT; -class. */
int couch_local_get(struct couch *c, const char *database, const char *id, cJSON **out,
        struct err *e) __attribute__((warn_unused_result));

/** couch_local_put() - writes it; `_rev` is taken from what is there (pouchdb-server checks it)
 * @doc: cJSON prints 15 digits of a number: larger ones as strings */
int couch_local_put(struct couch *c, const char *database, const char *id, const cJSON *doc,
        struct err *e) __attribute__((warn_unused_result));

/** couch_local_delete() - deletes it. Return: 0; COUCH_ABSENT there was none; -class. */
int couch_local_delete(struct couch *c, const char *database, const char *id, struct err *e)
        __attribute__((warn_unused_result));

/* One request to the server, asynchronous; path begins with '/', is already encoded. */
struct couch_request {
        const char *method, *path;
        struct str body; /* JSON; borrowed until on_done */
        size_t max_reply;
        int64_t timeout_ms;
        int (*on_body)(void *ctx, struct str bytes, struct err *e);
        void (*on_done)(void *ctx, const struct http_reply *reply);
        void *ctx;
};
/** couch_start() - sends it with the session's credentials; no retry, no re-login
 * A 401 under cookie sessions marks the session for a new log-in (couch_session()). */
int couch_start(struct couch *c, const struct couch_request *request, struct http_call **out,
        struct err *e) __attribute__((warn_unused_result));

/** couch_call() - the same, runs the loop, retries, logs in again; for JSON replies
 * @json: owned by the caller; may be NULL      @status: HTTP status, may be NULL
 * Return: 0 for 2xx and 404; -class else, with CouchDB's error and reason in the text. */
int couch_call(struct couch *c, const struct couch_request *request, int *status, cJSON **json,
        struct err *e) __attribute__((warn_unused_result));

/** couch_reply_error() - a failed reply as an error: class by status, text with error and reason
 * 400, 412, 413 ERR_REJECT; 408, 429, 5xx and no reply ERR_RETRY; 409 ERR_BUG; 3xx and other 4xx
 * ERR_CONFIG; anything else ERR_BUG. Return: -class. */
int couch_reply_error(
        const struct http_reply *reply, const char *method, const char *path, struct err *e);

/* Counters for metrics and the summary. */
struct couch_stats {
        uint64_t requests, retries, bytes_sent, bytes_received;
};
const struct couch_stats *couch_stats(const struct couch *c);
const struct couch_options *couch_options(const struct couch *c);
struct loop *couch_loop(const struct couch *c);
