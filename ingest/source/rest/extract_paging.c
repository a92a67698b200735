/*
 * `paging:`. One table says which keys each kind takes: a key that a kind would not look at was
 * meant for another one, and its pages would be asked for in a way that nobody wrote.
 */
#include "ingest/source/rest/extract_internal.h"

struct paging_draft {
        struct rest_paging_spec spec;
        bool overlap;
};

#define AT(member) offsetof(struct paging_draft, spec.member)

/* As enum rest_paging_kind has them; odata has a block of its own. */
static const char *const kinds[] = {
        "none", "page", "offset", "keyset", "next_url", "link_header", "cursor", NULL};
static const char *const stops[] = {"auto", "short", "empty", "total", "pages", NULL};

static const struct option paging_options[] = {
        {.name = "type",
                .type = OPTION_CHOICE,
                .offset = AT(kind),
                .choices = kinds,
                .required = true,
                .help = "How the next page is asked for."},
        {.name = "param",
                .type = OPTION_STRING,
                .offset = AT(param),
                .min = 1,
                .help = "Parameter that says which page; absent: page or offset, by the type."},
        {.name = "first",
                .type = OPTION_INT,
                .offset = AT(first),
                .present_offset = AT(first_given),
                .max = 1000000,
                .help = "Number of the first page or record; absent: page 1, offset 0."},
        {.name = "size_param",
                .type = OPTION_STRING,
                .offset = AT(size_param),
                .min = 1,
                .help = "Parameter that says how many records a page has."},
        {.name = "size",
                .type = OPTION_INT,
                .offset = AT(size),
                .min = 1,
                .max = 1000000,
                .help = "Records a page; absent: as many as the server gives."},
        {.name = "field",
                .type = OPTION_STRING,
                .offset = AT(field),
                .min = 1,
                .help = "Field whose value in the last record the next page follows; absent: the "
                        "key."},
        {.name = "next",
                .type = OPTION_STRING,
                .offset = AT(next),
                .min = 1,
                .help = "Where the reply has the next page's address or token."},
        {.name = "total",
                .type = OPTION_STRING,
                .offset = AT(total),
                .min = 1,
                .help = "Where the reply has the number of all records."},
        {.name = "pages",
                .type = OPTION_STRING,
                .offset = AT(pages),
                .min = 1,
                .help = "Where the reply has the number of all pages."},
        {.name = "more",
                .type = OPTION_STRING,
                .offset = AT(more),
                .min = 1,
                .help = "Where the reply says whether there are more pages."},
        {.name = "stop",
                .type = OPTION_CHOICE,
                .offset = AT(stop),
                .choices = stops,
                .default_text = "auto",
                .help = "What tells the last page; an empty page always does."},
        {.name = "overlap",
                .type = OPTION_BOOL,
                .offset = offsetof(struct paging_draft, overlap),
                .default_text = "true",
                .help = "Pages of an offset overlap by one record, which shows whether records "
                        "shifted meanwhile."},
        {.name = "max_pages",
                .type = OPTION_INT,
                .offset = AT(max_pages),
                .default_text = "1000000",
                .min = 1,
                .max = 1000000000,
                .help = "More pages are an error: the last guard against pages that never end."},
};
OPTION_TABLE(rest_paging_table, "paging", paging_options);

#define OF(kind) (1u << REST_PAGING_##kind)
#define COUNTING (OF(PAGE) | OF(OFFSET))
#define FOLLOWS  (OF(NEXT_URL) | OF(LINK_HEADER))
#define TOKENS   (OF(KEYSET) | OF(CURSOR))
#define ALL      (COUNTING | FOLLOWS | TOKENS)

struct rule {
        const char *key;
        unsigned kinds;    /* that take it */
        const char *which; /* NULL: all but none */
};

static const struct rule rules[] = {
        {"param", COUNTING | TOKENS, "page, offset, keyset or cursor"},
        {"first", COUNTING, "page or offset"},
        {"size_param", ALL, NULL},
        {"size", ALL, NULL},
        {"field", OF(KEYSET), "keyset"},
        {"next", OF(NEXT_URL) | OF(CURSOR), "next_url or cursor"},
        {"pages", OF(PAGE), "page"},
        {"overlap", OF(OFFSET), "offset"},
        {"more", ALL, NULL},
        {"stop", ALL, NULL},
        {"max_pages", ALL, NULL},
};

static int check_kind(const struct option_context *cx, const struct ynode *n,
        const struct rest_paging_spec *p, struct err *e)
{
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
                const struct ynode_pair *pair = ynode_key(n, rules[i].key);
                if (!pair || rules[i].kinds & 1u << p->kind)
                        continue;
                if (!rules[i].which)
                        return ydoc_error_at(cx->doc, pair->line, pair->column, e,
                                "'%s' means nothing where paging is none: there is one page",
                                rules[i].key);
                return ydoc_error_at(cx->doc, pair->line, pair->column, e,
                        "'%s' is for paging of type %s, not %s", rules[i].key, rules[i].which,
                        kinds[p->kind]);
        }
        return 0;
}

/* `paging: link_header` is short for {type: link_header}. */
static int decode_type(const struct option_context *cx, const struct ynode *n,
        struct paging_draft *d, struct err *e)
{
        struct ynode_pair type = {STR("type"), n->line, n->column, n};
        struct ynode map = {.kind = YNODE_MAP,
                .line = n->line,
                .column = n->column,
                .count = 1,
                .pairs = &type};

        return options_decode(cx, &rest_paging_table, &map, d, e);
}

