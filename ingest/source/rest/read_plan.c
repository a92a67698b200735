/* From what is wanted (rest_what) to requests, and to who takes their records. */
#include "ingest/source/rest/read_internal.h"

#define PREVIEW_MIN 10   /* records of a page: smaller ones have no room to overlap */
#define PREVIEW_MAX 1000 /* beyond it pages are as large as ever */

static int list_wanted(struct rest_read *r, const struct rest_reading *reading, struct err *e)
{
        size_t width = r->shape->key_count;
        struct value *row = arena_array(r->arena, r->shape->columns.count, sizeof(*row));

        r->wanted = arena_array(r->arena, reading->key_rows + 1, sizeof(*r->wanted));
        if (!row || !r->wanted)
                return arena_failed(r->arena, "keys", e);
        for (size_t i = 0; i < reading->key_rows; i++) {
                for (size_t k = 0; k < width; k++)
                        row[r->shape->key[k]] = reading->keys[i * width + k];
                struct str key = arena_dup(r->arena, read_encode_key(r, row));
                if (!key.ptr)
                        return arena_failed(r->arena, "keys", e);
                r->wanted[r->wanted_count++].key = key;
        }
        qsort(r->wanted, r->wanted_count, sizeof(*r->wanted), read_compare_wanted);
        return 0;
}

static int start_keys(struct rest_read *r, const struct rest_reading *reading, struct err *e)
{
        const struct rest_keys_plan plan = {
                .source = r->source,
                .x = r->x,
                .shape = r->shape,
                .keys = reading->keys,
                .count = reading->key_rows,
                .on_change = read_wake,
                .ctx = r,
        };

        return rest_keys_new(&plan, &r->keys, e);
}

/* The names that OData has to select for a key: those that its paths begin with. */
static int select_key(struct rest_read *r, struct err *e)
{
        const struct string_list *paths = rest_key_paths(r->x);

        r->select.items = arena_array(r->arena, paths->count, sizeof(*r->select.items));
        if (!r->select.items)
                return arena_failed(r->arena, "a read", e);
        for (size_t i = 0; i < paths->count; i++) {
                struct str head = {paths->items[i], strcspn(paths->items[i], ".[")};
                const char *name = arena_strdup(r->arena, head);

                if (!name)
                        return arena_failed(r->arena, "a read", e);
                r->select.items[r->select.count++] = name;
        }
        return 0;
}

/* Of a preview: its pages need not be larger than what is shown. */
static void ask_for_few(struct rest_read *r, struct rest_walk_plan *plan)
{
        int64_t limit = r->sink.limit < PREVIEW_MIN ? PREVIEW_MIN : (int64_t)r->sink.limit;

        if (plan->paging->size > limit) {
                r->paging = *plan->paging;
                r->paging.size = limit;
                plan->paging = &r->paging;
        }
        if (plan->odata && (!plan->odata->page_size || plan->odata->page_size > limit)) {
                r->odata = *plan->odata;
                r->odata.page_size = limit;
                plan->odata = &r->odata;
        }
}

static int plan_walk(struct rest_read *r, struct rest_walk_plan *plan, struct err *e)
{
        const struct rest_extract *own = rest_own(r->x);
        const struct rest_since *since = r->source->since;
        bool follows = since && since->x == r->x && !since->full;

        plan->call = &own->call;
        plan->paging = &own->paging;
        plan->odata = own->odata.version ? &own->odata : NULL;
        plan->cursor = &own->cursor;
        switch (r->what) {
        case REST_ALL:
        case REST_BY_KEYS:
                break;
        case REST_SINCE:
                plan->from = since->from;
                break;
        case REST_KEYS:
                plan->only = &r->select;
                return select_key(r, e);
        case REST_DELETED:
                /* ${cursor} may stand in its call; how the records take theirs says nothing. */
                r->feed_cursor = own->cursor;
                r->feed_cursor.param = r->feed_cursor.header = r->feed_cursor.filter = NULL;
                plan->call = &own->feed;
                plan->paging = &own->feed_paging;
                r->feed_odata.version = own->odata.version;
                plan->odata = own->feed_paging.kind == REST_PAGING_ODATA ? &r->feed_odata : NULL;
                plan->key = &r->x->deletes.key;
                plan->cursor = &r->feed_cursor;
                plan->from = follows ? since->from : (struct str){0};
                break;
        }
        if (r->sink.limit && r->sink.limit < PREVIEW_MAX && r->what == REST_ALL)
                ask_for_few(r, plan);
        if (r->since && r->since->resumes)
                plan->mark = r->since->pager_mark;
        return 0;
}

static int start_walk(struct rest_read *r, struct err *e)
{
        struct rest_walk_plan plan = {
                .source = r->source,
                .extract = rest_own(r->x),
                .key = r->x->group.count ? NULL : &r->x->key, /* many rows have those of a group */
                .on_record = read_on_record,
                .on_oversize = read_on_oversize,
                .on_page = read_on_page,
                .on_end = read_on_walk_end,
                .ctx = r,
        };
        int rc = plan_walk(r, &plan, e);

        return rc ? rc : rest_walk_new(&plan, &r->walk, e);
}

/* Records leave alone where only keys are read. */
int read_start_way_out(struct rest_read *r, struct err *e)
{
        const struct row_stream stream = {read_stream_next, read_release_row, r};
        const struct rest_children_plan plan = {
                .source = r->source,
                .x = r->x,
                .shape = r->shape,
                .rows = r->rows,
                .on_change = read_wake,
                .ctx = r,
        };

        if (r->what == REST_KEYS || r->what == REST_DELETED)
                return 0;
        if (r->x->group.count)
                return group_new(&stream, r->shape->columns.count, r->shape->key,
                        r->shape->key_count, NULL, &r->assembler, e);
        return r->x->child_count ? rest_children_new(&plan, &r->children, e) : 0;
}

int read_start_input(struct rest_read *r, const struct rest_reading *reading, struct err *e)
{
        if (r->what == REST_BY_KEYS && reading->key_rows == 0) {
                r->input_ended = true;
                return 0;
        }
        if (r->what == REST_BY_KEYS && rest_keys_possible(r->x))
                return start_keys(r, reading, e);
        int rc = r->what == REST_BY_KEYS ? list_wanted(r, reading, e) : 0;
        return rc ? rc : start_walk(r, e);
}
