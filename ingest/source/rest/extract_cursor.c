/*
 * `cursor:` of a REST mapper: which value of a record grows with each change, and how it is sent.
 *
 * A cursor that no request carries would read everything and believe that it read the changes
 * only; one that is sent in two ways would be filtered by both. So there is exactly one.
 */
#include "ingest/base/tz.h"
#include "ingest/source/rest/extract_internal.h"
#include "ingest/source/rest/options_internal.h"
#include "ingest/source/rest/time.h"

#define AT(member)         offsetof(struct rest_cursor_spec, member)
#define DEFAULT_TIME       "rfc3339"
#define DEFAULT_HTTP       "http"
#define IF_MODIFIED        "If-Modified-Since"
#define IF_NONE_MATCH      "If-None-Match"
#define DEFAULT_LENGTH_MAX 400 /* bytes of a filter that is made */

struct cursor_draft {
        struct rest_cursor_spec spec;
        struct string_list fields;
};

static const struct option cursor_options[] = {
        {.name = "field",
                .type = OPTION_STRINGS,
                .offset = offsetof(struct cursor_draft, fields),
                .min = 1,
                .help = "Field of the records that grows with each change; two where date and time "
                        "are apart."},
        {.name = "param",
                .type = OPTION_STRING,
                .offset = AT(param),
                .min = 1,
                .help = "Parameter that asks for what changed since."},
        {.name = "header",
                .type = OPTION_STRING,
                .offset = AT(header),
                .min = 1,
                .help = "Header that asks for it: If-Modified-Since, or If-None-Match with the "
                        "ETag of a "
                        "reply that is one page."},
        {.name = "filter",
                .type = OPTION_STRING,
                .offset = AT(filter),
                .min = 1,
                .help = "Filter of OData that asks for it, with ${cursor}."},
        {.name = "format",
                .type = OPTION_STRING,
                .offset = AT(format),
                .min = 1,
                .help = "Form of the field: rfc3339, unix, unix_ms, odata, integer, text, or a "
                        "pattern such as %Y-%m-%d %H:%M:%S."},
        {.name = "send",
                .type = OPTION_STRING,
                .offset = AT(send),
                .min = 1,
                .help = "Form in which it is sent; absent: as format."},
        {.name = "precision",
                .type = OPTION_DURATION,
                .offset = AT(precision_ms),
                .min = 1,
                .max = INT64_C(86400000),
                .help = "What is sent is cut down to it: 1s, 1ms."},
        {.name = "timezone",
                .type = OPTION_STRING,
                .offset = AT(timezone),
                .min = 1,
                .help = "Zone of values without one; absent: the mapper's, else UTC."},
};
OPTION_TABLE(rest_cursor_table, "cursor", cursor_options);

/* ---- its form ---- */

static int time_format(const struct option_context *cx, const struct ynode *n, const char *key,
        const char *format, struct err *e)
{
        static const char *const words[] = {
                "rfc3339", "unix", "unix_ms", "odata", "http", "integer", "text"};
        const struct ynode *at = ynode_get(n, key);
        const char *near = str_nearest(str_of(format), words, sizeof(words) / sizeof(words[0]));
        struct err cause;
        int rc = rest_time_check(format, &cause);

        if (rc != -ERR_CONFIG) {
                if (rc)
                        *e = cause;
                return rc;
        }
        rc = ynode_error(cx->doc, at ? at : n, e, "'%s': %s", key, cause.text);
        return near ? err_hint(e, rc, "did you mean '%s'?", near) : rc;
}

static int time_only(
        const struct option_context *cx, const struct ynode *n, const char *format, struct err *e)
{
        static const char *const keys[] = {"send", "precision", "timezone"};

        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                if (ynode_key(n, keys[i]))
                        return extract_error_at_key(cx, n, keys[i], e,
                                strcmp(format, "integer") == 0
                                        ? "this key is for times; 'format: integer' is none"
                                        : "this key is for times; 'format: text' is none");
        return 0;
}

static int check_zone(const struct option_context *cx, const struct ynode *n,
        const struct rest_cursor_spec *s, struct err *e)
{
        cleanup_(tz_freep) struct tz *zone = NULL;
        struct err cause;
        int rc = s->timezone ? tz_load(s->timezone, &zone, &cause) : 0;

        if (rc == -ERR_CONFIG)
                return ynode_error(cx->doc, ynode_get(n, "timezone"), e, "%s", cause.text);
        if (rc)
                *e = cause;
        return rc;
}

/* The ETag is sent as it came. */
static int decode_etag(const struct option_context *cx, const struct ynode *n,
        struct rest_cursor_spec *s, struct err *e)
{
        static const char *const keys[] = {"format", "send", "precision", "timezone"};

