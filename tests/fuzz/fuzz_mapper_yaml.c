/* A mapper file of any content: decoded with its extract block, or refused with a place. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/source/source.h"
#include "mappers/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct source_config source = {.name = "erp", .ops = &source_postgres};
        cleanup_(mapper_spec_freep) struct mapper_spec *m = NULL;
        struct str text = {(const char *)data, size};
        struct extract *x = NULL;
        struct err e = {0};

        int rc = mapper_spec_parse(text, "m.yaml", &m, &e);
        if (rc == 0)
                rc = extract_decode(&source, m->doc, m->extract, m->arena, &x, &e);
        if (rc != 0 && (rc != -ERR_CONFIG || strncmp(e.text, "m.yaml", 6) != 0))
                abort();
        return 0;
}
