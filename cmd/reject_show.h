/*
 * reject_show.h: rejects for people; for programs see reject_view_json().
 */
#pragma once

#include "cmd/table.h"
#include "ingest/pipeline/reject_view.h"

extern const struct table_column reject_columns[];
extern const size_t reject_column_count;

/** reject_show_row() - a row of the table of reject_columns */
int reject_show_row(struct table *t, const struct reject_view *reject, struct err *e)
        __attribute__((warn_unused_result));

/** reject_show_block() - everything, the record too, as lines */
void reject_show_block(struct buf *out, const struct reject_view *reject);
