/*
 * PROTOCOL.md section 4. A record that claims a document id which another source key holds is
 * parked during the pass. At its end every key of the source has been read (in an incremental run
 * the holders' are read by key), so it is known whether the holder still wants the id: if it has
 * moved, is parked itself, or is gone from the source, it gives the id up; else both records are
 * rejects that name each other. Claims of several records on one id are all rejects. Parked records
 * stand in the state in the order of (database, id).
 */
#include "ingest/pipeline/run_internal.h"

#include <string.h>

static int reject_claim(
        struct run *r, struct str key, struct str id, struct str other, struct err *e)
{
        cleanup_buf_ struct buf reason = BUF_INIT(8192);
        struct reject_note note = {.stage = "claim", .field = "_id", .key = key};

        buf_printf(&reason, "document id %.*s is also claimed by the record with key ",
                (int)(id.len > 512 ? 512 : id.len), id.ptr);
        key_text(other, &reason);
        buf_puts(&reason, "; target.id must differ between records: put the key into it");
        note.reason = buf_cstr(&reason);
        if (!note.reason)
                note.reason = "another record claims the same document id";
        int rc = rejects_add(r, &note, e);
        return rc == BULK_FULL ? run_wait_room(r, e) : rc;
}

static bool stands_under(const struct state_entry *entry, uint16_t database, struct str id)
{
        return entry->doc_count > 0 && entry->docs[0].database == database &&
               str_eq(entry->docs[0].id, id);
}

/* Does source key @holder still want (database, id) after the whole source was read? */
static int holder_gives_up(struct run *r, const struct state_parked *p, struct str holder,
        struct state_entry *entry, bool *gives_up, struct err *e)
{
        int rc = state_get(r->state, holder, entry, e);

        *gives_up = true;
        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        if (!stands_under(entry, p->database, p->id))
                return 0;
        *gives_up = gone_is(r, entry->ordinal) || state_has_parked(r->state, holder);
        return 0;
}

/* The record's present document, which it leaves when its claim is granted. */
static int former_place(
        struct run *r, struct pending *what, struct state_entry *entry, struct err *e)
{
        entry->doc_count = 0;
        int rc = state_get(r->state, what->key, entry, e);

        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        if (stands_under(entry, what->database, what->id)) { /* it came twice: nothing to leave */
                what->existed = !entry->docs[0].deleted;
                return 0;
        }
        if (entry->doc_count == 0) { /* displaced by another claim: it moves, and leaves nothing */
                what->existed = what->moved = true;
                return 0;
        }
        if (entry->docs[0].deleted)
                return 0;
        what->existed = what->moved = true;
        what->old_database = entry->docs[0].database;
        what->old_id = entry->docs[0].id;
        what->old_rev = entry->docs[0].rev;
        what->old_digest = entry->docs[0].digest;
        return 0;
}

static int grant(struct run *r, const struct state_parked *p, const struct state_holder *holder,
        const struct state_entry *held, bool held_here, struct err *e)
{
        struct state_entry mine;
        struct pending what = {.kind = PENDING_RECORD,
                .ordinal = p->ordinal,
                .database = p->database,
                .key = p->key,
                .id = p->id,
                .digest = p->digest};
        struct bulk_doc doc = {.database = state_database_name(r->state, p->database),
                .id = p->id,
                .body = p->body,
                .digest = p->digest,
                .filter = r->spec->filter,
                .reject_conflicts = r->spec->on_conflict == ON_CONFLICT_REJECT};

        int rc = former_place(r, &what, &mine, e);
        if (rc)
                return rc;
        if (stands_under(&mine, p->database, p->id)) {
                pass_write_over(&doc, &mine.docs[0]);
        } else if (holder && holder->key.len) {
                what.displaced = holder->key;
                pass_write_over(&doc, held_here ? &held->docs[0] : NULL);
        } else if (holder) {
                struct state_doc there = {.rev = holder->rev,
                        .digest = holder->digest,
                        .deleted = holder->deleted,
                        .attachments = holder->attachments};
                pass_write_over(&doc, &there);
        }
        rc = pass_push_wait(r, &what, &doc, e);
        if (rc == -ERR_REJECT) {
                struct reject_note note = {
                        .stage = "write", .field = "", .reason = e->text, .key = p->key};
                rc = rejects_add(r, &note, e);
                return rc == BULK_FULL ? run_wait_room(r, e) : rc;
        }
        return rc;
}

/* @held: the entry of @holder. Copies first: waiting for room may apply changes, and the walk's
 * strings end with that. */
static int reject_both(struct run *r, const struct state_parked *p, struct str holder,
        const struct state_entry *held, struct err *e)
{
        cleanup_(arena_freep) struct arena *a = arena_new(8 << 20);
        if (!a)
                return err_nomem(e, "rejects");
        struct str mine = arena_dup(a, p->key), other = arena_dup(a, holder);
        struct str id = arena_dup(a, p->id);
        if (!mine.ptr || !other.ptr || !id.ptr)
                return arena_failed(a, "rejects", e);
        if (held->run != r->number && r->counts->unchanged > 0)
                r->counts->unchanged--; /* the holder was taken for unchanged: it is a reject */
        int rc = reject_claim(r, mine, id, other, e);
        return rc ? rc : reject_claim(r, other, id, mine, e);
}

