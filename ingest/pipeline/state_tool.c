/*
 * Looking at a state. What the next run will make of it is asked of the functions that a run asks,
 * over a struct run that reads only.
 */
#include "ingest/pipeline/state_tool.h"

#include <stdio.h>
#include <string.h>

#include "ingest/pipeline/lock_peek.h"
#include "ingest/pipeline/run_internal.h"

const char *state_condition_name(enum state_condition condition)
{
        static const char *const names[] = {[STATE_IS_MISSING] = "missing",
                [STATE_IS_SOUND] = "sound",
                [STATE_IS_DAMAGED] = "corrupt",
                [STATE_IS_FOREIGN] = "foreign"};

        return names[condition];
}

/* ---- the state itself ---- */

static int open_peek(const char *folder, long busy, const struct log *log, struct state **state,
        const char **why, struct err *e)
{
        char data[4200];

        snprintf(data, sizeof(data), "%s/data", folder);
        return state_peek(data, log, busy != 0, state, why, e);
}

static int count_record(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        struct state_look *s = ctx;

        for (uint32_t i = 0; i < entry->doc_count; i++)
                if (!entry->docs[i].deleted && entry->docs[i].database < s->target_count)
                        s->targets[entry->docs[i].database].documents++;
        return 0;
}

static int count_unattached(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        struct state_look *s = ctx;

        if (!doc->deleted && database < s->target_count)
                s->targets[database].unattached++;
        return 0;
}

static int count_owed(void *ctx, const struct state_owed *owed, struct err *e)
{
        ((struct state_look *)ctx)->owed++;
        return 0;
}

static int count_parked(void *ctx, const struct state_parked *parked, struct err *e)
{
        ((struct state_look *)ctx)->parked++;
        return 0;
}

static int read_meta(struct state *state, const char *name, char *out, size_t size, struct err *e)
{
        struct str text;
        int rc = state_meta_get(state, name, &text, e);

        if (rc == 0)
                snprintf(out, size, "%.*s", STR_ARG(text));
        return rc < 0 ? rc : 0;
}

static int read_numbers(struct state *state, struct state_look *out, struct err *e)
{
        char run[24] = "", closed[24] = "";
        struct str position;
        int rc = read_meta(state, "session", out->session, sizeof(out->session), e);

        rc = rc ? rc : read_meta(state, "closing", out->closing, sizeof(out->closing), e);
        rc = rc ? rc : read_meta(state, "run", run, sizeof(run), e);
        rc = rc ? rc : read_meta(state, "closed", closed, sizeof(closed), e);
        rc = rc ? rc : state_meta_get(state, "position", &position, e);
        if (rc == 0 && position.len)
                out->position = str_dup(position);
        out->run = strtoull(run, NULL, 10);
        out->closed = strtoull(closed, NULL, 10);
        return rc < 0 ? rc : 0;
}

static int read_state(struct state *state, struct state_look *out, struct err *e)
{
        size_t count = state_database_count(state);

        out->targets = calloc(count + 1, sizeof(*out->targets));
        if (!out->targets)
                return err_nomem(e, "databases");
        for (size_t i = 0; i < count; i++, out->target_count++) {
                out->targets[i].name = str_dup(str_of(state_database_name(state, (uint16_t)i)));
                if (!out->targets[i].name)
                        return err_nomem(e, "databases");
        }
        out->size_bytes = state_size_bytes(state);
        out->records = state_count(state);
        int rc = state_each_record(state, count_record, out, e);
        rc = rc ? rc : state_each_unattached(state, count_unattached, out, e);
        rc = rc ? rc : state_each_owed(state, count_owed, out, e);
        rc = rc ? rc : state_each_parked(state, count_parked, out, e);
        return rc ? rc : read_numbers(state, out, e);
}

static enum state_condition condition_of(int rc)
{
        switch (rc) {
        case 0:
                return STATE_IS_SOUND;
        case STATE_DAMAGED:
                return STATE_IS_DAMAGED;
        case STATE_FOREIGN:
                return STATE_IS_FOREIGN;
        default:
                return STATE_IS_MISSING;
        }
}

void state_look_deinit(struct state_look *s)
{
        for (size_t i = 0; i < s->target_count; i++)
                free(s->targets[i].name);
        free(s->targets);
        free(s->position);
        *s = (struct state_look){.target_count = 0};
}

/* ---- what the next run will make of it ---- */

static struct state_target *find_target(struct state_look *s, const char *name)
{
        for (size_t i = 0; i < s->target_count; i++)
                if (strcmp(s->targets[i].name, name) == 0)
                        return &s->targets[i];
        return NULL;
}

static void distrust(struct state_look *out, const char *why, const char *target)
{
        if (out->trusted == ANSWER_NO)
                return; /* the first reason is enough */
        out->trusted = ANSWER_NO;
        out->distrust = why;
        out->distrust_target = target;
}

/* Not by target_add(): that would give a new database a number in the state. */
static int ask_target(struct run *r, const char *name, struct state_look *out, struct err *e)
{
        struct state_target *known = find_target(out, name);
        struct target t = {.name = (char *)name, .stored_number = -1};
        int rc = target_open(r, &t, false, e);
        const char *why = rc == COUCH_ABSENT ? "the database is not there" : NULL;

        if (rc == 0)
                why = start_distrust(r, &t, out->session, out->closing);
        couch_database_deinit(&t.at_start);
        free(t.stored_seq);
        if (known)
                known->distrust = why;
        if (why)
                distrust(out, why, known ? known->name : NULL);
        return rc < 0 ? rc : 0;
}

