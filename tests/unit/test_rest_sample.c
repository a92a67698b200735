/* What one page of records tells: tables of replies in the shapes that vendors document. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/base/buf.h"
#include "ingest/source/rest/infer.h"
#include "ingest/source/rest/sample.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ARENA    (8 << 20)

static int sample(const char *target, const char *link, const char *body, struct arena *arena,
        struct catalog_table *out, struct err *e)
{
        struct rest_sample_call call;
        struct rest_sample_reply reply = {str_of(body), link};
        int rc = rest_sample_call(target, arena, &call, e);

        return rc ? rc : rest_sample_table(&call, &reply, arena, out, e);
}

static const struct catalog_table *sample_ok(
        const char *target, const char *link, const char *body, struct arena *arena)
{
        struct catalog_table *t = arena_alloc(arena, sizeof(*t));
        struct err e = {0};

        if (sample(target, link, body, arena, t, &e))
                fail_msg("%s\n%s", e.text, body);
        return t;
}

/* ---- texts ---- */

static void test_texts(void **state)
{
        static const struct {
                const char *text;
                enum rest_text kind;
        } cases[] = {
                {"", REST_TEXT_EMPTY},
                {"A1", REST_TEXT_OTHER},
                {"0", REST_TEXT_INTEGER},
                {"-7", REST_TEXT_INTEGER},
                {"007", REST_TEXT_OTHER},
                {"-", REST_TEXT_OTHER},
                {"1234567890123456789", REST_TEXT_OTHER},
                {"0.00000000", REST_TEXT_DECIMAL},
                {"-12.5", REST_TEXT_DECIMAL},
                {"12.", REST_TEXT_OTHER},
                {".5", REST_TEXT_OTHER},
                {"1.2.3", REST_TEXT_OTHER},
                {"1,5", REST_TEXT_OTHER},
                {"1e5", REST_TEXT_OTHER},
                {"2026-01-31", REST_TEXT_DATE},
                {"2026-13-31", REST_TEXT_OTHER},
                {"2026-01-00", REST_TEXT_OTHER},
                {"2026-01-3", REST_TEXT_OTHER},
                {"2026-01-31x", REST_TEXT_OTHER},
                {"0000-00-00", REST_TEXT_NO_DATE},
                {"0001-01-01", REST_TEXT_NO_DATE},
                {"0001-01-01T00:00:00Z", REST_TEXT_NO_DATE},
                {"0000-00-00 00:00:00", REST_TEXT_NO_DATE},
                {"0001-01-01x", REST_TEXT_OTHER},
                {"2026-01-31T10:20:30Z", REST_TEXT_INSTANT},
                {"2026-01-31T10:20:30.123456+02:00", REST_TEXT_INSTANT},
                {"2026-01-31T10:20:30-0500", REST_TEXT_INSTANT},
                {"2026-01-31 10:20:30+02", REST_TEXT_INSTANT},
                {"2026-01-31T10:20:30", REST_TEXT_CLOCK},
                {"2026-01-31 10:20:30.5", REST_TEXT_CLOCK},
                {"2026-01-31 24:20:30", REST_TEXT_OTHER},
                {"2026-01-31T10:20Z", REST_TEXT_OTHER},
                {"2026-01-31T10:20:30CET", REST_TEXT_OTHER},
                {"2026-01-31T10:20:30.Z", REST_TEXT_OTHER},
                {"/Date(1550793549320+0000)/", REST_TEXT_TICKS},
                {"/Date(-62135596800000)/", REST_TEXT_TICKS},
                {"/Date()/", REST_TEXT_OTHER},
                {"/Date(x)/", REST_TEXT_OTHER},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                if (rest_text_kind(str_of(cases[i].text)) != cases[i].kind)
                        fail_msg("%s: %d, not %d", cases[i].text,
                                rest_text_kind(str_of(cases[i].text)), cases[i].kind);
}

/* ---- members ---- */

/* "id:integer name:text? lines:[sku:text]": ? may be null, ! is doubtful, =TEXT is null. */
static void put_columns(const struct catalog_column *list, size_t count, struct buf *out)
{
        static const char *const kinds[COL_KINDS] = {[COL_TEXT] = "text",
                [COL_BOOL] = "bool",
                [COL_INT] = "int",
                [COL_NUMERIC] = "decimal",
                [COL_DATE] = "date",
                [COL_TIMESTAMP] = "clock",
                [COL_TIMESTAMPTZ] = "instant",
                [COL_JSON] = "json"};

        for (size_t i = 0; i < count; i++) {
                const struct catalog_column *c = &list[i];
                buf_printf(out, "%s%s:", i ? " " : "", c->name);
                if (c->nest == CATALOG_SINGLE)
                        buf_puts(out, kinds[c->kind]);
                if (c->format)
                        buf_printf(out, "/%s", c->format);
                if (c->nest != CATALOG_SINGLE) {
                        buf_puts(out, c->nest == CATALOG_OBJECT ? "{" : "[");
                        put_columns(c->fields, c->field_count, out);
                        buf_puts(out, c->nest == CATALOG_OBJECT ? "}" : "]");
                }
                for (size_t k = 0; k < CATALOG_NULL_TEXTS && c->null_texts[k]; k++)
                        buf_printf(out, "=%s", *c->null_texts[k] ? c->null_texts[k] : "''");
                buf_printf(out, "%s%s", c->nullable ? "?" : "", c->doubt ? "!" : "");
        }
}

static void test_members(void **state)
{
        static const struct {
                const char *records, *columns;
        } cases[] = {
                {"[{\"id\":1,\"name\":\"a\"},{\"id\":2,\"name\":null}]", "id:int name:text?"},
                {"[{\"id\":1},{\"id\":2,\"late\":true}]", "id:int late:bool?"},
                {"[{\"n\":5},{\"n\":5.25}]", "n:decimal"},
                {"[{\"n\":1e3}]", "n:decimal"},
                {"[{\"price\":5}]", "price:decimal"},
                {"[{\"price_list_id\":5,\"totalCount\":3}]", "price_list_id:int totalCount:int"},
                /* numbers in quotes: Dolibarr, NetSuite, SAP */
                {"[{\"p\":\"9.50\"},{\"p\":\"10.00\"}]", "p:decimal"},
                {"[{\"p\":\"9.50\"},{\"p\":\"\"},{\"p\":null}]", "p:decimal=''?"},
                {"[{\"p\":\"9.50\"},{\"p\":3}]", "p:decimal"},
                {"[{\"p\":\"\"},{\"p\":3}]", "p:int=''"},
                {"[{\"id\":\"107\"},{\"id\":\"108\"}]", "id:text"},
                {"[{\"qty\":\"107\"}]", "qty:decimal"},
                {"[{\"v\":\"1.5\"},{\"v\":\"1.5b\"}]", "v:text"},
                /* dates */
                {"[{\"d\":\"2026-01-31\"}]", "d:date"},
                {"[{\"d\":\"2026-01-31\"},{\"d\":\"\"}]", "d:date=''"},
                {"[{\"d\":\"2026-01-31\"},{\"d\":\"0000-00-00\"}]", "d:date=0000-00-00?"},
                {"[{\"d\":\"0001-01-01\"}]", "d:text?"},
                {"[{\"t\":\"2026-01-31T10:00:00Z\"}]", "t:instant"},
                {"[{\"t\":\"2026-01-31 10:00:00\"}]", "t:clock"},
                {"[{\"t\":\"2026-01-31T10:00:00Z\"},{\"t\":\"2026-01-31T10:00:00\"}]", "t:clock"},
                {"[{\"t\":\"2026-01-31T10:00:00Z\"},{\"t\":\"2026-01-31\"}]", "t:clock/odata"},
                {"[{\"t\":\"\\/Date(1550793549320+0000)\\/\"}]", "t:instant/odata"},
                {"[{\"t\":\"/Date(1550793549320)/\"},{\"t\":\"2026-01-31T10:00:00\"}]",
                        "t:clock/odata"},
                {"[{\"t\":\"2026-01-31\"},{\"t\":\"soon\"}]", "t:text"},
                /* seconds */
                {"[{\"date_creation\":1672531200},{\"date_creation\":\"\"}]",
                        "date_creation:instant/unix=''"},
                {"[{\"tms\":\"1672531200\"}]", "tms:instant/unix"},
                {"[{\"updatedAt\":1672531200123}]", "updatedAt:instant/unix_ms"},
                {"[{\"updatedAt\":1672531200},{\"updatedAt\":5}]", "updatedAt:int"},
                {"[{\"number\":1672531200}]", "number:int"},
                /* objects */
                {"[{\"a\":{\"city\":\"x\",\"zip\":\"01\"}},{\"a\":null}]",
                        "a:{city:text zip:text}?"},
                {"[{\"a\":{\"b\":{\"c\":1.5}}}]", "a:{b:{c:decimal}}"},
                {"[{\"a\":{}}]", "a:json"},
                {"[{\"a\":[]},{\"a\":{\"x\":1}}]", "a:{x:int}"},
                {"[{\"a\":{\"x\":1}},{\"a\":\"gone\"}]", "a:json!"},
                {"[{\"a\":{\"x\":1}},{\"a\":false}]", "a:{x:int}!"},
                {"[{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":1}}}}}}]", "a:{b:{c:{d:{e:json}}}}"},
                /* arrays */
                {"[{\"l\":[{\"sku\":\"a\",\"qty\":2}]},{\"l\":[]}]", "l:[sku:text qty:decimal]"},
                {"[{\"l\":[{\"s\":[{\"n\":1}]}]}]", "l:[s:[n:int]]"},
                {"[{\"tags\":[\"a\",\"b\"]}]", "tags:json"},
                {"[{\"none\":[]}]", "none:json"},
                {"[{\"l\":[{\"a\":1},2]}]", "l:json!"},
                {"[{\"m2o\":[7,\"Name\"]},{\"m2o\":false}]", "m2o:json!"},
                /* several types */
                {"[{\"x\":\"a\"},{\"x\":5}]", "x:text!"},
                {"[{\"x\":false},{\"x\":\"a\"}]", "x:text!"},
                {"[{\"x\":true},{\"x\":\"a\"}]", "x:text!"},
                {"[{\"x\":null}]", "x:text?"},
                /* what describes the reply */
                {"[{\"@odata.etag\":\"W\",\"odata.type\":\"t\",\"__metadata\":{\"uri\":\"u\"},"
                 "\"a@odata.navigationLink\":\"l\",\"_links\":{\"self\":\"s\"},\"id\":1}]",
                        "id:int"},
                {"[{\"to_Item\":{\"__deferred\":{\"uri\":\"u\"}},\"id\":\"1\"}]",
                        "to_Item:json id:text"},
        };
        struct arena *arena = arena_new(ARENA);

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf is = BUF_INIT(4096);
                arena_reset(arena);
                const struct catalog_table *t = sample_ok("/t", "", cases[i].records, arena);
                put_columns(t->columns, t->column_count, &is);
                if (!str_is(buf_str(&is), cases[i].columns))
                        fail_msg("%s\n  is      %s\n  must be %s", cases[i].records, buf_cstr(&is),
                                cases[i].columns);
        }
        arena_free(arena);
}

