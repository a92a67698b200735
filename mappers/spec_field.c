/*
 * A field is decoded in two steps: the table takes each key for itself, then the rules between
 * keys are checked: one origin, and only keys that mean something for it.
 */
#include "mappers/spec_internal.h"

#include <stdio.h>

#include "ingest/base/tz.h"
#include "ingest/record/json.h"

struct field_draft {
        struct field_spec spec;
        const struct ynode *node;
        const char *from, *template, *each, *format, *expr, *when;
        const struct ynode *value, *object, *fields, *lookup, *map, *default_value;
        int type, rounding, as, numbers; /* indexes of choices */
        bool has_type, has_rounding, has_as;
};

#define AT(member)      offsetof(struct field_draft, member)
#define SPEC_AT(member) offsetof(struct field_draft, spec.member)

/* In the order of their enums, from the first that has a name. */
static const char *const type_names[] = {"string", "integer", "number", "decimal", "boolean",
        "date", "datetime", "json", "bytes", NULL};
static const char *const rounding_names[] = {
        "half_even", "half_up", "down", "up", "floor", "ceiling", NULL};
static const char *const as_names[] = {"string", "number", "minor", NULL};
static const char *const number_names[] = {"exact", "string", NULL};

static const struct option field_options[] = {
        {.name = "from",
                .type = OPTION_STRING,
                .offset = AT(from),
                .min = 1,
                .help = "Column, or dotted path into a JSON column, with [n] for elements."},
        {.name = "value", .type = OPTION_NODE, .offset = AT(value), .help = "A constant."},
        {.name = "template",
                .type = OPTION_STRING,
                .offset = AT(template),
                .help = "Text with ${name} of fields and columns; $$ is a dollar sign."},
        {.name = "expr",
                .type = OPTION_STRING,
                .offset = AT(expr),
                .min = 1,
                .help = "Lua over row, record and doc: an expression, or a block with return."},
        {.name = "lookup",
                .type = OPTION_NODE,
                .offset = AT(lookup),
                .help = "The value that a table (query, map or file) has for the key in from."},
        {.name = "object",
                .type = OPTION_NODE,
                .offset = AT(object),
                .help = "Fields of a nested object."},
        {.name = "each",
                .type = OPTION_STRING,
                .offset = AT(each),
                .min = 1,
                .help = "A child, or a path to an array: one object for each element."},
        {.name = "fields",
                .type = OPTION_NODE,
                .offset = AT(fields),
                .help = "Fields of the objects of each."},
        {.name = "when",
                .type = OPTION_STRING,
                .offset = AT(when),
                .min = 1,
                .help = "Lua; false or nil leaves the field out."},
        {.name = "split",
                .type = OPTION_HANDLER,
                .offset = SPEC_AT(split),
                .handler = spec_split_decode,
                .help = "Makes an array of a text: what stands between two elements."},
        {.name = "trim",
                .type = OPTION_BOOL,
                .offset = SPEC_AT(trim),
                .default_text = "false",
                .help = "Take white space off both ends of text."},
        {.name = "replace",
                .type = OPTION_HANDLER,
                .offset = SPEC_AT(replace),
                .handler = spec_replace_decode,
                .help = "Replaces parts of text: {pattern, with}, or a list of them."},
        {.name = "upper",
                .type = OPTION_BOOL,
                .offset = SPEC_AT(upper),
                .default_text = "false",
                .help = "Text in capital letters, by Unicode's rules."},
        {.name = "lower",
                .type = OPTION_BOOL,
                .offset = SPEC_AT(lower),
                .default_text = "false",
                .help = "Text in small letters, by Unicode's rules."},
        {.name = "null_if",
                .type = OPTION_STRINGS,
                .offset = SPEC_AT(null_if),
                .help = "Texts that mean null."},
        {.name = "map",
                .type = OPTION_NODE,
                .offset = AT(map),
                .help = "Replaces values: text of the source to any value."},
        {.name = "type",
                .type = OPTION_CHOICE,
                .offset = AT(type),
                .present_offset = AT(has_type),
                .choices = type_names,
                .help = "Type in the document; absent: as the source's."},
        {.name = "scale",
                .type = OPTION_INT,
                .offset = SPEC_AT(scale),
                .present_offset = SPEC_AT(has_scale),
                .min = 0,
                .max = 38,
                .help = "Digits behind the point of a decimal."},
        {.name = "rounding",
                .type = OPTION_CHOICE,
                .offset = AT(rounding),
                .present_offset = AT(has_rounding),
                .choices = rounding_names,
                .help = "How digits beyond scale are lost; absent: losing any is a reject."},
        {.name = "as",
                .type = OPTION_CHOICE,
                .offset = AT(as),
                .present_offset = AT(has_as),
                .choices = as_names,
                .default_text = "string",
                .help = "How a decimal is written: text, number, or scaled integer (minor)."},
        {.name = "numbers",
                .type = OPTION_CHOICE,
                .offset = AT(numbers),
                .choices = number_names,
                .default_text = "exact",
                .help = "Numbers inside JSON: exact, or each as a string of its text."},
        {.name = "format",
                .type = OPTION_STRING,
                .offset = AT(format),
                .min = 1,
                .help = "How it is written: a strptime pattern, unix, unix_ms, excel, odata; or a "
                        "number such as 1.234,56."},
        {.name = "timezone",
                .type = OPTION_STRING,
                .offset = SPEC_AT(timezone),
                .min = 1,
                .help = "Time zone of this zoneless timestamp; absent: the mapper's."},
        {.name = "default",
                .type = OPTION_NODE,
                .offset = AT(default_value),
                .help = "Any value, used in place of null."},
        {.name = "required",
                .type = OPTION_BOOL,
                .offset = SPEC_AT(required),
                .default_text = "false",
                .help = "A null is a reject."},
        {.name = "keep_null",
                .type = OPTION_BOOL,
                .offset = SPEC_AT(keep_null),
                .default_text = "false",
                .help = "Write a null; absent: the field is left out."},
        {.name = "significant",
                .type = OPTION_BOOL,
                .offset = SPEC_AT(significant),
                .default_text = "true",
                .help = "false: a change of this field alone writes no new revision."},
};
OPTION_TABLE(mapper_field_table, "a field", field_options);

