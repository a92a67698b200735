/*
 * One call: its templates, and the names that may stand in them. A name that means something
 * elsewhere only is told so, with what it needs.
 */
#include <stdio.h>

#include "ingest/record/json_path.h"
#include "ingest/record/json_pick.h"
#include "ingest/source/rest/extract_internal.h"
#include "ingest/source/rest/options_internal.h"

const char *const rest_methods[] = {"GET", "POST", NULL};

#define LISTED_MAX 300 /* bytes of a list of names in a message */

static int path_error(const struct option_context *cx, const struct ynode *n, const char *key,
        int rc, const struct err *cause, struct err *e)
{
        const struct ynode *at = ynode_get(n, key);

        if (rc == -ERR_CONFIG)
                return ynode_error(cx->doc, at ? at : n, e, "'%s': %s", key, cause->text);
        if (rc)
                *e = *cause;
        return rc;
}

int rest_path_check(const struct option_context *cx, const struct ynode *n, const char *key,
        const char *path, struct err *e)
{
        struct json_path parsed;
        struct err cause;
        int rc = path ? json_path_parse(str_of(path), cx->arena, &parsed, &cause) : 0;

        return path_error(cx, n, key, rc, &cause, e);
}

int rest_field_check(const struct option_context *cx, const struct ynode *n, const char *key,
        const char *path, struct err *e)
{
        struct json_pick *pick;
        struct err cause;
        int rc = path ? json_pick_new(&path, 1, cx->arena, &pick, &cause) : 0;

        return path_error(cx, n, key, rc, &cause, e);
}

/* ---- names ---- */

enum reserved { VAR_CURSOR, VAR_PAGE, VAR_OFFSET, VAR_SIZE, VAR_AFTER, RESERVED };

static const char *const reserved_names[RESERVED] = {"cursor", "page", "offset", "size", "after"};
static const char *const reserved_needs[RESERVED] = {
        [VAR_CURSOR] = "${cursor} needs 'cursor': the field of the records that grows with each "
                       "change",
        [VAR_PAGE] = "${page} needs paging of type page",
        [VAR_OFFSET] = "${offset} needs paging of type offset",
        [VAR_SIZE] = "${size} needs 'size' in 'paging'",
        [VAR_AFTER] = "${after} needs paging of type keyset or cursor",
};

/* One template, whose variables are looked at. */
struct looking {
        const struct option_context *cx;
        const struct ynode *n;
        const struct rest_scope *scope;
        bool path; /* it is the call's address, which has to be there for the first page, too */
};

static bool has_value(const struct rest_scope *s, enum reserved name)
{
        const struct rest_paging_spec *p = s->paging;

        switch (name) {
        case VAR_CURSOR:
                return s->cursor;
        case VAR_PAGE:
                return p && p->kind == REST_PAGING_PAGE;
        case VAR_OFFSET:
                return p && p->kind == REST_PAGING_OFFSET;
        case VAR_SIZE:
                return p && p->size;
        case VAR_AFTER:
                return p && (p->kind == REST_PAGING_KEYSET || p->kind == REST_PAGING_CURSOR);
        case RESERVED:
                break;
        }
        return false;
}

static int check_reserved(const struct looking *l, enum reserved name, struct err *e)
{
        bool first = name == VAR_CURSOR || name == VAR_AFTER;

        if (name == VAR_CURSOR && l->scope->columns)
                return ynode_error(l->cx->doc, l->n, e,
                        "${cursor} cannot stand in %s: it is read whole", l->scope->what);
        if (!has_value(l->scope, name))
                return ynode_error(l->cx->doc, l->n, e, "%s", reserved_needs[name]);
        if (first && l->path)
                return ynode_error(l->cx->doc, l->n, e,
                        "${%s} has no value at first: write it into params, headers or body, which "
                        "are left out then, not into the path",
                        reserved_names[name]);
        return 0;
}

/* "${a}, ${b} and ${c}" */
static void list_names(const char *const *names, size_t count, char *out, size_t size)
{
        size_t at = 0;

        out[0] = '\0';
        for (size_t i = 0; i < count && at < size; i++) {
                const char *before = i == 0 ? "" : i + 1 == count ? " and " : ", ";
                at += (size_t)snprintf(out + at, size - at, "%s${%s}", before, names[i]);
        }
}

static int unknown_key(const struct looking *l, const char *shown, struct err *e)
{
        const struct string_list *keys = l->scope->keys;
        char listed[LISTED_MAX];

        list_names(keys->items, keys->count, listed, sizeof(listed));
        return ynode_error(
                l->cx->doc, l->n, e, "there is no variable %s here; the key is %s", shown, listed);
}

