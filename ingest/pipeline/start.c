/*
 * PROTOCOL.md section 2, Start. The state is trusted only where every target holds our session
 * (or the one that the last run was closing) and is still the database it was; else the state is
 * rebuilt from the documents that the targets hold.
 */
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>
#include <string.h>

static bool is_literal_target(const struct run *r, const char *name)
{
        const struct field_template *t = &r->spec->database;

        return t->count == 1 && t->parts[0].scope == TEMPLATE_LITERAL &&
               str_is(t->parts[0].text, name);
}

/* The configured database, those of the state, and those that earlier runs listed. */
static int collect_targets(struct run *r, struct err *e)
{
        const struct field_template *t = &r->spec->database;
        struct target *added;
        int rc = 0;

        if (t->count == 1 && t->parts[0].scope == TEMPLATE_LITERAL) {
                cleanup_(freep) char *name = str_dup(t->parts[0].text);
                rc = name ? target_add(r, name, &added, e) : err_nomem(e, "database name");
        }
        for (size_t i = 0; !rc && i < state_database_count(r->state); i++)
                rc = target_add(r, state_database_name(r->state, (uint16_t)i), &added, e);
        return rc ? rc : checkpoint_targets(r, e);
}

static void drop_target(struct run *r, size_t i)
{
        struct target *t = r->targets.items[i];

        r->targets.last = NULL;
        memmove(&r->targets.items[i], &r->targets.items[i + 1],
                (r->targets.count - i - 1) * sizeof(r->targets.items[0]));
        r->targets.count--;
        target_free(t);
}

/* A former database that an operator deleted is not made again: *@lost is set instead. */
static int open_targets(struct run *r, bool *lost, struct err *e)
{
        size_t i = 0;

        while (i < r->targets.count) {
                struct target *t = r->targets.items[i];
                int rc = target_open(r, t, is_literal_target(r, t->name), e);
                if (rc < 0)
                        return rc;
                if (rc == COUCH_ABSENT) {
                        log_info(r->log, "database %s is not there%s", t->name,
                                is_literal_target(r, t->name) ? ": a run without --dry-run makes it"
                                                              : " any more");
                        drop_target(r, i);
                        *lost = true;
                        continue;
                }
                i++;
        }
        return 0;
}

static int meta_text(struct run *r, const char *name, char *out, size_t size, struct err *e)
{
        struct str text;
        int rc = state_meta_get(r->state, name, &text, e);

        out[0] = '\0';
        if (rc == 0)
                snprintf(out, size, "%.*s", STR_ARG(text));
        return rc < 0 ? rc : 0;
}

const char *start_distrust(
        struct run *r, struct target *t, const char *session, const char *closing)
{
        struct stored_target stored = {0};
        struct err e;
        const char *why = NULL;

        if (!t->session[0])
                return "it holds no checkpoint of this mapper";
        if (strcmp(t->session, session) != 0 && strcmp(t->session, closing) != 0)
                return "its checkpoint is of another run than the state";
        if (checkpoint_read_writes(r, t, &e) != 0 ||
                checkpoint_stored(r, t->name, &stored, &e) != 0)
                return "the state knows no checkpoint of it";
        if (strcmp(stored.instance, t->at_start.instance_start_time) != 0)
                why = "it was deleted and made again";
        else if (t->at_start.n <= 1 && r->server.predicts &&
                 (t->at_start.update_number < stored.number + (int64_t)(stored.own_writes +
                                                                        t->unclosed_writes) ||
                         t->at_start.update_number < t->stored_number))
                why = "it was restored to an earlier time";
        else if (t->at_start.n <= 1 && stored.purge_number >= 0 &&
                 stored.purge_number != t->at_start.purge_number)
                why = "documents were purged from it, which its changes do not tell";
        stored_target_deinit(&stored);
        return why;
}

static bool must_rebuild(struct run *r, const char *session, const char *closing)
{
        char now[FINGERPRINT_BYTES], then[FINGERPRINT_BYTES];
        struct err e;

        if (!session[0] && !closing[0]) {
                log_debug(r->log, "no checkpoint yet: looking for existing documents");
                return true;
        }
        fingerprint_digests(r->spec, now);
        if (meta_text(r, "digests", then, sizeof(then), &e) != 0 || strcmp(now, then) != 0) {
                log_info(r->log, "the mapper compares documents in another way now: the state is "
                                 "rebuilt from CouchDB");
                return true;
        }
        for (size_t i = 0; i < r->targets.count; i++) {
                struct target *t = r->targets.items[i];
                const char *why = start_distrust(r, t, session, closing);
                if (why) {
                        log_warn(r->log, "database %s: %s: the state is rebuilt from CouchDB",
                                t->name, why);
                        return true;
                }
        }
        return false;
}

static int rebuild(struct run *r, struct err *e)
{
        atomic_store(&r->progress->phase, RUN_REBUILDING);
        int rc = checkpoint_erase(r, e);
        crash_point(CRASH_STATE_ERASED);
        for (size_t i = 0; !rc && i < r->targets.count; i++)
                rc = target_adopt(r, r->targets.items[i], e);
        return rc;
}

/* Brings the `_local` of a database to the session that was closing, if it is not there yet. */
static int finish_local(
        struct run *r, const char *database, char held[40], const char *closing, struct err *e)
{
        char name[96];
        cJSON *local = NULL;

