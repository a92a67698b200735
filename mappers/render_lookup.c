/*
 * A look-up: the text of the key from the record, then the table's value as if it were a column. An
 * array is looked up element by element.
 */
#include "mappers/array_text.h"
#include "mappers/lookup.h"
#include "mappers/program.h"

#include "ingest/record/json_scan.h"

static int bad_key(struct render *r, struct str text)
{
        return reject_value(r, text, "is not one value, and no key of a look-up");
}

/* Numbers are sought as numbers, 1.5 for 1.50, and then as they are written: the keys of files and
 * maps are texts, "13.50" for one. */
enum form { FORM_PLAIN, FORM_WRITTEN };

static enum col_kind kind_of_key(enum col_kind kind, struct str *text, enum form form)
{
        bool number = kind == COL_NUMERIC || kind == COL_FLOAT4 || kind == COL_FLOAT8;

        if (kind == COL_JSON && text->ptr && form == FORM_WRITTEN) {
                *text = json_trim(*text);
                number = text->len > 0 && !strchr("\"{[tfn", *text->ptr);
        }
        return number && form == FORM_WRITTEN ? COL_TEXT : kind;
}

/* Appends the parts of the key to r->text. Return: 0, PUT_NULL, MAPPER_REJECT. */
static int make_key(struct render *r, const struct lookup_plan *l, enum form form)
{
        render_reuse(&r->text);
        for (size_t i = 0; i < l->count; i++) {
                struct datum d;
                int rc = locate_get(r, &l->keys[i], &d);

                if (rc)
                        return rc;
                d.kind = kind_of_key(d.kind, &d.text, form);
                rc = lookup_key_part(&r->text, l->count, d.kind, d.text, &r->number);
                if (rc == LOOKUP_NULL)
                        return PUT_NULL;
                if (rc)
                        return bad_key(r, d.text);
        }
        return 0;
}

/* Whether the table has what the record has; *@rc: PUT_NULL, MAPPER_REJECT. */
static bool find(struct render *r, const struct lookup_plan *l, struct str *value, int *rc)
{
        *rc = make_key(r, l, FORM_PLAIN);
        if (*rc)
                return false;
        if (lookup_table_find(l->table, buf_str(&r->text), value))
                return true;
        if (!l->numbers)
                return false;
        *rc = make_key(r, l, FORM_WRITTEN);
        return *rc == 0 && lookup_table_find(l->table, buf_str(&r->text), value);
}

/* What the record has is in no entry: said of a field that needs a value. */
static int not_found(struct render *r, const struct op *op)
{
        const struct plan *p = op->plan;
        struct datum d;

        if (p->fallback.ptr || !p->spec->required)
                return render_null(r, op);
        int rc = locate_get(r, &p->lookup->keys[0], &d);
        if (rc)
                return rc;
        return reject_value(r, d.text,
                "%sis not in the look-up, and the field is required: add it there, or write a "
                "default",
                p->lookup->count > 1 ? "(the first part of the key) " : "");
}

/* ---- arrays ---- */

/* Appends the value of one element with a comma; what is not found is null. */
static int put_element(struct render *r, const struct plan *p, enum col_kind kind, struct str text)
{
        struct str value = {NULL, 0};

        buf_putc(r->out, ',');
        for (enum form form = FORM_PLAIN; form <= FORM_WRITTEN && !value.ptr; form++) {
                kind = kind_of_key(kind, &text, form);
                render_reuse(&r->text);
                int rc = lookup_key_part(&r->text, 1, kind, text, &r->number);
                if (rc == LOOKUP_NO_KEY)
                        return bad_key(r, text);
                if (rc || lookup_table_find(p->lookup->table, buf_str(&r->text), &value))
                        break;
                value.ptr = NULL;
        }
        int rc = value.ptr ? chain_put(r, &p->chain, p->locate.kind, value) : PUT_NULL;
        if (rc == PUT_NULL)
                buf_put(r->out, "null", 4);
        return rc == PUT_NULL ? 0 : rc;
}

static int put_json_list(struct render *r, const struct plan *p, struct str text)
{
        struct str key, value;
        struct json_walk w;
        int rc = 0;

        if (!json_walk_open(&w, text, '['))
                return bad_key(r, text);
        while (!rc && json_walk_next(&w, &key, &value))
                rc = put_element(r, p, COL_JSON, value);
        return rc || !w.bad ? rc : reject_value(r, text, "is not JSON");
}

static int put_array(struct render *r, const struct plan *p, struct str text)
{
        const struct locate *l = &p->lookup->keys[0];
        enum array_item item;
        struct array_walk w;
        struct str element;
        int rc = 0;

        if (!array_open(&w, text, l->delimiter))
                return reject_value(r, text, "is not an array");
        while (!rc && (item = array_next(&w, &r->element_text, &element)) != ARRAY_END) {
                if (item == ARRAY_BAD || item == ARRAY_NESTED)
                        return reject_value(r, text,
                                item == ARRAY_BAD ? "is not an array"
                                                  : "has more than one dimension, which no key "
                                                    "has");
                if (item == ARRAY_NULL)
                        element.ptr = NULL;
                rc = put_element(r, p, l->elem, element);
        }
        return rc;
}

static int put_list(struct render *r, const struct op *op, const struct datum *d)
{
        render_prefix(r->out, op->prefix);
        size_t start = r->out->len;
        int rc = d->kind == COL_ARRAY ? put_array(r, op->plan, d->text)
                                      : put_json_list(r, op->plan, d->text);
        if (!rc)
                render_close(r->out, start, '[', ']');
        return rc;
}

static bool is_list(struct datum *d)
{
        if (d->kind == COL_JSON && d->text.ptr)
                d->text = json_trim(d->text);
        return d->text.ptr && (d->kind == COL_ARRAY ||
                                      (d->kind == COL_JSON && d->text.len && *d->text.ptr == '['));
}

int op_lookup(struct render *r, const struct op *op)
{
        const struct plan *p = op->plan;
        struct str value;
        struct datum d;
        int rc = 0;

        r->plan = p;
        if (p->lookup->lists) {
                rc = locate_get(r, &p->lookup->keys[0], &d);
                if (!rc && is_list(&d))
                        return put_list(r, op, &d);
        }
        if (rc)
                return rc;
        bool found = find(r, p->lookup, &value, &rc);
        if (rc && rc != PUT_NULL)
                return rc;
        if (!rc && !found)
                return not_found(r, op);
        if (rc || !value.ptr)
                return render_null(r, op);
        return render_member(r, op, p->locate.kind, value);
}
