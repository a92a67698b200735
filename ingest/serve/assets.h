/*
 * assets.h: files of the status page (ingest/serve/page), embedded in the program.
 */
#pragma once

#include "ingest/base/str.h"

struct asset {
        const char *path; /* "/", "/page.js", ... */
        const char *content_type;
        const char *etag; /* quoted, of its content */
        struct str body;
};

/** asset_find() - NULL: there is none */
const struct asset *asset_find(struct str path);

/** asset_openapi() - the API's description, /api/v1/openapi.json */
const struct asset *asset_openapi(void);
