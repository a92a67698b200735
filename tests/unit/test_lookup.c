/*
 * Look-ups: keys that are compared as text, values that keep their kind, tables from maps, rows,
 * CSV, JSON and YAML, bounds, and what makes a look-up a configuration error.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "mappers/lookup.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/mapper_fixture.h"

#define MAX_TEXT     (1 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- rendering ---- */

struct bench {
        struct fixture f;
        struct lookup_set *set;
};

static void bench_close(struct bench *b)
{
        fixture_close(&b->f);
        b->set = lookup_set_free(b->set);
}

static int parse(struct bench *b, const char *head, const char *fields, struct err *e)
{
        cleanup_buf_ struct buf yaml = BUF_INIT(MAX_TEXT);

        *b = (struct bench){{NULL, NULL}, NULL};
        fixture_yaml(&yaml, head, "db", "t:${row.id}", fields);
        if (!buf_cstr(&yaml))
                return buf_check(&yaml, "a mapper", e);
        int rc = mapper_spec_parse(str_of(buf_cstr(&yaml)), "m.yaml", &b->f.spec, e);
        return rc ? rc : lookup_set_new(b->f.spec, &b->set, e);
}

/* Rows "a|b|c", NULL as "\N", into table 0. */
static int add_rows(
        struct bench *b, const struct columns *columns, const char *const *rows, struct err *e)
{
        struct lookup_table *t = lookup_set_table(b->set, 0);
        int rc = lookup_table_columns(t, columns, e);

        for (; *rows && !rc; rows++) {
                struct value row[8] = {{NULL, 0}};
                const char *p = *rows;
                for (size_t i = 0; i < columns->count; i++) {
                        size_t n = strcspn(p, "|");
                        if (strncmp(p, "\\N", 2) != 0)
                                row[i] = (struct value){p, (uint32_t)n};
                        p += n + (p[n] == '|');
                }
                rc = lookup_table_row(t, row, e);
        }
        lookup_table_end(t);
        return rc;
}

static int compile(struct bench *b, struct err *e)
{
        int rc = lookup_set_load(b->set, e);

        return rc ? rc : mapper_compile_with(b->f.spec, &fixture_shape, b->set, &b->f.program, e);
}

/* The body, or "!FIELD: reason" with a part of the reason. */
static void check_render(struct bench *b, const char *row, const char *lines, const char *expected)
{
        struct mapper_reject why;
        struct mapped m;
        struct err e;
        int rc = fixture_render(&b->f, row, lines, &m, &why, &e);
        char text[4096];

        if (rc == 0)
                snprintf(text, sizeof(text), "%.*s", STR_ARG(m.body));
        else
                snprintf(text, sizeof(text), "!%s: %s", why.field, why.reason);
        bool good = *expected == '!' ? strstr(text, expected) == text : !strcmp(text, expected);
        if (!good)
                fail_msg("with %s:\n    %s\n    is not\n    %s", row, text, expected);
}

struct map_case {
        const char *fields, *row, *expected;
};

static void check_maps(const struct map_case *cases, size_t count, const char *lines)
{
        for (size_t i = 0; i < count; i++) {
                struct bench b;
                struct err e;
                if (parse(&b, "", cases[i].fields, &e) || compile(&b, &e))
                        fail_msg("%s: %s", cases[i].fields, e.text);
                check_render(&b, cases[i].row, lines, cases[i].expected);
                bench_close(&b);
        }
}

#define MAP(rest) "v: {lookup: {from: code, map: {a: 1, b: x, c: null, d: {n: 1.50}}}" rest "}"

