/*
 * The map is address space, not memory: it begins small, doubles when LMDB says that it is full,
 * and is chosen from the file's size when an old one is opened.
 *
 * LMDB reads its file through that map without checksums. A file that was closed by this program
 * and not touched since is opened as it is; of any other one all pages are checked first
 * (state_check.h). Bytes that do not decode later leave a mark, and the next start sets the file
 * aside.
 */
#include "ingest/state/state_check.h"

#include <errno.h>
#include <sys/stat.h>

#define MAP_FIRST ((size_t)64 << 20) /* 300,000 entries: most states never grow it */

static const char *const table_names[STATE_TABLES] = {
        [TABLE_RECORD] = "record",
        [TABLE_ID] = "id",
        [TABLE_UNATTACHED] = "unattached",
        [TABLE_OWED] = "owed",
        [TABLE_PARKED] = "parked",
        [TABLE_PARKED_KEY] = "parked_key",
        [TABLE_REJECT] = "reject",
        [TABLE_META] = "meta",
        [TABLE_SELF] = "self",
};

int state_env_damaged(struct state *s, struct err *e)
{
        state_files_mark(s->path);
        return err_set(e, ERR_SYSTEM,
                "state %s is damaged; run again: it will be set aside and rebuilt from CouchDB",
                s->path);
}

int state_env_error(struct state *s, int rc, const char *what, struct err *e)
{
        switch (rc) {
        case MDB_CORRUPTED:
        case MDB_PAGE_NOTFOUND:
        case MDB_INVALID:
        case MDB_BAD_DBI:
        case MDB_INCOMPATIBLE:
                return state_env_damaged(s, e);
        case MDB_PANIC:
                s->broken = true;
                break;
        default:
                break;
        }
        if (rc > 0)
                return state_files_error(s->path, what, rc, e);
        return err_set(e, ERR_SYSTEM, "state folder %s: %s: %s", s->path, what, mdb_strerror(rc));
}

/* ---- opening ---- */

static size_t map_for(off_t file_bytes)
{
        size_t map = MAP_FIRST;

        while (map < (size_t)file_bytes * 2 && map <= SIZE_MAX / 2)
                map *= 2;
        return map;
}

static int file_bytes(const struct state *s, off_t *out)
{
        mdb_filehandle_t fd;
        struct stat st;
        int rc = mdb_env_get_fd(s->env, &fd);

        if (rc)
                return rc;
        if (fstat(fd, &st) < 0)
                return errno;
        *out = st.st_size;
        return 0;
}

uint64_t state_size_bytes(struct state *s)
{
        off_t bytes = 0;

        return file_bytes(s, &bytes) ? 0 : (uint64_t)bytes;
}

static int open_environment(struct state *s)
{
        off_t bytes = 0;
        int dead, rc = state_check_header(s->path);

        rc = rc ? rc : mdb_env_create(&s->env);
        rc = rc ? rc : mdb_env_set_maxdbs(s->env, STATE_TABLES);
        rc = rc ? rc : mdb_env_set_mapsize(s->env, MAP_FIRST);
        /* Synchronous commits: two waits for the disk each, 0.6 ms here, 1 us an entry in batches
         * of 1000. MDB_NOMETASYNC gains nothing that can be measured, and would not be durable.
         * NOTLS: readers belong to their transaction, so that walks and the reader coexist. */
        unsigned flags = MDB_NOTLS | (s->look ? MDB_RDONLY : 0);
        rc = rc ? rc : mdb_env_open(s->env, s->path, flags, 0600);
        rc = rc ? rc : file_bytes(s, &bytes);
        if (rc == 0 && map_for(bytes) > MAP_FIRST)
                rc = mdb_env_set_mapsize(s->env, map_for(bytes));
        /* A killed process's reader would keep free pages from being used. */
        rc = rc ? rc : mdb_reader_check(s->env, &dead);
        return rc || s->sealed || bytes == 0 ? rc : state_check_pages(s->env);
}

