/* Schemas for the same value. Branches that may fail take notes of their own, which count only if
 * they fit. */
#include "schemas/eval_internal.h"

static const struct rule *outermost(const struct eval *x, const struct in_place *p)
{
        const struct rule *found = p->dynamic_ref;

        if (!p->dynamic_anchor.ptr)
                return found;
        for (const struct scope *s = x->scope; s; s = s->outer)
                for (const struct dynamic_anchor *a = s->resource->dynamic_anchors; a; a = a->next)
                        if (str_eq(a->name, p->dynamic_anchor))
                                found = a->rule;
        return found;
}

/* A schema that must fit, by @keyword of @parent. */
static enum verdict eval_must(struct eval *x, const struct rule *r, const struct node *v,
        struct seen *seen, enum keyword keyword, const struct rule *parent)
{
        return r->never ? eval_fault(x, keyword, parent, v) : eval_rule(x, r, v, seen);
}

/* A schema that may fail. */
static enum verdict eval_branch(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        struct seen own;

        if (seen && !seen_init(&own, v->count, x->arena))
                return VERDICT_MEMORY;
        enum verdict verdict = eval_rule(x, r, v, seen ? &own : NULL);
        if (!verdict && seen)
                seen_merge(seen, &own);
        return verdict;
}

/* Whether the branch that failed with @m came further into the value than any before. */
static bool is_closer(const struct mismatch *m, const struct mismatch *than)
{
        size_t depth = node_depth(m->at), other = node_depth(than->at);

        return depth != other ? depth > other
                              : than->keyword == KEYWORD_TYPE && m->keyword != KEYWORD_TYPE;
}

static void note_closest(struct eval *x, struct mismatch *closest, bool *any)
{
        if (!*any || is_closer(&x->finding->what, closest))
                *closest = x->finding->what;
        *any = true;
}

static enum verdict no_branch_fits(struct eval *x, enum keyword keyword, const struct rule *r,
        const struct node *v, const struct mismatch *closest, size_t count)
{
        eval_count_fault(x, keyword, r, v, count);
        x->finding->closest = *closest;
        x->finding->has_closest = true;
        return VERDICT_FAULT;
}

static enum verdict eval_any(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        const struct rule_list *any = &r->in_place->any;
        struct mismatch closest;
        bool fits = false, failed = false;

        for (size_t i = 0; i < any->count; i++) {
                enum verdict verdict = eval_branch(x, any->list[i], v, seen);
                if (verdict > VERDICT_FAULT || x->limit_reached)
                        return verdict;
                if (verdict == VERDICT_FAULT)
                        note_closest(x, &closest, &failed);
                fits |= verdict == VERDICT_FITS;
                if (fits && !seen)
                        return VERDICT_FITS;
        }
        return fits ? VERDICT_FITS : no_branch_fits(x, KEYWORD_ANY_OF, r, v, &closest, any->count);
}

static enum verdict eval_one(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        const struct rule_list *one = &r->in_place->one;
        struct mismatch closest;
        bool failed = false;
        size_t fitting = 0;

        for (size_t i = 0; i < one->count; i++) {
                enum verdict verdict = eval_branch(x, one->list[i], v, seen);
                if (verdict > VERDICT_FAULT || x->limit_reached)
                        return verdict;
                if (verdict == VERDICT_FAULT)
                        note_closest(x, &closest, &failed);
                fitting += verdict == VERDICT_FITS;
                if (fitting > 1)
                        return eval_count_fault(x, KEYWORD_ONE_OF_SEVERAL, r, v, fitting);
        }
        return fitting ? VERDICT_FITS
                       : no_branch_fits(x, KEYWORD_ONE_OF, r, v, &closest, one->count);
}

static enum verdict eval_if(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        const struct in_place *p = r->in_place;
        enum verdict verdict = eval_branch(x, p->if_, v, seen);

        if (verdict > VERDICT_FAULT || x->limit_reached)
                return verdict;
        if (verdict == VERDICT_FITS)
                return p->then ? eval_must(x, p->then, v, seen, KEYWORD_THEN, r) : VERDICT_FITS;
        return p->else_ ? eval_must(x, p->else_, v, seen, KEYWORD_ELSE, r) : VERDICT_FITS;
}

static enum verdict eval_not(struct eval *x, const struct rule *r, const struct node *v)
{
        enum verdict verdict = eval_rule(x, r->in_place->not_, v, NULL);

        if (verdict > VERDICT_FAULT || x->limit_reached)
                return verdict;
        return verdict == VERDICT_FAULT ? VERDICT_FITS : eval_fault(x, KEYWORD_NOT, r, v);
}

enum verdict eval_in_place(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        const struct in_place *p = r->in_place;
        enum verdict verdict = VERDICT_FITS;

        if (v->kind < NODE_ARRAY)
                seen = NULL;
        if (p->ref)
                verdict = eval_must(x, p->ref, v, seen, KEYWORD_REF, r);
        if (!verdict && p->dynamic_ref)
                verdict = eval_must(x, outermost(x, p), v, seen, KEYWORD_DYNAMIC_REF, r);
        for (size_t i = 0; i < p->all.count && !verdict; i++)
                verdict = eval_must(x, p->all.list[i], v, seen, KEYWORD_ALL_OF, r);
        if (!verdict && p->any.count)
                verdict = eval_any(x, r, v, seen);
        if (!verdict && p->one.count)
                verdict = eval_one(x, r, v, seen);
        if (!verdict && p->not_)
                verdict = eval_not(x, r, v);
        if (!verdict && p->if_)
                verdict = eval_if(x, r, v, seen);
        return verdict;
}
