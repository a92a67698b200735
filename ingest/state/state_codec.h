/*
 * state_codec.h: the bytes of the state's keys and values. Pure: no LMDB, no I/O.
 *
 * Numbers are varints (LEB128) or big-endian where they take part in the order of keys. A key
 * that LMDB would refuse is cut: its first bytes and an XXH3-128, and the full key stands in the
 * value, so that readers can tell a collision. A revision N-<32 lower-case hexadecimal digits>
 * takes a varint and 16 bytes.
 *
 * Decoders check every length against the bytes that are there: damaged bytes give false, never
 * a read outside of them. What they return is borrowed from the value (and, for an entry's packed
 * revisions, lives in the entry). Raise STATE_FORMAT with every change here.
 */
#pragma once

#include "ingest/state/state.h"

#define STATE_FORMAT 2 /* a file of another format is set aside */

#define CODEC_KEY_MAX 511 /* LMDB's limit in its default build */

/* Room for a key that had to be composed or cut. */
struct codec_space {
        char bytes[CODEC_KEY_MAX];
};

/** codec_key() - the stored form of the source key (or name) @full
 * Return: @full itself, or a cut key in @space, which is CODEC_KEY_MAX bytes long and so equal to
 * no key that was not cut. */
struct str codec_key(struct str full, struct codec_space *space);

static inline bool codec_key_is_cut(struct str stored)
{
        return stored.len == CODEC_KEY_MAX;
}

/** codec_id_key() - of (@database, @id), in @space: database big-endian, then the id */
struct str codec_id_key(uint16_t database, struct str id, struct codec_space *space);

/** codec_owed_key() - what makes two debts the same: key and reason, of OLD_ID also the document */
struct str codec_owed_key(const struct state_owed *owed, struct codec_space *space);

/** codec_parked_key() - sorts by database, id, key; equal (database, id) always stand together */
struct str codec_parked_key(const struct state_parked *parked, struct codec_space *space);

/** codec_parked_range() - what the keys of all claims on (@database, @id) begin with */
struct str codec_parked_range(uint16_t database, struct str id, struct codec_space *space);

/* The first byte of a document in an entry, and of an unattached one. */
enum codec_doc_flags {
        DOC_DELETED = 1,
        DOC_DIGEST = 2,     /* a digest follows; else it is void */
        DOC_REV_PACKED = 4, /* generation and 16 bytes */
        DOC_REV_TEXT = 8,   /* a string; neither: unknown */
        DOC_ATTACHMENTS = 16,
        DOC_FLAGS = 31 /* all of them */
};

/* Values. @stored: the key under which the value stands; @full: the key in full. Encoders append
 * to @out, which the caller checks with buf_check(). A decoder that is given a value whose full
 * key is not the one asked for says CODEC_OTHER. */
enum codec_result { CODEC_OK, CODEC_OTHER, CODEC_DAMAGED };

void codec_put_entry(
        struct buf *out, struct str stored, struct str full, const struct state_entry *entry);
/** codec_get_entry() - @want: the key asked for, or NULL and @full gets the key in full */
enum codec_result codec_get_entry(struct str value, struct str stored, const struct str *want,
        struct str *full, struct state_entry *entry);

/* A document's holder: the source key. */
void codec_put_holder(struct buf *out, struct str stored, struct str id, struct str key);
enum codec_result codec_get_holder(
        struct str value, struct str stored, struct str id, struct str *key);

/* A document without source key. */
void codec_put_unattached(
        struct buf *out, struct str stored, struct str id, const struct state_holder *doc);
/** codec_get_unattached() - @want: the id asked for, or NULL and *@id gets it */
enum codec_result codec_get_unattached(struct str value, struct str stored, const struct str *want,
        struct str *id, struct state_holder *doc);

void codec_put_owed(struct buf *out, const struct state_owed *owed);
enum codec_result codec_get_owed(struct str value, struct state_owed *owed);

void codec_put_parked(struct buf *out, const struct state_parked *parked);
enum codec_result codec_get_parked(struct str value, struct state_parked *parked);

void codec_put_reject(
        struct buf *out, struct str stored, struct str key, const struct state_reject *reject);
enum codec_result codec_get_reject(struct str value, struct str stored, const struct str *want,
        struct str *full, struct state_reject *reject);

/** codec_id_key_database() - the database of a stored id key */
uint16_t codec_id_key_database(struct str stored);

#define CODEC_REV_MAX 53 /* 20 digits, '-', 32 digits */

struct codec_rev {
        uint64_t generation;
        uint8_t hash[16];
};

/** codec_rev_pack() - false where @rev is not in the form that packs and unpacks to itself */
bool codec_rev_pack(struct str rev, struct codec_rev *out);
/** codec_rev_unpack() - text into @out. Return: its length. */
size_t codec_rev_unpack(const struct codec_rev *rev, char out[STATE_MAX_REV]);