static int open_tables(struct state *s, MDB_txn *txn, unsigned flags)
{
        for (int t = 0; t < STATE_TABLES; t++) {
                int rc = mdb_dbi_open(txn, table_names[t], flags, &s->dbi[t]);
                if (rc)
                        return rc;
        }
        return 0;
}

static int is_empty(struct state *s, bool *empty)
{
        cleanup_(state_txn_abortp) MDB_txn *txn = NULL;
        MDB_dbi main_dbi;
        MDB_stat stat;
        int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);

        rc = rc ? rc : mdb_dbi_open(txn, NULL, 0, &main_dbi);
        rc = rc ? rc : mdb_stat(txn, main_dbi, &stat);
        *empty = rc == 0 && stat.ms_entries == 0;
        return rc;
}

static int create_tables(struct state *s)
{
        cleanup_(state_txn_abortp) MDB_txn *txn = NULL;
        MDB_val key = state_val(STR(SELF_FORMAT)), value = {1, (char[]){STATE_FORMAT}};
        int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

        rc = rc ? rc : open_tables(s, txn, MDB_CREATE);
        rc = rc ? rc : mdb_put(txn, s->dbi[TABLE_SELF], &key, &value, 0);
        return rc ? rc : mdb_txn_commit(TAKE(txn));
}

/* Opens the tables that must be there. @why: set where the format is another. */
static int adopt_tables(struct state *s, const char **why)
{
        cleanup_(state_txn_abortp) MDB_txn *txn = NULL;
        MDB_val key = state_val(STR(SELF_FORMAT)), value;
        int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);

        rc = rc ? rc : mdb_dbi_open(txn, table_names[TABLE_SELF], 0, &s->dbi[TABLE_SELF]);
        rc = rc ? rc : mdb_get(txn, s->dbi[TABLE_SELF], &key, &value);
        if (rc)
                return rc;
        if (value.mv_size != 1 || *(const char *)value.mv_data != STATE_FORMAT) {
                *why = "written by another version of this program";
                s->foreign = true;
                return 0;
        }
        rc = open_tables(s, txn, 0);
        /* Only a commit keeps the tables open beyond this transaction. */
        return rc ? rc : mdb_txn_commit(TAKE(txn));
}

/* Why a file that made LMDB answer @rc can never be used; NULL for any other failure. */
static const char *unusable(int rc)
{
        switch (rc) {
        case MDB_INVALID:
                return "not an LMDB file";
        case MDB_VERSION_MISMATCH:
                return "written by another version of LMDB";
        case MDB_CORRUPTED:
        case MDB_PAGE_NOTFOUND:
                return "damaged";
        case MDB_NOTFOUND:
        case MDB_INCOMPATIBLE:
                return "not a state of this program";
        default:
                return NULL;
        }
}

static int open_readers(struct state *s)
{
        int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->reader);

        rc = rc ? rc : mdb_cursor_open(s->reader, s->dbi[TABLE_RECORD], &s->record);
        rc = rc ? rc : mdb_cursor_open(s->reader, s->dbi[TABLE_ID], &s->id);
        if (rc == 0)
                mdb_txn_reset(s->reader); /* renewed by the first read */
        return rc;
}

/* Return: LMDB's code. @why: set where all went well but the format is another. */
static int open_all(struct state *s, bool *empty, const char **why)
{
        int rc = open_environment(s);

        if (rc == 0 && mdb_env_get_maxkeysize(s->env) < CODEC_KEY_MAX)
                rc = MDB_BAD_VALSIZE;
        rc = rc ? rc : is_empty(s, empty);
        if (rc == 0 && *empty && s->look)
                return 0;
        if (rc == 0)
                rc = *empty ? create_tables(s) : adopt_tables(s, why);
        return rc || *why ? rc : open_readers(s);
}

