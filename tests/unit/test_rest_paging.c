/*
 * Pagers against scripted servers, in tables: each reply, what is asked for, and how it ends.
 * Servers whose records come and go are in test_rest_paging_model.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <xxhash.h>

#include "ingest/source/rest/paging.h"
#include "tests/support/alloc_fail.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGES        8

/* Each letter of @records is a record, and its key. */
struct reply {
        const char *asked; /* "p1", "o0", "a:TOKEN", "u:ADDRESS"; "-": the call's own */
        const char *records;
        const char *next, *total, *pages, *more, *link;
};

struct scenario {
        const char *name;
        struct rest_paging_spec spec;
        struct reply replies[PAGES];
        const char *error; /* a part of it; NULL: it ends */
        const char *doubt;
        const char *given; /* records that are to be handed on; NULL: whichever */
        bool each_counts;
};

static const char *asked(const struct rest_page *page, enum rest_paging_kind kind, char *out)
{
        if (kind == REST_PAGING_PAGE)
                snprintf(out, 256, "p%lld", (long long)page->page);
        else if (kind == REST_PAGING_OFFSET)
                snprintf(out, 256, "o%lld", (long long)page->offset);
        else if (page->url)
                snprintf(out, 256, "u:%s", page->url);
        else if (page->after)
                snprintf(out, 256, "a:%s", page->after);
        else
                snprintf(out, 256, "-");
        return out;
}

static struct str json(const char *text)
{
        return str_of(text);
}

/* @given: the records that need to be handed on, at its end. Return: 0; of rest_pager_in_step(). */
static int hand_over(struct rest_pager *p, const struct reply *r, struct rest_page_facts *f,
        char *given, struct err *e)
{
        static char last[8];
        int rc = 0;

        given += strlen(given);
        *f = (struct rest_page_facts){.records = strlen(r->records),
                .hash = XXH3_64bits(r->records, strlen(r->records)),
                .next = json(r->next),
                .total = json(r->total),
                .pages = json(r->pages),
                .more = json(r->more),
                .link_next = json(r->link)};
        for (const char *c = r->records; *c && !rc; c++) {
                bool known = rest_pager_record(p, (uint64_t)*c, (uint64_t)*c);
                rc = rest_pager_in_step(p, e);
                if (!known && !rc)
                        *given++ = *c;
                snprintf(last, sizeof(last), "\"%c\"", *c);
                f->last_field = json(last);
        }
        *given = '\0';
        return rc;
}

static void check_scenario(const struct scenario *s)
{
        cleanup_(rest_pager_freep) struct rest_pager *p = NULL;
        struct rest_page_facts facts;
        struct err e = {0};
        char text[256], given[PAGES * PAGES] = "";
        bool more = true;
        int rc = 0;

        assert_int_equal(rest_pager_new(&s->spec, (struct str){0}, &p, &e), 0);
        if (s->each_counts)
                rest_pager_each_counts(p);
        for (size_t i = 0; rc == 0 && more; i++) {
                if (i == PAGES || !s->replies[i].asked)
                        fail_msg("%s: more than %zu pages", s->name, i);
                asked(rest_pager_page(p), s->spec.kind, text);
                if (strcmp(text, s->replies[i].asked) != 0)
                        fail_msg("%s: page %zu is %s, not %s", s->name, i + 1, text,
                                s->replies[i].asked);
                rc = hand_over(p, &s->replies[i], &facts, given, &e);
                if (!rc)
                        rc = rest_pager_advance(p, &facts, &more, &e);
                if (!(rc || !more) == !(i + 1 < PAGES && s->replies[i + 1].asked))
                        fail_msg("%s: page %zu: %s", s->name, i + 1,
                                rc ? e.text : "the number of pages is another one");
        }
        if ((rc != 0) != (s->error != NULL) || (s->error && !strstr(e.text, s->error)))
                fail_msg("%s: %s", s->name, rc ? e.text : "no error");
        if (s->doubt ? !strstr(rest_pager_doubt(p), s->doubt) : *rest_pager_doubt(p))
                fail_msg("%s: doubt '%s'", s->name, rest_pager_doubt(p));
        if (s->given && strcmp(given, s->given) != 0)
                fail_msg("%s: handed on are %s, not %s", s->name, given, s->given);
}

