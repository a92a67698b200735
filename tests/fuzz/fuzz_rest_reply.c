/* What a REST server says beside its records: a Link header, the name of the next page, the value
 * of a cursor in any format. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/source/rest/cursor.h"
#include "ingest/source/rest/paging.h"
#include "ingest/source/rest/time.h"

static void fuzz_link(struct str text)
{
        struct str next = {0};

        if (!rest_link_next(text, &next))
                return;
        if (next.ptr < text.ptr || next.ptr + next.len > text.ptr + text.len || next.len == 0)
                abort();
}

/* An address that is named has no byte that would end a line of a request. */
static void fuzz_next(struct str text, enum rest_paging_kind kind)
{
        struct rest_paging_spec spec = {.kind = kind, .next = "n", .field = "f", .max_pages = 3};
        struct rest_page_facts facts = {.records = 2,
                .hash = 1,
                .next = text,
                .link_next = text,
                .last_field = text,
                .total = text,
                .pages = text,
                .more = text};
        cleanup_(rest_pager_freep) struct rest_pager *p = NULL;
        struct err e;
        bool more = false;

        for (int fact = 0; fact < 4; fact++) {
                rest_pager_freep(&p);
                p = NULL;
                if (rest_pager_new(&spec, (struct str){0}, &p, &e) != 0)
                        return;
                facts.total = fact == 1 ? text : (struct str){0};
                facts.pages = fact == 2 ? text : (struct str){0};
                facts.more = fact == 3 ? text : (struct str){0};
                if (rest_pager_advance(p, &facts, &more, &e) != 0 || !more)
                        continue;
                const char *url = rest_pager_page(p)->url;
                if (url && (!*url || strpbrk(url, " \r\n\t\"<>")))
                        abort();
        }
}

static void fuzz_time(struct str text, const char *format)
{
        cleanup_buf_ struct buf once = BUF_INIT(256);
        int64_t us = 0, again = 0;

        if (rest_time_read(format, text, NULL, &us) != REST_TIME_OK)
                return;
        if (us < REST_TIME_US_MIN || us > REST_TIME_US_MAX)
                abort();
        rest_time_print(format, us, rest_time_unit(format, 0), 0, NULL, &once);
        if (rest_time_read(format, buf_str(&once), NULL, &again) == REST_TIME_OK && again > us)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const formats[] = {"rfc3339", "unix", "unix_ms", "odata", "http",
                "%Y-%m-%d %H:%M:%S.%f", "%d %b %y %I:%M %p", "%Y%j%H%M%S%z"};
        static const struct rest_cursor_spec two = {
                .kind = REST_CURSOR_TIME, .fields = {"d", "t"}, .field_count = 2};
        struct str text = {(const char *)data, size},
                   halves[2] = {{text.ptr, size / 2}, {text.ptr + size / 2, size - size / 2}};
        struct err e;
        cleanup_(rest_progress_freep) struct rest_progress *p = rest_progress_new(&two, NULL, &e);

        fuzz_link(text);
        for (int kind = REST_PAGING_NONE; kind <= REST_PAGING_ODATA; kind++)
                fuzz_next(text, (enum rest_paging_kind)kind);
        for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
                fuzz_time(text, formats[i]);
        if (p && rest_progress_see(p, halves, &e) != 0 && !*e.text)
                abort();
        return 0;
}
