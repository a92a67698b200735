/*
 * An entry is one varint stream, decoded front to back without allocation: 1,000,000 of them are
 * read in a run that changes nothing, so a decoder touches only the bytes that are there and the
 * fields that the entry has.
 *
 *   entry       ordinal run [full key] count { flags database id [rev] [digest] }...
 *   holder      [full id] source key
 *   unattached  [full id] flags run rev [digest]
 *   owed        reason key database id rev
 *   parked      database id key ordinal digest body
 *   reject      [full key] attempts rev first
 *
 * [full key] stands only under a cut key. A string is its length and its bytes.
 */
#include "ingest/state/state_codec.h"

#include <xxhash.h>

#define HASH_BYTES   16
#define CUT_PREFIX   (CODEC_KEY_MAX - HASH_BYTES) /* of a cut key: keeps the order, mostly */
#define VARINT_BYTES 10                           /* of the largest uint64_t */

static void put_hash(struct str s, char out[HASH_BYTES])
{
        XXH128_canonical_t hash;

        XXH128_canonicalFromHash(&hash, XXH3_128bits(s.ptr, s.len));
        memcpy(out, hash.digest, HASH_BYTES);
}

struct str codec_key(struct str full, struct codec_space *space)
{
        if (full.len < CODEC_KEY_MAX)
                return full;
        memcpy(space->bytes, full.ptr, CUT_PREFIX);
        put_hash(full, space->bytes + CUT_PREFIX);
        return (struct str){space->bytes, CODEC_KEY_MAX};
}

/* ---- composed keys ---- */

static void put_database(char *p, uint16_t database)
{
        p[0] = (char)(database >> 8);
        p[1] = (char)(database & 0xFF);
}

uint16_t codec_id_key_database(struct str stored)
{
        if (stored.len < 2)
                return 0;
        return (uint16_t)((uint8_t)stored.ptr[0] << 8 | (uint8_t)stored.ptr[1]);
}

struct str codec_id_key(uint16_t database, struct str id, struct codec_space *space)
{
        put_database(space->bytes, database);
        if (id.len < CODEC_KEY_MAX - 2) {
                if (id.len)
                        memcpy(space->bytes + 2, id.ptr, id.len);
                return (struct str){space->bytes, id.len + 2};
        }
        memcpy(space->bytes + 2, id.ptr, CUT_PREFIX - 2);
        put_hash(id, space->bytes + CUT_PREFIX);
        return (struct str){space->bytes, CODEC_KEY_MAX};
}

/* Components of the keys of owed and parked: escaped (0x00 as 0x00 0xFF) and closed by 0x00 0x01,
 * so that they sort as their bytes do; one longer than COMPONENT_MAX is cut: 0x00 0x02, hash. */
#define COMPONENT_MAX 200                              /* bytes of the escaped text */
#define COMPONENT_END (COMPONENT_MAX + 2 + HASH_BYTES) /* two of them fit a key, with 7 more */
_Static_assert(2 * COMPONENT_END + 7 < CODEC_KEY_MAX, "composed keys fit");

static size_t put_component(char *out, struct str s)
{
        size_t n = 0, i = 0;

        for (; i < s.len && n + 2 <= COMPONENT_MAX; i++) {
                out[n++] = s.ptr[i];
                if (s.ptr[i] == '\0')
                        out[n++] = '\xFF';
        }
        out[n++] = '\0';
        if (i == s.len) {
                out[n++] = 1;
                return n;
        }
        out[n++] = 2;
        put_hash(s, out + n);
        return n + HASH_BYTES;
}

struct str codec_owed_key(const struct state_owed *owed, struct codec_space *space)
{
        char *p = space->bytes;
        size_t n = put_component(p, owed->key);

        p[n++] = (char)owed->reason;
        if (owed->reason == STATE_OWED_OLD_ID || owed->reason == STATE_OWED_BRANCHES) {
                put_database(p + n, owed->database);
                n += 2;
                n += put_component(p + n, owed->id);
        }
        return (struct str){p, n};
}

struct str codec_parked_range(uint16_t database, struct str id, struct codec_space *space)
{
        put_database(space->bytes, database);
        return (struct str){space->bytes, 2 + put_component(space->bytes + 2, id)};
}

