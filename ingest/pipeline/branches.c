/*
 * PROTOCOL.md section 7: replication into a target can leave live leaves beside the winning one.
 * They would win, and bring old content back, the day our document is deleted. A document of ours
 * that has some is noted while the feed (or, in a rebuild, the target) is read; then its losing
 * leaves are deleted, one in flight per document.
 *
 * Under on_conflict: reject a leaf of somebody else's that wins is theirs to settle: then all stay.
 */
#include "ingest/pipeline/run_internal.h"

#include <string.h>

#include "ingest/record/json_scan.h"

#define BRANCHES_MAX_BYTES (16 << 20) /* of noted ids: a million documents with conflicts */
#define LEAVES_MAX_BYTES   (1 << 20)  /* of the revisions of one document: 20,000 leaves */

int branches_note(struct run *r, const struct target *t, struct str id, struct err *e)
{
        uint32_t head[] = {t->number, (uint32_t)id.len};

        if (r->options.dry_run || r->branches.len + sizeof(head) + id.len > BRANCHES_MAX_BYTES)
                return 0;
        r->branches.max = BRANCHES_MAX_BYTES;
        buf_put(&r->branches, head, sizeof(head));
        buf_put_str(&r->branches, id);
        return buf_check(&r->branches, "documents with conflicts", e);
}

struct branch_walk {
        struct run *r;
        struct target *t;
        struct buf leaves; /* revisions, NUL-terminated, of one document */
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

        if (rc || (!ours && b->r->spec->on_conflict == ON_CONFLICT_REJECT))
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
        int rc = scan_document(b->r->couch, b->t->name, id, keep_leaves, b, e);

        for (size_t at = 0; !rc && at < b->leaves.len; (*deleted)++) {
                struct str rev = str_of(b->leaves.data + at);
                if (at > 0) /* the writer would take it for a successor of the one before */
                        rc = settle_all(b->r, false, e);
                if (!rc)
                        rc = delete_leaf(b, id, rev, e);
                at += rev.len + 1;
        }
        return rc;
}

int branches_delete(struct run *r, struct err *e)
{
        struct buf list = r->branches;
        uint64_t deleted = 0;
        uint32_t head[2];
        int rc = 0;

        r->branches = (struct buf){0};
        for (size_t at = 0; !rc && at < list.len; at += head[1]) {
                memcpy(head, list.data + at, sizeof(head));
                at += sizeof(head);
                const char *name = state_database_name(r->state, (uint16_t)head[0]);
                struct branch_walk b = {.r = r,
                        .t = name ? target_find(&r->targets, str_of(name)) : NULL,
                        .leaves = BUF_INIT(LEAVES_MAX_BYTES)};
                if (b.t)
                        rc = delete_leaves(&b, (struct str){list.data + at, head[1]}, &deleted, e);
                buf_deinit(&b.leaves);
        }
        buf_deinit(&list);
        if (!rc && deleted)
                rc = settle_all(r, false, e);
        if (deleted)
                log_warn(r->log, "%llu conflicting leaves of our documents were deleted",
                        (unsigned long long)deleted);
        return rc ? err_wrap(e, rc, "deleting conflicting leaves") : 0;
}
