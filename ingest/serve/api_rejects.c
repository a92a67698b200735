/*
 * Rejects: a page of them, one tried again, one dropped. They are in the control database: a task
 * asks for them. A retry is a run of this record alone; its key is looked up first.
 */
#include "ingest/serve/api_internal.h"

#include <inttypes.h>
#include <string.h>

#include "ingest/pipeline/reject_list.h"
#include "ingest/record/json.h"

#define REJECTS_STANDARD 100
#define REJECTS_MOST     1000
#define PAGE_MAX         ((size_t)32 << 20)
#define PAGE_ENOUGH      ((size_t)8 << 20) /* bytes after which a page is full whatever its limit */
#define ID_MAX           ((size_t)8 << 10) /* an address with it, percent-encoded, is a head's length */
#define PREFIX           "reject:"
#define DROP_WAIT_MS     10000 /* for the lock of a run of another process */
#define DROP_LOOK_MS     200

/* ---- ids: reject:MAPPER:KEY ---- */

/* Its mapper. Return: false: it is none of ours. */
static bool id_mapper(struct str id, char out[API_NAME_MAX])
{
        const struct str prefix = STR(PREFIX);

        if (!str_starts(id, prefix) || id.len > ID_MAX)
                return false;
        struct str rest = {id.ptr + prefix.len, id.len - prefix.len};
        const char *colon = memchr(rest.ptr, ':', rest.len);
        return colon && api_name_take((struct str){rest.ptr, (size_t)(colon - rest.ptr)}, out);
}

/* ---- a page ---- */

struct page {
        struct api_call call;
        char mapper[API_NAME_MAX]; /* "": all */
        char *key;                 /* owned; NULL: all */
        char *after;               /* owned; NULL: from the first */
        size_t limit, count;
        struct buf list, last; /* objects; the id of the last one */
        bool more;
};

static void page_free(struct page *p)
{
        if (!p)
                return;
        free(p->key);
        free(p->after);
        buf_deinit(&p->list);
        buf_deinit(&p->last);
        free(p);
}
DEFINE_CLEANUP(struct page *, page_free);

static int take_reject(void *ctx, const struct reject_view *reject, struct err *e)
{
        struct page *p = ctx;

        (void)e;
        if (p->count == p->limit || p->list.len > PAGE_ENOUGH) {
                p->more = true;
                return CONTROL_STOP;
        }
        if (p->count++)
                buf_putc(&p->list, ',');
        reject_view_json(reject, false, &p->list);
        buf_clear(&p->last);
        buf_put_str(&p->last, reject->id);
        return 0;
}

static int read_page(void *ctx, const struct config *config, struct loop *loop,
        const struct log *log, struct err *e)
{
        struct page *p = ctx;
        const struct str after = str_of(p->after);
        struct control control;
        int rc = control_open_within(config, loop, log, API_PATIENCE_MS, &control, e);

        if (!rc)
                rc = reject_page(&control, p->mapper[0] ? p->mapper : NULL, p->key, after,
                        take_reject, p, e);
        control_close(&control);
        return rc;
}

static void reply_page(struct http_exchange *x, struct page *p)
{
        cleanup_buf_ struct buf body = BUF_INIT(2 * PAGE_MAX);

        buf_puts(&body, "{\"rejects\":[");
        buf_put_str(&body, buf_str(&p->list));
        buf_puts(&body, "],\"next\":");
        if (p->more)
                json_put_lossy(&body, buf_str(&p->last));
        else
                buf_puts(&body, "null");
        buf_putc(&body, '}');
        api_reply_buf(x, 200, &body);
}

static void on_page(void *ctx, int rc, const struct err *e)
{
        cleanup_(page_freep) struct page *p = ctx;
        struct http_exchange *x = api_call_end(&p->call);
        size_t index;

        if (!x)
                return;
        if (rc)
                api_fail(x, e);
        else if (p->list.error)
                api_error(x, API_INTERNAL, "the rejects are larger than a reply may be");
        else if (p->count == 0 && p->mapper[0] &&
                 !service_mapper_find(p->call.api->service, str_of(p->mapper), &index))
                api_no_mapper(p->call.api, x, str_of(p->mapper));
        else
                reply_page(x, p);
}

