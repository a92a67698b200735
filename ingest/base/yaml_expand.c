/*
 * One pass from dollar to dollar. What a reference gives is taken as it is: it is not searched
 * for further references, so no value can reach another variable or a file. The path of a file may
 * have variables where the operator wrote them: a service manager says by one where its secrets
 * are.
 */
#include "ingest/base/yaml_internal.h"

#include <stdlib.h>

#include "ingest/base/file.h"

#define CONFIG_FORMS "write ${VAR}, ${VAR:-default} or ${file:PATH}; $${ is a literal ${"
#define MAPPER_FORMS "write ${env:VAR} or ${env:VAR:-default}; $${ is a literal ${"

#define SHOWN_MAX  60   /* bytes of a reference in a message */
#define PATH_BYTES 4096 /* of the path of a file: what the system takes */

struct expander {
        const struct yaml_place *at;
        enum ydoc_expand mode;
        struct buf *out;
        struct yaml_expansion *what;
};

static bool is_variable_name(struct str s)
{
        for (size_t i = 0; i < s.len; i++) {
                char c = s.ptr[i];
                bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
                if (!letter && (i == 0 || c < '0' || c > '9'))
                        return false;
        }
        return s.len > 0;
}

/* @body: without the scope. */
static int malformed(const struct expander *x, struct str body, struct err *e)
{
        if (body.len > SHOWN_MAX)
                body.len = SHOWN_MAX;
        return yaml_error(x->at, e, "'${%s%.*s}' is not understood; %s",
                x->mode == YDOC_EXPAND_MAPPER ? "env:" : "", STR_ARG(body),
                x->mode == YDOC_EXPAND_CONFIG ? CONFIG_FORMS : MAPPER_FORMS);
}

static int expand_variable(struct expander *x, struct str body, struct err *e)
{
        const char *mark = memmem(body.ptr, body.len, ":-", 2);
        struct str name = {body.ptr, mark ? (size_t)(mark - body.ptr) : body.len};

        if (!is_variable_name(name))
                return malformed(x, body, e);
        cleanup_(freep) char *key = str_dup(name);
        if (!key)
                return err_nomem(e, "a variable's name");
        const char *value = getenv(key);
        if (mark && (!value || !*value)) {
                buf_put(x->out, mark + 2, body.len - name.len - 2);
                return 0;
        }
        if (!value)
                return yaml_error(x->at, e,
                        "environment variable %s is not set; set it, or give a default: "
                        "${%s%s:-default}",
                        key, x->mode == YDOC_EXPAND_MAPPER ? "env:" : "", key);
        if (!str_utf8_valid(str_of(value)))
                return yaml_error(x->at, e, "environment variable %s is not valid UTF-8", key);
        buf_puts(x->out, value);
        return 0;
}

static struct str without_newline(struct str s)
{
        if (s.len > 0 && s.ptr[s.len - 1] == '\n')
                s.len--;
        if (s.len > 0 && s.ptr[s.len - 1] == '\r')
                s.len--;
        return s;
}

/* The variables in a path: ${file:${CREDENTIALS_DIRECTORY}/token}. */
static int expand_path(struct expander *x, struct str name, struct buf *path, struct err *e)
{
        struct expander inner = {x->at, x->mode, path, x->what};

        while (name.len > 0) {
                const char *open = memmem(name.ptr, name.len, "${", 2);
                size_t plain = open ? (size_t)(open - name.ptr) : name.len;
                buf_put(path, name.ptr, plain);
                if (!open)
                        break;
                /* reference_end() has seen the brace that closes it. */
                const char *end = memchr(open, '}', name.len - plain);
                struct str body = {open + 2, (size_t)(end - open) - 2};
                if (memmem(body.ptr, body.len, "${", 2))
                        return yaml_error(x->at, e, "a ${...} cannot stand inside another one");
                int rc = expand_variable(&inner, body, e);
                if (rc)
                        return rc;
                name = (struct str){end + 1, name.len - (size_t)(end + 1 - name.ptr)};
        }
        return path->error == -ERR_REJECT ? yaml_error(x->at, e, "the path of a file is too long")
                                          : buf_check(path, "a file name", e);
}

