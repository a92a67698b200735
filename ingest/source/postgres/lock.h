/*
 * lock.h: one holder of a key at a time in one database (PROTOCOL.md section 9).
 *
 * An advisory lock, held by a connection that does nothing else: reads lend, break and replace
 * theirs, and the server releases the lock the moment the connection of a process that died is
 * closed. Behind a pooler, which may give every transaction another session, an open transaction
 * holds it instead of the session.
 *
 * It costs one connection for as long as the run. It is local to one server: not between a
 * primary and its standbys.
 */
#pragma once

#include "ingest/source/postgres/postgres.h"

struct pg_lock;

#define PG_LOCK_NONE 1

/** pg_lock_take() - runs the loop until the lock is ours
 * @wait_ms: how long another holder is waited for
 * Return: 0; PG_LOCK_NONE the server has no such locks, or not for us (logged); -ERR_LOCKED, the
 * text names the holder; -ERR_RETRY, -ERR_CONFIG as from connecting; -ERR_CANCEL. */
int pg_lock_take(struct pg_source *s, uint64_t key, int64_t wait_ms, struct pg_lock **out,
        struct err *e) __attribute__((warn_unused_result));

/** pg_lock_check() - asks the server whether it is still ours; if not, takes it again
 * Return: 0; -class as pg_lock_take(): it is not ours, and the next check tries again. */
int pg_lock_check(struct pg_lock *l, struct err *e) __attribute__((warn_unused_result));

/** pg_lock_free() - releases it */
struct pg_lock *pg_lock_free(struct pg_lock *l);
DEFINE_CLEANUP(struct pg_lock *, pg_lock_free);