/* ---- pages ---- */

#define R3    "[{\"id\":1},{\"id\":2},{\"id\":3}]"
#define ID(n) "{\"id\":" #n "},"
#define R10   "[" ID(1) ID(2) ID(3) ID(4) ID(5) ID(6) ID(7) ID(8) ID(9) "{\"id\":10}]"

static void put_text(struct buf *out, const char *name, const char *value)
{
        if (value)
                buf_printf(out, " %s=%s", name, value);
}

static void put_pages(const struct catalog_rest *r, struct buf *out)
{
        static const char *const kinds[] = {
                "none", "page", "offset", "keyset", "next_url", "link_header", "cursor", "odata"};
        const struct rest_paging_spec *p = &r->paging;

        buf_puts(out, kinds[p->kind]);
        if (r->odata)
                buf_printf(out, "%d", r->odata);
        put_text(out, "records", r->records);
        put_text(out, "param", p->param);
        if (p->first_given)
                buf_printf(out, " first=%d", (int)p->first);
        if (p->size)
                buf_printf(out, " size=%s:%d", p->size_param, (int)p->size);
        put_text(out, "next", p->next);
        put_text(out, "total", p->total);
        put_text(out, "pages", p->pages);
        put_text(out, "more", p->more);
        for (size_t i = 0; i < r->params.count; i++)
                put_text(out, r->params.items[i].name, r->params.items[i].value);
        if (r->empty_on)
                buf_printf(out, " empty_on=%d", r->empty_on);
        buf_puts(out, r->records_doubtful ? " records?" : "");
        buf_puts(out, r->paging_doubtful ? " ?" : "");
}

