/*
 * The block of a REST mapper: its tables, and the rules that look at more than one key.
 */
#include "ingest/source/rest/extract_internal.h"

#define AT(member) offsetof(struct rest_draft, rest.member)

/* ---- statuses and errors ---- */

/* That wait or a log-in helps, or that we may not see what is there: never an empty page, for what
 * seems to be gone is deleted. */
static bool may_mean_empty(int64_t status)
{
        return status == 204 || (status >= 400 && status < 500 && status != 401 && status != 403 &&
                                        status != 407 && status != 408 && status != 429);
}

static int decode_empty_on(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct rest_extract *r = field;
        const struct ynode *const *items = n->kind == YNODE_LIST ? n->items : &n;
        size_t count = n->kind == YNODE_LIST ? n->count : 1;
        char shown[YNODE_SHOW_MAX];
        int64_t status;

        if (count > REST_MAX_STATUSES)
                return ynode_error(
                        cx->doc, n, e, "'empty_on' has more than %d statuses", REST_MAX_STATUSES);
        for (size_t i = 0; i < count; i++) {
                if (items[i]->kind != YNODE_INT || !str_to_int64(items[i]->text, &status) ||
                        !may_mean_empty(status))
                        return ynode_error(cx->doc, items[i], e,
                                "'empty_on' takes statuses of HTTP that can mean an empty page, "
                                "such as 404, not %s",
                                ynode_show(items[i], shown));
                r->empty_on[i] = (int)status;
        }
        r->empty_count = count;
        return 0;
}

#define ERROR_AT(member) offsetof(struct rest_extract, member)

static const struct option error_options[] = {
        {.name = "path",
                .type = OPTION_STRING,
                .offset = ERROR_AT(error_path),
                .required = true,
                .min = 1,
                .help = "Where a reply has its error: anything there but null, false, 0 or empty."},
        {.name = "equals",
                .type = OPTION_STRING,
                .offset = ERROR_AT(error_equals),
                .help = "Only this text there is an error."},
        {.name = "retry",
                .type = OPTION_STRINGS,
                .offset = ERROR_AT(error_retry),
                .min = 1,
                .help = "Texts there that pass by themselves: the page is asked for again."},
        {.name = "message",
                .type = OPTION_STRING,
                .offset = ERROR_AT(error_message),
                .min = 1,
                .help = "Where the reply says what is wrong; absent: what stands at path."},
};
static OPTION_TABLE(error_table, "error_when", error_options);

/* {path: error}, or the path alone. */
static int decode_error_when(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct rest_extract *r = field;
        int rc;

        if (n->kind == YNODE_STRING && n->text.len == 0)
                return ynode_error(cx->doc, n, e, "'error_when' must not be empty");
        if (n->kind == YNODE_STRING) {
                r->error_path = arena_strdup(cx->arena, n->text);
                rc = r->error_path ? 0 : options_nomem(cx, e);
        } else {
                rc = options_decode(cx, &error_table, n, r, e);
        }
        if (rc == 0)
                rc = rest_path_check(cx, n, "path", r->error_path, e);
        return rc ? rc : rest_path_check(cx, n, "message", r->error_message, e);
}

/* ---- odata ---- */

#define ODATA_AT(member) offsetof(struct rest_odata_spec, member)

static const struct option odata_options[] = {
        {.name = "version",
                .type = OPTION_INT,
                .offset = ODATA_AT(version),
                .default_text = "4",
                .min = 2,
                .max = 4,
                .help = "Version of OData."},
        {.name = "select",
                .type = OPTION_STRINGS,
                .offset = ODATA_AT(select),
                .min = 1,
                .help = "Properties that are asked for; the key and the cursor are added."},
        {.name = "expand",
                .type = OPTION_STRINGS,
                .offset = ODATA_AT(expand),
                .min = 1,
                .help = "Navigation properties that come nested in the record."},
        {.name = "filter",
                .type = OPTION_STRING,
                .offset = ODATA_AT(filter),
                .min = 1,
                .help = "Filter of the records; that of the cursor is added."},
        {.name = "orderby",
                .type = OPTION_STRINGS,
                .offset = ODATA_AT(orderby),
                .min = 1,
                .help = "Order in which records are asked for."},
        {.name = "page_size",
                .type = OPTION_INT,
                .offset = ODATA_AT(page_size),
                .min = 1,
                .max = 1000000,
                .help = "Records a page that are asked for; absent: as many as the server gives."},
};
static OPTION_TABLE(odata_table, "odata", odata_options);

