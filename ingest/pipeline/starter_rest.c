/*
 * The call, as an operator would write it after reading the API's documentation. What a reply does
 * not tell stands there as a comment, or with CHECK THIS.
 */
#include <inttypes.h>

#include "ingest/base/text.h"
#include "ingest/pipeline/starter_internal.h"
#include "ingest/source/rest/catalog.h"

#define SELECT_MAX  1500 /* bytes of $select: servers take addresses of some 2,000 */
#define FEW_RECORDS 50   /* of a page: smaller ones cost more requests than they are worth */
#define ALSO_NAMED  12   /* relations in a comment */

/* ---- scalars ---- */

/* Text that is a template: its dollar signs are doubled. */
static void put_template(struct buf *out, const char *text)
{
        cleanup_buf_ struct buf doubled = BUF_INIT(STARTER_MAX_BYTES);
        bool plain = *text == '/';

        for (const char *c = text; *c; c++) {
                buf_puts(&doubled, *c == '$' ? "$" : "");
                buf_putc(&doubled, *c);
                plain = plain && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                                         (*c >= '0' && *c <= '9') || strchr("/_.-", *c));
        }
        if (plain) /* "/products" needs no quotes */
                buf_put_str(out, buf_str(&doubled));
        else
                starter_put_scalar(out, buf_str(&doubled));
        starter_fail_with(out, &doubled);
}

/* One pair of a flow map; @count: of those before it. */
static void put_key(struct buf *out, size_t *count, const char *key)
{
        buf_printf(out, "%s%s: ", (*count)++ ? ", " : "", key);
}

static void put_text(struct buf *out, size_t *count, const char *key, const char *value)
{
        if (!value)
                return;
        put_key(out, count, key);
        starter_put_scalar(out, str_of(value));
}

static void put_path_of(struct buf *out, size_t *count, const char *key, const char *path)
{
        if (!path)
                return;
        put_key(out, count, key);
        starter_put_path(out, path);
}

static void put_number(struct buf *out, size_t *count, const char *key, int64_t value)
{
        put_key(out, count, key);
        buf_printf(out, "%" PRId64, value);
}

/* "CHECK THIS: " before what is doubtful. */
static void put_note(struct buf *out, const char *note, bool doubtful)
{
        if (note)
                starter_comment(out, 2, "%s%s", doubtful ? "CHECK THIS: " : "", note);
}

/* ---- the call ---- */

/* The values of the parameter @at, unless one before it has its name: a, or [a, b]. */
static void put_param(const struct rest_pairs *params, size_t at, size_t *count, struct buf *out)
{
        const char *name = params->items[at].name;
        size_t same = 0, put = 0;

        for (size_t i = 0; i < params->count; i++) {
                if (strcmp(params->items[i].name, name) != 0)
                        continue;
                if (i < at)
                        return;
                same++;
        }
        buf_puts(out, (*count)++ ? ", " : "");
        starter_put_scalar(out, str_of(name));
        buf_puts(out, same > 1 ? ": [" : ": ");
        for (size_t i = at; i < params->count; i++) {
                if (strcmp(params->items[i].name, name) != 0)
                        continue;
                buf_puts(out, put++ ? ", " : "");
                put_template(out, params->items[i].value);
        }
        buf_puts(out, same > 1 ? "]" : "");
}

static void put_call(const struct catalog_rest *r, struct buf *out)
{
        size_t count = 0;

        buf_puts(out, "  path: ");
        put_template(out, r->path);
        buf_putc(out, '\n');
        if (r->params.count) {
                buf_puts(out, "  params: {");
                for (size_t i = 0; i < r->params.count; i++)
                        put_param(&r->params, i, &count, out);
                buf_puts(out, "}\n");
        }
        put_note(out, r->records_note, r->records_doubtful);
        if (r->records) {
                buf_puts(out, "  records: ");
                starter_put_path(out, r->records);
                buf_putc(out, '\n');
        }
}

static void put_paging(const struct catalog_rest *r, struct buf *out)
{
        static const char *const kinds[] = {
                [REST_PAGING_PAGE] = "page",
                [REST_PAGING_OFFSET] = "offset",
                [REST_PAGING_KEYSET] = "keyset",
                [REST_PAGING_NEXT_URL] = "next_url",
                [REST_PAGING_LINK_HEADER] = "link_header",
                [REST_PAGING_CURSOR] = "cursor",
        };
        const struct rest_paging_spec *p = &r->paging;
        size_t count = 0;

        if (r->empty_on)
                buf_printf(out, "  empty_on: [%d]\n", r->empty_on);
        if (r->odata)
                return;
        put_note(out, r->paging_note, r->paging_doubtful);
        if (p->kind == REST_PAGING_NONE)
                return;
        if (p->size_param && p->size < FEW_RECORDS)
                starter_comment(out, 2,
                        "A larger size makes fewer requests: take the largest that the API gives.");
        buf_puts(out, "  paging: {");
        put_text(out, &count, "type", kinds[p->kind]);
        put_text(out, &count, "param", p->param);
        if (p->first_given)
                put_number(out, &count, "first", p->first);
        if (p->size > 0) {
                put_text(out, &count, "size_param", p->size_param);
                put_number(out, &count, "size", p->size);
        }
        put_path_of(out, &count, "next", p->next);
        put_path_of(out, &count, "total", p->total);
        put_path_of(out, &count, "pages", p->pages);
        put_path_of(out, &count, "more", p->more);
        buf_puts(out, "}\n");
}

/* ---- odata ---- */

static bool is_expanded(const struct starter_column *c)
{
        return c->column->relation && c->left == KEPT;
}

