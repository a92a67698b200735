/*
 * odata.h: what OData adds to a REST source: query options, headers, literals, addresses of
 * entities, and where a reply keeps its records and its next page.
 *
 * Versions 4, 3 and 2, which differ in all of these. Pure. Names of options keep their dollar sign;
 * their values are percent-encoded.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/source/rest/extract.h"

struct rest_odata_query {
        const struct rest_odata_spec *spec;
        const struct string_list *key;         /* extract.key; NULL: none */
        const struct rest_cursor_spec *cursor; /* its fields and filter; NULL: none */
        struct str from;                       /* ${cursor} in its filter; .ptr NULL: no filter */
        int64_t top;                           /* $top, for previews; 0: none */
};

/** rest_odata_put_query() - appends the query options to the address in @url ("?" or "&" before)
 * $select is sent where the mapper has one, with the key and the cursor's fields in it; filters are
 * joined by `and`, each in parentheses. */
void rest_odata_put_query(const struct rest_odata_query *q, struct buf *url);

#define REST_ODATA_HEADERS      4
#define REST_ODATA_HEADER_BYTES 64

/** rest_odata_headers() - Accept, the version, and Prefer: odata.maxpagesize for pages of records
 * @out: "Name: value" each
 * Return: how many. */
size_t rest_odata_headers(const struct rest_odata_spec *spec, bool pages,
        char out[REST_ODATA_HEADERS][REST_ODATA_HEADER_BYTES]);

enum rest_odata_type {
        REST_ODATA_STRING,
        REST_ODATA_GUID,
        REST_ODATA_NUMBER, /* Int16, Int32, Double: as it is */
        REST_ODATA_INT64,
        REST_ODATA_DECIMAL,
        REST_ODATA_DATE,
        REST_ODATA_DATETIME, /* Edm.DateTime of v2 and v3, without zone; v4: as the next */
        REST_ODATA_DATETIMEOFFSET,
        REST_ODATA_BOOLEAN
};

/** rest_odata_put_literal() - appends @value as a literal, not percent-encoded
 * v4: 'it''s' 5 1.5 0000-... 2026-01-31; v2, v3: 5L 1.5M guid'...' datetime'...' */
void rest_odata_put_literal(
        int version, enum rest_odata_type type, struct str value, struct buf *out);

/** rest_odata_put_entity() - appends @path(KEY): the address of one entity
 * @path: may end in a slash; what it has of a query is left out
 * @names, @values: of the key's @count parts, values as text: numbers and strings look alike there,
 * so there are several spellings; @attempt 0 is the likeliest
 * Return: 0; REST_ABSENT there is no such spelling; -ERR_NOMEM. */
int rest_odata_put_entity(int version, struct str path, const char *const *names,
        const struct str *values, size_t count, unsigned attempt, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_odata_put_key_filter() - appends "NAME eq VALUE and ...", the same as a filter: it finds
 * the entity only where it passes another filter as well */
int rest_odata_put_key_filter(int version, const char *const *names, const struct str *values,
        size_t count, unsigned attempt, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_odata_types() - as what @attempt spells the parts; @types: @count of them */
void rest_odata_types(int version, const struct str *values, size_t count, unsigned attempt,
        enum rest_odata_type *types);

/** rest_odata_attempt() - the other way round. Which attempt spells a number depends on the value.
 * Return: false: one of @values cannot be of its type. */
bool rest_odata_attempt(int version, const struct str *values, size_t count,
        const enum rest_odata_type *types, unsigned *attempt);

/* Dotted paths in replies, the likeliest first; NULL behind the last. */
#define REST_ODATA_PATHS 4

/** rest_odata_records() - where the records of a page are: "value"; "d.results", "d" */
const char *const *rest_odata_records(int version);

/** rest_odata_entity() - where one entity is: "" (the body itself); "d" */
const char *const *rest_odata_entity(int version);

/** rest_odata_next() - where the address of the next page is; look at all of them */
const char *const *rest_odata_next(int version);

/** rest_odata_count() - where the number of all records is, if the reply has it; all of them */
const char *const *rest_odata_count(int version);
