/*
 * What CouchDB acknowledged goes into the state in batches: collected by settle_outcome(), applied
 * when enough has come together. A crash in between costs comparing those documents again, no
 * revision: the next run's writes conflict, are found equal and are counted as unchanged.
 */
#include "ingest/pipeline/run_internal.h"

static int put_entry(
        struct run *r, const struct pending *p, const struct bulk_outcome *o, struct err *e)
{
        struct state_entry entry;

        entry.ordinal = p->ordinal;
        entry.run = r->number;
        entry.doc_count = 1;
        entry.docs[0] = (struct state_doc){.database = p->database,
                .id = p->id,
                .rev = o->rev,
                .digest = p->digest,
                .attachments = o->attachments};
        int rc = state_batch_put(r->batch, p->key, &entry, e);
        return rc ? rc : state_batch_hold(r->batch, p->database, p->id, p->key, NULL, e);
}

/* The record stood elsewhere: that document is now nobody's, and owed its deletion. */
static int leave_old_id(struct run *r, const struct pending *p, struct err *e)
{
        struct state_holder holder, old = {.rev = p->old_rev, .digest = p->old_digest};
        struct state_owed owed = {.reason = STATE_OWED_OLD_ID,
                .key = p->key,
                .database = p->old_database,
                .id = p->old_id,
                .rev = p->old_rev};

        const struct pending *claim = pending_by_id(r->pending, p->old_database, p->old_id);
        if (claim && claim->acked)
                return 0; /* another record has claimed it */
        int rc = state_holder(r->state, p->old_database, p->old_id, &holder, e);
        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        if (!str_eq(holder.key, p->key))
                return 0;
        rc = state_batch_hold(r->batch, p->old_database, p->old_id, STR(""), &old, e);
        return rc ? rc : state_batch_owe(r->batch, &owed, e);
}

/* The former holder of the id has no document any more until it gets one of its own. It is owed
 * that: its row may not have changed since the cursor, and then nobody else would read it. */
static int displace(struct run *r, const struct pending *p, struct err *e)
{
        const struct pending *other = pending_by_key(r->pending, p->displaced);
        struct state_entry entry;

        if (other && other->acked)
                return 0; /* it has a new document already */
        int rc = state_get(r->state, p->displaced, &entry, e);
        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        if (entry.doc_count == 0 || entry.docs[0].database != p->database ||
                !str_eq(entry.docs[0].id, p->id))
                return 0; /* it stands elsewhere already */
        if (gone_is(r, entry.ordinal))
                return state_batch_delete(r->batch, p->displaced, e);
        entry.doc_count = 0;
        rc = state_batch_put(r->batch, p->displaced, &entry, e);
        struct state_owed owed = {.reason = STATE_OWED_DISPLACED, .key = p->displaced};
        return rc ? rc : state_batch_owe(r->batch, &owed, e);
}

static int count_record(
        struct run *r, const struct pending *p, const struct bulk_outcome *o, struct err *e)
{
        struct target *t = target_find(&r->targets, str_of(o->database));

        if (o->result == BULK_WRITTEN && t)
                t->own_writes++;
        if (p->moved)
                r->counts->moved++;
        else if (o->result == BULK_EQUAL)
                r->counts->unchanged++;
        else if (p->existed || o->existed)
                r->counts->updated++;
        else
                r->counts->created++;
        if (!p->moved && o->result == BULK_EQUAL)
                return 0;
        int rc = bitmap_set(&r->written, p->ordinal, e);
        return rc < 0 ? rc : 0;
}

static int record_rejected(
        struct run *r, const struct pending *p, const char *reason, struct err *e)
{
        struct reject_note note = {.stage = "write", .field = "", .reason = reason, .key = p->key};
        int rc = rejects_add(r, &note, e);

        return rc == BULK_FULL ? 0 : rc;
}

/* on_conflict: reject: the next run must look again, so the digest is forgotten. */
static int void_digest(struct run *r, const struct pending *p, struct err *e)
{
        struct state_entry entry;
        int rc = state_get(r->state, p->key, &entry, e);

        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        for (uint32_t i = 0; i < entry.doc_count; i++)
                entry.docs[i].digest = (struct digest){0};
        return state_batch_put(r->batch, p->key, &entry, e);
}

