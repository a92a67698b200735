/*
 * Expat calls back for each tag; a table says which tags mean something, where they may stand and
 * what they do. Tags that mean nothing here are passed over with all that is in them, so that what
 * vendors add does no harm. Growing lists are plain bytes in a buf until their end is known.
 *
 * Types refer to each other before they are read, and to associations of other schemas: names are
 * resolved when all was read.
 */
#include "ingest/source/rest/metadata.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/base/buf.h"
#include "ingest/base/text.h"

#define MAX_ALIASES  1000
#define CHUNK        (16 << 10) /* bytes given to expat at once: it is told about tokens after each */
#define MAX_LABEL    300        /* bytes of a label that are kept */
#define NAME_BETWEEN '|'        /* between the namespace of XML and a name */
#define SHOWN        80         /* characters of a name in a message */

enum element {
        ROOT,
        EDMX,
        DATA_SERVICES,
        REFERENCE,
        INCLUDE,
        SCHEMA,
        USING,
        ENTITY_TYPE,
        COMPLEX_TYPE,
        ENUM_TYPE,
        TYPE_DEFINITION,
        KEY,
        PROPERTY_REF,
        PROPERTY,
        NAVIGATION,
        ON_DELETE,
        ASSOCIATION,
        END,
        CONTAINER,
        SET,
        ANNOTATION,
        OTHER
};

/* A property whose type an association of v2 or v3 tells. */
struct draft {
        struct rest_property property;
        const char *relationship, *from, *to;
};
struct link {
        struct rest_property *property;
        const char *relationship, *from, *to;
};
struct association {
        const char *name;
        struct association_end {
                const char *role, *type;
                bool many, cascades;
        } ends[2];
        size_t count;
};
struct alias {
        const char *alias, *name_space;
};

struct rest_metadata_reader {
        struct arena *arena;
        XML_Parser xml;
        int rc; /* of the first error; then nothing is taken any more */
        struct err err;
        size_t fed, seen; /* bytes given, and where the last token began */
        enum element stack[REST_METADATA_MAX_DEPTH];
        size_t depth;
        const char *name_space; /* of the schema that is being read */
        const char *first;      /* of the first schema with an entity type */
        int version;
        struct rest_type type;          /* that is being read */
        struct association association; /* that is being read */
        struct buf properties;          /* struct draft: of it */
        struct buf keys;                /* const char *: of it */
        struct buf types, sets, associations, links, aliases;
        size_t property_count;
};

#define ITEMS(b, type) ((type *)(void *)(b)->data)
#define COUNT(b, type) ((b)->len / sizeof(type))

/* ---- errors ---- */

static void stop(struct rest_metadata_reader *r, int rc)
{
        if (r->rc)
                return;
        r->rc = rc;
        XML_StopParser(r->xml, XML_FALSE);
}

#define refuse(r, ...) stop((r), err_set(&(r)->err, ERR_CONFIG, __VA_ARGS__))

static void out_of_memory(struct rest_metadata_reader *r)
{
        stop(r, arena_failed(r->arena, "the service's metadata", &r->err));
}

static void push(struct rest_metadata_reader *r, struct buf *list, const void *item, size_t size,
        const char *what)
{
        buf_put(list, item, size);
        if (list->error == -ERR_NOMEM)
                stop(r, err_nomem(&r->err, "the service's metadata"));
        else if (list->error)
                refuse(r, "it has more than %zu %s", list->max / size, what);
}

/* ---- attributes ---- */

static const char *local_name(const char *name)
{
        const char *bar = strrchr(name, NAME_BETWEEN);

        return bar ? bar + 1 : name;
}

static const char *attribute(const char **attributes, const char *name)
{
        for (; attributes[0]; attributes += 2)
                if (strcmp(local_name(attributes[0]), name) == 0)
                        return attributes[1];
        return NULL;
}

static const char *keep(struct rest_metadata_reader *r, const char *text)
{
        const char *copy;

        if (!text)
                return NULL;
        if (strlen(text) > REST_METADATA_MAX_NAME) {
                refuse(r, "a name in it has more than %d bytes", REST_METADATA_MAX_NAME);
                return NULL;
        }
        copy = arena_strdup(r->arena, str_of(text));
        if (!copy)
                out_of_memory(r);
        return copy;
}

