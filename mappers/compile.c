/*
 * A mapper becomes a program in four passes over its fields: plans (a tree as the document's),
 * values and templates (names and types proved), order (what templates need early), ops.
 */
#include "mappers/compile.h"

#include <stdio.h>

#include "mappers/compile_internal.h"
#include "mappers/text_steps.h"
#include "mappers/lookup.h"
#include "mappers/lua_state.h"

#define ARENA_MAX ((size_t)256 << 20) /* a mapper file has at most YDOC_MAX_BYTES */

/* ---- errors ---- */

static const struct ynode *node_of(const struct compiler *c, const struct plan *p)
{
        const struct field_spec *f = p->spec ? p->spec : p->owner;
        const struct ynode *target = ynode_get(c->spec->doc->root, "target");

        if (f)
                return f->node;
        return ynode_get(
                target, p == &c->program->database_plan || p->path == c->program->database_plan.path
                                ? "database"
                                : "id");
}

static void format(char text[ERR_TEXT_MAX], const char *fmt, va_list ap)
{
        if (vsnprintf(text, ERR_TEXT_MAX, fmt, ap) < 0)
                text[0] = '\0';
}

int compile_error(
        const struct compiler *c, const struct plan *p, struct err *e, const char *fmt, ...)
{
        const struct ynode *node = node_of(c, p);
        bool is_field = p->spec || p->owner;
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        format(text, fmt, ap);
        va_end(ap);
        return mapper_spec_error(c->spec, node ? node : c->spec->doc->root, e, "%s%s%s: %s",
                is_field ? "field '" : "", p->path, is_field ? "'" : "", text);
}

int compile_nomem(const struct compiler *c, struct err *e)
{
        return arena_failed(c->arena, "a compiled mapper", e);
}

/* ---- plans ---- */

/* A copy with PREFIX_PAD bytes to read behind it; .ptr NULL without memory. */
static struct str pad_prefix(struct compiler *c, struct buf *prefix)
{
        static const char zeros[PREFIX_PAD];
        size_t len = prefix->len;

        buf_put(prefix, zeros, sizeof(zeros));
        struct str copy = arena_dup(c->arena, buf_str(prefix));
        return (struct str){prefix->error ? NULL : copy.ptr, len};
}

static int name_plan(struct compiler *c, struct plan *p, const char *outer, struct err *e)
{
        cleanup_buf_ struct buf path = {.max = YDOC_MAX_BYTES};
        cleanup_buf_ struct buf prefix = {.max = YDOC_MAX_BYTES};

        buf_printf(&path, "%s%s%.*s", outer, *outer ? "." : "", STR_ARG(p->spec->name));
        p->path = arena_strdup(c->arena, buf_str(&path));
        buf_putc(&prefix, ',');
        if (!json_put_string(&prefix, p->spec->name))
                return compile_error(c, p, e, "its name is not valid UTF-8");
        buf_putc(&prefix, ':');
        p->prefix = pad_prefix(c, &prefix);
        return p->path && p->prefix.ptr && !prefix.error && !path.error ? 0 : compile_nomem(c, e);
}

static int make_plans(struct compiler *c, struct scope *scope, const struct field_spec *fields,
        size_t count, struct plan *around, const char *outer, struct plan **out, struct err *e);

static int make_inner(struct compiler *c, struct plan *p, struct err *e)
{
        cleanup_buf_ struct buf path = {.max = YDOC_MAX_BYTES};
        const struct field_spec *f = p->spec;

        p->inner = arena_alloc(c->arena, sizeof(*p->inner));
        if (!p->inner)
                return compile_nomem(c, e);
        p->inner->outer = p->scope;
        p->inner->fields = f->fields;
        p->inner->field_count = f->field_count;
        buf_printf(&path, "%s[]", p->path);
        const char *outer = buf_cstr(&path);
        if (!outer)
                return compile_nomem(c, e);
        int rc = make_plans(
                c, p->inner, f->fields, f->field_count, NULL, outer, &p->inner->plans, e);
        p->members = p->inner->plans;
        return rc;
}

