/*
 * One function a family of kinds decides what follows: those that count (page, offset), the keyset,
 * and those that follow what the reply names.
 *
 * Why an anchor proves that nothing was passed over: let r be a record that is there all the time,
 * behind the last page in the source's order. If the new page holds an anchor, then it begins at or
 * before that anchor, which is before r. So r is in this page or behind it. Pages that hold none
 * are handed on all the same, but prove nothing, and the anchors stay those of the last page that
 * did.
 *
 * Tokens and addresses are remembered by hashes of 64 bits, the newest 65,536 at the least half of
 * the time: a longer round ends at max_pages.
 */
#include "ingest/source/rest/paging_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "ingest/base/text.h"
#include "ingest/record/json_scan.h"

#define SEEN_MIN      64
#define SEEN_MAX      (1 << 16)
#define EMPTY_RUN_MAX 100 /* pages without records that name another: some filter behind paging */
/* Steps back that are not more than shifting pages can explain. */
#define STEPS_MIN     16
#define STEPS_SHARE   4
#define SHOWN_TOKEN   60 /* characters of a token in an error */

/* ---- what was named ---- */

static bool seen_put(struct pager_seen *seen, struct pager_name name, uint64_t *before)
{
        size_t i = name.hash & (seen->room - 1);

        for (; seen->items[i].page; i = (i + 1) & (seen->room - 1))
                if (seen->items[i].hash == name.hash) {
                        *before = seen->items[i].page;
                        return false;
                }
        seen->items[i] = name;
        return true;
}

static int seen_grow(struct pager_seen *seen, struct err *e)
{
        struct pager_seen wider = {.room = seen->room ? seen->room * 2 : SEEN_MIN};
        uint64_t none;

        wider.items = calloc(wider.room, sizeof(*wider.items));
        if (!wider.items)
                return err_nomem(e, "the pages that were read");
        for (size_t i = 0; i < seen->room; i++)
                if (seen->items[i].page)
                        wider.count += seen_put(&wider, seen->items[i], &none);
        free(seen->items);
        *seen = wider;
        return 0;
}

int pager_seen_add(
        struct pager_seen *seen, struct str name, uint64_t page, uint64_t *before, struct err *e)
{
        struct pager_name item = {XXH3_64bits(name.ptr, name.len), page};
        int rc;

        if (seen->count == SEEN_MAX) {
                memset(seen->items, 0, seen->room * sizeof(*seen->items));
                seen->count = 0;
        }
        if (seen->count * 2 >= seen->room && (rc = seen_grow(seen, e)))
                return rc;
        *before = 0;
        seen->count += seen_put(seen, item, before);
        return 0;
}

/* ---- life ---- */

static bool follows(enum rest_paging_kind kind)
{
        return kind == REST_PAGING_NEXT_URL || kind == REST_PAGING_LINK_HEADER ||
               kind == REST_PAGING_CURSOR || kind == REST_PAGING_ODATA;
}

static bool names_address(enum rest_paging_kind kind)
{
        return follows(kind) && kind != REST_PAGING_CURSOR;
}

void pager_place(struct rest_pager *p)
{
        const struct rest_paging_spec *spec = p->spec;
        const char *token = p->token.len ? buf_cstr(&p->token) : NULL;
        int64_t first = spec->first_given ? spec->first : spec->kind == REST_PAGING_PAGE;

        p->page.size = spec->size;
        p->page.page = spec->kind == REST_PAGING_PAGE ? first + p->at : 0;
        p->page.offset = spec->kind == REST_PAGING_OFFSET ? first + p->at : 0;
        p->page.url = names_address(spec->kind) ? token : NULL;
        p->page.after = names_address(spec->kind) ? NULL : token;
}

int rest_pager_new(const struct rest_paging_spec *spec, struct str mark, struct rest_pager **out,
        struct err *e)
{
        cleanup_(rest_pager_freep) struct rest_pager *p = calloc(1, sizeof(*p));

        if (!p)
                return err_nomem(e, "paging");
        p->spec = spec;
        p->total = -1;
        p->back = 1;
        buf_init(&p->token, 3 * REST_PAGE_MAX_TOKEN); /* percent-encoded */
        int rc = mark.len ? pager_take_mark(p, mark, e) : 0;
        if (rc)
                return rc;
        pager_place(p);
        *out = TAKE(p);
        return 0;
}

struct rest_pager *rest_pager_free(struct rest_pager *p)
{
        if (!p)
                return NULL;
        buf_deinit(&p->token);
        free(p->seen.items);
        free(p);
        return NULL;
}

