/*
 * given_internal.h: what given.c (the body) and given_read.c (a run of its records) share; nobody
 * else includes it.
 */
#pragma once

#include "ingest/pipeline/given.h"

struct given_record {
        struct str json; /* in the copy of the body */
        size_t line;     /* that it begins on, from 1 */
};

struct given {
        char *body; /* owned */
        struct given_record *items;
        size_t count, capacity;
};
