/*
 * assets_internal.h: the table that embed.py writes at build time.
 */
#pragma once

#include "ingest/serve/assets.h"

extern const struct asset asset_table[];
extern const size_t asset_count;
extern const struct asset asset_api;
