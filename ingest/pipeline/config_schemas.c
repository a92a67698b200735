/*
 * `target.schema: NAME` is the file NAME.schema.json in the folder of schemas. It is compiled when
 * the first mapper names it; whoever names it after that shares it, or its mistake.
 */
#include "ingest/pipeline/config_internal.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX      ".schema.json"
#define NAMES_SHOWN 12 /* of schemas, in a message */
#define MAX_NAMES   1000

static const struct ynode *place_of(const struct mapper_spec *m)
{
        return ynode_get(ynode_get(m->doc->root, "target"), "schema");
}

/* ---- a file that is not there ---- */

static size_t list_names(const struct config *c, const char **names)
{
        DIR *folder = opendir(c->schemas);
        const struct dirent *entry;
        size_t count = 0;

        while (folder && count < MAX_NAMES && (entry = readdir(folder))) {
                struct str name = str_of(entry->d_name);
                size_t tail = sizeof(SUFFIX) - 1;
                if (name.len <= tail || strcmp(name.ptr + name.len - tail, SUFFIX) != 0)
                        continue;
                names[count] = arena_strdup(c->arena, (struct str){name.ptr, name.len - tail});
                count += names[count] != NULL;
        }
        if (folder)
                closedir(folder);
        return count;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int missing(
        const struct config *c, const struct config_mapper *m, const char *path, struct err *e)
{
        cleanup_buf_ struct buf list = BUF_INIT(ERR_TEXT_MAX);
        const char *names[MAX_NAMES];
        size_t count = list_names(c, names);
        const char *near = str_nearest(str_of(m->spec->schema), names, count);
        int rc = mapper_spec_error(m->spec, place_of(m->spec), e,
                "there is no schema '%s': %s is missing", m->spec->schema, path);

        if (near)
                return err_hint(e, rc, "did you mean '%s'?", near);
        qsort(names, count, sizeof(*names), compare_names);
        for (size_t i = 0; i < count && i < NAMES_SHOWN; i++)
                buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
        const char *text = buf_cstr(&list);
        if (!text || count == 0)
                return rc;
        return err_hint(e, rc, "there is %s%s", text, count > NAMES_SHOWN ? " ..." : "");
}

/* ---- loading ---- */

static struct config_schema *find(const struct config *c, const char *name)
{
        struct config_schema *s = c->loaded_schemas;

        while (s && strcmp(s->name, name) != 0)
                s = s->next;
        return s;
}

static const char *path_of(const struct config *c, const char *name)
{
        cleanup_buf_ struct buf path = BUF_INIT(4096);

        buf_printf(&path, "%s/%s" SUFFIX, c->schemas, name);
        return path.error ? NULL : arena_strdup(c->arena, buf_str(&path));
}

static int load(struct config *c, const char *name, struct config_schema **out, struct err *e)
{
        struct schema_options options = {.folder = c->schemas, .assert_formats = true};
        struct config_schema *s = arena_alloc(c->arena, sizeof(*s));

        if (s) {
                s->name = arena_strdup(c->arena, str_of(name)); /* the mapper may be refused */
                s->path = path_of(c, name);
        }
        if (!s || !s->name || !s->path)
                return arena_failed(c->arena, "a schema", e);
        *out = s;
        if (access(s->path, F_OK) != 0 && errno == ENOENT)
                return 0; /* said where it is named */
        int rc = schema_compile_file(s->path, &options, &s->schema, &s->err);
        s->next = c->loaded_schemas;
        c->loaded_schemas = s;
        if (rc && rc != -ERR_CONFIG && e)
                *e = s->err;
        return rc == -ERR_CONFIG ? 0 : rc;
}

int config_schema(struct config *c, struct config_mapper *m, struct err *e)
{
        const char *name = m->spec->schema;

        m->schema = NULL;
        if (!name)
                return 0;
        if (!c->schemas)
                return mapper_spec_error(m->spec, place_of(m->spec), e,
                        "schema '%s': %s names no folder of schemas: write schemas: FOLDER there",
                        name, c->path);
        struct config_schema *s = find(c, name);
        int rc = s ? 0 : load(c, name, &s, e);
        if (rc)
                return rc;
        if (!s->schema && s->err.class == ERR_NONE)
                return missing(c, m, s->path, e);
        if (!s->schema)
                return mapper_spec_error(
                        m->spec, place_of(m->spec), e, "schema '%s': %s", name, s->err.text);
        m->schema = s->schema;
        return 0;
}
