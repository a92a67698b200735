/*
 * "/price is "12,50": must be of type number or null (type at product.schema.json#
 * /properties/price/type)". One writer for each keyword; the keyword's own value is read from the
 * schema's text.
 */
#include "schemas/fault.h"

#include "ingest/base/text.h"

#define FAULT_TEXT_MAX (64 << 10) /* of all strings of one fault */
#define LISTED_VALUES  8          /* of an enum in a message */

typedef void (*writer_fn)(const struct mismatch *m, const struct node *value, struct buf *out);

static void put_short(struct str s, struct buf *out)
{
        text_put_line(out, s, FAULT_VALUE_CHARS);
}

static void put_name(struct str name, struct buf *out)
{
        buf_putc(out, '"');
        put_short(name, out);
        buf_putc(out, '"');
}

static void say_false(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "nothing is allowed here");
}

static void put_list(const struct node *list, bool quoted, struct buf *out)
{
        bool is_list = list->kind == NODE_ARRAY;

        for (const struct node *n = is_list ? list->first : list; n; n = is_list ? n->next : NULL) {
                if (n != list && n->index == LISTED_VALUES && n->next) {
                        buf_printf(out, " or %u others", list->count - n->index);
                        return;
                }
                if (n != list && n->index > 0)
                        buf_puts(out, n->next ? ", " : " or ");
                put_short(quoted ? n->raw : n->text, out);
        }
}

static void say_type(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "must be of type ");
        put_list(value, false, out);
}

static void say_enum(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, value->count ? "must be " : "no value is allowed");
        if (value->count)
                put_list(value, true, out);
}

static void say_const(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "must be ");
        put_short(value->raw, out);
}

static void say_count(const struct mismatch *m, const struct node *value, struct buf *out)
{
        static const struct {
                enum keyword keyword;
                const char *before, *after;
        } forms[] = {{KEYWORD_MIN_LENGTH, "must have at least ", " characters"},
                {KEYWORD_MAX_LENGTH, "must have at most ", " characters"},
                {KEYWORD_MIN_ITEMS, "must have at least ", " items"},
                {KEYWORD_MAX_ITEMS, "must have at most ", " items"},
                {KEYWORD_MIN_CONTAINS, "must have at least ", " items that fit `contains`"},
                {KEYWORD_MAX_CONTAINS, "must have at most ", " items that fit `contains`"},
                {KEYWORD_MIN_PROPERTIES, "must have at least ", " members"},
                {KEYWORD_MAX_PROPERTIES, "must have at most ", " members"}};

        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
                if (forms[i].keyword == m->keyword) {
                        buf_puts(out, forms[i].before);
                        put_short(value->raw, out);
                        buf_printf(out, "%s, and has %llu", forms[i].after,
                                (unsigned long long)m->count);
                }
}

static void say_pattern(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "must match ");
        put_short(value->text, out);
}

static void say_pattern_limit(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_printf(out,
                "the regular expression cannot be matched in %d steps; make it simpler (no "
                "repetition "
                "inside a repetition)",
                REGEX_MATCH_LIMIT);
}

static void say_format(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "must be in the format ");
        put_short(value->text, out);
}

static void say_bound(const struct mismatch *m, const struct node *value, struct buf *out)
{
        static const char *const forms[] = {
                "must be at least ", "must be above ", "must be at most ", "must be below "};

        buf_puts(out, forms[m->keyword - KEYWORD_MINIMUM]);
        put_short(value->raw, out);
}

static void say_multiple(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "must be a multiple of ");
        put_short(value->raw, out);
}

static void say_unique(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_printf(out, "must not be equal to item %llu", (unsigned long long)m->count);
}

static void say_contains(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "must have an item that fits `contains`, and has none");
}

static void say_required(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "must have ");
        put_name(m->name, out);
}

static void say_dependent_required(
        const struct mismatch *m, const struct node *value, struct buf *out)
{
        say_required(m, value, out);
        buf_puts(out, ", because it has ");
        put_name(m->other, out);
}

static void say_unknown_member(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "the schema knows no such member");
}

