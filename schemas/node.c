/*
 * One pass, a handler for each state, no recursion: where a container ends, the parser goes on in
 * its parent. Strings without escapes are borrowed from the text.
 */
#include "schemas/node.h"

#include <stdlib.h>

#include "ingest/record/json_scan.h"
#include "schemas/number.h"

#define PAIRWISE_KEYS 16 /* keys of one object that are compared each with each */
#define SHOWN_KEY     40 /* bytes of a key in an error */

struct parse {
        const char *start, *p, *end;
        struct arena *arena;
        struct buf *scratch;
        struct node *root, *open; /* @open: the container under way */
        struct node *last;        /* the last child of @open */
        struct str key;
        size_t depth;
        struct err *e;
};

enum state { VALUE, VALUE_OR_CLOSE, KEY, KEY_OR_CLOSE, AFTER_VALUE, DONE };

static int expected(struct parse *s, const char *what)
{
        return err_set(s->e, ERR_REJECT, "%s expected %s", what,
                s->p == s->end ? "where it ends" : "here");
}

static bool skip_space(struct parse *s)
{
        while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
                s->p++;
        return s->p < s->end;
}

static struct node *add_node(struct parse *s, enum node_kind kind)
{
        struct node *n = arena_alloc(s->arena, sizeof(*n));

        if (!n)
                return NULL;
        n->kind = kind;
        n->parent = s->open;
        n->key = s->key;
        n->raw = (struct str){s->p, 0};
        s->key = (struct str){0};
        if (!s->open) {
                s->root = n;
                return n;
        }
        if (s->last)
                s->last->next = n;
        else
                s->open->first = n;
        n->index = s->open->count++;
        s->last = n;
        return n;
}

static void end_node(struct parse *s, struct node *n)
{
        n->raw.len = (size_t)(s->p - n->raw.ptr);
}

/* s->p at an opening quote; behind the closing one afterwards. */
static int parse_string(struct parse *s, struct str *out)
{
        uint64_t seen = 0;
        const char *stop = json_run_end(s->p + 1, s->end, &seen);
        struct str plain = {s->p + 1, (size_t)(stop - s->p - 1)};

        if (stop < s->end && *stop == '"' && (!seen || str_utf8_valid(plain))) {
                s->p = stop + 1;
                *out = plain;
                return 0;
        }
        buf_clear(s->scratch);
        stop = json_copy_string(s->p, s->end, JSON_STRING_PLAIN, s->scratch, s->e);
        if (!stop)
                return -ERR_REJECT;
        int rc = buf_check(s->scratch, "a string", s->e);
        if (rc)
                return rc;
        plain = arena_dup(s->arena, buf_str(s->scratch));
        if (!plain.ptr)
                return arena_failed(s->arena, "a JSON text", s->e);
        s->p = stop;
        *out = plain;
        return 0;
}

static int parse_number(struct parse *s, struct node *n)
{
        struct number value;
        const char *stop = number_scan(s->p, s->end);

        if (!stop)
                return expected(s, "a number");
        n->text = (struct str){s->p, (size_t)(stop - s->p)};
        if (!number_parse(n->text, &value))
                return err_set(s->e, ERR_REJECT, "an exponent beyond %d", NODE_MAX_EXPONENT);
        s->p = stop;
        return 0;
}

static int parse_word(struct parse *s, struct node *n)
{
        static const struct {
                struct str word;
                enum node_kind kind;
        } words[] = {
                {STR("true"), NODE_TRUE}, {STR("false"), NODE_FALSE}, {STR("null"), NODE_NULL}};
        struct str rest = {s->p, (size_t)(s->end - s->p)};

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (str_starts(rest, words[i].word)) {
                        n->kind = words[i].kind;
                        s->p += words[i].word.len;
                        return 0;
                }
        return expected(s, "a value");
}

static int open_container(struct parse *s, struct node *n)
{
        if (s->depth == JSON_MAX_DEPTH)
                return err_set(s->e, ERR_REJECT, "nested deeper than %d levels", JSON_MAX_DEPTH);
        s->depth++;
        s->open = n;
        s->last = NULL;
        s->p++;
        return n->kind == NODE_OBJECT ? KEY_OR_CLOSE : VALUE_OR_CLOSE;
}

