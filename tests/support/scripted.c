/* One row a turn of the loop, so that everything else gets its turns, too. A mark is the number of
 * the row that comes next. */
#include "tests/support/scripted.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_MS 3 /* more than lies between two marks that are kept */

enum { ID, CODE, V, GONE, KEY, COLUMNS };

struct source {
        struct source_base base;
        struct script *script;
        struct loop *loop;
        struct source_read *read; /* one at a time */
        size_t from;              /* where the next full read begins */
};

enum what { ALL, BY_KEY, KEYS };

struct source_read {
        struct source_base base;
        struct source *source;
        struct source_sink sink;
        struct loop_timer *timer;
        enum what what;
        size_t at, since_mark;
        const struct scripted_row **rows; /* owned */
        size_t count;
};

static int scripted_open(const struct source_config *config, struct loop *loop,
        const struct log *log, struct source **out, struct err *e)
{
        struct source *s = calloc(1, sizeof(*s));

        (void)log;
        if (!s)
                return err_nomem(e, "script");
        *s = (struct source){.base = {config->ops}, .script = config->own, .loop = loop};
        *out = s;
        return 0;
}

static struct source *scripted_close(struct source *s)
{
        if (s->read) {
                loop_timer_free(s->read->timer);
                free(s->read->rows);
                free(s->read);
        }
        free(s);
        return NULL;
}

static int scripted_describe(struct source *s, const struct extract *x, struct arena *arena,
        struct shape *out, struct err *e)
{
        static const struct column columns[] = {{.name = "id", .kind = COL_JSON},
                {.name = "code", .kind = COL_JSON}, {.name = "v", .kind = COL_JSON},
                {.name = "gone", .kind = COL_JSON}, {.name = "(key) id", .kind = COL_TEXT}};
        static const size_t key[] = {KEY};

        (void)s;
        (void)x;
        (void)arena;
        (void)e;
        *out = (struct shape){.columns = {columns, COLUMNS}, .key = key, .key_count = 1};
        return 0;
}

/* ---- reads ---- */

static struct value value_of(const char *text)
{
        return (struct value){text, text ? (uint32_t)strlen(text) : 0};
}

static int deliver(struct source_read *r, const struct scripted_row *row, struct err *e)
{
        struct value values[COLUMNS] = {value_of(row->id), value_of(row->code), value_of(row->v),
                value_of(row->gone), value_of(row->id)};
        struct record record = {.row = values};

        if (r->what == KEYS)
                values[CODE] = values[V] = values[GONE] = (struct value){NULL, 0};
        return r->sink.on_record(r->sink.ctx, &record, e);
}

static void end(struct source_read *r, int rc, const struct err *e)
{
        struct source_sink sink = r->sink;

        r->source->read = NULL;
        loop_timer_free(r->timer);
        free(r->rows);
        free(r);
        sink.on_end(sink.ctx, rc, e);
}

static int mark(struct source_read *r, struct err *e)
{
        struct script *script = r->source->script;
        char text[24];

        if (r->what != ALL || !script->page || r->since_mark < script->page || !r->sink.on_mark)
                return 0;
        r->since_mark = 0;
        script->marks++;
        int n = snprintf(text, sizeof(text), "%zu", r->at);
        int rc = r->sink.on_mark(r->sink.ctx, (struct str){text, (size_t)n}, e);
        if (script->dies_at_mark && script->marks == script->dies_at_mark)
                raise(SIGKILL);
        return rc;
}

/* The next page takes its time. */
static bool page_ends(const struct source_read *r)
{
        return r->what == ALL && r->source->script->page &&
               r->since_mark >= r->source->script->page;
}

static bool breaks_off(struct script *script, const struct source_read *r)
{
        size_t times = script->fails_times ? script->fails_times : 1;
        bool now = r->what == ALL && script->fails_at && r->at == script->fails_at &&
                   script->failed < times;

        script->failed += now;
        return now;
}

static void step(void *ctx)
{
        struct source_read *r = ctx;
        struct script *script = r->source->script;
        struct err e = {0};
        int rc = mark(r, &e);

        if (rc == 0 && breaks_off(script, r))
                rc = err_set(&e, ERR_RETRY, "the script breaks off");
        if (rc < 0 || (rc == 0 && r->at == r->count)) {
                end(r, rc, &e);
                return;
        }
        if (rc == 0) {
                rc = deliver(r, r->rows[r->at], &e);
                r->at += rc == 0 || rc == SOURCE_PAUSE;
                r->since_mark += rc == 0 || rc == SOURCE_PAUSE;
                script->delivered += r->what == ALL && rc != SOURCE_HOLD;
                if (r->what == ALL && script->dies_at && script->delivered == script->dies_at)
                        raise(SIGKILL);
        }
        if (rc < 0)
                end(r, rc, &e);
        else if (rc == 0)
                loop_timer_set(r->timer, page_ends(r) ? PAGE_MS : 0);
}

