/*
 * PROTOCOL.md section 7: replication into a target can leave live leaves beside the winning one.
 * They would win, and bring old content back, the day our document is deleted. A document of ours
 * that has some is owed a look from the moment that the feed (or, in a rebuild, the target) shows
 * it; then its losing leaves are deleted, one in flight per document.
 *
 * Under on_conflict: reject a leaf of somebody else's that wins is theirs to settle: then all stay,
 * and the look stays owed. The day the winner is ours (the ERP took their value over) no feed would
 * tell of the leaf that we wrote before, and a deletion would bring it back.
 */
#include "ingest/pipeline/run_internal.h"

#include <string.h>

#include "ingest/record/json_scan.h"

#define BRANCHES_MAX_BYTES (16 << 20) /* of ids in one run: half a million; others wait */
#define LEAVES_MAX_BYTES   (1 << 20)  /* of the revisions of one document: 20,000 leaves */

int branches_note(struct run *r, const struct target *t, struct str id, struct err *e)
{
        struct state_owed owed = {.reason = STATE_OWED_BRANCHES, .database = t->number, .id = id};

        if (r->options.dry_run)
                return 0;
        r->branches_noted = true;
        return state_batch_owe(r->batch, &owed, e);
}

struct branch_walk {
        struct run *r;
        struct target *t;
        struct buf leaves; /* revisions, NUL-terminated, of one document */
        bool stay;         /* that document's leaves, for now */
};

/* Whether the winning leaf is what we wrote last. */
static int winner_is_ours(
        struct branch_walk *b, const struct scan_doc *doc, bool *ours, struct err *e)
{
        struct state_holder holder;
        struct state_entry entry;
        int rc = state_holder(b->r->state, b->t->number, doc->id, &holder, e);

        *ours = false;
        if (rc)
                return rc < 0 ? rc : 0;
        if (holder.key.len == 0) {
                *ours = str_eq(holder.rev, doc->rev);
                return 0;
        }
        rc = state_get(b->r->state, holder.key, &entry, e);
        if (rc)
                return rc < 0 ? rc : 0;
        *ours = entry.doc_count > 0 && str_eq(entry.docs[0].rev, doc->rev);
        return 0;
}

static int keep_leaf(struct branch_walk *b, struct str quoted, struct err *e)
{
        int rc = json_unquote(quoted, &b->leaves, e);

        buf_putc(&b->leaves, '\0');
        return rc ? rc : buf_check(&b->leaves, "conflicting leaves", e);
}

static int keep_leaves(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct branch_walk *b = ctx;
        struct json_walk members, leaves;
        struct str key, value, leaf, none;
        bool ours;
        int rc = winner_is_ours(b, doc, &ours, e);

        b->stay = !ours && doc->conflicts && b->r->spec->on_conflict == ON_CONFLICT_REJECT;
        if (rc || b->stay)
                return rc;
        if (!json_walk_open(&members, doc->json, '{'))
                return 0;
        while (json_walk_next(&members, &key, &value)) {
                if (!str_is(key, "\"_conflicts\"") || !json_walk_open(&leaves, value, '['))
                        continue;
                while (!rc && json_walk_next(&leaves, &none, &leaf))
                        rc = keep_leaf(b, leaf, e);
        }
        return rc;
}

static int delete_leaf(struct branch_walk *b, struct str id, struct str rev, struct err *e)
{
        struct pending what = {.kind = PENDING_BRANCH, .database = b->t->number, .id = id};
        struct bulk_doc doc = {.database = b->t->name,
                .id = id,
                .parent = rev,
                .deleted = true,
                /* A leaf that is gone by now is a conflict: no reason to delete the winner. */
                .reject_conflicts = true};

        return pass_push_wait(b->r, &what, &doc, e);
}

/* Not from inside the scan: a full writer is waited for. */
static int delete_leaves(struct branch_walk *b, struct str id, uint64_t *deleted, struct err *e)
{
        uint64_t rejected = b->r->counts->rejected;
        int rc = scan_document(b->r->couch, b->t->name, id, keep_leaves, b, e);

        for (size_t at = 0; !rc && at < b->leaves.len; (*deleted)++) {
                struct str rev = str_of(b->leaves.data + at);
                if (at > 0) /* the writer would take it for a successor of the one before */
                        rc = settle_all(b->r, false, e);
                if (!rc)
                        rc = delete_leaf(b, id, rev, e);
                at += rev.len + 1;
        }
        if (!rc && b->leaves.len)
                rc = settle_all(b->r, false, e);
        if (b->r->counts->rejected > rejected)
                b->stay = true; /* a rule of the database protects one */
        return rc;
}

static int look_at(struct run *r, const struct state_owed *owed, uint64_t *deleted, struct err *e)
{
        const char *name = state_database_name(r->state, owed->database);
        struct branch_walk b = {.r = r,
                .t = name ? target_find(&r->targets, str_of(name)) : NULL,
                .leaves = BUF_INIT(LEAVES_MAX_BYTES)};
        int rc = b.t ? delete_leaves(&b, owed->id, deleted, e) : 0;

        buf_deinit(&b.leaves);
        return rc || b.stay ? rc : state_batch_settle(r->batch, owed, e);
}

/* What stands in the state, as (database, length, id): writing waits for the end of the walk. */
static int collect(void *ctx, const struct state_owed *owed, struct err *e)
{
        struct buf *list = ctx;
        uint32_t head[] = {owed->database, (uint32_t)owed->id.len};

        if (owed->reason != STATE_OWED_BRANCHES)
                return 0;
        if (list->len + sizeof(head) + owed->id.len > BRANCHES_MAX_BYTES)
                return 1;
        buf_put(list, head, sizeof(head));
        buf_put_str(list, owed->id);
        return buf_check(list, "documents with conflicts", e);
}

static int look_at_all(struct run *r, const struct buf *list, uint64_t *deleted, struct err *e)
{
        uint32_t head[2];
        int rc = 0;

        for (size_t at = 0; !rc && at < list->len; at += head[1]) {
                memcpy(head, list->data + at, sizeof(head));
                at += sizeof(head);
                struct state_owed owed = {.reason = STATE_OWED_BRANCHES,
                        .database = (uint16_t)head[0],
                        .id = {list->data + at, head[1]}};
                rc = look_at(r, &owed, deleted, e);
        }
        return rc;
}

int branches_delete(struct run *r, struct err *e)
{
        cleanup_buf_ struct buf list = BUF_INIT(BRANCHES_MAX_BYTES);
        uint64_t deleted = 0;

        if (r->options.dry_run)
                return 0;
        r->branches_noted = false;
        int rc = settle_apply(r, e);
        if (!rc)
                rc = state_each_owed(r->state, collect, &list, e);
        if (rc >= 0)
                rc = look_at_all(r, &list, &deleted, e);
        if (!rc && list.len)
                rc = settle_apply(r, e);
        if (deleted)
                log_warn(r->log, "%llu conflicting leaves of our documents were deleted",
                        (unsigned long long)deleted);
        return rc ? err_wrap(e, rc, "deleting conflicting leaves") : 0;
}