#define KIND(k) .kind = REST_PAGING_##k, .max_pages = 100

static const struct scenario scenarios[] = {
        {"none: one page", {KIND(NONE)}, {{"-", "abc"}}},
        {"none: the source counts more", {KIND(NONE), .total = "n"}, {{"-", "abc", .total = "9"}},
                .doubt = "counts 9 records, 3 came: the mapper has no paging"},

        {"page: first is 1", {KIND(PAGE), .size = 2}, {{"p1", "ab"}, {"p2", "c"}}},
        {"page: first is 0", {KIND(PAGE), .size = 2, .first = 0, .first_given = true},
                {{"p0", "ab"}, {"p1", "c"}}},
        {"page: a full last page", {KIND(PAGE), .size = 2},
                {{"p1", "ab"}, {"p2", "cd"}, {"p3", ""}}},
        {"page: a full last page, with short", {KIND(PAGE), .size = 2, .stop = REST_STOP_SHORT},
                {{"p1", "ab"}, {"p2", ""}}},
        {"page: a server that gives less than asked for", {KIND(PAGE), .size = 100},
                {{"p1", "ab"}, {"p2", "cd"}, {"p3", "e"}}},
        {"page: short says that less is the end",
                {KIND(PAGE), .size = 100, .stop = REST_STOP_SHORT}, {{"p1", "ab"}}},
        {"page: empty passes short pages", {KIND(PAGE), .size = 3, .stop = REST_STOP_EMPTY},
                {{"p1", "ab"}, {"p2", "c"}, {"p3", "def"}, {"p4", ""}}},
        {"page: no records at all", {KIND(PAGE), .size = 3}, {{"p1", ""}}},
        {"page: total", {KIND(PAGE), .size = 2, .total = "n"},
                {{"p1", "ab", .total = "4"}, {"p2", "cd", .total = "4"}}},
        {"page: total as a string, in the first page alone", {KIND(PAGE), .size = 2, .total = "n"},
                {{"p1", "ab", .total = "\"4\""}, {"p2", "cd"}}},
        {"page: total passes a short page", {KIND(PAGE), .size = 2, .total = "n"},
                {{"p1", "ab", .total = "5"}, {"p2", "c", .total = "5"},
                        {"p3", "de", .total = "5"}}},
        {"page: total that is -1 is none", {KIND(PAGE), .size = 2, .total = "n"},
                {{"p1", "ab", .total = "-1"}, {"p2", "c", .total = "-1"}}},
        {"page: total is the number in the page", {KIND(PAGE), .size = 2, .total = "count"},
                {{"p1", "ab", .total = "2"}, {"p2", "cd", .total = "2"}, {"p3", "e", .total = "1"}},
                .doubt = "count says 2 where 4 records came already"},
        {"page: total is missing, and it alone says when to stop",
                {KIND(PAGE), .size = 2, .total = "n", .stop = REST_STOP_TOTAL}, {{"p1", "ab"}},
                .error = "no number at n"},
        {"page: empty by its status, with total",
                {KIND(PAGE), .total = "n", .stop = REST_STOP_TOTAL}, {{"p1", ""}}},
        {"page: the total shrinks: the page before once more",
                {KIND(PAGE), .size = 2, .total = "n"},
                {{"p1", "ab", .total = "5"}, {"p2", "de", .total = "4"}, {"p1", "bc", .total = "4"},
                        {"p2", "de", .total = "4"}}},
        {"offset: disjoint, and the total shrinks",
                {KIND(OFFSET), .size = 2, .total = "n", .disjoint = true},
                {{"o0", "ab", .total = "5"}, {"o2", "de", .total = "4"}, {"o0", "bc", .total = "4"},
                        {"o2", "de", .total = "4"}}},
        {"page: fewer came than the source counts", {KIND(PAGE), .size = 2, .total = "n"},
                {{"p1", "ab", .total = "9"}, {"p2", "", .total = "9"}},
                .doubt = "counts 9 records, 2 came"},
        {"page: total that is no number", {KIND(PAGE), .size = 2, .total = "n"},
                {{"p1", "ab", .total = "{}"}},
                .error = "paging.total: n is {}, not a whole number"},
        {"page: pages", {KIND(PAGE), .pages = "n"},
                {{"p1", "ab", .pages = "2"}, {"p2", "cd", .pages = "2"}}},
        {"page: pages of an empty table", {KIND(PAGE), .pages = "n"}, {{"p1", "", .pages = "0"}}},
        {"page: pages counted from 0", {KIND(PAGE), .first = 0, .first_given = true, .pages = "n"},
                {{"p0", "ab", .pages = "2"}, {"p1", "cd", .pages = "2"}}},
        {"page: more", {KIND(PAGE), .more = "m"},
                {{"p1", "ab", .more = "true"}, {"p2", "c", .more = "true"},
                        {"p3", "de", .more = "false"}}},
        {"page: more that is neither", {KIND(PAGE), .more = "m"}, {{"p1", "ab", .more = "\"x\""}},
                .error = "not true or false"},
        {"page: the last page for ever", {KIND(PAGE), .size = 2, .param = "page"},
                {{"p1", "ab"}, {"p2", "ab"}}, .error = "is 'page' the parameter of this API?"},

        {"offset: pages overlap", {KIND(OFFSET), .size = 3},
                {{"o0", "abc"}, {"o2", "cde"}, {"o4", "ef"}}},
        {"offset: a full last page", {KIND(OFFSET), .size = 3}, {{"o0", "abc"}, {"o2", "c"}}},
        {"offset: first is 1", {KIND(OFFSET), .size = 3, .first = 1, .first_given = true},
                {{"o1", "abc"}, {"o3", "cd"}}},
        {"offset: disjoint", {KIND(OFFSET), .size = 3, .disjoint = true},
                {{"o0", "abc"}, {"o3", "def"}, {"o6", "g"}}},
        {"offset: pages of one record", {KIND(OFFSET), .size = 1},
                {{"o0", "a"}, {"o1", "b"}, {"o2", ""}}},
        {"offset: total", {KIND(OFFSET), .size = 3, .total = "n"},
                {{"o0", "abc", .total = "5"}, {"o2", "cde", .total = "5"}}},
        {"offset: one was deleted: back", {KIND(OFFSET), .size = 3},
                {{"o0", "abc"}, {"o2", "def"}, {"o0", "bcd"}, {"o2", "def"}, {"o4", "f"}}},
        {"offset: one was inserted", {KIND(OFFSET), .size = 3},
                {{"o0", "abc"}, {"o2", "bcd"}, {"o4", "de"}}},
        {"offset: the page is gone: back", {KIND(OFFSET), .size = 3, .total = "n"},
                {{"o0", "abc", .total = "6"}, {"o2", "cde", .total = "6"}, {"o4", "", .total = "3"},
                        {"o1", "de", .total = "3"}}},
        {"offset: the parameter is ignored", {KIND(OFFSET), .size = 3, .param = "start"},
                {{"o0", "abc"}, {"o2", "abc"}, {"o4", "abc"}}, .error = "is 'start' the parameter"},

        {"keyset", {KIND(KEYSET), .size = 2, .field = "id"},
                {{"-", "ab"}, {"a:b", "cd"}, {"a:d", ""}}},
        {"keyset: short", {KIND(KEYSET), .size = 2, .field = "id", .stop = REST_STOP_SHORT},
                {{"-", "ab"}, {"a:b", "c"}}},
        {"keyset: from here on, not behind here", {KIND(KEYSET), .size = 2, .field = "id"},
                {{"-", "ab"}, {"a:b", "bc"}, {"a:c", "c"}}},
        {"keyset: one record, from here on", {KIND(KEYSET), .field = "id"},
                {{"-", "a"}, {"a:a", "a"}}},
        {"keyset: the parameter is ignored",
                {KIND(KEYSET), .size = 2, .field = "id", .param = "gt"},
                {{"-", "ab"}, {"a:b", "ab"}}, .error = "is 'gt' the parameter"},
        {"keyset: A B A", {KIND(KEYSET), .size = 2, .field = "id"},
                {{"-", "ab"}, {"a:b", "cd"}, {"a:d", "xb"}}, .error = "names the key 'b' again"},
        {"keyset: total of what is left",
                {KIND(KEYSET), .size = 2, .field = "id", .total = "n", .stop = REST_STOP_TOTAL},
                {{"-", "ab", .total = "4"}, {"a:b", "cd", .total = "2"}}},

        {"cursor", {KIND(CURSOR), .next = "c"},
                {{"-", "ab", .next = "\"x\""}, {"a:x", "c", .next = "null"}}},
        {"cursor: a number; 0 is the end", {KIND(CURSOR), .next = "c"},
                {{"-", "ab", .next = "17"}, {"a:17", "c", .next = "0"}}},
        {"cursor: an empty text is the end", {KIND(CURSOR), .next = "c"},
                {{"-", "ab", .next = "\"\""}}},
        {"cursor: an empty page in between", {KIND(CURSOR), .next = "c"},
                {{"-", "ab", .next = "\"x\""}, {"a:x", "", .next = "\"y\""}, {"a:y", "c"}}},
        {"cursor: an empty page that names itself", {KIND(CURSOR), .next = "c"},
                {{"-", "ab", .next = "\"x\""}, {"a:x", "", .next = "\"x\""}}},
        {"cursor: always a token, with empty", {KIND(CURSOR), .next = "c", .stop = REST_STOP_EMPTY},
                {{"-", "ab", .next = "\"x\""}, {"a:x", "", .next = "\"y\""}}},
        {"cursor: a token that never changes", {KIND(CURSOR), .next = "c"},
                {{"-", "ab", .next = "\"x\""}, {"a:x", "cd", .next = "\"x\""}},
                .error = "page 2 names the token 'x' again, as page 1 did"},
        {"cursor: A B A", {KIND(CURSOR), .next = "c"},
                {{"-", "ab", .next = "\"x\""}, {"a:x", "cd", .next = "\"y\""},
                        {"a:y", "ef", .next = "\"x\""}},
                .error = "page 3 names the token 'x' again, as page 1 did"},
        {"cursor: other tokens, the same records", {KIND(CURSOR), .next = "c"},
                {{"-", "ab", .next = "\"x\""}, {"a:x", "ab", .next = "\"y\""}},
                .error = "has the records of the page before it"},
        {"cursor: an object", {KIND(CURSOR), .next = "c"}, {{"-", "ab", .next = "{\"a\":1}"}},
                .error = "paging.next: c is {\"a\":1}, not a text or a number"},
        {"cursor: more without a token", {KIND(CURSOR), .next = "c", .more = "m"},
                {{"-", "ab", .more = "true"}}, .error = "nothing at c (paging.next)"},
        {"cursor: no more, with a token", {KIND(CURSOR), .next = "c", .more = "m"},
                {{"-", "ab", .next = "\"x\"", .more = "false"}}},
        {"cursor: misnamed", {KIND(CURSOR), .next = "c", .size = 2}, {{"-", "ab"}},
                .doubt = "the reply has no c"},
        {"cursor: fewer than counted", {KIND(CURSOR), .next = "c", .total = "n"},
                {{"-", "ab", .total = "3"}}, .doubt = "counts 3 records, 2 came"},

        {"next_url: relative, with blanks", {KIND(NEXT_URL), .next = "n"},
                {{"-", "ab", .next = "\"?$filter=a eq 'b'&$skip=2\""},
                        {"u:?$filter=a%20eq%20'b'&$skip=2", "c", .next = "null"}}},
        {"next_url: line breaks cannot leave the address", {KIND(NEXT_URL), .next = "n"},
                {{"-", "ab", .next = "\"/x\\r\\nHost: y\""}, {"u:/x%0D%0AHost:%20y", "c"}}},
        {"next_url: not an address", {KIND(NEXT_URL), .next = "n"}, {{"-", "ab", .next = "5"}},
                .error = "paging.next: n is 5, not an address"},
        {"next_url: round, its query may be secret", {KIND(NEXT_URL), .next = "n"},
                {{"-", "ab", .next = "\"/x?key=S\""}, {"u:/x?key=S", "cd", .next = "\"/x?key=S\""}},
                .error = "names the address '/x?...' again, as page 1 did; nothing"},
        {"link_header", {KIND(LINK_HEADER)}, {{"-", "ab", .link = "/2"}, {"u:/2", "cd"}}},
        {"odata: an empty page with a link", {KIND(ODATA)},
                {{"-", "ab", .next = "\"/2\""}, {"u:/2", "", .next = "\"/3\""}, {"u:/3", "c"}}},

        /* Records without a key: only the first of a page may be the last of the page before. */
        {"a key: one that came is not handed on again", {KIND(OFFSET), .size = 3},
                {{"o0", "abb"}, {"o2", "bbc"}, {"o4", "c"}}, .given = "abbc"},
        {"each counts, offset: equal ones too", {KIND(OFFSET), .size = 3},
                {{"o0", "abb"}, {"o2", "bbc"}, {"o4", "c"}}, .each_counts = true, .given = "abbbc"},
        {"each counts, page: nothing overlaps", {KIND(PAGE), .size = 2},
                {{"p1", "aa"}, {"p2", "ab"}, {"p3", ""}}, .each_counts = true, .given = "aaab"},
        {"each counts, disjoint: nothing overlaps", {KIND(OFFSET), .size = 2, .disjoint = true},
                {{"o0", "ab"}, {"o2", "bc"}, {"o4", "c"}}, .each_counts = true, .given = "abbcc"},
        {"each counts, keyset: from here on", {KIND(KEYSET), .size = 2, .field = "id"},
                {{"-", "ab"}, {"a:b", "bc"}, {"a:c", "c"}}, .each_counts = true, .given = "abc"},
        {"each counts, offset: one was deleted", {KIND(OFFSET), .size = 3},
                {{"o0", "abc"}, {"o2", "def"}}, .each_counts = true, .given = "abc",
                .error = "page 2 does not begin where the page before it ended"},
        {"each counts, offset: one was inserted", {KIND(OFFSET), .size = 3},
                {{"o0", "abc"}, {"o2", "bcd"}}, .each_counts = true, .given = "abc",
                .error = "page 2 does not begin"},
        {"each counts, page: the total shrinks", {KIND(PAGE), .size = 2, .total = "n"},
                {{"p1", "ab", .total = "5"}, {"p2", "de", .total = "4"}}, .each_counts = true,
                .error = "does not begin"},
};