static void a_map_is_looked_up(void **state)
{
        static const struct map_case cases[] = {
                {MAP(""), "code=a", "\"v\":1"},
                {MAP(""), "code=b", "\"v\":\"x\""},
                {MAP(""), "code=c", ""},
                {MAP(", keep_null: true"), "code=c", "\"v\":null"},
                {MAP(""), "code=d", "\"v\":{\"n\":1.5}"},
                {MAP(""), "code=other", ""},
                {MAP(""), "", ""},
                {MAP(", default: none"), "code=other", "\"v\":\"none\""},
                {MAP(", default: none"), "code=c", "\"v\":\"none\""},
                {MAP(", required: true"), "code=other",
                        "!v: \"other\" is not in the look-up, and the field is required"},
                {MAP(", required: true"), "", "!v: required but null"},
                {MAP(", type: string"), "code=a", "\"v\":\"1\""},
                {MAP(", type: decimal, scale: 2"), "code=a", "\"v\":\"1.00\""},
                {MAP(", map: {x: y}, default: z"), "code=b", "\"v\":\"y\""},
                {MAP(", null_if: x"), "code=b", ""},
                {MAP(", type: boolean"), "code=b", "!v: \"x\""},
                /* from beside it, or none at all */
                {"v: {from: code, lookup: {map: {a: 1}}}", "code=a", "\"v\":1"},
                {"v: {lookup: {map: {a: 1}, key: code}}", "code=a", "\"v\":1"},
                {"v: {lookup: {map: {a: {n: 5, m: 6}}, key: code, value: m}}", "code=a", "\"v\":6"},
                {"v: {lookup: {map: {a: {n: 5, m: 6}}, key: code, value: [m, n]}}", "code=a",
                        "\"v\":{\"m\":6,\"n\":5}"},
                {"v: {lookup: {map: {a: {n: 5}, b: {m: 6}}, key: code, value: [m, n]}}", "code=a",
                        "\"v\":{\"n\":5}"},
                /* a template and an id use it like any field */
                {"v: {lookup: {map: {a: Bolt}, key: code}}\nw: {template: 'The ${v}'}", "code=a",
                        "\"v\":\"Bolt\",\"w\":\"The Bolt\""},
                {"w: {template: 'The ${v}'}\nv: {lookup: {map: {a: Bolt}, key: code}}", "code=a",
                        "\"w\":\"The Bolt\",\"v\":\"Bolt\""},
                {"v: {object: {w: {lookup: {map: {a: 1}, key: code}}}}", "code=a",
                        "\"v\":{\"w\":1}"},
                /* two fields, one table */
                {"v: {lookup: {map: &m {a: 1, b: 2}, from: code}}\n"
                 "w: {lookup: {map: *m, from: name}}",
                        "code=a|name=b", "\"v\":1,\"w\":2"},
        };

        (void)state;
        check_maps(cases, COUNT(cases), "");
}

#define KEYS(from)                                                                                 \
        "v: {lookup: {from: '" from                                                                \
        "', map: {'7': seven, '-7': minus, '0.5': half, 'true': yes, A: letter, "                  \
        "'2024-02-29': day, '': empty, '0': zero}}}"

static void keys_are_compared_as_text(void **state)
{
        static const struct map_case cases[] = {
                {KEYS("id"), "id=7", "\"v\":\"seven\""},
                {KEYS("price"), "price=7.00", "\"v\":\"seven\""},
                {KEYS("price"), "price=-7.0", "\"v\":\"minus\""},
                {KEYS("price"), "price=0.500", "\"v\":\"half\""},
                {KEYS("price"), "price=-0.00", "\"v\":\"zero\""},
                {KEYS("price"), "price=NaN", ""},
                /* keys that are texts have digits that a number does without */
                {"v: {lookup: {from: price, map: {'13.50': a, '9': b}}}", "price=13.50",
                        "\"v\":\"a\""},
                {"v: {lookup: {from: price, map: {'13.50': a, '13.5': b}}}", "price=13.50",
                        "\"v\":\"b\""},
                {"v: {lookup: {from: data, map: {'13.50': a, '9.0': b}}}",
                        "data=[13.50, 9.0, 13.5]", "\"v\":[\"a\",\"b\",null]"},
                {"v: {lookup: {from: data.x, map: {'13.50': a}}}", "data={\"x\": 13.50 }",
                        "\"v\":\"a\""},
                {KEYS("weight"), "weight=7", "\"v\":\"seven\""},
                {KEYS("weight"), "weight=5e-01", "\"v\":\"half\""},
                {KEYS("code"), "code=7", "\"v\":\"seven\""},
                {KEYS("code"), "code=7.00", ""},
                {KEYS("code"), "code= 7", ""},
                {KEYS("code"), "code=", "\"v\":\"empty\""},
                {KEYS("code"), "code=a", ""},
                {KEYS("padded"), "padded=A         ", "\"v\":\"letter\""},
                {KEYS("active"), "active=t", "\"v\":\"yes\""},
                {KEYS("active"), "active=f", ""},
                {KEYS("day"), "day=2024-02-29", "\"v\":\"day\""},
                {KEYS("data.k"), "data={\"k\": 7.0}", "\"v\":\"seven\""},
                {KEYS("data.k"), "data={\"k\": \"7\"}", "\"v\":\"seven\""},
                {KEYS("data.k"), "data={\"k\": \"\\u0041\"}", "\"v\":\"letter\""},
                {KEYS("data.k"), "data={\"k\": true}", "\"v\":\"yes\""},
                {KEYS("data.k"), "data={\"k\": null}", ""},
                {KEYS("data.k"), "data={}", ""},
                {KEYS("data.k"), "data={\"k\": {\"a\": 7}}",
                        "!v: \"{\\\"a\\\": 7}\" is not one value"},
                {KEYS("data.k"), "data={\"k\": [[7]]}", "!v: \"[7]\" is not one value"},
                /* arrays, element by element */
                {KEYS("tags"), "tags={A,B,NULL,\"7\"}", "\"v\":[\"letter\",null,null,\"seven\"]"},
                {KEYS("tags"), "tags={}", "\"v\":[]"},
                {KEYS("tags"), "", ""},
                {KEYS("tags"), "tags={{A},{B}}", "!v: \"{{A},{B}}\" has more than one dimension"},
                {KEYS("tags"), "tags={A", "!v: \"{A\" is not an array"},
                {KEYS("amounts"), "amounts={7.0,0.5}", "\"v\":[\"seven\",\"half\"]"},
                {KEYS("data.k"), "data={\"k\": [7, \"A\", null, 8]}",
                        "\"v\":[\"seven\",\"letter\",null,null]"},
                {KEYS("data"), "data= [true] ", "\"v\":[\"yes\"]"},
                {KEYS("docs"), "docs={7,\"\\\"A\\\"\"}", "\"v\":[\"seven\",\"letter\"]"},
                {KEYS("data.k"), "data={\"k\": \"\\ud800\"}", "!v: "},
                {KEYS("tags[0]"), "tags={A,B}", "\"v\":\"letter\""},
                {KEYS("tags[5]"), "tags={A,B}", ""},
        };

        (void)state;
        check_maps(cases, COUNT(cases), "");
}

