/*
 * CouchDB refuses a document, and a claim fails, long after the record went by. Its reject is
 * written at once all the same, because nothing may be acknowledged before it. When all has been
 * read, such records are read again by key, some at a time, and their rejects get them.
 */
#include "ingest/pipeline/run_internal.h"

#define BARE_MAX_BYTES (8 << 20) /* of rejects that wait: beyond it they stay without a record */
#define CHUNK          64        /* records read at a time: each may take REJECT_MAX_RECORD */

struct bare_reject {
        struct bare_reject *next;
        struct str key, id, body, first; /* in the run's arena */
        uint32_t attempts;
};

void reject_record_missing(
        struct run *r, struct str key, struct str id, struct str body, const struct pending *what)
{
        size_t bytes = sizeof(struct bare_reject) + key.len + id.len + body.len + what->first.len;

        if (r->bare_bytes + bytes > BARE_MAX_BYTES)
                return;
        struct bare_reject *b = arena_alloc(r->arena, sizeof(*b));
        if (!b)
                return;
        *b = (struct bare_reject){.next = r->bare,
                .key = arena_dup(r->arena, key),
                .id = arena_dup(r->arena, id),
                .body = arena_dup(r->arena, body),
                .first = arena_dup(r->arena, what->first),
                .attempts = what->attempts};
        if (!b->key.ptr || !b->id.ptr || !b->body.ptr || !b->first.ptr)
                return; /* a reject without its record is better than none */
        r->bare_bytes += bytes;
        r->bare = b;
}

struct completion {
        struct run *r;
        struct bare_reject *of[CHUNK];
        struct buf body[CHUNK]; /* with the record, once it was read */
        size_t count;
        struct buf key;
        bool ended;
        int rc;
        struct err err;
};

static int on_record(void *ctx, const struct record *record, struct err *e)
{
        struct completion *c = ctx;

        buf_clear(&c->key);
        if (key_encode(&c->r->shape, record->row, &c->key, NULL) != 0)
                return 0;
        for (size_t i = 0; i < c->count; i++) {
                struct buf *body = &c->body[i];
                if (body->len || !str_eq(c->of[i]->key, buf_str(&c->key)))
                        continue;
                buf_put_str(body, c->of[i]->body);
                buf_puts(body, ",\"record\":");
                mapper_record_json(&c->r->shape, record, REJECT_MAX_RECORD, body);
                return buf_check(body, "reject", e);
        }
        return 0;
}

static int on_reject(void *ctx, struct str key, const char *reason, struct err *e)
{
        return 0; /* the source cannot hand it over */
}

static void on_end(void *ctx, int rc, const struct err *e)
{
        struct completion *c = ctx;

        c->rc = rc;
        if (rc)
                c->err = *e;
        c->ended = true;
}

/* The values of all keys, column by column, in @a. NULL: no memory. */
static struct value *values_of_keys(struct completion *c, struct arena *a, struct err *e)
{
        size_t columns = c->r->shape.key_count;
        struct value *values = arena_array(a, c->count * columns + 1, sizeof(*values));
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);

        for (size_t i = 0; values && i < c->count; i++) {
                struct value *of = values + i * columns;
                if (key_values(c->of[i]->key, &text, of, columns, e) != 0)
                        return NULL;
                for (size_t k = 0; k < columns; k++) {
                        of[k].ptr = arena_dup(a, (struct str){of[k].ptr, of[k].len}).ptr;
                        if (!of[k].ptr)
                                return NULL;
                }
        }
        return values;
}

/* Return: 0, also where the source could not be read; -ERR_CANCEL. */
static int read_records(struct completion *c, struct err *e)
{
        cleanup_(arena_freep) struct arena *a = arena_new(64 << 20);
        struct source_sink sink = {
                .on_record = on_record, .on_reject = on_reject, .on_end = on_end, .ctx = c};
        struct source_read *read;
        struct run *r = c->r;
        struct err ignored;
        const struct value *keys = a ? values_of_keys(c, a, e) : NULL;

        if (!keys)
                return 0;
        c->ended = false;
        if (source_read_by_keys(
                    r->source, r->mapper->extract, &r->shape, keys, c->count, &sink, &read, e) != 0)
                return 0;
        int rc = loop_run_until(r->loop, &c->ended, e);
        if (rc) {
                source_cancel(read);
                (void)!loop_run_until_done(r->loop, &c->ended, &ignored);
                return rc;
        }
        if (c->rc)
                log_debug(r->log, "the records of rejects could not be read: %s", c->err.text);
        return 0;
}

static int write_again(struct run *r, const struct bare_reject *b, struct str body, struct err *e)
{
        struct state_reject now;
        int rc = state_reject_get(r->state, b->id, &now, e);

        if (rc)
                return rc == STATE_ABSENT ? 0 : rc;
        struct pending what = {.kind = PENDING_REJECT,
                .database = UINT16_MAX,
                .id = b->id,
                .attempts = b->attempts,
                .first = b->first};
        struct bulk_doc doc = {.database = r->control,
                .id = b->id,
                .parent = now.rev,
                .body = body,
                .digest = digest_body(body)};
        return pass_push_wait(r, &what, &doc, e);
}

static int complete_chunk(struct completion *c, struct err *e)
{
        int rc = read_records(c, e);

        for (size_t i = 0; i < c->count; i++) {
                if (!rc && c->body[i].len)
                        rc = write_again(c->r, c->of[i], buf_str(&c->body[i]), e);
                buf_deinit(&c->body[i]);
        }
        c->count = 0;
        return rc;
}

int reject_record_complete(struct run *r, struct err *e)
{
        if (!r->bare)
                return 0;
        cleanup_(freep) struct completion *c = calloc(1, sizeof(*c));
        if (!c)
                return err_nomem(e, "rejects");
        c->r = r;
        buf_init(&c->key, 1 << 20);
        int rc = settle_all(r, false, e); /* their revisions are known then */
        for (const struct bare_reject *b = r->bare; !rc && b; b = b->next) {
                buf_init(&c->body[c->count], 2 << 20);
                c->of[c->count++] = (struct bare_reject *)b;
                if (c->count == CHUNK || !b->next)
                        rc = complete_chunk(c, e);
        }
        r->bare = NULL;
        for (size_t i = 0; i < c->count; i++)
                buf_deinit(&c->body[i]);
        buf_deinit(&c->key);
        return rc;
}
