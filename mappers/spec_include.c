/*
 * `include`: the fields of another file, in the place where they are named. Each file is decoded as
 * a map of fields with its own document, so that its mistakes carry its own places; whoever
 * includes it takes the result into his list.
 */
#include "mappers/spec_internal.h"

#include <sys/stat.h>

#define MAX_DEPTH 8          /* of files in files: nobody follows more */
#define MAX_FILES 64         /* in one mapper, each as often as it is named */
#define MAX_BYTES (16 << 20) /* of all of them */

struct include_frame {
        const struct include_frame *outer; /* who includes it; NULL: the mapper */
        const struct ydoc *by;             /* the document that names it */
        const char *path;
        struct stat st;
        int depth;
};

struct fields_file {
        const struct ynode *fields;
};

static const struct option fields_file_options[] = {
        {.name = "fields",
                .type = OPTION_NODE,
                .offset = offsetof(struct fields_file, fields),
                .required = true,
                .help = "Fields that mappers take with include."},
};
OPTION_TABLE(mapper_fields_file_table, "a file that is included", fields_file_options);

void spec_includes_free(struct mapper_spec *m)
{
        for (size_t i = 0; i < m->include_count; i++)
                ydoc_free(m->includes[i]);
        m->include_count = 0;
}

int spec_include_refuse(const struct option_context *cx, struct err *e)
{
        static const char *const own[] = {"mapper", "source", "extract", "target"};
        const struct ynode *root = cx->doc->root;
        bool is_mapper = !ynode_get(root, "fields");

        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                is_mapper |= ynode_get(root, own[i]) != NULL;
        if (is_mapper)
                return 0;
        return ynode_error(cx->doc, root, e,
                "this file has nothing but fields, as those that mappers include: put it into a "
                "folder of its own, which 'mappers' does not name");
}

/* ---- one file ---- */

/* "m.yaml -> a.yaml -> b.yaml" */
static void put_chain(const struct include_frame *f, struct buf *out)
{
        if (f->outer)
                put_chain(f->outer, out);
        else
                buf_puts(out, f->by->name);
        buf_printf(out, " -> %s", f->path);
}