static void in_each_the_element_comes_first(void **state)
{
        static const struct map_case cases[] = {
                {"v: {each: lines, fields: {n: {lookup: {from: sku, map: {A: 1, B: 2}}}}}", "",
                        "\"v\":[{\"n\":1},{\"n\":2},{}]"},
                {"v: {each: lines, fields: {n: {lookup: {key: sku, map: {A: 1, B: 2}}}}}", "",
                        "\"v\":[{\"n\":1},{\"n\":2},{}]"},
                /* only the record has it */
                {"v: {each: lines, fields: {n: {lookup: {key: code, map: {x: 9}}}}}", "code=x",
                        "\"v\":[{\"n\":9},{\"n\":9},{\"n\":9}]"},
                {"v: {each: data, fields: {n: {lookup: {key: k, map: {x: 9}}}}}",
                        "data=[{\"k\":\"x\"},{}]", "\"v\":[{\"n\":9},{}]"},
                {"v: {each: tags, fields: {n: {lookup: {from: value, map: {x: 9}}}}}", "tags={x,y}",
                        "\"v\":[{\"n\":9},{}]"},
                {"v: {each: lines, fields: {n: {lookup: {from: sku, map: {A: 1}}, required: "
                 "true}}}",
                        "", "!v[1].n: \"B\" is not in the look-up"},
        };

        (void)state;
        check_maps(cases, COUNT(cases), "sku=A\nsku=B\nsku=C");
}

/* ---- rows of a query ---- */

static const struct column query_items[] = {
        {.name = "id", .kind = COL_INT, .source_type = "integer"},
        {.name = "name", .kind = COL_TEXT, .source_type = "text"},
        {.name = "rate", .kind = COL_NUMERIC, .source_type = "numeric"},
        {.name = "since", .kind = COL_TIMESTAMPTZ, .source_type = "timestamp with time zone"},
        {.name = "local", .kind = COL_TIMESTAMP, .source_type = "timestamp without time zone"},
        {.name = "tags", .kind = COL_ARRAY, .elem = COL_TEXT, .source_type = "text[]"},
};
static const struct columns query_columns = {query_items, COUNT(query_items)};

#define FULL "1|One|0.50|2024-01-01 10:00:00+01|2024-07-01 10:00:00|{a,b}"
#define BARE "2|Two|\\N|\\N|\\N|\\N"

