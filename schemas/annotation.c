/*
 * The schema is read as a tree of its own, which lives only here: what is found is copied. Members
 * of each object come from a table of handlers, so that an unknown one is told with the nearest.
 */
#include "schemas/annotation.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ingest/base/file.h"
#include "schemas/node.h"
#include "schemas/schema.h"

#define TREE_MAX    ((size_t)64 << 20) /* of the tree of a file of SCHEMA_MAX_FILE_BYTES */
#define MAX_MEMBERS 8                  /* that an object of the annotation may have */
#define NAME_CHARS  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
#define OWN_FIELD   "x_" /* how the fields that an operator adds begin */
#define MEMBER      "x-erp2couch"
#define ADDITIONAL  "additionalProperties"
#define MAX_POINTER 4096 /* bytes of a place in a message */
#define MAX_NEAREST 200  /* properties that a mistyped name is compared with */

struct reading {
        const char *name; /* of the file */
        const struct node *root;
        struct arena *arena;
        struct schema_annotation *out;
        struct schema_index *index; /* the one under way */
};

typedef int (*member_fn)(struct reading *r, const struct node *value, struct err *e);

struct member {
        const char *name;
        member_fn fn;
        bool required;
};

static int fault(const struct reading *r, const struct node *at, struct err *e, const char *fmt,
        ...) __attribute__((format(printf, 4, 5)));

/* "FILE#/x-erp2couch/indexes/0: ..." */
static int fault(
        const struct reading *r, const struct node *at, struct err *e, const char *fmt, ...)
{
        cleanup_buf_ struct buf pointer = BUF_INIT(MAX_POINTER);
        char text[512];
        va_list args;

        va_start(args, fmt);
        vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        node_put_pointer(at, &pointer);
        return err_set(e, ERR_CONFIG, "%s#%s: %s", r->name,
                buf_cstr(&pointer) ? buf_cstr(&pointer) : "", text);
}

static int nomem(const struct reading *r, struct err *e)
{
        return arena_failed(r->arena, "the annotation of a schema", e);
}

/* ---- objects, by a table ---- */

static int unknown_member(const struct reading *r, const struct node *n,
        const struct member *members, size_t count, struct err *e)
{
        cleanup_buf_ struct buf all = BUF_INIT(MAX_POINTER);
        const char *names[MAX_MEMBERS];

        for (size_t i = 0; i < count; i++)
                names[i] = members[i].name;
        const char *near = str_nearest(n->key, names, count);
        if (near)
                return fault(r, n, e, "unknown member, did you mean \"%s\"?", near);
        buf_puts(&all, names[0]);
        for (size_t i = 1; i < count; i++)
                buf_printf(&all, ", %s", names[i]);
        return fault(
                r, n, e, "unknown member; there are: %s", buf_cstr(&all) ? all.data : names[0]);
}

static int read_object(struct reading *r, const struct node *n, const struct member *members,
        size_t count, struct err *e)
{
        if (n->kind != NODE_OBJECT)
                return fault(r, n, e, "it must be an object");
        for (size_t i = 0; i < count; i++)
                if (members[i].required && !node_member(n, str_of(members[i].name)))
                        return fault(r, n, e, "\"%s\" is missing", members[i].name);
        for (const struct node *m = n->first; m; m = m->next) {
                size_t i = 0;
                while (i < count && !str_is(m->key, members[i].name))
                        i++;
                int rc = i < count ? members[i].fn(r, m, e)
                                   : unknown_member(r, m, members, count, e);
                if (rc)
                        return rc;
        }
        return 0;
}

/* ---- names of fields ---- */

static int unknown_field(const struct reading *r, const struct node *n,
        const struct node *properties, struct str name, struct err *e)
{
        const char *names[MAX_NEAREST];
        size_t count = 0;
        cleanup_(arena_freep) struct arena *own = arena_new(TREE_MAX);

        for (const struct node *p = properties ? properties->first : NULL;
                own && p && count < MAX_NEAREST; p = p->next) {
                names[count] = arena_strdup(own, p->key);
                count += names[count] != NULL;
        }
        const char *near = str_nearest(name, names, count);
        if (near)
                return fault(r, n, e, "the schema has no property \"%.*s\", did you mean \"%s\"?",
                        STR_ARG(name), near);
        return fault(r, n, e, "the schema has no property \"%.*s\"", STR_ARG(name));
}

/* Whether documents can have the field at all, as far as the schema's own properties tell. */
static int check_field(const struct reading *r, const struct node *n, struct err *e)
{
        const struct node *additional = node_member(r->root, STR(ADDITIONAL));
        const struct node *properties = node_member(r->root, STR("properties"));
        const char *point = memchr(n->text.ptr, '.', n->text.len);
        struct str first = {n->text.ptr, point ? (size_t)(point - n->text.ptr) : n->text.len};

        if (!additional || additional->kind != NODE_FALSE || str_starts(first, STR(OWN_FIELD)))
                return 0;
        return properties && node_member(properties, first)
                       ? 0
                       : unknown_field(r, n, properties, first, e);
}

static int check_name(const struct reading *r, const struct node *list, const struct node *n,
        bool paths, struct err *e)
{
        if (n->kind != NODE_STRING || n->text.len == 0 || memchr(n->text.ptr, '\0', n->text.len))
                return fault(r, n, e, "it must be the name of a field, as text%s",
                        paths ? " (CouchDB reads an index in both directions)" : "");
        for (const struct node *before = list->first; before != n; before = before->next)
                if (str_eq(before->text, n->text))
                        return fault(r, n, e, "\"%.*s\" stands twice", STR_ARG(n->text));
        return check_field(r, n, e);
}