static int make_plan(struct compiler *c, struct scope *scope, const struct field_spec *f,
        struct plan *around, const char *outer, struct plan *p, struct err *e)
{
        *p = (struct plan){
                .spec = f,
                .scope = scope,
                .around = around,
                .slot = NO_SLOT,
                .child = SIZE_MAX,
                .order = c->plan_count++,
        };
        int rc = name_plan(c, p, outer, e);
        if (rc)
                return rc;
        /* The file itself is no deeper, but it may include others. */
        if (c->depth == RENDER_MAX_DEPTH)
                return compile_error(c, p, e, "nested deeper than %d levels", RENDER_MAX_DEPTH);
        c->depth++;
        if (f->origin == FIELD_OBJECT)
                rc = make_plans(c, scope, f->fields, f->field_count, p, p->path, &p->members, e);
        else if (f->origin == FIELD_EACH)
                rc = make_inner(c, p, e);
        c->depth--;
        return rc;
}

static int make_plans(struct compiler *c, struct scope *scope, const struct field_spec *fields,
        size_t count, struct plan *around, const char *outer, struct plan **out, struct err *e)
{
        struct plan *plans = arena_array(c->arena, count, sizeof(*plans));
        int rc = 0;

        if (!plans)
                return compile_nomem(c, e);
        *out = plans;
        for (size_t i = 0; i < count && !rc; i++)
                rc = make_plan(c, scope, &fields[i], around, outer, &plans[i], e);
        return rc;
}

/* ---- values ---- */

static int compile_from(struct compiler *c, struct scope *scope, struct plan *p, struct err *e)
{
        int rc = compile_locate(c, scope, p, &p->spec->from, false, &p->locate, e);

        if (rc)
                return rc;
        p->column = p->spec->from.text;
        if (scope->columns)
                p->source_type = scope->columns->items[p->locate.column].source_type;
        return compile_chain(c, p, e);
}

static int compile_template(struct compiler *c, struct scope *scope, struct plan *p, struct err *e)
{
        p->locate.kind = COL_TEXT;
        p->column = NULL;
        int rc = compile_text(c, scope, p, &p->spec->template, &p->text, e);
        return rc ? rc : compile_chain(c, p, e);
}

static size_t find_child(const struct compiler *c, const struct scope *scope, struct str name)
{
        if (!scope->outer)
                for (size_t i = 0; i < c->shape->child_count; i++)
                        if (str_is(name, c->shape->children[i].name))
                                return i;
        return SIZE_MAX;
}

/* The elements of a SQL array have one column, `value`. */
static int make_value_column(struct compiler *c, struct plan *p, struct err *e)
{
        struct columns *columns = arena_alloc(c->arena, sizeof(*columns));
        struct column *column = arena_alloc(c->arena, sizeof(*column));

        if (!columns || !column)
                return compile_nomem(c, e);
        *column = (struct column){
                .name = "value", .kind = p->locate.elem, .source_type = p->source_type};
        *columns = (struct columns){column, 1};
        p->inner->columns = columns;
        return 0;
}

static int compile_each_array(
        struct compiler *c, struct scope *scope, struct plan *p, struct err *e)
{
        int rc = compile_locate(c, scope, p, &p->spec->from, false, &p->locate, e);

        if (rc)
                return rc;
        p->column = p->spec->from.text;
        if (scope->columns)
                p->source_type = scope->columns->items[p->locate.column].source_type;
        if (p->locate.kind == COL_JSON)
                return 0;
        if (p->locate.kind != COL_ARRAY)
                return compile_error(c, p, e,
                        "column '%s' is %s: each runs over a child, an array or JSON", p->column,
                        p->source_type ? p->source_type : col_kind_name(p->locate.kind));
        if (p->locate.elem == COL_JSON && p->locate.step_count > 0)
                return 0;
        return make_value_column(c, p, e);
}

static int compile_fields(
        struct compiler *c, struct scope *scope, struct plan *plans, size_t count, struct err *e);

static int compile_each(struct compiler *c, struct scope *scope, struct plan *p, struct err *e)
{
        const struct field_path *path = &p->spec->from;
        int rc = 0;

        p->child = find_child(c, scope, path->steps[0].name);
        if (p->child == SIZE_MAX)
                rc = compile_each_array(c, scope, p, e);
        else if (path->count > 1)
                rc = compile_error(c, p, e, "'%s' is a child: its rows have no path",
                        c->shape->children[p->child].name);
        else
                p->inner->columns = &c->shape->children[p->child].columns;
        if (rc)
                return rc;
        return compile_fields(c, p->inner, p->inner->plans, p->inner->field_count, e);
}