static void scripted_servers_are_read_to_their_end(void **state)
{
        for (size_t i = 0; i < COUNT(scenarios); i++)
                check_scenario(&scenarios[i]);
}

/* ---- guards ---- */

static void no_read_has_more_than_max_pages(void **state)
{
        struct rest_paging_spec spec = {.kind = REST_PAGING_CURSOR, .next = "c", .max_pages = 5};
        cleanup_(rest_pager_freep) struct rest_pager *p = NULL;
        struct err e = {0};
        bool more = true;
        int rc = 0, pages = 0;

        assert_int_equal(rest_pager_new(&spec, (struct str){0}, &p, &e), 0);
        while (!rc && more) {
                char token[16];
                snprintf(token, sizeof(token), "%d", ++pages);
                struct rest_page_facts facts = {
                        .records = 1, .hash = (uint64_t)pages, .next = str_of(token)};
                (void)rest_pager_record(p, (uint64_t)pages, (uint64_t)pages);
                rc = rest_pager_advance(p, &facts, &more, &e);
        }
        assert_int_equal(rc, -ERR_RETRY);
        assert_int_equal(pages, 5);
        assert_non_null(strstr(e.text, "more than 5 pages"));
}

/* A round of 50,000 pages, after 100,000 others: memory is bounded, and it is found. */
static void long_rounds_are_found(void **state)
{
        struct rest_paging_spec spec = {.kind = REST_PAGING_CURSOR, .next = "c"};
        cleanup_(rest_pager_freep) struct rest_pager *p = NULL;
        struct err e = {0};
        bool more = true;
        int rc = 0, pages = 0;

        assert_int_equal(rest_pager_new(&spec, (struct str){0}, &p, &e), 0);
        while (!rc && more && ++pages < 300000) {
                char token[16];
                int n = pages < 100000 ? pages : 100000 + pages % 50000;
                snprintf(token, sizeof(token), "\"%d\"", n);
                struct rest_page_facts facts = {
                        .records = 1, .hash = (uint64_t)pages, .next = str_of(token)};
                rc = rest_pager_advance(p, &facts, &more, &e);
        }
        assert_int_equal(rc, -ERR_RETRY);
        assert_non_null(strstr(e.text, "go round"));
}