/* [a, b, ...] in lines of a page's width; relations only, or all else. */
static void put_columns(
        const struct starter_rows *rows, const char *key, bool relations, struct buf *out)
{
        size_t indent = strlen(key) + 7, width = 0, count = 0; /* "    key: [" */

        buf_printf(out, "    %s: [", key);
        for (size_t i = 0; i < rows->column_count; i++) {
                const struct starter_column *c = &rows->columns[i];
                if (c->left != KEPT || c->column->relation != relations)
                        continue;
                size_t more = text_width(str_of(c->name)) + 4;
                if (count && indent + width + more > STARTER_PAGE_WIDTH) {
                        buf_printf(out, ",\n%*s", (int)indent, "");
                        width = 0;
                } else if (count) {
                        buf_puts(out, ", ");
                }
                starter_put_scalar(out, str_of(c->name));
                width += more;
                count++;
        }
        buf_puts(out, "]\n");
}

static size_t select_bytes(const struct starter_rows *rows)
{
        size_t n = 0;

        for (size_t i = 0; i < rows->column_count; i++)
                if (rows->columns[i].left == KEPT && !rows->columns[i].column->relation)
                        n += strlen(rows->columns[i].name) + 1;
        return n;
}

static void put_odata(const struct starter_plan *p, struct buf *out)
{
        const struct catalog_rest *r = p->rows.table->rest;
        bool expands = false;

        if (!r->odata)
                return;
        for (size_t i = 0; i < p->rows.column_count; i++)
                expands = expands || is_expanded(&p->rows.columns[i]);
        buf_printf(out, "  odata:\n    version: %d\n", r->odata);
        size_t bytes = r->select ? select_bytes(&p->rows) : 0;
        if (bytes > SELECT_MAX)
                starter_comment(out, 4,
                        "All properties are read: their names would make an address of more than "
                        "%zu characters. select: [...] with those that you keep makes replies "
                        "small.",
                        bytes);
        else if (r->select)
                put_columns(&p->rows, "select", false, out);
        if (expands)
                put_columns(&p->rows, "expand", true, out);
}

/* What could have been expanded. */
static void put_relations(const struct starter_plan *p, struct buf *out)
{
        cleanup_buf_ struct buf line = BUF_INIT(16384);
        size_t named = 0;

        for (size_t i = 0; i < p->rows.column_count; i++) {
                const struct starter_column *c = &p->rows.columns[i];
                if (c->left != LEFT_RELATION || !c->column->sql)
                        continue;
                if (named++ < ALSO_NAMED)
                        buf_printf(&line, "%s%s", named > 1 ? ", " : "", c->column->sql);
        }
        if (named == 0)
                return;
        if (named > ALSO_NAMED)
                buf_printf(&line, " and %zu more", named - ALSO_NAMED);
        const char *text = buf_cstr(&line);
        starter_fail_with(out, &line);
        starter_comment(out, 4, "Not nested, but expand can bring them into the record: %s.",
                text ? text : "");
}

/* ---- key and cursor ---- */

static void put_cursor_map(const struct catalog_rest *r, struct buf *out)
{
        const struct rest_cursor_spec *c = &r->cursor;
        size_t count = 0;

        buf_puts(out, "cursor: {");
        put_key(out, &count, "field");
        starter_put_list(out, (const char *const *)c->fields, c->field_count);
        if (!r->cursor_usable)
                put_text(out, &count, "param", "updated_since");
        if (c->format && strcmp(c->format, "rfc3339") != 0)
                put_text(out, &count, "format", c->format);
        put_text(out, &count, "send", c->send);
        put_text(out, &count, "filter", c->filter);
        put_text(out, &count, "header", c->header);
        buf_puts(out, "}\n");
}

/* The first array of another set in the record; NULL: none. */
static const struct starter_column *first_expanded(const struct starter_plan *p)
{
        for (size_t i = 0; i < p->rows.column_count; i++)
                if (is_expanded(&p->rows.columns[i]))
                        return &p->rows.columns[i];
        return NULL;
}

static void put_cursor(const struct starter_plan *p, struct buf *out)
{
        const struct catalog_rest *r = p->rows.table->rest;
        const struct starter_column *expanded = first_expanded(p);

        if (!p->rows.cursor || r->cursor.field_count == 0)
                return;
        if (!r->cursor_usable) {
                starter_comment(out, 2,
                        "CHECK THIS: %s may be the time of the last change, but replies do not "
                        "tell how the API is asked for what changed since. With the parameter "
                        "that its documentation names, a run need not read everything:",
                        p->rows.cursor);
                buf_puts(out, "  # ");
                put_cursor_map(r, out);
                return;
        }
        starter_comment(out, 2,
                "A record that changed has a later value here, so that a run need not read the "
                "others. Right only if every change sets it.");
        if (expanded)
                starter_comment(out, 2,
                        "CHECK THIS: does a change of %s set it, too? If not, it waits for the "
                        "next full read.",
                        expanded->name);
        put_note(out, r->cursor_note, true);
        buf_puts(out, "  ");
        put_cursor_map(r, out);
}

void starter_put_extract_rest(const struct starter_plan *p, struct buf *out)
{
        const struct catalog_rest *r = p->rows.table->rest;

        buf_puts(out, "extract:\n");
        for (size_t i = 0; i < sizeof(r->notes) / sizeof(r->notes[0]) && r->notes[i]; i++)
                starter_put_comment(out, 2, str_of(r->notes[i]));
        put_call(r, out);
        put_paging(r, out);
        put_odata(p, out);
        if (r->odata)
                put_relations(p, out);
        starter_put_key_note(&p->rows, out);
        buf_puts(out, "  key: ");
        starter_put_list(out, p->rows.key, p->rows.key_count);
        buf_putc(out, '\n');
        put_cursor(p, out);
        if (p->rows.cursor && r->cursor_usable)
                starter_put_full(out);
        buf_putc(out, '\n');
}
