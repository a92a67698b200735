/* Quotes protect delimiters, braces, blanks and NULL; a backslash protects the byte behind it. */
#include "mappers/array_text.h"

/* "[1:2][0:1]=" in front of arrays whose indexes do not begin at 1. */
static const char *skip_bounds(const char *p, const char *end)
{
        const char *equals;

        if (p == end || *p != '[')
                return p;
        equals = memchr(p, '=', (size_t)(end - p));
        return equals ? equals + 1 : end;
}

bool array_open(struct array_walk *w, struct str text, char delimiter)
{
        const char *end = text.ptr + text.len;
        const char *p = skip_bounds(text.ptr, end);

        if (p == end || *p != '{' || end[-1] != '}')
                return false;
        *w = (struct array_walk){.p = p + 1, .end = end, .delimiter = delimiter, .first = true};
        return true;
}

/* w->p behind the opening quote. */
static enum array_item take_quoted(struct array_walk *w, struct buf *scratch, struct str *out)
{
        const char *start = w->p;
        bool escaped = false;

        scratch->len = 0; /* an error stays: it is asked for at the end */
        for (; w->p < w->end && *w->p != '"'; w->p++) {
                if (*w->p != '\\')
                        continue;
                escaped = true;
                buf_put(scratch, start, (size_t)(w->p - start));
                start = ++w->p;
                if (w->p == w->end)
                        return ARRAY_BAD;
        }
        if (w->p == w->end)
                return ARRAY_BAD;
        struct str rest = {start, (size_t)(w->p - start)};
        w->p++;
        *out = rest;
        if (escaped) {
                buf_put_str(scratch, rest);
                *out = buf_str(scratch);
        }
        return ARRAY_TEXT;
}

static enum array_item take_bare(struct array_walk *w, struct str *out)
{
        const char *start = w->p;

        while (w->p < w->end && *w->p != w->delimiter && *w->p != '}') {
                if (*w->p == '{' || *w->p == '"' || *w->p == '\\')
                        return ARRAY_BAD;
                w->p++;
        }
        *out = (struct str){start, (size_t)(w->p - start)};
        if (out->len == 0)
                return ARRAY_BAD;
        return str_is(*out, "NULL") ? ARRAY_NULL : ARRAY_TEXT;
}

/* w->p at the opening brace. */
static enum array_item take_nested(struct array_walk *w, struct str *out)
{
        const char *start = w->p;
        size_t depth = 0;
        bool quoted = false;

        for (; w->p < w->end; w->p++) {
                char c = *w->p;
                if (c == '\\')
                        w->p++;
                else if (c == '"')
                        quoted = !quoted;
                else if (!quoted && c == '{')
                        depth++;
                else if (!quoted && c == '}' && --depth == 0)
                        break;
        }
        if (w->p >= w->end)
                return ARRAY_BAD;
        w->p++;
        *out = (struct str){start, (size_t)(w->p - start)};
        return ARRAY_NESTED;
}

static enum array_item take_item(struct array_walk *w, struct buf *scratch, struct str *out)
{
        if (w->p == w->end)
                return ARRAY_BAD;
        if (*w->p == '{')
                return take_nested(w, out);
        if (*w->p != '"')
                return take_bare(w, out);
        w->p++;
        return take_quoted(w, scratch, out);
}

/* The closing brace must be the last byte. */
static enum array_item at_close(struct array_walk *w)
{
        return w->p + 1 == w->end ? ARRAY_END : ARRAY_BAD;
}

enum array_item array_next(struct array_walk *w, struct buf *scratch, struct str *out)
{
        if (w->p < w->end && *w->p == '}')
                return at_close(w);
        if (!w->first) {
                if (w->p == w->end || *w->p != w->delimiter)
                        return ARRAY_BAD;
                w->p++;
        }
        w->first = false;
        return take_item(w, scratch, out);
}
