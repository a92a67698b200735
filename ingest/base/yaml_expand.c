/*
 * One pass from dollar to dollar. What a reference gives is taken as it is: it is not searched
 * for further references, so no value can reach another variable or a file.
 */
#include "ingest/base/yaml_internal.h"

#include <stdlib.h>

#include "ingest/base/file.h"

#define CONFIG_FORMS "write ${VAR}, ${VAR:-default} or ${file:PATH}; $${ is a literal ${"
#define MAPPER_FORMS "write ${env:VAR} or ${env:VAR:-default}; $${ is a literal ${"

#define SHOWN_MAX 60 /* bytes of a reference in a message */

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

static int expand_file(struct expander *x, struct str name, struct err *e)
{
        cleanup_(freep) char *path = str_dup(name);
        cleanup_buf_ struct buf content = BUF_INIT(YDOC_MAX_VALUE);

        if (!path)
                return err_nomem(e, "a file name");
        if (name.len == 0)
                return yaml_error(x->at, e, "'${file:}' names no file");
        const char *resolved = ydoc_path(x->at->doc, x->at->doc->arena, path);
        if (!resolved)
                return err_nomem(e, "a file name");
        int rc = file_read(resolved, &content, e);
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

        if (memmem(body.ptr, body.len, "${", 2))
                return yaml_error(x->at, e, "a ${...} cannot stand inside another one");
        x->what->any = x->what->value = true;
        x->what->whole = whole && !file;
        return file ? expand_file(x, rest, e) : expand_variable(x, rest, e);
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
        const char *end = memchr(rest.ptr, '}', rest.len);
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