        s->kind = REST_CURSOR_ETAG;
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                if (ynode_key(n, keys[i]))
                        return extract_error_at_key(
                                cx, n, keys[i], e, IF_NONE_MATCH " carries an ETag as it came");
        return 0;
}

static int decode_format(const struct option_context *cx, const struct ynode *n,
        struct rest_cursor_spec *s, struct err *e)
{
        bool http = s->header && !s->field_count;

        if (http && strcasecmp(s->header, IF_NONE_MATCH) == 0)
                return decode_etag(cx, n, s, e);
        if (!s->format)
                s->format = http ? DEFAULT_HTTP : DEFAULT_TIME;
        if (s->header && !http && !s->send && strcasecmp(s->header, IF_MODIFIED) == 0)
                s->send = DEFAULT_HTTP;
        bool integer = strcmp(s->format, "integer") == 0, text = strcmp(s->format, "text") == 0;
        s->kind = integer ? REST_CURSOR_INTEGER
                  : text  ? REST_CURSOR_TEXT
                  : http  ? REST_CURSOR_HEADER
                          : REST_CURSOR_TIME;
        if (http && (integer || text))
                return ynode_error(cx->doc, ynode_get(n, "format"), e,
                        "'format: %s' needs 'field'; without one the server's clock is sent",
                        s->format);
        if ((integer || text) && s->field_count > 1)
                return ynode_error(cx->doc, ynode_get(n, "field"), e,
                        "two fields are a date and a time; 'format: %s' has one", s->format);
        if (integer || text)
                return strcasecmp(s->header ? s->header : "", IF_MODIFIED) == 0
                               ? extract_error_at_key(
                                         cx, n, "header", e, IF_MODIFIED " carries a time")
                               : time_only(cx, n, s->format, e);
        int rc = time_format(cx, n, "format", s->format, e);
        if (rc == 0 && s->send)
                rc = time_format(cx, n, "send", s->send, e);
        return rc ? rc : check_zone(cx, n, s, e);
}

static int decode_fields(const struct option_context *cx, const struct ynode *n,
        const struct string_list *fields, struct rest_cursor_spec *s, struct err *e)
{
        if (fields->count > REST_CURSOR_FIELDS)
                return ynode_error(cx->doc, ynode_get(n, "field"), e,
                        "'field' names %zu fields: one, or a date and a time", fields->count);
        int rc = extract_check_columns(cx, n, "field", fields, e);
        for (size_t i = 0; i < fields->count && rc == 0; i++) {
                s->fields[i] = fields->items[i];
                s->field_count++;
                rc = rest_field_check(cx, n, "field", s->fields[i], e);
        }
        if (rc == 0 && !s->field_count && !s->header)
                return ynode_error(cx->doc, n, e,
                        "'cursor' needs 'field': the field of the records that grows with each "
                        "change");
        return rc;
}

/* A header of the name is sent once, and is none that the program sets itself. */
static int check_header(const struct option_context *cx, const struct ynode *n,
        const struct rest_cursor_spec *s, struct err *e)
{
        const struct ynode *at = ynode_get(n, "header");

        if (!s->header)
                return 0;
        struct ynode_pair p = {str_of(s->header), at->line, at->column, at};
        return rest_header_check(cx, &p, false, e);
}

int rest_cursor_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct cursor_draft d = {0};
        bool word = ynode_is_scalar(n) && n->kind != YNODE_NULL;

        int rc = word ? options_strings(cx, "'cursor'", n, &d.fields, e)
                      : options_decode(cx, &rest_cursor_table, n, &d, e);
        d.spec.node = n;
        if (rc == 0)
                rc = decode_fields(cx, n, &d.fields, &d.spec, e);
        if (rc == 0)
                rc = check_header(cx, n, &d.spec, e);
        if (rc == 0)
                rc = decode_format(cx, n, &d.spec, e);
        if (rc == 0)
                *(struct rest_cursor_spec *)field = d.spec;
        return rc;
}

/* ---- how it is sent ---- */

