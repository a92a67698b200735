/*
 * read.h: one read of a REST source.
 */
#pragma once

#include "ingest/source/rest/rest.h"

enum rest_what { REST_ALL, REST_SINCE, REST_KEYS, REST_DELETED, REST_BY_KEYS };

struct rest_reading {
        enum rest_what what;
        const struct value *keys; /* REST_BY_KEYS: copied */
        size_t key_rows;
};

/** rest_read_start() - as source_read_*(); nothing is delivered from inside */
int rest_read_start(struct rest_source *s, const struct extract *x, const struct shape *shape,
        const struct rest_reading *reading, const struct source_sink *sink,
        struct source_read **out, struct err *e) __attribute__((warn_unused_result));

void rest_read_resume(struct source_read *r);
void rest_read_cancel(struct source_read *r);

/** rest_reads_reap() - frees the reads that have ended; @all: ends the others first (runs the loop,
 * nobody is told) */
void rest_reads_reap(struct rest_source *s, bool all);
