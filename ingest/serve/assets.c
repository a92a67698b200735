/* A walk through the table: there are some twenty files, and a browser asks for each once. */
#include "ingest/serve/assets.h"

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
