/*
 * static_check.h: what is wrong with a mapper whatever its records hold, before the first of them.
 *
 * Compares what a mapper can give (mappers/outline.h) with what its schema wants (schemas/view.h),
 * and its names with the columns that its queries give. Errors are certain: a document, or a value
 * that the mapper itself writes, could never pass. Warnings may come true with some records. What
 * is not analysed is said in one warning a mapper. Notes are no mistakes: worth a look.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/pipeline/config.h"

#define FINDINGS_MAX 200 /* of one mapper; more of them help nobody */

enum finding_level { FINDING_NOTE, FINDING_WARNING, FINDING_ERROR };

/** finding_level_name() - "note", "warning", "error" */
const char *finding_level_name(enum finding_level level);

struct finding {
        enum finding_level level;
        const char *file;
        int line, column;
        const char *message;
};

struct findings {
        struct arena *arena; /* where they live; must outlive them */
        struct finding *list;
        size_t count, room, errors;
};

/** static_check_mapper() - adds what is found in @m
 * @shape: of its source, with which it was compiled; NULL: no source was asked
 * Return: 0; -ERR_NOMEM, -ERR_CONFIG beyond a limit. */
int static_check_mapper(const struct config_mapper *m, const struct shape *shape,
        struct findings *out, struct err *e) __attribute__((warn_unused_result));

/** static_check_schemas() - adds what looks like a mistake in the files of schemas themselves */
int static_check_schemas(const struct config *config, struct findings *out, struct err *e)
        __attribute__((warn_unused_result));