struct str codec_parked_key(const struct state_parked *parked, struct codec_space *space)
{
        size_t n = codec_parked_range(parked->database, parked->id, space).len;

        return (struct str){space->bytes, n + put_component(space->bytes + n, parked->key)};
}

/* ---- writing values ---- */

static char *varint(char *p, uint64_t v)
{
        while (v >= 0x80) {
                *p++ = (char)(v | 0x80);
                v >>= 7;
        }
        *p++ = (char)v;
        return p;
}

static char *bytes(char *p, const void *from, size_t n)
{
        if (n)
                memcpy(p, from, n);
        return p + n;
}

static char *string(char *p, struct str s)
{
        return bytes(varint(p, s.len), s.ptr, s.len);
}

static size_t string_bound(struct str s)
{
        return VARINT_BYTES + s.len;
}

static bool digest_is_set(const struct digest *d)
{
        static const struct digest none;

        return !digest_eq(d, &none);
}

static char *document(char *p, const struct state_doc *d)
{
        struct codec_rev packed;
        unsigned flags = (d->deleted ? DOC_DELETED : 0) | (d->attachments ? DOC_ATTACHMENTS : 0);

        if (digest_is_set(&d->digest))
                flags |= DOC_DIGEST;
        if (codec_rev_pack(d->rev, &packed))
                flags |= DOC_REV_PACKED;
        else if (d->rev.len)
                flags |= DOC_REV_TEXT;
        *p++ = (char)flags;
        p = string(varint(p, d->database), d->id);
        if (flags & DOC_REV_PACKED)
                p = bytes(varint(p, packed.generation), packed.hash, sizeof(packed.hash));
        else if (flags & DOC_REV_TEXT)
                p = string(p, d->rev);
        if (flags & DOC_DIGEST)
                p = bytes(p, d->digest.bytes, DIGEST_BYTES);
        return p;
}

static size_t document_bound(struct str rev)
{
        return 1 + VARINT_BYTES + 16 + string_bound(rev) + DIGEST_BYTES;
}

static void done(struct buf *out, const char *end)
{
        out->len = (size_t)(end - out->data);
}

void codec_put_entry(
        struct buf *out, struct str stored, struct str full, const struct state_entry *entry)
{
        size_t bound = 3 * VARINT_BYTES + string_bound(full);

        for (uint32_t i = 0; i < entry->doc_count; i++)
                bound += VARINT_BYTES + string_bound(entry->docs[i].id) +
                         document_bound(entry->docs[i].rev);
        char *p = buf_room(out, bound);
        if (!p)
                return;
        p = varint(varint(p, entry->ordinal), entry->run);
        if (codec_key_is_cut(stored))
                p = string(p, full);
        p = varint(p, entry->doc_count);
        for (uint32_t i = 0; i < entry->doc_count; i++)
                p = document(p, &entry->docs[i]);
        done(out, p);
}

void codec_put_holder(struct buf *out, struct str stored, struct str id, struct str key)
{
        char *p = buf_room(out, string_bound(id) + key.len);

        if (!p)
                return;
        if (codec_key_is_cut(stored))
                p = string(p, id);
        done(out, bytes(p, key.ptr, key.len));
}

void codec_put_unattached(
        struct buf *out, struct str stored, struct str id, const struct state_holder *doc)
{
        char *p = buf_room(out, string_bound(id) + VARINT_BYTES + document_bound(doc->rev));

        if (!p)
                return;
        if (codec_key_is_cut(stored))
                p = string(p, id);
        /* The revision stays text: a holder has no room to unpack it, and these entries are
         * gone when the read that follows has attached them. */
        *p++ = (char)((doc->deleted ? DOC_DELETED : 0) | (doc->attachments ? DOC_ATTACHMENTS : 0) |
                      (digest_is_set(&doc->digest) ? DOC_DIGEST : 0) | DOC_REV_TEXT);
        p = string(varint(p, doc->run), doc->rev);
        if (digest_is_set(&doc->digest))
                p = bytes(p, doc->digest.bytes, DIGEST_BYTES);
        done(out, p);
}

