/*
 * group.h: consecutive rows with equal group columns as one record.
 *
 * The record's row is the group's first row; its one child holds all rows of the group. Equal
 * means equal text, NULL equal to NULL. A group beyond row_limits is a RECORD_REJECT, and the
 * read goes on behind it. In memory: one group and one row ahead.
 */
#pragma once

#include "ingest/source/rows.h"

/** group_new() - @key: @key_count indexes of the group columns; must outlive the assembler
 * @columns: of a row      @limits: NULL: row_limits_default */
int group_new(const struct row_stream *stream, size_t columns, const size_t *key, size_t key_count,
        const struct row_limits *limits, struct assembler **out, struct err *e)
        __attribute__((warn_unused_result));
