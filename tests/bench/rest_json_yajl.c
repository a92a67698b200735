/* Callbacks that keep nothing: what it costs to read, no more. */
#include "tests/bench/rest_json_yajl.h"

#include <yajl/yajl_parse.h>

static int count_bytes(void *ctx, const unsigned char *bytes, size_t n)
{
        ++*(long *)ctx;
        return 1;
}

static int count_number(void *ctx, const char *bytes, size_t n)
{
        ++*(long *)ctx;
        return 1;
}

long bench_yajl(struct str text, size_t piece)
{
        static const yajl_callbacks callbacks = {
                .yajl_number = count_number,
                .yajl_string = count_bytes,
                .yajl_map_key = count_bytes,
        };
        long count = 0;
        yajl_handle y = yajl_alloc(&callbacks, NULL, &count);
        yajl_status status = y ? yajl_status_ok : yajl_status_error;

        while (text.len && status == yajl_status_ok) {
                size_t n = text.len < piece ? text.len : piece;
                status = yajl_parse(y, (const unsigned char *)text.ptr, n);
                text.ptr += n;
                text.len -= n;
        }
        if (status == yajl_status_ok)
                status = yajl_complete_parse(y);
        if (y)
                yajl_free(y);
        return status == yajl_status_ok ? count : -1;
}
