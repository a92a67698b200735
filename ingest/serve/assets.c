/* A walk through the table: there are some twenty files, and a browser asks for each once. */
#include "ingest/serve/assets.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ingest/serve/assets_internal.h"

const struct asset *asset_find(struct str path)
{
        for (size_t i = 0; i < asset_count; i++)
                if (str_is(path, asset_table[i].path))
                        return &asset_table[i];
        return NULL;
}

const struct asset *asset_openapi(void)
{
        return &asset_api;
}

/* ---- Accept-Encoding (RFC 9110, 12.5.3) ---- */

static bool names(struct str coding, const char *name)
{
        return coding.len == strlen(name) && strncasecmp(coding.ptr, name, coding.len) == 0;
}

/* "q=0.5" behind the coding; without it 1. Only whether it is above zero matters. */
static bool has_weight(struct str parameters)
{
        struct str q = str_trim(parameters);

        if (q.len == 0)
                return true;
        if (q.len < 3 || (*q.ptr | 0x20) != 'q' || q.ptr[1] != '=')
                return false;
        for (size_t i = 2; i < q.len; i++)
                if (q.ptr[i] >= '1' && q.ptr[i] <= '9')
                        return true;
        return false;
}

bool asset_takes_gzip(const char *accept)
{
        bool any = false;

        for (const char *p = accept; p && *p;) {
                struct str item = {p, strcspn(p, ",")};
                p += item.len + (p[item.len] == ',');
                const char *semicolon = memchr(item.ptr, ';', item.len);
                size_t len = semicolon ? (size_t)(semicolon - item.ptr) : item.len;
                struct str coding = str_trim((struct str){item.ptr, len});
                struct str rest = {item.ptr + len, item.len - len};
                if (rest.len)
                        rest = (struct str){rest.ptr + 1, rest.len - 1};
                if (names(coding, "gzip") || names(coding, "x-gzip"))
                        return has_weight(rest);
                any |= names(coding, "*") && has_weight(rest);
        }
        return any;
}
