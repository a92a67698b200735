/*
 * The stages in their order, and one way out: whatever fails, what CouchDB acknowledged goes into
 * the state, and everything is closed in reverse order. An unfinished run writes no checkpoint:
 * the next one reads again, and finds what is already there.
 */
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>
#include <string.h>

#define SCRATCH_MAX (1 << 20) /* bytes of a source key in its encoded form */

const char *run_outcome_name(enum run_outcome outcome)
{
        static const char *const names[RUN_OUTCOMES] = {
                [RUN_OK] = "ok",
                [RUN_REJECTS] = "rejects",
                [RUN_UNAVAILABLE] = "unavailable",
                [RUN_LOCKED] = "locked",
                [RUN_REFUSED] = "refused",
                [RUN_INTERRUPTED] = "interrupted",
                [RUN_FAILED] = "failed",
        };
        return (unsigned)outcome < RUN_OUTCOMES ? names[outcome] : "failed";
}

void run_counts_json(const struct run_counts *n, cJSON *json)
{
        cJSON_AddNumberToObject(json, "read", (double)n->read);
        cJSON_AddNumberToObject(json, "created", (double)n->created);
        cJSON_AddNumberToObject(json, "updated", (double)n->updated);
        cJSON_AddNumberToObject(json, "moved", (double)n->moved);
        cJSON_AddNumberToObject(json, "deleted", (double)n->deleted);
        cJSON_AddNumberToObject(json, "unchanged", (double)n->unchanged);
        cJSON_AddNumberToObject(json, "rejected", (double)n->rejected);
}

static enum run_outcome outcome_of(int rc, const struct run_report *report)
{
        switch (-rc) {
        case 0:
                return report->counts.rejected ? RUN_REJECTS : RUN_OK;
        case ERR_RETRY:
                return RUN_UNAVAILABLE;
        case ERR_LOCKED:
                return RUN_LOCKED;
        case ERR_GUARD:
                return RUN_REFUSED;
        case ERR_CANCEL:
                return RUN_INTERRUPTED;
        default:
                return RUN_FAILED;
        }
}

void run_fail(struct run *r, int rc, const struct err *e)
{
        if (!r->failed) {
                r->failed = rc;
                r->why = *e;
        }
        r->wake = true;
}

/* The writer has room again. */
static void on_drain(void *ctx)
{
        struct run *r = ctx;

        r->wake = true;
        if (r->read && r->read_paused) {
                r->read_paused = false;
                source_resume(r->read);
        }
}

int run_wait_room(struct run *r, struct err *e)
{
        r->wake = false;
        int rc = loop_run_until(r->loop, &r->wake, e);
        if (!rc && r->failed) {
                *e = r->why;
                rc = r->failed;
        }
        return rc;
}

static int open_state(struct run *r, struct err *e)
{
        char folder[4096], data[4200];
        bool fresh;

        if (snprintf(folder, sizeof(folder), "%s/%s", r->config->state_dir, r->spec->name) >=
                (int)sizeof(folder))
                return err_set(e, ERR_CONFIG, "state_dir: the path is too long");
        int rc = lock_take(folder, &r->lock, e);
        if (rc)
                return rc;
        if (!r->options.dry_run)
                history_begin_here(r);
        snprintf(data, sizeof(data), "%s/data", folder);
        rc = r->options.dry_run ? rehearsal_begin(r, data, e)
                                : state_open(data, r->log, &r->state, &fresh, e);
        return rc ? rc : state_batch_new(&r->batch, e);
}

static int open_couch(struct run *r, struct err *e)
{
        int rc = couch_open(&r->config->couch, r->loop, r->log, &r->couch, e);

        if (!rc)
                rc = couch_server(r->couch, &r->server, e);
        if (rc)
                return rc;
        r->control = r->config->couch.control_database;
        if (r->options.dry_run) {
                struct couch_database db = {0};
                rc = couch_database(r->couch, r->control, &db, e);
                couch_database_deinit(&db);
                r->control_absent = rc == COUCH_ABSENT;
                return rc < 0 ? rc : 0;
        }
        rc = couch_database_ensure(r->couch, r->control, NULL, e);
        if (rc)
                return err_wrap(e, rc, "control database");
        crash_point(CRASH_CONTROL_MADE);
        struct bulk_callbacks callbacks = {
                .on_outcome = settle_outcome, .on_drain = on_drain, .ctx = r};
        return bulk_new(r->couch, r->log, r->server.predicts, &callbacks, &r->bulk, e);
}