/* ---- which keys stand beside which origin ---- */

static const char *const origin_names[] = {
        [FIELD_FROM] = "from",
        [FIELD_VALUE] = "value",
        [FIELD_TEMPLATE] = "template",
        [FIELD_OBJECT] = "object",
        [FIELD_EACH] = "each",
        [FIELD_LOOKUP] = "lookup",
        [FIELD_EXPR] = "expr",
};
#define ORIGINS (sizeof(origin_names) / sizeof(origin_names[0]))

#define ON(origin) (1u << (origin))
#define ON_TEXT                                                                                    \
        (ON(FIELD_FROM) | ON(FIELD_VALUE) | ON(FIELD_TEMPLATE) | ON(FIELD_EXPR) | ON(FIELD_LOOKUP))

static const struct {
        const char *key;
        unsigned origins;
} applies[] = {
        {"fields", ON(FIELD_EACH)},
        {"split", ON_TEXT},
        {"trim", ON_TEXT},
        {"replace", ON_TEXT},
        {"upper", ON_TEXT},
        {"lower", ON_TEXT},
        {"null_if", ON_TEXT},
        {"map", ON_TEXT},
        {"type", ON_TEXT},
        {"scale", ON_TEXT},
        {"rounding", ON_TEXT},
        {"as", ON_TEXT},
        {"numbers", ON_TEXT},
        {"format", ON_TEXT},
        {"timezone", ON_TEXT},
        {"default", ON_TEXT | ON(FIELD_EACH)},
        {"required", ON_TEXT | ON(FIELD_EACH)},
        {"keep_null", ON_TEXT | ON(FIELD_EACH)},
};

static int key_error(const struct option_context *cx, const struct ynode_pair *at, struct err *e,
        const char *text)
{
        return ydoc_error_at(cx->doc, at->line, at->column, e, "%s", text);
}

/* The one key of @n that says where the value comes from. */
static int find_origin(const struct option_context *cx, const struct ynode *n,
        enum field_origin *out, struct err *e)
{
        const char *first = NULL;

        for (size_t i = 0; i < n->count; i++) {
                for (size_t o = 0; o < ORIGINS; o++) {
                        if (!str_is(n->pairs[i].key, origin_names[o]))
                                continue;
                        if (o == FIELD_FROM && ynode_key(n, "lookup"))
                                continue; /* it says what is looked up */
                        if (first)
                                return ydoc_error_at(cx->doc, n->pairs[i].line, n->pairs[i].column,
                                        e, "'%s' and '%s': a field has one of them", first,
                                        origin_names[o]);
                        first = origin_names[o];
                        *out = (enum field_origin)o;
                }
        }
        if (!first)
                return ynode_error(cx->doc, n, e,
                        "a field needs one of from, value, template, expr, lookup, object or each: "
                        "where its value comes from");
        return 0;
}