/* @paths: names may have points. */
static int read_names(struct reading *r, const struct node *list, bool paths, size_t max,
        const char *const **out, struct err *e)
{
        if (list->kind != NODE_ARRAY || list->count == 0 || list->count > max)
                return fault(r, list, e, "it must be a list of 1 to %zu names of fields", max);
        const char **names = arena_array(r->arena, list->count, sizeof(*names));
        for (const struct node *n = list->first; names && n; n = n->next) {
                int rc = check_name(r, list, n, paths, e);
                if (rc)
                        return rc;
                names[n->index] = arena_strdup(r->arena, n->text);
                if (!names[n->index])
                        names = NULL;
        }
        if (!names)
                return nomem(r, e);
        *out = names;
        return 0;
}

/* ---- an index ---- */

static int read_index_name(struct reading *r, const struct node *n, struct err *e)
{
        bool valid = n->kind == NODE_STRING && n->text.len > 0 &&
                     n->text.len <= ANNOTATION_MAX_NAME && n->text.ptr[0] != '_' &&
                     n->text.ptr[0] != '-';

        for (size_t i = 0; valid && i < n->text.len; i++)
                valid = n->text.ptr[i] && strchr(NAME_CHARS, n->text.ptr[i]);
        if (!valid)
                return fault(r, n, e,
                        "the name of an index is a letter or digit, then letters, digits, _ and -, "
                        "at most %d",
                        ANNOTATION_MAX_NAME);
        for (const struct schema_index *i = r->out->indexes; i < r->index; i++)
                if (str_is(n->text, i->name))
                        return fault(r, n, e, "there are two indexes \"%s\"", i->name);
        r->index->name = arena_strdup(r->arena, n->text);
        return r->index->name ? 0 : nomem(r, e);
}

static int read_index_fields(struct reading *r, const struct node *n, struct err *e)
{
        int rc = read_names(r, n, true, ANNOTATION_MAX_FIELDS, &r->index->fields, e);

        r->index->field_count = n->count;
        return rc;
}

static int read_index_filter(struct reading *r, const struct node *n, struct err *e)
{
        if (n->kind != NODE_OBJECT || n->count == 0)
                return fault(r, n, e, "it must be a selector, an object that is not empty");
        r->index->filter = arena_dup(r->arena, n->raw);
        return r->index->filter.ptr ? 0 : nomem(r, e);
}

static const struct member index_members[] = {
        {"name", read_index_name, true},
        {"fields", read_index_fields, true},
        {"partial_filter_selector", read_index_filter, false},
};

/* ---- the annotation ---- */

static int read_indexes(struct reading *r, const struct node *list, struct err *e)
{
        if (list->kind != NODE_ARRAY || list->count > ANNOTATION_MAX_INDEXES)
                return fault(r, list, e, "it must be a list of at most %d indexes",
                        ANNOTATION_MAX_INDEXES);
        struct schema_index *indexes = arena_array(r->arena, list->count, sizeof(*indexes));
        if (!indexes && list->count)
                return nomem(r, e);
        r->out->indexes = r->index = indexes;
        for (const struct node *n = list->first; n; n = n->next, r->index++) {
                int rc = read_object(
                        r, n, index_members, sizeof(index_members) / sizeof(index_members[0]), e);
                if (rc)
                        return rc;
        }
        r->out->index_count = list->count;
        return 0;
}

static int read_tombstone(struct reading *r, const struct node *n, struct err *e)
{
        if (n->kind == NODE_ARRAY && n->count == 0)
                return 0;
        int rc = read_names(r, n, false, ANNOTATION_MAX_TOMBSTONE, &r->out->tombstone, e);

        r->out->tombstone_count = rc ? 0 : n->count;
        return rc;
}

static const struct member annotation_members[] = {
        {"indexes", read_indexes, false},
        {"tombstone", read_tombstone, false},
};

int schema_annotation_parse(struct str text, const char *name, struct arena *arena,
        struct schema_annotation *out, struct err *e)
{
        cleanup_(arena_freep) struct arena *own = arena_new(TREE_MAX);
        cleanup_buf_ struct buf scratch = BUF_INIT(SCHEMA_MAX_FILE_BYTES);
        struct schema_annotation found = {0};
        struct node *root = NULL;
        struct err why;

        if (!own)
                return err_nomem(e, "a schema");
        int rc = node_parse(text, own, &scratch, &root, NULL, &why);
        if (rc)
                return err_set(e, rc == -ERR_REJECT ? ERR_CONFIG : -rc, "%s: not JSON: %s", name,
                        why.text);
        const struct node *n = node_member(root, STR(MEMBER));
        struct reading r = {.name = name, .root = root, .arena = arena, .out = &found};
        if (n)
                rc = read_object(&r, n, annotation_members,
                        sizeof(annotation_members) / sizeof(annotation_members[0]), e);
        if (!rc)
                *out = found;
        return rc;
}

int schema_annotation_read(
        const char *path, struct arena *arena, struct schema_annotation *out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(SCHEMA_MAX_FILE_BYTES);
        int rc = file_read(path, &text, e);

        return rc ? rc : schema_annotation_parse(buf_str(&text), path, arena, out, e);
}
