/*
 * state_tool.h: the state of a mapper for operators: look, forget, start as new, take over.
 *
 * A state is a cache (PROTOCOL.md section 1): whatever is done to it here costs time and no data.
 * Names are those of mappers, also of such that are not configured any more but left a state.
 */
#pragma once

#include "ingest/pipeline/config.h"
#include "ingest/pipeline/control.h"

#define STATE_NAME_MAX 64

enum state_condition {
        STATE_IS_MISSING,
        STATE_IS_SOUND,
        STATE_IS_DAMAGED,
        STATE_IS_FOREIGN /* another program's, or another version's */
};

/** state_condition_name() - "missing", "sound", "corrupt", "foreign" */
const char *state_condition_name(enum state_condition condition);

/* A target database, as state and CouchDB see it. */
struct state_target {
        char *name;
        uint64_t documents;   /* live ones of records */
        uint64_t unattached;  /* live ones without a record */
        const char *distrust; /* why the next run does not trust the state for it; NULL: it does */
};

enum state_answer { ANSWER_UNKNOWN, ANSWER_YES, ANSWER_NO };

struct state_look {
        char folder[4096];
        enum state_condition condition;
        const char *why; /* of DAMAGED and FOREIGN */
        long busy;       /* pid of the process that holds the lock; 0: none */
        uint64_t size_bytes, records, owed, parked, rejects;
        uint64_t run, closed; /* numbers of the last run, and of the last that closed */
        char session[64], closing[64];
        char *position; /* of the source; NULL: none */
        struct state_target *targets;
        size_t target_count;

        /* Of a configured mapper, as far as the servers could be asked. */
        enum state_answer same_mapper; /* is it that of the last full read? */
        enum state_answer trusted;     /* will the next run trust the state? */
        const char *distrust;          /* why not, or why not yet known */
        const char *distrust_target;   /* the database that it is about; NULL: of the state */
        char former[STATE_NAME_MAX];   /* a state that may be this mapper's own; "" for none */
};

/** state_look() - @name's state; with @loop also what CouchDB and the source say
 * @mapper: NULL where it is not configured      @out: state_look_deinit() in any case
 * Return: 0; -ERR_RETRY, -ERR_CONFIG a server could not be asked: the rest is filled; -class. */
int state_look(const struct config *config, const char *name, const struct config_mapper *mapper,
        struct loop *loop, const struct log *log, struct state_look *out, struct err *e)
        __attribute__((warn_unused_result));
void state_look_deinit(struct state_look *s);

/** state_known() - is there a mapper @name in the configuration, or a state of one
 * @mapper: NULL where only its state is left
 * Return: 0; -ERR_USAGE neither (with the nearest name). */
int state_known(const struct config *config, const char *name, const struct config_mapper **mapper,
        struct err *e) __attribute__((warn_unused_result));

typedef int (*state_name_fn)(void *ctx, const char *name, struct err *e);
/** state_each_left() - the names of states in state_dir that no configured mapper has, sorted */
int state_each_left(const struct config *config, state_name_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

/** state_former() - a state of a mapper that is not configured any more and holds documents with
 * @mapper's id prefix, where @mapper itself has no state: it was renamed. Needs no network.
 * Return: whether there is one: its name in @out. */
bool state_former(const struct config *config, const struct config_mapper *mapper,
        const struct log *log, char out[STATE_NAME_MAX]);

/** state_warn_former() - says so in the log, with the command that takes it over */
void state_warn_former(
        const struct config *config, const struct config_mapper *mapper, const struct log *log);

/** state_rebuild() - removes the state's files, so that the next run rebuilds them from CouchDB
 * @bytes: what they took; 0: there was none      Return: 0; -ERR_LOCKED a run is under way; -class.
 */
int state_rebuild(const struct config *config, const char *name, uint64_t *bytes, struct err *e)
        __attribute__((warn_unused_result));

struct state_reset {
        uint64_t bytes;
        size_t checkpoints; /* `_local` documents deleted, the control database's among them */
};
/** state_reset() - also deletes the checkpoints in CouchDB: the mapper starts as new; documents,
 * rejects and history stay */
int state_reset(const struct config *config, const char *name, const struct config_mapper *mapper,
        struct loop *loop, const struct log *log, struct state_reset *out, struct err *e)
        __attribute__((warn_unused_result));

struct state_rename {
        size_t checkpoints; /* `_local` documents that have the new name now */
        uint64_t rejects;
};
/** state_rename() - state, checkpoints and rejects of @old, which is not configured any more,
 * become
 * @mapper's. It may be repeated until it ends well.
 * Return: 0; -ERR_USAGE @old is configured, or there is nothing of it; -ERR_CONFIG @mapper has a
 * state of its own, or other documents; -ERR_LOCKED; -class. */
int state_rename(const struct config *config, const char *old, const struct config_mapper *mapper,
        struct loop *loop, const struct log *log, struct state_rename *out, struct err *e)
        __attribute__((warn_unused_result));