/* Return: false: it was answered. */
static bool read_query(struct http_exchange *x, struct page *p)
{
        struct str key = http_exchange_query(x, "key"), after = http_exchange_query(x, "after");
        static const char *const names[] = {"mapper", "key", "limit", "after"};
        char mapper[API_NAME_MAX];

        buf_init(&p->list, PAGE_MAX);
        buf_init(&p->last, PAGE_MAX);
        if (!api_query_names(x, names, sizeof(names) / sizeof(names[0])) ||
                !api_query_limit(x, REJECTS_STANDARD, REJECTS_MOST, &p->limit) ||
                !api_query_mapper(x, p->mapper))
                return false;
        if (after.ptr &&
                (!id_mapper(after, mapper) || (p->mapper[0] && strcmp(mapper, p->mapper) != 0))) {
                api_error(x, API_BAD_REQUEST,
                        "after: the id of a reject of the same list, as `next` has it");
                return false;
        }
        p->key = key.ptr ? str_dup(key) : NULL;
        p->after = after.ptr ? str_dup(after) : NULL;
        if ((key.ptr && !p->key) || (after.ptr && !p->after)) {
                api_error(x, API_INTERNAL, "out of memory");
                return false;
        }
        return true;
}

void api_get_rejects(struct api *a, struct http_exchange *x, struct str part)
{
        cleanup_(page_freep) struct page *p = calloc(1, sizeof(*p));
        const struct service_task task = {.what = "reading rejects",
                .is_public = true,
                .only_reads = true,
                .work = read_page,
                .on_done = on_page,
                .ctx = p};

        (void)part;
        if (!p)
                api_error(x, API_INTERNAL, "out of memory");
        else if (read_query(x, p) && api_call_task(a, x, &p->call, &task))
                TAKE(p);
}

/* ---- one of them ---- */

struct one {
        struct api_call call;
        char mapper[API_NAME_MAX];
        char *id; /* owned */
        struct reject_keys keys;
        uint64_t dropped;
};

static void one_free(struct one *o)
{
        if (!o)
                return;
        reject_keys_deinit(&o->keys);
        free(o->id);
        free(o);
}
DEFINE_CLEANUP(struct one *, one_free);

/* Return: NULL: it was answered. */
static struct one *one_new(struct http_exchange *x, struct str id)
{
        cleanup_(one_freep) struct one *o = calloc(1, sizeof(*o));

        if (!api_body_flags(x, NULL, 0))
                return NULL;
        if (o && !id_mapper(id, o->mapper)) {
                api_error(x, API_NOT_FOUND,
                        "this is no reject's id: those begin with reject:MAPPER:");
                return NULL;
        }
        if (o)
                o->id = str_dup(id);
        if (!o || !o->id) {
                api_error(x, API_INTERNAL, "out of memory");
                return NULL;
        }
        return TAKE(o);
}

static void reply_gone(struct http_exchange *x)
{
        api_error(x, API_NOT_FOUND, "there is no reject of this id (any more)");
}

/* ---- retry ---- */

static size_t key_columns(const struct config_mapper *m)
{
        return m->extract->key.count ? m->extract->key.count : m->extract->group.count;
}

static int find_key(void *ctx, const struct config *config, struct loop *loop,
        const struct log *log, struct err *e)
{
        struct one *o = ctx;
        const struct config_mapper *mapper;
        struct control control;
        int rc = config_mapper(config, o->mapper, &mapper, e);

        if (rc)
                return rc;
        rc = control_open_within(config, loop, log, API_PATIENCE_MS, &control, e);
        if (!rc)
                rc = reject_keys(&control, o->mapper, o->id, key_columns(mapper), &o->keys, e);
        control_close(&control);
        return rc;
}

static void on_retried(void *ctx, const struct run_report *report)
{
        cleanup_(one_freep) struct one *o = ctx;
        struct http_exchange *x = api_call_end(&o->call);
        const struct run_counts *n = &report->counts;
        cJSON *json;

        if (!x || api_reply_report(x, report))
                return;
        json = cJSON_CreateObject();
        cJSON_AddNumberToObject(
                json, "written", (double)(n->created + n->updated + n->moved + n->deleted));
        cJSON_AddNumberToObject(json, "unchanged", (double)n->unchanged);
        cJSON_AddNumberToObject(json, "rejected", (double)n->rejected);
        cJSON_AddNumberToObject(json, "gone", (double)report->gone);
        api_reply_json(x, 200, json);
}

