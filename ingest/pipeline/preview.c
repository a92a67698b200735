/* One growing buffer that is written out whenever it is large: a write() costs more than a row. */
#include "ingest/pipeline/preview.h"

#include <errno.h>
#include <string.h>

#include "ingest/pipeline/lookups.h"
#include "ingest/record/json.h"
#include "ingest/record/key.h"
#include "ingest/pipeline/validate.h"
#include "ingest/source/source.h"

#define FLUSH_BYTES   (256 << 10)
#define MAX_KEY_PARTS 32

struct preview {
        const struct preview_options *options;
        const struct log *log;
        struct preview_report *report;
        struct validator *validator;
        struct explain *explain; /* NULL: documents alone */
        uint64_t explained;      /* records */
        const struct shape *shape;
        struct source_read *read;
        struct buf out, rejects, key;
        bool ended, full, closed; /* closed: nobody reads standard output any more */
        int rc;
        struct err err;
};

static int flush(struct preview *p, struct err *e)
{
        size_t at = 0;

        while (at < p->out.len && !p->closed) {
                ssize_t n = write(p->options->fd, p->out.data + at, p->out.len - at);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EPIPE)
                        return err_set_errno(e, ERR_SYSTEM, errno, "writing to standard output");
                p->closed = n < 0;
                at += n > 0 ? (size_t)n : 0;
        }
        p->report->began = p->report->began || p->out.len > 0;
        buf_clear(&p->out);
        return 0;
}

static void put_document(struct buf *out, const struct mapped *m)
{
        buf_puts(out, "{\"_id\":");
        bool ok = json_put_string(out, m->id); /* the mapper made sure that it is UTF-8 */
        if (!ok)
                buf_puts(out, "null");
        if (m->body.len)
                buf_putc(out, ',');
        buf_put_str(out, m->body);
        buf_putc(out, '}');
}

static void note_reject(struct preview *p, const char *key, const char *field, const char *reason)
{
        p->report->rejected++;
        if (!p->options->wrapped)
                return;
        if (p->rejects.len)
                buf_putc(&p->rejects, ',');
        buf_puts(&p->rejects, "{\"key\":");
        bool ok = json_put_string(&p->rejects, str_of(key));
        buf_puts(&p->rejects, ok ? ",\"field\":" : "null,\"field\":");
        ok = json_put_string(&p->rejects, str_of(field));
        buf_puts(&p->rejects, ok ? ",\"reason\":" : "null,\"reason\":");
        if (!json_put_string(&p->rejects, str_of(reason)))
                buf_puts(&p->rejects, "null");
        buf_putc(&p->rejects, '}');
}

/* The source key as people write it, in @text. */
static const char *key_of(struct preview *p, const struct record *record, struct buf *text)
{
        struct err ignored;

        buf_clear(&p->key);
        if (key_encode(p->shape, record->row, &p->key, &ignored) == 0)
                key_text(buf_str(&p->key), text);
        return text->len && buf_cstr(text) ? buf_cstr(text) : "?";
}

static void log_reject(struct preview *p, const char *key, const char *field, const char *reason)
{
        log_warn(p->log, "reject: key %s: %s%s%s", key, field, field[0] ? ": " : "", reason);
        note_reject(p, key, field, reason);
}

static void note_record_reject(
        struct preview *p, const struct record *record, const struct mapper_reject *why)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16);

        log_reject(p, key_of(p, record, &text), why->field, why->reason);
}

/* The limit is reached, or the reader has gone: the rest of the source is of no interest. */
static bool enough(const struct preview *p)
{
        uint64_t shown = p->explain ? p->explained : p->report->documents;

        return p->closed || (p->options->limit >= 0 && shown >= (uint64_t)p->options->limit);
}

static int write_explained(struct preview *p, const struct record *record, struct err *e)
{
        cleanup_buf_ struct buf key = BUF_INIT(1 << 16);
        struct explained x;
        int rc = explain_record(p->explain, record, key_of(p, record, &key), &x, e);

        if (rc < 0)
                return rc;
        if (p->options->wrapped && p->explained)
                buf_putc(&p->out, ',');
        p->explained++;
        p->options->explain(p->options->explain_ctx, &x, &p->out);
        if (rc)
                note_reject(p, x.key, x.field, x.reason);
        else
                p->report->documents++;
        rc = buf_check(&p->out, "preview", e);
        return rc || p->out.len < FLUSH_BYTES ? rc : flush(p, e);
}

static int on_record(void *ctx, const struct record *record, struct err *e)
{
        struct preview *p = ctx;
        struct mapped m;
        struct mapper_reject why;

        if (enough(p)) {
                p->full = true;
                return err_set(e, ERR_CANCEL, "enough");
        }
        if (p->explain)
                return write_explained(p, record, e);
        int rc = validate_record(p->validator, record, &m, &why, e);
        if (rc < 0)
                return rc;
        if (rc) {
                note_record_reject(p, record, &why);
                return 0;
        }
        if (p->options->wrapped && p->report->documents)
                buf_putc(&p->out, ',');
        put_document(&p->out, &m);
        if (!p->options->wrapped)
                buf_putc(&p->out, '\n');
        p->report->documents++;
        rc = buf_check(&p->out, "preview", e);
        return rc || p->out.len < FLUSH_BYTES ? rc : flush(p, e);
}

