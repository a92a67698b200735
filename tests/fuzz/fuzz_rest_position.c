/* Any text as the stored position, the progress or the mark of a REST source: what is accepted
 * prints, parses to the same, and can be used. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/source/rest/cursor.h"
#include "ingest/source/rest/paging.h"

#define ARENA_MAX (4 << 20)
#define LATE_US   INT64_C(1785585600000000)

static const struct rest_cursor_spec cursors[] = {
        {.kind = REST_CURSOR_NONE},
        {.kind = REST_CURSOR_TIME, .fields = {"t"}, .field_count = 1},
        {.kind = REST_CURSOR_INTEGER, .fields = {"v"}, .field_count = 1},
        {.kind = REST_CURSOR_TEXT, .fields = {"v"}, .field_count = 1},
        {.kind = REST_CURSOR_HEADER},
};
#define CURSORS (sizeof(cursors) / sizeof(cursors[0]))

/* A run from @before on, by the cursor it is of or by another. */
static void use(const struct rest_position *before, const struct rest_cursor_spec *spec,
        struct arena *arena)
{
        cleanup_buf_ struct buf from = BUF_INIT(1 << 16), text = BUF_INIT(1 << 20);
        struct rest_finished done = {
                .origin = "o", .began_us = LATE_US, .ended_us = LATE_US + 1, .lookback_ms = 300000};
        struct str value[] = {STR("17"), {0}};
        struct rest_position *after;
        struct err e;
        cleanup_(rest_progress_freep) struct rest_progress *p = rest_progress_new(spec, NULL, &e);

        if (!p || rest_position_refused(before, "o", spec, NULL))
                return;
        if (rest_position_from(before, spec, 300000, NULL, LATE_US, &from, &e) < 0 ||
                rest_position_from(before, spec, INT64_MAX, NULL, 0, &from, &e) < 0)
                abort();
        if (rest_progress_see(p, value, &e) == 0 &&
                rest_position_advance(before, spec, NULL, p, &done, arena, &after, &e) == 0 &&
                rest_position_print(after, &text, &e) == 0 &&
                rest_position_parse(buf_str(&text), arena, &after, &e) != 0)
                abort();
}

static void fuzz_position(struct str text)
{
        cleanup_buf_ struct buf once = BUF_INIT(1 << 20), twice = BUF_INIT(1 << 20);
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_MAX);
        struct rest_position *p, *again;
        struct err e;

        if (!arena || rest_position_parse(text, arena, &p, &e) != 0)
                return;
        if (rest_position_print(p, &once, &e) != 0 ||
                rest_position_parse(buf_str(&once), arena, &again, &e) != 0 ||
                rest_position_print(again, &twice, &e) != 0 ||
                !str_eq(buf_str(&once), buf_str(&twice)))
                abort();
        for (size_t i = 0; i < CURSORS; i++)
                use(p, &cursors[i], arena);
}

static void fuzz_progress(struct str text, const struct rest_cursor_spec *spec)
{
        cleanup_buf_ struct buf once = BUF_INIT(1 << 20);
        struct err e;
        cleanup_(rest_progress_freep) struct rest_progress *p = rest_progress_new(spec, NULL, &e);

        if (p && rest_progress_parse(p, text, &e) == 0 &&
                (rest_progress_print(p, &once, &e) != 0 ||
                        rest_progress_parse(p, buf_str(&once), &e) != 0))
                abort();
}

static void fuzz_mark(struct str text, enum rest_paging_kind kind)
{
        struct rest_paging_spec spec = {.kind = kind, .next = "n", .size = 3, .max_pages = 10};
        struct rest_page_facts facts = {.records = 1, .hash = 1, .next = STR("\"x\"")};
        cleanup_buf_ struct buf once = BUF_INIT(1 << 20);
        cleanup_(rest_pager_freep) struct rest_pager *p = NULL, *q = NULL;
        struct err e;
        bool more;

        if (text.len == 0 || rest_pager_new(&spec, text, &p, &e) != 0)
                return;
        if (rest_pager_mark(p, &once, &e) != 0 ||
                rest_pager_new(&spec, buf_str(&once), &q, &e) != 0)
                abort();
        (void)rest_pager_record(p, 1, 1);
        if (rest_pager_advance(p, &facts, &more, &e) != 0 && !*e.text)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct str text = {(const char *)data, size};

        fuzz_position(text);
        for (size_t i = 0; i < CURSORS; i++)
                fuzz_progress(text, &cursors[i]);
        for (int kind = REST_PAGING_NONE; kind <= REST_PAGING_ODATA; kind++)
                fuzz_mark(text, (enum rest_paging_kind)kind);
        return 0;
}
