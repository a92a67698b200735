/* The annotation is read when the configuration is: a mistake in it shows in `check`. */
#include "ingest/pipeline/config_internal.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define PATH_BYTES 4096 /* PATH_MAX of Linux */

static const struct ynode *schema_node(const struct mapper_spec *m)
{
        return ynode_get(ynode_get(m->doc->root, "target"), "schema");
}

static bool has_field(const struct mapper_spec *m, const char *name)
{
        for (size_t i = 0; i < m->field_count; i++)
                if (str_is(m->fields[i].name, name))
                        return true;
        return false;
}

/* The mapper goes first, also with an empty list. */
static int default_keep(struct config_mapper *m, struct err *e)
{
        const struct schema_annotation *a = &m->annotation;
        const struct ynode *deletes = ynode_get(m->spec->extract, "deletes");
        struct string_list *keep = &m->extract->deletes.keep;

        if (a->tombstone_count == 0 || (deletes && ynode_get(deletes, "keep")))
                return 0;
        keep->items = arena_array(m->spec->arena, a->tombstone_count, sizeof(*keep->items));
        if (!keep->items)
                return arena_failed(m->spec->arena, "fields of tombstones", e);
        for (size_t i = 0; i < a->tombstone_count; i++)
                if (has_field(m->spec, a->tombstone[i]))
                        keep->items[keep->count++] = a->tombstone[i];
        return 0;
}

int config_annotation_load(const struct config *c, struct config_mapper *m, struct err *e)
{
        const struct mapper_spec *spec = m->spec;
        char path[PATH_BYTES];

        m->annotation = (struct schema_annotation){0};
        if (!spec->schema || !c->schemas)
                return 0;
        if (snprintf(path, sizeof(path), "%s/%s.schema.json", c->schemas, spec->schema) >=
                (int)sizeof(path))
                return mapper_spec_error(
                        spec, schema_node(spec), e, "the path of the schema is too long");
        if (access(path, F_OK) != 0 && errno == ENOENT)
                return mapper_spec_error(spec, schema_node(spec), e,
                        "there is no file %s for the schema '%s'", path, spec->schema);
        int rc = schema_annotation_read(path, spec->arena, &m->annotation, e);
        return rc ? rc : default_keep(m, e);
}
