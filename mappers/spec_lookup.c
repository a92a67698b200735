/*
 * `lookup`: what stands in the map, and which of the mapper's look-ups it is. Fields that look up
 * the same thing share one table, so that it is read once; what they look up may differ.
 */
#include "mappers/spec_internal.h"

#include "mappers/lookup.h"

/* Each is a query of its own, or a file: more in one mapper are a mistake. */
#define MAX_LOOKUPS 64

struct lookup_draft {
        struct lookup_spec spec;
        const struct ynode *node, *from;
        const char *file;
};

#define AT(member)      offsetof(struct lookup_draft, member)
#define SPEC_AT(member) offsetof(struct lookup_draft, spec.member)

static const struct option lookup_options[] = {
        {.name = "from",
                .type = OPTION_NODE,
                .offset = AT(from),
                .help = "Column or path that is looked up; a list for a key of several columns."},
        {.name = "query",
                .type = OPTION_STRING,
                .offset = SPEC_AT(query),
                .min = 1,
                .help = "SQL that gives keys and values; read once a run, from the same source."},
        {.name = "map",
                .type = OPTION_NODE,
                .offset = SPEC_AT(map),
                .help = "Keys and values, written here."},
        {.name = "file",
                .type = OPTION_STRING,
                .offset = AT(file),
                .min = 1,
                .help = "File with keys and values (.csv with a header, .json, .yaml), relative to "
                        "this one."},
        {.name = "key",
                .type = OPTION_STRINGS,
                .offset = SPEC_AT(key),
                .min = 1,
                .help = "Column that holds the key; absent: the first."},
        {.name = "value",
                .type = OPTION_STRINGS,
                .offset = SPEC_AT(value),
                .min = 1,
                .help = "Column that holds the value; a list gives an object; absent: the one "
                        "beside the key."},
};
OPTION_TABLE(mapper_lookup_table, "lookup", lookup_options);

static const char *const origin_names[] = {
        [LOOKUP_QUERY] = "query", [LOOKUP_MAP] = "map", [LOOKUP_FILE] = "file"};

static int error_at_key(const struct option_context *cx, const struct ynode *n, const char *key,
        struct err *e, const char *text)
{
        const struct ynode_pair *p = ynode_key(n, key);

        return p ? ydoc_error_at(cx->doc, p->line, p->column, e, "%s", text)
                 : ynode_error(cx->doc, n, e, "%s", text);
}

static int find_origin(const struct option_context *cx, struct lookup_draft *d, struct err *e)
{
        const char *first = NULL;

        for (size_t o = 0; o < sizeof(origin_names) / sizeof(origin_names[0]); o++) {
                const struct ynode_pair *p = ynode_key(d->node, origin_names[o]);
                if (p && first)
                        return ydoc_error_at(cx->doc, p->line, p->column, e,
                                "'%s' and '%s': a look-up has one of them", first, origin_names[o]);
                if (!p)
                        continue;
                first = origin_names[o];
                d->spec.origin = (enum lookup_origin)o;
        }
        if (!first)
                return ynode_error(cx->doc, d->node, e,
                        "'lookup' needs one of query, map or file: where keys and values are");
        return 0;
}

static bool ends_with(const char *text, const char *end)
{
        size_t len = strlen(text), n = strlen(end);

        return len > n && strcmp(text + len - n, end) == 0;
}

static int take_file(const struct option_context *cx, struct lookup_draft *d, struct err *e)
{
        static const char *const endings[] = {".csv", ".json", ".yaml", ".yml"};
        bool known = false;

        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
                known |= ends_with(d->file, endings[i]);
        if (!known)
                return ynode_error(cx->doc, ynode_get(d->node, "file"), e,
                        "'file' must end in .csv, .json, .yaml or .yml: the ending says how it is "
                        "read");
        d->spec.file = ydoc_path(cx->doc, cx->arena, d->file);
        return d->spec.file ? 0 : options_nomem(cx, e);
}

static int take_map(const struct option_context *cx, struct lookup_draft *d, struct err *e)
{
        const struct ynode *map = d->spec.map;

        if (map->kind != YNODE_MAP || map->count == 0)
                return ynode_error(cx->doc, map, e,
                        "'map' must be a map of keys and values, not %s",
                        map->kind == YNODE_MAP ? "an empty one" : ynode_kind_name(map->kind));
        if (d->from && d->spec.key.count)
                return error_at_key(cx, d->node, "key", e, "'key' means nothing beside 'map'");
        return 0;
}

/* ---- what is looked up ---- */

static int path_of(const struct option_context *cx, const struct ynode *n, struct field_path *out,
        struct err *e)
{
        if (n->kind != YNODE_STRING)
                return ynode_error(cx->doc, n, e,
                        "'from' must be a column or a path, or a list of them, not %s; put a name "
                        "in quotes",
                        ynode_kind_name(n->kind));
        return spec_path_parse(cx, n, "'from'", n->text, out, e);
}

