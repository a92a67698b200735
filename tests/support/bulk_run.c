#include "tests/support/bulk_run.h"

#include <stdio.h>

static void must(int rc, const struct err *e)
{
        if (rc >= 0)
                return;
        fprintf(stderr, "bulk_run: %s\n", e->text);
        abort();
}

static void on_outcome(void *ctx, const struct bulk_outcome *o)
{
        struct bulk_run *r = ctx;

        if (r->count == r->room_told) {
                r->room_told = r->room_told ? r->room_told * 2 : 256;
                r->told = realloc(r->told, r->room_told * sizeof(*r->told));
        }
        struct told *t = &r->told[r->count++];
        *t = (struct told){.result = o->result,
                .existed = o->existed,
                .foreign = o->foreign,
                .attachments = o->attachments,
                .cookie = o->cookie};
        snprintf(t->id, sizeof(t->id), "%.*s", STR_ARG(o->id));
        snprintf(t->rev, sizeof(t->rev), "%.*s", STR_ARG(o->rev));
        snprintf(t->reason, sizeof(t->reason), "%s", o->reason ? o->reason : "");
        r->counts[o->result]++;
        if (r->hook)
                r->hook(r, t);
}

static void on_drain(void *ctx)
{
        ((struct bulk_run *)ctx)->room = true;
}

struct bulk_run *bulk_run_start(
        const struct couch_options *options, bool predicts, const char *database)
{
        struct bulk_run *r = calloc(1, sizeof(*r));
        struct err e;

        r->options = *options;
        r->database = database;
        must(loop_new(&r->loop, &e), &e);
        must(couch_open(&r->options, r->loop, NULL, &r->couch, &e), &e);
        const struct bulk_callbacks callbacks = {on_outcome, on_drain, r};
        must(bulk_new(r->couch, NULL, predicts, &callbacks, &r->bulk, &e), &e);
        return r;
}

void bulk_run_stop(struct bulk_run *r)
{
        bulk_free(r->bulk);
        couch_close(r->couch);
        loop_free(r->loop);
        free(r->told);
        free(r);
}

int bulk_run_push(struct bulk_run *r, struct bulk_doc doc, struct err *e)
{
        doc.database = r->database;
        doc.digest = digest_body(doc.body);
        int rc = bulk_push(r->bulk, &doc, e);
        if (rc != BULK_FULL)
                return rc;
        r->room = false;
        return loop_run_until(r->loop, &r->room, e);
}

void bulk_run_many(struct bulk_run *r, const char *prefix, int count)
{
        char id[128], body[64];
        struct err e;

        for (int i = 0; i < count; i++) {
                snprintf(id, sizeof(id), "%s-%05d", prefix, i);
                snprintf(body, sizeof(body), "\"n\":%d", i);
                const struct bulk_doc doc = {.id = str_of(id), .body = str_of(body)};
                if (bulk_run_push(r, doc, &e) < 0)
                        return; /* the writer has failed: its outcomes tell */
        }
}

const struct told *bulk_run_one(struct bulk_run *r, struct bulk_doc doc)
{
        struct err e;

        must(bulk_run_push(r, doc, &e), &e);
        must(bulk_drain(r->bulk, false, &e), &e);
        return &r->told[r->count - 1];
}

const struct told *bulk_run_find(const struct bulk_run *r, const char *id)
{
        for (size_t i = r->count; i > 0; i--)
                if (strcmp(r->told[i - 1].id, id) == 0)
                        return &r->told[i - 1];
        return NULL;
}
