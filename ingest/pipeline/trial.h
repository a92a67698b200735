/*
 * trial.h: the tests of a mapper, run without a source.
 *
 * What a test says, key by key:
 *
 *  given    Columns by name; those not given are NULL. A child's name takes the list of its rows;
 *           where the extract groups, `rows` takes the rows of the group, to which the columns
 *           beside it are common (without `rows` the record is a group of one row). A name that
 *           the mapper does not use, as a column, key or cursor, and that stands nowhere in its
 *           Lua or the query either, is an error: a misspelt column would otherwise be a NULL for
 *           ever.
 *  types    The kind of a column follows from its values: an integer is an integer, 2.50 an exact
 *           decimal, true a boolean, a list or a map JSON. Text is text, but a date or time under
 *           `type: date` or `datetime` is a date or time, as is "2026-01-31 08:00:00" in
 *           PostgreSQL's form in fields without a type; and where a path or `each` goes into the
 *           column it is the text of JSON. `types` says otherwise: {stamp: timestamptz,
 *           lines: {due: date}}. Every value is then the text that the source would send.
 *  expect   A part of the document: of objects the members that are named; arrays whole, their
 *           elements in the same way. Types are exact: "2.50" is not 2.5; numbers compare by
 *           value (2.50 is 2.5). null: the field is null or left out, which is all one to a
 *           reader of the document; null as an element of an array is a null. _id is the
 *           document's id, _database where it goes to.
 *  reject   How "FIELD: reason" begins.
 *  lookups  Tables in place of those of `lookup`, by the path of the field ("lines.tax").
 *  now      What the clock shows. Nothing in a mapper looks at it in this version.
 *
 * Tests are run by the engine of a run: compiled against the columns that they give, rendered.
 */
#pragma once

#include "ingest/pipeline/config.h"

#define TRIAL_MAX_DIFFERENCES 100 /* kept of one test: nobody reads more */

/* The difference of a test that wanted another reject, or a document, or a reject: texts of rejects
 * as JSON strings, NULL for a document. No field has such a name. */
#define TRIAL_REJECT "(reject)"

struct trial_difference {
        const char *field;    /* "lines[2].qty", "_id", TRIAL_REJECT */
        const char *expected; /* JSON; NULL: nothing, or that it is secret: see masked */
        const char *got;      /* JSON; NULL: nothing */
        bool masked;          /* what is expected comes from a variable: never shown */
};

enum trial_outcome { TRIAL_OK, TRIAL_FAILED, TRIAL_ERROR };

struct trial_result {
        const struct mapper_test *test;
        const char *name; /* "test 3" where it has none */
        enum trial_outcome outcome;
        const struct trial_difference *differences; /* FAILED */
        size_t count, more;                         /* more: not kept */
        const char *error; /* ERROR: "FILE:LINE:COLUMN: ...": the test or mapper must be mended */
};

/* What the tests of one mapper said; everything lives in the arena. */
struct trial_report {
        struct arena *arena;          /* owned */
        struct trial_result *results; /* in the order of the file */
        size_t count, passed, failed, errors;
        size_t field_count;      /* fields with a value of their own: "lines[].qty" */
        const char **unasserted; /* those that no test expects or has rejected */
        size_t unasserted_count;
};

/** trial_mapper() - runs all tests of @mapper
 * @out: filled also where tests fail; trial_report_deinit() it in any case
 * Return: 0; -ERR_NOMEM, -ERR_BUG. */
int trial_mapper(const struct config_mapper *mapper, struct trial_report *out, struct err *e)
        __attribute__((warn_unused_result));
void trial_report_deinit(struct trial_report *r);

/** trial_outcome_name() - "ok", "failed", "error" */
const char *trial_outcome_name(enum trial_outcome outcome);
