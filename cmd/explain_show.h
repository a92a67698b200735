/*
 * explain_show.h: records of preview --explain, for people and for programs.
 */
#pragma once

#include "ingest/pipeline/explain.h"

/** explain_text() - a page of aligned lines, 80 columns wide; an explain_fn
 * @ctx: bool *: with colours */
void explain_text(void *ctx, const struct explained *record, struct buf *out);

/** explain_json() - one object; an explain_fn: {"key", "id", "database" or "reject",
 * "fields": [{"field", "steps": [{"step", "detail", "value"}], "result"}]} */
void explain_json(void *ctx, const struct explained *record, struct buf *out);
