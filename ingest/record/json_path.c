/* step ( "." name | "[" digits "]" )*, left to right; names are unescaped into the arena. */
#include "ingest/record/json_path.h"

#define MAX_INDEX_DIGITS 9
#define SHOWN_BYTES      80 /* of a path in an error */

struct parser {
        struct str text;
        size_t at, count;
        struct arena *arena;
        struct json_step steps[JSON_PATH_MAX_STEPS];
};

static int refuse(const struct parser *p, const char *why, struct err *e)
{
        int shown = p->text.len < SHOWN_BYTES ? (int)p->text.len : SHOWN_BYTES;

        return err_set(e, ERR_CONFIG, "\"%.*s\" is not a path: %s", shown, p->text.ptr, why);
}

static bool is_special(char c)
{
        return c == '.' || c == '[' || c == ']' || c == '\\';
}

static int take_name(struct parser *p, struct err *e)
{
        char name[JSON_PATH_MAX_NAME];
        size_t len = 0, start = p->at;

        for (; p->at < p->text.len; p->at++) {
                char c = p->text.ptr[p->at];
                if (c == '\\') {
                        if (p->at + 1 == p->text.len || !is_special(p->text.ptr[p->at + 1]))
                                return refuse(
                                        p, "behind a backslash stands . [ ] or a backslash", e);
                        c = p->text.ptr[++p->at];
                } else if (is_special(c)) {
                        break;
                }
                if (len == sizeof(name))
                        return refuse(p, "a name has more than 255 bytes", e);
                name[len++] = c;
        }
        if (len == 0)
                return refuse(p, "a name is missing", e);
        struct str copy = arena_dup(p->arena, (struct str){name, len});
        if (!copy.ptr)
                return arena_failed(p->arena, "path", e);
        p->steps[p->count++] = (struct json_step){.name = copy, .text = p->text.ptr + start};
        return 0;
}

static int take_index(struct parser *p, struct err *e)
{
        size_t start = p->at++, value = 0, digits = 0;

        for (; p->at < p->text.len && p->text.ptr[p->at] >= '0' && p->text.ptr[p->at] <= '9';
                p->at++, digits++)
                if (digits < MAX_INDEX_DIGITS)
                        value = value * 10 + (size_t)(p->text.ptr[p->at] - '0');
        if (digits == 0 || digits > MAX_INDEX_DIGITS || p->at == p->text.len ||
                p->text.ptr[p->at] != ']')
                return refuse(p, "between [ and ] stands a number from 0", e);
        p->at++;
        p->steps[p->count++] = (struct json_step){.index = value, .text = p->text.ptr + start};
        return 0;
}

static int take_step(struct parser *p, struct err *e)
{
        char c = p->text.ptr[p->at];

        if (p->count == JSON_PATH_MAX_STEPS)
                return refuse(p, "it has too many steps", e);
        if (c == '[')
                return take_index(p, e);
        if (p->count > 0 && c != '.')
                return refuse(p, "behind ] stands . or [ or the end", e);
        if (c == ']')
                return refuse(p, "] without [; in a name it is written \\]", e);
        p->at += p->count > 0;
        return take_name(p, e);
}

int json_path_parse(struct str text, struct arena *arena, struct json_path *out, struct err *e)
{
        struct parser p = {.text = text, .arena = arena};

        while (p.at < text.len) {
                int rc = take_step(&p, e);
                if (rc)
                        return rc;
        }
        struct json_step *steps = arena_array(arena, p.count ? p.count : 1, sizeof(*steps));
        if (!steps)
                return arena_failed(arena, "path", e);
        if (p.count)
                memcpy(steps, p.steps, p.count * sizeof(*steps));
        *out = (struct json_path){steps, p.count};
        return 0;
}

bool json_step_eq(const struct json_step *a, const struct json_step *b)
{
        if (!a->name.ptr || !b->name.ptr)
                return !a->name.ptr && !b->name.ptr && a->index == b->index;
        return str_eq(a->name, b->name);
}