static int check_applies(const struct option_context *cx, const struct ynode *n,
        enum field_origin origin, struct err *e)
{
        for (size_t i = 0; i < sizeof(applies) / sizeof(applies[0]); i++) {
                const struct ynode_pair *p = ynode_key(n, applies[i].key);
                if (p && !(applies[i].origins & ON(origin)))
                        return ydoc_error_at(cx->doc, p->line, p->column, e,
                                "'%s' means nothing beside '%s'", applies[i].key,
                                origin_names[origin]);
        }
        return 0;
}

/* ---- rules between keys ---- */

static bool type_is(const struct field_draft *d, enum field_type a, enum field_type b)
{
        return d->spec.type == a || d->spec.type == b;
}

static int check_decimal(
        const struct option_context *cx, const struct field_draft *d, struct err *e)
{
        const struct ynode *n = d->node;
        bool decimal = d->spec.type == FIELD_TYPE_DECIMAL;

        if (d->spec.has_scale && !decimal)
                return key_error(cx, ynode_key(n, "scale"), e, "'scale' needs type: decimal");
        if (d->has_rounding && !d->spec.has_scale)
                return key_error(cx, ynode_key(n, "rounding"), e, "'rounding' needs 'scale'");
        if (d->has_as && !decimal)
                return key_error(cx, ynode_key(n, "as"), e, "'as' needs type: decimal");
        if (d->spec.as == AS_MINOR && !d->spec.has_scale)
                return key_error(cx, ynode_key(n, "as"), e,
                        "'as: minor' needs 'scale': how many digits the integer holds");
        return 0;
}

static int check_types(const struct option_context *cx, const struct field_draft *d, struct err *e)
{
        const struct ynode *n = d->node;

        if (d->spec.upper && d->spec.lower)
                return key_error(cx, ynode_key(n, "lower"), e, "'upper' and 'lower': one of them");
        if (d->spec.numbers_as_strings && d->has_type && !type_is(d, FIELD_TYPE_JSON, 0))
                return key_error(cx, ynode_key(n, "numbers"), e, "'numbers' needs type: json");
        if (!d->spec.timezone)
                return 0;
        if (d->has_type && !type_is(d, FIELD_TYPE_DATETIME, FIELD_TYPE_DATE))
                return key_error(
                        cx, ynode_key(n, "timezone"), e, "'timezone' needs type: datetime or date");
        return spec_timezone_check(cx, ynode_get(n, "timezone"), d->spec.timezone, e);
}

int spec_timezone_check(
        const struct option_context *cx, const struct ynode *n, const char *name, struct err *e)
{
        cleanup_(tz_freep) struct tz *zone = NULL;
        int rc = tz_load(name, &zone, e);

        return rc ? err_wrap(e, rc, "%s:%d:%d", cx->doc->name, n->line, n->column) : 0;
}

/* ---- parts ---- */

/* Canonical, as it will stand in documents: two spellings of one constant are one document. */
static int canonical_json(const struct option_context *cx, const struct ynode *n, struct buf *text,
        struct buf *out, struct err *e)
{
        struct err why;

        ynode_json(n, text);
        if (text->error == -ERR_REJECT)
                return ynode_error(
                        cx->doc, n, e, "the value is larger than %d bytes as JSON", SPEC_MAX_JSON);
        int rc = buf_check(text, "a constant", e);
        if (rc)
                return rc;
        rc = json_canonical(buf_str(text), JSON_NUMBERS_EXACT, out, &why);
        if (rc == -ERR_REJECT)
                return ynode_error(cx->doc, n, e, "%s", why.text);
        if (rc && e)
                *e = why;
        return rc ? rc : buf_check(out, "a constant", e);
}

int spec_json(
        const struct option_context *cx, const struct ynode *n, struct str *out, struct err *e)
{
        cleanup_buf_ struct buf text, json;

        buf_init(&text, SPEC_MAX_JSON);
        buf_init(&json, 2 * SPEC_MAX_JSON); /* canonical numbers may be a little longer */
        int rc = ynode_json_check(cx->doc, n, e);
        if (rc == 0)
                rc = canonical_json(cx, n, &text, &json, e);
        if (rc)
                return rc;
        struct str copy = arena_dup(cx->arena, buf_str(&json));
        if (!copy.ptr)
                return options_nomem(cx, e);
        *out = copy;
        return 0;
}