static void say_too_many_items(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "the schema knows no such item");
}

static void say_not(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "must not fit the schema in `not`");
}

static void say_any(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_printf(
                out, "must fit one of %llu schemas, and fits none", (unsigned long long)m->count);
}

static void say_several(const struct mismatch *m, const struct node *value, struct buf *out)
{
        buf_puts(out, "must fit exactly one of the schemas, and fits several");
}

static const struct {
        const char *name;
        writer_fn say;
} keywords[KEYWORDS] = {
        [KEYWORD_FALSE] = {"false", say_false},
        [KEYWORD_TYPE] = {"type", say_type},
        [KEYWORD_ENUM] = {"enum", say_enum},
        [KEYWORD_CONST] = {"const", say_const},
        [KEYWORD_MIN_LENGTH] = {"minLength", say_count},
        [KEYWORD_MAX_LENGTH] = {"maxLength", say_count},
        [KEYWORD_PATTERN] = {"pattern", say_pattern},
        [KEYWORD_PATTERN_LIMIT] = {"pattern", say_pattern_limit},
        [KEYWORD_FORMAT] = {"format", say_format},
        [KEYWORD_MINIMUM] = {"minimum", say_bound},
        [KEYWORD_EXCLUSIVE_MINIMUM] = {"exclusiveMinimum", say_bound},
        [KEYWORD_MAXIMUM] = {"maximum", say_bound},
        [KEYWORD_EXCLUSIVE_MAXIMUM] = {"exclusiveMaximum", say_bound},
        [KEYWORD_MULTIPLE_OF] = {"multipleOf", say_multiple},
        [KEYWORD_MIN_ITEMS] = {"minItems", say_count},
        [KEYWORD_MAX_ITEMS] = {"maxItems", say_count},
        [KEYWORD_UNIQUE_ITEMS] = {"uniqueItems", say_unique},
        [KEYWORD_PREFIX_ITEMS] = {"prefixItems", say_false},
        [KEYWORD_ITEMS] = {"items", say_too_many_items},
        [KEYWORD_CONTAINS] = {"contains", say_contains},
        [KEYWORD_MIN_CONTAINS] = {"minContains", say_count},
        [KEYWORD_MAX_CONTAINS] = {"maxContains", say_count},
        [KEYWORD_MIN_PROPERTIES] = {"minProperties", say_count},
        [KEYWORD_MAX_PROPERTIES] = {"maxProperties", say_count},
        [KEYWORD_REQUIRED] = {"required", say_required},
        [KEYWORD_DEPENDENT_REQUIRED] = {"dependentRequired", say_dependent_required},
        [KEYWORD_DEPENDENT_SCHEMAS] = {"dependentSchemas", say_false},
        [KEYWORD_PROPERTIES] = {"properties", say_false},
        [KEYWORD_PATTERN_PROPERTIES] = {"patternProperties", say_false},
        [KEYWORD_ADDITIONAL_PROPERTIES] = {"additionalProperties", say_unknown_member},
        [KEYWORD_PROPERTY_NAMES] = {"propertyNames", say_false},
        [KEYWORD_UNEVALUATED_ITEMS] = {"unevaluatedItems", say_too_many_items},
        [KEYWORD_UNEVALUATED_PROPERTIES] = {"unevaluatedProperties", say_unknown_member},
        [KEYWORD_NOT] = {"not", say_not},
        [KEYWORD_ALL_OF] = {"allOf", say_false},
        [KEYWORD_ANY_OF] = {"anyOf", say_any},
        [KEYWORD_ONE_OF] = {"oneOf", say_any},
        [KEYWORD_ONE_OF_SEVERAL] = {"oneOf", say_several},
        [KEYWORD_THEN] = {"then", say_false},
        [KEYWORD_ELSE] = {"else", say_false},
        [KEYWORD_REF] = {"$ref", say_false},
        [KEYWORD_DYNAMIC_REF] = {"$dynamicRef", say_false},
};

/* The member of an object itself is a value; its name is one too, for propertyNames. */
static bool is_name(const struct node *n)
{
        return n->key.ptr && n->raw.ptr == n->key.ptr;
}

