/*
 * Pushed records. A large body is proved in a task, because that may take longer than others who
 * ask should wait; then a run takes the records, and its report is the answer: by then CouchDB has
 * acknowledged them.
 */
#include "ingest/serve/api_internal.h"

#include <string.h>

#include "ingest/pipeline/given.h"
#include "ingest/record/json.h"

#define INLINE_MAX  ((size_t)128 << 10) /* proved at once: less than a millisecond */
#define REJECTS_MAX 1000                /* named in the answer; `rejected` counts all */
#define KEY_MAX     ((size_t)64 << 10)

struct pushed_reject {
        char *key, *reason; /* owned; key is JSON */
};

struct push {
        struct api_call call;
        char mapper[API_NAME_MAX];
        struct buf body;               /* of a large one */
        struct given *given;           /* owned */
        struct pushed_reject *rejects; /* owned; of the run's thread until it has ended */
        size_t reject_count;
};

static void push_free(struct push *p)
{
        if (!p)
                return;
        for (size_t i = 0; i < p->reject_count; i++) {
                free(p->rejects[i].key);
                free(p->rejects[i].reason);
        }
        free(p->rejects);
        given_free(p->given);
        buf_deinit(&p->body);
        free(p);
}
DEFINE_CLEANUP(struct push *, push_free);

/* ---- rejects ---- */

static void forget_reject(struct push *p, struct str key)
{
        for (size_t i = 0; i < p->reject_count; i++) {
                if (!str_is(key, p->rejects[i].key))
                        continue;
                free(p->rejects[i].key);
                free(p->rejects[i].reason);
                p->rejects[i] = p->rejects[--p->reject_count];
                return;
        }
}

static void on_reject(void *ctx, struct str key, const char *field, const char *reason)
{
        struct push *p = ctx;
        cleanup_buf_ struct buf text = BUF_INIT(2 * ERR_TEXT_MAX);

        if (!reason) {
                forget_reject(p, key);
                return;
        }
        if (!p->rejects)
                p->rejects = calloc(REJECTS_MAX, sizeof(*p->rejects));
        if (!p->rejects || p->reject_count == REJECTS_MAX || key.len > KEY_MAX)
                return; /* it is counted, and in the control database */
        buf_printf(&text, "%s%s%.1500s", field, *field ? ": " : "", reason);
        struct pushed_reject made = {.key = str_dup(key), .reason = str_dup(buf_str(&text))};
        if (made.key && made.reason) {
                p->rejects[p->reject_count++] = made;
                return;
        }
        free(made.key);
        free(made.reason);
}

/* ---- the answer ---- */

struct own_run {
        const char *mapper;
        const struct service_run *found;
};

/* The newest push of a mapper that ended is ours: it had the mapper for itself until just now. */
static bool find_own(void *ctx, const struct service_run *run)
{
        struct own_run *own = ctx;

        if (run->pushed && run->ended_us && strcmp(run->mapper, own->mapper) == 0)
                own->found = run;
        return !own->found;
}

static void reply_pushed(struct http_exchange *x, struct push *p, const struct run_counts *n)
{
        struct own_run own = {.mapper = p->mapper};
        cJSON *json = cJSON_CreateObject();

        service_runs(p->call.api->service, find_own, &own);
        cJSON_AddNumberToObject(json, "received", (double)given_count(p->given));
        cJSON_AddNumberToObject(json, "created", (double)n->created);
        cJSON_AddNumberToObject(json, "updated", (double)n->updated);
        cJSON_AddNumberToObject(json, "moved", (double)n->moved);
        cJSON_AddNumberToObject(json, "unchanged", (double)n->unchanged);
        cJSON_AddNumberToObject(json, "rejected", (double)n->rejected);
        cJSON *list = cJSON_AddArrayToObject(json, "rejects");
        for (size_t i = 0; i < p->reject_count; i++) {
                cJSON *reject = cJSON_CreateObject();
                cJSON_AddRawToObject(reject, "key", p->rejects[i].key);
                api_add_text(reject, "reason", p->rejects[i].reason);
                cJSON_AddItemToArray(list, reject);
        }
        api_add_text(json, "run", own.found ? own.found->id : NULL);
        api_reply_json(x, 200, json);
}