static int begin(struct source *s, enum what what, const struct scripted_row *rows, size_t count,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        struct source_read *r = calloc(1, sizeof(*r));

        if (!r)
                return err_nomem(e, "script");
        *r = (struct source_read){
                .base = s->base, .source = s, .sink = *sink, .what = what, .count = count};
        r->rows = calloc(count + 1, sizeof(const struct scripted_row *));
        if (!r->rows || loop_timer_new(s->loop, step, r, &r->timer, e)) {
                free(r->rows);
                free(r);
                return err_nomem(e, "script");
        }
        for (size_t i = 0; i < count; i++)
                r->rows[i] = &rows[i];
        loop_timer_soon(r->timer);
        s->read = *out = r;
        return 0;
}

static int scripted_read_all(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        (void)x;
        (void)shape;
        int rc = begin(s, ALL, s->script->rows, s->script->count, sink, out, e);
        if (rc)
                return rc;
        (*out)->at = s->from;
        s->script->began_at = s->from;
        s->script->reads++;
        s->from = 0;
        return 0;
}

static const struct scripted_row *there(const struct script *script, size_t *count)
{
        *count = script->there ? script->there_count : script->count;
        return script->there ? script->there : script->rows;
}

static int scripted_read_keys(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        size_t count;
        const struct scripted_row *rows = there(s->script, &count);

        (void)x;
        (void)shape;
        return begin(s, KEYS, rows, count, sink, out, e);
}

/* Of rows with one key the last one. */
static int scripted_read_by_keys(struct source *s, const struct extract *x,
        const struct shape *shape, const struct value *keys, size_t count,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        size_t row_count;
        const struct scripted_row *rows = there(s->script, &row_count);
        int rc = begin(s, BY_KEY, rows, row_count, sink, out, e);

        (void)x;
        (void)shape;
        s->script->keyed_reads++;
        s->script->keys_asked += count;
        if (rc)
                return rc;
        (*out)->count = 0;
        for (size_t k = 0; k < count; k++)
                for (size_t i = row_count; i-- > 0;)
                        if (str_is((struct str){keys[k].ptr, keys[k].len}, rows[i].id)) {
                                (*out)->rows[(*out)->count++] = &rows[i];
                                break;
                        }
        return 0;
}

static int scripted_observe(struct source *s, const struct extract *x,
        const struct source_watch *watch, struct source_observation *out, struct err *e)
{
        (void)x;
        (void)e;
        s->from = 0;
        *out = (struct source_observation){.usable = false};
        if (watch->mark.ptr && watch->mark_full && !s->script->refuses_marks) {
                int64_t from = 0;
                out->resumes = str_to_int64(watch->mark, &from);
                s->from = (size_t)from;
        }
        return 0;
}

static int scripted_position(struct source *s, struct buf *out, struct err *e)
{
        (void)s;
        buf_puts(out, "{}");
        return buf_check(out, "position", e);
}

static void scripted_resume(struct source_read *r)
{
        loop_timer_soon(r->timer);
}

static void cancel_now(void *ctx)
{
        struct err e;
        int rc = err_set(&e, ERR_CANCEL, "cancelled");

        end(ctx, rc, &e);
}

static void scripted_cancel(struct source_read *r)
{
        struct err e;

        loop_timer_free(r->timer);
        r->timer = NULL;
        if (loop_timer_new(r->source->loop, cancel_now, r, &r->timer, &e) == 0)
                loop_timer_soon(r->timer);
}

static const char *scripted_doubt(struct source *s)
{
        return s->script->keyed_reads && s->script->doubt ? s->script->doubt : "";
}

static bool scripted_reads_all(struct source *s, const struct extract *x)
{
        (void)x;
        return s->script->reads_all;
}

static const struct source_ops scripted_ops = {
        .type = "scripted",
        .no_snapshot = true,
        .open_shape = true,
        .open = scripted_open,
        .close = scripted_close,
        .describe = scripted_describe,
        .read_all = scripted_read_all,
        .read_by_keys = scripted_read_by_keys,
        .observe = scripted_observe,
        .position = scripted_position,
        .doubt = scripted_doubt,
        .reads_all_for_keys = scripted_reads_all,
        .read_keys = scripted_read_keys,
        .resume = scripted_resume,
        .cancel = scripted_cancel,
};

void scripted_use(struct source_config *source, struct script *script)
{
        source->ops = &scripted_ops;
        source->own = script;
}
