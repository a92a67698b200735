/*
 * Any bytes as a body of pushed records. What is taken must be objects that json_canonical() takes,
 * in order, with nothing but blanks, commas and the brackets of a list between them; and the same
 * records, one a line, must give the same again.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/pipeline/given_internal.h"
#include "ingest/record/json.h"

#define MAX_OUT (1 << 22)

static bool is_between(const char *from, const char *to)
{
        for (; from < to; from++)
                if (!memchr(" \t\r\n,[]\xEF\xBB\xBF", *from, 10))
                        return false;
        return true;
}

static void check_record(const struct given_record *r, struct buf *lines)
{
        cleanup_buf_ struct buf canonical = BUF_INIT(MAX_OUT);

        if (r->json.len < 2 || r->json.ptr[0] != '{' || r->json.ptr[r->json.len - 1] != '}' ||
                json_canonical(r->json, JSON_NUMBERS_STRING, &canonical, NULL) != 0)
                abort();
        buf_put_str(lines, r->json);
        buf_putc(lines, '\n');
}

static void check_again(const struct given *g, struct str lines)
{
        struct given *again = NULL;

        if (given_new(lines, &again, NULL) != 0 || given_count(again) != given_count(g))
                abort();
        for (size_t i = 0; i < given_count(g); i++)
                if (!str_eq(again->items[i].json, g->items[i].json))
                        abort();
        given_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_buf_ struct buf lines = BUF_INIT(MAX_OUT);
        struct given *g = NULL;
        struct err e = {0};

        int rc = given_new((struct str){(const char *)data, size}, &g, &e);
        if (rc) {
                if (rc != -ERR_REJECT || !e.text[0] || g)
                        abort();
                return 0;
        }
        const char *at = g->body, *end = g->body + size;
        for (size_t i = 0; i < g->count; i++) {
                if (!is_between(at, g->items[i].json.ptr) ||
                        (i && g->items[i].line < g->items[i - 1].line))
                        abort();
                check_record(&g->items[i], &lines);
                at = g->items[i].json.ptr + g->items[i].json.len;
        }
        if (!is_between(at, end))
                abort();
        if (g->count)
                check_again(g, buf_str(&lines));
        given_free(g);
        return 0;
}
