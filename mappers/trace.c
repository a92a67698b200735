/*
 * The wrapper calls the op it stands for, then tells how its member came about. Which op that was
 * is looked up by the op's address: ops stay where they are, and have no room for a second one.
 */
#include "mappers/trace_internal.h"

#include "ingest/base/text.h"

#define FIELD_ARENA_MAX ((size_t)4 * MAPPER_MAX_DOCUMENT) /* a value at each of its steps */
#define FIRST_OPS       64

struct traced_op {
        struct op *op;
        op_fn run, always; /* always: behind `when` */
};

/* ---- fields ---- */

static const char *path_of(struct mapper_trace *t, const char *path)
{
        const struct render *r = &t->program->render;
        cleanup_buf_ struct buf text = BUF_INIT(YDOC_MAX_BYTES);
        size_t element = 0;

        for (const char *p = path; *p; p++) {
                buf_putc(&text, *p);
                if (p[0] == '[' && p[1] == ']' && element < r->depth)
                        buf_printf(&text, "%zu", r->index[element++]);
        }
        t->failed |= text.error != 0;
        return trace_keep(t, buf_str(&text));
}

static void begin_field(struct mapper_trace *t)
{
        arena_reset(t->arena);
        t->count = 0;
        t->secret = false;
        t->reason = (struct str){NULL, 0};
}

static void emit(struct mapper_trace *t, const char *path, struct str result, bool is_array)
{
        struct trace_field f = {.path = path,
                .steps = t->steps,
                .count = t->count,
                .is_array = is_array,
                .mark = TRACE_BARE,
                .result = STR("")};

        if (t->reason.ptr)
                f.mark = TRACE_REFUSED;
        else if (result.ptr && t->secret)
                f.mark = TRACE_MASKED;
        else if (result.ptr)
                f.mark = str_is(result, "null") ? TRACE_NULL : TRACE_VALUE;
        if (f.mark == TRACE_VALUE)
                f.result = result;
        if (!t->failed)
                t->fn(t->ctx, &f);
}

/* @p was left out, or its condition failed: nothing else of it was looked at. */
static void explain_when(struct mapper_trace *t, const struct plan *p)
{
        const struct ynode *when = ynode_get(p->spec->node, "when");
        cleanup_buf_ struct buf detail = BUF_INIT(TRACE_DETAIL_BYTES);
        const char *path = path_of(t, p->path);

        if (when && !when->expanded)
                text_put_line(&detail, when->text, TRACE_DETAIL_CHARS);
        const char *text = trace_keep(t, buf_str(&detail));
        if (t->reason.ptr)
                trace_refused(t, "when", text);
        else
                trace_add(t,
                        (struct trace_step){.name = "when", .detail = text, .value = STR("false")});
        emit(t, path, (struct str){NULL, 0}, false);
}

static void explain(struct mapper_trace *t, const struct plan *p, struct str result)
{
        t->secret = trace_secret(t, p);
        if (p->when && !t->reached) {
                explain_when(t, p);
                return;
        }
        const char *path = path_of(t, p->path);
        trace_value_of(t, p, result);
        emit(t, path, result, false);
}

static void explain_array(struct mapper_trace *t, const struct plan *p)
{
        begin_field(t);
        const char *path = path_of(t, p->path);
        trace_add(t, (struct trace_step){
                             .name = "each", .detail = p->spec->from.text, .mark = TRACE_BARE});
        emit(t, path, (struct str){NULL, 0}, true);
}

/* The reason leaves the renderer's buffers, which explaining will use. */
static void explain_reject(struct mapper_trace *t, const struct plan *p)
{
        struct render *r = &t->program->render;
        bool container = p->spec->origin == FIELD_OBJECT || p->spec->origin == FIELD_EACH;
        cleanup_buf_ struct buf field = BUF_INIT(YDOC_MAX_BYTES), reason = BUF_INIT(1 << 16);

        begin_field(t);
        buf_put_str(&field, buf_str(&r->reject_field));
        buf_put_str(&reason, buf_str(&r->reject_reason));
        t->reason = buf_str(&reason);
        if (container && t->reached) {
                trace_refused(t, p->spec->required ? "required" : "each", p->spec->from.text);
                emit(t, trace_keep(t, buf_str(&field)), (struct str){NULL, 0}, false);
        } else {
                explain(t, p, (struct str){NULL, 0});
        }
        t->reason = (struct str){NULL, 0};
        buf_clear(&r->reject_field);
        buf_clear(&r->reject_reason);
        buf_put_str(&r->reject_field, buf_str(&field));
        buf_put_str(&r->reject_reason, buf_str(&reason));
        t->failed |= field.error || reason.error;
}

