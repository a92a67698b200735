/*
 * _changes in pages. CouchDB spends half of its time on sequences, so only every SEQ_INTERVALth row
 * has one (seq_interval; measured: twice the rows a second); a page that breaks goes on from the
 * last one that came, and the rows behind it come again.
 */
#include "ingest/couch/member.h"
#include "ingest/couch/scan.h"
#include "ingest/couch/stream.h"

#define PAGE_CHANGES 20000 /* rows of a page: half a second of CouchDB's time */
#define SEQ_INTERVAL 500
#define SEQ_MAX      (64 << 10) /* bytes of a sequence: some 150 per shard */

struct changes {
        struct stream stream;
        const char *database;
        scan_change_fn fn;
        void *ctx;
        struct buf since, id, path;
        struct str *leaves; /* owned */
        size_t leaf_room;
};

static int add_leaf(struct changes *c, struct str rev, size_t *count, struct err *e)
{
        if (*count == c->leaf_room) {
                size_t room = c->leaf_room ? c->leaf_room * 2 : 8;
                struct str *leaves = reallocarray(c->leaves, room, sizeof(*leaves));
                if (!leaves)
                        return err_nomem(e, "revisions of a document");
                c->leaves = leaves;
                c->leaf_room = room;
        }
        c->leaves[(*count)++] = rev;
        return 0;
}

/* [{"rev":"..."},...] */
static int read_leaves(struct changes *c, struct str list, size_t *count, struct err *e)
{
        struct json_walk w;
        struct str none, leaf;
        int rc = 0;

        *count = 0;
        if (!json_walk_open(&w, list, '['))
                return 0;
        while (rc == 0 && json_walk_next(&w, &none, &leaf)) {
                struct str rev = member_unquoted(member_find(leaf, "rev"));
                if (rev.len)
                        rc = add_leaf(c, rev, count, e);
        }
        return rc;
}

static int on_row(void *ctx, struct str row, struct err *e)
{
        struct changes *c = ctx;
        struct scan_change change = {.deleted = false};
        struct str key, value, id = {NULL, 0}, seq = {NULL, 0};
        struct json_walk w;
        int rc = 0;

        if (!json_walk_open(&w, row, '{'))
                return err_set(e, ERR_RETRY, "_changes: a row is not JSON");
        while (rc == 0 && json_walk_next(&w, &key, &value)) {
                if (str_is(key, "\"seq\""))
                        seq = member_unquoted(value);
                else if (str_is(key, "\"id\""))
                        id = value;
                else if (str_is(key, "\"deleted\""))
                        change.deleted = str_is(value, "true");
                else if (str_is(key, "\"changes\""))
                        rc = read_leaves(c, value, &change.leaf_count, e);
        }
        buf_clear(&c->id);
        if (rc < 0)
                return rc;
        if (w.bad || !seq.ptr || !id.ptr || !change.leaf_count ||
                json_unquote(id, &c->id, NULL) < 0)
                return err_set(e, ERR_RETRY, "_changes: a row cannot be read: %.*s",
                        (int)(row.len < 200 ? row.len : 200), row.ptr);
        change.id = buf_str(&c->id);
        change.leaves = c->leaves;
        change.rev = c->leaves[0];
        rc = c->fn(c->ctx, &change, e);
        c->stream.refused = rc < 0;
        if (rc < 0)
                return rc;
        if (str_is(seq, "null"))
                return 0;
        buf_clear(&c->since);
        buf_put_str(&c->since, seq);
        return buf_check(&c->since, "a sequence", e);
}

static int make_path(struct changes *c, struct err *e)
{
        buf_clear(&c->path);
        couch_path_put(&c->path, str_of(c->database));
        buf_printf(&c->path,
                "/_changes?style=all_docs&limit=%d&seq_interval=%d&since=", PAGE_CHANGES,
                SEQ_INTERVAL);
        if (c->since.len)
                http_url_encode(&c->path, buf_str(&c->since));
        else
                buf_putc(&c->path, '0');
        int rc = buf_check(&c->path, "the path of a scan", e);
        return rc == 0 && !buf_cstr(&c->path) ? err_nomem(e, "a path") : rc;
}

/* {"results":[],"last_seq":...}: where the next page begins. */
static int read_last_seq(struct changes *c, struct str frame, struct err *e)
{
        struct str seq = member_unquoted(member_find(frame, "last_seq"));

        if (!seq.len)
                return err_set(e, ERR_RETRY, "_changes: the reply has no last_seq");
        buf_clear(&c->since);
        buf_put_str(&c->since, seq);
        return buf_check(&c->since, "a sequence", e);
}

static int read_pages(struct changes *c, struct err *e)
{
        struct str frame;

        for (;;) {
                int rc = make_path(c, e);
                if (rc == 0)
                        rc = stream_page(&c->stream, c->path.data, &frame, e);
                if (rc == STREAM_BROKEN)
                        continue;
                if (rc == 0)
                        rc = read_last_seq(c, frame, e);
                if (rc < 0)
                        return rc;
                if (c->stream.page_rows < PAGE_CHANGES)
                        return 0;
        }
}

int scan_changes(struct couch *c, const char *database, struct str since, scan_change_fn fn,
        void *ctx, struct buf *last_seq, struct err *e)
{
        struct changes x = {.database = database, .fn = fn, .ctx = ctx};

        stream_init(&x.stream, c, on_row, &x);
        buf_init(&x.since, SEQ_MAX);
        buf_init(&x.id, COUCH_PATH_MAX);
        buf_init(&x.path, COUCH_PATH_MAX);
        buf_put_str(&x.since, since);
        int rc = buf_check(&x.since, "a sequence", e);
        if (rc == 0)
                rc = read_pages(&x, e);
        if (rc == 0 && last_seq) {
                buf_put_str(last_seq, buf_str(&x.since));
                rc = buf_check(last_seq, "a sequence", e);
        }
        stream_deinit(&x.stream);
        buf_deinit(&x.since);
        buf_deinit(&x.id);
        buf_deinit(&x.path);
        free(x.leaves);
        return rc;
}
