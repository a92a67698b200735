/*
 * A text is walked once by the table of places where schemas may stand; `enum`, `const` and words
 * that the draft does not know are not entered, whatever looks like an $id in them. A JSON pointer
 * may lead there all the same: that part is then walked as a schema of the one around it.
 */
#include "schemas/set.h"

#include <stdarg.h>
#include <stdio.h>

#include <xxhash.h>

#include "schemas/source.h"
#include "schemas/uri.h"

#define URI_MAX     8192 /* bytes of a resolved URI */
#define POINTER_MAX 4096 /* bytes of a place in messages */

/* A further URI of a text: the one it was asked for by. */
struct alias {
        struct str uri;
        uint64_t hash;
        struct resource *resource;
        struct alias *next;
};

static uint64_t hash_of(struct str s)
{
        return XXH3_64bits(s.ptr, s.len);
}

void set_init(struct set *s, const struct schema_options *options, struct arena *arena)
{
        *s = (struct set){.options = options, .arena = arena};
        buf_init(&s->scratch, SCHEMA_MAX_FILE_BYTES);
        buf_init(&s->text, SCHEMA_MAX_FILE_BYTES);
        buf_init(&s->uri, URI_MAX);
}

void set_deinit(struct set *s)
{
        buf_deinit(&s->scratch);
        buf_deinit(&s->text);
        buf_deinit(&s->uri);
}

static int no_room(struct set *s, struct err *e)
{
        int rc = arena_failed(s->arena, "the schema", e);

        return rc == -ERR_REJECT ? err_set(e, ERR_CONFIG, "the schema is too large") : rc;
}

int set_wrap(const struct resource *resource, const struct node *n, int rc, struct err *e)
{
        cleanup_buf_ struct buf pointer = BUF_INIT(POINTER_MAX);

        node_put_pointer(n, &pointer);
        const char *text = buf_cstr(&pointer);
        return err_wrap(e, rc, "%s#%s", resource->file, text ? text : "/...");
}

int set_error(
        const struct resource *resource, const struct node *n, struct err *e, const char *fmt, ...)
{
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        return set_wrap(resource, n, err_set(e, ERR_CONFIG, "%s", text), e);
}

/* ---- what is in a text ---- */

enum place { ONE_SCHEMA, LIST_OF_SCHEMAS, MAP_OF_SCHEMAS };

static const struct {
        struct str keyword;
        enum place place;
} places[] = {{STR("$defs"), MAP_OF_SCHEMAS}, {STR("additionalProperties"), ONE_SCHEMA},
        {STR("allOf"), LIST_OF_SCHEMAS}, {STR("anyOf"), LIST_OF_SCHEMAS},
        {STR("contains"), ONE_SCHEMA}, {STR("contentSchema"), ONE_SCHEMA},
        {STR("definitions"), MAP_OF_SCHEMAS}, {STR("dependencies"), MAP_OF_SCHEMAS},
        {STR("dependentSchemas"), MAP_OF_SCHEMAS}, {STR("else"), ONE_SCHEMA},
        {STR("if"), ONE_SCHEMA}, {STR("items"), ONE_SCHEMA}, {STR("not"), ONE_SCHEMA},
        {STR("oneOf"), LIST_OF_SCHEMAS}, {STR("patternProperties"), MAP_OF_SCHEMAS},
        {STR("prefixItems"), LIST_OF_SCHEMAS}, {STR("properties"), MAP_OF_SCHEMAS},
        {STR("propertyNames"), ONE_SCHEMA}, {STR("then"), ONE_SCHEMA},
        {STR("unevaluatedItems"), ONE_SCHEMA}, {STR("unevaluatedProperties"), ONE_SCHEMA}};

static struct resource *resource_at(const struct set *s, struct str uri)
{
        uint64_t hash = hash_of(uri);

        for (struct resource *r = s->resources; r; r = r->next)
                if (r->uri_hash == hash && str_eq(r->uri, uri))
                        return r;
        for (struct alias *a = s->aliases; a; a = a->next)
                if (a->hash == hash && str_eq(a->uri, uri))
                        return a->resource;
        return NULL;
}

static int add_resource(struct set *s, struct str uri, struct node *root, const char *file,
        const struct resource *parent, struct resource **out, struct err *e)
{
        if (s->resource_count++ == SET_MAX_RESOURCES)
                return err_set(
                        e, ERR_CONFIG, "more than %d schemas with an $id", SET_MAX_RESOURCES);
        struct resource *r = arena_alloc(s->arena, sizeof(*r));
        if (!r)
                return no_room(s, e);
        *r = (struct resource){.uri = arena_dup(s->arena, uri),
                .root = root,
                .file = file,
                .parent = parent,
                .uri_hash = hash_of(uri),
                .next = s->resources};
        if (!r->uri.ptr)
                return no_room(s, e);
        s->resources = r;
        *out = r;
        return 0;
}

