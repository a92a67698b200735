/*
 * Any text as an expression, over the fixture's columns: an error of the mapper, a document or a
 * reject of one line, and the same again for the same record, in another sandbox too.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/record/json.h"
#include "tests/support/mapper_fixture.h"

#define MAX_TEXT (1 << 20)

static const char row[] =
        "code=A1|name= Bolt |price=2.50|weight=0.5|ratio=0.1|active=t|"
        "data={\"a\":[1,2.5,null],\"k\":\"v\",\"o\":{}}|tags={a,NULL,\"b c\"}|amounts={1.5,2}|"
        "flags={t,f}|docs={\"{\\\"a\\\":1}\"}|grid={{1,2},{3,4}}|day=2024-02-29|"
        "stamp=2024-01-02 03:04:05+00|raw=\\x00ff|money=123456789.123456789";

/* JSON strings are YAML scalars; what is not UTF-8 is no YAML. */
static bool put_mapper(struct buf *out, struct str expr)
{
        buf_puts(out, "a: {from: price, type: decimal}\nv: {expr: ");
        if (!json_put_string(out, expr))
                return false;
        buf_puts(out, ", when: ");
        if (!json_put_string(out, expr))
                return false;
        buf_puts(out, "}\nl: {each: lines, fields: {q: qty, w: {expr: ");
        if (!json_put_string(out, expr))
                return false;
        buf_puts(out, "}}}\n");
        return true;
}

static void render(const char *mapper, struct buf *said)
{
        struct fixture f;
        struct mapper_reject why;
        struct mapped m;
        struct err e;

        int rc = fixture_open(&f, mapper, &e);
        if (rc) {
                if (rc != -ERR_CONFIG || strncmp(e.text, "m.yaml:", 7) != 0)
                        abort();
                return;
        }
        for (int i = 0; i < 2; i++) {
                rc = fixture_render(&f, row, "id=1|sku=x|qty=1.5\nid=2|qty=2", &m, &why, &e);
                if (rc == 0)
                        buf_put_str(said, m.body);
                else if (rc != MAPPER_REJECT || strchr(why.reason, '\n') ||
                         !str_utf8_valid(str_of(why.reason)))
                        abort();
                else if (strstr(why.reason, " failed: it ran for") ||
                         strstr(why.reason, " failed: it held"))
                        buf_puts(said, "stopped"); /* at which limit may hang on garbage */
                else
                        buf_puts(said, why.reason);
                buf_putc(said, '\n');
        }
        fixture_close(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_buf_ struct buf mapper = {.max = MAX_TEXT};
        cleanup_buf_ struct buf first = {.max = 64 << 20}, second = {.max = 64 << 20};

        if (size > 4096 || !put_mapper(&mapper, (struct str){(const char *)data, size}))
                return 0;
        const char *text = buf_cstr(&mapper);
        if (!text)
                abort();
        render(text, &first);
        render(text, &second);
        size_t half = first.len / 2;
        bool again = memcmp(first.data ? first.data : "", (first.data ? first.data : "") + half,
                             half) == 0;
        if (!str_eq(buf_str(&first), buf_str(&second)) || !again)
                abort();
        return 0;
}