static int settle_record(
        struct run *r, const struct pending *p, const struct bulk_outcome *o, struct err *e)
{
        int rc = 0;

        switch (o->result) {
        case BULK_WRITTEN:
        case BULK_EQUAL:
                if (p->displaced.len)
                        rc = displace(r, p, e);
                if (!rc)
                        rc = put_entry(r, p, o, e);
                if (!rc && p->moved)
                        rc = leave_old_id(r, p, e);
                return rc ? rc : count_record(r, p, o, e);
        case BULK_CONFLICT:
                rc = record_rejected(r, p, o->reason, e);
                return rc ? rc : void_digest(r, p, e);
        case BULK_REFUSED:
                return record_rejected(r, p, o->reason, e);
        case BULK_GONE:
        case BULK_ABANDONED:
                break;
        }
        return 0;
}

/* on_conflict: reject, and somebody else's edit is there, or a rule of the database forbids it: the
 * document stays. */
static int deletion_rejected(
        struct run *r, const struct pending *p, const char *reason, struct err *e)
{
        cleanup_buf_ struct buf id = BUF_INIT(MAPPER_MAX_ID);
        struct reject_note note = {.stage = "write", .field = "", .reason = reason, .key = p->key};

        buf_put_str(&id, p->id);
        note.key_text = buf_cstr(&id); /* an orphan has no source key */
        int rc = rejects_add(r, &note, e);
        return rc == BULK_FULL ? 0 : rc;
}

/* A deletion leaves a tombstone without a source key: a document that comes back builds on it. */
static int settle_deletion(
        struct run *r, const struct pending *p, const struct bulk_outcome *o, struct err *e)
{
        struct target *t = target_find(&r->targets, str_of(o->database));
        struct state_holder tombstone = {.rev = o->rev, .deleted = true, .run = r->number};
        struct state_owed owed = {
                .reason = STATE_OWED_OLD_ID, .key = p->key, .database = p->database, .id = p->id};
        int rc = 0;

        if (o->result == BULK_CONFLICT || o->result == BULK_REFUSED)
                return deletion_rejected(r, p, o->reason, e);
        if (o->result == BULK_WRITTEN && t)
                t->own_writes++;
        if (p->kind == PENDING_DELETE)
                rc = state_batch_delete(r->batch, p->key, e);
        if (!rc)
                rc = state_batch_hold(r->batch, p->database, p->id, STR(""), &tombstone, e);
        if (!rc && p->kind == PENDING_OLD_ID)
                rc = state_batch_settle(r->batch, &owed, e);
        if (p->kind != PENDING_OLD_ID)
                r->counts->deleted++;
        return rc;
}

/* The winning leaf stands as it stood. */
static int settle_branch(
        struct run *r, const struct pending *p, const struct bulk_outcome *o, struct err *e)
{
        struct target *t = target_find(&r->targets, str_of(o->database));

        if (o->result == BULK_REFUSED)
                return deletion_rejected(r, p, o->reason, e);
        if (o->result == BULK_WRITTEN && t)
                t->own_writes++;
        return 0;
}

static int settle_reject(
        struct run *r, const struct pending *p, const struct bulk_outcome *o, struct err *e)
{
        struct state_reject reject = {
                .rev = o->rev, .first = p->first, .attempts = p->attempts, .run = r->number};

        if (o->result == BULK_REFUSED || o->result == BULK_CONFLICT)
                return err_set(e, ERR_CONFIG,
                        "control database %s: the reject %.*s cannot be written: %s", r->control,
                        STR_ARG(p->id), o->reason);
        if (p->kind == PENDING_UNREJECT)
                return state_batch_reject(r->batch, p->id, NULL, e);
        return state_batch_reject(r->batch, p->id, &reject, e);
}

int settle_keep(struct run *r, struct pending *p, struct err *e)
{
        if (r->acked_count == r->acked_room) {
                size_t room = r->acked_room ? 2 * r->acked_room : RUN_APPLY_CHANGES;
                struct pending **acked = reallocarray(r->acked, room, sizeof(struct pending *));
                if (!acked)
                        return err_nomem(e, "acknowledged records");
                r->acked = acked;
                r->acked_room = room;
        }
        r->acked[r->acked_count++] = p;
        return 0;
}

