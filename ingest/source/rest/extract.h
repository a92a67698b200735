/*
 * extract.h: what the `extract:` of a REST mapper says beside extract.h, decoded.
 *
 * Lives in the arena of the mapper's YAML document; never changes.
 */
#pragma once

#include "ingest/source/extract.h"
#include "ingest/source/rest/options.h"
#include "ingest/source/rest/template.h"

#define REST_MAX_PARAMS    64
#define REST_MAX_COLUMNS   64 /* of the parent, in a child's call */
#define REST_MAX_STATUSES  16
#define REST_CURSOR_FIELDS 2

struct rest_param {
        const char *name;
        struct rest_template *value;
};
struct rest_params {
        struct rest_param *items;
        size_t count;
};

/* One call: its address, and where the records stand in the reply. */
struct rest_call {
        const struct ynode *node;
        const char *method;         /* "GET", "POST": POST where there is a body and no method */
        struct rest_template *path; /* under the source's url, or an absolute address */
        struct rest_params params, headers;
        struct rest_body *body; /* NULL: none */
        const char *records;    /* dotted path of the array; NULL: the body itself, array or object;
                                 * with paging of kind ODATA: where the version has it */
};

enum rest_paging_kind {
        REST_PAGING_NONE,
        REST_PAGING_PAGE,        /* param, first, size_param, size */
        REST_PAGING_OFFSET,      /* the same; first is 0 */
        REST_PAGING_KEYSET,      /* param: the value of `field` of the last record; size */
        REST_PAGING_NEXT_URL,    /* next: path of an address, absolute or relative */
        REST_PAGING_LINK_HEADER, /* Link: <...>; rel="next" (RFC 8288) */
        REST_PAGING_CURSOR,      /* param; next: path of a token; and in ${after} */
        REST_PAGING_ODATA        /* @odata.nextLink, odata.nextLink, __next */
};

/* When a page was the last; whatever says so first. AUTO: short where a size is known and the kind
 * counts, absent where the kind follows, an empty page always. */
enum rest_stop {
        REST_STOP_AUTO,
        REST_STOP_SHORT,
        REST_STOP_EMPTY,
        REST_STOP_TOTAL,
        REST_STOP_PAGES
};

struct rest_paging_spec {
        const struct ynode *node; /* NULL: not written. A reply that says there are more pages is
                                   * an error then, where the kind is NONE */
        enum rest_paging_kind kind;
        const char *param, *size_param; /* NULL: not sent as a parameter (a body may use ${page}) */
        int64_t first;
        bool first_given;
        int64_t size;      /* 0: the server's */
        const char *field; /* KEYSET: dotted path in the record; default: the key (never NULL) */
        const char *next;  /* dotted path in the reply */
        const char *total; /* dotted path of the number of all records; NULL */
        const char *pages; /* dotted path of the number of all pages; NULL */
        const char *more;  /* dotted path of a boolean; NULL */
        enum rest_stop stop;
        int64_t max_pages; /* the last guard: default 1,000,000 */
        bool disjoint;     /* OFFSET, `overlap: false`: for servers that take multiples of the size
                            * only; then pages that shift lose records */
};

enum rest_cursor_kind {
        REST_CURSOR_NONE,
        REST_CURSOR_TIME,    /* format: rfc3339, unix, unix_ms, odata, or strptime's */
        REST_CURSOR_INTEGER, /* format: integer: a row version */
        REST_CURSOR_TEXT,    /* format: text: compared bytewise */
        REST_CURSOR_HEADER,  /* If-Modified-Since without `field`: the server's clock */
        REST_CURSOR_ETAG     /* If-None-Match: the ETag of a reply that is one page */
};

struct rest_cursor_spec {
        const struct ynode *node;
        enum rest_cursor_kind kind;
        const char
                *fields[REST_CURSOR_FIELDS]; /* dotted paths in the record: one, or date and time */
        size_t field_count;
        const char *format;   /* of the record's value, and of ${cursor} unless `send` says other;
                               * never NULL; "http" where a header is sent and none is given */
        const char *send;     /* NULL: as format; "http" in If-Modified-Since with a field */
        int64_t precision_ms; /* of ${cursor}: 1 for milliseconds, 1000 s; 0: as the format has it
                               */
        const char *param;    /* exactly one of param, header, filter, and ${cursor} in the call */
        const char *header;
        const char *filter;   /* OData: "lastModifiedDateTime ge ${cursor}"; in version 4 by default
                               * FIELD ge ${cursor} */
        const char *timezone; /* of values without zone; NULL: the mapper's, else UTC */
};

struct rest_odata_spec {
        const struct ynode *node;
        int64_t version; /* 4, 3, 2; 0: no odata */
        struct string_list select, expand, orderby;
        const char *filter;
        int64_t page_size; /* Prefer: odata.maxpagesize; 0: the server's */
};

/* `children.NAME`: a call for each parent; ${column} is one of the parent. A nested array needs no
 * child: the mapper says `each: NAME`. */
struct rest_child {
        const char *name;
        struct rest_call call;
        struct rest_paging_spec paging; /* of kind ODATA where the mapper has odata and the child
                                         * no paging; so has the feed */
        int64_t concurrency;            /* default 4, under the source's max_concurrent */
        struct string_list columns; /* dotted paths in the parent that ${...} of the call names */
};

struct rest_extract {
        struct rest_call call;
        struct rest_paging_spec paging;
        struct rest_odata_spec odata;
        struct rest_cursor_spec cursor;
        struct rest_child *children; /* as many as extract.child_count, in their order */
        bool has_by_key;
        struct rest_call by_key; /* `by_key: {path: /products/${id}}`: one record by its key */
        bool has_feed;
        struct rest_call feed; /* deletes.path, records: the keys of deleted records */
        struct rest_paging_spec feed_paging;
        int empty_on[REST_MAX_STATUSES]; /* statuses that mean no records */
        size_t empty_count;
        const char *error_path;   /* error_when.path: a 200 whose reply has a value there that is
                                   * neither null, false, "", 0 nor empty is an error */
        const char *error_equals; /* error_when.equals: only this text; NULL */
        struct string_list error_retry; /* error_when.retry: texts there that pass by themselves */
        const char
                *error_message; /* error_when.message: path of the text to show; NULL: all of it */
};

/** rest_extract_decode() - source_ops.decode_extract of REST: @x->own becomes a rest_extract
 * Return: 0; -ERR_CONFIG with place; -ERR_NOMEM. */
int rest_extract_decode(const struct option_context *cx, const struct ynode *node,
        struct extract *x, struct err *e) __attribute__((warn_unused_result));

/* For the test that keeps the editor schema in step. */
extern const struct option_table rest_extract_table, rest_child_table;
