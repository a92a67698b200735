/*
 * Decisions about a starter mapper, before a letter of it is written. Names are made in this
 * order: of the query's columns, of fields, of children; each is unique among those before it.
 */
#include <stdio.h>
#include <strings.h>

#include "ingest/base/text.h"
#include "ingest/pipeline/starter_internal.h"

#define NAME_MAX_BYTES  63   /* of a mapper */
#define WORD_MAX_BYTES  100  /* of a name made here, without its number */
#define ROWS_PER_PARENT 1000 /* on average; more do not belong into one document */
#define COUNT(array)    (sizeof(array) / sizeof((array)[0]))

/* ---- names ---- */

/* U+00C0 to U+00FF without their accents. */
static const char latin[] = "aaaaaaaceeeeiiiidnooooo_ouuuuytsaaaaaaaceeeeiiiidnooooo_ouuuuyty";

/* The letter a-z, digit or hyphen that stands for @c; '_' where there is none. */
static char simple_letter(uint32_t c, bool hyphens)
{
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && hyphens))
                return (char)c;
        if (c >= 'A' && c <= 'Z')
                return (char)(c | 0x20);
        return c >= 0xC0 && c <= 0xFF ? latin[c - 0xC0] : '_';
}

/* @s in a-z, 0-9, _ (and -), beginning with a letter; "" where nothing of it remains. */
static void put_word(struct buf *out, struct str s, bool hyphens)
{
        size_t start = out->len;
        bool gap = false;

        while (s.len > 0 && out->len - start < WORD_MAX_BYTES) {
                uint32_t c = '_';
                size_t n = text_next(s, &c);
                char letter = n ? simple_letter(c, hyphens) : '_';
                bool first = out->len == start;

                n = n ? n : 1;
                s = (struct str){s.ptr + n, s.len - n};
                gap = gap || letter == '_';
                if (letter == '_' || (first && letter == '-'))
                        continue;
                if (first && letter >= '0' && letter <= '9')
                        buf_puts(out, "n");
                else if (gap && !first)
                        buf_putc(out, '_');
                buf_putc(out, letter);
                gap = false;
        }
}

void starter_mapper_name(const struct catalog_table *t, struct buf *out)
{
        cleanup_buf_ struct buf name = BUF_INIT(4 * WORD_MAX_BYTES);

        if (t->schema_needed) {
                put_word(&name, str_of(t->schema), true);
                buf_putc(&name, '_');
        }
        put_word(&name, str_of(t->name), true);
        struct str s = buf_str(&name);
        while (s.len > 0 && (s.ptr[s.len - 1] == '_' || s.len > NAME_MAX_BYTES))
                s.len--;
        while (s.len > 0 && s.ptr[0] == '_')
                s = (struct str){s.ptr + 1, s.len - 1};
        buf_put_str(out, s.len ? s : STR("record"));
        starter_fail_with(out, &name);
}

static const char *keep(struct starter_plan *p, struct buf *name, struct err *e)
{
        const char *copy = name->error ? NULL : arena_strdup(p->arena, buf_str(name));

        if (!copy)
                arena_failed(p->arena, "a starter mapper", e);
        return copy;
}

static const char *mapper_name(struct starter_plan *p, const struct catalog_table *t, struct err *e)
{
        cleanup_buf_ struct buf name = BUF_INIT(4 * WORD_MAX_BYTES);

        starter_mapper_name(t, &name);
        return keep(p, &name, e);
}

/* CouchDB's rule is a mapper's with a few more characters. */
static const char *database_name(struct starter_plan *p, const char *source, struct err *e)
{
        cleanup_buf_ struct buf name = BUF_INIT(4 * WORD_MAX_BYTES);

        put_word(&name, str_of(source), true);
        if (name.len == 0)
                buf_puts(&name, "erp");
        return keep(p, &name, e);
}

