/*
 * A template is its pieces of text and its variables, in order: what is put is what stands there.
 * Nothing that a variable gives is looked at for ${...} again.
 */
#include "ingest/source/rest/template.h"

#include <stdio.h>

#include "ingest/loop/http.h"

#define SUGGEST_MAX 64  /* names that are compared for a suggestion */
#define LISTED_MAX  300 /* bytes of a list of names in a message */

struct part {
        bool variable;
        struct str text; /* of a variable its name */
};

struct rest_template {
        const struct ynode *node;
        struct part *parts;
        size_t count;
};

/* ---- compile ---- */

/* One text on its way into its parts. */
struct compiling {
        const struct option_context *cx;
        const struct ynode *n;
        const struct string_list *names;
        struct rest_template *t;
        char *literal; /* where the next piece of text goes: together they fit into n->text.len */
};

static int unknown(const struct compiling *c, struct str name, struct err *e)
{
        const char *near = str_nearest(name, c->names->items,
                c->names->count < SUGGEST_MAX ? c->names->count : SUGGEST_MAX);
        char listed[LISTED_MAX] = "", shown[YNODE_SHOW_MAX];
        size_t at = 0;

        yaml_show(name, shown);
        if (near)
                return ynode_error(c->cx->doc, c->n, e,
                        "there is no variable %s here, did you mean '%s'?", shown, near);
        for (size_t i = 0; i < c->names->count && at < sizeof(listed); i++)
                at += (size_t)snprintf(listed + at, sizeof(listed) - at, "%s${%s}", i ? ", " : "",
                        c->names->items[i]);
        if (at == 0)
                return ynode_error(c->cx->doc, c->n, e,
                        "no variable can stand here, but there is %s; for a dollar sign before a "
                        "brace write $$",
                        shown);
        return ynode_error(
                c->cx->doc, c->n, e, "there is no variable %s here; there is %s", shown, listed);
}

static int check_name(const struct compiling *c, struct str name, struct err *e)
{
        bool known = c->names == NULL;
        char shown[YNODE_SHOW_MAX];

        for (size_t i = 0; i < name.len; i++)
                if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == '{' || name.ptr[i] == '$')
                        return ynode_error(c->cx->doc, c->n, e,
                                "%s is no name of a variable; for a dollar sign before a brace "
                                "write $$",
                                yaml_show(name, shown));
        if (name.len == 0)
                return ynode_error(c->cx->doc, c->n, e,
                        "${} names no variable; for a dollar sign before a brace write $$");
        for (size_t i = 0; !known && i < c->names->count; i++)
                known = str_is(name, c->names->items[i]);
        return known ? 0 : unknown(c, name, e);
}

/* @text begins behind "${". Return: the variable's bytes with the brace; negative on error. */
static long take_variable(struct compiling *c, struct str text, struct err *e)
{
        const char *end = memchr(text.ptr, '}', text.len);

        if (!end)
                return ynode_error(c->cx->doc, c->n, e,
                        "a ${ has no }; for a dollar sign before a brace write $$");
        struct str name = {text.ptr, (size_t)(end - text.ptr)};
        int rc = check_name(c, name, e);
        if (rc)
                return rc;
        struct str copy = arena_dup(c->cx->arena, name);
        if (!copy.ptr)
                return options_nomem(c->cx, e);
        c->t->parts[c->t->count++] = (struct part){true, copy};
        return (long)name.len + 1;
}

static void take_char(struct compiling *c, char byte)
{
        struct rest_template *t = c->t;

        if (t->count == 0 || t->parts[t->count - 1].variable)
                t->parts[t->count++] = (struct part){false, {c->literal, 0}};
        *c->literal++ = byte;
        t->parts[t->count - 1].text.len++;
}

static int take_parts(struct compiling *c, struct err *e)
{
        struct str text = c->n->text;

        for (size_t i = 0; i < text.len; i++) {
                bool dollar = text.ptr[i] == '$' && i + 1 < text.len;
                if (dollar && text.ptr[i + 1] == '{') {
                        struct str rest = {text.ptr + i + 2, text.len - i - 2};
                        long taken = take_variable(c, rest, e);
                        if (taken < 0)
                                return (int)taken;
                        i += 1 + (size_t)taken;
                        continue;
                }
                take_char(c, text.ptr[i]);
                i += dollar && text.ptr[i + 1] == '$';
        }
        return 0;
}

static size_t count_variables(struct str text)
{
        size_t count = 0;

        for (size_t i = 0; i + 1 < text.len; i++)
                count += text.ptr[i] == '$' && text.ptr[i + 1] == '{';
        return count;
}

int rest_template_compile(const struct option_context *cx, const struct ynode *n,
        const struct string_list *names, struct rest_template **out, struct err *e)
{
        if (!ynode_is_scalar(n))
                return ynode_error(
                        cx->doc, n, e, "a text must stand here, not %s", ynode_kind_name(n->kind));
        struct rest_template *t = arena_alloc(cx->arena, sizeof(*t));
        char *literal = arena_alloc(cx->arena, n->text.len + 1);
        if (t)
                t->parts =
                        arena_array(cx->arena, 2 * count_variables(n->text) + 1, sizeof(*t->parts));
        if (!t || !literal || !t->parts)
                return options_nomem(cx, e);
        t->node = n;
        struct compiling c = {cx, n, names, t, literal};
        int rc = take_parts(&c, e);
        if (rc == 0)
                *out = t;
        return rc;
}

