/* Targets are few (one, or one for each value of a template): a list, with the last one first. */
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>
#include <string.h>

#define TARGETS_MAX 10000 /* databases of one mapper */

struct target *target_find(struct target_set *set, struct str database)
{
        if (set->last && str_is(database, set->last->name))
                return set->last;
        for (size_t i = 0; i < set->count; i++) {
                if (str_is(database, set->items[i]->name)) {
                        set->last = set->items[i];
                        return set->last;
                }
        }
        return NULL;
}

struct target *target_free(struct target *t)
{
        if (t) {
                couch_database_deinit(&t->at_start);
                former_deinit(t);
                free(t->stored_seq);
                free(t->name);
                free(t);
        }
        return NULL;
}

int target_add(struct run *r, const char *name, struct target **out, struct err *e)
{
        struct target_set *set = &r->targets;
        cleanup_(target_freep) struct target *t = NULL;
        struct target *known = target_find(set, str_of(name));

        if (known) {
                *out = known;
                return 0;
        }
        if (set->count == TARGETS_MAX)
                return err_set(e, ERR_CONFIG,
                        "target.database: more than %d databases; the last one is %s", TARGETS_MAX,
                        name);
        t = calloc(1, sizeof(*t));
        struct target **items = t ? reallocarray(set->items, set->count + 1, sizeof(*items)) : NULL;
        if (!items)
                return err_nomem(e, "target database");
        set->items = items;
        t->stored_number = -1;
        t->name = str_dup(str_of(name));
        if (!t->name)
                return err_nomem(e, "target database");
        int rc = state_database(r->state, str_of(name), &t->number, e);
        if (rc)
                return rc;
        crash_point(CRASH_DATABASE_KNOWN);
        *out = t;
        set->items[set->count++] = TAKE(t);
        return 0;
}

/* Session and facts of the checkpoint that the target holds. */
static int read_checkpoint(struct target *t, const cJSON *local, struct err *e)
{
        const char *session = cJSON_GetStringValue(cJSON_GetObjectItem(local, "session"));
        const char *seq = cJSON_GetStringValue(cJSON_GetObjectItem(local, "update_seq"));
        const cJSON *run = cJSON_GetObjectItem(local, "run");

        t->closed = cJSON_IsNumber(run) && run->valuedouble > 0 ? (uint64_t)run->valuedouble : 0;
        snprintf(t->session, sizeof(t->session), "%s", session ? session : "");
        if (!seq)
                return 0;
        t->stored_number = strtoll(seq, NULL, 10);
        t->stored_seq = str_dup(str_of(seq));
        return t->stored_seq ? 0 : err_nomem(e, "checkpoint");
}

int target_open(struct run *r, struct target *t, bool make, struct err *e)
{
        char name[96];
        cJSON *local = NULL;
        int rc;

        if (make && !r->options.dry_run) {
                rc = couch_database_ensure(r->couch, t->name, NULL, e);
                if (rc)
                        return rc;
                crash_point(CRASH_TARGET_MADE);
        }
        /* `_local` first: if the target is restored in between, its number is of what it holds now,
         * and the session shows at the end. */
        rc = couch_local_get(r->couch, t->name, checkpoint_name(r, name), &local, e);
        if (rc < 0)
                return rc;
        t->session[0] = '\0';
        t->stored_number = -1;
        t->closed = 0;
        free(t->stored_seq);
        t->stored_seq = NULL;
        rc = rc == 0 ? read_checkpoint(t, local, e) : 0;
        cJSON_Delete(local);
        couch_database_deinit(&t->at_start);
        return rc ? rc : couch_database(r->couch, t->name, &t->at_start, e);
}

struct adoption {
        struct run *r;
        struct target *t;
        struct buf scratch;
        uint64_t count;
};

static int adopt_document(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct adoption *a = ctx;
        struct run *r = a->r;
        struct state_holder holder = {.rev = doc->rev, .attachments = doc->attachments};
        int rc = digest_document(doc->json, r->spec->filter, &a->scratch, NULL, &holder.digest, e);

        if (rc)
                return err_wrap(e, rc, "document %.*s", STR_ARG(doc->id));
        rc = state_batch_hold(r->batch, a->t->number, doc->id, STR(""), &holder, e);
        if (rc)
                return rc;
        a->count++;
        if (doc->conflicts)
                rc = branches_note(r, a->t, doc->id, e);
        if (rc || state_batch_count(r->batch) < crash_batch(RUN_APPLY_CHANGES))
                return rc;
        rc = state_apply(r->state, r->batch, e);
        crash_point(CRASH_ADOPTED_SOME);
        return rc;
}

static int adopt_prefix(struct run *r, struct target *t, struct str prefix, struct err *e)
{
        struct adoption a = {.r = r, .t = t};

        buf_init(&a.scratch, MAPPER_MAX_DOCUMENT);
        int rc = scan_prefix(r->couch, t->name, prefix, true, adopt_document, &a, e);
        buf_deinit(&a.scratch);
        if (!rc)
                rc = state_apply(r->state, r->batch, e);
        if (rc)
                return err_wrap(e, rc, "reading the documents %.*s* of database %s",
                        STR_ARG(prefix), t->name);
        if (a.count > 0)
                log_info(r->log, "found %llu documents %.*s* in database %s",
                        (unsigned long long)a.count, STR_ARG(prefix), t->name);
        return 0;
}

int target_adopt(struct run *r, struct target *t, struct err *e)
{
        int rc = adopt_prefix(r, t, r->spec->id_prefix, e);

        for (size_t i = 0; !rc && i < t->former_count; i++)
                rc = adopt_prefix(r, t, str_of(t->former[i]), e);
        crash_point(CRASH_ADOPTED);
        return rc;
}

/* The document that stands there takes the place of what the state believed. */
static int take_look(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct adoption *a = ctx;
        struct run *r = a->r;
        struct state_holder holder;
        struct state_entry entry;
        struct digest digest;

        int rc = state_holder(r->state, a->t->number, doc->id, &holder, e);
        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT || holder.key.len == 0)
                return adopt_document(a, doc, e);
        rc = state_get(r->state, holder.key, &entry, e);
        if (rc || entry.doc_count == 0 || !str_eq(entry.docs[0].id, doc->id))
                return rc < 0 ? rc : 0;
        rc = digest_document(doc->json, r->spec->filter, &a->scratch, NULL, &digest, e);
        if (rc)
                return err_wrap(e, rc, "document %.*s", STR_ARG(doc->id));
        entry.docs[0].digest = digest;
        entry.docs[0].rev = doc->rev;
        return state_batch_put(r->batch, holder.key, &entry, e);
}

int target_look(struct run *r, struct target *t, struct str id, struct err *e)
{
        struct adoption a = {.r = r, .t = t};

        buf_init(&a.scratch, MAPPER_MAX_DOCUMENT);
        int rc = scan_document(r->couch, t->name, id, take_look, &a, e);
        buf_deinit(&a.scratch);
        return rc;
}

void target_set_deinit(struct target_set *set)
{
        for (size_t i = 0; i < set->count; i++)
                target_free(set->items[i]);
        free(set->items);
        *set = (struct target_set){0};
}