static const struct {
        const char *target, *link, *body, *pages;
} page_cases[] = {
        /* OData */
        {"/items?$top=3", "", "{\"@odata.context\":\"http://h/$metadata#items\",\"value\":" R3 "}",
                "odata4"},
        {"/Items", "",
                "{\"odata.metadata\":\"m\",\"value\":" R3 ",\"odata.nextLink\":\"Items?$skip=20\"}",
                "odata3"},
        {"/A_SalesOrder?$top=3", "",
                "{\"d\":{\"results\":" R3 ",\"__next\":\"http://h/A?$skiptoken=x\"}}", "odata2"},
        /* Business Central, without a context of OData: value alone tells nothing */
        {"/x", "", "{\"value\":" R3 "}", "none records=value"},
        /* Link header */
        {"/products?per_page=3&status=active",
                "<https://h/products?page=2>; rel=\"next\", <https://h/p?page=9>; "
                "rel=\"last\"",
                R3, "link_header size=per_page:3 status=active"},
        {"/products?_limit=3", "<http://h/p?_page=1>; rel=\"first\"", R3,
                "link_header size=_limit:3"},
        {"/products", "<http://h/docs>; rel=\"help\"", R3, "none"},
        /* addresses */
        {"/products", "",
                "{\"count\":3,\"next\":\"http://h/p/?page=2\",\"previous\":null,"
                "\"results\":" R3 "}",
                "next_url records=results next=next"},
        {"/p", "",
                "{\"data\":" R3 ",\"links\":{\"first\":\"/p?page=1\",\"next\":"
                "\"/p?page=2\"},\"meta\":{\"current_page\":1,\"per_page\":3}}",
                "next_url records=data size=per_page:3 next=links.next"},
        {"/p", "",
                "{\"_embedded\":{\"p\":" R3 "},\"_links\":{\"next\":{\"href\":"
                "\"/p?page=2\"}}}",
                "next_url records=_embedded.p next=_links.next.href"},
        {"/p", "",
                "{\"current_page\":1,\"data\":" R3
                ",\"next_page_url\":\"http://h/p?page=2\",\"per_page\":3,\"total\":9}",
                "next_url records=data size=per_page:3 next=next_page_url"},
        {"/p", "", "{\"next\":null,\"previous\":null,\"results\":" R3 "}",
                "next_url records=results next=next ?"},
        {"/p", "", "{\"value\":" R3 ",\"next.link\":\"/p?x=1\"}",
                "next_url records=value next=next\\.link"},
        /* tokens */
        {"/p?limit=3", "", "{\"items\":" R3 ",\"nextPageToken\":\"Q2FE\"}",
                "cursor records=items param=pageToken size=limit:3 next=nextPageToken ?"},
        {"/p?cursor=abc", "",
                "{\"data\":" R3 ",\"meta\":{\"next_cursor\":\"xyz\",\"has_more\":true}}",
                "cursor records=data param=cursor next=meta.next_cursor "
                "more=meta.has_more ?"},
        {"/p", "", "{\"data\":" R3 ",\"next_page\":2}",
                "cursor records=data param=page next=next_page ?"},
        {"/p?limit=3", "", "{\"object\":\"list\",\"has_more\":true,\"data\":" R3 "}",
                "keyset records=data param=starting_after size=limit:3 more=has_more ?"},
        /* Xero */
        {"/Items?page=1&pageSize=3", "",
                "{\"pagination\":{\"page\":1,\"pageSize\":3,\"pageCount\":4,"
                "\"itemCount\":10},\"Items\":" R3 "}",
                "page records=Items param=page first=1 size=pageSize:3 "
                "total=pagination.itemCount pages=pagination.pageCount"},
        /* pages from 0 */
        {"/p?page=0&size=3", "",
                "{\"content\":" R3 ",\"page\":{\"size\":3,\"totalElements\":9,"
                "\"totalPages\":3,\"number\":0}}",
                "page records=content param=page first=0 size=size:3 "
                "total=page.totalElements pages=page.totalPages"},
        {"/p", "", "{\"page\":0,\"total\":9,\"rows\":" R3 "}",
                "page records=rows param=page first=0 total=total ?"},
        {"/p?page=5", "", R3, "page param=page first=1 ?"},
        /* offsets: NetSuite, json with totals */
        {"/customer?limit=3&offset=0", "",
                "{\"links\":[{\"rel\":\"next\",\"href\":\"http://h/c?offset=3\"}],"
                "\"count\":3,\"hasMore\":true,\"items\":" R3 ",\"offset\":0,\"totalResults\":10}",
                "offset records=items param=offset size=limit:3 total=totalResults "
                "more=hasMore"},
        {"/products", "", "{\"products\":" R3 ",\"total\":194,\"skip\":0,\"limit\":3}",
                "offset records=products param=skip size=limit:3 total=total ?"},
        /* ERPNext */
        {"/api/resource/Item?fields=[\"name\"]&limit_page_length=3", "", "{\"data\":" R3 "}",
                "offset records=data param=limit_start size=limit_page_length:3 "
                "fields=[\"name\"]"},
        /* Dolibarr */
        {"/products?limit=2", "",
                "[{\"id\":\"1\",\"array_options\":[]},{\"id\":\"2\",\"array_options\":[]}]",
                "page param=page first=0 size=limit:2 empty_on=404"},
        /* nothing but a size */
        {"/p?limit=3", "", R3, "offset param=offset size=limit:3 ?"},
        {"/p?q=a%20b+c&per_page=3", "", R3, "page param=page first=1 size=per_page:3 q=a b c ?"},
        /* nothing at all */
        {"/p", "", R3, "none"},
        {"/p", "", R10, "none ?"},
        {"/p", "", "{\"total\":50,\"data\":" R3 "}", "none records=data ?"},
        {"/p", "", "{\"hasMore\":true,\"data\":" R3 "}", "none records=data ?"},
        {"/p?maxResults=3", "", R3, "none ?"},
        /* which array */
        {"/p", "", "{\"a\":[{\"x\":1}],\"b\":" R3 "}", "none records=b records?"},
        {"/p", "", "{\"facets\":" R10 ",\"p\":" R3 "}", "none records=p"},
        {"/p", "", "{\"facets\":" R10 ",\"data\":{\"deep\":{\"items\":" R3 "}}}",
                "none records=data.deep.items"},
        {"/p/1", "", "{\"id\":1,\"name\":\"x\"}", "none records?"},
};

