/*
 * The request's body is built while documents come in and is sent from where it lies. An item
 * knows where its parts are in it, so that outcomes, comparisons and later attempts need no
 * second copy of an id or a body.
 */
#include "ingest/couch/batch.h"

#include "ingest/couch/writer.h"
#include "ingest/record/json_scan.h"

#define FIRST_ITEMS 64
#define HEAD        "{\"docs\":["
#define TAIL        "]}"
#define STUBS_MAX   (1 << 20) /* bytes in a batch; a stub has some 150, so thousands */

/* All that stands around an id and a body: names, revision, braces, commas. */
#define AROUND_BYTES  (REV_MAX + 80)
/* An escaped byte is at most \u00xx. */
#define ESCAPED_BYTES 6

size_t pack_bytes_max(const struct bulk_doc *doc)
{
        size_t bytes;

        if (__builtin_mul_overflow(doc->id.len, ESCAPED_BYTES, &bytes) ||
                __builtin_add_overflow(bytes, doc->body.len, &bytes) ||
                __builtin_add_overflow(bytes, AROUND_BYTES, &bytes))
                return SIZE_MAX;
        return bytes;
}

struct batch *batch_new(struct bulk *bulk, struct err *e)
{
        struct batch *b = calloc(1, sizeof(*b));
        size_t max = (size_t)couch_options(bulk->couch)->max_batch_bytes;

        if (!b) {
                err_nomem(e, "a batch");
                return NULL;
        }
        b->bulk = bulk;
        buf_init(&b->body, max * 2 + STUBS_MAX); /* later attempts add revisions and stubs */
        buf_init(&b->stubs, STUBS_MAX);
        buf_init(&b->request, max * 2 + STUBS_MAX);
        buf_init(&b->reply, SIZE_MAX); /* limited by the request's max_reply */
        rows_init(&b->rows, doubt_row, b);
        return b;
}

struct batch *batch_free(struct batch *b)
{
        if (!b)
                return NULL;
        buf_deinit(&b->body);
        buf_deinit(&b->stubs);
        buf_deinit(&b->request);
        buf_deinit(&b->reply);
        rows_deinit(&b->rows);
        free(b->items);
        free(b);
        return NULL;
}

/* What a document is put together from. */
struct parts {
        struct str id_json, rev, stubs, members;
        bool deleted;
};

/* Appends the document and notes in @i where its parts are. */
static void put_document(struct buf *out, const struct parts *p, struct item *i)
{
        buf_put_str(out, out->len ? STR(",") : STR(HEAD));
        i->at = out->len;
        buf_put_str(out, STR("{\"_id\":"));
        buf_put_str(out, p->id_json);
        if (p->rev.len) {
                buf_put_str(out, STR(",\"_rev\":\""));
                buf_put_str(out, p->rev);
                buf_putc(out, '"');
        }
        if (p->deleted)
                buf_put_str(out, STR(",\"_deleted\":true"));
        if (p->stubs.len) {
                buf_put_str(out, STR(",\"_attachments\":"));
                buf_put_str(out, p->stubs);
        }
        if (p->members.len)
                buf_putc(out, ',');
        i->members = (struct span){(uint32_t)(out->len - i->at), (uint32_t)p->members.len};
        buf_put_str(out, p->members);
        buf_putc(out, '}');
        i->len = (uint32_t)(out->len - i->at);
        i->id_len = (uint32_t)p->id_json.len;
}

static int room_for_item(struct batch *b, struct err *e)
{
        if (b->count < b->room)
                return 0;
        size_t room = b->room ? b->room * 2 : FIRST_ITEMS;
        struct item *items = reallocarray(b->items, room, sizeof(*items));
        if (!items)
                return err_nomem(e, "a batch");
        b->items = items;
        b->room = room;
        return 0;
}

static void copy_rev(char out[REV_MAX], struct str rev)
{
        size_t n = rev.len < REV_MAX ? rev.len : 0;

        if (n)
                memcpy(out, rev.ptr, n);
        out[n] = '\0';
}

