/* past.h: what the runs of a mapper left on this machine, as the scheduler asks for it. */
#pragma once

#include "ingest/pipeline/status.h"
#include "ingest/serve/scheduler.h"

/** past_of() - @status, of status_read_here(), as the past of its mapper; pauses are not in it */
struct scheduler_past past_of(const struct status *status);
