/* progress.h: the progress line of a command that reads a source. */
#pragma once

#include "cmd/cli.h"
#include "ingest/pipeline/run.h"

/** progress_show() - the line of one mapper on standard error, where that is a terminal
 * @p: NULL: none is under way, the line goes; as with --quiet
 * @started_ms: of the monotonic clock */
void progress_show(const struct cli *cli, const char *mapper, const struct run_progress *p,
        int64_t started_ms);
