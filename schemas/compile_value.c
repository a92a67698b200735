/* Keywords whose value is all that they need: types, values, limits, patterns, formats. */
#include "schemas/compile.h"
#include "schemas/vocabulary.h"

static const struct {
        const char *name;
        unsigned bits;
} types[] = {{"null", TYPE_NULL}, {"boolean", TYPE_BOOLEAN}, {"number", TYPE_NUMBER | TYPE_INTEGER},
        {"integer", TYPE_INTEGER}, {"string", TYPE_STRING}, {"array", TYPE_ARRAY},
        {"object", TYPE_OBJECT}};

static int add_type(struct draft *d, const struct node *name, unsigned *bits)
{
        const char *candidates[sizeof(types) / sizeof(types[0])];
        size_t count = sizeof(types) / sizeof(types[0]);

        if (name->kind != NODE_STRING)
                return compile_bad(d, name, "a type is named by a string: \"number\"");
        for (size_t i = 0; i < count; i++) {
                candidates[i] = types[i].name;
                if (str_is(name->text, types[i].name)) {
                        *bits |= types[i].bits;
                        return 0;
                }
        }
        const char *nearest = str_nearest(name->text, candidates, count);
        return compile_bad(d, name,
                "no such type%s%s; there are null, boolean, number, integer, string, array, object",
                nearest ? ": did you mean " : "", nearest ? nearest : "");
}

int compile_type(struct draft *d, const struct node *value)
{
        unsigned bits = 0;
        int rc = 0;

        if (value->kind != NODE_ARRAY)
                rc = add_type(d, value, &bits);
        else if (value->count == 0)
                return compile_bad(d, value, "an empty list lets nothing pass");
        for (const struct node *n = value->kind == NODE_ARRAY ? value->first : NULL; n && !rc;
                n = n->next)
                rc = add_type(d, n, &bits);
        d->rule->types = bits;
        return rc;
}

/* @first: the first value of @count in a row, chained by ->next */
static int fill_choice(
        struct draft *d, struct choice *choice, const struct node *first, size_t count)
{
        struct arena *arena = d->c->schema->arena;
        struct str *strings = arena_array(arena, count, sizeof(*strings));
        uint32_t string_count = 0;
        const struct node *n = first;

        choice->others = arena_array(arena, count, sizeof(*choice->others));
        if (count && (!strings || !choice->others))
                return compile_no_room(d->c);
        for (size_t i = 0; i < count; i++, n = n->next) {
                choice->kinds |= 1u << n->kind;
                if (n->kind == NODE_STRING)
                        strings[string_count++] = n->text;
                else
                        choice->others[choice->other_count++] = n;
        }
        if (!names_init(&choice->strings, strings, string_count, arena))
                return compile_no_room(d->c);
        return 0;
}

int compile_enum(struct draft *d, const struct node *value)
{
        struct choice *choice = arena_alloc(d->c->schema->arena, sizeof(*choice));

        if (value->kind != NODE_ARRAY)
                return compile_bad(d, value, "must be a list of values");
        if (!choice)
                return compile_no_room(d->c);
        choice->source = value;
        d->rule->choice = choice;
        return fill_choice(d, choice, value->first, value->count);
}

int compile_const(struct draft *d, const struct node *value)
{
        struct choice *choice = arena_alloc(d->c->schema->arena, sizeof(*choice));

        if (!choice)
                return compile_no_room(d->c);
        choice->source = value;
        choice->is_const = true;
        d->rule->constant = choice;
        return fill_choice(d, choice, value, 1);
}

int compile_count(struct draft *d, const struct node *value, uint64_t *out)
{
        struct number n;

        if (value->kind != NODE_NUMBER || !number_parse(value->text, &n) ||
                !number_to_count(&n, out))
                return compile_bad(d, value, "must be a whole number, 0 or more");
        return 0;
}

