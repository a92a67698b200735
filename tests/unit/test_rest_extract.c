/* `extract:` of REST mappers; decoded, or the exact message. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/alloc_fail.h"
#include "tests/support/rest_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define HEAD "path: /p\nkey: id\n"

struct bad {
        const char *text, *message;
};

static void expect_errors(const struct bad *cases, size_t count)
{
        size_t wrong = 0;

        for (size_t i = 0; i < count; i++) {
                struct rest_fixture f;
                struct err e = {0};
                int rc = rest_fixture_extract(&f, cases[i].text, &e);
                if (rc != -ERR_CONFIG || strcmp(e.text, cases[i].message) != 0) {
                        print_error("%s\n  is      %s\n  must be %s\n\n", cases[i].text,
                                rc ? e.text : "right", cases[i].message);
                        wrong++;
                }
                assert_null(f.x);
                rest_fixture_free(&f);
        }
        assert_int_equal(wrong, 0);
}

static const struct rest_extract *load(struct rest_fixture *f, const char *text)
{
        struct err e = {0};

        if (rest_fixture_extract(f, text, &e))
                fail_msg("%s\n%s", text, e.text);
        return rest_fixture_own(f);
}

/* A template's text with every variable as its name in capitals. */
static const char *text_of(const struct rest_template *t, struct rest_fixture *f)
{
        static const struct rest_var vars[] = {{STR("cursor"), STR("CURSOR"), false},
                {STR("page"), STR("PAGE"), true}, {STR("offset"), STR("OFFSET"), true},
                {STR("size"), STR("SIZE"), true}, {STR("after"), STR("AFTER"), false},
                {STR("id"), STR("ID"), false}, {STR("company"), STR("COMPANY"), false},
                {STR("customer.id"), STR("CUSTOMER"), false}};
        const struct rest_vars all = {vars, COUNT(vars)};
        cleanup_buf_ struct buf out = BUF_INIT(1 << 16);

        assert_int_equal(rest_template_put(t, &all, REST_ENCODE_NONE, &out, NULL), 0);
        const char *text = arena_strdup(f->arena, buf_str(&out));
        assert_non_null(text);
        return text;
}

static void a_small_block_gets_the_defaults(void **state)
{
        struct rest_fixture f;

        (void)state;
        const struct rest_extract *r = load(&f, "path: /products\nkey: id\n");
        assert_string_equal(r->call.method, "GET");
        assert_string_equal(text_of(r->call.path, &f), "/products");
        assert_null(r->call.records);
        assert_null(r->call.body);
        assert_int_equal(r->paging.kind, REST_PAGING_NONE);
        assert_null(r->paging.node);
        assert_int_equal(r->cursor.kind, REST_CURSOR_NONE);
        assert_null(f.x->cursor);
        assert_int_equal(f.x->lookback_ms, 300000);
        assert_int_equal(r->odata.version, 0);
        assert_false(r->has_by_key || r->has_feed);
        assert_int_equal(r->empty_count, 0);
        assert_null(r->error_path);
        assert_true(f.x->deletes.sweep);
        rest_fixture_free(&f);
}

static void every_key_is_decoded(void **state)
{
        struct rest_fixture f;

        (void)state;
        const struct rest_extract *r = load(&f,
                "path: /search\nmethod: POST\n"
                "params: {status: active, include: [lines, prices], since: \"${cursor}\"}\n"
                "headers: {X-Company: '7'}\n"
                "body: {limit: \"${size}\", page: \"${page}\", domain: [[a, =, 1]]}\n"
                "records: data.items\n"
                "paging: {type: page, first: 0, size: 200, total: meta.total, pages: meta.pages, "
                "more: meta.more, stop: pages, max_pages: 9}\n"
                "key: [company, id]\n"
                "cursor: {field: meta.at, format: '%Y-%m-%d %H:%M:%S', precision: 1s, timezone: "
                "Europe/Dublin}\nlookback: 1h\n"
                "by_key: {path: \"/companies/${company}/search/${id}\", records: data}\n"
                "children:\n"
                "  lines: {path: \"/orders/${id}/lines\", records: value, concurrency: 8,\n"
                "    params: {c: \"${customer.id}\", id: \"${id}\", n: \"${size}\"},\n"
                "    paging: {type: offset, param: skip, size: 10, overlap: false}}\n"
                "empty_on: [404, 410]\n"
                "error_when: {path: error, equals: 'yes', message: error.text, retry: [429, "
                "Busy]}\n"
                "deletes: {max: 5%, column: state, when: gone, path: /deleted, records: ids,\n"
                "  key: [c, i], params: {since: \"${cursor}\"}, paging: link_header}\n");
        assert_string_equal(r->call.method, "POST");
        assert_int_equal(r->call.params.count, 4);
        assert_string_equal(r->call.params.items[2].name, "include");
        assert_string_equal(text_of(r->call.params.items[2].value, &f), "prices");
        assert_string_equal(text_of(r->call.params.items[3].value, &f), "CURSOR");
        assert_string_equal(r->call.headers.items[0].name, "X-Company");
        assert_true(rest_body_uses(r->call.body, "size"));
        assert_true(rest_body_is_json(r->call.body));
        assert_string_equal(r->call.records, "data.items");
        assert_int_equal(r->paging.kind, REST_PAGING_PAGE);
        assert_null(r->paging.param); /* it stands in the body */
        assert_true(r->paging.first_given);
        assert_int_equal(r->paging.first, 0);
        assert_int_equal(r->paging.size, 200);
        assert_string_equal(r->paging.total, "meta.total");
        assert_int_equal(r->paging.stop, REST_STOP_PAGES);
        assert_int_equal(r->paging.max_pages, 9);
        assert_int_equal(r->cursor.kind, REST_CURSOR_TIME);
        assert_string_equal(r->cursor.fields[0], "meta.at");
        assert_int_equal(r->cursor.precision_ms, 1000);
        assert_string_equal(f.x->cursor, "meta.at");
        assert_int_equal(f.x->lookback_ms, 3600000);
        assert_true(r->has_by_key);
        assert_string_equal(text_of(r->by_key.path, &f), "/companies/COMPANY/search/ID");
        assert_int_equal(f.x->child_count, 1);
        assert_string_equal(r->children[0].name, "lines");
        assert_int_equal(r->children[0].concurrency, 8);
        assert_int_equal(r->children[0].columns.count, 2);
        assert_string_equal(r->children[0].columns.items[0], "id");
        assert_string_equal(r->children[0].columns.items[1], "customer.id");
        assert_true(r->children[0].paging.disjoint);
        assert_int_equal(r->empty_count, 2);
        assert_int_equal(r->empty_on[1], 410);
        assert_string_equal(r->error_equals, "yes");
        assert_int_equal(r->error_retry.count, 2);
        assert_string_equal(r->error_retry.items[0], "429");
        assert_string_equal(r->error_message, "error.text");
        assert_true(r->has_feed);
        assert_int_equal(r->feed_paging.kind, REST_PAGING_LINK_HEADER);
        assert_int_equal(f.x->deletes.key.count, 2);
        assert_true(f.x->deletes.max_percent == 5);
        rest_fixture_free(&f);
}

