/*
 * A record's bytes are looked at once, by json_span.c, and handed on where they lie in the feed;
 * only one that spans two feeds is put together in a buffer. One that is larger than the limit is
 * followed to its end without being kept.
 *
 * The hash is a chain: each record's XXH3 with the hash so far as its seed, so that where one
 * record ends and the next begins counts as well.
 */
#include "ingest/record/json_records_internal.h"

#include <xxhash.h>

#define HEAD_BYTES 256       /* of an oversized record: enough for its first members */
#define HELD_KEPT  (1 << 20) /* bytes: a larger buffer is given back once its record is gone */

static int start_hash(struct json_records *j, struct err *e)
{
        if (!j->hashing)
                j->hashing = XXH3_createState();
        if (!j->hashing)
                return err_nomem(e, "hash");
        XXH3_64bits_reset_withSeed(j->hashing, j->hash);
        return 0;
}

/* Takes the bytes from j->start to j->p into what is kept of the record: all, or only its head. */
static int hold(struct json_records *j, struct err *e)
{
        struct str bytes = {j->start, (size_t)(j->p - j->start)};

        j->start = j->p;
        j->record_bytes += bytes.len;
        if (!j->oversize && j->record_bytes > j->o.max_record) {
                int rc = start_hash(j, e);
                if (rc)
                        return rc;
                j->oversize = true;
                XXH3_64bits_update(j->hashing, buf_str(&j->held).ptr, j->held.len);
                if (j->held.len > HEAD_BYTES)
                        j->held.len = HEAD_BYTES;
        }
        if (j->oversize) {
                XXH3_64bits_update(j->hashing, bytes.ptr, bytes.len);
                size_t room = HEAD_BYTES > j->held.len ? HEAD_BYTES - j->held.len : 0;
                bytes.len = bytes.len < room ? bytes.len : room;
        }
        buf_put_str(&j->held, bytes);
        return buf_check(&j->held, "record", e);
}

static void forget(struct json_records *j)
{
        if (j->held.cap > HELD_KEPT)
                buf_deinit(&j->held);
        buf_clear(&j->held);
        j->oversize = false;
        j->record_bytes = 0;
}

/* j->p is behind the record: it counts as handed on, whatever the callback says. */
static int hand_on(struct json_records *j, struct err *e)
{
        struct str text = {j->start, (size_t)(j->p - j->start)};
        bool single = j->single;
        int rc = 0;

        if (j->held.len || text.len > j->o.max_record)
                rc = hold(j, e);
        if (rc)
                return rc;
        if (j->record_bytes)
                text = buf_str(&j->held);
        j->hash = j->oversize ? XXH3_64bits_digest(j->hashing)
                              : XXH3_64bits_withSeed(text.ptr, text.len, j->hash);
        j->count++;
        j->single = false;
        j->state = j->depth ? RECORDS_AFTER_VALUE : RECORDS_DONE;
        if (single)
                rc = records_facts_inside(j, text, e);
        if (rc)
                return rc;
        rc = j->oversize ? j->o.on_oversize(j->o.ctx, text, e) : j->o.on_record(j->o.ctx, text, e);
        if (j->record_bytes)
                forget(j);
        if (single)
                records_leave(j);
        return rc;
}

int records_begin(struct json_records *j, struct err *e)
{
        j->start = j->p;
        if (*j->p == '{' || *j->p == '[') {
                json_span_begin(&j->span);
                j->state = RECORDS_IN_RECORD;
                return 0;
        }
        if (!json_lex_begin(&j->lex, *j->p))
                return records_malformed(j, records_expected(j), e);
        j->state = RECORDS_IN_SCALAR_RECORD;
        return 0;
}

/* In UTF-16 a reply that is one object would be followed to its end before anybody sees it. */
static bool is_utf16(struct json_records *j)
{
        uint64_t at = j->offset + (uint64_t)(j->p - j->from);
        const char *second = j->p + (at == 0);

        if (at > 1 || second == j->end || *second != 0)
                return false;
        j->p = second;
        return true;
}

int records_in_record(struct json_records *j, struct err *e)
{
        if (is_utf16(j))
                return records_malformed(j, "a record", e);
        switch (json_span_run(&j->span, &j->p, j->end)) {
        case JSON_SPAN_BAD:
                return records_malformed(j, *j->p == ']' ? "a name or '}'" : "a value or ']'", e);
        case JSON_SPAN_MORE:
                return hold(j, e);
        default:
                return hand_on(j, e);
        }
}

int records_in_scalar_record(struct json_records *j, struct err *e)
{
        const char *expected;

        switch (json_lex_run(&j->lex, &j->p, j->end, &expected)) {
        case JSON_LEX_BAD:
                return records_malformed(j, expected, e);
        case JSON_LEX_MORE:
                return hold(j, e);
        default:
                return hand_on(j, e);
        }
}

