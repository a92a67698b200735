/* Asking a tree: look-ups are linear, maps in our files are small and read once. */
#include "ingest/base/yaml_internal.h"

#include <stdio.h>

const struct ynode_pair *ynode_key(const struct ynode *n, const char *key)
{
        if (!n || n->kind != YNODE_MAP)
                return NULL;
        for (size_t i = 0; i < n->count; i++)
                if (str_is(n->pairs[i].key, key))
                        return &n->pairs[i];
        return NULL;
}

const struct ynode *ynode_get(const struct ynode *n, const char *key)
{
        const struct ynode_pair *pair = ynode_key(n, key);

        return pair ? pair->value : NULL;
}

__attribute__((format(printf, 5, 0))) static int place_error(
        const struct ydoc *d, int line, int column, struct err *e, const char *fmt, va_list ap)
{
        char text[ERR_TEXT_MAX];

        if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
                text[0] = '\0';
        if (line == 0)
                return err_set(e, ERR_CONFIG, "%s: %s", d->name, text);
        return err_set(e, ERR_CONFIG, "%s:%d:%d: %s", d->name, line, column, text);
}

int ynode_error(const struct ydoc *d, const struct ynode *n, struct err *e, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        int rc = place_error(d, n ? n->line : 0, n ? n->column : 0, e, fmt, ap);
        va_end(ap);
        return rc;
}

int ydoc_error_at(const struct ydoc *d, int line, int column, struct err *e, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        int rc = place_error(d, line, column, e, fmt, ap);
        va_end(ap);
        return rc;
}

const char *ynode_kind_name(enum ynode_kind kind)
{
        static const char *const names[] = {
                [YNODE_NULL] = "null",
                [YNODE_BOOL] = "a boolean",
                [YNODE_INT] = "an integer",
                [YNODE_FLOAT] = "a number",
                [YNODE_STRING] = "a string",
                [YNODE_LIST] = "a list",
                [YNODE_MAP] = "a map",
        };

        return names[kind];
}

/* Length of the start of @s that fits @max bytes, is one line and does not split a character. */
static size_t shown_length(struct str s, size_t max)
{
        size_t n = s.len < max ? s.len : max;

        for (size_t i = 0; i < n; i++)
                if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7F)
                        n = i;
        while (n > 0 && n < s.len && ((unsigned char)s.ptr[n] & 0xC0) == 0x80)
                n--;
        return n;
}

const char *yaml_show(struct str text, char out[YNODE_SHOW_MAX])
{
        size_t shown = shown_length(text, YNODE_SHOW_MAX - sizeof("'...'"));

        snprintf(out, YNODE_SHOW_MAX, "'%.*s%s'", (int)shown, text.ptr,
                shown < text.len ? "..." : "");
        return out;
}

const char *ynode_show(const struct ynode *n, char out[YNODE_SHOW_MAX])
{
        bool nameless = !ynode_is_scalar(n) || n->kind == YNODE_NULL;

        if (!nameless && !n->expanded)
                return yaml_show(n->text, out);
        snprintf(out, YNODE_SHOW_MAX, "%s", nameless ? ynode_kind_name(n->kind) : "the value");
        return out;
}

static void json_string(struct str s, struct buf *out)
{
        static const char *const escapes[' '] = {
                ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t"};

        buf_putc(out, '"');
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.ptr[i];
                if (c == '"' || c == '\\') {
                        buf_putc(out, '\\');
                        buf_putc(out, (char)c);
                } else if (c >= ' ') {
                        buf_putc(out, (char)c);
                } else if (escapes[c]) {
                        buf_puts(out, escapes[c]);
                } else {
                        buf_printf(out, "\\u%04x", c);
                }
        }
        buf_putc(out, '"');
}

static void json_scalar(const struct ynode *n, struct buf *out)
{
        bool number = n->kind == YNODE_INT || n->kind == YNODE_FLOAT;

        if (n->kind == YNODE_NULL)
                buf_puts(out, "null");
        else if (n->kind == YNODE_BOOL)
                buf_puts(out, ynode_bool(n) ? "true" : "false");
        else if (number && yaml_is_json_number(n->text))
                buf_put_str(out, n->text);
        else
                json_string(n->text, out);
}

/* Recursion ends at YDOC_MAX_DEPTH. */
void ynode_json(const struct ynode *n, struct buf *out)
{
        bool map = n->kind == YNODE_MAP;

        if (ynode_is_scalar(n)) {
                json_scalar(n, out);
                return;
        }
        buf_putc(out, map ? '{' : '[');
        for (size_t i = 0; i < n->count; i++) {
                if (i > 0)
                        buf_putc(out, ',');
                if (map) {
                        json_string(n->pairs[i].key, out);
                        buf_putc(out, ':');
                }
                ynode_json(map ? n->pairs[i].value : n->items[i], out);
        }
        buf_putc(out, map ? '}' : ']');
}

int ynode_json_check(const struct ydoc *d, const struct ynode *n, struct err *e)
{
        bool number = n->kind == YNODE_INT || n->kind == YNODE_FLOAT;
        char shown[YNODE_SHOW_MAX];
        int rc = 0;

        if (number && !yaml_is_json_number(n->text))
                return ynode_error(d, n, e,
                        "JSON cannot write the number %s: write it in plain decimal digits, or in "
                        "quotes for text",
                        ynode_show(n, shown));
        for (size_t i = 0; i < n->count && rc == 0; i++)
                rc = ynode_json_check(d, n->kind == YNODE_MAP ? n->pairs[i].value : n->items[i], e);
        return rc;
}

const char *ydoc_path(const struct ydoc *d, struct arena *a, const char *path)
{
        const char *slash = strrchr(d->name, '/');
        size_t folder = slash ? (size_t)(slash - d->name) + 1 : 0;
        size_t len = strlen(path);

        if (path[0] == '/')
                folder = 0;
        char *out = arena_alloc(a, folder + len + 1);
        if (!out)
                return NULL;
        memcpy(out, d->name, folder);
        memcpy(out + folder, path, len);
        return out;
}
