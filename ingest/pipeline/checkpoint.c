/*
 * The order is PROTOCOL.md section 2: everything acknowledged and applied -> `closing` and the
 * facts of the targets in one transaction -> each target's `_local` -> session = closing.
 */
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define SESSION_BYTES 16
#define POSITION_MAX  (1 << 20) /* bytes of a source's position */

const char *checkpoint_name(struct run *r, char out[96])
{
        snprintf(out, 96, "erp2couch-%s", r->spec->name);
        return out;
}

static void meta_name(const char *database, char *out, size_t size)
{
        snprintf(out, size, "target:%s", database);
}

void stored_target_deinit(struct stored_target *s)
{
        free(s->update_seq);
        *s = (struct stored_target){0};
}

int checkpoint_stored(struct run *r, const char *database, struct stored_target *out, struct err *e)
{
        char name[300];
        struct str text;

        meta_name(database, name, sizeof(name));
        int rc = state_meta_get(r->state, name, &text, e);
        if (rc)
                return rc;
        cJSON *json = cJSON_ParseWithLength(text.ptr, text.len);
        const char *instance =
                cJSON_GetStringValue(cJSON_GetObjectItem(json, "instance_start_time"));
        const char *seq = cJSON_GetStringValue(cJSON_GetObjectItem(json, "update_seq"));
        const cJSON *own = cJSON_GetObjectItem(json, "own_writes");
        if (!instance || !seq) {
                cJSON_Delete(json);
                return STATE_ABSENT;
        }
        *out = (struct stored_target){.number = strtoll(seq, NULL, 10)};
        snprintf(out->instance, sizeof(out->instance), "%s", instance);
        const cJSON *purged = cJSON_GetObjectItem(json, "purge_number");
        out->purge_number = cJSON_IsNumber(purged) ? (int64_t)purged->valuedouble : -1;
        out->own_writes = own ? (uint64_t)own->valuedouble : 0;
        out->update_seq = str_dup(str_of(seq));
        cJSON_Delete(json);
        return out->update_seq ? 0 : err_nomem(e, "checkpoint");
}

static void writes_name(const char *database, char *out, size_t size)
{
        snprintf(out, size, "writes:%s", database);
}

int checkpoint_note_writes(struct run *r, struct err *e)
{
        char name[300], number[24];
        int rc = 0;

        for (size_t i = 0; !rc && i < r->targets.count; i++) {
                const struct target *t = r->targets.items[i];
                if (t->own_writes == 0)
                        continue;
                writes_name(t->name, name, sizeof(name));
                snprintf(number, sizeof(number), "%llu",
                        (unsigned long long)(t->unclosed_writes + t->own_writes));
                rc = state_batch_meta(r->batch, name, str_of(number), e);
        }
        return rc;
}

int checkpoint_read_writes(struct run *r, struct target *t, struct err *e)
{
        char name[300];
        struct str text;
        int64_t number = 0;

        writes_name(t->name, name, sizeof(name));
        int rc = state_meta_get(r->state, name, &text, e);
        if (rc == 0 && !str_to_int64(text, &number))
                return err_set(e, ERR_BUG, "state: \"%s\" is not a number", name);
        t->unclosed_writes = (uint64_t)number;
        return rc < 0 ? rc : 0;
}

int checkpoint_targets(struct run *r, struct err *e)
{
        char name[96];
        cJSON *local = NULL;
        int rc = couch_local_get(r->couch, r->control, checkpoint_name(r, name), &local, e);

        if (rc < 0)
                return rc;
        if (rc == COUCH_ABSENT)
                return 0;
        const char *session = cJSON_GetStringValue(cJSON_GetObjectItem(local, "session"));
        snprintf(r->control_session, sizeof(r->control_session), "%s", session ? session : "");
        const cJSON *item;
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(local, "targets"))
        {
                const char *database = cJSON_GetStringValue(cJSON_GetObjectItem(item, "database"));
                struct target *t;
                const char *prefix = cJSON_GetStringValue(cJSON_GetObjectItem(item, "prefix"));
                if (!database || !couch_database_name_valid(str_of(database)))
                        continue;
                rc = target_add(r, database, &t, e);
                if (!rc && prefix)
                        rc = former_note(r, t, str_of(prefix), e);
                if (rc < 0)
                        break;
        }
        cJSON_Delete(local);
        return rc < 0 ? rc : 0;
}

