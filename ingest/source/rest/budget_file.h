/*
 * budget_file.h: the counts of all who use a source, in one small file under a lock.
 *
 * The file holds two copies that are written by turns, each with a number and a checksum, so that
 * one that was torn (a kill, a power cut) costs the last request alone. It is never synced: what a
 * power cut takes away are the last seconds. flock() keeps out other threads too, because each
 * opens the file for itself; a file that was opened before fork() is not to be used by both.
 *
 * Where the disk is full or fails, the counts live on in memory, and `trouble` says so.
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/err.h"
#include "ingest/source/rest/budget_window.h"
#include "ingest/source/rest/options.h"

#define BUDGET_WINDOWS (REST_MAX_BUDGETS + 1) /* and the errors */

struct budget_counts {
        int64_t last_us;          /* the newest time that anybody saw */
        int64_t last_take_us;     /* 0: none yet */
        int64_t refused_until_us; /* a reply said so */
        int64_t server_left;      /* requests that the server still grants, until: */
        int64_t server_reset_us;  /* past: it said nothing */
        uint32_t window_count, reserved;
        struct budget_window windows[BUDGET_WINDOWS];
};

struct budget_file;

/** budget_file_open() - @folder: made when missing; NULL: memory alone
 * Return: 0; -ERR_CONFIG no right to it; -ERR_SYSTEM; -ERR_NOMEM. */
int budget_file_open(const char *folder, struct budget_file **out, struct err *e)
        __attribute__((warn_unused_result));
struct budget_file *budget_file_close(struct budget_file *f);

/** budget_file_load() - locks, and reads what stands there
 * Return: the counts, to be changed in place until budget_file_store() or budget_file_leave(). */
struct budget_counts *budget_file_load(struct budget_file *f);
void budget_file_store(struct budget_file *f); /* writes and unlocks */
void budget_file_leave(struct budget_file *f); /* unlocks */

/** budget_file_trouble() - what the operator should know, once; NULL: nothing */
const char *budget_file_trouble(struct budget_file *f);