void codec_put_owed(struct buf *out, const struct state_owed *owed)
{
        char *p = buf_room(out, 2 * VARINT_BYTES + string_bound(owed->key) +
                                        string_bound(owed->id) + string_bound(owed->rev));

        if (!p)
                return;
        p = string(varint(p, owed->reason), owed->key);
        p = string(varint(p, owed->database), owed->id);
        done(out, string(p, owed->rev));
}

void codec_put_parked(struct buf *out, const struct state_parked *parked)
{
        char *p = buf_room(out, 2 * VARINT_BYTES + string_bound(parked->id) +
                                        string_bound(parked->key) + DIGEST_BYTES +
                                        string_bound(parked->body));

        if (!p)
                return;
        p = string(varint(p, parked->database), parked->id);
        p = varint(string(p, parked->key), parked->ordinal);
        p = bytes(p, parked->digest.bytes, DIGEST_BYTES);
        done(out, string(p, parked->body));
}

void codec_put_reject(
        struct buf *out, struct str stored, struct str key, const struct state_reject *reject)
{
        char *p = buf_room(out, 2 * VARINT_BYTES + string_bound(key) + string_bound(reject->rev) +
                                        string_bound(reject->first));

        if (!p)
                return;
        if (codec_key_is_cut(stored))
                p = string(p, key);
        p = varint(varint(p, reject->attempts), reject->run);
        done(out, string(string(p, reject->rev), reject->first));
}

/* ---- revisions ---- */

/* The value of a lower-case hexadecimal digit; 16 and more for any other byte. */
static unsigned hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return (unsigned)(c - '0');
        return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

/* "12-" at the start of @rev. Return: where the digits begin; 0 where it is not the plain form. */
static size_t parse_generation(struct str rev, uint64_t *out)
{
        uint64_t n = 0;
        size_t i = 0;

        if (rev.len == 0 || rev.ptr[0] == '0')
                return 0;
        for (; i < rev.len && rev.ptr[i] >= '0' && rev.ptr[i] <= '9'; i++) {
                uint64_t digit = (uint64_t)(rev.ptr[i] - '0');
                if (n > (UINT64_MAX - digit) / 10)
                        return 0;
                n = n * 10 + digit;
        }
        if (i == 0 || i == rev.len || rev.ptr[i] != '-')
                return 0;
        *out = n;
        return i + 1;
}

bool codec_rev_pack(struct str rev, struct codec_rev *out)
{
        size_t at = parse_generation(rev, &out->generation);
        unsigned bad = 0;

        if (at == 0 || rev.len - at != 2 * sizeof(out->hash))
                return false;
        for (size_t i = 0; i < sizeof(out->hash); i++) {
                unsigned high = hex_value(rev.ptr[at + 2 * i]);
                unsigned low = hex_value(rev.ptr[at + 2 * i + 1]);
                bad |= high | low;
                out->hash[i] = (uint8_t)(high << 4 | (low & 15));
        }
        return bad < 16;
}

#define HEX_ROW(h)                                                                                 \
        h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "a" h "b" h "c" h "d" h      \
          "e" h "f"

size_t codec_rev_unpack(const struct codec_rev *rev, char out[STATE_MAX_REV])
{
        static const char pairs[] = HEX_ROW("0") HEX_ROW("1") HEX_ROW("2") HEX_ROW("3") HEX_ROW("4")
                HEX_ROW("5") HEX_ROW("6") HEX_ROW("7") HEX_ROW("8") HEX_ROW("9") HEX_ROW("a")
                        HEX_ROW("b") HEX_ROW("c") HEX_ROW("d") HEX_ROW("e") HEX_ROW("f");
        char digits[20];
        size_t n = sizeof(digits), len;
        uint64_t g = rev->generation;

        do {
                digits[--n] = (char)('0' + g % 10);
                g /= 10;
        } while (g);
        len = sizeof(digits) - n;
        memcpy(out, digits + n, len);
        out[len++] = '-';
        for (size_t i = 0; i < sizeof(rev->hash); i++, len += 2)
                memcpy(out + len, pairs + 2 * (size_t)rev->hash[i], 2);
        return len;
}