/* The revision that @i will get; "" where none can be told. */
static int predict_rev(
        struct item *i, bool predict, struct str members, struct buf *scratch, struct err *e)
{
        i->rev[0] = '\0';
        if (!predict || i->stubs.len)
                return 0;
        int rc = rev_predict(i->deleted, str_of(i->parent), members, scratch, i->rev, e);
        return rc < 0 ? rc : 0;
}

static void new_item(struct item *i, const struct bulk_doc *doc, uint32_t claim)
{
        bool known = doc->parent.len > 0 && !doc->parent_deleted;

        *i = (struct item){.claim = claim,
                .cookie = doc->cookie,
                .filter = doc->filter,
                .digest = doc->digest,
                .deleted = doc->deleted,
                .reject_conflicts = doc->reject_conflicts,
                .parent_deleted = doc->parent_deleted,
                .existed = known};
        copy_rev(i->parent, doc->parent);
        /* A deletion of nothing would make a tombstone, and attachments must be known to stay. */
        if (doc->compare || (doc->deleted && !known) || (doc->attachments && known))
                i->state = ITEM_COMPARE;
}

static struct str id_text(const struct batch *b, const struct item *i)
{
        struct str json = item_id_json(b, i);

        return (struct str){json.ptr + 1, json.len - 2};
}

int pack_add(struct batch *b, const struct bulk_doc *doc, uint32_t claim, struct buf *scratch,
        struct err *e)
{
        size_t before = b->body.len;
        int rc = room_for_item(b, e);

        if (rc < 0)
                return rc;
        struct item *i = &b->items[b->count];
        new_item(i, doc, claim);
        buf_clear(scratch);
        if (!json_put_string(scratch, doc->id))
                return err_set(e, ERR_REJECT, "the document id is not UTF-8");
        rc = buf_check(scratch, "a document id", e);
        if (rc < 0)
                return rc;
        struct parts parts = {.id_json = buf_str(scratch),
                .rev = item_sends_rev(i) ? doc->parent : STR(""),
                .members = doc->body,
                .deleted = doc->deleted};
        put_document(&b->body, &parts, i);
        rc = buf_check(&b->body, "a batch", e);
        if (rc < 0) {
                b->body.len = before;
                b->body.error = 0;
                return rc;
        }
        if (b->count > 0 && str_cmp(id_text(b, i - 1), id_text(b, i)) > 0)
                b->unordered = true;
        b->stale = b->stale || i->state == ITEM_COMPARE;
        b->count++;
        return 0;
}

static int by_id(const void *x, const void *y, void *batch)
{
        return str_cmp(id_text(batch, x), id_text(batch, y));
}

static struct str slice(const struct buf *b, size_t at, size_t len)
{
        return (struct str){buf_str(b).ptr + at, len};
}

/* The items' documents from @from one behind the other into a new body. */
static int repack(struct batch *b, struct buf *from, struct err *e)
{
        struct buf body;

        buf_init(&body, b->body.max);
        for (size_t n = 0; n < b->count; n++) {
                buf_put_str(&body, n ? STR(",") : STR(HEAD));
                buf_put_str(&body, slice(from, b->items[n].at, b->items[n].len));
        }
        buf_put_str(&body, STR(TAIL));
        int rc = buf_check(&body, "a batch", e);
        if (rc < 0) {
                buf_deinit(&body);
                return rc;
        }
        size_t at = strlen(HEAD);
        for (size_t n = 0; n < b->count; n++) {
                b->items[n].at = at;
                at += b->items[n].len + strlen(",");
        }
        buf_deinit(&b->body);
        b->body = body;
        return 0;
}

#define PREDICTED_TOGETHER 64 /* questions held on the stack */

static int predict_all(struct batch *b, struct buf *scratch, struct err *e)
{
        struct rev_query queries[PREDICTED_TOGETHER];
        int rc = 0;

        for (size_t from = 0; from < b->count && rc == 0; from += PREDICTED_TOGETHER) {
                size_t count =
                        b->count - from < PREDICTED_TOGETHER ? b->count - from : PREDICTED_TOGETHER;
                for (size_t n = 0; n < count; n++) {
                        struct item *i = &b->items[from + n];
                        queries[n] = (struct rev_query){.deleted = i->deleted,
                                .parent = str_of(i->parent),
                                .body = slice(&b->body, i->at + i->members.at, i->members.len),
                                .out = i->rev};
                }
                rc = rev_predict_many(queries, count, scratch, e);
        }
        return rc;
}