static int decode_odata(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct rest_odata_spec spec = {.node = n};
        int rc = options_decode(cx, &odata_table, n, &spec, e);

        if (rc == 0)
                *(struct rest_odata_spec *)field = spec;
        return rc;
}

/* What `odata` sends itself. */
static int check_odata(const struct option_context *cx, const struct ynode *node,
        const struct rest_extract *r, struct err *e)
{
        static const struct {
                const char *param, *instead;
        } own[] = {{"$filter", "filter"}, {"$select", "select"}, {"$expand", "expand"},
                {"$orderby", "orderby"}, {"$top", "page_size"}, {"$skip", NULL},
                {"$skiptoken", NULL}};

        if (!r->odata.version)
                return 0;
        if (r->paging.node)
                return extract_error_at_key(cx, node, "paging", e,
                        "'odata' and 'paging' cannot stand together: OData says itself where the "
                        "next page is; for a service that does not, write params and paging "
                        "without odata");
        if (strcmp(r->call.method, "GET") != 0)
                return extract_error_at_key(cx, node, ynode_key(node, "body") ? "body" : "method",
                        e, "'odata' asks by GET");
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
                if (!rest_call_param(&r->call, own[i].param))
                        continue;
                const struct ynode_pair *p = ynode_key(ynode_get(node, "params"), own[i].param);
                return own[i].instead ? ydoc_error_at(cx->doc, p->line, p->column, e,
                                                "'%s' is sent by 'odata': write it there, as '%s'",
                                                own[i].param, own[i].instead)
                                      : ydoc_error_at(cx->doc, p->line, p->column, e,
                                                "'%s' is for paging, which 'odata' does itself",
                                                own[i].param);
        }
        return 0;
}

/* ---- tables ---- */

static const struct option by_key_options[] = {
        REST_CALL_OPTIONS(0, "Address of one record; ${NAME} is a part of its key.", true),
};
static OPTION_TABLE(by_key_table, "by_key", by_key_options);

static const struct option deletes_options[] = {
        EXTRACT_DELETES_OPTIONS,
        REST_CALL_OPTIONS(offsetof(struct rest_draft, feed),
                "Address of a feed that gives the keys of deleted records.", false),
        {.name = "key",
                .type = OPTION_STRINGS,
                .offset = offsetof(struct extract, deletes.key),
                .min = 1,
                .help = "Fields of the feed's records that hold the source key."},
        {.name = "paging",
                .type = OPTION_HANDLER,
                .offset = AT(feed_paging),
                .handler = rest_paging_decode,
                .table = &rest_paging_table,
                .help = "How further pages of the feed are asked for."},
};
static OPTION_TABLE(deletes_table, "deletes", deletes_options);

static const struct option extract_options[] = {
        REST_CALL_OPTIONS(offsetof(struct rest_draft, call),
                "Address of the records, under the source's url.", true),
        {.name = "paging",
                .type = OPTION_HANDLER,
                .offset = AT(paging),
                .handler = rest_paging_decode,
                .table = &rest_paging_table,
                .help = "How further pages are asked for; absent: there is one."},
        {.name = "odata",
                .type = OPTION_HANDLER,
                .offset = AT(odata),
                .handler = decode_odata,
                .table = &odata_table,
                .help = "The API is OData: what is asked for, in place of paging."},
        EXTRACT_KEY_OPTIONS("Fields of the source key: unique and not null."),
        {.name = "cursor",
                .type = OPTION_HANDLER,
                .offset = AT(cursor),
                .handler = rest_cursor_decode,
                .table = &rest_cursor_table,
                .help = "What grows when a record changes, and how changes are asked for."},
        EXTRACT_LOOKBACK_OPTION,
        {.name = "by_key",
                .type = OPTION_NODE,
                .offset = offsetof(struct rest_draft, by_key),
                .table = &by_key_table,
                .help = "Call that gives one record by its key."},
        {.name = "empty_on",
                .type = OPTION_HANDLER,
                .offset = offsetof(struct rest_draft, rest),
                .handler = decode_empty_on,
                .help = "Statuses that mean an empty page, such as 404."},
        {.name = "error_when",
                .type = OPTION_HANDLER,
                .offset = offsetof(struct rest_draft, rest),
                .handler = decode_error_when,
                .table = &error_table,
                .help = "What tells a reply of status 200 that is an error."},
        EXTRACT_NESTED_OPTIONS(deletes_table),
};
OPTION_TABLE(rest_extract_table, "extract", extract_options);

