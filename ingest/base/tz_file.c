/*
 * A file holds the same data twice: with 32-bit times for readers of version 1, then, from
 * version 2 on, with 64-bit times and the rule for the time behind its table. The first copy is
 * skipped where there is a second.
 *
 * Every read goes through take(), which knows how many bytes are left.
 */
#include "ingest/base/tz_file.h"

#include <stdlib.h>

#include "ingest/base/cleanup.h"

#define HEADER_BYTES 44
#define TYPE_BYTES   6 /* utoff (4), isdst, index of the name */

struct header {
        int version; /* 1, 2, ... */
        size_t isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt;
};

/* The next @n bytes of @in; NULL where there are not so many. */
static const unsigned char *take(struct str *in, size_t n)
{
        const char *p = in->ptr;

        if (n > in->len)
                return NULL;
        in->ptr += n;
        in->len -= n;
        return (const unsigned char *)p;
}

static uint32_t be32(const unsigned char *p)
{
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
        return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static int malformed(struct err *e, const char *why)
{
        return err_set(e, ERR_CONFIG, "not a usable TZif file: %s", why);
}

static int read_header(struct str *in, struct header *h, struct err *e)
{
        const unsigned char *p = take(in, HEADER_BYTES);

        if (!p || memcmp(p, "TZif", 4) != 0)
                return malformed(e, "it does not begin with TZif");
        *h = (struct header){
                .version = p[4] == 0 ? 1 : p[4] - '0',
                .isutcnt = be32(p + 20),
                .isstdcnt = be32(p + 24),
                .leapcnt = be32(p + 28),
                .timecnt = be32(p + 32),
                .typecnt = be32(p + 36),
                .charcnt = be32(p + 40),
        };
        if (h->version < 1 || h->version > 9)
                return malformed(e, "its version is unknown");
        if (h->timecnt > TZ_MAX_CHANGES || h->typecnt < 1 || h->typecnt > 256)
                return malformed(e, "its table is larger than any honest one");
        return 0;
}

/* Each count is below 2^32, so that this cannot overflow. */
static size_t data_bytes(const struct header *h, size_t time_bytes)
{
        return h->timecnt * (time_bytes + 1) + h->typecnt * TYPE_BYTES + h->charcnt +
               h->leapcnt * (time_bytes + 4) + h->isstdcnt + h->isutcnt;
}

static int read_offsets(
        const unsigned char *types, const struct header *h, int32_t *out, struct err *e)
{
        for (size_t i = 0; i < h->typecnt; i++) {
                int32_t offset = (int32_t)be32(types + i * TYPE_BYTES);
                if (offset <= -TZ_MAX_OFFSET_S || offset >= TZ_MAX_OFFSET_S)
                        return malformed(e, "an offset from UTC is larger than a day");
                out[i] = offset;
        }
        return 0;
}

static int fill_table(const unsigned char *data, const struct header *h, size_t time_bytes,
        struct tz_table *t, struct err *e)
{
        const unsigned char *indexes = data + h->timecnt * time_bytes;
        int32_t offsets[256];
        int rc = read_offsets(indexes + h->timecnt, h, offsets, e);

        if (rc < 0)
                return rc;
        t->offsets[0] = offsets[0]; /* RFC 8536: the first type holds before the first time */
        for (size_t i = 0; i < h->timecnt; i++) {
                const unsigned char *at = data + i * time_bytes;
                t->times[i] = time_bytes == 8 ? be64(at) : (int32_t)be32(at);
                if (i > 0 && t->times[i] <= t->times[i - 1])
                        return malformed(e, "its times do not ascend");
                if (indexes[i] >= h->typecnt)
                        return malformed(e, "a time has a type that is not there");
                t->offsets[i + 1] = offsets[indexes[i]];
        }
        t->count = h->timecnt;
        return 0;
}

/* "\n" rule "\n"; the rule may be empty. */
static int read_rule(struct str in, struct tz_table *t, struct err *e)
{
        const char *end = in.len > 0 ? memchr(in.ptr + 1, '\n', in.len - 1) : NULL;

        if (!end || *in.ptr != '\n')
                return malformed(e, "the rule at its end is missing");
        struct str rule = {in.ptr + 1, (size_t)(end - in.ptr) - 1};
        t->has_rule = rule.len > 0;
        if (t->has_rule && !tz_rule_parse(rule, &t->rule))
                return malformed(e, "the rule at its end is not a POSIX TZ string");
        return 0;
}

static int parse(struct str bytes, struct tz_table *t, struct err *e)
{
        struct header h;
        size_t time_bytes = 4;
        int rc = read_header(&bytes, &h, e);

        if (rc == 0 && h.version > 1) {
                time_bytes = 8;
                if (!take(&bytes, data_bytes(&h, 4)))
                        return malformed(e, "it is cut off");
                rc = read_header(&bytes, &h, e);
        }
        if (rc < 0)
                return rc;
        const unsigned char *data = take(&bytes, data_bytes(&h, time_bytes));
        if (!data)
                return malformed(e, "it is cut off");
        if (h.leapcnt > 0)
                return malformed(e, "it counts leap seconds, as those below right/ do; use the "
                                    "zone's plain name");
        t->times = calloc(h.timecnt + 1, sizeof(*t->times));
        t->offsets = calloc(h.timecnt + 1, sizeof(*t->offsets));
        if (!t->times || !t->offsets)
                return err_nomem(e, "a time zone");
        rc = fill_table(data, &h, time_bytes, t, e);
        return rc == 0 && time_bytes == 8 ? read_rule(bytes, t, e) : rc;
}

int tz_file_parse(struct str bytes, struct tz_table *out, struct err *e)
{
        struct tz_table t = {0};
        int rc = parse(bytes, &t, e);

        if (rc < 0) {
                free(t.times);
                free(t.offsets);
                return rc;
        }
        *out = t;
        return 0;
}