/* Near a name that has no value here, too: then it is told what that needs. */
static int unknown(const struct looking *l, struct str name, struct err *e)
{
        const struct string_list *keys = l->scope->keys;
        const char *const *all = keys ? keys->items : reserved_names;
        const char *near = str_nearest(name, all, keys ? keys->count : RESERVED);
        const char *names[RESERVED];
        char shown[YNODE_SHOW_MAX], listed[LISTED_MAX];
        size_t count = 0;

        yaml_show(name, shown);
        if (near)
                return ynode_error(l->cx->doc, l->n, e,
                        "there is no variable %s here, did you mean '%s'?", shown, near);
        if (keys)
                return unknown_key(l, shown, e);
        for (int i = 0; i < RESERVED; i++)
                if (has_value(l->scope, (enum reserved)i))
                        names[count++] = reserved_names[i];
        list_names(
                count ? names : reserved_names, count ? count : RESERVED, listed, sizeof(listed));
        return count ? ynode_error(l->cx->doc, l->n, e, "there is no variable %s here; there %s %s",
                               shown, count == 1 ? "is" : "are", listed)
                     : ynode_error(l->cx->doc, l->n, e,
                               "there is no variable %s here; 'cursor' and 'paging' give %s", shown,
                               listed);
}

static int add_column(const struct looking *l, struct str name, struct err *e)
{
        struct string_list *columns = l->scope->columns;
        struct json_pick *pick;
        struct err cause;

        for (size_t i = 0; i < columns->count; i++)
                if (str_is(name, columns->items[i]))
                        return 0;
        if (columns->count == REST_MAX_COLUMNS)
                return ynode_error(l->cx->doc, l->n, e,
                        "a child's call names more than %d columns of its parent",
                        REST_MAX_COLUMNS);
        const char *copy = arena_strdup(l->cx->arena, name);
        if (!copy)
                return options_nomem(l->cx, e);
        int rc = json_pick_new(&copy, 1, l->cx->arena, &pick, &cause);
        if (rc == -ERR_CONFIG)
                return ynode_error(l->cx->doc, l->n, e, "${%s}: %s", copy, cause.text);
        if (rc)
                *e = cause;
        else
                columns->items[columns->count++] = copy;
        return rc;
}

/* rest_var_fn */
static int look(void *ctx, const struct ynode *at, struct str name, struct err *e)
{
        struct looking *l = ctx;
        const struct string_list *keys = l->scope->keys;

        l->n = at;
        for (size_t i = 0; keys && i < keys->count; i++)
                if (str_is(name, keys->items[i]))
                        return 0;
        for (int i = 0; i < RESERVED && !keys; i++)
                if (str_is(name, reserved_names[i]))
                        return check_reserved(l, (enum reserved)i, e);
        return l->scope->columns ? add_column(l, name, e) : unknown(l, name, e);
}

static int compile(
        struct looking *l, const struct ynode *n, struct rest_template **out, struct err *e)
{
        struct rest_template *t;
        int rc = rest_template_compile(l->cx, n, NULL, &t, e);

        if (rc == 0)
                rc = rest_template_each_var(t, look, l, e);
        if (rc == 0)
                *out = t;
        return rc;
}

/* ---- parts of a call ---- */

static int compile_path(struct looking *l, const struct ynode *node, const struct ynode *path,
        struct rest_call *out, struct err *e)
{
        if (!path)
                return ynode_error(l->cx->doc, node, e, "key 'path' is missing in %s",
                        l->scope->what ? l->scope->what : "extract");
        if (path->kind != YNODE_STRING)
                return ynode_error(l->cx->doc, path, e,
                        "'path' must be a text such as /products, not %s",
                        ynode_kind_name(path->kind));
        int rc = rest_address_check(l->cx, path, "path", path->text, e);
        l->path = true;
        if (rc == 0)
                rc = compile(l, path, &out->path, e);
        l->path = false;
        return rc;
}

/* One value of the parameter or header @p. */
static int compile_param(struct looking *l, const char *what, const struct ynode_pair *p,
        const struct ynode *value, struct rest_params *out, struct err *e)
{
        if (out->count == REST_MAX_PARAMS)
                return ynode_error(l->cx->doc, value, e, "'%s' has more than %d entries", what,
                        REST_MAX_PARAMS);
        if (!ynode_is_scalar(value) || (value->kind == YNODE_NULL && !value->expanded))
                return ynode_error(l->cx->doc, value, e,
                        "'%s' must be a text, not %s; JSON in a parameter or header stands in "
                        "quotes",
                        p->key.ptr, ynode_kind_name(value->kind));
        out->items[out->count].name = p->key.ptr;
        int rc = compile(l, value, &out->items[out->count].value, e);
        out->count += rc == 0;
        return rc;
}

