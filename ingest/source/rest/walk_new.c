/* What is asked of a reply - places, facts, keys - follows from the plan, once. */
#include "ingest/source/rest/walk_internal.h"

#include "ingest/source/rest/odata.h"
#include "ingest/source/rest/shape.h"

#define URL_MAX   (64 << 10)
#define FIELD_MAX (64 << 10) /* of a keyset's value */
#define ARENA_MAX (1 << 20)

static void add_fact(struct rest_walk *w, enum fact f, const char *path)
{
        w->fact_at[f] = FACTS;
        if (!path || !path[0])
                return;
        w->fact_at[f] = w->options.fact_count;
        w->options.facts[w->options.fact_count++] = path;
}

static bool is_odata(const struct rest_walk *w)
{
        return w->plan.odata && w->plan.odata->version;
}

static void set_next(struct rest_walk *w, const struct rest_paging_spec *p)
{
        const char *const *next = NULL;

        if (is_odata(w) && p->kind == REST_PAGING_ODATA && !p->next)
                next = rest_odata_next(w->plan.odata->version);
        add_fact(w, FACT_NEXT, next ? next[0] : p->next);
        add_fact(w, FACT_NEXT_2, next && next[0] ? next[1] : NULL);
        add_fact(w, FACT_NEXT_3, next && next[0] && next[1] ? next[2] : NULL);
}

static void set_place(struct rest_walk *w)
{
        int version = is_odata(w) ? w->plan.odata->version : 0;

        w->options.path = w->plan.call->records;
        if (!version || w->options.path)
                return;
        w->places = w->plan.entity ? rest_odata_entity(version) : rest_odata_records(version);
        w->options.path = w->places[0];
}

static void accept(struct rest_walk *w, int status)
{
        if (w->accept_count < REST_ACCEPT_MAX)
                w->accept[w->accept_count++] = status;
}

static void set_options(struct rest_walk *w)
{
        const struct rest_paging_spec *p = w->plan.paging ? w->plan.paging : &w->one_page;
        const struct rest_extract *x = w->plan.extract;

        set_place(w);
        w->options.max_record = (size_t)w->plan.source->options->max_record;
        w->options.on_record = walk_on_record;
        w->options.on_oversize = walk_on_oversize;
        w->options.ctx = w;
        set_next(w, p);
        add_fact(w, FACT_TOTAL, p->total);
        add_fact(w, FACT_PAGES, p->pages);
        add_fact(w, FACT_MORE, p->more);
        add_fact(w, FACT_ERROR, x->error_path);
        add_fact(w, FACT_MESSAGE, x->error_message);
        if (w->plan.entity)
                accept(w, 404);
        if (w->plan.entity)
                accept(w, 410);
        if (w->plan.guessed)
                accept(w, 400);
        for (size_t i = 0; i < x->empty_count; i++)
                accept(w, x->empty_on[i]);
}

/* Pages by number or offset shift: the pager wants to know each record. */
static int set_pick(struct rest_walk *w, struct err *e)
{
        const struct rest_paging_spec *p = w->plan.paging;
        const struct string_list *key = w->plan.key;
        size_t count = key ? key->count : 0;

        w->is_keyset = p && p->kind == REST_PAGING_KEYSET;
        if (!p || (!w->is_keyset && p->kind != REST_PAGING_PAGE && p->kind != REST_PAGING_OFFSET))
                return 0;
        const char **paths = arena_array(w->arena, count + 1, sizeof(*paths));
        w->picked = arena_array(w->arena, count + 1, sizeof(*w->picked));
        if (!paths || !w->picked)
                return arena_failed(w->arena, "a read", e);
        if (count)
                memcpy(paths, key->items, count * sizeof(*paths));
        w->keys = count;
        if (w->is_keyset)
                paths[count] = p->field ? p->field : count ? key->items[0] : "id";
        return json_pick_new(paths, count + w->is_keyset, w->arena, &w->pick, e);
}

static int copy_plan(struct rest_walk *w, struct err *e)
{
        struct rest_walk_plan *p = &w->plan;
        size_t count = REST_PAGE_VARS + p->vars.count;

        w->arena = arena_new(ARENA_MAX);
        if (!w->arena)
                return err_nomem(e, "a read");
        w->vars = arena_array(w->arena, count, sizeof(*w->vars));
        if (w->vars && p->vars.count)
                memcpy(w->vars + REST_PAGE_VARS, p->vars.items,
                        p->vars.count * sizeof(*p->vars.items));
        if (w->vars && p->from.ptr) {
                p->from = arena_dup(w->arena, p->from);
                return p->from.ptr ? 0 : arena_failed(w->arena, "a cursor", e);
        }
        return w->vars ? 0 : arena_failed(w->arena, "a read", e);
}

static int init(struct rest_walk *w, struct err *e)
{
        const struct rest_paging_spec *spec = w->plan.paging ? w->plan.paging : &w->one_page;
        int rc = copy_plan(w, e);

        if (rc)
                return rc;
        set_options(w);
        rc = set_pick(w, e);
        if (!rc)
                rc = rest_pager_new(spec, w->plan.mark, &w->pager, e);
        if (!rc && !w->plan.key)
                rest_pager_each_counts(w->pager);
        if (!rc)
                rc = loop_timer_new(w->plan.source->loop, walk_on_soon, w, &w->soon, e);
        return rc;
}

int rest_walk_new(const struct rest_walk_plan *plan, struct rest_walk **out, struct err *e)
{
        struct rest_walk *w = calloc(1, sizeof(*w));

        if (!w)
                return err_nomem(e, "a read");
        w->plan = *plan;
        w->one_page.max_pages = 1;
        w->first_page = true;
        w->from_mark = plan->mark.len > 0;
        w->server_us = w->page_us = -1;
        w->left = BUF_INIT(LEFT_MAX);
        w->base = BUF_INIT(URL_MAX);
        w->link = BUF_INIT(URL_MAX);
        w->etag = BUF_INIT(URL_MAX);
        w->last_field = BUF_INIT(FIELD_MAX);
        rest_asked_init(&w->asked);
        int rc = init(w, e);
        if (rc) {
                rest_walk_free(w);
                return rc;
        }
        loop_timer_soon(w->soon);
        *out = w;
        return 0;
}

struct rest_walk *rest_walk_free(struct rest_walk *w)
{
        if (!w)
                return NULL;
        loop_timer_free(w->soon);
        json_records_free(w->records);
        rest_pager_free(w->pager);
        rest_asked_deinit(&w->asked);
        buf_deinit(&w->left);
        buf_deinit(&w->base);
        buf_deinit(&w->link);
        buf_deinit(&w->etag);
        buf_deinit(&w->last_field);
        arena_free(w->arena);
        free(w);
        return NULL;
}
