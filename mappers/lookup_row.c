/*
 * Rows with columns, of a query or a CSV file: which columns are the key and the value is found
 * once. A single value stays in the form of its kind, for the steps of each field; several become
 * the JSON of an object, by the conversions that documents use.
 */
#include "mappers/lookup_internal.h"

#include "ingest/record/json.h"
#include "mappers/decimal.h"
#include "mappers/program.h"

struct member {
        size_t column;
        struct chain chain;
        struct buf prefix; /* ,"name": */
};

struct lookup_rows {
        const struct columns *columns;
        size_t keys[LOOKUP_MAX_KEYS], key_count;
        size_t value;           /* its column; unused with members */
        struct member *members; /* owned; of an object */
        size_t member_count;
        struct tz *zone; /* owned: of the mapper; NULL: none */
        struct buf key, shown;
        struct render render; /* for the conversions of members */
};

struct lookup_rows *lookup_rows_free(struct lookup_rows *rows)
{
        if (!rows)
                return NULL;
        for (size_t i = 0; i < rows->member_count; i++)
                buf_deinit(&rows->members[i].prefix);
        for (size_t i = 0; i < RENDER_BUFS; i++)
                buf_deinit(&rows->render.bufs[i]);
        buf_deinit(&rows->key);
        buf_deinit(&rows->shown);
        tz_free(rows->zone);
        free(rows->members);
        free(rows);
        return NULL;
}
DEFINE_CLEANUP(struct lookup_rows *, lookup_rows_free);

/* ---- columns ---- */

static int no_column(const struct lookup_table *t, const struct columns *columns, const char *key,
        const char *name, struct err *e)
{
        const char *names[RECORD_MAX_COLUMNS];
        size_t count = columns->count < RECORD_MAX_COLUMNS ? columns->count : RECORD_MAX_COLUMNS;

        for (size_t i = 0; i < count; i++)
                names[i] = columns->items[i].name;
        int rc = lookup_table_error(t, key, e, "there is no column '%s' in %s", name,
                t->spec->origin == LOOKUP_FILE ? "the file" : "the query");
        const char *near = str_nearest(str_of(name), names, count);
        if (near)
                return err_hint(e, rc, "did you mean '%s'?", near);
        return err_hint(e, rc, "there is %s%s%s", names[0], count > 1 ? ", " : "",
                count > 2   ? "..."
                : count > 1 ? names[1]
                            : "");
}

static bool names_all_keys(const struct lookup_spec *spec, const struct columns *columns)
{
        for (size_t i = 0; i < spec->key.count; i++)
                if (columns_find(columns, str_of(spec->key.items[i])) < 0)
                        return false;
        return true;
}

/* Without `from`, key says first of all what the record has: the table may name it otherwise. */
static int find_keys(
        struct lookup_rows *rows, const struct lookup_table *t, size_t parts, struct err *e)
{
        const struct lookup_spec *spec = t->spec;
        const struct columns *columns = rows->columns;
        bool first = !spec->key.count || (spec->key_is_column && !names_all_keys(spec, columns));

        rows->key_count = parts;
        for (size_t i = 0; i < parts; i++) {
                int at = first ? (i < columns->count ? (int)i : -1)
                               : columns_find(columns, str_of(spec->key.items[i]));
                if (at < 0 && first)
                        return lookup_table_error(t, NULL, e,
                                "it has %zu columns: too few for a key of %zu and a value",
                                columns->count, parts);
                if (at < 0)
                        return no_column(t, columns, "key", spec->key.items[i], e);
                if (columns->items[at].kind == COL_ARRAY || columns->items[at].kind == COL_BYTES)
                        return lookup_table_error(t, spec->key.count ? "key" : NULL, e,
                                "column '%s' is %s: a key is one value that has a text",
                                columns->items[at].name,
                                columns->items[at].source_type ? columns->items[at].source_type
                                                               : "an array");
                rows->keys[i] = (size_t)at;
        }
        return 0;
}

static bool is_key(const struct lookup_rows *rows, size_t column)
{
        for (size_t i = 0; i < rows->key_count; i++)
                if (rows->keys[i] == column)
                        return true;
        return false;
}

/* The one column beside the key. */
static int find_other(struct lookup_rows *rows, const struct lookup_table *t, struct err *e)
{
        size_t found = 0;

        for (size_t i = 0; i < rows->columns->count; i++) {
                if (is_key(rows, i))
                        continue;
                rows->value = i;
                found++;
        }
        if (found == 1)
                return 0;
        int rc = lookup_table_error(t, NULL, e, "%zu columns stand beside the key", found);
        return err_hint(e, rc, "%s",
                found ? "name the one that is wanted in 'value', or a list of them for an object"
                      : "select the value, too");
}

static int find_value(const struct lookup_table *t, struct lookup_rows *rows, size_t i, size_t *out,
        struct err *e)
{
        const char *name = t->spec->value.items[i];
        int at = columns_find(rows->columns, str_of(name));

        if (at < 0)
                return no_column(t, rows->columns, "value", name, e);
        *out = (size_t)at;
        return 0;
}

/* ---- members ---- */

static int make_member(
        const struct lookup_table *t, struct lookup_rows *rows, struct member *m, struct err *e)
{
        const struct column *c = &rows->columns->items[m->column];
        bool local = c->kind == COL_TIMESTAMP || (c->kind == COL_ARRAY && c->elem == COL_TIMESTAMP);

        m->chain = (struct chain){
                .scale = DECIMAL_AS_IS,
                .elem = c->elem,
                .delimiter = c->delimiter ? c->delimiter : ',',
                .zone = rows->zone,
        };
        if (local && !rows->zone)
                return lookup_table_error(t, "value", e,
                        "column '%s' is %s, a local time: write timezone: for the mapper", c->name,
                        c->source_type);
        buf_init(&m->prefix, YDOC_MAX_BYTES);
        buf_putc(&m->prefix, ',');
        json_put_lossy(&m->prefix, str_of(c->name));
        buf_putc(&m->prefix, ':');
        return buf_check(&m->prefix, "a look-up", e);
}