const struct extract_kind extract_rest = {
        .name = "REST",
        .tables = {&rest_extract_table, &rest_child_table, &deletes_table},
        .draft_size = sizeof(struct rest_draft),
        .child_form = "{path: ...}",
        .feed = "path",
};

/* ---- the block ---- */

static int check_key_paths(const struct option_context *cx, const struct extract *x, struct err *e)
{
        const struct {
                const struct ynode *node;
                const char *key;
                const struct string_list *paths;
        } lists[] = {{x->node, "key", &x->key}, {x->node, "group", &x->group},
                {ynode_get(x->node, "deletes"), "key", &x->deletes.key}};
        int rc = 0;

        for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++)
                for (size_t i = 0; i < lists[l].paths->count && rc == 0; i++)
                        rc = rest_field_check(
                                cx, lists[l].node, lists[l].key, lists[l].paths->items[i], e);
        if (rc == 0)
                rc = rest_field_check(cx, lists[2].node, "column", x->deletes.column, e);
        return rc;
}

static int decode_call(const struct option_context *cx, const struct extract *x,
        const struct rest_draft *d, struct rest_extract *r, struct err *e)
{
        const struct rest_scope scope = {
                .cursor = r->cursor.kind != REST_CURSOR_NONE, .paging = &r->paging};

        int rc = rest_call_compile(cx, x->node, &d->call, &scope, &r->call, e);
        if (rc == 0)
                rc = check_odata(cx, x->node, r, e);
        if (rc == 0)
                rc = rest_paging_finish(cx, &r->paging, &r->call, &x->key, e);
        if (rc == 0 && r->odata.version)
                r->paging.kind = REST_PAGING_ODATA;
        if (rc == 0 && !r->paging.max_pages)
                r->paging.max_pages = 1000000;
        return rc;
}

static int decode_by_key(const struct option_context *cx, const struct extract *x,
        const struct rest_draft *d, struct rest_extract *r, struct err *e)
{
        const struct rest_scope scope = {
                .what = "by_key", .keys = x->group.count ? &x->group : &x->key};
        struct rest_call_draft call = {0};

        if (!d->by_key)
                return 0;
        int rc = options_decode(cx, &by_key_table, d->by_key, &call, e);
        if (rc == 0)
                rc = rest_call_compile(cx, d->by_key, &call, &scope, &r->by_key, e);
        r->has_by_key = rc == 0;
        return rc;
}

/* Keys of the feed that mean nothing without its address. */
static int check_no_feed(const struct option_context *cx, const struct ynode *n, struct err *e)
{
        static const char *const keys[] = {
                "method", "params", "headers", "body", "records", "paging"};

        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                const struct ynode_pair *p = ynode_key(n, keys[i]);
                if (p)
                        return ydoc_error_at(cx->doc, p->line, p->column, e,
                                "'%s' needs 'path': the feed that gives deleted records", keys[i]);
        }
        return 0;
}

static int decode_feed(const struct option_context *cx, const struct extract *x,
        const struct rest_draft *d, struct rest_extract *r, struct err *e)
{
        const struct rest_scope scope = {.what = "deletes",
                .cursor = r->cursor.kind != REST_CURSOR_NONE,
                .paging = &r->feed_paging};
        const struct ynode *n = ynode_get(x->node, "deletes");

        if (!d->feed.path)
                return check_no_feed(cx, n, e);
        int rc = rest_call_compile(cx, n, &d->feed, &scope, &r->feed, e);
        if (rc == 0)
                rc = rest_paging_finish(cx, &r->feed_paging, &r->feed, &x->deletes.key, e);
        if (rc == 0 && r->odata.version && !r->feed_paging.node)
                r->feed_paging.kind = REST_PAGING_ODATA;
        r->has_feed = rc == 0;
        return rc;
}

int rest_extract_decode(
        const struct option_context *cx, const struct ynode *node, struct extract *x, struct err *e)
{
        struct rest_draft *d = (struct rest_draft *)x; /* extract_kind.draft_size */
        struct rest_extract *r = &d->rest;

        (void)node;
        int rc = check_key_paths(cx, x, e);
        if (rc == 0)
                rc = decode_call(cx, x, d, r, e);
        if (rc == 0)
                rc = rest_cursor_finish(cx, x, r, e);
        if (rc == 0)
                rc = decode_by_key(cx, x, d, r, e);
        if (rc == 0)
                rc = rest_children_decode(cx, x, r, e);
        if (rc == 0)
                rc = decode_feed(cx, x, d, r, e);
        if (rc == 0)
                x->own = r;
        return rc;
}