static int chain_error(const struct option_context *cx, const struct ynode *n,
        const struct include_frame *f, struct err *e, const char *what)
{
        cleanup_buf_ struct buf chain = BUF_INIT(ERR_TEXT_MAX);

        put_chain(f, &chain);
        const char *text = buf_cstr(&chain);
        return ynode_error(cx->doc, n, e, "include: %s (%s)", what, text ? text : f->path);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_open(const struct include_frame *f)
{
        struct stat mapper;

        for (const struct include_frame *outer = f->outer; outer; outer = outer->outer)
                if (same_file(&outer->st, &f->st))
                        return true;
        while (f->outer)
                f = f->outer;
        return stat(f->by->name, &mapper) == 0 && same_file(&mapper, &f->st);
}

static int check_frame(const struct option_context *cx, const struct ynode *n,
        const struct include_frame *f, struct err *e)
{
        struct spec_decoding *d = spec_decoding_of(cx);

        if (is_open(f))
                return chain_error(cx, n, f, e, "a file includes itself");
        if (f->depth > MAX_DEPTH)
                return chain_error(cx, n, f, e, "more than 8 files deep");
        if (d->spec->include_count == MAX_FILES)
                return ynode_error(
                        cx->doc, n, e, "include: more than %d files in one mapper", MAX_FILES);
        d->include_bytes += f->st.st_size > 0 ? (size_t)f->st.st_size : 0;
        if (d->include_bytes > MAX_BYTES)
                return ynode_error(cx->doc, n, e,
                        "include: the files of this mapper have more than %d bytes", MAX_BYTES);
        return 0;
}

/* The document stays with the mapper: nodes and names are its. */
static int load_doc(const struct option_context *cx, const struct ynode *n,
        const struct include_frame *f, struct ydoc **out, struct err *e)
{
        struct mapper_spec *m = spec_decoding_of(cx)->spec;

        if (!m->includes)
                m->includes = arena_array(cx->arena, MAX_FILES, sizeof(*m->includes));
        if (!m->includes)
                return options_nomem(cx, e);
        int rc = ydoc_load(f->path, YDOC_EXPAND_MAPPER, out, e);
        if (rc)
                return rc;
        m->includes[m->include_count++] = *out;
        return 0;
}

static int decode_file(const struct option_context *cx, const struct include_frame *f,
        struct ydoc *doc, struct field_spec **fields, size_t *count, struct err *e)
{
        struct spec_decoding *d = cx->user;
        struct option_context inner = {.doc = doc, .arena = cx->arena, .user = d};
        const struct include_frame *outer = d->frame;
        struct fields_file file = {NULL};
        int rc = options_decode(&inner, &mapper_fields_file_table, doc->root, &file, e);

        if (rc)
                return rc;
        d->frame = f;
        rc = spec_fields_decode(&inner, file.fields, "'fields'", fields, count, e);
        d->frame = outer;
        return rc;
}

static int include_file(const struct option_context *cx, const struct ynode *n,
        struct field_spec **fields, size_t *count, struct err *e)
{
        const struct include_frame *outer = spec_decoding_of(cx)->frame;
        struct include_frame f = {
                .outer = outer, .by = cx->doc, .depth = outer ? outer->depth + 1 : 1};
        struct ydoc *doc;

        if (n->kind != YNODE_STRING || n->text.len == 0)
                return ynode_error(cx->doc, n, e,
                        "'include' must be a file, or a list of files, not %s; a field of that "
                        "name is written {from: ...}",
                        n->kind == YNODE_STRING ? "an empty text" : ynode_kind_name(n->kind));
        f.path = ydoc_path(cx->doc, cx->arena, n->text.ptr);
        if (!f.path)
                return options_nomem(cx, e);
        if (stat(f.path, &f.st) != 0)
                return chain_error(cx, n, &f, e, "there is no such file");
        if (!S_ISREG(f.st.st_mode))
                return chain_error(cx, n, &f, e, "that is not a file");
        int rc = check_frame(cx, n, &f, e);
        if (rc == 0)
                rc = load_doc(cx, n, &f, &doc, e);
        return rc ? rc : decode_file(cx, &f, doc, fields, count, e);
}

/* ---- the list of fields ---- */

static struct field_spec *find_field(const struct field_list *list, struct str name)
{
        for (size_t i = 0; i < list->count; i++)
                if (str_eq(list->items[i].name, name))
                        return &list->items[i];
        return NULL;
}

/* Room for @more fields; the old array stays in the arena. */
static int make_room(
        const struct option_context *cx, struct field_list *list, size_t more, struct err *e)
{
        struct field_spec *items;

        if (list->count + more <= list->room)
                return 0;
        list->room = (list->count + more) * 2;
        items = arena_array(cx->arena, list->room, sizeof(*items));
        if (!items)
                return options_nomem(cx, e);
        if (list->count)
                memcpy(items, list->items, list->count * sizeof(*items));
        list->items = items;
        return 0;
}

int spec_include_add(const struct option_context *cx, struct field_list *list,
        const struct field_spec *f, struct err *e)
{
        struct field_spec *same = find_field(list, f->name);
        int rc = same ? 0 : make_room(cx, list, 1, e);

        if (rc)
                return rc;
        if (!same)
                same = &list->items[list->count++];
        *same = *f;
        return 0;
}

bool spec_include_is(const struct ynode_pair *pair)
{
        return str_is(pair->key, "include") && pair->value->kind != YNODE_MAP;
}

/* A field of this map that stands beside the include; it counts, wherever it stands. */
static bool is_beside(const struct ynode *map, struct str name)
{
        for (size_t i = 0; i < map->count; i++)
                if (str_eq(map->pairs[i].key, name))
                        return !spec_include_is(&map->pairs[i]);
        return false;
}

static int take_fields(const struct option_context *cx, const struct ynode *n,
        const struct ynode *map, const struct field_spec *fields, size_t count,
        struct field_list *list, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        for (size_t i = 0; i < count; i++) {
                bool there = find_field(list, fields[i].name);
                bool beside = is_beside(map, fields[i].name);
                if (there && !beside)
                        return ynode_error(cx->doc, n, e,
                                "include: two files have a field %s; write it beside include, or "
                                "take it out of one of them",
                                yaml_show(fields[i].name, shown));
                int rc = there ? 0 : spec_include_add(cx, list, &fields[i], e);
                if (rc)
                        return rc;
        }
        return 0;
}

int spec_include_expand(const struct option_context *cx, const struct ynode *map,
        const struct ynode *n, struct field_list *list, struct err *e)
{
        const struct ynode *const *items = n->kind == YNODE_LIST ? n->items : &n;
        size_t files = n->kind == YNODE_LIST ? n->count : 1;
        int rc = 0;

        if (files == 0)
                return ynode_error(cx->doc, n, e, "'include' is an empty list");
        for (size_t i = 0; i < files && !rc; i++) {
                struct field_spec *fields;
                size_t count;
                rc = include_file(cx, items[i], &fields, &count, e);
                if (!rc)
                        rc = take_fields(cx, items[i], map, fields, count, list, e);
        }
        return rc;
}
