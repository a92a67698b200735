/*
 * run_list.h: the run history in the control database, for operators (history.c writes it).
 *
 * Documents as CouchDB has them, "run:MAPPER:STARTED"; the last hundred of each mapper are kept.
 */
#pragma once

#include <cjson/cJSON.h>

#include "ingest/pipeline/control.h"

/** run_list() - the newest runs of @mapper (NULL: of all), the newest first
 * @max: at least 1      @out: an array, owned by the caller      Return: 0; -class. */
int run_list(struct control *c, const char *mapper, size_t max, cJSON **out, struct err *e)
        __attribute__((warn_unused_result));

/** run_find() - the run @id, MAPPER:STARTED
 * @out: owned by the caller; NULL: there is none      Return: 0; -class. */
int run_find(struct control *c, struct str id, cJSON **out, struct err *e)
        __attribute__((warn_unused_result));
