/*
 * A value is taken through the beginning of its field's chain, then through a longer one, to the
 * end: by the functions that a run uses.
 */
#include "mappers/trace_internal.h"

#include "ingest/base/text.h"
#include "mappers/decimal.h"
#include "mappers/text_steps.h"

/* ---- steps of a field ---- */

const char *trace_keep(struct mapper_trace *t, struct str text)
{
        const char *copy = arena_strdup(t->arena, text);

        t->failed |= !copy;
        return copy ? copy : "";
}

void trace_add(struct mapper_trace *t, struct trace_step step)
{
        if (t->count == TRACE_MAX_STEPS)
                return;
        if (!step.detail)
                step.detail = "";
        if (t->secret && step.mark == TRACE_VALUE)
                step.mark = TRACE_MASKED;
        if (step.mark == TRACE_VALUE || step.mark == TRACE_REFUSED) {
                step.value = arena_dup(t->arena, step.value);
                t->failed |= !step.value.ptr;
        } else {
                step.value = STR("");
        }
        t->steps[t->count++] = step;
}

/* A reason begins with the value it speaks of. */
static struct str without_value(struct str reason)
{
        const char *end = reason.len && *reason.ptr == '"' ? reason.ptr + 1 : NULL;

        for (; end && end < reason.ptr + reason.len && *end != '"'; end++)
                end += *end == '\\';
        if (!end || end >= reason.ptr + reason.len)
                return reason;
        return (struct str){end + 1, reason.len - (size_t)(end + 1 - reason.ptr)};
}

void trace_refused(struct mapper_trace *t, const char *name, const char *detail)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16);

        buf_puts(&text, t->secret ? "the value (masked)" : "");
        buf_put_str(&text, t->secret ? without_value(t->reason) : t->reason);
        t->failed |= text.error != 0;
        trace_add(t, (struct trace_step){.name = name,
                             .detail = detail,
                             .mark = TRACE_REFUSED,
                             .value = buf_str(&text)});
}

/* ---- the chain, step by step ---- */

/* A part of a field's chain: its first steps, and no conversion. */
struct partial {
        struct chain chain;
        struct text_steps text;
};

static void keep_split(struct partial *to, const struct chain *from)
{
        to->chain.split = from->split;
}

static void keep_trim(struct partial *to, const struct chain *from)
{
        to->chain.trim = from->trim;
}

static void keep_replace(struct partial *to, const struct chain *from)
{
        to->text.replace = from->text ? from->text->replace : NULL;
        to->text.replace_count = from->text ? from->text->replace_count : 0;
        to->chain.text = from->text ? &to->text : NULL;
}

static void keep_upper(struct partial *to, const struct chain *from)
{
        to->text.upper = from->text && from->text->upper;
}

static void keep_lower(struct partial *to, const struct chain *from)
{
        to->text.lower = from->text && from->text->lower;
}

static void keep_null_if(struct partial *to, const struct chain *from)
{
        to->chain.null_if = from->null_if;
        to->chain.null_if_count = from->null_if_count;
}

static void keep_map(struct partial *to, const struct chain *from)
{
        to->chain.map = from->map;
        to->chain.map_count = from->map_count;
        to->chain.has_map = from->has_map;
        to->chain.unmapped_is_null = from->unmapped_is_null;
}

/* In the order of the chain. What is not here is shown with the conversion. */
static const struct {
        const char *name; /* the key that asks for it */
        void (*keep)(struct partial *to, const struct chain *from);
} known_steps[] = {
        {"split", keep_split},
        {"trim", keep_trim},
        {"replace", keep_replace},
        {"upper", keep_upper},
        {"lower", keep_lower},
        {"null_if", keep_null_if},
        {"map", keep_map},
};
#define KNOWN (sizeof(known_steps) / sizeof(known_steps[0]))

static bool has_key(const struct plan *p, const char *key)
{
        return p->spec && ynode_get(p->spec->node, key);
}

/* A chain that keeps values as they are, to which steps are added. */
static struct chain bare_chain(const struct plan *p)
{
        return (struct chain){
                .has_steps = true,
                .scale = DECIMAL_AS_IS,
                .numbers = p->chain.numbers,
                .zone = p->chain.zone,
                .elem = p->chain.elem,
                .delimiter = p->chain.delimiter,
        };
}

/* The renderer writes into t->scratch for @p. */
struct aside {
        struct buf *out;
        const struct plan *plan;
};

static struct aside step_aside(struct mapper_trace *t, const struct plan *p)
{
        struct render *r = &t->program->render;
        struct aside was = {r->out, r->plan};

        buf_clear(&t->scratch);
        r->out = &t->scratch;
        r->plan = p;
        return was;
}

static void step_back(struct mapper_trace *t, struct aside was)
{
        struct render *r = &t->program->render;

        r->out = was.out;
        r->plan = was.plan;
        t->failed |= t->scratch.error != 0;
}

/* The value through all of @c, into t->scratch. Return: as chain_put(). */
static int put(struct mapper_trace *t, const struct plan *p, const struct chain *c,
        enum col_kind kind, struct str text)
{
        struct aside was = step_aside(t, p);
        int rc = chain_put(&t->program->render, c, kind, text);

