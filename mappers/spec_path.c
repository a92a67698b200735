/*
 * name ( "." name | "[" digits "]" )*, left to right; a name is anything but . [ ], which stand in
 * one behind a backslash: replies of REST sources have members such as "@odata.etag".
 */
#include "mappers/spec_internal.h"

struct path_parser {
        const struct option_context *cx;
        const struct ynode *n;
        const char *what;
        struct str text;
        size_t at;
        struct path_step steps[SPEC_MAX_STEPS];
        size_t count;
};

static int refuse(const struct path_parser *p, const char *why, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        return ynode_error(p->cx->doc, p->n, e, "%s: %s is not a path: %s", p->what,
                p->n->expanded ? "the value" : yaml_show(p->text, shown), why);
}

static bool is_special(char c)
{
        return c != '\0' && strchr(".[]\\", c);
}

/* The bytes of the name at p->at, without backslashes; p->at moves behind it. */
static struct str unescaped_name(struct path_parser *p, char *room)
{
        struct str name = {room, 0};

        for (; p->at < p->text.len && !strchr(".[]", p->text.ptr[p->at]); p->at++) {
                if (p->text.ptr[p->at] == '\\' && p->at + 1 < p->text.len &&
                        is_special(p->text.ptr[p->at + 1]))
                        p->at++;
                room[name.len++] = p->text.ptr[p->at];
        }
        room[name.len] = '\0';
        return name;
}

static int take_name(struct path_parser *p, struct err *e)
{
        char *room = arena_array(p->cx->arena, p->text.len - p->at + 1, 1);

        if (!room)
                return options_nomem(p->cx, e);
        struct str name = unescaped_name(p, room);
        if (name.len == 0)
                return refuse(p, "a name is missing", e);
        if (memmem(name.ptr, name.len, "${", 2))
                return refuse(p, "text with ${...} is a template: {template: ...}", e);
        if (str_trim(name).len != name.len)
                return refuse(p, "a name begins or ends with a space", e);
        p->steps[p->count++].name = name;
        return 0;
}

static int take_index(struct path_parser *p, struct err *e)
{
        const char *start = p->text.ptr + p->at + 1;
        const char *end = memchr(start, ']', p->text.len - p->at - 1);
        int64_t index;

        if (!end)
                return refuse(p, "']' is missing", e);
        struct str digits = {start, (size_t)(end - start)};
        if (digits.len == 0 || digits.ptr[0] < '0' || digits.ptr[0] > '9' ||
                !str_to_int64(digits, &index))
                return refuse(p, "between [ and ] stands a number from 0", e);
        p->steps[p->count++].index = index;
        p->at = (size_t)(end - p->text.ptr) + 1;
        return 0;
}

static int take_step(struct path_parser *p, struct err *e)
{
        char c = p->text.ptr[p->at];

        if (p->count == SPEC_MAX_STEPS)
                return refuse(p, "it has too many steps", e);
        if (c == '[')
                return take_index(p, e);
        if (c != '.')
                return refuse(p, "after ] stands . or [ or the end", e);
        p->at++;
        return take_name(p, e);
}

int spec_path_parse(const struct option_context *cx, const struct ynode *n, const char *what,
        struct str text, struct field_path *out, struct err *e)
{
        struct path_parser p = {.cx = cx, .n = n, .what = what, .text = text};

        int rc = take_name(&p, e);
        while (rc == 0 && p.at < text.len)
                rc = take_step(&p, e);
        if (rc)
                return rc;
        struct path_step *steps = arena_array(cx->arena, p.count, sizeof(*steps));
        const char *copy = arena_strdup(cx->arena, text);
        if (!steps || !copy)
                return options_nomem(cx, e);
        memcpy(steps, p.steps, p.count * sizeof(*steps));
        *out = (struct field_path){steps, p.count, copy};
        return 0;
}
