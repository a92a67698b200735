/*
 * Reads from start to end, in the straight line of a run: all records, those that changed, those of
 * given keys, or keys alone. A read that the source broke off begins again from its beginning: the
 * state knows by then what was written, so that nothing is written twice.
 */
#include "ingest/pipeline/run_internal.h"

#define RESTARTS_MAX                                                                               \
        5 /* of the reads of one run; with RESTART_MS doubled each time: half a minute */
#define RESTART_MS      1000
#define RESTARTS_PAGING 2 /* of one that pages, without a new record: it asks again by itself */

static void on_end(void *ctx, int rc, const struct err *e)
{
        struct run *r = ctx;

        r->read_rc = rc;
        if (rc)
                r->read_err = *e;
        r->read = NULL;
        r->read_ended = true;
        r->wake = true;
}

/* Ends the read for a reason of ours, and waits until the source has let go. */
static void stop_read(struct run *r)
{
        struct err ignored;

        if (r->read_ended)
                return;
        source_cancel(r->read);
        if (loop_run_until_done(r->loop, &r->read_ended, &ignored) != 0)
                log_debug(r->log, "the read was left behind: %s", ignored.text);
}

/* Also a mark that is to be kept. The read may end meanwhile. */
int pass_make_way(struct run *r, struct err *e)
{
        cleanup_(freep) char *name = TAKE(r->wanted_target);
        bool settle = r->settle_wanted, mark = r->mark_wanted;
        int rc = name ? start_target(r, name, e) : 0;

        r->settle_wanted = false;
        if (!rc && settle)
                rc = settle_all(r, false, e);
        if (!rc && mark)
                rc = mark_store(r, e);
        if (!rc && (name || settle || mark) && r->read)
                source_resume(r->read);
        return rc;
}

static int read_until_end(struct run *r, struct err *e)
{
        while (!r->read_ended) {
                r->wake = false;
                int rc = loop_run_until(r->loop, &r->wake, e);
                if (rc)
                        return rc;
                if (r->failed) {
                        *e = r->why;
                        return r->failed;
                }
                rc = pass_make_way(r, e);
                if (rc)
                        return rc;
        }
        if (r->read_rc)
                *e = r->failed ? r->why : r->read_err;
        return r->read_rc;
}

/* ---- once ---- */

enum read_what { READ_RECORDS, READ_RECORDS_BY_KEY, READ_KEYS };

struct reading {
        enum read_what what;
        const struct value *keys; /* of READ_RECORDS_BY_KEY */
        const struct str *encoded;
        size_t count;
        pass_start_fn start; /* of READ_KEYS */
        pass_key_fn fn;
        struct run *run;
};

/* A key alone. One that cannot be a key names no document. */
static int on_key(void *ctx, const struct record *record, struct err *e)
{
        struct reading *p = ctx;
        struct run *r = p->run;

        buf_clear(&r->key);
        int rc = key_encode(&r->shape, record->row, &r->key, e);
        if (rc)
                return rc == -ERR_REJECT ? 0 : rc;
        return p->fn(r, buf_str(&r->key), e);
}

/* In a feed of deletions it names nothing; where all keys are listed, it may be any of them. */
static int pass_over_keyless(struct reading *p, const char *reason)
{
        struct run *r = p->run;

        log_debug(r->log, "a record among keys is passed over: %s", reason);
        if (p->start != source_read_deleted)
                pass_note_keyless(r);
        return 0;
}

static int on_key_reject(void *ctx, struct str key, const char *reason, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16);
        struct reading *p = ctx;

        if (p->run->shifts && !key.len)
                return pass_over_keyless(p, reason);
        if (key.len)
                key_text(key, &text);
        return err_set(
                e, ERR_CONFIG, "key %s: %s", buf_cstr(&text) ? buf_cstr(&text) : "?", reason);
}

static void on_keys_end(void *ctx, int rc, const struct err *e)
{
        on_end(((struct reading *)ctx)->run, rc, e);
}

static int start(struct reading *p, struct err *e)
{
        struct run *r = p->run;
        const struct extract *x = r->mapper->extract;
        struct source_sink records = {.on_record = pass_record,
                .on_reject = pass_reject,
                .on_mark = r->shifts && p->what == READ_RECORDS ? mark_take : NULL,
                .on_end = on_end,
                .ctx = r};
        struct source_sink keys = {
                .on_record = on_key, .on_reject = on_key_reject, .on_end = on_keys_end, .ctx = p};

        switch (p->what) {
        case READ_RECORDS:
                if (r->mode == RUN_READS_SINCE)
                        return source_read_since(r->source, x, &r->shape, &records, &r->read, e);
                return source_read_all(r->source, x, &r->shape, &records, &r->read, e);
        case READ_RECORDS_BY_KEY:
                return source_read_by_keys(
                        r->source, x, &r->shape, p->keys, p->count, &records, &r->read, e);
        case READ_KEYS:
                return p->start(r->source, x, &r->shape, &keys, &r->read, e);
        }
        return 0;
}

/* What did not come with such a read need not be gone. */
static void note_doubt(struct reading *p)
{
        struct run *r = p->run;
        const char *doubt = source_doubt(r->source);

        if (!doubt[0] || p->what == READ_KEYS)
                return;
        r->doubtful = true;
        if (p->what == READ_RECORDS_BY_KEY && !r->blind) {
                log_warn(r->log, "%s: what is gone from the source cannot be told in this run",
                        doubt);
                r->blind = true;
        }
}