static int make_members(struct lookup_table *t, struct lookup_rows *rows, struct err *e)
{
        static const struct column object = {.name = "value", .kind = COL_JSON};
        const char *zone = t->set->spec->timezone;
        size_t count = t->spec->value.count;
        int rc = zone ? tz_load(zone, &rows->zone, e) : 0;

        if (!rc && count > LOOKUP_MAX_VALUES)
                rc = lookup_table_error(t, "value", e, "more than %d columns", LOOKUP_MAX_VALUES);
        if (rc)
                return rc;
        rows->members = calloc(count, sizeof(*rows->members));
        if (!rows->members)
                return err_nomem(e, "a look-up");
        for (; rows->member_count < count && !rc; rows->member_count++) {
                struct member *m = &rows->members[rows->member_count];
                rc = find_value(t, rows, rows->member_count, &m->column, e);
                if (!rc)
                        rc = make_member(t, rows, m, e);
        }
        return rc ? rc : lookup_take_column(t, &object, e);
}

static int take_value(struct lookup_table *t, struct lookup_rows *rows, struct err *e)
{
        int rc = t->spec->value.count ? find_value(t, rows, 0, &rows->value, e)
                                      : find_other(rows, t, e);

        return rc ? rc : lookup_take_column(t, &rows->columns->items[rows->value], e);
}

int lookup_table_columns(struct lookup_table *t, const struct columns *columns, struct err *e)
{
        cleanup_(lookup_rows_freep) struct lookup_rows *rows = calloc(1, sizeof(*rows));

        if (!rows)
                return err_nomem(e, "a look-up");
        rows->columns = columns;
        buf_init(&rows->key, LOOKUP_MAX_BYTES);
        buf_init(&rows->shown, ERR_TEXT_MAX);
        for (size_t i = 0; i < RENDER_BUFS; i++)
                buf_init(&rows->render.bufs[i], LOOKUP_MAX_BYTES);
        int rc = find_keys(rows, t, t->spec->parts, e);
        if (!rc)
                rc = t->spec->value_is_list ? make_members(t, rows, e) : take_value(t, rows, e);
        if (rc)
                return rc;
        lookup_table_end(t);
        t->rows = TAKE(rows);
        return 0;
}

/* ---- rows ---- */

/* Return: 0, LOOKUP_NULL, -class. */
static int make_key(struct lookup_table *t, const struct value *row, struct err *e)
{
        struct lookup_rows *rows = t->rows;
        int rc = 0;

        buf_clear(&rows->key);
        for (size_t i = 0; i < rows->key_count && !rc; i++) {
                const struct value *v = &row[rows->keys[i]];
                const struct column *c = &rows->columns->items[rows->keys[i]];
                rc = lookup_key_part(&rows->key, rows->key_count, c->kind,
                        (struct str){v->ptr, v->len}, &rows->render.number);
                if (rc == LOOKUP_NO_KEY)
                        return lookup_table_error(t, NULL, e,
                                "column '%s' holds an object or an array: a key is one value",
                                c->name);
        }
        return rc ? rc : lookup_check(t, &rows->key, e);
}

static int bad_member(struct lookup_table *t, const struct member *m, struct err *e)
{
        struct lookup_rows *rows = t->rows;
        const char *reason = buf_cstr(&rows->render.reject_reason);

        buf_clear(&rows->shown);
        return lookup_table_error(t, "value", e, "key %s, column '%s': %s",
                lookup_show_key(buf_str(&rows->key), rows->key_count, &rows->shown),
                rows->columns->items[m->column].name, reason ? reason : "cannot be written");
}

/* The object of all members that are not null. */
static int make_object(
        struct lookup_table *t, const struct value *row, struct str *out, struct err *e)
{
        static const struct plan plan = {.path = "lookup"};
        struct lookup_rows *rows = t->rows;
        struct render *r = &rows->render;
        int rc = 0;

        render_clear(r);
        r->plan = &plan;
        r->out = &r->body;
        for (size_t i = 0; i < rows->member_count; i++) {
                const struct member *m = &rows->members[i];
                const struct value *v = &row[m->column];
                size_t start = r->out->len;
                if (!v->ptr)
                        continue;
                buf_put_str(r->out, buf_str(&m->prefix));
                rc = chain_put(r, &m->chain, rows->columns->items[m->column].kind,
                        (struct str){v->ptr, v->len});
                if (rc == MAPPER_REJECT)
                        return bad_member(t, m, e);
                if (rc == PUT_NULL)
                        r->out->len = start;
        }
        render_close(r->out, 0, '{', '}');
        rc = render_check(r, e);
        *out = buf_str(r->out);
        return rc == -ERR_REJECT ? lookup_check(t, &(struct buf){.error = rc}, e) : rc;
}

int lookup_table_row(struct lookup_table *t, const struct value *row, struct err *e)
{
        struct lookup_rows *rows = t->rows;
        struct str value = {NULL, 0};
        int rc = make_key(t, row, e);

        if (rc == LOOKUP_NULL) {
                t->null_keys++;
                return 0;
        }
        if (!rc && rows->members)
                rc = make_object(t, row, &value, e);
        else if (!rc)
                value = (struct str){row[rows->value].ptr, row[rows->value].len};
        return rc ? rc : lookup_add(t, buf_str(&rows->key), rows->key_count, value, e);
}