bool rest_template_uses(const struct rest_template *t, const char *name)
{
        for (size_t i = 0; i < t->count; i++)
                if (t->parts[i].variable && str_is(t->parts[i].text, name))
                        return true;
        return false;
}

int rest_template_each_var(const struct rest_template *t, rest_var_fn fn, void *ctx, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < t->count && rc == 0; i++)
                if (t->parts[i].variable)
                        rc = fn(ctx, t->node, t->parts[i].text, e);
        return rc;
}

struct str rest_template_text(const struct rest_template *t)
{
        if (t->count == 0)
                return STR("");
        return t->count == 1 && !t->parts[0].variable ? t->parts[0].text : (struct str){NULL, 0};
}

/* ---- put ---- */

static const struct rest_var *find(const struct rest_vars *vars, struct str name)
{
        for (size_t i = 0; i < vars->count; i++)
                if (str_eq(vars->items[i].name, name))
                        return &vars->items[i];
        return NULL;
}

/* The value of the variable @name; .ptr NULL: absent. */
static struct str value_of(
        const struct rest_vars *vars, struct str name, enum rest_encoding encoding)
{
        const struct rest_var *v = find(vars, name);
        bool absent = !v || !v->value.ptr || (encoding == REST_ENCODE_PATH && v->value.len == 0);

        return absent ? (struct str){NULL, 0} : v->value;
}

static bool is_absent(
        const struct rest_template *t, const struct rest_vars *vars, enum rest_encoding encoding)
{
        for (size_t i = 0; i < t->count; i++)
                if (t->parts[i].variable && !value_of(vars, t->parts[i].text, encoding).ptr)
                        return true;
        return false;
}

static void put_doubled(struct buf *out, struct str value)
{
        for (size_t i = 0; i < value.len; i++) {
                buf_putc(out, value.ptr[i]);
                if (value.ptr[i] == '\'')
                        buf_putc(out, '\'');
        }
}

/* What an operator wrote of an address: as it is, but for bytes that no address has. */
static void put_address(struct buf *out, struct str text)
{
        for (size_t i = 0; i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i];
                if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c))
                        http_url_encode(out, (struct str){text.ptr + i, 1});
                else
                        buf_putc(out, (char)c);
        }
}

static void put_part(const struct part *p, const struct rest_vars *vars,
        enum rest_encoding encoding, struct buf *out)
{
        struct str value = p->variable ? value_of(vars, p->text, encoding) : p->text;

        if (encoding == REST_ENCODE_QUERY || (encoding == REST_ENCODE_PATH && p->variable))
                http_url_encode(out, value);
        else if (encoding == REST_ENCODE_PATH)
                put_address(out, value);
        else if (encoding == REST_ENCODE_ODATA && p->variable)
                put_doubled(out, value);
        else
                buf_put_str(out, value);
}

/* Return: 0, or -ERR_CONFIG what may not stand in an address or a header. */
static int check_value(const struct part *p, const struct rest_vars *vars,
        enum rest_encoding encoding, struct err *e)
{
        struct str value = p->variable ? value_of(vars, p->text, encoding) : p->text;
        bool dots = str_is(value, ".") || str_is(value, "..");

        if (encoding == REST_ENCODE_PATH && p->variable && dots)
                return err_set(e, ERR_CONFIG,
                        "${%.*s} is \"%.*s\", which means a folder in an address: it cannot be "
                        "asked for",
                        STR_ARG(p->text), STR_ARG(value));
        for (size_t i = 0; encoding == REST_ENCODE_NONE && i < value.len; i++)
                if (value.ptr[i] == '\n' || value.ptr[i] == '\r' || value.ptr[i] == '\0')
                        return err_set(e, ERR_CONFIG, "%s%.*s%s: a line break in a header",
                                p->variable ? "${" : "", p->variable ? (int)p->text.len : 8,
                                p->variable ? p->text.ptr : "its text", p->variable ? "}" : "");
        return 0;
}

int rest_template_put(const struct rest_template *t, const struct rest_vars *vars,
        enum rest_encoding encoding, struct buf *out, struct err *e)
{
        if (is_absent(t, vars, encoding))
                return REST_ABSENT;
        for (size_t i = 0; i < t->count; i++) {
                int rc = check_value(&t->parts[i], vars, encoding, e);
                if (rc)
                        return rc;
        }
        size_t before = out->len;
        for (size_t i = 0; i < t->count; i++)
                put_part(&t->parts[i], vars, encoding, out);
        int rc = buf_check(out, "a request", e);
        if (rc)
                out->len = before;
        return rc;
}

struct str rest_template_number(const struct rest_template *t, const struct rest_vars *vars)
{
        const struct rest_var *v =
                t->count == 1 && t->parts[0].variable ? find(vars, t->parts[0].text) : NULL;

        return v && v->number ? v->value : (struct str){NULL, 0};
}
