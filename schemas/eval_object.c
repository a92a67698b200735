/* Objects: one pass over the members, each looked up once. Members mostly come in the order of the
 * schema, so the property after the last one is tried first. */
#include "schemas/eval_internal.h"

struct members {
        struct eval *x;
        const struct rule *rule;
        const struct object_rule *object;
        struct seen *seen;   /* may be NULL */
        struct seen present; /* of the properties */
        uint32_t required, guess;
};

static const struct property *find_property(struct members *m, const struct node *member)
{
        const struct object_rule *o = m->object;
        uint32_t at = m->guess;

        if (at >= o->property_count || !str_eq(o->properties[at].name, member->key))
                at = names_find(&o->names, member->key);
        if (at == NAMES_NONE)
                return NULL;
        m->guess = at + 1;
        m->required += o->properties[at].required && !seen_has(&m->present, at);
        seen_add(&m->present, at);
        return &o->properties[at];
}

static enum verdict eval_patterns(struct members *m, const struct node *member, bool *known)
{
        struct eval *x = m->x;

        for (size_t i = 0; i < m->object->pattern_count; i++) {
                const struct pattern_property *p = &m->object->patterns[i];
                enum regex_verdict match = regex_match(p->regex, x->room, member->key);
                if (match == REGEX_LIMIT)
                        return eval_pattern_limit(x, m->rule, member);
                if (match == REGEX_NO)
                        continue;
                *known = true;
                enum verdict verdict =
                        eval_child(x, p->rule, member, KEYWORD_PATTERN_PROPERTIES, m->rule);
                if (verdict)
                        return verdict;
        }
        return VERDICT_FITS;
}

/* The name of @member as a value of its own. */
static enum verdict eval_key(struct members *m, const struct node *member)
{
        struct node *key = arena_alloc(m->x->arena, sizeof(*key));

        if (!key)
                return VERDICT_MEMORY;
        *key = (struct node){.kind = NODE_STRING,
                .text = member->key,
                .raw = member->key,
                .key = member->key,
                .index = member->index,
                .parent = member->parent};
        return eval_child(m->x, m->object->key, key, KEYWORD_PROPERTY_NAMES, m->rule);
}

static enum verdict eval_member(struct members *m, const struct node *member)
{
        const struct object_rule *o = m->object;
        const struct property *p = o->property_count ? find_property(m, member) : NULL;
        bool known = p && p->rule;
        enum verdict verdict = VERDICT_FITS;

        if (known)
                verdict = eval_child(m->x, p->rule, member, KEYWORD_PROPERTIES, m->rule);
        if (!verdict && o->pattern_count)
                verdict = eval_patterns(m, member, &known);
        if (!verdict && !known && o->additional) {
                known = true;
                verdict = eval_child(
                        m->x, o->additional, member, KEYWORD_ADDITIONAL_PROPERTIES, m->rule);
        }
        if (!verdict && o->key)
                verdict = eval_key(m, member);
        if (known && m->seen)
                seen_add(m->seen, member->index);
        return verdict;
}

static enum verdict missing(struct members *m, enum keyword keyword, const struct node *v,
        const struct property *p, const struct property *needed_by)
{
        eval_fault(m->x, keyword, m->rule, v);
        m->x->finding->what.name = p->name;
        if (needed_by)
                m->x->finding->what.other = needed_by->name;
        return VERDICT_FAULT;
}

static enum verdict eval_required(struct members *m, const struct node *v)
{
        const struct object_rule *o = m->object;

        for (uint32_t i = 0; m->required < o->required_count && i < o->property_count; i++)
                if (o->properties[i].required && !seen_has(&m->present, i))
                        return missing(m, KEYWORD_REQUIRED, v, &o->properties[i], NULL);
        return VERDICT_FITS;
}

static enum verdict eval_dependencies(struct members *m, const struct node *v)
{
        const struct object_rule *o = m->object;

        for (uint32_t i = 0; i < o->property_count; i++) {
                const struct property *p = &o->properties[i];
                if (!seen_has(&m->present, i))
                        continue;
                for (uint32_t k = 0; k < p->need_count; k++)
                        if (!seen_has(&m->present, p->needs[k]))
                                return missing(m, KEYWORD_DEPENDENT_REQUIRED, v,
                                        &o->properties[p->needs[k]], p);
                if (!p->dependent)
                        continue;
                if (p->dependent->never)
                        return eval_fault(m->x, KEYWORD_DEPENDENT_SCHEMAS, m->rule, v);
                enum verdict verdict = eval_rule(m->x, p->dependent, v, m->seen);
                if (verdict)
                        return verdict;
        }
        return VERDICT_FITS;
}

enum verdict eval_object(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        struct members m = {.x = x, .rule = r, .object = r->object, .seen = seen};
        enum verdict verdict = VERDICT_FITS;

        if (v->count < r->object->min)
                return eval_count_fault(x, KEYWORD_MIN_PROPERTIES, r, v, v->count);
        if (v->count > r->object->max)
                return eval_count_fault(x, KEYWORD_MAX_PROPERTIES, r, v, v->count);
        if (!seen_init(&m.present, r->object->property_count, x->arena))
                return VERDICT_MEMORY;
        for (const struct node *member = v->first; member && !verdict; member = member->next)
                verdict = eval_member(&m, member);
        verdict = verdict ? verdict : eval_required(&m, v);
        if (!verdict && r->object->has_dependencies)
                verdict = eval_dependencies(&m, v);
        return verdict;
}