/* The column of `deletes.column`. */
static int find_flag(struct run *r, struct err *e)
{
        const struct extract *x = r->mapper->extract;
        const char *name = x->deletes.column;

        if (!name)
                return 0;
        int at = columns_find(&r->shape.columns, str_of(name));
        size_t len = strcspn(name, ".");
        if (at < 0 && name[len] && !source_describes_columns(r->mapper->source)) {
                at = columns_find(&r->shape.columns, (struct str){name, len});
                r->flag_path = name + len + 1;
        }
        if (at < 0)
                return ynode_error(x->doc, ynode_get(ynode_get(x->node, "deletes"), "column"), e,
                        "deletes.column: there is no column \"%s\" in what extract reads", name);
        r->flag = (size_t)at;
        return 0;
}

static int open_source(struct run *r, struct err *e)
{
        int rc = source_open(r->mapper->source, r->loop, r->log, &r->source, e);

        if (!rc)
                rc = source_describe(r->source, r->mapper->extract, r->arena, &r->shape, e);
        if (!rc)
                rc = find_flag(r, e);
        if (!rc && r->spec->timezone)
                rc = tz_load(r->spec->timezone, &r->zone, e);
        if (!rc)
                rc = lookups_read(
                        r->source, r->mapper, LOOKUPS_ROWS, r->loop, r->log, &r->lookups, e);
        if (rc)
                return rc;
        return validator_compile(r->mapper, &r->shape, r->lookups, &r->validator, e);
}

static int open_run(struct run *r, struct err *e)
{
        buf_init(&r->key, SCRATCH_MAX);
        buf_init(&r->text, SCRATCH_MAX);
        buf_init(&r->mark, RUN_MARK_MAX);
        bitmap_init(&r->seen, BITMAP_MAX_BYTES);
        bitmap_init(&r->gone, BITMAP_MAX_BYTES);
        bitmap_init(&r->told, BITMAP_MAX_BYTES);
        bitmap_init(&r->asked, BITMAP_MAX_BYTES);
        bitmap_init(&r->present, BITMAP_MAX_BYTES);
        bitmap_init(&r->written, BITMAP_MAX_BYTES);
        bitmap_init(&r->doubted, BITMAP_MAX_BYTES);
        r->arena = arena_new(16 << 20);
        if (!r->arena)
                return err_nomem(e, "run");
        int rc = pending_set_new(&r->pending, e);
        if (!rc)
                rc = open_state(r, e);
        if (!rc)
                rc = open_source(r, e);
        if (!rc && r->options.given)
                rc = given_convert(r, e);
        if (rc)
                return rc;
        fingerprint_mapper(r, r->fingerprint);
        return open_couch(r, e);
}

/* Where the list is full it is read, and begun anew. */
static int want_in_parts(struct run *r, struct str key, struct err *e)
{
        int rc = keyed_want(r, key, e);

        if (rc || !r->overflow)
                return rc;
        r->overflow = false;
        rc = keyed_read(r, e);
        return rc ? rc : keyed_want(r, key, e);
}

/* The records of the keys, in place of those that the source offers. */
static int want_keys(struct run *r, struct err *e)
{
        cleanup_buf_ struct buf key = BUF_INIT(SCRATCH_MAX);
        int rc = 0;

        for (size_t i = 0; !rc && i < r->options.key_count; i++) {
                buf_clear(&key);
                if (key_recode(&r->shape, r->options.keys[i], &key, NULL) == 0)
                        rc = want_in_parts(r, buf_str(&key), e);
        }
        return rc;
}

static int read_records(struct run *r, struct err *e)
{
        int rc = r->mode == RUN_READS_KEYS    ? want_keys(r, e)
                 : r->mode == RUN_READS_GIVEN ? given_read(r, e)
                                              : pass_read(r, e);

        if (!rc)
                rc = settle_all(r, false, e);
        return rc ? rc : keyed_read(r, e);
}

static int finish_run(struct run *r, struct err *e)
{
        atomic_store(&r->progress->phase, RUN_FINISHING);
        /* A database that no list named was seen when its first record came. */
        int rc = r->branches_noted ? branches_delete(r, e) : 0;

        if (!rc)
                rc = gone_find(r, e);

        if (!rc)
                rc = claims_resolve(r, e);
        if (!rc)
                rc = deletions_old_ids(r, e);
        if (!rc)
                rc = deletions_sweep(r, e);
        if (!rc)
                rc = rejects_clear(r, e);
        if (!rc)
                rc = indexes_keep(r, e);
        if (!rc && !r->options.dry_run && !run_takes_some(r))
                rc = checkpoint_write(r, e);
        return rc;
}

