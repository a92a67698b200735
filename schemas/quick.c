/*
 * A recursive descent over the text, with the rule of each value beside it. A value that several
 * rules apply to is gone over once for each. The answer is "yes" or "ask the tree": whatever is
 * rare (a key with escapes, a number that needs exact arithmetic on hundreds of digits is not, but
 * an exponent beyond all reason is) gives up at once. Only where a branch may fail without harm
 * (anyOf, not, if) the difference between "no" and "cannot tell" counts.
 *
 * Canonical documents have their members in the order of the mapper, so the property after the last
 * one is compared first, with its quotes and colon, before anything is looked up.
 */
#include "schemas/quick.h"

#include "ingest/record/json_scan.h"
#include "schemas/quick_internal.h"

#define QUICK_PATTERNS 64 /* of patternProperties; a bit each */
#define QUICK_WORDS    4  /* of 64 properties each; an object with more is left to the tree */

static const char *quick_in_place(
        struct quick *q, const struct rule *r, const char *p, const char *stop);

/* ---- objects ---- */

struct object {
        const struct object_rule *rule;
        const char *start; /* its brace */
        uint64_t present[QUICK_WORDS];
        uint32_t guess, required;
        size_t members;
};

static void mark_present(struct quick *q, struct object *o, uint32_t at)
{
        uint64_t bit = UINT64_C(1) << (at % 64);

        if (o->present[at / 64] & bit) /* twice */
                q->unsure = true;
        o->present[at / 64] |= bit;
        o->required += o->rule->properties[at].required;
        o->guess = at + 1;
}

/* Which patterns @name matches: a bit for each. Before any value, because @name may lie in the
 * scratch buffer. */
static bool match_patterns(
        struct quick *q, const struct object_rule *rule, struct str name, uint64_t *matched)
{
        *matched = 0;
        q->unsure |= rule->pattern_count > QUICK_PATTERNS;
        for (size_t i = 0; i < rule->pattern_count && !q->unsure; i++) {
                enum regex_verdict match = regex_match(rule->patterns[i].regex, q->room, name);
                q->unsure |= match == REGEX_LIMIT;
                *matched |= (uint64_t)(match == REGEX_YES) << i;
        }
        return !q->unsure;
}

/* The value at @p by all that knows it, and by `additional` if nothing does. */
static const char *quick_member_value(struct quick *q, const struct object_rule *rule,
        const struct rule *listed, uint64_t matched, const char *p)
{
        const char *stop = NULL;

        if (!listed && !matched)
                return quick_value(q, rule->additional ? rule->additional : &rule_any, p);
        if (listed)
                stop = quick_value(q, listed, p);
        if (listed && !stop)
                return NULL;
        for (; matched; matched &= matched - 1) {
                stop = quick_value(q, rule->patterns[__builtin_ctzll(matched)].rule, p);
                if (!stop)
                        return NULL;
        }
        return stop;
}

/* A member whose name is not the guessed one. @p at its quote. */
static const char *quick_other_member(struct quick *q, struct object *o, const char *p)
{
        const struct rule *listed = NULL;
        struct str name;
        uint64_t matched;

        if (p == q->end || *p != '"')
                return quick_unsure(q);
        p = quick_text(q, p, &name);
        if (!p)
                return NULL;
        uint32_t at = o->rule->property_count ? names_find(&o->rule->names, name) : NAMES_NONE;
        if (at != NAMES_NONE) {
                mark_present(q, o, at);
                listed = o->rule->properties[at].rule;
        }
        if (!match_patterns(q, o->rule, name, &matched))
                return NULL;
        p = quick_space(q, p);
        if (p == q->end || *p != ':')
                return quick_unsure(q);
        return quick_member_value(q, o->rule, listed, matched, quick_space(q, p + 1));
}

static inline const char *quick_member(struct quick *q, struct object *o, const char *p)
{
        const struct object_rule *rule = o->rule;

        if (o->guess < rule->property_count && !rule->pattern_count) {
                const struct property *next = &rule->properties[o->guess];
                size_t n = next->written.len;
                if (next->rule && (size_t)(q->end - p) > n &&
                        memcmp(p, next->written.ptr, n) == 0) {
                        mark_present(q, o, o->guess);
                        return quick_value(q, next->rule, quick_space(q, p + n));
                }
        }
        return quick_other_member(q, o, p);
}

static bool is_present(const struct object *o, uint32_t at)
{
        return o->present[at / 64] >> (at % 64) & 1;
}

/* dependentRequired and dependentSchemas; the latter go over the object again. */
static bool quick_dependencies(struct quick *q, const struct object *o)
{
        for (uint32_t i = 0; i < o->rule->property_count; i++) {
                const struct property *p = &o->rule->properties[i];
                if (!is_present(o, i))
                        continue;
                for (uint32_t k = 0; k < p->need_count; k++)
                        if (!is_present(o, p->needs[k]))
                                return false;
                if (p->dependent && !quick_value(q, p->dependent, o->start))
                        return false;
        }
        return true;
}

/* @p at the closing brace. */
static const char *quick_end_object(struct quick *q, const struct object *o, const char *p)
{
        const struct object_rule *rule = o->rule;

        if (o->required < rule->required_count || o->members < rule->min ||
                o->members > rule->max || q->unsure)
                return NULL;
        if (rule->has_dependencies && !quick_dependencies(q, o))
                return NULL;
        return p + 1;
}

