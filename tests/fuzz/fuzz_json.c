/* Any text as JSON: what is accepted is canonical, and its digest is that of its members. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/record/digest.h"
#include "ingest/record/json.h"
#include "ingest/record/json_scan.h"

#define MAX_OUT (64 << 20)

/* What is plain stands for itself. */
static void check_plain(struct str text)
{
        cleanup_buf_ struct buf out = {.max = MAX_OUT};
        struct str inside;
        struct err e;

        if (json_is_plain(text) && (json_canonical(text, JSON_NUMBERS_EXACT, &out, &e) ||
                                           !str_eq(buf_str(&out), text)))
                abort();
        buf_clear(&out);
        if (json_plain_inside(text, &inside) &&
                (json_unquote(text, &out, &e) || !str_eq(buf_str(&out), inside)))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_buf_ struct buf out = {.max = MAX_OUT}, again = {.max = MAX_OUT};
        cleanup_buf_ struct buf scratch = {.max = MAX_OUT};
        struct str text = {(const char *)data, size};
        struct digest a, b;
        struct err e = {0};

        check_plain(text);
        for (enum json_numbers n = JSON_NUMBERS_EXACT; n <= JSON_NUMBERS_NEAREST; n++) {
                buf_clear(&out);
                buf_clear(&again);
                if (json_canonical(text, n, &out, &e))
                        continue;
                if (json_canonical(buf_str(&out), JSON_NUMBERS_NEAREST, &again, &e) ||
                        !str_eq(buf_str(&out), buf_str(&again)))
                        abort();
        }
        if (!digest_document(text, NULL, &scratch, &out, &a, &e)) {
                buf_clear(&again);
                buf_printf(&again, "{\"_id\": \"x\"%s%.*s}", out.len ? " , " : "",
                        STR_ARG(buf_str(&out)));
                if (digest_document(buf_str(&again), NULL, &scratch, NULL, &b, &e) ||
                        !digest_eq(&a, &b))
                        abort();
        }
        return 0;
}