static int decode_map(
        const struct option_context *cx, const struct ynode *n, struct field_spec *f, struct err *e)
{
        if (n->kind != YNODE_MAP || n->count == 0)
                return ynode_error(cx->doc, n, e, "'map' must be a map with entries, not %s",
                        n->kind == YNODE_MAP ? "an empty one" : ynode_kind_name(n->kind));
        f->map = arena_array(cx->arena, n->count, sizeof(*f->map));
        if (!f->map)
                return options_nomem(cx, e);
        for (size_t i = 0; i < n->count; i++) {
                struct map_entry *entry = &f->map[i];
                entry->from = n->pairs[i].key;
                entry->to = n->pairs[i].value;
                int rc = spec_json(cx, entry->to, &entry->json, e);
                if (rc)
                        return rc;
        }
        f->has_map = true;
        f->map_count = n->count;
        return 0;
}

/* A column's name that YAML takes for a number or a boolean is more likely a mistake. */
static int decode_path(const struct option_context *cx, const struct field_draft *d,
        const char *key, const char *text, struct field_path *out, struct err *e)
{
        const struct ynode *n = ynode_get(d->node, key);
        char what[32];

        if (n->kind != YNODE_STRING)
                return ynode_error(cx->doc, n, e,
                        "'%s' must be a column or a path, not %s; put a name in quotes", key,
                        ynode_kind_name(n->kind));
        snprintf(what, sizeof(what), "'%s'", key);
        return spec_path_parse(cx, n, what, str_of(text), out, e);
}

static int decode_each(const struct option_context *cx, struct field_draft *d, struct err *e)
{
        if (!d->fields)
                return ynode_error(cx->doc, d->node, e,
                        "key 'fields' is missing beside 'each': the fields of each element");
        int rc = decode_path(cx, d, "each", d->each, &d->spec.from, e);
        if (rc)
                return rc;
        return spec_fields_decode(
                cx, d->fields, "'fields'", &d->spec.fields, &d->spec.field_count, e);
}

static int decode_origin(const struct option_context *cx, struct field_draft *d, struct err *e)
{
        const struct ynode *n = d->node;

        switch (d->spec.origin) {
        case FIELD_FROM:
                return decode_path(cx, d, "from", d->from, &d->spec.from, e);
        case FIELD_VALUE:
                return spec_json(cx, d->value, &d->spec.value_json, e);
        case FIELD_TEMPLATE:
                return spec_template_parse(
                        cx, ynode_get(n, "template"), "'template'", &d->spec.template, e);
        case FIELD_OBJECT:
                return spec_fields_decode(
                        cx, d->object, "'object'", &d->spec.fields, &d->spec.field_count, e);
        case FIELD_EACH:
                return decode_each(cx, d, e);
        case FIELD_LOOKUP:
                return spec_lookup_decode(cx, d->lookup, ynode_get(n, "from"), &d->spec, e);
        case FIELD_EXPR:
                return spec_expr_parse(cx, ynode_get(n, "expr"), "'expr'", &d->spec.expr, e);
        }
        return err_set(e, ERR_BUG, "field origin %d", d->spec.origin);
}

static void take_choices(struct field_draft *d)
{
        d->spec.type =
                d->has_type ? (enum field_type)(d->type + FIELD_TYPE_STRING) : FIELD_TYPE_NONE;
        d->spec.rounding =
                d->has_rounding ? (enum field_rounding)(d->rounding + ROUND_HALF_EVEN) : ROUND_NONE;
        d->spec.as = (enum field_as)d->as;
        d->spec.numbers_as_strings = d->numbers == 1;
}

static int decode_long_form(const struct option_context *cx, struct field_draft *d, struct err *e)
{
        int rc = options_decode(cx, &mapper_field_table, d->node, d, e);

        if (rc == 0)
                rc = find_origin(cx, d->node, &d->spec.origin, e);
        if (rc == 0)
                rc = check_applies(cx, d->node, d->spec.origin, e);
        if (rc)
                return rc;
        take_choices(d);
        rc = check_decimal(cx, d, e);
        if (rc == 0)
                rc = check_types(cx, d, e);
        if (rc == 0)
                rc = spec_format_decode(cx, d->node, &d->spec, e);
        if (rc == 0 && d->map)
                rc = decode_map(cx, d->map, &d->spec, e);
        if (rc == 0 && d->default_value)
                rc = spec_json(cx, d->default_value, &d->spec.default_json, e);
        d->spec.has_default = d->default_value != NULL;
        if (rc == 0 && d->when)
                rc = spec_expr_parse(cx, ynode_get(d->node, "when"), "'when'", &d->spec.when, e);
        return rc ? rc : decode_origin(cx, d, e);
}

