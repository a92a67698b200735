/*
 * Opening, closing, forgetting, and small facts. An unusable file is set aside once; a second
 * failure on the empty one that took its place is an error. A state that is closed is sealed: the
 * next state_open() then trusts it without looking at its pages.
 */
#include "ingest/state/state_check.h"

static int open_or_replace(struct state *s, bool *fresh, struct err *e)
{
        const char *why = NULL;
        int rc = 0;

        s->sealed = state_files_sealed(s->path);
        if (state_files_marked(s->path))
                rc = state_files_set_aside(s->path, "damage was found in it", s->log, e);
        rc = rc ? rc : state_env_open(s, fresh, &why, e);
        if (rc != STATE_ENV_UNUSABLE)
                return rc;
        rc = state_files_set_aside(s->path, why, s->log, e);
        rc = rc ? rc : state_env_open(s, fresh, &why, e);
        if (rc == STATE_ENV_UNUSABLE)
                return err_set(
                        e, ERR_SYSTEM, "state folder %s: a new file is unusable: %s", s->path, why);
        return rc;
}

static int load_ordinal(struct state *s, struct err *e)
{
        MDB_val key = state_val(STR(SELF_ORDINAL)), value;
        MDB_stat stat;
        int rc = mdb_stat(s->reader, s->dbi[TABLE_RECORD], &stat);

        rc = rc ? rc : mdb_get(s->reader, s->dbi[TABLE_SELF], &key, &value);
        if (rc && rc != MDB_NOTFOUND)
                return state_env_error(s, rc, "read", e);
        if (rc == MDB_NOTFOUND || stat.ms_entries == 0)
                return 0; /* nothing is in use: numbers begin at 0 again */
        if (value.mv_size != 4)
                return state_env_damaged(s, e);
        const uint8_t *p = value.mv_data;
        s->next_ordinal = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        return 0;
}

static int load(struct state *s, bool *fresh, struct err *e)
{
        int rc = open_or_replace(s, fresh, e);

        rc = rc ? rc : state_env_read(s, e);
        rc = rc ? rc : load_ordinal(s, e);
        rc = rc ? rc : state_names_load(s, e);
        return rc || s->sealed || *fresh ? rc : state_check_values(s, e);
}

static void unload(struct state *s)
{
        state_env_close(s);
        s->names = state_names_free(s->names);
        s->next_ordinal = 0;
}

int state_open(
        const char *path, const struct log *log, struct state **out, bool *fresh, struct err *e)
{
        cleanup_(state_closep) struct state *s = calloc(1, sizeof(*s));
        bool is_fresh = false;

        if (!s)
                return err_nomem(e, "the state");
        s->log = log;
        s->path = str_dup(str_of(path));
        if (!s->path)
                return err_nomem(e, "the state");
        int rc = state_files_folder(path, e);
        rc = rc ? rc : load(s, &is_fresh, e);
        if (rc && state_files_marked(path)) { /* damage was found just now */
                unload(s);
                rc = load(s, &is_fresh, e);
        }
        if (rc)
                return rc;
        s->opened = true;
        *fresh = is_fresh;
        *out = TAKE(s);
        return 0;
}

/* What state_open() would find; @s->look is set. */
static int look(struct state *s, bool busy, const char **why, struct err *e)
{
        bool empty = false;
        int rc = 0;

        if (!state_files_present(s->path))
                return STATE_ABSENT;
        *why = "damage was found in it";
        if (state_files_marked(s->path))
                return STATE_DAMAGED;
        s->sealed = busy || state_files_sealed(s->path);
        rc = state_env_open(s, &empty, why, e);
        if (rc == STATE_ENV_UNUSABLE)
                return s->foreign ? STATE_FOREIGN : STATE_DAMAGED;
        if (rc || empty)
                return rc ? rc : STATE_ABSENT;
        rc = state_env_read(s, e);
        rc = rc ? rc : load_ordinal(s, e);
        rc = rc ? rc : state_names_load(s, e);
        rc = rc || s->sealed ? rc : state_check_values(s, e);
        *why = "damage was found in it";
        return rc && state_files_marked(s->path) ? STATE_DAMAGED : rc;
}

int state_peek(const char *path, const struct log *log, bool busy, struct state **out,
        const char **why, struct err *e)
{
        cleanup_(state_closep) struct state *s = calloc(1, sizeof(*s));

        if (!s)
                return err_nomem(e, "the state");
        s->log = log;
        s->look = true;
        s->path = str_dup(str_of(path));
        if (!s->path)
                return err_nomem(e, "the state");
        int rc = look(s, busy, why, e);
        if (rc != STATE_DAMAGED && rc != STATE_FOREIGN)
                *why = "";
        if (rc == 0)
                *out = TAKE(s);
        return rc;
}

struct state *state_close(struct state *s)
{
        if (!s)
                return NULL;
        unload(s);
        if (s->opened && !s->broken)
                state_files_seal(s->path);
        free(s->path);
        free(s);
        return NULL;
}

int state_copy(struct state *s, const char *path, struct err *e)
{
        int rc = state_env_usable(s, e);

        rc = rc ? rc : state_files_folder(path, e);
        if (rc)
                return rc;
        rc = mdb_env_copy2(s->env, path, MDB_CP_COMPACT);
        if (rc > 0)
                return state_files_error(path, "copy", rc, e);
        return rc ? state_env_error(s, rc, "copy", e) : 0;
}

static int wipe(struct state *s, MDB_txn *txn, void *ctx)
{
        MDB_val key = state_val(STR(SELF_ORDINAL));
        int rc = 0;

        for (int t = 0; t < STATE_TABLES && rc == 0; t++)
                if (t != TABLE_SELF)
                        rc = mdb_drop(txn, s->dbi[t], 0);
        if (rc == 0)
                rc = mdb_del(txn, s->dbi[TABLE_SELF], &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
}

int state_wipe(struct state *s, struct err *e)
{
        int rc = state_env_write(s, wipe, NULL, e);

        if (rc == 0)
                s->next_ordinal = 0;
        return rc;
}

uint32_t state_next_ordinal(const struct state *s)
{
        return s->next_ordinal;
}

static uint64_t entries(struct state *s, enum state_table table)
{
        MDB_stat stat;

        if (state_env_read(s, NULL) || mdb_stat(s->reader, s->dbi[table], &stat))
                return 0;
        return stat.ms_entries;
}

uint64_t state_count(struct state *s)
{
        return entries(s, TABLE_RECORD);
}

uint64_t state_reject_count(struct state *s)
{
        return entries(s, TABLE_REJECT);
}