/* CouchDB has it, the state does not. */
static void crash_acked(enum pending_kind kind)
{
        static const enum crash_at points[] = {
                [PENDING_RECORD] = CRASH_RECORD_ACKED,
                [PENDING_DELETE] = CRASH_DELETION_ACKED,
                [PENDING_OLD_ID] = CRASH_OLD_ID_ACKED,
                [PENDING_ORPHAN] = CRASH_DELETION_ACKED,
                [PENDING_BRANCH] = CRASH_BRANCH_ACKED,
                [PENDING_REJECT] = CRASH_REJECT_ACKED,
                [PENDING_UNREJECT] = CRASH_REJECT_REMOVED,
        }; /* nothing else is written */
        crash_point(points[kind]);
}

static bool is_enough(const struct run *r)
{
        return state_batch_count(r->batch) >= crash_batch(RUN_APPLY_CHANGES) ||
               state_batch_bytes(r->batch) >= RUN_APPLY_BYTES;
}

void settle_outcome(void *ctx, const struct bulk_outcome *o)
{
        static int (*const handlers[])(
                struct run *, const struct pending *, const struct bulk_outcome *, struct err *) = {
                [PENDING_RECORD] = settle_record,
                [PENDING_DELETE] = settle_deletion,
                [PENDING_OLD_ID] = settle_deletion,
                [PENDING_ORPHAN] = settle_deletion,
                [PENDING_BRANCH] = settle_branch,
                [PENDING_REJECT] = settle_reject,
                [PENDING_UNREJECT] = settle_reject,
        };
        struct run *r = ctx;
        struct pending *p = o->cookie;
        struct err e;
        int rc;

        if (o->result == BULK_ABANDONED) { /* the writer has failed: nobody need wait for it */
                pending_remove(r->pending, p);
                rc = bulk_failed(r->bulk, &e);
                if (rc)
                        run_fail(r, rc, &e);
                return;
        }
        crash_acked(p->kind);
        rc = handlers[p->kind](r, p, o, &e);
        p->acked = o->result == BULK_WRITTEN || o->result == BULK_EQUAL;

        if (!rc)
                rc = settle_keep(r, p, &e);
        /* After a failure what still comes in is applied once, at the end: a full disk stays full.
         */
        if (!rc && !r->failed && is_enough(r))
                rc = settle_apply(r, &e);
        if (rc)
                run_fail(r, rc, &e);
        if (r->bulk)
                atomic_store_explicit(&r->progress->in_flight, bulk_stats(r->bulk)->in_flight,
                        memory_order_relaxed);
        atomic_store_explicit(&r->progress->written,
                r->counts->created + r->counts->updated + r->counts->moved, memory_order_relaxed);
}

int settle_apply(struct run *r, struct err *e)
{
        bool any = state_batch_count(r->batch) > 0;
        int rc = r->acked_count ? checkpoint_note_writes(r, e) : 0;

        if (!rc)
                rc = state_apply(r->state, r->batch, e);
        if (rc)
                return rc;
        if (any)
                crash_point(CRASH_APPLIED);
        for (size_t i = 0; i < r->acked_count; i++)
                pending_remove(r->pending, r->acked[i]);
        r->acked_count = 0;
        return 0;
}

int settle_apply_enough(struct run *r, struct err *e)
{
        int rc = is_enough(r) ? settle_apply(r, e) : 0;

        if (!rc && state_batch_count(r->batch) == 0)
                crash_point(CRASH_OWED_SOME);
        return rc;
}

int settle_all(struct run *r, bool finish, struct err *e)
{
        int rc = r->bulk ? bulk_drain(r->bulk, finish, e) : 0; /* a dry run has no writer */
        struct err apply_err;
        int applied = settle_apply(r, &apply_err);

        if (!rc && r->failed) {
                *e = r->why;
                rc = r->failed;
        }
        if (!rc && applied) {
                *e = apply_err;
                rc = applied;
        }
        return rc;
}
