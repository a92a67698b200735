/*
 * Rules are made when something leads to them and wait in one list until their turn; so references
 * may go in circles. Each keyword is one line of a table; what is not in it, or in a vocabulary
 * that the metaschema does not name, is an annotation and ignored.
 */
#include "schemas/compile.h"

#include <stdarg.h>
#include <stdio.h>

#include "ingest/base/file.h"
#include "schemas/source.h"
#include "schemas/vocabulary.h"

const struct rule rule_any = {.compiled = true, .types = TYPE_ANY};

static const struct {
        struct str name;
        enum vocabulary vocabulary;
        keyword_fn compile;
} keywords[] = {
        {STR("$ref"), VOCABULARY_CORE, compile_ref},
        {STR("$dynamicRef"), VOCABULARY_CORE, compile_dynamic_ref},
        {STR("type"), VOCABULARY_VALIDATION, compile_type},
        {STR("enum"), VOCABULARY_VALIDATION, compile_enum},
        {STR("const"), VOCABULARY_VALIDATION, compile_const},
        {STR("multipleOf"), VOCABULARY_VALIDATION, compile_multiple_of},
        {STR("maximum"), VOCABULARY_VALIDATION, compile_maximum},
        {STR("exclusiveMaximum"), VOCABULARY_VALIDATION, compile_exclusive_maximum},
        {STR("minimum"), VOCABULARY_VALIDATION, compile_minimum},
        {STR("exclusiveMinimum"), VOCABULARY_VALIDATION, compile_exclusive_minimum},
        {STR("maxLength"), VOCABULARY_VALIDATION, compile_max_length},
        {STR("minLength"), VOCABULARY_VALIDATION, compile_min_length},
        {STR("pattern"), VOCABULARY_VALIDATION, compile_pattern},
        {STR("maxItems"), VOCABULARY_VALIDATION, compile_max_items},
        {STR("minItems"), VOCABULARY_VALIDATION, compile_min_items},
        {STR("uniqueItems"), VOCABULARY_VALIDATION, compile_unique_items},
        {STR("maxProperties"), VOCABULARY_VALIDATION, compile_max_properties},
        {STR("minProperties"), VOCABULARY_VALIDATION, compile_min_properties},
        {STR("format"), VOCABULARY_FORMAT_ANNOTATION | VOCABULARY_FORMAT_ASSERTION, compile_format},
        {STR("allOf"), VOCABULARY_APPLICATOR, compile_all_of},
        {STR("anyOf"), VOCABULARY_APPLICATOR, compile_any_of},
        {STR("oneOf"), VOCABULARY_APPLICATOR, compile_one_of},
        {STR("not"), VOCABULARY_APPLICATOR, compile_not},
        {STR("if"), VOCABULARY_APPLICATOR, compile_if},
        {STR("prefixItems"), VOCABULARY_APPLICATOR, compile_prefix_items},
        {STR("items"), VOCABULARY_APPLICATOR, compile_items},
        {STR("contains"), VOCABULARY_APPLICATOR, compile_contains},
        {STR("patternProperties"), VOCABULARY_APPLICATOR, compile_pattern_properties},
        {STR("additionalProperties"), VOCABULARY_APPLICATOR, compile_additional_properties},
        {STR("propertyNames"), VOCABULARY_APPLICATOR, compile_property_names},
        {STR("unevaluatedItems"), VOCABULARY_UNEVALUATED, compile_unevaluated_items},
        {STR("unevaluatedProperties"), VOCABULARY_UNEVALUATED, compile_unevaluated_properties},
};

int compile_bad(struct draft *d, const struct node *value, const char *fmt, ...)
{
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        return set_error(d->rule->resource, value, d->c->e, "%s", text);
}

int compile_no_room(struct compiler *c)
{
        int rc = arena_failed(c->schema->arena, "the schema", c->e);

        return rc == -ERR_REJECT ? err_set(c->e, ERR_CONFIG, "the schema is too large") : rc;
}

#define DEFINE_PART(name, type, member, ...)                                                       \
        type *name(struct draft *d)                                                                \
        {                                                                                          \
                if (!d->member) {                                                                  \
                        d->member = arena_alloc(d->c->schema->arena, sizeof(*d->member));          \
                        if (d->member)                                                             \
                                *d->member = (type)__VA_ARGS__;                                    \
                        d->rule->member = d->member;                                               \
                }                                                                                  \
                return d->member;                                                                  \
        }

DEFINE_PART(compile_string, struct string_rule, string, {.max = NO_LIMIT})
DEFINE_PART(compile_number, struct number_rule, number, {.has_divisor = false})
DEFINE_PART(compile_array, struct array_rule, array,
        {.max = NO_LIMIT, .min_contains = 1, .max_contains = NO_LIMIT})
DEFINE_PART(compile_object, struct object_rule, object, {.max = NO_LIMIT})
DEFINE_PART(compile_in_place, struct in_place, in_place, {.ref = NULL})

