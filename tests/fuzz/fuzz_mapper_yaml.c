/*
 * A mapper file of any content: decoded with its extract block and compiled against the columns of
 * the tests, or refused with a place. What compiles maps a record, or rejects it.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/source/rest/extract.h"
#include "ingest/source/source.h"
#include "mappers/lookup.h"
#include "tests/support/mapper_fixture.h"

#define MAX_OUT (64 << 20)

static const struct {
        const char *column, *text;
} values[] = {{"id", "7"}, {"code", "A-1, b\xC3\xA9"}, {"name", "Bolt  M8"}, {"price", "12.50"},
        {"weight", "0.1"}, {"active", "t"},
        {"data", "{\"a\":[1,\"x\",[2,{\"b\":null}]],\"n\":{\"t\":\"2024-05-06\"},\"l\":[{\"q\":1}]"
                 "}"},
        {"tags", "{a,NULL,\"b c\"}"}, {"grid", "{{1,2},{3,4}}"}, {"docs", "{\"[{}]\"}"},
        {"day", "2024-02-29"}, {"local", "2024-07-15 12:00:00"}, {"raw", "\\x00ff"}};

static void check_document(const struct mapper_spec *spec, const struct mapped *m)
{
        cleanup_buf_ struct buf json = BUF_INIT(MAX_OUT), scratch = BUF_INIT(MAX_OUT);
        struct digest d;

        buf_printf(&json, "{\"_id\":\"x\"%s%.*s}", m->body.len ? "," : "", STR_ARG(m->body));
        if (digest_document(buf_str(&json), spec->filter, &scratch, NULL, &d, NULL) ||
                !digest_eq(&d, &m->digest))
                abort();
}

static void render(const struct mapper_spec *spec)
{
        cleanup_(lookup_set_freep) struct lookup_set *tables = NULL; /* empty: nothing is opened */
        cleanup_(mapper_program_freep) struct mapper_program *program = NULL;
        struct value row[FIXTURE_COLUMNS] = {{NULL, 0}};
        const struct value line[] = {
                {"1", 1}, {"s", 1}, {"2.5", 3}, {NULL, 0}, {"[1]", 3}, {"{}", 2}};
        struct child_rows children[2] = {{line, 1}, {NULL, 0}};
        struct mapper_reject why;
        struct mapped m;
        struct err e = {0};

        int rc = lookup_set_new(spec, &tables, &e);
        if (rc == 0)
                rc = mapper_compile_with(spec, &fixture_shape, tables, &program, &e);
        if (rc == -ERR_CONFIG && strncmp(e.text, "m.yaml", 6) == 0)
                return;
        if (rc != 0)
                abort();
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
                fixture_value(row, values[i].column, str_of(values[i].text));
        rc = mapper_render(program, &(struct record){row, children}, &m, &why, &e);
        if (rc == 0)
                check_document(spec, &m);
        else if (rc != MAPPER_REJECT || strchr(why.reason, '\n') ||
                 !str_utf8_valid(str_of(why.reason)))
                abort();
}

/* What is asked for, with values as bad as data can be. */
static void ask(const struct extract *x)
{
        static const struct rest_var vars[] = {
                {STR("id"), STR("../\r\n'\"\xff${page}"), false},
                {STR("cursor"), STR("\0;"), false},
                {STR("page"), STR("1"), true},
        };
        const struct rest_vars all = {vars, sizeof(vars) / sizeof(vars[0])};
        const struct rest_call *call = &((const struct rest_extract *)x->own)->call;
        cleanup_buf_ struct buf out = BUF_INIT(1 << 16);

        for (int encoding = REST_ENCODE_NONE; encoding <= REST_ENCODE_TEXT; encoding++) {
                if (rest_template_put(call->path, &all, encoding, &out, NULL) != 0)
                        continue;
                if (encoding == REST_ENCODE_PATH && out.len && memchr(out.data, '\n', out.len))
                        abort();
                buf_clear(&out);
        }
        if (call->body && rest_body_put(call->body, &all, &out, NULL) == 0 &&
                rest_body_is_json(call->body) && !str_utf8_valid(buf_str(&out)))
                abort();
}

static void decode(struct mapper_spec *m, const struct source_ops *ops)
{
        struct source_config source = {.name = "erp", .ops = ops};
        struct extract *x = NULL;
        struct err e = {0};

        int rc = extract_decode(&source, m->doc, m->extract, m->arena, &x, &e);
        if (rc != 0 && (rc != -ERR_CONFIG || strncmp(e.text, "m.yaml", 6) != 0))
                abort();
        if (rc == 0 && ops == &source_rest)
                ask(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *m = NULL;
        struct str text = {(const char *)data, size};
        struct err e = {0};

        int rc = mapper_spec_parse(text, "m.yaml", &m, &e);
        if (rc == 0) {
                render(m);
                decode(m, &source_rest);
                decode(m, &source_postgres);
        }
        if (rc != 0 && (rc != -ERR_CONFIG || strncmp(e.text, "m.yaml", 6) != 0))
                abort();
        return 0;
}
