/*
 * PROTOCOL.md section 6, for a source without a snapshot. A record that a read did not deliver may
 * have stood on a page that moved while it was read; a key in a feed of deletions may live again; a
 * deletion that was owed may have been undone. All of these are doubted first. If the brake would
 * hold so many back, they are not looked at: thousands of calls would change nothing. Else each is
 * read by key, and what does not come then is gone.
 */
#include "ingest/pipeline/run_internal.h"

struct doubts {
        struct run *r;
        uint64_t live, gone;
};

static bool is_known_gone(const struct run *r, uint32_t ordinal)
{
        return bitmap_test(&r->seen, ordinal) || bitmap_test(&r->gone, ordinal);
}

/* ---- what is doubted ---- */

static int doubt(struct run *r, uint32_t ordinal, struct err *e)
{
        int rc = is_known_gone(r, ordinal) ? 0 : bitmap_set(&r->doubted, ordinal, e);

        return rc < 0 ? rc : 0;
}

static int doubt_missing(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        struct doubts *d = ctx;
        int rc = 0;

        (void)key;
        if (entry->doc_count == 0 || entry->docs[0].deleted)
                return 0;
        d->live++;
        if (d->r->mapper->extract->deletes.sweep && gone_missing(d->r, entry->ordinal))
                rc = doubt(d->r, entry->ordinal, e);
        d->gone +=
                gone_deletes(d->r, entry->ordinal) || bitmap_test(&d->r->doubted, entry->ordinal);
        return rc;
}

/* A displaced record is owed its document whatever the brake says. */
static int doubt_owed(void *ctx, const struct state_owed *owed, struct err *e)
{
        struct run *r = ctx;
        struct state_entry entry;

        if (owed->reason == STATE_OWED_DISPLACED)
                return keyed_want(r, owed->key, e);
        if (owed->reason != STATE_OWED_DELETION)
                return 0;
        int rc = state_get(r->state, owed->key, &entry, e);
        return rc ? (rc == STATE_ABSENT ? 0 : rc) : doubt(r, entry.ordinal, e);
}

static int find_doubts(struct run *r, struct doubts *d, struct err *e)
{
        int rc = state_each_owed(r->state, doubt_owed, r, e);

        if (!rc && r->mapper->extract->deletes.key.count)
                rc = gone_read_deletions(r, e);
        if (!rc && r->mode == RUN_READS_SINCE && !r->held_position && gone_sweep_is_due(r))
                rc = gone_sweep_keys(r, e);
        return rc ? rc : state_each_record(r->state, doubt_missing, d, e);
}

/* ---- what comes, and what does not ---- */

/* Stops where the list is full. */
static int want_doubted(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        struct run *r = ctx;

        if (!bitmap_test(&r->doubted, entry->ordinal) || is_known_gone(r, entry->ordinal) ||
                bitmap_test(&r->asked, entry->ordinal))
                return 0;
        int rc = keyed_want(r, key, e);
        return rc ? rc : r->overflow;
}

static int read_doubted(struct run *r, struct err *e)
{
        bool more = true;
        int rc = keyed_read(r, e); /* what lost its document to another */

        while (!rc && more) {
                rc = state_each_record(r->state, want_doubted, r, e);
                more = rc > 0;
                r->overflow = false; /* the next round goes on */
                if (rc >= 0)
                        rc = keyed_read(r, e);
        }
        return rc;
}

int absence_find(struct run *r, struct err *e)
{
        struct doubts d = {.r = r};
        int rc = find_doubts(r, &d, e);

        if (rc || !gone_by_absence(r))
                return rc ? rc : keyed_read(r, e);
        if (bitmap_count(&r->doubted) > 0 && !r->options.allow_deletes &&
                deletions_exceed(r, d.gone, d.live)) {
                log_info(r->log,
                        "%llu records did not come and may be gone: more than deletes.max allows, "
                        "so they are not looked at one by one",
                        (unsigned long long)d.gone);
                r->unproven = true;
                return keyed_read(r, e);
        }
        return read_doubted(r, e);
}