/* ---- the wrapper ---- */

static int compare_ops(const void *a, const void *b)
{
        const struct op *x = ((const struct traced_op *)a)->op;
        const struct op *y = ((const struct traced_op *)b)->op;

        return x < y ? -1 : x > y;
}

static const struct traced_op *find_op(const struct mapper_trace *t, const struct op *op)
{
        const struct traced_op key = {.op = (struct op *)op};

        return bsearch(&key, t->ops, t->op_count, sizeof(key), compare_ops);
}

void mapper_trace_value(struct mapper_trace *t, enum col_kind kind, struct str text)
{
        buf_clear(&t->given);
        buf_put_str(&t->given, text);
        t->failed |= t->given.error != 0;
        t->given_kind = kind;
        t->has_given = true;
}

static int op_reached(struct render *r, const struct op *op)
{
        const struct traced_op *traced = find_op(r->trace, op);

        r->trace->reached = true;
        if (op->plan->spec->origin == FIELD_EACH)
                explain_array(r->trace, op->plan);
        return traced->always(r, op);
}

static int op_traced(struct render *r, const struct op *op)
{
        struct mapper_trace *t = r->trace;
        const struct plan *p = op->plan;
        size_t start = r->out->len, value = start + p->prefix.len;
        bool container = p->spec->origin == FIELD_OBJECT || p->spec->origin == FIELD_EACH;

        t->reached = !p->when;
        t->has_given = false;
        if (p->spec->origin == FIELD_EACH && !p->when)
                explain_array(t, p);
        int rc = find_op(t, op)->run(r, op);
        if (rc == MAPPER_REJECT && !t->rejected) {
                t->rejected = true;
                explain_reject(t, p);
        }
        if (rc || (container && r->out->len > start))
                return rc;
        /* The object around it is left out, which is told in its own place. */
        if (find_op(t, op)->run == op_guarded && !r->slots[p->slot].in)
                return 0;
        begin_field(t);
        struct str result = {NULL, 0};
        if (r->out->len > value && !r->out->error)
                result = (struct str){r->out->data + value, r->out->len - value};
        explain(t, p, result);
        return 0;
}

/* Copies of what was rendered early are no news. */
static int wrap_op(struct mapper_trace *t, struct op *op)
{
        if (op->run == op_early)
                return 0;
        if (t->op_count == t->op_capacity) {
                size_t capacity = t->op_capacity ? 2 * t->op_capacity : FIRST_OPS;
                struct traced_op *ops = reallocarray(t->ops, capacity, sizeof(*ops));
                if (!ops)
                        return -ERR_NOMEM;
                t->ops = ops;
                t->op_capacity = capacity;
        }
        t->ops[t->op_count++] = (struct traced_op){op, op->run, op->plan->always};
        return 0;
}

static int wrap_ops(struct mapper_trace *t, struct op *ops, size_t count)
{
        int rc = 0;

        for (size_t i = 0; i < count && !rc; i++)
                rc = wrap_op(t, &ops[i]);
        return rc;
}

static int wrap_plans(struct mapper_trace *t, struct plan *plans, size_t count);

static int wrap_scope(struct mapper_trace *t, struct scope *s)
{
        int rc = wrap_ops(t, s->ops, s->op_count);

        if (!rc)
                rc = wrap_ops(t, s->early, s->early_count);
        return rc ? rc : wrap_plans(t, s->plans, s->field_count);
}

static int wrap_plans(struct mapper_trace *t, struct plan *plans, size_t count)
{
        int rc = 0;

        for (size_t i = 0; i < count && !rc; i++) {
                struct plan *p = &plans[i];
                if (p->inner)
                        rc = wrap_scope(t, p->inner);
                else if (p->spec->origin == FIELD_OBJECT)
                        rc = wrap_ops(t, p->ops, p->op_count);
                if (!rc && !p->inner && p->members)
                        rc = wrap_plans(t, p->members, p->spec->field_count);
        }
        return rc;
}

/* ---- the trace ---- */

int mapper_trace_new(
        struct mapper_program *p, trace_fn fn, void *ctx, struct mapper_trace **out, struct err *e)
{
        cleanup_(mapper_trace_freep) struct mapper_trace *t = calloc(1, sizeof(*t));