/* Return: 0; -class. The mapper may have another place since, or none. */
static int begin_retry(struct one *o, struct err *e)
{
        struct service_request request = {
                .options = {.keys = o->keys.keys, .key_count = o->keys.count},
                .although_paused = true,
                .on_done = on_retried,
                .ctx = o};

        if (!service_mapper_find(o->call.api->service, str_of(o->mapper), &request.mapper))
                return err_set(e, ERR_LOCKED, "mapper %s is not configured any more", o->mapper);
        return service_request_run(o->call.api->service, &request, e);
}

static void on_key(void *ctx, int rc, const struct err *e)
{
        cleanup_(one_freep) struct one *o = ctx;
        struct err failure;

        if (o->call.x && !rc && o->keys.count && begin_retry(o, &failure) == 0) {
                TAKE(o);
                return;
        }
        struct http_exchange *x = api_call_end(&o->call);
        if (x && rc)
                api_fail(x, e);
        else if (x && o->keys.without)
                api_error(x, API_CONFLICT,
                        "its record has no key that it could be read by: the next full read tries "
                        "it again");
        else if (x && !o->keys.count)
                reply_gone(x);
        else if (x)
                api_fail(x, &failure);
}

void api_post_retry(struct api *a, struct http_exchange *x, struct str part)
{
        cleanup_(one_freep) struct one *o = one_new(x, part);
        const struct service_task task = {.what = "looking for the reject",
                .only_reads = true,
                .work = find_key,
                .on_done = on_key,
                .ctx = o};
        size_t index;

        if (!o)
                return;
        if (!service_mapper_find(a->service, str_of(o->mapper), &index))
                api_no_mapper(a, x, str_of(o->mapper));
        else if (api_call_task(a, x, &o->call, &task))
                TAKE(o);
}

/* ---- drop ---- */

static int drop_one(void *ctx, const struct config *config, struct loop *loop,
        const struct log *log, struct err *e)
{
        struct one *o = ctx;
        struct control control;
        int rc = control_open_within(config, loop, log, API_PATIENCE_MS, &control, e);
        int64_t until_ms = loop_now_ms(loop) + DROP_WAIT_MS;

        while (!rc) {
                rc = reject_drop(&control, config, log, o->mapper, o->id, &o->dropped, e);
                if (rc != -ERR_LOCKED || loop_now_ms(loop) >= until_ms)
                        break;
                rc = loop_sleep(loop, DROP_LOOK_MS, e);
        }
        control_close(&control);
        return rc;
}

static void on_dropped(void *ctx, int rc, const struct err *e)
{
        cleanup_(one_freep) struct one *o = ctx;
        struct http_exchange *x = api_call_end(&o->call);
        cJSON *json;
        size_t index;

        if (x && service_mapper_find(o->call.api->service, str_of(o->mapper), &index))
                service_look_again(o->call.api->service, index);
        if (x && rc) {
                api_fail(x, e);
        } else if (x && !o->dropped) {
                reply_gone(x);
        } else if (x) {
                json = cJSON_CreateObject();
                cJSON_AddNumberToObject(json, "dropped", (double)o->dropped);
                api_reply_json(x, 200, json);
        }
}

/* A run that met its lock would end without having run; so would a push. */
static bool begin_drop(
        struct api *a, struct http_exchange *x, struct one *o, const struct service_task *task)
{
        struct err e;
        size_t index;

        if (!service_mapper_find(a->service, str_of(o->mapper), &index))
                return api_call_task(a, x, &o->call, task);
        api_call_begin(a, x, &o->call);
        if (service_task_hold(a->service, index, task, &e) == 0)
                return true;
        api_call_end(&o->call);
        api_fail(x, &e);
        return false;
}

void api_post_drop(struct api *a, struct http_exchange *x, struct str part)
{
        cleanup_(one_freep) struct one *o = one_new(x, part);
        const struct service_task task = {
                .what = "dropping a reject", .work = drop_one, .on_done = on_dropped, .ctx = o};

        if (o && begin_drop(a, x, o, &task))
                TAKE(o);
}
