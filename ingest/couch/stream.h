/*
 * stream.h: a long list read page by page, begun again where it broke. For scan.c and changes.c.
 *
 * The owner hands over a path for each page; the rows of all pages go to one function, which
 * remembers the position so that the owner can make the next path.
 */
#pragma once

#include "ingest/couch/client.h"
#include "ingest/couch/rows.h"

struct stream {
        struct couch *couch; /* borrowed */
        struct rows rows;
        struct retry retry;
        rows_fn on_row;
        void *ctx;
        size_t page_rows; /* of the present page */
        bool refused;     /* set by on_row: its error ends the scan, whatever its class */
};

void stream_init(struct stream *s, struct couch *c, rows_fn on_row, void *ctx);
void stream_deinit(struct stream *s);

#define STREAM_BROKEN 1

/** stream_page() - reads one page
 * @frame: what is around its rows, valid until the next page
 * Return: 0; STREAM_BROKEN after a pause: make a new path from the position and go on; -class. */
int stream_page(struct stream *s, const char *path, struct str *frame, struct err *e)
        __attribute__((warn_unused_result));