static const char *quick_object(struct quick *q, const struct rule *r, const char *p)
{
        static const struct object_rule no_rule = {.max = NO_LIMIT};
        struct object o = {.rule = r->object ? r->object : &no_rule, .start = p};

        if (!(r->types & TYPE_OBJECT) || r->choice || r->constant)
                return quick_fails_or_unsure(q, r, TYPE_OBJECT);
        if (o.rule->property_count > QUICK_WORDS * 64)
                return quick_unsure(q);
        p = quick_space(q, p + 1);
        if (p < q->end && *p == '}')
                return quick_end_object(q, &o, p);
        while (p < q->end) {
                p = quick_member(q, &o, p);
                if (!p)
                        return NULL;
                o.members++;
                p = quick_space(q, p);
                if (p == q->end)
                        break;
                if (*p == '}')
                        return quick_end_object(q, &o, p);
                if (*p != ',')
                        break;
                p = quick_space(q, p + 1);
        }
        return quick_unsure(q);
}

/* ---- arrays ---- */

static const char *quick_array(struct quick *q, const struct rule *r, const char *p)
{
        static const struct array_rule no_rule = {.max = NO_LIMIT};
        const struct array_rule *a = r->array ? r->array : &no_rule;
        size_t count = 0;

        if (!(r->types & TYPE_ARRAY) || r->choice || r->constant)
                return quick_fails_or_unsure(q, r, TYPE_ARRAY);
        p = quick_space(q, p + 1);
        if (p < q->end && *p == ']')
                return a->min == 0 ? p + 1 : NULL;
        while (p < q->end) {
                const struct rule *item =
                        count < a->prefix.count ? a->prefix.list[count] : a->items;
                p = quick_value(q, item ? item : &rule_any, p);
                if (!p)
                        return NULL;
                count++;
                p = quick_space(q, p);
                if (p == q->end)
                        break;
                if (*p == ']')
                        return count >= a->min && count <= a->max ? p + 1 : NULL;
                if (*p != ',')
                        break;
                p = quick_space(q, p + 1);
        }
        return quick_unsure(q);
}

/* ---- any value ---- */

static const char *quick_by_kind(struct quick *q, const struct rule *r, const char *p)
{
        switch (*p) {
        case '"':
                return quick_string(q, r, p);
        case '{':
                return quick_object(q, r, p);
        case '[':
                return quick_array(q, r, p);
        case 't':
                return quick_word(q, r, p, STR("true"), NODE_TRUE);
        case 'f':
                return quick_word(q, r, p, STR("false"), NODE_FALSE);
        case 'n':
                return quick_word(q, r, p, STR("null"), NODE_NULL);
        default:
                return quick_number(q, r, p);
        }
}

const char *quick_value(struct quick *q, const struct rule *r, const char *p)
{
        if (__builtin_expect(p == q->end || q->steps <= 1 || q->depth == SCHEMA_MAX_DEPTH, 0))
                return quick_unsure(q);
        while (r->through) /* loops_check() has proved that it ends */
                r = r->through;
        if (r->never)
                return NULL;
        q->steps--;
        q->depth++;
        const char *stop = quick_by_kind(q, r, p);
        if (stop && r->in_place)
                stop = quick_in_place(q, r, p, stop);
        q->depth--;
        return stop;
}

static bool quick_one_of(struct quick *q, const struct rule_list *list, const char *p)
{
        size_t fitting = 0;

        for (size_t i = 0; i < list->count && fitting < 2; i++) {
                fitting += quick_value(q, list->list[i], p) != NULL;
                if (q->unsure)
                        return false;
        }
        return fitting == 1;
}

static bool quick_any_of(struct quick *q, const struct rule_list *list, const char *p)
{
        for (size_t i = 0; i < list->count && !q->unsure; i++)
                if (quick_value(q, list->list[i], p))
                        return true;
        return false;
}

static bool quick_if(struct quick *q, const struct in_place *in, const char *p)
{
        bool fits = quick_value(q, in->if_, p);
        const struct rule *next = fits ? in->then : in->else_;

        return !q->unsure && (!next || quick_value(q, next, p));
}

/* @stop: where the value ends. Return: that, where all schemas for the same value are content. */
static const char *quick_in_place(
        struct quick *q, const struct rule *r, const char *p, const char *stop)
{
        const struct in_place *in = r->in_place;

        if (in->ref && !quick_value(q, in->ref, p))
                return NULL;
        if (in->dynamic_ref && !quick_value(q, in->dynamic_ref, p))
                return NULL;
        for (size_t i = 0; i < in->all.count; i++)
                if (!quick_value(q, in->all.list[i], p))
                        return NULL;
        if (in->any.count && !quick_any_of(q, &in->any, p))
                return NULL;
        if (in->one.count && !quick_one_of(q, &in->one, p))
                return NULL;
        if (in->not_ && (quick_value(q, in->not_, p) || q->unsure))
                return NULL;
        if (in->if_ && !quick_if(q, in, p))
                return NULL;
        return stop;
}

bool quick_fits(const struct schema *s, struct str text, uint64_t max_steps, struct buf *scratch,
        struct regex_room *room)
{
        struct quick q = {
                .end = text.ptr + text.len, .steps = max_steps, .scratch = scratch, .room = room};
        const char *p = quick_value(&q, s->root, quick_space(&q, text.ptr));

        return p && !q.unsure && quick_space(&q, p) == q.end;
}
