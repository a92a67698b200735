/*
 * The pass over the source. A record that is found equal to the state ends in on_record() after
 * one look-up: that path decides what an unchanged row costs. Everything else becomes a pending
 * write, a parked claim or a reject.
 */
#include "ingest/pipeline/run_internal.h"

#include <string.h>

int pass_push(struct run *r, const struct pending *what, const struct bulk_doc *doc, struct err *e)
{
        struct bulk_doc copy = *doc;
        struct pending *p = pending_add(r->pending, what);

        if (!p)
                return err_nomem(e, "pending record");
        copy.cookie = p;
        int rc = bulk_push(r->bulk, &copy, e);
        /* Any other failure may come after the writer took the document: then it still gives the
         * outcome, and what is pending goes with the set at the latest. */
        if (rc == -ERR_REJECT)
                pending_remove(r->pending, p);
        return rc;
}

int pass_push_wait(
        struct run *r, const struct pending *what, const struct bulk_doc *doc, struct err *e)
{
        int rc = pass_push(r, what, doc, e);

        return rc == BULK_FULL ? run_wait_room(r, e) : rc;
}

static int reject_record(struct run *r, const struct record *record, const char *stage,
        const char *field, const char *reason, struct err *e)
{
        struct reject_note note = {.stage = stage,
                .field = field,
                .reason = reason,
                .key = buf_str(&r->key),
                .record = record};
        int rc = rejects_add(r, &note, e);

        if (rc == -ERR_GUARD)
                run_fail(r, rc, e); /* as it is, without what the source puts before it */
        return rc == BULK_FULL ? SOURCE_PAUSE : rc;
}

void pass_write_over(struct bulk_doc *doc, const struct state_doc *there)
{
        if (!there)
                return;
        doc->compare = !there->deleted && digest_is_void(&there->digest);
        doc->attachments = there->attachments;
        doc->parent = there->rev;
        doc->parent_deleted = there->deleted;
}

/* A dry run counts what a write would have done. */
static void count_dry(struct run *r, const struct pending *what)
{
        if (what->moved)
                r->counts->moved++;
        else if (what->existed)
                r->counts->updated++;
        else
                r->counts->created++;
}

/* @there: what the state knows to stand under the id; NULL: nothing */
static int push_document(struct run *r, const struct record *record, const struct target *t,
        const struct mapped *m, const struct pending *what, const struct state_doc *there,
        struct err *e)
{
        struct bulk_doc doc = {
                .database = t->name,
                .id = m->id,
                .body = m->body,
                .digest = m->digest,
                .filter = r->spec->filter,
                .reject_conflicts = r->spec->on_conflict == ON_CONFLICT_REJECT,
        };

        if (r->options.dry_run) {
                count_dry(r, what);
                return 0;
        }
        pass_write_over(&doc, there);
        int rc = pass_push(r, what, &doc, e);
        if (rc == -ERR_REJECT)
                return reject_record(r, record, "write", "", e->text, e);
        return rc == BULK_FULL ? SOURCE_PAUSE : rc;
}

static int park(struct run *r, const struct target *t, const struct mapped *m, uint32_t ordinal,
        struct err *e)
{
        struct state_parked parked = {.database = t->number,
                .id = m->id,
                .key = buf_str(&r->key),
                .ordinal = ordinal,
                .digest = m->digest,
                .body = m->body};

        if (r->options.dry_run) {
                r->counts->moved++;
                return 0;
        }
        int rc = state_batch_park(r->batch, &parked, e);
        if (!rc && state_batch_bytes(r->batch) >= RUN_APPLY_BYTES)
                rc = settle_apply(r, e);
        return rc;
}

/* A document that CouchDB already held under this id, equal to ours: it only gets its key. */
static int adopt(struct run *r, const struct target *t, const struct pending *what,
        const struct state_holder *there, struct err *e)
{
        struct bulk_outcome equal = {.result = BULK_EQUAL,
                .database = t->name,
                .id = what->id,
                .rev = there->rev,
                .attachments = there->attachments};

        if (r->options.dry_run) {
                if (what->moved)
                        r->counts->moved++;
                else
                        r->counts->unchanged++;
                return 0;
        }
        equal.cookie = pending_add(r->pending, what);
        if (!equal.cookie)
                return err_nomem(e, "adopted record");
        settle_outcome(r, &equal);
        if (r->failed)
                *e = r->why;
        return r->failed;
}

/* The record's document does not stand under this id yet: may it? */
static int claim_id(struct run *r, const struct record *record, const struct target *t,
        const struct mapped *m, struct pending *what, struct err *e)
{
        struct state_holder holder;

        if (pending_by_id(r->pending, t->number, m->id))
                return park(r, t, m, what->ordinal, e);
        int rc = state_holder(r->state, t->number, m->id, &holder, e);
        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT || str_eq(holder.key, what->key))
                return push_document(r, record, t, m, what, NULL, e);
        if (holder.key.len)
                return park(r, t, m, what->ordinal, e);
        what->existed = what->existed || !holder.deleted;
        r->dry_adopted += r->options.dry_run && !holder.deleted;
        if (!holder.deleted && !digest_is_void(&holder.digest) &&
                digest_eq(&holder.digest, &m->digest))
                return adopt(r, t, what, &holder, e);
        struct state_doc there = {.rev = holder.rev,
                .digest = holder.digest,
                .deleted = holder.deleted,
                .attachments = holder.attachments};
        if (!holder.deleted && (digest_is_void(&holder.digest) || rejects_held(r, what->key))) {
                there.digest = (struct digest){0};
                there.rev = STR(""); /* somebody else's: on_conflict decides */
        }
        return push_document(r, record, t, m, what, &there, e);
}