/* The column named @name, which may be no path at all. */
static int path_of_key(
        const struct option_context *cx, const char *name, struct field_path *out, struct err *e)
{
        struct path_step *step = arena_alloc(cx->arena, sizeof(*step));
        struct err ignored;

        if (!step)
                return options_nomem(cx, e);
        step->name = str_of(name);
        if (spec_path_parse(cx, cx->doc->root, "'key'", step->name, out, &ignored) != 0)
                *out = (struct field_path){step, 1, name};
        return 0;
}

static int take_paths(const struct option_context *cx, const struct lookup_draft *d,
        struct field_spec *f, struct err *e)
{
        const struct ynode *n = d->from;
        const struct ynode *const *items = n && n->kind == YNODE_LIST ? n->items : &n;
        size_t count = !n ? d->spec.key.count : n->kind == YNODE_LIST ? n->count : 1;
        struct field_path *paths = arena_array(cx->arena, count, sizeof(*paths));
        int rc = 0;

        if (!paths)
                return options_nomem(cx, e);
        for (size_t i = 0; i < count && !rc; i++)
                rc = n ? path_of(cx, items[i], &paths[i], e)
                       : path_of_key(cx, d->spec.key.items[i], &paths[i], e);
        f->looked_up = paths;
        f->looked_up_count = count;
        return rc;
}

static int check_keys(const struct option_context *cx, const struct lookup_draft *d,
        const struct field_spec *f, struct err *e)
{
        size_t count = f->looked_up_count;

        if (count == 0)
                return ynode_error(
                        cx->doc, d->node, e, "'lookup' needs 'from': the column that is looked up");
        if (count > LOOKUP_MAX_KEYS)
                return ynode_error(cx->doc, d->node, e,
                        "a key of %zu columns: a look-up takes at most %d", count, LOOKUP_MAX_KEYS);
        if (d->spec.key.count && d->spec.key.count != count)
                return ynode_error(cx->doc, ynode_get(d->node, "key"), e,
                        "'key' names %zu columns, but 'from' %zu: each is looked up in one",
                        d->spec.key.count, count);
        if (d->spec.origin == LOOKUP_MAP && count > 1)
                return ynode_error(cx->doc, d->node, e,
                        "a key of several columns needs 'query' or 'file': a map has one key");
        return 0;
}

/* ---- the mapper's look-ups ---- */

static bool same_text(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_list(const struct string_list *a, const struct string_list *b)
{
        bool same = a->count == b->count;

        for (size_t i = 0; same && i < a->count; i++)
                same = strcmp(a->items[i], b->items[i]) == 0;
        return same;
}

static bool same_lookup(const struct lookup_spec *a, const struct lookup_spec *b)
{
        return a->origin == b->origin && a->map == b->map && same_text(a->query, b->query) &&
               same_text(a->file, b->file) && same_list(&a->key, &b->key) &&
               same_list(&a->value, &b->value) && a->value_is_list == b->value_is_list &&
               a->parts == b->parts && a->key_is_column == b->key_is_column;
}

static int add_lookup(const struct option_context *cx, const struct lookup_draft *d,
        struct field_spec *f, struct err *e)
{
        struct mapper_spec *m = spec_decoding_of(cx)->spec;

        for (f->lookup = 0; f->lookup < m->lookup_count; f->lookup++)
                if (same_lookup(m->lookups[f->lookup], &d->spec))
                        return 0;
        if (m->lookup_count == MAX_LOOKUPS)
                return ynode_error(
                        cx->doc, d->node, e, "more than %d look-ups in one mapper", MAX_LOOKUPS);
        if (!m->lookups)
                m->lookups = arena_array(cx->arena, MAX_LOOKUPS, sizeof(*m->lookups));
        struct lookup_spec *copy = arena_alloc(cx->arena, sizeof(*copy));
        if (!m->lookups || !copy)
                return options_nomem(cx, e);
        *copy = d->spec;
        m->lookups[m->lookup_count++] = copy;
        return 0;
}

static int take_origin(const struct option_context *cx, struct lookup_draft *d, struct err *e)
{
        int rc = find_origin(cx, d, e);

        if (rc == 0 && d->file)
                rc = take_file(cx, d, e);
        return rc == 0 && d->spec.map ? take_map(cx, d, e) : rc;
}

int spec_lookup_decode(const struct option_context *cx, const struct ynode *n,
        const struct ynode *from, struct field_spec *f, struct err *e)
{
        struct lookup_draft d = {.node = n, .spec = {.doc = cx->doc, .node = n}};
        int rc = options_decode(cx, &mapper_lookup_table, n, &d, e);

        if (rc)
                return rc;
        if (from && d.from)
                return error_at_key(cx, n, "from", e,
                        "'from' stands beside 'lookup' too: write it in one place");
        d.from = d.from ? d.from : from;
        const struct ynode *value = ynode_get(n, "value");
        d.spec.value_is_list = value && value->kind == YNODE_LIST;
        d.spec.key_is_column = !d.from;
        rc = take_origin(cx, &d, e);
        if (rc == 0)
                rc = take_paths(cx, &d, f, e);
        if (rc == 0)
                rc = check_keys(cx, &d, f, e);
        d.spec.parts = f->looked_up_count;
        return rc ? rc : add_lookup(cx, &d, f, e);
}