static void servers_that_never_repeat_a_record_end(void **state)
{
        struct rest_paging_spec spec = {.kind = REST_PAGING_OFFSET, .size = 3, .max_pages = 1000};
        cleanup_(rest_pager_freep) struct rest_pager *p = NULL;
        struct err e = {0};
        bool more = true;
        int rc = 0;
        uint64_t key = 0, pages = 0;

        assert_int_equal(rest_pager_new(&spec, (struct str){0}, &p, &e), 0);
        for (; !rc && more; pages++) {
                struct rest_page_facts facts = {.records = 3, .hash = key};
                for (int i = 0; i < 3; i++, key++)
                        (void)rest_pager_record(p, key, key);
                rc = rest_pager_advance(p, &facts, &more, &e);
        }
        assert_int_equal(rc, -ERR_RETRY);
        assert_non_null(strstr(e.text, "do not follow those of the page before"));
        assert_true(pages < 100);
}

static void a_page_asked_for_again_counts_once(void **state)
{
        struct rest_paging_spec spec = {.kind = REST_PAGING_OFFSET, .size = 3};
        cleanup_(rest_pager_freep) struct rest_pager *p = NULL;
        struct rest_page_facts facts = {.records = 3, .hash = 1};
        struct err e = {0};
        bool more;

        assert_int_equal(rest_pager_new(&spec, (struct str){0}, &p, &e), 0);
        for (uint64_t k = 0; k < 3; k++)
                assert_false(rest_pager_record(p, k, k));
        assert_int_equal(rest_pager_advance(p, &facts, &more, &e), 0);
        assert_true(rest_pager_record(p, 2, 2));
        rest_pager_again(p);
        assert_false(rest_pager_record(p, 2, 99)); /* changed meanwhile: to be handed on */
        facts = (struct rest_page_facts){.records = 1, .hash = 2};
        assert_int_equal(rest_pager_advance(p, &facts, &more, &e), 0);
        assert_false(more);
}

