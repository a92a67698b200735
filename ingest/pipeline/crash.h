/*
 * crash.h: the moments at which a run may die, each right after something became durable.
 *
 * PROTOCOL.md says that a run may be killed anywhere. What lies between two durable steps leaves
 * nothing behind, so this table is everywhere. A build with the option `crash_points` dies by
 * SIGKILL at the N-th passing of a point where ERP2COUCH_CRASH_AT=NAME[:N] says so; with
 * ERP2COUCH_CRASH_TRACE=FILE it writes each passing as a line. tests/integration/
 * test_crash_points.py goes through all of them, and fails where one is never passed. Other builds
 * have none of this.
 *
 * X(name, what is durable now, what is not yet)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CRASH_TABLE(X)                                                                             \
        /* start (sections 1 and 2) */                                                             \
        X(CONTROL_MADE, "the control database exists", "anything in it")                           \
        X(DATABASE_KNOWN, "a number in the state for one more database", "the database itself")    \
        X(TARGET_MADE, "one more target database exists", "the list that names it")                \
        X(LOCAL_FINISHED, "one more `_local` got the session that was closing",                    \
                "the others, `session`")                                                           \
        X(CLOSING_FINISHED, "all `_local` and `session` agree", "anything of this run")            \
        X(STATE_WIPED, "no session, no closing, no record", "how digests are taken")               \
        X(STATE_ERASED, "a state that knows its databases", "what they hold")                      \
        X(ADOPTED_SOME, "some documents of a target", "the others")                                \
        X(ADOPTED, "all documents of one target", "their source keys; other targets")              \
        X(RUN_NUMBERED, "this run's number; no parked claims", "anything that it found or wrote")  \
        X(DRIFT_NOTED, "voided digests of foreign edits", "their records read again")              \
        X(TARGETS_LISTED, "all known targets in the control database", "anything in new ones")     \
        X(FINGERPRINT_VOID, "no fingerprint: the mapper is another", "its first document")         \
        X(MARK_FORGOTTEN, "no mark: this run reads from the beginning", "its first document")      \
        X(BRANCH_ACKED, "a losing leaf of a document is deleted", "the others")                    \
        X(REJECTS_LOADED, "the rejects that earlier runs left", "this run's")                      \
        /* writing (sections 3, 4 and 8) */                                                        \
        X(RECORD_ACKED, "one more document in CouchDB", "its entry in the state")                  \
        X(REJECT_ACKED, "one more reject in the control database", "its entry in the state")       \
        X(APPLIED, "the entries of what was acknowledged", "the documents after them")             \
        X(CLAIMS_OWED, "the records that wait for an id are owed a read by key", "the mark")       \
        X(MARK_OPENED, "a session before the first checkpoint", "the mark")                        \
        X(MARK_STORED, "where the next run goes on, and all before it", "the documents after it")  \
        X(READ_FORGOTTEN, "what a broken read made us write", "the read that begins again")        \
        X(CLAIMS_GRANTED, "documents under ids that others held", "the claims' end, former ids")   \
        X(CLAIMS_SETTLED, "no parked claims", "deletions of former ids")                           \
        X(OLD_ID_ACKED, "a former id is deleted in CouchDB", "that it is owed no more")            \
        X(OLD_IDS_DELETED, "nothing is owed to former ids", "deletions of what is gone")           \
        /* deletions and rejects (sections 6 and 8) */                                             \
        X(DELETION_ACKED, "a document is deleted in CouchDB", "its tombstone in the state")        \
        X(DELETIONS_OWED, "withheld deletions are owed", "the checkpoint")                         \
        X(OWED_SOME, "some of what is owed, or is not any more", "the rest")                       \
        X(DELETIONS_DONE, "nothing is owed that came back", "the removal of settled rejects")      \
        X(REJECT_REMOVED, "a settled reject is deleted", "that in the state")                      \
        X(REJECTS_REMOVED, "no reject is left that did not come again", "the checkpoint")          \
        /* checkpoint (section 2) */                                                               \
        X(TARGETS_VERIFIED, "everything but the checkpoint", "`closing`")                          \
        X(SESSION_FORGOTTEN, "no session: a target was replaced", "the rebuild of the next run")   \
        X(CLOSING_STORED, "`closing` and the cursor in the state", "all `_local`")                 \
        X(TARGET_CLOSED, "the `_local` of one more target", "the others, the control database")    \
        X(CONTROL_CLOSED, "all `_local`", "`session` in the state")                                \
        X(SESSION_STORED, "the checkpoint", "the run in the history")                              \
        X(HISTORY_WRITTEN, "everything", "nothing but the exit code")

enum crash_at {
#define CRASH_NAME(name, durable, missing) CRASH_##name,
        CRASH_TABLE(CRASH_NAME)
#undef CRASH_NAME
};

#ifdef CRASH_POINTS
/** crash_point() - dies here where the environment says so */
void crash_point(enum crash_at at);
/** crash_batch() - @usual, or the smaller number of changes in a transaction that
 * ERP2COUCH_CRASH_BATCH names, so that a small table has many */
size_t crash_batch(size_t usual);
/** crash_wait() - @usual_ms, or the shorter wait that ERP2COUCH_CRASH_WAIT names, so that what
 * fails again and again does so within a test */
int64_t crash_wait(int64_t usual_ms);
#else
static inline void crash_point(enum crash_at at)
{
        (void)at;
}
static inline size_t crash_batch(size_t usual)
{
        return usual;
}
static inline int64_t crash_wait(int64_t usual_ms)
{
        return usual_ms;
}
#endif
