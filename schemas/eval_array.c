/* Arrays: their items one by one, and whether two are equal by sorted hashes. */
#include "schemas/eval_internal.h"

#include <stdlib.h>

struct hashed {
        uint64_t hash;
        const struct node *node;
};

static int compare_hashes(const void *a, const void *b)
{
        const struct hashed *x = a, *y = b;

        if (x->hash != y->hash)
                return x->hash < y->hash ? -1 : 1;
        return (x->node->index > y->node->index) - (x->node->index < y->node->index);
}

static enum verdict eval_unique(struct eval *x, const struct rule *r, const struct node *v)
{
        struct hashed *all = arena_array(x->arena, v->count, sizeof(*all));
        size_t n = 0;

        if (!all)
                return VERDICT_MEMORY;
        for (const struct node *item = v->first; item; item = item->next)
                all[n++] = (struct hashed){node_hash(item), item};
        qsort(all, n, sizeof(*all), compare_hashes);
        for (size_t i = 1; i < n; i++)
                for (size_t k = i; k-- > 0 && all[k].hash == all[i].hash;)
                        if (node_equal(all[k].node, all[i].node))
                                return eval_count_fault(x, KEYWORD_UNIQUE_ITEMS, r, all[i].node,
                                        all[k].node->index);
        return VERDICT_FITS;
}

/* @seen: the items that fit have been looked at by this. */
static enum verdict eval_contains(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        const struct array_rule *a = r->array;
        uint64_t fitting = 0;

        for (const struct node *item = v->first; item; item = item->next) {
                enum verdict verdict = eval_rule(x, a->contains, item, NULL);
                if (verdict > VERDICT_FAULT || x->limit_reached)
                        return verdict;
                fitting += verdict == VERDICT_FITS;
                if (verdict == VERDICT_FITS && seen)
                        seen_add(seen, item->index);
        }
        if (fitting < a->min_contains)
                return eval_count_fault(x,
                        a->min_contains == 1 ? KEYWORD_CONTAINS : KEYWORD_MIN_CONTAINS, r, v,
                        fitting);
        if (fitting > a->max_contains)
                return eval_count_fault(x, KEYWORD_MAX_CONTAINS, r, v, fitting);
        return VERDICT_FITS;
}

static enum verdict eval_items(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        const struct array_rule *a = r->array;

        for (const struct node *item = v->first; item; item = item->next) {
                bool in_prefix = item->index < a->prefix.count;
                const struct rule *rule = in_prefix ? a->prefix.list[item->index] : a->items;
                if (!rule)
                        break;
                enum verdict verdict = eval_child(
                        x, rule, item, in_prefix ? KEYWORD_PREFIX_ITEMS : KEYWORD_ITEMS, r);
                if (verdict)
                        return verdict;
                if (seen)
                        seen_add(seen, item->index);
        }
        return VERDICT_FITS;
}

enum verdict eval_array(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        const struct array_rule *a = r->array;
        enum verdict verdict;

        if (v->count < a->min)
                return eval_count_fault(x, KEYWORD_MIN_ITEMS, r, v, v->count);
        if (v->count > a->max)
                return eval_count_fault(x, KEYWORD_MAX_ITEMS, r, v, v->count);
        verdict = eval_items(x, r, v, seen);
        if (!verdict && a->contains)
                verdict = eval_contains(x, r, v, seen);
        if (!verdict && a->unique && v->count > 1)
                verdict = eval_unique(x, r, v);
        return verdict;
}