/* ---- marks ---- */

static const struct {
        enum rest_paging_kind kind;
        const char *mark;
} bad_marks[] = {
        {REST_PAGING_PAGE, "{"},
        {REST_PAGING_PAGE, "[]"},
        {REST_PAGING_PAGE, "null"},
        {REST_PAGING_PAGE,
                "{\"kind\":\"offset\",\"number\":1,\"at\":1,\"largest\":1,\"delivered\":1,"
                "\"total\":0,\"back\":1,\"meet\":false,\"anchors\":[]}"},
        {REST_PAGING_OFFSET,
                "{\"kind\":\"offset\",\"number\":1,\"at\":-1,\"largest\":1,"
                "\"delivered\":1,\"total\":0,\"back\":1,\"meet\":false,\"anchors\":[]}"},
        {REST_PAGING_OFFSET,
                "{\"kind\":\"offset\",\"number\":1e300,\"at\":1,\"largest\":1,"
                "\"delivered\":1,\"total\":0,\"back\":1,\"meet\":false,\"anchors\":[]}"},
        {REST_PAGING_OFFSET,
                "{\"kind\":\"offset\",\"number\":1,\"at\":1,\"largest\":1,"
                "\"delivered\":1,\"total\":0,\"back\":0,\"meet\":false,\"anchors\":[]}"},
        {REST_PAGING_OFFSET, "{\"kind\":\"offset\",\"number\":1,\"at\":1,\"largest\":1,"
                             "\"delivered\":1,\"total\":0,\"back\":1,\"meet\":1,\"anchors\":[]}"},
        {REST_PAGING_OFFSET, "{\"kind\":\"offset\",\"number\":1,\"at\":1,\"largest\":1,"
                             "\"delivered\":1,\"total\":0,\"back\":1,\"meet\":true,"
                             "\"anchors\":[\"xyz\"]}"},
        {REST_PAGING_CURSOR,
                "{\"kind\":\"cursor\",\"number\":1,\"at\":0,\"largest\":1,"
                "\"delivered\":1,\"total\":0,\"back\":1,\"meet\":false,\"anchors\":[]}"},
        {REST_PAGING_CURSOR, "{\"kind\":\"cursor\",\"number\":0,\"at\":0,\"largest\":1,"
                             "\"delivered\":1,\"total\":0,\"back\":1,\"meet\":false,"
                             "\"token\":\"x\",\"anchors\":[]}"},
};

