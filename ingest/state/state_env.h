/*
 * state_env.h: inside the state module: its LMDB environment, tables and transactions.
 *
 * Transactions: one reader stays open between calls and is given up while a batch is applied
 * (an old reader would keep LMDB from using freed pages again). Walks have readers of their own.
 * The map may move while a walk is open: its transaction stays, its cursor is placed anew.
 */
#pragma once

#include <lmdb.h>

#include "ingest/state/state_codec.h"

enum state_table {
        TABLE_RECORD,     /* source key -> entry */
        TABLE_ID,         /* document -> source key */
        TABLE_UNATTACHED, /* document without source key -> revision, digest */
        TABLE_OWED,
        TABLE_PARKED,
        TABLE_PARKED_KEY, /* source keys that have a parked claim */
        TABLE_REJECT,
        TABLE_META, /* the callers' names */
        TABLE_SELF, /* our own: format, largest ordinal, databases */
        STATE_TABLES
};

struct state_names; /* databases and their numbers */

/* A walk in progress: see state_walk.c. */
struct state_walk {
        struct state *state;
        struct state_walk *next;
        MDB_dbi dbi;
        MDB_txn *txn;
        MDB_cursor *cursor;
        struct str from;       /* where to begin; len 0: begun */
        struct codec_space at; /* where it stood when the map moved */
        size_t at_len;
        bool moved;
};

struct state {
        char *path; /* owned: the folder */
        const struct log *log;
        MDB_env *env;
        MDB_dbi dbi[STATE_TABLES];
        MDB_txn *reader;
        MDB_cursor *record, *id;     /* of the reader: stay where the last look-up left them */
        bool reading;                /* the reader is renewed */
        bool opened;                 /* state_open() succeeded */
        bool sealed;                 /* the file is as this program closed it */
        bool broken;                 /* LMDB cannot go on: close and open again */
        bool look;                   /* state_peek(): nothing is made or written */
        bool foreign;                /* it is unusable because others wrote it, not damaged */
        bool guess_record, guess_id; /* the next look-up is likely to be the next entry */
        bool unattached;             /* TABLE_UNATTACHED holds something */
        bool parked;                 /* TABLE_PARKED does */
        uint32_t next_ordinal;
        struct state_names *names;
        struct state_walk *walks;
};

/** state_env_open() - opens or creates the environment and its tables, read and write
 * @fresh: set where there was none. Return: 0; STATE_ENV_UNUSABLE (*why says so: corrupt, foreign,
 * another format; nothing is left open); -class. */
#define STATE_ENV_UNUSABLE 1
int state_env_open(struct state *s, bool *fresh, const char **why, struct err *e)
        __attribute__((warn_unused_result));
void state_env_close(struct state *s);

/** state_env_usable() - 0, or the error of a state that is broken */
int state_env_usable(struct state *s, struct err *e) __attribute__((warn_unused_result));

/** state_env_read() - the reader, renewed. Return: 0; -class. */
int state_env_read(struct state *s, struct err *e) __attribute__((warn_unused_result));
/** state_env_read_end() - gives the reader up: what was read from it is no longer valid */
void state_env_read_end(struct state *s);

/** state_env_write() - calls @fn in a write transaction and commits it, durable on return
 * @fn: returns LMDB's code; called again from the start where the map had to grow
 * Gives the reader up. Return: 0; -class: nothing was written. */
typedef int (*state_write_fn)(struct state *s, MDB_txn *txn, void *ctx);
int state_env_write(struct state *s, state_write_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

/** state_env_error() - the error of a failed LMDB call; @what: "read", "write" */
int state_env_error(struct state *s, int rc, const char *what, struct err *e);

/** state_env_damaged() - the error of bytes that do not decode; the next state_open() will set
 * the file aside */
int state_env_damaged(struct state *s, struct err *e);

static inline void state_txn_abortp(MDB_txn **txn)
{
        if (*txn)
                mdb_txn_abort(*txn);
}

static inline void state_cursor_closep(MDB_cursor **cursor)
{
        if (*cursor)
                mdb_cursor_close(*cursor);
}

static inline MDB_val state_val(struct str v)
{
        return (MDB_val){v.len, (void *)v.ptr};
}

static inline struct str state_str(const MDB_val *v)
{
        return (struct str){v->mv_data, v->mv_size};
}

/** state_walk_leave_map() - remembers where @w stands; its next step finds the place again */
void state_walk_leave_map(struct state_walk *w);

/* ---- state_files.c: the folder and its files, without LMDB ---- */

/** state_files_folder() - makes the folder @path and its parents where they are missing
 * Return: 0; -ERR_CONFIG not a folder, no rights; -ERR_SYSTEM. */
int state_files_folder(const char *path, struct err *e) __attribute__((warn_unused_result));
/** state_files_sync() - makes new names in the folder durable */
int state_files_sync(const char *path, struct err *e) __attribute__((warn_unused_result));
/** state_files_present() - whether there is a data file with something in it */
bool state_files_present(const char *path);
/** state_files_mark() - notes that the data file must not be used again; best effort */
void state_files_mark(const char *path);
/** state_files_marked() - whether there is such a note and a data file */
bool state_files_marked(const char *path);
/** state_files_seal() - notes size and time of the data file, which is now closed; best effort */
void state_files_seal(const char *path);
/** state_files_sealed() - whether the data file is as the last state_files_seal() left it */
bool state_files_sealed(const char *path);
/** state_files_set_aside() - renames the data file and removes one set aside earlier: it is a
 * cache, and a second copy could fill the disk; the log names the new file and says @why */
int state_files_set_aside(const char *path, const char *why, const struct log *log, struct err *e)
        __attribute__((warn_unused_result));
/** state_files_error() - the error of system call @what that failed with @errnum on @path:
 * -ERR_CONFIG where rights are missing, with what to do; else -ERR_SYSTEM */
int state_files_error(const char *path, const char *what, int errnum, struct err *e);

/* ---- state_names.c ---- */

/** state_names_load() - from TABLE_SELF; @s has a reader. Return: 0; -class. */
int state_names_load(struct state *s, struct err *e) __attribute__((warn_unused_result));
struct state_names *state_names_free(struct state_names *n);

/* Keys of TABLE_SELF. */
#define SELF_FORMAT   "format"
#define SELF_ORDINAL  "next_ordinal" /* 4 bytes, big-endian */
#define SELF_DATABASE "database:"    /* and its number, 2 bytes, big-endian -> name */
