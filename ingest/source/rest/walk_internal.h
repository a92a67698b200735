/*
 * walk_internal.h: the inside of struct rest_walk, for rest_walk*.c only.
 *
 *   walk.c         which request comes next, and what becomes of one that fails
 *   walk_new.c     a walk from its plan
 *   walk_records.c the bytes of a reply, as records
 *   walk_page.c    what a reply says beside its records
 */
#pragma once

#include "ingest/record/json_pick.h"
#include "ingest/record/json_records.h"
#include "ingest/source/rest/request.h"
#include "ingest/source/rest/walk.h"

#define LEFT_MAX (64 << 20) /* bytes of one piece of a body that wait while we are paused */

/* OData servers keep the address of the next page in one of several places. */
enum fact {
        FACT_NEXT,
        FACT_NEXT_2,
        FACT_NEXT_3,
        FACT_TOTAL,
        FACT_PAGES,
        FACT_MORE,
        FACT_ERROR,
        FACT_MESSAGE,
        FACTS
};

enum state { WALK_IDLE, WALK_ASKED, WALK_DRAIN, WALK_PAGE, WALK_AGAIN, WALK_ENDING, WALK_ENDED };

struct rest_walk {
        struct rest_walk_plan plan;
        struct rest_paging_spec one_page; /* where the plan has no paging */
        struct arena *arena;
        enum state state;
        bool paused;
        struct loop_timer *soon;
        struct rest_pager *pager;
        struct rest_pending *pending;
        struct rest_var *vars;
        struct rest_asked asked;
        int accept[REST_ACCEPT_MAX];
        size_t accept_count;
        struct buf base; /* address of the last reply */
        bool first_page, from_mark, after_is_number, astray;
        int64_t server_us, page_us; /* of the first reply, and of this page's */

        struct json_records *records; /* of the page under way */
        struct json_records_options options;
        const char *const *places; /* where the records may be: OData; the last one was tried */
        size_t fact_at[FACTS];     /* in options.facts; FACTS: it is not asked for */
        struct buf left;           /* of the body, while paused */
        size_t left_at;
        struct json_pick *pick; /* the key, then a keyset's field: what paging looks at */
        struct str *picked;
        size_t keys; /* of them; the field stands behind */
        bool is_keyset;
        struct buf last_field;

        size_t given; /* records of this page that were handed on, and their hash */
        uint64_t given_hash;
        size_t skip; /* of those, still to be passed over */
        int tries;   /* of this page */
        bool own;    /* body_rc is of a callback */
        int body_rc; /* of what came so far */
        bool named;  /* body_err names the request already */
        struct err body_err;
        int status; /* of the reply */
        bool any;   /* bytes came */
        struct buf link, etag;

        int rc; /* of the walk */
        struct err err;
};

/* ---- walk.c ---- */

/** walk_finish() - ends the walk, from the loop; the first reason counts */
void walk_finish(struct rest_walk *w, int rc, const struct err *e);

/** walk_wrap() - "GET https://erp/api/items: " before an error of the reply */
int walk_wrap(const struct rest_walk *w, int rc, struct err *e);

/** walk_changed_meanwhile() - the error of a page that has other records than those handed on */
int walk_changed_meanwhile(struct rest_walk *w, struct err *e);

/** walk_on_soon() - loop_fn of the timer */
void walk_on_soon(void *ctx);

/* ---- walk_records.c ---- */

/** walk_on_record(), walk_on_oversize() - of json_records */
int walk_on_record(void *ctx, struct str text, struct err *e);
int walk_on_oversize(void *ctx, struct str head, struct err *e);

/** walk_on_body() - of the request */
int walk_on_body(void *ctx, struct str bytes, struct err *e);

/** walk_feed_left() - what waited while we were paused. Return: whether all of it went. */
bool walk_feed_left(struct rest_walk *w);

/* ---- walk_page.c ---- */

/** walk_is_accepted() - whether the reply's status says that the page is empty */
bool walk_is_accepted(const struct rest_walk *w);

/** walk_check_error() - whether a reply that is whole says that it is an error
 * Return: 0; -ERR_RETRY one that passes by itself; -ERR_CONFIG. */
int walk_check_error(struct rest_walk *w, struct err *e);

/** walk_advance() - after a page that was taken whole, and is no error: tells the pager
 * @more: whether another page follows */
int walk_advance(struct rest_walk *w, bool *more, struct err *e);
