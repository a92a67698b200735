/*
 * What became of documents about which CouchDB said nothing, or "conflict".
 *
 * _revs_diff is asked with the predicted revision and with one that cannot exist: for the second
 * CouchDB lists the leaves there are (the winner first), so one cheap request tells whether the
 * predicted revision is known, whether it is still the current one, and whether the parent is. A
 * revision that is known but not current may stem from an earlier life of the document (written,
 * deleted, state lost), so only the current one counts as landed.
 *
 * Where that does not settle it, the current documents are read and their bodies compared. Never
 * is a document simply sent again over whatever is there.
 */
#include <stdio.h>

#include "ingest/couch/member.h"
#include "ingest/couch/writer.h"

/* Higher than any generation: every leaf is a possible ancestor of it. */
#define NO_REV     "2000000000-00"
#define ROUNDS_MAX 8 /* conflicts of one document: somebody else writes it all the time */

static bool predicted(const struct batch *b, const struct item *i)
{
        return b->bulk->predicts && *i->rev;
}

int doubt_ask(struct batch *b, struct err *e)
{
        struct buf *out = &b->request;

        buf_clear(out);
        for (size_t n = 0; n < b->count; n++) {
                const struct item *i = &b->items[n];
                if (i->state != ITEM_DOUBT || !predicted(b, i))
                        continue;
                buf_putc(out, out->len ? ',' : '{');
                buf_put_str(out, item_id_json(b, i));
                buf_puts(out, ":[\"");
                buf_puts(out, i->rev);
                buf_puts(out, "\",\"" NO_REV "\"]");
        }
        buf_putc(out, '}');
        return buf_check(out, "a question about revisions", e);
}

int doubt_read(struct batch *b, struct err *e)
{
        struct buf *out = &b->request;
        bool first = true;

        buf_clear(out);
        buf_puts(out, "{\"keys\":[");
        for (size_t n = 0; n < b->count; n++) {
                if (b->items[n].state != ITEM_COMPARE)
                        continue;
                if (!first)
                        buf_putc(out, ',');
                buf_put_str(out, item_id_json(b, &b->items[n]));
                first = false;
        }
        buf_puts(out, "]}");
        rows_reset(&b->rows);
        b->cursor = 0;
        return buf_check(out, "a question about documents", e);
}

/* The item whose id stands in a reply as @written. */
static struct item *find(struct batch *b, struct str written)
{
        struct buf *scratch = &b->bulk->scratch;
        struct item *i = pack_find(b, written);

        if (i)
                return i;
        buf_clear(scratch);
        if (json_canonical(written, JSON_NUMBERS_NEAREST, scratch, NULL) < 0)
                return NULL;
        return pack_find(b, buf_str(scratch));
}

static bool list_has(struct str list, const char *rev)
{
        struct json_walk w;
        struct str none, value;

        if (!list.ptr || !json_walk_open(&w, list, '['))
                return false;
        while (json_walk_next(&w, &none, &value))
                if (str_is(member_unquoted(value), rev))
                        return true;
        return false;
}

/* The first of a list of revisions; "" where it is empty. *@more: there are others. */
static struct str list_first(struct str list, bool *more)
{
        struct json_walk w;
        struct str none, first, other;

        *more = false;
        if (!list.ptr || !json_walk_open(&w, list, '[') || !json_walk_next(&w, &none, &first))
                return STR("");
        *more = json_walk_next(&w, &none, &other);
        return member_unquoted(first);
}

/* The predicted revision is the current one. After a send without an answer it is ours; where every
 * send was answered the same body stood there before us, from a run whose state was lost. */
static void landed(struct batch *b, struct item *i, struct str rev)
{
        i->existed = i->existed || !i->unsure;
        bulk_settle(b, i, i->unsure ? BULK_WRITTEN : BULK_EQUAL, rev, NULL);
}

/* @told: {"missing":[...],"possible_ancestors":[...]} */
static void item_told(struct batch *b, struct item *i, struct str told)
{
        struct str missing = member_find(told, "missing");
        struct str leaves = member_find(told, "possible_ancestors");
        bool more;

        i->state = ITEM_COMPARE;
        if (!list_has(missing, NO_REV))
                return;
        struct str winner = list_first(leaves, &more);
        if (!list_has(missing, i->rev)) {
                if (!more && str_is(winner, i->rev))
                        landed(b, i, winner);
        } else if (!i->conflicted && !more && str_is(winner, i->parent)) {
                i->state = ITEM_TODO; /* it did not land, and nothing has changed since */
        }
}

int doubt_told(struct batch *b, struct str reply, struct err *e)
{
        struct json_walk w;
        struct str id, told;

        if (!json_walk_open(&w, reply, '{'))
                return err_set(e, ERR_RETRY, "_revs_diff: the reply is not a JSON object");
        b->cursor = 0;
        while (json_walk_next(&w, &id, &told)) {
                struct item *i = find(b, id);
                if (i && i->state == ITEM_DOUBT && predicted(b, i))
                        item_told(b, i, told);
        }
        if (w.bad)
                return err_set(e, ERR_RETRY, "_revs_diff: the reply is not JSON");
        for (size_t n = 0; n < b->count; n++) /* every id has a revision that is missing */
                if (b->items[n].state == ITEM_DOUBT)
                        b->items[n].state = ITEM_COMPARE;
        return 0;
}

/* ---- comparing ---- */

struct current {
        struct str key;   /* as written */
        struct str rev;   /* "": the document was never there */
        struct str doc;   /* .ptr NULL: not live */
        struct str stubs; /* its _attachments; .ptr NULL: none */
};

/* live: {"id","key","value":{"rev"},"doc":{}}; deleted: "value":{"rev","deleted":true},"doc":null;
 * never there: {"key","error":"not_found"} */
