/*
 * assets.h: files of the status page (ingest/serve/page), embedded in the program.
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/str.h"

struct asset_form {
        const char *etag; /* quoted, of its bytes: each form has its own */
        struct str body;
};

struct asset {
        const char *path; /* "/", "/page.js", ... */
        const char *content_type;
        struct asset_form plain;
        struct asset_form gzip; /* body.len 0: it would not be smaller */
};

/** asset_find() - NULL: there is none */
const struct asset *asset_find(struct str path);

/** asset_openapi() - the API's description, /api/v1/openapi.json */
const struct asset *asset_openapi(void);

/** asset_takes_gzip() - whether the header Accept-Encoding (NULL: none) permits gzip
 * What is not understood permits nothing: the plain form is always right. */
bool asset_takes_gzip(const char *accept);
