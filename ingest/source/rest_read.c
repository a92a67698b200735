/*
 * Records come from pages (rest_walk) or from calls by key (rest_keys), are taken one at a time
 * (take), and leave on one of three ways: as they come; in groups (group.h); or through the window
 * where their children are fetched (rest_child). Whatever is taken is kept until the sink has it:
 * so the walk need not know that a sink may refuse.
 *
 * All that happens between callbacks happens in pump(), from one timer: on_end is the last thing
 * there, and the read is freed with the next call to the source.
 */
#include "ingest/source/rest_read.h"

#include <stdio.h>

#include "ingest/record/key.h"
#include "ingest/source/group.h"
#include "ingest/source/rest_child.h"
#include "ingest/source/rest_keys.h"
#include "ingest/source/rest_since.h"
#include "ingest/source/rest_walk.h"

#define ARENA_MAX     (64 << 20) /* columns, and keys that are looked for in pages */
#define KEY_MAX_BYTES (1 << 20)  /* of the key of a reject: then it is not known */
#define MARK_MAX      (2 << 20)
#define PREVIEW_MIN   10   /* records of a page: smaller ones have no room to overlap */
#define PREVIEW_MAX   1000 /* beyond it pages are as large as ever */
#define HEAD_SHOWN    80   /* bytes of a record that is too large */

struct wanted {
        struct str key; /* as key_encode() has it */
        bool found;
};

struct rest_read {
        struct source_base base;
        struct rest_source *source;
        struct rest_read *next; /* of the source's reads */
        const struct extract *x;
        const struct shape *shape; /* borrowed until on_end */
        struct source_sink sink;
        enum rest_what what;
        struct arena *arena;
        struct rest_rows *rows;
        struct rest_since *since; /* of the source, where this read moves the position; or NULL */
        struct rest_paging_spec paging; /* of a preview */
        struct rest_cursor_spec feed_cursor;
        struct rest_odata_spec feed_odata;
        struct rest_odata_spec odata;
        struct string_list select;
        struct loop_timer *soon;

        struct rest_walk *walk; /* one of the two; neither: no key is asked for */
        struct rest_keys *keys;
        struct wanted *wanted; /* of pages, these alone; sorted */
        size_t wanted_count, found_count;

        struct rest_children *children; /* one of the two, or neither */
        struct assembler *assembler;
        struct row ahead; /* of the assembler's stream; bytes NULL: none */
        struct assembled record;
        bool record_held; /* the sink did not take it */
        struct row held;  /* the same of a record on its own; bytes NULL: none */
        struct child_rows none[1];
        struct buf key;

        bool input_ended; /* no record comes any more */
        bool group_ended, enough;
        bool unreadable; /* of a read by key: a record could not be told from those wanted */
        bool paused, stopping, ended;
        int rc; /* of the first failure */
        struct err err;
};

static void pump(struct rest_read *r);

static void wake(void *ctx)
{
        loop_timer_soon(((struct rest_read *)ctx)->soon);
}

/* ---- ending ---- */

static void stop(struct rest_read *r, int rc, const struct err *e)
{
        if (r->stopping || r->ended)
                return;
        r->stopping = true;
        r->rc = rc;
        if (rc)
                r->err = *e;
        if (r->walk && !rest_walk_ended(r->walk))
                rest_walk_cancel(r->walk);
        if (r->keys)
                rest_keys_cancel(r->keys);
        if (r->children)
                rest_children_cancel(r->children);
        wake(r);
}

static bool is_idle(const struct rest_read *r)
{
        return (!r->walk || rest_walk_ended(r->walk)) && (!r->keys || rest_keys_idle(r->keys)) &&
               (!r->children || rest_children_idle(r->children));
}

static void finish_well(struct rest_read *r)
{
        const char *doubt = r->walk && !r->enough ? rest_walk_doubt(r->walk) : "";

        if (doubt[0])
                log_warn(r->source->log, "%s: records may be missing", doubt);
        else if (r->unreadable && !r->enough)
                doubt = "a record came without its key";
        snprintf(r->source->doubt, sizeof(r->source->doubt), "%s", doubt);
        if (r->since)
                rest_since_finished(r->since);
}

static void end(struct rest_read *r)
{
        r->ended = true;
        if (!r->rc)
                finish_well(r);
        else
                err_wrap(&r->err, r->rc, "source %s", r->source->config->name);
        if (r->sink.on_end)
                r->sink.on_end(r->sink.ctx, r->rc, r->rc ? &r->err : NULL);
}

