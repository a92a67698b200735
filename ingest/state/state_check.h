/*
 * state_check.h: whether a data file is what LMDB takes for granted.
 *
 * LMDB has no checksums and follows whatever its pages say: a damaged page ends the process by a
 * signal, at this run and at every later one. A file that this program closed itself and nobody
 * touched since is trusted; any other one is read page by page before LMDB walks it.
 */
#pragma once

#include "ingest/state/state_env.h"

/** state_check_header() - the two first pages of the data file in folder @path
 * Return: 0, also where there is no file, an empty one, or one of another LMDB (which LMDB tells
 * itself); MDB_CORRUPTED; errno. */
int state_check_header(const char *path) __attribute__((warn_unused_result));

/** state_check_pages() - every page that one snapshot of @env can reach, and its free pages
 * Takes one bit of memory for each page of the file.
 * Return: 0; MDB_CORRUPTED; errno. */
int state_check_pages(MDB_env *env) __attribute__((warn_unused_result));

/** state_check_values() - every value of every table decodes; @s is open
 * Return: 0; -ERR_SYSTEM, and the file is marked. */
int state_check_values(struct state *s, struct err *e) __attribute__((warn_unused_result));
