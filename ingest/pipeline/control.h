/*
 * control.h: the control database for operators' commands.
 *
 * A client of its own, without a run. Somebody waits for the answer, so that a server that does
 * not answer, or accepts and is silent, is given up after CONTROL_PATIENCE_MS, where a run tries
 * for couchdb.retry_for. That is the whole time for opening; after it, the longest silence.
 * Functions run the loop; one thread.
 */
#pragma once

#include "ingest/couch/scan.h"
#include "ingest/pipeline/config.h"

#define CONTROL_PATIENCE_MS 10000

struct control {
        struct couch_options options; /* the configuration's, with less patience */
        struct couch *couch;
        struct couch_server server;
        const char *database;
        bool absent; /* there is no control database yet: nothing ever ran */
};

/** control_open() - connects, proves the credentials, looks for the control database
 * @out: must not move; control_close() in any case
 * Return: 0; -ERR_RETRY unreachable; -ERR_CONFIG wrong credentials or rights. */
int control_open(const struct config *config, struct loop *loop, const struct log *log,
        struct control *out, struct err *e) __attribute__((warn_unused_result));

/** control_open_within() - the same with another patience, in milliseconds */
int control_open_within(const struct config *config, struct loop *loop, const struct log *log,
        int64_t patience_ms, struct control *out, struct err *e)
        __attribute__((warn_unused_result));
void control_close(struct control *c);

#define CONTROL_STOP 1

/** control_scan() - the documents whose ids begin with @prefix, ascending; stops early when @fn
 * returns CONTROL_STOP
 * @after: only ids above it; .ptr NULL: all      Return: 0; -class. */
int control_scan(struct control *c, struct str prefix, struct str after, bool bodies,
        scan_doc_fn fn, void *ctx, struct err *e) __attribute__((warn_unused_result));
