/* A look-up: the text of the key from the record, then the table's value as if it were a column. */
#include "mappers/lookup.h"
#include "mappers/program.h"

/* Appends the parts of the key to r->text. Return: 0, PUT_NULL, MAPPER_REJECT. */
static int make_key(struct render *r, const struct lookup_plan *l)
{
        render_reuse(&r->text);
        for (size_t i = 0; i < l->count; i++) {
                struct datum d;
                int rc = locate_get(r, &l->keys[i], &d);

                if (rc)
                        return rc;
                rc = lookup_key_part(&r->text, l->count, d.kind, d.text, &r->number);
                if (rc == LOOKUP_NULL)
                        return PUT_NULL;
                if (rc)
                        return reject_value(r, d.text, "is not one value, and no key of a look-up");
        }
        return 0;
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

int op_lookup(struct render *r, const struct op *op)
{
        const struct plan *p = op->plan;
        struct str value;

        r->plan = p;
        int rc = make_key(r, p->lookup);
        if (rc == PUT_NULL)
                return render_null(r, op);
        if (rc)
                return rc;
        if (!lookup_table_find(p->lookup->table, buf_str(&r->text), &value))
                return not_found(r, op);
        if (!value.ptr)
                return render_null(r, op);
        return render_member(r, op, p->locate.kind, value);
}
