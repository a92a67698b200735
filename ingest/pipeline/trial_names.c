/*
 * Every name that the mapper uses is taken for a column (mappers/names.h). Which table has it,
 * where that is not plain, is told by what the test gives and by the text of the queries.
 */
#include "ingest/pipeline/trial_internal.h"

#include <limits.h>
#include <strings.h>

#include "mappers/names.h"

#define FIRST_COLUMNS 16

/* ---- tables ---- */

struct trial_column *trial_column_find(const struct trial_table *table, struct str name)
{
        for (size_t i = 0; i < table->count; i++)
                if (str_is(name, table->items[i].name))
                        return &table->items[i];
        return NULL;
}

static int grow(struct trial *t, struct trial_table *table, struct err *e)
{
        size_t capacity = table->capacity ? 2 * table->capacity : FIRST_COLUMNS;
        struct trial_column *items = arena_array(t->arena, capacity, sizeof(*items));

        if (table->count >= RECORD_MAX_COLUMNS)
                return mapper_spec_error(t->mapper->spec, t->test->node, e,
                        "more than %d columns: no source has so many", RECORD_MAX_COLUMNS);
        if (!items)
                return arena_failed(t->arena, "columns", e);
        if (table->count)
                memcpy(items, table->items, table->count * sizeof(*items));
        table->items = items;
        table->capacity = capacity;
        return 0;
}

static int add(
        struct trial *t, struct trial_table *table, struct str name, unsigned uses, struct err *e)
{
        struct trial_column *c = trial_column_find(table, name);
        int rc = 0;

        if (c) {
                c->uses |= uses;
                return 0;
        }
        if (table->count == table->capacity)
                rc = grow(t, table, e);
        if (rc)
                return rc;
        c = &table->items[table->count];
        *c = (struct trial_column){.name = arena_strdup(t->arena, name),
                .uses = uses,
                .kind = KIND_UNKNOWN,
                .elem = COL_TEXT};
        if (!c->name)
                return arena_failed(t->arena, "columns", e);
        table->count++;
        return 0;
}

struct trial_table *trial_child_find(struct trial *t, struct str name)
{
        if (t->grouped)
                return str_is(name, "rows") ? &t->record : NULL;
        for (size_t i = 0; i < t->child_count; i++)
                if (str_is(name, t->children[i].child->name))
                        return &t->children[i];
        return NULL;
}

/* ---- what the extract says of a column ---- */

static bool is_word_byte(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool is_lower(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z')
                        return false;
        return true;
}

/* Whether @text has @word as a word of its own. SQL makes Code the column code. */
static bool has_word(const char *text, struct str word)
{
        bool fold = is_lower(word);
        size_t len = text ? strlen(text) : 0;

        for (size_t i = 0; word.len && i + word.len <= len; i++) {
                const char *p = text + i;
                if (fold ? strncasecmp(p, word.ptr, word.len) : memcmp(p, word.ptr, word.len))
                        continue;
                if ((i == 0 || !is_word_byte(p[-1])) && !is_word_byte(p[word.len]))
                        return true;
        }
        return false;
}

static bool is_in_query(const struct trial *t, const struct trial_table *table, struct str name)
{
        const struct extract *x = t->mapper->extract;

        if (table->child)
                return has_word(table->child->query, name) || has_word(table->child->cursor, name);
        return has_word(x->query, name) || has_word(x->cursor, name);
}

static int add_list(
        struct trial *t, struct trial_table *table, const struct string_list *names, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < names->count && !rc; i++)
                rc = add(t, table, str_of(names->items[i]), 0, e);
        return rc;
}

/* A cursor may be an expression: then it is no column of the record. */
static int add_name(struct trial *t, struct trial_table *table, const char *name, struct err *e)
{
        for (const char *p = name; p && *p; p++)
                if (!is_word_byte(*p))
                        return 0;
        return name ? add(t, table, str_of(name), 0, e) : 0;
}

static int add_extract(struct trial *t, struct err *e)
{
        const struct extract *x = t->mapper->extract;
        int rc = add_list(t, &t->record, &x->key, e);

        if (!rc)
                rc = add_list(t, &t->record, &x->group, e);
        if (!rc)
                rc = add_name(t, &t->record, x->cursor, e);
        if (!rc)
                rc = add_name(t, &t->record, x->deletes.column, e);
        for (size_t i = 0; i < t->child_count && !rc; i++) {
                struct trial_table *child = &t->children[i];
                rc = add_list(t, child, &child->child->key, e);
                if (!rc)
                        rc = add_list(t, child, &child->child->parent, e);
                if (!rc)
                        rc = add_name(t, child, child->child->cursor, e);
        }
        return rc;
}

/* ---- fields ---- */

