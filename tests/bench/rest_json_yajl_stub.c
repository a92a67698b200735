/* Built where there is no yajl. */
#include "tests/bench/rest_json_yajl.h"

long bench_yajl(struct str text, size_t piece)
{
        return -2;
}
