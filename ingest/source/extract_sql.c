/* Blocks of databases: a query or a table, and the same for children and deletions. */
#include "ingest/source/extract_internal.h"

#define AT(member)       offsetof(struct extract, member)
#define CHILD_AT(member) offsetof(struct extract_child, member)

static const struct option deletes_options[] = {
        EXTRACT_DELETES_OPTIONS,
        {.name = "query",
                .type = OPTION_STRING,
                .offset = AT(deletes.query),
                .min = 1,
                .help = "SQL that gives the keys of deleted records."},
        {.name = "key",
                .type = OPTION_STRINGS,
                .offset = AT(deletes.key),
                .min = 1,
                .help = "Columns of query that hold the source key."},
};
static OPTION_TABLE(deletes_table, "deletes", deletes_options);

static const struct option child_options[] = {
        {.name = "query",
                .type = OPTION_STRING,
                .offset = CHILD_AT(query),
                .min = 1,
                .help = "SQL of all child rows, of all parents."},
        {.name = "table",
                .type = OPTION_STRING,
                .offset = CHILD_AT(table),
                .min = 1,
                .help = "Table of the child rows, in place of query."},
        {.name = "key",
                .type = OPTION_STRINGS,
                .offset = CHILD_AT(key),
                .help = "Columns that order the rows of one parent."},
        {.name = "parent",
                .type = OPTION_STRINGS,
                .offset = CHILD_AT(parent),
                .required = true,
                .min = 1,
                .help = "Columns that hold the parent's key, in its order."},
        {.name = "cursor",
                .type = OPTION_STRING,
                .offset = CHILD_AT(cursor),
                .min = 1,
                .help = "Column or SQL expression that grows when a row changes."},
};
OPTION_TABLE(extract_sql_child_table, "a child", child_options);

static const struct option extract_options[] = {
        {.name = "query",
                .type = OPTION_STRING,
                .offset = AT(query),
                .min = 1,
                .help = "SQL that gives the records."},
        {.name = "table",
                .type = OPTION_STRING,
                .offset = AT(table),
                .min = 1,
                .help = "Table of the records, in place of query."},
        EXTRACT_KEY_OPTIONS("Columns of the source key: unique and not NULL."),
        {.name = "cursor",
                .type = OPTION_STRING,
                .offset = AT(cursor),
                .min = 1,
                .help = "Column or SQL expression that grows when a record changes."},
        EXTRACT_LOOKBACK_OPTION,
        EXTRACT_NESTED_OPTIONS(deletes_table),
};
OPTION_TABLE(extract_sql_table, "extract", extract_options);

static int check(const struct option_context *cx, const struct extract *x, struct err *e)
{
        return extract_check_one_of(cx, x->node, "extract", "query", "table", e);
}

static int decode_child(const struct option_context *cx, const struct extract *x,
        struct extract_child *c, struct err *e)
{
        int rc = options_decode(cx, &extract_sql_child_table, c->node, c, e);

        if (rc == 0)
                rc = extract_check_one_of(cx, c->node, "a child", "query", "table", e);
        if (rc == 0)
                rc = extract_check_columns(cx, c->node, "key", &c->key, e);
        if (rc == 0)
                rc = extract_check_columns(cx, c->node, "parent", &c->parent, e);
        if (rc == 0 && c->parent.count != x->key.count)
                return ynode_error(cx->doc, ynode_get(c->node, "parent"), e,
                        "'parent' names %zu columns, but the key of the record has %zu",
                        c->parent.count, x->key.count);
        return rc;
}

const struct extract_kind extract_sql = {
        .name = "SQL",
        .tables = {&extract_sql_table, &extract_sql_child_table, &deletes_table},
        .draft_size = sizeof(struct extract_draft),
        .child_form = "{query: ..., parent: ...}",
        .feed = "query",
        .check = check,
        .decode_child = decode_child,
};
