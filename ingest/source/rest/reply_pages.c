/*
 * Signs of paging, the surest first: OData, a Link header, an address of the next page, a token, a
 * number of pages, an offset; then what the operator's own query says. Names are compared in lower
 * case letters and digits only, as vendors agree on words, not on their spelling.
 */
#include <stdio.h>
#include <strings.h>

#include "ingest/base/buf.h"
#include "ingest/record/json_scan.h"
#include "ingest/source/rest/reply_internal.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define NOTE_MAX      600

struct pages {
        const struct rest_reply_input *in;
        const struct rest_facts *facts;
        struct arena *arena;
        struct catalog_rest *rest;
        struct rest_reply_found *found;
        struct err *e;
        int rc;
};

/* ---- words ---- */

static const char *const next_names[] = {"next", "nextlink", "nexturl", "nexturi", "nexthref",
        "nextpage", "nextpageurl", "nextpagelink", "nextpageuri", "links.next", "links.next.href",
        "paging.next", "next.href", "next.url", "next.link"};
static const char *const token_names[] = {"nextcursor", "nextpagetoken", "nexttoken", "cursor",
        "continuationtoken", "continuation", "endcursor", "nextpagecursor", "after", "pagetoken",
        "nextmarker", "nextoffset", "bookmark", "next", "nextpage", "nextpageid", "nextid",
        "scrollid", "cursors.after", "cursor.next"};
/* Tokens that may be numbers. */
static const char *const counted_names[] = {
        "nextpage", "nextoffset", "next", "nextid", "nextpageid", "nextcursor"};
static const char *const total_names[] = {"total", "totalcount", "totalresults", "totalitems",
        "totalrecords", "totalelements", "itemcount", "recordcount", "recordstotal", "count",
        "numfound", "resultcount", "totalrows", "nbtotal"};
static const char *const pages_names[] = {
        "pages", "totalpages", "pagecount", "lastpage", "numpages", "pagestotal", "nbpages"};
static const char *const page_names[] = {
        "page", "currentpage", "pagenumber", "pageindex", "pageno", "pagenum", "page.number"};
static const char *const size_names[] = {
        "limit", "perpage", "pagesize", "itemsperpage", "take", "maxresults", "page.size", "rows"};
static const char *const offset_names[] = {"offset", "skip", "start", "startindex", "from"};
static const char *const more_names[] = {
        "hasmore", "hasnext", "hasnextpage", "more", "hasmoreitems", "morerecords"};

/* Parameters of a query, in the same spelling. */
static const char *const page_params[] = {
        "page", "pagenumber", "pageindex", "pageno", "pagenum", "p"};
static const char *const size_params[] = {"limit", "perpage", "pagesize", "size", "top", "take",
        "limitpagelength", "maxresults", "itemsperpage", "count", "rows", "maxrows"};
static const char *const offset_params[] = {
        "offset", "skip", "start", "startindex", "limitstart", "from"};
static const char *const token_params[] = {"cursor", "pagetoken", "nexttoken", "continuationtoken",
        "after", "startingafter", "marker"};

/* What goes with a size, where nothing else is known. */
static const struct family {
        const char *size; /* as it stands in the query */
        enum rest_paging_kind kind;
        const char *param;
        int64_t first;
        bool sure;
} families[] = {
        {"limit_page_length", REST_PAGING_OFFSET, "limit_start", 0, true}, /* ERPNext */
        {"$top", REST_PAGING_OFFSET, "$skip", 0, true},
        {"_limit", REST_PAGING_OFFSET, "_start", 0, true}, /* json-server */
        {"per_page", REST_PAGING_PAGE, "page", 1, false},
        {"perPage", REST_PAGING_PAGE, "page", 1, false},
        {"page_size", REST_PAGING_PAGE, "page", 1, false},
        {"pageSize", REST_PAGING_PAGE, "page", 1, false},
        {"take", REST_PAGING_OFFSET, "skip", 0, false},
        {"limit", REST_PAGING_OFFSET, "offset", 0, false},
        {"count", REST_PAGING_OFFSET, "offset", 0, false},
};

static bool is_in(const char *name, const char *const *list, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(name, list[i]) == 0)
                        return true;
        return false;
}

