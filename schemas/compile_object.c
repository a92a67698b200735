/*
 * Everything that a schema says of names goes into one table of properties: a check then looks each
 * member up once, whatever asks for it.
 */
#include "schemas/compile.h"
#include "ingest/record/json.h"
#include "schemas/vocabulary.h"

#include <stdlib.h>

static int object_part(struct draft *d, struct object_rule **out)
{
        *out = compile_object(d);
        return *out ? 0 : compile_no_room(d->c);
}

int compile_min_properties(struct draft *d, const struct node *value)
{
        struct object_rule *o;
        int rc = object_part(d, &o);

        return rc ? rc : compile_count(d, value, &o->min);
}

int compile_max_properties(struct draft *d, const struct node *value)
{
        struct object_rule *o;
        int rc = object_part(d, &o);

        return rc ? rc : compile_count(d, value, &o->max);
}

int compile_additional_properties(struct draft *d, const struct node *value)
{
        struct object_rule *o;
        int rc = object_part(d, &o);

        return rc ? rc : compile_schema_at(d, value, &o->additional);
}

int compile_property_names(struct draft *d, const struct node *value)
{
        struct object_rule *o;
        int rc = object_part(d, &o);

        d->rule->needs_tree = true;
        return rc ? rc : compile_schema_at(d, value, &o->key);
}

int compile_unevaluated_properties(struct draft *d, const struct node *value)
{
        return compile_schema_at(d, value, &d->rule->unevaluated_properties);
}

int compile_pattern_properties(struct draft *d, const struct node *value)
{
        struct object_rule *o;
        int rc = object_part(d, &o);

        if (rc)
                return rc;
        if (value->kind != NODE_OBJECT)
                return compile_bad(d, value, "must be an object of patterns and schemas");
        o->patterns = arena_array(d->c->schema->arena, value->count, sizeof(*o->patterns));
        if (value->count && !o->patterns)
                return compile_no_room(d->c);
        for (const struct node *m = value->first; m && !rc; m = m->next) {
                struct pattern_property *p = &o->patterns[o->pattern_count];
                rc = compile_pattern_text(d, m, m->key, &p->regex);
                rc = rc ? rc : compile_schema_at(d, m, &p->rule);
                o->pattern_count++;
        }
        return rc;
}

/* ---- the table of names ---- */

struct collected {
        struct str *list; /* sorted once all are there, each name once */
        size_t count;
};

static void collect_strings(struct collected *c, const struct node *list)
{
        for (const struct node *n = list->kind == NODE_ARRAY ? list->first : NULL; n; n = n->next)
                if (n->kind == NODE_STRING)
                        c->list[c->count++] = n->text;
}

static void collect_keys(struct collected *c, const struct node *map)
{
        for (const struct node *m = map ? map->first : NULL; m; m = m->next)
                c->list[c->count++] = m->key;
}

/* The keywords of this file that name properties, as far as the metaschema has them. */
struct naming {
        const struct node *properties, *required, *dependent_required, *dependent_schemas;
        const struct node *dependencies; /* of earlier drafts: both of these in one */
};

static size_t names_in(const struct node *n)
{
        size_t count = n ? n->count : 0;

        for (const struct node *m = n && n->kind == NODE_OBJECT ? n->first : NULL; m; m = m->next)
                count += m->kind == NODE_ARRAY ? m->count : 0;
        return count;
}

static int check_strings(struct draft *d, const struct node *list)
{
        if (list->kind != NODE_ARRAY)
                return compile_bad(d, list, "must be a list of names");
        for (const struct node *n = list->first; n; n = n->next)
                if (n->kind != NODE_STRING)
                        return compile_bad(d, n, "a name is a string");
        return 0;
}

static int take_map(
        struct draft *d, const char *keyword, unsigned vocabulary, const struct node **out)
{
        *out = d->vocabularies & vocabulary ? node_member(d->node, str_of(keyword)) : NULL;
        if (*out && (*out)->kind != NODE_OBJECT)
                return compile_bad(d, *out, "must be an object");
        return 0;
}

static int find_naming(struct draft *d, struct naming *n)
{
        int rc = take_map(d, "properties", VOCABULARY_APPLICATOR, &n->properties);

        rc = rc ? rc
                : take_map(d, "dependentSchemas", VOCABULARY_APPLICATOR, &n->dependent_schemas);
        rc = rc ? rc
                : take_map(d, "dependentRequired", VOCABULARY_VALIDATION, &n->dependent_required);
        rc = rc ? rc : take_map(d, "dependencies", VOCABULARY_APPLICATOR, &n->dependencies);
        n->required = d->vocabularies & VOCABULARY_VALIDATION
                              ? node_member(d->node, STR("required"))
                              : NULL;
        if (!rc && n->required)
                rc = check_strings(d, n->required);
        for (const struct node *m = n->dependent_required ? n->dependent_required->first : NULL;
                m && !rc; m = m->next)
                rc = check_strings(d, m);
        return rc;
}

static void collect(const struct naming *n, struct collected *c)
{
        const struct node *maps[] = {n->dependent_required, n->dependencies};

        collect_keys(c, n->properties); /* first, and so in the order of the schema */
        collect_keys(c, n->dependent_schemas);
        if (n->required)
                collect_strings(c, n->required);
        for (size_t i = 0; i < 2; i++) {
                collect_keys(c, maps[i]);
                for (const struct node *m = maps[i] ? maps[i]->first : NULL; m; m = m->next)
                        collect_strings(c, m);
        }
}