static void read_free(struct rest_read *r)
{
        if (!r)
                return;
        assembler_free(r->assembler);
        rest_children_free(r->children);
        rest_keys_free(r->keys);
        rest_walk_free(r->walk);
        rest_rows_deinit(r->rows);
        free(r->ahead.bytes);
        free(r->held.bytes);
        buf_deinit(&r->key);
        loop_timer_free(r->soon);
        arena_free(r->arena);
        free(r);
}

/* ---- to the sink ---- */

/* Return: 0; REST_WALK_PAUSE; -class. */
static int note_pause(struct rest_read *r, int rc)
{
        if (rc > 0)
                r->paused = true;
        return rc > 0 ? REST_WALK_PAUSE : rc;
}

/* Return: 0; SOURCE_PAUSE, SOURCE_HOLD; -class. */
static int give(struct rest_read *r, const struct value *values, struct err *e)
{
        const struct record record = {.row = values, .children = r->none};

        return r->sink.on_record(r->sink.ctx, &record, e);
}

static int give_alone(struct rest_read *r, const struct value *values, struct err *e)
{
        int rc = give(r, values, e);

        if (rc == SOURCE_HOLD) {
                int copied = rest_rows_copy(r->rows, values, &r->held, e);
                if (copied)
                        return copied;
        }
        return note_pause(r, rc);
}

static int give_held(struct rest_read *r, struct err *e)
{
        int rc = give(r, r->held.values, e);

        if (rc != SOURCE_HOLD) {
                free(r->held.bytes);
                r->held = (struct row){0};
        }
        return note_pause(r, rc);
}

static struct str encode_key(struct rest_read *r, const struct value *values)
{
        struct err ignored;

        buf_clear(&r->key);
        if (values && key_encode(r->shape, values, &r->key, &ignored) != 0)
                buf_clear(&r->key);
        return buf_str(&r->key);
}

static int give_reject(struct rest_read *r, struct str key, const char *reason, struct err *e)
{
        return note_pause(r, r->sink.on_reject(r->sink.ctx, key, reason, e));
}

/* One that is waiting for its turn behind others, or not. */
static int reject(
        struct rest_read *r, const struct value *values, const char *reason, struct err *e)
{
        struct str key = encode_key(r, values);

        if (!r->children)
                return give_reject(r, key, reason, e);
        int rc = rest_children_reject(r->children, key, reason, e);
        wake(r);
        return rc == REST_CHILDREN_FULL || (!rc && r->paused) ? REST_WALK_PAUSE : rc;
}

static int give_mark(struct rest_read *r, struct str mark, struct err *e)
{
        return note_pause(r, r->sink.on_mark(r->sink.ctx, mark, e));
}

/* ---- groups ---- */

static int stream_next(void *ctx, struct row *out, struct err *e)
{
        struct rest_read *r = ctx;

        (void)e;
        if (r->ahead.bytes) {
                *out = r->ahead;
                r->ahead = (struct row){0};
                return 0;
        }
        return r->input_ended ? ROW_END : ROW_WAIT;
}

static void release_row(char *bytes)
{
        free(bytes);
}

static int give_group(struct rest_read *r, bool is_reject, struct err *e)
{
        if (is_reject)
                return give_reject(r, encode_key(r, r->record.key_row), r->record.reason, e);
        int rc = r->sink.on_record(r->sink.ctx, &r->record.record, e);
        r->record_held = rc == SOURCE_HOLD;
        return note_pause(r, rc);
}

