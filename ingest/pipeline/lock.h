/*
 * lock.h: one run of a mapper at a time on this machine (PROTOCOL.md section 9).
 *
 * flock(2) on a file in the mapper's state folder: the kernel releases it when the process
 * ends, however it ends. The loser is told at once.
 */
#pragma once

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"

struct lock;

/** lock_take() - makes the folder @folder where it is missing and locks it
 * Return: 0; -ERR_LOCKED another run holds it (the error names its pid); -ERR_CONFIG no rights;
 * -ERR_SYSTEM disk full, I/O error. */
int lock_take(const char *folder, struct lock **out, struct err *e)
        __attribute__((warn_unused_result));
struct lock *lock_release(struct lock *l);
DEFINE_CLEANUP(struct lock *, lock_release);
