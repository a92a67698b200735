/*
 * trace_internal.h: what the parts of trace.h share; nobody else includes it.
 *
 * trace.c wraps the ops and tells of fields, trace_source.c where values come from and which are
 * secrets, trace_steps.c what becomes of them, step by step.
 */
#pragma once

#include "mappers/program.h"
#include "mappers/trace.h"

#define TRACE_MAX_STEPS    96   /* of a field: parts of its template, then its chain */
#define TRACE_DETAIL_BYTES 1024 /* of what is said beside a step ... */
#define TRACE_DETAIL_CHARS 60   /* ... and of an expression in it: it stands in the mapper */

struct traced_op;

struct mapper_trace {
        struct mapper_program *program; /* borrowed */
        trace_fn fn;
        void *ctx;
        struct traced_op *ops; /* owned; by address */
        size_t op_count, op_capacity;
        struct arena *arena; /* owned; of one field */
        struct buf scratch;
        struct trace_step steps[TRACE_MAX_STEPS];
        size_t count;
        bool secret; /* the field at hand */
        bool rejected, failed;
        bool reached; /* by the op at hand: its condition held */
        bool has_given;
        enum col_kind given_kind; /* of the value that the op at hand found ... */
        struct buf given;         /* ... and its text */
        struct str reason;        /* of the reject of the field at hand; .ptr NULL: none */
};

/** trace_keep() - a copy of @text that lives as long as the field */
const char *trace_keep(struct mapper_trace *t, struct str text);

/** trace_add() - one more step; its value is copied, its detail is not */
void trace_add(struct mapper_trace *t, struct trace_step step);

/** trace_refused() - the step that rejects: t->reason */
void trace_refused(struct mapper_trace *t, const char *name, const char *detail);

/** trace_null() - what takes the place of a null: default, required, nothing */
void trace_null(struct mapper_trace *t, const struct plan *p);

/** trace_chain() - from a value that was found to the result
 * @text.ptr NULL: null      @result.ptr NULL: nothing was written */
void trace_chain(struct mapper_trace *t, const struct plan *p, enum col_kind kind, struct str text,
        struct str result);

/** trace_secret() - whether @p is made of what looks like a secret */
bool trace_secret(const struct mapper_trace *t, const struct plan *p);

/** trace_parts() - each name of the template; @out: its text
 * Return: false where one is null or refused. */
bool trace_parts(struct mapper_trace *t, const struct text_plan *text, struct str *out);

/** trace_value_of() - the steps of a field with one value. @result.ptr NULL: nothing was written */
void trace_value_of(struct mapper_trace *t, const struct plan *p, struct str result);