/* Return: the next state, or -class. */
static int parse_value(struct parse *s)
{
        enum node_kind kind = *s->p == '{'   ? NODE_OBJECT
                              : *s->p == '[' ? NODE_ARRAY
                              : *s->p == '"' ? NODE_STRING
                                             : NODE_NUMBER;
        struct node *n = add_node(s, kind);
        int rc;

        if (!n)
                return arena_failed(s->arena, "a JSON text", s->e);
        if (kind >= NODE_ARRAY)
                return open_container(s, n);
        if (kind == NODE_STRING)
                rc = parse_string(s, &n->text);
        else if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9'))
                rc = parse_number(s, n);
        else
                rc = parse_word(s, n);
        end_node(s, n);
        return rc ? rc : s->open ? AFTER_VALUE : DONE;
}

static int compare_keys(const void *a, const void *b)
{
        const struct node *const *x = a, *const *y = b;

        return str_cmp((*x)->key, (*y)->key);
}

static int refuse_key(struct parse *s, struct str key)
{
        if (key.len > SHOWN_KEY)
                key.len = SHOWN_KEY;
        return err_set(s->e, ERR_REJECT, "an object holds the key \"%.*s\" twice", STR_ARG(key));
}

static int check_many_keys(struct parse *s, const struct node *object)
{
        cleanup_(freep) const struct node **sorted = calloc(object->count, sizeof(*sorted));
        size_t n = 0;

        if (!sorted)
                return err_nomem(s->e, "keys of an object");
        for (const struct node *m = object->first; m; m = m->next)
                sorted[n++] = m;
        qsort(sorted, n, sizeof(*sorted), compare_keys);
        for (size_t i = 1; i < n; i++)
                if (str_eq(sorted[i - 1]->key, sorted[i]->key))
                        return refuse_key(s, sorted[i]->key);
        return 0;
}

static int check_keys(struct parse *s, const struct node *object)
{
        if (object->count > PAIRWISE_KEYS)
                return check_many_keys(s, object);
        for (const struct node *a = object->first; a; a = a->next)
                for (const struct node *b = a->next; b; b = b->next)
                        if (str_eq(a->key, b->key))
                                return refuse_key(s, a->key);
        return 0;
}

static int close_container(struct parse *s)
{
        struct node *n = s->open;

        if (n->kind == NODE_OBJECT) {
                int rc = check_keys(s, n);
                if (rc)
                        return rc;
        }
        s->p++;
        end_node(s, n);
        s->depth--;
        s->open = n->parent;
        s->last = n;
        return s->open ? AFTER_VALUE : DONE;
}

static int parse_key(struct parse *s)
{
        if (*s->p != '"')
                return expected(s, "a key in quotes");
        int rc = parse_string(s, &s->key);
        if (rc)
                return rc;
        if (!skip_space(s) || *s->p != ':')
                return expected(s, "':'");
        s->p++;
        return VALUE;
}

static int after_value(struct parse *s)
{
        bool object = s->open->kind == NODE_OBJECT;

        if (*s->p == (object ? '}' : ']'))
                return close_container(s);
        if (*s->p != ',')
                return expected(s, object ? "',' or '}'" : "',' or ']'");
        s->p++;
        return object ? KEY : VALUE;
}

static int step(struct parse *s, int state)
{
        if (!skip_space(s))
                return expected(s, "more");
        if (state == KEY_OR_CLOSE && *s->p == '}')
                return close_container(s);
        if (state == VALUE_OR_CLOSE && *s->p == ']')
                return close_container(s);
        if (state == KEY || state == KEY_OR_CLOSE)
                return parse_key(s);
        return state == AFTER_VALUE ? after_value(s) : parse_value(s);
}

int node_parse(struct str text, struct arena *arena, struct buf *scratch, struct node **out,
        size_t *at_byte, struct err *e)
{
        struct parse s = {.start = text.ptr,
                .p = text.ptr,
                .end = text.ptr + text.len,
                .arena = arena,
                .scratch = scratch,
                .e = e};
        int state = VALUE;

        while (state >= 0 && state != DONE)
                state = step(&s, state);
        if (state == DONE && skip_space(&s))
                state = expected(&s, "the end");
        if (at_byte)
                *at_byte = (size_t)(s.p - s.start);
        if (state < 0)
                return err_wrap(e, state, "byte %zu", (size_t)(s.p - s.start));
        *out = s.root;
        return 0;
}
