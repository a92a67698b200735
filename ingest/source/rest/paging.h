/*
 * paging.h: which page comes next, and whether there is one.
 *
 * Pure: what a reply said goes in, the next request comes out. A pager never asks for a page twice:
 * the same address, token or key again (also A, B, A) is an error, and so is a page whose records
 * are those of the page before, byte for byte (of overlapping pages: twice in a row). Its mark is
 * the text with which a later run goes on.
 *
 * Pages of an offset shift when records come and go while they are read. So each page is asked for
 * one record early, and must hold one of the last records of the page before (its *anchors*, by the
 * hashes of their keys). If it does not, records may have been passed over: the pager steps back,
 * further each time, until a page does, or to the beginning. Where the source keeps its order, no
 * record that was there all the time is lost, whatever is inserted or deleted meanwhile; some come
 * twice. Numbered pages, and those that the mapper says may not overlap, are checked so in a read
 * that is resumed, and where the source's total shrinks: then the page before is read again. Pages
 * of a single record are not. Keysets do not shift.
 *
 * When a read ends, by kind (`stop: auto`):
 *   - total, pages and more, where the mapper names them and the reply has them;
 *   - page, offset, keyset: at a page without records, or with fewer than a page before it had. One
 *     that is shorter than asked for is not enough: many servers have a largest size and do not say
 *     so. `stop: short` says that it is;
 *   - next_url, link_header, cursor, odata: where nothing follows. An empty page that names another
 *     one is passed; one that names itself is the end.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/source/rest/extract.h"

#define REST_PAGE_MAX_TOKEN                                                                        \
        (64 << 10)                    /* bytes of a token or address: as a kept value of a reply   \
                                       */
#define REST_PAGE_MAX_FIELD (4 << 10) /* bytes of a keyset's value: it has to fit an address */

struct rest_pager;

/* What is asked for now. Borrowed from the pager until the next call. */
struct rest_page {
        uint64_t number; /* from 0: how many pages were read before it */
        const char *url; /* NEXT_URL, LINK_HEADER, ODATA behind the first page; NULL: the call's
                          * own. May be relative (RFC 3986) to the address of the page before.
                          * Blanks and what else may not stand in an address are percent-encoded. */
        int64_t page, offset, size; /* PAGE, OFFSET; size 0: none is asked for */
        const char *after;          /* KEYSET, CURSOR; NULL on the first page */
};

/* What the reply said. JSON texts as they stood; .ptr NULL: absent. */
struct rest_page_facts {
        size_t records;  /* in this page */
        uint64_t hash;   /* over the records' bytes, in order */
        struct str next; /* at paging.next */
        struct str total, pages, more;
        struct str link_next;  /* of the Link header: rest_link_next(), no JSON */
        struct str last_field; /* KEYSET: of the last record */
};

/** rest_pager_new() - at the first page, or behind the one that @mark ends (of rest_pager_mark())
 * @spec: outlives the pager      @mark: .len 0: none
 * Return: 0; -ERR_CONFIG @mark is not of this paging; -ERR_NOMEM. */
int rest_pager_new(const struct rest_paging_spec *spec, struct str mark, struct rest_pager **out,
        struct err *e) __attribute__((warn_unused_result));
struct rest_pager *rest_pager_free(struct rest_pager *p);
DEFINE_CLEANUP(struct rest_pager *, rest_pager_free);

/** rest_pager_each_counts() - records have no key: rows of a group, or a child's, of which two may
 * be equal and both count. Then a page that does not begin with the very last record of the page
 * before is no reason to step back, which would double records, but an error. */
void rest_pager_each_counts(struct rest_pager *p);

const struct rest_page *rest_pager_page(const struct rest_pager *p);

/** rest_pager_record() - one record of the current page came, in order; each one, also those that
 * are no records to others (rejects)
 * @key: hash of its key's bytes; of its own bytes where it has no key
 * @bytes: hash of its bytes
 * Return: true: it is the record that ended the page before, unchanged: it need not be handed on.
 */
bool rest_pager_record(struct rest_pager *p, uint64_t key, uint64_t bytes);

/** rest_pager_in_step() - whether the current page may be handed on, after its first record
 * Return: 0; -ERR_RETRY each record counts, and the page does not begin where the last one ended.
 */
int rest_pager_in_step(const struct rest_pager *p, struct err *e)
        __attribute__((warn_unused_result));

/** rest_pager_again() - the current page is asked for again: forgets the records that came of it */
void rest_pager_again(struct rest_pager *p);

/** rest_pager_advance() - after the current page was read whole; also after one that a status says
 * is empty (empty_on, 304), with @facts that are all absent: an offset may have to step back
 * @more: whether rest_pager_page() is another page now
 * Return: 0; -ERR_RETRY the pages go round (names the token), or more than max_pages, or they shift
 * faster than they can be read; -ERR_CONFIG what a path names is not what it has to be, or is
 * missing where nothing else says when to stop; -ERR_NOMEM. After an error nothing can be asked. */
int rest_pager_advance(struct rest_pager *p, const struct rest_page_facts *facts, bool *more,
        struct err *e) __attribute__((warn_unused_result));

/** rest_pager_total() - how many records there are in all, as the source said last; -1: it did not
 */
int64_t rest_pager_total(const struct rest_pager *p);

/** rest_pager_doubt() - after the last page: why records may be missing all the same; "" if not
 * "the source counts 510 records, 505 came". Worth a warning, and such a read proves no absence. */
const char *rest_pager_doubt(const struct rest_pager *p);

/** rest_pager_mark() - appends the text to begin with at the page that is current now: one line of
 * JSON. Numbered pages begin with the page before, to see whether it still is where it was. */
int rest_pager_mark(const struct rest_pager *p, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_link_next() - the address with rel="next" in the value of a Link header (RFC 8288)
 * @header: all of them, joined by commas. A link with an anchor is about something else. */
bool rest_link_next(struct str header, struct str *out);