static int resolve_claim(struct run *r, const struct state_parked *p, struct err *e)
{
        struct state_holder holder;
        struct state_entry held = {.doc_count = 0};
        bool gives_up = true;
        int rc = state_holder(r->state, p->database, p->id, &holder, e);

        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT)
                return grant(r, p, NULL, &held, false, e);
        if (holder.key.len == 0 || str_eq(holder.key, p->key))
                return grant(r, p, &holder, &held, false, e);
        rc = holder_gives_up(r, p, holder.key, &held, &gives_up, e);
        if (rc)
                return rc;
        bool held_here = stands_under(&held, p->database, p->id);
        if (gives_up)
                return grant(r, p, &holder, &held, held_here, e);
        return reject_both(r, p, holder.key, &held, e);
}

/* The parked claims on one id. */
struct rivals {
        const struct state_parked *claim; /* the one under inspection */
        uint64_t count;
        bool first;       /* no other one stands before it */
        struct buf other; /* key of another one */
};

static int find_rivals(void *ctx, const struct state_parked *p, struct err *e)
{
        struct rivals *v = ctx;

        (void)e;
        v->count++;
        if (str_eq(p->key, v->claim->key)) {
                v->first = v->count == 1;
                return 0;
        }
        buf_clear(&v->other);
        buf_put_str(&v->other, p->key);
        return 0;
}

/* Several claims on one id: none is granted, and a holder that wants to keep it is told, too. */
static int reject_rival(
        struct run *r, const struct state_parked *p, const struct rivals *v, struct err *e)
{
        struct state_holder holder;
        struct state_entry held;
        bool gives_up = true;
        int rc = 0;

        if (v->first)
                rc = state_holder(r->state, p->database, p->id, &holder, e);
        if (rc == 0 && v->first && holder.key.len)
                rc = holder_gives_up(r, p, holder.key, &held, &gives_up, e);
        if (rc < 0)
                return rc;
        return gives_up ? reject_claim(r, p->key, p->id, buf_str(&v->other), e)
                        : reject_both(r, p, holder.key, &held, e);
}

static int settle_claim(void *ctx, const struct state_parked *p, struct err *e)
{
        struct run *r = ctx;
        struct rivals rivals = {.claim = p};

        buf_init(&rivals.other, 1 << 20);
        int rc = state_each_rival(r->state, p->database, p->id, find_rivals, &rivals, e);
        if (rc >= 0)
                rc = rivals.count > 1 ? reject_rival(r, p, &rivals, e) : resolve_claim(r, p, e);
        buf_deinit(&rivals.other);
        return rc;
}

static int want_holder(void *ctx, const struct state_parked *p, struct err *e)
{
        struct run *r = ctx;
        struct state_holder holder;
        struct state_entry entry;
        int rc = state_holder(r->state, p->database, p->id, &holder, e);

        if (rc || holder.key.len == 0 || str_eq(holder.key, p->key))
                return rc < 0 ? rc : 0;
        rc = state_get(r->state, holder.key, &entry, e);
        if (rc)
                return rc < 0 ? rc : 0;
        if (bitmap_test(&r->seen, entry.ordinal) || bitmap_test(&r->asked, entry.ordinal) ||
                gone_is(r, entry.ordinal))
                return 0;
        return keyed_want(r, holder.key, e);
}

/* A run that did not read everything, or may have missed some, asks the holders, whose own claims
 * may have holders. */
static int read_holders(struct run *r, struct err *e)
{
        int rc = 0;

        while (!rc && (r->mode != RUN_READS_ALL || r->shifts)) {
                rc = state_each_parked(r->state, want_holder, r, e);
                if (rc || r->wanted.count == 0)
                        break;
                r->overflow = false; /* the next round goes on */
                rc = keyed_read(r, e);
                if (!rc)
                        rc = settle_all(r, false, e);
        }
        return rc;
}

int claims_resolve(struct run *r, struct err *e)
{
        int rc = settle_all(r, false, e); /* claims that came last stand in the state, too */

        if (!rc)
                rc = read_holders(r, e);
        if (!rc)
                rc = state_each_parked(r->state, settle_claim, r, e);
        if (!rc)
                rc = settle_all(r, false, e);
        crash_point(CRASH_CLAIMS_GRANTED);
        if (!rc)
                rc = state_batch_unpark_all(r->batch, e);
        if (!rc)
                rc = settle_apply(r, e);
        crash_point(CRASH_CLAIMS_SETTLED);
        return rc ? err_wrap(e, rc, "settling claims on document ids") : 0;
}