static int compile_field(struct compiler *c, struct scope *scope, struct plan *p, struct err *e)
{
        int rc = compile_fallback(c, p, e);

        if (!rc && p->spec->when)
                rc = compile_expr(c, scope, p, p->spec->when, &p->when, e);
        if (rc)
                return rc;
        switch (p->spec->origin) {
        case FIELD_FROM:
                return compile_from(c, scope, p, e);
        case FIELD_VALUE:
                return compile_constant(c, p, e);
        case FIELD_TEMPLATE:
                return compile_template(c, scope, p, e);
        case FIELD_OBJECT:
                return compile_fields(c, scope, p->members, p->spec->field_count, e);
        case FIELD_EACH:
                return compile_each(c, scope, p, e);
        case FIELD_LOOKUP:
                return compile_lookup(c, scope, p, e);
        case FIELD_EXPR:
                p->locate.kind = COL_JSON; /* any: each value has its own */
                rc = compile_expr(c, scope, p, p->spec->expr, &p->expr, e);
                return rc ? rc : compile_chain(c, p, e);
        }
        return err_set(e, ERR_BUG, "field origin %d", p->spec->origin);
}

static int compile_fields(
        struct compiler *c, struct scope *scope, struct plan *plans, size_t count, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < count && !rc; i++)
                rc = compile_field(c, scope, &plans[i], e);
        return rc;
}

/* ---- ops ---- */

/* The text of a column, nothing but converted, never null from it: op_column. JSON takes its steps
 * in its conversion. */
static op_fn choose_from(const struct plan *p)
{
        enum col_kind kind = p->locate.kind;

        if (p->locate.from != LOCATE_ROW || p->locate.step_count > 0)
                return op_field;
        if (kind == COL_JSON)
                return op_json;
        return p->chain.has_steps || kind == COL_CHAR || p->chain.type == FIELD_TYPE_JSON
                       ? op_field
                       : op_column;
}

static op_fn choose_run(const struct plan *p)
{
        switch (p->spec->origin) {
        case FIELD_FROM:
                return choose_from(p);
        case FIELD_VALUE:
                return op_literal;
        case FIELD_TEMPLATE:
                return op_text;
        case FIELD_OBJECT:
                return op_object;
        case FIELD_EACH:
                return p->child == SIZE_MAX ? op_each : op_each_child;
        case FIELD_LOOKUP:
                return op_lookup;
        case FIELD_EXPR:
                return op_expr;
        }
        return NULL;
}

static int make_op(struct compiler *c, struct plan *p, struct op *op, struct err *e)
{
        cleanup_buf_ struct buf literal = {.max = SIZE_MAX / 2};

        p->always = choose_run(p);
        p->run = p->when ? op_when : p->always;
        *op = (struct op){.run = p->run, .prefix = p->prefix, .plan = p};
        if (p->always == op_column || p->always == op_json) {
                op->column = p->locate.column;
                op->convert = chain_convert(&p->chain, p->locate.kind);
        }
        if (p->always == op_literal) {
                if (p->constant.ptr) {
                        buf_put_str(&literal, p->prefix);
                        buf_put_str(&literal, p->constant);
                }
                op->prefix = pad_prefix(c, &literal);
                if (literal.error || !op->prefix.ptr)
                        return compile_nomem(c, e);
        }
        if (p->slot != NO_SLOT || !p->spec->significant)
                op->run = op_tracked;
        return 0;
}

static int make_ops(struct compiler *c, struct plan *plans, size_t count, struct op **ops,
        size_t *op_count, struct err *e);

static int make_scope_ops(struct compiler *c, struct scope *scope, struct err *e)
{
        int rc = make_ops(c, scope->plans, scope->field_count, &scope->ops, &scope->op_count, e);

        scope->early = arena_array(c->arena, scope->early_count, sizeof(*scope->early));
        if (!rc && !scope->early)
                rc = compile_nomem(c, e);
        for (size_t i = 0; i < scope->early_count && !rc; i++) {
                rc = make_op(c, scope->early_plans[i], &scope->early[i], e);
                if (!rc && compile_guard(scope->early_plans[i]))
                        scope->early[i].run = op_guarded;
        }
        return rc;
}

static int make_nested_ops(struct compiler *c, struct plan *p, struct err *e)
{
        if (p->inner)
                return make_scope_ops(c, p->inner, e);
        if (p->spec->origin == FIELD_OBJECT)
                return make_ops(c, p->members, p->spec->field_count, &p->ops, &p->op_count, e);
        return 0;
}

/* A constant null that is not kept leaves no op. */
static bool is_nothing(const struct plan *p)
{
        return p->spec->origin == FIELD_VALUE && !p->constant.ptr;
}

