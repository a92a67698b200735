/* Rules are followed as a check would follow them where it has no choice. */
#include "schemas/view.h"

#include "schemas/checker.h"
#include "schemas/eval.h"
#include "schemas/fault.h"

#define CHECK_STEPS 1000000 /* for one constant */

static void put_place(const struct rule *r, const char *keyword, struct buf *out)
{
        if (!out)
                return;
        buf_clear(out);
        buf_printf(out, "%s#", r->resource->file);
        node_put_pointer(r->source, out);
        buf_printf(out, "/%s", keyword);
}

static bool has(const struct schema_view *v, const struct rule *r)
{
        for (size_t i = 0; i < v->count; i++)
                if (v->rules[i] == r)
                        return true;
        return false;
}

static void add(struct schema_view *v, const struct rule *r)
{
        if (!r || has(v, r))
                return;
        if (v->count == SCHEMA_VIEW_MAX)
                v->cut = true;
        else
                v->rules[v->count++] = r;
}

/* Adds what the rules of @v lead to; each comes in once, so circles end. */
static void follow(struct schema_view *v)
{
        for (size_t i = 0; i < v->count; i++) {
                const struct in_place *p = v->rules[i]->in_place;
                if (!p)
                        continue;
                add(v, p->ref);
                if (!p->dynamic_anchor.ptr)
                        add(v, p->dynamic_ref);
                for (size_t k = 0; k < p->all.count; k++)
                        add(v, p->all.list[k]);
        }
}

static void view_of(const struct rule *r, struct schema_view *out)
{
        *out = (struct schema_view){.count = 0};
        add(out, r);
        follow(out);
}

void schema_view_root(const struct schema *s, struct schema_view *out)
{
        view_of(s->root, out);
}

/* The kinds of the values of an enum or a const. */
static unsigned kinds_of(const struct choice *c)
{
        static const unsigned kinds[] = {
                [NODE_NULL] = SCHEMA_NULL,
                [NODE_FALSE] = SCHEMA_BOOLEAN,
                [NODE_TRUE] = SCHEMA_BOOLEAN,
                [NODE_NUMBER] = SCHEMA_NUMBER | SCHEMA_INTEGER,
                [NODE_STRING] = SCHEMA_STRING,
                [NODE_ARRAY] = SCHEMA_ARRAY,
                [NODE_OBJECT] = SCHEMA_OBJECT,
        };
        unsigned all = 0;

        for (unsigned kind = NODE_NULL; c && kind <= NODE_OBJECT; kind++)
                all |= c->kinds & (1u << kind) ? kinds[kind] : 0;
        return c ? all : SCHEMA_ANY;
}

static void narrow(
        const struct rule *r, unsigned by, const char *keyword, unsigned *kinds, struct buf *place)
{
        if (*kinds & ~by)
                put_place(r, keyword, place);
        *kinds &= by;
}

unsigned schema_view_kinds(const struct schema_view *v, struct buf *place)
{
        unsigned kinds = SCHEMA_ANY;

        for (size_t i = 0; i < v->count; i++) {
                const struct rule *r = v->rules[i];
                narrow(r, r->never ? 0 : r->types, "type", &kinds, place);
                narrow(r, kinds_of(r->choice), "enum", &kinds, place);
                narrow(r, kinds_of(r->constant), "const", &kinds, place);
        }
        return kinds;
}

/* ---- members ---- */

bool schema_view_next_required(
        const struct schema_view *v, size_t *at, struct str *name, struct buf *place)
{
        size_t n = 0;

        for (size_t i = 0; i < v->count; i++) {
                const struct object_rule *o = v->rules[i]->object;
                for (uint32_t k = 0; o && k < o->property_count; k++) {
                        if (!o->properties[k].required || n++ < *at)
                                continue;
                        *at = n;
                        *name = o->properties[k].name;
                        put_place(v->rules[i], "required", place);
                        return true;
                }
        }
        return false;
}

/* What the rule @r itself says of the member @name, into @out; whether it says anything. */
static bool add_member(
        struct schema_checker *c, const struct rule *r, struct str name, struct schema_view *out)
{
        const struct object_rule *o = r->object;
        bool known = false;

        if (!o)
                return false;
        uint32_t at = o->property_count ? names_find(&o->names, name) : NAMES_NONE;
        if (at != NAMES_NONE && o->properties[at].rule) {
                add(out, o->properties[at].rule);
                known = true;
        }
        for (size_t i = 0; i < o->pattern_count; i++) {
                enum regex_verdict match = regex_match(o->patterns[i].regex, c->room, name);
                known = known || match != REGEX_NO;
                if (match == REGEX_YES)
                        add(out, o->patterns[i].rule);
        }
        if (!known && o->additional)
                add(out, o->additional);
        return known || o->additional;
}

static bool is_passed_over(const struct rule *r);

/* Whether unevaluatedProperties of @r may meet the member @name. */
static bool is_unevaluated(struct schema_checker *c, const struct rule *r, struct str name)
{
        struct schema_view own, ignored = {.count = 0};

        view_of(r, &own);
        if (own.cut)
                return false;
        for (size_t i = 0; i < own.count; i++)
                if (is_passed_over(own.rules[i]) || add_member(c, own.rules[i], name, &ignored) ||
                        (own.rules[i] != r && own.rules[i]->unevaluated_properties))
                        return false;
        return true;
}