void rest_pager_each_counts(struct rest_pager *p)
{
        p->each_counts = true;
}

const struct rest_page *rest_pager_page(const struct rest_pager *p)
{
        return &p->page;
}

int64_t rest_pager_total(const struct rest_pager *p)
{
        return p->total_is_wrong ? -1 : p->total;
}

const char *rest_pager_doubt(const struct rest_pager *p)
{
        return p->doubt;
}

/* ---- the records of a page ---- */

/* Only the first record of a page may be the one that ended the page before. */
static const struct pager_anchor *meet_in_step(const struct rest_pager *p, uint64_t key)
{
        const struct pager_anchor *last = &p->anchors.items[(p->anchors.count - 1) % PAGER_ANCHORS];
        bool overlaps = p->must_meet || p->spec->kind == REST_PAGING_KEYSET;

        return overlaps && p->anchors.count && !p->tail.count && last->key == key ? last : NULL;
}

static const struct pager_anchor *meet(const struct rest_pager *p, uint64_t key)
{
        uint64_t held = p->anchors.count < PAGER_ANCHORS ? p->anchors.count : PAGER_ANCHORS;

        for (uint64_t i = 0; i < held; i++)
                if (p->anchors.items[i].key == key)
                        return &p->anchors.items[i];
        return NULL;
}

bool rest_pager_record(struct rest_pager *p, uint64_t key, uint64_t bytes)
{
        const struct pager_anchor *met = p->each_counts ? meet_in_step(p, key) : meet(p, key);
        bool same = met && met->bytes == bytes;

        p->met |= met != NULL;
        p->repeats += met != NULL;
        p->tail.items[p->tail.count++ % PAGER_ANCHORS] = (struct pager_anchor){key, bytes};
        return same;
}

int rest_pager_in_step(const struct rest_pager *p, struct err *e)
{
        bool shrank = p->shrank && !p->must_meet && p->at > 0;

        if (!p->each_counts || (!shrank && (!p->must_meet || p->met)))
                return 0;
        return err_set(e, ERR_RETRY,
                "page %" PRIu64 " does not begin where the page before it ended: records came or "
                "went while they were read, or they come in no fixed order (ask for one)",
                p->page.number + 1);
}

void rest_pager_again(struct rest_pager *p)
{
        p->tail.count = 0;
        p->repeats = 0;
        p->met = false;
}

/* ---- what the reply said ---- */

static int wrong_value(const struct rest_pager *p, const char *key, const char *path,
        struct str found, const char *wanted, struct err *e)
{
        cleanup_buf_ struct buf shown = BUF_INIT(1024);

        text_put_line(&shown, found, SHOWN_TOKEN);
        return err_set(e, ERR_CONFIG, "page %" PRIu64 ": paging.%s: %s is %s, not %s",
                p->page.number + 1, key, path ? path : key, buf_cstr(&shown) ? shown.data : "",
                wanted);
}

static bool is_absent(struct str json)
{
        return !json.ptr || json.len == 0 || str_is(json, "null");
}

/* A number of records or pages. Many write -1 for "not known". */
static int take_number(const struct rest_pager *p, const char *key, const char *path,
        struct str json, int64_t *out, struct err *e)
{
        struct str digits = json;

        if (is_absent(json))
                return 0;
        if (json.len >= 2 && json.ptr[0] == '"')
                digits = (struct str){json.ptr + 1, json.len - 2};
        int64_t n;
        if (!str_to_int64(digits, &n))
                return wrong_value(p, key, path, json, "a whole number", e);
        *out = n < 0 ? -1 : n;
        return 0;
}

enum answer { UNKNOWN, NO, YES };

static int take_more(const struct rest_pager *p, struct str json, enum answer *out, struct err *e)
{
        static const struct {
                const char *text;
                enum answer answer;
        } known[] = {{"true", YES}, {"false", NO}, {"1", YES}, {"0", NO}, {"\"true\"", YES},
                {"\"false\"", NO}, {"\"1\"", YES}, {"\"0\"", NO}};

        *out = UNKNOWN;
        if (is_absent(json))
                return 0;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (str_is(json, known[i].text))
                        *out = known[i].answer;
        return *out == UNKNOWN ? wrong_value(p, "more", p->spec->more, json, "true or false", e)
                               : 0;
}

