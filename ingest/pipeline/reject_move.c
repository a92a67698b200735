/*
 * Some at a time: written under the new id, acknowledged, and only then deleted under the old one.
 * One that the new name has already stays as it is there: a run wrote it since.
 */
#include "ingest/pipeline/reject_move.h"

#include <stdio.h>
#include <string.h>

#include "ingest/couch/bulk.h"
#include "ingest/pipeline/reject_list.h"
#include "ingest/record/json_scan.h"

#define CHUNK      2000 /* a page of a scan with bodies */
#define BODY_BYTES (1 << 20)

struct move {
        struct control *control;
        const char *from, *to;
        struct arena *arena; /* of one chunk */
        struct {
                struct str id, rev, body;
        } chunk[CHUNK];
        size_t count;
        struct bulk *bulk;
        bool room;
        uint64_t *moved;
        int rc;
        struct err err;
};

/* The members of @json as they are, but for CouchDB's own and the mapper's name. */
static int put_body(struct move *m, struct str json, struct buf *out, struct err *e)
{
        struct json_walk w;
        struct str key, value;

        buf_puts(out, "\"type\":\"reject\",\"mapper\":");
        json_put_lossy(out, str_of(m->to));
        for (bool ok = json_walk_open(&w, json, '{'); ok && json_walk_next(&w, &key, &value);) {
                if (str_starts(key, STR("\"_")) || str_is(key, "\"mapper\"") ||
                        str_is(key, "\"type\""))
                        continue;
                buf_putc(out, ',');
                buf_put_str(out, key);
                buf_putc(out, ':');
                int rc = json_canonical(value, JSON_NUMBERS_NEAREST, out, e);
                if (rc)
                        return rc;
        }
        return buf_check(out, "reject", e);
}

static int take(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct move *m = ctx;
        cleanup_buf_ struct buf body = BUF_INIT(BODY_BYTES);
        int rc = put_body(m, doc->json, &body, e);

        if (rc)
                return rc;
        m->chunk[m->count].id = arena_dup(m->arena, doc->id);
        m->chunk[m->count].rev = arena_dup(m->arena, doc->rev);
        m->chunk[m->count].body = arena_dup(m->arena, buf_str(&body));
        if (!m->chunk[m->count].id.ptr || !m->chunk[m->count].rev.ptr ||
                !m->chunk[m->count].body.ptr)
                return arena_failed(m->arena, "rejects", e);
        return ++m->count == CHUNK ? CONTROL_STOP : 0;
}

static void on_outcome(void *ctx, const struct bulk_outcome *o)
{
        struct move *m = ctx;

        if (o->result == BULK_REFUSED && !m->rc)
                m->rc = err_set(&m->err, ERR_CONFIG, "CouchDB refuses %.*s: %s", STR_ARG(o->id),
                        o->reason ? o->reason : "");
        /* A conflict at the new id: it is there already. At the old one: nothing to do either. */
        if (o->cookie && (o->result == BULK_WRITTEN || o->result == BULK_GONE))
                (*m->moved)++;
}

static void on_drain(void *ctx)
{
        ((struct move *)ctx)->room = true;
}

static int push(struct move *m, const struct bulk_doc *doc, struct err *e)
{
        m->room = false;
        int rc = bulk_push(m->bulk, doc, e);

        return rc == BULK_FULL ? loop_run_until(couch_loop(m->control->couch), &m->room, e) : rc;
}

static int drain(struct move *m, int rc, struct err *e)
{
        struct err drain_err;
        int drained = bulk_drain(m->bulk, rc == -ERR_CANCEL, &drain_err);

        if (!rc && drained)
                *e = drain_err;
        rc = rc ? rc : drained;
        if (!rc && m->rc)
                *e = m->err;
        return rc ? rc : m->rc;
}

static int write_new(struct move *m, struct err *e)
{
        size_t prefix = strlen("reject:") + strlen(m->from);
        cleanup_buf_ struct buf id = BUF_INIT(64 << 10);
        int rc = 0;

        for (size_t i = 0; i < m->count && !rc; i++) {
                struct str old = m->chunk[i].id;
                buf_clear(&id);
                buf_printf(&id, "reject:%s", m->to);
                buf_put_str(&id, (struct str){old.ptr + prefix, old.len - prefix});
                struct bulk_doc doc = {.database = m->control->database,
                        .id = buf_str(&id),
                        .body = m->chunk[i].body,
                        .digest = digest_body(m->chunk[i].body),
                        .reject_conflicts = true};
                rc = push(m, &doc, e);
        }
        return drain(m, rc, e);
}

static int delete_old(struct move *m, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < m->count && !rc; i++) {
                struct bulk_doc doc = {.database = m->control->database,
                        .id = m->chunk[i].id,
                        .parent = m->chunk[i].rev,
                        .deleted = true,
                        .cookie = m};
                rc = push(m, &doc, e);
        }
        return drain(m, rc, e);
}

static int move_all(struct move *m, struct err *e)
{
        char prefix[128];
        int rc;

        snprintf(prefix, sizeof(prefix), "reject:%s:", m->from);
        do {
                m->count = 0;
                arena_reset(m->arena);
                rc = control_scan(m->control, str_of(prefix), (struct str){0}, true, take, m, e);
                rc = rc ? rc : write_new(m, e);
                rc = rc ? rc : delete_old(m, e);
        } while (rc == 0 && m->count == CHUNK);
        return rc;
}

int reject_move(struct control *c, const struct log *log, const char *from, const char *to,
        uint64_t *moved, struct err *e)
{
        *moved = 0;
        if (c->absent)
                return 0;
        cleanup_(freep) struct move *m = calloc(1, sizeof(*m));
        cleanup_(arena_freep) struct arena *arena = arena_new(256 << 20);
        if (!m || !arena)
                return err_nomem(e, "rejects");
        struct bulk_callbacks callbacks = {
                .on_outcome = on_outcome, .on_drain = on_drain, .ctx = m};
        m->control = c;
        m->from = from;
        m->to = to;
        m->arena = arena;
        m->moved = moved;
        int rc = bulk_new(c->couch, log, c->server.predicts, &callbacks, &m->bulk, e);
        rc = rc ? rc : move_all(m, e);
        bulk_free(m->bulk);
        return rc ? err_wrap(e, rc, "moving the rejects of %s to %s", from, to) : 0;
}
