/* Any bytes as $metadata, in pieces; what is read becomes starter mappers that are mappers. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/pipeline/starter.h"
#include "ingest/source/rest/entity.h"
#include "mappers/spec.h"

#define ARENA (64 << 20)
#define PIECE 37 /* bytes: tags are cut anywhere */

static int read_model(
        struct str text, struct arena *arena, struct rest_metadata *out, struct err *e)
{
        cleanup_(rest_metadata_reader_freep) struct rest_metadata_reader *r = NULL;
        int rc = rest_metadata_reader_new(arena, &r, e);

        for (size_t at = 0; at < text.len && !rc; at += PIECE) {
                size_t n = text.len - at < PIECE ? text.len - at : PIECE;
                rc = rest_metadata_feed(r, (struct str){text.ptr + at, n}, e);
        }
        return rc ? rc : rest_metadata_end(r, out, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA);
        const struct catalog_query all = {.table = NULL};
        struct rest_metadata m;
        struct catalog list;
        struct err e = {0};

        if (read_model((struct str){(const char *)data, size}, arena, &m, &e) ||
                rest_entities(&m, &all, arena, &list, &e))
                return 0;
        for (size_t i = 0; i < list.count && i < 4; i++) {
                cleanup_buf_ struct buf text = BUF_INIT(STARTER_MAX_BYTES);
                cleanup_(mapper_spec_freep) struct mapper_spec *spec = NULL;
                const struct catalog_query one = {.table = list.tables[i].name};
                struct catalog c;
                if (rest_entities(&m, &one, arena, &c, &e) ||
                        starter_write(&c.tables[0], "erp", &text, &e))
                        continue;
                if (mapper_spec_parse(buf_str(&text), "starter.yaml", &spec, &e))
                        abort();
        }
        return 0;
}
