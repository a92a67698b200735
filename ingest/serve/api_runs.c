/*
 * Runs that the service knows, and behind them those of the history, which only a task can ask
 * for. Each is told once: by its id.
 */
#include "ingest/serve/api_internal.h"

#include <string.h>

#include "ingest/pipeline/run_list.h"

#define RUNS_STANDARD 50
#define RUNS_MOST     500

struct runs {
        struct api_call call;
        char mapper[API_NAME_MAX]; /* "": all */
        size_t limit;
        cJSON *list;    /* owned: RUNs, the newest first */
        cJSON *history; /* owned: documents; NULL: not known */
};

static void runs_free(struct runs *r)
{
        if (!r)
                return;
        cJSON_Delete(r->list);
        cJSON_Delete(r->history);
        free(r);
}
DEFINE_CLEANUP(struct runs *, runs_free);

static bool take_run(void *ctx, const struct service_run *run)
{
        struct runs *r = ctx;

        if (!r->mapper[0] || strcmp(run->mapper, r->mapper) == 0)
                cJSON_AddItemToArray(r->list, api_run_json(run));
        return (size_t)cJSON_GetArraySize(r->list) < r->limit;
}

/* ---- merging ---- */

static const char *text_of(const cJSON *run, const char *name)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(run, name));

        return text ? text : "";
}

static bool is_known(const cJSON *list, const char *id)
{
        const cJSON *run;

        cJSON_ArrayForEach(run, list) if (strcmp(text_of(run, "id"), id) == 0) return true;
        return false;
}

/* Moves those in front of @list that began at @started or later to the end of @to. */
static void move_newer(cJSON *list, const char *started, cJSON *to)
{
        while (list && list->child && strcmp(text_of(list->child, "started"), started) >= 0)
                cJSON_AddItemToArray(to, cJSON_DetachItemFromArray(list, 0));
}

/* Both begin with the newest. A new list is made of them: cJSON_InsertItemInArray() of some
 * versions (1.7.17, and older ones with its corrections) puts nothing between two items. */
static void add_history(struct runs *r)
{
        cJSON *known = TAKE(r->list);
        const cJSON *document;

        r->list = cJSON_CreateArray();
        cJSON_ArrayForEach(document, r->history)
        {
                cJSON *run = api_history_json(document);
                move_newer(known, text_of(run, "started"), r->list);
                const char *id = text_of(run, "id");
                if (is_known(r->list, id) || is_known(known, id) ||
                        !cJSON_AddItemToArray(r->list, run))
                        cJSON_Delete(run);
        }
        move_newer(known, "", r->list);
        cJSON_Delete(known);
        while ((size_t)cJSON_GetArraySize(r->list) > r->limit)
                cJSON_DeleteItemFromArray(r->list, cJSON_GetArraySize(r->list) - 1);
}

/* ---- the request ---- */

static void reply(struct api *a, struct http_exchange *x, struct runs *r, bool complete)
{
        cJSON *json;
        size_t index;

        if (complete && r->mapper[0] && cJSON_GetArraySize(r->list) == 0 &&
                !service_mapper_find(a->service, str_of(r->mapper), &index)) {
                api_no_mapper(a, x, str_of(r->mapper));
                return;
        }
        json = cJSON_CreateObject();
        cJSON_AddItemToObject(json, "runs", TAKE(r->list));
        cJSON_AddBoolToObject(json, "complete", complete);
        api_reply_json(x, 200, json);
}

static int read_history(void *ctx, const struct config *config, struct loop *loop,
        const struct log *log, struct err *e)
{
        struct runs *r = ctx;
        struct control control;
        int rc = control_open_within(config, loop, log, API_PATIENCE_MS, &control, e);

        if (!rc)
                rc = run_list(&control, r->mapper[0] ? r->mapper : NULL, r->limit, &r->history, e);
        control_close(&control);
        return rc;
}

static void on_history(void *ctx, int rc, const struct err *e)
{
        cleanup_(runs_freep) struct runs *r = ctx;
        struct http_exchange *x = api_call_end(&r->call);

        (void)e;
        if (!x)
                return;
        add_history(r);
        reply(r->call.api, x, r, rc == 0);
}

void api_get_runs(struct api *a, struct http_exchange *x, struct str part)
{
        static const char *const names[] = {"mapper", "limit"};
        cleanup_(runs_freep) struct runs *r = calloc(1, sizeof(*r));
        const struct service_task task = {.what = "reading the run history",
                .is_public = true,
                .only_reads = true,
                .work = read_history,
                .on_done = on_history,
                .ctx = r};

        (void)part;
        if (!r)
                api_error(x, API_INTERNAL, "out of memory");
        if (!r || !api_query_names(x, names, sizeof(names) / sizeof(names[0])) ||
                !api_query_limit(x, RUNS_STANDARD, RUNS_MOST, &r->limit) ||
                !api_query_mapper(x, r->mapper))
                return;
        r->list = cJSON_CreateArray();
        service_runs(a->service, take_run, r);
        if ((size_t)cJSON_GetArraySize(r->list) == r->limit)
                reply(a, x, r, true);
        else if (api_call_task(a, x, &r->call, &task))
                TAKE(r);
}
