/*
 * `after`: names become indices, and all mappers get an order in which none stands before one that
 * it comes after. What is left when no further one can be placed stands in a ring, or behind one.
 */
#include "ingest/pipeline/config_internal.h"

#define NONE           SIZE_MAX
#define RING_SHOWN_MAX 300 /* bytes of the names in a message */

static const struct ynode *node_of(const struct mapper_spec *m, size_t i)
{
        const struct ynode *at = ynode_get(m->doc->root, "after");

        return at->kind == YNODE_LIST ? at->items[i] : at;
}

static size_t find(const struct config *c, const char *name)
{
        for (size_t i = 0; i < c->mapper_count; i++)
                if (strcmp(c->mappers[i].spec->name, name) == 0)
                        return i;
        return NONE;
}

static int unknown(const struct config *c, const struct mapper_spec *m, size_t i, struct err *e)
{
        const char *names[CONFIG_MAX_MAPPERS];
        size_t count = 0;

        for (size_t k = 0; k < c->mapper_count; k++)
                if (c->mappers[k].spec != m)
                        names[count++] = c->mappers[k].spec->name;
        const char *name = m->after.items[i];
        const char *near = str_nearest(str_of(name), names, count);
        int rc = mapper_spec_error(m, node_of(m, i), e, "'after': there is no mapper '%s'", name);
        return near ? err_hint(e, rc, "did you mean '%s'?", near) : rc;
}

/* @complete: see config_after_link() */
static int link_one(struct config *c, struct config_mapper *m, bool complete, struct err *e)
{
        const struct string_list *names = &m->spec->after;
        size_t *after = arena_array(m->spec->arena, names->count + 1, sizeof(*after));
        size_t count = 0;

        if (!after)
                return arena_failed(m->spec->arena, m->spec->path, e);
        for (size_t i = 0; i < names->count; i++) {
                size_t at = find(c, names->items[i]);
                if (at == NONE && complete)
                        return unknown(c, m->spec, i, e);
                if (at == NONE)
                        continue;
                if (&c->mappers[at] == m)
                        return mapper_spec_error(m->spec, node_of(m->spec, i), e,
                                "'after': a mapper cannot come after itself");
                for (size_t k = 0; k < count; k++)
                        if (after[k] == at)
                                return mapper_spec_error(m->spec, node_of(m->spec, i), e,
                                        "'after' names mapper '%s' twice", names->items[i]);
                after[count++] = at;
        }
        m->after = after;
        m->after_count = count;
        return 0;
}

/* ---- the order ---- */

struct order {
        size_t *indices;
        size_t count;
        bool *placed; /* of each mapper */
};

static size_t first_unplaced(const struct config_mapper *m, const struct order *o)
{
        for (size_t i = 0; i < m->after_count; i++)
                if (!o->placed[m->after[i]])
                        return i;
        return NONE;
}

static void place(const struct config *c, struct order *o)
{
        size_t before;

        do {
                before = o->count;
                for (size_t i = 0; i < c->mapper_count; i++) {
                        if (o->placed[i] || first_unplaced(&c->mappers[i], o) != NONE)
                                continue;
                        o->placed[i] = true;
                        o->indices[o->count++] = i;
                }
        } while (o->count < c->mapper_count && o->count > before);
}

static size_t step_back(const struct config *c, const struct order *o, size_t from)
{
        return c->mappers[from].after[first_unplaced(&c->mappers[from], o)];
}

/* A mapper that stands in a ring itself: after as many steps back as there are mappers. */
static size_t in_ring(const struct config *c, const struct order *o)
{
        size_t at = 0;

        while (o->placed[at])
                at++;
        for (size_t i = 0; i < c->mapper_count; i++)
                at = step_back(c, o, at);
        return at;
}

static int ring(const struct config *c, const struct order *o, size_t start, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(RING_SHOWN_MAX);
        const struct config_mapper *m = &c->mappers[start];
        size_t at = start;

        do {
                at = step_back(c, o, at);
                buf_printf(&text, " after %s", c->mappers[at].spec->name);
        } while (at != start && !text.error);
        const char *shown = buf_cstr(&text);
        return mapper_spec_error(m->spec, node_of(m->spec, first_unplaced(m, o)), e,
                "'after' makes a ring: %s%s", m->spec->name, shown ? shown : " after ...");
}

static int put_in_order(struct config *c, struct config_problems *problems, struct err *e)
{
        cleanup_(freep) bool *placed = calloc(c->mapper_count + 1, sizeof(*placed));
        struct order o = {.placed = placed,
                .indices = arena_array(c->arena, c->mapper_count + 1, sizeof(*o.indices))};

        if (!placed || !o.indices)
                return err_nomem(e, "the order of mappers");
        place(c, &o);
        c->after_order = o.indices;
        if (o.count == c->mapper_count)
                return 0;
        size_t start = in_ring(c, &o);
        return config_problem(problems, c->mappers[start].spec->path, ring(c, &o, start, e), e);
}

int config_after_link(
        struct config *c, bool complete, struct config_problems *problems, struct err *e)
{
        bool linked = true;

        for (size_t i = 0; i < c->mapper_count; i++) {
                struct config_mapper *m = &c->mappers[i];
                int rc = link_one(c, m, complete, e);
                if (rc)
                        rc = config_problem(problems, m->spec->path, rc, e);
                if (rc)
                        return rc;
                linked = linked && m->after;
        }
        return linked ? put_in_order(c, problems, e) : 0;
}
