/*
 * Tables for the block, its children and its deletions; then the rules that need two keys at
 * once. Every connector of this version reads SQL, so "one of query and table" is a rule here.
 */
#include "ingest/source/extract.h"

#include <stdio.h>

#include "ingest/source/source.h"

struct extract_draft {
        struct extract x;
        const struct ynode *children;
};

#define AT(member)         offsetof(struct extract, member)
#define CHILD_AT(member)   offsetof(struct extract_child, member)
#define DELETES_AT(member) offsetof(struct extract_deletes, member)

/* "10%", "0.5%" */
static int decode_percent(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        size_t digits = strspn(n->text.ptr ? n->text.ptr : "", "0123456789.");
        char *end = NULL;
        double percent = 0;
        char shown[YNODE_SHOW_MAX];

        if (digits > 0 && digits + 1 == n->text.len && n->text.ptr[digits] == '%')
                percent = strtod(n->text.ptr, &end);
        if (!end || end != n->text.ptr + digits || percent > 100)
                return ynode_error(cx->doc, n, e,
                        "'max' must be a percentage from 0%% to 100%%, such as 10%%, not %s",
                        ynode_show(n, shown));
        *(double *)field = percent;
        return 0;
}

static const struct option deletes_options[] = {
        {.name = "sweep",
                .type = OPTION_BOOL,
                .offset = DELETES_AT(sweep),
                .default_text = "true",
                .help = "Documents whose record a full read did not find are deleted."},
        {.name = "max",
                .type = OPTION_HANDLER,
                .offset = DELETES_AT(max_percent),
                .handler = decode_percent,
                .default_text = "10%",
                .help = "The brake: more deletions in one run are withheld (exit code 77)."},
        {.name = "keep",
                .type = OPTION_STRINGS,
                .offset = DELETES_AT(keep),
                .help = "Fields that stay in the tombstone; absent: those that the schema names."},
        {.name = "every",
                .type = OPTION_DURATION,
                .offset = DELETES_AT(every_ms),
                .min = 1000,
                .max = INT64_C(366) * 86400000,
                .help = "Sweeps keys between full reads, too."},
        {.name = "column",
                .type = OPTION_STRING,
                .offset = DELETES_AT(column),
                .min = 1,
                .help = "A column that marks deleted records."},
        {.name = "when",
                .type = OPTION_STRING,
                .offset = DELETES_AT(when),
                .help = "The value of column that means deleted."},
        {.name = "query",
                .type = OPTION_STRING,
                .offset = DELETES_AT(query),
                .min = 1,
                .help = "SQL that gives the keys of deleted records."},
        {.name = "key",
                .type = OPTION_STRINGS,
                .offset = DELETES_AT(key),
                .min = 1,
                .help = "Columns of query that hold the source key."},
        {.name = "path", .type = OPTION_LATER},
        {.name = "records", .type = OPTION_LATER},
};
OPTION_TABLE(extract_deletes_table, "deletes", deletes_options);

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
        {.name = "path", .type = OPTION_LATER},
        {.name = "records", .type = OPTION_LATER},
        {.name = "concurrency", .type = OPTION_LATER},
};
OPTION_TABLE(extract_child_table, "a child", child_options);

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
        {.name = "key",
                .type = OPTION_STRINGS,
                .offset = AT(key),
                .min = 1,
                .help = "Columns of the source key: unique and not NULL."},
        {.name = "group",
                .type = OPTION_STRINGS,
                .offset = AT(group),
                .min = 1,
                .help = "In place of key: rows with equal values here are one record."},
        {.name = "cursor",
                .type = OPTION_STRING,
                .offset = AT(cursor),
                .min = 1,
                .help = "Column or SQL expression that grows when a record changes."},
        {.name = "lookback",
                .type = OPTION_DURATION,
                .offset = AT(lookback_ms),
                .default_text = "5m",
                .min = 0,
                .max = INT64_C(366) * 86400000,
                .help = "Read this much before the cursor again."},
        {.name = "children",
                .type = OPTION_NODE,
                .offset = offsetof(struct extract_draft, children),
                .help = "Arrays nested in the record, by name."},
        {.name = "deletes",
                .type = OPTION_MAP,
                .offset = AT(deletes),
                .table = &extract_deletes_table,
                .help = "How deletions are found."},
        {.name = "path", .type = OPTION_LATER},
        {.name = "method", .type = OPTION_LATER},
        {.name = "body", .type = OPTION_LATER},
        {.name = "headers", .type = OPTION_LATER},
        {.name = "params", .type = OPTION_LATER},
        {.name = "records", .type = OPTION_LATER},
        {.name = "paging", .type = OPTION_LATER},
        {.name = "odata", .type = OPTION_LATER},
        {.name = "empty_on", .type = OPTION_LATER},
        {.name = "error_when", .type = OPTION_LATER},
};
OPTION_TABLE(extract_table, "extract", extract_options);

