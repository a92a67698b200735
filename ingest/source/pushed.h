/*
 * pushed.h: JSON of pushed records, taken apart for connectors (source_convert()).
 *
 * Texts are JSON that was proved before, without a name twice in one object.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/base/buf.h"
#include "ingest/source/source.h"

#define PUSHED_MAX_TEXT    ((size_t)64 << 20) /* of one record, as it stands: RECORD_MAX_BYTES */
#define PUSHED_MAX_MEMBERS 4096 /* of a row that is merged: far above the columns of a table */

/** pushed_refuse() - @item cannot be a record, for the reason given
 * Return: 0; as arena_failed(). */
int pushed_refuse(struct source_pushed *item, struct arena *arena, struct err *e, const char *fmt,
        ...) __attribute__((format(printf, 4, 5)));

/* Return: 0 to go on; else the walk ends with it. */
typedef int (*pushed_row_fn)(void *ctx, struct str row, struct err *e);

/** pushed_rows() - the elements of the array @list: the rows named @name
 * Return: 0, also for null or an absent one (.ptr NULL); -ERR_REJECT no array, or an element that
 * is no object; what @fn gave. */
int pushed_rows(struct str list, const char *name, pushed_row_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

/** pushed_group() - the rows of a group: each member of `rows` with what stands beside `rows`,
 * which its own members go before; @record itself where it has no `rows`
 * @scratch: holds a row until the next; cleared
 * Return: 0; -ERR_REJECT as pushed_rows(), no row, or too many members; what @fn gave. */
int pushed_group(struct str record, struct buf *scratch, pushed_row_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));
