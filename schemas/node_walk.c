/* Finding, naming and comparing nodes. The depth of a tree bounds every recursion here. */
#include "schemas/node.h"

#include <xxhash.h>

#include "schemas/number.h"

struct node *node_member(const struct node *n, struct str key)
{
        if (n->kind != NODE_OBJECT)
                return NULL;
        for (struct node *m = n->first; m; m = m->next)
                if (str_eq(m->key, key))
                        return m;
        return NULL;
}

size_t node_depth(const struct node *n)
{
        size_t depth = 0;

        for (n = n->parent; n; n = n->parent)
                depth++;
        return depth;
}

static void put_step(const struct node *n, struct buf *out)
{
        buf_putc(out, '/');
        if (!n->key.ptr) {
                buf_printf(out, "%u", n->index);
                return;
        }
        for (size_t i = 0; i < n->key.len; i++) {
                char c = n->key.ptr[i];
                if (c == '~')
                        buf_puts(out, "~0");
                else if (c == '/')
                        buf_puts(out, "~1");
                else
                        buf_putc(out, c);
        }
}

void node_put_pointer(const struct node *n, struct buf *out)
{
        if (!n->parent)
                return;
        node_put_pointer(n->parent, out);
        put_step(n, out);
}

/* "a~1b" as "a/b". Return: false where "~" is followed by anything but 0 or 1. */
static bool unescape_step(struct str step, struct buf *out)
{
        buf_clear(out);
        for (size_t i = 0; i < step.len; i++) {
                char c = step.ptr[i];
                if (c == '~') {
                        if (++i == step.len || (step.ptr[i] != '0' && step.ptr[i] != '1'))
                                return false;
                        c = step.ptr[i] == '0' ? '~' : '/';
                }
                buf_putc(out, c);
        }
        return !out->error;
}

static struct node *array_element(const struct node *n, struct str step)
{
        int64_t index;
        bool plain = step.len == 1 || (step.len > 1 && step.ptr[0] != '0');

        for (size_t i = 0; i < step.len; i++)
                plain &= step.ptr[i] >= '0' && step.ptr[i] <= '9';
        if (!plain || !str_to_int64(step, &index))
                return NULL;
        for (struct node *m = n->first; m; m = m->next)
                if (m->index == index)
                        return m;
        return NULL;
}

struct node *node_follow(struct node *n, struct str pointer, struct buf *scratch)
{
        while (n && pointer.len > 0) {
                if (pointer.ptr[0] != '/')
                        return NULL;
                struct str step = {pointer.ptr + 1, 0};
                while (step.len + 1 < pointer.len && step.ptr[step.len] != '/')
                        step.len++;
                pointer.ptr += 1 + step.len;
                pointer.len -= 1 + step.len;
                if (!unescape_step(step, scratch))
                        return NULL;
                n = n->kind == NODE_ARRAY ? array_element(n, buf_str(scratch))
                                          : node_member(n, buf_str(scratch));
        }
        return n;
}

static bool numbers_equal(struct str a, struct str b)
{
        struct number x, y;

        if (str_eq(a, b))
                return true;
        return number_parse(a, &x) && number_parse(b, &y) && number_compare(&x, &y) == 0;
}

/* The members of both objects mostly come in one order: then no member is looked for. */
static bool objects_equal(const struct node *a, const struct node *b)
{
        const struct node *guess = b->first;

        for (const struct node *m = a->first; m; m = m->next) {
                const struct node *other =
                        guess && str_eq(guess->key, m->key) ? guess : node_member(b, m->key);
                if (!other || !node_equal(m, other))
                        return false;
                guess = other->next;
        }
        return true;
}

static bool arrays_equal(const struct node *a, const struct node *b)
{
        const struct node *other = b->first;

        for (const struct node *m = a->first; m; m = m->next, other = other->next)
                if (!node_equal(m, other))
                        return false;
        return true;
}

bool node_equal(const struct node *a, const struct node *b)
{
        if (a->kind != b->kind || a->count != b->count)
                return false;
        switch (a->kind) {
        case NODE_NUMBER:
                return numbers_equal(a->text, b->text);
        case NODE_STRING:
                return str_eq(a->text, b->text);
        case NODE_ARRAY:
                return arrays_equal(a, b);
        case NODE_OBJECT:
                return objects_equal(a, b);
        default:
                return true;
        }
}

static uint64_t mix(uint64_t a, uint64_t b)
{
        uint64_t pair[2] = {a, b};

        return XXH3_64bits(pair, sizeof(pair));
}

uint64_t node_hash(const struct node *n)
{
        uint64_t h = (uint64_t)n->kind + 1, sum = 0;
        struct number value;

        switch (n->kind) {
        case NODE_NUMBER:
                return number_parse(n->text, &value) ? mix(h, number_hash(&value)) : h;
        case NODE_STRING:
                return mix(h, XXH3_64bits(n->text.ptr, n->text.len));
        case NODE_ARRAY:
                for (const struct node *m = n->first; m; m = m->next)
                        h = mix(h, node_hash(m));
                return h;
        case NODE_OBJECT:
                for (const struct node *m = n->first; m; m = m->next)
                        sum += mix(XXH3_64bits(m->key.ptr, m->key.len), node_hash(m));
                return mix(h, sum);
        default:
                return h;
        }
}