int compile_rule_for(struct compiler *c, const struct resource *resource, struct node *n,
        const struct rule **out)
{
        if (!n->site)
                return set_error(resource, n, c->e, "a schema is an object, true or false");
        if (!n->site->rule) {
                struct rule *r = arena_alloc(c->schema->arena, sizeof(*r));
                if (!r)
                        return compile_no_room(c);
                *r = (struct rule){.types = TYPE_ANY, .source = n, .resource = n->site->resource};
                if (c->last)
                        c->last->next = r;
                else
                        c->schema->rules = r;
                c->last = r;
                c->todo = c->todo ? c->todo : r;
                n->site->rule = r;
        }
        *out = n->site->rule;
        return 0;
}

int compile_schema_at(struct draft *d, const struct node *value, const struct rule **out)
{
        return compile_rule_for(d->c, d->rule->resource, (struct node *)value, out);
}

static int compile_keywords(struct draft *d)
{
        for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
                const struct node *value = node_member(d->node, keywords[i].name);
                if (!value || !(d->vocabularies & keywords[i].vocabulary))
                        continue;
                int rc = keywords[i].compile(d, value);
                if (rc)
                        return rc;
        }
        return compile_properties(d);
}

static int compile_rule(struct compiler *c, struct rule *r)
{
        struct draft d = {.c = c, .rule = r, .node = r->source};

        r->compiled = true;
        r->never = r->source->kind == NODE_FALSE;
        if (r->source->kind != NODE_OBJECT)
                return 0;
        int rc = vocabulary_of(&c->set, (struct resource *)r->resource, &d.vocabularies, c->e);
        rc = rc ? rc : compile_keywords(&d);
        r->needs_tree |= r->unevaluated_items || r->unevaluated_properties;
        return rc;
}

static int compile_waiting(struct compiler *c)
{
        int rc = 0;

        while (c->todo && !rc) {
                while (c->todo && !rc) {
                        struct rule *r = c->todo;
                        rc = compile_rule(c, r);
                        c->todo = r->next;
                }
                rc = rc ? rc : compile_dynamic_anchors(c);
        }
        return rc;
}

/* What the quick path may skip: it reports nothing, and knows no dynamic scope. */
static const struct rule *skipped_to(const struct rule *r)
{
        static const struct in_place none;
        struct in_place rest = r->in_place ? *r->in_place : none;
        bool empty = r->types == TYPE_ANY && !r->never && !r->choice && !r->constant &&
                     !r->string && !r->number && !r->array && !r->object;

        rest.ref = NULL;
        empty &= memcmp(&rest, &none, sizeof(none)) == 0;
        return empty && r->in_place ? r->in_place->ref : NULL;
}

static void finish(struct schema *s)
{
        s->quick = true;
        for (struct rule *r = s->rules; r; r = r->next) {
                s->quick &= !r->needs_tree;
                r->through = skipped_to(r);
        }
}

static int compile_root(struct compiler *c, struct str text, struct str uri, const char *name)
{
        struct resource *root;
        const struct rule *rule;
        int rc = set_add(&c->set, text, uri, name, &root, c->e);

        rc = rc ? rc : compile_rule_for(c, root, root->root, &rule);
        rc = rc ? rc : compile_waiting(c);
        rc = rc ? rc : loops_check(c->schema, c->e);
        if (rc)
                return rc;
        c->schema->root = root->root->site->rule;
        finish(c->schema);
        return 0;
}

static int compile(struct str text, struct str uri, const char *name,
        const struct schema_options *options, struct schema **out, struct err *e)
{
        static const struct schema_options nothing;
        cleanup_(schema_freep) struct schema *s = calloc(1, sizeof(*s));
        struct err own = {0};
        struct compiler c = {
                .schema = s, .options = options ? options : &nothing, .e = e ? e : &own};

        if (!s)
                return err_nomem(e, "a schema");
        s->arena = arena_new(SCHEMA_MAX_MEMORY);
        if (!s->arena)
                return err_nomem(e, "a schema");
        set_init(&c.set, c.options, s->arena);
        int rc = compile_root(&c, text, uri, name);
        s->resources = c.set.resources;
        memcpy(s->digest, c.set.digest, sizeof(s->digest));
        set_deinit(&c.set);
        if (rc)
                return rc;
        *out = TAKE(s);
        return 0;
}

int schema_compile_text(struct str text, const char *name, const struct schema_options *options,
        struct schema **out, struct err *e)
{
        return compile(text, STR(SOURCE_BASE), name, options, out, e);
}

int schema_compile_file(
        const char *path, const struct schema_options *options, struct schema **out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(SCHEMA_MAX_FILE_BYTES);
        cleanup_buf_ struct buf uri = BUF_INIT(SCHEMA_MAX_FILE_BYTES);
        const char *slash = strrchr(path, '/');
        int rc = file_read(path, &text, e);

        if (rc)
                return rc;
        buf_puts(&uri, SOURCE_BASE);
        buf_puts(&uri, slash ? slash + 1 : path);
        rc = buf_check(&uri, "a file name", e);
        return rc ? rc : compile(buf_str(&text), buf_str(&uri), path, options, out, e);
}

struct schema *schema_free(struct schema *s)
{
        if (s) {
                for (struct regex_list *r = s->regexes; r; r = r->next)
                        regex_free(r->regex);
                arena_free(s->arena);
                free(s);
        }
        return NULL;
}

bool schema_is_quick(const struct schema *s)
{
        return s->quick;
}

void schema_digest(const struct schema *s, uint64_t out[2])
{
        memcpy(out, s->digest, sizeof(s->digest));
}