struct said {
        const struct rest_page_facts *facts;
        int64_t total, pages; /* of this reply, or the last one that had it; -1: none */
        enum answer more;
        int64_t records;
};

static int take_facts(
        struct rest_pager *p, const struct rest_page_facts *facts, struct said *out, struct err *e)
{
        const struct rest_paging_spec *spec = p->spec;
        int64_t before = p->total;
        int rc;

        *out = (struct said){.facts = facts, .pages = -1, .records = (int64_t)facts->records};
        if ((rc = take_number(p, "total", spec->total, facts->total, &p->total, e)) ||
                (rc = take_number(p, "pages", spec->pages, facts->pages, &out->pages, e)) ||
                (rc = take_more(p, facts->more, &out->more, e)))
                return rc;
        if (spec->kind == REST_PAGING_KEYSET && p->total < before)
                p->total = before; /* some count what is left */
        p->shrank = p->total >= 0 && p->total < before;
        out->total = p->total;
        if (spec->stop == REST_STOP_TOTAL && out->total < 0 && out->records > 0)
                return err_set(e, ERR_CONFIG,
                        "the reply has no number at %s (paging.total), and nothing else says when "
                        "to stop",
                        spec->total ? spec->total : "a path");
        if (spec->stop == REST_STOP_PAGES && out->pages < 0 && out->records > 0)
                return err_set(e, ERR_CONFIG,
                        "the reply has no number at %s (paging.pages), and nothing else says when "
                        "to stop",
                        spec->pages ? spec->pages : "a path");
        return 0;
}

/* ---- when to stop ---- */

/* Records up to the end of the current page, as the source counts them; at least so many. Of
 * numbered pages some may be short, and some of what came may be deleted by now. */
static int64_t reach(const struct rest_pager *p, const struct said *s)
{
        int64_t came = p->delivered + s->records - p->repeats;
        int64_t full = p->largest > s->records ? p->largest : s->records;

        if (p->spec->kind == REST_PAGING_OFFSET)
                return p->at + s->records;
        if (p->spec->kind == REST_PAGING_PAGE && p->at * full + s->records < came)
                return p->at * full + s->records;
        return came;
}

/* Whether the source's total says that this was the last page. A total that equals the size of a
 * full first page may be the number of records in the page: one more page tells. */
static enum answer total_says(struct rest_pager *p, const struct said *s)
{
        bool counts = p->spec->kind == REST_PAGING_PAGE || p->spec->kind == REST_PAGING_OFFSET;
        int64_t up_to = reach(p, s);

        if (s->total < 0 || p->total_is_wrong || !counts)
                return UNKNOWN;
        if (up_to > s->total && s->records > 0 && p->page.number > 0) {
                p->total_is_wrong = true;
                snprintf(p->doubt, sizeof(p->doubt),
                        "%.60s says %" PRId64 " where %" PRId64
                        " records came already: look at paging.total",
                        p->spec->total ? p->spec->total : "the total", s->total, up_to);
                return UNKNOWN;
        }
        if (p->page.number == 0 && p->spec->size > 0 && s->total == s->records &&
                s->records >= p->spec->size)
                return NO;
        return up_to >= s->total ? YES : NO;
}

static enum answer pages_say(const struct rest_pager *p, const struct said *s)
{
        int64_t pages = p->spec->kind == REST_PAGING_PAGE ? p->at + 1 : (int64_t)p->page.number + 1;

        if (s->pages < 0)
                return UNKNOWN;
        return pages >= s->pages ? YES : NO;
}

static bool is_end_auto(struct rest_pager *p, const struct said *s)
{
        enum answer total = total_says(p, s), pages = pages_say(p, s);

        if (s->records == 0 || total == YES || pages == YES)
                return true;
        if (total == NO || pages == NO)
                return false;
        return s->records < p->largest;
}

/* Of kinds that count: whether the current page was the last. */
static bool is_end(struct rest_pager *p, const struct said *s)
{
        int64_t full = p->spec->size > 0 ? p->spec->size : p->largest;

        if (s->records == 0 || s->more == NO)
                return true;
        if (s->more == YES)
                return false;
        switch (p->spec->stop) {
        case REST_STOP_SHORT:
                return s->records < full;
        case REST_STOP_EMPTY:
                return false;
        case REST_STOP_TOTAL:
                return reach(p, s) >= s->total;
        case REST_STOP_PAGES:
                return pages_say(p, s) == YES;
        default:
                return is_end_auto(p, s);
        }
}

/* ---- pages and offsets ---- */

