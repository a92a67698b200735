/* A fingerprint is the XXH3-128 of everything that decides a document's bytes, as hexadecimal. */
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>
#define XXH_STATIC_LINKING_ONLY /* the state of a hash on the stack */
#include <xxhash.h>

#define DIGEST_VERSION 1 /* raise it when digests of the same document change */

static void feed(XXH3_state_t *h, const void *bytes, size_t n)
{
        uint64_t len = n; /* lengths keep neighbours apart */

        XXH3_128bits_update(h, &len, sizeof(len));
        XXH3_128bits_update(h, bytes, n);
}

static void finish(XXH3_state_t *h, char out[FINGERPRINT_BYTES])
{
        XXH128_hash_t hash = XXH3_128bits_digest(h);

        snprintf(out, FINGERPRINT_BYTES, "%016llx%016llx", (unsigned long long)hash.high64,
                (unsigned long long)hash.low64);
}

static void feed_schema(XXH3_state_t *h, const struct schema *schema)
{
        uint64_t all[3] = {VALIDATE_VERSION};

        schema_digest(schema, all + 1);
        feed(h, all, sizeof(all));
}

/* The mapper as it was read when the program began, variables replaced: the file may have changed
 * since. Comments and line breaks are not in it. */
static void feed_node(XXH3_state_t *h, const struct ynode *n)
{
        feed(h, &n->kind, sizeof(n->kind));
        feed(h, &n->count, sizeof(n->count));
        if (ynode_is_scalar(n))
                feed(h, n->text.ptr, n->text.len);
        for (size_t i = 0; n->kind == YNODE_LIST && i < n->count; i++)
                feed_node(h, n->items[i]);
        for (size_t i = 0; n->kind == YNODE_MAP && i < n->count; i++) {
                feed(h, n->pairs[i].key.ptr, n->pairs[i].key.len);
                feed_node(h, n->pairs[i].value);
        }
}

/* Keys of a mapper that decide when it runs, or how it is watched, and nothing in a document. */
static bool is_about_runs(struct str key)
{
        static const char *const names[] = {"schedule", "full", "after", "max_rejects", "tests"};

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (str_is(key, names[i]))
                        return true;
        return false;
}

static void feed_mapper(XXH3_state_t *h, const struct ynode *root)
{
        for (size_t i = 0; i < root->count; i++) {
                if (is_about_runs(root->pairs[i].key))
                        continue;
                feed(h, root->pairs[i].key.ptr, root->pairs[i].key.len);
                feed_node(h, root->pairs[i].value);
        }
}

static void feed_columns(XXH3_state_t *h, const struct columns *columns)
{
        for (size_t i = 0; i < columns->count; i++) {
                const struct column *c = &columns->items[i];
                feed(h, c->name, strlen(c->name));
                feed(h, &c->kind, sizeof(c->kind));
                feed(h, &c->elem, sizeof(c->elem));
        }
}

static void feed_lookups(XXH3_state_t *h, const struct lookup_set *lookups)
{
        struct digest content = lookup_set_digest(lookups);

        feed(h, content.bytes, sizeof(content.bytes));
}

void fingerprint_mapper(const struct run *r, char out[FINGERPRINT_BYTES])
{
        XXH3_state_t state, *h = &state;
        int version = MAPPER_RENDERER_VERSION;

        XXH3_128bits_reset(h);
        feed(h, &version, sizeof(version));
        feed_columns(h, &r->shape.columns);
        for (size_t i = 0; i < r->shape.child_count; i++)
                feed_columns(h, &r->shape.children[i].columns);
        feed_mapper(h, r->spec->doc->root);
        for (size_t i = 0; i < r->spec->include_count; i++)
                feed_node(h, r->spec->includes[i]->root);
        if (r->lookups)
                feed_lookups(h, r->lookups);
        if (r->mapper->schema)
                feed_schema(h, r->mapper->schema);
        finish(h, out);
}

static void feed_filter(XXH3_state_t *h, const struct digest_filter *f)
{
        feed(h, f->name.ptr, f->name.len);
        feed(h, &f->insignificant, sizeof(f->insignificant));
        feed(h, &f->member_count, sizeof(f->member_count));
        for (size_t i = 0; i < f->member_count; i++)
                feed_filter(h, &f->members[i]);
}

void fingerprint_digests(const struct mapper_spec *spec, char out[FINGERPRINT_BYTES])
{
        XXH3_state_t h;
        int versions[] = {DIGEST_VERSION, MAPPER_RENDERER_VERSION};

        XXH3_128bits_reset(&h);
        feed(&h, versions, sizeof(versions));
        feed(&h, spec->id_prefix.ptr, spec->id_prefix.len);
        if (spec->filter)
                feed_filter(&h, spec->filter);
        finish(&h, out);
}