static void put_place(const struct node *at, struct buf *out)
{
        cleanup_buf_ struct buf pointer = BUF_INIT(out->max);

        node_put_pointer(at, &pointer);
        text_put_line(out, buf_str(&pointer), FAULT_VALUE_CHARS * 4);
}

static bool has_value(const struct node *at)
{
        return at->kind < NODE_ARRAY;
}

static void put_subject(const struct node *at, struct buf *out)
{
        if (!at->parent) {
                buf_puts(out, "the document");
        } else {
                if (is_name(at))
                        buf_puts(out, "the name of ");
                put_place(at, out);
        }
        if (!has_value(at))
                return;
        buf_puts(out, " is ");
        if (is_name(at))
                put_name(at->text, out);
        else
                put_short(at->raw, out);
}

/* "lines[2].qty" */
static void put_field(const struct node *at, struct buf *out)
{
        if (!at->parent)
                return;
        put_field(at->parent, out);
        if (!at->key.ptr) {
                buf_printf(out, "[%u]", at->index);
                return;
        }
        if (at->parent->parent)
                buf_putc(out, '.');
        text_put_line(out, at->key, FAULT_VALUE_CHARS);
}

/* Of a member that is missing: where it would be. */
static void put_fault_field(const struct mismatch *m, struct buf *out)
{
        bool missing = m->keyword == KEYWORD_REQUIRED || m->keyword == KEYWORD_DEPENDENT_REQUIRED;

        put_field(m->at, out);
        if (!missing)
                return;
        if (m->at->parent)
                buf_putc(out, '.');
        text_put_line(out, m->name, FAULT_VALUE_CHARS);
}

static void put_wish(const struct mismatch *m, struct buf *out)
{
        const struct node *schema = m->rule->source;
        const struct node *value = node_member(schema, str_of(keywords[m->keyword].name));

        keywords[m->keyword].say(m, value ? value : schema, out);
}

static void put_sentence(const struct mismatch *m, struct buf *out)
{
        put_subject(m->at, out);
        buf_puts(out, ": ");
        put_wish(m, out);
}

static void put_origin(const struct mismatch *m, struct buf *out)
{
        const struct node *schema = m->rule->source;
        const struct node *value = node_member(schema, str_of(keywords[m->keyword].name));

        buf_printf(out, " (%s at %s#", keywords[m->keyword].name, m->rule->resource->file);
        put_place(value ? value : schema, out);
        buf_putc(out, ')');
}

static void put_nearest(const struct finding *f, struct buf *out)
{
        if (f->has_closest) {
                buf_puts(out, "; the nearest: ");
                put_sentence(&f->closest, out);
        }
        put_origin(&f->what, out);
}

static void put_reason(const struct finding *f, struct buf *out)
{
        const struct node *at = f->what.at;

        if (is_name(at)) {
                buf_puts(out, "the name ");
                put_name(at->text, out);
                buf_puts(out, ": ");
        } else if (has_value(at)) {
                put_short(at->raw, out);
                buf_puts(out, ": ");
        }
        put_wish(&f->what, out);
        put_nearest(f, out);
}

/* Begins the next of several texts in one buffer. Return: where it begins. */
static size_t next_text(struct buf *text)
{
        buf_putc(text, '\0');
        return text->len;
}

int fault_describe(
        const struct finding *f, struct buf *text, struct schema_fault *out, struct err *e)
{
        size_t field, value, message, reason;

        buf_clear(text);
        node_put_pointer(f->what.at, text);
        field = next_text(text);
        put_fault_field(&f->what, text);
        value = next_text(text);
        put_short(f->what.at->raw, text);
        message = next_text(text);
        put_sentence(&f->what, text);
        put_nearest(f, text);
        reason = next_text(text);
        put_reason(f, text);
        if (!buf_cstr(text))
                return buf_check(text, "a message", e);
        *out = (struct schema_fault){.keyword = keywords[f->what.keyword].name,
                .path = text->data,
                .field = text->data + field,
                .value = text->data + value,
                .message = text->data + message,
                .reason = text->data + reason};
        return 0;
}
