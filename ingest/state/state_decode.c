/*
 * The reading half of state_codec.h. A cursor walks the bytes; the first length that does not fit
 * makes it bad, and every later read of a bad cursor yields nothing, so that a decoder checks
 * once, at its end. Nothing may be left over then.
 */
#include "ingest/state/state_codec.h"

struct in {
        const uint8_t *p, *end;
        bool bad;
};

static struct in in_of(struct str s)
{
        const uint8_t *p = (const uint8_t *)s.ptr;

        return (struct in){p, p + s.len, false};
}

static uint64_t varint_more(struct in *in)
{
        uint64_t v = 0;

        for (unsigned shift = 0; shift < 64 && in->p < in->end; shift += 7) {
                uint8_t b = *in->p++;
                if (shift == 63 && b > 1)
                        break;
                v |= (uint64_t)(b & 0x7F) << shift;
                if (b < 0x80)
                        return v;
        }
        in->bad = true;
        return 0;
}

/* Most numbers take one byte. */
static inline uint64_t varint(struct in *in)
{
        if (in->p < in->end && *in->p < 0x80)
                return *in->p++;
        return varint_more(in);
}

/* A number that must be below @limit. */
static inline uint64_t varint_below(struct in *in, uint64_t limit)
{
        uint64_t v = varint(in);

        if (v < limit)
                return v;
        in->bad = true;
        return 0;
}

static inline const uint8_t *bytes(struct in *in, uint64_t n)
{
        if (in->bad || n > (uint64_t)(in->end - in->p)) {
                in->bad = true;
                return NULL;
        }
        const uint8_t *p = in->p;
        in->p += n;
        return p;
}

static inline struct str string(struct in *in)
{
        uint64_t n = varint(in);
        const uint8_t *p = bytes(in, n);

        return p ? (struct str){(const char *)p, n} : STR("");
}

static inline void digest(struct in *in, unsigned flags, struct digest *out)
{
        const uint8_t *p = flags & DOC_DIGEST ? bytes(in, DIGEST_BYTES) : NULL;

        if (p)
                memcpy(out->bytes, p, DIGEST_BYTES);
        else
                memset(out->bytes, 0, DIGEST_BYTES);
}

static enum codec_result finish(const struct in *in)
{
        return in->bad || in->p != in->end ? CODEC_DAMAGED : CODEC_OK;
}

/* The key in full: from the value where the stored one is cut. */
static inline struct str full_key(struct in *in, struct str stored)
{
        return codec_key_is_cut(stored) ? string(in) : stored;
}

/* Whether a value under the key @stored is that of @want. */
static inline bool is_other(struct str stored, struct str full, const struct str *want)
{
        return want && codec_key_is_cut(stored) && !str_eq(full, *want);
}

static struct str revision(struct in *in, unsigned flags, char text[STATE_MAX_REV])
{
        struct codec_rev packed;

        if (flags & DOC_REV_TEXT)
                return string(in);
        if (!(flags & DOC_REV_PACKED))
                return STR("");
        packed.generation = varint(in);
        const uint8_t *hash = bytes(in, sizeof(packed.hash));
        if (!hash)
                return STR("");
        memcpy(packed.hash, hash, sizeof(packed.hash));
        return (struct str){text, codec_rev_unpack(&packed, text)};
}

static void document(struct in *in, struct state_doc *d, char text[STATE_MAX_REV])
{
        unsigned flags = (unsigned)varint_below(in, DOC_FLAGS + 1);

        d->deleted = flags & DOC_DELETED;
        d->attachments = flags & DOC_ATTACHMENTS;
        d->database = (uint16_t)varint_below(in, UINT16_MAX + 1);
        d->id = string(in);
        d->rev = revision(in, flags, text);
        digest(in, flags, &d->digest);
}

enum codec_result codec_get_entry(struct str value, struct str stored, const struct str *want,
        struct str *full, struct state_entry *entry)
{
        struct in in = in_of(value);

        entry->ordinal = (uint32_t)varint_below(&in, (uint64_t)UINT32_MAX + 1);
        entry->run = varint(&in);
        struct str key = full_key(&in, stored);
        entry->doc_count = (uint32_t)varint_below(&in, STATE_MAX_DOCS_PER_RECORD + 1);
        for (uint32_t i = 0; i < entry->doc_count && !in.bad; i++)
                document(&in, &entry->docs[i], entry->rev_text[i]);
        if (full)
                *full = key;
        if (!in.bad && is_other(stored, key, want))
                return CODEC_OTHER;
        return finish(&in);
}

enum codec_result codec_get_holder(
        struct str value, struct str stored, struct str id, struct str *key)
{
        struct in in = in_of(value);

        if (codec_key_is_cut(stored) && !str_eq(string(&in), id))
                return in.bad ? CODEC_DAMAGED : CODEC_OTHER;
        if (in.bad || in.p == in.end)
                return CODEC_DAMAGED;
        *key = (struct str){(const char *)in.p, (size_t)(in.end - in.p)};
        return CODEC_OK;
}

enum codec_result codec_get_unattached(struct str value, struct str stored, const struct str *want,
        struct str *id, struct state_holder *doc)
{
        struct in in = in_of(value);
        struct str stored_id = {stored.ptr + 2, stored.len > 2 ? stored.len - 2 : 0};
        struct str full = codec_key_is_cut(stored) ? string(&in) : stored_id;
        unsigned flags = (unsigned)varint_below(&in, DOC_FLAGS + 1);

        doc->key = STR("");
        doc->deleted = flags & DOC_DELETED;
        doc->attachments = flags & DOC_ATTACHMENTS;
        doc->run = varint(&in);
        doc->rev = string(&in);
        digest(&in, flags, &doc->digest);
        if (id)
                *id = full;
        if (!in.bad && is_other(stored, full, want))
                return CODEC_OTHER;
        return finish(&in);
}

enum codec_result codec_get_owed(struct str value, struct state_owed *owed)
{
        struct in in = in_of(value);
        uint64_t reason = varint_below(&in, STATE_OWED_BRANCHES + 1);

        owed->reason = (enum state_owed_reason)reason;
        owed->key = string(&in);
        owed->database = (uint16_t)varint_below(&in, UINT16_MAX + 1);
        owed->id = string(&in);
        owed->rev = string(&in);
        return reason ? finish(&in) : CODEC_DAMAGED;
}

enum codec_result codec_get_parked(struct str value, struct state_parked *parked)
{
        struct in in = in_of(value);

        parked->database = (uint16_t)varint_below(&in, UINT16_MAX + 1);
        parked->id = string(&in);
        parked->key = string(&in);
        parked->ordinal = (uint32_t)varint_below(&in, (uint64_t)UINT32_MAX + 1);
        digest(&in, DOC_DIGEST, &parked->digest);
        parked->body = string(&in);
        return finish(&in);
}

enum codec_result codec_get_reject(struct str value, struct str stored, const struct str *want,
        struct str *full, struct state_reject *reject)
{
        struct in in = in_of(value);

        *full = full_key(&in, stored);
        reject->attempts = (uint32_t)varint_below(&in, (uint64_t)UINT32_MAX + 1);
        reject->run = varint(&in);
        reject->rev = string(&in);
        reject->first = string(&in);
        if (!in.bad && is_other(stored, *full, want))
                return CODEC_OTHER;
        return finish(&in);
}
