/*
 * PROTOCOL.md sections 4 and 6. Former ids of moved records are deleted after all writes, if
 * nobody claimed them. The sweep deletes what a finished full read did not deliver, under the
 * brake; documents with our prefix that no record claims are swept with it.
 */
#include "ingest/pipeline/run_internal.h"

#include "ingest/record/json_scan.h"

#include <string.h>

#define BRAKE_FREE  10  /* so many deletions never need permission */
#define SWEEP_CHUNK 500 /* deletions copied out of the walk before they are sent */

/* ---- former ids ---- */

static int delete_old_id(void *ctx, const struct state_owed *owed, struct err *e)
{
        struct run *r = ctx;
        struct state_holder holder;

        if (owed->reason != STATE_OWED_OLD_ID)
                return 0;
        int rc = state_holder(r->state, owed->database, owed->id, &holder, e);
        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT || holder.key.len || holder.deleted)
                return state_batch_settle(r->batch, owed, e);
        struct pending what = {.kind = PENDING_OLD_ID,
                .database = owed->database,
                .key = owed->key,
                .id = owed->id};
        struct bulk_doc doc = {.database = state_database_name(r->state, owed->database),
                .id = owed->id,
                .parent = holder.rev,
                .deleted = true,
                .reject_conflicts = r->spec->on_conflict == ON_CONFLICT_REJECT};
        return pass_push_wait(r, &what, &doc, e);
}

int deletions_old_ids(struct run *r, struct err *e)
{
        if (r->options.dry_run)
                return 0;
        int rc = state_each_owed(r->state, delete_old_id, r, e);
        if (!rc)
                rc = settle_all(r, false, e);
        return rc ? err_wrap(e, rc, "deleting former document ids") : 0;
}

/* ---- the sweep ---- */

struct gone {
        struct pending what; /* strings point into names */
        struct str rev;
};

struct sweep {
        struct run *r;
        uint64_t live, gone; /* counted before anything is deleted */
        bool deleting;
        struct gone chunk[SWEEP_CHUNK];
        size_t count;
        struct arena *names; /* of the chunk; reset with it */
};

/* One document as it stands in CouchDB, for its `keep` fields. */
struct kept {
        const struct string_list *names;
        struct str id;
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

        if (!str_eq(doc->id, k->id) || !doc->json.ptr || !json_walk_open(&w, doc->json, '{'))
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
        struct kept k = {.names = &r->mapper->extract->deletes.keep, .id = id, .out = out};
        cleanup_buf_ struct buf end = BUF_INIT(MAPPER_MAX_ID + 1);

        buf_clear(out);
        if (k.names->count == 0)
                return 0;
        buf_put_str(&end, id);
        buf_putc(&end, ' '); /* behind the id; what else stands between is passed over */
        int rc = buf_check(&end, "document id", e);
        return rc ? rc
                  : scan_range(r->couch, database, id, buf_str(&end), true, keep_members, &k, e);
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

static int sweep_record(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        struct sweep *s = ctx;
        struct state_holder holder;

        if (entry->doc_count == 0 || entry->docs[0].deleted)
                return 0;
        s->live += !s->deleting;
        if (bitmap_test(&s->r->seen, entry->ordinal))
                return 0;
        s->gone += !s->deleting;
        if (!s->deleting)
                return 0;
        const struct state_doc *doc = &entry->docs[0];
        int rc = state_holder(s->r->state, doc->database, doc->id, &holder, e);
        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT || !str_eq(holder.key, key))
                return state_batch_delete(s->r->batch, key, e);
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
        s->live += !s->deleting;
        s->gone += !s->deleting;
        if (!s->deleting)
                return 0;
        struct pending what = {.kind = PENDING_ORPHAN, .database = database, .id = id};
        return add_to_chunk(s, &what, doc->rev, e);
}

/* A rejected record is attached to no document, so that one without a record may be its own: then
 * such documents stay until a run without rejects. */
static int walk_orphans(struct sweep *s, struct err *e)
{
        if (s->r->counts->rejected > 0)
                return 0;
        return state_each_unattached(s->r->state, sweep_orphan, s, e);
}

static int walk(struct sweep *s, struct err *e)
{
        struct run *r = s->r;
        uint64_t known = state_count(r->state);
        int rc = 0;

        /* Every known record was seen: an ordinary run looks no further. Rejected records that are
         * new have an ordinal, too, so that the numbers then say nothing. */
        if (bitmap_count(&r->seen) < known || r->counts->read == 0 || r->counts->rejected > 0)
                rc = state_each_record(r->state, sweep_record, s, e);
        else
                s->live = known;
        return rc ? rc : walk_orphans(s, e);
}

static bool brake_holds(const struct sweep *s)
{
        const struct extract_deletes *d = &s->r->mapper->extract->deletes;

        if (s->r->options.allow_deletes || s->gone == 0)
                return false;
        if (s->r->counts->read == 0)
                return true;
        return s->gone > BRAKE_FREE && (double)s->gone > d->max_percent / 100.0 * (double)s->live;
}

static int delete_all(struct sweep *s, struct err *e)
{
        s->deleting = true;
        int rc = walk(s, e);
        if (!rc)
                rc = delete_chunk(s, e);
        if (!rc)
                rc = settle_all(s->r, false, e);
        return rc;
}

int deletions_sweep(struct run *r, struct err *e)
{
        if (!r->mapper->extract->deletes.sweep || r->blind)
                return 0;
        cleanup_(freep) struct sweep *s = calloc(1, sizeof(*s));
        if (!s)
                return err_nomem(e, "sweep");
        s->r = r;
        s->names = arena_new(64 << 20);
        if (!s->names)
                return err_nomem(e, "sweep");
        int rc = walk(s, e);
        if (r->options.dry_run) /* what the pass would have given a source key */
                s->gone -= s->gone < r->dry_adopted ? s->gone : r->dry_adopted;
        if (!rc && brake_holds(s))
                r->report->withheld = s->gone;
        else if (!rc && r->options.dry_run)
                r->counts->deleted += s->gone;
        else if (!rc && s->gone > 0)
                rc = delete_all(s, e);
        arena_free(s->names);
        return rc ? err_wrap(e, rc, "deleting documents of records that are gone") : 0;
}
