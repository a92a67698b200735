/*
 * Ids sort by mapper first: the newest of all mappers are found by looking at each. Of those seen,
 * twice as many as were asked for are kept, and sorted when there are more.
 */
#include "ingest/pipeline/run_list.h"

#include <stdio.h>
#include <string.h>

#define ID_MAX 256 /* "run:", a mapper's name, a time */

struct found {
        char started[40];
        cJSON *run; /* owned */
};

struct newest {
        size_t max, count;
        struct found *found; /* 2 * max of them */
        bool full;           /* found[max - 1] is the oldest that counts */
};

static int compare(const void *a, const void *b)
{
        return strcmp(((const struct found *)b)->started, ((const struct found *)a)->started);
}

static void keep_newest(struct newest *n)
{
        qsort(n->found, n->count, sizeof(*n->found), compare);
        for (; n->count > n->max; n->count--)
                cJSON_Delete(n->found[n->count - 1].run);
        n->full = n->count == n->max;
}

/* A document of ours: its mapper and time. */
static cJSON *parse(const struct scan_doc *doc, const char **started)
{
        cJSON *run = cJSON_ParseWithLength(doc->json.ptr, doc->json.len);

        *started = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(run, "started"));
        if (*started && cJSON_IsString(cJSON_GetObjectItemCaseSensitive(run, "mapper")))
                return run;
        cJSON_Delete(run);
        return NULL;
}

static int take(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct newest *n = ctx;
        const char *started;
        cJSON *run = parse(doc, &started);

        if (!run)
                return 0;
        if (n->full && strcmp(started, n->found[n->max - 1].started) <= 0) {
                cJSON_Delete(run);
                return 0;
        }
        struct found *f = &n->found[n->count++];
        snprintf(f->started, sizeof(f->started), "%s", started);
        f->run = run;
        if (n->count == 2 * n->max)
                keep_newest(n);
        return 0;
}

int run_list(struct control *c, const char *mapper, size_t max, cJSON **out, struct err *e)
{
        cleanup_(freep) struct found *found = calloc(2 * max, sizeof(*found));
        struct newest n = {.max = max, .found = found};
        char prefix[ID_MAX];

        if (!found)
                return err_nomem(e, "run history");
        snprintf(prefix, sizeof(prefix), "run:%s%s", mapper ? mapper : "", mapper ? ":" : "");
        int rc = control_scan(c, str_of(prefix), (struct str){0}, true, take, &n, e);
        cJSON *list = cJSON_CreateArray();
        keep_newest(&n);
        for (size_t i = 0; i < n.count; i++)
                cJSON_AddItemToArray(list, n.found[i].run);
        if (rc)
                cJSON_Delete(list);
        else
                *out = list;
        return rc ? err_wrap(e, rc, "run history in database %s", c->database) : 0;
}

static int take_one(void *ctx, const struct scan_doc *doc, struct err *e)
{
        const char *started;

        cJSON_Delete(*(cJSON **)ctx); /* a scan that began again */
        *(cJSON **)ctx = parse(doc, &started);
        return 0;
}

int run_find(struct control *c, struct str id, cJSON **out, struct err *e)
{
        cleanup_buf_ struct buf name = BUF_INIT(ID_MAX);
        cJSON *run = NULL;
        int rc = 0;

        buf_puts(&name, "run:");
        buf_put_str(&name, id);
        if (!c->absent && !name.error && str_utf8_valid(id))
                rc = scan_document(c->couch, c->database, buf_str(&name), take_one, &run, e);
        if (!rc)
                *out = run;
        else
                cJSON_Delete(run);
        return rc ? err_wrap(e, rc, "run history in database %s", c->database) : 0;
}
