/*
 * Rules for one and the same value call each other: $ref, allOf, if ... Such a chain must end. Its
 * length is found once for each rule, from the ends of the chains on; the limit bounds the
 * recursion here as it does in a check.
 */
#include "schemas/compile.h"

struct walk {
        struct err *e;
        uint32_t longest; /* of the rules called so far */
};

static int height_of(struct rule *r, uint32_t depth, struct err *e);

static int call(struct walk *w, const struct rule *r, uint32_t depth)
{
        struct rule *callee = (struct rule *)r;

        if (!callee || callee == &rule_any)
                return 0;
        int rc = height_of(callee, depth + 1, w->e);
        if (!rc && callee->height > w->longest)
                w->longest = callee->height;
        return rc;
}

static int call_list(struct walk *w, const struct rule_list *list, uint32_t depth)
{
        int rc = 0;

        for (size_t i = 0; i < list->count && !rc; i++)
                rc = call(w, list->list[i], depth);
        return rc;
}

static int call_all(struct walk *w, const struct rule *r, uint32_t depth)
{
        static const struct in_place none;
        const struct in_place *p = r->in_place ? r->in_place : &none;
        const struct rule *single[] = {p->ref, p->dynamic_ref, p->not_, p->if_, p->then, p->else_};
        int rc = 0;

        for (size_t i = 0; i < sizeof(single) / sizeof(single[0]) && !rc; i++)
                rc = call(w, single[i], depth);
        rc = rc ? rc : call_list(w, &p->all, depth);
        rc = rc ? rc : call_list(w, &p->any, depth);
        rc = rc ? rc : call_list(w, &p->one, depth);
        for (uint32_t i = 0; r->object && i < r->object->property_count && !rc; i++)
                rc = call(w, r->object->properties[i].dependent, depth);
        return rc;
}

static int height_of(struct rule *r, uint32_t depth, struct err *e)
{
        struct walk w = {.e = e};

        if (r->height)
                return 0;
        if (r->under_way)
                return set_error(r->resource, r->source, e,
                        "the schema applies itself to the same value, without end");
        r->under_way = true;
        int rc = depth > SCHEMA_MAX_IN_PLACE ? 0 : call_all(&w, r, depth);
        if (!rc && (depth > SCHEMA_MAX_IN_PLACE || w.longest >= SCHEMA_MAX_IN_PLACE))
                rc = set_error(r->resource, r->source, e,
                        "more than %d schemas in a row for the same value", SCHEMA_MAX_IN_PLACE);
        r->under_way = false;
        r->height = w.longest + 1;
        return rc;
}

int loops_check(struct schema *s, struct err *e)
{
        int rc = 0;

        for (struct rule *r = s->rules; r && !rc; r = r->next)
                rc = height_of(r, 0, e);
        return rc;
}
