/*
 * A read of many pages that is cut short goes on where it was (PROTOCOL.md section 2). The source
 * gives a mark after each page; at most every few seconds the run makes durable what came before it
 * - documents and rejects acknowledged, their entries applied, claims that wait owed - and then the
 * mark itself. Before the first one every target gets a session, so that the next run trusts this
 * state although no checkpoint was written.
 *
 * Kept in the state as `mark`: fingerprint, what was read, when, how many records, and the source's
 * text. A run that does not go on there removes it before it writes anything.
 */
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>

#define MARK_EVERY_MS 5000 /* a drain of the writer costs some milliseconds: far below 1 % */
#define MARK_MAX_AGE_US                                                                            \
        (INT64_C(24) * 3600 * 1000000) /* then pages say little of what is there                   \
                                        */
#define MARK_HEAD_MAX 100
#define META          "mark"

static const char *mode_name(const struct run *r)
{
        return r->mode == RUN_READS_ALL ? "all" : "since";
}

/* ---- stored ---- */

struct stored_mark {
        struct str fingerprint, mode, mark; /* borrowed from the state */
        int64_t at_us, records;
};

/* The word at the beginning of @text, which moves behind the blank. */
static struct str take_word(struct str *text)
{
        size_t n = 0;

        while (n < text->len && text->ptr[n] != ' ')
                n++;
        struct str word = {text->ptr, n};
        n += n < text->len;
        text->ptr += n;
        text->len -= n;
        return word;
}

/* Return: 0; STATE_ABSENT none, or none that can be read; -class. */
static int read_stored(struct run *r, struct stored_mark *out, struct err *e)
{
        struct str text;
        int rc = state_meta_get(r->state, META, &text, e);

        if (rc)
                return rc;
        out->fingerprint = take_word(&text);
        out->mode = take_word(&text);
        bool ok = str_to_int64(take_word(&text), &out->at_us);
        ok = str_to_int64(take_word(&text), &out->records) && ok && out->records >= 0;
        out->mark = text;
        return ok && text.len ? 0 : STATE_ABSENT;
}

int mark_forget(struct run *r, struct err *e)
{
        struct str text;
        int rc = r->options.dry_run ? STATE_ABSENT : state_meta_get(r->state, META, &text, e);

        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        rc = mark_erase(r, e);
        if (!rc)
                rc = state_apply(r->state, r->batch, e);
        crash_point(CRASH_MARK_FORGOTTEN);
        return rc;
}

int mark_drop_void(struct run *r, struct err *e)
{
        bool is_void = r->mark_void;

        r->mark_void = false;
        return is_void ? mark_forget(r, e) : 0;
}

int mark_erase(struct run *r, struct err *e)
{
        return state_batch_meta(r->batch, META, (struct str){0}, e);
}

int mark_check_fingerprint(struct run *r, struct err *e)
{
        struct stored_mark stored;
        int rc = read_stored(r, &stored, e);

        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        return str_is(stored.fingerprint, r->fingerprint) ? 0 : mark_forget(r, e);
}

int mark_find(struct run *r, struct str *mark, uint64_t *records, struct err *e)
{
        struct stored_mark stored;
        int rc = read_stored(r, &stored, e);

        *mark = (struct str){0};
        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        if (!r->shifts || r->options.dry_run || r->begins_anew ||
                !str_is(stored.fingerprint, r->fingerprint) || !str_is(stored.mode, mode_name(r)) ||
                stored.at_us > r->now_us || r->now_us - stored.at_us > MARK_MAX_AGE_US)
                return 0;
        *mark = stored.mark;
        *records = (uint64_t)stored.records;
        return 0;
}

/* ---- taken ---- */

static bool is_due(const struct run *r)
{
        int64_t every = r->options.marks_every_ms ? r->options.marks_every_ms
                                                  : (int64_t)crash_batch(MARK_EVERY_MS);

        return clock_monotonic_ms() - r->mark_ms >= every;
}

int mark_take(void *ctx, struct str mark, struct err *e)
{
        struct run *r = ctx;

        if (r->failed) {
                *e = r->why;
                return r->failed;
        }
        if (mark.len == 0) {
                buf_clear(&r->mark);
                r->mark_void = true;
                return 0;
        }
        if (r->unread && r->mode == RUN_READS_SINCE)
                return 0; /* the next run begins before what could not be read */
        buf_clear(&r->mark);
        buf_put_str(&r->mark, mark);
        if (buf_cstr(&r->mark) == NULL) {
                buf_clear(&r->mark);
                return 0; /* longer than any of use: the read goes on without */
        }
        r->mark_records = r->resumed_behind + r->counts->read;
        if (r->options.dry_run || !is_due(r))
                return 0;
        r->mark_wanted = r->wake = true;
        return SOURCE_PAUSE;
}

/* A claim is not in the state of the next run: its record is read by key there. */
static int owe_claim(void *ctx, const struct state_parked *p, struct err *e)
{
        struct run *r = ctx;
        struct state_owed owed = {.reason = STATE_OWED_DISPLACED, .key = p->key};
        int rc = state_batch_owe(r->batch, &owed, e);

        return rc ? rc : settle_apply_enough(r, e);
}

static int owe_claims(struct run *r, struct err *e)
{
        if (!r->parked)
                return 0;
        int rc = state_each_parked(r->state, owe_claim, r, e);
        if (!rc)
                rc = settle_apply(r, e);
        crash_point(CRASH_CLAIMS_OWED);
        r->parked = rc != 0;
        return rc;
}

static int put_mark(struct run *r, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(RUN_MARK_MAX + MARK_HEAD_MAX);

        buf_printf(&text, "%s %s %lld %llu ", r->fingerprint, mode_name(r),
                (long long)clock_wall_us(), (unsigned long long)r->mark_records);
        buf_put_str(&text, buf_str(&r->mark));
        int rc = buf_check(&text, "a mark", e);
        return rc ? rc : state_batch_meta(r->batch, META, buf_str(&text), e);
}

int mark_store(struct run *r, struct err *e)
{
        r->mark_wanted = false;
        if (r->mark.len == 0)
                return 0;
        int rc = settle_all(r, false, e);
        if (!rc)
                rc = owe_claims(r, e);
        if (!rc)
                rc = checkpoint_open(r, e);
        if (!rc)
                rc = put_mark(r, e);
        if (!rc)
                rc = state_apply(r->state, r->batch, e);
        if (rc)
                return err_wrap(e, rc, "keeping how far the read is");
        crash_point(CRASH_MARK_STORED);
        r->mark_ms = clock_monotonic_ms();
        log_debug(r->log, "%llu records are read and safe", (unsigned long long)r->mark_records);
        return 0;
}

void mark_rescue(struct run *r)
{
        struct err e;

        if (mark_drop_void(r, &e) != 0)
                log_debug(r->log, "forgetting how far the read was: %s", e.text);
        if (r->failed || r->mark.len == 0 || r->options.dry_run || !checkpoint_is_open(r))
                return;
        if (owe_claims(r, &e) != 0 || put_mark(r, &e) != 0 ||
                state_apply(r->state, r->batch, &e) != 0)
                log_debug(r->log, "keeping how far the read was: %s", e.text);
        else
                crash_point(CRASH_MARK_STORED);
}
