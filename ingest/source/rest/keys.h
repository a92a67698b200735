/*
 * keys.h: records by their keys, a call for each, some side by side.
 *
 * With `by_key` of the mapper, or at the address of an OData entity. A key that is not there
 * (404, 410, no record in the reply) gives nothing. The records of a call wait, whole, until they
 * are taken: in the order of the keys.
 */
#pragma once

#include "ingest/source/rest/rest.h"
#include "ingest/source/rest/rows.h"

struct rest_keys;

struct rest_keys_plan {
        const struct rest_source *source;
        const struct extract *x;
        const struct shape *shape;
        const struct value *keys;     /* copied */
        size_t count;                 /* of records */
        void (*on_change)(void *ctx); /* records may be there, or a call failed; from the loop */
        void *ctx;
};

/** rest_keys_possible() - whether records of @x can be had by key, one call each */
bool rest_keys_possible(const struct extract *x);

int rest_keys_new(const struct rest_keys_plan *plan, struct rest_keys **out, struct err *e)
        __attribute__((warn_unused_result));
struct rest_keys *rest_keys_free(struct rest_keys *k); /* idle, or never begun */
DEFINE_CLEANUP(struct rest_keys *, rest_keys_free);

#define REST_KEYS_WAIT 1
#define REST_KEYS_END  2

struct rest_found {
        struct str text;         /* of one record; until the next call */
        const struct value *key; /* that was asked for */
        bool oversize;           /* text is the beginning of one that is too large */
};

/** rest_keys_next() - the next record; begins calls as there is room
 * Return: 0; REST_KEYS_WAIT; REST_KEYS_END; -class. */
int rest_keys_next(struct rest_keys *k, struct rest_found *out, struct err *e)
        __attribute__((warn_unused_result));

void rest_keys_cancel(struct rest_keys *k);
bool rest_keys_idle(const struct rest_keys *k);
