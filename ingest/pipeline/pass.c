/*
 * The pass over the source. A record that is found equal to the state ends in on_record() after
 * one look-up: that path decides what an unchanged row costs. Everything else becomes a pending
 * write, a parked claim or a reject.
 */
#include "ingest/pipeline/run_internal.h"

#include <string.h>

#include "ingest/record/json_scan.h"

int pass_push(struct run *r, const struct pending *what, const struct bulk_doc *doc, struct err *e)
{
        struct bulk_doc copy = *doc;
        struct pending *p = pending_add(r->pending, what);

        if (!p)
                return err_nomem(e, "pending record");
        copy.cookie = p;
        if (r->options.dry_run)
                return rehearsal_write(r, p, &copy, e);
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

/* One that was rejected before in this run is not counted again. */
static int add_reject(struct run *r, const struct reject_note *note, struct err *e)
{
        uint64_t before = r->counts->rejected;
        int rc = rejects_add(r, note, e);

        if (r->counts->rejected == before && rc >= 0)
                r->counts->read--;
        return rc;
}

static int reject_record(struct run *r, const struct record *record, const char *stage,
        const char *field, const char *reason, struct err *e)
{
        struct reject_note note = {.stage = stage,
                .field = field,
                .reason = reason,
                .key = buf_str(&r->key),
                .record = record};
        int rc = add_reject(r, &note, e);

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

        int rc = state_batch_park(r->batch, &parked, e);
        r->parked = true;
        if (!rc)
                rc = again_parked(r, &parked, e);
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

/* A flag that an earlier coming of the record had, and this one has not. */
static void unflag(struct run *r, uint32_t ordinal)
{
        (void)bitmap_unset(&r->gone, ordinal);
        (void)bitmap_unset(&r->told, ordinal);
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
        bool again = rc == BITMAP_ALREADY;
        if (again && !r->shifts)
                return reject_record(r, record, "read", "",
                        "another row has the same source key; extract.key must be unique: name "
                        "more columns",
                        e);
        if (again || r->shifts)
                unflag(r, entry.ordinal);
        if (now && now->database == t->number && !now->deleted &&
                digest_eq(&now->digest, &m->digest) && str_eq(now->id, m->id)) {
                if (again)
                        r->counts->read--; /* it was counted when it came first */
                else if (r->restarts == 0 || !bitmap_test(&r->written, entry.ordinal))
                        r->counts->unchanged++; /* else this very run has written it */
                return 0;
        }
        return write_record(r, record, t, m, entry.ordinal, now, e);
}

/* A record that is rejected still counts as seen: its document stays. */
static int note_seen(struct run *r, struct str key, struct err *e)
{
        struct state_entry entry;
        int rc = state_get(r->state, key, &entry, e);

        if (rc == 0)
                rc = bitmap_set(&r->seen, entry.ordinal, e);
        return rc < 0 ? rc : 0;
}

static int reject_unmapped(struct run *r, const struct record *record, const char *stage,
        const struct mapper_reject *why, struct err *e)
{
        int rc = note_seen(r, buf_str(&r->key), e);

        return rc ? rc : reject_record(r, record, stage, why->field, why->reason, e);
}

/* What stands at @path, names with points between them, in the JSON @text; "" for nothing. */
static struct str json_at(struct str text, const char *path)
{
        struct json_walk w;
        struct str name, value;

        while (path && *path) {
                size_t len = strcspn(path, ".");
                bool found = false;
                if (!json_walk_open(&w, text, '{'))
                        return STR("");
                while (!found && json_walk_next(&w, &name, &value))
                        found = name.len == len + 2 && memcmp(name.ptr + 1, path, len) == 0;
                if (!found)
                        return STR("");
                text = value;
                path += len + (path[len] == '.');
        }
        return text;
}

static bool is_flag_value(struct run *r, struct str text, const char *when)
{
        buf_clear(&r->text);
        if (text.len == 0 || *text.ptr != '"')
                return str_is(text, when);
        return json_unquote(text, &r->text, NULL) == 0 && str_is(buf_str(&r->text), when);
}

/* The row says of itself that it is deleted: if it has a document, that goes. */
static bool is_flagged(struct run *r, const struct record *record)
{
        const struct extract_deletes *d = &r->mapper->extract->deletes;
        const struct value *v;

        if (!d->column)
                return false;
        v = &record->row[r->flag];
        if (!v->ptr)
                return false;
        struct str text = {v->ptr, v->len};
        if (r->shape.columns.items[r->flag].kind == COL_JSON)
                return is_flag_value(r, json_at(text, r->flag_path), d->when);
        if (r->shape.columns.items[r->flag].kind == COL_BOOL)
                text = v->ptr[0] == 't' ? STR("true") : STR("false");
        return str_is(text, d->when);
}

/* After a rebuild only its document id tells that a flagged record has a document. One that another
 * record has claimed just now is that one's, though the state does not show it yet. */
static int attach_flagged(struct run *r, const struct record *record, struct err *e)
{
        struct state_entry entry;
        struct state_holder holder;
        struct mapper_reject why;
        struct mapped m;
        int rc = validate_record(r->validator, record, &m, &why, e);

        if (rc && rc != VALIDATE_REJECT) /* nothing is written: it need not fit a schema */
                return rc == MAPPER_REJECT ? 0 : rc;
        const struct target *t = target_find(&r->targets, m.database);
        if (!t || pending_by_id(r->pending, t->number, m.id))
                return 0;
        rc = state_holder(r->state, t->number, m.id, &holder, e);
        if (rc || holder.key.len || holder.deleted)
                return rc < 0 ? rc : 0;
        entry.ordinal = r->next_ordinal++;
        entry.run = r->number;
        entry.doc_count = 1;
        entry.docs[0] = (struct state_doc){.database = t->number,
                .id = m.id,
                .rev = holder.rev,
                .digest = holder.digest,
                .attachments = holder.attachments};
        rc = state_batch_put(r->batch, buf_str(&r->key), &entry, e);
        if (!rc)
                rc = state_batch_hold(r->batch, t->number, m.id, buf_str(&r->key), NULL, e);
        if (!rc)
                rc = gone_flagged(r, entry.ordinal, e);
        if (rc || state_batch_count(r->batch) < RUN_APPLY_CHANGES)
                return rc;
        return settle_apply(r, e);
}

static int note_flagged(struct run *r, const struct record *record, struct err *e)
{
        struct state_entry entry;
        int rc = state_get(r->state, buf_str(&r->key), &entry, e);

        if (rc == STATE_ABSENT)
                return r->rebuilt ? attach_flagged(r, record, e) : 0;
        return rc ? rc : gone_flagged(r, entry.ordinal, e);
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

static void count_read(struct run *r)
{
        r->counts->read++;
        atomic_store_explicit(&r->progress->read, r->counts->read, memory_order_relaxed);
}

/* A record that validate_record() has looked at, with its key in r->key. */
static int take_mapped(struct run *r, const struct record *record, const struct target *t,
        int mapped, const struct mapped *m, const struct mapper_reject *why, struct err *e)
{
        if (!mapped)
                return compare_record(r, record, t, m, e);
        return reject_unmapped(r, record, mapped == MAPPER_REJECT ? "map" : "validate", why, e);
}

static int take_keyless(
        struct run *r, const struct record *record, const struct err *why, struct err *e)
{
        buf_clear(&r->key);
        return reject_record(r, record, "read", "", why->text, e);
}

int pass_record(void *ctx, const struct record *record, struct err *e)
{
        struct run *r = ctx;
        struct mapper_reject why;
        struct mapped m;
        const struct target *t = NULL;
        struct err no_key;

        if (r->failed) {
                *e = r->why;
                return r->failed;
        }
        bool flagged = is_flagged(r, record);
        int mapped = flagged ? 0 : validate_record(r->validator, record, &m, &why, e);
        if (mapped < 0)
                return mapped;
        if (!flagged && mapped == 0 && !(t = target_find(&r->targets, m.database)))
                return want_target(r, m.database, e);
        buf_clear(&r->key);
        int keyless = key_encode(&r->shape, record->row, &r->key, &no_key);
        int rc = 0;
        if (r->shifts && !keyless)
                rc = again_meet(r, buf_str(&r->key), t, flagged || mapped ? NULL : &m, e);
        if (rc)
                return rc == AGAIN_WAIT ? SOURCE_HOLD : rc == AGAIN_SAME ? 0 : rc;
        count_read(r);
        if (keyless && keyless != -ERR_REJECT) {
                *e = no_key;
                return keyless;
        }
        if (flagged) /* without a key it names no document: nothing is lost by passing over it */
                return keyless ? 0 : note_flagged(r, record, e);
        rc = keyless ? take_keyless(r, record, &no_key, e)
                     : take_mapped(r, record, t, mapped, &m, &why, e);
        r->read_paused = rc == SOURCE_PAUSE;
        return rc;
}

/* It may be any record. */
void pass_note_keyless(struct run *r)
{
        if (!r->blind)
                log_warn(r->log, "a record came without its key: what is gone from the source "
                                 "cannot be told in this run");
        r->blind = true;
}

int pass_refused(struct run *r, struct str key, const char *reason, struct err *e)
{
        struct reject_note note = {
                .stage = "read", .field = "", .reason = reason, .key = key, .unreadable = true};

        count_read(r);
        int rc = key.len ? note_seen(r, key, e) : 0;
        if (!rc)
                rc = add_reject(r, &note, e);
        r->read_paused = rc == BULK_FULL;
        return r->read_paused ? SOURCE_PAUSE : rc;
}

int pass_reject(void *ctx, struct str key, const char *reason, struct err *e)
{
        struct run *r = ctx;

        if (!key.len) {
                pass_note_keyless(r);
                r->unread = true;
        }
        return pass_refused(r, key, reason, e);
}
