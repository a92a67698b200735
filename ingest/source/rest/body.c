/*
 * Bodies: YAML whose texts are templates, sent as JSON. Depth is that of a YAML file, so recursion
 * ends there.
 */
#include "ingest/source/rest/template.h"

#include "ingest/record/json.h"

enum body_kind { BODY_LITERAL, BODY_TEXT, BODY_LIST, BODY_MAP };

struct rest_body {
        enum body_kind kind;
        const struct ynode *literal;      /* a number, a boolean, null */
        const struct rest_template *text; /* of a string */
        size_t count;
        struct rest_body *items; /* elements, or values of members */
        struct str *names;       /* of members */
};

/* ---- compile ---- */

static int compile(const struct option_context *cx, const struct ynode *n,
        const struct string_list *names, struct rest_body *out, struct err *e);

static int compile_items(const struct option_context *cx, const struct ynode *n,
        const struct string_list *names, struct rest_body *out, struct err *e)
{
        bool map = n->kind == YNODE_MAP;
        int rc = 0;

        out->kind = map ? BODY_MAP : BODY_LIST;
        out->items = arena_array(cx->arena, n->count, sizeof(*out->items));
        out->names = arena_array(cx->arena, map ? n->count : 0, sizeof(*out->names));
        if (!out->items || !out->names)
                return options_nomem(cx, e);
        for (size_t i = 0; i < n->count && rc == 0; i++) {
                const struct ynode *item = map ? n->pairs[i].value : n->items[i];
                if (map)
                        out->names[i] = n->pairs[i].key;
                rc = compile(cx, item, names, &out->items[i], e);
                out->count++;
        }
        return rc;
}

static int compile(const struct option_context *cx, const struct ynode *n,
        const struct string_list *names, struct rest_body *out, struct err *e)
{
        struct rest_template *text;

        if (!ynode_is_scalar(n))
                return compile_items(cx, n, names, out, e);
        if (n->kind != YNODE_STRING) {
                out->kind = BODY_LITERAL;
                out->literal = n;
                return 0;
        }
        int rc = rest_template_compile(cx, n, names, &text, e);
        if (rc)
                return rc;
        out->kind = BODY_TEXT;
        out->text = text;
        return 0;
}

int rest_body_compile(const struct option_context *cx, const struct ynode *n,
        const struct string_list *names, struct rest_body **out, struct err *e)
{
        struct rest_body *b = arena_alloc(cx->arena, sizeof(*b));
        struct rest_template *text;

        if (!b)
                return options_nomem(cx, e);
        if (n->kind == YNODE_NULL && !n->expanded)
                return ynode_error(
                        cx->doc, n, e, "'body' must be a map, a list or a text, not null");
        int rc = ynode_is_scalar(n) ? rest_template_compile(cx, n, names, &text, e)
                                    : ynode_json_check(cx->doc, n, e);
        if (rc == 0 && ynode_is_scalar(n))
                *b = (struct rest_body){.kind = BODY_TEXT, .text = text};
        else if (rc == 0)
                rc = compile(cx, n, names, b, e);
        if (rc == 0)
                *out = b;
        return rc;
}

/* ---- ask ---- */

bool rest_body_is_json(const struct rest_body *b)
{
        return b->kind == BODY_LIST || b->kind == BODY_MAP;
}

int rest_body_each_var(const struct rest_body *b, rest_var_fn fn, void *ctx, struct err *e)
{
        int rc = b->kind == BODY_TEXT ? rest_template_each_var(b->text, fn, ctx, e) : 0;

        for (size_t i = 0; i < b->count && rc == 0; i++)
                rc = rest_body_each_var(&b->items[i], fn, ctx, e);
        return rc;
}

bool rest_body_uses(const struct rest_body *b, const char *name)
{
        bool uses = b->kind == BODY_TEXT && rest_template_uses(b->text, name);

        for (size_t i = 0; i < b->count && !uses; i++)
                uses = rest_body_uses(&b->items[i], name);
        return uses;
}

/* ---- put ---- */

struct putting {
        const struct rest_vars *vars;
        struct buf *out;
        struct buf text; /* of one string, before it is escaped */
};

static int put(struct putting *p, const struct rest_body *b, struct err *e);

/* A list without one of its scalars would mean something else: it is left out itself. */
static int put_items(struct putting *p, const struct rest_body *b, struct err *e)
{
        bool map = b->kind == BODY_MAP;
        size_t begin = p->out->len, written = 0;

        buf_putc(p->out, map ? '{' : '[');
        for (size_t i = 0; i < b->count; i++) {
                size_t before = p->out->len;
                if (written)
                        buf_putc(p->out, ',');
                if (map && !json_put_string(p->out, b->names[i]))
                        return err_set(e, ERR_REJECT, "a name in the body is not UTF-8");
                if (map)
                        buf_putc(p->out, ':');
                int rc = put(p, &b->items[i], e);
                if (rc < 0)
                        return rc;
                written += rc == 0;
                if (rc == 0)
                        continue;
                p->out->len = before;
                if (map || rest_body_is_json(&b->items[i]))
                        continue;
                p->out->len = begin;
                return REST_ABSENT;
        }
        buf_putc(p->out, map ? '}' : ']');
        return 0;
}

static int put_text(struct putting *p, const struct rest_template *t, struct err *e)
{
        struct str number = rest_template_number(t, p->vars);

        if (number.ptr) {
                buf_put_str(p->out, number);
                return 0;
        }
        buf_clear(&p->text);
        int rc = rest_template_put(t, p->vars, REST_ENCODE_TEXT, &p->text, e);
        if (rc == 0 && !json_put_string(p->out, buf_str(&p->text)))
                return err_set(e, ERR_REJECT, "a value in the body is not UTF-8");
        return rc;
}

static int put(struct putting *p, const struct rest_body *b, struct err *e)
{
        switch (b->kind) {
        case BODY_LITERAL:
                ynode_json(b->literal, p->out);
                return 0;
        case BODY_TEXT:
                return put_text(p, b->text, e);
        case BODY_LIST:
        case BODY_MAP:
                break;
        }
        return put_items(p, b, e);
}

int rest_body_put(
        const struct rest_body *b, const struct rest_vars *vars, struct buf *out, struct err *e)
{
        if (b->kind == BODY_TEXT)
                return rest_template_put(b->text, vars, REST_ENCODE_TEXT, out, e);
        struct putting p = {vars, out, BUF_INIT(out->max)};
        size_t before = out->len;
        int rc = put(&p, b, e);
        buf_deinit(&p.text);
        if (rc == 0)
                rc = buf_check(out, "a body", e);
        if (rc)
                out->len = before;
        return rc;
}
