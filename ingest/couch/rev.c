/*
 * The term is built in the caller's scratch buffer and hashed there: no allocation for a document
 * after the first ones. libmd's MD5 is the larger part of the cost (0.6 us for 350 bytes).
 */
#include "ingest/couch/rev.h"

#include <md5.h>

#include "ingest/couch/etf.h"

#define ETF_VERSION 131
#define REV_HEX     32  /* digits of a revision's hash, where it is an MD5 */
#define HEAD_MAX    128 /* bytes of the term before the body: list, flag, position, revision */

/* Splits "N-hash". Return: false where it is not of that form. */
static bool rev_split(struct str rev, uint64_t *generation, struct str *hash)
{
        uint64_t n = 0;
        size_t i = 0;

        for (; i < rev.len && rev.ptr[i] >= '0' && rev.ptr[i] <= '9'; i++)
                if (__builtin_mul_overflow(n, 10, &n) ||
                        __builtin_add_overflow(n, (unsigned)(rev.ptr[i] - '0'), &n))
                        return false;
        if (i == 0 || n == 0 || i + 1 >= rev.len || rev.ptr[i] != '-')
                return false;
        *generation = n;
        *hash = (struct str){rev.ptr + i + 1, rev.len - i - 1};
        return true;
}

uint64_t rev_generation(struct str rev)
{
        uint64_t generation;
        struct str hash;

        return rev_split(rev, &generation, &hash) ? generation : 0;
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The parent as couch_doc:parse_rev/1 has it: 32 digits are 16 bytes, anything else stays text.
 * Return: NULL where CouchDB would refuse it. */
static unsigned char *put_hash(unsigned char *out, struct str hash)
{
        unsigned char raw[REV_HEX / 2];

        if (hash.len != REV_HEX)
                return hash.len < REV_MAX ? etf_put_binary(out, hash.ptr, (uint32_t)hash.len)
                                          : NULL;
        for (size_t i = 0; i < sizeof(raw); i++) {
                int high = hex_value(hash.ptr[2 * i]);
                int low = hex_value(hash.ptr[2 * i + 1]);
                if (high < 0 || low < 0)
                        return NULL;
                raw[i] = (unsigned char)(high << 4 | low);
        }
        return etf_put_binary(out, raw, sizeof(raw));
}

/* The term from its list's head to the parent's revision. Return: NULL: no prediction. */
static unsigned char *put_head(
        unsigned char *out, bool deleted, uint64_t generation, struct str parent_hash)
{
        *out++ = ETF_VERSION;
        out = etf_put_list(out, 5);
        out = etf_put_bool(out, deleted);
        out = etf_put_uint(out, generation);
        return generation ? put_hash(out, parent_hash) : etf_put_uint(out, 0);
}

static void put_text(uint64_t generation, const uint8_t md5[MD5_DIGEST_LENGTH], char out[REV_MAX])
{
        static const char digits[] = "0123456789abcdef";
        char number[20];
        size_t n = 0;

        for (; generation; generation /= 10)
                number[n++] = (char)('0' + generation % 10);
        while (n)
                *out++ = number[--n];
        *out++ = '-';
        for (size_t i = 0; i < MD5_DIGEST_LENGTH; i++) {
                *out++ = digits[md5[i] >> 4];
                *out++ = digits[md5[i] & 15];
        }
        *out = '\0';
}

int rev_predict(bool deleted, struct str parent, struct str body, struct buf *scratch,
        char out[REV_MAX], struct err *e)
{
        uint64_t generation = 0;
        struct str hash = STR("");
        uint8_t md5[MD5_DIGEST_LENGTH];
        size_t room;
        MD5_CTX context;

        if (parent.len && !rev_split(parent, &generation, &hash))
                return REV_UNKNOWN;
        if (generation == UINT64_MAX || __builtin_mul_overflow(body.len, ETF_EXPANSION, &room) ||
                __builtin_add_overflow(room, HEAD_MAX + ETF_SLACK, &room))
                return REV_UNKNOWN;
        buf_clear(scratch);
        unsigned char *term = (unsigned char *)buf_room(scratch, room);
        if (!term)
                return scratch->error == -ERR_NOMEM ? err_nomem(e, "a revision") : REV_UNKNOWN;
        unsigned char *p = put_head(term, deleted, generation, hash);
        p = p ? etf_put_object(p, body) : NULL;
        if (!p)
                return REV_UNKNOWN;
        p = etf_put_nil(p); /* no attachments */
        p = etf_put_nil(p); /* end of the list */
        MD5Init(&context);
        MD5Update(&context, term, (size_t)(p - term));
        MD5Final(md5, &context);
        put_text(generation + 1, md5, out);
        return 0;
}