/* Groups that are whole leave. */
static int flush_groups(struct rest_read *r, struct err *e)
{
        while (!r->paused && !r->group_ended) {
                int rc = r->record_held ? 0 : assembler_next(r->assembler, &r->record, e);

                r->record_held = false;
                if (rc == RECORD_WAIT)
                        return 0;
                if (rc == RECORD_END)
                        r->group_ended = true;
                else if (rc >= 0)
                        rc = give_group(r, rc == RECORD_REJECT, e);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static int take_into_group(struct rest_read *r, const struct value *values, struct err *e)
{
        int rc = rest_rows_copy(r->rows, values, &r->ahead, e);

        if (!rc)
                rc = flush_groups(r, e);
        return rc ? rc : r->paused ? REST_WALK_PAUSE : 0;
}

/* ---- children ---- */

static int give_parent(struct rest_read *r, const struct rest_parent *p, struct err *e)
{
        if (p->reason)
                return r->sink.on_reject(
                        r->sink.ctx, p->values ? encode_key(r, p->values) : p->key, p->reason, e);
        return give(r, p->values, e);
}

/* Parents whose children are there leave. */
static int flush_parents(struct rest_read *r, struct err *e)
{
        cleanup_buf_ struct buf mark = BUF_INIT(MARK_MAX);
        struct rest_parent p;

        while (!r->paused) {
                int rc = rest_children_head(r->children, &p, e);

                if (rc)
                        return rc < 0 ? rc : 0;
                rc = give_parent(r, &p, e);
                if (rc < 0)
                        return rc;
                note_pause(r, rc);
                if (rc == SOURCE_HOLD && !p.reason)
                        return 0;
                buf_clear(&mark);
                buf_put_str(&mark, p.mark);
                rest_children_pop(r->children);
                rc = mark.len && r->sink.on_mark ? give_mark(r, buf_str(&mark), e) : 0;
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static int take_into_window(struct rest_read *r, const struct value *values, struct err *e)
{
        int rc = rest_children_add(r->children, values, e);

        return rc < 0 ? rc : rc == REST_CHILDREN_FULL || r->paused ? REST_WALK_PAUSE : 0;
}

/* ---- records that come ---- */

static int compare_wanted(const void *a, const void *b)
{
        return str_cmp(((const struct wanted *)a)->key, ((const struct wanted *)b)->key);
}

/* Of a read by key that has nothing but pages. */
static bool is_wanted(struct rest_read *r, const struct value *values)
{
        struct wanted probe = {.key = encode_key(r, values)};
        struct wanted *w =
                bsearch(&probe, r->wanted, r->wanted_count, sizeof(*r->wanted), compare_wanted);

        if (!w)
                return false;
        r->found_count += !w->found;
        w->found = true;
        return true;
}

/* Whoever asks for "a1" and gets "A1" would take "a1" for gone. */
static int check_key(
        struct rest_read *r, const struct value *values, const struct value *asked, struct err *e)
{
        for (size_t i = 0; i < r->shape->key_count; i++) {
                struct value got = values[r->shape->key[i]];

                if (got.len == asked[i].len && memcmp(got.ptr, asked[i].ptr, got.len) == 0)
                        continue;
                return err_set(e, ERR_CONFIG,
                        "the record with key %.*s was asked for, and one with key %.*s came: see "
                        "by_key.path of the mapper",
                        (int)(asked[i].len < 60 ? asked[i].len : 60), asked[i].ptr,
                        (int)(got.len < 60 ? got.len : 60), got.ptr);
        }
        return 0;
}

static int pass_on(struct rest_read *r, const struct value *values, struct err *e)
{
        if (r->children)
                return take_into_window(r, values, e);
        if (r->assembler)
                return take_into_group(r, values, e);
        return give_alone(r, values, e);
}

/* How far the cursor may go. Return: 0; -ERR_REJECT; -class. */
static int see_cursor(struct rest_read *r, struct err *e)
{
        int64_t now_us = r->walk ? rest_walk_page_us(r->walk) : -1;

        if (now_us >= 0)
                rest_progress_clock(r->since->seen, now_us);
        return rest_progress_see(r->since->seen, rest_rows_cursor(r->rows), e);
}

/* @asked: the key it was asked for by; NULL
 * Return: 0; REST_WALK_PAUSE: it was taken, no more; -class: the read ends. */
static int take(struct rest_read *r, struct str text, const struct value *asked, struct err *e)
{
        const struct value *values;
        struct err why;
        int rc = rest_rows_read(r->rows, text, &values, &why);

        if (rc == -ERR_REJECT && r->wanted) {
                r->unreadable = true; /* it may be one of those */
                return 0;
        }
        if (rc == -ERR_REJECT)
                return reject(r, NULL, why.text, e);
        if (rc) {
                *e = why;
                return rc;
        }
        if (r->wanted && !is_wanted(r, values))
                return 0;
        rc = asked ? check_key(r, values, asked, e) : 0;
        if (rc)
                return rc;
        if (r->since) {
                rc = see_cursor(r, &why);
                if (rc == -ERR_REJECT)
                        return reject(r, values, why.text, e);
                if (rc)
                        *e = why;
        }
        return rc ? rc : pass_on(r, values, e);
}

static int take_oversize(struct rest_read *r, struct str head, struct err *e)
{
        char reason[ERR_TEXT_MAX];
        size_t shown = head.len < HEAD_SHOWN ? head.len : HEAD_SHOWN;

        snprintf(reason, sizeof(reason),
                "the record has more than the limit of %lld bytes (max_record of the source); it "
                "begins %.*s",
                (long long)r->source->options->max_record, (int)shown, head.ptr);
        return reject(r, NULL, reason, e);
}

/* ---- pages ---- */

static int on_record(void *ctx, struct str text, struct err *e)
{
        struct rest_read *r = ctx;

        if (r->enough)
                return REST_WALK_PAUSE;
        int rc = take(r, text, NULL, e);
        if (r->wanted && r->found_count == r->wanted_count && !r->assembler) {
                r->enough = true;
                rest_walk_cancel(r->walk);
                return rc < 0 ? rc : REST_WALK_PAUSE;
        }
        return rc;
}

static int on_oversize(void *ctx, struct str head, struct err *e)
{
        return take_oversize(ctx, head, e);
}

static int on_page(void *ctx, struct err *e)
{
        struct rest_read *r = ctx;
        cleanup_buf_ struct buf mark = BUF_INIT(MARK_MAX);

        if (!r->since)
                return 0;
        rest_since_clock(r->since, rest_walk_server_us(r->walk));
        if (!r->sink.on_mark || r->assembler)
                return 0; /* a group may go on */
        int rc = rest_since_mark(r->since, r->walk, &mark, e);
        if (rc)
                return rc;
        if (r->children && rest_children_mark(r->children, buf_str(&mark)))
                return r->paused || rest_children_full(r->children) ? REST_WALK_PAUSE : 0;
        return give_mark(r, buf_str(&mark), e);
}

static void on_walk_end(void *ctx, int rc, const struct err *e)
{
        struct rest_read *r = ctx;

        r->input_ended = true;
        if (r->since) {
                rest_since_clock(r->since, rest_walk_server_us(r->walk));
                rest_progress_etag(r->since->seen, rest_walk_etag(r->walk));
        }
        if (rc && !r->enough)
                stop(r, rc, e);
        wake(r);
}

/* ---- the one place where things move on ---- */

static int take_found(struct rest_read *r, struct err *e)
{
        struct rest_found f;

        while (!r->paused && !(r->children && rest_children_full(r->children))) {
                int rc = rest_keys_next(r->keys, &f, e);

                if (rc == REST_KEYS_END)
                        r->input_ended = true;
                if (rc)
                        return rc < 0 ? rc : 0;
                rc = f.oversize ? take_oversize(r, f.text, e) : take(r, f.text, f.key, e);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static int flush(struct rest_read *r, struct err *e)
{
        int rc = r->held.bytes ? give_held(r, e) : 0;

        if (rc < 0)
                return rc;
        if (r->assembler)
                return flush_groups(r, e);
        return r->children ? flush_parents(r, e) : 0;
}

static int move_on(struct rest_read *r, struct err *e)
{
        int rc = flush(r, e);

        if (rc || r->paused || r->input_ended)
                return rc;
        if (r->walk && !(r->children && rest_children_full(r->children)))
                rest_walk_resume(r->walk);
        if (r->keys)
                rc = take_found(r, e);
        return rc;
}

static bool is_drained(struct rest_read *r)
{
        struct rest_parent p;
        struct err ignored;

        if (!r->input_ended || r->paused || r->held.bytes || (r->assembler && !r->group_ended))
                return false;
        return !r->children || rest_children_head(r->children, &p, &ignored) == REST_CHILDREN_NONE;
}

static void pump(struct rest_read *r)
{
        struct err e;

        if (r->ended)
                return;
        if (!r->stopping) {
                bool ended = r->input_ended;
                int rc = move_on(r, &e);

                if (rc < 0)
                        stop(r, rc, &e);
                else if (r->input_ended && !ended)
                        wake(r); /* the last group, or parent */
        }
        if ((r->stopping || is_drained(r)) && is_idle(r))
                end(r);
}

static void on_soon(void *ctx)
{
        pump(ctx);
}

/* ---- operations ---- */

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
                struct str key = arena_dup(r->arena, encode_key(r, row));
                if (!key.ptr)
                        return arena_failed(r->arena, "keys", e);
                r->wanted[r->wanted_count++].key = key;
        }
        qsort(r->wanted, r->wanted_count, sizeof(*r->wanted), compare_wanted);
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
                .on_change = wake,
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
                .on_record = on_record,
                .on_oversize = on_oversize,
                .on_page = on_page,
                .on_end = on_walk_end,
                .ctx = r,
        };
        int rc = plan_walk(r, &plan, e);

        return rc ? rc : rest_walk_new(&plan, &r->walk, e);
}

/* Records leave alone where only keys are read. */
static int start_way_out(struct rest_read *r, struct err *e)
{
        const struct row_stream stream = {stream_next, release_row, r};
        const struct rest_children_plan plan = {
                .source = r->source,
                .x = r->x,
                .shape = r->shape,
                .rows = r->rows,
                .on_change = wake,
                .ctx = r,
        };

        if (r->what == REST_KEYS || r->what == REST_DELETED)
                return 0;
        if (r->x->group.count)
                return group_new(&stream, r->shape->columns.count, r->shape->key,
                        r->shape->key_count, NULL, &r->assembler, e);
        return r->x->child_count ? rest_children_new(&plan, &r->children, e) : 0;
}

static int start_input(struct rest_read *r, const struct rest_reading *reading, struct err *e)
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

static int take_since(struct rest_read *r, struct err *e)
{
        struct rest_since *since = r->source->since;

        if (r->what > REST_SINCE || !since || since->x != r->x)
                return r->what == REST_SINCE
                               ? err_set(e, ERR_BUG, "a read since nothing that was observed")
                               : 0;
        r->since = since;
        return rest_since_begin(since, r->what == REST_ALL, e);
}

static int init(struct rest_read *r, const struct rest_reading *reading, struct err *e)
{
        enum rest_rows_of rows = r->what == REST_KEYS      ? REST_ROWS_KEYS
                                 : r->what == REST_DELETED ? REST_ROWS_DELETED
                                                           : REST_ROWS_RECORDS;

        buf_init(&r->key, KEY_MAX_BYTES);
        r->arena = arena_new(ARENA_MAX);
        if (!r->arena)
                return err_nomem(e, "a read");
        int rc = rest_rows_new(r->x, r->shape, rows, r->arena, &r->rows, e);
        if (!rc)
                rc = loop_timer_new(r->source->loop, on_soon, r, &r->soon, e);
        if (!rc)
                rc = take_since(r, e);
        if (!rc)
                rc = start_way_out(r, e);
        return rc ? rc : start_input(r, reading, e);
}

int rest_read_start(struct rest_source *s, const struct extract *x, const struct shape *shape,
        const struct rest_reading *reading, const struct source_sink *sink,
        struct source_read **out, struct err *e)
{
        struct rest_read *r = calloc(1, sizeof(*r));

        rest_reads_reap(s, false);
        if (!r)
                return err_nomem(e, "a read");
        r->base.ops = s->base.ops;
        r->source = s;
        r->x = x;
        r->shape = shape;
        r->sink = *sink;
        r->what = reading->what;
        int rc = init(r, reading, e);
        if (rc) {
                read_free(r);
                return rc;
        }
        r->next = s->reads;
        s->reads = r;
        s->doubt[0] = '\0';
        wake(r);
        if (out)
                *out = (struct source_read *)r;
        return 0;
}

void rest_read_resume(struct source_read *read)
{
        struct rest_read *r = (struct rest_read *)read;

        if (!r->paused)
                return;
        r->paused = false;
        wake(r);
}

void rest_read_cancel(struct source_read *read)
{
        struct rest_read *r = (struct rest_read *)read;
        struct err e;

        stop(r, err_set(&e, ERR_CANCEL, "the read was cancelled"), &e);
}

/* Where the loop does not run any more, they end with their client: see rest_close(). */
static void stop_all(struct rest_source *s)
{
        struct err e;

        for (struct rest_read *r = s->reads; r; r = r->next) {
                r->sink = (struct source_sink){0};
                if (!r->ended)
                        rest_read_cancel((struct source_read *)r);
        }
        for (struct rest_read *r = s->reads; r; r = r->next) {
                if (s->client && !r->ended && loop_run_until_done(s->loop, &r->ended, &e) < 0)
                        log_debug(s->log, "a read was left behind: %s", e.text);
                r->ended |= !s->client;
        }
}

void rest_reads_reap(struct rest_source *s, bool all)
{
        struct rest_read **link = &s->reads;

        if (all)
                stop_all(s);
        while (*link) {
                struct rest_read *r = *link;

                if (!r->ended) {
                        link = &r->next;
                        continue;
                }
                *link = r->next;
                read_free(r);
        }
}