static int shifts_too_fast(const struct rest_pager *p, struct err *e)
{
        return err_set(e, ERR_RETRY,
                "after %" PRIu64 " pages the records of a page still do not follow those of the "
                "page before: either they change faster than they can be read, or they come in no "
                "fixed order (ask for one: by the key), or '%s' is no parameter of this API",
                p->page.number + 1, p->spec->param ? p->spec->param : "offset");
}

static bool may_step_back(const struct rest_pager *p)
{
        return p->steps_back < STEPS_MIN + (int64_t)p->page.number / STEPS_SHARE;
}

/* Nothing of the page before is in this one: go back until something is. */
static int step_back(struct rest_pager *p, const struct said *s, struct err *e)
{
        int64_t unit = 1;

        if (!may_step_back(p))
                return shifts_too_fast(p, e);
        p->steps_back++;
        if (p->spec->kind == REST_PAGING_OFFSET) {
                unit = p->largest > s->records ? p->largest : s->records;
                unit = p->spec->size > unit ? p->spec->size : unit;
                unit = unit > 0 ? unit : 1;
        }
        p->at = p->back <= (p->at - 1) / unit ? p->at - p->back * unit : 0;
        p->back *= 2;
        p->must_meet = p->at > 0;
        return 0;
}

/* Pages that do not overlap, and records went between the last two: the page before is read again,
 * where the records of this one may be now. */
static bool look_back(struct rest_pager *p)
{
        int64_t unit = p->spec->kind == REST_PAGING_PAGE ? 1 : p->largest;

        if (p->must_meet || !p->shrank || p->total_is_wrong || p->at == 0 || p->anchors.count == 0)
                return false;
        if (!may_step_back(p)) {
                snprintf(p->doubt, sizeof(p->doubt),
                        "records were deleted while pages were read that do not overlap");
                return false;
        }
        p->steps_back++;
        p->at = p->at > unit ? p->at - unit : 0;
        p->must_meet = p->at > 0;
        return true;
}

static int next_counted(struct rest_pager *p, const struct said *s, bool *more, struct err *e)
{
        int rc = rest_pager_in_step(p, e);

        if (rc)
                return rc;
        if (p->must_meet && !p->met) {
                *more = true;
                return step_back(p, s, e);
        }
        if (look_back(p)) {
                *more = true;
                return 0;
        }
        p->anchors = p->tail;
        p->back = 1;
        *more = !is_end(p, s);
        bool overlap = p->spec->kind == REST_PAGING_OFFSET && !p->spec->disjoint && s->records > 1;
        p->must_meet = overlap;
        p->at += p->spec->kind == REST_PAGING_PAGE ? 1 : s->records - overlap;
        return 0;
}

/* ---- tokens ---- */

/* "page 7 names the token 'x' again, as page 3 did". Addresses are shown without their query, which
 * may hold credentials. */
static int goes_round(const struct rest_pager *p, struct str token, uint64_t before, struct err *e)
{
        cleanup_buf_ struct buf shown = BUF_INIT(1024);
        bool address = names_address(p->spec->kind);
        const char *query = address ? memchr(token.ptr, '?', token.len) : NULL;

        if (query)
                token.len = (size_t)(query - token.ptr);
        text_put_line(&shown, token, SHOWN_TOKEN);
        return err_set(e, ERR_RETRY,
                "the pages go round: page %" PRIu64 " names %s '%s%s' again, as page %" PRIu64
                " did; nothing was taken as complete",
                p->page.number + 1,
                address                               ? "the address"
                : p->spec->kind == REST_PAGING_KEYSET ? "the key"
                                                      : "the token",
                buf_cstr(&shown) ? shown.data : "", query ? "?..." : "", before);
}

/* Percent-encodes what may not stand in an address: some servers name theirs with blanks. */
static void put_address(struct buf *out, struct str address)
{
        struct str a = str_trim(address);

        for (size_t i = 0; i < a.len; i++) {
                unsigned char c = (unsigned char)a.ptr[i];
                if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c))
                        buf_printf(out, "%%%02X", c);
                else
                        buf_putc(out, (char)c);
        }
}

static int check_name(const struct buf *name, struct err *e)
{
        if (!name->error || name->error == -ERR_NOMEM)
                return buf_check(name, "the name of a page", e);
        return err_set(
                e, ERR_CONFIG, "the name of the next page has more than %zu bytes", name->max);
}

