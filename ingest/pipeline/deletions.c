/*
 * PROTOCOL.md sections 4 and 6. Former ids of moved records are deleted after all writes, if
 * nobody claimed them. The documents of records that are gone are deleted under the brake; what it
 * withholds is owed. After a full read documents with our prefix that no record claims go, too.
 */
#include "ingest/pipeline/run_internal.h"

#include "ingest/record/json_scan.h"

#include <string.h>

#define BRAKE_FREE  10  /* so many deletions never need permission */
#define SWEEP_CHUNK 500 /* deletions copied out of the walk before they are sent */

/* ---- deletions, some at a time ---- */

struct gone {
        struct pending what; /* strings point into names */
        struct str rev;
};

enum sweep_step { SWEEP_COUNT, SWEEP_DELETE, SWEEP_OWE };

struct sweep {
        struct run *r;
        uint64_t live, gone; /* counted before anything is deleted */
        enum sweep_step step;
        struct gone chunk[SWEEP_CHUNK];
        size_t count;
        struct arena *names; /* of the chunk; reset with it */
        uint64_t orphans;    /* of those gone */
        bool looks;          /* for orphans, decided when it counts */
};

static struct sweep *sweep_free(struct sweep *s)
{
        if (s)
                arena_free(s->names);
        free(s);
        return NULL;
}
DEFINE_CLEANUP(struct sweep *, sweep_free);

static int sweep_new(struct run *r, struct sweep **out, struct err *e)
{
        cleanup_(sweep_freep) struct sweep *s = calloc(1, sizeof(*s));

        if (!s)
                return err_nomem(e, "deletions");
        s->r = r;
        s->names = arena_new(64 << 20);
        if (!s->names)
                return err_nomem(e, "deletions");
        *out = TAKE(s);
        return 0;
}

/* One document as it stands in CouchDB, for its `keep` fields. */
struct kept {
        const struct string_list *names;
        struct buf *out; /* canonical members of the tombstone */
};

static int keep_member(struct kept *k, const char *name, struct str value, struct err *e)
{
        if (k->out->len)
                buf_putc(k->out, ',');
        if (!json_put_string(k->out, str_of(name)))
                return err_set(e, ERR_CONFIG, "deletes.keep: a name is not UTF-8");
        buf_putc(k->out, ':');
        return json_canonical(value, JSON_NUMBERS_NEAREST, k->out, e);
}

static int keep_members(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct kept *k = ctx;
        struct json_walk w;
        struct str key, value;
        int rc = 0;

        if (!doc->json.ptr || !json_walk_open(&w, doc->json, '{'))
                return 0;
        while (!rc && json_walk_next(&w, &key, &value))
                for (size_t i = 0; !rc && i < k->names->count; i++)
                        if (key.len == strlen(k->names->items[i]) + 2 &&
                                memcmp(key.ptr + 1, k->names->items[i], key.len - 2) == 0)
                                rc = keep_member(k, k->names->items[i], value, e);
        return rc ? rc : buf_check(k->out, "tombstone", e);
}

/* The `keep` fields of the current document, with every number as it is. */
static int fetch_kept(
        struct run *r, const char *database, struct str id, struct buf *out, struct err *e)
{
        struct kept k = {.names = &r->mapper->extract->deletes.keep, .out = out};

        buf_clear(out);
        if (k.names->count == 0 || r->options.dry_run)
                return 0;
        return scan_document(r->couch, database, id, keep_members, &k, e);
}

static int delete_chunk(struct sweep *s, struct err *e)
{
        struct run *r = s->r;
        cleanup_buf_ struct buf body = BUF_INIT(8 << 20);
        int rc = 0;

        for (size_t i = 0; !rc && i < s->count; i++) {
                struct gone *g = &s->chunk[i];
                struct bulk_doc doc = {.database = state_database_name(r->state, g->what.database),
                        .id = g->what.id,
                        .parent = g->rev,
                        .deleted = true,
                        .reject_conflicts = r->spec->on_conflict == ON_CONFLICT_REJECT};
                rc = fetch_kept(r, doc.database, doc.id, &body, e);
                doc.body = buf_str(&body);
                if (!rc)
                        rc = pass_push_wait(r, &g->what, &doc, e);
        }
        s->count = 0;
        arena_reset(s->names);
        return rc;
}

/* Copies, because the walk lends its strings only until the next state_apply(). */
static int add_to_chunk(struct sweep *s, const struct pending *what, struct str rev, struct err *e)
{
        struct gone *g = &s->chunk[s->count];

        *g = (struct gone){.what = *what};
        g->what.key = arena_dup(s->names, what->key);
        g->what.id = arena_dup(s->names, what->id);
        g->rev = arena_dup(s->names, rev);
        if (!g->what.key.ptr || !g->what.id.ptr || !g->rev.ptr)
                return arena_failed(s->names, "deletions", e);
        return ++s->count < SWEEP_CHUNK ? 0 : delete_chunk(s, e);
}

