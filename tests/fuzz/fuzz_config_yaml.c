/* The blocks of erp2couch.yaml, without variables (they would read this machine's files). */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/couch/couch.h"
#include "ingest/source/source.h"

static void decode(const struct ydoc *d, struct arena *arena)
{
        const struct ynode *couchdb = ynode_get(d->root, "couchdb");
        const struct ynode *sources = ynode_get(d->root, "sources");
        struct couch_options couch = {0};
        struct source_config source = {0};
        struct err e = {0};

        if (couchdb && couch_options_decode(d, couchdb, arena, &couch, &e) == 0 && !couch.url)
                abort();
        for (size_t i = 0; sources && sources->kind == YNODE_MAP && i < sources->count; i++)
                if (source_config_decode(d, "s", sources->pairs[i].value, arena, &source, &e) ==
                                0 &&
                        !source.own)
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 24);
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        cleanup_buf_ struct buf json;
        struct str text = {(const char *)data, size};
        struct err e = {0};

        buf_init(&json, 1 << 22);
        int rc = ydoc_parse(text, "c.yaml", YDOC_EXPAND_NONE, &d, &e);
        if (rc != 0 && (rc != -ERR_CONFIG || strncmp(e.text, "c.yaml", 6) != 0))
                abort();
        if (rc == 0) {
                ynode_json(d->root, &json);
                decode(d, arena);
        }
        return 0;
}