        if (strcmp(held, closing) == 0)
                return 0;
        int rc = couch_local_get(r->couch, database, checkpoint_name(r, name), &local, e);
        if (rc == 0) {
                cJSON_DeleteItemFromObject(local, "session");
                cJSON_AddStringToObject(local, "session", closing);
                rc = couch_local_put(r->couch, database, name, local, e);
                crash_point(CRASH_LOCAL_FINISHED);
        }
        cJSON_Delete(local);
        snprintf(held, 40, "%s", closing);
        return rc < 0 ? rc : 0;
}

/* The session was closing when the last run died: some targets hold it, so all shall. */
static int finish_closing(struct run *r, const char *session, const char *closing, struct err *e)
{
        bool reached = false;
        int rc = 0;

        if (!closing[0] || r->options.dry_run)
                return 0;
        for (size_t i = 0; i < r->targets.count; i++)
                reached |= strcmp(r->targets.items[i]->session, closing) == 0;
        for (size_t i = 0; !rc && reached && i < r->targets.count; i++) {
                struct target *t = r->targets.items[i];
                rc = finish_local(r, t->name, t->session, closing, e);
        }
        if (!rc && reached && !r->control_lost)
                rc = finish_local(r, r->control, r->control_session, closing, e);
        if (!rc)
                rc = state_batch_meta(r->batch, "session", str_of(reached ? closing : session), e);
        if (!rc)
                rc = state_batch_meta(r->batch, "closing", (struct str){0}, e);
        if (!rc)
                rc = state_apply(r->state, r->batch, e);
        crash_point(CRASH_CLOSING_FINISHED);
        return rc;
}

/* Numbers the run durably before its first write: its entries are known if it dies. */
static int number_run(struct run *r, struct err *e)
{
        char text[24];
        int rc = meta_text(r, "run", text, sizeof(text), e);

        if (rc)
                return rc;
        r->number = strtoull(text, NULL, 10) + 1;
        snprintf(text, sizeof(text), "%llu", (unsigned long long)r->number);
        rc = state_batch_meta(r->batch, "run", str_of(text), e);
        if (!rc)
                rc = state_batch_unpark_all(r->batch, e);
        if (!rc)
                rc = state_apply(r->state, r->batch, e);
        crash_point(CRASH_RUN_NUMBERED);
        return rc;
}

/* Follows what others did to the targets since the last checkpoint: the one that the target itself
 * holds, which is older than the state's where a run died while it closed. What runs wrote after
 * that must be found there, or the target was restored. Return: 0; DRIFT_REBUILD; -class. */
static int follow_targets(struct run *r, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; !rc && i < r->targets.count; i++) {
                struct target *t = r->targets.items[i];
                struct stored_target stored = {0};
                uint64_t closed = t->closed;
                bool unclosed = closed + 1 != r->number;
                rc = checkpoint_stored(r, t->name, &stored, e);
                if (rc == STATE_ABSENT)
                        rc = 0;
                bool quiet =
                        !unclosed && t->at_start.n <= 1 && r->server.predicts &&
                        t->at_start.update_number == stored.number + (int64_t)stored.own_writes;
                const char *since = t->stored_seq ? t->stored_seq : stored.update_seq;
                if (!rc && !quiet && since)
                        rc = drift_follow(r, t, str_of(since), e);
                stored_target_deinit(&stored);
        }
        return rc;
}

int start_run(struct run *r, struct err *e)
{
        char session[64], closing[64];
        bool lost = false;
        int rc = collect_targets(r, e);

        if (!rc)
                rc = open_targets(r, &lost, e);
        if (!rc)
                rc = meta_text(r, "session", session, sizeof(session), e);
        if (!rc)
                rc = meta_text(r, "closing", closing, sizeof(closing), e);
        if (rc)
                return rc;
        r->rebuilt = lost || must_rebuild(r, session, closing);
        /* With it the rejects are gone: only a full read finds their records again. */
        r->control_lost =
                !r->control_session[0] || (strcmp(r->control_session, session) != 0 &&
                                                  strcmp(r->control_session, closing) != 0);
        rc = r->rebuilt ? rebuild(r, e) : finish_closing(r, session, closing, e);
        if (!rc)
                rc = number_run(r, e);
        if (!rc && !r->rebuilt) {
                rc = follow_targets(r, e);
                if (rc == DRIFT_REBUILD) {
                        r->rebuilt = true;
                        rc = rebuild(r, e);
                        if (!rc)
                                rc = number_run(r, e);
                }
        }
        if (!rc && !r->options.dry_run)
                rc = checkpoint_list_targets(r, e);
        r->next_ordinal = rc ? 0 : state_next_ordinal(r->state);
        return rc;
}

int start_target(struct run *r, const char *name, struct err *e)
{
        struct target *t;
        int rc;

        if (!couch_database_name_valid(str_of(name)))
                return err_set(e, ERR_CONFIG,
                        "target.database yields \"%s\", which CouchDB refuses as a name: lower "
                        "case letters, digits and _$()+/- only, beginning with a letter",
                        name);
        rc = target_add(r, name, &t, e);
        if (!rc && !r->options.dry_run)
                rc = checkpoint_list_targets(r, e);
        if (!rc)
                rc = target_open(r, t, true, e);
        if (rc == COUCH_ABSENT) /* a dry run makes no databases */
                return 0;
        return rc ? rc : target_adopt(r, t, e);
}