/* sku: code */
static int decode_short_form(const struct option_context *cx, struct field_draft *d, struct err *e)
{
        const struct ynode *n = d->node;

        if (n->kind != YNODE_STRING)
                return ynode_error(cx->doc, n, e,
                        "a field is a column's name or a map, not %s; for a constant write "
                        "{value: ...}",
                        ynode_kind_name(n->kind));
        int rc = options_decode(cx, &mapper_field_table, NULL, d, e);
        if (rc)
                return rc;
        take_choices(d);
        d->spec.origin = FIELD_FROM;
        return spec_path_parse(cx, n, "column", n->text, &d->spec.from, e);
}

static int decode_field(const struct option_context *cx, const struct ynode_pair *pair,
        struct field_spec *out, struct err *e)
{
        struct field_draft d = {.node = pair->value};
        char shown[YNODE_SHOW_MAX];

        if (pair->key.len == 0)
                return key_error(cx, pair, e, "a field needs a name");
        if (pair->key.ptr[0] == '_')
                return ydoc_error_at(cx->doc, pair->line, pair->column, e,
                        "field %s: names that begin with _ belong to CouchDB",
                        yaml_show(pair->key, shown));
        int rc = pair->value->kind == YNODE_MAP ? decode_long_form(cx, &d, e)
                                                : decode_short_form(cx, &d, e);
        if (rc)
                return rc;
        *out = d.spec;
        out->name = pair->key;
        out->node = pair->value;
        out->key_line = pair->line;
        out->key_column = pair->column;
        return 0;
}

/* Without an include names cannot come twice, and nobody need look. */
static int decode_pair(const struct option_context *cx, const struct ynode *map, bool merge,
        const struct ynode_pair *pair, struct field_list *list, struct err *e)
{
        struct field_spec f;

        if (spec_include_is(pair))
                return spec_include_expand(cx, map, pair->value, list, e);
        int rc = decode_field(cx, pair, &f, e);
        if (rc == 0 && merge)
                return spec_include_add(cx, list, &f, e);
        if (rc == 0)
                list->items[list->count++] = f;
        return rc;
}

static int decode_fields(const struct option_context *cx, const struct ynode *n,
        struct field_list *list, struct err *e)
{
        bool merge = false;
        int rc = 0;

        for (size_t i = 0; i < n->count; i++)
                merge |= spec_include_is(&n->pairs[i]);
        list->room = n->count;
        list->items = arena_array(cx->arena, n->count, sizeof(*list->items));
        if (!list->items)
                return options_nomem(cx, e);
        for (size_t i = 0; i < n->count && rc == 0; i++)
                rc = decode_pair(cx, n, merge, &n->pairs[i], list, e);
        return rc;
}

int spec_fields_decode(const struct option_context *cx, const struct ynode *n, const char *what,
        struct field_spec **fields, size_t *count, struct err *e)
{
        struct spec_decoding *decoding = spec_decoding_of(cx);
        struct field_list list = {NULL};

        if (n->kind != YNODE_MAP)
                return ynode_error(cx->doc, n, e,
                        "%s must be a map of fields, not %s; write NAME: COLUMN on each line", what,
                        ynode_kind_name(n->kind));
        if (n->count == 0)
                return ynode_error(cx->doc, n, e, "%s has no fields", what);
        if (decoding->field_depth == SPEC_MAX_FIELD_DEPTH)
                return ynode_error(cx->doc, n, e,
                        "fields are nested deeper than %d levels, with the files that are included",
                        SPEC_MAX_FIELD_DEPTH);
        decoding->field_depth++;
        int rc = decode_fields(cx, n, &list, e);
        decoding->field_depth--;
        if (rc)
                return rc;
        *fields = list.items;
        *count = list.count;
        return 0;
}

int spec_fields_check(
        const struct mapper_spec *m, const struct field_spec *fields, size_t count, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < count && rc == 0; i++) {
                const struct field_spec *f = &fields[i];
                if (f->origin == FIELD_TEMPLATE)
                        rc = spec_template_check(
                                m, &f->template, ynode_get(f->node, "template"), e);
                if (rc == 0)
                        rc = spec_fields_check(m, f->fields, f->field_count, e);
        }
        return rc;
}
