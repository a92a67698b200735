/*
 * Ranges of _all_docs. A page begins with the last id of the page before, whose row is then
 * passed over: skip=1 would pass over another document if that one was deleted meanwhile.
 */
#include "ingest/couch/scan.h"

#include "ingest/couch/member.h"
#include "ingest/couch/stream.h"

/* Rows of a page. Without bodies a row is some 90 bytes and takes 15 us; with them CouchDB reads
 * ten documents at a time, and a break costs the page. */
#define PAGE_REVS   10000
#define PAGE_BODIES 2000
#define SCAN_MAX_ID 8192 /* bytes; a mapper makes none of half as many */

struct range {
        struct stream stream;
        const char *database;
        bool bodies;
        scan_doc_fn fn;
        void *ctx;
        struct str end;   /* .ptr NULL: none */
        struct buf start; /* first id that is wanted, then the last one that came */
        bool started;     /* start was handed over already */
        struct buf id, path, key;
};

static size_t page_limit(const struct range *r)
{
        return r->bodies ? PAGE_BODIES : PAGE_REVS;
}

static bool has_elements(struct str array)
{
        struct json_walk w;
        struct str none, element;

        return json_walk_open(&w, array, '[') && json_walk_next(&w, &none, &element);
}

static void read_document(struct str json, struct scan_doc *out)
{
        struct json_walk w;
        struct str key, value;

        out->json = json;
        if (!json_walk_open(&w, json, '{'))
                return;
        while (json_walk_next(&w, &key, &value)) {
                if (str_is(key, "\"_conflicts\""))
                        out->conflicts = has_elements(value);
                else if (str_is(key, "\"_attachments\""))
                        out->attachments = true;
        }
}

static int bad_row(struct str row, struct err *e)
{
        return err_set(e, ERR_RETRY, "_all_docs: a row cannot be read: %.*s",
                (int)(row.len < 200 ? row.len : 200), row.ptr);
}

/* A row {"id":...,"key":...,"value":{"rev":...},"doc":{...}} */
static int read_row(struct range *r, struct str row, struct scan_doc *out, struct err *e)
{
        struct str key, value, id = {NULL, 0};
        struct json_walk w;

        *out = (struct scan_doc){.deleted = false};
        if (!json_walk_open(&w, row, '{'))
                return bad_row(row, e);
        while (json_walk_next(&w, &key, &value)) {
                if (str_is(key, "\"id\"")) {
                        id = value;
                } else if (str_is(key, "\"doc\"") && r->bodies && *value.ptr == '{') {
                        read_document(value, out);
                } else if (str_is(key, "\"value\"")) {
                        out->rev = member_rev(member_find(value, "rev"), SIZE_MAX);
                        out->deleted = str_is(member_find(value, "deleted"), "true");
                }
        }
        buf_clear(&r->id);
        if (w.bad || !id.ptr || !out->rev.len || json_unquote(id, &r->id, NULL) < 0)
                return bad_row(row, e);
        out->id = buf_str(&r->id);
        return 0;
}

static int on_row(void *ctx, struct str row, struct err *e)
{
        struct range *r = ctx;
        struct scan_doc doc;

        int rc = read_row(r, row, &doc, e);
        if (rc < 0)
                return rc;
        if (r->started && str_eq(doc.id, buf_str(&r->start)))
                return 0;
        if (!doc.deleted && (doc.json.ptr || !r->bodies)) {
                rc = r->fn(r->ctx, &doc, e);
                r->stream.refused = rc < 0;
                if (rc < 0)
                        return rc;
        }
        buf_clear(&r->start);
        buf_put_str(&r->start, doc.id);
        r->started = true;
        return buf_check(&r->start, "a document id", e);
}

/* &NAME="id" percent-encoded */
static int put_key(struct range *r, const char *name, struct str id, struct err *e)
{
        buf_clear(&r->key);
        if (!json_put_string(&r->key, id))
                return err_set(e, ERR_BUG, "a scan's %s is not UTF-8", name);
        buf_printf(&r->path, "&%s=", name);
        http_url_encode(&r->path, buf_str(&r->key));
        return buf_check(&r->key, "a document id", e);
}

static int make_path(struct range *r, struct err *e)
{
        int rc = 0;

        buf_clear(&r->path);
        couch_path_put(&r->path, str_of(r->database));
        buf_printf(&r->path, "/_all_docs?limit=%zu%s", page_limit(r),
                r->bodies ? "&include_docs=true&conflicts=true" : "");
        if (r->start.len)
                rc = put_key(r, "startkey", buf_str(&r->start), e);
        if (rc == 0 && r->end.ptr) {
                rc = put_key(r, "endkey", r->end, e);
                buf_puts(&r->path, "&inclusive_end=false");
        }
        if (rc == 0)
                rc = buf_check(&r->path, "the path of a scan", e);
        return rc == 0 && !buf_cstr(&r->path) ? err_nomem(e, "a path") : rc;
}