static unsigned uses_of(const struct field_spec *f)
{
        static const char *const text_steps[] = {
                "trim", "split", "replace", "upper", "lower", "format"};
        bool time = f->type == FIELD_TYPE_DATE || f->type == FIELD_TYPE_DATETIME;

        for (size_t i = 0; i < sizeof(text_steps) / sizeof(text_steps[0]); i++)
                if (ynode_get(f->node, text_steps[i]))
                        return USED_AS_TEXT;
        if (time)
                return USED_AS_TIME;
        return f->type == FIELD_TYPE_NONE ? 0 : USED_AS_TEXT;
}

/* What the test gives for the column @name of @table, if anything: a column may have a dot. */
static bool is_given(const struct trial *t, const struct trial_table *table, const char *name)
{
        const struct ynode *rows = t->test->given;

        if (table->child)
                rows = ynode_get(rows, table->child->name);
        else if (ynode_get(rows, name))
                return true;
        else if (t->grouped)
                rows = ynode_get(rows, "rows");
        for (size_t i = 0; rows && rows->kind == YNODE_LIST && i < rows->count; i++)
                if (ynode_get(rows->items[i], name))
                        return true;
        return false;
}

/* What has the column @name, if anything has it: the rows of @table, or else the record. */
static struct trial_table *table_of(struct trial *t, struct trial_table *table, struct str name)
{
        char text[NAME_MAX + 1];

        if (!table->child || name.len > NAME_MAX)
                return table;
        memcpy(text, name.ptr, name.len);
        text[name.len] = '\0';
        if (trial_column_find(table, name) || is_given(t, table, text) ||
                is_in_query(t, table, name))
                return table;
        return &t->record;
}

/* A name too many does no harm: such a column is null. */
static int add_to_rows(struct trial *t, struct str name, struct err *e)
{
        int rc = t->grouped ? add(t, &t->record, name, 0, e) : 0;

        for (size_t i = 0; i < t->child_count && !rc; i++)
                rc = add(t, &t->children[i], name, 0, e);
        return rc;
}

static int add_use(void *ctx, const struct mapper_name *name, struct err *e)
{
        struct trial *t = ctx;
        const struct field_path *path = name->path;

        if (name->name.len == 0 || name->name.len > NAME_MAX)
                return 0;
        if (name->rows == NAME_OF_ANY_ROWS)
                return add_to_rows(t, name->name, e);
        struct trial_table *table = name->rows >= 0 ? &t->children[name->rows] : &t->record;
        if (name->falls_back)
                table = table_of(t, table, name->name);
        if (!path && table == &t->record && trial_child_find(t, name->name))
                return 0;
        unsigned uses = name->open ? USED_BY_PATH : name->from ? uses_of(name->from) : 0;
        if (path && (path->count == 1 || is_given(t, table, path->text)))
                return add(t, table, str_of(path->text), uses, e);
        return add(t, table, name->name, path ? USED_BY_PATH : 0, e);
}

int trial_names_collect(struct trial *t, struct err *e)
{
        const struct extract *x = t->mapper->extract;
        const char *children[RECORD_MAX_CHILDREN];
        struct name_rows rows = {.children = children, .grouped = x->group.count > 0};

        t->grouped = rows.grouped;
        t->open = !source_describes_columns(t->mapper->source);
        for (; !t->open && t->child_count < x->child_count; t->child_count++) {
                t->children[t->child_count].child = &x->children[t->child_count];
                children[rows.child_count++] = x->children[t->child_count].name;
        }
        int rc = add_extract(t, e);
        return rc ? rc : mapper_names_each(t->mapper->spec, &rows, add_use, t, e);
}

/* ---- what is given ---- */

static int unknown(struct trial *t, const struct trial_table *table, const struct ynode_pair *at,
        struct err *e)
{
        size_t children = table->child ? 0 : t->child_count, count = table->count;
        const char **names = arena_array(t->arena, count + children + 1, sizeof(*names));
        char shown[YNODE_SHOW_MAX];

        if (!names)
                return arena_failed(t->arena, "names of columns", e);
        for (size_t i = 0; i < table->count; i++)
                names[i] = table->items[i].name;
        for (size_t i = 0; i < children; i++)
                names[count++] = t->children[i].child->name;
        if (t->grouped)
                names[count++] = "rows";
        const char *near = str_nearest(at->key, names, count);
        int rc = ydoc_error_at(t->mapper->spec->doc, at->line, at->column, e,
                "%s is given, but neither a field nor the %s uses such a column",
                yaml_show(at->key, shown), table->child ? "child" : "extract");
        if (near)
                return err_hint(e, rc, "did you mean '%s'?", near);
        return rc;
}

int trial_names_given(
        struct trial *t, struct trial_table *table, const struct ynode *given, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < given->count && !rc; i++) {
                const struct ynode_pair *pair = &given->pairs[i];
                if (!table->child && given == t->test->given && trial_child_find(t, pair->key))
                        continue;
                if (trial_column_find(table, pair->key))
                        continue;
                if (is_in_query(t, table, pair->key))
                        rc = add(t, table, pair->key, 0, e);
                else if (!t->open) /* else a reply was copied, with more than is used of it */
                        rc = unknown(t, table, pair, e);
        }
        return rc;
}