/* ---- rules ---- */

/* The error at key @key of @n, or at @n where it has none. */
static int error_at_key(const struct option_context *cx, const struct ynode *n, const char *key,
        struct err *e, const char *text)
{
        const struct ynode_pair *p = ynode_key(n, key);

        if (!p)
                return ynode_error(cx->doc, n, e, "%s", text);
        return ydoc_error_at(cx->doc, p->line, p->column, e, "%s", text);
}

/* A key that is indented like the lines of the query above it has become a part of the query. */
static int needs_one_of(const struct option_context *cx, const struct ynode *n, const char *what,
        const char *a, const char *b, struct err *e)
{
        const struct ynode *query = ynode_get(n, "query");
        char line[32];
        int rc = ynode_error(cx->doc, n, e, "%s needs one of '%s' and '%s'", what, a, b);

        snprintf(line, sizeof(line), "\n%s:", a);
        if (query && ynode_is_scalar(query) && strstr(query->text.ptr, line))
                return err_hint(
                        e, rc, "the line '%s:' is indented so far that it belongs to the query", a);
        return err_hint(e, rc, "%s",
                strcmp(a, "key") == 0 ? "the columns that tell one record from another"
                                      : "SQL, or the name of a table");
}

static int check_one_of(const struct option_context *cx, const struct ynode *n, const char *what,
        const char *a, const char *b, struct err *e)
{
        const struct ynode_pair *first = ynode_key(n, a), *second = ynode_key(n, b);

        if (!first && !second)
                return needs_one_of(cx, n, what, a, b, e);
        if (!first || !second)
                return 0;
        const struct ynode_pair *later = first > second ? first : second;
        return ydoc_error_at(cx->doc, later->line, later->column, e,
                "%s has one of '%s' and '%s', not both", what, a, b);
}

static int check_columns(const struct option_context *cx, const struct ynode *n, const char *key,
        const struct string_list *names, struct err *e)
{
        for (size_t i = 0; i < names->count; i++) {
                if (!names->items[i][0])
                        return error_at_key(cx, n, key, e, "a column's name is empty");
                for (size_t k = 0; k < i; k++)
                        if (strcmp(names->items[i], names->items[k]) == 0)
                                return ynode_error(cx->doc, ynode_get(n, key), e,
                                        "'%s' names column '%s' twice", key, names->items[i]);
        }
        return 0;
}

static int check_child(const struct option_context *cx, const struct extract *x,
        const struct extract_child *c, struct err *e)
{
        int rc = check_one_of(cx, c->node, "a child", "query", "table", e);

        if (rc == 0)
                rc = check_columns(cx, c->node, "key", &c->key, e);
        if (rc == 0)
                rc = check_columns(cx, c->node, "parent", &c->parent, e);
        if (rc == 0 && c->parent.count != x->key.count)
                return ynode_error(cx->doc, ynode_get(c->node, "parent"), e,
                        "'parent' names %zu columns, but the key of the record has %zu",
                        c->parent.count, x->key.count);
        return rc;
}

static int decode_child(const struct option_context *cx, const struct extract *x,
        const struct ynode_pair *pair, struct extract_child *out, struct err *e)
{
        out->name = pair->key.ptr;
        out->node = pair->value;
        if (pair->key.len == 0)
                return ydoc_error_at(cx->doc, pair->line, pair->column, e, "a child needs a name");
        int rc = options_decode(cx, &extract_child_table, pair->value, out, e);
        return rc ? rc : check_child(cx, x, out, e);
}

