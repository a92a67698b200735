/*
 * Any text as a record: accepted where json_canonical() accepts an object, and each value that is
 * picked is JSON inside the text.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/record/json_pick.h"
#include "ingest/record/json_scan.h"

#define MAX_OUT (1 << 20)

static const char *const paths[] = {"id", "a.b", "a", "a[0]", "a[1].id", "lines[0].sku",
        "@odata\\.etag", "a-longer-name.of.it"};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static bool names_twice(const struct err *e)
{
        return strstr(e->text, "twice") != NULL;
}

static void check_value(struct str text, struct str value)
{
        cleanup_buf_ struct buf out = BUF_INIT(MAX_OUT);
        struct err e;

        if (!value.ptr)
                return;
        if (value.ptr < text.ptr || value.ptr + value.len > text.ptr + text.len)
                abort();
        if (json_trim(value).len != value.len)
                abort();
        if (json_canonical(value, JSON_NUMBERS_STRING, &out, &e) && !names_twice(&e))
                abort();
}

static int pick(
        const char *const *names, size_t count, struct str text, struct str *values, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(MAX_OUT);
        struct json_pick *p;

        if (!arena || json_pick_new(names, count, arena, &p, e))
                abort();
        return json_pick_values(p, text, values, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_buf_ struct buf out = BUF_INIT(MAX_OUT);
        struct str text = {(const char *)data, size}, values[PATHS];
        struct err e = {.text = ""}, canonical = {.text = ""};

        bool json = json_canonical(text, JSON_NUMBERS_STRING, &out, &canonical) == 0;
        bool object = json && json_trim(text).ptr[0] == '{';
        int rc = pick(paths, PATHS, text, values, &e);
        if (rc == 0) {
                if (json ? !object : !names_twice(&canonical))
                        abort();
                for (size_t i = 0; i < PATHS; i++)
                        check_value(text, values[i]);
        } else if (rc != -ERR_REJECT || object) {
                abort();
        }
        /* Nothing picked, nothing minded twice. */
        if (rc == 0 && pick(NULL, 0, text, values, &e))
                abort();
        return 0;
}
