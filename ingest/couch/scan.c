/*
 * Pages of _all_docs and _changes, each parsed while it arrives (rows.h). A page that breaks off is
 * asked for again by couch_call(); of _all_docs the rows that were handed over are passed by, of
 * _changes they come twice, which its readers must bear.
 */
#include "ingest/couch/scan.h"

#include "ingest/couch/client.h"
#include "ingest/couch/rows.h"
#include "ingest/record/json_scan.h"

#define PAGE_ROWS       10000 /* a page takes seconds, so that little is asked for again */
#define PAGE_TIMEOUT_MS (60 * 60 * 1000) /* silence ends a page (http.h), length does not */
#define ID_MAX          (1 << 20)
#define LEAVES_MAX      1000 /* of one document; more are not looked at */

/* ---- one page ---- */

struct page {
        struct rows rows;
        uint64_t count; /* rows of this attempt */
};

static void on_attempt(void *ctx)
{
        struct page *p = ctx;

        rows_reset(&p->rows);
        p->count = 0;
}

static int on_body(void *ctx, struct str bytes, struct err *e)
{
        struct page *p = ctx;

        return rows_feed(&p->rows, bytes, e);
}

/* Gets @path; @frame: the reply without its rows, borrowed from the page. */
static int get_page(
        struct couch *c, struct page *p, struct buf *path, struct str *frame, struct err *e)
{
        struct couch_request request = {.method = "GET",
                .path = buf_cstr(path),
                .timeout_ms = PAGE_TIMEOUT_MS,
                .on_body = on_body,
                .on_attempt = on_attempt,
                .ctx = p};
        int status = 0;

        if (!request.path)
                return buf_check(path, "the path of a request", e);
        int rc = couch_call(c, &request, &status, NULL, e);
        if (rc)
                return rc;
        if (status == 404)
                return err_set_code(e, ERR_RETRY, status,
                        "GET %s: the database is not there any more", request.path);
        return rows_frame(&p->rows, frame, e);
}

static struct str unquoted(struct str written)
{
        if (written.len < 2 || *written.ptr != '"')
                return STR("");
        return (struct str){written.ptr + 1, written.len - 2};
}

static bool find_member(struct str object, const char *name, struct str *out)
{
        struct json_walk w;
        struct str key, value;
        bool found = false;

        if (!json_walk_open(&w, object, '{'))
                return false;
        while (json_walk_next(&w, &key, &value)) {
                if (!str_is(unquoted(key), name))
                        continue;
                *out = value;
                found = true;
        }
        return found;
}

static int bad_row(const char *what, struct err *e)
{
        return err_set(e, ERR_RETRY, "%s: a row of the reply is not what CouchDB sends", what);
}

/* ---- _all_docs ---- */

struct range {
        struct page page; /* first: the context of its callbacks */
        scan_doc_fn fn;
        void *ctx;
        struct buf id, last; /* of the row at hand, of the row handed over last */
        bool any;
};

static void note_members(struct scan_doc *out)
{
        struct json_walk w;
        struct str key, value;

        if (!json_walk_open(&w, out->json, '{'))
                return;
        while (json_walk_next(&w, &key, &value)) {
                out->conflicts = out->conflicts || str_is(key, "\"_conflicts\"");
                out->attachments = out->attachments || str_is(key, "\"_attachments\"");
        }
}

/* {"id":"a","key":"a","value":{"rev":"1-.."},"doc":{..}} */
static int on_doc_row(void *ctx, struct str row, struct err *e)
{
        struct range *r = ctx;
        struct str id, value, rev;
        struct scan_doc doc = {.deleted = false};

        r->page.count++;
        buf_clear(&r->id);
        if (!find_member(row, "id", &id) || json_unquote(id, &r->id, NULL) < 0 ||
                !find_member(row, "value", &value) || !find_member(value, "rev", &rev))
                return bad_row("_all_docs", e);
        doc.id = buf_str(&r->id);
        doc.rev = unquoted(rev);
        if (r->any && str_cmp(doc.id, buf_str(&r->last)) <= 0)
                return 0; /* handed over before the page broke off, or at the seam of two pages */
        if (find_member(row, "doc", &doc.json) && *doc.json.ptr == '{')
                note_members(&doc);
        else
                doc.json = (struct str){NULL, 0};
        int rc = r->fn(r->ctx, &doc, e);
        if (rc)
                return rc;
        buf_clear(&r->last);
        buf_put_str(&r->last, doc.id);
        r->any = true;
        return buf_check(&r->last, "a document id", e);
}

static int put_key(struct buf *path, const char *name, struct str key, struct err *e)
{
        cleanup_buf_ struct buf json;

        buf_init(&json, ID_MAX);
        if (!json_put_string(&json, key))
                return err_set(e, ERR_CONFIG, "a document id is not UTF-8");
        buf_printf(path, "&%s=", name);
        http_url_encode(path, buf_str(&json));
        return buf_check(&json, "a document id", e);
}

static int range_page(struct couch *c, const char *database, struct range *r, struct str start,
        struct str end, bool bodies, struct err *e)
{
        cleanup_buf_ struct buf path;
        struct str frame;