static void add_target(cJSON *list, const struct target *t, const char *prefix)
{
        cJSON *item = cJSON_CreateObject();

        cJSON_AddStringToObject(item, "database", t->name);
        cJSON_AddStringToObject(item, "prefix", prefix ? prefix : "");
        cJSON_AddItemToArray(list, item);
}

static void add_targets(struct run *r, cJSON *doc)
{
        cJSON *list = cJSON_AddArrayToObject(doc, "targets");
        char *prefix = str_dup(r->spec->id_prefix);

        for (size_t i = 0; i < r->targets.count; i++) {
                const struct target *t = r->targets.items[i];
                add_target(list, t, prefix);
                for (size_t k = 0; k < t->former_count; k++)
                        add_target(list, t, t->former[k]);
        }
        free(prefix);
}

int checkpoint_list_targets(struct run *r, struct err *e)
{
        char name[96];
        cJSON *local = NULL;
        int rc = couch_local_get(r->couch, r->control, checkpoint_name(r, name), &local, e);

        if (rc < 0)
                return rc;
        if (!local)
                local = cJSON_CreateObject();
        cJSON_DeleteItemFromObject(local, "targets");
        add_targets(r, local);
        rc = couch_local_put(r->couch, r->control, name, local, e);
        cJSON_Delete(local);
        crash_point(CRASH_TARGETS_LISTED);
        return rc ? err_wrap(e, rc, "listing the targets in the control database") : 0;
}

int checkpoint_erase(struct run *r, struct err *e)
{
        char digests[FINGERPRINT_BYTES];
        int rc = state_wipe(r->state, e);

        if (rc)
                return rc;
        crash_point(CRASH_STATE_WIPED);
        fingerprint_digests(r->spec, digests);
        rc = state_batch_meta(r->batch, "digests", str_of(digests), e);
        for (size_t i = 0; i < r->targets.count; i++)
                r->targets.items[i]->unclosed_writes = 0;
        for (size_t i = 0; !rc && i < r->targets.count; i++)
                rc = state_database(r->state, str_of(r->targets.items[i]->name),
                        &r->targets.items[i]->number, e);
        return rc ? rc : state_apply(r->state, r->batch, e);
}

static int new_session(char out[2 * SESSION_BYTES + 1], struct err *e)
{
        unsigned char bytes[SESSION_BYTES];

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                return err_set(e, ERR_SYSTEM, "getrandom: %m");
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(out + 2 * i, 3, "%02x", bytes[i]);
        return 0;
}

/* PROTOCOL.md section 2, End: is each target still the one that the run began with? */
static int verify_target(struct run *r, struct target *t, struct err *e)
{
        char name[96];
        struct couch_database now = {0};
        cJSON *local = NULL;
        int rc = couch_database(r->couch, t->name, &now, e);

        if (rc == COUCH_ABSENT) {
                r->replaced = true;
                return err_set(e, ERR_RETRY, "database %s was deleted during the run", t->name);
        }
        if (rc)
                return rc;
        rc = couch_local_get(r->couch, t->name, checkpoint_name(r, name), &local, e);
        if (rc >= 0) {
                const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(local, "session"));
                bool same = strcmp(now.instance_start_time, t->at_start.instance_start_time) == 0 &&
                            strcmp(s ? s : "", t->session) == 0 &&
                            (now.n > 1 || !r->server.predicts ||
                                    now.update_number >=
                                            t->at_start.update_number + (int64_t)t->own_writes);
                r->replaced = !same;
                rc = same ? 0
                          : err_set(e, ERR_RETRY,
                                    "database %s was replaced or restored during the run; the next "
                                    "run reads it anew",
                                    t->name);
        }
        cJSON_Delete(local);
        couch_database_deinit(&now);
        return rc;
}

/* @own_writes, @run: the last run's, so that the state may be compared with its documents */
static cJSON *facts_of(const struct target *t, uint64_t own_writes, uint64_t run)
{
        cJSON *facts = cJSON_CreateObject();

        cJSON_AddStringToObject(facts, "instance_start_time", t->at_start.instance_start_time);
        cJSON *seq = cJSON_AddStringToObject(facts, "update_seq", t->at_start.update_seq.ptr);
        (void)seq;
        cJSON_AddNumberToObject(facts, "own_writes", (double)own_writes);
        cJSON_AddNumberToObject(facts, "run", (double)run);
        cJSON_AddNumberToObject(facts, "purge_number", (double)t->at_start.purge_number);
        return facts;
}

