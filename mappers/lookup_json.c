/*
 * JSON, and what YAML says in JSON: an array of objects is rows whose columns are the members that
 * the look-up names; an object is rows of a key and a value. The text is proved first, because
 * walking over it proves nothing.
 */
#include "mappers/lookup_internal.h"

#include "ingest/record/json_scan.h"

#define MAX_COLUMNS (LOOKUP_MAX_KEYS + LOOKUP_MAX_VALUES)

struct json_rows {
        struct lookup_table *t;
        const char *name; /* of the file; NULL: the mapper's own map */
        struct column columns[MAX_COLUMNS];
        struct value row[MAX_COLUMNS];
        bool seen[MAX_COLUMNS]; /* in some object: a name that never comes is a mistake */
        size_t count;
        struct columns all; /* the columns */
        struct buf text;    /* a member's name without its quotes */
};

static int bad_text(const struct json_rows *j, struct err *e, const char *what)
{
        return lookup_table_error(
                j->t, NULL, e, "%s%s%s", j->name ? j->name : "", j->name ? ": " : "", what);
}

static int add_column(struct json_rows *j, const char *name, struct err *e)
{
        if (j->count == MAX_COLUMNS)
                return bad_text(j, e, "too many columns");
        j->columns[j->count++] =
                (struct column){.name = name, .kind = COL_JSON, .source_type = "JSON"};
        return 0;
}

static int add_columns(struct json_rows *j, const struct string_list *names, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < names->count && !rc; i++)
                rc = add_column(j, names->items[i], e);
        return rc;
}

/* The members that columns from @first on name, of the object @object. */
static int take_members(struct json_rows *j, size_t first, struct str object, struct err *e)
{
        struct str key, value;
        struct json_walk w;

        for (size_t i = first; i < j->count; i++)
                j->row[i] = (struct value){NULL, 0};
        if (!json_walk_open(&w, json_trim(object), '{'))
                return bad_text(j, e,
                        "holds something else where an object must be, whose members "
                        "'key' and 'value' name");
        while (json_walk_next(&w, &key, &value)) {
                buf_clear(&j->text);
                int rc = json_unquote(key, &j->text, e);
                if (rc)
                        return rc;
                for (size_t i = first; i < j->count; i++) {
                        if (!str_is(buf_str(&j->text), j->columns[i].name))
                                continue;
                        j->seen[i] = true;
                        if (!str_is(value, "null"))
                                j->row[i] = (struct value){value.ptr, (uint32_t)value.len};
                }
        }
        return 0;
}

static int check_seen(const struct json_rows *j, size_t first, struct err *e)
{
        for (size_t i = first; i < j->count; i++)
                if (!j->seen[i])
                        return lookup_table_error(j->t, i < j->t->spec->key.count ? "key" : "value",
                                e, "%s%sno object has a member '%s'", j->name ? j->name : "",
                                j->name ? ": " : "", j->columns[i].name);
        return 0;
}

static int begin_rows(struct json_rows *j, struct err *e)
{
        j->all = (struct columns){j->columns, j->count};
        return lookup_table_columns(j->t, &j->all, e);
}

/* [{"id": 1, "name": "A"}, ...] */
static int add_list(struct json_rows *j, struct str text, struct err *e)
{
        const struct lookup_spec *spec = j->t->spec;
        struct str key, object;
        struct json_walk w;

        if (!spec->key.count || !spec->value.count)
                return bad_text(j, e,
                        "is a list of objects: 'key' and 'value' name the members that are meant");
        int rc = add_columns(j, &spec->key, e);
        if (!rc)
                rc = add_columns(j, &spec->value, e);
        if (!rc)
                rc = begin_rows(j, e);
        if (rc || !json_walk_open(&w, text, '['))
                return rc;
        bool any = false;
        while (!rc && json_walk_next(&w, &key, &object)) {
                any = true;
                rc = take_members(j, 0, object, e);
                if (!rc)
                        rc = lookup_table_row(j->t, j->row, e);
        }
        return rc || !any ? rc : check_seen(j, 0, e);
}

/* {"1": "A", ...}, or the values are objects whose members `value` names */
static int add_object(struct json_rows *j, struct str text, struct err *e)
{
        const struct lookup_spec *spec = j->t->spec;
        struct str key, value;
        struct json_walk w;

        if (spec->parts > 1)
                return bad_text(j, e, "is one object: its keys have one part");
        if (spec->key.count && !spec->key_is_column)
                return bad_text(j, e, "is one object of keys and values: 'key' means nothing");
        int rc = add_column(j, spec->key.count ? spec->key.items[0] : "key", e);
        if (!rc)
                rc = spec->value.count ? add_columns(j, &spec->value, e)
                                       : add_column(j, "value", e);
        if (!rc)
                rc = begin_rows(j, e);
        if (rc || !json_walk_open(&w, text, '{'))
                return rc;
        bool any = false;
        while (!rc && json_walk_next(&w, &key, &value)) {
                any = true;
                j->row[0] = (struct value){key.ptr, (uint32_t)key.len};
                if (spec->value.count)
                        rc = take_members(j, 1, value, e);
                else
                        j->row[1] = (struct value){
                                str_is(value, "null") ? NULL : value.ptr, (uint32_t)value.len};
                if (!rc)
                        rc = lookup_table_row(j->t, j->row, e);
        }
        return rc || !any || !spec->value.count ? rc : check_seen(j, 1, e);
}

static int prove(const struct json_rows *j, struct str text, struct err *e)
{
        cleanup_buf_ struct buf proof = BUF_INIT((size_t)2 * LOOKUP_MAX_FILE);
        struct err why;
        int rc = json_canonical(text, JSON_NUMBERS_STRING, &proof, &why);

        if (proof.error)
                return lookup_check(j->t, &proof, e);
        if (rc == -ERR_REJECT)
                return bad_text(j, e, why.text);
        if (rc && e)
                *e = why;
        return rc;
}

int lookup_json(struct lookup_table *t, struct str text, const char *name, struct err *e)
{
        struct json_rows j = {.t = t, .name = name};
        int rc = prove(&j, text, e);

        if (rc)
                return rc;
        buf_init(&j.text, LOOKUP_MAX_FILE);
        text = json_trim(text);
        if (*text.ptr == '[')
                rc = add_list(&j, text, e);
        else if (*text.ptr == '{')
                rc = add_object(&j, text, e);
        else
                rc = bad_text(&j, e, "is neither a list of objects nor an object");
        buf_deinit(&j.text);
        lookup_table_end(t);
        return rc;
}