/* ---- former ids ---- */

static int delete_old_id(void *ctx, const struct state_owed *owed, struct err *e)
{
        struct sweep *s = ctx;
        struct state_holder holder;

        if (owed->reason != STATE_OWED_OLD_ID)
                return 0;
        int rc = state_holder(s->r->state, owed->database, owed->id, &holder, e);
        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT || holder.key.len || holder.deleted) {
                rc = state_batch_settle(s->r->batch, owed, e);
                return rc ? rc : settle_apply_enough(s->r, e);
        }
        struct pending what = {.kind = PENDING_OLD_ID,
                .database = owed->database,
                .key = owed->key,
                .id = owed->id};
        return add_to_chunk(s, &what, holder.rev, e);
}

int deletions_old_ids(struct run *r, struct err *e)
{
        cleanup_(sweep_freep) struct sweep *s = NULL;
        int rc = sweep_new(r, &s, e);

        if (!rc)
                rc = state_each_owed(r->state, delete_old_id, s, e);
        if (!rc)
                rc = delete_chunk(s, e);
        if (!rc)
                rc = settle_all(r, false, e);
        crash_point(CRASH_OLD_IDS_DELETED);
        return rc ? err_wrap(e, rc, "deleting former document ids") : 0;
}

/* ---- the sweep ---- */

static int owe_deletion(struct run *r, struct str key, struct err *e)
{
        struct state_owed owed = {.reason = STATE_OWED_DELETION, .key = key};
        int rc = state_batch_owe(r->batch, &owed, e);

        if (!rc)
                rc = settle_apply_enough(r, e);
        if (!rc && state_batch_count(r->batch) == 0)
                crash_point(CRASH_DELETIONS_OWED);
        return rc;
}

/* What was not looked at, because the brake holds it back, counts as gone until then. */
static bool is_doomed(const struct run *r, uint32_t ordinal)
{
        bool doubted = bitmap_test(&r->doubted, ordinal) && !bitmap_test(&r->seen, ordinal);

        return gone_deletes(r, ordinal) || (r->unproven && doubted);
}

static int sweep_record(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        struct sweep *s = ctx;
        struct state_holder holder;

        if (entry->doc_count == 0 || entry->docs[0].deleted)
                return 0;
        s->live += s->step == SWEEP_COUNT;
        if (!is_doomed(s->r, entry->ordinal))
                return 0;
        s->gone += s->step == SWEEP_COUNT;
        if (s->step == SWEEP_COUNT)
                return 0;
        if (s->step == SWEEP_OWE)
                return owe_deletion(s->r, key, e);
        const struct state_doc *doc = &entry->docs[0];
        int rc = state_holder(s->r->state, doc->database, doc->id, &holder, e);
        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT || !str_eq(holder.key, key)) {
                rc = state_batch_delete(s->r->batch, key, e);
                return rc ? rc : settle_apply_enough(s->r, e);
        }
        struct pending what = {.kind = PENDING_DELETE,
                .ordinal = entry->ordinal,
                .database = doc->database,
                .key = key,
                .id = doc->id};
        return add_to_chunk(s, &what, doc->rev, e);
}

static int sweep_orphan(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        struct sweep *s = ctx;

        if (doc->deleted)
                return 0;
        s->live += s->step == SWEEP_COUNT;
        s->gone += s->step == SWEEP_COUNT;
        s->orphans += s->step == SWEEP_COUNT;
        if (s->step != SWEEP_DELETE) /* the next full read finds it again: plan.c sees to it */
                return 0;
        struct pending what = {.kind = PENDING_ORPHAN, .database = database, .id = id};
        return add_to_chunk(s, &what, doc->rev, e);
}

static int count_unclaimed(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        struct sweep *s = ctx;

        s->r->report->unclaimed += !doc->deleted;
        return 0;
}

/* Without a snapshot one read may have missed the record that would claim it, and there is no key
 * to ask for. A second full read that finds none either settles it. */
static int note_unclaimed(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        struct run *r = ctx;

        (void)database;
        (void)id;
        (void)e;
        if (!doc->deleted)
                r->unclaimed = UNCLAIMED_ONCE;
        return 0;
}

/* A rejected record is attached to no document, so that one without a record may be its own: then
 * such documents stay until a full read without rejects. Who believes nothing (verify) is told of
 * all of them, also where a run would leave them. */
static int walk_orphans(struct sweep *s, struct err *e)
{
        struct run *r = s->r;

        if (r->mode != RUN_READS_ALL || !(gone_sweeps_all(r) || r->options.rebuild))
                return 0;
        bool missed = r->shifts && (r->doubtful || !r->unclaimed_before) && !r->options.rebuild;
        if (s->step == SWEEP_COUNT)
                s->looks = r->counts->rejected == 0 && !missed;
        if (s->looks)
                return state_each_unattached(r->state, sweep_orphan, s, e);
        if (s->step != SWEEP_COUNT)
                return 0;
        if (missed && r->counts->rejected == 0)
                return state_each_unattached(r->state, note_unclaimed, r, e);
        int rc = state_each_unattached(r->state, count_unclaimed, s, e);
        if (!rc && r->report->unclaimed)
                r->unclaimed = UNCLAIMED_REJECTS;
        return rc;
}

