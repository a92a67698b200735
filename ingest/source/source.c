/* The registry of connectors, and the way from source.h to the one that is meant. */
#include "ingest/source/source.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LISTED_MAX 200 /* bytes of the connectors' names in a message */

static const struct source_ops *const types[] = {&source_postgres, &source_rest, NULL};

#define TYPES (sizeof(types) / sizeof(types[0]))

const struct source_ops *const *source_types(void)
{
        return types;
}

/* ---- sources: in erp2couch.yaml ---- */

static int unknown_type(const struct ydoc *doc, const struct ynode *type, struct err *e)
{
        char listed[LISTED_MAX] = "", shown[YNODE_SHOW_MAX];
        const char *names[TYPES];
        size_t at = 0, count = 0;

        for (; types[count] && at < sizeof(listed); count++) {
                names[count] = types[count]->type;
                at += (size_t)snprintf(
                        listed + at, sizeof(listed) - at, "%s%s", count ? ", " : "", names[count]);
        }
        const char *near = str_nearest(type->text, names, count);
        if (near)
                return ynode_error(doc, type, e, "unknown source type %s, did you mean '%s'?",
                        ynode_show(type, shown), near);
        return ynode_error(doc, type, e,
                "source type %s is not in this version; this version has: %s",
                ynode_show(type, shown), listed);
}

static int find_type(const struct ydoc *doc, const char *name, const struct ynode *node,
        const struct source_ops **out, struct err *e)
{
        const struct ynode *type = ynode_get(node, "type");

        if (node->kind != YNODE_MAP)
                return ynode_error(doc, node, e,
                        "source '%s' must be a map, not %s: {type: %s, ...}", name,
                        ynode_kind_name(node->kind), types[0]->type);
        if (!type)
                return ynode_error(doc, node, e,
                        "key 'type' is missing in source '%s'; add it: type: %s", name,
                        types[0]->type);
        for (size_t i = 0; types[i]; i++) {
                if (!str_is(type->text, types[i]->type))
                        continue;
                *out = types[i];
                return 0;
        }
        return unknown_type(doc, type, e);
}

/* @node without its key `type`, which the registry has taken. */
static const struct ynode *without_type(const struct ynode *node, struct arena *arena)
{
        struct ynode *copy = arena_alloc(arena, sizeof(*copy));
        struct ynode_pair *pairs = arena_array(arena, node->count, sizeof(*pairs));

        if (!copy || !pairs)
                return NULL;
        *copy = *node;
        copy->pairs = pairs;
        copy->count = 0;
        for (size_t i = 0; i < node->count; i++)
                if (!str_is(node->pairs[i].key, "type"))
                        pairs[copy->count++] = node->pairs[i];
        return copy;
}

#define COMMON 1

static const struct option common_options[COMMON] = {
        {.name = "max_runs",
                .type = OPTION_INT,
                .offset = offsetof(struct source_config, max_runs),
                .min = 1,
                .max = SOURCE_MAX_RUNS,
                .help = "Mappers of this source that serve runs at a time; absent: as "
                        "serve.max_runs."},
};
OPTION_TABLE(source_common_table, "a source", common_options);

/* What is decoded at once: keys of both tables are known wherever one of them is misspelt. */
struct both_tables {
        struct option_table table;
        size_t common_at; /* where the source_config is behind the connector's options */
        size_t size;
};

static int join_tables(const struct option_context *cx, const struct source_ops *ops,
        struct both_tables *out, struct err *e)
{
        const struct option_table *own = ops->options;
        struct option *options = arena_array(cx->arena, own->count + COMMON, sizeof(*options));
        size_t align = _Alignof(max_align_t);

        if (!options)
                return options_nomem(cx, e);
        out->common_at = (ops->options_size + align - 1) / align * align;
        out->size = out->common_at + sizeof(struct source_config);
        memcpy(options, own->options, own->count * sizeof(*options));
        for (size_t i = 0; i < COMMON; i++) {
                options[own->count + i] = common_options[i];
                options[own->count + i].offset += out->common_at;
        }
        out->table = (struct option_table){own->what, options, own->count + COMMON};
        return 0;
}

int source_config_decode(const struct ydoc *doc, const char *name, const struct ynode *node,
        struct arena *arena, struct source_config *out, struct err *e)
{
        struct option_context cx = {doc, arena, NULL};
        struct source_config config = {.name = name, .doc = doc, .node = node};

        int rc = find_type(doc, name, node, &config.ops, e);
        if (rc)
                return rc;
        const struct ynode *own = without_type(node, arena);
        struct both_tables both;
        rc = join_tables(&cx, config.ops, &both, e);
        if (rc)
                return rc;
        config.own = arena_alloc(arena, both.size);
        if (!own || !config.own)
                return options_nomem(&cx, e);
        rc = options_decode(&cx, &both.table, own, config.own, e);
        const struct source_config *common =
                (const void *)((const char *)config.own + both.common_at);
        config.max_runs = common->max_runs;
        if (rc == 0 && config.ops->check)
                rc = config.ops->check(&config, e);
        if (rc == 0)
                *out = config;
        return rc;
}

/* ---- dispatch ---- */

static const struct source_ops *ops_of(const void *embeds_base)
{
        return ((const struct source_base *)embeds_base)->ops;
}

