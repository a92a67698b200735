/*
 * Files are found first, all of them, then sorted: the order of mappers does not depend on the
 * order of globs or of the file system. One that two globs name is loaded once.
 */
#include "ingest/pipeline/config_internal.h"
#include "mappers/lookup.h"
#include "mappers/names.h"

#include <errno.h>
#include <glob.h>
#include <sys/stat.h>

struct file_list {
        struct buf paths; /* const char *, in the configuration's arena */
};

static const char **list_items(const struct file_list *files, size_t *count)
{
        *count = files->paths.len / sizeof(const char *);
        return (const char **)files->paths.data;
}

static int add_file(struct config *c, struct file_list *files, const char *path, struct err *e)
{
        struct option_context cx = {c->doc, c->arena, NULL};
        const char *copy = arena_strdup(c->arena, str_of(path));

        if (!copy)
                return options_nomem(&cx, e);
        buf_put(&files->paths, &copy, sizeof(copy));
        if (files->paths.error == -ERR_REJECT)
                return err_set(e, ERR_CONFIG, "%s: more than %d mapper files", c->path,
                        CONFIG_MAX_MAPPERS);
        return buf_check(&files->paths, "the list of mapper files", e);
}

/* @pattern relative to the configuration's folder, whose own name is no pattern. */
static int absolute_pattern(
        const struct config *c, const char *pattern, struct buf *out, struct err *e)
{
        const char *slash = strrchr(c->path, '/');
        size_t folder = slash && pattern[0] != '/' ? (size_t)(slash - c->path) + 1 : 0;

        for (size_t i = 0; i < folder; i++) {
                if (strchr("*?[\\", c->path[i]))
                        buf_putc(out, '\\');
                buf_putc(out, c->path[i]);
        }
        buf_puts(out, pattern);
        buf_putc(out, '\0');
        return buf_check(out, "a file name", e);
}

static int glob_failed(const struct config *c, const struct ynode *n, int why, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        if (why == GLOB_NOSPACE)
                return err_nomem(e, "the list of mapper files");
        if (why == GLOB_NOMATCH)
                return ynode_error(c->doc, n, e,
                        "'mappers': no file matches %s; names are relative to the folder of %s",
                        ynode_show(n, shown), c->path);
        return ynode_error(c->doc, n, e,
                "'mappers': a folder of %s cannot be read: give this user the right to",
                ynode_show(n, shown));
}

/* A folder that is not there matches nothing; one that cannot be read may hide a mapper. */
static int is_serious(const char *path, int errnum)
{
        (void)path;
        return errnum != ENOENT && errnum != ENOTDIR;
}

/* What a glob may match that is no mapper, and never will be. */
static int check_file(
        const struct config *c, const struct ynode *n, const char *path, struct err *e)
{
        struct stat st, own;
        size_t len = strlen(path);

        if (stat(path, &st) != 0)
                return 0; /* reading it will say more */
        if (S_ISDIR(st.st_mode))
                return ynode_error(c->doc, n, e,
                        "'mappers': %s is a folder: name its files with %s%s*.yaml", path, path,
                        len > 0 && path[len - 1] == '/' ? "" : "/");
        if (stat(c->path, &own) == 0 && st.st_dev == own.st_dev && st.st_ino == own.st_ino)
                return ynode_error(c->doc, n, e,
                        "'mappers': %s is this file itself: put mappers into a folder of their "
                        "own, mappers/*.yaml",
                        path);
        return 0;
}

static int add_matches(
        struct config *c, struct file_list *files, const struct ynode *n, struct err *e)
{
        cleanup_buf_ struct buf pattern = BUF_INIT(1 << 16);
        glob_t found = {0};

        if (n->text.len == 0)
                return ynode_error(c->doc, n, e, "'mappers': a file name is empty");
        int rc = absolute_pattern(c, n->text.ptr, &pattern, e);
        if (rc)
                return rc;
        int why = glob(pattern.data, GLOB_NOSORT, is_serious, &found);
        if (why)
                rc = glob_failed(c, n, why, e);
        for (size_t i = 0; i < found.gl_pathc && rc == 0; i++) {
                rc = check_file(c, n, found.gl_pathv[i], e);
                if (rc == 0)
                        rc = add_file(c, files, found.gl_pathv[i], e);
        }
        globfree(&found);
        return rc;
}

