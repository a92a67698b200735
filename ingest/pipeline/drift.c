/*
 * PROTOCOL.md section 7: a document whose revision is not the state's loses its digest there, so
 * that its record is compared with CouchDB when it is read; and it is read in this run.
 */
#include "ingest/pipeline/run_internal.h"

#include <string.h>

#define LOOKED_MAX     (256 << 10) /* bytes of ids to look at one by one: then a scan is faster */
#define SUSPECTS_ASKED 1000        /* revisions in one question to CouchDB ... */
#define SUSPECTS_BYTES (1 << 20)   /* ... or the bytes of it, and one more id */

struct drift {
        struct run *r;
        struct target *t;
        struct bitmap present; /* ordinals whose revision stands in the feed */
        uint64_t foreign;
        struct buf looked; /* ids to look at, each with its length before it: of a dry run */
        bool too_many;     /* more than fit there */
        bool restored;     /* a write of an unclosed run is missing */
        uint64_t closed;   /* number of the run whose checkpoint the target holds */
        uint64_t tombstones, tombstones_seen; /* of unclosed runs: in the state, in the feed */
        struct buf suspects;                  /* a question for _revs_diff, without its end */
        size_t suspect_count;
};

/* A dry run has no writer that would compare: it looks at the documents itself. */
static int look_later(struct drift *d, const struct scan_change *c, struct err *e)
{
        uint32_t len = (uint32_t)c->id.len;

        if (!d->r->options.dry_run || c->deleted || d->too_many)
                return 0;
        buf_put(&d->looked, &len, sizeof(len));
        buf_put_str(&d->looked, c->id);
        d->too_many = d->looked.error == -ERR_REJECT;
        return d->too_many ? 0 : buf_check(&d->looked, "changed documents", e);
}

/* A document that no record holds: its revision is noted, its content is not known. */
static int note_unattached(struct drift *d, const struct scan_change *c, struct err *e)
{
        struct state_holder doc = {.rev = c->rev, .deleted = c->deleted};
        int rc = state_batch_hold(d->r->batch, d->t->number, c->id, STR(""), &doc, e);

        return rc ? rc : look_later(d, c, e);
}

static int note_attached(
        struct drift *d, const struct scan_change *c, struct str key, struct err *e)
{
        struct state_entry entry;
        int rc = state_get(d->r->state, key, &entry, e);

        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        for (uint32_t i = 0; i < entry.doc_count; i++) {
                struct state_doc *doc = &entry.docs[i];
                if (doc->database != d->t->number || !str_eq(doc->id, c->id))
                        continue;
                rc = bitmap_set(&d->present, entry.ordinal, e);
                if (rc < 0 || (str_eq(doc->rev, c->rev) && doc->deleted == c->deleted))
                        return rc < 0 ? rc : 0;
                d->foreign++;
                doc->digest = (struct digest){0};
                rc = state_batch_put(d->r->batch, key, &entry, e);
                if (!rc)
                        rc = look_later(d, c, e);
                return rc ? rc : keyed_want(d->r, key, e);
        }
        return 0;
}

/* A deletion of a run that did not close. */
static bool is_unclosed_tombstone(const struct drift *d, const struct state_holder *holder)
{
        return holder->deleted && holder->run > d->closed;
}

static int on_change(void *ctx, const struct scan_change *c, struct err *e)
{
        struct drift *d = ctx;
        struct state_holder holder;
        int rc;

        if (!former_is_ours(d->r, d->t, c->id))
                return 0;
        if (c->leaf_count > 1 && !c->deleted) {
                rc = branches_note(d->r, d->t, c->id, e);
                if (rc)
                        return rc;
        }
        rc = state_holder(d->r->state, d->t->number, c->id, &holder, e);
        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT)
                rc = c->deleted ? 0 : note_unattached(d, c, e);
        else if (holder.key.len)
                rc = note_attached(d, c, holder.key, e);
        else if (!str_eq(holder.rev, c->rev))
                rc = note_unattached(d, c, e);
        else
                d->tombstones_seen += is_unclosed_tombstone(d, &holder);
        if (rc || state_batch_count(d->r->batch) < crash_batch(RUN_APPLY_CHANGES))
                return rc;
        rc = state_apply(d->r->state, d->r->batch, e);
        crash_point(CRASH_DRIFT_NOTED);
        return rc;
}

/* ---- was the target restored? ---- */

