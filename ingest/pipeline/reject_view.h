/*
 * reject_view.h: a reject's document, as rejects.c writes it, taken apart.
 *
 * It borrows from the document's text. A document that somebody else put there, or cut, gives
 * members that are not there: nothing here fails.
 */
#pragma once

#include "ingest/base/buf.h"

/* One reject. Members are JSON as CouchDB wrote it, .ptr NULL where there is none. */
struct reject_view {
        struct str id, rev; /* of its document; plain text */
        struct str mapper, key, database, document, stage, field, reason, attempts, first, last;
        struct str record;
};

/** reject_view_read() - the members of @json; id and rev of @out stay as they are */
void reject_view_read(struct str json, struct reject_view *out);

/** reject_view_key_text() - appends the key as people read it: 7, or 7,A1; nothing where there is
 * none */
void reject_view_key_text(const struct reject_view *reject, struct buf *out);

/** reject_view_is() - does @key name this reject: the text of its key, its key as JSON, or the id
 * of its document (the only name of a reject whose record has no key) */
bool reject_view_is(const struct reject_view *reject, const char *key);

/** reject_view_key() - appends the source key as key.h encodes it; strings stay text
 * @columns: how many a source key has      Return: false where it names no record. */
bool reject_view_key(const struct reject_view *reject, size_t columns, struct buf *out);

/** reject_view_json() - appends it as an object, as `rejects --json` and the service show it
 * @record: with the record */
void reject_view_json(const struct reject_view *reject, bool record, struct buf *out);