static int expand_file(struct expander *x, struct str name, struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(PATH_BYTES);
        cleanup_buf_ struct buf content = BUF_INIT(YDOC_MAX_VALUE);

        int rc = expand_path(x, name, &path, e);
        if (rc)
                return rc;
        if (!buf_cstr(&path))
                return err_nomem(e, "a file name");
        if (path.len == 0)
                return yaml_error(x->at, e, "'${file:%.*s}' names no file", STR_ARG(name));
        const char *resolved = ydoc_path(x->at->doc, x->at->doc->arena, buf_cstr(&path));
        if (!resolved)
                return err_nomem(e, "a file name");
        rc = file_read(resolved, &content, e);
        if (rc) {
                rc = err_wrap(e, rc, "%s:%d:%d", x->at->doc->name, x->at->line, x->at->column);
                return err_hint(e, rc, "check the path in ${file:...}, and who may read it");
        }
        struct str text = without_newline(buf_str(&content));
        if (memchr(text.ptr, '\0', text.len) || !str_utf8_valid(text))
                return yaml_error(x->at, e, "%s does not hold UTF-8 text", resolved);
        buf_put_str(x->out, text);
        return 0;
}

/* @body: between the braces. */
static int expand_reference(struct expander *x, struct str body, bool whole, struct err *e)
{
        struct str scope = x->mode == YDOC_EXPAND_MAPPER ? STR("env:") : STR("file:");
        bool scoped = str_starts(body, scope);
        struct str rest = scoped ? (struct str){body.ptr + scope.len, body.len - scope.len} : body;
        bool file = scoped && x->mode == YDOC_EXPAND_CONFIG;

        if (!file && memmem(body.ptr, body.len, "${", 2))
                return yaml_error(x->at, e, "a ${...} cannot stand inside another one");
        x->what->any = x->what->value = true;
        x->what->whole = whole && !file;
        return file ? expand_file(x, rest, e) : expand_variable(x, rest, e);
}

/* @rest: from the brace on. Return: the brace that ends the reference; NULL: none does. */
static const char *reference_end(const struct expander *x, struct str rest)
{
        const char *end = memchr(rest.ptr, '}', rest.len);

        if (x->mode != YDOC_EXPAND_CONFIG || !str_starts(rest, STR("{file:")))
                return end;
        /* As many more as variables stand before it. */
        const char *from = rest.ptr;
        while (end && (from = memmem(from, (size_t)(end - from), "${", 2)) != NULL) {
                from += 2;
                end = memchr(end + 1, '}', rest.len - (size_t)(end + 1 - rest.ptr));
        }
        return end;
}

/* @i: at a dollar. Return: bytes of @in that are dealt with, or -class. */
static ssize_t expand_dollars(struct expander *x, struct str in, size_t i, struct err *e)
{
        size_t n = 1;

        while (i + n < in.len && in.ptr[i + n] == '$')
                n++;
        struct str rest = {in.ptr + i + n, in.len - i - n};
        bool brace = rest.len > 0 && rest.ptr[0] == '{';
        bool ours = brace && (x->mode == YDOC_EXPAND_CONFIG || str_starts(rest, STR("{env:")));
        if (n % 2 == 0 && brace && x->mode == YDOC_EXPAND_CONFIG) {
                buf_put(x->out, in.ptr + i, n - 1);
                x->what->any = true;
                return (ssize_t)n;
        }
        if (n % 2 == 0 || !ours) {
                buf_put(x->out, in.ptr + i, n);
                return (ssize_t)n;
        }
        const char *end = reference_end(x, rest);
        if (!end)
                return yaml_error(x->at, e, "'${' without a '}' behind it; %s",
                        x->mode == YDOC_EXPAND_CONFIG ? CONFIG_FORMS : MAPPER_FORMS);
        size_t used = (size_t)(end - rest.ptr) + 1;
        buf_put(x->out, in.ptr + i, n - 1);
        struct str body = {rest.ptr + 1, used - 2};
        int rc = expand_reference(x, body, n == 1 && used + 1 == in.len, e);
        return rc ? rc : (ssize_t)(n + used);
}

int yaml_expand(const struct yaml_place *at, enum ydoc_expand mode, struct str in, struct buf *out,
        struct yaml_expansion *what, struct err *e)
{
        struct expander x = {at, mode, out, what};
        size_t i = 0;

        *what = (struct yaml_expansion){0};
        buf_clear(out);
        while (i < in.len && mode != YDOC_EXPAND_NONE) {
                const char *dollar = memchr(in.ptr + i, '$', in.len - i);
                if (!dollar)
                        break;
                size_t plain = (size_t)(dollar - in.ptr) - i;
                buf_put(out, in.ptr + i, plain);
                i += plain;
                ssize_t used = expand_dollars(&x, in, i, e);
                if (used < 0)
                        return (int)used;
                i += (size_t)used;
        }
        buf_put(out, in.ptr + i, in.len - i);
        if (out->error == -ERR_REJECT)
                return yaml_error(at, e, "the value is larger than %zu bytes", out->max);
        return buf_check(out, "a value", e);
}
