/*
 * lock.h: one run of a mapper at a time (PROTOCOL.md section 9).
 *
 * On this machine: flock(2) on a file in the mapper's state folder. The kernel releases it when
 * the process ends, however it ends. The loser is told at once.
 *
 * Across machines: a lock in the source, where it has any (PostgreSQL). The loser waits for half
 * a minute, and is told by whom the lock is held. It is not effective between a primary and its
 * standbys, nor for runs that name the same CouchDB database in different ways.
 */
#pragma once

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"
#include "ingest/source/source.h"

struct lock;

/** lock_make_folder() - makes the folder @path and those above it where they are missing
 * Return: 0; -ERR_CONFIG no rights; -ERR_SYSTEM. */
int lock_make_folder(const char *path, struct err *e) __attribute__((warn_unused_result));

/** lock_take() - makes the folder @folder where it is missing and locks it
 * Return: 0; -ERR_LOCKED another run holds it (the error names its pid); -ERR_CONFIG no rights;
 * -ERR_SYSTEM disk full, I/O error. */
int lock_take(const char *folder, struct lock **out, struct err *e)
        __attribute__((warn_unused_result));

/** lock_take_service() - the same for the service of @state_dir; beside it runs of mappers may go
 * on
 */
int lock_take_service(const char *state_dir, struct lock **out, struct err *e)
        __attribute__((warn_unused_result));
struct lock *lock_release(struct lock *l);
DEFINE_CLEANUP(struct lock *, lock_release);

/* What must not be done twice at a time: this mapper, into the databases of this CouchDB. */
struct lock_remote {
        const char *couch_uuid; /* of GET / */
        const char *control_database, *mapper;
};

/** lock_remote_take() - takes the lock in @s, until that is closed; runs the loop
 * source_lock_check(@s) tells later whether it is still held.
 * Return: 0, also where the source has no locks; -ERR_LOCKED; -ERR_RETRY; -ERR_CANCEL. */
int lock_remote_take(struct source *s, const struct lock_remote *what, struct err *e)
        __attribute__((warn_unused_result));