static void values_keep_their_kind(void **state)
{
        static const char *const rows[] = {FULL, BARE, "\\N|None|\\N|\\N|\\N|\\N", BARE, NULL};
        static const struct map_case cases[] = {
                {"v: {lookup: {from: id, query: q, key: id, value: name}}", "id=1",
                        "\"v\":\"One\""},
                {"v: {lookup: {from: id, query: q, value: name}}", "id=2", "\"v\":\"Two\""},
                {"v: {lookup: {from: id, query: q, value: name}}", "id=3", ""},
                {"v: {lookup: {from: id, query: q, value: rate}}", "id=1", "\"v\":\"0.50\""},
                {"v: {lookup: {from: id, query: q, value: rate}, default: '0'}", "id=2",
                        "\"v\":\"0\""},
                {"v: {lookup: {from: id, query: q, value: rate}, type: decimal, scale: 1, "
                 "as: number}",
                        "id=1", "\"v\":0.5"},
                {"v: {lookup: {from: id, query: q, value: rate}}\nw: {expr: doc.v * 3}", "id=1",
                        "\"v\":\"0.50\",\"w\":\"1.50\""},
                {"v: {lookup: {from: id, query: q, value: since}}", "id=1",
                        "\"v\":\"2024-01-01T09:00:00Z\""},
                {"v: {lookup: {from: id, query: q, value: local}, timezone: Europe/Dublin}", "id=1",
                        "\"v\":\"2024-07-01T09:00:00Z\""},
                {"v: {lookup: {from: id, query: q, value: tags}}", "id=1", "\"v\":[\"a\",\"b\"]"},
                {"v: {lookup: {from: id, query: q, value: [name, rate]}}", "id=1",
                        "\"v\":{\"name\":\"One\",\"rate\":\"0.50\"}"},
                {"v: {lookup: {from: id, query: q, value: [name, rate]}}", "id=2",
                        "\"v\":{\"name\":\"Two\"}"},
                {"v: {lookup: {from: id, query: q, value: [rate]}}", "id=2", "\"v\":{}"},
                {"v: {lookup: {from: id, query: q, value: [since, tags]}}", "id=1",
                        "\"v\":{\"since\":\"2024-01-01T09:00:00Z\",\"tags\":[\"a\",\"b\"]}"},
                /* key names what the record has: the first column of the query is the key */
                {"v: {lookup: {query: q, key: money, value: name}}", "money=1.00", "\"v\":\"One\""},
                {"v: {lookup: {query: q, key: id, value: name}}", "id=2", "\"v\":\"Two\""},
                /* two columns */
                {"v: {lookup: {from: [id, code], query: q, key: [id, name], value: rate}}",
                        "id=1|code=One", "\"v\":\"0.50\""},
                {"v: {lookup: {from: [id, code], query: q, value: rate}}", "id=1|code=Two", ""},
                {"v: {lookup: {from: [id, code], query: q, value: rate}}", "id=1", ""},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct bench b;
                struct err e;
                size_t nulls;
                if (parse(&b, "", cases[i].fields, &e) || add_rows(&b, &query_columns, rows, &e) ||
                        compile(&b, &e))
                        fail_msg("%s: %s", cases[i].fields, e.text);
                assert_int_equal(lookup_table_count(lookup_set_table(b.set, 0), &nulls), 2);
                assert_int_equal(nulls, 1);
                check_render(&b, cases[i].row, "", cases[i].expected);
                bench_close(&b);
        }
}

struct refusal {
        const char *head, *fields, *row, *expected;
};