int pack_close(struct batch *b, bool predict, struct buf *scratch, struct err *e)
{
        int rc = predict ? predict_all(b, scratch, e) : 0;

        if (rc < 0)
                return rc;
        if (b->unordered) {
                qsort_r(b->items, b->count, sizeof(*b->items), by_id, b);
                b->unordered = false;
                return repack(b, &b->body, e);
        }
        buf_put_str(&b->body, STR(TAIL));
        return buf_check(&b->body, "a batch", e);
}

void pack_drop(struct batch *b)
{
        size_t kept = 0;

        for (size_t n = 0; n < b->count; n++)
                if (b->items[n].state != ITEM_DONE)
                        b->items[kept++] = b->items[n];
        b->stale = b->stale || kept < b->count;
        b->count = kept;
        b->cursor = 0;
}

/* One item into the new body; in it, @i is as it was. */
static int put_again(const struct batch *b, struct item *i, bool predict, struct buf *scratch,
        struct buf *body, struct err *e)
{
        struct parts parts = {.id_json = item_id_json(b, i),
                .rev = item_sends_rev(i) ? str_of(i->parent) : STR(""),
                .stubs = slice(&b->stubs, i->stubs.at, i->stubs.len),
                .members = slice(&b->body, i->at + i->members.at, i->members.len),
                .deleted = i->deleted};
        int rc = predict_rev(i, predict, parts.members, scratch, e);

        if (rc == 0)
                put_document(body, &parts, i);
        return rc;
}

int pack_again(struct batch *b, bool predict, struct buf *scratch, struct err *e)
{
        struct item *items = calloc(b->count ? b->count : 1, sizeof(*items));
        struct buf body;
        int rc = 0;

        if (!items)
                return err_nomem(e, "a batch");
        buf_init(&body, b->body.max);
        for (size_t n = 0; n < b->count && rc == 0; n++) {
                items[n] = b->items[n];
                rc = put_again(b, &items[n], predict, scratch, &body, e);
        }
        buf_put_str(&body, STR(TAIL));
        if (rc == 0)
                rc = buf_check(&body, "a batch with the attachments to keep", e);
        if (rc < 0) {
                free(items);
                buf_deinit(&body);
                return rc;
        }
        free(b->items);
        buf_deinit(&b->body);
        b->items = items;
        b->room = b->count ? b->count : 1;
        b->body = body;
        b->stale = false;
        return 0;
}

int pack_move(struct batch *b, size_t from, struct batch *half, struct err *e)
{
        size_t count = b->count - from;
        struct item *items = calloc(count, sizeof(*items));

        if (!items)
                return err_nomem(e, "a batch");
        memcpy(items, b->items + from, count * sizeof(*items));
        free(half->items);
        half->items = items;
        half->count = half->room = count;
        int rc = repack(half, &b->body, e);
        if (rc == 0) {
                buf_put_str(&half->stubs, buf_str(&b->stubs));
                rc = buf_check(&half->stubs, "attachments to keep", e);
        }
        if (rc < 0) {
                half->count = 0;
                return rc;
        }
        half->stale = b->stale;
        b->count = from;
        b->stale = true;
        return 0;
}

struct str pack_id(const struct batch *b, const struct item *i, struct buf *scratch)
{
        struct str text = id_text(b, i);

        if (!memchr(text.ptr, '\\', text.len))
                return text;
        buf_clear(scratch);
        if (json_unquote(item_id_json(b, i), scratch, NULL) < 0)
                return text; /* cannot be: we wrote it */
        return buf_str(scratch);
}

struct item *pack_find(struct batch *b, struct str id_json)
{
        for (size_t n = 0; n < b->count; n++) {
                size_t at = b->cursor + n < b->count ? b->cursor + n : b->cursor + n - b->count;
                if (str_eq(item_id_json(b, &b->items[at]), id_json)) {
                        b->cursor = at + 1;
                        return &b->items[at];
                }
        }
        return NULL;
}