static void test_pages(void **state)
{
        struct arena *arena = arena_new(ARENA);
        size_t wrong = 0;

        (void)state;
        for (size_t i = 0; i < COUNT(page_cases); i++) {
                cleanup_buf_ struct buf is = BUF_INIT(4096);
                arena_reset(arena);
                const struct catalog_table *t = sample_ok(
                        page_cases[i].target, page_cases[i].link, page_cases[i].body, arena);
                put_pages(t->rest, &is);
                if (str_is(buf_str(&is), page_cases[i].pages))
                        continue;
                print_error("%s %s\n  is      %s\n  must be %s\n", page_cases[i].target,
                        page_cases[i].body, buf_cstr(&is), page_cases[i].pages);
                wrong++;
        }
        assert_int_equal(wrong, 0);
        arena_free(arena);
}

/* ---- names, keys, cursors ---- */

static void test_names(void **state)
{
        static const struct {
                const char *target, *name, *path;
        } cases[] = {
                {"/products", "products", "/products"},
                {"/api/v2/products.json?limit=1", "products", "/api/v2/products.json"},
                {"/api/resource/Sales%20Order/", "Sales Order", "/api/resource/Sales%20Order/"},
                {"/", "record", "/"},
                {"/a%00b", "record", "/a%00b"},
                {"/a%zz", "record", "/a%zz"},
                {"/p#part", "p", "/p"},
        };
        struct arena *arena = arena_new(ARENA);

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct catalog_table *t = sample_ok(cases[i].target, "", R3, arena);
                assert_string_equal(t->name, cases[i].name);
                assert_string_equal(t->rest->path, cases[i].path);
        }
        arena_free(arena);
}

