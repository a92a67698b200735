/*
 * `include`: fields of other files, in their place; mistakes carry the place they stand at.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/alloc_fail.h"
#include "tests/support/mapper_fixture.h"

#define MAX_TEXT     (1 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_NAMES    128

static char folder[] = "/tmp/test_include.XXXXXX";

/* Files of one case: "NAME", "text", ..., NULL. */
static void write_files(const char *const *files)
{
        char path[4096];

        for (; *files; files += 2) {
                snprintf(path, sizeof(path), "%s/%s", folder, files[0]);
                FILE *f = fopen(path, "w");
                assert_non_null(f);
                fputs(files[1], f);
                assert_int_equal(fclose(f), 0);
        }
}

static void remove_files(const char *const *files)
{
        char path[4096];

        for (; *files; files += 2) {
                snprintf(path, sizeof(path), "%s/%s", folder, files[0]);
                unlink(path);
        }
}

/* The mapper m.yaml in the folder, with @fields. */
static int load(struct fixture *f, const char *id, const char *fields, struct err *e)
{
        cleanup_buf_ struct buf yaml = BUF_INIT(MAX_TEXT);
        char path[4096];

        snprintf(path, sizeof(path), "%s/m.yaml", folder);
        fixture_yaml(&yaml, "", "db", id, fields);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(buf_cstr(&yaml), file);
        assert_int_equal(fclose(file), 0);
        *f = (struct fixture){NULL, NULL};
        int rc = mapper_spec_load(path, &f->spec, e);
        if (!rc)
                rc = mapper_compile(f->spec, &fixture_shape, &f->program, e);
        if (rc)
                fixture_close(f);
        unlink(path);
        return rc;
}

struct case_ {
        const char *fields, *expected;
        const char *files[11];
};

#define ROW   "id=7|code=A|name=B|price=1.50|data=[{\"x\":1},{\"x\":2}]"
#define BASIC "a.yaml", "fields:\n  a: code\n  b: name\n"

static void fields_come_into_their_place(void **state)
{
        static const struct case_ cases[] = {
                {"x: id\ninclude: a.yaml\ny: id", "\"x\":7,\"a\":\"A\",\"b\":\"B\",\"y\":7",
                        {BASIC}},
                {"include: a.yaml", "\"a\":\"A\",\"b\":\"B\"", {BASIC}},
                {"include: [a.yaml, c.yaml]", "\"a\":\"A\",\"b\":\"B\",\"c\":7",
                        {BASIC, "c.yaml", "fields: {c: id}"}},
                /* replaced where it is, before or behind */
                {"include: a.yaml\nx: id\na: price", "\"a\":\"1.50\",\"b\":\"B\",\"x\":7", {BASIC}},
                {"b: price\ninclude: a.yaml", "\"b\":\"1.50\",\"a\":\"A\"", {BASIC}},
                {"include: [a.yaml, c.yaml]\na: price", "\"a\":\"1.50\",\"b\":\"B\"",
                        {BASIC, "c.yaml", "fields: {a: id}"}},
                /* anywhere */
                {"o: {object: {include: a.yaml, c: id}}", "\"o\":{\"a\":\"A\",\"b\":\"B\",\"c\":7}",
                        {BASIC}},
                {"l: {each: data, fields: {include: e.yaml}}", "\"l\":[{\"n\":1},{\"n\":2}]",
                        {"e.yaml", "fields: {n: x}"}},
                {"include: d.yaml", "\"o\":{\"a\":\"A\",\"b\":\"B\"},\"z\":7",
                        {BASIC, "d.yaml", "fields: {o: {object: {include: a.yaml}}, z: id}"}},
                /* twice, in two places */
                {"o: {object: {include: a.yaml}}\ninclude: a.yaml",
                        "\"o\":{\"a\":\"A\",\"b\":\"B\"},\"a\":\"A\",\"b\":\"B\"", {BASIC}},
                /* relative to the file that includes */
                {"include: sub/s.yaml", "\"t\":7,\"a\":\"A\",\"b\":\"B\"",
                        {BASIC, "sub/s.yaml", "fields: {include: [t.yaml, ../a.yaml]}",
                                "sub/t.yaml", "fields: {t: id}"}},
                /* a field of that name */
                {"include: {from: code}", "\"include\":\"A\"", {NULL}},
                /* templates of both sides */
                {"include: t.yaml\nw: {template: '<${t}>'}", "\"t\":\"A-7\",\"w\":\"<A-7>\"",
                        {"t.yaml", "fields: {t: {template: '${code}-${id}'}}"}},
                {"w: id\ninclude: t.yaml", "\"w\":7,\"t\":\"7.\"",
                        {"t.yaml", "fields: {t: {template: '${doc.w}.'}}"}},
                {"include: l.yaml", "\"v\":\"one\"",
                        {"l.yaml", "fields: {v: {lookup: {from: id, file: k.csv}}}", "k.csv",
                                "k,v\n7,one\n"}},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct mapper_reject why;
                struct mapped m;
                struct fixture f;
                struct err e;
                write_files(cases[i].files);
                if (load(&f, "t:${row.id}", cases[i].fields, &e))
                        fail_msg("%s: %s", cases[i].fields, e.text);
                if (fixture_render(&f, ROW, "", &m, &why, &e) || !str_is(m.body, cases[i].expected))
                        fail_msg("%s: %.*s", cases[i].fields, STR_ARG(m.body));
                fixture_close(&f);
                remove_files(cases[i].files);
        }
}