        if (!t)
                return err_nomem(e, "a trace");
        *t = (struct mapper_trace){.program = p,
                .fn = fn,
                .ctx = ctx,
                .arena = arena_new(FIELD_ARENA_MAX),
                .scratch = BUF_INIT(MAPPER_MAX_DOCUMENT),
                .given = BUF_INIT(MAPPER_MAX_DOCUMENT)};
        if (!t->arena || wrap_scope(t, &p->root))
                return err_nomem(e, "a trace");
        qsort(t->ops, t->op_count, sizeof(*t->ops), compare_ops);
        for (size_t i = 0; i < t->op_count; i++) {
                struct plan *plan = (struct plan *)t->ops[i].op->plan;
                t->ops[i].op->run = op_traced;
                if (plan->when)
                        plan->always = op_reached;
        }
        p->render.trace = t;
        *out = TAKE(t);
        return 0;
}

struct mapper_trace *mapper_trace_free(struct mapper_trace *t)
{
        if (t) {
                arena_free(t->arena);
                buf_deinit(&t->scratch);
                buf_deinit(&t->given);
                free(t->ops);
                free(t);
        }
        return NULL;
}

/* Explaining uses the buffers that @why points into. */
static int restore_reject(
        struct mapper_trace *t, const struct mapper_reject *kept, struct mapper_reject *why)
{
        struct render *r = &t->program->render;

        buf_clear(&r->reject_field);
        buf_clear(&r->reject_reason);
        buf_puts(&r->reject_field, kept->field);
        buf_puts(&r->reject_reason, kept->reason);
        why->field = buf_cstr(&r->reject_field);
        why->reason = buf_cstr(&r->reject_reason);
        t->failed |= !why->field || !why->reason;
        return MAPPER_REJECT;
}

/* The id or the database: a template of the record. */
static void explain_name(struct mapper_trace *t, const struct text_plan *text, const char *path,
        const struct plan *plan, struct str name, const struct mapper_reject *why)
{
        cleanup_buf_ struct buf json = BUF_INIT(8 * MAPPER_MAX_ID);
        struct plan p = *plan;
        struct str ignored;

        begin_field(t);
        p.text = *text;
        p.scope = &t->program->root;
        t->secret = trace_secret(t, &p);
        if (why)
                t->reason = arena_dup(t->arena, str_of(why->reason));
        trace_parts(t, text, &ignored);
        json_put_lossy(&json, name);
        if (why)
                trace_refused(t, "template", "");
        else
                trace_add(t, (struct trace_step){.name = "template", .value = buf_str(&json)});
        t->failed |= json.error != 0;
        emit(t, path, why ? (struct str){NULL, 0} : buf_str(&json), false);
}

static void explain_names(
        struct mapper_trace *t, const struct mapped *m, const struct mapper_reject *why)
{
        struct mapper_program *p = t->program;
        bool bad_id = why && strcmp(why->field, p->id_plan.path) == 0;
        bool bad_database = why && strcmp(why->field, p->database_plan.path) == 0;

        if (!why || bad_id)
                explain_name(
                        t, &p->id, "_id", &p->id_plan, why ? STR("") : m->id, bad_id ? why : NULL);
        if (!p->constant_database.ptr && (!why || bad_database))
                explain_name(t, &p->database, "_database", &p->database_plan,
                        why ? STR("") : m->database, bad_database ? why : NULL);
}

int mapper_trace_render(struct mapper_trace *t, const struct record *record, struct mapped *out,
        struct mapper_reject *why, struct err *e)
{
        t->rejected = t->failed = false;
        int rc = mapper_render(t->program, record, out, why, e);

        if (rc == 0 || (rc == MAPPER_REJECT && !t->rejected)) {
                cleanup_buf_ struct buf field = BUF_INIT(YDOC_MAX_BYTES),
                                        reason = BUF_INIT(1 << 16);
                struct mapper_reject kept = {NULL, NULL};
                if (rc) {
                        buf_puts(&field, why->field);
                        buf_puts(&reason, why->reason);
                        kept = (struct mapper_reject){buf_cstr(&field), buf_cstr(&reason)};
                }
                if (!rc || (kept.field && kept.reason))
                        explain_names(t, rc ? NULL : out, rc ? &kept : NULL);
                t->failed |= field.error || reason.error;
                if (rc && !t->failed)
                        rc = restore_reject(t, &kept, why);
        }
        return rc < 0 || !t->failed ? rc : err_nomem(e, "a trace");
}