        step_back(t, was);
        return rc;
}

/* Without the conversion. Return: as chain_steps(). */
static int take_steps(struct mapper_trace *t, const struct plan *p, const struct chain *c,
        enum col_kind kind, struct str *text)
{
        struct aside was = step_aside(t, p);
        int rc = chain_steps(&t->program->render, c, kind, text);

        step_back(t, was);
        return rc;
}

static const char *type_detail(struct mapper_trace *t, const struct plan *p)
{
        static const char *const keys[] = {
                "format", "timezone", "scale", "rounding", "as", "numbers"};
        cleanup_buf_ struct buf text = BUF_INIT(TRACE_DETAIL_BYTES);

        if (p->spec->type != FIELD_TYPE_NONE)
                buf_puts(&text, field_type_name(p->spec->type));
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                const struct ynode *n = ynode_get(p->spec->node, keys[i]);
                if (!n || !ynode_is_scalar(n) || n->expanded)
                        continue;
                buf_printf(&text, "%s%s ", text.len ? ", " : "", keys[i]);
                text_put_line(&text, n->text, TRACE_DETAIL_CHARS);
        }
        return trace_keep(t, buf_str(&text));
}

/* What takes the value's place when it is null. */
void trace_null(struct mapper_trace *t, const struct plan *p)
{
        if (p->fallback.ptr)
                trace_add(t, (struct trace_step){.name = "default", .value = p->fallback});
        else if (t->reason.ptr)
                trace_refused(t, p->spec->required ? "required" : "", "");
}

/* Whether the step before shows @json already. */
static bool is_shown(struct mapper_trace *t, struct str json)
{
        const struct trace_step *last = t->count ? &t->steps[t->count - 1] : NULL;
        cleanup_buf_ struct buf text = BUF_INIT(2 * MAPPER_MAX_DOCUMENT);

        if (!last || last->mark != TRACE_VALUE)
                return last && last->mark == TRACE_MASKED;
        if (last->is_text && last->quoted)
                json_put_lossy(&text, last->value);
        else
                buf_put_str(&text, last->value);
        t->failed |= text.error != 0;
        return str_eq(buf_str(&text), json);
}

/* The result, where the conversion was asked for or made something else of the value. */
static void add_written(struct mapper_trace *t, const struct plan *p, struct str result)
{
        const char *detail = type_detail(t, p);

        if (*detail)
                trace_add(
                        t, (struct trace_step){.name = "type", .detail = detail, .value = result});
        else if (!is_shown(t, result))
                trace_add(t, (struct trace_step){.name = "written", .value = result});
}

/* The last step: what is left of the chain. */
static void explain_conversion(struct mapper_trace *t, const struct plan *p, enum col_kind kind,
        struct str text, struct str result)
{
        if (put(t, p, &p->chain, kind, text) == PUT_NULL) /* null in JSON */
                trace_null(t, p);
        else if (t->reason.ptr)
                trace_refused(t, "type", type_detail(t, p));
        else if (result.ptr && !p->chain.has_map) /* what a map gives is of the type already */
                add_written(t, p, result);
}

static void add_outcome(
        struct mapper_trace *t, const char *name, enum col_kind kind, int rc, struct str text)
{
        struct trace_step step = {.name = name, .value = buf_str(&t->scratch)};

        if (rc == PUT_NULL) {
                step.mark = TRACE_NULL;
        } else if (rc == 0 && kind != COL_JSON) {
                step.value = text;
                step.is_text = true;
                step.quoted = kind == COL_TEXT || kind == COL_CHAR;
        }
        trace_add(t, step);
}

/* One step further: @c has it and those before. Return: whether the value goes on. */
static bool explain_step(struct mapper_trace *t, const struct plan *p, const char *name,
        const struct chain *c, enum col_kind kind, struct str text)
{
        bool nested = kind == COL_JSON || kind == COL_ARRAY || c->split;
        int rc = nested ? put(t, p, c, kind, text) : take_steps(t, p, c, kind, &text);

        if (rc == MAPPER_REJECT && t->reason.ptr) {
                trace_refused(t, name, "");
                return false;
        }
        if (rc == MAPPER_REJECT) /* what is kept as it is cannot always be shown */
                return true;
        add_outcome(t, name, nested ? COL_JSON : kind, rc, text);
        return rc != PUT_NULL;
}

/* From a value that was found to the result. @result.ptr NULL: nothing was written. */
void trace_chain(struct mapper_trace *t, const struct plan *p, enum col_kind kind, struct str text,
        struct str result)
{
        struct partial part = {.chain = bare_chain(p)};
        bool goes_on = true;

        if (!text.ptr) {
                trace_null(t, p);
                return;
        }
        for (size_t i = 0; i < KNOWN && goes_on; i++) {
                known_steps[i].keep(&part, &p->chain);
                if (has_key(p, known_steps[i].name))
                        goes_on = explain_step(t, p, known_steps[i].name, &part.chain, kind, text);
        }
        if (goes_on)
                explain_conversion(t, p, kind, text, result);
        else if (t->steps[t->count - 1].mark == TRACE_NULL)
                trace_null(t, p);
}