static cJSON *target_facts(const struct run *r, const struct target *t)
{
        return facts_of(t, t->own_writes, r->number);
}

/* Into the state. Takes @facts. */
static int put_facts(struct run *r, const struct target *t, cJSON *facts, struct err *e)
{
        char name[300];
        char *text = facts ? cJSON_PrintUnformatted(facts) : NULL;

        cJSON_Delete(facts);
        if (!text)
                return err_nomem(e, "checkpoint");
        meta_name(t->name, name, sizeof(name));
        int rc = state_batch_meta(r->batch, name, str_of(text), e);
        cJSON_free(text);
        return rc;
}

/* One transaction: `closing`, and the facts from which the next run follows each target. */
static int store_closing(struct run *r, const char *session, struct buf *position, struct err *e)
{
        char name[300], number[24];
        int rc = state_batch_meta(r->batch, "closing", str_of(session), e);

        snprintf(number, sizeof(number), "%llu", (unsigned long long)r->number);
        if (!rc)
                rc = plan_store(r, position, e);
        if (!rc)
                rc = state_batch_meta(r->batch, "closed", str_of(number), e);
        for (size_t i = 0; !rc && i < r->targets.count; i++) {
                const struct target *t = r->targets.items[i];
                rc = put_facts(r, t, target_facts(r, t), e);
                writes_name(r->targets.items[i]->name, name, sizeof(name));
                if (!rc)
                        rc = state_batch_meta(r->batch, name, (struct str){0}, e);
        }
        if (!rc)
                rc = state_apply(r->state, r->batch, e);
        crash_point(CRASH_CLOSING_STORED);
        return rc;
}

struct closing {
        char session[2 * SESSION_BYTES + 1];
        struct buf position;
};

static int put_local(
        struct run *r, const char *database, cJSON *doc, struct closing *c, struct err *e)
{
        char name[96], at[CLOCK_RFC3339_MAX];

        cJSON_AddStringToObject(doc, "session", c->session);
        if (c->position.len && buf_cstr(&c->position))
                cJSON_AddStringToObject(doc, "cursor", c->position.data);
        else
                cJSON_AddNullToObject(doc, "cursor");
        cJSON_AddStringToObject(doc, "fingerprint", r->fingerprint);
        cJSON_AddStringToObject(doc, "mapper", r->spec->name);
        cJSON_AddStringToObject(doc, "at", clock_rfc3339(clock_wall_us(), at));
        return couch_local_put(r->couch, database, checkpoint_name(r, name), doc, e);
}

static int put_control_local(struct run *r, struct closing *c, struct err *e)
{
        cJSON *doc = cJSON_CreateObject();

        add_targets(r, doc);
        int rc = put_local(r, r->control, doc, c, e);
        cJSON_Delete(doc);
        crash_point(CRASH_CONTROL_CLOSED);
        return rc;
}

static int put_locals(struct run *r, struct closing *c, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; !rc && i < r->targets.count; i++) {
                cJSON *doc = target_facts(r, r->targets.items[i]);
                rc = put_local(r, r->targets.items[i]->name, doc, c, e);
                cJSON_Delete(doc);
                crash_point(CRASH_TARGET_CLOSED);
        }
        if (!rc)
                rc = former_forget(r, e);
        return rc ? rc : put_control_local(r, c, e);
}

/* A target was replaced under the run: the next run must not trust the state. Return: @rc. */
static int forget_session(struct run *r, int rc)
{
        struct err e;

        if (state_batch_meta(r->batch, "session", (struct str){0}, &e) != 0 ||
                state_apply(r->state, r->batch, &e) != 0)
                log_warn(r->log, "%s", e.text);
        crash_point(CRASH_SESSION_FORGOTTEN);
        return rc;
}

static int store_session(struct run *r, const struct closing *c, struct err *e)
{
        int rc = state_batch_meta(r->batch, "session", str_of(c->session), e);

        if (!rc)
                rc = state_batch_meta(r->batch, "closing", (struct str){0}, e);
        return rc ? rc : state_apply(r->state, r->batch, e);
}

