/* Any bytes as a path, a Link header and the reply to it, each behind a line's end. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/pipeline/starter.h"
#include "ingest/source/rest/sample.h"
#include "ingest/source/source.h"
#include "mappers/spec.h"

#define ARENA (64 << 20)

static struct str line_of(struct str *rest)
{
        const char *end = memchr(rest->ptr, '\n', rest->len);
        struct str line = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};
        size_t taken = line.len + (end != NULL);

        *rest = (struct str){rest->ptr + taken, rest->len - taken};
        return line;
}

static void check_mapper(struct str text)
{
        struct source_config config = {.name = "erp", .ops = &source_rest};
        cleanup_(mapper_spec_freep) struct mapper_spec *spec = NULL;
        struct extract *x;
        struct err e = {0};

        if (mapper_spec_parse(text, "starter.yaml", &spec, &e) ||
                extract_decode(&config, spec->doc, spec->extract, spec->arena, &x, &e))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA);
        cleanup_buf_ struct buf text = BUF_INIT(STARTER_MAX_BYTES);
        struct str rest = {(const char *)data, size};
        const char *target = arena_strdup(arena, line_of(&rest));
        const char *link = arena_strdup(arena, line_of(&rest));
        struct rest_sample_reply reply = {rest, link};
        struct rest_sample_call call;
        struct catalog_table table;
        struct err e = {0};

        if (!target || !link || rest_sample_call(target, arena, &call, &e) ||
                rest_sample_table(&call, &reply, arena, &table, &e))
                return 0;
        if (starter_write(&table, "erp", &text, &e) == 0)
                check_mapper(buf_str(&text));
        return 0;
}
