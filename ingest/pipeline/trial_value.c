/* YAML values as the text that a source sends: what record.h fixes for each kind. */
#include "ingest/pipeline/trial_internal.h"

#include "mappers/calendar.h"

#define VALUE_MAX_BYTES (YDOC_MAX_BYTES * 8) /* escapes make a value longer than its file */

/* ---- kinds ---- */

/* "2026-01-31 08:00:00" as PostgreSQL writes it: with a blank, which text from elsewhere has not.
 */
static bool is_timestamp_output(struct str text)
{
        return text.len > CIVIL_DATE_BYTES && text.ptr[CIVIL_DATE_BYTES] == ' ';
}

static enum col_kind kind_of_text(const struct trial_column *c, struct str text)
{
        struct civil civil;

        if (c->uses & USED_BY_PATH)
                return COL_JSON;
        if ((c->uses & USED_AS_TIME) && civil_parse_date(text, &civil) == CIVIL_OK)
                return COL_DATE;
        bool time =
                c->uses & USED_AS_TIME || (!(c->uses & USED_AS_TEXT) && is_timestamp_output(text));
        if (!time || civil_parse(text, &civil) != CIVIL_OK)
                return COL_TEXT;
        return civil.has_offset ? COL_TIMESTAMPTZ : COL_TIMESTAMP;
}

enum col_kind trial_kind_of(const struct trial_column *c, const struct ynode *n)
{
        switch (n->kind) {
        case YNODE_NULL:
                return KIND_UNKNOWN;
        case YNODE_BOOL:
                return COL_BOOL;
        case YNODE_INT:
                return COL_INT;
        case YNODE_FLOAT: /* an exact decimal has no exponent */
                return n->text.ptr[strcspn(n->text.ptr, "eE")] ? COL_FLOAT8 : COL_NUMERIC;
        case YNODE_STRING:
                return kind_of_text(c, n->text);
        case YNODE_LIST:
        case YNODE_MAP:
                return COL_JSON;
        }
        return COL_TEXT;
}

static bool is_number(enum col_kind kind)
{
        return kind == COL_INT || kind == COL_NUMERIC || kind == COL_FLOAT8;
}

enum col_kind trial_kind_join(enum col_kind a, enum col_kind b)
{
        if (a == b || b == KIND_UNKNOWN)
                return a;
        if (a == KIND_UNKNOWN)
                return b;
        if (is_number(a) && is_number(b))
                return a == COL_FLOAT8 || b == COL_FLOAT8 ? COL_FLOAT8 : COL_NUMERIC;
        return a == COL_JSON || b == COL_JSON ? COL_JSON : COL_TEXT;
}

/* ---- texts ---- */

static int refuse(const struct trial *t, const struct trial_column *c, const struct ynode *n,
        const char *what, struct err *e)
{
        int rc = mapper_spec_error(t->mapper->spec, n, e, "column '%s' takes %s, not %s", c->name,
                what, ynode_kind_name(n->kind));

        return c->type ? rc : err_hint(e, rc, "other values of the column are of another kind");
}

static struct str text_of(enum col_kind kind, const struct ynode *n)
{
        if (kind == COL_BOOL &&
                (n->kind == YNODE_BOOL || str_is(n->text, "true") || str_is(n->text, "false")))
                return n->text.ptr[0] == 't' || n->text.ptr[0] == 'T' ? STR("t") : STR("f");
        return n->text;
}

/* An element as PostgreSQL writes it when it has to be quoted, which is always allowed. */
static void put_element(struct buf *out, struct str text)
{
        buf_putc(out, '"');
        for (size_t i = 0; i < text.len; i++) {
                if (text.ptr[i] == '"' || text.ptr[i] == '\\')
                        buf_putc(out, '\\');
                buf_putc(out, text.ptr[i]);
        }
        buf_putc(out, '"');
}

static int put_array(struct trial *t, const struct trial_column *c, const struct ynode *n,
        struct buf *out, struct err *e);

static int put_item(struct trial *t, const struct trial_column *c, const struct ynode *n,
        struct buf *out, struct err *e)
{
        cleanup_buf_ struct buf json = BUF_INIT(VALUE_MAX_BYTES);

        if (n->kind == YNODE_NULL) {
                buf_puts(out, "NULL");
        } else if (c->elem == COL_JSON && n->kind != YNODE_STRING) {
                ynode_json(n, &json);
                put_element(out, buf_str(&json));
                return buf_check(&json, "a test's value", e);
        } else if (n->kind == YNODE_LIST) {
                return put_array(t, c, n, out, e);
        } else if (n->kind == YNODE_MAP) {
                return refuse(t, c, n, "single values as elements", e);
        } else {
                put_element(out, text_of(c->elem, n));
        }
        return 0;
}

static int put_array(struct trial *t, const struct trial_column *c, const struct ynode *n,
        struct buf *out, struct err *e)
{
        int rc = 0;

        buf_putc(out, '{');
        for (size_t i = 0; i < n->count && !rc; i++) {
                if (i > 0)
                        buf_putc(out, ',');
                rc = put_item(t, c, n->items[i], out, e);
        }
        buf_putc(out, '}');
        return rc;
}

static int put_text(struct trial *t, const struct trial_column *c, const struct ynode *n,
        struct buf *out, struct err *e)
{
        if (c->kind == COL_JSON && (t->open || n->kind != YNODE_STRING))
                ynode_json(n, out);
        else if (c->kind == COL_ARRAY && n->kind == YNODE_LIST)
                return put_array(t, c, n, out, e);
        else if (!ynode_is_scalar(n))
                return refuse(t, c, n, c->kind == COL_ARRAY ? "a list" : "single values", e);
        else
                buf_put_str(out, text_of(c->kind, n));
        return 0;
}

int trial_value(struct trial *t, const struct trial_column *c, const struct ynode *n,
        struct value *out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(VALUE_MAX_BYTES);

        *out = (struct value){NULL, 0};
        if (n->kind == YNODE_NULL)
                return 0;
        int rc = put_text(t, c, n, &text, e);
        if (!rc)
                rc = buf_check(&text, "a test's value", e);
        if (rc)
                return rc;
        struct str copy = arena_dup(t->arena, buf_str(&text));
        if (!copy.ptr)
                return arena_failed(t->arena, "a test's value", e);
        *out = (struct value){copy.ptr, (uint32_t)copy.len};
        return 0;
}