static void queries_are_refused_with_their_place(void **state)
{
#define Q(rest) "v: {lookup: {from: id, query: q" rest "}}"
        static const struct refusal cases[] = {
                {"", Q(", key: it, value: name"), FULL,
                        "m.yaml:6:41: lookup: there is no column 'it' in the query; did you mean "
                        "'id'?"},
                {"", Q(", value: nam"), FULL,
                        "lookup: there is no column 'nam' in the query; did you mean 'name'?"},
                {"", Q(""), FULL, "m.yaml:6:33: lookup: 5 columns stand beside the key; name the "},
                {"", Q(", key: tags, value: name"), FULL,
                        "lookup: column 'tags' is text[]: a key is one value"},
                {"", Q(", value: [local]"), FULL,
                        "lookup: column 'local' is timestamp without time zone, a local time"},
                {"", Q(", value: [since]"), "1|a|1|infinity|\\N|\\N",
                        "lookup: key \"1\", column 'since': \"infinity\""},
                {"", Q(", value: name"), "1|Other|\\N|\\N|\\N|\\N",
                        "m.yaml:6:33: lookup: the key \"1\" comes twice, with different values"},
                {"", Q(", value: rate"), "1|One|0.5|\\N|\\N|\\N",
                        "the key \"1\" comes twice, with different values"},
                {"", Q(", value: local"), "3|\\N|\\N|\\N|\\N|\\N",
                        "m.yaml:6:6: field 'v': column 'local' is timestamp without time zone"},
                {"", Q(", value: tags") "\nw: {lookup: {from: [id, tags], query: q, value: tags}}",
                        FULL, "field 'w': column 'tags' is an array"},
                {"", Q(", value: [name]") "\nw: {template: '${v}'}", FULL,
                        "m.yaml:7:6: field 'w': ${v}: the look-up gives an object"},
                {"", "v: {lookup: {query: q, key: nothing, value: name}}", FULL,
                        "m.yaml:6:6: field 'v': there is no column 'nothing'"},
                {"", "v: {lookup: {query: q, key: idd, value: name}}", FULL,
                        "did you mean 'id'?; without 'from' the column that is named like 'key'"},
                {"", "v: {lookup: {from: it, query: q, value: name}}", FULL,
                        "there is no column 'it'; did you mean 'id'?"},
                {"", "v: {lookup: {from: id, query: q, value: name}, type: boolean, scale: 1}",
                        FULL, "'scale' needs type: decimal"},
                {"", "v: {lookup: {from: id, query: q, value: rate}, type: boolean}", FULL,
                        "field 'v': column 'rate' is numeric and can never become a boolean"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const char *rows[] = {FULL, cases[i].row, NULL};
                struct bench b;
                struct err e = {0};
                int rc = parse(&b, cases[i].head, cases[i].fields, &e);
                if (!rc)
                        rc = add_rows(&b, &query_columns, rows, &e);
                if (!rc)
                        rc = compile(&b, &e);
                if (rc != -ERR_CONFIG || !strstr(e.text, cases[i].expected))
                        fail_msg("%s: %d %s", cases[i].fields, rc, e.text);
                bench_close(&b);
        }
}

static void fields_are_refused_with_their_place(void **state)
{
        static const struct {
                const char *fields, *expected;
        } cases[] = {
                {"v: {lookup: x}", "m.yaml:6:15: lookup must be a map, not a string"},
                {"v: {lookup: {}}", "'lookup' needs one of query, map or file"},
                {"v: {lookup: {form: id, query: q}}", "unknown key 'form', did you mean 'from'?"},
                {"v: {lookup: {query: q}}", "m.yaml:6:15: 'lookup' needs 'from'"},
                {"v: {lookup: {from: id, query: q, map: {a: b}}}",
                        "m.yaml:6:36: 'query' and 'map': a look-up has one of them"},
                {"v: {from: id, lookup: {from: id, query: q}}",
                        "'from' stands beside 'lookup' too"},
                {"v: {from: [id], lookup: {query: q}}", "'from' must be a string"},
                {"v: {lookup: {from: [id, code], query: q, key: id}}",
                        "'key' names 1 columns, but 'from' 2"},
                {"v: {lookup: {from: [id, code], map: {a: b}}}", "a map has one key"},
                {"v: {lookup: {from: code, map: {a: b}, key: id}}", "'key' means nothing"},
                {"v: {lookup: {from: code, map: []}}", "'map' must be a map of keys and values"},
                {"v: {lookup: {from: code, map: {}}}", "not an empty one"},
                {"v: {lookup: {from: code, file: x.txt}}", "'file' must end in .csv"},
                {"v: {lookup: {from: 5, map: {a: b}}}", "'from' must be a column or a path"},
                {"v: {lookup: {from: a..b, map: {a: b}}}", "'from'"},
                {"v: {lookup: {from: [a,b,c,d,e,f,g,h,i], query: q}}", "takes at most 8"},
                {"v: {lookup: {from: id, query: ''}}", "'query' must not be empty"},
                {"v: {lookup: {from: id, query: q}, value: 1}", "'lookup' and 'value'"},
                {"v: {lookup: {from: id, query: q}, each: x}", "'lookup' and 'each'"},
                {"v: {lookup: {from: id, query: q}, fields: {a: b}}",
                        "'fields' means nothing beside 'lookup'"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct bench b;
                struct err e = {0};
                int rc = parse(&b, "", cases[i].fields, &e);
                if (rc != -ERR_CONFIG || !strstr(e.text, cases[i].expected))
                        fail_msg("%s: %d %s", cases[i].fields, rc, e.text);
                bench_close(&b);
        }
}

/* ---- files ---- */

static char folder[] = "/tmp/test_lookup.XXXXXX";

static void write_file(const char *name, struct str text)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(text.ptr, 1, text.len, f), text.len);
        assert_int_equal(fclose(f), 0);
}

static int load_file(struct bench *b, const char *name, const char *rest, struct err *e)
{
        char fields[512];

        snprintf(fields, sizeof(fields), "v: {lookup: {from: code, file: %s/%s%s}}", folder, name,
                rest);
        int rc = parse(b, "", fields, e);
        return rc ? rc : compile(b, e);
}

struct file_case {
        const char *name, *text, *rest, *code, *expected;
};