int pager_set_token(struct rest_pager *p, struct str token, struct err *e)
{
        buf_clear(&p->token);
        if (names_address(p->spec->kind))
                put_address(&p->token, token);
        else
                buf_put_str(&p->token, token);
        return check_name(&p->token, e);
}

/* The token that @json is; empty: none. */
static int take_token(const struct rest_pager *p, const char *key, const char *path,
        struct str json, struct buf *out, struct err *e)
{
        bool address = names_address(p->spec->kind), keyset = p->spec->kind == REST_PAGING_KEYSET;
        bool number = json.len && strchr("-0123456789", json.ptr[0]);

        buf_clear(out);
        if (is_absent(json) || (str_is(json, "false") && !keyset) || (str_is(json, "0") && !keyset))
                return 0;
        bool text = json.ptr[0] == '"' && json_unquote(json, out, e) == 0;
        if (number && !address)
                buf_put_str(out, json);
        if (out->error)
                return check_name(out, e);
        if (!text && (!number || address))
                return wrong_value(
                        p, key, path, json, address ? "an address" : "a text or a number", e);
        if (out->len && memchr(out->data, '\0', out->len))
                return wrong_value(p, key, path, json, "a text without NUL", e);
        return 0;
}

/* ---- keysets ---- */

static int next_keyset(struct rest_pager *p, const struct said *s, bool *more, struct err *e)
{
        const char *field = p->spec->field ? p->spec->field : "the key";
        cleanup_buf_ struct buf after = BUF_INIT(REST_PAGE_MAX_FIELD);
        uint64_t before;
        int rc;

        *more = !is_end(p, s);
        if (!*more)
                return 0;
        rc = take_token(p, "field", field, s->facts->last_field, &after, e);
        if (rc)
                return err_hint(e, rc, "a keyset goes on behind the last record's %s", field);
        if (!after.len)
                return err_set(e, ERR_CONFIG,
                        "page %" PRIu64 ": the last record has no value at %s (paging.field), so "
                        "the next page cannot be asked for",
                        p->page.number + 1, field);
        /* "From here on" instead of "behind here": the last records come again, and nothing else.
         */
        bool same = p->page.after && str_is(buf_str(&after), p->page.after);
        if (same && p->repeats == s->records && (s->records == 1 || s->records < p->largest)) {
                *more = false;
                return 0;
        }
        if ((rc = pager_seen_add(&p->seen, buf_str(&after), p->page.number + 1, &before, e)))
                return rc;
        if (before)
                return goes_round(p, buf_str(&after), before, e);
        p->anchors = p->tail;
        return pager_set_token(p, buf_str(&after), e);
}

/* ---- what the reply names ---- */

static bool stops_following(struct rest_pager *p, const struct said *s)
{
        switch (p->spec->stop) {
        case REST_STOP_SHORT:
                return s->records < (p->spec->size > 0 ? p->spec->size : p->largest);
        case REST_STOP_EMPTY:
                return s->records == 0;
        case REST_STOP_TOTAL:
                return reach(p, s) >= s->total;
        case REST_STOP_PAGES:
                return pages_say(p, s) == YES;
        default:
                return false;
        }
}

/* Nothing follows. A member that is missing where the page is full may be misnamed. */
static int nothing_follows(struct rest_pager *p, const struct said *s, struct err *e)
{
        const char *path = p->spec->next ? p->spec->next : "the next page";

        if (s->more == YES)
                return err_set(e, ERR_CONFIG,
                        "page %" PRIu64 ": %s says that there are more, but the reply has nothing "
                        "at %s (paging.next)",
                        p->page.number + 1, p->spec->more ? p->spec->more : "the reply", path);
        if (p->spec->next && !s->facts->next.ptr && p->spec->kind != REST_PAGING_ODATA &&
                p->page.number == 0 && p->spec->size > 0 && s->records >= p->spec->size)
                snprintf(p->doubt, sizeof(p->doubt),
                        "the first page is full, but the reply has no %.60s: look at paging.next",
                        path);
        return 0;
}

static int take_next(
        const struct rest_pager *p, const struct said *s, struct buf *token, struct err *e)
{
        const char *path = p->spec->next ? p->spec->next : "the next link";

        if (p->spec->kind != REST_PAGING_LINK_HEADER)
                return take_token(p, "next", path, s->facts->next, token, e);
        buf_put_str(token, s->facts->link_next);
        return check_name(token, e);
}