static void wrong_blocks_are_refused(void **state)
{
        static const struct bad cases[] = {
                {"key: id", "m.yaml:1:1: key 'path' is missing in extract; add it: address of the "
                            "records, under the source's url"},
                {"path: products\nkey: id",
                        "m.yaml:1:7: 'path' must begin with / (it is under the source's url), or "
                        "be an address with http:// or https://"},
                {"path: [a]\nkey: id",
                        "m.yaml:1:7: 'path' must be a text such as /products, not a list"},
                {"path: ''\nkey: id", "m.yaml:1:7: 'path' must begin with / (it is under the "
                                      "source's url), or be an address with http:// or https://"},
                {"path: '/a#b'\nkey: id", "m.yaml:1:7: 'path' must end before #"},
                {"path: https://u:p@h/x\nkey: id", "m.yaml:1:7: 'path' holds a user: credentials "
                                                   "stand in the source's 'auth'"},
                {"path: /p", "m.yaml:1:1: extract needs one of 'key' and 'group'; the columns that "
                             "tell one record from another"},
                {HEAD "group: a", "m.yaml:3:1: extract has one of 'key' and 'group', not both"},
                {"path: /p\nkey: [a..b]",
                        "m.yaml:2:6: 'key': \"a..b\" is not a path: a name is missing"},
                {"path: /p\nkey: 'a[x]'", "m.yaml:2:6: 'key': \"a[x]\" is not a path: between [ "
                                          "and ] stands a number from 0"},
                {"path: /p\nkey: [id, id]", "m.yaml:2:6: 'key' names column 'id' twice"},
                {HEAD "query: SELECT 1", "m.yaml:3:1: 'query' is for SQL sources; shop is rest"},
                {HEAD "table: t", "m.yaml:3:1: 'table' is for SQL sources; shop is rest"},
                {HEAD "pagination: {}",
                        "m.yaml:3:1: unknown key 'pagination'; extract takes path, method, params, "
                        "headers, body, records, paging, odata, key, group, cursor, lookback, "
                        "by_key, empty_on, error_when, children or deletes"},
                {HEAD "pagin: {}", "m.yaml:3:1: unknown key 'pagin', did you mean 'paging'?"},
                {HEAD "lookback: 5m", "m.yaml:3:1: 'lookback' needs 'cursor'"},
                {HEAD "records: a..b",
                        "m.yaml:3:10: 'records': \"a..b\" is not a path: a name is missing"},
                {HEAD "records: [a]", "m.yaml:3:10: 'records' must be a string, not a list"},
                {HEAD "method: PUT", "m.yaml:3:9: 'method' must be GET or POST, not 'PUT'"},
                {HEAD "method: GET\nbody: {}",
                        "m.yaml:4:7: 'body' needs method POST: a GET has none"},
                {HEAD "body:", "m.yaml:3:6: 'body' must be a map, a list or a text, not null"},
                {HEAD "body: {a: 0x10}", "m.yaml:3:11: JSON cannot write the number '0x10': write "
                                         "it in plain decimal digits, or in quotes for text"},
                {HEAD "params: a=b",
                        "m.yaml:3:9: 'params' must be a map of names and texts, not a string"},
                {HEAD "params: {a: }", "m.yaml:3:13: 'a' must be a text, not null; JSON in a "
                                       "parameter or header stands in quotes"},
                {HEAD "params: {a: {b: c}}", "m.yaml:3:13: 'a' must be a text, not a map; JSON in "
                                             "a parameter or header stands in quotes"},
                {HEAD "params: {a: [[b]]}", "m.yaml:3:14: 'a' must be a text, not a list; JSON in "
                                            "a parameter or header stands in quotes"},
                {HEAD "params: {'': x}", "m.yaml:3:10: a name is empty"},
                {HEAD "headers: {a: [b, c]}", "m.yaml:3:14: 'a' must be a text, not a list; JSON "
                                              "in a parameter or header stands in quotes"},
                {HEAD "headers: {'a b': c}",
                        "m.yaml:3:11: 'a b' is no name of a header: letters, digits and -"},
                {HEAD "headers: {host: c}",
                        "m.yaml:3:11: header 'host' is set by the program itself"},
                {HEAD "headers: {Authorization: c}",
                        "m.yaml:3:11: header 'Authorization' carries credentials: they stand in "
                        "the source's 'auth', such as auth: {header: {Authorization: ...}}"},
                {HEAD "headers: {X: \"a\\nb\"}", "m.yaml:3:14: a header is one line: here is a "
                                                 "line break or another control character"},
                {HEAD "empty_on: 200", "m.yaml:3:11: 'empty_on' takes statuses of HTTP that can "
                                       "mean an empty page, such as 404, not '200'"},
                {HEAD "empty_on: [404, 401]", "m.yaml:3:17: 'empty_on' takes statuses of HTTP that "
                                              "can mean an empty page, such as 404, not '401'"},
                {HEAD "empty_on: [404, '410']",
                        "m.yaml:3:17: 'empty_on' takes statuses of HTTP that can mean an empty "
                        "page, such as 404, not '410'"},
                {HEAD "empty_on: 503", "m.yaml:3:11: 'empty_on' takes statuses of HTTP that can "
                                       "mean an empty page, such as 404, not '503'"},
                {HEAD "error_when: {message: a}",
                        "m.yaml:3:13: key 'path' is missing in error_when; add it: where a reply "
                        "has its error: anything there but null, false, 0 or empty"},
                {HEAD "error_when: a..b",
                        "m.yaml:3:13: 'path': \"a..b\" is not a path: a name is missing"},
                {HEAD "error_when: {path: a, message: '['}",
                        "m.yaml:3:32: 'message': \"[\" is not a path: between [ and ] stands a "
                        "number from 0"},
                {HEAD "error_when: [a]", "m.yaml:3:13: error_when must be a map, not a list"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

static void variables_stand_where_they_have_a_value(void **state)
{
        static const struct bad cases[] = {
                {"path: '/p/${curser}'\nkey: id",
                        "m.yaml:1:7: there is no variable 'curser' here, did you mean 'cursor'?"},
                {"path: '/p/${x}'\nkey: id",
                        "m.yaml:1:7: there is no variable 'x' here; 'cursor' and 'paging' give "
                        "${cursor}, ${page}, ${offset}, ${size} and ${after}"},
                {"path: '/p/${}'\nkey: id", "m.yaml:1:7: ${} names no variable; for a dollar sign "
                                            "before a brace write $$"},
                {"path: '/p/${a b}'\nkey: id", "m.yaml:1:7: 'a b' is no name of a variable; for a "
                                               "dollar sign before a brace write $$"},
                {"path: '/p/${page'\nkey: id",
                        "m.yaml:1:7: a ${ has no }; for a dollar sign before a brace write $$"},
                {HEAD "params: {a: '${cursor}'}",
                        "m.yaml:3:13: ${cursor} needs 'cursor': the field of the records that "
                        "grows with each change"},
                {HEAD "params: {a: '${page}'}", "m.yaml:3:13: ${page} needs paging of type page"},
                {HEAD "params: {a: '${offset}'}\npaging: page",
                        "m.yaml:3:13: ${offset} needs paging of type offset"},
                {HEAD "params: {a: '${size}'}\npaging: page",
                        "m.yaml:3:13: ${size} needs 'size' in 'paging'"},
                {HEAD "params: {a: '${after}'}\npaging: page",
                        "m.yaml:3:13: ${after} needs paging of type keyset or cursor"},
                {"path: '/p/${cursor}'\nkey: id\ncursor: at",
                        "m.yaml:1:7: ${cursor} has no value at first: write it into params, "
                        "headers or body, which are left out then, not into the path"},
                {"path: '/p/${after}'\nkey: id\npaging: {type: keyset, size: 5}",
                        "m.yaml:1:7: ${after} has no value at first: write it into params, headers "
                        "or body, which are left out then, not into the path"},
                {HEAD "body: {a: [{b: '${x}'}]}",
                        "m.yaml:3:16: there is no variable 'x' here; 'cursor' and 'paging' give "
                        "${cursor}, ${page}, ${offset}, ${size} and ${after}"},
                {HEAD "headers: {a: '${id}'}",
                        "m.yaml:3:14: there is no variable 'id' here; 'cursor' and 'paging' give "
                        "${cursor}, ${page}, ${offset}, ${size} and ${after}"},
                {HEAD "by_key: {path: '/p/${page}'}",
                        "m.yaml:3:16: there is no variable 'page' here; the key is ${id}"},
                {HEAD "by_key: {path: '/p/${idd}'}",
                        "m.yaml:3:16: there is no variable 'idd' here, did you mean 'id'?"},
                {"path: /p\nkey: [company, id]\nby_key: {path: '/p/${id}'}",
                        "m.yaml:3:9: 'by_key' does not use ${company}: it must name every part of "
                        "the key, or it asks for more than one record"},
                {HEAD "by_key: {}", "m.yaml:3:9: key 'path' is missing in by_key; add it: address "
                                    "of one record; ${NAME} is a part of its key"},
                {HEAD "by_key: /p", "m.yaml:3:9: by_key must be a map, not a string"},
                {HEAD "by_key: {path: /p}",
                        "m.yaml:3:9: 'by_key' does not use ${id}: it must name every part of the "
                        "key, or it asks for more than one record"},
                {HEAD "by_key: {path: '/p/${id}', paging: page}",
                        "m.yaml:3:28: unknown key 'paging'; by_key takes path, method, params, "
                        "headers, body or records"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

static void wrong_paging_is_refused(void **state)
{
        static const struct bad cases[] = {
                {HEAD "paging:", "m.yaml:3:8: paging is empty: write its keys, indented below it"},
                {HEAD "paging: {}", "m.yaml:3:9: key 'type' is missing in paging; add it: how the "
                                    "next page is asked for"},
                {HEAD "paging: pages",
                        "m.yaml:3:9: 'type' must be none, page, offset, keyset, next_url, "
                        "link_header or cursor, not 'pages'; did you mean 'page'?"},
                {HEAD "paging: {type: odata}",
                        "m.yaml:3:16: 'type' must be none, page, offset, keyset, next_url, "
                        "link_header or cursor, not 'odata'"},
                {HEAD "paging: [page]", "m.yaml:3:9: paging must be a map, not a list"},
                {HEAD "paging: {type: page, size_param: limit}",
                        "m.yaml:3:34: 'size_param' needs 'size': how many records a page is to "
                        "have"},
                {HEAD "paging: {type: page, stop: short}",
                        "m.yaml:3:28: 'stop: short' needs 'size': it tells a page that is short"},
                {HEAD "paging: {type: page, stop: total}",
                        "m.yaml:3:28: 'stop: total' needs 'total': where the reply has the number "
                        "of records"},
                {HEAD "paging: {type: page, stop: pages}",
                        "m.yaml:3:28: 'stop: pages' needs 'pages': where the reply has the number "
                        "of pages"},
                {HEAD "paging: {type: page, size: 0}",
                        "m.yaml:3:28: 'size' must be from 1 to 1000000, not '0'"},
                {HEAD "paging: {type: page, first: -1}",
                        "m.yaml:3:29: 'first' must be from 0 to 1000000, not '-1'"},
                {HEAD "paging: {type: page, next: a}",
                        "m.yaml:3:22: 'next' is for paging of type next_url or cursor, not page"},
                {HEAD "paging: {type: page, overlap: false}",
                        "m.yaml:3:22: 'overlap' is for paging of type offset, not page"},
                {HEAD "paging: {type: none, size: 5}", "m.yaml:3:22: 'size' means nothing where "
                                                       "paging is none: there is one page"},
                {HEAD "paging: {type: next_url}",
                        "m.yaml:3:9: paging of type next_url needs 'next': where the reply has the "
                        "address of the next page, such as paging.next"},
                {HEAD "paging: {type: cursor, param: a}",
                        "m.yaml:3:9: paging of type cursor needs 'next': where the reply has the "
                        "token of the next page, such as meta.next_cursor"},
                {HEAD "paging: {type: cursor, next: a}",
                        "m.yaml:3:9: paging of type cursor needs 'param': the parameter that says "
                        "where to go on; or ${after} in params, headers or body"},
                {HEAD "paging: keyset",
                        "m.yaml:3:9: paging of type keyset needs 'param': the parameter that says "
                        "where to go on; or ${after} in params, headers or body"},
                {"path: /p\nkey: [a, b]\npaging: {type: keyset, param: after}",
                        "m.yaml:3:9: paging of type keyset needs 'field': the one field by which "
                        "the API orders its records (the key has several)"},
                {"path: /p\ngroup: a\npaging: {type: keyset, param: after}",
                        "m.yaml:3:9: paging of type keyset needs 'field': the one field by which "
                        "the API orders its records"},
                {HEAD "paging: {type: keyset, param: a, field: x.}",
                        "m.yaml:3:41: 'field': \"x.\" is not a path: a name is missing"},
                {HEAD "paging: {type: link_header, first: 1}",
                        "m.yaml:3:29: 'first' is for paging of type page or offset, not "
                        "link_header"},
                {HEAD "paging: {type: offset, pages: a}",
                        "m.yaml:3:24: 'pages' is for paging of type page, not offset"},
                {HEAD "params: {page: 1}\npaging: page", "m.yaml:4:9: paging sends a parameter "
                                                         "that stands in 'params', too: keep one"},
                {HEAD "params: {n: 1}\npaging: {type: page, size_param: n, size: 5}",
                        "m.yaml:4:22: paging sends a parameter that stands in 'params', too: keep "
                        "one"},
                {HEAD "paging: {type: page, param: n, size_param: n, size: 5}",
                        "m.yaml:3:44: 'param' and 'size_param' are the same parameter"},
                {HEAD "body: {p: '${page}'}\npaging: {type: page, param: p}",
                        "m.yaml:4:29: the page is asked for twice: by 'param' and by ${page}; keep "
                        "one"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

static void wrong_odata_is_refused(void **state)
{
        static const struct bad cases[] = {
                {HEAD "odata:", "m.yaml:3:7: odata is empty: write its keys, indented below it"},
                {HEAD "odata: {version: 5}", "m.yaml:3:18: 'version' must be from 2 to 4, not '5'"},
                {HEAD "odata: {version: '4'}",
                        "m.yaml:3:18: 'version' must be an integer without quotes, not a string"},
                {HEAD "odata: {selekt: a}",
                        "m.yaml:3:9: unknown key 'selekt', did you mean 'select'?"},
                {HEAD "odata: {}\npaging: page",
                        "m.yaml:4:1: 'odata' and 'paging' cannot stand together: OData says itself "
                        "where the next page is; for a service that does not, write params and "
                        "paging without odata"},
                {HEAD "odata: {}\nbody: {}", "m.yaml:4:1: 'odata' asks by GET"},
                {HEAD "odata: {}\nmethod: POST", "m.yaml:4:1: 'odata' asks by GET"},
                {HEAD "odata: {}\nparams: {$filter: a}",
                        "m.yaml:4:10: '$filter' is sent by 'odata': write it there, as 'filter'"},
                {HEAD "odata: {}\nparams: {$top: 5}",
                        "m.yaml:4:10: '$top' is sent by 'odata': write it there, as 'page_size'"},
                {HEAD "odata: {}\nparams: {$skip: 5}",
                        "m.yaml:4:10: '$skip' is for paging, which 'odata' does itself"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

static void wrong_cursors_are_refused(void **state)
{
        static const struct bad cases[] = {
                {HEAD "cursor:", "m.yaml:3:8: cursor is empty: write its keys, indented below it"},
                {HEAD "cursor: {}", "m.yaml:3:9: 'cursor' needs 'field': the field of the records "
                                    "that grows with each change"},
                {HEAD "cursor: at", "m.yaml:3:9: the cursor is never sent: write the parameter "
                                    "that the API takes, such as param: updated_since, or "
                                    "'header', or ${cursor} in params, headers or body"},
                {HEAD "cursor: {param: since}", "m.yaml:3:9: 'cursor' needs 'field': the field of "
                                                "the records that grows with each change"},
                {HEAD "cursor: {field: [a, b, c], param: since}",
                        "m.yaml:3:17: 'field' names 3 fields: one, or a date and a time"},
                {HEAD "cursor: {field: [a, a], param: since}",
                        "m.yaml:3:17: 'field' names column 'a' twice"},
                {HEAD "cursor: {field: a., param: since}",
                        "m.yaml:3:17: 'field': \"a.\" is not a path: a name is missing"},
                {HEAD "cursor: {field: a, param: s, format: rfc}",
                        "m.yaml:3:38: 'format': 'rfc' is no format of times: write rfc3339, unix, "
                        "unix_ms, odata, http, or a pattern such as %Y-%m-%d %H:%M:%S"},
                {HEAD "cursor: {field: a, param: s, format: rfc3330}",
                        "m.yaml:3:38: 'format': 'rfc3330' is no format of times: write rfc3339, "
                        "unix, unix_ms, odata, http, or a pattern such as %Y-%m-%d %H:%M:%S; did "
                        "you mean 'rfc3339'?"},
                {HEAD "cursor: {field: a, param: s, format: '%Q'}",
                        "m.yaml:3:38: 'format': '%Q' in '%Q' is no directive; there are %Y %y %m "
                        "%d %e %j %b %B %H %I %p %M %S %f %z %Z %a %A %T %R %F %D %%"},
                {HEAD "cursor: {field: a, param: s, send: xyz}",
                        "m.yaml:3:36: 'send': 'xyz' is no format of times: write rfc3339, unix, "
                        "unix_ms, odata, http, or a pattern such as %Y-%m-%d %H:%M:%S"},
                {HEAD "cursor: {field: a, param: s, precision: 1}",
                        "m.yaml:3:41: 'precision' must be a duration such as 500ms, 30s, 5m or "
                        "1h30m, not '1'"},
                {HEAD "cursor: {field: a, param: s, timezone: Europe/Dubin}",
                        "m.yaml:3:40: time zone \"Europe/Dubin\": no such zone in "
                        "/usr/share/zoneinfo; write it as Europe/Dublin or America/New_York"},
                {HEAD "cursor: {field: a, param: s, format: integer, timezone: UTC}",
                        "m.yaml:3:47: this key is for times; 'format: integer' is none"},
                {HEAD "cursor: {field: a, param: s, format: text, send: unix}",
                        "m.yaml:3:44: this key is for times; 'format: text' is none"},
                {HEAD "cursor: {field: [a, b], param: s, format: integer}",
                        "m.yaml:3:17: two fields are a date and a time; 'format: integer' has one"},
                {HEAD "cursor: {header: If-Modified-Since, format: integer}",
                        "m.yaml:3:45: 'format: integer' needs 'field'; without one the server's "
                        "clock is sent"},
                {HEAD "cursor: {field: v, header: If-Modified-Since, format: integer}",
                        "m.yaml:3:20: If-Modified-Since carries a time"},
                {HEAD "cursor: {field: a, header: 'a b'}",
                        "m.yaml:3:28: 'a b' is no name of a header: letters, digits and -"},
                {HEAD "cursor: {field: a, header: Host}",
                        "m.yaml:3:28: header 'Host' is set by the program itself"},
                {HEAD "cursor: {field: a, param: s, header: If-Modified-Since}",
                        "m.yaml:3:9: the cursor is sent in more than one way: keep one of 'param', "
                        "'header', 'filter', and ${cursor} in the call"},
                {HEAD "cursor: {field: a, param: s}\nparams: {b: '${cursor}'}",
                        "m.yaml:3:9: the cursor is sent in more than one way: keep one of 'param', "
                        "'header', 'filter', and ${cursor} in the call"},
                {HEAD "cursor: {field: a, param: s}\nparams: {s: 1}",
                        "m.yaml:3:20: the cursor's parameter stands in 'params', too: keep one"},
                {HEAD "cursor: {field: a, header: X}\nheaders: {x: 1}",
                        "m.yaml:3:20: the cursor's header stands in 'headers', too: keep one"},
                {HEAD "cursor: {field: a, param: page}\npaging: page",
                        "m.yaml:3:20: 'paging' uses this parameter, too"},
                {HEAD "cursor: {field: a, filter: 'a ge ${cursor}'}",
                        "m.yaml:3:28: 'filter' needs 'odata'; other APIs take the cursor by "
                        "'param', or as ${cursor} in params, headers or body"},
                {HEAD "odata: {}\ncursor: {field: a, filter: 'a ge x'}",
                        "m.yaml:4:28: 'filter' has no ${cursor}, such as \"lastModifiedDateTime ge "
                        "${cursor}\""},
                {HEAD "odata: {}\ncursor: {field: a, filter: 'a ge ${curs}'}",
                        "m.yaml:4:28: there is no variable 'curs' here; there is ${cursor}"},
                {HEAD "odata: {}\ncursor: {field: a, filter: 'a ge ${cursor}', param: s}",
                        "m.yaml:4:9: the cursor is sent in more than one way: keep one of 'param', "
                        "'header', 'filter', and ${cursor} in the call"},
                {HEAD "odata: {version: 2}\ncursor: at",
                        "m.yaml:4:9: 'cursor' needs 'filter' here, in which ${cursor} stands as "
                        "this API writes it, such as \"LastChangeDateTime ge "
                        "datetimeoffset'${cursor}'\""},
                {HEAD "odata: {}\ncursor: {field: [d, t]}",
                        "m.yaml:4:9: 'cursor' needs 'filter' here, in which ${cursor} stands as "
                        "this API writes it, such as \"LastChangeDateTime ge "
                        "datetimeoffset'${cursor}'\""},
                {HEAD "odata: {}\ncursor: {field: v, format: text}",
                        "m.yaml:4:9: 'cursor' needs 'filter' here, in which ${cursor} stands as "
                        "this API writes it, such as \"LastChangeDateTime ge "
                        "datetimeoffset'${cursor}'\""},
                {"path: /p\ngroup: c\ncursor: {field: at, param: s}",
                        "m.yaml:3:1: 'cursor' and 'group' cannot stand together: what changed "
                        "since are parts of groups"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

static void wrong_children_are_refused(void **state)
{
        static const struct bad cases[] = {
                {HEAD "children: []", "m.yaml:3:11: 'children' must be a map, not a list; write "
                                      "NAME: {path: ...}"},
                {HEAD "children: {l: x}", "m.yaml:3:15: a child must be a map, not a string"},
                {HEAD "children: {l: }",
                        "m.yaml:3:15: a child is empty: write its keys, indented below it"},
                {HEAD "children: {l: {}}",
                        "m.yaml:3:15: key 'path' is missing in a child; add it: address of the "
                        "records of one parent; ${NAME} is a column of it"},
                {HEAD "children: {l: {path: /l}}",
                        "m.yaml:3:22: the call names no column of its parent, such as ${id}: every "
                        "record would get the same array"},
                {HEAD "children: {l: {path: '/l/${a..b}'}}",
                        "m.yaml:3:22: ${a..b}: \"a..b\" is not a path: a name is missing"},
                {HEAD "children: {l: {path: '/l/${id}', parent: id}}",
                        "m.yaml:3:34: 'parent' is for SQL sources; shop is rest"},
                {HEAD "children: {l: {query: q, parent: id}}",
                        "m.yaml:3:16: 'query' is for SQL sources; shop is rest"},
                {HEAD "children: {l: {path: '/l/${id}', key: id}}",
                        "m.yaml:3:34: 'key' is for SQL sources; shop is rest"},
                {HEAD "children: {l: {path: '/l/${id}', concurrency: 0}}",
                        "m.yaml:3:47: 'concurrency' must be from 1 to 64, not '0'"},
                {HEAD "cursor: {field: a, param: s}\nchildren: {l: {path: '/l/${id}', params: {c: "
                      "'${cursor}'}}}",
                        "m.yaml:4:46: ${cursor} cannot stand in a child: it is read whole"},
                {HEAD "children: {l: {path: '/l/${id}', params: {c: '${page}'}}}",
                        "m.yaml:3:46: ${page} needs paging of type page"},
                {"path: /p\ngroup: c\nchildren: {l: {path: '/l/${c}'}}",
                        "m.yaml:3:1: 'children' and 'group' cannot stand together"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

static void wrong_deletes_are_refused(void **state)
{
        static const struct bad cases[] = {
                {HEAD "deletes: {query: q, key: id}",
                        "m.yaml:3:11: 'query' is for SQL sources; shop is rest"},
                {HEAD "deletes: {path: /d}", "m.yaml:3:10: 'path' and 'key' stand together: "
                                             "deleted records and their key"},
                {HEAD "deletes: {key: id}", "m.yaml:3:10: 'path' and 'key' stand together: deleted "
                                            "records and their key"},
                {HEAD "deletes: {path: /d, key: [a, b]}",
                        "m.yaml:3:26: 'key' names 2 columns, but the key of the record has 1"},
                {HEAD "deletes: {path: /d, key: a..b}",
                        "m.yaml:3:26: 'key': \"a..b\" is not a path: a name is missing"},
                {HEAD "deletes: {path: d, key: a}",
                        "m.yaml:3:17: 'path' must begin with / (it is under the source's url), or "
                        "be an address with http:// or https://"},
                {HEAD "deletes: {records: a}",
                        "m.yaml:3:11: 'records' needs 'path': the feed that gives deleted records"},
                {HEAD "deletes: {paging: page}",
                        "m.yaml:3:11: 'paging' needs 'path': the feed that gives deleted records"},
                {HEAD "deletes: {path: '/d/${id}', key: id}",
                        "m.yaml:3:17: there is no variable 'id' here; 'cursor' and 'paging' give "
                        "${cursor}, ${page}, ${offset}, ${size} and ${after}"},
                {HEAD "deletes: {path: /d, key: id, params: {s: '${cursor}'}}",
                        "m.yaml:3:42: ${cursor} needs 'cursor': the field of the records that "
                        "grows with each change"},
                {HEAD "deletes: {column: a..b, when: x}",
                        "m.yaml:3:19: 'column': \"a..b\" is not a path: a name is missing"},
                {HEAD "deletes: {column: a}",
                        "m.yaml:3:10: 'column' and 'when' stand together: the flag and its value"},
                {HEAD "deletes: {sweep: false, every: 1h}",
                        "m.yaml:3:25: 'every' needs 'sweep: true'"},
                {HEAD "deletes: {path: /d, key: a, paging: {type: keyset, param: a, field: '['}}",
                        "m.yaml:3:69: 'field': \"[\" is not a path: between [ and ] stands a "
                        "number from 0"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

/* What a kind gets by itself. */
static void paging_has_defaults_by_kind(void **state)
{
        static const struct {
                const char *text;
                enum rest_paging_kind kind;
                const char *param;
                int64_t first;
                const char *field;
        } cases[] = {
                {HEAD "paging: none", REST_PAGING_NONE, NULL, 0, NULL},
                {HEAD "paging: page", REST_PAGING_PAGE, "page", 1, NULL},
                {HEAD "paging: {type: page, param: p, first: 0}", REST_PAGING_PAGE, "p", 0, NULL},
                {HEAD "paging: page\nparams: {n: \"${page}\"}", REST_PAGING_PAGE, NULL, 1, NULL},
                {HEAD "paging: offset", REST_PAGING_OFFSET, "offset", 0, NULL},
                {HEAD "paging: {type: offset, first: 1}", REST_PAGING_OFFSET, "offset", 1, NULL},
                {HEAD "paging: {type: keyset, param: after}", REST_PAGING_KEYSET, "after", 0, "id"},
                {HEAD "paging: {type: keyset, param: a, field: b.c}", REST_PAGING_KEYSET, "a", 0,
                        "b.c"},
                {HEAD "paging: {type: next_url, next: a.b}", REST_PAGING_NEXT_URL, NULL, 0, NULL},
                {HEAD "paging: link_header", REST_PAGING_LINK_HEADER, NULL, 0, NULL},
                {HEAD "paging: {type: cursor, param: a, next: n}", REST_PAGING_CURSOR, "a", 0,
                        NULL},
                {HEAD "paging: {type: cursor, next: n}\nbody: {after: \"${after}\"}",
                        REST_PAGING_CURSOR, NULL, 0, NULL},
                {HEAD "odata: {}", REST_PAGING_ODATA, NULL, 0, NULL},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_fixture f;
                const struct rest_paging_spec *p = &load(&f, cases[i].text)->paging;
                assert_int_equal(p->kind, cases[i].kind);
                assert_true(!p->param == !cases[i].param &&
                            (!p->param || strcmp(p->param, cases[i].param) == 0));
                assert_int_equal(p->first, cases[i].first);
                assert_true(!p->field == !cases[i].field &&
                            (!p->field || strcmp(p->field, cases[i].field) == 0));
                assert_int_equal(p->stop, REST_STOP_AUTO);
                assert_int_equal(p->max_pages, 1000000);
                assert_false(p->disjoint);
                rest_fixture_free(&f);
        }
}

static void assert_text(const char *a, const char *b)
{
        if (!a || !b)
                assert_true(!a && !b);
        else
                assert_string_equal(a, b);
}

static void cursors_are_sent_in_one_way(void **state)
{
        static const struct {
                const char *text;
                enum rest_cursor_kind kind;
                const char *name, *format, *send, *param, *header, *filter;
        } cases[] = {
                {HEAD "cursor: {field: at, param: since}", REST_CURSOR_TIME, "at", "rfc3339", NULL,
                        "since", NULL, NULL},
                {HEAD "cursor: at\nparams: {q: \"at>=${cursor}\"}", REST_CURSOR_TIME, "at",
                        "rfc3339", NULL, NULL, NULL, NULL},
                {HEAD "cursor: {field: v, format: integer, param: s}", REST_CURSOR_INTEGER, "v",
                        "integer", NULL, "s", NULL, NULL},
                {HEAD "cursor: {field: v, format: text, param: s}", REST_CURSOR_TEXT, "v", "text",
                        NULL, "s", NULL, NULL},
                {HEAD "cursor: {field: [d, t], param: s, send: \"%Y-%m-%d\"}", REST_CURSOR_TIME,
                        "d, t", "rfc3339", "%Y-%m-%d", "s", NULL, NULL},
                {HEAD "cursor: {header: If-Modified-Since}", REST_CURSOR_HEADER,
                        "If-Modified-Since", "http", NULL, NULL, "If-Modified-Since", NULL},
                {HEAD "cursor: {header: If-Modified-Since, format: rfc3339}", REST_CURSOR_HEADER,
                        "If-Modified-Since", "rfc3339", NULL, NULL, "If-Modified-Since", NULL},
                {HEAD "cursor: {field: at, header: if-modified-since}", REST_CURSOR_TIME, "at",
                        "rfc3339", "http", NULL, "if-modified-since", NULL},
                {HEAD "cursor: {field: at, header: X-Since}", REST_CURSOR_TIME, "at", "rfc3339",
                        NULL, NULL, "X-Since", NULL},
                {HEAD "odata: {}\ncursor: meta.at", REST_CURSOR_TIME, "meta.at", "rfc3339", NULL,
                        NULL, NULL, "meta/at ge ${cursor}"},
                {HEAD "odata: {}\ncursor: {field: v, format: integer}", REST_CURSOR_INTEGER, "v",
                        "integer", NULL, NULL, NULL, "v ge ${cursor}"},
                {HEAD "odata: {version: 2}\ncursor: {field: v, filter: \"v gt ${cursor}L\"}",
                        REST_CURSOR_TIME, "v", "rfc3339", NULL, NULL, NULL, "v gt ${cursor}L"},
                {HEAD "odata: {}\ncursor: {field: at, param: s}", REST_CURSOR_TIME, "at", "rfc3339",
                        NULL, "s", NULL, NULL},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_fixture f;
                const struct rest_cursor_spec *c = &load(&f, cases[i].text)->cursor;
                assert_int_equal(c->kind, cases[i].kind);
                assert_string_equal(f.x->cursor, cases[i].name);
                assert_text(c->format, cases[i].format);
                assert_text(c->send, cases[i].send);
                assert_text(c->param, cases[i].param);
                assert_text(c->header, cases[i].header);
                assert_text(c->filter, cases[i].filter);
                rest_fixture_free(&f);
        }
}

static void what_odata_asks_for_is_decoded(void **state)
{
        struct rest_fixture f;

        (void)state;
        const struct rest_extract *r = load(&f,
                HEAD "odata: {version: 3, select: [a, b/c], expand: lines, filter: \"a eq '$1'\", "
                     "orderby: a, page_size: 50}\n"
                     "params: {$format: json, company: x}\n"
                     "children: {notes: {path: \"/notes(${id})\"}}\n"
                     "deletes: {path: /gone, key: id}\n");
        assert_int_equal(r->odata.version, 3);
        assert_int_equal(r->odata.select.count, 2);
        assert_string_equal(r->odata.expand.items[0], "lines");
        assert_string_equal(r->odata.filter, "a eq '$1'");
        assert_int_equal(r->odata.page_size, 50);
        assert_int_equal(r->paging.kind, REST_PAGING_ODATA);
        assert_int_equal(r->children[0].paging.kind, REST_PAGING_ODATA);
        assert_int_equal(r->feed_paging.kind, REST_PAGING_ODATA);
        rest_fixture_free(&f);
}

/* A child's own word for a page is not its parent's column. */
static void a_child_with_paging_names_pages(void **state)
{
        struct rest_fixture f;

        (void)state;
        const struct rest_child *c =
                &load(&f, HEAD "children: {l: {path: \"/l/${id}/${page}\", paging: page}}")
                         ->children[0];
        assert_int_equal(c->columns.count, 1);
        assert_null(c->paging.param);
        assert_int_equal(c->concurrency, 4);
        rest_fixture_free(&f);
}

/* An error with place, whatever it holds, and no waiting for it. */
static void expect_hostile(const struct buf *text, const char *message)
{
        struct rest_fixture f;
        struct err e = {0};

        assert_int_equal(buf_check(text, "text", &e), 0);
        const char *z = buf_cstr((struct buf *)text);
        assert_int_equal(rest_fixture_extract(&f, z, &e), -ERR_CONFIG);
        assert_string_equal(e.text, message);
        rest_fixture_free(&f);
}

static void hostile_input_is_an_error(void **state)
{
        cleanup_buf_ struct buf text = BUF_INIT(YDOC_MAX_BYTES);

        (void)state;
        buf_puts(&text, HEAD "params:\n");
        for (int i = 0; i < 10000; i++)
                buf_printf(&text, "  p%d: \"${page}\"\n", i);
        buf_puts(&text, "paging: page\n");
        expect_hostile(&text, "m.yaml:68:8: 'params' has more than 64 entries");

        buf_clear(&text);
        buf_puts(&text, HEAD "params: {a: [");
        for (int i = 0; i < 10000; i++)
                buf_puts(&text, "x,");
        buf_puts(&text, "x]}\n");
        expect_hostile(&text, "m.yaml:3:142: 'params' has more than 64 entries");

        buf_clear(&text);
        buf_puts(&text, HEAD "children: {l: {path: \"/");
        for (int i = 0; i < 10000; i++)
                buf_printf(&text, "${c%d}", i);
        buf_puts(&text, "\"}}\n");
        expect_hostile(
                &text, "m.yaml:3:22: a child's call names more than 64 columns of its parent");
}

static void a_template_of_a_megabyte_is_one(void **state)
{
        cleanup_buf_ struct buf text = BUF_INIT(YDOC_MAX_BYTES);
        struct rest_fixture f;

        (void)state;
        buf_puts(&text, HEAD "paging: page\nparams: {a: \"");
        for (int i = 0; i < 100000; i++)
                buf_puts(&text, "${page}$$x");
        buf_puts(&text, "\"}\n");
        const struct rest_extract *r = load(&f, buf_cstr(&text));
        static const struct rest_var page = {STR("page"), STR("12"), true};
        cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
        assert_int_equal(rest_template_put(r->call.params.items[0].value,
                                 &(struct rest_vars){&page, 1}, REST_ENCODE_NONE, &out, NULL),
                0);
        assert_int_equal(out.len, 400000);
        assert_memory_equal(out.data, "12$x12$x", 8);
        rest_fixture_free(&f);
}

/* Each allocation of ours fails once: the error says so, nothing leaks. */
static void running_out_of_memory_is_an_error(void **state)
{
        static const char text[] =
                "path: /p\nparams: {a: \"${page}\"}\nheaders: {b: c}\nbody: {d: [\"${size}\"]}\n"
                "paging: {type: page, size: 5}\nkey: [k, l]\ncursor: {field: at, param: s}\n"
                "by_key: {path: \"/p/${k}/${l}\"}\nchildren: {m: {path: \"/p/${k}\"}}\n"
                "deletes: {path: /d, key: [k, l]}\n";
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        struct rest_fixture f;
        struct err e;

        (void)state;
        assert_int_equal(rest_fixture_extract(&f, text, &e), 0);
        assert_int_equal(ydoc_parse(str_of(text), "m.yaml", YDOC_EXPAND_NONE, &d, NULL), 0);
        ALLOC_FAIL_EACH(i)
        {
                alloc_fail_at(i);
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
                struct extract *x = NULL;
                int rc = arena ? extract_decode(&f.source, d, d->root, arena, &x, &e) : -ERR_NOMEM;
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
                assert_true((rc == 0) == (x != NULL));
        }
        rest_fixture_free(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_small_block_gets_the_defaults),
                cmocka_unit_test(every_key_is_decoded),
                cmocka_unit_test(wrong_blocks_are_refused),
                cmocka_unit_test(variables_stand_where_they_have_a_value),
                cmocka_unit_test(wrong_paging_is_refused),
                cmocka_unit_test(wrong_odata_is_refused),
                cmocka_unit_test(wrong_cursors_are_refused),
                cmocka_unit_test(wrong_children_are_refused),
                cmocka_unit_test(wrong_deletes_are_refused),
                cmocka_unit_test(paging_has_defaults_by_kind),
                cmocka_unit_test(cursors_are_sent_in_one_way),
                cmocka_unit_test(what_odata_asks_for_is_decoded),
                cmocka_unit_test(a_child_with_paging_names_pages),
                cmocka_unit_test(hostile_input_is_an_error),
                cmocka_unit_test(a_template_of_a_megabyte_is_one),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