static void files_are_read(void **state)
{
#define CSV "id,name,n\r\nA,\"Bolt, \"\"big\"\"\",1\r\n\r\nB,,\"\"\r\n,x,y\r\n\"C\nD\",last,3"
        static const struct file_case cases[] = {
                {"a.csv", CSV, ", value: name", "A", "\"v\":\"Bolt, \\\"big\\\"\""},
                {"a.csv", CSV, ", value: name", "B", ""},
                {"a.csv", CSV, ", value: n", "B", "\"v\":\"\""},
                {"a.csv", CSV, ", value: [name, n]", "B", "\"v\":{\"n\":\"\"}"},
                {"a.csv", CSV, ", key: name, value: id", "last", "\"v\":\"C\\nD\""},
                {"a.csv", CSV, ", value: n", "", ""},
                {"b.csv", "\xEF\xBB\xBFid,v\nA,\xC3\xA9\n", "", "A", "\"v\":\"\xC3\xA9\""},
                {"b.csv", "id,v\nA,1\nA,1\n", "", "A", "\"v\":\"1\""},
                {"b.csv", "id,v\nA,1", "", "A", "\"v\":\"1\""},
                {"b.csv", "id,v", "", "A", ""},
                {"a.json", "[{\"k\":\"A\",\"v\":1.50},{\"k\":7,\"v\":null},{\"v\":3}]",
                        ", key: k, value: v", "A", "\"v\":1.5"},
                {"a.json", "[{\"k\":\"A\",\"v\":1.50},{\"k\":7,\"v\":\"x\"}]", ", key: k, value: v",
                        "7", "\"v\":\"x\""},
                {"a.json", "[{\"k\":\"A\",\"v\":1,\"w\":[1]}]", ", key: k, value: [w, v]", "A",
                        "\"v\":{\"w\":[1],\"v\":1}"},
                {"a.json", "[]", ", key: k, value: v", "A", ""},
                {"a.json", " {\"A\": {\"b\": [true]}, \"\\u0042\": 2} ", "", "B", "\"v\":2"},
                {"a.json", "{\"A\": {\"b\": [true]}}", "", "A", "\"v\":{\"b\":[true]}"},
                {"a.json", "{\"A\": {\"b\": 5}}", ", value: b", "A", "\"v\":5"},
                {"a.json", "{}", "", "A", ""},
                {"a.yaml", "A: x\nB: [1, 2]\n", "", "B", "\"v\":[1,2]"},
                {"a.yaml", "- {k: A, v: '${env:HOME}'}\n", ", key: k, value: v", "A",
                        "\"v\":\"${env:HOME}\""},
                {"a.yml", "7: x\n", "", "7", "\"v\":\"x\""},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char row[64];
                struct bench b;
                struct err e;
                write_file(cases[i].name, str_of(cases[i].text));
                if (load_file(&b, cases[i].name, cases[i].rest, &e))
                        fail_msg("%s: %s", cases[i].text, e.text);
                snprintf(row, sizeof(row), "code=%s", cases[i].code);
                check_render(&b, row, "", cases[i].expected);
                bench_close(&b);
        }
}