static int check_paths(
        const struct option_context *cx, const struct rest_paging_spec *p, struct err *e)
{
        const struct {
                const char *key, *path;
        } paths[] = {
                {"next", p->next}, {"total", p->total}, {"pages", p->pages}, {"more", p->more}};
        int rc = rest_field_check(cx, p->node, "field", p->field, e);

        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && rc == 0; i++)
                rc = rest_path_check(cx, p->node, paths[i].key, paths[i].path, e);
        return rc;
}

/* What a kind or another key needs to mean anything. */
static int check_needs(
        const struct option_context *cx, const struct rest_paging_spec *p, struct err *e)
{
        const struct ynode *n = p->node;

        if (p->kind == REST_PAGING_NEXT_URL && !p->next)
                return ynode_error(cx->doc, n, e,
                        "paging of type next_url needs 'next': where the reply has the address of "
                        "the next page, such as paging.next");
        if (p->kind == REST_PAGING_CURSOR && !p->next)
                return ynode_error(cx->doc, n, e,
                        "paging of type cursor needs 'next': where the reply has the token of the "
                        "next page, such as meta.next_cursor");
        if (p->size_param && !p->size)
                return ynode_error(cx->doc, ynode_get(n, "size_param"), e,
                        "'size_param' needs 'size': how many records a page is to have");
        if (p->stop == REST_STOP_SHORT && !p->size)
                return ynode_error(cx->doc, ynode_get(n, "stop"), e,
                        "'stop: short' needs 'size': it tells a page that is short");
        if (p->stop == REST_STOP_TOTAL && !p->total)
                return ynode_error(cx->doc, ynode_get(n, "stop"), e,
                        "'stop: total' needs 'total': where the reply has the number of records");
        if (p->stop == REST_STOP_PAGES && !p->pages)
                return ynode_error(cx->doc, ynode_get(n, "stop"), e,
                        "'stop: pages' needs 'pages': where the reply has the number of pages");
        return 0;
}

int rest_paging_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct paging_draft d = {0};
        struct rest_paging_spec *p = &d.spec;
        bool word = ynode_is_scalar(n) && n->kind != YNODE_NULL;

        int rc =
                word ? decode_type(cx, n, &d, e) : options_decode(cx, &rest_paging_table, n, &d, e);
        p->node = n;
        p->disjoint = p->kind == REST_PAGING_OFFSET && !d.overlap;
        if (rc == 0)
                rc = check_kind(cx, n, p, e);
        if (rc == 0)
                rc = check_needs(cx, p, e);
        if (rc == 0)
                rc = check_paths(cx, p, e);
        if (rc == 0)
                *(struct rest_paging_spec *)field = *p;
        return rc;
}

/* ---- with the call ---- */

static const struct {
        const char *variable, *param; /* NULL: has to be written */
        int64_t first;
} forms[] = {
        [REST_PAGING_PAGE] = {"page", "page", 1},
        [REST_PAGING_OFFSET] = {"offset", "offset", 0},
        [REST_PAGING_KEYSET] = {"after", NULL, 0},
        [REST_PAGING_CURSOR] = {"after", NULL, 0},
};

static int finish_param(const struct option_context *cx, struct rest_paging_spec *p,
        const struct rest_call *call, struct err *e)
{
        const char *variable = forms[p->kind].variable;
        bool named = rest_call_names(call, variable);

        if (named && p->param)
                return ynode_error(cx->doc, ynode_get(p->node, "param"), e,
                        "the page is asked for twice: by 'param' and by ${%s}; keep one", variable);
        if (!named && !p->param)
                p->param = forms[p->kind].param;
        if (!named && !p->param)
                return ynode_error(cx->doc, p->node, e,
                        "paging of type %s needs 'param': the parameter that says where to go on; "
                        "or ${after} in params, headers or body",
                        kinds[p->kind]);
        if (!p->first_given)
                p->first = forms[p->kind].first;
        return 0;
}

static int finish_field(const struct option_context *cx, struct rest_paging_spec *p,
        const struct string_list *key, struct err *e)
{
        if (p->kind != REST_PAGING_KEYSET || p->field)
                return 0;
        if (!key || key->count != 1)
                return ynode_error(cx->doc, p->node, e,
                        "paging of type keyset needs 'field': the one field by which the API "
                        "orders its records%s",
                        key && key->count > 1 ? " (the key has several)" : "");
        p->field = key->items[0];
        return 0;
}

static int check_twice(const struct option_context *cx, const struct rest_paging_spec *p,
        const struct rest_call *call, struct err *e)
{
        const char *names[] = {p->param, p->size_param};
        static const char *const keys[] = {"param", "size_param"};

        if (p->param && p->size_param && strcmp(p->param, p->size_param) == 0)
                return ynode_error(cx->doc, ynode_get(p->node, "size_param"), e,
                        "'param' and 'size_param' are the same parameter");
        for (size_t i = 0; i < 2; i++)
                if (names[i] && rest_call_param(call, names[i]))
                        return extract_error_at_key(cx, p->node, keys[i], e,
                                "paging sends a parameter that stands in 'params', too: keep one");
        return 0;
}

int rest_paging_finish(const struct option_context *cx, struct rest_paging_spec *p,
        const struct rest_call *call, const struct string_list *key, struct err *e)
{
        int rc = 0;

        if (!p->node)
                return 0;
        if (1u << p->kind & (COUNTING | TOKENS))
                rc = finish_param(cx, p, call, e);
        if (rc == 0)
                rc = finish_field(cx, p, key, e);
        return rc ? rc : check_twice(cx, p, call, e);
}
