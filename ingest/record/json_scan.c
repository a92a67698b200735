/* Steps over JSON text; every loop is bounded by the end of the text. */
#include "ingest/record/json_scan.h"

static bool is_space(char c)
{
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const char *skip_space(const char *p, const char *end)
{
        while (p < end && is_space(*p))
                p++;
        return p;
}

struct str json_skip_space(struct str s)
{
        const char *p = skip_space(s.ptr, s.ptr + s.len);

        return (struct str){p, s.len - (size_t)(p - s.ptr)};
}

struct str json_trim(struct str s)
{
        const char *p = skip_space(s.ptr, s.ptr + s.len);
        const char *end = s.ptr + s.len;

        while (end > p && is_space(end[-1]))
                end--;
        return (struct str){p, (size_t)(end - p)};
}

/* @p at the opening quote. Return: behind the closing one; NULL where there is none. */
static const char *skip_string(const char *p, const char *end)
{
        uint64_t seen = 0;

        for (p++; p < end; p++) {
                p = json_run_end(p, end, &seen);
                if (p == end)
                        break;
                if (*p == '"')
                        return p + 1;
                if (*p == '\\')
                        p++;
        }
        return NULL;
}

static const char *skip_scalar(const char *p, const char *end)
{
        const char *start = p;

        while (p<end && * p> ' ' && *p != ',' && *p != ']' && *p != '}' && *p != ':' && *p != '"')
                p++;
        return p > start ? p : NULL;
}

/* @p at '{' or '['. Counts brackets: which kind closes which is proved where it is picked. */
static const char *skip_container(const char *p, const char *end)
{
        size_t depth = 0;

        while (p && p < end) {
                if (*p == '"') {
                        p = skip_string(p, end);
                        continue;
                }
                if (*p == '{' || *p == '[')
                        depth++;
                else if (*p == '}' || *p == ']')
                        depth--;
                p++;
                if (depth == 0)
                        return p;
        }
        return NULL;
}

static const char *skip_value(const char *p, const char *end)
{
        if (p == end)
                return NULL;
        if (*p == '"')
                return skip_string(p, end);
        if (*p == '{' || *p == '[')
                return skip_container(p, end);
        return skip_scalar(p, end);
}

bool json_walk_open(struct json_walk *w, struct str text, char open)
{
        text = json_trim(text);
        if (text.len == 0 || text.ptr[0] != open)
                return false;
        *w = (struct json_walk){
                .p = text.ptr + 1,
                .end = text.ptr + text.len,
                .close = open == '{' ? '}' : ']',
        };
        w->p = skip_space(w->p, w->end);
        return true;
}

void json_walk_members(struct json_walk *w, struct str body)
{
        body = json_trim(body);
        *w = (struct json_walk){.p = body.ptr, .end = body.ptr + body.len};
}

static bool bad(struct json_walk *w)
{
        w->bad = true;
        return false;
}

static bool at_close(const struct json_walk *w)
{
        return w->close ? w->p < w->end && *w->p == w->close : w->p == w->end;
}

/* Behind a value: a comma and another one, or the end. */
static bool end_value(struct json_walk *w)
{
        w->p = skip_space(w->p, w->end);
        if (at_close(w))
                return true;
        if (w->p == w->end || *w->p != ',')
                return bad(w);
        w->p = skip_space(w->p + 1, w->end);
        return at_close(w) ? bad(w) : true;
}

bool json_walk_next(struct json_walk *w, struct str *key, struct str *value)
{
        if (w->bad || at_close(w))
                return false;
        if (w->p == w->end)
                return bad(w);
        if (w->close != ']') {
                const char *stop = *w->p == '"' ? skip_string(w->p, w->end) : NULL;
                if (!stop)
                        return bad(w);
                *key = (struct str){w->p, (size_t)(stop - w->p)};
                w->p = skip_space(stop, w->end);
                if (w->p == w->end || *w->p != ':')
                        return bad(w);
                w->p = skip_space(w->p + 1, w->end);
        }
        const char *stop = skip_value(w->p, w->end);
        if (!stop)
                return bad(w);
        *value = (struct str){w->p, (size_t)(stop - w->p)};
        w->p = stop;
        return end_value(w);
}

int json_unquote(struct str quoted, struct buf *out, struct err *e)
{
        const char *end = quoted.ptr + quoted.len;

        if (quoted.len == 0 || *quoted.ptr != '"')
                return err_set(e, ERR_REJECT, "not a JSON string");
        const char *stop = json_copy_string(quoted.ptr, end, JSON_STRING_PLAIN, out, e);
        if (!stop)
                return -ERR_REJECT;
        if (stop != end)
                return err_set(e, ERR_REJECT, "something follows the JSON string");
        return buf_check(out, "text", e);
}