static void marks_of_others_are_refused(void **state)
{
        for (size_t i = 0; i < COUNT(bad_marks); i++) {
                struct rest_paging_spec spec = {.kind = bad_marks[i].kind, .max_pages = 10};
                struct rest_pager *p = NULL;
                struct err e = {0};
                if (rest_pager_new(&spec, str_of(bad_marks[i].mark), &p, &e) != -ERR_CONFIG || p)
                        fail_msg("taken: %s", bad_marks[i].mark);
        }
}

/* ---- memory ---- */

static int read_some(struct err *e)
{
        static const struct rest_paging_spec spec = {.kind = REST_PAGING_NEXT_URL, .next = "n"};
        cleanup_buf_ struct buf mark = BUF_INIT(4096), again = BUF_INIT(4096);
        struct rest_page_facts facts = {.records = 1, .hash = 1, .next = STR("\"/a b\"")};
        cleanup_(rest_pager_freep) struct rest_pager *p = NULL, *q = NULL;
        bool more;
        int rc = rest_pager_new(&spec, (struct str){0}, &p, e);

        if (rc)
                return rc;
        (void)rest_pager_record(p, 1, 1);
        if ((rc = rest_pager_advance(p, &facts, &more, e)) || (rc = rest_pager_mark(p, &mark, e)) ||
                (rc = rest_pager_new(&spec, buf_str(&mark), &q, e)) ||
                (rc = rest_pager_mark(q, &again, e)))
                return rc;
        assert_true(str_eq(buf_str(&mark), buf_str(&again)));
        assert_string_equal(rest_pager_page(q)->url, "/a%20b");
        return 0;
}