/* What a path, a template and a line can hold. */
static bool is_addressable(const char *name)
{
        struct str s = str_of(name);

        return s.len > 0 && text_is_visible(s) && !strpbrk(name, ".[]{}") &&
               str_trim(s).len == s.len;
}

typedef bool (*taken_fn)(const struct starter_plan *p, const void *among, const char *name);

/* @base, or @base_2, @base_3 ... */
static const char *make_unique(struct starter_plan *p, const char *base, taken_fn is_taken,
        const void *among, struct err *e)
{
        cleanup_buf_ struct buf name = BUF_INIT(8 * WORD_MAX_BYTES);

        for (size_t n = 1; n < SIZE_MAX; n++) {
                buf_clear(&name);
                buf_puts(&name, base);
                if (n > 1)
                        buf_printf(&name, "_%zu", n);
                const char *text = buf_cstr(&name);
                if (!text || !is_taken(p, among, text))
                        break;
        }
        return keep(p, &name, e);
}

/* ---- what a column becomes ---- */

static enum left_out left_out(const struct starter_column *c)
{
        const struct catalog_column *column = c->column;
        enum col_kind kind = column->kind == COL_ARRAY ? column->elem : column->kind;

        if (column->relation && column->field_count == 0)
                return LEFT_RELATION;
        if (!column->sql)
                return LEFT_UNNAMED;
        if (!column->readable)
                return LEFT_UNREADABLE;
        if (c->is_key)
                return KEPT;
        if (column_holds_secret(column->name, column->kind, column->elem))
                return LEFT_SECRET;
        return kind == COL_BYTES ? LEFT_BINARY : KEPT;
}

static const char *field_type(enum col_kind kind)
{
        static const char *const types[COL_KINDS] = {
                [COL_NUMERIC] = "decimal",
                [COL_DATE] = "date",
                [COL_TIMESTAMP] = "datetime",
                [COL_TIMESTAMPTZ] = "datetime",
                [COL_JSON] = "json",
                [COL_BYTES] = "bytes",
        };
        return types[kind];
}

/* ---- the columns of one SELECT ---- */

static bool column_name_taken(const struct starter_plan *p, const void *among, const char *name)
{
        const struct starter_rows *rows = among;

        (void)p;
        for (size_t i = 0; i < rows->column_count; i++) {
                const struct starter_column *c = &rows->columns[i];
                if (strcmp(c->column->name, name) == 0 || (c->name && strcmp(c->name, name) == 0))
                        return true;
        }
        return false;
}

static bool field_name_taken(const struct starter_plan *p, const void *among, const char *name)
{
        const struct starter_rows *rows = among;

        if (rows == &p->rows && strcmp(name, "type") == 0)
                return true;
        for (size_t i = 0; i < rows->column_count; i++)
                if (rows->columns[i].field && strcmp(rows->columns[i].field, name) == 0)
                        return true;
        return false;
}

/* A reply has no aliases: the path of what is in it, whatever its name is. */
static int name_path(struct starter_plan *p, const struct starter_rows *rows,
        struct starter_column *c, struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(STARTER_MAX_BYTES);

        buf_puts(&path, rows->prefix);
        buf_puts(&path, c->column->name);
        c->name = keep(p, &path, e);
        return c->name ? 0 : -ERR_NOMEM;
}

static int name_column(
        struct starter_plan *p, struct starter_rows *rows, struct starter_column *c, struct err *e)
{
        cleanup_buf_ struct buf word = BUF_INIT(4 * WORD_MAX_BYTES);

        if (rows->table->rest)
                return name_path(p, rows, c, e);
        if (is_addressable(c->column->name)) {
                c->name = c->column->name;
                return 0;
        }
        put_word(&word, str_of(c->column->name), false);
        if (word.len == 0)
                buf_printf(&word, "column_%zu", (size_t)(c - rows->columns) + 1);
        const char *base = buf_cstr(&word);
        c->name = make_unique(p, base ? base : "column", column_name_taken, rows, e);
        return c->name ? 0 : -ERR_NOMEM;
}