static void files_are_refused_with_their_place(void **state)
{
        static const struct file_case cases[] = {
                {"c.csv", "", "", "", "c.csv is empty: its first line names the columns"},
                {"c.csv", "a,b\n1\n", "", "", "c.csv, line 2: 1 fields, but the header names 2"},
                {"c.csv", "a,b\n1,2,3\n", "", "", "line 2: 3 fields"},
                {"c.csv", "a,b\n\n1,\"x\ny\"\n2\n", "", "", "line 5: 1 fields"},
                {"c.csv", "a,b\n1,\"x\n", "", "", "line 2: a quote is opened and never closed"},
                {"c.csv", "a,b\n1,\"x\"y\n", "", "", "line 2: text stands behind a closing quote"},
                {"c.csv", "a,b\n1,x\"y\n", "", "", "line 2: a quote stands inside a field"},
                {"c.csv", "a,a\n", "", "", "line 1: two columns have the same name"},
                {"c.csv", "a;b\n1;2\n", "", "", "separated by commas, not semicolons"},
                {"c.csv", "a,b\n1,\xFF\n", "", "", "c.csv is not UTF-8"},
                {"c.csv", "a,b\n1,x\n1,y\n", "", "", "the key \"1\" comes twice"},
                {"c.csv", "a,b\n1,x\n", ", key: c", "", "there is no column 'c' in the file"},
                {"c.json", "", "", "", "c.json: "},
                {"c.json", "[1", "", "", "c.json: "},
                {"c.json", "7", "", "", "is neither a list of objects nor an object"},
                {"c.json", "{\"a\":1,\"a\":1}", "", "", "c.json: "},
                {"c.json", "[{\"a\":1}]", "", "", "'key' and 'value' name the members"},
                {"c.json", "[{\"a\":1,\"b\":2}]", ", key: a, value: c", "",
                        "no object has a member 'c'"},
                {"c.json", "[{\"a\":1,\"b\":2}]", ", key: c, value: a", "",
                        "no object has a member 'c'"},
                {"c.json", "[7]", ", key: a, value: b", "", "holds something else where an object"},
                {"c.json", "{\"x\":7}", ", value: b", "", "holds something else where an object"},
                {"c.json", "{\"x\":7}", ", key: b", "", "'key' means nothing"},
                {"c.json", "[{\"k\":[1],\"v\":2}]", ", key: k, value: v", "",
                        "column 'k' holds an object or an array"},
                {"c.json", "[{\"k\":1,\"v\":2},{\"k\":\"1\",\"v\":3}]", ", key: k, value: v", "",
                        "the key \"1\" comes twice"},
                {"c.yaml", "a: [", "", "", "c.yaml:"},
                {"c.yaml", "a: 007\n", "", "", "c.yaml:1:4: "},
                {"c.yaml", "", "", "", "is neither a list of objects nor an object"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct bench b;
                struct err e = {0};
                write_file(cases[i].name, str_of(cases[i].text));
                int rc = load_file(&b, cases[i].name, cases[i].rest, &e);
                if (rc != -ERR_CONFIG || !strstr(e.text, cases[i].expected) ||
                        strncmp(e.text, "m.yaml:6:", 9) != 0)
                        fail_msg("%s: %d %s", cases[i].text, rc, e.text);
                bench_close(&b);
        }
        struct bench b;
        struct err e;
        assert_int_equal(load_file(&b, "none.csv", "", &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "none.csv"));
        bench_close(&b);
}

/* ---- tables ---- */

static void put(struct lookup_table *t, const char *key, const char *json)
{
        struct str k = str_of(key);

        assert_int_equal(lookup_table_put(t, &k, 1, str_of(json), NULL), 0);
}

/* As tests of mappers do it: one program, another table for each test. */
static void tables_are_filled_again_under_a_program(void **state)
{
        struct bench b;
        struct err e;

        (void)state;
        assert_int_equal(parse(&b, "", "v: {lookup: {from: id, query: q, value: x}}", &e), 0);
        assert_int_equal(lookup_set_count(b.set), 1);
        struct lookup_table *t = lookup_set_table(b.set, 0);
        assert_int_equal(mapper_compile_with(b.f.spec, &fixture_shape, b.set, &b.f.program, &e), 0);
        check_render(&b, "id=1", "", "");
        put(t, "1", " \"one\" ");
        put(t, "2", "null");
        check_render(&b, "id=1", "", "\"v\":\"one\"");
        check_render(&b, "id=2", "", "");
        lookup_table_clear(t);
        check_render(&b, "id=1", "", "");
        put(t, "1", "{\"a\":1}");
        check_render(&b, "id=1", "", "\"v\":{\"a\":1}");
        bench_close(&b);
}

static void a_table_is_found_by_its_field(void **state)
{
        static const struct {
                const char *path;
                int table; /* -1: none */
        } cases[] = {
                {"a", 0},
                {"o.b", 1},
                {"l.c", 2},
                {"l[].c", 2},
                {"o", -1},
                {"o.", -1},
                {"o.c", -1},
                {"z", -1},
                {"a.b", -1},
                {"", -1},
                {"a.dot", 3},
        };
        struct bench b;
        struct err e;

        (void)state;
        assert_int_equal(
                parse(&b, "",
                        "a: {lookup: {from: id, map: {a: 1}}}\n"
                        "o: {object: {b: {lookup: {from: id, map: {b: 1}}}}}\n"
                        "l: {each: lines, fields: {c: {lookup: {from: id, map: {c: 1}}}}}\n"
                        "a.dot: {lookup: {from: id, map: {d: 1}}}\nz: id",
                        &e),
                0);
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct lookup_table *t = lookup_set_of_field(b.set, str_of(cases[i].path));
                struct lookup_table *expected =
                        cases[i].table < 0 ? NULL : lookup_set_table(b.set, (size_t)cases[i].table);
                if (t != expected)
                        fail_msg("%s", cases[i].path);
        }
        bench_close(&b);
}

static void a_query_nobody_read_is_a_bug(void **state)
{
        struct fixture f;
        struct err e;

        (void)state;
        assert_int_equal(
                fixture_open(&f, "v: {lookup: {from: id, query: q, value: x}}", &e), -ERR_BUG);
        assert_int_equal(fixture_open(&f, "v: {lookup: {from: id, map: {'1': 2}}}", &e), 0);
        fixture_close(&f);
}

static struct digest digest_of(const char *const *keys)
{
        struct bench b;
        struct err e;

        assert_int_equal(parse(&b, "", "v: {lookup: {from: id, query: q, value: x}}", &e), 0);
        for (; *keys; keys += 2)
                put(lookup_set_table(b.set, 0), keys[0], keys[1]);
        struct digest d = lookup_set_digest(b.set);
        bench_close(&b);
        return d;
}

static void a_digest_is_of_the_content_in_any_order(void **state)
{
        static const char *const first[] = {"a", "1", "b", "2", NULL};
        static const char *const order[] = {"b", "2", "a", "1", "a", "1", NULL};
        static const char *const others[][6] = {
                {"a", "1", NULL},
                {"a", "2", "b", "1", NULL},
                {"a", "1", "b", "null", NULL},
                {"a", "1", "b", "\"\"", NULL},
                {"a", "1", "b2", "", NULL},
                {"a1", "", "b", "2", NULL},
        };

        (void)state;
        struct digest d = digest_of(first), same = digest_of(order);
        assert_true(digest_eq(&d, &same));
        for (size_t i = 0; i < COUNT(others); i++) {
                struct digest other = digest_of(others[i]);
                assert_false(digest_eq(&d, &other));
        }
}