static void test_keys_and_cursors(void **state)
{
        static const struct {
                const char *body, *key, *cursor;
                enum catalog_key_from from;
        } cases[] = {
                {"[{\"name\":\"a\",\"id\":1},{\"name\":\"b\",\"id\":2}]", "id", NULL,
                        CATALOG_KEY_SEEN},
                {"[{\"id\":1,\"code\":\"a\"},{\"id\":1,\"code\":\"b\"}]", "code", NULL,
                        CATALOG_KEY_SEEN},
                {"[{\"id\":1,\"code\":\"a\"},{\"id\":1,\"code\":\"\"}]", "id", NULL,
                        CATALOG_KEY_GUESS},
                {"[{\"id\":1},{\"id\":null}]", "id", NULL, CATALOG_KEY_GUESS},
                {"[{\"ItemID\":\"x\",\"Name\":\"a\"},{\"ItemID\":\"y\",\"Name\":\"a\"}]", "ItemID",
                        NULL, CATALOG_KEY_SEEN},
                {"[{\"on\":true,\"o\":{\"id\":1}}]", NULL, NULL, CATALOG_KEY_NONE},
                {"[{\"id\":1,\"created_at\":\"2026-01-01T00:00:00Z\",\"updated_at\":"
                 "\"2026-01-01T00:00:00Z\"}]",
                        "id", "updated_at", CATALOG_KEY_SEEN},
                {"[{\"id\":1,\"tms\":1672531200}]", "id", "tms", CATALOG_KEY_SEEN},
                {"[{\"name\":\"A\",\"modified\":\"2026-01-01 00:00:00.123456\"}]", "name",
                        "modified", CATALOG_KEY_SEEN},
        };
        struct arena *arena = arena_new(ARENA);

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct catalog_table *t = sample_ok("/t", "", cases[i].body, arena);
                const struct rest_cursor_spec *cursor = &t->rest->cursor;
                assert_int_equal(t->key_from, cases[i].from);
                assert_int_equal(t->key_count, cases[i].key ? 1 : 0);
                if (cases[i].key)
                        assert_string_equal(t->columns[t->key[0]].name, cases[i].key);
                assert_int_equal(cursor->field_count, cases[i].cursor ? 1 : 0);
                if (cases[i].cursor)
                        assert_string_equal(cursor->fields[0], cases[i].cursor);
                assert_false(t->rest->cursor_usable);
        }
        arena_free(arena);
}

