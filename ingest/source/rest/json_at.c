/* Each step of the path walks over the members of one object or array; texts are small. */
#include "ingest/source/rest/json_at.h"

#include "ingest/record/json_scan.h"

#define NAME_SIZE 256       /* bytes of one name in a path */
#define TEXT_MAX  (4 << 20) /* canonical form of a reply: larger ones are no log-in's */

int rest_json_check(struct str text, struct err *e)
{
        cleanup_buf_ struct buf scratch = BUF_INIT(TEXT_MAX);
        int rc = text.len ? json_canonical(text, JSON_NUMBERS_NEAREST, &scratch, e) : REST_JSON_NOT;

        if (scratch.data)
                explicit_bzero(scratch.data, scratch.cap);
        return rc == 0 || rc == -ERR_NOMEM ? rc : REST_JSON_NOT;
}

/* One name of a path; a longer one is cut, and found nowhere. */
struct name {
        char text[NAME_SIZE];
        size_t len;
};

/* The next name of @path, which is moved behind it. Return: false where there is none. */
static bool next_name(const char **path, struct name *name)
{
        const char *p = *path;
        bool index = *p == '[';

        name->len = 0;
        p += index || *p == '.';
        while (*p && *p != '.' && *p != '[' && *p != ']') {
                if (*p == '\\' && p[1])
                        p++;
                if (name->len < sizeof(name->text))
                        name->text[name->len++] = *p;
                p++;
        }
        if (index && *p == ']')
                p++;
        *path = p;
        return name->len > 0 && name->len < sizeof(name->text);
}

static bool key_is(struct str quoted, struct str name)
{
        cleanup_buf_ struct buf plain = BUF_INIT(NAME_SIZE);
        struct err e;

        if (quoted.len >= 2 && !memchr(quoted.ptr, '\\', quoted.len))
                return str_eq((struct str){quoted.ptr + 1, quoted.len - 2}, name);
        return json_unquote(quoted, &plain, &e) == 0 && str_eq(buf_str(&plain), name);
}

static struct str member(struct str object, struct str name)
{
        struct str key, value, found = {NULL, 0};
        struct json_walk w;

        if (json_walk_open(&w, object, '{'))
                while (json_walk_next(&w, &key, &value))
                        if (key_is(key, name))
                                found = value; /* the last one counts, as in most parsers */
        return found;
}

static struct str element(struct str array, struct str name)
{
        struct str key, value;
        struct json_walk w;
        int64_t at;

        if (str_to_int64(name, &at) && json_walk_open(&w, array, '['))
                for (; json_walk_next(&w, &key, &value); at--)
                        if (at == 0)
                                return value;
        return (struct str){NULL, 0};
}

struct str rest_json_raw(struct str text, const char *path)
{
        struct name name;

        text = json_trim(text);
        while (*path && text.ptr) {
                if (!next_name(&path, &name))
                        return (struct str){NULL, 0};
                struct str n = {name.text, name.len};
                text = text.len && text.ptr[0] == '[' ? element(text, n) : member(text, n);
                if (text.ptr)
                        text = json_trim(text);
        }
        return text;
}

bool rest_json_at(struct str text, const char *path, struct buf *out)
{
        struct str raw = rest_json_raw(text, path);
        struct err e;

        if (!raw.ptr || raw.len == 0 || raw.ptr[0] == '{' || raw.ptr[0] == '[' ||
                str_is(raw, "null"))
                return false;
        if (raw.ptr[0] == '"')
                return json_unquote(raw, out, &e) == 0 && out->error == 0;
        buf_put_str(out, raw);
        return out->error == 0;
}