struct place_of_name {
        struct str name;
        size_t at;
};

static int compare_places(const void *a, const void *b)
{
        const struct place_of_name *x = a, *y = b;
        int order = str_cmp(x->name, y->name);

        return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* Leaves each name once, where it first stood. */
static bool remove_repeated(struct collected *c)
{
        struct place_of_name *sorted = calloc(c->count + 1, sizeof(*sorted));
        size_t kept = 0;

        if (!sorted)
                return false;
        for (size_t i = 0; i < c->count; i++)
                sorted[i] = (struct place_of_name){c->list[i], i};
        qsort(sorted, c->count, sizeof(*sorted), compare_places);
        for (size_t i = 1; i < c->count; i++)
                if (str_eq(sorted[i - 1].name, sorted[i].name))
                        c->list[sorted[i].at] = (struct str){0};
        for (size_t i = 0; i < c->count; i++)
                if (c->list[i].ptr)
                        c->list[kept++] = c->list[i];
        c->count = kept;
        free(sorted);
        return true;
}

/* The name as a member of canonical JSON begins: quoted, with its colon. .ptr NULL: no room. */
static struct str written_name(struct draft *d, struct str name)
{
        struct buf *scratch = &d->c->set.scratch;

        buf_clear(scratch);
        if (!json_put_string(scratch, name))
                return (struct str){0};
        buf_putc(scratch, ':');
        if (scratch->error)
                return (struct str){0};
        struct str written = arena_dup(d->c->schema->arena, buf_str(scratch));
        buf_clear(scratch);
        return written;
}

static int make_table(struct draft *d, const struct naming *n, struct object_rule *o)
{
        struct arena *arena = d->c->schema->arena;
        size_t room = names_in(n->properties) + names_in(n->required) +
                      names_in(n->dependent_required) + names_in(n->dependent_schemas) +
                      names_in(n->dependencies);
        struct collected c = {.list = arena_array(arena, room + 1, sizeof(*c.list))};

        if (!c.list)
                return compile_no_room(d->c);
        collect(n, &c);
        if (!remove_repeated(&c))
                return err_nomem(d->c->e, "names of a schema");
        o->property_names = c.list;
        o->property_count = (uint32_t)c.count;
        o->properties = arena_array(arena, c.count + 1, sizeof(*o->properties));
        if (!o->properties || !names_init(&o->names, c.list, o->property_count, arena))
                return compile_no_room(d->c);
        for (size_t i = 0; i < c.count; i++) {
                o->properties[i].name = c.list[i];
                o->properties[i].written = written_name(d, c.list[i]);
                if (!o->properties[i].written.ptr)
                        return compile_no_room(d->c);
        }
        return 0;
}

static struct property *property(struct object_rule *o, struct str name)
{
        return &o->properties[names_find(&o->names, name)];
}

static int add_needs(struct draft *d, struct object_rule *o, const struct node *list)
{
        struct property *p = property(o, list->key);
        uint32_t *needs = arena_array(d->c->schema->arena, list->count + 1, sizeof(*needs));

        if (!needs)
                return compile_no_room(d->c);
        for (const struct node *n = list->first; n; n = n->next)
                needs[p->need_count++] = names_find(&o->names, n->text);
        p->needs = needs;
        o->has_dependencies = true;
        return 0;
}

static int fill_table(struct draft *d, const struct naming *n, struct object_rule *o)
{
        int rc = 0;

        for (const struct node *m = n->properties ? n->properties->first : NULL; m && !rc;
                m = m->next)
                rc = compile_schema_at(d, m, &property(o, m->key)->rule);
        for (const struct node *m = n->required ? n->required->first : NULL; m; m = m->next) {
                struct property *p = property(o, m->text);
                o->required_count += !p->required;
                p->required = true;
        }
        for (const struct node *m = n->dependent_required ? n->dependent_required->first : NULL;
                m && !rc; m = m->next)
                rc = add_needs(d, o, m);
        for (const struct node *m = n->dependent_schemas ? n->dependent_schemas->first : NULL;
                m && !rc; m = m->next)
                rc = compile_schema_at(d, m, &property(o, m->key)->dependent);
        for (const struct node *m = n->dependencies ? n->dependencies->first : NULL; m && !rc;
                m = m->next) {
                if (m->kind != NODE_ARRAY) {
                        rc = compile_schema_at(d, m, &property(o, m->key)->dependent);
                        continue;
                }
                rc = check_strings(d, m);
                rc = rc ? rc : add_needs(d, o, m);
        }
        o->has_dependencies |= n->dependent_schemas || n->dependencies;
        return rc;
}

int compile_properties(struct draft *d)
{
        struct naming n = {0};
        struct object_rule *o;
        int rc = find_naming(d, &n);

        if (rc)
                return rc;
        if (!n.properties && !n.required && !n.dependent_required && !n.dependent_schemas &&
                !n.dependencies)
                return 0;
        rc = object_part(d, &o);
        rc = rc ? rc : make_table(d, &n, o);
        rc = rc ? rc : fill_table(d, &n, o);
        return rc;
}