static void ids_use_included_fields(void **state)
{
        static const char *const files[] = {BASIC, NULL};
        struct mapper_reject why;
        struct fixture f;
        struct mapped m;
        struct err e;

        (void)state;
        write_files(files);
        assert_int_equal(load(&f, "t:${doc.a}:${b}", "include: a.yaml", &e), 0);
        assert_int_equal(fixture_render(&f, ROW, "", &m, &why, &e), 0);
        assert_true(str_is(m.id, "t:A:B"));
        fixture_close(&f);
        remove_files(files);
}

static void mistakes_carry_their_place(void **state)
{
        static const struct case_ cases[] = {
                {"include: none.yaml", "/m.yaml:6:12: include: there is no such file (", {NULL}},
                {"x: id\ninclude: ''", "/m.yaml:7:12: 'include' must be a file", {NULL}},
                {"include:", "'include' must be a file, or a list of files, not null", {NULL}},
                {"include: .", "that is not a file", {NULL}},
                {"include: 7", "'include' must be a file, or a list of files, not an integer",
                        {NULL}},
                {"include: [[a.yaml]]", "not a list", {BASIC}},
                {"include: []", "/m.yaml:6:12: 'include' is an empty list", {NULL}},
                {"include: [a.yaml, c.yaml]",
                        "/m.yaml:6:21: include: two files have a field 'b'; write it beside",
                        {BASIC, "c.yaml", "fields: {b: id}"}},
                {"include: [a.yaml, a.yaml]", "two files have a field 'a'", {BASIC}},
                {"include: m.yaml", "/m.yaml:6:12: include: a file includes itself (", {NULL}},
                {"include: p.yaml", "/q.yaml:2:12: include: a file includes itself (",
                        {"p.yaml", "fields: {include: q.yaml}", "q.yaml",
                                "fields:\n  include: ./p.yaml"}},
                {"include: p.yaml", "/p.yaml -> ",
                        {"p.yaml", "fields: {include: q.yaml}", "q.yaml",
                                "fields: {include: none.yaml}"}},
                {"include: x.yaml", "/x.yaml:1:1: unknown key 'mapper'",
                        {"x.yaml", "mapper: x\nfields: {a: id}"}},
                {"include: x.yaml",
                        "/x.yaml:1:1: key 'fields' is missing in a file that is "
                        "included",
                        {"x.yaml", "{}"}},
                {"include: x.yaml", "/x.yaml:3:1: ", {"x.yaml", "fields:\n  a: [\n"}},
                {"include: x.yaml", "/x.yaml:2:17: 'scale' needs type: decimal",
                        {"x.yaml", "fields:\n  a: {from: id, scale: 2}"}},
                {"include: x.yaml", "/x.yaml:2:", {"x.yaml", "fields:\n  _a: id"}},
                {"include: x.yaml", "/x.yaml:1:9: 'fields' has no fields",
                        {"x.yaml", "fields: {}"}},
                /* found by the compiler */
                {"x: id\ninclude: x.yaml", "/x.yaml:2:6: field 'a': there is no column 'cod'",
                        {"x.yaml", "fields:\n  a: cod"}},
                {"o: {object: {include: x.yaml}}", "/x.yaml:3:6: field 'o.a': column 'day' ",
                        {"x.yaml", "fields:\n  b: id\n  a: {from: day, type: boolean}"}},
                {"include: x.yaml", "/x.yaml:2:",
                        {"x.yaml", "fields:\n  a: {from: code, type: "
                                   "integer, map: {x: y}}"}},
                {"include: x.yaml", "/x.yaml:2:17: ${doc.nn}: there is no field 'nn'",
                        {"x.yaml", "fields:\n  a: {template: '${doc.nn}'}"}},
                {"include: x.yaml\nz: nothing", "/m.yaml:7:6: field 'z': there is no column",
                        {"x.yaml", "fields: {a: id}"}},
                {"include: x.yaml", "/x.yaml:1:39: lookup: ",
                        {"x.yaml", "fields: {v: {lookup: {from: id, file: k.csv}}}"}},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct fixture f;
                struct err e = {0};
                write_files(cases[i].files);
                int rc = load(&f, "t:${row.id}", cases[i].fields, &e);
                if (rc != -ERR_CONFIG || !strstr(e.text, cases[i].expected) ||
                        strncmp(e.text, folder, strlen(folder)) != 0)
                        fail_msg("%s: %d %s\n    is not\n    %s", cases[i].fields, rc, e.text,
                                cases[i].expected);
                remove_files(cases[i].files);
        }
}

