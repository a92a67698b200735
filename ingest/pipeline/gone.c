/*
 * A full read knows what is gone by what did not come. Between full reads there are hints: a table
 * of deletions, a flag on the row, a sweep of keys. A key from a table of deletions may live again
 * or may never have been ours, so it counts only after a read by key found nothing.
 */
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>

/* A verification names what no record claims whatever the mapper says. */
static bool sweep_is_wanted(const struct run *r)
{
        return r->mapper->extract->deletes.sweep || r->options.rebuild;
}

bool gone_by_absence(const struct run *r)
{
        return !r->blind && !r->held_position;
}

/* Whether this run's own reads deliver whatever is there. */
static bool reads_show_all(const struct run *r)
{
        return gone_by_absence(r) && ((r->mode == RUN_READS_ALL && !r->resumed) || r->swept_keys);
}

bool gone_sweeps_all(const struct run *r)
{
        return sweep_is_wanted(r) && reads_show_all(r);
}

bool gone_missing(const struct run *r, uint32_t ordinal)
{
        if (bitmap_test(&r->seen, ordinal) || !reads_show_all(r))
                return false;
        return !r->swept_keys || !bitmap_test(&r->present, ordinal);
}

bool gone_is(const struct run *r, uint32_t ordinal)
{
        if (r->held_position)
                return false; /* nor is a flag on a row that may be an old one */
        if (bitmap_test(&r->gone, ordinal))
                return true;
        return !r->shifts && gone_missing(r, ordinal);
}

bool gone_deletes(const struct run *r, uint32_t ordinal)
{
        bool named = bitmap_test(&r->told, ordinal) && bitmap_test(&r->gone, ordinal);

        return gone_is(r, ordinal) && (named || sweep_is_wanted(r));
}

int gone_flagged(struct run *r, uint32_t ordinal, struct err *e)
{
        int rc = bitmap_set(&r->told, ordinal, e);

        if (rc >= 0)
                rc = bitmap_set(&r->gone, ordinal, e);
        return rc < 0 ? rc : 0;
}

/* ---- a table of deletions ---- */

static int take_deleted(struct run *r, struct str key, struct err *e)
{
        struct state_entry entry;
        int rc = state_get(r->state, key, &entry, e);

        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        if (entry.doc_count == 0 || entry.docs[0].deleted || bitmap_test(&r->seen, entry.ordinal))
                return 0;
        rc = bitmap_set(&r->told, entry.ordinal, e);
        if (rc >= 0 && r->shifts)
                rc = bitmap_set(&r->doubted, entry.ordinal, e);
        return rc < 0 || r->shifts ? (rc < 0 ? rc : 0) : keyed_want(r, key, e);
}

int gone_read_deletions(struct run *r, struct err *e)
{
        int rc = pass_walk(r, source_read_deleted, take_deleted, e);

        return rc ? err_wrap(e, rc, "reading the table of deletions") : 0;
}

/* ---- a sweep of keys ---- */

static int take_present(struct run *r, struct str key, struct err *e)
{
        struct state_entry entry;
        int rc = state_get(r->state, key, &entry, e);

        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        rc = bitmap_set(&r->present, entry.ordinal, e);
        return rc < 0 ? rc : 0;
}

bool gone_sweep_is_due(struct run *r)
{
        const struct extract_deletes *d = &r->mapper->extract->deletes;
        struct str text;
        struct err e;
        int64_t at = 0;

        if (!d->every_ms || !d->sweep)
                return false;
        if (state_meta_get(r->state, "swept", &text, &e) == 0)
                (void)str_to_int64(text, &at);
        return at > r->now_us || r->now_us - at >= d->every_ms * 1000;
}

int gone_sweep_keys(struct run *r, struct err *e)
{
        int rc = settle_all(r, false, e); /* what was read by key just now has its entry */

        if (!rc)
                rc = pass_walk(r, source_read_keys, take_present, e);
        r->swept_keys = rc == 0;
        return rc ? err_wrap(e, rc, "reading all keys") : 0;
}

/* ---- deletions that were withheld, records that lost their document to another ---- */

static int want_owed(void *ctx, const struct state_owed *owed, struct err *e)
{
        return owed->key.len == 0 || owed->reason == STATE_OWED_OLD_ID
                       ? 0
                       : keyed_want(ctx, owed->key, e);
}

static int read_owed(struct run *r, struct err *e)
{
        int rc = state_each_owed(r->state, want_owed, r, e);

        return rc ? rc : keyed_read(r, e);
}

int gone_find(struct run *r, struct err *e)
{
        const struct extract_deletes *d =
                &r->mapper->extract->deletes; /* key: of a table of them */
        int rc = settle_all(r, false, e);     /* so that the state knows what was read */

        if (rc || run_takes_some(r))
                return rc;
        if (r->shifts)
                return absence_find(r, e);
        if (gone_sweeps_all(r))
                return 0;
        if (r->mode == RUN_READS_SINCE)
                rc = read_owed(r, e);
        if (!rc && d->key.count)
                rc = gone_read_deletions(r, e);
        if (!rc && d->key.count)
                rc = keyed_read(r, e);
        if (!rc && r->mode == RUN_READS_SINCE && !r->held_position && gone_sweep_is_due(r))
                rc = gone_sweep_keys(r, e);
        return rc;
}