/* ---- what holds no records ---- */

static void test_refusals(void **state)
{
        static const struct {
                const char *target, *body, *says;
        } cases[] = {
                {"products", R3, "'products' is no path under the source's url"},
                {"http://other/products", R3, "is no path under the source's url"},
                {"/a\nb", R3, "is no path"},
                {"/p?a=%zz", R3, "is not percent-encoded text at '%zz'"},
                {"/p?a=%00", R3, "is not percent-encoded text"},
                {"/p", "", "the reply is empty"},
                {"/p", " \n", "the reply is empty"},
                {"/p", "<html><body>Log in", "is not JSON, but HTML or XML"},
                {"/p", "[{\"id\":1}", "is not JSON"},
                {"/p", "[{\"id\":1}]x", "is not JSON"},
                {"/p", "42", "is one JSON value"},
                {"/p", "[]", "is an empty array"},
                {"/p", "[1,2,3]", "an array of 3 values, but not of objects"},
                {"/p", "[[1],[2]]", "an array of 2 values, but not of objects"},
                {"/p", "{\"data\":[],\"total\":0}", "holds no records (data is empty)"},
                {"/p", "{\"error\":{\"code\":\"x\",\"message\":\"no such thing\"}}",
                        "the reply is an error: "},
                {"/p", "{\"error\":{\"code\":\"x\",\"message\":\"no such thing\"}}",
                        "no such thing"},
        };
        struct arena *arena = arena_new(ARENA);

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct catalog_table t = {.name = "untouched"};
                struct err e = {0};
                int rc = sample(cases[i].target, "", cases[i].body, arena, &t, &e);
                if (rc != -ERR_CONFIG || !strstr(e.text, cases[i].says))
                        fail_msg("%s %s\n%d %s", cases[i].target, cases[i].body, rc,
                                rc ? e.text : "");
                assert_string_equal(t.name, "untouched");
        }
        arena_free(arena);
}