static bool read_current(struct str row, struct current *out)
{
        struct str key, value, error = {NULL, 0};
        struct json_walk w;

        *out = (struct current){.rev = STR("")};
        if (!json_walk_open(&w, row, '{'))
                return false;
        while (json_walk_next(&w, &key, &value)) {
                if (str_is(key, "\"key\""))
                        out->key = value;
                else if (str_is(key, "\"value\""))
                        out->rev = member_rev(member_find(value, "rev"), REV_MAX);
                else if (str_is(key, "\"doc\"") && value.len && *value.ptr == '{')
                        out->doc = value;
                else if (str_is(key, "\"error\""))
                        error = member_unquoted(value);
        }
        if (w.bad || !out->key.ptr || (error.ptr && !str_is(error, "not_found")))
                return false;
        if (out->doc.ptr)
                out->stubs = member_find(out->doc, "_attachments");
        return out->rev.len > 0 || (error.ptr && !out->doc.ptr);
}

static void set_parent(struct item *i, struct str rev, bool deleted)
{
        if (rev.len)
                memcpy(i->parent, rev.ptr, rev.len);
        i->parent[rev.len] = '\0';
        i->parent_deleted = deleted;
}

static void give_up(struct batch *b, struct item *i, struct str rev, const char *why)
{
        char reason[REASON_MAX];

        snprintf(reason, sizeof(reason), "conflict: %s, revision %.*s", why, STR_ARG(rev));
        bulk_settle(b, i, BULK_CONFLICT, rev, reason);
}

/* Notes the attachments to keep. Return: false where they cannot be; @i then stays as it is, to be
 * read again, or is refused. */
static bool keep_stubs(struct batch *b, struct item *i, const struct current *now)
{
        size_t at = b->stubs.len;

        if (json_canonical(now->stubs, JSON_NUMBERS_NEAREST, &b->stubs, NULL) == 0 &&
                !b->stubs.error) {
                i->stubs = (struct span){(uint32_t)at, (uint32_t)(b->stubs.len - at)};
                return true;
        }
        if (b->stubs.error)
                bulk_settle(b, i, BULK_REFUSED, now->rev,
                        "the document has too many attachments to keep them");
        b->stubs.len = at;
        b->stubs.error = 0;
        return false;
}

/* To be sent over what is there now, so that its attachments stay. */
static void send_over(struct batch *b, struct item *i, const struct current *now)
{
        if (++i->rounds > ROUNDS_MAX) {
                give_up(b, i, now->rev,
                        "the document changed again and again while it was written");
                return;
        }
        i->stubs.len = 0;
        if (now->stubs.ptr && !i->deleted && !keep_stubs(b, i, now))
                return;
        set_parent(i, now->rev, !now->doc.ptr);
        i->existed = now->doc.ptr != NULL;
        i->state = ITEM_TODO;
        i->conflicted = false;
        b->stale = true;
}

/* Whether the current revision is what we sent and were not told about. Without a prediction the
 * next generation after the parent is taken for it (the body is the same). */
static bool is_ours(const struct batch *b, const struct item *i, const struct current *now)
{
        if (predicted(b, i))
                return str_is(now->rev, i->rev);
        return i->unsure && rev_generation(now->rev) == rev_generation(str_of(i->parent)) + 1;
}

static void deletion_compared(struct batch *b, struct item *i, const struct current *now)
{
        if (!now->doc.ptr) {
                bool ours = now->rev.len && is_ours(b, i, now);
                bulk_settle(b, i, ours ? BULK_WRITTEN : BULK_GONE, now->rev, NULL);
        } else if (item_sends_rev(i) && str_is(now->rev, i->parent)) {
                send_over(b, i, now);
        } else if (i->reject_conflicts) {
                give_up(b, i, now->rev, "somebody else's change is there");
        } else {
                i->foreign = true;
                send_over(b, i, now);
        }
}

static void live_compared(struct batch *b, struct item *i, const struct current *now)
{
        struct digest digest;

        i->attachments = now->stubs.ptr != NULL;
        if (predicted(b, i) && str_is(now->rev, i->rev)) {
                landed(b, i, now->rev);
                return;
        }
        /* A body that cannot be read as JSON differs from ours. */
        if (digest_document(now->doc, i->filter, &b->bulk->scratch, NULL, &digest, NULL) == 0 &&
                digest_eq(&digest, &i->digest)) {
                bool ours = is_ours(b, i, now);
                i->existed = i->existed || !ours;
                bulk_settle(b, i, ours ? BULK_WRITTEN : BULK_EQUAL, now->rev, NULL);
        } else if (item_sends_rev(i) && str_is(now->rev, i->parent)) {
                send_over(b, i, now);
        } else if (i->reject_conflicts) {
                give_up(b, i, now->rev, "somebody else's change is there");
        } else {
                i->foreign = true;
                send_over(b, i, now);
        }
}

int doubt_row(void *batch, struct str row, struct err *e)
{
        struct batch *b = batch;
        struct current now;

        if (!b->bulk)
                return err_set(e, ERR_CANCEL, "the writer has ended");
        if (!read_current(row, &now))
                return err_set(e, ERR_RETRY, "_all_docs: a row cannot be read: %.*s",
                        (int)(row.len < 200 ? row.len : 200), row.ptr);
        struct item *i = find(b, now.key);
        if (!i || i->state != ITEM_COMPARE)
                return 0;
        if (i->deleted)
                deletion_compared(b, i, &now);
        else if (now.doc.ptr)
                live_compared(b, i, &now);
        else
                send_over(b, i, &now); /* missing or deleted: it (again) begins */
        return 0;
}