        buf_init(&path, COUCH_PATH_MAX);
        couch_path_put(&path, str_of(database));
        buf_printf(&path, "/_all_docs?limit=%d", PAGE_ROWS);
        if (bodies)
                buf_puts(&path, "&include_docs=true&conflicts=true");
        int rc = put_key(&path, "start_key", r->any ? buf_str(&r->last) : start, e);
        if (!rc && end.ptr) {
                buf_puts(&path, "&inclusive_end=false");
                rc = put_key(&path, "end_key", end, e);
        }
        return rc ? rc : get_page(c, &r->page, &path, &frame, e);
}

int scan_range(struct couch *c, const char *database, struct str start, struct str end, bool bodies,
        scan_doc_fn fn, void *ctx, struct err *e)
{
        struct range r = {.fn = fn, .ctx = ctx};
        int rc;

        rows_init(&r.page.rows, on_doc_row, &r);
        buf_init(&r.id, ID_MAX);
        buf_init(&r.last, ID_MAX);
        do {
                rc = range_page(c, database, &r, start, end, bodies, e);
        } while (rc == 0 && r.page.count == PAGE_ROWS);
        rows_deinit(&r.page.rows);
        buf_deinit(&r.id);
        buf_deinit(&r.last);
        return rc;
}

/* The least text above everything that begins with @prefix: its last ASCII character raised by
 * one, or the highest code point behind it. */
static void put_end(struct buf *out, struct str prefix)
{
        buf_put_str(out, prefix);
        unsigned char last = prefix.len ? (unsigned char)prefix.ptr[prefix.len - 1] : 0xFF;
        if (last < 0x7E && out->data)
                out->data[out->len - 1]++;
        else
                buf_puts(out, "\xF4\x8F\xBF\xBF");
}

int scan_prefix(struct couch *c, const char *database, struct str prefix, bool bodies,
        scan_doc_fn fn, void *ctx, struct err *e)
{
        cleanup_buf_ struct buf end;

        buf_init(&end, ID_MAX);
        put_end(&end, prefix);
        int rc = buf_check(&end, "a document id", e);
        return rc ? rc : scan_range(c, database, prefix, buf_str(&end), bodies, fn, ctx, e);
}

/* ---- _changes ---- */

struct feed {
        struct page page; /* first: the context of its callbacks */
        scan_change_fn fn;
        void *ctx;
        struct buf id;
        struct str leaves[LEAVES_MAX];
};

static size_t read_leaves(struct feed *f, struct str changes)
{
        struct json_walk w;
        struct str none, change, rev;
        size_t n = 0;

        if (!json_walk_open(&w, changes, '['))
                return 0;
        while (n < LEAVES_MAX && json_walk_next(&w, &none, &change))
                if (find_member(change, "rev", &rev))
                        f->leaves[n++] = unquoted(rev);
        return n;
}

/* {"seq":"..","id":"a","changes":[{"rev":"1-.."}],"deleted":true} */
static int on_change_row(void *ctx, struct str row, struct err *e)
{
        struct feed *f = ctx;
        struct str id, changes, deleted;
        struct scan_change change = {.leaves = f->leaves};

        f->page.count++;
        buf_clear(&f->id);
        if (!find_member(row, "id", &id) || json_unquote(id, &f->id, NULL) < 0 ||
                !find_member(row, "changes", &changes))
                return bad_row("_changes", e);
        change.id = buf_str(&f->id);
        change.leaf_count = read_leaves(f, changes);
        if (change.leaf_count == 0)
                return bad_row("_changes", e);
        change.rev = f->leaves[0];
        change.deleted = find_member(row, "deleted", &deleted) && str_is(deleted, "true");
        return f->fn(f->ctx, &change, e);
}

/* Sequences are strings in CouchDB, numbers in pouchdb-server. */
static int feed_page(
        struct couch *c, const char *database, struct feed *f, struct buf *since, struct err *e)
{
        cleanup_buf_ struct buf path;
        struct str frame, last;

        buf_init(&path, COUCH_PATH_MAX);
        couch_path_put(&path, str_of(database));
        buf_printf(&path, "/_changes?style=all_docs&seq_interval=%d&limit=%d&since=", PAGE_ROWS,
                PAGE_ROWS);
        http_url_encode(&path, buf_str(since));
        int rc = get_page(c, &f->page, &path, &frame, e);
        if (rc)
                return rc;
        if (!find_member(frame, "last_seq", &last))
                return err_set(e, ERR_RETRY, "_changes: the reply names no last_seq");
        buf_clear(since);
        buf_put_str(since, *last.ptr == '"' ? unquoted(last) : last);
        return buf_check(since, "a sequence", e);
}

int scan_changes(struct couch *c, const char *database, struct str since, scan_change_fn fn,
        void *ctx, struct buf *last_seq, struct err *e)
{
        cleanup_(freep) struct feed *f = calloc(1, sizeof(*f));
        cleanup_buf_ struct buf seq;
        int rc;

        buf_init(&seq, COUCH_PATH_MAX);
        buf_put_str(&seq, since);
        if (!f)
                return err_nomem(e, "a feed of changes");
        f->fn = fn;
        f->ctx = ctx;
        rows_init(&f->page.rows, on_change_row, f);
        buf_init(&f->id, ID_MAX);
        do {
                rc = feed_page(c, database, f, &seq, e);
        } while (rc == 0 && f->page.count == PAGE_ROWS);
        rows_deinit(&f->page.rows);
        buf_deinit(&f->id);
        if (!rc && last_seq)
                buf_put_str(last_seq, buf_str(&seq));
        return rc;
}
