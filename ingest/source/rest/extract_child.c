/* `children:` of a REST mapper: a call for each parent. */
#include "ingest/source/rest/extract_internal.h"

struct child_draft {
        struct rest_call_draft call;
        struct rest_paging_spec paging;
        int64_t concurrency;
};

static const struct option child_options[] = {
        REST_CALL_OPTIONS(offsetof(struct child_draft, call),
                "Address of the records of one parent; ${NAME} is a column of it.", true),
        {.name = "paging",
                .type = OPTION_HANDLER,
                .offset = offsetof(struct child_draft, paging),
                .handler = rest_paging_decode,
                .table = &rest_paging_table,
                .help = "How further pages of one parent are asked for."},
        {.name = "concurrency",
                .type = OPTION_INT,
                .offset = offsetof(struct child_draft, concurrency),
                .default_text = "4",
                .min = 1,
                .max = 64,
                .help = "Calls of this child under way at once, under the source's "
                        "max_concurrent."},
};
OPTION_TABLE(rest_child_table, "a child", child_options);

static int decode_child(const struct option_context *cx, const struct extract_child *from,
        const struct rest_extract *r, struct rest_child *out, struct err *e)
{
        struct child_draft d = {0};
        const struct rest_scope scope = {
                .what = "a child", .paging = &d.paging, .columns = &out->columns};

        out->name = from->name;
        out->columns.items = arena_array(cx->arena, REST_MAX_COLUMNS, sizeof(*out->columns.items));
        if (!out->columns.items)
                return options_nomem(cx, e);
        int rc = options_decode(cx, &rest_child_table, from->node, &d, e);
        if (rc == 0)
                rc = rest_call_compile(cx, from->node, &d.call, &scope, &out->call, e);
        if (rc == 0)
                rc = rest_paging_finish(cx, &d.paging, &out->call, NULL, e);
        if (rc)
                return rc;
        if (out->columns.count == 0)
                return ynode_error(cx->doc, ynode_get(from->node, "path"), e,
                        "the call names no column of its parent, such as ${id}: every record "
                        "would get the same array");
        out->paging = d.paging;
        out->concurrency = d.concurrency;
        if (r->odata.version && !out->paging.node)
                out->paging.kind = REST_PAGING_ODATA;
        return 0;
}

int rest_children_decode(const struct option_context *cx, const struct extract *x,
        struct rest_extract *r, struct err *e)
{
        int rc = 0;

        r->children = arena_array(cx->arena, x->child_count, sizeof(*r->children));
        if (!r->children)
                return options_nomem(cx, e);
        for (size_t i = 0; i < x->child_count && rc == 0; i++)
                rc = decode_child(cx, &x->children[i], r, &r->children[i], e);
        return rc;
}