static int compare_paths(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int unknown_source(const struct config *c, const struct mapper_spec *m, struct err *e)
{
        const char **names = arena_array(c->arena, c->source_count, sizeof(*names));
        const struct ynode *at = ynode_get(m->doc->root, "source");
        char shown[YNODE_SHOW_MAX];

        if (!names)
                return err_nomem(e, "names of sources");
        for (size_t i = 0; i < c->source_count; i++)
                names[i] = c->sources[i].name;
        const char *near = str_nearest(str_of(m->source), names, c->source_count);
        if (near)
                return mapper_spec_error(m, at, e, "unknown source %s, did you mean '%s'?",
                        ynode_show(at, shown), near);
        int rc = mapper_spec_error(m, at, e, "unknown source %s: it is not in 'sources' of %s",
                ynode_show(at, shown), c->path);
        return err_hint(e, rc, "there is %s%s", names[0], c->source_count > 1 ? " ..." : "");
}

/* A dotted path is no column: the source finds what it needs of it by itself. */
static size_t put_plain(const char *name, const char **out)
{
        *out = name;
        return name && *name && !name[strcspn(name, ".[\\")];
}

int config_name_columns(const struct mapper_spec *spec, struct extract *x, struct err *e)
{
        size_t room = x->key.count + x->group.count + 1;
        const char **plain = arena_array(spec->arena, room, sizeof(*plain));
        struct string_list first = {plain, 0};

        if (!plain)
                return arena_failed(spec->arena, spec->path, e);
        for (size_t i = 0; i < x->key.count; i++)
                first.count += put_plain(x->key.items[i], &plain[first.count]);
        for (size_t i = 0; i < x->group.count; i++)
                first.count += put_plain(x->group.items[i], &plain[first.count]);
        if (x->deletes.column) {
                struct str flag = {x->deletes.column, strcspn(x->deletes.column, ".")};
                plain[first.count] = arena_strdup(spec->arena, flag);
                if (!plain[first.count++])
                        return arena_failed(spec->arena, spec->path, e);
        }
        return mapper_names_list(spec, x->group.count > 0, &first, spec->arena, &x->names, e);
}

static int decode_lookups(struct config_mapper *m, const struct mapper_spec *spec, struct err *e)
{
        int rc = 0;

        m->lookups = arena_array(spec->arena, spec->lookup_count, sizeof(struct extract *));
        if (!m->lookups)
                return arena_failed(spec->arena, spec->path, e);
        for (size_t i = 0; i < spec->lookup_count && !rc; i++) {
                const struct lookup_spec *l = spec->lookups[i];
                if (l->origin == LOOKUP_QUERY)
                        rc = extract_of_query(m->source, l->doc, l->node, l->query, spec->arena,
                                &m->lookups[i], e);
        }
        return rc;
}

/* Those in files and in the mapper itself: a run reads them only when it needs them. */
static int check_lookups(const struct mapper_spec *spec, struct err *e)
{
        cleanup_(lookup_set_freep) struct lookup_set *set = NULL;
        int rc = lookup_set_new(spec, &set, e);

        return rc ? rc : lookup_set_load(set, e);
}

/* @thorough: for `check`. */
static int load_mapper(struct config *c, const char *path, bool thorough, struct err *e)
{
        struct config_mapper *m = &c->mappers[c->mapper_count];
        cleanup_(mapper_spec_freep) struct mapper_spec *spec = NULL;

        int rc = mapper_spec_load(path, &spec, e);
        if (rc)
                return rc;
        m->source = config_source(c, spec->source);
        if (!m->source)
                return unknown_source(c, spec, e);
        rc = extract_decode(m->source, spec->doc, spec->extract, spec->arena, &m->extract, e);
        if (rc == 0 && !source_describes_columns(m->source))
                rc = config_name_columns(spec, m->extract, e);
        if (rc == 0)
                rc = decode_lookups(m, spec, e);
        if (rc == 0 && thorough)
                rc = check_lookups(spec, e);
        if (rc)
                return rc;
        m->spec = spec;
        rc = config_schema(c, m, e);
        m->spec = NULL;
        if (rc)
                return rc;
        m->spec = TAKE(spec);
        rc = config_annotation_load(c, m, e);
        if (rc) {
                m->spec = mapper_spec_free(m->spec);
                return rc;
        }
        c->mapper_count++;
        return 0;
}

static int load_files(
        struct config *c, struct file_list *files, struct config_problems *problems, struct err *e)
{
        struct option_context cx = {c->doc, c->arena, NULL};
        size_t count;
        const char **paths = list_items(files, &count);

        c->mappers = arena_array(c->arena, count, sizeof(*c->mappers));
        if (!c->mappers)
                return options_nomem(&cx, e);
        qsort(paths, count, sizeof(*paths), compare_paths);
        for (size_t i = 0; i < count; i++) {
                if (i > 0 && strcmp(paths[i], paths[i - 1]) == 0)
                        continue;
                int rc = load_mapper(c, paths[i], problems != NULL, e);
                if (rc)
                        rc = config_problem(problems, paths[i], rc, e);
                if (rc)
                        return rc;
        }
        return 0;
}

int config_mappers_load(struct config *c, const struct ynode *globs,
        struct config_problems *problems, struct err *e)
{
        const struct ynode *const *items = globs->kind == YNODE_LIST ? globs->items : &globs;
        size_t count = globs->kind == YNODE_LIST ? globs->count : 1;
        struct file_list files;
        int rc = 0;

        buf_init(&files.paths, CONFIG_MAX_MAPPERS * sizeof(const char *));
        for (size_t i = 0; i < count && rc == 0; i++)
                rc = add_matches(c, &files, items[i], e);
        if (rc == 0)
                rc = load_files(c, &files, problems, e);
        buf_deinit(&files.paths);
        return rc;
}
