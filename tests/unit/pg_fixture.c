/* Every read checks what source.h promises: nothing from inside a call, on_end once, and last. */
#include "tests/unit/pg_fixture.h"

#include <stdio.h>

#include "ingest/record/key.h"

static const char source_name[] = "erp";

struct fixture *fixture_new(const char *source_yaml)
{
        struct fixture *f = calloc(1, sizeof(*f));
        struct ydoc *doc;
        struct err e;

        f->arena = arena_new(64 << 20);
        if (loop_new(&f->loop, &e) < 0)
                fail_msg("%s", e.text);
        if (ydoc_parse(str_of(source_yaml), "source.yaml", YDOC_EXPAND_NONE, &doc, &e) < 0)
                fail_msg("%s", e.text);
        f->docs[f->doc_count++] = doc;
        if (source_config_decode(doc, source_name, doc->root, f->arena, &f->config, &e) < 0)
                fail_msg("%s", e.text);
        return f;
}

void fixture_free(struct fixture *f)
{
        source_close(f->source);
        loop_free(f->loop);
        for (size_t i = 0; i < f->doc_count; i++)
                ydoc_free(f->docs[i]);
        arena_free(f->arena);
        free(f);
}

const char *fixture_dsn(const char *database, const char *more)
{
        static char yaml[1024];

        snprintf(yaml, sizeof(yaml), "{type: postgres, dsn: \"%s dbname=%s\"%s%s}", pg_cluster(),
                database, more ? ", " : "", more ? more : "");
        return yaml;
}

struct fixture *fixture_open(const char *database, const char *more)
{
        struct fixture *f = fixture_new(fixture_dsn(database, more));
        struct err e;

        if (source_open(&f->config, f->loop, NULL, &f->source, &e) < 0)
                fail_msg("%s", e.text);
        return f;
}

int fixture_extract(struct fixture *f, const char *yaml, struct extract **out, struct err *e)
{
        struct ydoc *doc;

        assert_true(f->doc_count < 16);
        int rc = ydoc_parse(str_of(yaml), "mapper.yaml", YDOC_EXPAND_MAPPER, &doc, e);
        if (rc)
                return rc;
        f->docs[f->doc_count++] = doc;
        return extract_decode(&f->config, doc, doc->root, f->arena, out, e);
}

/* ---- the sink ---- */

static void put_row(struct buf *out, const struct value *row, size_t columns)
{
        for (size_t i = 0; i < columns; i++) {
                if (i)
                        buf_putc(out, '|');
                if (row[i].ptr)
                        buf_put(out, row[i].ptr, row[i].len);
                else
                        buf_putc(out, '-');
        }
}

static void put_record(struct sink *s, const struct record *r)
{
        put_row(&s->text, r->row, s->shape->columns.count);
        for (size_t i = 0; i < s->shape->child_count; i++) {
                size_t columns = s->shape->children[i].columns.count;

                buf_putc(&s->text, '[');
                for (size_t k = 0; k < r->children[i].count; k++) {
                        if (k)
                                buf_putc(&s->text, ' ');
                        put_row(&s->text, r->children[i].values + k * columns, columns);
                }
                buf_putc(&s->text, ']');
        }
        buf_putc(&s->text, ';');
}

static int on_record(void *ctx, const struct record *record, struct err *e)
{
        struct sink *s = ctx;

        assert_false(s->ended);
        if (s->hold_every && !s->is_held && (s->records + 1) % s->hold_every == 0) {
                s->is_held = true;
                loop_timer_set(s->resume, 1);
                return SOURCE_HOLD;
        }
        s->is_held = false;
        s->records++;
        if (!s->count_only)
                put_record(s, record);
        if (s->records == 1 && s->at_first)
                s->at_first(s->at_first_ctx);
        if (s->records == s->fail_at)
                return err_set(e, ERR_SYSTEM, "the sink is full");
        if (s->records == s->cancel_at)
                source_cancel(s->read);
        if (s->pause_every && s->records % s->pause_every == 0) {
                loop_timer_set(s->resume, 1);
                return SOURCE_PAUSE;
        }
        return 0;
}

static int on_reject(void *ctx, struct str key, const char *reason, struct err *e)
{
        struct sink *s = ctx;

        (void)e;
        assert_false(s->ended);
        s->rejects++;
        buf_putc(&s->text, '!');
        key_text(key, &s->text);
        buf_printf(&s->text, ": %s;", reason);
        return 0;
}

static void on_end(void *ctx, int rc, const struct err *e)
{
        struct sink *s = ctx;

        s->ends++;
        assert_int_equal(s->ends, 1);
        s->ended = true;
        s->rc = rc;
        if (rc)
                s->err = *e;
}

