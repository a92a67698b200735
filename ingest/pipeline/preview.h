/*
 * preview.h: a mapper's documents without a target: for operators, tests and pipes.
 */
#pragma once

#include "ingest/base/log.h"
#include "ingest/loop/loop.h"
#include "ingest/pipeline/config.h"
#include "ingest/pipeline/explain.h"

struct preview_options {
        int64_t limit;   /* documents; -1: all */
        const char *key; /* only this source key; NULL: all */
        int fd;          /* where documents go */
        bool wrapped;    /* one JSON object instead of one JSON a line */
        /* Writes records with the way of their fields in place of documents; limit then counts
         * rejected ones, too. With wrapped it appends JSON. NULL: documents. */
        explain_fn explain;
        void *explain_ctx;
};

struct preview_report {
        uint64_t documents, rejected;
        bool began; /* something was written to fd */
};

/** preview_mapper() - reads, maps, writes documents to options->fd; runs the loop
 * A reader that closes the pipe ends the preview without error.
 * Return: 0; -class (the report holds what was done until then). */
int preview_mapper(const struct config *config, const struct config_mapper *mapper,
        const struct preview_options *options, struct loop *loop, const struct log *log,
        struct preview_report *report, struct err *e) __attribute__((warn_unused_result));
