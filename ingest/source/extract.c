/*
 * What every connector's block has, and the way from the source of a mapper to the kind of block
 * that it reads. A key of the other kind is told as such: whoever moves a mapper from a database to
 * an API, or copies a piece of another mapper, learns which of the two this source is.
 */
#include "ingest/source/extract_internal.h"

#include <stdio.h>

#include "ingest/source/source.h"

static const struct extract_kind *const kinds[] = {&extract_sql, &extract_rest};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct extract_kind *kind_of(const struct option_context *cx)
{
        return ((const struct source_config *)cx->user)->ops->extract;
}

/* "10%", "0.5%" */
int extract_decode_percent(
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

/* ---- keys of the other kind ---- */

static bool has_key(const struct option_table *t, struct str key)
{
        for (size_t i = 0; i < t->count; i++)
                if (str_is(key, t->options[i].name))
                        return true;
        return false;
}

static int foreign(const struct option_context *cx, const struct ynode_pair *p,
        const struct extract_kind *kind, struct err *e)
{
        const struct source_config *source = cx->user;

        return ydoc_error_at(cx->doc, p->line, p->column, e, "'%s' is for %s sources; %s is %s",
                p->key.ptr, kind->name, source->name, source->ops->type);
}

/* @n: may be no map; that is for the decoder to say. */
static int check_foreign(const struct option_context *cx, enum extract_table table,
        const struct ynode *n, struct err *e)
{
        const struct option_table *own = kind_of(cx)->tables[table];
        size_t count = n && n->kind == YNODE_MAP ? n->count : 0;

        for (size_t i = 0; i < count; i++) {
                const struct ynode_pair *p = &n->pairs[i];
                for (size_t k = 0; k < KINDS && !has_key(own, p->key); k++)
                        if (has_key(kinds[k]->tables[table], p->key))
                                return foreign(cx, p, kinds[k], e);
        }
        return 0;
}

/* ---- rules ---- */

/* The error at key @key of @n, or at @n where it has none. */
int extract_error_at_key(const struct option_context *cx, const struct ynode *n, const char *key,
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

int extract_check_one_of(const struct option_context *cx, const struct ynode *n, const char *what,
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

int extract_check_columns(const struct option_context *cx, const struct ynode *n, const char *key,
        const struct string_list *names, struct err *e)
{
        for (size_t i = 0; i < names->count; i++) {
                if (!names->items[i][0])
                        return extract_error_at_key(cx, n, key, e, "a column's name is empty");
                for (size_t k = 0; k < i; k++)
                        if (strcmp(names->items[i], names->items[k]) == 0)
                                return ynode_error(cx->doc, ynode_get(n, key), e,
                                        "'%s' names column '%s' twice", key, names->items[i]);
        }
        return 0;
}

static int decode_child(const struct option_context *cx, const struct extract *x,
        const struct ynode_pair *pair, struct extract_child *out, struct err *e)
{
        out->name = pair->key.ptr;
        out->node = pair->value;
        if (pair->key.len == 0)
                return ydoc_error_at(cx->doc, pair->line, pair->column, e, "a child needs a name");
        const struct extract_kind *kind = kind_of(cx);
        int rc = check_foreign(cx, EXTRACT_CHILD, pair->value, e);
        return rc || !kind->decode_child ? rc : kind->decode_child(cx, x, out, e);
}

static int decode_children(
        const struct option_context *cx, const struct ynode *n, struct extract *x, struct err *e)
{
        if (n->kind != YNODE_MAP)
                return ynode_error(cx->doc, n, e,
                        "'children' must be a map, not %s; write NAME: %s",
                        ynode_kind_name(n->kind), kind_of(cx)->child_form);
        if (x->group.count)
                return extract_error_at_key(
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
                return extract_error_at_key(cx, n, "every", e, "'every' needs 'sweep: true'");
        if (!d->column != !d->when)
                return ynode_error(cx->doc, n, e,
                        "'column' and 'when' stand together: the flag and its value");
        const char *feed = kind_of(cx)->feed;
        if (!ynode_key(n, feed) != !d->key.count)
                return ynode_error(cx->doc, n, e,
                        "'%s' and 'key' stand together: deleted records and their key", feed);
        size_t key_count = x->group.count ? x->group.count : x->key.count;
        if (d->key.count && d->key.count != key_count)
                return ynode_error(cx->doc, ynode_get(n, "key"), e,
                        "'key' names %zu columns, but the key of the record has %zu", d->key.count,
                        key_count);
        return extract_check_columns(cx, n, "key", &d->key, e);
}

static int check_block(const struct option_context *cx, const struct extract *x, struct err *e)
{
        int rc = kind_of(cx)->check ? kind_of(cx)->check(cx, x, e) : 0;

        if (rc == 0)
                rc = extract_check_one_of(cx, x->node, "extract", "key", "group", e);
        if (rc == 0)
                rc = extract_check_columns(cx, x->node, "key", &x->key, e);
        if (rc == 0)
                rc = extract_check_columns(cx, x->node, "group", &x->group, e);
        if (rc == 0 && ynode_key(x->node, "lookback") && !ynode_key(x->node, "cursor"))
                return extract_error_at_key(
                        cx, x->node, "lookback", e, "'lookback' needs 'cursor'");
        return rc;
}

int extract_decode(const struct source_config *source, const struct ydoc *doc,
        const struct ynode *node, struct arena *arena, struct extract **out, struct err *e)
{
        struct option_context cx = {doc, arena, (void *)source};
        const struct extract_kind *kind = source->ops->extract;
        struct extract_draft *d = arena_alloc(arena, kind->draft_size);

        if (!d)
                return options_nomem(&cx, e);
        d->x.doc = doc;
        d->x.node = node;
        int rc = check_foreign(&cx, EXTRACT_BLOCK, node, e);
        if (rc == 0)
                rc = check_foreign(&cx, EXTRACT_DELETES, ynode_get(node, "deletes"), e);
        if (rc == 0)
                rc = options_decode(&cx, kind->tables[EXTRACT_BLOCK], node, d, e);
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
        if (source->ops->extract != &extract_sql)
                return foreign(&cx, ynode_key(node, "query"), &extract_sql, e);
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
        return extract_error_at_key(&cx, x->node, key, e, text);
}