static int read_once(struct reading *p, struct err *e)
{
        struct run *r = p->run;

        r->read_ended = r->read_paused = false;
        int rc = start(p, e);
        r->source_failed = rc == -ERR_RETRY;
        if (rc)
                return rc;
        rc = read_until_end(r, e);
        r->source_failed = r->read_ended && rc && rc == r->read_rc && !r->failed;
        if (rc)
                stop_read(r);
        else
                note_doubt(p);
        return rc;
}

/* ---- again ---- */

/* What the broken read delivered counts as not read; what it made us write stays counted. */
static int forget_read(struct run *r, struct err *e)
{
        int rc = settle_all(r, false, e);

        if (!rc)
                rc = state_batch_unpark_all(r->batch, e);
        if (!rc)
                rc = settle_apply(r, e);
        crash_point(CRASH_READ_FORGOTTEN);
        bitmap_clear(&r->seen);
        bitmap_clear(&r->gone);
        bitmap_clear(&r->told);
        bitmap_clear(&r->asked);
        r->blind = false;
        r->counts->read = r->counts->unchanged = r->counts->rejected = 0;
        r->rejected_before = 0;
        return rc;
}

/* The same of one record of a broken read by key: all others stay read. */
static int forget_key(struct run *r, struct str key, struct err *e)
{
        struct state_entry entry;
        int rc = state_get(r->state, key, &entry, e);

        if (rc < 0)
                return rc;
        bool seen = rc == 0 && bitmap_unset(&r->seen, entry.ordinal);
        bool parked = state_has_parked(r->state, key), rejected = rejects_forget(r, key);
        r->counts->read -= seen || parked || rejected;
        if (seen && !parked && !rejected && !bitmap_test(&r->written, entry.ordinal))
                r->counts->unchanged -= r->counts->unchanged > 0;
        return 0;
}

static int forget_keys(struct reading *p, struct err *e)
{
        int rc = settle_all(p->run, false, e);

        for (size_t i = 0; !rc && i < p->count; i++)
                rc = forget_key(p->run, p->encoded[i], e);
        return rc;
}

static int begin_again(struct reading *p, const struct err *why, struct err *e)
{
        struct run *r = p->run;

        /* Records that never came before are progress. Those that come again may be counted again:
         * they changed. */
        uint64_t seen = bitmap_count(&r->seen);
        if (r->shifts && seen > r->seen_at_restart)
                r->restarts = 0;
        r->seen_at_restart = seen;
        int64_t delay = crash_wait((int64_t)RESTART_MS << r->restarts);
        r->restarts++;
        r->source_failed = false;
        log_warn(r->log, "%s: reading again in %lld s", why->text, (long long)delay / 1000);
        int rc = loop_sleep(r->loop, delay, e);
        if (!rc && r->shifts) {
                rc = settle_all(r, false, e); /* what comes again is known to have come */
                if (!rc)
                        rc = mark_drop_void(r, e);
        } else if (!rc && p->what == READ_RECORDS) {
                rc = forget_read(r, e);
        } else if (!rc && p->what == READ_RECORDS_BY_KEY) {
                rc = forget_keys(p, e);
        }
        if (rc || p->what != READ_RECORDS)
                return rc;
        rc = plan_observe(r, e);
        r->source_failed = rc == -ERR_RETRY; /* it is not back yet: the next round */
        return rc;
}

static bool may_begin_again(const struct run *r)
{
        bool progress = bitmap_count(&r->seen) > r->seen_at_restart;

        return r->source_failed &&
               r->restarts < (r->shifts && !progress ? RESTARTS_PAGING : RESTARTS_MAX);
}

static int read_through(struct reading *p, struct err *e)
{
        struct run *r = p->run;
        struct err why;
        int rc = read_once(p, e);

        while (rc == -ERR_RETRY && may_begin_again(r)) {
                why = *e;
                rc = begin_again(p, &why, e);
                if (!rc)
                        rc = read_once(p, e);
        }
        return rc;
}

int pass_read(struct run *r, struct err *e)
{
        struct reading p = {.what = READ_RECORDS, .run = r};

        atomic_store(&r->progress->expected, r->mode == RUN_READS_ALL ? state_count(r->state) : 0);
        atomic_store(&r->progress->phase, RUN_READING);
        r->mark_ms = clock_monotonic_ms();
        int rc = read_through(&p, e);
        if (!rc)
                buf_clear(&r->mark); /* the read is at its end: the checkpoint says the rest */
        return rc ? rc : rejects_judge(r, e);
}

int pass_read_keys(struct run *r, const struct value *keys, const struct str *encoded, size_t count,
        struct err *e)
{
        struct reading p = {.what = READ_RECORDS_BY_KEY,
                .run = r,
                .keys = keys,
                .encoded = encoded,
                .count = count};

        return read_through(&p, e);
}

int pass_walk(struct run *r, pass_start_fn start_fn, pass_key_fn fn, struct err *e)
{
        struct reading p = {.what = READ_KEYS, .run = r, .start = start_fn, .fn = fn};

        return read_through(&p, e);
}
