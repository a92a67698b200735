/*
 * scan.h: reading many documents as a stream, in constant memory.
 *
 * Both functions run the loop until the stream has ended and begin again (behind the last row
 * handed over) when the connection breaks. Rows are borrowed until the callback returns; a
 * callback answers 0, or -class with *e filled, which ends the scan with that error.
 */
#pragma once

#include "ingest/couch/couch.h"

struct scan_doc {
        struct str id;
        struct str rev;
        bool deleted;
        bool conflicts; /* has live conflict branches */
        bool attachments;
        struct str json; /* the whole document as CouchDB wrote it; .ptr NULL where not asked */
};
typedef int (*scan_doc_fn)(void *ctx, const struct scan_doc *doc, struct err *e);

/** scan_range() - live documents with ids in [@start, @end), ascending by bytes
 * @bodies: with include_docs and conflicts
 * @end: .ptr NULL: to the end. (Pages of _all_docs; CouchDB collates ids with ICU in views but by
 * bytes in _all_docs.) */
int scan_range(struct couch *c, const char *database, struct str start, struct str end, bool bodies,
        scan_doc_fn fn, void *ctx, struct err *e) __attribute__((warn_unused_result));

/** scan_document() - the live document @id alone, with its body; nothing where there is none */
int scan_document(struct couch *c, const char *database, struct str id, scan_doc_fn fn, void *ctx,
        struct err *e) __attribute__((warn_unused_result));

/** scan_prefix() - scan_range() over all ids that begin with @prefix */
int scan_prefix(struct couch *c, const char *database, struct str prefix, bool bodies,
        scan_doc_fn fn, void *ctx, struct err *e) __attribute__((warn_unused_result));

struct scan_change {
        struct str id;
        struct str rev;           /* winning leaf */
        const struct str *leaves; /* all leaves (style=all_docs), the winner first */
        size_t leaf_count;
        bool deleted;
};
typedef int (*scan_change_fn)(void *ctx, const struct scan_change *change, struct err *e);

/** scan_changes() - _changes of @database since @since with style=all_docs
 * Not every row has a sequence: after a break some hundred changes may come a second time.
 * @since: "" for the beginning      @last_seq: the feed's last sequence, appended (may be NULL) */
int scan_changes(struct couch *c, const char *database, struct str since, scan_change_fn fn,
        void *ctx, struct buf *last_seq, struct err *e) __attribute__((warn_unused_result));
