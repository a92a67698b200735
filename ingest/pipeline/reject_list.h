/*
 * reject_list.h: the rejects in the control database, for operators (PROTOCOL.md section 8).
 *
 * They are read from CouchDB as a stream in the order of mapper and key, in constant memory.
 * Nothing here needs the state or the source.
 */
#pragma once

#include "ingest/pipeline/control.h"
#include "ingest/pipeline/reject_view.h"

/* Return: 0, CONTROL_STOP, -class */
typedef int (*reject_fn)(void *ctx, const struct reject_view *reject, struct err *e);

/** reject_each() - the rejects of @mapper (NULL: of all, also of such that are not configured)
 * @key: only those of this source key (see reject_view_is()); NULL: all */
int reject_each(struct control *c, const char *mapper, const char *key, reject_fn fn, void *ctx,
        struct err *e) __attribute__((warn_unused_result));

/** reject_page() - the same, from behind the reject whose document is @after on
 * @after: .ptr NULL: from the first */
int reject_page(struct control *c, const char *mapper, const char *key, struct str after,
        reject_fn fn, void *ctx, struct err *e) __attribute__((warn_unused_result));

/** reject_exists() - whether there is one of @mapper. Return: 1, 0, -class. */
int reject_exists(struct control *c, const char *mapper, struct err *e)
        __attribute__((warn_unused_result));

struct reject_keys {
        struct arena *arena; /* owned: where keys live */
        struct str *keys;    /* owned; as reject_view_key() gives them, sorted, each once */
        size_t count, room;
        uint64_t without; /* rejects whose record cannot be read by its key */
};
void reject_keys_deinit(struct reject_keys *k);

/** reject_keys() - the source keys of the rejects of @mapper, to be read again
 * @key: only this one; NULL: all      @columns: how many a source key has
 * @out: reject_keys_deinit() in any case      Return: 0; -ERR_REJECT too many; -class. */
int reject_keys(struct control *c, const char *mapper, const char *key, size_t columns,
        struct reject_keys *out, struct err *e) __attribute__((warn_unused_result));

/** reject_drop() - deletes the rejects of @mapper (@key: only that one; NULL: all)
 * Holds the lock of a configured mapper: a run would write again what it has read before.
 * @dropped: how many, also after a failure      Return: 0; -ERR_LOCKED a run is under way; -class.
 */
int reject_drop(struct control *c, const struct config *config, const struct log *log,
        const char *mapper, const char *key, uint64_t *dropped, struct err *e)
        __attribute__((warn_unused_result));
