/*
 * Some thousand rejects are listed, deleted, and so on from the last one: a list of all could be
 * of any length. Deletions go through the writer, which settles lost replies and conflicts.
 */
#include "ingest/pipeline/reject_list.h"

#include <stdio.h>
#include <string.h>

#include "ingest/couch/bulk.h"
#include "ingest/pipeline/lock.h"

#define CHUNK  10000      /* rejects listed at a time: a page of a scan without bodies */
#define ID_MAX (64 << 10) /* bytes of a document id: more than a URL takes */

struct drop {
        struct control *control;
        const char *mapper, *key;
        struct arena *names; /* of one chunk */
        struct {
                struct str id, rev;
        } chunk[CHUNK];
        size_t count;
        struct buf last;  /* id of the last one listed */
        struct buf after; /* and of the last one of the chunk before */
        struct bulk *bulk;
        bool room;
        uint64_t *dropped;
        int rc; /* of the first one that could not be deleted */
        struct err err;
};

static int list_one(struct drop *d, struct str id, struct str rev, struct err *e)
{
        d->chunk[d->count].id = arena_dup(d->names, id);
        d->chunk[d->count].rev = arena_dup(d->names, rev);
        if (!d->chunk[d->count].id.ptr || !d->chunk[d->count].rev.ptr)
                return arena_failed(d->names, "rejects", e);
        buf_clear(&d->last);
        buf_put_str(&d->last, id);
        return ++d->count == CHUNK ? CONTROL_STOP : 0;
}

static int list_doc(void *ctx, const struct scan_doc *doc, struct err *e)
{
        return list_one(ctx, doc->id, doc->rev, e);
}

static int list_reject(void *ctx, const struct reject_view *reject, struct err *e)
{
        return list_one(ctx, reject->id, reject->rev, e);
}

static void on_outcome(void *ctx, const struct bulk_outcome *o)
{
        struct drop *d = ctx;

        if (o->result == BULK_WRITTEN || o->result == BULK_GONE || o->result == BULK_EQUAL)
                (*d->dropped)++;
        else if (o->result != BULK_ABANDONED && !d->rc)
                d->rc = err_set(&d->err, ERR_CONFIG, "CouchDB refuses to delete %.*s: %s",
                        STR_ARG(o->id), o->reason ? o->reason : "conflict");
}

static void on_drain(void *ctx)
{
        ((struct drop *)ctx)->room = true;
}

static int delete_chunk(struct drop *d, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < d->count && rc == 0; i++) {
                struct bulk_doc doc = {.database = d->control->database,
                        .id = d->chunk[i].id,
                        .parent = d->chunk[i].rev,
                        .deleted = true};
                d->room = false;
                rc = bulk_push(d->bulk, &doc, e);
                if (rc == BULK_FULL)
                        rc = loop_run_until(couch_loop(d->control->couch), &d->room, e);
        }
        struct err drain_err;
        int drained = bulk_drain(d->bulk, rc == -ERR_CANCEL, &drain_err);
        if (!rc && drained)
                *e = drain_err;
        rc = rc ? rc : drained;
        if (!rc && d->rc)
                *e = d->err;
        return rc ? rc : d->rc;
}

/* All of a mapper: chunk after chunk, until one is not full. */
static int drop_all(struct drop *d, struct err *e)
{
        char prefix[128];
        int rc = 0;

        snprintf(prefix, sizeof(prefix), "reject:%s:", d->mapper);
        do {
                buf_clear(&d->after);
                buf_put_str(&d->after, buf_str(&d->last));
                struct str after = d->after.len ? buf_str(&d->after) : (struct str){0};
                d->count = 0;
                arena_reset(d->names);
                rc = control_scan(d->control, str_of(prefix), after, false, list_doc, d, e);
                rc = rc ? rc : delete_chunk(d, e);
        } while (rc == 0 && d->count == CHUNK);
        return rc;
}

/* Of a mapper that is not configured any more nobody takes one. */
static int lock_mapper(
        const struct config *config, const char *name, struct lock **out, struct err *e)
{
        cleanup_buf_ struct buf folder = BUF_INIT(4096);
        const struct config_mapper *m;

        if (config_mapper(config, name, &m, NULL) != 0)
                return 0;
        buf_printf(&folder, "%s/%s", config->state_dir, name);
        if (!buf_cstr(&folder))
                return err_set(e, ERR_CONFIG, "state_dir: the path is too long");
        return lock_take(folder.data, out, e);
}

int reject_drop(struct control *c, const struct config *config, const struct log *log,
        const char *mapper, const char *key, uint64_t *dropped, struct err *e)
{
        cleanup_(lock_releasep) struct lock *lock = NULL;
        int locked = lock_mapper(config, mapper, &lock, e);

        *dropped = 0;
        if (locked || c->absent)
                return locked;
        cleanup_(freep) struct drop *d = calloc(1, sizeof(*d));
        cleanup_(arena_freep) struct arena *names = arena_new(256 << 20);
        if (!d || !names)
                return err_nomem(e, "rejects");
        struct bulk_callbacks callbacks = {
                .on_outcome = on_outcome, .on_drain = on_drain, .ctx = d};
        d->control = c;
        d->mapper = mapper;
        d->key = key;
        d->names = names;
        d->dropped = dropped;
        buf_init(&d->last, ID_MAX);
        buf_init(&d->after, ID_MAX);
        int rc = bulk_new(c->couch, log, c->server.predicts, &callbacks, &d->bulk, e);
        if (!rc && key)
                rc = reject_each(c, mapper, key, list_reject, d, e);
        if (!rc)
                rc = key ? delete_chunk(d, e) : drop_all(d, e);
        bulk_free(d->bulk);
        buf_deinit(&d->last);
        buf_deinit(&d->after);
        return rc ? err_wrap(e, rc, "dropping rejects of %s", mapper) : 0;
}
