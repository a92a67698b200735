/*
 * From a place in the record to JSON: locate the value, take it through trim, null_if and map,
 * convert it.
 */
#include "mappers/array_text.h"
#include "mappers/program.h"
#include "mappers/text_steps.h"

#include "ingest/record/json_scan.h"

/* ---- steps ---- */

static struct str without_padding(struct str s)
{
        while (s.len > 0 && s.ptr[s.len - 1] == ' ')
                s.len--;
        return s;
}

static const struct mapping *find_mapping(const struct chain *c, struct str text)
{
        size_t low = 0, high = c->map_count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = str_cmp(text, c->map[middle].from);
                if (order == 0)
                        return &c->map[middle];
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

static int put_mapped(struct render *r, const struct chain *c, struct str text)
{
        const struct mapping *m = find_mapping(c, text);

        if (!m && c->unmapped_is_null)
                return PUT_NULL;
        if (!m)
                return reject_value(r, text, "is not in map: add it there, or write a default");
        if (str_is(m->to, "null"))
                return PUT_NULL;
        buf_put_str(r->out, m->to);
        return STEPS_DONE;
}

int chain_steps(struct render *r, const struct chain *c, enum col_kind kind, struct str *text)
{
        struct str s = *text;

        if (kind == COL_CHAR)
                s = without_padding(s);
        if (c->trim && (kind == COL_TEXT || kind == COL_CHAR))
                s = str_trim(s);
        if (c->text && (kind == COL_TEXT || kind == COL_CHAR)) {
                int rc = text_steps_run(r, c->text, &s);
                if (rc)
                        return rc;
        }
        *text = s;
        /* Booleans compare as people write them. */
        if (kind == COL_BOOL && (c->has_map || c->null_if_count))
                s = str_is(s, "t") ? STR("true") : STR("false");
        for (size_t i = 0; i < c->null_if_count; i++)
                if (str_eq(s, c->null_if[i]))
                        return PUT_NULL;
        return c->has_map ? put_mapped(r, c, s) : 0;
}

static inline int put_one(
        struct render *r, const struct chain *c, enum col_kind kind, struct str text)
{
        convert_fn convert = chain_convert(c, kind);

        /* What is nested takes the steps element by element. */
        if ((c->has_steps || kind == COL_CHAR) && kind != COL_JSON && kind != COL_ARRAY) {
                int rc = chain_steps(r, c, kind, &text);
                if (rc)
                        return rc == STEPS_DONE ? 0 : rc;
        }
        if (!convert)
                return reject_value(r, text, "is %s and cannot become a %s", col_kind_name(kind),
                        field_type_name(c->type));
        return convert(r, c, text);
}

static int put_text(struct render *r, const struct chain *c, struct str text)
{
        return put_one(r, c, COL_TEXT, text);
}

int chain_put(struct render *r, const struct chain *c, enum col_kind kind, struct str text)
{
        if (__builtin_expect(c->split != NULL, 0) && (kind == COL_TEXT || kind == COL_CHAR))
                return text_split_put(
                        r, c, kind == COL_CHAR ? without_padding(text) : text, put_text);
        return put_one(r, c, kind, text);
}

/* ---- places ---- */

/* Whether the JSON string @key, as written, is the canonical @name. */
static bool key_is(struct render *r, struct str key, struct str name)
{
        if (!memchr(key.ptr, '\\', key.len))
                return str_eq(key, name);
        render_reuse(&r->string);
        if (!json_copy_string(key.ptr, key.ptr + key.len, JSON_STRING_CANONICAL, &r->string, NULL))
                return false;
        return str_eq(buf_str(&r->string), name);
}

/* The member @name of the object @text; null where there is none. */
static int find_member(struct render *r, struct str text, struct str name, struct str *out)
{
        struct json_walk w;
        struct str key, value, found = {NULL, 0};

        *out = found;
        if (!json_walk_open(&w, text, '{'))
                return 0;
        while (json_walk_next(&w, &key, &value)) {
                if (!key_is(r, key, name))
                        continue;
                if (found.ptr)
                        return reject_value(r, text, "holds the key %.*s twice", STR_ARG(name));
                found = value;
        }
        if (w.bad)
                return reject_value(r, text, "is not JSON");
        *out = found;
        return 0;
}

static int find_element(struct render *r, struct str text, int64_t index, struct str *out)
{
        struct json_walk w;
        struct str key, value;

        *out = (struct str){NULL, 0};
        if (!json_walk_open(&w, text, '['))
                return 0;
        for (; json_walk_next(&w, &key, &value); index--) {
                if (index > 0)
                        continue;
                *out = value;
                return 0;
        }
        return w.bad ? reject_value(r, text, "is not JSON") : 0;
}

static int step_json(struct render *r, const struct locate_step *step, struct str *text)
{
        return step->name.ptr ? find_member(r, *text, step->name, text)
                              : find_element(r, *text, step->index, text);
}

/* The element @index of the array in @out, in its place. */
static int step_array(struct render *r, const struct locate *l, int64_t index, struct datum *out)
{
        struct str text = out->text, element;
        struct array_walk w;
        enum array_item item;

        out->text = (struct str){NULL, 0};
        if (!array_open(&w, text, l->delimiter))
                return reject_value(r, text, "is not an array");
        do {
                item = array_next(&w, &r->element_text, &element);
        } while (index-- > 0 && item != ARRAY_END && item != ARRAY_BAD);
        if (item == ARRAY_BAD)
                return reject_value(r, text, "is not an array");
        if (item == ARRAY_END || item == ARRAY_NULL)
                return 0;
        *out = (struct datum){item == ARRAY_NESTED ? COL_ARRAY : l->elem, element};
        return 0;
}

static int take_steps(struct render *r, const struct locate *l, size_t first, struct datum *out)
{
        for (size_t i = first; i < l->step_count && out->text.ptr; i++) {
                const struct locate_step *step = &l->steps[i];
                int rc = 0;

                if (out->kind == COL_JSON)
                        rc = step_json(r, step, &out->text);
                else if (out->kind == COL_ARRAY && !step->name.ptr)
                        rc = step_array(r, l, step->index, out);
                else
                        out->text = (struct str){NULL, 0}; /* a scalar has no members */
                if (rc)
                        return rc;
        }
        return 0;
}

static bool is_object(struct str json)
{
        return json.len > 0 && *json.ptr == '{';
}

int locate_get(struct render *r, const struct locate *l, struct datum *out)
{
        const struct value *v;
        size_t first = 0;

        switch (l->from) {
        case LOCATE_ELEMENT:
                *out = (struct datum){COL_JSON, r->element};
                first = l->element_value && !is_object(r->element);
                break;
        case LOCATE_RECORD:
                v = &r->record->row[l->column];
                *out = (struct datum){l->kind, {v->ptr, v->len}};
                break;
        default:
                v = &r->row[l->column];
                *out = (struct datum){l->kind, {v->ptr, v->len}};
                break;
        }
        return l->step_count > first ? take_steps(r, l, first, out) : 0;
}
