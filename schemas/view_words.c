/* A misspelt keyword is an annotation for the draft: nothing is checked, and nobody notices. Words
 * that are near to none are left alone: they may be meant as annotations. */
#include "schemas/rule.h"
#include "schemas/view.h"

static const char *const keywords[] = {"$anchor", "$comment", "$defs", "$dynamicAnchor",
        "$dynamicRef", "$id", "$ref", "$schema", "$vocabulary", "additionalProperties", "allOf",
        "anyOf", "const", "contains", "contentEncoding", "contentMediaType", "contentSchema",
        "default", "definitions", "dependencies", "dependentRequired", "dependentSchemas",
        "deprecated", "description", "else", "enum", "examples", "exclusiveMaximum",
        "exclusiveMinimum", "format", "if", "items", "maxContains", "maxItems", "maxLength",
        "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties",
        "minimum", "multipleOf", "not", "oneOf", "pattern", "patternProperties", "prefixItems",
        "properties", "propertyNames", "readOnly", "required", "then", "title", "type",
        "unevaluatedItems", "unevaluatedProperties", "uniqueItems", "writeOnly"};

#define KEYWORDS (sizeof(keywords) / sizeof(keywords[0]))
#define SHORT    4 /* characters: shorter words are near to too much */

/* Words of earlier drafts and of other tools that are near to a keyword, and meant. */
static bool is_known(struct str word)
{
        static const char *const others[] = {"unit", "units", "example", "extends", "id",
                "$recursiveAnchor", "$recursiveRef", "additionalItems", "enumNames"};

        for (size_t i = 0; i < KEYWORDS; i++)
                if (str_is(word, keywords[i]))
                        return true;
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                if (str_is(word, others[i]))
                        return true;
        return str_starts(word, STR("x-"));
}

static void find_place(const struct resource *r, const struct node *n, int *line, int *column)
{
        const char *at = n->key.ptr, *from = r->text.ptr;
        bool inside = at >= from && at < from + r->text.len; /* a key with escapes is a copy */

        *line = *column = 1;
        at = inside ? at : n->raw.ptr;
        for (const char *p = from; p < at; p++) {
                *column = *p == '\n' ? 1 : *column + 1;
                *line += *p == '\n';
        }
        *column -= inside && *column > 1; /* its quote */
}

static void look_at(const struct node *n, schema_word_fn fn, void *arg)
{
        const struct resource *r = n->site->resource;
        int line, column;

        for (const struct node *m = n->first; m; m = m->next) {
                const char *near = m->key.len < SHORT || is_known(m->key)
                                           ? NULL
                                           : str_nearest(m->key, keywords, KEYWORDS);
                if (!near)
                        continue;
                find_place(r, m, &line, &column);
                fn(arg, r->file, line, column, m->key, near);
        }
}

/* All schemas of a text, those that nothing refers to as well. */
static void walk(const struct node *n, schema_word_fn fn, void *arg)
{
        if (n->site && n->kind == NODE_OBJECT)
                look_at(n, fn, arg);
        for (const struct node *m = n->first; m; m = m->next)
                walk(m, fn, arg);
}

void schema_find_misspelt(const struct schema *s, schema_word_fn fn, void *arg)
{
        for (const struct resource *r = s->resources; r; r = r->next)
                if (!r->root->parent && r->root->site->resource == r)
                        walk(r->root, fn, arg);
}