/* What stands in OData 4 without quotes; texts, and versions 2 and 3, have several spellings. */
static int make_filter(const struct option_context *cx, const struct rest_odata_spec *odata,
        struct rest_cursor_spec *s, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(DEFAULT_LENGTH_MAX);

        if (odata->version != 4 || s->field_count != 1 || s->kind == REST_CURSOR_TEXT)
                return ynode_error(cx->doc, s->node, e,
                        "'cursor' needs 'filter' here, in which ${cursor} stands as this API "
                        "writes it, such as \"LastChangeDateTime ge "
                        "datetimeoffset'${cursor}'\"");
        for (const char *c = s->fields[0]; *c; c++)
                buf_putc(&text, *c == '.' ? '/' : *c);
        buf_puts(&text, " ge ${cursor}");
        int rc = buf_check(&text, "a filter", e);
        if (rc)
                return rc;
        s->filter = arena_strdup(cx->arena, buf_str(&text));
        return s->filter ? 0 : options_nomem(cx, e);
}

static int check_filter(const struct option_context *cx, const struct rest_cursor_spec *s,
        const struct rest_odata_spec *odata, struct err *e)
{
        static const char *const names[] = {"cursor"};
        const struct string_list list = {(const char **)names, 1};
        const struct ynode *at = ynode_get(s->node, "filter");
        struct rest_template *t;

        if (!at)
                return 0;
        if (!odata->version)
                return ynode_error(cx->doc, at, e,
                        "'filter' needs 'odata'; other APIs take the cursor by 'param', or as "
                        "${cursor} in params, headers or body");
        int rc = rest_template_compile(cx, at, &list, &t, e);
        if (rc == 0 && !rest_template_uses(t, "cursor"))
                return ynode_error(cx->doc, at, e,
                        "'filter' has no ${cursor}, such as \"lastModifiedDateTime ge "
                        "${cursor}\"");
        return rc;
}

static int check_once(
        const struct option_context *cx, const struct rest_extract *r, bool named, struct err *e)
{
        const struct rest_cursor_spec *s = &r->cursor;
        int ways = !!s->param + !!s->header + !!s->filter + named;

        if (ways > 1)
                return ynode_error(cx->doc, s->node, e,
                        "the cursor is sent in more than one way: keep one of 'param', 'header', "
                        "'filter', and ${cursor} in the call");
        if (ways == 0)
                return ynode_error(cx->doc, s->node, e,
                        "the cursor is never sent: write the parameter that the API takes, such as "
                        "param: updated_since, or 'header', or ${cursor} in params, headers or "
                        "body");
        if (s->param && rest_call_param(&r->call, s->param))
                return extract_error_at_key(cx, s->node, "param", e,
                        "the cursor's parameter stands in 'params', too: keep one");
        for (size_t i = 0; s->header && i < r->call.headers.count; i++)
                if (strcasecmp(r->call.headers.items[i].name, s->header) == 0)
                        return extract_error_at_key(cx, s->node, "header", e,
                                "the cursor's header stands in 'headers', too: keep one");
        if (s->param && r->paging.param && strcmp(s->param, r->paging.param) == 0)
                return extract_error_at_key(
                        cx, s->node, "param", e, "'paging' uses this parameter, too");
        return 0;
}

/* "updatedAt", "UpdateDate, UpdateTime", "If-Modified-Since": for people. */
static int name_it(const struct option_context *cx, struct extract *x,
        const struct rest_cursor_spec *s, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(YDOC_MAX_VALUE);

        for (size_t i = 0; i < s->field_count; i++) {
                buf_puts(&text, i ? ", " : "");
                buf_puts(&text, s->fields[i]);
        }
        if (!s->field_count)
                buf_puts(&text, s->header);
        int rc = buf_check(&text, "a cursor", e);
        if (rc)
                return rc;
        x->cursor = arena_strdup(cx->arena, buf_str(&text));
        return x->cursor ? 0 : options_nomem(cx, e);
}

int rest_cursor_finish(
        const struct option_context *cx, struct extract *x, struct rest_extract *r, struct err *e)
{
        struct rest_cursor_spec *s = &r->cursor;

        if (s->kind == REST_CURSOR_NONE)
                return 0;
        if (x->group.count)
                return extract_error_at_key(cx, x->node, "cursor", e,
                        "'cursor' and 'group' cannot stand together: what changed since are parts "
                        "of groups");
        if (s->kind == REST_CURSOR_ETAG && (r->paging.kind != REST_PAGING_NONE || r->odata.version))
                return extract_error_at_key(cx, s->node, "header", e,
                        "an ETag tells of one page: " IF_NONE_MATCH " and 'paging' or 'odata' "
                        "cannot stand together");
        int rc = check_filter(cx, s, &r->odata, e);
        bool named = rest_call_names(&r->call, "cursor");
        if (rc == 0 && r->odata.version && !s->param && !s->header && !s->filter && !named)
                rc = make_filter(cx, &r->odata, s, e);
        if (rc == 0)
                rc = check_once(cx, r, named, e);
        return rc ? rc : name_it(cx, x, s, e);
}