/* Databases that runs listed before their first use, and that the state does not know. */
static int ask_listed(struct run *r, struct state_look *out, struct err *e)
{
        char id[96];
        cJSON *local = NULL;
        const cJSON *item;
        int rc = couch_local_get(r->couch, r->control, checkpoint_name(r, id), &local, e);

        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(local, "targets"))
        {
                const char *name =
                        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "database"));
                if (rc == 0 && name && !find_target(out, name) &&
                        couch_database_name_valid(str_of(name)))
                        rc = ask_target(r, name, out, e);
        }
        cJSON_Delete(local);
        return rc < 0 ? rc : 0;
}

/* All that start.c collects: those of the state, the configured one, the listed ones. */
static int ask_targets(struct run *r, struct state_look *out, struct err *e)
{
        const struct field_template *t = &r->spec->database;
        int rc = 0;

        for (size_t i = 0; !rc && i < out->target_count; i++)
                rc = ask_target(r, out->targets[i].name, out, e);
        if (!rc && t->count == 1 && t->parts[0].scope == TEMPLATE_LITERAL) {
                cleanup_(freep) char *name = str_dup(t->parts[0].text);
                if (!name)
                        return err_nomem(e, "database name");
                rc = find_target(out, name) ? 0 : ask_target(r, name, out, e);
        }
        return rc ? rc : ask_listed(r, out, e);
}

static int ask_couch(struct run *r, struct state_look *out, struct err *e)
{
        char then[FINGERPRINT_BYTES] = "", now[FINGERPRINT_BYTES];
        int rc = read_meta(r->state, "digests", then, sizeof(then), e);

        if (rc)
                return rc;
        out->trusted = ANSWER_YES;
        fingerprint_digests(r->spec, now);
        if (!out->session[0] && !out->closing[0])
                distrust(out, "it holds no checkpoint", NULL);
        else if (strcmp(then, now) != 0)
                distrust(out, "the mapper compares documents in another way now", NULL);
        rc = ask_targets(r, out, e);
        if (rc)
                out->trusted = ANSWER_UNKNOWN;
        return rc;
}

static int ask_source(struct run *r, struct state_look *out, struct err *e)
{
        char then[FINGERPRINT_BYTES] = "", now[FINGERPRINT_BYTES];
        int rc = read_meta(r->state, "fingerprint", then, sizeof(then), e);

        rc = rc ? rc : source_open(r->mapper->source, r->loop, r->log, &r->source, e);
        rc = rc ? rc : source_describe(r->source, r->mapper->extract, r->arena, &r->shape, e);
        rc = rc ? rc
                : lookups_read(r->source, r->mapper, LOOKUPS_ROWS, r->loop, r->log, &r->lookups, e);
        if (rc)
                return rc;
        fingerprint_mapper(r, now);
        out->same_mapper = strcmp(then, now) == 0 ? ANSWER_YES : ANSWER_NO;
        return 0;
}

static int count_doc(void *ctx, const struct scan_doc *doc, struct err *e)
{
        ++*(uint64_t *)ctx;
        return 0;
}

static int count_rejects(struct control *c, const char *name, uint64_t *out, struct err *e)
{
        char prefix[128];

        snprintf(prefix, sizeof(prefix), "reject:%s:", name);
        *out = 0;
        return control_scan(c, str_of(prefix), (struct str){0}, false, count_doc, out, e);
}

/* Both servers are asked, also where the first does not answer; the first failure is told. */
static int ask_servers(const struct config *config, const char *name,
        const struct config_mapper *mapper, struct state *state, struct loop *loop,
        const struct log *log, struct state_look *out, struct err *e)
{
        struct control control;
        struct err source_err;
        int rc = control_open(config, loop, log, &control, e);

        if (!rc)
                rc = count_rejects(&control, name, &out->rejects, e);
        if (state && mapper) {
                cleanup_(arena_freep) struct arena *arena = arena_new(16 << 20);
                struct run r = {.config = config,
                        .mapper = mapper,
                        .spec = mapper->spec,
                        .options = {.dry_run = true},
                        .loop = loop,
                        .log = log,
                        .arena = arena,
                        .couch = control.couch,
                        .server = control.server,
                        .control = control.database,
                        .state = state};
                if (!rc)
                        rc = arena ? ask_couch(&r, out, e) : err_nomem(e, "state");
                int asked = arena ? ask_source(&r, out, &source_err) : 0;
                if (!rc && asked)
                        *e = source_err;
                rc = rc ? rc : asked;
                source_close(r.source);
                lookup_set_free(r.lookups);
        }
        control_close(&control);
        return rc;
}

int state_look(const struct config *config, const char *name, const struct config_mapper *mapper,
        struct loop *loop, const struct log *log, struct state_look *out, struct err *e)
{
        cleanup_(state_closep) struct state *state = NULL;

        *out = (struct state_look){.why = ""};
        if (snprintf(out->folder, sizeof(out->folder), "%s/%s", config->state_dir, name) >=
                (int)sizeof(out->folder))
                return err_set(e, ERR_CONFIG, "state_dir: the path is too long");
        out->busy = lock_peek(out->folder);
        int rc = open_peek(out->folder, out->busy, log, &state, &out->why, e);
        if (rc < 0)
                return rc;
        out->condition = condition_of(rc);
        if (state) {
                rc = read_state(state, out, e);
                out->rejects = state_reject_count(state);
        } else if (mapper) {
                distrust(out, rc == STATE_ABSENT ? "there is none" : out->why, NULL);
                rc = 0;
                (void)state_former(config, mapper, log, out->former);
        }
        if (rc < 0 || !loop)
                return rc;
        return ask_servers(config, name, mapper, state, loop, log, out, e);
}