static void put_plain(char *out, size_t size, const char *name)
{
        size_t n = 0;

        for (; *name && n + 1 < size; name++)
                if ((*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9'))
                        out[n++] = *name;
                else if (*name >= 'A' && *name <= 'Z')
                        out[n++] = (char)(*name | 0x20);
        out[n] = '\0';
}

/* ---- facts ---- */

enum fact_shape { NUMBER, TEXT, ADDRESS, NOTHING, BOOLEAN };

static enum fact_shape shape_of(struct str value)
{
        if (value.ptr[0] == 'n')
                return NOTHING;
        if (value.ptr[0] == 't' || value.ptr[0] == 'f')
                return BOOLEAN;
        if (value.ptr[0] != '"')
                return NUMBER;
        struct str s = {value.ptr + 1, value.len - 2};
        if (s.len == 0)
                return NOTHING;
        bool address = memmem(s.ptr, s.len, "://", 3) || memmem(s.ptr, s.len, ":\\/\\/", 5) ||
                       memchr(s.ptr, '?', s.len) || s.ptr[0] == '/' ||
                       memchr(s.ptr, '=', s.len - 1);
        return address ? ADDRESS : TEXT;
}

/* The last part of "meta.pagination.total", or its last two. */
static const char *tail(const char *plain, int parts)
{
        const char *p = plain + strlen(plain);

        while (p > plain && (p[-1] != '.' || --parts > 0))
                p--;
        return p;
}

static bool is_named(const struct rest_fact *f, const char *const *names, size_t count)
{
        return is_in(tail(f->plain, 1), names, count) || is_in(tail(f->plain, 2), names, count) ||
               is_in(tail(f->plain, 3), names, count);
}

static const struct rest_fact *find(
        const struct pages *p, const char *const *names, size_t count, enum fact_shape shape)
{
        for (size_t k = 0; k < count; k++) /* names are sorted by how sure they are */
                for (size_t i = 0; i < p->facts->count; i++) {
                        const struct rest_fact *f = &p->facts->items[i];
                        if (shape_of(f->value) == shape && is_named(f, &names[k], 1))
                                return f;
                }
        return NULL;
}

#define FIND(p, names, shape) find((p), (names), LENGTH(names), (shape))

static bool number(const struct rest_fact *f, int64_t *out)
{
        return f && str_to_int64(f->value, out);
}

/* ---- the query ---- */

/* The index of the first parameter of @names in the query; SIZE_MAX: none. Its value, if a number,
 * into @value. */
static size_t find_param(
        const struct pages *p, const char *const *names, size_t count, int64_t *value)
{
        char plain[64];

        for (size_t i = 0; i < p->in->params.count && i < 8 * sizeof(size_t); i++) {
                const struct rest_pair *pair = &p->in->params.items[i];
                put_plain(plain, sizeof(plain), pair->name);
                if (is_in(plain, names, count) && str_to_int64(str_of(pair->value), value))
                        return i;
        }
        return SIZE_MAX;
}

#define FIND_PARAM(p, names, value) find_param((p), (names), LENGTH(names), (value))

static const char *take_param(struct pages *p, size_t i)
{
        if (i == SIZE_MAX)
                return NULL;
        p->found->paging_params |= (size_t)1 << i;
        return p->in->params.items[i].name;
}

/* A token that the operator copied along is of one page only. */
static void drop_tokens(struct pages *p)
{
        char plain[64];

        for (size_t i = 0; i < p->in->params.count && i < 8 * sizeof(size_t); i++) {
                put_plain(plain, sizeof(plain), p->in->params.items[i].name);
                if (is_in(plain, token_params, LENGTH(token_params)))
                        p->found->paging_params |= (size_t)1 << i;
        }
}

/* ---- notes ---- */

__attribute__((format(printf, 3, 4))) static void note(
        struct pages *p, bool doubtful, const char *fmt, ...)
{
        char text[NOTE_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        p->rest->paging_note = arena_strdup(p->arena, str_of(text));
        p->rest->paging_doubtful = doubtful;
        if (!p->rest->paging_note && !p->rc)
                p->rc = arena_failed(p->arena, "the reply", p->e);
}

/* ---- parts that several kinds have ---- */

static void set_size(struct pages *p)
{
        int64_t size = 0;
        size_t i = FIND_PARAM(p, size_params, &size);
        const struct rest_fact *f = FIND(p, size_names, NUMBER);

        if (i != SIZE_MAX && size > 0) {
                p->rest->paging.size_param = take_param(p, i);
                p->rest->paging.size = size;
        } else if (f && number(f, &size) && size > 0) {
                p->rest->paging.size_param = f->name;
                p->rest->paging.size = size;
        }
}

static void set_totals(struct pages *p)
{
        const struct rest_fact *total = FIND(p, total_names, NUMBER);
        const struct rest_fact *pages = FIND(p, pages_names, NUMBER);
        const struct rest_fact *more = FIND(p, more_names, BOOLEAN);
        int64_t n;

        if (total && number(total, &n) && n >= (int64_t)p->facts->records &&
                (n > (int64_t)p->facts->records || strcmp(tail(total->plain, 1), "count") != 0))
                p->rest->paging.total = total->path;
        if (pages)
                p->rest->paging.pages = pages->path;
        if (more)
                p->rest->paging.more = more->path;
}

/* ---- kinds ---- */

static const struct rest_fact *with_name(const struct pages *p, const char *name)
{
        for (size_t i = 0; i < p->facts->count; i++)
                if (strcmp(p->facts->items[i].name, name) == 0)
                        return &p->facts->items[i];
        return NULL;
}

static bool is_first_of(const char *records, const char *name)
{
        return records && strcmp(records, name) == 0;
}

static bool take_odata(struct pages *p)
{
        struct catalog_rest *r = p->rest;
        struct str body = json_trim(p->in->body);

        if (with_name(p, "@odata.context") || with_name(p, "@odata.nextLink"))
                r->odata = 4;
        else if (with_name(p, "odata.metadata") || with_name(p, "odata.nextLink"))
                r->odata = 3;
        else if (is_first_of(r->records, "d.results") || with_name(p, "__next") ||
                 (is_first_of(r->records, "d") && memmem(body.ptr, body.len, "\"__metadata\"", 12)))
                r->odata = 2;
        else
                return false;
        r->paging.kind = REST_PAGING_ODATA;
        r->records = NULL; /* where the version has them */
        return true;
}

static bool take_link(struct pages *p)
{
        const char *link = p->in->link;

        if (!strcasestr(link, "rel"))
                return false;
        bool next = strcasestr(link, "rel=\"next\"") || strcasestr(link, "rel=next");
        bool other = strcasestr(link, "rel=\"last\"") || strcasestr(link, "rel=\"prev\"") ||
                     strcasestr(link, "rel=\"first\"");
        if (!next && !other)
                return false;
        p->rest->paging.kind = REST_PAGING_LINK_HEADER;
        set_size(p);
        if (!next)
                note(p, false, "The Link header of this reply names other pages, but no next one.");
        return true;
}

static bool take_next(struct pages *p)
{
        const struct rest_fact *f = FIND(p, next_names, ADDRESS);

        if (!f)
                return false;
        p->rest->paging.kind = REST_PAGING_NEXT_URL;
        p->rest->paging.next = f->path;
        set_size(p);
        return true;
}

/* The parameter that takes the token called @fact. */
static const char *token_param(const struct pages *p, const struct rest_fact *fact)
{
        static const char *const pairs[][2] = {{"next_cursor", "cursor"}, {"nextCursor", "cursor"},
                {"next_page_token", "page_token"}, {"nextPageToken", "pageToken"},
                {"next_token", "next_token"}, {"nextToken", "nextToken"}, {"endCursor", "after"},
                {"end_cursor", "after"}, {"next_page", "page"}, {"nextPage", "page"},
                {"next_offset", "offset"}, {"nextOffset", "offset"}, {"next_marker", "marker"},
                {"NextMarker", "marker"}, {"next", "cursor"}};
        char plain[64];

        for (size_t i = 0; i < p->in->params.count; i++) {
                put_plain(plain, sizeof(plain), p->in->params.items[i].name);
                if (is_in(plain, token_params, LENGTH(token_params)))
                        return p->in->params.items[i].name;
        }
        for (size_t i = 0; i < LENGTH(pairs); i++)
                if (strcmp(pairs[i][0], fact->name) == 0)
                        return shape_of(fact->value) == NUMBER && strcmp(fact->name, "next") == 0
                                       ? "page"
                                       : pairs[i][1];
        return fact->name;
}

static bool take_token(struct pages *p)
{
        const struct rest_fact *f = FIND(p, token_names, TEXT);

        if (!f)
                f = FIND(p, counted_names, NUMBER);
        if (!f)
                return false;
        p->rest->paging.kind = REST_PAGING_CURSOR;
        p->rest->paging.next = f->path;
        p->rest->paging.param = token_param(p, f);
        drop_tokens(p);
        set_size(p);
        set_totals(p);
        p->rest->paging.total = p->rest->paging.pages = NULL;
        note(p, true,
                "%s of the reply is the token of the next page; the name of the parameter "
                "that takes it is a guess.",
                f->path);
        return true;
}

/* {"object": "list", "has_more": true}: the last id is the token. */
static bool take_keyset(struct pages *p)
{
        const struct rest_fact *more = FIND(p, more_names, BOOLEAN);
        const struct rest_fact *object = with_name(p, "object");

        if (!more || !object || !str_is(object->value, "\"list\""))
                return false;
        p->rest->paging.kind = REST_PAGING_KEYSET;
        p->rest->paging.param = "starting_after";
        p->rest->paging.more = more->path;
        drop_tokens(p);
        set_size(p);
        note(p, true, "Lists of this shape are asked for from the last id on.");
        return true;
}

static bool take_page(struct pages *p)
{
        int64_t asked = 1, said = 1;
        size_t i = FIND_PARAM(p, page_params, &asked);
        const struct rest_fact *page = FIND(p, page_names, NUMBER);
        const struct rest_fact *pages = FIND(p, pages_names, NUMBER);

        if (i == SIZE_MAX && !page && !pages)
                return false;
        p->rest->paging.kind = REST_PAGING_PAGE;
        set_size(p);
        set_totals(p);
        p->rest->paging.param = i != SIZE_MAX ? take_param(p, i) : page ? page->name : "page";
        p->rest->paging.first_given = true;
        p->rest->paging.first = i != SIZE_MAX ? asked > 0 : number(page, &said) ? said > 0 : 1;
        if (i != SIZE_MAX && page)
                return true;
        note(p, true,
                i != SIZE_MAX ? "The pages are counted from %d, as far as the query tells: one "
                                "that begins later leaves records out."
                              : "The reply counts its pages from %d, but does not tell the name of "
                                "the parameter that asks for one.",
                (int)p->rest->paging.first);
        return true;
}

static bool take_offset(struct pages *p)
{
        int64_t ignored;
        size_t i = FIND_PARAM(p, offset_params, &ignored);
        const struct rest_fact *f = FIND(p, offset_names, NUMBER);

        if (i == SIZE_MAX && !f)
                return false;
        p->rest->paging.kind = REST_PAGING_OFFSET;
        set_size(p);
        set_totals(p);
        p->rest->paging.param = i != SIZE_MAX ? take_param(p, i) : f->name;
        if (i == SIZE_MAX)
                note(p, true, "The reply tells its %s, but not the name of the parameter.",
                        f->name);
        return true;
}

/* "next": null is what a last page looks like. */
static bool take_last_page(struct pages *p)
{
        const struct rest_fact *f = FIND(p, next_names, NOTHING);
        bool token = false;

        if (!f) {
                f = FIND(p, token_names, NOTHING);
                token = f != NULL;
        }
        if (!f)
                return false;
        p->rest->paging.kind = token ? REST_PAGING_CURSOR : REST_PAGING_NEXT_URL;
        p->rest->paging.next = f->path;
        if (token)
                p->rest->paging.param = token_param(p, f);
        set_size(p);
        note(p, true,
                "%s is empty in this reply, as on a last page: it may be an address or a "
                "token. Look at a reply that has a next page.",
                f->path);
        return true;
}

static bool take_family(struct pages *p)
{
        int64_t size = 0;
        size_t i = FIND_PARAM(p, size_params, &size);
        const struct family *family = NULL;

        for (size_t k = 0; i != SIZE_MAX && k < LENGTH(families); k++)
                if (strcmp(families[k].size, p->in->params.items[i].name) == 0)
                        family = &families[k];
        if (!family)
                return false;
        p->rest->paging.kind = family->kind;
        p->rest->paging.param = family->param;
        p->rest->paging.first = family->first;
        p->rest->paging.first_given = family->kind == REST_PAGING_PAGE;
        set_size(p);
        set_totals(p);
        if (!family->sure)
                note(p, true,
                        "The reply does not tell how the next page is asked for. %s is a guess: "
                        "where it is wrong, reading ends with an error.",
                        family->param);
        return true;
}

/* Dolibarr: pages from 0, and 404 behind the last one. Every record of it has array_options. */
static bool take_dolibarr(struct pages *p)
{
        static const char mark[] = "\"array_options\"";
        int64_t size = 0;

        if (p->rest->records || !memmem(p->in->body.ptr, p->in->body.len, mark, strlen(mark)))
                return false;
        p->rest->paging.kind = REST_PAGING_PAGE;
        p->rest->paging.param = "page";
        p->rest->paging.first_given = true;
        set_size(p);
        take_param(p, FIND_PARAM(p, page_params, &size));
        p->rest->empty_on = 404;
        note(p, false,
                "Pages of Dolibarr are counted from 0, and the one behind the last is "
                "answered with 404.");
        return true;
}

static bool is_round(size_t n)
{
        static const size_t sizes[] = {
                10, 20, 25, 30, 40, 50, 100, 200, 250, 500, 1000, 2000, 5000};

        for (size_t i = 0; i < LENGTH(sizes); i++)
                if (n == sizes[i])
                        return true;
        return false;
}

static void take_none(struct pages *p)
{
        const struct rest_fact *total = FIND(p, total_names, NUMBER);
        const struct rest_fact *more = FIND(p, more_names, BOOLEAN);
        int64_t size = 0, all = 0;
        size_t i = FIND_PARAM(p, size_params, &size);

        p->rest->paging.kind = REST_PAGING_NONE;
        take_param(p, i); /* a few records to look at are not all of them */
        if (number(total, &all) && all > (int64_t)p->facts->records)
                note(p, true,
                        "The reply holds %zu records of %lld, but does not tell how the next "
                        "page is asked for: write paging, or the others are not read.",
                        p->facts->records, (long long)all);
        else if (more && str_is(more->value, "true"))
                note(p, true,
                        "The reply says that there are more records (%s), but not how they "
                        "are asked for: write paging, or they are not read.",
                        more->path);
        else if (i != SIZE_MAX || is_round(p->facts->records))
                note(p, true,
                        "Are these all records? The reply holds %zu, and does not tell "
                        "whether there are more: write paging if there are, or they are not "
                        "read.",
                        p->facts->records);
        else if (p->rest->records || p->facts->records != 1)
                note(p, false, "The reply shows no sign of more pages.");
}

/* What the paging sends, the call does not send, too. */
static void settle_params(struct pages *p)
{
        struct rest_paging_spec *s = &p->rest->paging;

        if (s->param && s->size_param && strcmp(s->param, s->size_param) == 0) {
                s->size_param = NULL;
                s->size = 0;
        }
        for (size_t i = 0; i < p->in->params.count && i < 8 * sizeof(size_t); i++) {
                const char *name = p->in->params.items[i].name;
                if ((s->param && strcmp(name, s->param) == 0) ||
                        (s->size_param && strcmp(name, s->size_param) == 0))
                        p->found->paging_params |= (size_t)1 << i;
        }
}

int rest_reply_pages(const struct rest_reply_input *in, const struct rest_facts *facts,
        struct arena *arena, struct catalog_rest *rest, struct rest_reply_found *found,
        struct err *e)
{
        static bool (*const kinds[])(struct pages * p) = {take_odata, take_link, take_next,
                take_token, take_keyset, take_dolibarr, take_page, take_offset, take_last_page,
                take_family};
        struct pages p = {
                .in = in, .facts = facts, .arena = arena, .rest = rest, .found = found, .e = e};
        bool taken = false;

        for (size_t i = 0; i < LENGTH(kinds) && !taken; i++)
                taken = kinds[i](&p);
        if (!taken)
                take_none(&p);
        settle_params(&p);
        return p.rc;
}