bool source_has_snapshot(const struct source_config *config)
{
        return !config->ops->no_snapshot;
}

bool source_describes_columns(const struct source_config *config)
{
        return !config->ops->open_shape;
}

bool source_outputs(const struct source_config *config, const char *query, struct arena *arena,
        struct string_list *out)
{
        return config->ops->outputs && config->ops->outputs(query, arena, out);
}

int source_open(const struct source_config *config, struct loop *loop, const struct log *log,
        struct source **out, struct err *e)
{
        int rc = config->ops->open(config, loop, log, out, e);

        return rc ? err_wrap(e, rc, "source %s", config->name) : 0;
}

struct source *source_close(struct source *s)
{
        return s ? ops_of(s)->close(s) : NULL;
}

int source_describe(struct source *s, const struct extract *x, struct arena *arena,
        struct shape *out, struct err *e)
{
        return ops_of(s)->describe(s, x, arena, out, e);
}

int source_probe(
        struct source *s, const struct extract *x, const struct shape *shape, struct err *e)
{
        return ops_of(s)->probe ? ops_of(s)->probe(s, x, shape, e) : 0;
}

int source_discover(struct source *s, const struct catalog_query *q, struct arena *arena,
        struct catalog *out, struct err *e)
{
        if (!ops_of(s)->discover)
                return err_set(e, ERR_CONFIG,
                        "a source of type %s has no tables that could be listed", ops_of(s)->type);
        return ops_of(s)->discover(s, q, arena, out, e);
}

int source_read_all(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        return ops_of(s)->read_all(s, x, shape, sink, out, e);
}

int source_read_by_keys(struct source *s, const struct extract *x, const struct shape *shape,
        const struct value *keys, size_t count, const struct source_sink *sink,
        struct source_read **out, struct err *e)
{
        if (!ops_of(s)->read_by_keys)
                return extract_error(
                        x, "key", e, "a source of type %s cannot read by key", ops_of(s)->type);
        return ops_of(s)->read_by_keys(s, x, shape, keys, count, sink, out, e);
}

static int cannot(const struct extract *x, const char *key, const char *type, struct err *e)
{
        return extract_error(x, key, e, "a source of type %s cannot do that", type);
}

int source_check_watch(
        struct source *s, const struct extract *x, const struct source_watch *watch, struct err *e)
{
        if (!ops_of(s)->check_watch)
                return cannot(x, "cursor", ops_of(s)->type, e);
        return ops_of(s)->check_watch(s, x, watch, e);
}

int source_observe(struct source *s, const struct extract *x, const struct source_watch *watch,
        struct source_observation *out, struct err *e)
{
        if (!ops_of(s)->observe)
                return cannot(x, "cursor", ops_of(s)->type, e);
        return ops_of(s)->observe(s, x, watch, out, e);
}

int source_read_since(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        return ops_of(s)->read_since(s, x, shape, sink, out, e);
}

int source_position(struct source *s, struct buf *out, struct err *e)
{
        return ops_of(s)->position(s, out, e);
}

const char *source_ahead(struct source *s)
{
        return ops_of(s)->ahead ? ops_of(s)->ahead(s) : "";
}

const char *source_doubt(struct source *s)
{
        return ops_of(s)->doubt ? ops_of(s)->doubt(s) : "";
}

bool source_reads_all_for_keys(struct source *s, const struct extract *x)
{
        return ops_of(s)->reads_all_for_keys && ops_of(s)->reads_all_for_keys(s, x);
}

int source_read_keys(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        if (!ops_of(s)->read_keys)
                return cannot(x, "deletes", ops_of(s)->type, e);
        return ops_of(s)->read_keys(s, x, shape, sink, out, e);
}

int source_read_deleted(struct source *s, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        if (!ops_of(s)->read_deleted)
                return cannot(x, "deletes", ops_of(s)->type, e);
        return ops_of(s)->read_deleted(s, x, shape, sink, out, e);
}

int source_convert(struct source *s, const struct extract *x, const struct shape *shape,
        struct source_pushed *items, size_t count, struct arena *arena, struct err *e)
{
        if (!ops_of(s)->convert)
                return cannot(x, "pushed records", ops_of(s)->type, e);
        return ops_of(s)->convert(s, x, shape, items, count, arena, e);
}

bool source_can_listen(const struct source_config *config)
{
        return config->ops->listen;
}

int source_listen(struct source *s, const struct source_listener *listener, struct err *e)
{
        if (!ops_of(s)->listen)
                return err_set(
                        e, ERR_CONFIG, "a source of type %s tells of no changes", ops_of(s)->type);
        return ops_of(s)->listen(s, listener, e);
}

int source_lock(struct source *s, uint64_t key, int64_t wait_ms, struct err *e)
{
        return ops_of(s)->lock ? ops_of(s)->lock(s, key, wait_ms, e) : SOURCE_NO_LOCK;
}

int source_lock_check(struct source *s, struct err *e)
{
        return ops_of(s)->lock_check ? ops_of(s)->lock_check(s, e) : 0;
}

void source_resume(struct source_read *r)
{
        ops_of(r)->resume(r);
}

void source_cancel(struct source_read *r)
{
        ops_of(r)->cancel(r);
}