static int on_reject(void *ctx, struct str key, const char *reason, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16);

        (void)e;
        if (key.len)
                key_text(key, &text);
        log_reject(ctx, buf_cstr(&text) ? buf_cstr(&text) : "?", "", reason);
        return 0;
}

static void on_end(void *ctx, int rc, const struct err *e)
{
        struct preview *p = ctx;

        p->rc = rc;
        if (rc)
                p->err = *e;
        p->read = NULL;
        p->ended = true;
}

/* The parts of "a,b" for a key of two columns; a key of one column is taken whole. */
static int split_key(const struct preview *p, struct value *parts, struct err *e)
{
        struct str rest = str_of(p->options->key);
        size_t count = p->shape->key_count;

        if (count > MAX_KEY_PARTS)
                return err_set(e, ERR_USAGE, "--key: the source key has too many columns");
        for (size_t i = 0; i < count; i++) {
                const char *comma = i + 1 < count ? memchr(rest.ptr, ',', rest.len) : NULL;
                if (i + 1 < count && !comma)
                        return err_set(e, ERR_USAGE,
                                "--key: the source key has %zu columns: write their values with "
                                "commas between them",
                                count);
                size_t n = comma ? (size_t)(comma - rest.ptr) : rest.len;
                parts[i] = (struct value){rest.ptr, (uint32_t)n};
                rest.ptr += comma ? n + 1 : n;
                rest.len -= comma ? n + 1 : n;
        }
        return 0;
}

static int start_read(struct preview *p, struct source *s, const struct extract *x, struct err *e)
{
        struct source_sink sink = {
                .on_record = on_record, .on_reject = on_reject, .on_end = on_end, .ctx = p};

        if (p->options->limit > 0)
                sink.limit = (uint64_t)p->options->limit;
        struct value parts[MAX_KEY_PARTS];

        if (!p->options->key)
                return source_read_all(s, x, p->shape, &sink, &p->read, e);
        int rc = split_key(p, parts, e);
        return rc ? rc : source_read_by_keys(s, x, p->shape, parts, 1, &sink, &p->read, e);
}

static int read_all(struct preview *p, struct source *s, const struct extract *x, struct loop *loop,
        struct err *e)
{
        struct err ignored;
        int rc = start_read(p, s, x, e);

        if (rc)
                return rc;
        rc = loop_run_until(loop, &p->ended, e);
        if (rc) {
                source_cancel(p->read);
                (void)!loop_run_until_done(loop, &p->ended, &ignored);
                return rc;
        }
        if (!p->rc || p->full)
                return 0;
        *e = p->err;
        if (p->options->key && strncmp(e->sqlstate, "22", 2) == 0)
                return err_hint(e, p->rc, "--key takes a value of the source key");
        return p->rc;
}

static int preview_read(struct preview *p, const char *name, struct source *s,
        const struct extract *x, struct loop *loop, struct err *e)
{
        if (p->options->wrapped) {
                buf_puts(&p->out, "{\"mapper\":\"");
                buf_puts(&p->out, name);
                buf_puts(&p->out, p->explain ? "\",\"records\":[" : "\",\"documents\":[");
        }
        int rc = read_all(p, s, x, loop, e);
        if (p->options->wrapped) {
                /* Closed in any case: one JSON object, whatever the exit code. */
                buf_puts(&p->out, "],\"rejects\":[");
                buf_put_str(&p->out, buf_str(&p->rejects));
                buf_puts(&p->out, "]");
                if (rc) {
                        buf_printf(&p->out, ",\"error\":{\"class\":\"%s\",\"message\":",
                                err_class_name(e->class));
                        if (!json_put_string(&p->out, str_of(e->text)))
                                buf_puts(&p->out, "null");
                        buf_putc(&p->out, '}');
                }
                buf_puts(&p->out, "}\n");
        }
        struct err flush_err;
        int flushed = flush(p, &flush_err);
        if (!rc && flushed)
                *e = flush_err;
        return rc ? rc : flushed;
}

int preview_mapper(const struct config *config, const struct config_mapper *mapper,
        const struct preview_options *options, struct loop *loop, const struct log *log,
        struct preview_report *report, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(16 << 20);
        cleanup_(source_closep) struct source *source = NULL;
        cleanup_(lookup_set_freep) struct lookup_set *lookups = NULL;
        struct shape shape;
        struct preview p = {.options = options, .log = log, .report = report, .shape = &shape};

        (void)config;
        *report = (struct preview_report){0};
        if (!arena)
                return err_nomem(e, "preview");
        buf_init(&p.out, MAPPER_MAX_DOCUMENT + FLUSH_BYTES);
        buf_init(&p.rejects, 64 << 20);
        buf_init(&p.key, 1 << 20);
        int rc = source_open(mapper->source, loop, log, &source, e);
        if (!rc)
                rc = source_describe(source, mapper->extract, arena, &shape, e);
        if (!rc)
                rc = lookups_read(source, mapper, LOOKUPS_ROWS, loop, log, &lookups, e);
        if (!rc)
                rc = validator_compile(mapper, &shape, lookups, &p.validator, e);
        if (!rc && options->explain)
                rc = explain_new(p.validator, &p.explain, e);
        if (!rc)
                rc = preview_read(&p, mapper->spec->name, source, mapper->extract, loop, e);
        explain_free(p.explain);
        validator_free(p.validator);
        buf_deinit(&p.out);
        buf_deinit(&p.rejects);
        buf_deinit(&p.key);
        return rc;
}
