/*
 * static_internal.h: what the parts of static_check.h share; nobody else includes it.
 *
 * static_check.c collects and joins them, static_schema.c compares fields with a schema,
 * static_columns.c finds unknown columns without a source, static_schedule.c dates that never come.
 */
#pragma once

#include "ingest/pipeline/static_check.h"
#include "mappers/outline.h"

struct static_context {
        const struct config_mapper *mapper;
        struct findings *findings;
        struct schema_checker *checker;
        struct buf passed_over; /* words of the schema that are not analysed */
        size_t passed_over_count;
        struct buf fields; /* paths of the fields that are not analysed */
        size_t field_count;
        int rc; /* first failure */
        struct err err;
};

#define STATIC_LISTED 4 /* of what is not analysed, in one warning */

/** static_say() - adds a finding at a place of the file that @near stands in; NULL: the mapper's */
void static_say(struct static_context *c, enum finding_level level, const struct ynode *near,
        int line, int column, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/** static_say_err() - adds the error @e, whose text begins with FILE:LINE:COLUMN */
void static_say_err(struct static_context *c, const struct err *e);

/** static_schema() - the fields of @o against the mapper's schema */
void static_schema(struct static_context *c, const struct outline *o);

/** static_open_shape() - what a source that describes no columns gives: told by the mapper alone
 * @key: what the shape points to      Return: false when out of memory. */
bool static_open_shape(
        const struct static_context *c, struct arena *arena, struct shape *out, size_t *key);

/** static_schedules() - those that never fire */
void static_schedules(struct static_context *c);

/** static_columns() - names of columns, where the queries tell which there are */
void static_columns(struct static_context *c);