bool schema_view_member(struct schema_checker *c, const struct schema_view *v, struct str name,
        struct schema_view *out, struct buf *place)
{
        *out = (struct schema_view){.count = 0};
        for (size_t i = 0; i < v->count; i++) {
                const struct rule *r = v->rules[i];
                size_t before = out->count;
                add_member(c, r, name, out);
                if (out->count > before && out->rules[out->count - 1]->never) {
                        put_place(r,
                                r->object->additional == out->rules[out->count - 1]
                                        ? "additionalProperties"
                                        : "properties",
                                place);
                        return false;
                }
                if (!r->unevaluated_properties || !is_unevaluated(c, r, name))
                        continue;
                if (r->unevaluated_properties->never) {
                        put_place(r, "unevaluatedProperties", place);
                        return false;
                }
                add(out, r->unevaluated_properties);
        }
        follow(out);
        return true;
}

size_t schema_view_names(const struct schema_view *v, struct str *out, size_t max)
{
        size_t n = 0;

        for (size_t i = 0; i < v->count; i++) {
                const struct object_rule *o = v->rules[i]->object;
                for (uint32_t k = 0; o && k < o->property_count && n < max; k++)
                        if (o->properties[k].rule && !o->properties[k].rule->never)
                                out[n++] = o->properties[k].name;
        }
        return n;
}

/* ---- items, values ---- */

void schema_view_items(const struct schema_view *v, struct schema_view *out)
{
        *out = (struct schema_view){.count = 0};
        for (size_t i = 0; i < v->count; i++) {
                const struct array_rule *a = v->rules[i]->array;
                if (a && a->prefix.count == 0)
                        add(out, a->items);
        }
        follow(out);
}

bool schema_view_next_choice(const struct schema_view *v, size_t *at, struct str *out)
{
        for (size_t i = 0; i < v->count; i++) {
                const struct choice *choice = v->rules[i]->choice;
                if (!choice)
                        continue;
                if (*at >= choice->strings.count)
                        return false;
                *out = choice->strings.list[(*at)++];
                return true;
        }
        return false;
}

struct str schema_view_format(const struct schema_view *v)
{
        for (size_t i = 0; i < v->count; i++) {
                const struct string_rule *s = v->rules[i]->string;
                const struct node *name =
                        s && s->format ? node_member(v->rules[i]->source, STR("format")) : NULL;
                if (name)
                        return name->text;
        }
        return STR("");
}

/* ---- what is not followed ---- */

/* Calls @fn for each keyword of @r that decides by the document. */
static size_t conditions(const struct rule *r, const char *out[8])
{
        static const struct in_place none;
        const struct in_place *p = r->in_place ? r->in_place : &none;
        const struct {
                bool is;
                const char *keyword;
        } all[] = {{p->any.count > 0, "anyOf"}, {p->one.count > 0, "oneOf"}, {p->not_, "not"},
                {p->if_, "if"}, {p->dynamic_anchor.ptr, "$dynamicRef"},
                {r->object && r->object->has_dependencies, "dependentSchemas"},
                {r->array && r->array->prefix.count, "prefixItems"},
                {r->array && r->array->contains, "contains"}};
        size_t n = 0;

        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                if (all[i].is)
                        out[n++] = all[i].keyword;
        return n;
}

static bool is_passed_over(const struct rule *r)
{
        const char *words[8];

        return conditions(r, words) > 0;
}

size_t schema_view_passed_over(const struct schema_view *v, size_t max, struct buf *out)
{
        cleanup_buf_ struct buf place = BUF_INIT(1 << 16);
        size_t n = 0;

        for (size_t i = 0; i < v->count; i++) {
                const char *words[8];
                size_t count = conditions(v->rules[i], words);
                for (size_t k = 0; k < count; k++, n++) {
                        if (n >= max)
                                continue;
                        put_place(v->rules[i], words[k], &place);
                        buf_printf(out, "%s%s at %s", n ? ", " : "", words[k],
                                buf_cstr(&place) ? buf_cstr(&place) : "");
                }
        }
        return n;
}

/* ---- constants ---- */

/* A value alone has no dynamic scope: what depends on one cannot be told. */
static bool is_dynamic(const struct schema *s)
{
        for (const struct rule *r = s->rules; r; r = r->next)
                if (r->in_place && r->in_place->dynamic_anchor.ptr)
                        return true;
        return false;
}

int schema_view_check(struct schema_checker *c, const struct schema_view *v, struct str json,
        struct schema_fault *fault, struct err *e)
{
        struct finding finding = {0};
        struct node *value;

        if (is_dynamic(c->schema))
                return 0;
        arena_reset(c->arena);
        int rc = node_parse(json, c->arena, &c->scratch, &value, NULL, e);
        for (size_t i = 0; i < v->count && !rc; i++) {
                struct schema part = *c->schema;
                part.root = (struct rule *)v->rules[i];
                enum verdict verdict =
                        eval_document(&part, value, CHECK_STEPS, c->arena, c->room, &finding);
                if (verdict == VERDICT_MEMORY)
                        rc = arena_failed(c->arena, "a constant", e);
                if (verdict == VERDICT_FAULT)
                        rc = fault_describe(&finding, &c->message, fault, e) ?: SCHEMA_FAULT;
        }
        return rc == -ERR_REJECT ? 0 : rc;
}