static const char *keep_label(struct rest_metadata_reader *r, const char *text)
{
        const char *copy;

        if (!text || !*text)
                return NULL;
        struct str s = str_trim((struct str){text, strnlen(text, MAX_LABEL)});
        while (s.len && !str_utf8_valid(s)) /* cut in a character */
                s.len--;
        if (s.len == 0)
                return NULL;
        copy = arena_strdup(r->arena, s);
        if (!copy)
                out_of_memory(r);
        return copy;
}

static const char *keep_needed(
        struct rest_metadata_reader *r, const char **attributes, const char *name)
{
        const char *value = attribute(attributes, name);

        if (!value || !*value) {
                refuse(r, "a tag of it lacks the attribute %s", name);
                return NULL;
        }
        return keep(r, value);
}

static bool is_true(const char *value)
{
        return value && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

/* -1 also for "Max" and "variable". */
static int64_t number(const char *value)
{
        int64_t n;

        return value && str_to_int64(str_of(value), &n) && n >= 0 ? n : -1;
}

/* "Collection(X)" is X, and many. */
static const char *keep_type(struct rest_metadata_reader *r, const char *text, bool *collection)
{
        struct str s = str_of(text ? text : "");
        const struct str open = STR("Collection(");

        *collection = str_starts(s, open) && s.ptr[s.len - 1] == ')';
        if (*collection)
                s = (struct str){s.ptr + open.len, s.len - open.len - 1};
        if (s.len == 0)
                return NULL;
        if (s.len > REST_METADATA_MAX_NAME) {
                refuse(r, "a name in it has more than %d bytes", REST_METADATA_MAX_NAME);
                return NULL;
        }
        const char *copy = arena_strdup(r->arena, s);
        if (!copy)
                out_of_memory(r);
        return copy;
}

/* ---- tags ---- */

static void on_edmx(struct rest_metadata_reader *r, const char **attributes)
{
        const char *version = attribute(attributes, "Version");

        r->version = version && version[0] >= '4' && version[0] <= '9' ? 4 : 2;
}

static void on_data_services(struct rest_metadata_reader *r, const char **attributes)
{
        const char *version = attribute(attributes, "DataServiceVersion");
        const char *max = attribute(attributes, "MaxDataServiceVersion");

        if (r->version == 2 && ((version && version[0] == '3') || (max && max[0] == '3')))
                r->version = 3;
}

static void add_alias(struct rest_metadata_reader *r, const char **attributes, const char *name)
{
        struct alias a = {keep(r, attribute(attributes, "Alias")), name};

        if (a.alias && a.name_space)
                push(r, &r->aliases, &a, sizeof(a), "aliases");
}

static void on_include(struct rest_metadata_reader *r, const char **attributes)
{
        add_alias(r, attributes, keep(r, attribute(attributes, "Namespace")));
}

static void on_schema(struct rest_metadata_reader *r, const char **attributes)
{
        r->name_space = keep_needed(r, attributes, "Namespace");
        add_alias(r, attributes, r->name_space);
}

static const char *qualified(struct rest_metadata_reader *r, const char **attributes)
{
        const char *name = attribute(attributes, "Name");
        char text[2 * REST_METADATA_MAX_NAME];

        if (!name || !*name || strlen(name) > REST_METADATA_MAX_NAME) {
                refuse(r, "a type of it has no name, or one that is too long");
                return NULL;
        }
        snprintf(text, sizeof(text), "%s.%s", r->name_space ? r->name_space : "", name);
        const char *copy = arena_strdup(r->arena, str_of(text));
        if (!copy)
                out_of_memory(r);
        return copy;
}

static void begin_type(
        struct rest_metadata_reader *r, const char **attributes, enum rest_type_kind kind)
{
        const char *base = kind == REST_TYPE_ALIAS ? "UnderlyingType" : "BaseType";

        buf_clear(&r->properties);
        buf_clear(&r->keys);
        r->type = (struct rest_type){
                .name = qualified(r, attributes),
                .base = keep(r, attribute(attributes, base)),
                .kind = kind,
                .label = keep_label(r, attribute(attributes, "label")),
                .stream = is_true(attribute(attributes, "HasStream")),
        };
        if (kind == REST_TYPE_ENTITY && !r->first)
                r->first = r->name_space;
}

static void on_entity_type(struct rest_metadata_reader *r, const char **attributes)
{
        begin_type(r, attributes, REST_TYPE_ENTITY);
}

static void on_complex_type(struct rest_metadata_reader *r, const char **attributes)
{
        begin_type(r, attributes, REST_TYPE_COMPLEX);
}

static void on_enum_type(struct rest_metadata_reader *r, const char **attributes)
{
        begin_type(r, attributes, REST_TYPE_ENUM);
}

static void on_type_definition(struct rest_metadata_reader *r, const char **attributes)
{
        begin_type(r, attributes, REST_TYPE_ALIAS);
}

static void on_property_ref(struct rest_metadata_reader *r, const char **attributes)
{
        const char *name = keep_needed(r, attributes, "Name");

        if (name)
                push(r, &r->keys, &name, sizeof(name), "parts of a key");
}

static void add_property(struct rest_metadata_reader *r, const struct draft *d)
{
        if (r->rc)
                return;
        if (++r->property_count > REST_METADATA_MAX_PROPERTIES)
                refuse(r, "it has more than %d properties", REST_METADATA_MAX_PROPERTIES);
        else
                push(r, &r->properties, d, sizeof(*d), "properties of a type");
}

static void on_property(struct rest_metadata_reader *r, const char **attributes)
{
        const char *nullable = attribute(attributes, "Nullable");
        const char *display = attribute(attributes, "display-format");
        struct draft d = {.property = {
                                  .name = keep_needed(r, attributes, "Name"),
                                  .label = keep_label(r, attribute(attributes, "label")),
                                  .max_length = number(attribute(attributes, "MaxLength")),
                                  .precision = number(attribute(attributes, "Precision")),
                                  .scale = number(attribute(attributes, "Scale")),
                                  .nullable = !nullable || is_true(nullable),
                                  .date_only = display && strcmp(display, "Date") == 0,
                          }};

        d.property.type = keep_type(r, attribute(attributes, "Type"), &d.property.collection);
        add_property(r, &d);
}

static void on_navigation(struct rest_metadata_reader *r, const char **attributes)
{
        struct draft d = {
                .property =
                        {
                                .name = keep_needed(r, attributes, "Name"),
                                .label = keep_label(r, attribute(attributes, "label")),
                                .max_length = -1,
                                .precision = -1,
                                .scale = -1,
                                .nullable = true,
                                .navigation = true,
                                .contained = is_true(attribute(attributes, "ContainsTarget")),
                        },
                .relationship = keep(r, attribute(attributes, "Relationship")),
                .from = keep(r, attribute(attributes, "FromRole")),
                .to = keep(r, attribute(attributes, "ToRole")),
        };

        d.property.type = keep_type(r, attribute(attributes, "Type"), &d.property.collection);
        add_property(r, &d);
}

static struct draft *last_property(struct rest_metadata_reader *r)
{
        size_t count = COUNT(&r->properties, struct draft);

        return count ? &ITEMS(&r->properties, struct draft)[count - 1] : NULL;
}

/* Whose deletion deletes what hangs on it: of an end of v2, or a property of v4. */
static void on_delete(struct rest_metadata_reader *r, const char **attributes)
{
        const char *action = attribute(attributes, "Action");
        struct draft *d = last_property(r);

        if (!action || strcmp(action, "Cascade") != 0)
                return;
        if (r->stack[r->depth - 1] == END && r->association.count)
                r->association.ends[r->association.count - 1].cascades = true;
        else if (r->stack[r->depth - 1] == NAVIGATION && d)
                d->property.contained = true;
}

static void on_association(struct rest_metadata_reader *r, const char **attributes)
{
        r->association = (struct association){.name = qualified(r, attributes)};
}

static void on_end(struct rest_metadata_reader *r, const char **attributes)
{
        struct association *a = &r->association;
        const char *many = attribute(attributes, "Multiplicity");

        if (a->count == 2) {
                refuse(r, "an association of it has more than two ends");
                return;
        }
        a->ends[a->count++] = (struct association_end){
                .role = keep(r, attribute(attributes, "Role")),
                .type = keep(r, attribute(attributes, "Type")),
                .many = many && strcmp(many, "*") == 0,
        };
}

static void on_set(struct rest_metadata_reader *r, const char **attributes)
{
        struct rest_set set = {
                .name = keep_needed(r, attributes, "Name"),
                .type = keep_needed(r, attributes, "EntityType"),
                .label = keep_label(r, attribute(attributes, "label")),
        };

        push(r, &r->sets, &set, sizeof(set), "entity sets");
}

static bool ends_with(const char *s, const char *end)
{
        size_t n = strlen(s), m = strlen(end);

        return n >= m && strcmp(s + n - m, end) == 0;
}

/* Labels of v4: Common.Label, Core.Description under any alias. */
static void on_annotation(struct rest_metadata_reader *r, const char **attributes)
{
        const char *term = attribute(attributes, "Term"), *text = attribute(attributes, "String");
        enum element parent = r->stack[r->depth - 1];
        struct draft *d = last_property(r);

        if (!term || !text || !(ends_with(term, ".Label") || ends_with(term, ".Description")))
                return;
        if ((parent == PROPERTY || parent == NAVIGATION) && d && !d->property.label)
                d->property.label = keep_label(r, text);
        else if (parent == ENTITY_TYPE && !r->type.label)
                r->type.label = keep_label(r, text);
}

/* ---- ends of tags ---- */

static void end_type(struct rest_metadata_reader *r)
{
        size_t count = COUNT(&r->properties, struct draft);
        size_t keys = COUNT(&r->keys, const char *);
        struct rest_property *list = arena_array(r->arena, count + 1, sizeof(*list));
        const char **key = arena_array(r->arena, keys + 1, sizeof(*key));

        if (!list || !key) {
                out_of_memory(r);
                return;
        }
        for (size_t i = 0; i < count; i++) {
                const struct draft *d = &ITEMS(&r->properties, struct draft)[i];
                struct link link = {&list[i], d->relationship, d->from, d->to};
                list[i] = d->property;
                if (d->relationship)
                        push(r, &r->links, &link, sizeof(link), "navigation properties");
        }
        if (keys)
                memcpy(key, r->keys.data, keys * sizeof(*key));
        r->type.properties = list;
        r->type.property_count = count;
        r->type.key = key;
        r->type.key_count = keys;
        push(r, &r->types, &r->type, sizeof(r->type), "types");
}

static void end_association(struct rest_metadata_reader *r)
{
        push(r, &r->associations, &r->association, sizeof(r->association), "associations");
}

/* ---- which tag stands where ---- */

#define IN(element) (1u << (element))
#define IN_TYPE     (IN(ENTITY_TYPE) | IN(COMPLEX_TYPE))

static const struct tag {
        const char *name;
        enum element element;
        unsigned parents;
        void (*begin)(struct rest_metadata_reader *r, const char **attributes);
        void (*end)(struct rest_metadata_reader *r);
} tags[] = {
        {"Edmx", EDMX, IN(ROOT), on_edmx, NULL},
        {"DataServices", DATA_SERVICES, IN(EDMX), on_data_services, NULL},
        {"Reference", REFERENCE, IN(EDMX), NULL, NULL},
        {"Include", INCLUDE, IN(REFERENCE), on_include, NULL},
        {"Schema", SCHEMA, IN(DATA_SERVICES), on_schema, NULL},
        {"Using", USING, IN(SCHEMA), on_include, NULL},
        {"EntityType", ENTITY_TYPE, IN(SCHEMA), on_entity_type, end_type},
        {"ComplexType", COMPLEX_TYPE, IN(SCHEMA), on_complex_type, end_type},
        {"EnumType", ENUM_TYPE, IN(SCHEMA), on_enum_type, end_type},
        {"TypeDefinition", TYPE_DEFINITION, IN(SCHEMA), on_type_definition, end_type},
        {"Key", KEY, IN(ENTITY_TYPE), NULL, NULL},
        {"PropertyRef", PROPERTY_REF, IN(KEY), on_property_ref, NULL},
        {"Property", PROPERTY, IN_TYPE, on_property, NULL},
        {"NavigationProperty", NAVIGATION, IN_TYPE, on_navigation, NULL},
        {"OnDelete", ON_DELETE, IN(NAVIGATION) | IN(END), on_delete, NULL},
        {"Association", ASSOCIATION, IN(SCHEMA), on_association, end_association},
        {"End", END, IN(ASSOCIATION), on_end, NULL},
        {"EntityContainer", CONTAINER, IN(SCHEMA), NULL, NULL},
        {"EntitySet", SET, IN(CONTAINER), on_set, NULL},
        {"Annotation", ANNOTATION, IN(PROPERTY) | IN(NAVIGATION) | IN(ENTITY_TYPE), on_annotation,
                NULL},
};

static const struct tag *find_tag(const char *name, enum element parent)
{
        for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
                if ((tags[i].parents & IN(parent)) && strcmp(tags[i].name, name) == 0)
                        return &tags[i];
        return NULL;
}

static void no_metadata(struct rest_metadata_reader *r, const char *name)
{
        cleanup_buf_ struct buf shown = BUF_INIT(4 * SHOWN + 8);

        text_put_line(&shown, str_of(name), SHOWN);
        const char *text = buf_cstr(&shown);
        refuse(r, "it is no metadata of OData, but XML that begins with <%s>", text ? text : "");
}

static void on_progress(struct rest_metadata_reader *r)
{
        XML_Index at = XML_GetCurrentByteIndex(r->xml);

        if (at > 0)
                r->seen = (size_t)at;
}

static void XMLCALL on_start_tag(void *ctx, const char *name, const char **attributes)
{
        struct rest_metadata_reader *r = ctx;
        enum element parent = r->depth ? r->stack[r->depth - 1] : ROOT;
        const struct tag *tag = find_tag(local_name(name), parent);

        on_progress(r);
        if (r->rc)
                return;
        if (r->depth == REST_METADATA_MAX_DEPTH) {
                refuse(r, "its tags are nested deeper than %d", REST_METADATA_MAX_DEPTH);
                return;
        }
        if (r->depth == 0 && !tag) {
                no_metadata(r, local_name(name));
                return;
        }
        if (tag && tag->begin)
                tag->begin(r, attributes);
        r->stack[r->depth++] = tag ? tag->element : OTHER;
}

static void XMLCALL on_end_tag(void *ctx, const char *name)
{
        struct rest_metadata_reader *r = ctx;

        on_progress(r);
        if (r->rc || r->depth == 0)
                return;
        r->depth--;
        for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
                if (tags[i].element == r->stack[r->depth] && tags[i].end)
                        tags[i].end(r);
}

static void XMLCALL on_doctype(void *ctx, const char *name, const char *system_id,
        const char *public_id, int has_internal_subset)
{
        struct rest_metadata_reader *r = ctx;

        refuse(r, "it has a document type (<!DOCTYPE>): metadata of OData has none, and entities "
                  "are not expanded");
}

/* Text, comments, instructions: nothing here, but a sign that a token came to its end. */
static void XMLCALL on_anything(void *ctx, const char *text, int len)
{
        on_progress(ctx);
}

/* ---- feeding ---- */

struct rest_metadata_reader *rest_metadata_reader_free(struct rest_metadata_reader *r)
{
        if (!r)
                return NULL;
        if (r->xml)
                XML_ParserFree(r->xml);
        buf_deinit(&r->properties);
        buf_deinit(&r->keys);
        buf_deinit(&r->types);
        buf_deinit(&r->sets);
        buf_deinit(&r->associations);
        buf_deinit(&r->links);
        buf_deinit(&r->aliases);
        free(r);
        return NULL;
}

int rest_metadata_reader_new(struct arena *arena, struct rest_metadata_reader **out, struct err *e)
{
        cleanup_(rest_metadata_reader_freep) struct rest_metadata_reader *r = calloc(1, sizeof(*r));

        if (!r)
                return err_nomem(e, "the service's metadata");
        r->arena = arena;
        buf_init(&r->properties, REST_METADATA_MAX_PROPERTIES * sizeof(struct draft));
        buf_init(&r->keys, REST_METADATA_MAX_DEPTH * sizeof(const char *));
        buf_init(&r->types, REST_METADATA_MAX_PROPERTIES * sizeof(struct rest_type));
        buf_init(&r->sets, REST_METADATA_MAX_SETS * sizeof(struct rest_set));
        buf_init(&r->associations, REST_METADATA_MAX_PROPERTIES * sizeof(struct association));
        buf_init(&r->links, REST_METADATA_MAX_PROPERTIES * sizeof(struct link));
        buf_init(&r->aliases, MAX_ALIASES * sizeof(struct alias));
        r->xml = XML_ParserCreateNS(NULL, NAME_BETWEEN);
        if (!r->xml)
                return err_nomem(e, "the service's metadata");
        XML_SetUserData(r->xml, r);
        XML_SetElementHandler(r->xml, on_start_tag, on_end_tag);
        XML_SetStartDoctypeDeclHandler(r->xml, on_doctype);
        XML_SetDefaultHandler(r->xml, on_anything); /* and no inner entity is expanded */
        *out = TAKE(r);
        return 0;
}

static int fail(struct rest_metadata_reader *r, struct err *e)
{
        if (e)
                *e = r->err;
        return r->rc;
}

static int malformed(struct rest_metadata_reader *r)
{
        enum XML_Error code = XML_GetErrorCode(r->xml);

        if (r->rc) /* a handler stopped it */
                return r->rc;
        if (code == XML_ERROR_NO_MEMORY)
                r->rc = err_nomem(&r->err, "the service's metadata");
        else if (r->depth == 0 && r->fed > 0 && r->version == 0)
                r->rc = err_set(&r->err, ERR_CONFIG, "it is no metadata of OData, which is XML");
        else
                r->rc = err_set(&r->err, ERR_CONFIG, "it is not well-formed XML: line %lu: %s",
                        (unsigned long)XML_GetCurrentLineNumber(r->xml), XML_ErrorString(code));
        return r->rc;
}

static int feed_chunk(struct rest_metadata_reader *r, struct str chunk)
{
        r->fed += chunk.len;
        if (XML_Parse(r->xml, chunk.ptr, (int)chunk.len, XML_FALSE) == XML_STATUS_ERROR || r->rc)
                return malformed(r);
        if (r->fed - r->seen > REST_METADATA_MAX_TOKEN + CHUNK)
                refuse(r, "one tag or text of it has more than %d bytes", REST_METADATA_MAX_TOKEN);
        return r->rc;
}

int rest_metadata_feed(struct rest_metadata_reader *r, struct str bytes, struct err *e)
{
        if (!r->rc && bytes.len > REST_METADATA_MAX_BYTES - r->fed)
                r->rc = err_set(&r->err, ERR_CONFIG, "it has more than %d MiB",
                        REST_METADATA_MAX_BYTES >> 20);
        while (!r->rc && bytes.len > 0) {
                size_t n = bytes.len < CHUNK ? bytes.len : CHUNK;
                if (feed_chunk(r, (struct str){bytes.ptr, n}))
                        break;
                bytes = (struct str){bytes.ptr + n, bytes.len - n};
        }
        return r->rc ? fail(r, e) : 0;
}

/* ---- when all was read ---- */

/* @name with the namespace that an alias stands for. */
static const char *resolve(struct rest_metadata_reader *r, const char *name)
{
        const char *dot = name ? strrchr(name, '.') : NULL;
        char text[2 * REST_METADATA_MAX_NAME + 2];

        for (size_t i = 0; dot && i < COUNT(&r->aliases, struct alias); i++) {
                const struct alias *a = &ITEMS(&r->aliases, struct alias)[i];
                if (!str_is((struct str){name, (size_t)(dot - name)}, a->alias))
                        continue;
                snprintf(text, sizeof(text), "%s%s", a->name_space, dot);
                name = arena_strdup(r->arena, str_of(text));
                if (!name)
                        out_of_memory(r);
                break;
        }
        return name;
}

static int compare_types(const void *a, const void *b)
{
        return strcmp(((const struct rest_type *)a)->name, ((const struct rest_type *)b)->name);
}

static int compare_sets(const void *a, const void *b)
{
        return strcmp(((const struct rest_set *)a)->name, ((const struct rest_set *)b)->name);
}

static int compare_associations(const void *a, const void *b)
{
        return strcmp(((const struct association *)a)->name, ((const struct association *)b)->name);
}

static void sort(struct buf *list, size_t size, int (*compare)(const void *, const void *))
{
        if (list->len)
                qsort(list->data, list->len / size, size, compare);
}

static const struct association_end *find_end(const struct association *a, const char *role)
{
        for (size_t i = 0; role && i < a->count; i++)
                if (a->ends[i].role && strcmp(a->ends[i].role, role) == 0)
                        return &a->ends[i];
        return NULL;
}

static void resolve_links(struct rest_metadata_reader *r)
{
        for (size_t i = 0; i < COUNT(&r->links, struct link) && !r->rc; i++) {
                const struct link *l = &ITEMS(&r->links, struct link)[i];
                struct association wanted = {.name = resolve(r, l->relationship)};
                if (r->rc || !r->associations.len)
                        return;
                const struct association *a = bsearch(&wanted, r->associations.data,
                        COUNT(&r->associations, struct association), sizeof(wanted),
                        compare_associations);
                const struct association_end *to = a ? find_end(a, l->to) : NULL;
                const struct association_end *from = a ? find_end(a, l->from) : NULL;
                if (!to)
                        continue;
                l->property->type = resolve(r, to->type);
                l->property->collection = to->many;
                l->property->contained = from && from->cascades;
        }
}

static void resolve_types(struct rest_metadata_reader *r)
{
        struct rest_type *types = ITEMS(&r->types, struct rest_type);

        for (size_t i = 0; i < COUNT(&r->types, struct rest_type) && !r->rc; i++) {
                struct rest_property *list = (struct rest_property *)types[i].properties;
                types[i].base = resolve(r, types[i].base);
                for (size_t k = 0; k < types[i].property_count; k++)
                        list[k].type = resolve(r, list[k].type);
        }
        for (size_t i = 0; i < COUNT(&r->sets, struct rest_set) && !r->rc; i++) {
                struct rest_set *set = &ITEMS(&r->sets, struct rest_set)[i];
                set->type = resolve(r, set->type);
        }
}

static const void *copy(struct rest_metadata_reader *r, const struct buf *list)
{
        void *to = arena_alloc(r->arena, list->len + 1);

        if (!to)
                out_of_memory(r);
        else if (list->len)
                memcpy(to, list->data, list->len);
        return to;
}

static int finish(struct rest_metadata_reader *r)
{
        sort(&r->associations, sizeof(struct association), compare_associations);
        resolve_types(r);
        resolve_links(r);
        sort(&r->types, sizeof(struct rest_type), compare_types);
        sort(&r->sets, sizeof(struct rest_set), compare_sets);
        return r->rc;
}

int rest_metadata_end(struct rest_metadata_reader *r, struct rest_metadata *out, struct err *e)
{
        struct rest_metadata m;

        if (r->rc)
                return fail(r, e);
        if (r->fed == 0)
                return err_set(e, ERR_CONFIG, "it is empty");
        if (XML_Parse(r->xml, "", 0, XML_TRUE) == XML_STATUS_ERROR || r->rc) {
                if (!r->rc && r->version)
                        return err_set(e, ERR_RETRY, "it was cut off behind %zu bytes", r->fed);
                malformed(r);
                return fail(r, e);
        }
        if (finish(r))
                return fail(r, e);
        m = (struct rest_metadata){
                .version = r->version,
                .name_space = r->first ? r->first : "",
                .types = copy(r, &r->types),
                .type_count = COUNT(&r->types, struct rest_type),
                .sets = copy(r, &r->sets),
                .set_count = COUNT(&r->sets, struct rest_set),
        };
        if (r->rc)
                return fail(r, e);
        *out = m;
        return 0;
}

const struct rest_type *rest_metadata_type(const struct rest_metadata *m, const char *name)
{
        struct rest_type wanted = {.name = name};

        return name && m->type_count
                       ? bsearch(&wanted, m->types, m->type_count, sizeof(wanted), compare_types)
                       : NULL;
}