static int next_named(struct rest_pager *p, const struct said *s, bool *more, struct err *e)
{
        cleanup_buf_ struct buf token = BUF_INIT(REST_PAGE_MAX_TOKEN);
        uint64_t before;
        int rc = take_next(p, s, &token, e);

        *more = false;
        if (rc || s->more == NO || stops_following(p, s))
                return rc;
        if (!token.len)
                return nothing_follows(p, s, e);
        const char *current = p->token.len ? buf_cstr(&p->token) : NULL;
        bool stands = current && str_is(buf_str(&token), current);
        if (s->records == 0 && stands)
                return 0;
        p->empty_run = s->records ? 0 : p->empty_run + 1;
        if (p->empty_run > EMPTY_RUN_MAX)
                return err_set(e, ERR_RETRY, "%d pages without a record, and each names another",
                        p->empty_run);
        if ((rc = pager_seen_add(&p->seen, buf_str(&token), p->page.number + 1, &before, e)))
                return rc;
        if (before)
                return goes_round(p, buf_str(&token), before, e);
        *more = true;
        return pager_set_token(p, buf_str(&token), e);
}

static int next_none(struct rest_pager *p, const struct said *s, bool *more, struct err *e)
{
        *more = false;
        return 0;
}

/* ---- advancing ---- */

/* The same records again: the parameter is not one of this API, or it gives its last page for ever.
 * Of an offset it may be once that as many records were inserted as the page goes on. */
static int check_same_page(struct rest_pager *p, const struct rest_page_facts *f, struct err *e)
{
        bool same = p->has_last && f->records && f->records == p->last_records &&
                    f->hash == p->last_hash;
        bool end_of_keyset = p->spec->kind == REST_PAGING_KEYSET && f->records == 1;

        p->same_run = same && !end_of_keyset ? p->same_run + 1 : 0;
        if (p->same_run <= (p->spec->kind == REST_PAGING_OFFSET && p->must_meet))
                return 0;
        return err_set(e, ERR_RETRY,
                "page %" PRIu64 " has the records of the page before it, byte for byte: %s%s%s",
                p->page.number + 1, p->spec->param ? "is '" : "the pages go round",
                p->spec->param ? p->spec->param : "",
                p->spec->param ? "' the parameter of this API? Or say when to stop (paging.stop)"
                               : "");
}

static void note_missing(struct rest_pager *p)
{
        int64_t total = rest_pager_total(p);

        if (p->doubt[0] || total < 0 || p->delivered >= total)
                return;
        snprintf(p->doubt, sizeof(p->doubt),
                "the source counts %" PRId64 " records, %" PRId64 " came%s", total, p->delivered,
                p->spec->kind == REST_PAGING_NONE ? ": the mapper has no paging" : "");
}

static void close_page(struct rest_pager *p, const struct said *s)
{
        p->has_last = true;
        p->last_hash = s->facts->hash;
        p->last_records = s->facts->records;
        p->delivered += s->records - p->repeats;
        p->largest = s->records > p->largest ? s->records : p->largest;
        p->page.number++;
        rest_pager_again(p);
        pager_place(p);
}

int rest_pager_advance(
        struct rest_pager *p, const struct rest_page_facts *facts, bool *more, struct err *e)
{
        static int (*const next[])(
                struct rest_pager *, const struct said *, bool *, struct err *) = {
                [REST_PAGING_NONE] = next_none,
                [REST_PAGING_PAGE] = next_counted,
                [REST_PAGING_OFFSET] = next_counted,
                [REST_PAGING_KEYSET] = next_keyset,
                [REST_PAGING_NEXT_URL] = next_named,
                [REST_PAGING_LINK_HEADER] = next_named,
                [REST_PAGING_CURSOR] = next_named,
                [REST_PAGING_ODATA] = next_named,
        };
        struct said said;
        bool again = false;

        if (p->ended)
                return err_set(e, ERR_BUG, "the pages have ended");
        p->ended = true; /* after an error, too */
        int rc = check_same_page(p, facts, e);
        if (!rc)
                rc = take_facts(p, facts, &said, e);
        if (!rc)
                rc = next[p->spec->kind](p, &said, &again, e);
        if (rc)
                return rc;
        close_page(p, &said);
        if (again && p->spec->max_pages > 0 && p->page.number >= (uint64_t)p->spec->max_pages)
                return err_set(e, ERR_RETRY,
                        "more than %" PRId64 " pages: raise paging.max_pages if there are so many",
                        p->spec->max_pages);
        if (!again)
                note_missing(p);
        p->ended = !again;
        *more = again;
        return 0;
}