static void a_file_of_fields_is_no_mapper(void **state)
{
        struct mapper_spec *m;
        struct err e;

        (void)state;
        assert_int_equal(mapper_spec_parse(STR("fields: {a: b}"), "f.yaml", &m, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "f.yaml:1:1: this file has nothing but fields"));
}

/* ---- bounds ---- */

static char names[MAX_NAMES][16], texts[MAX_NAMES][8192];
static const char *many[2 * MAX_NAMES + 1];

/* N.yaml includes (N+1).yaml, the last one has a field. */
static void make_chain(int count, const char *open, const char *close)
{
        for (int i = 0; i < count; i++) {
                snprintf(names[i], sizeof(names[i]), "%d.yaml", i);
                if (i + 1 < count)
                        snprintf(texts[i], sizeof(texts[i]), "fields: %s{include: %d.yaml}%s", open,
                                i + 1, close);
                else
                        snprintf(texts[i], sizeof(texts[i]), "fields: {last: id}");
                many[2 * i] = names[i];
                many[2 * i + 1] = texts[i];
        }
        many[2 * count] = NULL;
        write_files(many);
}

static int load_many(const char *fields, struct err *e)
{
        struct fixture f;
        int rc = load(&f, "t:${row.id}", fields, e);

        if (!rc)
                fixture_close(&f);
        remove_files(many);
        return rc;
}

static void files_in_files_end(void **state)
{
        char open[512] = "", close[512] = "";
        struct err e;

        (void)state;
        make_chain(8, "", "");
        assert_int_equal(load_many("include: 0.yaml", &e), 0);
        make_chain(9, "", "");
        assert_int_equal(load_many("include: 0.yaml", &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "/7.yaml:1:19: include: more than 8 files deep ("));
        assert_non_null(strstr(e.text, "/6.yaml -> "));
        /* each file is shallow enough, all of them are not */
        for (int i = 0; i < 7; i++) {
                memcpy(open + strlen(open), "{o: {object: ", sizeof("{o: {object: "));
                memcpy(close + strlen(close), "}}", sizeof("}}"));
        }
        make_chain(4, open, close);
        assert_int_equal(load_many("include: 0.yaml", &e), 0);
        make_chain(6, open, close);
        assert_int_equal(load_many("include: 0.yaml", &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "fields are nested deeper than 32 levels"));
}

static void files_are_counted(void **state)
{
        cleanup_buf_ struct buf fields = BUF_INIT(MAX_TEXT);
        struct err e;

        (void)state;
        for (int count = 64; count <= 65; count++) {
                buf_clear(&fields);
                make_chain(1, "", "");
                for (int i = 0; i < count; i++)
                        buf_printf(&fields, "o%d: {object: {include: 0.yaml}}\n", i);
                int rc = load_many(buf_cstr(&fields), &e);
                assert_int_equal(rc, count == 64 ? 0 : -ERR_CONFIG);
        }
        assert_non_null(strstr(e.text, "include: more than 64 files in one mapper"));
}

static void failed_allocations_are_errors(void **state)
{
        static const char *const files[] = {BASIC, "d.yaml",
                "fields: {include: a.yaml, a: id, o: {object: {include: a.yaml}}}", NULL};
        cleanup_buf_ struct buf yaml = BUF_INIT(MAX_TEXT);
        char path[4096];
        struct err e;

        (void)state;
        write_files(files);
        snprintf(path, sizeof(path), "%s/m.yaml", folder);
        fixture_yaml(&yaml, "", "db", "t:${row.id}", "z: id\ninclude: d.yaml\nb: id");
        struct str text = str_of(buf_cstr(&yaml));
        long failures = 0;
        ALLOC_FAIL_EACH(i)
        {
                struct mapper_spec *m = NULL;
                alloc_fail_at(i);
                int rc = mapper_spec_parse(text, path, &m, &e);
                failures += rc != 0;
                if (rc != 0 && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %d %s", i, rc, e.text);
                mapper_spec_free(rc ? NULL : m);
        }
        assert_true(failures > 10);
        remove_files(files);
}

static int make_folder(void **state)
{
        char sub[256];

        (void)state;
        if (!mkdtemp(folder))
                return -1;
        snprintf(sub, sizeof(sub), "%s/sub", folder);
        return mkdir(sub, 0700);
}

static int remove_folder(void **state)
{
        char sub[256];

        (void)state;
        snprintf(sub, sizeof(sub), "%s/sub", folder);
        return rmdir(sub) ? -1 : rmdir(folder);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fields_come_into_their_place),
                cmocka_unit_test(ids_use_included_fields),
                cmocka_unit_test(mistakes_carry_their_place),
                cmocka_unit_test(a_file_of_fields_is_no_mapper),
                cmocka_unit_test(files_in_files_end),
                cmocka_unit_test(files_are_counted),
                cmocka_unit_test(failed_allocations_are_errors),
        };
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
