/*
 * Recursion over schemas and values, with a limit of depth and of steps. What a schema looked at is
 * only noted down where a schema around it asks (unevaluated*).
 */
#include "schemas/eval_internal.h"

/* ---- sets ---- */

bool seen_init(struct seen *s, size_t count, struct arena *arena)
{
        *s = (struct seen){.count = count};
        if (count > SEEN_SMALL)
                s->bits = arena_array(arena, (count + 63) / 64, sizeof(*s->bits));
        return count <= SEEN_SMALL || s->bits;
}

static uint64_t *word_of(struct seen *s, size_t i)
{
        return s->bits ? &s->bits[i / 64] : &s->small;
}

void seen_add(struct seen *s, size_t i)
{
        *word_of(s, i) |= UINT64_C(1) << (i % 64);
}

bool seen_has(const struct seen *s, size_t i)
{
        return *word_of((struct seen *)s, i) >> (i % 64) & 1;
}

void seen_add_all(struct seen *s)
{
        s->small = UINT64_MAX;
        for (size_t i = 0; s->bits && i < (s->count + 63) / 64; i++)
                s->bits[i] = UINT64_MAX;
}

void seen_merge(struct seen *s, const struct seen *from)
{
        s->small |= from->small;
        for (size_t i = 0; s->bits && i < (s->count + 63) / 64; i++)
                s->bits[i] |= from->bits[i];
}

/* ---- faults ---- */

enum verdict eval_fault(
        struct eval *x, enum keyword keyword, const struct rule *rule, const struct node *at)
{
        x->finding->what = (struct mismatch){.keyword = keyword, .rule = rule, .at = at};
        x->finding->has_closest = false;
        return VERDICT_FAULT;
}

enum verdict eval_count_fault(struct eval *x, enum keyword keyword, const struct rule *rule,
        const struct node *at, uint64_t count)
{
        eval_fault(x, keyword, rule, at);
        x->finding->what.count = count;
        return VERDICT_FAULT;
}

enum verdict eval_pattern_limit(struct eval *x, const struct rule *rule, const struct node *at)
{
        x->limit_reached = true;
        return eval_fault(x, KEYWORD_PATTERN_LIMIT, rule, at);
}

/* ---- one rule ---- */

static bool has_type(const struct rule *r, const struct node *v)
{
        static const unsigned bits[] = {[NODE_NULL] = TYPE_NULL,
                [NODE_FALSE] = TYPE_BOOLEAN,
                [NODE_TRUE] = TYPE_BOOLEAN,
                [NODE_NUMBER] = TYPE_NUMBER,
                [NODE_STRING] = TYPE_STRING,
                [NODE_ARRAY] = TYPE_ARRAY,
                [NODE_OBJECT] = TYPE_OBJECT};
        struct number n;

        if (r->types & bits[v->kind])
                return true;
        return v->kind == NODE_NUMBER && (r->types & TYPE_INTEGER) && number_parse(v->text, &n) &&
               number_is_integer(&n);
}

static bool has_choice(struct eval *x, const struct choice *c, const struct node *v)
{
        if (!(c->kinds >> v->kind & 1))
                return false;
        if (v->kind == NODE_STRING)
                return names_find(&c->strings, v->text) != NAMES_NONE;
        for (size_t i = 0; i < c->other_count; i++) {
                x->steps -= x->steps > 1;
                if (node_equal(c->others[i], v))
                        return true;
        }
        return false;
}

/* What the rule says of the value itself and its children. */
static enum verdict eval_value(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        if (!has_type(r, v))
                return eval_fault(x, KEYWORD_TYPE, r, v);
        if (r->choice && !has_choice(x, r->choice, v))
                return eval_fault(x, KEYWORD_ENUM, r, v);
        if (r->constant && !has_choice(x, r->constant, v))
                return eval_fault(x, KEYWORD_CONST, r, v);
        switch (v->kind) {
        case NODE_STRING:
                return r->string ? eval_string(x, r, v) : VERDICT_FITS;
        case NODE_NUMBER:
                return r->number ? eval_number(x, r, v) : VERDICT_FITS;
        case NODE_ARRAY:
                return r->array ? eval_array(x, r, v, seen) : VERDICT_FITS;
        case NODE_OBJECT:
                return r->object ? eval_object(x, r, v, seen) : VERDICT_FITS;
        default:
                return VERDICT_FITS;
        }
}

static enum verdict eval_unevaluated(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        bool object = v->kind == NODE_OBJECT;
        const struct rule *rest = object ? r->unevaluated_properties : r->unevaluated_items;
        enum keyword keyword = object ? KEYWORD_UNEVALUATED_PROPERTIES : KEYWORD_UNEVALUATED_ITEMS;

        if (!rest)
                return VERDICT_FITS;
        for (const struct node *child = v->first; child; child = child->next) {
                if (seen_has(seen, child->index))
                        continue;
                enum verdict verdict = eval_child(x, rest, child, keyword, r);
                if (verdict)
                        return verdict;
        }
        seen_add_all(seen);
        return VERDICT_FITS;
}

/* A rule with unevaluated* takes its own notes, and hands them on when it fits. */
static enum verdict eval_noting(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        struct seen own;

        if (!seen_init(&own, v->count, x->arena))
                return VERDICT_MEMORY;
        enum verdict verdict = eval_value(x, r, v, &own);
        if (!verdict && r->in_place)
                verdict = eval_in_place(x, r, v, &own);
        if (!verdict)
                verdict = eval_unevaluated(x, r, v, &own);
        if (!verdict && seen)
                seen_merge(seen, &own);
        return verdict;
}

static enum verdict eval_scoped(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        bool takes_notes = (v->kind == NODE_OBJECT && r->unevaluated_properties) ||
                           (v->kind == NODE_ARRAY && r->unevaluated_items);

        if (takes_notes)
                return eval_noting(x, r, v, seen);
        enum verdict verdict = eval_value(x, r, v, seen);
        if (!verdict && r->in_place)
                verdict = eval_in_place(x, r, v, seen);
        return verdict;
}

enum verdict eval_rule(
        struct eval *x, const struct rule *r, const struct node *v, struct seen *seen)
{
        const struct scope *outer = x->scope;
        struct scope own = {.resource = r->resource, .outer = outer};

        if (r->never)
                return eval_fault(x, KEYWORD_FALSE, r, v);
        if (x->steps <= 1)
                return VERDICT_STEPS;
        if (x->depth == SCHEMA_MAX_DEPTH)
                return VERDICT_DEPTH;
        x->steps--;
        x->depth++;
        if (!outer || outer->resource != r->resource)
                x->scope = &own;
        enum verdict verdict = eval_scoped(x, r, v, seen);
        x->scope = outer;
        x->depth--;
        return verdict;
}

enum verdict eval_child(struct eval *x, const struct rule *r, const struct node *v,
        enum keyword keyword, const struct rule *parent)
{
        return r->never ? eval_fault(x, keyword, parent, v) : eval_rule(x, r, v, NULL);
}

enum verdict eval_document(const struct schema *s, const struct node *doc, uint64_t max_steps,
        struct arena *arena, struct regex_room *room, struct finding *out)
{
        struct eval x = {.steps = max_steps, .arena = arena, .room = room, .finding = out};

        return eval_rule(&x, s->root, doc, NULL);
}