/* Names that begin with _ are CouchDB's; `type` says what kind of document it is. */
static int name_field(
        struct starter_plan *p, struct starter_rows *rows, struct starter_column *c, struct err *e)
{
        cleanup_buf_ struct buf name = BUF_INIT(8 * WORD_MAX_BYTES);
        const char *own = rows->table->rest ? c->column->name : c->name;
        const char *base = own + strspn(own, "_");

        if (rows->table->rest && !c->column->sql) /* a comment only */
                put_word(&name, str_of(own), false);
        else if (rows == &p->rows && strcmp(base, "type") == 0)
                buf_printf(&name, "%s_type", p->mapper);
        else if (*base)
                buf_puts(&name, base);
        if (name.len == 0)
                buf_printf(&name, "column_%zu", (size_t)(c - rows->columns) + 1);
        base = buf_cstr(&name);
        c->field = base ? make_unique(p, base, field_name_taken, rows, e) : keep(p, &name, e);
        return c->field ? 0 : -ERR_NOMEM;
}

static bool has_index(const size_t *list, size_t count, size_t wanted)
{
        for (size_t i = 0; i < count; i++)
                if (list[i] == wanted)
                        return true;
        return false;
}

static int plan_nested(struct starter_plan *p, const struct starter_rows *rows,
        struct starter_column *c, struct err *e);

static int plan_column(struct starter_plan *p, struct starter_rows *rows, size_t i, struct err *e)
{
        struct starter_column *c = &rows->columns[i];

        c->left = left_out(c);
        c->type = field_type(c->column->kind);
        if (c->left == KEPT &&
                (c->column->kind == COL_TIMESTAMP ||
                        (c->column->kind == COL_ARRAY && c->column->elem == COL_TIMESTAMP)))
                p->needs_zone = true;
        int rc = name_column(p, rows, c, e);
        if (!rc)
                rc = name_field(p, rows, c, e);
        return rc || c->left != KEPT ? rc : plan_nested(p, rows, c, e);
}

/* Members of an object are found by a path from the record, those of an array from its element. */
static int plan_nested(struct starter_plan *p, const struct starter_rows *rows,
        struct starter_column *c, struct err *e)
{
        const struct catalog_column *column = c->column;
        cleanup_buf_ struct buf prefix = BUF_INIT(STARTER_MAX_BYTES);
        struct starter_rows *nested;
        size_t kept = 0;

        if (column->field_count == 0 || column->nest == CATALOG_SINGLE)
                return 0;
        if (column->nest == CATALOG_OBJECT)
                buf_printf(&prefix, "%s.", c->name);
        nested = arena_alloc(p->arena, sizeof(*nested));
        if (!nested)
                return arena_failed(p->arena, "a starter mapper", e);
        *nested = (struct starter_rows){.table = rows->table, .prefix = keep(p, &prefix, e)};
        nested->columns = arena_array(p->arena, column->field_count, sizeof(*nested->columns));
        if (!nested->prefix || !nested->columns)
                return arena_failed(p->arena, "a starter mapper", e);
        nested->column_count = column->field_count;
        for (size_t i = 0; i < column->field_count; i++)
                nested->columns[i].column = &column->fields[i];
        for (size_t i = 0; i < column->field_count; i++) {
                int rc = plan_column(p, nested, i, e);
                if (rc)
                        return rc;
                kept += nested->columns[i].left == KEPT;
        }
        if (kept) /* else it stays as it is */
                c->nested = nested;
        return 0;
}

static int plan_columns(struct starter_plan *p, struct starter_rows *rows, struct err *e)
{
        const struct catalog_table *t = rows->table;
        int rc = 0;

        for (size_t i = 0; i < t->column_count && !rc; i++) {
                struct starter_column *c = &rows->columns[i];
                c->is_key = c->is_key || has_index(t->key, t->key_count, i);
                c->insignificant = !c->is_key && has_index(t->cursors, t->cursor_count, i);
                rc = plan_column(p, rows, i, e);
        }
        if (!rc && t->cursor_count && rows->columns[t->cursors[0]].left == KEPT)
                rows->cursor = rows->columns[t->cursors[0]].name;
        return rc;
}