static void a_failed_allocation_is_an_error(void **state)
{
        ALLOC_FAIL_EACH(i)
        {
                struct err e = {0};
                alloc_fail_at(i);
                int rc = read_some(&e);
                assert_true(rc == 0 || rc == -ERR_NOMEM);
        }
}

/* ---- Link headers ---- */

static const struct {
        const char *header, *next;
} links[] = {
        {"<https://a.example/x?page=2>; rel=\"next\"", "https://a.example/x?page=2"},
        {"<https://a.example/1>; rel=\"prev\", <https://a.example/3>; rel=\"next\"",
                "https://a.example/3"},
        {"<u>;rel=next", "u"},
        {"<u> ; REL = \"Next\"", "u"},
        {"<u>; rel=\"last next\"", "u"},
        {"<u>; title=\"a, <b>; rel=next\"; rel=\"next\"", "u"},
        {"<a>; title=\"x\\\"; rel=next\", <b>; rel=next", "b"},
        {"<a,b;c>; rel=next", "a,b;c"},
        {"<a>; rel=prev; rel=next", NULL},
        {"<a>; rel=next; anchor=\"#other\"", NULL},
        {"<a>; rel=\"nextpage\"", NULL},
        {"<a>; rel=\"x-next\"", NULL},
        {"<a>; rev=next", NULL},
        {"<>; rel=next", NULL},
        {"<a>; rel=next=x, <b>; rel=next", "a"},
        {"garbage, <b>; rel=next", "b"},
        {"<a; rel=next", NULL},
        {"<a>; ;; rel=next", "a"},
        {"<a>; rel=\"next", "a"},
        {"<a>", NULL},
        {"", NULL},
        {",,,", NULL},
};

static void links_are_read_by_rfc_8288(void **state)
{
        for (size_t i = 0; i < COUNT(links); i++) {
                struct str next = {0};
                bool found = rest_link_next(str_of(links[i].header), &next);
                if (found != (links[i].next != NULL) || (found && !str_is(next, links[i].next)))
                        fail_msg("%s: '%.*s'", links[i].header, STR_ARG(next));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(scripted_servers_are_read_to_their_end),
                cmocka_unit_test(no_read_has_more_than_max_pages),
                cmocka_unit_test(long_rounds_are_found),
                cmocka_unit_test(servers_that_never_repeat_a_record_end),
                cmocka_unit_test(a_page_asked_for_again_counts_once),
                cmocka_unit_test(marks_of_others_are_refused),
                cmocka_unit_test(a_failed_allocation_is_an_error),
                cmocka_unit_test(links_are_read_by_rfc_8288),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
