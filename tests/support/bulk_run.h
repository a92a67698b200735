/*
 * bulk_run.h: a bulk writer for tests, with everything it says recorded.
 */
#pragma once

#include "ingest/couch/bulk.h"

struct told {
        enum bulk_result result;
        char id[128], rev[64], reason[256];
        bool existed, foreign, attachments;
        void *cookie;
};

struct bulk_run {
        struct couch_options options;
        struct loop *loop;
        struct couch *couch;
        struct bulk *bulk;
        const char *database;
        struct told *told; /* in the order of the outcomes */
        size_t count, room_told;
        bool room; /* on_drain was called */
        size_t counts[BULK_ABANDONED + 1];
        void (*hook)(struct bulk_run *r, const struct told *t); /* at each outcome; may push */
};

/** bulk_run_start() - a client and a writer with @options; aborts where that fails */
struct bulk_run *bulk_run_start(
        const struct couch_options *options, bool predicts, const char *database);
void bulk_run_stop(struct bulk_run *r);

/** bulk_run_push() - @doc with r->database and the digest of its body; waits where full */
int bulk_run_push(struct bulk_run *r, struct bulk_doc doc, struct err *e);

/** bulk_run_many() - documents "ID-00000" ... with bodies "n":0 ..., each new */
void bulk_run_many(struct bulk_run *r, const char *prefix, int count);

/** bulk_run_one() - push one, drain, and what was told of it */
const struct told *bulk_run_one(struct bulk_run *r, struct bulk_doc doc);

/** bulk_run_find() - what was told of @id last; NULL: nothing */
const struct told *bulk_run_find(const struct bulk_run *r, const char *id);