static int begin_rows(struct starter_plan *p, const struct catalog_table *t,
        struct starter_rows *rows, struct err *e)
{
        *rows = (struct starter_rows){.table = t, .prefix = ""};
        rows->columns = arena_array(p->arena, t->column_count + 1, sizeof(*rows->columns));
        rows->key = arena_array(p->arena, t->column_count + 1, sizeof(*rows->key));
        if (!rows->columns || !rows->key)
                return arena_failed(p->arena, "a starter mapper", e);
        rows->column_count = t->column_count;
        for (size_t i = 0; i < t->column_count; i++)
                rows->columns[i].column = &t->columns[i];
        return 0;
}

static void take_key(struct starter_rows *rows)
{
        const struct catalog_table *t = rows->table;

        for (size_t i = 0; i < t->key_count; i++)
                rows->key[rows->key_count++] = rows->columns[t->key[i]].name;
}

/* ---- children ---- */

/* Bytes of @name up to its first _ or -. */
static size_t first_word(const char *name)
{
        return strcspn(name, "_-");
}

static bool is_direct(const char *parent, const char *child)
{
        size_t n = strlen(parent);

        return strncmp(parent, child, n) == 0 && (child[n] == '_' || child[n] == '-');
}

static bool is_related(const char *parent, const char *child)
{
        size_t n = first_word(parent);

        return n > 0 && n == first_word(child) && strncmp(parent, child, n) == 0;
}

/* A table that only links two others: nothing in it but its key. */
static bool is_link(const struct catalog_table *t)
{
        return t->key_from == CATALOG_KEY_PRIMARY && t->key_count == t->column_count;
}

/* Whether the rows of @c may be parts of a document of @t. */
static bool may_nest(const struct catalog_table *t, const struct catalog_child *c)
{
        const struct catalog_table *child = c->table;

        if (!c->nests || !c->composition || !child->readable || !child->sql)
                return false;
        if (strcmp(child->name, t->name) == 0 && strcmp(child->schema, t->schema) == 0)
                return false;
        if (child->rows == 0)
                return false;
        if (t->cursor_count && is_link(child)) /* no row of it would ever show a change */
                return false;
        return child->rows < 0 || t->rows <= 0 || child->rows / ROWS_PER_PARENT <= t->rows;
}

/* The less the better. */
static bool is_better(
        const struct catalog_table *t, const struct catalog_child *a, const struct catalog_child *b)
{
        bool direct_a = is_direct(t->name, a->table->name);
        bool direct_b = is_direct(t->name, b->table->name);

        return direct_a != direct_b ? direct_a : a->table->rows > b->table->rows;
}

static size_t choose_children(
        const struct catalog_table *t, const struct catalog_child *chosen[STARTER_MAX_CHILDREN])
{
        size_t possible = 0, count = 0;

        for (size_t i = 0; i < t->child_count; i++)
                possible += may_nest(t, &t->children[i]);
        for (size_t i = 0; i < t->child_count; i++) {
                const struct catalog_child *c = &t->children[i];
                if (!may_nest(t, c))
                        continue;
                if (possible > STARTER_MAX_CHILDREN && !is_related(t->name, c->table->name))
                        continue;
                size_t at = count;
                while (at > 0 && is_better(t, c, chosen[at - 1]))
                        at--;
                if (at == STARTER_MAX_CHILDREN)
                        continue;
                count += count < STARTER_MAX_CHILDREN;
                for (size_t k = count - 1; k > at; k--)
                        chosen[k] = chosen[k - 1];
                chosen[at] = c;
        }
        return count;
}

