/* A run is a document "run:MAPPER:TIME" in the control database; TIME sorts by age. */
#include "ingest/pipeline/given.h"
#include "ingest/pipeline/last_run.h"
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>

#define HISTORY_RUNS 100 /* kept for each mapper (DESIGN.md section 3) */

static cJSON *run_document(const struct run *r)
{
        char started[CLOCK_RFC3339_MAX], id[160];
        cJSON *doc = cJSON_CreateObject();

        clock_rfc3339(r->started_wall_us, started);
        snprintf(id, sizeof(id), "run:%s:%s", r->spec->name, started);
        cJSON_AddStringToObject(doc, "_id", id);
        cJSON_AddStringToObject(doc, "type", "run");
        cJSON_AddStringToObject(doc, "mapper", r->spec->name);
        cJSON_AddStringToObject(doc, "started", started);
        if (r->options.trigger)
                cJSON_AddStringToObject(doc, "trigger", r->options.trigger);
        cJSON_AddBoolToObject(doc, "full", r->options.full);
        cJSON_AddNumberToObject(doc, "seconds", (double)r->report->elapsed_ms / 1000.0);
        cJSON_AddStringToObject(doc, "outcome", run_outcome_name(r->report->outcome));
        if (r->report->outcome != RUN_OK && r->report->outcome != RUN_REJECTS)
                cJSON_AddStringToObject(doc, "error", r->report->err.text);
        run_counts_json(r->counts, doc);
        if (r->options.key_count) /* no run of its schedule: rejects were tried again */
                cJSON_AddNumberToObject(doc, "keys", (double)r->options.key_count);
        if (r->options.given)
                cJSON_AddNumberToObject(doc, "pushed", (double)given_count(r->options.given));
        if (r->report->withheld)
                cJSON_AddNumberToObject(doc, "withheld", (double)r->report->withheld);
        return doc;
}

void history_begin_here(const struct run *r)
{
        char started[CLOCK_RFC3339_MAX];

        last_run_begin(
                r->config, r->spec->name, clock_rfc3339(r->started_wall_us, started), r->log);
}

void history_note_here(const struct run *r)
{
        bool done = r->report->outcome == RUN_OK || r->report->outcome == RUN_REJECTS;
        bool some = r->options.key_count || r->options.given;
        bool refused = r->options.given && r->report->err.class == ERR_REJECT;
        cJSON *doc = NULL;

        if (!r->lock || r->options.dry_run)
                return;
        /* Locked by another machine, or a body that nobody can take: it did nothing. */
        if (r->report->outcome != RUN_LOCKED && !refused)
                doc = run_document(r);
        last_run_write(r->config, r->spec->name, doc, done && !some, r->log);
        cJSON_Delete(doc);
}

struct aging {
        cJSON *docs;   /* of the request */
        size_t others; /* runs of this mapper that are there already */
        struct {
                char id[160], rev[STATE_MAX_REV];
        } oldest[8];
};

static int note_run(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct aging *a = ctx;

        (void)e;
        if (a->others < sizeof(a->oldest) / sizeof(a->oldest[0])) {
                snprintf(
                        a->oldest[a->others].id, sizeof(a->oldest[0].id), "%.*s", STR_ARG(doc->id));
                snprintf(a->oldest[a->others].rev, sizeof(a->oldest[0].rev), "%.*s",
                        STR_ARG(doc->rev));
        }
        a->others++;
        return 0;
}

/* A few old runs go with each new one, so that a limit lowered once is reached again in time. */
static void retire(struct aging *a)
{
        for (size_t i = 0; i < sizeof(a->oldest) / sizeof(a->oldest[0]); i++) {
                if (a->others + 1 <= HISTORY_RUNS + i || i >= a->others)
                        return;
                cJSON *doc = cJSON_CreateObject();
                cJSON_AddStringToObject(doc, "_id", a->oldest[i].id);
                cJSON_AddStringToObject(doc, "_rev", a->oldest[i].rev);
                cJSON_AddBoolToObject(doc, "_deleted", true);
                cJSON_AddItemToArray(a->docs, doc);
        }
}

static int post_docs(struct run *r, cJSON *docs, struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(4096);
        cJSON *body = cJSON_CreateObject();

        cJSON_AddItemToObject(body, "docs", docs);
        char *text = cJSON_PrintUnformatted(body);
        cJSON_Delete(body);
        if (!text)
                return err_nomem(e, "run document");
        buf_putc(&path, '/');
        http_url_encode(&path, str_of(r->control));
        buf_puts(&path, "/_bulk_docs");
        struct couch_request request = {
                .method = "POST", .path = buf_cstr(&path), .body = str_of(text)};
        int rc = couch_call(r->couch, &request, NULL, NULL, e);
        cJSON_free(text);
        return rc;
}

int history_write(struct run *r, struct err *e)
{
        /* Runs that another one locks out must not push out those that did something. */
        if (r->report->outcome == RUN_LOCKED && r->number == 0)
                return 0;
        struct aging a = {.docs = cJSON_CreateArray()};
        char prefix[96];

        snprintf(prefix, sizeof(prefix), "run:%s:", r->spec->name);
        int rc = scan_prefix(r->couch, r->control, str_of(prefix), false, note_run, &a, e);
        if (rc) {
                cJSON_Delete(a.docs);
                return err_wrap(e, rc, "run history in database %s", r->control);
        }
        cJSON_AddItemToArray(a.docs, run_document(r));
        retire(&a);
        rc = post_docs(r, a.docs, e);
        crash_point(CRASH_HISTORY_WRITTEN);
        return rc ? err_wrap(e, rc, "run history in database %s", r->control) : 0;
}
