/*
 * out.h: standard output in large pieces, and text of strangers made fit for a terminal.
 *
 * A reader that goes away (a pager, head) ends the output without an error. One thread.
 */
#pragma once

#include "ingest/base/buf.h"

struct out {
        struct buf buf; /* what is not written yet: append here */
        bool closed;    /* nobody reads any more */
};

void out_init(struct out *o);
void out_deinit(struct out *o);

/** out_more() - writes what has come together, if it is much
 * Return: 0; -ERR_SYSTEM; -ERR_REJECT, -ERR_NOMEM of an append before. */
int out_more(struct out *o, struct err *e) __attribute__((warn_unused_result));

/** out_flush() - writes everything. Return: as out_more(). */
int out_flush(struct out *o, struct err *e) __attribute__((warn_unused_result));

/** out_text() - appends @s for people, and so that it can be told apart from all others: characters
 * that are not visible (text.h) become \xNN and \uNNNN
 * @max_chars: longer ones end with "..."; 0: no limit      Return: characters appended. */
size_t out_text(struct buf *b, struct str s, size_t max_chars);
