/*
 * Path and query are decoded into one piece of memory when the head has come, so that a bad one is
 * refused before anybody looks at it. The segments of a path are found by walking the path as it
 * came beside the decoded one: only a slash that came as a slash parts them.
 */
#include "ingest/loop/http_server_target.h"

#include <stdlib.h>

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 32;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Appends @s decoded at *@out. Return: false where an escape is none, or NUL. */
static bool decode(struct str s, bool plus, char **out)
{
        for (size_t i = 0; i < s.len; i++) {
                char c = s.ptr[i];
                if (c == '%') {
                        int high = s.len - i > 2 ? hex_digit(s.ptr[i + 1]) : -1;
                        int low = s.len - i > 2 ? hex_digit(s.ptr[i + 2]) : -1;
                        if (high < 0 || low < 0 || high + low == 0)
                                return false;
                        c = (char)(high << 4 | low);
                        i += 2;
                } else if (plus && c == '+') {
                        c = ' ';
                }
                *(*out)++ = c;
        }
        return true;
}

/* The part of @s before the first @separator; *@s begins behind it. */
static struct str cut(struct str *s, char separator)
{
        const char *at = memchr(s->ptr, separator, s->len);
        struct str part = {s->ptr, at ? (size_t)(at - s->ptr) : s->len};
        size_t gone = part.len + (at ? 1 : 0);

        *s = (struct str){s->ptr + gone, s->len - gone};
        return part;
}

static bool decode_query(struct str query, char **out)
{
        while (query.len > 0) {
                struct str value = cut(&query, '&');
                struct str name = cut(&value, '=');
                if (name.len == 0)
                        continue;
                if (!decode(name, true, out))
                        return false;
                *(*out)++ = '\0';
                if (!decode(value, true, out))
                        return false;
                *(*out)++ = '\0';
        }
        return true;
}

int http_target_decode(struct http_target *t, const char *raw)
{
        struct str query = str_of(raw), path = cut(&query, '?');
        /* "a&" is kept as "a", NUL, NUL: a half more than came. */
        char *memory = malloc(path.len + 2 + 2 * query.len + 2), *out = memory;

        if (!memory)
                return 503;
        bool ok = decode(path, false, &out);
        struct str decoded = {memory, (size_t)(out - memory)};
        *out++ = '\0';
        char *params = out;
        ok = ok && decode_query(query, &out);
        /* NUL is valid UTF-8 and parts names and values. */
        if (!ok || !str_utf8_valid((struct str){memory, (size_t)(out - memory)})) {
                free(memory);
                return 400;
        }
        *t = (struct http_target){.memory = memory,
                .raw = raw,
                .path = decoded,
                .params = {params, (size_t)(out - params)}};
        return 0;
}

void http_target_deinit(struct http_target *t)
{
        free(t->memory);
        *t = (struct http_target){0};
}

static size_t decoded_length(struct str raw)
{
        size_t len = raw.len;

        for (size_t i = 0; i < raw.len; i++)
                if (raw.ptr[i] == '%')
                        len -= 2;
        return len;
}

size_t http_target_segments(const struct http_target *t, struct str *out, size_t max)
{
        struct str raw = {t->raw, strcspn(t->raw, "?")};
        const char *at = t->path.ptr;
        size_t count = 0;

        if (raw.len < 2 || raw.ptr[0] != '/')
                return 0;
        while (raw.len > 0) { /* one slash and what follows it */
                raw = (struct str){raw.ptr + 1, raw.len - 1};
                struct str segment = {raw.ptr, 0};
                while (segment.len < raw.len && raw.ptr[segment.len] != '/')
                        segment.len++;
                struct str decoded = {at + 1, decoded_length(segment)};
                at += 1 + decoded.len;
                raw = (struct str){raw.ptr + segment.len, raw.len - segment.len};
                if (count < max)
                        out[count] = decoded;
                count++;
        }
        return count;
}

struct str http_target_param_name(const struct http_target *t, size_t index)
{
        const char *p = t->params.ptr, *end = p + t->params.len;

        for (; p < end; p += strlen(p) + 1) {
                if (index-- == 0)
                        return str_of(p);
                p += strlen(p) + 1;
        }
        return (struct str){0};
}

struct str http_target_param(const struct http_target *t, const char *name)
{
        const char *p = t->params.ptr, *end = p + t->params.len;

        while (p < end) {
                const char *value = p + strlen(p) + 1;
                if (strcmp(p, name) == 0)
                        return str_of(value);
                p = value + strlen(value) + 1;
        }
        return (struct str){0};
}