static int make_ops(struct compiler *c, struct plan *plans, size_t count, struct op **ops,
        size_t *op_count, struct err *e)
{
        struct op *out = arena_array(c->arena, count, sizeof(*out));
        size_t n = 0;

        if (!out)
                return compile_nomem(c, e);
        for (size_t i = 0; i < count; i++) {
                if (is_nothing(&plans[i]))
                        continue;
                int rc = make_nested_ops(c, &plans[i], e);
                if (!rc)
                        rc = make_op(c, &plans[i], &out[n++], e);
                if (rc)
                        return rc;
                if (plans[i].state == PLAN_EARLY)
                        out[n - 1].run = op_early;
        }
        *ops = out;
        *op_count = n;
        return 0;
}

/* ---- the program ---- */

static int compile_database(struct compiler *c, struct err *e)
{
        struct mapper_program *p = c->program;
        const struct field_template *t = &c->spec->database;

        if (t->count != 1 || t->parts[0].scope != TEMPLATE_LITERAL)
                return compile_text(c, &p->root, &p->database_plan, t, &p->database, e);
        p->constant_database = t->parts[0].text;
        if (!database_name_valid(p->constant_database))
                return compile_error(c, &p->database_plan, e, "'%.*s' " DATABASE_NAME_RULE,
                        STR_ARG(p->constant_database));
        return 0;
}

static int compile_all(struct compiler *c, struct err *e)
{
        struct mapper_program *p = c->program;
        struct scope *root = &p->root;

        *root = (struct scope){
                .columns = &c->shape->columns,
                .fields = c->spec->fields,
                .field_count = c->spec->field_count,
        };
        int rc = make_plans(c, root, root->fields, root->field_count, NULL, "", &root->plans, e);
        if (!rc)
                rc = compile_fields(c, root, root->plans, root->field_count, e);
        if (!rc)
                rc = compile_text(c, root, &p->id_plan, &c->spec->id, &p->id, e);
        if (!rc)
                rc = compile_database(c, e);
        if (!rc)
                rc = compile_order(c, root, e);
        return rc ? rc : make_scope_ops(c, root, e);
}

static void init_render(struct render *r)
{
        for (size_t i = 0; i < RENDER_BUFS; i++)
                buf_init(&r->bufs[i], MAPPER_MAX_DOCUMENT);
}

static struct mapper_program *program_new(const struct mapper_spec *spec, const struct shape *shape)
{
        struct mapper_program *p = calloc(1, sizeof(*p));

        if (!p)
                return NULL;
        p->spec = spec;
        p->shape = shape;
        p->id_plan.path = "_id";
        p->database_plan.path = "target.database";
        p->document_plan.path = "document";
        init_render(&p->render);
        p->arena = arena_new(ARENA_MAX);
        return p->arena ? p : mapper_program_free(p);
}

int mapper_compile(const struct mapper_spec *spec, const struct shape *shape,
        struct mapper_program **out, struct err *e)
{
        return mapper_compile_with(spec, shape, NULL, out, e);
}

int mapper_compile_with(const struct mapper_spec *spec, const struct shape *shape,
        const struct lookup_set *lookups, struct mapper_program **out, struct err *e)
{
        cleanup_(mapper_program_freep) struct mapper_program *p = program_new(spec, shape);

        if (!p)
                return err_nomem(e, "a compiled mapper");
        struct compiler c = {.spec = spec, .shape = shape, .program = p, .arena = p->arena};
        int rc = compile_lookups(&c, lookups, e);
        if (!rc)
                rc = compile_all(&c, e);
        if (rc)
                return rc;
        p->render.slots = arena_array(p->arena, p->slot_count, sizeof(*p->render.slots));
        if (!p->render.slots)
                return compile_nomem(&c, e);
        *out = TAKE(p);
        return 0;
}

static void deinit_render(struct render *r)
{
        sandbox_free(r->lua);
        for (size_t i = 0; i < RENDER_BUFS; i++)
                buf_deinit(&r->bufs[i]);
}

struct mapper_program *mapper_program_free(struct mapper_program *p)
{
        if (p) {
                deinit_render(&p->render);
                text_steps_free(p);
                for (size_t i = 0; i < p->zone_count; i++)
                        tz_free(p->zones[i].zone);
                lookup_set_free(p->own_lookups);
                arena_free(p->arena);
                free(p);
        }
        return NULL;
}