int json_records_new(const struct json_records_options *o, struct json_records **out, struct err *e)
{
        if (o->fact_count > JSON_RECORDS_FACTS)
                return err_set(e, ERR_BUG, "too many facts");
        cleanup_(json_records_freep) struct json_records *j = calloc(1, sizeof(*j));
        if (!j)
                return err_nomem(e, "records");
        j->o = *o;
        j->key = BUF_INIT(RECORDS_KEY_MAX + 1);
        j->begin = BUF_INIT(RECORDS_START_BYTES);
        j->names = BUF_INIT(RECORDS_NAMES_MAX);
        j->held = BUF_INIT(o->max_record > HEAD_BYTES ? o->max_record : HEAD_BYTES);
        for (size_t i = 0; i < JSON_RECORDS_FACTS; i++)
                j->facts[i].text = BUF_INIT(JSON_RECORDS_MAX_FACT);
        int rc = records_tracks_init(j, e);
        if (rc)
                return rc;
        *out = TAKE(j);
        return 0;
}

struct json_records *json_records_free(struct json_records *j)
{
        if (!j)
                return NULL;
        for (size_t i = 0; i < JSON_RECORDS_FACTS; i++)
                buf_deinit(&j->facts[i].text);
        buf_deinit(&j->held);
        buf_deinit(&j->names);
        buf_deinit(&j->begin);
        buf_deinit(&j->key);
        XXH3_freeState(j->hashing);
        arena_free(j->arena);
        free(j);
        return NULL;
}

/* Whether the state looks at blanks itself. */
static bool is_inside(enum records_state s)
{
        return s == RECORDS_IN_KEY || s == RECORDS_IN_SCALAR || s == RECORDS_IN_RECORD ||
               s == RECORDS_IN_SCALAR_RECORD || s == RECORDS_MARKUP;
}

static bool skip_blanks(struct json_records *j)
{
        while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t'))
                j->p++;
        return j->p < j->end;
}

static int run(struct json_records *j, struct err *e)
{
        while (j->p < j->end) {
                if (!is_inside(j->state) && !skip_blanks(j))
                        return 0;
                int rc = records_walk[j->state](j, e);
                if (rc)
                        return rc;
        }
        return 0;
}

/* Keeps the last bytes of what was taken for the excerpt of an error. */
static void keep_before(struct json_records *j, struct str taken)
{
        size_t n = taken.len < RECORDS_BEFORE ? taken.len : RECORDS_BEFORE;
        size_t old = j->before_count < RECORDS_BEFORE - n ? j->before_count : RECORDS_BEFORE - n;

        memmove(j->before, j->before + j->before_count - old, old);
        if (n)
                memcpy(j->before + old, taken.ptr + taken.len - n, n);
        j->before_count = old + n;
}

int json_records_feed(struct json_records *j, struct str bytes, size_t *taken, struct err *e)
{
        *taken = 0;
        if (j->failed)
                return err_set(e, ERR_BUG, "a reply that failed was fed again");
        if (bytes.len == 0)
                return 0;
        j->from = j->p = j->start = bytes.ptr;
        j->end = bytes.ptr + bytes.len;
        for (size_t i = 0; i < j->o.fact_count; i++)
                j->facts[i].start = bytes.ptr;

        int rc = run(j, e);
        if (rc >= 0) {
                int held = records_facts_hold(j, e);
                rc = held ? held : rc;
        }
        *taken = (size_t)(j->p - j->from);
        j->failed = rc < 0;
        keep_before(j, (struct str){j->from, *taken});
        j->offset += *taken;
        j->from = j->p = j->end = NULL;
        return rc;
}

int json_records_end(struct json_records *j, struct err *e)
{
        if (j->failed)
                return err_set(e, ERR_BUG, "a reply that failed was ended");
        if (j->state == RECORDS_IN_SCALAR && j->depth == 0 && json_lex_end(&j->lex))
                j->state = RECORDS_DONE;
        if (j->state == RECORDS_DONE)
                return 0;
        if (j->state == RECORDS_START)
                return err_set(e, ERR_RETRY, "the reply is empty%s",
                        j->offset ? ": nothing but blanks" : "");
        if (j->state == RECORDS_MARKUP)
                return records_markup(j, e);
        return records_malformed(j, records_expected(j), e);
}

enum json_records_found json_records_found(const struct json_records *j)
{
        return j->found;
}

bool json_records_is_markup(const struct json_records *j)
{
        return j->state == RECORDS_MARKUP;
}

size_t json_records_count(const struct json_records *j)
{
        return j->count;
}

uint64_t json_records_hash(const struct json_records *j)
{
        return j->hash;
}

struct str json_records_fact(const struct json_records *j, size_t i)
{
        return j->facts[i].whole ? buf_str(&j->facts[i].text) : (struct str){NULL, 0};
}

void json_records_names(const struct json_records *j, struct buf *out)
{
        buf_put_str(out, buf_str(&j->names));
}
