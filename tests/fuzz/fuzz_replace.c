/*
 * A pattern, what takes the place of its matches, a separator, and a text, one in a line: a mapper
 * is made of them, or refused with a place; the text goes through it within the limits.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/record/json.h"
#include "tests/support/mapper_fixture.h"

#define MAX_OUT (64 << 20)

static struct str take_line(struct str *rest)
{
        const char *stop = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
        struct str line = {rest->ptr, stop ? (size_t)(stop - rest->ptr) : rest->len};

        rest->ptr += line.len + (stop != NULL);
        rest->len -= line.len + (stop != NULL);
        return line;
}

static void render(struct fixture *f, struct str text)
{
        cleanup_buf_ struct buf json = BUF_INIT(MAX_OUT), scratch = BUF_INIT(MAX_OUT);
        struct value row[FIXTURE_COLUMNS] = {{NULL, 0}};
        struct child_rows none[2] = {{NULL, 0}, {NULL, 0}};
        struct mapper_reject why;
        struct digest d;
        struct mapped m;
        struct err e;

        fixture_value(row, "id", STR("1"));
        fixture_value(row, "code", text);
        int rc = mapper_render(f->program, &(struct record){row, none}, &m, &why, &e);
        if (rc == MAPPER_REJECT && !strchr(why.reason, '\n') && str_utf8_valid(str_of(why.reason)))
                return;
        if (rc != 0)
                abort();
        buf_printf(&json, "{\"_id\":\"x\"%s%.*s}", m.body.len ? "," : "", STR_ARG(m.body));
        if (digest_document(buf_str(&json), NULL, &scratch, NULL, &d, &e) ||
                !digest_eq(&d, &m.digest))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_buf_ struct buf fields = BUF_INIT(MAX_OUT);
        struct str rest = {(const char *)data, size};
        struct fixture f;
        struct err e = {0};

        buf_puts(&fields, "a: {from: code, replace: {pattern: ");
        json_put_lossy(&fields, take_line(&rest));
        buf_puts(&fields, ", with: ");
        json_put_lossy(&fields, take_line(&rest));
        buf_puts(&fields, "}, upper: true}\nb: {from: code, lower: true, type: bytes, split: ");
        json_put_lossy(&fields, take_line(&rest));
        buf_puts(&fields, "}");
        const char *text = buf_cstr(&fields);
        if (!text)
                return 0;
        int rc = fixture_open(&f, text, &e);
        if (rc == 0) {
                render(&f, rest);
                fixture_close(&f);
        } else if (rc != -ERR_CONFIG || strncmp(e.text, "m.yaml", 6) != 0) {
                abort();
        }
        return 0;
}