/* Asks for what was collected. Return: 1: something is missing, and no more need be asked. */
static int ask_suspects(struct drift *d, struct err *e)
{
        int rc = 0;

        if (d->suspects.len) {
                buf_putc(&d->suspects, '}');
                rc = buf_check(&d->suspects, "a question about revisions", e);
        }
        if (!rc && d->suspects.len)
                rc = couch_revs_missing(
                        d->r->couch, d->t->name, buf_str(&d->suspects), &d->restored, e);
        buf_clear(&d->suspects);
        d->suspect_count = 0;
        return rc ? rc : d->restored;
}

/* A write of an unclosed run that the feed does not show: it is missing, or it is an older one that
 * the run only found equal. The revision tells. */
static int suspect(struct drift *d, struct str id, struct str rev, struct err *e)
{
        if (rev.len == 0)
                return 0;
        buf_putc(&d->suspects, d->suspects.len ? ',' : '{');
        if (!json_put_string(&d->suspects, id))
                return err_set(e, ERR_BUG, "state: a document id is not UTF-8");
        buf_puts(&d->suspects, ":[\"");
        buf_put_str(&d->suspects, rev);
        buf_puts(&d->suspects, "\"]");
        if (++d->suspect_count < SUSPECTS_ASKED && d->suspects.len < SUSPECTS_BYTES)
                return 0;
        return ask_suspects(d, e);
}

static int suspect_record(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        struct drift *d = ctx;

        (void)key;
        if (entry->run <= d->closed || entry->doc_count == 0 ||
                entry->docs[0].database != d->t->number || bitmap_test(&d->present, entry->ordinal))
                return 0;
        return suspect(d, entry->docs[0].id, entry->docs[0].rev, e);
}

static int count_tombstone(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        struct drift *d = ctx;

        (void)id;
        (void)e;
        d->tombstones += database == d->t->number && is_unclosed_tombstone(d, doc);
        return 0;
}

static int suspect_tombstone(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        struct drift *d = ctx;

        if (database != d->t->number || !is_unclosed_tombstone(d, doc))
                return 0;
        return suspect(d, id, doc->rev, e);
}

/* Sets d->restored. A tombstone that others wrote over is theirs by now, and not counted. */
static int look_for_missing(struct drift *d, struct err *e)
{
        int rc = state_each_record(d->r->state, suspect_record, d, e);

        if (rc >= 0 && !d->restored)
                rc = state_each_unattached(d->r->state, count_tombstone, d, e);
        if (rc >= 0 && !d->restored && d->tombstones_seen < d->tombstones)
                rc = state_each_unattached(d->r->state, suspect_tombstone, d, e);
        if (rc >= 0 && !d->restored)
                rc = ask_suspects(d, e);
        return rc < 0 ? rc : 0;
}

static int look_at_all(struct drift *d, struct err *e)
{
        int rc = 0;

        for (size_t at = 0; !rc && at < d->looked.len;) {
                uint32_t len;
                memcpy(&len, d->looked.data + at, sizeof(len));
                at += sizeof(len);
                rc = target_look(d->r, d->t, (struct str){d->looked.data + at, len}, e);
                at += len;
        }
        return rc ? rc : state_apply(d->r->state, d->r->batch, e);
}

int drift_follow(struct run *r, struct target *t, struct str since, struct err *e)
{
        struct drift d = {.r = r,
                .t = t,
                .closed = t->closed,
                .looked = BUF_INIT(LOOKED_MAX),
                .suspects = BUF_INIT(2 * SUSPECTS_BYTES)};
        int rc;

        bitmap_init(&d.present, BITMAP_MAX_BYTES);
        rc = scan_changes(r->couch, t->name, since, on_change, &d, NULL, e);
        if (!rc)
                rc = state_apply(r->state, r->batch, e);
        crash_point(CRASH_DRIFT_NOTED);
        if (!rc && !d.too_many && d.looked.len)
                rc = look_at_all(&d, e);
        buf_deinit(&d.looked);
        if (!rc && !d.too_many && d.closed + 1 < r->number)
                rc = look_for_missing(&d, e);
        bitmap_deinit(&d.present);
        buf_deinit(&d.suspects);
        if (rc < 0)
                return err_wrap(e, rc, "following the changes of database %s", t->name);
        if (d.foreign > 0)
                log_warn(r->log, "database %s: %llu of our documents were changed by others%s",
                        t->name, (unsigned long long)d.foreign,
                        d.closed + 1 < r->number ? ", or by the last run, which did not end" : "");
        if (!rc && d.restored)
                log_warn(r->log,
                        "database %s lost documents of the last, unfinished run: the state is "
                        "rebuilt from CouchDB",
                        t->name);
        else if (!rc && d.too_many)
                log_info(r->log, "database %s: all documents are compared, so many were changed",
                        t->name);
        return rc ? rc : d.restored || d.too_many ? DRIFT_REBUILD : 0;
}