static void on_pushed(void *ctx, const struct run_report *report)
{
        cleanup_(push_freep) struct push *p = ctx;
        struct http_exchange *x = api_call_end(&p->call);

        if (x && !api_reply_report(x, report))
                reply_pushed(x, p, &report->counts);
}

/* ---- the run ---- */

/* Return: 0: @p is the run's now; -class. */
static int begin(struct push *p, struct err *e)
{
        struct service_request request = {
                .options = {.given = p->given, .on_reject = on_reject, .on_reject_ctx = p},
                .on_done = on_pushed,
                .ctx = p};

        if (!service_mapper_find(p->call.api->service, str_of(p->mapper), &request.mapper))
                return err_set(e, ERR_LOCKED, "mapper %s is not configured any more", p->mapper);
        return service_request_run(p->call.api->service, &request, e);
}

static int prove(void *ctx, const struct config *config, struct loop *loop, const struct log *log,
        struct err *e)
{
        struct push *p = ctx;

        (void)config;
        (void)loop;
        (void)log;
        return given_new(buf_str(&p->body), &p->given, e);
}

static void on_proved(void *ctx, int rc, const struct err *e)
{
        cleanup_(push_freep) struct push *p = ctx;
        struct http_exchange *x;
        struct err failure;

        buf_deinit(&p->body);
        if (p->call.x && !rc) {
                rc = begin(p, &failure);
                e = &failure;
                if (!rc) {
                        TAKE(p);
                        return;
                }
        }
        x = api_call_end(&p->call);
        if (x)
                api_fail(x, e);
}

static void push_small(struct api *a, struct http_exchange *x, struct push **push)
{
        struct push *p = *push;
        struct err e;
        int rc = given_new(http_exchange_body(x), &p->given, &e);

        if (rc) {
                api_fail(x, &e);
                return;
        }
        api_call_begin(a, x, &p->call);
        rc = begin(p, &e);
        if (!rc) {
                TAKE(*push);
                return;
        }
        api_call_end(&p->call);
        api_fail(x, &e);
}

static void push_large(struct api *a, struct http_exchange *x, struct push **push)
{
        struct push *p = *push;
        const struct service_task task = {
                .what = "proving pushed records", .work = prove, .on_done = on_proved, .ctx = p};

        buf_put_str(&p->body, http_exchange_body(x));
        if (p->body.error)
                api_error(x, API_INTERNAL, "out of memory");
        else if (api_call_task(a, x, &p->call, &task))
                TAKE(*push);
}

void api_post_records(struct api *a, struct http_exchange *x, struct str part)
{
        cleanup_(push_freep) struct push *p = NULL;
        struct service_mapper m;
        size_t index;

        if (!api_mapper_find(a, x, part, &index))
                return;
        if (!api_media_type(x, "application/json") && !api_media_type(x, "application/x-ndjson")) {
                api_error(x, API_UNSUPPORTED_MEDIA_TYPE,
                        "records are application/json or application/x-ndjson");
                return;
        }
        service_mapper_at(a->service, index, &m);
        if (m.schedule.paused) {
                api_error(x, API_CONFLICT, "%s is paused: it takes no records until it is resumed",
                        m.name);
                return;
        }
        p = calloc(1, sizeof(*p));
        if (!p) {
                api_error(x, API_INTERNAL, "out of memory");
                return;
        }
        memcpy(p->mapper, part.ptr, part.len); /* a mapper's name fits */
        buf_init(&p->body, API_BODY_PUSH);
        if (http_exchange_body(x).len <= INLINE_MAX)
                push_small(a, x, &p);
        else
                push_large(a, x, &p);
}
