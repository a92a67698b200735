/*
 * digest.h: the digest of a document body (XXH3-128 of canonical JSON).
 *
 * The body is what stands between the braces of a document, without top-level members whose names
 * begin with '_', and without members that the mapper calls insignificant. A filter names the
 * insignificant members as a tree; NULL means that all are significant. The digest of a rendered
 * body and of the same document given back by CouchDB are equal.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/base/buf.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

#define DIGEST_BYTES 16

struct digest {
        uint8_t bytes[DIGEST_BYTES]; /* all zero: void, equal to no digest */
};

struct digest_filter {
        struct str name;
        bool insignificant;                  /* the member is left out */
        const struct digest_filter *members; /* of the object (or of the objects in the array) */
        size_t member_count;
};

/** digest_body() - of @body: canonical JSON members without the braces, none insignificant */
struct digest digest_body(struct str body);

/** digest_document() - of a whole JSON document as CouchDB gives it (any form of JSON)
 * @filter: root of the tree (its name is unused), or NULL      @scratch: cleared and used
 * @body: where the canonical members without '_' names are left (insignificant ones included);
 *        may be NULL
 * Return: 0; -ERR_REJECT not JSON, not an object. */
int digest_document(struct str json, const struct digest_filter *filter, struct buf *scratch,
        struct buf *body, struct digest *out, struct err *e) __attribute__((warn_unused_result));

/** digest_filtered() - of @body (canonical members without braces) leaving out what @filter says */
int digest_filtered(struct str body, const struct digest_filter *filter, struct buf *scratch,
        struct digest *out, struct err *e) __attribute__((warn_unused_result));

static inline bool digest_eq(const struct digest *a, const struct digest *b)
{
        return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

bool digest_is_void(const struct digest *d);