static int resolve(struct set *s, const struct resource *base, struct str reference, struct err *e)
{
        buf_clear(&s->uri);
        uri_resolve(base->uri, reference, &s->uri);
        return s->uri.error == -ERR_NOMEM ? err_nomem(e, "a URI")
               : s->uri.error             ? err_set(e, ERR_CONFIG, "the URI is too long")
                                          : 0;
}

/* The resource that the $id of @n begins. */
static int begin_resource(struct set *s, struct node *n, struct resource **resource, struct err *e)
{
        const struct node *id = node_member(n, STR("$id"));
        struct resource *outer = *resource;

        if (!id)
                return 0;
        if (id->kind != NODE_STRING)
                return set_error(outer, id, e, "must be a string");
        struct uri u = uri_split(id->text);
        if (u.fragment.len > 0)
                return set_error(outer, id, e, "must have no fragment; use $anchor for a name");
        int rc = resolve(s, outer, id->text, e);
        if (rc)
                return set_wrap(outer, id, rc, e);
        struct resource *same = resource_at(s, buf_str(&s->uri));
        if (same && n->parent && same->root != n)
                return set_error(outer, id, e, "there is another schema of this $id");
        if (same) { /* this one, or one text that was read by two names */
                *resource = same;
                return 0;
        }
        rc = add_resource(
                s, buf_str(&s->uri), n, outer->file, outer->root == n ? NULL : outer, resource, e);
        if (rc == 0)
                (*resource)->text = outer->text;
        return rc;
}

static int add_anchor(struct set *s, struct node *n, struct resource *resource, const char *keyword,
        bool dynamic, struct err *e)
{
        const struct node *name = node_member(n, str_of(keyword));

        if (!name)
                return 0;
        if (name->kind != NODE_STRING || name->text.len == 0)
                return set_error(resource, name, e, "must be a name");
        if (s->anchor_count++ == SET_MAX_ANCHORS)
                return set_error(resource, name, e, "more than %d anchors", SET_MAX_ANCHORS);
        struct anchor *a = arena_alloc(s->arena, sizeof(*a));
        if (!a)
                return no_room(s, e);
        *a = (struct anchor){.resource = resource,
                .name = name->text,
                .hash = hash_of(name->text),
                .node = n,
                .dynamic = dynamic,
                .next = s->anchors};
        s->anchors = a;
        return 0;
}

static int mark_inside(struct set *s, struct node *n, struct resource *resource, struct err *e)
{
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
                struct node *value = node_member(n, places[i].keyword);
                int rc = 0;

                if (!value)
                        continue;
                if (places[i].place == ONE_SCHEMA)
                        rc = set_mark(s, value, resource, e);
                for (struct node *m = places[i].place != ONE_SCHEMA ? value->first : NULL; m && !rc;
                        m = m->next)
                        rc = set_mark(s, m, resource, e);
                if (rc)
                        return rc;
        }
        return 0;
}

int set_mark(struct set *s, struct node *n, struct resource *resource, struct err *e)
{
        if (n->site || (n->kind != NODE_OBJECT && n->kind != NODE_TRUE && n->kind != NODE_FALSE))
                return 0; /* what is no schema is refused where it is used as one */
        int rc = begin_resource(s, n, &resource, e);
        if (rc)
                return rc;
        n->site = arena_alloc(s->arena, sizeof(*n->site));
        if (!n->site)
                return no_room(s, e);
        n->site->resource = resource;
        rc = add_anchor(s, n, resource, "$anchor", false, e);
        rc = rc ? rc : add_anchor(s, n, resource, "$dynamicAnchor", true, e);
        return rc ? rc : mark_inside(s, n, resource, e);
}

static int wrap_syntax(struct str text, size_t at, const char *name, int rc, struct err *e)
{
        size_t line = 1, column = 1;

        for (size_t i = 0; i < at && i < text.len; i++) {
                column = text.ptr[i] == '\n' ? 1 : column + 1;
                line += text.ptr[i] == '\n';
        }
        if (rc != -ERR_REJECT)
                return rc;
        struct err why = *e;
        return err_set(e, ERR_CONFIG, "%s:%zu:%zu: not JSON: %s", name, line, column, why.text);
}

static void add_digest(struct set *s, struct str text)
{
        XXH128_hash_t of_text = XXH3_128bits(text.ptr, text.len);
        uint64_t all[] = {s->digest[0], s->digest[1], of_text.high64, of_text.low64};
        XXH128_hash_t digest = XXH3_128bits(all, sizeof(all));

        s->digest[0] = digest.high64;
        s->digest[1] = digest.low64;
}

int set_add(struct set *s, struct str text, struct str uri, const char *name, struct resource **out,
        struct err *e)
{
        struct node *root;
        struct resource *r;
        struct err own;
        size_t at = 0;

