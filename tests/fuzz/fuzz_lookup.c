/*
 * The files of look-ups, of any content: what begins with c is read as CSV, all else as JSON. A
 * table comes of it, or an error with the place of the look-up.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "mappers/lookup_internal.h"

static const char mapper[] = "mapper: m\nsource: s\nextract: {table: t, key: id}\n"
                             "target: {database: d, id: \"m:${id}\"}\n"
                             "fields:\n"
                             "  a: {lookup: {from: x, file: x.csv, key: k, value: [k, v]}}\n"
                             "  b: {lookup: {file: x.csv, key: k, value: v}}\n"
                             "  c: {lookup: {from: x, file: x.csv}}\n"
                             "  d: {lookup: {from: [x, y], file: x.csv, key: [k, v]}}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct mapper_spec *spec;
        cleanup_(lookup_set_freep) struct lookup_set *set = NULL;
        struct str text = {(const char *)data, size};
        bool csv = size > 0 && *data == 'c';
        struct err e;

        if (!spec && mapper_spec_parse(STR(mapper), "m.yaml", &spec, &e))
                abort();
        if (csv)
                text = (struct str){text.ptr + 1, text.len - 1};
        if (lookup_set_new(spec, &set, &e))
                abort();
        for (size_t i = 0; i < lookup_set_count(set); i++) {
                struct lookup_table *t = lookup_set_table(set, i);
                int rc = csv ? lookup_csv(t, text, "x.csv", &e) : lookup_json(t, text, "x", &e);
                if (rc && (rc != -ERR_CONFIG || strncmp(e.text, "m.yaml:", 7) != 0))
                        abort();
        }
        return 0;
}