static int read_pages(struct range *r, struct err *e)
{
        struct str frame;

        for (;;) {
                int rc = make_path(r, e);
                if (rc == 0)
                        rc = stream_page(&r->stream, r->path.data, &frame, e);
                if (rc < 0)
                        return rc;
                if (rc == 0 && r->stream.page_rows < page_limit(r))
                        return 0;
        }
}

int scan_range(struct couch *c, const char *database, struct str start, struct str end, bool bodies,
        scan_doc_fn fn, void *ctx, struct err *e)
{
        struct range r = {.database = database, .bodies = bodies, .fn = fn, .ctx = ctx, .end = end};

        stream_init(&r.stream, c, on_row, &r);
        buf_init(&r.start, COUCH_PATH_MAX);
        buf_init(&r.id, COUCH_PATH_MAX);
        buf_init(&r.key, COUCH_PATH_MAX);
        buf_init(&r.path, COUCH_PATH_MAX);
        buf_put_str(&r.start, start);
        int rc = buf_check(&r.start, "a document id", e);
        if (rc == 0)
                rc = read_pages(&r, e);
        stream_deinit(&r.stream);
        buf_deinit(&r.start);
        buf_deinit(&r.id);
        buf_deinit(&r.key);
        buf_deinit(&r.path);
        return rc;
}

static size_t last_character(const struct buf *b)
{
        size_t at = b->len - 1;

        while (at > 0 && ((unsigned char)b->data[at] & 0xC0) == 0x80)
                at--;
        return at;
}

static uint32_t decode(const unsigned char *p, size_t n)
{
        static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
        uint32_t code = p[0] & masks[n];

        for (size_t i = 1; i < n; i++)
                code = code << 6 | (p[i] & 0x3F);
        return code;
}

static void encode(struct buf *out, uint32_t code)
{
        if (code < 0x80) {
                buf_putc(out, (char)code);
                return;
        }
        int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        buf_putc(out, (char)((0xF00 >> (more + 1)) | code >> (6 * more)));
        while (more-- > 0)
                buf_putc(out, (char)(0x80 | (code >> (6 * more) & 0x3F)));
}

/* The least string above all that begin with @prefix: its last character that can grow, grown.
 * (UTF-8 sorts as its code points do.) @out stays empty where there is none. */
static void put_above(struct buf *out, struct str prefix)
{
        buf_put_str(out, prefix);
        while (out->len > 0) {
                size_t at = last_character(out);
                uint32_t code = decode((const unsigned char *)out->data + at, out->len - at);
                out->len = at;
                if (code == 0x10FFFF)
                        continue;
                encode(out, code == 0xD7FF ? 0xE000 : code + 1);
                return;
        }
}

struct one {
        struct str id;
        scan_doc_fn fn;
        void *ctx;
};

static int take_one(void *ctx, const struct scan_doc *doc, struct err *e)
{
        const struct one *o = ctx;

        return str_eq(doc->id, o->id) ? o->fn(o->ctx, doc, e) : 0;
}

int scan_document(struct couch *c, const char *database, struct str id, scan_doc_fn fn, void *ctx,
        struct err *e)
{
        struct one one = {id, fn, ctx};
        cleanup_buf_ struct buf end = BUF_INIT(SCAN_MAX_ID + 1);

        buf_put_str(&end, id);
        buf_putc(&end, ' '); /* behind the id; what else stands between is passed over */
        int rc = buf_check(&end, "document id", e);
        return rc ? rc : scan_range(c, database, id, buf_str(&end), true, take_one, &one, e);
}

int scan_prefix(struct couch *c, const char *database, struct str prefix, bool bodies,
        scan_doc_fn fn, void *ctx, struct err *e)
{
        cleanup_buf_ struct buf above = BUF_INIT(prefix.len + 4);

        if (!str_utf8_valid(prefix))
                return err_set(e, ERR_BUG, "a scan's prefix is not UTF-8");
        put_above(&above, prefix);
        int rc = buf_check(&above, "a scan's prefix", e);
        if (rc < 0)
                return rc;
        const struct str none = {NULL, 0};
        return scan_range(
                c, database, prefix, above.len ? buf_str(&above) : none, bodies, fn, ctx, e);
}