static int check_lines(const struct option_context *cx, const struct ynode *n, struct err *e)
{
        for (size_t i = 0; ynode_is_scalar(n) && i < n->text.len; i++)
                if ((unsigned char)n->text.ptr[i] < ' ' && n->text.ptr[i] != '\t')
                        return ynode_error(cx->doc, n, e,
                                "a header is one line: here is a line break or another control "
                                "character");
        return 0;
}

/* A list gives a parameter several times: include=lines&include=prices. */
static int compile_pair(struct looking *l, bool header, const struct ynode_pair *p,
        struct rest_params *out, struct err *e)
{
        bool list = p->value->kind == YNODE_LIST && !header;
        const struct ynode *const *items = list ? p->value->items : &p->value;
        size_t count = list ? p->value->count : 1;
        int rc = 0;

        if (p->key.len == 0)
                return ydoc_error_at(l->cx->doc, p->line, p->column, e, "a name is empty");
        if (header)
                rc = rest_header_check(l->cx, p, false, e);
        if (rc == 0 && header)
                rc = check_lines(l->cx, p->value, e);
        for (size_t i = 0; i < count && rc == 0; i++)
                rc = compile_param(l, header ? "headers" : "params", p, items[i], out, e);
        return rc;
}

/* How many values stand in the map @n. */
static size_t count_values(const struct ynode *n)
{
        size_t count = 0;

        for (size_t i = 0; i < n->count && count <= REST_MAX_PARAMS; i++)
                count += n->pairs[i].value->kind == YNODE_LIST ? n->pairs[i].value->count : 1;
        return count < REST_MAX_PARAMS ? count : REST_MAX_PARAMS;
}

static int compile_params(struct looking *l, const char *what, bool header, const struct ynode *n,
        struct rest_params *out, struct err *e)
{
        int rc = 0;

        if (!n)
                return 0;
        if (n->kind != YNODE_MAP)
                return ynode_error(l->cx->doc, n, e,
                        "'%s' must be a map of names and texts, not %s", what,
                        ynode_kind_name(n->kind));
        out->items = arena_array(l->cx->arena, count_values(n), sizeof(*out->items));
        if (!out->items)
                return options_nomem(l->cx, e);
        for (size_t i = 0; i < n->count && rc == 0; i++)
                rc = compile_pair(l, header, &n->pairs[i], out, e);
        return rc;
}

static int compile_body(
        struct looking *l, const struct rest_call_draft *d, struct rest_call *out, struct err *e)
{
        if (!d->body)
                return 0;
        if (d->has_method && d->method == REST_GET)
                return ynode_error(
                        l->cx->doc, d->body, e, "'body' needs method POST: a GET has none");
        int rc = rest_body_compile(l->cx, d->body, NULL, &out->body, e);
        return rc ? rc : rest_body_each_var(out->body, look, l, e);
}

/* ---- the call ---- */

static bool params_name(const struct rest_params *p, const char *name)
{
        for (size_t i = 0; i < p->count; i++)
                if (rest_template_uses(p->items[i].value, name))
                        return true;
        return false;
}

bool rest_call_names(const struct rest_call *call, const char *name)
{
        return rest_template_uses(call->path, name) || params_name(&call->params, name) ||
               params_name(&call->headers, name) ||
               (call->body && rest_body_uses(call->body, name));
}

bool rest_call_param(const struct rest_call *call, const char *name)
{
        for (size_t i = 0; i < call->params.count; i++)
                if (strcmp(call->params.items[i].name, name) == 0)
                        return true;
        return false;
}

static int check_keys(const struct option_context *cx, const struct rest_scope *scope,
        const struct rest_call *call, struct err *e)
{
        for (size_t i = 0; scope->keys && i < scope->keys->count; i++)
                if (!rest_call_names(call, scope->keys->items[i]))
                        return ynode_error(cx->doc, call->node, e,
                                "'by_key' does not use ${%s}: it must name every part of the key, "
                                "or it asks for more than one record",
                                scope->keys->items[i]);
        return 0;
}

int rest_call_compile(const struct option_context *cx, const struct ynode *node,
        const struct rest_call_draft *d, const struct rest_scope *scope, struct rest_call *out,
        struct err *e)
{
        struct looking l = {.cx = cx, .scope = scope};
        bool post = d->has_method ? d->method == REST_POST : d->body != NULL;

        out->node = node;
        out->method = rest_methods[post ? REST_POST : REST_GET];
        out->records = d->records;
        int rc = compile_path(&l, node, d->path, out, e);
        if (rc == 0)
                rc = compile_params(&l, "params", false, d->params, &out->params, e);
        if (rc == 0)
                rc = compile_params(&l, "headers", true, d->headers, &out->headers, e);
        if (rc == 0)
                rc = compile_body(&l, d, out, e);
        if (rc == 0)
                rc = rest_path_check(cx, node, "records", d->records, e);
        return rc ? rc : check_keys(cx, scope, out, e);
}