        e = e ? e : &own;
        if (s->file_count++ == SCHEMA_MAX_FILES)
                return err_set(e, ERR_CONFIG, "more than %d schemas", SCHEMA_MAX_FILES);
        text = arena_dup(s->arena, text);
        const char *file = arena_strdup(s->arena, str_of(name));
        if (!text.ptr || !file)
                return no_room(s, e);
        int rc = node_parse(text, s->arena, &s->scratch, &root, &at, e);
        if (rc)
                return wrap_syntax(text, at, name, rc, e);
        rc = add_resource(s, uri, root, file, NULL, &r, e);
        if (rc)
                return rc;
        r->text = text;
        add_digest(s, text);
        if (root->kind != NODE_OBJECT && root->kind != NODE_TRUE && root->kind != NODE_FALSE)
                return set_error(r, root, e, "a schema is an object, true or false");
        rc = set_mark(s, root, r, e);
        if (rc)
                return rc;
        *out = root->site->resource;
        return 0;
}

/* ---- references ---- */

static int check_id(const struct resource *r, struct str uri, struct err *e)
{
        if (str_eq(r->uri, uri) || !node_member(r->root, STR("$id")))
                return 0;
        return err_set(e, ERR_CONFIG, "%s was read for \"%.*s\", but its $id is \"%.*s\"", r->file,
                STR_ARG(uri), STR_ARG(r->uri));
}

static int load(struct set *s, struct str uri, struct resource **out, struct err *e)
{
        cleanup_buf_ struct buf name = BUF_INIT(URI_MAX);
        struct alias *a = arena_alloc(s->arena, sizeof(*a));
        struct str key = arena_dup(s->arena, uri);

        if (!a || !key.ptr)
                return no_room(s, e);
        int found = source_find(s->options, key, &s->text, &name, e);
        int rc = found < 0 ? found : buf_check(&s->text, "a schema", e);
        if (rc == -ERR_REJECT)
                return err_set(e, ERR_CONFIG, "the schema \"%.*s\" is larger than %d bytes",
                        STR_ARG(key), SCHEMA_MAX_FILE_BYTES);
        if (rc)
                return rc;
        const char *shown = buf_cstr(&name);
        if (!shown)
                return buf_check(&name, "a file name", e);
        rc = set_add(s, buf_str(&s->text), key, shown, out, e);
        if (rc == 0 && found == SOURCE_FILE && !str_starts(key, STR(SOURCE_BASE)))
                rc = check_id(*out, key, e);
        if (rc)
                return rc;
        *a = (struct alias){.uri = key, .hash = hash_of(key), .resource = *out, .next = s->aliases};
        s->aliases = a;
        return 0;
}

int set_find_resource(struct set *s, struct str uri, struct resource **out, struct err *e)
{
        struct resource *r = resource_at(s, uri);

        if (!r)
                return load(s, uri, out, e);
        *out = r->root->site->resource; /* that of its $id, where it has one */
        return 0;
}

static const struct anchor *find_anchor(
        const struct set *s, const struct resource *r, struct str name)
{
        uint64_t hash = hash_of(name);

        for (const struct anchor *a = s->anchors; a; a = a->next)
                if (a->resource == r && a->hash == hash && str_eq(a->name, name))
                        return a;
        return NULL;
}

/* The schemas of the one around @n, for places that the walk did not enter. */
static int mark_late(struct set *s, struct node *n, struct err *e)
{
        const struct node *around = n;

        while (!around->site && around->parent)
                around = around->parent;
        return set_mark(s, n, around->site->resource, e);
}

static int find_fragment(struct set *s, struct resource *r, struct str fragment, struct node **out,
        const struct anchor **anchor, struct err *e)
{
        cleanup_buf_ struct buf plain = BUF_INIT(URI_MAX);
        struct node *n = r->root;

        if (!uri_unescape(fragment, &plain))
                return err_set(e, ERR_CONFIG, "a %% that no two hexadecimal digits follow");
        int rc = buf_check(&plain, "a fragment", e);
        if (rc)
                return rc;
        if (plain.len > 0 && plain.data[0] != '/') {
                const struct anchor *a = find_anchor(s, r, buf_str(&plain));
                if (anchor)
                        *anchor = a;
                n = a ? a->node : NULL;
        } else {
                n = node_follow(n, buf_str(&plain), &s->scratch);
                buf_clear(&s->scratch);
        }
        if (!n)
                return err_set(e, ERR_CONFIG, "there is nothing at #%.*s of %s", STR_ARG(fragment),
                        r->file);
        rc = mark_late(s, n, e);
        if (rc)
                return rc;
        if (!n->site)
                return err_set(
                        e, ERR_CONFIG, "#%.*s of %s is no schema", STR_ARG(fragment), r->file);
        *out = n;
        return 0;
}

int set_find(struct set *s, const struct resource *base, struct str reference, struct node **out,
        const struct anchor **anchor, struct err *e)
{
        struct resource *r;
        struct str fragment = uri_split(reference).fragment;
        int rc = resolve(s, base, reference, e);

        if (rc)
                return rc;
        if (anchor)
                *anchor = NULL;
        rc = set_find_resource(s, buf_str(&s->uri), &r, e);
        return rc ? rc : find_fragment(s, r, fragment, out, anchor, e);
}
