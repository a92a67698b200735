/*
 * Opening is bounded as a whole; then the patience begins anew with whatever CouchDB answers, so
 * that a long list may take its time. A scan ends early by an error of its callback: that error
 * stays in here.
 */
#include "ingest/pipeline/control.h"

#include <string.h>

int control_open_within(const struct config *config, struct loop *loop, const struct log *log,
        int64_t patience_ms, struct control *out, struct err *e)
{
        struct couch_database db = {0};

        *out = (struct control){
                .options = config->couch, .database = config->couch.control_database};
        if (out->options.retry_for_ms > patience_ms)
                out->options.retry_for_ms = patience_ms;
        int rc = couch_open(&out->options, loop, log, &out->couch, e);
        if (!rc)
                couch_patience(out->couch, patience_ms, false);
        if (!rc)
                rc = couch_server(out->couch, &out->server, e);
        if (!rc)
                rc = couch_database(out->couch, out->database, &db, e);
        couch_database_deinit(&db);
        out->absent = rc == COUCH_ABSENT;
        if (rc >= 0)
                couch_patience(out->couch, patience_ms, true);
        return rc < 0 ? rc : 0;
}

int control_open(const struct config *config, struct loop *loop, const struct log *log,
        struct control *out, struct err *e)
{
        return control_open_within(config, loop, log, CONTROL_PATIENCE_MS, out, e);
}

void control_close(struct control *c)
{
        c->couch = couch_close(c->couch);
}

struct early {
        scan_doc_fn fn;
        void *ctx;
        struct str after;
        bool stopped;
};

static int pass_on(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct early *s = ctx;

        if (s->after.ptr && str_cmp(doc->id, s->after) <= 0)
                return 0;
        int rc = s->fn(s->ctx, doc, e);
        if (rc != CONTROL_STOP)
                return rc;
        s->stopped = true;
        return err_set(e, ERR_CANCEL, "enough");
}

/* The end of what begins with @prefix, which ends with ':': the next character is ';'. */
static struct str above(struct str prefix, struct buf *out)
{
        buf_put(out, prefix.ptr, prefix.len - 1);
        buf_putc(out, ';');
        return buf_str(out);
}

int control_scan(struct control *c, struct str prefix, struct str after, bool bodies,
        scan_doc_fn fn, void *ctx, struct err *e)
{
        struct early s = {.fn = fn, .ctx = ctx, .after = after};
        cleanup_buf_ struct buf end = BUF_INIT(prefix.len);

        if (c->absent)
                return 0;
        int rc = scan_range(c->couch, c->database, after.ptr ? after : prefix, above(prefix, &end),
                bodies, pass_on, &s, e);
        return s.stopped ? 0 : rc;
}
