/*
 * The dry run shows each difference as it comes; the first ones of each kind are copied. What the
 * documents of updates hold now is asked when the run has ended.
 */
#include "ingest/pipeline/diff.h"

#include <string.h>

#include "ingest/couch/scan.h"
#include "ingest/pipeline/run_internal.h"
#include "ingest/record/json_scan.h"

#define SAMPLES_MAX_BYTES (256 << 20)
#define DEVICE_OVERHEAD                                                                            \
        200 /* bytes beside body and id in a reply of _bulk_get, measured: 190-230 */

struct diff {
        const struct diff_options *options;
        struct diff_report *report;
        bool full; /* no room for another sample */
};

const char *diff_change_name(enum run_change change)
{
        static const char *const names[DIFF_CHANGES] = {"create", "update", "move", "delete"};

        return names[change];
}

/* ---- samples ---- */

static const char *key_of(struct arena *arena, struct str key)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);

        key_text(key, &text);
        return arena_strdup(arena, buf_str(&text));
}

static void on_difference(void *ctx, const struct run_difference *d)
{
        struct diff *diff = ctx;
        struct diff_report *report = diff->report;
        size_t *count = &report->sample_count[d->change];

        report->bytes += d->body.len + d->id.len + DEVICE_OVERHEAD;
        if (d->change == RUN_MOVES) /* and the tombstone of the old one */
                report->bytes += d->old_id.len + DEVICE_OVERHEAD;
        if (*count == diff->options->limit || diff->full)
                return;
        struct diff_sample *s = &report->samples[d->change][*count];
        *s = (struct diff_sample){.change = d->change,
                .database = arena_strdup(report->arena, str_of(d->database)),
                .id = arena_strdup(report->arena, d->id),
                .old_id = arena_strdup(report->arena, d->old_id),
                .key = key_of(report->arena, d->key),
                .body = arena_dup(report->arena, d->body)};
        diff->full = !s->database || !s->id || !s->old_id || !s->key || !s->body.ptr;
        *count += !diff->full;
}

/* ---- field by field ---- */

struct comparison {
        struct diff_sample *sample;
        struct arena *arena;
        struct diff_field *fields;
        size_t count, room;
};

static char *canonical_text(struct arena *arena, struct str value, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(MAPPER_MAX_DOCUMENT);

        if (json_canonical(value, JSON_NUMBERS_NEAREST, &text, e) != 0)
                return NULL;
        return arena_strdup(arena, buf_str(&text));
}

static int add_field(
        struct comparison *c, struct str key, const char *was, const char *is, struct err *e)
{
        if (c->count == c->room) {
                size_t room = c->room ? 2 * c->room : 16;
                struct diff_field *more = arena_array(c->arena, room, sizeof(*more));
                if (!more)
                        return arena_failed(c->arena, "a comparison", e);
                if (c->count)
                        memcpy(more, c->fields, c->count * sizeof(*more));
                c->fields = more;
                c->room = room;
        }
        cleanup_buf_ struct buf name = BUF_INIT(MAPPER_MAX_DOCUMENT);
        int rc = json_unquote(key, &name, e);
        if (rc)
                return rc;
        struct diff_field *f = &c->fields[c->count++];
        *f = (struct diff_field){arena_strdup(c->arena, buf_str(&name)), was, is};
        return f->name ? 0 : arena_failed(c->arena, "a comparison", e);
}

/* The value of the member @key (with quotes, in canonical form); .ptr NULL: absent. */
static struct str member(struct json_walk *w, struct str key)
{
        struct str name, value;

        while (json_walk_next(w, &name, &value))
                if (str_eq(name, key))
                        return value;
        return (struct str){0};
}

/* Members of the document as it is: changed or to go. */
static int compare_present(struct comparison *c, struct str document, struct err *e)
{
        struct json_walk w;
        struct str key, value;
        int rc = 0;

        if (!json_walk_open(&w, document, '{'))
                return 0;
        while (!rc && json_walk_next(&w, &key, &value)) {
                struct json_walk in;
                if (key.len > 1 && key.ptr[1] == '_')
                        continue;
                const char *was = canonical_text(c->arena, value, e);
                json_walk_members(&in, c->sample->body);
                struct str now = member(&in, key);
                if (!was)
                        return arena_failed(c->arena, "a comparison", e);
                if (now.ptr && str_is(now, was))
                        continue;
                rc = add_field(c, key, was, now.ptr ? arena_strdup(c->arena, now) : NULL, e);
        }
        return rc;
}

/* Members that are new. */
static int compare_new(struct comparison *c, struct str document, struct err *e)
{
        struct json_walk w;
        struct str key, value;
        int rc = 0;

        json_walk_members(&w, c->sample->body);
        while (!rc && json_walk_next(&w, &key, &value)) {
                struct json_walk in;
                if (!json_walk_open(&in, document, '{') || member(&in, key).ptr)
                        continue;
                rc = add_field(c, key, NULL, arena_strdup(c->arena, value), e);
        }
        return rc;
}

static int compare_document(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct comparison *c = ctx;
        int rc = compare_present(c, doc->json, e);

        return rc ? rc : compare_new(c, doc->json, e);
}

static int compare_updates(const struct config *config, struct diff_report *report,
        struct loop *loop, const struct log *log, struct err *e)
{
        cleanup_(couch_closep) struct couch *couch = NULL;
        int rc = 0;

        if (report->sample_count[RUN_UPDATES])
                rc = couch_open(&config->couch, loop, log, &couch, e);
        for (size_t i = 0; !rc && i < report->sample_count[RUN_UPDATES]; i++) {
                struct diff_sample *s = &report->samples[RUN_UPDATES][i];
                struct comparison c = {.sample = s, .arena = report->arena};
                rc = scan_document(couch, s->database, str_of(s->id), compare_document, &c, e);
                s->fields = c.fields;
                s->field_count = c.count;
        }
        return rc;
}

/* ---- the whole ---- */

static int make_room(struct diff_report *report, size_t limit, struct err *e)
{
        report->arena = arena_new(SAMPLES_MAX_BYTES);
        for (int k = 0; report->arena && k < DIFF_CHANGES; k++) {
                report->samples[k] =
                        arena_array(report->arena, limit + 1, sizeof(*report->samples[k]));
                if (!report->samples[k])
                        return err_set(e, ERR_USAGE,
                                "--limit %zu: that many samples do not fit "
                                "into memory",
                                limit);
        }
        return report->arena ? 0 : err_nomem(e, "samples");
}

void diff_mapper(const struct config *config, const struct config_mapper *mapper,
        const struct diff_options *options, struct loop *loop, const struct log *log,
        struct run_progress *progress, struct diff_report *report)
{
        struct diff diff = {.options = options, .report = report};
        struct run_options run = {.dry_run = true,
                .full = options->full || options->verify,
                .rebuild = options->verify,
                .allow_deletes = true, /* they are shown, whatever the brake will say */
                .on_difference = on_difference,
                .on_difference_ctx = &diff};

        *report = (struct diff_report){.run = {.outcome = RUN_FAILED}};
        if (make_room(report, options->limit, &report->run.err))
                return;
        run_mapper(config, mapper, &run, loop, log, progress, &report->run);
        if (report->run.err.class != ERR_NONE)
                return;
        if (compare_updates(config, report, loop, log, &report->run.err) != 0)
                report->run.outcome = RUN_FAILED;
        else
                report->run.err = (struct err){0};
}

void diff_report_deinit(struct diff_report *report)
{
        report->arena = arena_free(report->arena);
}