static bool child_name_taken(const struct starter_plan *p, const void *among, const char *name)
{
        (void)among;
        for (size_t i = 0; i < p->child_count; i++)
                if (strcmp(p->children[i].name, name) == 0)
                        return true;
        return field_name_taken(p, &p->rows, name) || column_name_taken(p, &p->rows, name);
}

/* sale_order_line of sale_order: lines; party_address of party_party: address. */
static void put_child_word(struct buf *out, const char *parent, const char *child)
{
        size_t skip = 0;

        if (is_direct(parent, child))
                skip = strlen(parent) + 1;
        else if (is_related(parent, child) && child[first_word(child)])
                skip = first_word(child) + 1;
        put_word(out, str_of(child + skip), false);
        if (out->len == 0)
                put_word(out, str_of(child), false);
        if (out->len == 0)
                buf_puts(out, "rows");
        if (out->len >= 4 && memcmp(out->data + out->len - 4, "line", 4) == 0)
                buf_putc(out, 's');
}

static int name_child(struct starter_plan *p, struct starter_child *c, struct err *e)
{
        cleanup_buf_ struct buf word = BUF_INIT(8 * WORD_MAX_BYTES);
        const struct catalog_child *child = c->child;

        put_child_word(&word, p->rows.table->name, child->table->name);
        const char *base = buf_cstr(&word);
        if (base && child_name_taken(p, NULL, base)) {
                buf_puts(&word, "_by_");
                put_word(&word, str_of(child->table->columns[child->columns[0]].name), false);
                base = buf_cstr(&word);
        }
        c->name = base ? make_unique(p, base, child_name_taken, NULL, e) : keep(p, &word, e);
        return c->name ? 0 : -ERR_NOMEM;
}

/* Rows without a key of their own are ordered by all they hold, or their order would be chance. */
static void order_child(struct starter_rows *rows)
{
        take_key(rows);
        for (size_t i = 0; i < rows->column_count && rows->table->key_count == 0; i++)
                if (rows->columns[i].left == KEPT)
                        rows->key[rows->key_count++] = rows->columns[i].name;
}

static int plan_child(struct starter_plan *p, const struct catalog_child *child, struct err *e)
{
        struct starter_child *c = &p->children[p->child_count];

        *c = (struct starter_child){.child = child};
        int rc = begin_rows(p, child->table, &c->rows, e);
        if (rc)
                return rc;
        for (size_t i = 0; i < child->column_count; i++)
                c->rows.columns[child->columns[i]].is_key = true;
        rc = plan_columns(p, &c->rows, e);
        if (!rc)
                rc = name_child(p, c, e);
        if (rc)
                return rc;
        c->parent = arena_array(p->arena, child->column_count, sizeof(*c->parent));
        if (!c->parent)
                return arena_failed(p->arena, "a starter mapper", e);
        for (size_t i = 0; i < child->column_count; i++)
                c->parent[c->parent_count++] = c->rows.columns[child->columns[i]].name;
        order_child(&c->rows);
        p->child_count++;
        return 0;
}

bool starter_is_nested(const struct starter_plan *p, const struct catalog_child *child)
{
        for (size_t i = 0; i < p->child_count; i++)
                if (p->children[i].child == child)
                        return true;
        return false;
}

int starter_plan_make(const struct catalog_table *t, const char *source, struct arena *arena,
        struct starter_plan *out, struct err *e)
{
        const struct catalog_child *chosen[STARTER_MAX_CHILDREN];
        size_t count = choose_children(t, chosen);

        *out = (struct starter_plan){.arena = arena, .source = source};
        out->mapper = mapper_name(out, t, e);
        if (out->mapper)
                out->database = database_name(out, source, e);
        if (!out->mapper || !out->database)
                return -ERR_NOMEM;
        int rc = begin_rows(out, t, &out->rows, e);
        if (!rc)
                rc = plan_columns(out, &out->rows, e);
        if (rc)
                return rc;
        take_key(&out->rows);
        for (size_t i = 0; i < count && !rc; i++)
                rc = plan_child(out, chosen[i], e);
        return rc;
}
