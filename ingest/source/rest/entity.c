/*
 * A table says what each type of the protocol means and how it is written. What an entity is made
 * of is told member by member for one set only: a service may have thousands, whose types hold
 * each other.
 */
#include "ingest/source/rest/entity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "ingest/base/buf.h"
#include "ingest/base/text.h"

#define MAX_NESTED   2000 /* members of one set's objects and arrays; beyond, they stay JSON */
#define MAX_DEPTH    3    /* objects in objects */
#define MAX_EXPANDED 4    /* arrays of other sets in one reply: more make it slow */
#define TYPE_MAX     300  /* bytes of a type as it is shown */

struct builder {
        const struct rest_metadata *m;
        struct arena *arena;
        struct err *e;
        const struct vendor *vendor; /* NULL: none that is known */
        size_t columns;              /* made so far */
        size_t nested;
};

/* ---- types ---- */

static const struct edm {
        const char *name;
        enum col_kind kind;
        enum col_kind old_kind; /* in version 2 and 3 */
        bool old_odata;         /* there it is written in ticks: format odata reads both */
} edm_types[] = {
        {"Edm.String", COL_TEXT, COL_TEXT, false},
        {"Edm.Guid", COL_TEXT, COL_TEXT, false},
        {"Edm.Boolean", COL_BOOL, COL_BOOL, false},
        {"Edm.Byte", COL_INT, COL_INT, false},
        {"Edm.SByte", COL_INT, COL_INT, false},
        {"Edm.Int16", COL_INT, COL_INT, false},
        {"Edm.Int32", COL_INT, COL_INT, false},
        {"Edm.Int64", COL_INT, COL_TEXT, false}, /* in quotes in version 2 and 3 */
        {"Edm.Decimal", COL_NUMERIC, COL_NUMERIC, false},
        {"Edm.Double", COL_FLOAT8, COL_FLOAT8, false},
        {"Edm.Single", COL_FLOAT8, COL_FLOAT8, false},
        {"Edm.Date", COL_DATE, COL_DATE, false},
        {"Edm.DateTimeOffset", COL_TIMESTAMPTZ, COL_TIMESTAMPTZ, true},
        {"Edm.DateTime", COL_TIMESTAMP, COL_TIMESTAMPTZ, true}, /* ticks are counted in UTC */
        {"Edm.Time", COL_TEXT, COL_TEXT, false},
        {"Edm.TimeOfDay", COL_TEXT, COL_TEXT, false},
        {"Edm.Duration", COL_TEXT, COL_TEXT, false},
        {"Edm.Binary", COL_BYTES, COL_BYTES, false},
        {"Edm.Stream", COL_BYTES, COL_BYTES, false},
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct edm *find_edm(const char *type)
{
        for (size_t i = 0; type && i < LENGTH(edm_types); i++)
                if (strcmp(edm_types[i].name, type) == 0)
                        return &edm_types[i];
        return NULL;
}

/* What a vendor writes where others write null, or a day. */
static const struct vendor {
        const char *name_space; /* a prefix of it */
        const char *null_date, *null_datetime, *null_guid, *null_enum;
        bool only_days; /* its instants have no time of day, which stands in another field */
} vendors[] = {
        {"Microsoft.NAV", "0001-01-01", "0001-01-01T00:00:00Z",
                "00000000-0000-0000-0000-000000000000", "_x0020_", false},
        {"SAPB1", NULL, NULL, NULL, NULL, true},
};

static const struct vendor *find_vendor(const char *name_space)
{
        for (size_t i = 0; i < LENGTH(vendors); i++)
                if (strncmp(name_space, vendors[i].name_space, strlen(vendors[i].name_space)) == 0)
                        return &vendors[i];
        return NULL;
}

/* The type that a definition stands for. */
static const char *underlying(const struct builder *b, const char *type)
{
        const struct rest_type *t = rest_metadata_type(b->m, type);

        for (int i = 0; t && t->kind == REST_TYPE_ALIAS && t->base; i++) {
                if (i == REST_METADATA_MAX_BASES)
                        return NULL;
                type = t->base;
                t = rest_metadata_type(b->m, type);
        }
        return type;
}

/* @list: the type and those it extends, itself first. Return: how many. */
static size_t bases_of(const struct rest_metadata *m, const struct rest_type *t,
        const struct rest_type *list[REST_METADATA_MAX_BASES])
{
        size_t count = 0;

        while (t && count < REST_METADATA_MAX_BASES) {
                list[count++] = t;
                t = rest_metadata_type(m, t->base);
        }
        return count;
}

static int no_memory(const struct builder *b)
{
        return arena_failed(b->arena, "the catalog", b->e);
}

static const char *keep_printed(const struct builder *b, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

static const char *keep_printed(const struct builder *b, const char *fmt, ...)
{
        char text[4 * TYPE_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        return arena_strdup(b->arena, str_of(text));
}

/* "Edm.Decimal(18,2)", "Edm.String(20)", "Collection(NS.Line)" */
static const char *type_text(const struct builder *b, const struct rest_property *p)
{
        const char *type = p->type ? p->type : "unknown";

        if (p->collection)
                return keep_printed(b, "Collection(%.*s)", TYPE_MAX, type);
        if (p->precision >= 0 && p->scale > 0)
                return keep_printed(
                        b, "%.*s(%" PRId64 ",%" PRId64 ")", TYPE_MAX, type, p->precision, p->scale);
        if (p->max_length > 0)
                return keep_printed(b, "%.*s(%" PRId64 ")", TYPE_MAX, type, p->max_length);
        return type;
}

/* ---- columns ---- */

static void set_null(struct catalog_column *c, const char *text)
{
        c->null_texts[0] = text;
}

static void apply_vendor(
        const struct builder *b, const struct rest_property *p, struct catalog_column *c)
{
        const struct vendor *v = b->vendor;

        if (!v)
                return;
        if (v->only_days && (c->kind == COL_TIMESTAMPTZ || c->kind == COL_TIMESTAMP)) {
                c->kind = COL_DATE;
                c->format = "odata";
        }
        if (c->kind == COL_DATE)
                set_null(c, v->null_date);
        else if (c->kind == COL_TIMESTAMPTZ)
                set_null(c, v->null_datetime);
        else if (p->type && strcmp(p->type, "Edm.Guid") == 0)
                set_null(c, v->null_guid);
}

static void single_column(
        const struct builder *b, const struct rest_property *p, struct catalog_column *c)
{
        const char *type = underlying(b, p->type);
        const struct edm *edm = find_edm(type);
        const struct rest_type *t = rest_metadata_type(b->m, type);
        bool old = b->m->version < 4;

        if (p->collection || (!edm && !(t && t->kind == REST_TYPE_ENUM))) {
                c->kind = COL_JSON; /* arrays, geography, untyped */
                return;
        }
        c->kind = !edm ? COL_TEXT : old ? edm->old_kind : edm->kind;
        if (!edm && b->vendor)
                set_null(c, b->vendor->null_enum);
        if (edm && old && edm->old_odata)
                c->format = "odata";
        if (b->m->version == 3 && type && strcmp(type, "Edm.DateTime") == 0)
                c->kind = COL_TIMESTAMP; /* ISO 8601 without zone */
        if (p->date_only)
                c->kind = COL_DATE;
        apply_vendor(b, p, c);
}

static int fill_columns(struct builder *b, const struct rest_type *t, size_t depth,
        const struct catalog_column **out, size_t *count);

static int nested_column(struct builder *b, const struct rest_property *p, size_t depth,
        const struct rest_type *t, struct catalog_column *c)
{
        c->kind = COL_JSON;
        c->nest = p->collection ? CATALOG_OBJECTS : CATALOG_OBJECT;
        c->array = p->collection && b->m->version == 2 ? "results" : NULL;
        if (depth == 0 || p->navigation)
                return 0;
        return fill_columns(b, t, depth - 1, &c->fields, &c->field_count);
}

/* @depth: how many levels of objects are told member by member; 0: none */
static int make_column(
        struct builder *b, const struct rest_property *p, size_t depth, struct catalog_column *c)
{
        const struct rest_type *t = rest_metadata_type(b->m, underlying(b, p->type));
        bool nests = p->navigation ||
                     (t && (t->kind == REST_TYPE_COMPLEX || t->kind == REST_TYPE_ENTITY));

        *c = (struct catalog_column){
                .name = p->name,
                .sql = catalog_is_step(p->name) ? p->name : NULL,
                .type = type_text(b, p),
                .nullable = p->nullable,
                .readable = true,
                .comment = p->label,
                .relation = p->navigation,
                .composes = p->contained,
        };
        b->columns++;
        if (!c->type)
                return no_memory(b);
        if (nests)
                return nested_column(b, p, depth, t, c);
        single_column(b, p, c);
        return 0;
}

static size_t count_properties(const struct rest_type *const *bases, size_t base_count)
{
        size_t count = 0;

        for (size_t i = 0; i < base_count; i++)
                count += bases[i]->property_count;
        return count;
}

/* The properties of the types that @t extends come first, as in replies. */
static int fill_columns(struct builder *b, const struct rest_type *t, size_t depth,
        const struct catalog_column **out, size_t *count)
{
        const struct rest_type *bases[REST_METADATA_MAX_BASES];
        size_t base_count = bases_of(b->m, t, bases), n = 0;
        size_t total = count_properties(bases, base_count);

        if (b->nested + total > MAX_NESTED)
                return 0;
        b->nested += total;
        struct catalog_column *list = arena_array(b->arena, total + 1, sizeof(*list));
        if (!list)
                return no_memory(b);
        for (size_t i = base_count; i-- > 0;) {
                for (size_t k = 0; k < bases[i]->property_count; k++) {
                        if (bases[i]->properties[k].navigation)
                                continue; /* of a nested object: not in the reply */
                        int rc = make_column(b, &bases[i]->properties[k], depth, &list[n++]);
                        if (rc)
                                return rc;
                }
        }
        *out = list;
        *count = n;
        return 0;
}

/* ---- one entity set ---- */

static int add_columns(
        struct builder *b, const struct rest_type *t, size_t depth, struct catalog_table *table)
{
        const struct rest_type *bases[REST_METADATA_MAX_BASES];
        size_t base_count = bases_of(b->m, t, bases), n = 0;
        size_t total = count_properties(bases, base_count);

        if (total > CATALOG_MAX_COLUMNS - b->columns)
                return err_set(b->e, ERR_CONFIG,
                        "there are more than %d columns to list: name fewer entity sets with "
                        "--like",
                        CATALOG_MAX_COLUMNS);
        struct catalog_column *list = arena_array(b->arena, total + 1, sizeof(*list));
        if (!list)
                return no_memory(b);
        table->columns = list;
        for (size_t i = base_count; i-- > 0;) {
                for (size_t k = 0; k < bases[i]->property_count; k++) {
                        int rc = make_column(b, &bases[i]->properties[k], depth, &list[n++]);
                        if (rc)
                                return rc;
                }
        }
        table->column_count = n;
        return 0;
}

static size_t column_named(const struct catalog_table *t, const char *name)
{
        size_t i = 0;

        while (i < t->column_count && strcmp(t->columns[i].name, name) != 0)
                i++;
        return i;
}

/* The key of @t: that of the first type that has one. */
static void find_key(
        const struct builder *b, const struct rest_type *t, const char *const **key, size_t *count)
{
        const struct rest_type *bases[REST_METADATA_MAX_BASES];
        size_t base_count = bases_of(b->m, t, bases);

        *count = 0;
        for (size_t i = 0; i < base_count && *count == 0; i++) {
                *key = bases[i]->key;
                *count = bases[i]->key_count;
        }
}

static int guess_key(const struct builder *b, struct catalog_table *table, size_t *key)
{
        size_t found[CATALOG_MAX_CANDIDATES];

        table->key_rows = -1;
        if (catalog_key_candidates(table, found) == 0)
                return 0;
        key[0] = found[0];
        table->key = key;
        table->key_count = 1;
        table->key_from = CATALOG_KEY_GUESS;
        return 0;
}

static int add_key(const struct builder *b, const struct rest_type *t, struct catalog_table *table)
{
        const char *const *names = NULL;
        size_t count, n = 0;

        find_key(b, t, &names, &count);
        size_t *key = arena_array(b->arena, count + 1, sizeof(*key));
        if (!key)
                return no_memory(b);
        while (n < count) {
                key[n] = column_named(table, names[n]);
                if (key[n] == table->column_count || !table->columns[key[n]].sql)
                        break;
                n++;
        }
        if (n < count || count == 0)
                return guess_key(b, table, key);
        table->key = key;
        table->key_count = count;
        table->key_from = CATALOG_KEY_PRIMARY;
        for (size_t i = 0; i < count; i++) /* no part of a key is null */
                set_null((struct catalog_column *)&table->columns[key[i]], NULL);
        return 0;
}

/* ---- arrays of other sets ---- */

static bool has_name(const char *const *list, size_t count, const char *name)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(list[i], name) == 0)
                        return true;
        return false;
}

/* Whether the key of @child is that of @parent and more: lines of an order. */
static bool extends_key(
        const struct builder *b, const struct rest_type *parent, const struct rest_type *child)
{
        const char *const *of_parent = NULL, *const *of_child = NULL;
        size_t parent_count, child_count;

        find_key(b, parent, &of_parent, &parent_count);
        find_key(b, child, &of_child, &child_count);
        if (parent_count == 0 || child_count <= parent_count)
                return false;
        for (size_t i = 0; i < parent_count; i++)
                if (!has_name(of_child, child_count, of_parent[i]))
                        return false;
        return true;
}

/* Fills the fields of those arrays of @table that belong into its documents. */
static int expand(struct builder *b, const struct rest_type *t, struct catalog_table *table)
{
        const struct rest_type *bases[REST_METADATA_MAX_BASES];
        size_t base_count = bases_of(b->m, t, bases), at = 0, expanded = 0;

        for (size_t i = base_count; i-- > 0;) {
                for (size_t k = 0; k < bases[i]->property_count; k++, at++) {
                        const struct rest_property *p = &bases[i]->properties[k];
                        struct catalog_column *c = (struct catalog_column *)&table->columns[at];
                        const struct rest_type *child = rest_metadata_type(b->m, p->type);
                        if (!p->navigation || !p->collection || !child || !c->sql)
                                continue;
                        c->composes = c->composes || extends_key(b, t, child);
                        if (!c->composes || expanded == MAX_EXPANDED)
                                continue;
                        int rc = fill_columns(b, child, 1, &c->fields, &c->field_count);
                        if (rc)
                                return rc;
                        expanded += c->field_count > 0;
                }
        }
        return 0;
}

/* ---- the cursor ---- */

/* UpdateTime beside UpdateDate. */
static const struct catalog_column *time_beside(
        const struct catalog_table *t, const struct catalog_column *date)
{
        size_t n = strlen(date->name);

        for (size_t i = 0; n >= 4 && i < t->column_count; i++) {
                const struct catalog_column *c = &t->columns[i];
                if (strlen(c->name) == n && strncasecmp(c->name, date->name, n - 4) == 0 &&
                        strcasecmp(date->name + n - 4, "date") == 0 &&
                        strcasecmp(c->name + n - 4, "time") == 0 && c->sql && c->kind == COL_TEXT)
                        return c;
        }
        return NULL;
}

/* What stands around an instant or a day in $filter. */
static const char *literal_mark(const struct builder *b, const struct catalog_column *c)
{
        if (b->vendor && b->vendor->only_days)
                return "'";
        if (b->m->version >= 4 || c->kind == COL_INT)
                return "";
        return strncmp(c->type, "Edm.DateTimeOffset", 18) == 0 ? "datetimeoffset'" : "datetime'";
}

static const char *sent_format(const struct builder *b, const struct catalog_column *c)
{
        if (c->kind == COL_DATE && b->m->version >= 4)
                return NULL;
        if (c->kind == COL_DATE && b->vendor && b->vendor->only_days)
                return "%Y-%m-%d";
        if (b->m->version >= 4 || c->kind == COL_INT)
                return NULL;
        return strncmp(c->type, "Edm.DateTimeOffset", 18) == 0 ? "rfc3339" : "%Y-%m-%dT%H:%M:%S";
}

static int add_cursor(
        const struct builder *b, const struct catalog_table *table, struct catalog_rest *rest)
{
        if (table->cursor_count == 0)
                return 0;
        const struct catalog_column *c = &table->columns[table->cursors[0]];
        const struct catalog_column *time = c->kind == COL_DATE ? time_beside(table, c) : NULL;
        const char *mark = literal_mark(b, c);
        struct rest_cursor_spec *cursor = &rest->cursor;

        cursor->kind = c->kind == COL_INT ? REST_CURSOR_INTEGER : REST_CURSOR_TIME;
        cursor->fields[cursor->field_count++] = c->name;
        if (time)
                cursor->fields[cursor->field_count++] = time->name;
        cursor->filter =
                keep_printed(b, "%.*s ge %s${cursor}%s", TYPE_MAX, c->name, mark, *mark ? "'" : "");
        cursor->format = c->kind == COL_INT    ? "integer"
                         : c->format           ? c->format
                         : c->kind == COL_DATE ? "%Y-%m-%d"
                                               : "rfc3339";
        cursor->send = sent_format(b, c);
        rest->cursor_usable = true;
        return cursor->filter ? 0 : no_memory(b);
}

/* ---- all of it ---- */

static int make_table(
        struct builder *b, const struct rest_set *set, bool deep, struct catalog_table *table)
{
        const struct rest_type *t = rest_metadata_type(b->m, set->type);
        struct catalog_rest *rest = arena_alloc(b->arena, sizeof(*rest));

        if (!rest)
                return no_memory(b);
        *table = (struct catalog_table){
                .schema = "",
                .name = set->name,
                .sql = text_is_visible(str_of(set->name)) ? set->name : NULL,
                .kind = CATALOG_ENTITY_SET,
                .comment = set->label ? set->label
                           : t        ? t->label
                                      : NULL,
                .rows = -1,
                .readable = true,
                .remedy = "",
                .rest = rest,
        };
        rest->path = keep_printed(b, "/%.*s", REST_METADATA_MAX_NAME, set->name);
        rest->odata = b->m->version;
        rest->select = true;
        if (!rest->path)
                return no_memory(b);
        if (!t && deep)
                return err_set(b->e, ERR_CONFIG,
                        "the metadata does not say what entity set %s is made of: it lacks the "
                        "type %s",
                        set->name, set->type);
        if (!t)
                return 0;
        int rc = add_columns(b, t, deep ? MAX_DEPTH : 0, table);
        if (!rc)
                rc = add_key(b, t, table);
        if (!rc)
                rc = catalog_rank_cursors(table, b->arena, b->e);
        if (!rc && deep)
                rc = expand(b, t, table);
        return rc ? rc : add_cursor(b, table, rest);
}

static int no_such_set(const struct rest_metadata *m, const char *name, struct err *e)
{
        cleanup_(freep) const char **names = calloc(m->set_count + 1, sizeof(*names));

        if (!names)
                return err_nomem(e, "names of entity sets");
        for (size_t i = 0; i < m->set_count; i++)
                names[i] = m->sets[i].name;
        const char *near = str_nearest(str_of(name), names, m->set_count);
        if (near)
                return err_set(
                        e, ERR_CONFIG, "there is no entity set %s; did you mean %s?", name, near);
        return err_set(e, ERR_CONFIG,
                "there is no entity set %s among the %zu of the service; without a name, discover "
                "lists them",
                name, m->set_count);
}

static int choose_set(
        const struct rest_metadata *m, const char *name, const struct rest_set **out, struct err *e)
{
        for (size_t i = 0; i < m->set_count; i++) {
                if (strcmp(m->sets[i].name, name) != 0)
                        continue;
                *out = &m->sets[i];
                return 0;
        }
        return no_such_set(m, name, e);
}

static bool is_wanted(const struct catalog_query *q, const struct rest_set *set)
{
        const struct catalog_name name = {"", set->name, "", set->name};

        return catalog_wants(q, &name);
}

static int list_sets(struct builder *b, const struct catalog_query *q, struct catalog *out)
{
        struct catalog_table *tables = arena_array(b->arena, b->m->set_count + 1, sizeof(*tables));
        size_t count = 0;
        int rc = 0;

        if (!tables)
                return no_memory(b);
        for (size_t i = 0; i < b->m->set_count && !rc; i++)
                if (is_wanted(q, &b->m->sets[i]))
                        rc = make_table(b, &b->m->sets[i], false, &tables[count++]);
        if (!rc)
                *out = (struct catalog){tables, count};
        return rc;
}

int rest_entities(const struct rest_metadata *m, const struct catalog_query *q, struct arena *arena,
        struct catalog *out, struct err *e)
{
        struct builder b = {.m = m, .arena = arena, .e = e, .vendor = find_vendor(m->name_space)};
        const struct rest_set *set = NULL;

        if (!q->table)
                return list_sets(&b, q, out);
        int rc = choose_set(m, q->table, &set, e);
        if (rc)
                return rc;
        struct catalog_table *table = arena_alloc(arena, sizeof(*table));
        if (!table)
                return no_memory(&b);
        rc = make_table(&b, set, true, table);
        if (!rc)
                *out = (struct catalog){table, 1};
        return rc;
}
