/*
 * Look-ups. A run over unchanged rows asks for every key once, mostly in ascending order: the
 * cursor stays where the last answer was, and the entry behind it is tried before the tree is
 * searched. A wrong guess costs one comparison; after one the next look-up does not guess.
 */
#include "ingest/state/state_env.h"

/* Positions @cursor at @key. Return: LMDB's code. */
static int seek(MDB_cursor *cursor, bool *guess, struct str key, MDB_val *value)
{
        MDB_val found;

        if (*guess && mdb_cursor_get(cursor, &found, value, MDB_NEXT) == 0 &&
                str_eq(state_str(&found), key))
                return 0;
        found = state_val(key);
        int rc = mdb_cursor_get(cursor, &found, value, MDB_SET);
        *guess = rc == 0 && !*guess;
        return rc;
}

/* @rc of a look-up as this module returns it. */
static int outcome(struct state *s, int rc, enum codec_result result, struct err *e)
{
        if (rc == MDB_NOTFOUND || (rc == 0 && result == CODEC_OTHER))
                return STATE_ABSENT;
        if (rc)
                return state_env_error(s, rc, "read", e);
        return result == CODEC_OK ? 0 : state_env_damaged(s, e);
}

int state_get(struct state *s, struct str key, struct state_entry *out, struct err *e)
{
        struct codec_space space;
        MDB_val value;
        int rc = state_env_read(s, e);

        if (rc)
                return rc;
        if (key.len == 0)
                return STATE_ABSENT;
        struct str stored = codec_key(key, &space);
        rc = seek(s->record, &s->guess_record, stored, &value);
        if (rc)
                return outcome(s, rc, CODEC_OK, e);
        enum codec_result result = codec_get_entry(state_str(&value), stored, &key, NULL, out);
        if (result == CODEC_OK && out->ordinal >= s->next_ordinal)
                result = CODEC_DAMAGED; /* a run would mark it in a set that must stay small */
        return outcome(s, 0, result, e);
}

static int get(struct state *s, enum state_table table, struct str key, MDB_val *value)
{
        MDB_val k = state_val(key);

        return mdb_get(s->reader, s->dbi[table], &k, value);
}

static int get_unattached(
        struct state *s, struct str stored, struct str id, struct state_holder *out, struct err *e)
{
        MDB_val value;
        int rc = get(s, TABLE_UNATTACHED, stored, &value);

        if (rc)
                return outcome(s, rc, CODEC_OK, e);
        return outcome(s, 0, codec_get_unattached(state_str(&value), stored, &id, NULL, out), e);
}

int state_holder(
        struct state *s, uint16_t database, struct str id, struct state_holder *out, struct err *e)
{
        struct codec_space space;
        MDB_val value;
        struct str key = {0};
        int rc = state_env_read(s, e);

        if (rc)
                return rc;
        struct str stored = codec_id_key(database, id, &space);
        rc = seek(s->id, &s->guess_id, stored, &value);
        enum codec_result result =
                rc ? CODEC_OK : codec_get_holder(state_str(&value), stored, id, &key);
        rc = outcome(s, rc, result, e);
        if (rc == STATE_ABSENT && s->unattached)
                return get_unattached(s, stored, id, out, e);
        if (rc == 0)
                *out = (struct state_holder){.key = key, .rev = STR("")};
        return rc;
}

bool state_has_parked(struct state *s, struct str key)
{
        struct codec_space space;
        MDB_val value;

        if (state_env_read(s, NULL) || !s->parked || key.len == 0)
                return false;
        return get(s, TABLE_PARKED_KEY, codec_key(key, &space), &value) == 0;
}

int state_reject_get(struct state *s, struct str key, struct state_reject *out, struct err *e)
{
        struct codec_space space;
        struct str full;
        MDB_val value;
        int rc = state_env_read(s, e);

        if (rc)
                return rc;
        if (key.len == 0)
                return STATE_ABSENT;
        struct str stored = codec_key(key, &space);
        rc = get(s, TABLE_REJECT, stored, &value);
        if (rc)
                return outcome(s, rc, CODEC_OK, e);
        return outcome(s, 0, codec_get_reject(state_str(&value), stored, &key, &full, out), e);
}

int state_meta_get(struct state *s, const char *name, struct str *out, struct err *e)
{
        MDB_val value;
        int rc = state_env_read(s, e);

        if (rc)
                return rc;
        rc = get(s, TABLE_META, str_of(name), &value);
        if (rc == 0)
                *out = state_str(&value);
        return outcome(s, rc, CODEC_OK, e);
}
