/* A read of everything that is cancelled at its first record. */
#include "ingest/source/rest/probe.h"

#include "ingest/source/rest/client.h"
#include "ingest/source/rest/read.h"

#define RETRY_FOR_MS 3000 /* as for CouchDB: a server that starts just now is met */

struct probe {
        struct source_read *read;
        bool met, done; /* a record came: all is well */
        int rc;
        struct err err;
};

static int on_record(void *ctx, const struct record *record, struct err *e)
{
        struct probe *p = ctx;

        (void)record;
        (void)e;
        p->met = true;
        source_cancel(p->read);
        return SOURCE_PAUSE;
}

static int on_reject(void *ctx, struct str key, const char *reason, struct err *e)
{
        (void)ctx;
        (void)key;
        return err_set(e, ERR_CONFIG, "the first record cannot be used: %s", reason);
}

static void on_end(void *ctx, int rc, const struct err *e)
{
        struct probe *p = ctx;

        p->done = true;
        p->rc = p->met ? 0 : rc;
        if (p->rc)
                p->err = *e;
}

int rest_probe(
        struct source *source, const struct extract *x, const struct shape *shape, struct err *e)
{
        struct rest_source *s = (struct rest_source *)source;
        struct probe p = {0};
        const struct source_sink sink = {
                .on_record = on_record,
                .on_reject = on_reject,
                .on_end = on_end,
                .ctx = &p,
                .limit = 1,
        };
        const struct rest_reading reading = {.what = REST_ALL};

        rest_client_hurry(s->client, RETRY_FOR_MS);
        int rc = rest_read_start(s, x, shape, &reading, &sink, &p.read, e);

        if (!rc)
                rc = loop_run_until(s->loop, &p.done, e);
        if (rc) {
                rest_reads_reap(s, true); /* it may still be under way, and knows our stack */
                return rc;
        }
        if (p.rc)
                *e = p.err;
        return p.rc;
}