static int brake_error(const struct run *r, struct err *e)
{
        if (!r->report->withheld)
                return 0;
        return err_set(e, ERR_GUARD,
                "%llu documents would be deleted, more than deletes.max (%g %%) allows%s; nothing "
                "was deleted, everything else was done; if they are really gone from the source, "
                "run again with --allow-deletes",
                (unsigned long long)r->report->withheld, r->mapper->extract->deletes.max_percent,
                r->counts->read == 0 ? ", and the source returned no records" : "");
}

static int do_run(struct run *r, struct err *e)
{
        int rc = open_run(r, e);

        if (!rc && !r->options.dry_run) /* which writes nothing */
                rc = lock_remote_take(r->source,
                        &(struct lock_remote){r->server.uuid, r->control, r->spec->name}, e);
        if (!rc)
                rc = start_run(r, e);
        if (!rc)
                rc = plan_run(r, e);
        if (!rc && !r->incomplete)
                rc = indexes_keep(r, e);
        if (!rc && !r->control_absent)
                rc = rejects_load(r, e);
        if (!rc)
                rc = branches_delete(r, e);
        if (!rc)
                rc = read_records(r, e);
        if (!rc)
                rc = finish_run(r, e);
        return rc ? rc : brake_error(r, e);
}

/* After a failure: what is acknowledged or can still be is kept, within the writer's patience. */
static void rescue(struct run *r, int rc)
{
        struct err e;

        if (!r->bulk || !r->state || !r->batch)
                return;
        if (settle_all(r, true, &e) != 0)
                log_debug(r->log, "flushing after the failure: %s", e.text);
        else if (rc == -ERR_RETRY || rc == -ERR_CANCEL)
                mark_rescue(r);
}

static void close_run(struct run *r)
{
        source_close(r->source);
        bulk_free(r->bulk);
        couch_close(r->couch);
        validator_free(r->validator);
        lookup_set_free(r->lookups);
        given_run_free(r->given);
        target_set_deinit(&r->targets);
        state_batch_free(r->batch);
        state_close(r->state);
        rehearsal_end(r);
        lock_release(r->lock);
        pending_set_free(r->pending);
        free(r->acked);
        free(r->wanted_target);
        bitmap_deinit(&r->seen);
        bitmap_deinit(&r->gone);
        bitmap_deinit(&r->told);
        bitmap_deinit(&r->asked);
        bitmap_deinit(&r->present);
        bitmap_deinit(&r->written);
        bitmap_deinit(&r->doubted);
        buf_deinit(&r->wanted.bytes);
        tz_free(r->zone);
        buf_deinit(&r->key);
        buf_deinit(&r->text);
        buf_deinit(&r->mark);
        arena_free(r->arena);
}

void run_mapper(const struct config *config, const struct config_mapper *mapper,
        const struct run_options *options, struct loop *loop, const struct log *log,
        struct run_progress *progress, struct run_report *report)
{
        int64_t started = clock_monotonic_ms();
        struct run r = {
                .config = config,
                .mapper = mapper,
                .spec = mapper->spec,
                .options = *options,
                .loop = loop,
                .log = log,
                .progress = progress,
                .report = report,
                .counts = &report->counts,
                .started_wall_us = options->started_us > 0 ? options->started_us : clock_wall_us(),
                .shifts = !source_has_snapshot(mapper->source),
        };
        struct err e;

        *report = (struct run_report){.outcome = RUN_FAILED};
        int rc = do_run(&r, &report->err);
        if (rc)
                rescue(&r, rc);
        else
                report->err = (struct err){0}; /* of something that was got over */
        report->elapsed_ms = clock_monotonic_ms() - started;
        report->outcome = outcome_of(rc, report);
        /* A CouchDB that was waited for in vain is not waited for again. */
        bool couch_is_down = rc == -ERR_RETRY && !r.source_failed;
        if (r.bulk && !loop_cancelled(loop) && !couch_is_down && history_write(&r, &e) != 0)
                log_warn(log, "%s", e.text);
        history_note_here(&r);
        close_run(&r);
        atomic_store(&progress->phase, RUN_ENDED);
}
