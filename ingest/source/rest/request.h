/*
 * request.h: one request of a REST mapper: address, headers and body of a page.
 *
 * Pure. Credentials, and what the source adds to every request, are the client's.
 */
#pragma once

#include "ingest/loop/http.h"
#include "ingest/source/rest/rest.h"
#include "ingest/source/rest/paging.h"

/* The first variables are those of the page; what the call has of its own stands behind them. */
enum {
        REST_VAR_CURSOR,
        REST_VAR_PAGE,
        REST_VAR_OFFSET,
        REST_VAR_SIZE,
        REST_VAR_AFTER,
        REST_PAGE_VARS
};

struct rest_asking {
        const struct rest_options *options;
        const struct rest_call *call;
        const struct rest_paging_spec *paging; /* NULL: one page */
        const struct rest_odata_spec *odata;   /* NULL: none */
        const struct rest_cursor_spec *cursor; /* NULL: none is sent */
        const struct string_list *key;         /* OData: selected, too; NULL */
        const struct string_list *only;        /* OData: $select these alone; NULL */
        struct str from;                       /* ${cursor}; .ptr NULL: absent */
        const char *path;                      /* in place of the call's; NULL */
        const struct rest_page *page;
        bool entity;           /* one record, not a page of them */
        const char *base;      /* address of the reply before; NULL: first page */
        bool after_is_number;  /* page->after was one */
        struct rest_var *vars; /* REST_PAGE_VARS to be filled, then those of the call */
        size_t var_count;      /* of all */
};

/* What was made, kept for the next one. */
struct rest_asked {
        struct buf url, lines, body;
        const char *headers[HTTP_MAX_HEADERS + 1];
        bool has_body;
        char numbers[3][24]; /* of variables */
};

void rest_asked_init(struct rest_asked *r);
void rest_asked_deinit(struct rest_asked *r);

/** rest_request_make() - what @a asks for, into @out
 * Return: 0; -ERR_CONFIG a part of the path has no value, too long, a next page at another host;
 * -ERR_NOMEM. */
int rest_request_make(const struct rest_asking *a, struct rest_asked *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_call_uses() - whether the variable @name stands anywhere in @call */
bool rest_call_uses(const struct rest_call *call, const char *name);