/* Where every known record was seen, an ordinary run looks no further. Rejected records that are
 * new have an ordinal, too, so that the numbers then say nothing. */
static bool may_be_gone(const struct run *r, uint64_t known)
{
        if (bitmap_count(&r->gone) > 0 || r->swept_keys || r->unproven)
                return true;
        return gone_sweeps_all(r) &&
               (bitmap_count(&r->seen) < known || r->counts->read == 0 || r->counts->rejected > 0);
}

static int walk(struct sweep *s, struct err *e)
{
        struct run *r = s->r;
        uint64_t known = state_count(r->state);
        int rc = 0;

        if (may_be_gone(r, known))
                rc = state_each_record(r->state, sweep_record, s, e);
        else
                s->live = known;
        return rc ? rc : walk_orphans(s, e);
}

/* A source that returned nothing has more likely lost its rows than sold its stock. */
static bool found_nothing(const struct run *r)
{
        if (r->mode == RUN_READS_ALL && !r->resumed)
                return r->counts->read == 0;
        return r->swept_keys && bitmap_count(&r->present) == 0;
}

bool deletions_exceed(const struct run *r, uint64_t gone, uint64_t live)
{
        double max = r->mapper->extract->deletes.max_percent / 100.0;

        if (gone == 0)
                return false;
        return found_nothing(r) || (gone > BRAKE_FREE && (double)gone > max * (double)live);
}

static int withhold(struct sweep *s, struct err *e)
{
        s->step = SWEEP_OWE;
        s->r->report->withheld = s->gone;
        if (s->orphans)
                s->r->unclaimed = UNCLAIMED_WITHHELD;
        int rc = walk(s, e);
        if (!rc)
                rc = state_apply(s->r->state, s->r->batch, e);
        crash_point(CRASH_DELETIONS_OWED);
        return rc;
}

/* A displaced record has a document again, or is gone and needs none. */
static int settle_displaced(struct run *r, const struct state_owed *owed,
        const struct state_entry *entry, struct err *e)
{
        bool gone = entry->doc_count == 0 && gone_is(r, entry->ordinal);

        if (entry->doc_count == 0 && !gone)
                return 0;
        int rc = gone ? state_batch_delete(r->batch, owed->key, e) : 0;
        if (!rc)
                rc = state_batch_settle(r->batch, owed, e);
        return rc ? rc : settle_apply_enough(r, e);
}

/* A deletion was owed, and the record is back or its document is gone. */
static int settle_owed(void *ctx, const struct state_owed *owed, struct err *e)
{
        struct run *r = ctx;
        struct state_entry entry;

        if (owed->reason == STATE_OWED_OLD_ID || owed->reason == STATE_OWED_BRANCHES)
                return 0;
        int rc = state_get(r->state, owed->key, &entry, e);
        if (rc == 0 && owed->reason == STATE_OWED_DISPLACED)
                return settle_displaced(r, owed, &entry, e);
        if (rc < 0 || (rc == 0 && !bitmap_test(&r->seen, entry.ordinal)))
                return rc;
        rc = state_batch_settle(r->batch, owed, e);
        return rc ? rc : settle_apply_enough(r, e);
}

static int settle_all_owed(struct run *r, struct err *e)
{
        int rc = state_each_owed(r->state, settle_owed, r, e);

        return rc ? rc : settle_apply(r, e);
}

static int delete_all(struct sweep *s, struct err *e)
{
        s->step = SWEEP_DELETE;
        int rc = walk(s, e);
        if (!rc)
                rc = delete_chunk(s, e);
        if (!rc)
                rc = settle_all(s->r, false, e);
        return rc;
}

int deletions_sweep(struct run *r, struct err *e)
{
        cleanup_(sweep_freep) struct sweep *s = NULL;

        if (run_takes_some(r) || r->held_position)
                return 0;
        int rc = sweep_new(r, &s, e);
        if (!rc)
                rc = walk(s, e);
        r->report->beyond_brake = !rc && (r->unproven || deletions_exceed(r, s->gone, s->live));
        if (!rc && r->report->beyond_brake && !r->options.allow_deletes)
                rc = withhold(s, e);
        else if (!rc && s->gone > 0)
                rc = delete_all(s, e);
        if (!rc)
                rc = settle_all_owed(r, e);
        crash_point(CRASH_DELETIONS_DONE);
        return rc ? err_wrap(e, rc, "deleting documents of records that are gone") : 0;
}