static void bounds_are_named(void **state)
{
        static char large[1 << 20];
        struct str json = {large, sizeof(large)};
        struct bench b;
        struct err e;
        char key[32];
        int rc = 0, n = 0;

        (void)state;
        memset(large, 'x', sizeof(large));
        large[0] = large[sizeof(large) - 1] = '"';
        assert_int_equal(parse(&b, "", "v: {lookup: {from: id, query: q, value: x}}", &e), 0);
        struct lookup_table *t = lookup_set_table(b.set, 0);
        for (; rc == 0 && n < 100; n++) {
                struct str k = {key, (size_t)snprintf(key, sizeof(key), "%d", n)};
                rc = lookup_table_put(t, &k, 1, json, &e);
        }
        assert_int_equal(rc, -ERR_CONFIG);
        assert_int_equal(n, 64);
        assert_non_null(strstr(e.text, "m.yaml:6:"));
        assert_non_null(strstr(e.text, "more than 67108864 bytes"));
        lookup_table_clear(t);
        for (n = 0, rc = 0; rc == 0 && n <= LOOKUP_MAX_ROWS; n++) {
                struct str k = {key, (size_t)snprintf(key, sizeof(key), "%d", n)};
                rc = lookup_table_put(t, &k, 1, STR("1"), &e);
        }
        assert_int_equal(rc, -ERR_CONFIG);
        assert_int_equal(n, LOOKUP_MAX_ROWS + 1);
        assert_non_null(strstr(e.text, "more than 1000000 keys"));
        struct str found;
        assert_true(lookup_table_find(t, STR("999999"), &found));
        assert_false(lookup_table_find(t, STR("1000000"), &found));
        bench_close(&b);
}

/* ---- memory ---- */

static const char *const memory_rows[] = {FULL, BARE, NULL};

static int look_up_everything(struct err *e)
{
        struct mapper_reject why;
        struct mapped m;
        struct bench b;
        char fields[1024];

        snprintf(fields, sizeof(fields),
                "v: {lookup: {from: [id, code], query: q, value: [name, since, tags]}}\n"
                "w: {lookup: {from: tags, map: {a: {b: x}}, value: b}}\n"
                "x: {lookup: {from: code, file: %s/a.csv, value: n}}\n"
                "y: {lookup: {from: code, file: %s/a.yaml}}",
                folder, folder);
        int rc = parse(&b, "", fields, e);
        if (!rc)
                rc = add_rows(&b, &query_columns, memory_rows, e);
        if (!rc)
                rc = compile(&b, e);
        if (!rc)
                rc = fixture_render(&b.f, "id=1|code=One|tags={a,b}", "", &m, &why, e);
        if (!rc && !str_starts(m.body, STR("\"v\":{\"name\":\"One\",\"since\":")))
                fail_msg("%.*s", STR_ARG(m.body));
        bench_close(&b);
        return rc;
}

static void failed_allocations_are_errors(void **state)
{
        long failures = 0;
        struct err e;

        (void)state;
        write_file("a.csv", STR("id,n\nOne,\"a\"\"b\"\n"));
        write_file("a.yaml", STR("One: [1]\n"));
        assert_int_equal(look_up_everything(&e), 0);
        ALLOC_FAIL_EACH(i)
        {
                alloc_fail_at(i);
                int rc = look_up_everything(&e);
                failures += rc != 0;
                if (rc != 0 && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %d %s", i, rc, e.text);
        }
        assert_true(failures > 30);
}

static int make_folder(void **state)
{
        (void)state;
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
        static const char *const names[] = {
                "a.csv", "b.csv", "c.csv", "a.json", "c.json", "a.yaml", "a.yml", "c.yaml"};
        char path[256];

        (void)state;
        for (size_t i = 0; i < COUNT(names); i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
                unlink(path);
        }
        return rmdir(folder);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_map_is_looked_up),
                cmocka_unit_test(keys_are_compared_as_text),
                cmocka_unit_test(in_each_the_element_comes_first),
                cmocka_unit_test(values_keep_their_kind),
                cmocka_unit_test(queries_are_refused_with_their_place),
                cmocka_unit_test(fields_are_refused_with_their_place),
                cmocka_unit_test(files_are_read),
                cmocka_unit_test(files_are_refused_with_their_place),
                cmocka_unit_test(tables_are_filled_again_under_a_program),
                cmocka_unit_test(a_table_is_found_by_its_field),
                cmocka_unit_test(a_query_nobody_read_is_a_bug),
                cmocka_unit_test(a_digest_is_of_the_content_in_any_order),
                cmocka_unit_test(bounds_are_named),
                cmocka_unit_test(failed_allocations_are_errors),
        };
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