static int write_record(struct run *r, const struct record *record, const struct target *t,
        const struct mapped *m, uint32_t ordinal, const struct state_doc *now, struct err *e)
{
        struct pending what = {.kind = PENDING_RECORD,
                .ordinal = ordinal,
                .database = t->number,
                .key = buf_str(&r->key),
                .id = m->id,
                .digest = m->digest};

        if (now && now->database == t->number && str_eq(now->id, m->id)) {
                what.existed = !now->deleted;
                return push_document(r, record, t, m, &what, now, e);
        }
        if (now && !now->deleted) {
                what.existed = what.moved = true;
                what.old_database = now->database;
                what.old_id = now->id;
                what.old_rev = now->rev;
                what.old_digest = now->digest;
        }
        return claim_id(r, record, t, m, &what, e);
}

static int compare_record(struct run *r, const struct record *record, const struct target *t,
        const struct mapped *m, struct err *e)
{
        struct state_entry entry;
        struct str key = buf_str(&r->key);
        const struct state_doc *now = NULL;
        int rc = state_get(r->state, key, &entry, e);

        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT) {
                if (pending_by_key(r->pending, key))
                        return reject_record(r, record, "read", "",
                                "another row has the same source key; extract.key must be unique: "
                                "name more columns",
                                e);
                entry.ordinal = r->next_ordinal++;
        } else if (entry.doc_count > 0) {
                now = &entry.docs[0];
        }
        rc = bitmap_set(&r->seen, entry.ordinal, e);
        if (rc < 0)
                return rc;
        if (rc == BITMAP_ALREADY)
                return reject_record(r, record, "read", "",
                        "another row has the same source key; extract.key must be unique: name "
                        "more columns",
                        e);
        if (now && now->database == t->number && !now->deleted &&
                digest_eq(&now->digest, &m->digest) && str_eq(now->id, m->id)) {
                r->counts->unchanged++;
                return 0;
        }
        return write_record(r, record, t, m, entry.ordinal, now, e);
}

/* A record that cannot be mapped still counts as seen: its document stays. */
static int reject_unmapped(
        struct run *r, const struct record *record, const struct mapper_reject *why, struct err *e)
{
        struct state_entry entry;
        int rc = state_get(r->state, buf_str(&r->key), &entry, e);

        if (rc == 0)
                rc = bitmap_set(&r->seen, entry.ordinal, e);
        if (rc < 0)
                return rc;
        return reject_record(r, record, "map", why->field, why->reason, e);
}

static int want_target(struct run *r, struct str database, struct err *e)
{
        free(r->wanted_target);
        r->wanted_target = str_dup(database);
        if (!r->wanted_target)
                return err_nomem(e, "database name");
        r->wake = true;
        return SOURCE_HOLD;
}

static int on_record(void *ctx, const struct record *record, struct err *e)
{
        struct run *r = ctx;
        struct mapper_reject why;
        struct mapped m;
        const struct target *t = NULL;

        if (r->failed) {
                *e = r->why;
                return r->failed;
        }
        int mapped = mapper_render(r->program, record, &m, &why, e);
        if (mapped < 0)
                return mapped;
        if (mapped == 0 && !(t = target_find(&r->targets, m.database)))
                return want_target(r, m.database, e);
        r->counts->read++;
        atomic_store_explicit(&r->progress->read, r->counts->read, memory_order_relaxed);
        buf_clear(&r->key);
        int rc = key_encode(&r->shape, record->row, &r->key, e);
        if (rc == -ERR_REJECT) {
                buf_clear(&r->key);
                rc = reject_record(r, record, "read", "", e->text, e);
        } else if (!rc && mapped == MAPPER_REJECT) {
                rc = reject_unmapped(r, record, &why, e);
        } else if (!rc) {
                rc = compare_record(r, record, t, &m, e);
        }
        r->read_paused = rc == SOURCE_PAUSE;
        return rc;
}

static int on_reject(void *ctx, const char *key, const char *reason, struct err *e)
{
        struct run *r = ctx;

        struct reject_note note = {.stage = "read", .field = "", .reason = reason, .key_text = key};

        r->counts->read++;
        r->blind = true;
        int rc = rejects_add(r, &note, e);
        r->read_paused = rc == BULK_FULL;
        return r->read_paused ? SOURCE_PAUSE : rc;
}

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
                if (r->wanted_target) {
                        cleanup_(freep) char *name = TAKE(r->wanted_target);
                        rc = start_target(r, name, e);
                        if (rc)
                                return rc;
                        source_resume(r->read);
                }
        }
        if (r->read_rc)
                *e = r->failed ? r->why : r->read_err;
        else
                r->read_rc = rejects_judge(r, e);
        return r->read_rc;
}

int pass_read(struct run *r, struct err *e)
{
        struct source_sink sink = {
                .on_record = on_record, .on_reject = on_reject, .on_end = on_end, .ctx = r};
        uint64_t known = state_count(r->state);

        atomic_store(&r->progress->expected, known);
        atomic_store(&r->progress->phase, RUN_READING);
        r->read_ended = false;
        int rc = source_read_all(r->source, r->mapper->extract, &r->shape, &sink, &r->read, e);
        if (rc)
                return rc;
        rc = read_until_end(r, e);
        r->source_failed = r->read_ended && rc && rc == r->read_rc && !r->failed;
        if (rc)
                stop_read(r);
        return rc;
}