static int close_session(struct run *r, struct closing *c, struct err *e)
{
        int rc = store_closing(r, c->session, &c->position, e);

        if (!rc)
                rc = put_locals(r, c, e);
        if (!rc)
                rc = store_session(r, c, e);
        crash_point(CRASH_SESSION_STORED);
        return rc;
}

/* The lock is ours, and every target is the one that the run began with. */
static int verify_targets(struct run *r, struct err *e)
{
        int rc = source_lock_check(r->source, e);

        for (size_t i = 0; !rc && i < r->targets.count; i++)
                rc = verify_target(r, r->targets.items[i], e);
        return r->replaced ? forget_session(r, rc) : rc;
}

/* ---- before the first checkpoint ---- */

static bool holds_session(const struct target *t, const char *session)
{
        return session[0] && strcmp(t->session, session) == 0;
}

static int stored_session(struct run *r, char out[2 * SESSION_BYTES + 1], struct err *e)
{
        struct str text;
        int rc = state_meta_get(r->state, "session", &text, e);

        out[0] = '\0';
        if (rc == 0)
                snprintf(out, 2 * SESSION_BYTES + 1, "%.*s", STR_ARG(text));
        return rc < 0 ? rc : 0;
}

bool checkpoint_is_open(struct run *r)
{
        char session[2 * SESSION_BYTES + 1];
        struct err e;

        if (stored_session(r, session, &e) != 0 || !session[0])
                return false;
        for (size_t i = 0; i < r->targets.count; i++)
                if (!holds_session(r->targets.items[i], session))
                        return false;
        return true;
}

/* As if the run before this one had closed it with what it holds, and written nothing since. */
static cJSON *opening_facts(const struct run *r, const struct target *t)
{
        return facts_of(t, 0, r->number - 1);
}

static int store_opening(struct run *r, struct closing *c, bool first, struct err *e)
{
        char number[24];
        int rc = 0;

        snprintf(number, sizeof(number), "%llu", (unsigned long long)r->number - 1);
        if (first)
                rc = state_batch_meta(r->batch, "closing", str_of(c->session), e);
        if (!rc && first)
                rc = state_batch_meta(r->batch, "closed", str_of(number), e);
        for (size_t i = 0; !rc && i < r->targets.count; i++) {
                const struct target *t = r->targets.items[i];
                if (!holds_session(t, c->session))
                        rc = put_facts(r, t, opening_facts(r, t), e);
        }
        return rc ? rc : state_apply(r->state, r->batch, e);
}

static int open_targets(struct run *r, struct closing *c, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; !rc && i < r->targets.count; i++) {
                struct target *t = r->targets.items[i];
                if (holds_session(t, c->session))
                        continue;
                cJSON *doc = opening_facts(r, t);
                rc = put_local(r, t->name, doc, c, e);
                cJSON_Delete(doc);
                crash_point(CRASH_TARGET_CLOSED);
                if (!rc)
                        snprintf(t->session, sizeof(t->session), "%s", c->session);
        }
        return rc;
}

/* The session of all: as at a checkpoint, which it is but for cursor and fingerprint. */
static int open_session(struct run *r, struct closing *c, struct err *e)
{
        int rc = put_control_local(r, c, e);

        if (!rc)
                rc = store_session(r, c, e);
        if (!rc)
                snprintf(r->control_session, sizeof(r->control_session), "%s", c->session);
        return rc;
}

int checkpoint_open(struct run *r, struct err *e)
{
        struct closing c = {.position = BUF_INIT(1)};

        if (checkpoint_is_open(r))
                return 0;
        int rc = stored_session(r, c.session, e);
        bool first = !c.session[0];
        if (!rc && first)
                rc = new_session(c.session, e);
        if (!rc)
                rc = verify_targets(r, e);
        if (!rc)
                rc = store_opening(r, &c, first, e);
        if (!rc)
                rc = open_targets(r, &c, e);
        if (!rc && first)
                rc = open_session(r, &c, e);
        crash_point(CRASH_MARK_OPENED);
        return rc;
}

int checkpoint_write(struct run *r, struct err *e)
{
        struct closing c = {.position = BUF_INIT(POSITION_MAX)};
        int rc = new_session(c.session, e);

        if (!rc)
                rc = verify_targets(r, e);
        if (rc)
                return rc;
        crash_point(CRASH_TARGETS_VERIFIED);
        rc = close_session(r, &c, e);
        buf_deinit(&c.position);
        return rc ? err_wrap(e, rc, "checkpoint") : 0;
}
