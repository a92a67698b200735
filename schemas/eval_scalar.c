/* Strings and numbers. */
#include "schemas/eval_internal.h"

#include "ingest/base/text.h"

enum verdict eval_string(struct eval *x, const struct rule *r, const struct node *v)
{
        const struct string_rule *s = r->string;

        if (s->min > 0 || s->max != NO_LIMIT) {
                uint64_t length = text_width(v->text);
                if (length < s->min)
                        return eval_count_fault(x, KEYWORD_MIN_LENGTH, r, v, length);
                if (length > s->max)
                        return eval_count_fault(x, KEYWORD_MAX_LENGTH, r, v, length);
        }
        if (s->pattern) {
                enum regex_verdict match = regex_match(s->pattern, x->room, v->text);
                if (match == REGEX_NO)
                        return eval_fault(x, KEYWORD_PATTERN, r, v);
                if (match == REGEX_LIMIT)
                        return eval_pattern_limit(x, r, v);
        }
        if (s->format && !s->format->fits(v->text))
                return eval_fault(x, KEYWORD_FORMAT, r, v);
        return VERDICT_FITS;
}

enum verdict eval_number(struct eval *x, const struct rule *r, const struct node *v)
{
        static const struct {
                int refused, also; /* results of the comparison that do not fit */
        } wrong[] = {[MINIMUM] = {-1, -1},
                [EXCLUSIVE_MINIMUM] = {-1, 0},
                [MAXIMUM] = {1, 1},
                [EXCLUSIVE_MAXIMUM] = {1, 0}};
        const struct number_rule *rule = r->number;
        struct number n;

        if (!number_parse(v->text, &n)) /* proved by the parser */
                return VERDICT_MEMORY;
        for (size_t i = 0; i < BOUND_KINDS; i++) {
                if (!rule->bounds[i].set)
                        continue;
                int order = number_compare(&n, &rule->bounds[i].number);
                order = (order > 0) - (order < 0);
                if (order == wrong[i].refused || order == wrong[i].also)
                        return eval_fault(x, KEYWORD_MINIMUM + i, r, v);
        }
        if (rule->has_divisor && !number_is_multiple(&n, &rule->divisor))
                return eval_fault(x, KEYWORD_MULTIPLE_OF, r, v);
        return VERDICT_FITS;
}
