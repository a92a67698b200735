/* Keywords of arrays, references, and schemas for the same value. */
#include "schemas/compile.h"
#include "schemas/vocabulary.h"

struct wanted {
        struct str name;
        struct wanted *next;
};

static int list_of_rules(struct draft *d, const struct node *value, struct rule_list *out)
{
        if (value->kind != NODE_ARRAY || value->count == 0)
                return compile_bad(d, value, "must be a list of schemas, not empty");
        out->list = arena_array(d->c->schema->arena, value->count, sizeof(*out->list));
        if (!out->list)
                return compile_no_room(d->c);
        for (const struct node *n = value->first; n; n = n->next) {
                int rc = compile_schema_at(d, n, &out->list[out->count]);
                if (rc)
                        return rc;
                out->count++;
        }
        return 0;
}

static int array_part(struct draft *d, struct array_rule **out)
{
        *out = compile_array(d);
        return *out ? 0 : compile_no_room(d->c);
}

int compile_min_items(struct draft *d, const struct node *value)
{
        struct array_rule *a;
        int rc = array_part(d, &a);

        return rc ? rc : compile_count(d, value, &a->min);
}

int compile_max_items(struct draft *d, const struct node *value)
{
        struct array_rule *a;
        int rc = array_part(d, &a);

        return rc ? rc : compile_count(d, value, &a->max);
}

int compile_unique_items(struct draft *d, const struct node *value)
{
        struct array_rule *a;
        int rc = array_part(d, &a);

        if (rc)
                return rc;
        if (value->kind != NODE_TRUE && value->kind != NODE_FALSE)
                return compile_bad(d, value, "must be true or false");
        a->unique = value->kind == NODE_TRUE;
        d->rule->needs_tree |= a->unique;
        return 0;
}

int compile_prefix_items(struct draft *d, const struct node *value)
{
        struct array_rule *a;
        int rc = array_part(d, &a);

        return rc ? rc : list_of_rules(d, value, &a->prefix);
}

int compile_items(struct draft *d, const struct node *value)
{
        struct array_rule *a;
        int rc = array_part(d, &a);

        if (value->kind == NODE_ARRAY)
                return compile_bad(
                        d, value, "must be a schema; a list of schemas is called prefixItems now");
        return rc ? rc : compile_schema_at(d, value, &a->items);
}

int compile_contains(struct draft *d, const struct node *value)
{
        struct array_rule *a;
        const struct node *least = node_member(d->node, STR("minContains"));
        const struct node *most = node_member(d->node, STR("maxContains"));
        int rc = array_part(d, &a);

        d->rule->needs_tree = true;
        rc = rc ? rc : compile_schema_at(d, value, &a->contains);
        if (!(d->vocabularies & VOCABULARY_VALIDATION))
                return rc;
        if (!rc && least)
                rc = compile_count(d, least, &a->min_contains);
        if (!rc && most)
                rc = compile_count(d, most, &a->max_contains);
        return rc;
}

int compile_unevaluated_items(struct draft *d, const struct node *value)
{
        return compile_schema_at(d, value, &d->rule->unevaluated_items);
}

static int in_place_part(struct draft *d, struct in_place **out)
{
        *out = compile_in_place(d);
        return *out ? 0 : compile_no_room(d->c);
}

int compile_all_of(struct draft *d, const struct node *value)
{
        struct in_place *p;
        int rc = in_place_part(d, &p);

        return rc ? rc : list_of_rules(d, value, &p->all);
}

int compile_any_of(struct draft *d, const struct node *value)
{
        struct in_place *p;
        int rc = in_place_part(d, &p);

        return rc ? rc : list_of_rules(d, value, &p->any);
}

int compile_one_of(struct draft *d, const struct node *value)
{
        struct in_place *p;
        int rc = in_place_part(d, &p);

        return rc ? rc : list_of_rules(d, value, &p->one);
}

int compile_not(struct draft *d, const struct node *value)
{
        struct in_place *p;
        int rc = in_place_part(d, &p);

        return rc ? rc : compile_schema_at(d, value, &p->not_);
}

int compile_if(struct draft *d, const struct node *value)
{
        const struct node *then = node_member(d->node, STR("then"));
        const struct node *other = node_member(d->node, STR("else"));
        struct in_place *p;
        int rc = in_place_part(d, &p);

        rc = rc ? rc : compile_schema_at(d, value, &p->if_);
        if (!rc && then)
                rc = compile_schema_at(d, then, &p->then);
        if (!rc && other)
                rc = compile_schema_at(d, other, &p->else_);
        return rc;
}

static int follow(struct draft *d, const struct node *value, const struct rule **out,
        const struct anchor **anchor)
{
        struct compiler *c = d->c;
        struct node *target;

        if (value->kind != NODE_STRING)
                return compile_bad(d, value, "must be a reference in a string");
        int rc = set_find(&c->set, d->rule->resource, value->text, &target, anchor, c->e);
        if (rc)
                return set_wrap(d->rule->resource, value, rc, c->e);
        return compile_rule_for(c, target->site->resource, target, out);
}

int compile_ref(struct draft *d, const struct node *value)
{
        struct in_place *p;
        int rc = in_place_part(d, &p);

        return rc ? rc : follow(d, value, &p->ref, NULL);
}

/* Where the reference leads to a $dynamicAnchor, the outermost schema with one of that name may
 * take its place in each check; else it is a $ref. */
int compile_dynamic_ref(struct draft *d, const struct node *value)
{
        const struct anchor *anchor = NULL;
        struct compiler *c = d->c;
        struct in_place *p;
        int rc = in_place_part(d, &p);

        rc = rc ? rc : follow(d, value, &p->dynamic_ref, &anchor);
        if (rc || !anchor || !anchor->dynamic)
                return rc;
        p->dynamic_anchor = anchor->name;
        d->rule->needs_tree = true;
        for (struct wanted *w = c->wanted; w; w = w->next)
                if (str_eq(w->name, anchor->name))
                        return 0;
        struct wanted *w = arena_alloc(c->schema->arena, sizeof(*w));
        if (!w)
                return compile_no_room(c);
        *w = (struct wanted){.name = anchor->name, .next = c->wanted};
        c->wanted = w;
        return 0;
}

static bool is_wanted(const struct compiler *c, const struct anchor *a)
{
        if (!a->dynamic || (a->node->site->rule && a->node->site->resource != a->resource))
                return false;
        for (const struct wanted *w = c->wanted; w; w = w->next)
                if (str_eq(w->name, a->name))
                        return true;
        return false;
}

static const struct dynamic_anchor *has_anchor(const struct resource *r, struct str name)
{
        const struct dynamic_anchor *a = r->dynamic_anchors;

        while (a && !str_eq(a->name, name))
                a = a->next;
        return a;
}

/* Compiles what any $dynamicRef met so far may lead to, in all texts loaded so far. */
int compile_dynamic_anchors(struct compiler *c)
{
        for (const struct anchor *a = c->set.anchors; a; a = a->next) {
                struct resource *r = (struct resource *)a->resource;
                const struct rule *rule;

                if (!is_wanted(c, a) || has_anchor(r, a->name))
                        continue;
                struct dynamic_anchor *entry = arena_alloc(c->schema->arena, sizeof(*entry));
                if (!entry)
                        return compile_no_room(c);
                int rc = compile_rule_for(c, r, a->node, &rule);
                if (rc)
                        return rc;
                *entry = (struct dynamic_anchor){
                        .name = a->name, .rule = rule, .next = r->dynamic_anchors};
                r->dynamic_anchors = entry;
        }
        return 0;
}
