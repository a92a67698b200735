/*
 * trace.h: how each field of a document came about: for `preview --explain`.
 *
 * A traced program renders as any other does, by the same code; each of its ops is wrapped, and
 * when a field is done its value is taken through its chain once more, a step further each time.
 * So a program that is not traced pays nothing, and a traced one tells what really happened. What
 * a step means is known to the chain alone: one that the table in trace_steps.c does not name is
 * shown together with the conversion.
 *
 * Fields come in the order in which they are rendered: that of the document, but first in each
 * object those that templates and expressions before them need. Elements follow the head of their
 * array one after another. Columns that
 * hold secrets (column_holds_secret()) are masked, and what was made of them.
 */
#pragma once

#include "mappers/compile.h"

enum trace_mark {
        TRACE_VALUE,
        TRACE_NULL,
        TRACE_MASKED,  /* a secret: value is empty */
        TRACE_REFUSED, /* value: why, a sentence; a field's last step */
        TRACE_BARE     /* the step has no value of its own: `each`, the text of an expression */
};

struct trace_step {
        const char *name;   /* as in a mapper: "from", "trim", "map", "type", "default" ... */
        const char *detail; /* "list_price, numeric(12,2)"; "decimal, scale 2"; or "" */
        enum trace_mark mark;
        bool is_text;     /* value is text as the source sent it, not JSON */
        bool quoted;      /* of such text: people write it in quotes */
        struct str value; /* JSON, unless is_text or refused */
};

struct trace_field {
        const char *path; /* "lines[2].qty"; "_id", "_database" */
        const struct trace_step *steps;
        size_t count;
        enum trace_mark mark; /* of the result: VALUE, NULL (written as null), MASKED, REFUSED;
                                 BARE: left out, or the head of an array */
        bool is_array;        /* the head of an array, whose elements follow */
        struct str result;    /* JSON of TRACE_VALUE */
};

/* Borrows from the trace until it returns. */
typedef void (*trace_fn)(void *ctx, const struct trace_field *field);

struct mapper_trace;

/** mapper_trace_new() - from now on @p is rendered with mapper_trace_render()
 * @p: must outlive the trace, or end with it */
int mapper_trace_new(struct mapper_program *p, trace_fn fn, void *ctx, struct mapper_trace **out,
        struct err *e) __attribute__((warn_unused_result));
struct mapper_trace *mapper_trace_free(struct mapper_trace *t);
DEFINE_CLEANUP(struct mapper_trace *, mapper_trace_free);

/** mapper_trace_render() - mapper_render(), and a call for each field, the id and the database
 * A reject ends the document: the field that it names comes last.
 * Return: as mapper_render(). */
int mapper_trace_render(struct mapper_trace *t, const struct record *record, struct mapped *out,
        struct mapper_reject *why, struct err *e) __attribute__((warn_unused_result));
