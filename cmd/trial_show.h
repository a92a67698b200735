/*
 * trial_show.h: what the tests of mappers said: for people, for programs, for CI servers.
 */
#pragma once

#include <cjson/cJSON.h>

#include "cmd/out.h"
#include "ingest/pipeline/trial.h"

struct trial_run {
        const struct config_mapper *mapper;
        struct trial_report report;
};

/** trial_where() - "FILE:LINE" of a test */
void trial_where(const struct trial_run *run, const struct trial_result *r, struct buf *out);

/** trial_put_difference() - "price: expected 2.5 (number), got "2.50" (string)", over more lines
 * that begin with @indent where it is long */
void trial_put_difference(const struct trial_difference *d, const char *indent, struct buf *out);

/** trial_text() - one line for each test, what differs below it, and what no test looks at
 * Return: 0; -class of the output. */
int trial_text(const struct trial_run *runs, size_t count, struct out *out, struct err *e)
        __attribute__((warn_unused_result));

/** trial_json() - {"mappers": [{"mapper", "file", "tests", "coverage"}], "passed", "failed",
 * "errors", "outcome"} */
cJSON *trial_json(const struct trial_run *runs, size_t count, const char *outcome);

/** trial_junit() - writes the file @path, whole or not at all
 * Return: 0; -ERR_CONFIG it cannot be made there; -ERR_SYSTEM; -ERR_NOMEM. */
int trial_junit(const struct trial_run *runs, size_t count, const char *path, struct err *e)
        __attribute__((warn_unused_result));
