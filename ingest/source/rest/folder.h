/*
 * folder.h: the folder in which a REST source keeps what must outlive a run.
 *
 * What fails here is either the operator's to mend (rights, a file in the way: -ERR_CONFIG) or this
 * machine's trouble (disk full, I/O: -ERR_SYSTEM); callers decide what they can do without.
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/err.h"

/** rest_folder_make() - @path and the folders above it that are missing (0700)
 * Return: 0; -ERR_CONFIG no right, a file in the way; -ERR_SYSTEM; -ERR_NOMEM; code: the errno. */
int rest_folder_make(const char *path, struct err *e) __attribute__((warn_unused_result));

/** rest_folder_class() - of a failed call on a file of ours */
enum err_class rest_folder_class(int errnum);

/** rest_folder_is_full() - there is no room for a file: disk, quota, inodes */
bool rest_folder_is_full(int errnum);
