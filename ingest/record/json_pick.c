/*
 * The paths as a tree: a node for each step, its names in a small hash table. Walking the text and
 * proving it is json_pick_walk.c.
 */
#include "ingest/record/json_pick_internal.h"

#include "ingest/record/json_path.h"

/* While the tree is built its nodes are chained. */
static struct pick_node *child_of(const struct pick_node *parent, const struct json_step *s)
{
        struct pick_node *n = parent->first;

        while (n && !json_step_eq(&n->step, s))
                n = n->next;
        return n;
}

static struct pick_node *add_child(
        struct json_pick *p, struct pick_node *parent, const struct json_step *s, struct arena *a)
{
        struct pick_node *n = child_of(parent, s);

        if (n)
                return n;
        n = arena_alloc(a, sizeof(*n));
        if (!n)
                return NULL;
        n->step = *s;
        n->id = p->node_count++;
        n->value = PICK_NOTHING;
        n->next = parent->first;
        parent->first = n;
        if (s->name.ptr)
                parent->name_count++;
        return n;
}

static int add_path(struct json_pick *p, size_t i, const char *text, struct arena *a, struct err *e)
{
        struct json_path path;
        struct pick_node *n = p->root;

        int rc = json_path_parse(str_of(text), a, &path, e);
        if (rc)
                return rc;
        if (path.count == 0)
                return err_set(e, ERR_CONFIG, "a path of a value is empty");
        if (!path.steps[0].name.ptr)
                return err_set(e, ERR_CONFIG,
                        "the path %s begins with an element, but a record is an object", text);
        for (size_t k = 0; k < path.count; k++) {
                n = add_child(p, n, &path.steps[k], a);
                if (!n)
                        return arena_failed(a, "paths", e);
        }
        if (p->node_count > PICK_MAX_NODES)
                return err_set(e, ERR_CONFIG, "more than %d names are picked", PICK_MAX_NODES);
        p->same_as[i] = n->value == PICK_NOTHING ? i : n->value;
        p->has_same |= n->value != PICK_NOTHING;
        if (n->value == PICK_NOTHING)
                n->value = i;
        return 0;
}

static void put_slot(struct pick_node *n, struct pick_node *child)
{
        struct str name = child->step.name;
        struct pick_slot slot = {.name = name.ptr, .len = name.len, .node = child};

        pick_ends(name, &slot.head, &slot.tail);
        size_t at = pick_hash(slot.head, slot.tail, slot.len) & n->mask;
        while (n->slots[at].node)
                at = (at + 1) & n->mask;
        n->slots[at] = slot;
}

/* Half of the slots stay empty, so that a name that is not picked is soon known. */
static int build_table(struct pick_node *n, struct arena *a, struct err *e)
{
        size_t room = 2;

        while (room < 2 * n->name_count)
                room *= 2;
        n->mask = room - 1;
        n->slots = n->name_count ? arena_array(a, room, sizeof(*n->slots)) : NULL;
        if (n->name_count && !n->slots)
                return arena_failed(a, "paths", e);
        for (struct pick_node *c = n->first; c; c = c->next) {
                if (c->step.name.ptr)
                        put_slot(n, c);
                int rc = build_table(c, a, e); /* as deep as a path: JSON_PATH_MAX_STEPS */
                if (rc)
                        return rc;
        }
        return 0;
}

int json_pick_new(const char *const *paths, size_t count, struct arena *arena,
        struct json_pick **out, struct err *e)
{
        struct json_pick *p = arena_alloc(arena, sizeof(*p));

        if (!p || !(p->root = arena_alloc(arena, sizeof(*p->root))) ||
                !(p->same_as = arena_array(arena, count ? count : 1, sizeof(*p->same_as))))
                return arena_failed(arena, "paths", e);
        p->count = count;
        p->root->value = PICK_NOTHING;
        for (size_t i = 0; i < count; i++) {
                int rc = add_path(p, i, paths[i], arena, e);
                if (rc)
                        return rc;
        }
        int rc = build_table(p->root, arena, e);
        if (rc)
                return rc;
        *out = p;
        return 0;
}