/* ---- bounds ---- */

static void test_a_map_is_no_record(void **state)
{
        cleanup_buf_ struct buf body = BUF_INIT(4 << 20);
        struct arena *arena = arena_new(ARENA);

        (void)state;
        buf_puts(&body, "[{\"id\":1,\"map\":{");
        for (int i = 0; i < 2 * REST_INFER_MAX_MEMBERS; i++)
                buf_printf(&body, "%s\"k%d\":%d", i ? "," : "", i, i);
        buf_puts(&body, "}}]");
        const struct catalog_table *t = sample_ok("/t", "", buf_cstr(&body), arena);
        assert_int_equal(t->column_count, 2);
        assert_int_equal(t->columns[1].nest, CATALOG_SINGLE);
        assert_int_equal(t->columns[1].kind, COL_JSON);
        arena_free(arena);
}

/* Every record has other members: work and memory stay bounded. */
static void test_endless_names_end(void **state)
{
        cleanup_buf_ struct buf body = BUF_INIT(8 << 20);
        struct arena *arena = arena_new(ARENA);

        (void)state;
        for (int i = 0; i < 2000; i++) {
                buf_printf(&body, "%s{\"id\":%d", i ? "," : "[", i);
                for (int k = 0; k < 100; k++)
                        buf_printf(&body, ",\"n%d_%d\":[{\"a\":%d}]", i, k, k);
                buf_puts(&body, "}");
        }
        buf_puts(&body, "]");
        const struct catalog_table *t = sample_ok("/t", "", buf_cstr(&body), arena);
        assert_true(t->column_count <= REST_INFER_MAX_MEMBERS);
        assert_string_equal(t->columns[t->key[0]].name, "id");
        assert_int_equal(t->key_rows, 1000);
        arena_free(arena);
}

static void test_running_out_of_memory_is_an_error(void **state)
{
        static const char body[] =
                "{\"total\":9,\"page\":1,\"data\":[{\"id\":1,\"a\":{\"b\":\"0000-00-00\"},"
                "\"l\":[{\"q\":1.5}],\"updated\":\"2026-01-01T00:00:00Z\"}]}";

        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                struct catalog_table t;
                struct err e = {0};
                alloc_fail_at(i);
                struct arena *arena = arena_new(ARENA);
                if (!arena)
                        continue;
                int rc = sample("/t?limit=1&x=y", "", body, arena, &t, &e);
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
                if (rc == 0)
                        assert_int_equal(t.column_count, 4);
                arena_free(arena);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_texts),
                cmocka_unit_test(test_members),
                cmocka_unit_test(test_pages),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_keys_and_cursors),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_a_map_is_no_record),
                cmocka_unit_test(test_endless_names_end),
                cmocka_unit_test(test_running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