static int decode_children(
        const struct option_context *cx, const struct ynode *n, struct extract *x, struct err *e)
{
        if (n->kind != YNODE_MAP)
                return ynode_error(cx->doc, n, e,
                        "'children' must be a map, not %s; write NAME: {query: ..., parent: ...}",
                        ynode_kind_name(n->kind));
        if (x->group.count)
                return error_at_key(
                        cx, x->node, "children", e, "'children' and 'group' cannot stand together");
        if (n->count > RECORD_MAX_CHILDREN)
                return ynode_error(cx->doc, n, e, "more than %d children", RECORD_MAX_CHILDREN);
        x->children = arena_array(cx->arena, n->count, sizeof(*x->children));
        if (!x->children)
                return options_nomem(cx, e);
        for (; x->child_count < n->count; x->child_count++) {
                int rc = decode_child(
                        cx, x, &n->pairs[x->child_count], &x->children[x->child_count], e);
                if (rc)
                        return rc;
        }
        return 0;
}

static int check_deletes(const struct option_context *cx, const struct extract *x, struct err *e)
{
        const struct extract_deletes *d = &x->deletes;
        const struct ynode *n = ynode_get(x->node, "deletes");

        if (d->every_ms && !d->sweep)
                return error_at_key(cx, n, "every", e, "'every' needs 'sweep: true'");
        if (!d->column != !d->when)
                return ynode_error(cx->doc, n, e,
                        "'column' and 'when' stand together: the flag and its value");
        if (!d->query != !d->key.count)
                return ynode_error(cx->doc, n, e,
                        "'query' and 'key' stand together: deleted records and their key");
        size_t key_count = x->group.count ? x->group.count : x->key.count;
        if (d->query && d->key.count != key_count)
                return ynode_error(cx->doc, ynode_get(n, "key"), e,
                        "'key' names %zu columns, but the key of the record has %zu", d->key.count,
                        key_count);
        return check_columns(cx, n, "key", &d->key, e);
}

static int check_block(const struct option_context *cx, const struct extract *x, struct err *e)
{
        int rc = check_one_of(cx, x->node, "extract", "query", "table", e);

        if (rc == 0)
                rc = check_one_of(cx, x->node, "extract", "key", "group", e);
        if (rc == 0)
                rc = check_columns(cx, x->node, "key", &x->key, e);
        if (rc == 0)
                rc = check_columns(cx, x->node, "group", &x->group, e);
        if (rc == 0 && ynode_key(x->node, "lookback") && !x->cursor)
                return error_at_key(cx, x->node, "lookback", e, "'lookback' needs 'cursor'");
        return rc;
}

int extract_decode(const struct source_config *source, const struct ydoc *doc,
        const struct ynode *node, struct arena *arena, struct extract **out, struct err *e)
{
        struct option_context cx = {doc, arena, (void *)source};
        struct extract_draft *d = arena_alloc(arena, sizeof(*d));

        if (!d)
                return options_nomem(&cx, e);
        d->x.doc = doc;
        d->x.node = node;
        int rc = options_decode(&cx, &extract_table, node, d, e);
        if (rc == 0)
                rc = check_block(&cx, &d->x, e);
        if (rc == 0 && d->children)
                rc = decode_children(&cx, d->children, &d->x, e);
        if (rc == 0)
                rc = check_deletes(&cx, &d->x, e);
        if (rc == 0 && source->ops->decode_extract)
                rc = source->ops->decode_extract(&cx, node, &d->x, e);
        if (rc == 0)
                *out = &d->x;
        return rc;
}

int extract_of_query(const struct source_config *source, const struct ydoc *doc,
        const struct ynode *node, const char *query, struct arena *arena, struct extract **out,
        struct err *e)
{
        struct option_context cx = {doc, arena, (void *)source};
        struct extract *x = arena_alloc(arena, sizeof(*x));

        if (!x)
                return options_nomem(&cx, e);
        x->doc = doc;
        x->node = node;
        x->query = query;
        int rc = source->ops->decode_extract ? source->ops->decode_extract(&cx, node, x, e) : 0;
        if (rc == 0)
                *out = x;
        return rc;
}

int extract_error(const struct extract *x, const char *key, struct err *e, const char *fmt, ...)
{
        struct option_context cx = {x->doc, NULL, NULL};
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        return error_at_key(&cx, x->node, key, e, text);
}