static void on_resume(void *ctx)
{
        struct sink *s = ctx;

        if (!s->ended)
                source_resume(s->read);
}

void sink_deinit(struct sink *s)
{
        buf_deinit(&s->text);
        loop_timer_free(s->resume);
}

int fixture_start(struct fixture *f, const char *yaml, const struct value *keys, size_t key_rows,
        struct sink *s, struct err *e)
{
        struct source_sink sink = {
                .on_record = on_record, .on_reject = on_reject, .on_end = on_end, .ctx = s};
        struct shape *shape = arena_alloc(f->arena, sizeof(*shape));
        struct extract *x;

        s->fixture = f;
        s->shape = shape;
        buf_init(&s->text, 256 << 20);
        assert_int_equal(loop_timer_new(f->loop, on_resume, s, &s->resume, e), 0);
        int rc = fixture_extract(f, yaml, &x, e);
        if (!rc)
                rc = source_describe(f->source, x, f->arena, shape, e);
        if (!rc && keys)
                rc = source_read_by_keys(f->source, x, shape, keys, key_rows, &sink, &s->read, e);
        else if (!rc)
                rc = source_read_all(f->source, x, shape, &sink, &s->read, e);
        assert_int_equal(s->records + s->ends, 0);
        return rc;
}

int fixture_read_keys(
        struct fixture *f, const char *yaml, const struct value *keys, size_t rows, struct sink *s)
{
        int rc = fixture_start(f, yaml, keys, rows, s, &s->err);

        if (rc)
                return rc;
        rc = loop_run_until(f->loop, &s->ended, &s->err);
        assert_int_equal(rc, 0);
        buf_cstr(&s->text);
        return s->rc;
}

int fixture_read(struct fixture *f, const char *yaml, struct sink *s)
{
        return fixture_read_keys(f, yaml, NULL, 0, s);
}

/* ---- incremental runs ---- */

struct mapper *mapper_new(struct fixture *f, const char *yaml, const char *zone)
{
        struct mapper *m = calloc(1, sizeof(*m));
        struct err e;

        m->fixture = f;
        buf_init(&m->position, 1 << 20);
        buf_init(&m->text, 64 << 20);
        if (zone && tz_load(zone, &m->zone, &e) != 0)
                fail_msg("%s", e.text);
        if (fixture_extract(f, yaml, &m->x, &e) != 0 ||
                source_describe(f->source, m->x, f->arena, &m->shape, &e) != 0)
                fail_msg("%s: %s", yaml, e.text);
        return m;
}

void mapper_free(struct mapper *m)
{
        buf_deinit(&m->position);
        buf_deinit(&m->text);
        tz_free(m->zone);
        free(m);
}

int mapper_observe(struct mapper *m, struct err *e)
{
        struct source_watch watch = {buf_str(&m->position), m->zone};

        return source_observe(m->fixture->source, m->x, &watch, &m->seen, e);
}

int mapper_read(struct mapper *m, enum mapper_what what, struct err *e)
{
        static int (*const starts[])(struct source * s, const struct extract *x,
                const struct shape *shape, const struct source_sink *sink, struct source_read **out,
                struct err *e) = {
                [MAPPER_CHANGES] = source_read_since,
                [MAPPER_ALL] = source_read_all,
                [MAPPER_KEYS] = source_read_keys,
                [MAPPER_DELETED] = source_read_deleted,
        };
        struct fixture *f = m->fixture;
        struct sink s = {.fixture = f, .shape = &m->shape};
        struct source_sink sink = {
                .on_record = on_record, .on_reject = on_reject, .on_end = on_end, .ctx = &s};

        buf_init(&s.text, 64 << 20);
        int rc = starts[what](f->source, m->x, &m->shape, &sink, &s.read, e);
        if (!rc)
                rc = loop_run_until(f->loop, &s.ended, e);
        if (!rc && s.rc)
                *e = s.err;
        buf_clear(&m->text);
        buf_put_str(&m->text, buf_str(&s.text));
        buf_deinit(&s.text);
        return rc ? rc : s.rc;
}

const char *mapper_run(struct mapper *m, bool full)
{
        struct err e;
        int rc = mapper_observe(m, &e);

        m->was_full = full || !m->seen.usable;
        if (!rc)
                rc = mapper_read(m, m->was_full ? MAPPER_ALL : MAPPER_CHANGES, &e);
        buf_clear(&m->position);
        if (!rc)
                rc = source_position(m->fixture->source, &m->position, &e);
        if (rc)
                fail_msg("%s", e.text);
        return buf_cstr(&m->text);
}
