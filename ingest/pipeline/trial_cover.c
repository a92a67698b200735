/*
 * A field is looked at where some test names it, or has it rejected. The fields are walked once,
 * with all maps that tests expect in that place side by side.
 */
#include "ingest/pipeline/trial_internal.h"

#define PATH_MAX_BYTES (1 << 16)

struct cover {
        const struct mapper_spec *spec;
        struct arena *arena;
        struct buf path, names; /* names: const char *, of what no test looks at */
        size_t fields;
};

/* Maps that are expected in one place of the document. */
struct maps {
        const struct ynode **items;
        size_t count;
};

/* Whether @reject begins with @path and what may stand behind it; elements match any. */
static bool names_path(const char *reject, const char *path)
{
        while (*path && *reject) {
                if (*path == '[' && *reject == '[') {
                        reject += strcspn(reject, "]");
                        path += strcspn(path, "]");
                } else if (*path != *reject) {
                        return false;
                } else {
                        reject++;
                        path++;
                }
        }
        return !*path && (!*reject || *reject == ':');
}

static bool is_rejected(const struct cover *c, const char *path)
{
        for (size_t i = 0; i < c->spec->tests.count; i++) {
                const char *reject = c->spec->tests.items[i].reject;
                if (reject && names_path(reject, path))
                        return true;
        }
        return false;
}

static bool is_expected(const struct maps *maps, struct str name)
{
        for (size_t i = 0; i < maps->count; i++)
                if (ynode_get(maps->items[i], name.ptr))
                        return true;
        return false;
}

/* How many maps stand below the member @f of @maps; takes them where there is room. */
static size_t below(const struct maps *maps, const struct field_spec *f, const struct ynode **out)
{
        size_t count = 0;

        for (size_t i = 0; i < maps->count; i++) {
                const struct ynode *n = ynode_get(maps->items[i], f->name.ptr);
                bool list = f->origin == FIELD_EACH && n && n->kind == YNODE_LIST;
                if (f->origin == FIELD_OBJECT && n && n->kind == YNODE_MAP) {
                        if (out)
                                out[count] = n;
                        count++;
                }
                for (size_t k = 0; list && k < n->count; k++) {
                        if (n->items[k]->kind != YNODE_MAP)
                                continue;
                        if (out)
                                out[count] = n->items[k];
                        count++;
                }
        }
        return count;
}

static int cover_fields(struct cover *c, const struct maps *maps, const struct field_spec *fields,
        size_t count, struct err *e);

static int cover_inside(
        struct cover *c, const struct maps *maps, const struct field_spec *f, struct err *e)
{
        struct maps inner = {.count = below(maps, f, NULL)};

        inner.items = arena_array(c->arena, inner.count, sizeof(*inner.items));
        if (!inner.items)
                return arena_failed(c->arena, "coverage", e);
        below(maps, f, inner.items);
        buf_puts(&c->path, f->origin == FIELD_EACH ? "[]." : ".");
        return cover_fields(c, &inner, f->fields, f->field_count, e);
}

static int cover_field(
        struct cover *c, const struct maps *maps, const struct field_spec *f, struct err *e)
{
        if (f->origin == FIELD_OBJECT || f->origin == FIELD_EACH)
                return cover_inside(c, maps, f, e);
        const char *path = buf_cstr(&c->path);
        if (!path)
                return buf_check(&c->path, "the path of a field", e);
        c->fields++;
        if (is_expected(maps, f->name) || is_rejected(c, path))
                return 0;
        path = arena_strdup(c->arena, buf_str(&c->path));
        if (!path)
                return arena_failed(c->arena, "coverage", e);
        buf_put(&c->names, &path, sizeof(path));
        return 0;
}

static int cover_fields(struct cover *c, const struct maps *maps, const struct field_spec *fields,
        size_t count, struct err *e)
{
        size_t len = c->path.len;
        int rc = 0;

        for (size_t i = 0; i < count && !rc; i++) {
                buf_put_str(&c->path, fields[i].name);
                rc = cover_field(c, maps, &fields[i], e);
                c->path.len = len;
        }
        return rc;
}

static int collect(struct cover *c, struct err *e)
{
        const struct mapper_tests *tests = &c->spec->tests;
        struct maps root = {arena_array(c->arena, tests->count, sizeof(*root.items)), 0};

        if (!root.items)
                return arena_failed(c->arena, "coverage", e);
        for (size_t i = 0; i < tests->count; i++)
                if (tests->items[i].expect)
                        root.items[root.count++] = tests->items[i].expect;
        int rc = cover_fields(c, &root, c->spec->fields, c->spec->field_count, e);
        return rc ? rc : buf_check(&c->names, "coverage", e);
}

int trial_cover(const struct mapper_spec *m, struct trial_report *out, struct err *e)
{
        struct cover c = {.spec = m,
                .arena = out->arena,
                .path = BUF_INIT(PATH_MAX_BYTES),
                .names = BUF_INIT(YDOC_MAX_NODES * sizeof(char *))};
        int rc = collect(&c, e);
        size_t count = c.names.len / sizeof(const char *);
        const char **names = rc ? NULL : arena_array(out->arena, count, sizeof(*names));

        if (!rc && !names)
                rc = arena_failed(out->arena, "coverage", e);
        if (!rc) {
                if (count)
                        memcpy(names, c.names.data, c.names.len);
                out->unasserted = names;
                out->unasserted_count = count;
                out->field_count = c.fields;
        }
        buf_deinit(&c.path);
        buf_deinit(&c.names);
        return rc;
}
