/* paging_internal.h: a pager, between the files of its module. */
#pragma once

#include "ingest/source/rest/paging.h"

/* Of a page's last records, by which the next one is recognised: if all of them are deleted between
 * two requests, the read begins again, which costs time alone. */
#define PAGER_ANCHORS 16

struct pager_anchor {
        uint64_t key, bytes;
};

struct pager_tail {
        struct pager_anchor items[PAGER_ANCHORS]; /* a ring */
        uint64_t count;                           /* that ever came; the last ones are held */
};

/* Tokens and addresses that were named, with the page that did. */
struct pager_seen {
        struct pager_name {
                uint64_t hash;
                uint64_t page; /* from 1; 0: free */
        } * items;
        size_t count, room;
};

struct rest_pager {
        const struct rest_paging_spec *spec;
        struct rest_page page;
        struct buf token; /* what page.url or page.after points to */
        bool ended;

        int64_t at;      /* PAGE: pages, OFFSET: records before the current page */
        int64_t largest; /* records of the largest page */
        int64_t delivered, total;
        bool total_is_wrong;
        bool shrank; /* the total is less than with the page before */
        char doubt[160];

        struct pager_tail anchors; /* of the last page that was whole and in its place */
        struct pager_tail tail;    /* of the current page */
        bool must_meet, met;       /* an anchor in the current page */
        int64_t repeats;           /* anchors in the current page */
        bool each_counts;          /* equal records are not one */
        int64_t back;              /* pages that the next step back takes */
        int64_t steps_back;

        bool has_last; /* hash and number of records of the page before */
        uint64_t last_hash;
        size_t last_records;
        int same_run; /* pages that were like the one before */
        int empty_run;
        struct pager_seen seen;
};

/** pager_seen_add() - @name was named by the page @page (from 1)
 * @before: set to the page that named it before; 0: none
 * Return: 0; -ERR_NOMEM. */
int pager_seen_add(struct pager_seen *seen, struct str name, uint64_t page, uint64_t *before,
        struct err *e) __attribute__((warn_unused_result));

/** pager_set_token() - the current page is the one that @token names */
int pager_set_token(struct rest_pager *p, struct str token, struct err *e)
        __attribute__((warn_unused_result));

/** pager_place() - fills p->page from p->at and the token */
void pager_place(struct rest_pager *p);

/** pager_take_mark() - paging_mark.c: @p, just made, goes on behind @mark */
int pager_take_mark(struct rest_pager *p, struct str mark, struct err *e)
        __attribute__((warn_unused_result));