int compile_max_length(struct draft *d, const struct node *value)
{
        struct string_rule *s = compile_string(d);

        return s ? compile_count(d, value, &s->max) : compile_no_room(d->c);
}

int compile_min_length(struct draft *d, const struct node *value)
{
        struct string_rule *s = compile_string(d);

        return s ? compile_count(d, value, &s->min) : compile_no_room(d->c);
}

int compile_pattern_text(
        struct draft *d, const struct node *at, struct str text, struct regex **out)
{
        if (d->c->schema->regex_count++ == SCHEMA_MAX_PATTERNS)
                return compile_bad(d, at, "more than %d regular expressions", SCHEMA_MAX_PATTERNS);
        struct regex_list *entry = arena_alloc(d->c->schema->arena, sizeof(*entry));

        if (!entry)
                return compile_no_room(d->c);
        int rc = regex_compile(text, out, d->c->e);
        if (rc)
                return set_wrap(d->rule->resource, at,
                        err_wrap(d->c->e, rc, "the regular expression"), d->c->e);
        *entry = (struct regex_list){.regex = *out, .next = d->c->schema->regexes};
        d->c->schema->regexes = entry;
        return 0;
}

int compile_pattern(struct draft *d, const struct node *value)
{
        struct string_rule *s = compile_string(d);

        if (!s)
                return compile_no_room(d->c);
        if (value->kind != NODE_STRING)
                return compile_bad(d, value, "must be a regular expression in a string");
        s->pattern_source = value;
        return compile_pattern_text(d, value, value->text, &s->pattern);
}

int compile_format(struct draft *d, const struct node *value)
{
        const struct format *format;

        if (value->kind != NODE_STRING)
                return compile_bad(d, value, "must be the name of a format");
        format = format_find(value->text);
        bool by_metaschema = d->vocabularies & VOCABULARY_FORMAT_ASSERTION;
        if (!format && by_metaschema) /* the draft asks for this */
                return compile_bad(d, value, "no such format, and the metaschema asserts formats");
        if (!format || !(d->c->options->assert_formats || by_metaschema))
                return 0;
        struct string_rule *s = compile_string(d);
        if (!s)
                return compile_no_room(d->c);
        s->format = format;
        return 0;
}

static int compile_bound(struct draft *d, const struct node *value, enum bound_kind kind)
{
        struct number_rule *n = compile_number(d);

        if (!n)
                return compile_no_room(d->c);
        struct bound *b = &n->bounds[kind];
        if (value->kind != NODE_NUMBER || !number_parse(value->text, &b->number))
                return compile_bad(d, value, "must be a number");
        b->set = true;
        b->source = value;
        b->is_small = number_to_int64(&b->number, &b->small);
        return 0;
}

int compile_minimum(struct draft *d, const struct node *value)
{
        return compile_bound(d, value, MINIMUM);
}

int compile_exclusive_minimum(struct draft *d, const struct node *value)
{
        return compile_bound(d, value, EXCLUSIVE_MINIMUM);
}

int compile_maximum(struct draft *d, const struct node *value)
{
        return compile_bound(d, value, MAXIMUM);
}

int compile_exclusive_maximum(struct draft *d, const struct node *value)
{
        return compile_bound(d, value, EXCLUSIVE_MAXIMUM);
}

int compile_multiple_of(struct draft *d, const struct node *value)
{
        struct number_rule *r = compile_number(d);
        struct number n;
        bool nomem;

        if (!r)
                return compile_no_room(d->c);
        if (value->kind != NODE_NUMBER || !number_parse(value->text, &n) || n.negative ||
                n.count == 0)
                return compile_bad(d, value, "must be a number above 0");
        r->has_divisor = true;
        r->divisor_source = value;
        if (divisor_init(&r->divisor, &n, d->c->schema->arena, &nomem))
                return 0;
        if (nomem)
                return compile_no_room(d->c);
        return compile_bad(d, value, "more than %d digits", DIVISOR_MAX_DIGITS);
}
