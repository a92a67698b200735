/*
 * rev.h: the revision that CouchDB will give to a write.
 *
 * rev = N-md5(term_to_binary([Deleted, ParentPos, ParentRev, Body, []], [{minor_version, 1}])),
 * as couch_db:new_revid/1 computes it (CouchDB 3.x; ../shared COUCHDB.md section 3). The body is
 * encoded in the order of its keys; integer and float differ. Exact for integers of any size and
 * for normal doubles; for a denormal, or a document with attachments, no prediction is made.
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/buf.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

#define REV_MAX                                                                                    \
        64 /* bytes of a revision's text with the NUL: at most 20 digits, '-', 32 digits           \
            */

#define REV_UNKNOWN 1 /* no prediction can be made: compare bodies instead */

/** rev_predict() - of a document
 * @body: canonical JSON members without braces (and without members that begin with '_')
 * @parent: revision that is replaced, "" for none      @scratch: cleared and used
 * @out: NUL-terminated revision
 * Return: 0; REV_UNKNOWN; -ERR_NOMEM. */
int rev_predict(bool deleted, struct str parent, struct str body, struct buf *scratch,
        char out[REV_MAX], struct err *e) __attribute__((warn_unused_result));

/* A document whose revision is asked for together with others. */
struct rev_query {
        bool deleted;
        struct str parent, body; /* as for rev_predict() */
        char *out;               /* REV_MAX bytes; "" where no prediction can be made */
};

/** rev_predict_many() - the same for many documents, in less time
 * Return: 0; -ERR_NOMEM. */
int rev_predict_many(const struct rev_query *queries, size_t count, struct buf *scratch,
        struct err *e) __attribute__((warn_unused_result));

/** rev_generation() - the number before the dash; 0 where there is none */
uint64_t rev_generation(struct str rev);