int state_env_open(struct state *s, bool *fresh, const char **why, struct err *e)
{
        bool empty = false;

        *why = NULL;
        int rc = open_all(s, &empty, why);
        if (rc == 0 && !*why) {
                rc = empty && !s->look ? state_files_sync(s->path, e) : 0;
                *fresh = empty;
                if (rc == 0)
                        return 0;
        } else {
                if (rc)
                        *why = unusable(rc);
                s->foreign |=
                        rc == MDB_VERSION_MISMATCH || rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE;
                rc = *why ? STATE_ENV_UNUSABLE : state_env_error(s, rc, "open", e);
        }
        state_env_close(s);
        return rc;
}

void state_env_close(struct state *s)
{
        state_cursor_closep(&s->record);
        state_cursor_closep(&s->id);
        state_txn_abortp(&s->reader);
        s->record = s->id = NULL;
        s->reader = NULL;
        if (s->env)
                mdb_env_close(s->env);
        s->env = NULL;
        s->reading = false;
}

/* ---- transactions ---- */

/* Another size; 0: that which another process gave it. Walks find their places again. */
static int set_map(struct state *s, size_t bytes)
{
        for (struct state_walk *w = s->walks; w; w = w->next)
                state_walk_leave_map(w);
        int rc = mdb_env_set_mapsize(s->env, bytes);
        if (rc)
                s->broken = true; /* there may be no map any more */
        return rc;
}

static int is_filled(struct state *s, enum state_table table, bool *filled)
{
        MDB_stat stat;
        int rc = mdb_stat(s->reader, s->dbi[table], &stat);

        *filled = rc == 0 && stat.ms_entries > 0;
        return rc;
}

static int renew(struct state *s)
{
        int rc = mdb_txn_renew(s->reader);

        if (rc == MDB_MAP_RESIZED) {
                rc = set_map(s, 0);
                rc = rc ? rc : mdb_txn_renew(s->reader);
        }
        rc = rc ? rc : mdb_cursor_renew(s->reader, s->record);
        rc = rc ? rc : mdb_cursor_renew(s->reader, s->id);
        rc = rc ? rc : is_filled(s, TABLE_UNATTACHED, &s->unattached);
        return rc ? rc : is_filled(s, TABLE_PARKED, &s->parked);
}

int state_env_usable(struct state *s, struct err *e)
{
        if (!s->broken)
                return 0;
        return err_set(e, ERR_SYSTEM,
                "state folder %s: cannot go on after an earlier failure; run again", s->path);
}

int state_env_read(struct state *s, struct err *e)
{
        if (s->reading)
                return 0;
        int rc = state_env_usable(s, e);
        if (rc)
                return rc;
        rc = renew(s);
        if (rc)
                return state_env_error(s, rc, "read", e);
        s->reading = true;
        return 0;
}

void state_env_read_end(struct state *s)
{
        if (s->reading)
                mdb_txn_reset(s->reader);
        s->reading = false;
}

static int grow(struct state *s, struct err *e)
{
        MDB_envinfo info;
        int rc = mdb_env_info(s->env, &info);

        if (rc == 0 && info.me_mapsize > SIZE_MAX / 2)
                rc = MDB_MAP_FULL;
        rc = rc ? rc : set_map(s, info.me_mapsize * 2);
        return rc ? state_env_error(s, rc, "grow the map", e) : 0;
}

/* One attempt. Return: LMDB's code. */
static int write_once(struct state *s, state_write_fn fn, void *ctx)
{
        cleanup_(state_txn_abortp) MDB_txn *txn = NULL;
        int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

        if (rc == MDB_MAP_RESIZED) {
                rc = set_map(s, 0);
                rc = rc ? rc : mdb_txn_begin(s->env, NULL, 0, &txn);
        }
        rc = rc ? rc : fn(s, txn, ctx);
        return rc ? rc : mdb_txn_commit(TAKE(txn));
}

int state_env_write(struct state *s, state_write_fn fn, void *ctx, struct err *e)
{
        int rc = state_env_usable(s, e);

        if (rc)
                return rc;
        state_env_read_end(s);
        while ((rc = write_once(s, fn, ctx)) == MDB_MAP_FULL) {
                rc = grow(s, e);
                if (rc)
                        return rc;
        }
        return rc ? state_env_error(s, rc, "write", e) : 0;
}
