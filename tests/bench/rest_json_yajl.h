/* rest_json_yajl.h: the same reply by yajl, where it is installed. */
#pragma once

#include "ingest/base/str.h"

/** bench_yajl() - parses @text in pieces of @piece bytes with callbacks that only count
 * Return: how many numbers and strings there were; -1 an error; -2 built without yajl. */
long bench_yajl(struct str text, size_t piece);
