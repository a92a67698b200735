/* The checker is the thread's own; the schema belongs to the configuration. */
#include "ingest/pipeline/validate.h"

#include <stdlib.h>

struct validator {
        struct mapper_program *program;
        struct mapper_trace *trace;     /* NULL: nobody asks */
        struct schema_checker *checker; /* NULL: no schema */
        struct err refused;             /* why a document could not be checked at all */
};

int validator_compile(const struct config_mapper *mapper, const struct shape *shape,
        const struct lookup_set *lookups, struct validator **out, struct err *e)
{
        cleanup_(validator_freep) struct validator *v = calloc(1, sizeof(*v));

        if (!v)
                return err_nomem(e, "a validator");
        int rc = mapper_compile_with(mapper->spec, shape, lookups, &v->program, e);
        if (rc)
                return rc;
        v->checker = mapper->schema ? schema_checker_new(mapper->schema) : NULL;
        if (mapper->schema && !v->checker)
                return err_nomem(e, "a validator");
        *out = TAKE(v);
        return 0;
}

struct validator *validator_free(struct validator *v)
{
        if (v) {
                schema_checker_free(v->checker);
                mapper_trace_free(v->trace);
                mapper_program_free(v->program);
                free(v);
        }
        return NULL;
}

int validator_trace(struct validator *v, trace_fn fn, void *ctx, struct err *e)
{
        return mapper_trace_new(v->program, fn, ctx, &v->trace, e);
}

/* Text beyond the checker's limits is no failure of the run. */
static int refuse(struct validator *v, int rc, struct mapper_reject *why, struct err *e)
{
        if (rc != -ERR_REJECT) {
                if (e)
                        *e = v->refused;
                return rc;
        }
        *why = (struct mapper_reject){.field = "document", .reason = v->refused.text};
        return VALIDATE_REJECT;
}

int validate_record(struct validator *v, const struct record *record, struct mapped *out,
        struct mapper_reject *why, struct err *e)
{
        struct schema_fault fault;
        int rc = __builtin_expect(v->trace != NULL, 0)
                         ? mapper_trace_render(v->trace, record, out, why, e)
                         : mapper_render(v->program, record, out, why, e);

        if (rc || !v->checker)
                return rc;
        rc = schema_check(v->checker, out->body, SCHEMA_MEMBERS, &fault, &v->refused);
        if (rc == 0)
                return 0;
        if (rc < 0)
                return refuse(v, rc, why, e);
        *why = (struct mapper_reject){
                .field = fault.field[0] ? fault.field : "document", .reason = fault.reason};
        return VALIDATE_REJECT;
}
